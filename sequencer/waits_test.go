// What phases are said to wait for, held against the machine: by the watch after every event, and by hand.

package sequencer

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// waits checks that to ask changes nothing, that all who are active are told of, in their order, and that what they are said to wait
// for has not come.
func (w *watch) waits(at int64, m *Machine) error {
	state := m.Snapshot(nil)
	list := m.Waits(0)
	told := 0
	for i := range list {
		s := &list[i]
		if !m.p.Elems[s.Elem].Logic {
			if told >= len(members(&m.active)) || members(&m.active)[told] != s.Elem {
				return fmt.Errorf("phase %d is told of in place %d", s.Elem, told)
			}
			told++
		}
		if err := w.waitsFor(at, m, s); err != nil {
			return fmt.Errorf("phase %d, action %d: %w", s.Elem, s.Action, err)
		}
	}
	if n := len(members(&m.active)); told != n {
		return fmt.Errorf("of %d active phases %d are told of", n, told)
	}
	m.Dues(at, func(d Due) { told = -1 })
	switch {
	case told < 0 && !m.Ended():
		return fmt.Errorf("something is due behind a step")
	case !bytes.Equal(state, m.Snapshot(nil)):
		return fmt.Errorf("to ask what is waited for has changed the state")
	}
	return nil
}

func (w *watch) waitsFor(at int64, m *Machine, s *Wait) error {
	missing, open, asked := 0, 0, 0
	m.Outputs(s.Elem, func(Missing) { missing++ })
	m.Conditions(at, s.Elem, func(q Question) {
		if asked++; q.Truth != cond.True {
			open++
		}
		if q.Leaf.Op == 0 && q.Truth != cond.Bad { // a change may have made it malformed
			asked = -1000
		}
	})
	switch {
	case asked < 0:
		return fmt.Errorf("a condition has nothing that decides it")
	case s.Anew && missing == 0 && s.ID == 0 && !m.all && State(m.el[s.Elem].State) == Running:
		return fmt.Errorf("it is to begin anew, and no output is lacking")
	case s.Action < 0 && !s.Anew && State(m.el[s.Elem].State) == Running && m.el[s.Elem].Waiting:
		return fmt.Errorf("it waits, and is told to wait in no action")
	case s.Action < 0 || m.all: // a burst has left something to do
		return nil
	}
	switch a := &m.p.Actions[s.Action]; a.Kind {
	case recipe.Set:
		if missing == 0 {
			return fmt.Errorf("no output is lacking")
		}
	case recipe.Wait, recipe.Choose: // of a choice, one that is true is not taken while one before it is not GOOD
		if open == 0 && (!m.asksRelease(s.Elem) || m.el[s.Elem].A == 0) { // it waits for release where all are true
			return fmt.Errorf("of %d conditions %d are not true", asked, open)
		}
	case recipe.Delay:
		if s.Due <= at || s.Due == timebase.Never {
			return fmt.Errorf("its delay is over at %s", seconds(s.Due))
		}
	case recipe.Acquire:
		mine := false // its own procedure may hold it, which has no number in Who
		for _, r := range m.p.Uses[a.First : a.First+a.Count] {
			mine = mine || m.has(0, r)
		}
		if s.Who.Elems[0] == 0 && s.Ahead == 0 && s.Asked == 0 && !mine && missing == 0 {
			return fmt.Errorf("nobody holds what it waits for")
		}
	case recipe.Sync:
		if s.Who.Elems[0] == 0 {
			return fmt.Errorf("nobody is missing at its line")
		}
	}
	return nil
}

func TestWhatIsWaitedForIsToldWithWhatDecidesIt(t *testing.T) {
	w := &wired{}
	w.output("Y0", 0)
	w.tag("X0")
	w.tag("X1")
	c, err := w.cond("X0 >= 3 and not X1 > 5 and elapsed(2 s)")
	require.NoError(t, err)
	r := newRig(w.procedure(&block{name: "P", timeout: 10 * second, todo: []todo{{Action: Action{Kind: recipe.Wait, Cond: c, Reason: "all"}}}}))
	require.NoError(t, r.take(1, Event{Kind: Boot}))
	require.NoError(t, r.take(second, Event{Kind: Told, Command: Start}))
	list := r.m.Waits(0)
	require.Len(t, list, 1)
	require.Equal(t, int64(11*second), list[0].Limit)
	require.Equal(t, int64(second), list[0].Since)
	ask := func(x0, x1, at int64) (q Question) {
		r.plant.value[1], r.plant.value[2] = x0, x1
		r.m.Conditions(at, list[0].Elem, func(is Question) { q = is })
		return q
	}
	q := ask(1, 9, second)
	require.Equal(t, cond.False, q.Truth)
	require.Equal(t, cond.Ge, q.Leaf.Op, "the first that is false")
	require.Equal(t, cond.False, q.Holds)
	q = ask(3, 9, second)
	require.Equal(t, cond.Gt, q.Leaf.Op)
	require.Equal(t, cond.True, q.Holds, "and a not makes it count the other way round")
	q = ask(3, 2, 2*second)
	require.Equal(t, cond.Elapsed, q.Leaf.Op)
	gone, ok := q.Cell.Held(2 * second)
	require.True(t, ok)
	require.Equal(t, int64(second), gone)
	r.plant.quality[1] = tag.Stale
	require.Equal(t, cond.Stale, ask(3, 2, 3*second).Truth)

	var due []Due
	r.m.Dues(11*second, func(d Due) { due = append(due, d) })
	require.Equal(t, []Due{{Kind: DueTimeout, At: 11 * second}, {Kind: DueAction, At: 3 * second}}, due)
	require.NoError(t, r.ticks(11*second))
	list = r.m.Waits(0)
	require.Equal(t, Held, list[0].State, "it ran out of time")
	require.Equal(t, -1, list[0].Action)
	require.Equal(t, timebase.Never, list[0].Limit)
}
