// The table of links: every event in every state, and the drawing.

package fieldbus

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/looplab/fsm"
	"github.com/stretchr/testify/require"
)

// linkKinds are the links that differ in what becomes of them.
var linkKinds = []struct {
	name string
	c    LinkConfig
}{
	{"one alone on its connection (TCP)", LinkConfig{Alone: true, Silence: 1000 * msec}},
	{"one of several that share a connection, and may owe a reply (RTU)", LinkConfig{Owes: true, Silence: 1000 * msec}},
	{"one of several that share a connection (gateway)", LinkConfig{Silence: 1000 * msec}},
	{"one alone, on path 0 of two, while a batch holds it", LinkConfig{Alone: true, Silence: 1000 * msec, Paths: 2}},
}

// linkHappenings are the rows of the table. What they need is set first.
var linkHappenings = []struct {
	name string
	set  func(l *Link)
	ev   LinkEvent
}{
	{"Opened", nil, LinkEvent{Kind: Opened}},
	{"Refused", nil, LinkEvent{Kind: Refused}},
	{"Refused, the last path", func(l *Link) { l.tried = l.c.Paths - 1 }, LinkEvent{Kind: Refused}},
	{"Synced", nil, LinkEvent{Kind: Synced, Count: 1}},
	{"Answered", nil, LinkEvent{Kind: Answered}},
	{"Answered, steady", func(l *Link) { l.missed = l.now - l.c.Steady }, LinkEvent{Kind: Answered}},
	{"Missed", nil, LinkEvent{Kind: Missed}},
	{"Missed too often", func(l *Link) { l.misses = l.c.Demote - 1 }, LinkEvent{Kind: Missed}},
	{"Missed too often, last path", func(l *Link) { l.misses, l.tried = l.c.Demote-1, l.c.Paths-1 }, LinkEvent{Kind: Missed}},
	{"Proved", nil, LinkEvent{Kind: Proved}},
	{"Proved, not synced", func(l *Link) { l.synced = false }, LinkEvent{Kind: Proved}},
	{"Carrier", nil, LinkEvent{Kind: Carrier}},
	{"Carrier of another path", nil, LinkEvent{Kind: Carrier, Path: 5}},
	{"Held", nil, LinkEvent{Kind: Held, Count: 1}},
	{"let go", nil, LinkEvent{Kind: Held}},
	{"let go, on another path", func(l *Link) { l.path = min(1, l.c.Paths-1) }, LinkEvent{Kind: Held}},
	{"Tick, too soon", nil, LinkEvent{Kind: Tick}},
	{"Tick, in time", func(l *Link) {
		if w := l.Wake(); w < 1<<62 {
			l.now = w
		}
	}, LinkEvent{Kind: Tick}},
	{"Foreign", nil, LinkEvent{Kind: Foreign}},
}

// linkIn brings a link into a state; nil where a link of its kind does not come into it.
func linkIn(c LinkConfig, s LinkState) *Link {
	l := NewLink("PLC-1", c)
	if s == Down {
		l.Step(0, LinkEvent{Kind: Tick}, nil)
		l.Step(1, LinkEvent{Kind: Refused}, nil)
		l.Step(1, LinkEvent{Kind: Held, Count: 1}, nil)
		l.path, l.tried, l.due = 0, 0, 1000
		return l
	}
	for i, k := range []LinkEventKind{Tick, Held, Opened, Proved, Synced, Missed, Proved, Foreign} {
		l.Step(int64(i), LinkEvent{Kind: k, Count: 1}, nil)
		if l.state == s && (s != Doubt || l.synced) {
			return l
		}
	}
	return nil
}

