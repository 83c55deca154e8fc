// The life of a run: its list, the machine made from it, and the picture that the package comment shows.

package unitrun

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

// machine makes the machine of a slot with its options, and of its run.
func machine(at State, opt *Slot) *fsm.FSM {
	events := make([]fsm.EventDesc, 0, len(arcs))
	for _, a := range arcs {
		if opt.allows(a.only) {
			events = append(events, fsm.EventDesc{Name: a.do.String(), Src: []string{a.from.String()}, Dst: a.to.String()})
		}
	}
	return fsm.NewFSM(at.String(), events, nil)
}

// options are all slots that differ in what an arc may need.
func options() (all []*Slot) {
	for i := range 8 {
		all = append(all, &Slot{AutoCreate: i&1 != 0, Unstarted: i&2 != 0, Post: i&4 != 0})
	}
	return all
}

func TestTheArcsAreSound(t *testing.T) {
	require.NoError(t, errArcs)
}

func TestAFaultyListOfArcsIsRefusedAndAllowsNothing(t *testing.T) {
	without := func(drop EventKind) (list []arc) {
		for _, a := range arcs {
			if a.do != drop {
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
		{nil, "state Created: no way leads to it"},
		{with(arcs[2]), "start in Created: stands twice"},
		{with(arc{Ready, Resume, Active, always}), "resume in Ready: leads to Active, and its slot may have another run"},
		{with(arc{Finished, Create, Created, always}), "create in Finished: leads to Created, and its slot may have another run"},
		{with(arc{Active, Create, Idle, always}), "create in Active: leads to Idle"},
		{with(arc{Paused, Pause, Paused, always}), "pause in Paused: leads to Paused"},
		{with(arc{stateCount, Create, Ready, always}), "arc 8-1-5: no such state, command or policy"},
		{with(arc{NoState, Create, Ready, always}), "arc 0-1-5: no such state, command or policy"},
		{with(arc{Ready, Signal, Active, always}), "arc 5-8-3: no such state, command or policy"},
		{with(arc{Ready, Start, Active, ifPost + 1}), "arc 5-2-3: no such state, command or policy"},
		{without(Finish), "state Finished: no way leads to it"},
		{without(Cancel), "state Created: it cannot be canceled"},
	} {
		got, err := dense(c.list)
		require.EqualError(t, err, "unitrun: "+c.want)
		require.Equal(t, table{}, got)
	}
}

func TestMachineAndTableAgreeOnEveryPairAndOption(t *testing.T) {
	for _, opt := range options() {
		allowed := 0
		for s := NoState; s <= stateCount; s++ {
			for do := EventKind(0); do <= eventCount; do++ {
				m := machine(s, opt)
				err := m.Event(context.Background(), do.String())
				got, nextErr := Next(s, do, opt)
				require.Equal(t, err == nil, nextErr == nil, "%s %s %+v", s, do, opt)
				require.Equal(t, m.Current(), got.String(), "%s %s %+v", s, do, opt)
				if err == nil {
					allowed++
					continue
				}
				require.Contains(t, nextErr.Error(), "it is "+s.String(), "a refusal names the state")
				require.Contains(t, nextErr.Error(), "possible: "+Possible(s, opt), "and says what is possible")
			}
		}
		want := 0
		for _, a := range arcs {
			if opt.allows(a.only) {
				want++
			}
		}
		require.Equal(t, want, allowed)
	}
}

func TestTheLifeIsDrawnInThePackageComment(t *testing.T) {
	picture, err := fsm.VisualizeWithType(machine(Idle, &Slot{AutoCreate: true, Unstarted: true, Post: true}), fsm.MERMAID)
	require.NoError(t, err)
	golden.Check(t, "testdata/life.golden", []byte(picture))

	src, err := os.ReadFile("unitrun.go")
	require.NoError(t, err)
	comment := "//\n//\t" + strings.ReplaceAll(strings.TrimSuffix(picture, "\n"), "\n", "\n//\t") + "\n//\n"
	require.Contains(t, strings.ReplaceAll(string(src), "\r\n", "\n"), comment)
}

func TestARefusalSaysWhatIsPossible(t *testing.T) {
	plain, all := &Slot{}, options()[7]
	for _, c := range []struct {
		at   State
		do   EventKind
		opt  *Slot
		want string
	}{
		{Idle, Start, plain, "it is Idle, and has no auto-create: create a run first; possible: create"},
		{Idle, Pause, all, "it is Idle: no run is tracked; possible: create, start"},
		{Created, Pause, plain, "it is Created; possible: start, cancel"},
		{Created, MakeReady, plain, "it is Created, and was not started; possible: start, cancel"},
		{Created, Create, plain, "it is Created: end or cancel its run first; possible: start, cancel"},
		{Active, Start, all, "it is Active; possible: pause, ready, cancel"},
		{Paused, Finish, all, "it is Paused; possible: start, resume, ready, cancel"},
		{Ready, MakeReady, all, "it is Ready, and not tracked any more; possible: finish"},
		{Ready, Finish, plain, "it is Ready, which is its last state: its runs need no post-processing; possible: nothing"},
		{Ready, Cancel, plain, "it is Ready, and nothing more becomes of it; possible: nothing"},
		{Finished, Finish, all, "it is Finished, and nothing more becomes of it; possible: nothing"},
		{Canceled, Create, all, "it is Canceled for restart, and nothing more becomes of it; possible: nothing"},
	} {
		_, err := Next(c.at, c.do, c.opt)
		require.EqualError(t, err, c.want)
	}
}
