// Claims of a trial: what it wants it wants, and what is wrong it says.

package batchtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

const (
	demo = "../../examples/controller/demo/"
	tank = "testdata/scenarios/"
)

// listener is a test that fails without failing.
type listener struct {
	testing.TB
	said []string
}

type fatal struct{}

func (l *listener) Helper()             {}
func (l *listener) Logf(string, ...any) {}
func (l *listener) Errorf(format string, args ...any) {
	l.said = append(l.said, fmt.Sprintf(format, args...))
}
func (l *listener) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	panic(fatal{})
}

// heard gives what a test says while something is done.
func heard(t *testing.T, do func(t testing.TB)) string {
	l := &listener{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(fatal{}) {
				panic(p)
			}
		}()
		do(l)
	}()
	return strings.Join(l.said, "\n")
}

func charge(t testing.TB, plant runner.Simulation) *Trial {
	return New(t, tank+"charge.yaml", tank+"map.yaml", plant, nil)
}

func TestATrialOfTheDemo(t *testing.T) {
	r := New(t, demo+"recipe.yaml", demo+"map.yaml", sim.NewPlant(1), &Options{Size: "150 kg", Seed: 1})
	r.During("CHARGE_A").After(2 * time.Second).Fault(sim.Fault{Kind: sim.Silent, Channel: "ctr/1", For: 3 * time.Second})
	r.At(20 * time.Second).Tell(runner.Command{Command: sequencer.Restart})
	r.Run(2 * time.Hour)
	r.WantState("Complete")
	r.WantTotal("A", "90.00 kg", "0.30 kg")
	r.WantTotal("B", "60 kg", "0.30 kg")
	r.WantRecord("quality_change", "logical_tag=FC101", "quality=STALE")
	r.WantRecord("step_state", "step_id=CHARGE_A", "phase_state=Holding", "detail=meter not*")
	r.WantNoRecord("timeout")
	if long() {
		r.WantReplay()
	}
}

func TestEqualTrialsGiveEqualBytes(t *testing.T) {
	link := func(seed uint64) string {
		r := charge(t, sim.NewPlant(seed))
		r.During("STIR").Fault(sim.Fault{Kind: sim.Refuse, Channel: "do/6", For: time.Second})
		r.At(20 * time.Second).Tell(runner.Command{Command: sequencer.Restart})
		r.Run(time.Hour)
		return r.Link()
	}
	require.Equal(t, link(1), link(1))
	require.NotEqual(t, link(1), link(2))
}

func TestWhatIsWantedAndIsNotSoIsSaid(t *testing.T) {
	r := charge(t, sim.NewPlant(1))
	r.During("STIR").Tell(runner.Command{Command: sequencer.Hold, Reason: "look"})
	r.Run(time.Hour)
	for want, do := range map[string]func(r *Trial){
		"the batch is Held and nothing more was to happen, want Complete; the last reasons on record: STIR hold": func(r *Trial) { r.WantState("Complete") },
		`there is no state "complete"`:                                  func(r *Trial) { r.WantState("complete") },
		"window A: total 19.97 kg (PASS), want 20.00 kg within 0.01 kg": func(r *Trial) { r.WantTotal("A", "20.00 kg", "0.01 kg") },
		"window B was not closed; closed were [A]":                      func(r *Trial) { r.WantTotal("B", "20.00 kg", "0.01 kg") },
		"the units differ":                                              func(r *Trial) { r.WantTotal("A", "20.00 L", "0.01 kg") },
		`unit "stone": not known`:                                       func(r *Trial) { r.WantTotal("A", "20 stone", "0.01 kg") },
		"there is no record timeout, and none of that kind":             func(r *Trial) { r.WantRecord("timeout") },
		"there is no record step_state step_id=X; of that kind there are\n  step_state step_id=RINSE": func(r *Trial) {
			r.WantRecord("step_state", "step_id=X")
		},
		"there is a record step_state step_id=STIR phase_state=Held, and none is wanted": func(r *Trial) {
			r.WantNoRecord("step_state", "step_id=STIR", "phase_state=Held")
		},
		`there is no kind of record "time_out"; there are access_refused, action_declared`:    func(r *Trial) { r.WantRecord("time_out") },
		`record timeout: "window=A": want key=value`:                                          func(r *Trial) { r.WantRecord("timeout", "window=A") },
		"the trial has run already":                                                           func(r *Trial) { r.At(0).Crash(0) },
		"Run may be called once":                                                              func(r *Trial) { r.Run(1) },
		"During(\"STIRR\"): the recipe has no such step; it has RINSE, CHARGE_A, STIR, DRAIN": func(r *Trial) { r.During("STIRR") },
	} {
		require.Contains(t, heard(t, func(l testing.TB) {
			c := *r
			c.t = l
			do(&c)
		}), want)
	}
}

