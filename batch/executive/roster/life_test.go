// The life: its list, the machine made from it, and the picture that the package comment shows.

package roster

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/looplab/fsm"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
)

// machine makes the machine of a batch that stands in a state.
func machine(at State) *fsm.FSM {
	events := make([]fsm.EventDesc, 0, len(arcs))
	for _, a := range arcs {
		events = append(events, fsm.EventDesc{Name: a.event.String(), Src: []string{a.from.String()}, Dst: a.to.String()})
	}
	return fsm.NewFSM(at.String(), events, nil)
}

func TestTheArcsAreSound(t *testing.T) {
	require.NoError(t, errArcs)
}

func TestAFaultyListOfArcsIsRefusedAndAllowsNothing(t *testing.T) {
	without := func(drop ...arc) (list []arc) {
		for _, a := range arcs {
			if !slices.Contains(drop, a) {
				list = append(list, a)
			}
		}
		return list
	}
	with := func(a arc) []arc { return append(slices.Clone(arcs), a) }
	for _, c := range []struct {
		list []arc
		want string
	}{
		{nil, "state none: no way leads out of it"},
		{with(arcs[3]), "heard Active from Loading: stands twice"},
		{with(arc{Lost, Overdue, Ready}), "overdue from Lost: leads to Ready without a fence"},
		{with(arc{Lost, Exit, Removed}), "exit from Lost: leads to Removed without a fence"},
		{with(arc{Ready, Create, None}), "create from Ready: leads to none"},
		{with(arc{Ready, HeardReady, Ready}), "heard Ready from Ready: leads to Ready"},
		{with(arc{stateCount, Create, Ready}), "arc 11-1-2: no such state or event"},
		{with(arc{Ready, 0, Active}), "arc 2-0-4: no such state or event"},
		{with(arc{Ready, eventCount, Active}), "arc 2-16-4: no such state or event"},
		{without(arc{Active, Force, Clearing}), "state Active: a person cannot end it by force"},
		{without(arc{Lost, Warm, Restarting}), "state Restarting: no way leads to it"},
		{without(arc{Clearing, Cleared, Removed}), "state Clearing: no way leads out of it"},
	} {
		got, err := dense(c.list)
		require.EqualError(t, err, "roster: "+c.want)
		require.Equal(t, table{}, got)
	}
}

func TestMachineAndTableAgreeOnEveryPair(t *testing.T) {
	allowed := 0
	for s := range stateCount {
		for e := Event(0); e <= eventCount; e++ {
			m := machine(s)
			err := m.Event(context.Background(), e.String())
			got, moveErr := Move(s, e)
			require.Equal(t, err == nil, moveErr == nil, "%s %s", s, e)
			require.Equal(t, m.Current(), got.String(), "%s %s", s, e)
			if err == nil {
				allowed++
				continue
			}
			require.Contains(t, moveErr.Error(), "it is "+s.Shown().String(), "a refusal names the state")
			require.Contains(t, moveErr.Error(), "possible: "+Possible(s), "and says what can be done")
		}
	}
	require.Equal(t, len(arcs), allowed)
	_, err := Move(stateCount, Create)
	require.Error(t, err)
}

func TestTheLifeIsDrawnInThePackageComment(t *testing.T) {
	picture, err := fsm.VisualizeWithType(machine(None), fsm.MERMAID)
	require.NoError(t, err)
	golden.Check(t, "testdata/life.golden", []byte(picture))

	src, err := os.ReadFile("roster.go")
	require.NoError(t, err)
	comment := "//\n//\t" + strings.ReplaceAll(strings.TrimSuffix(picture, "\n"), "\n", "\n//\t") + "\n//\n"
	require.Contains(t, strings.ReplaceAll(string(src), "\r\n", "\n"), comment)
}

func TestStatesAndEventsHaveOneNameEach(t *testing.T) {
	names := map[string]bool{}
	for s := range stateCount {
		got, ok := Parse(s.String())
		require.True(t, ok)
		require.Equal(t, s, got)
		require.NotEmpty(t, s.Shown().String())
	}
	for e := Create; e < eventCount; e++ {
		require.NotEmpty(t, e.String())
		require.False(t, names[e.String()], e)
		names[e.String()] = true
	}
	require.Empty(t, stateCount.String()+Event(0).String()+eventCount.String())
	_, ok := Parse("Gone")
	require.False(t, ok)
}

func TestWhatARunnerSaysIsHeardByItsWords(t *testing.T) {
	for s := range stateCount {
		want := map[State]Event{Loading: HeardLoading, Ready: HeardReady, LoadFailed: HeardFailed, Active: HeardActive, Ended: HeardEnded}[s]
		require.Equal(t, want, Hears(s.String()), s)
	}
	require.Zero(t, Hears("Gone"))
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		at   State
		e    Event
		want string
	}{
		{Active, Remove, "remove: it is Active, under way: abort it first, or remove it by force; possible: remove by force"},
		{Ready, Warm, "restart warm: it is Ready: only a Lost batch is restarted; possible: remove, remove by force"},
		{Lost, Create, "create: it is Lost, the number is used; give another; possible: remove, remove by force, restart warm, restart cold"},
		{Removed, Force, "remove by force: it is Removed, and nothing more becomes of it; possible: nothing"},
		{None, Remove, "remove: it is none, no batch has that number; possible: create"},
	} {
		_, err := Move(c.at, c.e)
		require.EqualError(t, err, "roster: "+c.want)
	}
}

func TestANumberIsGivenOnce(t *testing.T) {
	var n Numbers
	require.Equal(t, "B-0001", n.Next())
	require.Equal(t, "B-0001", n.Next())
	n.Used("B-0041")
	n.Used("B-7")
	n.Used("X")
	n.Used("B-99999999999999999999")
	require.Equal(t, "B-0042", n.Next())
	for _, bad := range []string{"", "a/b", "..", "-x", "manager", "io", "runtime", "bus", "production", "ä", strings.Repeat("x", MaxID+1), "a b", "a\x00"} {
		require.Error(t, CheckID(bad), bad)
	}
	for _, good := range []string{"B-0001", "x", "2026.11_a-Z"} {
		require.NoError(t, CheckID(good))
	}
}
