// Package batchtest tests recipes: a batch on a simulated plant, in virtual time, with faults and operators at the steps where they
// hurt, and what must have come of it.
//
// Start with [New], or with scenario files ([Scenarios]), which need no Go. A trial runs through package batch/runner, the loop of a
// real controller, with its journal in memory; [Trial.WantReplay] then replays it, and cuts it short after every record of its
// journal and lets the controller come up again.
//
//	r := batchtest.New(t, "recipe.yaml", "map.yaml", sim.NewPlant(1), nil)
//	r.During("CHARGE_A").Fault(sim.Fault{Kind: sim.Silent, Channel: "ctr/1", For: 3 * time.Second})
//	r.Run(2 * time.Hour)
//	r.WantState("Complete")
//	r.WantTotal("A", "120.00 kg", "0.05 kg")
//	r.WantReplay()
//
// The rule that must not be broken: a trial is exact. The same files, plant, faults and commands give the same records, byte for
// byte, on every machine.
//
// It proves a recipe on a model, and nothing about a real plant. It leaves no evidence package and writes no file, but for the
// stories of scenarios where it is told to.
package batchtest

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/recipe"
)

// FaultInjector is a plant that can be made to fail. A plant of one's own takes those kinds of fault that it knows and refuses others.
type FaultInjector interface {
	Fault(f sim.Fault) error // begins at f.At, in the plant's time; a time in the past means now
}

// Forker is a plant that can be copied. Without it, and unless it is a sim.Plant, a trial cannot be cut short.
type Forker interface {
	Fork() runner.Simulation // a plant in the same state, as of the newest Advance, that goes on by itself exactly as this one would
}

// Powered is a plant whose controller can lose its power; a sim.Plant is one. Other plants are cut short by the death of the
// process alone.
type Powered interface {
	PowerCut(now int64) // outputs drop, writes under way are lost, nothing is emitted
	Boot(now int64)     // the controller comes up, with power or without having lost it: what is on its way to a device is dropped, every value emitted once
}

// Options are the options of a trial. Nil is the same as the zero value.
type Options struct {
	Size       string                   // batch size, such as "150 kg"; "" is the recipe's nominal size
	Seed       uint64                   // of the plant, for the records; 0: none
	Unattended bool                     // nobody answers prompts but Moment.Answer; else each is answered as it is asked: ok, or the least that fits
	Actions    []recipe.ActionType      // OEM actions that the recipe may ask for
	Do         map[string]runner.Action // who does them; called on the loop, and time stands still meanwhile
	InFlight   []batch.InFlight         // what batches before it have learnt, such as Trial.Learnt of another trial
}

// Trial is one batch on a simulated plant. It is for one goroutine.
type Trial struct {
	t       testing.TB
	b       *batch.Batch
	opt     Options
	plant   runner.Simulation
	moments []moment
	ran     *passage // nil before Run
}

// New reads a recipe and its map and binds a batch of them. The names are paths as the operating system has them, relative to the
// directory of the test. What is wrong with the files ends the test. The plant must not have been used yet, and is the trial's.
func New(t testing.TB, recipeFile, mapFile string, plant runner.Simulation, opt *Options) *Trial {
	t.Helper()
	r, err := open(t, disk{}, 1, recipeFile, mapFile, plant, opt)
	if err != nil {
		t.Fatalf("batchtest: %v", err)
	}
	return r
}

// open makes the nth trial of a row.
func open(t testing.TB, files fs.FS, n int, recipeFile, mapFile string, plant runner.Simulation, opt *Options) (*Trial, error) {
	r := &Trial{t: t, plant: plant}
	if opt != nil {
		r.opt = *opt
	}
	plan, err := batch.Load(files, filepath.ToSlash(recipeFile), filepath.ToSlash(mapFile), &batch.LoadOptions{Actions: r.opt.Actions})
	if err != nil {
		return nil, err
	}
	r.b, err = plan.Bind(fmt.Sprintf("T-%04d", n), r.opt.Size, batch.Unapproved, &batch.BindOptions{Seed: r.opt.Seed, InFlight: r.opt.InFlight})
	return r, err
}

// disk opens files by any path.
type disk struct{}

// Open opens a file for reading.
func (disk) Open(name string) (fs.File, error) { return os.Open(filepath.FromSlash(name)) }

// Moment is a time of a trial at which something happens. What was given for one time happens in the order in which it was given.
type Moment struct {
	r    *Trial
	step string
	ns   int64
}

// At is a time since the start of the run.
func (r *Trial) At(d time.Duration) Moment { return Moment{r: r, ns: int64(d)} }

// During is the moment in which a step begins for the first time. What stands around a step has a name of its own, as in records:
// HEAT.entry, ROUTE.select. A step that never begins lets nothing happen; whether it was to begin is for WantRecord to tell.
func (r *Trial) During(step string) Moment {
	r.t.Helper()
	if !r.knows(step) {
		r.t.Fatalf("batchtest: During(%q): the recipe has no such step; it has %s", step, r.steps())
	}
	return Moment{r: r, step: step}
}

// After is a time later than m.
func (m Moment) After(d time.Duration) Moment {
	m.ns += int64(d)
	return m
}

