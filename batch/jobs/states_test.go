// The tables of states: their rows, the machine made from them, what they promise, and the pictures drawn from them.

package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/looplab/fsm"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
)

// cues lists the cues of a set, one by one.
func cues(set cue) (list []cue) {
	for c := cue(1); c < cueEnd; c <<= 1 {
		if set&c != 0 {
			list = append(list, c)
		}
	}
	return list
}

func TestTheTablesAreSound(t *testing.T) {
	require.NoError(t, errStates)
	require.Len(t, productionTable.rows, 18)
	require.Len(t, setupTable.rows, 8)
	require.EqualValues(t, cueEnd, 1<<cueCount)
	require.EqualValues(t, actEnd, 1<<len(actNames))
}

func TestCodesAreThoseOfTheTables(t *testing.T) {
	codes := func(tab *table) (list []uint16) {
		for _, r := range tab.rows {
			list = append(list, r.at.Code())
			require.True(t, r.at.Known())
		}
		return list
	}
	require.Equal(t, []uint16{0, 5, 10, 20, 50, 60, 65, 70, 90, 100, 105, 110, 120, 200, 210, 230, 240, 999}, codes(&productionTable))
	require.Equal(t, []uint16{0, 10, 20, 40, 50, 30, 100, 999}, codes(&setupTable))
	require.Equal(t, JobInitial, Production.first())
	require.Equal(t, SetupInitial, Prepare.first())
	require.Equal(t, SetupInitial, CleanUp.first())
}

func TestWhatIsNoStateIsNamedAndAllowsNothing(t *testing.T) {
	no := State(7)
	require.False(t, no.Known())
	require.Equal(t, "state 7", no.String())
	require.Equal(t, ClassCompleted, no.Class())
	require.Equal(t, "class 9", Class(9).String())
	for c := cue(1); c != 0; c <<= 1 {
		to, do, ok := next(no, c)
		require.False(t, ok)
		require.Zero(t, do)
		require.Equal(t, no, to)
	}
	for _, c := range []cue{0, cueStart | cueReady, cueEnd} {
		_, _, ok := next(JobInitial, c)
		require.False(t, ok, "one cue at a time")
	}
	require.Equal(t, "ready: the job is state 7, which is no state; possible: nothing", refusal(no, cueReady))
}

// machine makes the machine of a job that stands in a state: what is calm leads to where it is.
func machine(tab *table, at State) *fsm.FSM {
	name := map[State]string{}
	for _, r := range tab.rows {
		name[r.at] = r.name
	}
	var events []fsm.EventDesc
	for _, r := range tab.rows {
		for _, a := range r.arcs {
			for _, c := range cues(a.on) {
				events = append(events, fsm.EventDesc{Name: c.String(), Src: []string{r.name}, Dst: name[a.to]})
			}
		}
		for _, c := range cues(r.calm) {
			events = append(events, fsm.EventDesc{Name: c.String(), Src: []string{r.name}, Dst: r.name})
		}
	}
	return fsm.NewFSM(name[at], events, nil)
}

func TestMachineAndTableAgreeOnEveryPair(t *testing.T) {
	for _, tab := range []*table{&productionTable, &setupTable} {
		pairs, want := 0, 0
		for _, r := range tab.rows {
			want += len(cues(r.calm))
			for _, a := range r.arcs {
				want += len(cues(a.on))
			}
			for c := cue(1); c < cueEnd; c <<= 1 {
				m := machine(tab, r.at)
				err := m.Event(context.Background(), c.String())
				to, do, ok := next(r.at, c)
				require.Equal(t, err == nil || errors.As(err, &fsm.NoTransitionError{}), ok, "%s %s %s: %v", tab.name, r.name, c, err)
				require.Equal(t, m.Current(), to.String(), "%s %s %s", tab.name, r.name, c)
				if ok {
					pairs++
					continue
				}
				require.Zero(t, do)
				require.Zero(t, c&tab.cues&anyNotice, "%s %s: a notice is never refused", tab.name, r.name)
				said := refusal(r.at, c)
				require.Contains(t, said, c.word().String()+": the job is "+r.name, "a refusal says what and where")
				require.Contains(t, said, "; possible: "+possible(r.at), "and what can be done")
			}
		}
		require.Equal(t, want, pairs, tab.name)
	}
}

