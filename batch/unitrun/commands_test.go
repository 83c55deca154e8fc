// Every command to a slot and to a run in every state, by message, and what becomes of limits.

package unitrun_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/timebase"
)

// rig is a tracker that is told events one after the other.
type rig struct {
	*testing.T
	track *unitrun.Tracker
	fx    []unitrun.Effect
}

// newRig has unit R1 with a slot for Production.
func newRig(t *testing.T, s unitrun.Slot) *rig {
	r := &rig{T: t, track: unitrun.NewTracker()}
	s.Definition = "Production"
	r.does(unitrun.Event{Kind: unitrun.Configure, Config: &unitrun.Config{Definitions: []unitrun.Definition{{Name: "Production", Classes: []string{"c"}}},
		Units: []unitrun.Unit{{ID: "R1", Classes: []string{"c"}, Slots: []unitrun.Slot{s}}, {ID: "T1", Classes: []string{"c"}}}}})
	return r
}

// does tells an event that is not refused.
func (r *rig) does(e unitrun.Event) {
	r.fx = r.track.Step(timebase.Stamp{UTC: zero}, &e, r.fx[:0])
	for i := range r.fx {
		if r.fx[i].Kind == unitrun.Refused {
			require.Fail(r, "refused", r.fx[i].Reason)
		}
	}
}

// refuses tells an event that is refused, and says why.
func (r *rig) refuses(e unitrun.Event) string {
	r.fx = r.track.Step(timebase.Stamp{UTC: zero}, &e, r.fx[:0])
	require.NotEmpty(r, r.fx)
	require.Equal(r, unitrun.Refused, r.fx[0].Kind)
	return r.fx[0].Reason
}

// to is a command to the slot.
func to(do unitrun.EventKind) unitrun.Event {
	return unitrun.Event{Kind: do, Unit: "R1", Definition: "Production"}
}

// ways lead to a state.
var ways = map[unitrun.State][]unitrun.EventKind{
	unitrun.Idle: {}, unitrun.Created: {unitrun.Create}, unitrun.Active: {unitrun.Create, unitrun.Start},
	unitrun.Paused: {unitrun.Create, unitrun.Start, unitrun.Pause}, unitrun.Ready: {unitrun.Create, unitrun.Start, unitrun.MakeReady},
	unitrun.Finished: {unitrun.Create, unitrun.Start, unitrun.MakeReady, unitrun.Finish}, unitrun.Canceled: {unitrun.Create, unitrun.Cancel},
}

func TestATrackerDoesWhatItsTableSaysForEveryCommandInEveryState(t *testing.T) {
	for i := range 8 {
		slot := unitrun.Slot{AutoCreate: i&1 != 0, Unstarted: i&2 != 0, Post: i&4 != 0}
		for at := unitrun.Idle; at <= unitrun.Canceled; at++ {
			if at == unitrun.Finished && !slot.Post {
				continue
			}
			for do := unitrun.Create; do <= unitrun.Cancel; do++ {
				r := newRig(t, slot)
				e := to(do)
				for _, w := range ways[at] {
					r.does(byRun(to(w)))
				}
				if at != unitrun.Idle {
					e = unitrun.Event{Kind: do, Run: "R-000001"}
				}
				if do == unitrun.Create && at != unitrun.Idle || do == unitrun.Finish && at == unitrun.Idle {
					continue // a form that is refused
				}
				want, err := unitrun.Next(at, do, &slot)
				fx := r.track.Step(timebase.Stamp{UTC: zero}, &e, nil)
				run, known := r.track.Run("R-000001")
				require.Equal(t, err != nil, fx[0].Kind == unitrun.Refused, "%s in %s", do, at)
				switch {
				case err != nil:
					require.Equal(t, err.Error(), fx[0].Reason)
					require.Equal(t, at != unitrun.Idle, known)
				default:
					require.Equal(t, want, run.State, "%s in %s", do, at)
					require.Equal(t, want.Tracked(), stand(r).Run != "")
				}
			}
		}
	}
}

// byRun has finish told by run.
func byRun(e unitrun.Event) unitrun.Event {
	if e.Kind == unitrun.Finish {
		return unitrun.Event{Kind: unitrun.Finish, Run: "R-000001"}
	}
	return e
}

func stand(r *rig) unitrun.Stand {
	s, ok := r.track.Stand("R1", "Production")
	require.True(r, ok)
	return s
}

func TestTheSequencesOfTheReference(t *testing.T) {
	const create, start, pause, resume, ready, finish, cancel = unitrun.Create, unitrun.Start, unitrun.Pause, unitrun.Resume, unitrun.MakeReady, unitrun.Finish, unitrun.Cancel
	for _, c := range []struct {
		say     []unitrun.EventKind
		refused bool // the last one
	}{
		{say: []unitrun.EventKind{create, start, pause, resume, ready, finish}},
		{say: []unitrun.EventKind{create, start, start}, refused: true},
		{say: []unitrun.EventKind{create, pause}, refused: true},
		{say: []unitrun.EventKind{create, start, ready, ready}, refused: true},
		{say: []unitrun.EventKind{create, create}, refused: true},
		{say: []unitrun.EventKind{create, start, ready, create}},
		{say: []unitrun.EventKind{create, cancel, create}},
	} {
		r := newRig(t, unitrun.Slot{Post: true, Capture: &unitrun.Capture{Tags: []string{"TT1"}, PeriodMS: 1000}})
		on := 0
		for i, do := range c.say {
			if c.refused && i == len(c.say)-1 {
				require.NotEmpty(t, r.refuses(to(do)), c.say)
				continue
			}
			r.does(byRun(to(do)))
			for _, f := range r.fx {
				if f.Kind == unitrun.CaptureOn {
					on++
				}
			}
		}
		if len(c.say) == 6 {
			require.Equal(t, 2, on, "two windows of capture")
		}
	}
}

func TestACancelFreesTheIdentifierAndNotTheNumber(t *testing.T) {
	r := newRig(t, unitrun.Slot{Naming: unitrun.NamedByMessage})
	for i := range 3 {
		e := to(unitrun.Create)
		e.Ident = "B-7"
		r.does(e)
		run, _ := r.track.Run(fmt.Sprintf("R-%06d", i+1))
		require.Equal(t, "B-7", run.Ident)
		r.does(to(unitrun.Cancel))
	}
}