// Fault lets something go wrong from then on, for as long as f says; f.At is not looked at.
func (m Moment) Fault(f sim.Fault) {
	m.r.t.Helper()
	if _, ok := m.r.plant.(FaultInjector); !ok {
		m.r.t.Fatalf("batchtest: Fault: the plant, a %T, is no FaultInjector", m.r.plant)
	}
	if err := probe(m.r.plant, f); err != nil {
		m.r.t.Fatalf("batchtest: Fault: %v", err)
	}
	m.r.add(moment{Moment: m, what: fails, fault: f})
}

// probe tries a fault on a copy of the plant, so that a wrong one is told where it stands.
func probe(plant runner.Simulation, f sim.Fault) error {
	if copied, ok := fork(plant); ok {
		f.At = 0
		return copied.(FaultInjector).Fault(f)
	}
	return nil
}

// Tell gives a command. An empty operator is "op1", an empty reason "batchtest".
func (m Moment) Tell(c runner.Command) {
	m.r.t.Helper()
	if c.Operator == "" {
		c.Operator = "op1"
	}
	if c.Reason == "" {
		c.Reason = "batchtest"
	}
	if c.Role == "" {
		c.Role = "operator"
	}
	m.r.add(moment{Moment: m, what: tells, command: c})
}

// Answer answers the prompt that has waited longest; where none does, the next one, as it is asked. One that the prompt does not take
// is refused, and the prompt waits for another. An empty operator is "op1".
func (m Moment) Answer(value, operator string) {
	m.r.t.Helper()
	if operator == "" {
		operator = "op1"
	}
	m.r.add(moment{Moment: m, what: answers, command: runner.Command{Value: value, Operator: operator}})
}

// Crash ends the controller's process, which is back after a time; outputs stay as they are, and the clock goes on.
func (m Moment) Crash(gone time.Duration) {
	m.r.t.Helper()
	m.r.add(moment{Moment: m, what: crashes, gone: int64(gone)})
}

// PowerCut takes the controller's power away for a time: outputs drop, and its clock begins anew.
func (m Moment) PowerCut(off time.Duration) {
	m.r.t.Helper()
	if _, ok := m.r.plant.(Powered); !ok {
		m.r.t.Fatalf("batchtest: PowerCut: the plant, a %T, is not Powered", m.r.plant)
	}
	m.r.add(moment{Moment: m, what: darkens, gone: int64(off)})
}

func (r *Trial) add(m moment) {
	r.t.Helper()
	switch {
	case r.ran != nil:
		r.t.Fatalf("batchtest: the trial has run already; say before Run what shall happen")
	case len(r.moments) == MaxMoments:
		r.t.Fatalf("batchtest: more than %d things are to happen", MaxMoments)
	case m.ns < 0 || m.gone < 0 || m.ns > int64(MaxTime) || m.gone > int64(MaxTime):
		r.t.Fatalf("batchtest: a time of %s: want 0 to %s", time.Duration(cmp.Or(min(m.ns, m.gone, 0), max(m.ns, m.gone))), MaxTime)
	}
	r.moments = append(r.moments, m)
}

// Limits of a trial.
const (
	MaxMoments = 10_000                // things that happen
	MaxTime    = 8760 * time.Hour      // of a Moment, and of a run
	restTime   = int64(20_000_000_000) // ns for which a batch rests, with nothing to come, before its run ends
)

// Run runs the batch until it has ended, or rests and nothing more is to happen, or the limit of virtual time is over. It rests where all
// that is under way is held or paused, or waits between two steps for a person, and where its start was refused.
// A fault of the engine or of the loop ends the test, with the seed of the plant.
func (r *Trial) Run(limit time.Duration) {
	r.t.Helper()
	if r.ran != nil {
		r.t.Fatalf("batchtest: Run may be called once")
	}
	if limit <= 0 || limit > MaxTime {
		r.t.Fatalf("batchtest: Run: limit %s: want more than 0 and at most %s", limit, MaxTime)
	}
	r.ran = newPassage(r, int64(limit))
	r.ran.play()
	if r.ran.fault != nil {
		r.t.Fatalf("batchtest: seed %d: %v\nthe records before it:\n%s", r.b.Seed, r.ran.fault, r.ran.tail())
	}
}

// done ends the test where Run was not called.
func (r *Trial) done(what string) *passage {
	r.t.Helper()
	if r.ran == nil {
		r.t.Fatalf("batchtest: %s: call Run first", what)
	}
	return r.ran
}

// Learnt is what the batch has learnt of what runs in.
func (r *Trial) Learnt() []batch.InFlight {
	r.t.Helper()
	rp := r.b.Replay()
	for _, rec := range r.done("Learnt").recs {
		if err := rp.Record(rec); err != nil {
			r.t.Fatalf("batchtest: Learnt: %v", err)
		}
	}
	return rp.Machine.Learnt()
}

// Link is hash_curr of the last record: equal runs have equal links.
func (r *Trial) Link() string {
	r.t.Helper()
	return r.done("Link").link()
}

// Story tells what was decided, in words, a line for each thing that happened. It does not change unless the decisions do.
func (r *Trial) Story() string {
	r.t.Helper()
	return r.done("Story").story()
}
