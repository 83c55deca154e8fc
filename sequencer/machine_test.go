// Scenarios with golden output, and what no scenario can show.

package sequencer

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			require.NoError(t, err)
			shown, err := play(file, src)
			require.NoError(t, err, "%s", shown)
			golden.Check(t, strings.TrimSuffix(file, "txt")+"golden", []byte(shown))
		})
	}
}

// aborted brings a batch into each state, as scenario lines, and then aborts it.
var aborted = []struct{ state, lines string }{
	{"Idle", ""},
	{"Running", "tell start\nat 1s look"},
	{"Pausing", "tell start\nat 1s tell pause"},
	{"Paused", "tell start\nat 1s tell pause\nread LT101 10"},
	{"Holding", "tell start\nat 1s device XV101 silent\ntell hold"},
	{"Held", "tell start\nat 1s tell hold\nat 2s look"},
	{"Restarting", "tell start\nat 1s tell hold\nat 2s device XV101 silent\ntell restart"},
	{"Stopping", "tell start\nat 1s device XV101 silent\ntell stop"},
	{"Stopped", "tell start\nat 1s device P101 silent\ntell stop CHARGE\nat 2s look"},
	{"Aborting", "tell start\nat 1s device XV101 silent\ntell abort"},
	{"Aborted", "tell start\nat 1s device P101 silent\ntell abort CHARGE\nat 2s look"},
	{"Complete", "tell start\nat 1s device XV101 silent\nread LT101 10\nread LT102 10"},
}

func TestAbortFromEachState(t *testing.T) {
	const procedure = `
output P101 safe 0
output XV101 safe 0
sequence MAIN
  parallel BEFORE
    phase START_PUMP 10s
      set P101 1
  end
  parallel THEN
    phase CHARGE 60s
      set XV101 1
      wait LT101 10
      wait LT102 10
  end
end
boot
`
	var all strings.Builder
	for _, c := range aborted {
		shown, err := play(c.state, []byte(procedure+c.lines+"\nread LT102 10\ntell abort"))
		require.NoError(t, err, "%s", shown)
		_, shown, _ = strings.Cut(shown, "read LT102 10\n")
		if c.state == "Complete" {
			_, shown, _ = strings.Cut(shown, "read LT102 10\n")
		}
		require.Contains(t, shown, "abort of MAIN, "+c.state+": ")
		all.WriteString("abort in " + c.state + "\n\n" + shown[strings.Index(shown, "tell abort")-12:] + "\n\n")
	}
	golden.Check(t, "testdata/abort_from_each_state.golden", []byte(all.String()))
}

// charge is a program with one of everything.
func charge() *wired {
	w := &wired{}
	valve := w.output("XV101", 0)
	w.tag("LT101")
	window := w.window("A", 10)
	set := func(v int64) todo {
		return todo{Action: Action{Kind: recipe.Set}, sets: []Set{{Output: valve, Value: v}}}
	}
	return w.procedure(&block{name: "MAIN", below: []*block{{name: "CHARGE", timeout: 60 * second, todo: []todo{
		{Action: Action{Kind: recipe.OpenWindow, Window: window}}, set(1), {Action: Action{Kind: recipe.WaitTotal, Window: window}}, set(0),
		{Action: Action{Kind: recipe.CloseWindow, Window: window}},
	}}, {name: "REST", timeout: 60 * second, todo: []todo{
		{Action: Action{Kind: recipe.Prompt}}, {Action: Action{Kind: recipe.Request}}, {Action: Action{Kind: recipe.Delay, For: 10 * second}},
	}}}})
}

func TestNonsenseIsRefusedOrPassedOver(t *testing.T) {
	numbers := []int{-1 << 31, -1, 0, 1, 2, 3, 99, 1<<31 - 1}
	for _, started := range []bool{false, true} {
		r := newRig(charge())
		if started {
			require.NoError(t, r.take(1, Event{Kind: Told, Command: Start}))
		}
		r.show = func(ev *Event, fx []Effect) {
			for _, e := range fx {
				require.True(t, e.Kind == Answer && e.Result == Refused, "%+v leads to %+v", ev, e)
			}
		}
		for kind := range EventKind(20) {
			for _, n := range numbers {
				ev := Event{Kind: kind, Elem: n, ID: uint32(n), Window: n + 1, OK: n%2 == 0, Command: Command(n)}
				if kind == Told && (ev.Command == Start || n == 2) || kind == Boot || kind == Power || kind == Done && started && n == 1 {
					continue // these mean something
				}
				require.NoError(t, r.take(1, ev))
			}
		}
	}
}