func TestAFaultyTableIsRefused(t *testing.T) {
	// changed is the production table with one row changed.
	changed := func(at State, change func(r *row)) *table {
		tab := productionTable
		tab.rows = slices.Clone(tab.rows)
		i := slices.IndexFunc(tab.rows, func(r row) bool { return r.at == at })
		tab.rows[i].arcs = slices.Clone(tab.rows[i].arcs)
		change(&tab.rows[i])
		return &tab
	}
	// moved is a row in which a cue stands in an arc of its own.
	moved := func(r *row, c cue, to State, do acts) {
		r.calm, r.refused = r.calm&^c, r.refused&^c
		for i := range r.arcs {
			r.arcs[i].on &^= c
		}
		r.arcs = append(slices.DeleteFunc(r.arcs, func(a arc) bool { return a.on == 0 }), arc{c, to, do})
	}
	for _, c := range []struct {
		at     State
		change func(r *row)
		want   string
	}{
		{JobRunning, func(r *row) { r.calm |= cueReady }, "production Running: ready stands twice"},
		{JobRunning, func(r *row) { r.calm &^= cueRest }, "production Running: nothing is said of all rest"},
		{JobRunning, func(r *row) { r.calm |= cueContent }, "production Running: content is no cue of it"},
		{JobRunning, func(r *row) { r.name = "" }, "production state 50 : stands twice, or has no name, class or number"},
		{JobRunning, func(r *row) { r.at = JobWaiting }, "production state 5 Running: stands twice, or has no name, class or number"},
		{JobRunning, func(r *row) { r.at = 2 * setup }, "production state 2000 Running: stands twice, or has no name, class or number"},
		{JobRunning, func(r *row) { r.class = 9 }, "production state 50 Running: stands twice, or has no name, class or number"},
		{JobRunning, func(r *row) { moved(r, cueRest, 7, 0) }, "production Running at all rest: leads to 7, which is no state of it"},
		{JobRunning, func(r *row) { moved(r, cueRest, JobRunning, 0) },
			"production Running at all rest: leads to itself and does nothing; call it calm"},
		{JobCompleted, func(r *row) { moved(r, cueReady, JobInitial, 0) },
			"production Completed: only the last state is Completed, and nothing leads out of it"},
		{JobRunning, func(r *row) { r.calm, r.refused = r.calm&^cueRest, r.refused|cueRest }, "production Running: a notice cannot be refused"},
		{JobInterrupting, func(r *row) { r.calm, r.refused = r.calm&^cueInterrupt, r.refused|cueInterrupt },
			"production Interrupting: abort, interrupt and load are possible in every state but the last"},
		{JobRunning, func(r *row) { moved(r, cueLoad, JobInterrupting, 0) }, "production Running: load leads to a state that is not at rest"},
		{JobInterrupted, func(r *row) { moved(r, anyInterrupt, JobCleanUp, 0) }, "production Interrupted: what is idle is at rest: an interrupt leaves it"},
		{JobInterrupted, func(r *row) { moved(r, cueStart, JobRunning, 0) }, "production Interrupted: only what waits is started"},
		{JobRunning, func(r *row) { moved(r, cueReady, JobWaiting, 0) }, "production Running: what is idle can be accepted, and only that"},
		{JobCleanUp, func(r *row) { moved(r, cueReady, JobCleanUp, actClean) }, "production CleanUpWaiting: no way leads to it"},
	} {
		err := changed(c.at, c.change).dense(&lookup{})
		require.ErrorContains(t, err, "jobs: "+c.want)
	}
	stuck := changed(JobDiscarding, func(r *row) {
		r.arcs = []arc{{cueOver, JobDiscarding, actTell}}
		r.calm |= anyLoad | cueRest
	})
	require.EqualError(t, stuck.dense(&lookup{}), "jobs: production Discarding: no way leads from it to the end")
}

