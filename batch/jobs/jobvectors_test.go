// The lives of single jobs in a list: T: ProductionJobDataTests of the anchor, as events and what comes of them.

package jobs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/timebase"
)

// bench is a list of which one job is looked at, and a plant that asks nothing and does what it is told to.
type bench struct {
	t      *testing.T
	list   *List
	job    string
	fx     []Effect           // of the last event, and of the answers to what it asked
	does   map[Do][]string    // processes ordered to do something, in order
	stages map[string]Stage   // of each process, as it was told
	recipe RecipeInfo         // what is known of a recipe
	todo   map[JobKind][]Step // what set-ups have to do
	gone   map[string]Counts  // jobs that left the list
	told   []string           // reasons for a person
}

// newBench has one job of an amount, which has its slot and has ordered its first process.
func newBench(t *testing.T, amount int64) *bench {
	b := &bench{t: t, list: NewList(""), does: map[Do][]string{}, stages: map[string]Stage{}, gone: map[string]Counts{}}
	b.recipe = RecipeInfo{Recipe: "A"}
	b.job = b.add("A", amount)
	return b
}

// add puts a job at the end, and gives its number.
func (b *bench) add(recipe string, amount int64) string {
	b.tell(Event{Kind: Add, Orders: []Order{{Recipe: recipe, Amount: amount}}})
	for _, fx := range b.fx {
		if fx.Kind == Listed && fx.JobKind == Production {
			return fx.Job
		}
	}
	require.Fail(b.t, "no job is listed")
	return ""
}

// tell takes an event, and answers what the list asks.
func (b *bench) tell(ev Event) {
	b.t.Helper()
	b.fx = b.step(ev)
	for i := 0; i < len(b.fx); i++ {
		switch fx := b.fx[i]; fx.Kind {
		case AskRecipe:
			known := b.recipe
			known.Recipe, known.Provider = fx.Recipe, fx.Provider
			b.fx = append(b.fx, b.step(Event{Kind: Recipe, Recipe: &known})...)
		case AskContent:
			b.fx = append(b.fx, b.step(Event{Kind: Content, Job: fx.Job, Steps: b.todo[fx.JobKind]})...)
		}
	}
}

// step takes one event as it stands on record, and keeps what came of it.
func (b *bench) step(ev Event) []Effect {
	b.t.Helper()
	line, err := ev.Append(nil)
	require.NoError(b.t, err)
	ev, err = ParseEvent(line)
	require.NoError(b.t, err)
	fx := b.list.Step(timebase.Stamp{}, &ev, nil)
	for _, f := range fx {
		switch f.Kind {
		case Ordered:
			b.does[f.Do] = append(b.does[f.Do], f.Process)
			if b.stages[f.Process] == NoStage {
				b.stages[f.Process] = Awaited
			}
		case Gone:
			b.gone[f.Job] = f.Counts
		case Notify:
			b.told = append(b.told, f.Reason)
		case Refused:
			require.NotEmpty(b.t, f.Reason)
		}
	}
	return fx
}

// comes says that process n of the job has come to a stage.
func (b *bench) comes(n int, to Stage) {
	b.t.Helper()
	b.stages[b.process(n)] = to
	b.tell(Event{Kind: Process, Process: b.process(n), State: to})
}

func (b *bench) process(n int) string { return fmt.Sprintf("%s-%04d", b.job, n) }

// command tells the job something that a person may ask.
func (b *bench) command(k EventKind) { b.t.Helper(); b.tell(Event{Kind: k, Job: b.job}) }

// state is where the job stands; Completed where it has left the list.
func (b *bench) state() State {
	if job, ok := b.list.Job(b.job); ok {
		return job.State
	}
	return JobCompleted
}

// is checks where the job stands.
func (b *bench) is(want State) {
	b.t.Helper()
	require.Equal(b.t, want.String(), b.state().String())
}

// counts checks how many came to Success and to Failure; the job has left the list.
func (b *bench) counts(success, failure int64) {
	b.t.Helper()
	got, ok := b.gone[b.job]
	require.True(b.t, ok, "%s has left the list", b.job)
	require.Equal(b.t, []int64{success, failure}, []int64{got.Success, got.Failure})
}

// refused checks that the last event was refused.
func (b *bench) refused() {
	b.t.Helper()
	require.Len(b.t, b.fx, 1)
	require.Equal(b.t, Refused, b.fx[0].Kind)
}