func TestEveryEventInEveryStateIsPublished(t *testing.T) {
	var out bytes.Buffer
	out.WriteString("What each event leads to in each state, and what the link then wants. Each change of state is told, once.\n" +
		".  nothing        -  a link of this kind does not come into this state\n")
	for _, kind := range linkKinds {
		fmt.Fprintf(&out, "\n%s\n\n", kind.name)
		head := fmt.Sprintf("%-28s", "")
		for s := range linkStates {
			head += fmt.Sprintf(" %-20s", s)
		}
		out.WriteString(strings.TrimRight(head, " ") + "\n")
		for _, h := range linkHappenings {
			line := fmt.Sprintf("%-28s", h.name)
			for s := range linkStates {
				line += fmt.Sprintf(" %-20s", linkCell(t, linkIn(kind.c, s), h.set, h.ev))
			}
			out.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	golden.Check(t, "testdata/links.golden", out.Bytes())
}

// linkCell gives what one event does.
func linkCell(t *testing.T, l *Link, set func(*Link), ev LinkEvent) string {
	if l == nil {
		return "-"
	}
	if set != nil {
		set(l)
	}
	was, told := l.state, 0
	var words []string
	fx := l.Step(l.now, ev, nil)
	if l.state != was {
		words = append(words, l.state.String())
	}
	for _, e := range fx {
		switch {
		case e.Kind != Tell:
			words = append(words, effectText(e))
		case e.Event.Kind == LinkChanged:
			require.Equal(t, [2]LinkState{was, l.state}, [2]LinkState{e.Event.Old, e.Event.New})
			told++
		case e.Event.Kind != Resynced:
			t.Fatalf("%v", e.Event)
		}
	}
	require.Equal(t, l.state != was, told == 1)
	require.LessOrEqual(t, told, 1)
	switch {
	case len(words) == 0:
		return "."
	case l.c.Paths > 1 && l.state == Down:
		words = append(words, fmt.Sprintf("then %d", l.path))
	}
	return strings.ReplaceAll(strings.Join(words, ", "), " path ", " ")
}

// linkArcs is the machine written by hand: from, to, what is drawn, and by which events it comes about.
const linkArcs = `
DOWN       | CONNECTING | time to try                        | Tick
CONNECTING | SYNCING    | opened                             | Opened
CONNECTING | DOUBT      | opened, may owe                    | Opened
CONNECTING | DOWN       | refused                            | Refused Carrier
SYNCING    | UP         | every control tag was read         | Synced
SYNCING    | DOUBT      | missed, may owe                    | Missed
SYNCING    | DOWN       | lost, missed too often             | Refused Carrier Missed Held
SYNCING    | DEMOTED    | missed too often, foreign          | Missed Foreign
UP         | DEGRADED   | missed                             | Missed Tick
UP         | DOUBT      | missed, may owe                    | Missed Tick
UP         | DOWN       | lost, missed too often, back home  | Refused Carrier Missed Tick Held
UP         | DEMOTED    | missed too often, foreign          | Missed Tick Foreign
DEGRADED   | UP         | steady again                       | Answered
DEGRADED   | DOUBT      | missed, may owe                    | Missed Tick
DEGRADED   | DOWN       | lost, missed too often, back home  | Refused Carrier Missed Tick Held
DEGRADED   | DEMOTED    | missed too often, foreign          | Missed Tick Foreign
DOUBT      | SYNCING    | proved, was not synced             | Proved
DOUBT      | DEGRADED   | proved, was synced                 | Proved
DOUBT      | DOWN       | lost, missed too often             | Refused Carrier Missed Held
DOUBT      | DEMOTED    | missed too often, foreign          | Missed Foreign
DEMOTED    | SYNCING    | time is over                       | Tick
DEMOTED    | DOUBT      | time is over, may owe              | Tick
DEMOTED    | CONNECTING | time is over, closed               | Tick
DEMOTED    | DOWN       | lost                               | Refused Carrier
`

func linkArcRows() (rows [][]string) {
	for _, line := range strings.Split(strings.TrimSpace(linkArcs), "\n") {
		cells := strings.Split(line, "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

func TestTheMachineGoesAllTheWaysThatAreDrawnAndNoOther(t *testing.T) {
	want, seen := map[string]bool{}, map[string]bool{}
	for _, row := range linkArcRows() {
		for _, ev := range strings.Fields(row[3]) {
			want[row[0]+" -> "+row[1]+" by "+ev] = true
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 3000 {
		c := LinkConfig{Seed: uint64(n), Alone: n&1 > 0, Owes: n&2 > 0, Paths: 1 + n>>2&1, Demote: 1 + n>>3%3, Silence: int64(5 + n%4*20), Steady: 20, First: 10, DemotedFor: 30}
		slow := 2 + rng.Int64N(40)
		for l, at := NewLink("X", c), int64(0); at < 400; at += rng.Int64N(slow) {
			was, ev := l.state, LinkEvent{Kind: LinkEventKind(1 + rng.IntN(int(linkEvents)-1)), Count: rng.IntN(2), Path: rng.IntN(2)}
			if rng.IntN(2) == 0 {
				ev.Kind = []LinkEventKind{Opened, Synced, Answered, Proved, Tick}[rng.IntN(5)]
			}
			if l.Step(at, ev, nil); l.state != was {
				seen[was.String()+" -> "+l.state.String()+" by "+linkEventNames[ev.Kind]] = true
			}
		}
	}
	require.Equal(t, want, seen)
}

func TestAnotherStateMachineDrawsTheLink(t *testing.T) {
	var arcs fsm.Events
	drawn := map[string]bool{}
	for _, row := range linkArcRows() {
		require.False(t, drawn[row[0]+row[2]], "two ways of one name from %s: %s", row[0], row[2])
		drawn[row[0]+row[2]] = true
		arcs = append(arcs, fsm.EventDesc{Name: row[2], Src: []string{row[0]}, Dst: row[1]})
	}
	for s := range linkStates {
		chart := fsm.NewFSM(s.String(), arcs, nil)
		for _, row := range linkArcRows() {
			require.Equal(t, row[0] == s.String() || slices.ContainsFunc(arcs, func(a fsm.EventDesc) bool {
				return a.Name == row[2] && a.Src[0] == s.String()
			}), chart.Can(row[2]), "%s in %s", row[2], s)
		}
	}
	drawing, err := fsm.VisualizeWithType(fsm.NewFSM(Down.String(), arcs, nil), fsm.MermaidStateDiagram)
	require.NoError(t, err)
	page, err := os.ReadFile("../ARCHITECTURE.md")
	require.NoError(t, err)
	block := "```mermaid\n" + strings.TrimSpace(drawing) + "\n```"
	require.True(t, strings.Contains(strings.ReplaceAll(string(page), "\r\n", "\n"), block), "ARCHITECTURE.md does not contain:\n%s", block)
}