func TestARefusalSaysWhyAndWhatToDo(t *testing.T) {
	for _, c := range []struct {
		at   State
		on   cue
		want string
	}{
		{JobCompleted, cueStart, "start: the job is Completed, and nothing more becomes of it; possible: nothing"},
		{JobWaiting, cueStop, "suspend: the job is Waiting, and dispatches nothing; possible: complete, abort, interrupt"},
		{JobInterrupting, cueComplete, "complete: the job is Interrupting: wait until it is Interrupted; possible: abort"},
		{JobCompleting, cueStop, "suspend: the job is Completing, and dispatches no more; possible: abort, interrupt"},
		{JobRunning, cueAcknowledge, "acknowledge: the job is Running, a production job; possible: complete, abort, interrupt, suspend"},
		{SetupRunning, cueComplete, "complete: the job is Running, a set-up: it is worked off whole, or aborted; possible: abort, interrupt"},
		{SetupRetryBlocked, cueStop, "suspend: the job is RetryBlocked, a set-up: it is worked off whole, or aborted; possible: abort, interrupt, acknowledge"},
		{SetupRequestRecipe, cueAcknowledge, "acknowledge: the job is RequestRecipe; possible: abort, interrupt"},
		{JobSuspended, cueReady, "ready: the job is Suspended; possible: complete, abort, interrupt, continue"},
	} {
		require.Equal(t, c.want, refusal(c.at, c.on))
	}
}

// TestNineCommandsOnACompletedJobChangeNothing is T: the nine commands that a completed job is told in the anchor's tests.
func TestNineCommandsOnACompletedJobChangeNothing(t *testing.T) {
	for at, tab := range map[State]*table{JobCompleted: &productionTable, SetupCompleted: &setupTable} {
		for _, c := range cues(tab.cues) {
			to, do, ok := next(at, c)
			require.Equal(t, at, to, c)
			require.Zero(t, do, c)
			calm := c&(anyNotice|anyContent|anyOutcome) != 0 || at == JobCompleted && c&(anyComplete|anyAbort) != 0
			require.Equal(t, calm, ok, "%s %s", tab.name, c)
		}
	}
}

// interrupted goes by an interrupt and then by notices until nothing changes.
func interrupted(at State, left bool, notice cue) State {
	on := cueInterruptNone
	if left {
		on = cueInterrupt
	}
	at, _, _ = next(at, on)
	for range 5 {
		at, _, _ = next(at, notice)
	}
	return at
}

func TestAHaltBringsEveryStateToRest(t *testing.T) {
	for _, tab := range []*table{&productionTable, &setupTable} {
		for _, r := range tab.rows[:len(tab.rows)-1] {
			for _, notice := range []cue{cueRest, cueOver} {
				got := interrupted(r.at, notice == cueRest, notice)
				if notice == cueRest && (r.at == JobAborting || r.at == SetupAborting) {
					continue // what is aborted does not rest: it comes to its end
				}
				require.True(t, got.Stable(), "%s %s at %s: %s", tab.name, r.name, notice, got)
			}
		}
	}
}

func TestALoadBringsEveryStateToRestAndIsTheSameTwice(t *testing.T) {
	for _, tab := range []*table{&productionTable, &setupTable} {
		for _, r := range tab.rows[:len(tab.rows)-1] {
			for _, c := range cues(anyLoad) {
				once, _, ok := next(r.at, c)
				require.True(t, ok)
				require.True(t, once.Stable() || once == JobDiscarding, "%s %s", r.name, c)
				if once.Class() == ClassCompleted {
					continue
				}
				twice, _, ok := next(once, c)
				require.True(t, ok)
				require.True(t, twice == once || once == JobInitial && c != cueLoadNone, "%s %s: a cut while it comes up changes nothing: %s, %s", r.name, c, once, twice)
			}
		}
	}
}