func TestATimeThatBeginsAnewWithABootKeepsWhatWasLeft(t *testing.T) {
	w := charge()
	p := newPlant(w)
	m := New(&w.Program, p)
	far := 1_000_000 * second
	step := func(at int64, ev Event) []Effect { return m.Step(at, &ev, nil) }
	step(far, Event{Kind: Boot})
	step(far, Event{Kind: Told, Command: Start})
	p.open(0)
	step(far, Event{Kind: WindowOpened, OK: true})
	p.value[0] = m.out[0].Value
	step(far, Event{Kind: Done, ID: 1, OK: true})
	p.totals[0].Value = 10
	step(far, Event{Kind: Input})
	p.value[0] = m.out[0].Value
	step(far+40*second, Event{Kind: Done, ID: 2, OK: true})
	step(far+41*second, Event{Kind: Answered, ID: 1})
	step(far+42*second, Event{Kind: Finished, ID: 2, OK: true})
	require.Equal(t, far+52*second, m.Wake(), "REST has begun its delay at 42 s")

	require.NotEmpty(t, step(5, Event{Kind: Boot}))
	require.Equal(t, Held, m.State(0))
	require.Equal(t, timebase.Never, m.Wake())
	step(10, Event{Kind: Told, Command: Restart})
	require.Equal(t, 10+10*second, m.Wake())
	fx := step(10+10*second, Event{Kind: Tick})
	require.Equal(t, End, fx[len(fx)-1].Kind)
	require.Equal(t, Complete, m.State(0))
}

func TestABootInATransientStateGivesItItsTimeAnew(t *testing.T) {
	w := charge()
	p := newPlant(w)
	p.open(0)
	m := New(&w.Program, p)
	far := 1_000_000 * second
	m.Step(far, &Event{Kind: Told, Command: Start}, nil)
	m.Step(far, &Event{Kind: WindowOpened, OK: true}, nil)
	m.Step(far, &Event{Kind: Told, Command: Hold}, nil)
	require.Equal(t, Holding, m.State(0))
	p.quality[0] = tag.Bad
	m.Step(5, &Event{Kind: Boot}, nil)
	require.Equal(t, Holding, m.State(0), "its output does not read back")
	require.Equal(t, int64(5+Transient), m.Wake())
	m.Step(5+Transient, &Event{Kind: Tick}, nil)
	require.Equal(t, Held, m.State(0))
}

func TestABootBeforeTheStartDrivesWhatDoesNotReadBackSafe(t *testing.T) {
	w := &wired{}
	w.output("SAFE", 5)
	w.output("OTHER", 5)
	w.output("BAD", 5)
	w.procedure(&block{name: "MAIN", below: []*block{{name: "REST", todo: []todo{{Action: Action{Kind: recipe.Delay, For: 1}}}}}})
	r := newRig(w)
	r.plant.value[1], r.plant.quality[2] = 6, tag.Stale
	var written []string
	r.show = func(_ *Event, fx []Effect) {
		for _, e := range fx {
			require.True(t, e.Kind == Write && e.Safe && e.Value == 5 && e.Reason == "boot", "%+v", e)
			written = append(written, w.tags[e.Output])
		}
	}
	require.NoError(t, r.take(1, Event{Kind: Boot}))
	require.Equal(t, []string{"OTHER", "BAD"}, written)
	_, sure := r.m.Commanded(0)
	require.True(t, sure)
	_, sure = r.m.Commanded(2)
	require.False(t, sure)
	require.NoError(t, r.take(2, Event{Kind: Boot}))
	require.Equal(t, []string{"OTHER", "BAD", "OTHER", "BAD"}, written, "a second boot asks anew")
}

func TestABandIsHeldOverTheWholeRangeOfNumbers(t *testing.T) {
	w := &wired{}
	w.tag("FT101")
	w.procedure(&block{name: "MAIN", below: []*block{{name: "REST", todo: []todo{
		{Action: Action{Kind: recipe.VerifyStable, Within: 3, For: second}}}}}})
	r := newRig(w)
	require.NoError(t, r.take(1, Event{Kind: Told, Command: Start}))
	for i := range int64(20) {
		r.plant.value[0] = []int64{math.MinInt64, math.MaxInt64}[i%2]
		require.NoError(t, r.take(i*second/4+1, Event{Kind: Input}))
	}
	require.Equal(t, Running, r.m.State(0), "what leaps from end to end is not stable")
}
