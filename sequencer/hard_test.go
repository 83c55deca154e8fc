// Retries, hard aborts and the request for a trip: what no scenario can show.

package sequencer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/recipe"
)

// dosing is a program with two branches that are tried again and again, each with logic, and a trip.
func dosing() *wired {
	w := &wired{}
	w.output("Y1", 0)
	w.output("Y2", 0)
	w.output("TRIP", 0)
	phase := func(name string, output int) *block {
		b := &block{name: name, timeout: second, retry: 100, reaction: recipe.HardAbort, todo: []todo{
			{Action: Action{Kind: recipe.Set}, sets: []Set{{Output: output, Value: 1}}},
			{Action: Action{Kind: recipe.Wait, Cond: atLeast(w.tag("X"), 10)}}}}
		b.logic[recipe.OnAbort] = &block{timeout: second, todo: []todo{{Action: Action{Kind: recipe.Delay, For: second / 2}}}}
		return b
	}
	w.Trip = &Trip{Output: 2, Value: 1, Confirm: atLeast(w.tag("ES"), 1), Within: second}
	return w.procedure(&block{name: "MAIN", kind: recipe.Parallel, below: []*block{phase("ONE", 0), phase("TWO", 1)}})
}

func TestARetryDoesNotAllocate(t *testing.T) {
	w := dosing()
	m := New(&w.Program, newPlant(w))
	fx := m.Step(1, &Event{Kind: Boot}, make([]Effect, 0, 64))
	fx = m.Step(1, &Event{Kind: Told, Command: Start}, fx[:0])
	at, tries := int64(1), 0
	require.Zero(t, testing.AllocsPerRun(90, func() {
		for id := m.r.Writes - 1; id <= m.r.Writes; id++ {
			fx = m.Step(at, &Event{Kind: Done, ID: id, OK: true}, fx[:0])
		}
		at = m.Wake()
		fx = m.Step(at, &Event{Kind: Tick}, fx[:0])
		for i := range fx {
			tries = max(tries, fx[i].Tries)
		}
		for id := m.r.Writes - 1; id <= m.r.Writes; id++ {
			fx = m.Step(at, &Event{Kind: Done, ID: id, OK: true}, fx[:0])
		}
	}))
	require.GreaterOrEqual(t, tries, 90)
	require.Equal(t, Running, m.State(0))
}

func TestAHardAbortDoesNotAllocate(t *testing.T) {
	w := dosing()
	var ready []*Machine
	for range 102 {
		m := New(&w.Program, newPlant(w))
		m.Step(1, &Event{Kind: Boot}, nil)
		m.Step(1, &Event{Kind: Told, Command: Start}, nil)
		ready = append(ready, m)
	}
	fx, n := make([]Effect, 0, 64), 0
	require.Zero(t, testing.AllocsPerRun(100, func() {
		fx = ready[n].Step(2, &Event{Kind: Told, Command: HardAbort}, fx[:0])
		n++
	}))
	require.Equal(t, Aborting, ready[0].State(0))
	require.Equal(t, TripRequested, ready[0].Trip())
}

func TestNoBatchComesByItselfAfterAHardAbort(t *testing.T) {
	w := dosing()
	for e := range w.Elems {
		w.Elems[e].Recovery = recipe.RecoverRestart
	}
	m := New(&w.Program, newPlant(w))
	m.Step(1, &Event{Kind: Boot}, nil)
	m.Step(1, &Event{Kind: Told, Command: Start}, nil)
	m.Step(2, &Event{Kind: Boot}, nil)
	require.True(t, m.Again())
	m.Step(3, &Event{Kind: Told, Command: HardAbort}, nil)
	require.False(t, m.Again(), "it would take the request for the trip back")
}

func TestTripStatesHaveTheNamesOfRecords(t *testing.T) {
	var names []string
	for s := NoTrip; s <= TripConfirmed+1; s++ {
		names = append(names, s.String())
	}
	require.Equal(t, []string{"", "requested", "not_confirmed", "confirmed", "confirmed"}, names)
}