// TestAHardCutLosesNoPart: issue 14 2.3(b) in the place of the anchor's unclean rule, by which such a job is cleaned up or
// completed.
func TestAHardCutLosesNoPart(t *testing.T) {
	for _, c := range []struct {
		at                  State
		left, none, barred  State
		anchorLeft, anchorN State
	}{
		{JobSuspended, JobInterrupted, JobInterrupted, JobCleanUp, JobCleanUp, JobCompleted},
		{JobRunning, JobInterrupted, JobInterrupted, JobCleanUp, JobCleanUp, JobCompleted},
		{JobInterrupting, JobInterrupted, JobInterrupted, JobCleanUp, JobCleanUp, JobCompleted},
		{JobCompleting, JobCompletingInterrupted, JobCompleted, JobCleanUp, JobCleanUp, JobCompleted},
		{JobCompletingInterrupting, JobCompletingInterrupted, JobCompleted, JobCleanUp, JobCleanUp, JobCompleted},
		{JobAborting, JobCleanUp, JobCompleted, JobCleanUp, JobCleanUp, JobCompleted},
		{JobCleanUpWaiting, JobCleanUp, JobCompleted, JobCleanUp, JobCleanUp, JobCompleted},
		{JobCleaningUp, JobCleanUp, JobCompleted, JobCleanUp, JobCleanUp, JobCompleted},
	} {
		for on, want := range map[cue]State{cueLoad: c.left, cueLoadNone: c.none, cueLoadBarred: c.barred} {
			to, _, ok := next(c.at, on)
			require.True(t, ok)
			require.Equal(t, want, to, "%s %s", c.at, on)
		}
		if c.left != c.anchorLeft || c.none != c.anchorN {
			require.True(t, c.left == JobInterrupted || c.left == JobCompletingInterrupted, c.at)
		}
	}
}

// anchor is a cell of the anchor's table: where a command leads; State 1 is calm, 2 is refused, 3 the unclean rule.
func TestTheTableIsTheAnchorsButForWhatIsWrittenDown(t *testing.T) {
	const calm, no, unclean = State(1), State(2), State(3)
	commands := []cue{cueLoad, cueReady, cueStart, cueStop, cueComplete, cueAbort, cueInterrupt}
	anchor := map[State][]State{
		JobInitial:                      {calm, JobWaiting, no, no, JobCompleted, JobCompleted, calm},
		JobWaiting:                      {JobInitial, no, JobDispatched, no, JobCompleted, JobCompleted, JobInitial},
		JobDispatched:                   {JobInitial, no, no, JobWaiting, JobCompleting, JobDiscarding, JobInitial},
		JobSuspended:                    {unclean, no, JobRunning, calm, JobCompleting, JobAborting, JobInterrupting},
		JobRunning:                      {unclean, no, no, JobSuspended, JobCompleting, JobAborting, JobInterrupting},
		JobInterruptedWaiting:           {JobInterrupted, no, JobRunning, no, JobCompletingInterruptedWaiting, JobAborting, JobInterrupting},
		JobInterrupted:                  {calm, JobInterruptedWaiting, no, no, JobCompletingInterrupted, JobCleanUp, calm},
		JobInterrupting:                 {unclean, no, no, calm, no, no, no},
		JobCompleting:                   {unclean, no, no, no, calm, JobAborting, JobCompletingInterrupting},
		JobCompletingInterruptedWaiting: {JobCompletingInterrupted, no, JobCompleting, no, calm, JobAborting, JobCompletingInterrupting},
		JobCompletingInterrupted:        {calm, JobCompletingInterruptedWaiting, no, no, calm, JobCleanUp, calm},
		JobCompletingInterrupting:       {unclean, no, no, no, calm, no, no},
		JobAborting:                     {unclean, no, no, no, calm, calm, JobCleaningUp},
		JobCleanUp:                      {calm, JobCleanUpWaiting, no, no, calm, JobDiscarding, calm},
		JobCleanUpWaiting:               {unclean, no, JobCleaningUp, no, calm, JobDiscarding, JobCleanUp},
		JobCleaningUp:                   {unclean, no, no, no, calm, JobDiscarding, calm},
		JobDiscarding:                   {JobCompleted, no, no, no, calm, calm, calm},
		JobCompleted:                    {no, no, no, no, calm, calm, no},
	}
	var other strings.Builder
	for _, r := range productionTable.rows {
		for i, c := range commands {
			want := anchor[r.at][i]
			// A job that has not begun has no processes.
			if (r.at == JobInitial || r.at == JobWaiting || r.at == JobDispatched) && c == cueLoad {
				c = cueLoadNone
			}
			if (r.at == JobInitial || r.at == JobWaiting) && c&(cueComplete|cueAbort) != 0 {
				c <<= 1
			}
			to, _, ok := next(r.at, c)
			switch {
			case want == no && !ok, want == calm && ok && to == r.at, want == to && ok:
			case want == unclean && to == JobCleanUp:
			default:
				names := map[State]string{calm: "accepted", no: "refused", unclean: "CleanUp"}
				if names[want] == "" {
					names[want] = want.String()
				}
				fmt.Fprintf(&other, "%s at %s: %s, the anchor: %s\n", r.name, c.word(), to, names[want])
			}
		}
	}
	require.Equal(t, `Suspended at load: Interrupted, the anchor: CleanUp
Running at load: Interrupted, the anchor: CleanUp
Interrupting at load: Interrupted, the anchor: CleanUp
Interrupting at abort: Aborting, the anchor: refused
Interrupting at interrupt: Interrupting, the anchor: refused
Completing at load: CompletingInterrupted, the anchor: CleanUp
CompletingInterrupting at load: CompletingInterrupted, the anchor: CleanUp
CompletingInterrupting at abort: Aborting, the anchor: refused
CompletingInterrupting at interrupt: CompletingInterrupting, the anchor: refused
CleaningUp at interrupt: CleanUp, the anchor: accepted
Discarding at load: Discarding, the anchor: Completed
`, other.String())
}

