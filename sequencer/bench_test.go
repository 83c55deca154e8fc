// What a step costs: no allocation while phases wait, and time by the number of branches.

package sequencer

import (
	"fmt"
	"testing"

	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
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
	require.Len(t, members(&m.active), n)
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

func TestWhatAnArbiterSaysDoesNotAllocate(t *testing.T) {
	w := &wired{owners: map[string]int{"WATER": 2}, shared: map[string]bool{"LINE": true, "CIP": true}}
	wait := todo{Action: Action{Kind: recipe.Wait, Cond: atLeast(w.tag("LT101"), 10)}}
	root := &block{name: "MAIN", kind: recipe.Parallel}
	for i, things := range [][]string{{"WATER", "LINE"}, {"WATER", "CIP"}, {"WATER"}, {"LINE"}} {
		root.below = append(root.below, &block{name: fmt.Sprint("P", i), timeout: 1 << 60, uses: things, todo: []todo{wait}})
	}
	p := newPlant(w.procedure(root))
	m := New(&w.Program, p)
	fx := m.Step(1, &Event{Kind: Told, Command: Start}, make([]Effect, 0, 64))
	fx = m.Step(2, &Event{Kind: ResourceGranted, ID: 1}, fx[:0])
	require.NotEmpty(t, fx)
	at := int64(2)
	for _, kind := range []EventKind{Input, Tick, Changed, Done, ResourceGranted, ResourceQueue} {
		for id := uint32(1); id < 9; id += 7 { // one that was granted, and one that nobody knows; 2 waits
			ev := Event{Kind: kind, ID: id}
			require.Zero(t, testing.AllocsPerRun(100, func() {
				at++
				fx = m.Step(at, &ev, fx[:0])
			}), "event %d", kind)
		}
	}
	ev := Event{Kind: ResourceQueue, ID: 2}
	require.Zero(t, testing.AllocsPerRun(100, func() { fx = m.Step(at, &ev, fx[:0]) }))
	require.Equal(t, ActionWaits, fx[0].Kind)
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

// everything is a program in which one of each transition, line, message and logic waits, as a scenario says it.
const everything = `
output Y1 safe 0
parallel MAIN
  select S
    phase S1
      when "X1 >= 5 and stable(X2, 2, 9 s)"
      mark "s1"
    phase S2
      when "X1 >= 9"
      mark "s2"
  end
  repeat R 9
    until "X1 >= 5 or elapsed(99 s)"
    phase R1
      mark "r1"
  end
  phase U1
    uses A B
    wait "elapsed(99 s)"
  phase U2
    uses B C
    mark "u2"
  phase L1
    sync L
  phase L2
    receive M
    sync L
  phase G
    entry "2 of (X1 >= 5, X2 >= 5, stable(X1, 1, 99 s))"
    send M
  phase H
    set Y1 1
    delay 99s
    on_hold 5s
      set Y1 2
      wait "X1 >= 7"
    on_restart 5s
      wait "X1 >= 7"
end
boot
tell start
`

// somewhere is a machine in the middle of everything.
func somewhere(t testing.TB) *rig {
	lines, err := script.Parse("everything", []byte(everything))
	require.NoError(t, err)
	s := &scenario{w: &wired{}}
	for _, l := range lines {
		require.NoError(t, s.line(l))
	}
	require.NoError(t, s.r.take(5, Event{Kind: Done, ID: 1, OK: true}))
	return s.r
}

func TestTransitionsLinesAndLogicDoNotAllocate(t *testing.T) {
	r := somewhere(t)
	fx, at := make([]Effect, 0, 256), int64(5)
	steady := func(what string) {
		t.Helper()
		require.Zero(t, testing.AllocsPerRun(100, func() {
			at++
			ev := Event{Kind: Input}
			if fx = r.m.Step(at, &ev, fx[:0]); len(fx) != 0 {
				t.Fatalf("%s: %+v", what, fx)
			}
		}), what)
	}
	steady("running")
	hold, restart := Event{Kind: Told, Command: Hold}, Event{Kind: Told, Command: Restart}
	fx = r.m.Step(at, &hold, fx[:0])
	require.Equal(t, Holding, r.m.State(0))
	steady("holding, with logic")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		at++
		fx = r.m.Step(at, &restart, r.m.Step(at, &hold, fx[:0]))
	}))
}

// timed is a machine with n parallel branches, each of which waits for time again and again, or for a value of its own.
func timed(t testing.TB, n int) (*Machine, []Effect) {
	w := &wired{}
	root := &block{name: "MAIN", kind: recipe.Parallel}
	for i := range n {
		x := w.tag(fmt.Sprint("X", i))
		root.below = append(root.below, &block{name: fmt.Sprint("B", i), kind: recipe.Repeat, atMost: 1 << 30, below: []*block{
			{name: fmt.Sprint("D", i), timeout: 1 << 60, todo: []todo{{Action: Action{Kind: recipe.Delay, For: 1000*second + int64(i)*977}}}}}},
			&block{name: fmt.Sprint("W", i), timeout: 1 << 60, todo: []todo{{Action: Action{Kind: recipe.Wait, Cond: atLeast(x, 10)}}}})
	}
	p := newPlant(w.procedure(root))
	m := New(&w.Program, p)
	fx := m.Step(1, &Event{Kind: Told, Command: Start}, make([]Effect, 0, 64*n))
	for m.Wake() < 1000*second { // the rest of the burst
		fx = m.Step(m.Wake(), &Event{Kind: Tick}, fx[:0])
	}
	require.Len(t, members(&m.active), 2*n)
	return m, fx[:0]
}

// BenchmarkDispatch holds what an event costs against an operation of a heap of as many timers, in one run: a value that one of n waits
// hangs on and that does not end it, and a deadline that ends one of n delays and begins the next, with all that is said of it.
func BenchmarkDispatch(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("heap/n=%d", n), func(b *testing.B) {
			q := timebase.NewQueue(n)
			for i := range n {
				q.Set(i, 1000*second+int64(i)*977)
			}
			for b.Loop() {
				due, owner := q.Next()
				q.Set(owner, due+1000*second)
			}
		})
		b.Run(fmt.Sprintf("value/n=%d", n), func(b *testing.B) {
			m, fx := timed(b, n)
			ev, at, i := Event{Kind: Changed}, int64(500*second), 0
			b.ReportAllocs()
			for b.Loop() {
				m.Touch(tag.ID(i))
				if fx = m.Step(at, &ev, fx[:0]); len(fx) > 0 {
					b.Fatalf("%+v", fx)
				}
				if i++; i == n {
					i = 0
				}
			}
		})
		b.Run(fmt.Sprintf("deadline/n=%d", n), func(b *testing.B) {
			m, fx := timed(b, n)
			ev := Event{Kind: Tick}
			b.ReportAllocs()
			effects := 0
			for b.Loop() {
				fx = m.Step(m.Wake(), &ev, fx[:0])
				effects += len(fx)
			}
			b.ReportMetric(float64(effects)/float64(b.N), "effects/op")
		})
	}
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
