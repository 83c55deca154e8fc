// Package production works off jobs and tracks unit runs on an executive: it has the processes of a list of jobs run as batches.
//
// Start with [Open] and [Engine.Run]. An engine is one process of a board, with one ledger, in DIR/production. The list of jobs (package jobs) and
// the unit runs (package unitrun) decide; the engine has them told what happens, puts on record what they were told and what they came to, and then
// has it carried out. A process of the list is one batch, made at the manager under the id that the list has given it; an activity is one step of it. What the
// engine knows is what is written: it may be killed at any moment, and the next one folds the ledger, looks which batches there are, tells the list, and
// goes on.
//
// The rule that must not be broken: evidence before action. What the list was told and all that it came to is durable before anything of it is carried out,
// and what is carried out twice is done once: batches and articles have ids, and whoever comes second finds the first. So nothing is lost and nothing is run
// twice. A batch that is there no more is looked up in the ledger of the manager, in DIR/manager, before anything is run in its place. [Check] folds a ledger
// again and compares each decision with the one on record, byte for byte; the ledger names the engine number that decided. What it has come to is kept in
// DIR/production.kept, so that a start reads of it only what follows; damage before that is found by Check, not by a start.
//
// What others do is behind contracts (see [Needs]): whoever knows recipes, articles and equipment is asked. [NewExecutive] answers all of them but articles
// by the manager and the runtime server. [JobManagement], [ProcessControl] and [UnitRuns] are for people; they work while the engine is Up.
//
// Runs that are controlled by signal follow what the board shows of its channels, which is the newest value each 100 ms: a shorter pulse may be missed, so let
// one last 200 ms. What was captured in the last five seconds before a kill may be lost, and that is told at the next start. A run that a person creates with a
// process_id is linked to that batch, and is the person's all the same: only runs that production has created for a batch begin and end with it.
//
// [ParseDay] reads a day's list, and [Rehearse] works it off in virtual time, by the same engine.
//
// The package decides nothing of what the next job is, what a batch does, or who gets equipment: jobs, batch/runner and arbiter do.
package production

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// Options are the options of Open. Nil is the same as the zero value.
type Options struct {
	Clock   timebase.Clock  // of its ledger and of what it waits for; nil: the system's
	Wall    timebase.Source // of its ledger; nil: the system's
	Storage journal.Storage // of its ledger; nil: the system's
	ID      string          // name of a ledger that is new; "": one by lot

	Prefix  string        // ids of jobs, processes and groups begin with it: the name of this node and a dot, where there are several; "": nothing
	Workers int           // orders that are carried out at a time, and likewise recipes, set-ups and articles; 0: 8
	Keep    int           // batches of jobs that are over and stay in the list of the manager, the newest; 0: 32; -1: all of them
	StopBy  time.Duration // by when all rests at a clean stop; 0: 60 s. What does not rest by then goes on, and is found by the next engine
	Kept    int           // records after which what the ledger has come to is kept in a file, for the next start; 0: 16,384; -1: never
	Leave   bool          // at a clean stop all goes on as it is, and the next engine finds it; false: all is brought to rest
	ReadyBy time.Duration // by when whoever is needed is there at a start; 0: as long as it takes
}

// maxWorkers is how many workers there may be.
const maxWorkers = 1024

// Engine is the engine. Its methods may be called from any goroutine.
type Engine struct {
	dir   string
	needs Needs
	opt   Options
	clock timebase.Clock
	led   *ledger.Ledger
	self  api.Self
	wake  chan struct{} // has room for one: there is something to be carried out
	grown chan struct{} // has room for one: the ledger has grown

	mu      sync.Mutex
	fold    *fold
	out     outbox
	broken  error // evidence can no longer be kept: nothing more is taken
	life    Life
	waits   string // while it is Starting: for whom
	rev     uint64
	changed chan struct{} // closed, and another one put in its place, with each change
	jobRevs map[string]uint64
	notices []api.JobNotice
	noticed uint64 // how many there were
	denials denials
	floor   runFloor
	past    past
}

