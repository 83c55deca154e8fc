// The table of states and commands, against a table written by hand, as a matrix and as a drawing.

package sequencer

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/looplab/fsm"
	"github.com/stretchr/testify/require"
)

// isa88 is the table as it is published: where a command leads to; = where it asks for what is under way or done; . where it
// is refused. The last column is the state in which a transient state, or Running, ends by itself.
const isa88 = `
State       start    pause    resume   hold     restart     stop      abort     reset  | ends in
Idle        Running  .        .        .        .           .         .         .      |
Running     =        Pausing  =        Holding  =           Stopping  Aborting  .      | Complete
Complete    .        .        .        .        .           .         .         Idle   |
Pausing     .        =        .        Holding  .           Stopping  Aborting  .      | Paused
Paused      .        =        Running  Holding  .           Stopping  Aborting  .      |
Holding     .        .        .        =        .           Stopping  Aborting  .      | Held
Held        .        .        .        =        Restarting  Stopping  Aborting  .      |
Restarting  .        .        .        Holding  =           Stopping  Aborting  .      | Running
Stopping    .        .        .        .        .           =         Aborting  .      | Stopped
Stopped     .        .        .        .        .           =         Aborting  Idle   |
Aborting    .        .        .        .        .           .         =         .      | Aborted
Aborted     .        .        .        .        .           .         =         Idle   |
`

// rows gives the words of the table, without its head.
func rows() [][]string {
	var all [][]string
	for _, line := range strings.Split(strings.TrimSpace(isa88), "\n")[1:] {
		all = append(all, strings.Fields(strings.Replace(line, "|", "", 1)))
	}
	return all
}

func TestEveryCommandInEveryStateDoesWhatTheTableSays(t *testing.T) {
	require.Len(t, rows(), int(stateCount))
	for i, row := range rows() {
		s := State(i)
		require.Equal(t, row[0], s.String())
		for c := Start; c < commandCount; c++ {
			to, legal := s.After(c)
			switch want := row[c]; want {
			case ".", "=":
				require.False(t, legal, "%s in %s", c, s)
				require.Equal(t, want == "=", s.Repeats(c), "%s in %s", c, s)
				require.Equal(t, s, to)
			default:
				require.True(t, legal, "%s in %s", c, s)
				require.Equal(t, want, to.String(), "%s in %s", c, s)
			}
		}
	}
}

func TestTransientStatesEndByThemselvesAndOthersWaitForACommand(t *testing.T) {
	for i, row := range rows() {
		s := State(i)
		require.Equal(t, len(row) == int(commandCount), s.Quiescent(), "%s", s)
		require.Equal(t, s == Complete || s == Stopped || s == Aborted, s.Terminal(), "%s", s)
		if s.Quiescent() {
			require.Equal(t, s, ends[s], "%s", s)
			continue
		}
		require.Equal(t, row[commandCount], ends[s].String())
		require.True(t, ends[s].Quiescent() || ends[s] == Running, "%s", s)
	}
}

func TestAbortIsLegalEverywhereButInIdleCompleteAbortingAborted(t *testing.T) {
	for s := Idle; s < stateCount; s++ {
		_, legal := s.After(Abort)
		require.Equal(t, s != Idle && s != Complete && s != Aborting && s != Aborted, legal, "%s", s)
	}
}

func TestNoStateOrCommandOutsideTheTableIsTaken(t *testing.T) {
	for s := Idle; s < stateCount; s++ {
		for _, c := range []Command{NoCommand, commandCount, 255} {
			_, legal := s.After(c)
			require.False(t, legal || s.Repeats(c), "%d in %s", c, s)
		}
	}
	for c := NoCommand; c < commandCount; c++ {
		for _, s := range []State{stateCount, 255} {
			_, legal := s.After(c)
			require.False(t, legal || s.Repeats(c), "%s in %d", c, s)
		}
	}
	require.Equal(t, "Aborted", State(255).String())
	require.Empty(t, Command(255).String())
	require.Equal(t, "go_to", Edge(255).String())
	require.Equal(t, "refused", Result(255).String())
}