func TestWhatCannotBeTriedIsRefused(t *testing.T) {
	for want, do := range map[string]func(l testing.TB){
		"nothing.yaml": func(l testing.TB) { New(l, tank+"nothing.yaml", tank+"map.yaml", sim.NewPlant(1), nil) },
		"size": func(l testing.TB) {
			New(l, tank+"charge.yaml", tank+"map.yaml", sim.NewPlant(1), &Options{Size: "1 t"})
		},
		"WantState: call Run first": func(l testing.TB) { charge(l, sim.NewPlant(1)).WantState("Complete") },
		"no such channel": func(l testing.TB) {
			charge(l, sim.NewPlant(1)).At(0).Fault(sim.Fault{Kind: sim.Silent, Channel: "x", For: 1})
		},
		"is no FaultInjector":           func(l testing.TB) { charge(l, newWild(1)).At(0).Fault(sim.Fault{Kind: sim.Frozen, For: 1}) },
		"is not Powered":                func(l testing.TB) { charge(l, plain{newWild(1)}).At(0).PowerCut(1) },
		"want more than 0 and at most":  func(l testing.TB) { charge(l, sim.NewPlant(1)).Run(0) },
		"a time of -1ns: want 0 to":     func(l testing.TB) { charge(l, sim.NewPlant(1)).At(-1).Crash(0) },
		"cannot be copied, so the run ": func(l testing.TB) { r := charge(l, plain{sim.NewPlant(1)}); r.Run(time.Hour); r.WantReplay() },
	} {
		require.Contains(t, heard(t, do), want)
	}
}

// plain is a plant that can do nothing but what a port must.
type plain struct{ runner.Simulation }

// twisted is a plant of which the copies are not as it is: their agitator does not turn.
type twisted struct{ *sim.Plant }

func (t twisted) Fork() runner.Simulation {
	c := t.Clone()
	if err := c.Fault(sim.Fault{Kind: sim.Stuck, Channel: "di/5", For: time.Hour}); err != nil {
		panic(err)
	}
	return twisted{c}
}

func TestACutThatComesToSomethingElseIsTold(t *testing.T) {
	said := heard(t, func(l testing.TB) {
		r := charge(l, twisted{sim.NewPlant(1)})
		r.Run(time.Hour)
		r.WantState("Complete")
		r.WantReplay()
	})
	require.Contains(t, said, "after record 0, at 0.0 s, the process died: the batch is Aborted; uncut it is Complete")
	require.Contains(t, said, "what followed:")
}

func TestWhatFollowsACutIsHeldAgainstTheUncutRun(t *testing.T) {
	r := charge(t, sim.NewPlant(1))
	r.Run(time.Hour)
	p := r.ran
	boot := p.boot
	require.NoError(t, p.alike(p, boot, false))
	nth := func(kind record.Kind, key record.Key, text string) int {
		return slices.IndexFunc(p.recs, func(rec *record.Record) bool { return rec.Kind == kind && rec.Text(key) == text })
	}
	with := func(i int, old, text string) *passage {
		c := *p
		c.recs = slices.Clone(p.recs)
		if c.recs = slices.Delete(c.recs, i, i+1); old != "" {
			rec, err := record.Parse(bytes.Replace(p.recs[i].Body, []byte(old), []byte(text), 1))
			require.NoError(t, err)
			c.recs = slices.Insert(c.recs, i, rec)
		}
		return &c
	}
	stir := nth(record.KindStepState, record.StepID, "STIR")
	for want, again := range map[string]*passage{
		"branch RINSE goes another way: after CHARGE_A is Complete, STIR sets AG301 to running; uncut: after CHARGE_A is Complete, STIR is Running": with(stir, "", ""),
		"the batch is Aborted; uncut it is Complete":     with(nth(record.KindBatchState, record.BatchState, "Complete"), `"Complete"`, `"Aborted"`),
		"window A is OUT_OF_TOLERANCE; uncut it is PASS": with(nth(record.KindWindowStop, record.MeterWindowID, "A"), `"PASS"`, `"OUT_OF_TOLERANCE"`),
	} {
		require.ErrorContains(t, p.alike(again, boot, false), want)
	}
	_, err := record.Parse(p.recs[stir].Body)
	require.NoError(t, err)
	changed := with(stir, `"elapsed_ms"`, `"elapsed_ms"`)
	changed.recs[stir] = p.recs[stir+1]
	require.Error(t, changed.replayed(spot{}), "a record that is another one does not replay")
}

