// What a list promises of its slots, its stops and its places, one claim at a time.

package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// slots are the slots as a person writes them, each with the job that works by it.
func (b *bench) slots() string {
	var all []string
	for _, s := range b.list.Slots() {
		if s.Job == "" {
			s.Job = "-"
		}
		all = append(all, s.Slot+"="+strings.TrimPrefix(s.Job, "J-00000"))
	}
	return strings.Join(all, " ")
}

// ready has an empty list of a scheduler, and set-ups that have nothing to do.
func ready(t *testing.T, rules Rules) *bench {
	b := newFloor(t, rules)
	b.todo = nil
	return b
}

// runs brings process 1 of a job of amount 1 to Running, so that the job is Completing.
func (b *bench) runs(job string) {
	b.t.Helper()
	b.job = job
	b.comes(1, Running)
}

func (b *bench) ends(job string) {
	b.t.Helper()
	b.job = job
	b.comes(1, Success)
}

func (b *bench) kinds() string {
	var all []string
	for _, fx := range b.fx {
		all = append(all, fx.Kind.String())
	}
	return strings.Join(all, ", ")
}

func TestTheSlotOfAnInterruptedSequenceIsFreedAtItsCleanUpsStartOrAtItsEnd(t *testing.T) {
	for _, keep := range []bool{false, true} {
		b := ready(t, Rules{Scheduler: Seamless, KeepSlot: keep})
		a1, a2 := b.add("A", 1), b.add("A", 1)
		b.runs(a1)
		b.job = a2
		b.command(Abort) // a follow-up is cancelled while the one before completes
		b.comes(1, Discarded)
		require.Equal(t, !keep, b.list.Available())
		b1 := b.add("B", 1)
		job, _ := b.list.Job(b1)
		require.Equal(t, keep, job.State == JobInitial, "B1 waits only where the slot is kept")
		b.todo = map[JobKind][]Step{CleanUp: {clamp}}
		b.ends(a1)
		cA := b.set(CleanUp, "A")
		job, _ = b.list.Job(b1)
		require.Equal(t, keep, job.State == JobInitial)
		b.done(cA, 1)
		job, _ = b.list.Job(b1)
		require.NotEqual(t, JobInitial, job.State)
		require.NotContains(t, b.slots(), "completing")
	}
}

func TestASlotThatIsKeptIsKeptOverACut(t *testing.T) {
	b := ready(t, Rules{Scheduler: Seamless, KeepSlot: true})
	a1, a2 := b.add("A", 1), b.add("A", 1)
	b.runs(a1)
	b.job = a2
	b.command(Abort)
	b.comes(1, Discarded)
	b.cut()
	require.Equal(t, "running=- resume=1", b.slots())
	b.runs(a1)
	require.Equal(t, "running=1", b.slots())
	require.False(t, b.list.Available())
}

func TestASequenceThatEndsWellFreesItsSlotAtTheStartOfItsCleanUpEvenWhereSlotsAreKept(t *testing.T) {
	b := ready(t, Rules{Scheduler: Seamless, KeepSlot: true})
	b.todo = map[JobKind][]Step{CleanUp: {clamp}}
	a1 := b.add("A", 1)
	b.runs(a1)
	require.True(t, b.list.Available())
	b.ends(a1)
	require.Equal(t, "running=- completing=3", b.slots())
}

func TestAnIdleJobNextToACompletingGroupBringsItBack(t *testing.T) {
	b := ready(t, Rules{Scheduler: Seamless})
	a1 := b.add("A", 1)
	b.runs(a1)
	b1 := b.add("B", 1)
	require.Equal(t, "running="+b1[7:]+" completing="+a1[7:], b.slots())
	b.tell(Event{Kind: Add, Place: After, Job: a1, Orders: []Order{{Recipe: "A", Amount: 1}}})
	a2 := b.fx[0].Job
	job, _ := b.list.Job(a2)
	require.Equal(t, JobInitial, job.State, "the running slot is not free")
	b.runs(b1)
	require.Equal(t, "running="+a2[7:]+" completing="+b1[7:], b.slots())
	require.Equal(t, 1, strings.Count(b.order(), "cA"), "it is the same group, with one clean-up")
}

func TestAGroupIsResumedInAResumeSlotUntilAProcessGoesOn(t *testing.T) {
	for _, rules := range []Rules{{Scheduler: Parallel, Slots: 2}, {Scheduler: Seamless}} {
		b := ready(t, rules)
		b.job = b.add("A", 2)
		b.comes(1, Running)
		was := b.slots()
		b.cut()
		require.Contains(t, b.slots(), "resume="+b.job[7:])
		require.Equal(t, []string{b.process(1)}, b.does[Resume])
		b.comes(1, Running)
		require.Equal(t, was, b.slots())
	}
}

