// Equipment that a person takes from a batch which lives: whenever that is, and whatever is ordered after it.

package sequencer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/recipe"
)

// lender is a run of two phases, the first with logic for its hold, in a block that uses what batches share. Its output is a part of that.
type lender struct {
	*rig
	t    *testing.T
	asks []uint32 // that were told
	ran  []string // phases that came to run
	sets int      // writes
}

func newLender(t *testing.T) *lender {
	w := &wired{shared: map[string]bool{"U": true}}
	w.output("Y", 0)
	open := todo{Action: Action{Kind: recipe.Set}, sets: []Set{{Output: 0, Value: 1}}}
	one := &block{name: "ONE", timeout: 600 * second, todo: []todo{open, {Action: Action{Kind: recipe.Delay, For: 60 * second}}}}
	for _, k := range []recipe.Transient{recipe.OnHold, recipe.OnRestart, recipe.OnStop} {
		one.logic[k] = &block{timeout: 300 * second, todo: []todo{open, {Action: Action{Kind: recipe.Delay, For: 60 * second}}}}
	}
	two := &block{name: "TWO", timeout: 600 * second, todo: []todo{open}}
	w.procedure(&block{name: "MAIN", below: []*block{{name: "A", uses: []string{"U"}, below: []*block{one, two}},
		{name: "B", todo: []todo{{Action: Action{Kind: recipe.Mark}}}}}})
	w.Outputs[0].Part = 1
	l := &lender{rig: newRig(w), t: t}
	l.show = func(_ *Event, fx []Effect) {
		for i := range fx {
			switch e := &fx[i]; {
			case e.Kind == RequestResource:
				l.asks = append(l.asks, e.ID)
			case e.Kind == Write:
				l.sets++
			case e.Kind == StepChanged && e.To == Running:
				l.ran = append(l.ran, w.elems[e.Elem])
			}
		}
	}
	l.takes(Event{Kind: Boot}, Event{Kind: Told, Command: Start})
	require.Equal(t, []uint32{1}, l.asks)
	return l
}

// takes takes events, one each second.
func (l *lender) takes(list ...Event) {
	l.t.Helper()
	for _, ev := range list {
		at := l.now + second
		require.NoError(l.t, l.ticks(at))
		require.NoError(l.t, l.take(at, ev))
	}
}

func TestWhatWasTakenBeforeItsPhaseWasDoneWithAskingIsAskedForAnew(t *testing.T) {
	granted, hold := Event{Kind: ResourceGranted, ID: 1}, Event{Kind: Told, Command: Hold}
	for what, before := range map[string][]Event{"a part of it is not safe": {granted}, "it was got while held": {hold, granted}} {
		t.Run(what, func(t *testing.T) {
			l := newLender(t)
			if len(before) == 1 {
				l.plant.value[l.w.Outputs[0].Tag] = 1
			}
			l.takes(before...)
			l.takes(Event{Kind: ResourceRefused, ID: 1, OK: true, Reason: "taken"})
			require.Equal(t, Held, l.m.State(0))
			l.plant.value[l.w.Outputs[0].Tag] = 0
			l.takes(Event{Kind: Told, Command: Restart})
			require.Equal(t, []uint32{1, 2}, l.asks)
			require.NotContains(t, l.ran, "ONE")
			l.takes(Event{Kind: ResourceGranted, ID: 2})
			require.Contains(t, l.ran, "ONE")
		})
	}
}

func TestFromWhatWasTakenNoOrderLetsAPhaseGoOn(t *testing.T) {
	granted, hold := Event{Kind: ResourceGranted, ID: 1}, Event{Kind: Told, Command: Hold}
	wrote, manual := Event{Kind: Done, ID: 1, OK: true}, Event{Kind: Told, Command: Manual}
	pause, again, tick := Event{Kind: Told, Command: Pause}, Event{Kind: Told, Command: Restart}, Event{Kind: Tick}
	var minute []Event
	for range 60 {
		minute = append(minute, tick)
	}
	for what, c := range map[string]struct {
		before []Event
		from   State
	}{
		"it waits for its device": {[]Event{granted}, Running}, "it runs": {[]Event{granted, wrote}, Running},
		"by hand": {[]Event{manual, granted, wrote}, Running}, "it is paused": {[]Event{granted, pause, wrote}, Paused},
		"its logic waits for its device": {[]Event{granted, hold}, Holding}, "its logic runs": {[]Event{granted, wrote, hold}, Holding},
		"it is held":        {append([]Event{granted, wrote, hold}, minute...), Held},
		"it restarts":       {append(append([]Event{granted, wrote, hold}, minute...), again), Restarting},
		"between two steps": {append([]Event{manual, granted, wrote}, minute...), Running},
	} {
		t.Run(what, func(t *testing.T) {
			l := newLender(t)
			l.takes(c.before...)
			require.Equal(t, c.from, l.m.State(0))
			require.Equal(t, what == "between two steps", l.m.Resting() && c.from == Running)
			l.takes(Event{Kind: ResourceRefused, ID: 1, OK: true, Reason: "taken"})
			require.True(t, l.m.Foreign(0))
			require.Equal(t, Held, l.m.State(0))
			l.ran, l.sets = nil, 0
			for e := range l.w.Elems {
				for c := Start; c < orderCount; c++ {
					if c == Stop || c == Abort || c == HardAbort || c > Force {
						continue
					}
					for to := range l.w.Elems {
						if to == 0 || c == GoTo {
							l.takes(Event{Kind: Told, Command: c, Elem: e, Target: to})
						}
					}
				}
			}
			l.takes(Event{Kind: Boot}, Event{Kind: ResourceGranted, ID: 1}, again, tick)
			require.Equal(t, Held, l.m.State(0))
			require.Empty(t, l.ran)
			l.takes(Event{Kind: Told, Command: Abort})
			require.True(t, l.m.Ended())
			require.Zero(t, l.sets)
			require.Equal(t, []uint32{1}, l.asks)
		})
	}
}

func TestLogicThatStopsAPhaseIsOverOnceItsEquipmentIsTaken(t *testing.T) {
	l := newLender(t)
	l.takes(Event{Kind: ResourceGranted, ID: 1}, Event{Kind: Done, ID: 1, OK: true}, Event{Kind: Told, Command: Stop})
	require.Equal(t, Stopping, l.m.State(0))
	l.sets = 0
	l.takes(Event{Kind: ResourceRefused, ID: 1, OK: true, Reason: "taken"})
	require.Equal(t, Stopped, l.m.State(0))
	require.True(t, l.m.Ended())
	require.Zero(t, l.sets)
}
