// The lives of set-up jobs in a list: what they do, how they fail, and what a person can do then.

package jobs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// newSetup has a job of amount 1 whose prepare or clean-up has something to do; b.job is that set-up, when it is there.
func newSetup(t *testing.T, kind JobKind, steps ...Step) *bench {
	b := &bench{t: t, list: NewList(""), does: map[Do][]string{}, stages: map[string]Stage{}, gone: map[string]Counts{}}
	b.todo = map[JobKind][]Step{kind: steps}
	b.job = b.add("A", 1)
	if kind == CleanUp {
		b.comes(1, Running)
		b.does = map[Do][]string{}
		b.comes(1, Success)
	}
	b.job = ""
	for _, job := range b.list.Jobs() {
		if job.Kind == kind {
			b.job = job.ID
		}
	}
	require.NotEmpty(t, b.job, "%s is listed", kind)
	return b
}

var clamp, program = Step{Type: "clamp", Recipe: "CLAMP", Sort: 1}, Step{Type: "program", Recipe: "PROGRAM", Sort: 2}

// asked tells whether the last event had somebody asked what there is to do.
func (b *bench) asked() bool {
	for _, fx := range b.fx {
		if fx.Kind == AskContent && fx.Job == b.job {
			return true
		}
	}
	return false
}

func TestAscendingStepsAreDoneOneAfterTheOther(t *testing.T) {
	b := newSetup(t, Prepare, program, clamp)
	b.is(SetupRunning)
	require.Equal(t, []string{b.process(1)}, b.does[Start])
	b.comes(1, Running)
	require.Len(t, b.does[Start], 1)
	b.comes(1, Success)
	require.Equal(t, []string{b.process(1), b.process(2)}, b.does[Start])
	b.comes(2, Running)
	b.comes(2, Success)
	require.Contains(t, b.gone, b.job)
	require.Len(t, b.does[Start], 3, "production begins when the set-up is done, and not before")
}

func TestEqualStepsAreDoneSideBySide(t *testing.T) {
	b := newSetup(t, CleanUp, clamp, Step{Type: "rinse", Recipe: "RINSE", Sort: 1})
	require.Equal(t, []string{b.process(1), b.process(2)}, b.does[Start])
	b.comes(2, Running)
	b.comes(2, Success)
	b.is(SetupRunning)
	b.comes(1, Running)
	b.comes(1, Success)
	require.Contains(t, b.gone, b.job)
	require.Empty(t, b.list.Jobs())
}

// TestThreeRetriesAreFourExecutions is T: the limit of a set-up counts retries.
func TestThreeRetriesAreFourExecutions(t *testing.T) {
	for _, kind := range []JobKind{Prepare, CleanUp} {
		b := newSetup(t, kind, clamp)
		for n := 1; n <= 4; n++ {
			b.is(SetupRunning)
			require.Len(t, b.does[Start], n)
			b.comes(n, Running)
			b.comes(n, Failure)
			require.Equal(t, n < 4, b.asked(), "its content is asked anew before each retry")
		}
		b.is(SetupRetryBlocked)
		require.Len(t, b.told, 1, "one notification")
		b.tell(Event{Kind: Content, Job: b.job, Steps: []Step{clamp}})
		b.is(SetupRetryBlocked)
		b.command(Acknowledge)
		for n := 5; n <= 8; n++ {
			b.is(SetupRunning)
			b.comes(n, Running)
			b.comes(n, Failure)
		}
		b.is(SetupRetryBlocked)
		require.Len(t, b.told, 2, "tries are counted from none after an acknowledge")
		b.command(Acknowledge)
		b.comes(9, Running)
		b.comes(9, Success)
		require.Contains(t, b.gone, b.job)
	}
}