func TestCommandsAreReadAsTheyAreWritten(t *testing.T) {
	for c := Start; c < commandCount; c++ {
		got, ok := ParseCommand(c.String())
		require.True(t, ok)
		require.Equal(t, c, got)
	}
	for _, word := range []string{"", "Start", "HOLD", "hold ", "unhold", "reset\n"} {
		got, ok := ParseCommand(word)
		require.False(t, ok, "%q", word)
		require.Equal(t, NoCommand, got)
	}
}

func TestTheMatrixOfStatesIsPublished(t *testing.T) {
	var out bytes.Buffer
	out.WriteString("Where a command leads to from each state.\n")
	out.WriteString("=  asks for what is under way or done: recorded, without effect        .  refused and recorded\n\n")
	head := "state"
	for c := Start; c < commandCount; c++ {
		head += pad(head, 12, int(c-Start)*11) + c.String()
	}
	out.WriteString(head + pad(head, 12, int(commandCount-Start)*11) + "ends by itself in\n")
	for s := Idle; s < stateCount; s++ {
		line := s.String()
		for c := Start; c < commandCount; c++ {
			cell := "."
			if to, ok := s.After(c); ok {
				cell = to.String()
			} else if s.Repeats(c) {
				cell = "="
			}
			line += pad(line, 12, int(c-Start)*11) + cell
		}
		if !s.Quiescent() {
			line += pad(line, 12, int(commandCount-Start)*11) + ends[s].String()
		}
		out.WriteString(line + "\n")
	}
	golden.Check(t, "testdata/states.golden", out.Bytes())
}

// pad gives the spaces that bring a line to a column.
func pad(line string, first, column int) string {
	return strings.Repeat(" ", max(first+column-len(line), 1))
}

// chart builds the table once more, as a machine of another make.
func chart(initial State) *fsm.FSM {
	var arcs fsm.Events
	for s := Idle; s < stateCount; s++ {
		for c := Start; c < commandCount; c++ {
			if to, ok := s.After(c); ok {
				arcs = append(arcs, fsm.EventDesc{Name: c.String(), Src: []string{s.String()}, Dst: to.String()})
			}
		}
		if !s.Quiescent() {
			arcs = append(arcs, fsm.EventDesc{Name: "ends", Src: []string{s.String()}, Dst: ends[s].String()})
		}
	}
	return fsm.NewFSM(initial.String(), arcs, nil)
}

func TestAnotherStateMachineAgreesAndDrawsTheTable(t *testing.T) {
	for s := Idle; s < stateCount; s++ {
		for c := Start; c < commandCount; c++ {
			other := chart(s)
			err := other.Event(context.Background(), c.String())
			to, ok := s.After(c)
			require.Equal(t, ok, err == nil, "%s in %s: %v", c, s, err)
			if ok {
				require.Equal(t, to.String(), other.Current())
			}
		}
	}
	drawing, err := fsm.VisualizeWithType(chart(Idle), fsm.MermaidStateDiagram)
	require.NoError(t, err)
	golden.Check(t, "testdata/states.mmd.golden", []byte(drawing))

	page, err := os.ReadFile("../ARCHITECTURE.md")
	require.NoError(t, err)
	_, shown, _ := strings.Cut(string(page), "```mermaid\n")
	shown, _, _ = strings.Cut(shown, "```")
	require.Equal(t, strings.TrimSpace(drawing), strings.TrimSpace(shown), "the diagram of ARCHITECTURE.md is that of the table")
}

func ExampleState_After() {
	for _, c := range []Command{Hold, Restart} {
		to, ok := Running.After(c)
		fmt.Println(c, ok, to, Running.Repeats(c))
	}
	// Output:
	// hold true Holding false
	// restart false Running true
}