func TestWhileAGroupIsResumedNobodyTakesItsRunningSlot(t *testing.T) {
	b := ready(t, Rules{Scheduler: Seamless})
	b.job = b.add("A", 2)
	b.comes(1, Running)
	b.add("B", 1)
	b.cut()
	require.Equal(t, "running=- resume="+b.job[7:], b.slots())
	require.False(t, b.list.Available())
}

func TestWhatAPersonPutOnHoldIsNotResumedByABoot(t *testing.T) {
	b := newBench(t, 3)
	b.comes(1, Running)
	b.comes(1, Interrupted) // a person holds the batch
	p, _ := b.list.Process(b.process(1))
	require.True(t, p.Held)
	b.tell(Event{Kind: Halt})
	b.comes(2, Discarded)
	b.cut()
	require.Empty(t, b.does[Resume])
	require.Equal(t, []string{b.process(1), b.process(2), b.process(3)}, b.does[Start])
	b.comes(1, Running)
	p, _ = b.list.Process(b.process(1))
	require.False(t, p.Held)
}

func TestAMissingRecipeSetsItsJobsAsideAndNothingElse(t *testing.T) {
	b := ready(t, Rules{Scheduler: Seamless})
	b.recipe.Missing = "the provider does not answer"
	a := b.add("A", 1)
	b.recipe.Missing = ""
	c := b.add("C", 1)
	job, _ := b.list.Job(a)
	require.Contains(t, job.SetAside, "recipe A is not there: the provider does not answer")
	require.Equal(t, "running="+c[7:], b.slots())
	b.tell(Event{Kind: Retry, Job: a})
	job, _ = b.list.Job(a)
	require.Empty(t, job.SetAside)
	b.runs(c)
	require.Equal(t, "running="+a[7:]+" completing="+c[7:], b.slots())
}

func TestAJobThatIsSetAsideDoesNotStandBetweenNeighbours(t *testing.T) {
	b := ready(t, Rules{Scheduler: Parallel, Slots: 1})
	a1 := b.add("A", 1)
	b.recipe.Missing = "nobody knows it"
	b.add("B", 1)
	b.recipe.Missing = ""
	a2 := b.add("A", 1)
	j1, _ := b.list.Job(a1)
	j2, _ := b.list.Job(a2)
	require.Equal(t, j1.Group, j2.Group)
}

func TestNoJobIsTakenOverAnEarlierOneOfItsRecipe(t *testing.T) {
	b := ready(t, Rules{Scheduler: Parallel, Slots: 1})
	b.add("A", 0)
	b.add("B", 1)
	a3 := b.add("A", 1)
	b.tell(Event{Kind: Add, Place: First, Orders: []Order{{Recipe: "B", Amount: 1}}})
	a1 := b.list.Jobs()[1].ID
	b.tell(Event{Kind: Add, Place: First, Orders: []Order{{Recipe: "A", Amount: 1}}})
	a0 := b.fx[0].Job
	b.tell(Event{Kind: Add, Place: After, Job: a1, Orders: []Order{{Recipe: "A", Amount: 1}}})
	for _, id := range []string{a0, a3, b.fx[0].Job} {
		job, _ := b.list.Job(id)
		require.Equal(t, JobInitial, job.State, "%s; A0 is first, and is no neighbour", id)
	}
}

func TestJobsAreListedWhereTheyArePut(t *testing.T) {
	b := ready(t, Rules{Scheduler: Parallel, Slots: 1})
	b.tell(Event{Kind: Halt}) // so that none has set-ups
	put := func(place Place, job string, orders ...Order) {
		b.tell(Event{Kind: Add, Place: place, Job: job, Orders: orders})
	}
	at := func() (s string) {
		for _, j := range b.list.Jobs() {
			s += " " + j.Order.Recipe + strings.TrimPrefix(j.ID, "J-00000")
		}
		return strings.TrimSpace(s)
	}
	put(Append, "", Order{Recipe: "A"}, Order{Recipe: "B"})
	put(First, "", Order{Recipe: "C"})
	put(Before, "J-000002", Order{Recipe: "D"})
	put(After, "J-000001", Order{Recipe: "E"})
	put(AfterRecipe, "", Order{Recipe: "C"}, Order{Recipe: "F"})
	require.Equal(t, "C3 C6 A1 E5 D4 B2 F7", at())
	put(Around, "", Order{Recipe: "G"}, Order{ID: "J-000001"}, Order{Recipe: "G"}, Order{ID: "J-000002"}, Order{Recipe: "G"})
	require.Equal(t, "C3 C6 G8 A1 G9 E5 D4 B2 G"+"J-000010"+" F7", at())
	put(Around, "", Order{ID: "J-000002"}, Order{Recipe: "H"}, Order{ID: "J-000001"})
	b.refused()
	require.Contains(t, b.fx[0].Reason, "J-000001 stands before J-000002 in the list")
	put(Around, "", Order{Recipe: "H"})
	b.refused()
	put(After, "J-000099", Order{Recipe: "H"})
	b.refused()
}