func TestAnyStepThatFailsFailsTheSetUpWhenTheOthersAreOver(t *testing.T) {
	b := newSetup(t, Prepare, clamp, Step{Type: "rinse", Recipe: "RINSE", Sort: 1}, program)
	b.comes(1, Running)
	b.comes(2, Running)
	b.comes(1, Failure)
	b.is(SetupRunning)
	require.False(t, b.asked())
	b.comes(2, Success)
	require.True(t, b.asked())
	b.is(SetupRunning)
	require.Len(t, b.does[Start], 4, "the first sort again, and not the second")
}

func TestStepsThatAreSwitchedOffStayOffByTheirType(t *testing.T) {
	b := newSetup(t, Prepare, clamp, program)
	for n := 1; n <= 4; n++ {
		b.comes(n, Running)
		b.comes(n, Failure)
	}
	b.is(SetupRetryBlocked)
	b.tell(Event{Kind: Acknowledge, Job: b.job, Steps: []Step{{Type: "clamp", Recipe: "CLAMP", Off: true}}})
	b.is(SetupRunning)
	job, ok := b.list.Job(b.job)
	require.True(t, ok)
	require.Len(t, job.Steps, 2)
	require.True(t, job.Steps[0].Off)
	require.False(t, job.Steps[1].Off)
	b.comes(5, Running)
	b.comes(5, Failure)
	job, _ = b.list.Job(b.job)
	require.True(t, job.Steps[0].Off, "in the content that was asked anew, too")
	b.comes(6, Running)
	b.comes(6, Success)
	require.Contains(t, b.gone, b.job)
}

func TestNoSetUpSurvivesARestart(t *testing.T) {
	for _, kind := range []JobKind{Prepare, CleanUp} {
		b := newSetup(t, kind, clamp)
		b.comes(1, Running)
		old := b.job
		b.cut()
		require.Contains(t, b.gone, old, "%s", kind)
		require.Equal(t, []string{b.process(1)}, b.does[CleanItUp], "what is left of it is taken away")
		var again []string
		for _, job := range b.list.Jobs() {
			if job.Kind == kind {
				again = append(again, job.ID)
			}
		}
		require.Len(t, again, 1, "%s is asked anew", kind)
		require.NotEqual(t, old, again[0])
		b.comes(1, Failure)
		b.job = again[0]
		b.is(SetupRunning)
		b.comes(1, Running)
		b.comes(1, Success)
		require.Contains(t, b.gone, b.job)
	}
}

func TestACleanStopInASetUpComesToRest(t *testing.T) {
	for _, rests := range []Stage{Interrupted, Success, Failure} {
		b := newSetup(t, Prepare, clamp)
		b.comes(1, Running)
		b.tell(Event{Kind: Halt})
		b.is(SetupInterrupting)
		require.False(t, b.list.Settled())
		b.comes(1, rests)
		require.Contains(t, b.gone, b.job)
		require.True(t, b.list.Settled(), rests)
		require.Len(t, b.does[Start], 1, "nothing begins any more")
		b.cut()
		require.Len(t, b.does[Start], 2, "the set-up is asked anew")
	}
}

func TestSwitchedOffTypesHaveALimit(t *testing.T) {
	b := newSetup(t, Prepare, clamp)
	off := func(first, n int) (list []Step) {
		for i := range n {
			list = append(list, Step{Type: fmt.Sprintf("t%d", first+i), Recipe: "X", Off: true})
		}
		return list
	}
	for n := 1; n <= 4; n++ {
		b.comes(n, Running)
		b.comes(n, Failure)
	}
	b.tell(Event{Kind: Acknowledge, Job: b.job, Steps: off(0, MaxSteps)})
	for n := 5; n <= 8; n++ {
		b.comes(n, Running)
		b.comes(n, Failure)
	}
	before := b.list.Snapshot(nil)
	b.tell(Event{Kind: Acknowledge, Job: b.job, Steps: off(MaxSteps, 1)})
	b.refused()
	require.Equal(t, before, b.list.Snapshot(nil))
	b.tell(Event{Kind: Acknowledge, Job: b.job, Steps: append([]Step{{Type: "t0", Recipe: "X"}}, off(MaxSteps, 1)...)})
	b.is(SetupRunning)
}