// Open opens the ledger in dir/production, folds what stands there, and puts on record what a cut has left out. It starts nothing, and asks nobody.
// Device is the device_id of its records. What of a ledger cannot be read as input is set aside, on record; a ledger that is damaged behind what is kept of it is
// refused, and nothing is changed.
func Open(dir, device string, needs *Needs, opt *Options) (*Engine, error) {
	e := &Engine{dir: dir, needs: *needs, wake: make(chan struct{}, 1), grown: make(chan struct{}, 1), changed: make(chan struct{}), jobRevs: map[string]uint64{}}
	if opt != nil {
		e.opt = *opt
	}
	e.opt.Workers, e.opt.Keep = or(e.opt.Workers, 8), or(e.opt.Keep, 32)
	e.opt.StopBy, e.opt.Kept = or(e.opt.StopBy, time.Minute), or(e.opt.Kept, 1<<14)
	if e.clock = e.opt.Clock; e.clock == nil {
		e.clock = system.NewClock(1)
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	if err := e.initRuns(); err != nil {
		return nil, err
	}
	led, err := e.begin(device)
	if err != nil {
		return nil, err
	}
	e.led = led
	if err := e.mend(); err != nil {
		return nil, errors.Join(err, led.Close())
	}
	e.self = newSelf(led)
	return e, nil
}

// check refuses an engine that lacks what it needs, and names it.
func (e *Engine) check() error {
	for _, d := range dependencies {
		if d.required && !d.there(&e.needs) {
			return fmt.Errorf("production: it cannot start without %s; give one in Needs", d.name)
		}
	}
	if e.opt.Workers < 1 || e.opt.Workers > maxWorkers {
		return fmt.Errorf("production: it has %d workers; give 1 to %d", e.opt.Workers, maxWorkers)
	}
	if e.opt.Prefix == "" {
		return nil
	}
	return api.CheckBatch(e.opt.Prefix + "J-000001-0001") // which bounds it, too
}

// mend puts on record what a cut has left out of the last decisions, and what of the ledger cannot be read or comes out differently now.
func (e *Engine) mend() error {
	f := e.fold
	var list []func(b *record.Body)
	for _, x := range f.expect {
		list = append(list, func(b *record.Body) { x.fill(b, x.cause) })
	}
	f.expect = nil
	_, err := e.led.AppendAll(list...)
	if err != nil {
		return err
	}
	deeds := f.aside
	if f.diverged != nil {
		deeds = append(deeds, *f.diverged)
	}
	f.aside, f.diverged = nil, nil
	if f.engine != EngineNumber {
		deeds = append(deeds, deed{Did: didEngine, Seq: EngineNumber, Detail: f.prefix})
	}
	for i := range deeds {
		if err := e.did(&deeds[i], person{}); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the ledger. Run must have returned.
func (e *Engine) Close() error { return e.led.Close() }

// person is who orders something, and why; empty: nobody has.
type person struct{ actor, role, reason string }

// takeJobs has the list take an event: it is on record with all that it came to when takeJobs returns, and what is to be carried out stands in the outbox. What
// the list refuses is on record, too, and an *api.Error; so is an event that is none. The effects are those of the event.
func (e *Engine) takeJobs(ev *jobs.Event, by person) ([]jobs.Effect, error) {
	ev.Actor, ev.Role, ev.Reason = or(ev.Actor, by.actor), or(ev.Role, by.role), or(ev.Reason, by.reason)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.step(ev, by)
}

// step is takeJobs with mu held.
func (e *Engine) step(ev *jobs.Event, by person) ([]jobs.Effect, error) {
	line, err := ev.Append(nil)
	if err != nil {
		return nil, &api.Error{Status: http.StatusBadRequest, Message: "production: " + err.Error()}
	}
	in := input{kind: forJobs, line: line, actor: by.actor, role: by.role, reason: by.reason, job: ev.Job, process: ev.Process}
	var fx []jobs.Effect
	err = e.commit(&in, func(at timebase.Stamp) []fill {
		return e.fold.stepJobs(at, ev, func(x *jobs.Effect) { fx = append(fx, *x) })
	})
	if err != nil {
		return nil, err
	}
	for i := range fx {
		e.carry(&fx[i])
		if fx[i].Kind == jobs.Refused && err == nil {
			err = &api.Error{Status: http.StatusConflict, Message: "production: " + fx[i].Reason}
		}
	}
	e.touch()
	return fx, err
}

// commit has an input decided upon, and puts it on record with what it came to, in one go. It is called with mu held. Decide is called once, and only where
// the input can be put on record; after an error of the ledger nothing more is taken, since what was decided is not known to be on record.
func (e *Engine) commit(in *input, decide func(at timebase.Stamp) []fill) error {
	if e.broken != nil {
		return e.broken
	}
	fills, err := in.fills()
	if err == nil {
		err = e.room(fills)
	}
	if err != nil {
		return &api.Error{Status: http.StatusBadRequest, Message: "production: it cannot be put on record: " + err.Error()}
	}
	at := e.led.Now()
	decisions := decide(at)
	cause := e.led.Head().N + uint64(len(fills))
	for _, fill := range decisions {
		fills = append(fills, func(b *record.Body) { fill(b, cause) })
	}
	if _, err = e.led.AppendAt(at, fills...); err != nil {
		return e.breaks(err)
	}
	poke(e.grown)
	return nil
}

// breaks has nothing more be taken: evidence can no longer be kept. It is called with mu held.
func (e *Engine) breaks(err error) error {
	e.broken = &api.Error{Status: http.StatusServiceUnavailable, Message: "production: nothing more is taken: " + err.Error()}
	e.touch()
	return e.broken
}

// room refuses an input that has no room in a record.
func (e *Engine) room(fills []func(b *record.Body)) error {
	s := ledger.Stamps{Seq: 1<<64 - 1, Journal: e.led.ID(), At: e.led.Now()}
	for _, fill := range fills {
		fill(&e.fold.body)
		s.Write(&e.fold.body)
		var err error
		if e.fold.bytes, err = e.fold.body.Append(e.fold.bytes[:0]); err != nil {
			return err
		}
	}
	return nil
}

// did puts a deed on record.
func (e *Engine) did(d *deed, by person) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.deed(d, by)
}

// deed is did with mu held.
func (e *Engine) deed(d *deed, by person) error {
	in := input{kind: forDeeds, line: d.line(), actor: by.actor, role: by.role, reason: by.reason, job: d.Job, process: d.Process}
	err := e.commit(&in, func(timebase.Stamp) []fill { e.fold.did(d); return nil })
	if err == nil && d.Did != didEngine && d.Did != didSetup && d.Did != didKeep { // which are evidence, and no news
		e.notice(api.JobNotice{Result: under(d.Did), Job: d.Job, Process: d.Process, Detail: d.Detail})
		e.touch()
	}
	return err
}

// poke says that there is something to do.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// touch says that something has changed. It is called with mu held.
func (e *Engine) touch() {
	e.rev++
	close(e.changed)
	e.changed = make(chan struct{})
}

// pause waits, or until ctx ends.
func (e *Engine) pause(ctx context.Context, d time.Duration) {
	_ = e.clock.Wait(ctx, e.clock.Now()+int64(d))
}