func TestAPlantOfOnesOwn(t *testing.T) {
	r := New(t, tank+"transfer.yaml", tank+"map.yaml", own{sim.NewPlant(3)}, nil)
	r.Run(time.Hour)
	r.WantState("Complete")
	r.WantReplay()
}

// own is a plant that can be copied and has no power to lose; it shows everything anew every second, as sim.Plant does.
type own struct{ runner.Simulation }

func (o own) Fork() runner.Simulation { return own{o.Simulation.(*sim.Plant).Clone()} }

func TestAStoryIsHeldAgainstItsFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.golden")
	require.ErrorContains(t, compare(name, []byte("a\nb\n"), false), "there is no story yet")
	require.NoError(t, os.WriteFile(name, []byte("a\nb\n"), 0o644))
	require.NoError(t, compare(name, []byte("a\nb\n"), false))
	require.ErrorContains(t, compare(name, []byte("a\nc\n"), false), "x.golden:2: the story is another one")
	require.NoError(t, compare(name, []byte("a\nc\n"), true))
	require.NoError(t, compare(name, []byte("a\nc\n"), false))
	t.Setenv("BATCHKIT_UPDATE", "1")
	require.True(t, rewrite())
}

func TestARuleAtABootExcusesNeitherAnotherVerdictNorAnOutputThatIsNotSafe(t *testing.T) {
	r := charge(t, sim.NewPlant(1))
	r.Run(time.Hour)
	p := r.ran
	after := func(was, is string) error {
		again, changed := *p, 0
		again.recs = slices.Clone(p.recs)
		for i, rec := range p.recs {
			if (rec.Kind == record.KindWindowStop || rec.Kind == record.KindBatchEnd) && rec.Text(record.Result) == was {
				forged, err := record.Parse(bytes.Replace(rec.Body, []byte(`"result":"`+was), []byte(`"result":"`+is), 1))
				require.NoError(t, err)
				again.recs[i] = forged
				changed++
			}
		}
		require.Equal(t, 1, changed)
		return p.spared(&again, 0)
	}
	require.NoError(t, after("PASS", "PASS"))
	require.NoError(t, after("PASS", "NOT_GOOD"))
	require.EqualError(t, after("PASS", "OUT_OF_TOLERANCE"), "window A is OUT_OF_TOLERANCE; uncut it is PASS")
	require.EqualError(t, after("outputs_safe", "outputs_not_confirmed"), "it ends outputs_not_confirmed; uncut it ends outputs_safe")
}

func TestABatchThatWaitsBetweenTwoStepsRestsAndHasAStory(t *testing.T) {
	t.Parallel()
	r := charge(t, sim.NewPlant(1))
	r.At(time.Second).Tell(runner.Command{Command: sequencer.SemiAutomatic})
	r.Run(24 * time.Hour)
	require.Contains(t, r.Story(), "RINSE.step waits: release; next: STIR\n")
	require.True(t, strings.HasSuffix(r.Story(), "\nthe batch rests, Running, and nothing more is to happen\n"), r.Story())
	require.Less(t, len(r.ran.recs), 200)
	r.WantReplay()
}

func TestAPromptThatRefusesAnAnswerWaitsForAnother(t *testing.T) {
	t.Parallel()
	for _, unattended := range []bool{true, false} {
		r := New(t, tank+"weigh.yaml", tank+"map.yaml", sim.NewPlant(1), &Options{Unattended: unattended})
		r.During("ASK").After(time.Second).Answer("2 kg", "")
		r.During("ASK").After(2*time.Second).Answer("10 kg", "")
		r.During("ASK").After(2*time.Second).Answer("yes", "")
		r.Run(time.Hour)
		r.WantState("Complete")
		r.WantTotal("A", "10 kg", "0.5 kg")
	}
}
