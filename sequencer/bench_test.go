// What a step costs: no allocation while phases wait, and time by the number of branches.

package sequencer

import (
	"fmt"
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
	"github.com/stretchr/testify/require"
)

// waiting is a machine with n parallel branches in the middle of actions that wait.
func waiting(t testing.TB, n int) (*Machine, []Effect) {
	w := &wired{}
	w.tag("LT101")
	w.tag("FT101")
	window := w.window("A", 1000)
	root := &block{name: "MAIN", kind: recipe.Parallel}
	for i := range n {
		a := []Action{{Kind: recipe.Wait, Cond: atLeast(0, 10)}, {Kind: recipe.VerifyStable, Tag: tag.ID(1), Within: 1, For: 1 << 60},
			{Kind: recipe.Delay, For: 1 << 60}, {Kind: recipe.WaitTotal, Window: window}, {Kind: recipe.Prompt}}[i%5]
		root.below = append(root.below, &block{name: fmt.Sprint("P", i), timeout: 1 << 60, todo: []todo{{Action: a}}})
	}
	p := newPlant(w.procedure(root))
	p.open(0)
	m := New(&w.Program, p)
	fx := m.Step(1, &Event{Kind: Told, Command: Start}, nil)
	require.Equal(t, Running, m.State(0))
	require.Len(t, m.active, n)
	return m, fx[:0]
}

func TestAStepInWhichEverythingWaitsDoesNotAllocate(t *testing.T) {
	m, fx := waiting(t, 50)
	at := int64(1)
	for _, kind := range []EventKind{Input, Tick, Done, WindowOpened} {
		ev := Event{Kind: kind, ID: 99, Window: 99}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			at++
			fx = m.Step(at, &ev, fx[:0])
		}), "event %d", kind)
		require.Empty(t, fx)
	}
}

func TestAHoldAndARestartDoNotAllocate(t *testing.T) {
	m, fx := waiting(t, 50)
	hold, restart := Event{Kind: Told, Command: Hold}, Event{Kind: Told, Command: Restart}
	at := int64(1)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		at++
		fx = m.Step(at, &restart, m.Step(at, &hold, fx[:0]))
	}))
	require.Equal(t, Running, m.State(0))
}

func BenchmarkStep(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("waiting=%d", n), func(b *testing.B) {
			m, fx := waiting(b, n)
			ev := Event{Kind: Input}
			at := int64(1)
			b.ReportAllocs()
			for b.Loop() {
				at++
				fx = m.Step(at, &ev, fx[:0])
			}
		})
	}
}