// cut takes the power away between two events, and boots: what is begun comes up interrupted.
func (b *bench) cut() {
	b.t.Helper()
	state := b.list.Snapshot(nil)
	b.list = NewList("")
	require.NoError(b.t, b.list.Restore(state))
	boot := Event{Kind: Boot}
	for _, p := range b.list.Processes() {
		if b.stages[p.Process] == Running {
			b.stages[p.Process] = Interrupted
		}
		boot.Processes = append(boot.Processes, Found{Process: p.Process, State: b.stages[p.Process]})
	}
	b.tell(boot)
}

func TestAmountOneIsCompletingAsSoonAsItRuns(t *testing.T) {
	for _, end := range []Stage{Success, Failure} {
		b := newBench(t, 1)
		b.is(JobDispatched)
		b.comes(1, Running)
		b.is(JobCompleting)
		job, _ := b.list.Job(b.job)
		require.EqualValues(t, 1, job.Counts.Running)
		b.comes(1, end)
		b.is(JobCompleted)
		if end == Success {
			b.counts(1, 0)
		} else {
			b.counts(0, 1)
		}
		require.Len(t, b.does[Start], 1)
	}
}

func TestAmountTwoStartsTwoAndNoThird(t *testing.T) {
	b := newBench(t, 2)
	b.comes(1, Running)
	b.is(JobRunning)
	require.Equal(t, []string{b.process(1), b.process(2)}, b.does[Start], "one is ordered ahead")
	b.comes(2, Running)
	b.is(JobCompleting)
	b.comes(2, Success)
	b.comes(1, Success)
	b.counts(2, 0)
	require.Len(t, b.does[Start], 2)
}

func TestAnEndlessJobEndsAtCompleteAlone(t *testing.T) {
	b := newBench(t, 0)
	for n := 1; n <= 10; n++ {
		b.comes(n, Running)
		b.is(JobRunning)
		if n < 10 {
			b.comes(n, Success)
			b.is(JobRunning)
		}
	}
	b.command(Complete)
	b.is(JobCompleting)
	require.Equal(t, []string{b.process(11)}, b.does[Drop])
	b.comes(11, Discarded)
	b.is(JobCompleting)
	b.comes(10, Success)
	b.counts(10, 0)
}

func TestAJobThatWaitsIsCompletedWithoutAProcess(t *testing.T) {
	for _, k := range []EventKind{Complete, Abort} {
		b := newBench(t, 0) // it has the slot
		for _, recipe := range []string{"A", "B"} {
			b.job = b.add(recipe, 2)
			b.command(k)
			b.is(JobCompleted)
			b.counts(0, 0)
		}
		require.Len(t, b.does[Start], 1)
	}
}

func TestStartStopStartIsTwoStartsAndOneDrop(t *testing.T) {
	b := newBench(t, 2)
	b.command(Suspend)
	b.is(JobWaiting)
	require.Equal(t, []string{b.process(1)}, b.does[Drop])
	b.comes(1, Discarded)
	b.is(JobWaiting)
	b.command(Continue)
	b.is(JobDispatched)
	require.Equal(t, []string{b.process(1), b.process(2)}, b.does[Start])
	require.Len(t, b.does[Drop], 1)
}

func TestStopThenDrainThenInterruptIsIdle(t *testing.T) {
	b := newBench(t, 5)
	b.comes(1, Running)
	b.command(Suspend)
	b.is(JobSuspended)
	b.comes(2, Discarded)
	b.comes(1, Success)
	b.is(JobWaiting)
	b.tell(Event{Kind: Halt})
	require.Equal(t, ClassIdle, b.state().Class())
}

func TestTwoThatAreInterruptedOneAfterTheOther(t *testing.T) {
	b := newBench(t, 3)
	for n := 1; n <= 3; n++ {
		b.comes(n, Running)
	}
	b.comes(3, Success)
	b.is(JobCompleting)
	b.tell(Event{Kind: Halt})
	b.is(JobCompletingInterrupting)
	require.ElementsMatch(t, []string{b.process(1), b.process(2)}, b.does[Pause])
	b.comes(1, Interrupted)
	require.Equal(t, ClassCompleting, b.state().Class())
	b.comes(2, Interrupted)
	require.Equal(t, ClassIdle, b.state().Class())
	b.tell(Event{Kind: Halt})
	require.Equal(t, ClassIdle, b.state().Class(), "a further interrupt is harmless")
	require.True(t, b.list.Settled())
}

func TestTheLastPartSucceedsWhileItIsInterrupted(t *testing.T) {
	b := newBench(t, 1)
	b.comes(1, Running)
	b.tell(Event{Kind: Halt})
	b.is(JobCompletingInterrupting)
	b.comes(1, Success)
	b.counts(1, 0)
}

