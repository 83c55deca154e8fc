// Every order, in every mode, wherever a block may be; and what an order may not do.

package sequencer

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/recipe"
)

// places bring block B to where an order may find it: its elements, what happens, what is forced, and where go_to leads.
var places = []struct{ what, block, lines, force, target string }{
	{"not begun", two, "", "ONE", "TWO"},
	{"a child runs", two, "tell start", "ONE", "TWO"},
	{"a child is ended", two, "tell start\nread X 1", "B.step", "ONE"},
	{"the last child is ended", two, "tell start\ntell automatic\nread X 1\ntell MODE B\nread X 2", "B.step", "ONE"},
	{"held, a child runs", two, "tell start\ntell hold B", "ONE", "TWO"},
	{"held, a child is ended", two, "tell start\nread X 1\ntell hold B", "B.step", "ONE"},
	{"paused, a child is ended", two, "tell start\nread X 1\ntell pause B", "B.step", "ONE"},
	{"stopped", two, "tell start\nread X 1\ntell stop B", "B.step", "ONE"},
	{"aborted", two, "tell start\ntell abort B", "ONE", "TWO"},
	{"complete", two, "tell start\ntell automatic\nread X 2\ntell MODE B", "TWO", "ONE"},
	{"an entry is not true", gated, "tell start", "B.entry", "ONE"},
	{"an entry is true", gated, "tell start\nread X 1", "B.entry", "ONE"},
	{"a child's entry is true", inside, "tell start\nread X 1", "ONE.entry", "ONE"},
	{"no alternative is true", choice, "tell start", "B.select", "TWO"},
	{"an alternative is true", choice, "tell start\nread X 1", "B.select", "TWO"},
	{"an alternative runs", choice, "tell start\ntell automatic\nread X 1\ntell MODE B", "ONE", "TWO"},
	{"a round is ended", rounds, "tell start\nafter 1s look B", "B.until", "ONE"},
	{"the rounds are over", rounds, "tell start\nread X 3\nafter 1s look B", "B.until", "ONE"},
	{"all at once", "parallel B\n phase ONE 90s\n  wait X 1\n phase TWO 90s\n  wait X 2\nend\n", "tell start", "ONE", "TWO"},
}

const (
	two    = "sequence B\n phase ONE 90s\n  wait X 1\n phase TWO 90s\n  wait X 2\nend\n"
	gated  = "sequence B\n entry \"X >= 1\"\n timeout 90s\n phase ONE 90s\n  wait X 2\nend\n"
	inside = "sequence B\n phase ONE 90s\n  entry \"X >= 1\"\n  wait X 2\nend\n"
	choice = "select B\n timeout 90s\n phase ONE 90s\n  when \"X >= 1\"\n  wait X 2\n phase TWO 90s\n  when \"X >= 9\"\n  mark two\nend\n"
	rounds = "repeat B 9\n until \"X >= 3\"\n timeout 90s\n phase ONE 90s\n  mark one\nend\n"
)

func TestEveryOrderInEveryModeWhereverABlockIs(t *testing.T) {
	var out strings.Builder
	answered := regexp.MustCompile(`(?m)^ +(?:automatic|semi_automatic|manual|release|go_to|force) of .*?: ((?:accepted|no_op|refused).*)$`)
	for _, p := range places {
		for mode := AutomaticMode; mode < modeCount; mode++ {
			fmt.Fprintf(&out, "%s, %s\n", p.what, mode)
			for c := Automatic; c <= Force; c++ {
				line := "tell " + c.String() + " " + map[Command]string{GoTo: "B " + p.target, Force: p.force}[c]
				if c != GoTo && c != Force {
					line += "B"
				}
				all := "parallel MAIN\n" + p.block + "phase OTHER 9h\n delay 8h\nend\nboot\ntell " + mode.String() + " B\n" +
					strings.ReplaceAll(p.lines, "MODE", mode.String()) + "\n"
				before, err := play(p.what, []byte(all))
				require.NoError(t, err, before)
				after, err := play(p.what, []byte(all+line))
				require.NoError(t, err, after)
				said := answered.FindAllStringSubmatch(after, -1)
				fmt.Fprintf(&out, "  %-15s %s\n", c, said[len(said)-1][1])
			}
		}
	}
	golden.Check(t, "testdata/orders.golden", []byte(out.String()))
}

func TestAnOrderIsRefusedWhenTheBatchIsOver(t *testing.T) {
	for c := HardAbort; c < orderCount; c++ {
		shown, err := play("over", []byte("sequence MAIN\nphase ONE\nmark one\nend\nboot\ntell start\ntell "+c.String()))
		require.NoError(t, err)
		require.Contains(t, shown, c.String()+" of MAIN, Complete: refused: a batch runs once; create another")
	}
}

func TestNothingIsHeldUpInAutomatic(t *testing.T) {
	files, err := os.ReadDir("testdata")
	require.NoError(t, err)
	tried := 0
	for _, f := range files {
		src, err := os.ReadFile("testdata/" + f.Name())
		require.NoError(t, err)
		if !strings.HasSuffix(f.Name(), ".txt") || strings.Contains(string(src), "manual") || strings.Contains(string(src), "semi_automatic") {
			continue
		}
		shown, err := play(f.Name(), src)
		require.NoError(t, err)
		require.NotContains(t, shown, ".step", f.Name())
		require.NotContains(t, shown, "waits for release", f.Name())
		tried++
	}
	require.Greater(t, tried, 40)
}

func TestACommandThatWouldChangeTooManyModesIsRefused(t *testing.T) {
	root := &block{name: "MAIN", kind: recipe.Parallel}
	for range maxModes {
		root.below = append(root.below, &block{name: "B", below: []*block{{name: "P", todo: []todo{{Action: Action{Kind: recipe.Mark}}}}}})
	}
	w := (&wired{}).procedure(root)
	m := New(&w.Program, newPlant(w))
	fx := m.Step(1, &Event{Kind: Told, Command: Manual}, nil)
	require.Len(t, fx, 1)
	require.Equal(t, Refused, fx[0].Result)
	require.Len(t, m.Step(1, &Event{Kind: Told, Command: Manual, Elem: 1}, nil), 3, "the answer, MAIN, and the block itself")
	require.Len(t, m.Step(1, &Event{Kind: Told, Command: Manual}, nil), maxModes, "the answer, and all below MAIN but the one that is manual")
}

// waitsByItself are the kinds of actions that need no time-out, because each comes to its end by itself. What a phase without a
// time-out does in Pausing is one of these, so that Pausing ends, too: by its safe point, or by the hold of its time-out.
func TestAPhaseThatIsPausingEndsOrRunsOutOfTime(t *testing.T) {
	for k := recipe.Set; k <= recipe.Receive; k++ {
		ends := k == recipe.Delay || k == recipe.OpenWindow || k == recipe.CloseWindow || k == recipe.Mark || k == recipe.Send
		require.Equal(t, !ends, k.Waits(), "%s", k)
	}
	shown, err := play("pausing", []byte("sequence MAIN\nphase ONE 9s\nwait X 1\nend\nboot\ntell start\nat 1s tell pause"))
	require.NoError(t, err)
	require.Contains(t, shown, "ONE Pausing -> Holding (hold): time-out")
	shown, err = play("pausing", []byte("sequence MAIN\nphase ONE\ndelay 9s\nphase TWO\nmark two\nend\nboot\ntell start\nat 1s tell pause\nat 12s look"))
	require.NoError(t, err)
	require.Contains(t, shown, "ONE Pausing -> Paused (pause): safe point")
}