func TestIdsBeginWithThePrefixOfTheirListAndAreNeverGivenTwice(t *testing.T) {
	b := newBench(t, 1)
	b.list = NewList("n1.")
	b.job = b.add("A", 1)
	require.Equal(t, "n1.J-000001", b.job)
	_, ok := b.list.Process("n1.J-000001-0001")
	require.True(t, ok)
	require.Equal(t, "n1.G-000001", b.list.Slots()[0].Group)
	b.command(Abort)
	b.comes(1, Discarded)
	require.Empty(t, b.list.Jobs())
	require.Equal(t, "n1.J-000004", b.add("A", 1), "two were its set-ups")
}

func TestAJobWaitsForOneToEndWhereTooManyOfItsProcessesAreThere(t *testing.T) {
	b := newBench(t, 0)
	for n := 1; n <= MaxOpen; n++ {
		b.comes(n, Running)
	}
	require.Len(t, b.does[Start], MaxOpen)
	b.comes(7, Success)
	require.Len(t, b.does[Start], MaxOpen+1)
}

func TestAnotherSchedulerIsTakenOnlyWhileNoGroupHasASlot(t *testing.T) {
	b := newBench(t, 1)
	b.tell(Event{Kind: Configure, Rules: &Rules{Scheduler: Seamless}})
	b.refused()
	b.done(b.job, 1)
	b.tell(Event{Kind: Configure, Rules: &Rules{Scheduler: Seamless}})
	require.Empty(t, b.fx)
	require.Equal(t, "running=-", b.slots())
}

func TestACleanUpThatHasNotStartedCannotBeAborted(t *testing.T) {
	b := newBench(t, 1)
	b.tell(Event{Kind: Abort, Job: b.set(CleanUp, "A")})
	b.refused()
	require.Contains(t, b.fx[0].Reason, "is always done")
}

func TestAPrepareThatAPersonAbortsSetsTheJobsOfItsGroupAside(t *testing.T) {
	b := newFloor(t, Rules{Scheduler: Parallel, Slots: 1})
	a := b.add("A", 1)
	p := b.set(Prepare, "A")
	b.tell(Event{Kind: Abort, Job: p})
	job, _ := b.list.Job(a)
	require.Contains(t, job.SetAside, "was aborted")
	b.job = p
	b.comes(1, Discarded)
	require.NotEmpty(t, b.set(CleanUp, "A"), "a prepare that was started is cleaned up")
}

func TestAListThatWasNotBootedBeginsNothingAfterAHalt(t *testing.T) {
	b := ready(t, Rules{Scheduler: Parallel, Slots: 1})
	b.tell(Event{Kind: Halt})
	b.add("A", 1)
	require.Empty(t, b.does[Start])
	require.True(t, b.list.Settled())
	b.tell(Event{Kind: Boot})
	require.Len(t, b.does[Start], 1)
	require.Contains(t, b.kinds(), "slot available")
}

func TestAHaltMayCompleteWhatHasNotBegun(t *testing.T) {
	b := ready(t, Rules{Scheduler: Parallel, Slots: 1, Complete: true})
	a, idle := b.add("A", 3), b.add("B", 3)
	b.job = a
	b.comes(1, Running)
	b.tell(Event{Kind: Halt})
	require.True(t, b.ended(idle))
	require.False(t, b.ended(a))
}

func TestAProcessThatHadBegunAndIsNotThereIsNotRunAgain(t *testing.T) {
	b := newBench(t, 2)
	b.comes(1, Running)
	b.tell(Event{Kind: Boot})
	require.Equal(t, []string{b.process(1), b.process(2), b.process(2)}, b.does[Start], "the second was ordered and is not there: again, by its id")
	require.Contains(t, b.told[0], fmt.Sprintf("process %s had begun and is not there any more", b.process(1)))
	b.comes(2, Running)
	b.comes(2, Success)
	b.counts(1, 1)
}

func TestAResumeThatWasLostInACutIsSaidAgainWhenItIsTheJobsTurn(t *testing.T) {
	b := ready(t, Rules{Scheduler: Parallel, Slots: 1})
	a1, a2 := b.add("A", 2), b.add("A", 2)
	b.job = a1
	b.comes(1, Running)
	first := b.process(1)
	b.cut() // it is told to resume
	require.Equal(t, []string{first}, b.does[Resume])
	b.stages[first] = Interrupted
	b.command(Suspend)
	b.cut() // and was not: it is told again, though it stays suspended
	require.Equal(t, []string{first, first}, b.does[Resume])
	b.is(JobSuspended)
	job, _ := b.list.Job(a2)
	require.Equal(t, JobWaiting, job.State, "what is resumed comes before what has not begun")
}