// printed writes a table as a person reads it.
func printed(tab *table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The states of a %s job. What stands in no line of a state is accepted, and nothing happens.\n", tab.name)
	for _, r := range tab.rows {
		fmt.Fprintf(&b, "\n%d %s: %s\n", r.at.Code(), r.name, r.class)
		for _, a := range r.arcs {
			line := fmt.Sprintf("  %-40s -> %s", a.on, a.to)
			if a.do != 0 {
				line += ": " + a.do.String()
			}
			b.WriteString(line + "\n")
		}
		if r.refused != 0 {
			fmt.Fprintf(&b, "  refused: %s\n", r.refused)
		}
	}
	return b.String()
}

func TestTheTablesAreReadAsText(t *testing.T) {
	golden.Check(t, "testdata/production.golden", []byte(printed(&productionTable)))
	golden.Check(t, "testdata/setup.golden", []byte(printed(&setupTable)))
}

// drawn writes a table as a picture: one arrow between two states, with all that leads that way.
func drawn(tab *table) string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    [*] --> " + tab.rows[0].name + "\n")
	for _, r := range tab.rows {
		on := map[State]cue{}
		for _, a := range r.arcs {
			on[a.to] |= a.on
		}
		for _, to := range tab.rows {
			if set := on[to.at]; set != 0 && to.at != r.at {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", r.name, to.name, set)
			}
		}
	}
	return b.String() + "    " + tab.rows[len(tab.rows)-1].name + " --> [*]\n"
}

func TestTheLivesAreDrawnBesideTheStates(t *testing.T) {
	golden.Check(t, "testdata/production.mmd.golden", []byte(drawn(&productionTable)))
	golden.Check(t, "testdata/setup.mmd.golden", []byte(drawn(&setupTable)))
	src, err := os.ReadFile("states.go")
	require.NoError(t, err)
	for _, tab := range []*table{&productionTable, &setupTable} {
		comment := "//\n//\t" + strings.ReplaceAll(strings.TrimSuffix(drawn(tab), "\n"), "\n", "\n//\t") + "\n"
		require.Contains(t, strings.ReplaceAll(string(src), "\r\n", "\n"), comment)
	}
}