func TestACutInTheMiddleIsResumedAndTheLastFails(t *testing.T) {
	b := newBench(t, 2)
	b.comes(1, Running)
	b.comes(2, Running)
	b.comes(1, Success)
	b.cut()
	require.Equal(t, []string{b.process(2)}, b.does[Resume], "ours resumes where the anchor cleans up: issue 14 2.3(b)")
	b.comes(2, Running)
	b.is(JobCompleting)
	b.comes(2, Failure)
	b.counts(1, 1)
	require.Len(t, b.does[Start], 2, "nothing is run twice")
}

func TestACutInTheMiddleIsCleanedUpWhereTheRecipeForbidsToResume(t *testing.T) {
	b := newBench(t, 2)
	b.recipe.NoResume = "the melt is cold"
	b.tell(Event{Kind: Recipe, Recipe: &b.recipe})
	b.comes(1, Running)
	b.comes(2, Running)
	b.comes(1, Success)
	b.cut()
	require.Empty(t, b.does[Resume])
	require.Equal(t, []string{b.process(2)}, b.does[CleanItUp])
	said := ""
	for _, fx := range b.fx {
		if fx.Kind == Changed && fx.Job == b.job && fx.Recovery != "" {
			said = fx.Recovery
		}
	}
	require.Contains(t, said, "the melt is cold", "the record says which recovery it is")
	b.is(JobCleaningUp)
	b.comes(2, Failure)
	b.counts(1, 1)
}

func TestWhatIsGivenUpInCleanUpIsLeftUnaccountedAndTold(t *testing.T) {
	b := newBench(t, 2)
	b.recipe.NoResume = "the melt is cold"
	b.tell(Event{Kind: Recipe, Recipe: &b.recipe})
	b.comes(1, Running)
	b.comes(2, Running)
	b.comes(1, Success)
	b.cut()
	b.is(JobCleaningUp)
	b.command(Abort)
	b.cut()
	b.is(JobCompleted)
	b.counts(1, 0)
	require.NotEmpty(t, b.told, "what is left is told to a person")
}

func TestAProcessThatRunsAlthoughItWasToBeDroppedIsNotLost(t *testing.T) {
	b := newBench(t, 3)
	b.command(Suspend)
	b.is(JobWaiting)
	b.comes(1, Running)
	b.is(JobSuspended)
	b.comes(1, Success)
	b.is(JobWaiting)
	b.command(Continue)
	b.comes(2, Running)
	b.comes(3, Running)
	b.is(JobCompleting)
	b.comes(2, Success)
	b.comes(3, Success)
	b.counts(3, 0)
}

func TestAProcessThatCannotBeginSuspendsItsJobAndTellsAPerson(t *testing.T) {
	for _, end := range []Stage{Failure, Discarded} {
		b := newBench(t, 0)
		b.comes(1, end)
		require.Contains(t, []State{JobSuspended, JobWaiting}, b.state())
		require.Len(t, b.does[Start], 1, "the next one would fare as this one: none is ordered until a person says so")
		require.NotEmpty(t, b.told)
		b.command(Continue)
		require.Len(t, b.does[Start], 2)
		b.is(JobDispatched)
	}
}

func TestCommandsOnACompletedJobAreRefused(t *testing.T) {
	b := newBench(t, 1)
	b.comes(1, Running)
	b.comes(1, Success)
	b.is(JobCompleted)
	for _, k := range []EventKind{Complete, Abort, Interrupt, Suspend, Continue, Acknowledge, Retry} {
		b.command(k)
		b.refused()
	}
}

func TestARecipeIsKeptForAsLongAsAProcessOfItIsLeft(t *testing.T) {
	b := newBench(t, 2)
	b.recipe.NoResume = "the melt is cold"
	b.tell(Event{Kind: Recipe, Recipe: &b.recipe})
	b.comes(1, Running)
	b.cut()
	b.command(Abort)
	b.comes(2, Discarded)
	b.is(JobCompleted)
	require.Len(t, b.list.Processes(), 1, "it is left to a person")
	orders := make([]Order, MaxRecipes)
	for i := range orders {
		orders[i] = Order{Recipe: fmt.Sprintf("R%d", i), Amount: 1}
	}
	ev := Event{Kind: Add, Orders: orders}
	b.tell(ev)
	b.refused()
	ev.Orders = orders[1:]
	fx := b.list.Step(timebase.Stamp{}, &ev, nil)
	require.NotEqual(t, Refused, fx[0].Kind)
	again := NewList("")
	require.NoError(t, again.Restore(b.list.Snapshot(nil)))
	require.Equal(t, "A", again.remains[0].rec.name.recipe)
}
