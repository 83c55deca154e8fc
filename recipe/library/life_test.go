// The life: its list, the two machines made from it, and the picture that the package comment shows.

package library

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

func TestTheArcsAreSound(t *testing.T) {
	require.NoError(t, errArcs)
}

func TestAFaultyListOfArcsIsRefusedAndAllowsNothing(t *testing.T) {
	without := func(drop ...int) (list []arc) {
		for i, a := range arcs {
			if !slices.Contains(drop, i) {
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
		{with(arcs[3]), "publish from approved: stands twice"},
		{with(arc{StateDraft, Approve, StateRetired}), "approve from draft: stands twice"},
		{with(arc{StateDraft, Retire, StateRetired}), "two arcs from draft to retired: a record tells arcs by their ends"},
		{with(arc{StateRetired, Draft, StateNone}), "draft from retired: leads to none"},
		{with(arc{StateDraft, Publish, StateDraft}), "publish from draft: leads to draft"},
		{with(arc{stateCount, Draft, StateDraft}), "arc 5-1-1: no such state or event"},
		{with(arc{StateDraft, Draft, stateCount}), "arc 1-1-5: no such state or event"},
		{with(arc{StateDraft, 0, StateApproved}), "arc 1-0-2: no such state or event"},
		{with(arc{StateDraft, eventCount, StateApproved}), "arc 1-7-2: no such state or event"},
		{without(1), "state approved: no way leads to it"},
		{without(3, 6), "state published: no way leads to it"},
		{without(3, 4), "state approved: no way leads out of it"},
		{without(5), "state published: no way leads out of it"},
	} {
		got, err := dense(c.list)
		require.EqualError(t, err, "library: "+c.want)
		require.Equal(t, table{}, got)
	}
	_, err := dense(without(6))
	require.NoError(t, err, "retired may be the end")
	_, err = dense([]arc{arcs[6], arcs[5], arcs[4], arcs[3], arcs[2], arcs[1], arcs[0]})
	require.NoError(t, err, "the order of the arcs does not matter to soundness")
}

func TestMachineAndLookupAgreeOnEveryPair(t *testing.T) {
	allowed := 0
	for s := range stateCount {
		for e := Event(0); e <= eventCount; e++ {
			want := StateNone
			if e < eventCount {
				want = lookup[s][e]
			}
			m := machine(s)
			require.Equal(t, want != StateNone, m.Can(e.String()), "%s %s", s, e)
			err := m.Event(context.Background(), e.String())
			got, moveErr := move(s, e)
			require.Equal(t, err == nil, moveErr == nil, "%s %s", s, e)
			if want == StateNone {
				require.Error(t, err, "%s %s", s, e)
				require.Equal(t, s.String(), m.Current(), "a refused event leaves the machine as it is")
				require.Equal(t, s, got)
				continue
			}
			allowed++
			require.NoError(t, err, "%s %s", s, e)
			require.Equal(t, want.String(), m.Current(), "%s %s", s, e)
			require.Equal(t, want, got, "%s %s", s, e)
			a, ok := between(s.String(), want.String())
			require.True(t, ok)
			require.Equal(t, arc{s, e, want}, a)
		}
	}
	require.Equal(t, len(arcs), allowed)
}

func TestTheLifeIsDrawnInThePackageComment(t *testing.T) {
	picture, err := fsm.VisualizeWithType(machine(StateNone), fsm.MERMAID)
	require.NoError(t, err)
	golden.Check(t, "testdata/life.golden", []byte(picture))

	src, err := os.ReadFile("library.go")
	require.NoError(t, err)
	comment := "//\n//\t" + strings.ReplaceAll(strings.TrimSuffix(picture, "\n"), "\n", "\n//\t") + "\n//\n"
	require.Contains(t, strings.ReplaceAll(string(src), "\r\n", "\n"), comment)
}

func TestStatesAndEventsHaveOneNameEach(t *testing.T) {
	names := map[string]bool{}
	for s := range stateCount {
		require.NotEmpty(t, s.String())
		require.False(t, names[s.String()], s)
		names[s.String()] = true
	}
	clear(names)
	for e := Draft; e < eventCount; e++ {
		require.NotEmpty(t, e.String())
		require.False(t, names[e.String()], e)
		names[e.String()] = true
	}
	require.Empty(t, stateCount.String()+State(255).String()+Event(0).String()+eventCount.String()+Event(255).String())
}
