// A recipe that waits for nothing does not say all of it at once.

package sequencer

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/recipe"
)

func TestWhatOneStepSaysOfItselfIsBoundedAndTheRestFollows(t *testing.T) {
	marks := func(n int) (list []todo) {
		for range n {
			list = append(list, todo{Action: Action{Kind: recipe.Mark}})
		}
		return list
	}
	alone := &block{name: "A", todo: marks(1000)}
	alone.logic[recipe.OnHold] = &block{timeout: second, todo: marks(500)}
	alone.todo = append(alone.todo, todo{Action: Action{Kind: recipe.Delay, For: second}})
	wide := &block{name: "MAIN", kind: recipe.Parallel}
	for i := range 100 {
		wide.below = append(wide.below, &block{name: fmt.Sprintf("P%d", i), todo: marks(10)})
	}
	for name, c := range map[string]struct {
		root  *block
		marks int
	}{
		"one phase":                {alone, 1500},
		"one phase in a block":     {&block{name: "MAIN", kind: recipe.Sequence, below: []*block{alone}}, 1500},
		"phases beside each other": {wide, 1000},
	} {
		w := (&wired{}).procedure(c.root)
		m := New(&w.Program, newPlant(w))
		at, seen := int64(1), 0
		step := func(ev Event) {
			fx := m.Step(at, &ev, nil)
			require.LessOrEqual(t, len(fx), 60, name)
			for i := range fx {
				if fx[i].Kind == Mark {
					seen++
				}
			}
		}
		step(Event{Kind: Told, Command: Start})
		for held := false; !m.Ended(); {
			require.Less(t, m.Wake(), 100*second, name)
			at = m.Wake()
			step(Event{Kind: Tick})
			if !held && seen == 1000 && c.marks > 1000 {
				held = true
				step(Event{Kind: Told, Command: Hold})
			} else if m.State(0) == Held {
				step(Event{Kind: Told, Command: Restart})
			}
		}
		require.Equal(t, c.marks, seen, name)
		require.Equal(t, Complete, m.State(0), name)
		require.Less(t, at, 3*second, name)
	}
}
