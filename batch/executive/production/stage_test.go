// Tests of what a batch tells of its process, and of what is done next: tables.

package production

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
)

// active1 is a batch that is under way and has equipment.
func active1(state string) *api.Batch {
	return &api.Batch{Life: api.Active, State: state, Equipment: []string{"R1"}, Steps: []string{"CHARGE"}}
}

var waiting = &api.Batch{Life: api.Active, State: "Running", Steps: []string{"FILL: waits for R1"}}

func TestABatchTellsWhereItsProcessStands(t *testing.T) {
	life := func(l api.Life) *api.Batch { return &api.Batch{Life: l} }
	ended := func(state string) *api.Batch { return &api.Batch{Life: api.Ended, State: state} }
	for _, c := range []struct {
		what  string
		b     *api.Batch
		was   jobs.Stage
		asked jobs.Do
		want  jobs.Stage
	}{
		{"it comes up", life(api.Loading), jobs.Awaited, jobs.Start, jobs.Awaited},
		{"it can be started", life(api.Ready), jobs.Awaited, jobs.Start, jobs.Awaited},
		{"it is restarted", life(api.Loading), jobs.Running, jobs.Start, jobs.Running},
		{"it could not be loaded", life(api.LoadFailed), jobs.Awaited, jobs.Start, jobs.Failure},
		{"it has begun and waits for its unit", waiting, jobs.Awaited, jobs.Start, jobs.Awaited},
		{"it has begun and has said nothing yet", &api.Batch{Life: api.Active, State: "Running"}, jobs.Awaited, jobs.Start, jobs.Awaited},
		{"it has begun and has its unit", active1("Running"), jobs.Awaited, jobs.Start, jobs.Running},
		{"it has begun and waits for none", &api.Batch{Life: api.Active, State: "Running", Steps: []string{"CHARGE"}}, jobs.Awaited, jobs.Start, jobs.Running},
		{"it has begun and waits for more", &api.Batch{Life: api.Active, State: "Running", Steps: []string{"DRAIN: waits for T2"}}, jobs.Running, jobs.Start, jobs.Running},
		{"a person holds it", active1("Held"), jobs.Running, jobs.Start, jobs.Interrupted},
		{"a person holds it before it was seen to run", active1("Held"), jobs.Awaited, jobs.Start, jobs.Interrupted},
		{"it comes to rest", active1("Holding"), jobs.Running, jobs.Pause, jobs.Running},
		{"it rests", active1("Held"), jobs.Running, jobs.Pause, jobs.Interrupted},
		{"it rests still", active1("Held"), jobs.Interrupted, jobs.Resume, jobs.Interrupted},
		{"it goes on", active1("Running"), jobs.Interrupted, jobs.Resume, jobs.Running},
		{"a person has it go on", active1("Running"), jobs.Interrupted, jobs.Pause, jobs.Running},
		{"it is complete", ended("Complete"), jobs.Running, jobs.Start, jobs.Success},
		{"it is complete before it was seen to begin", ended("Complete"), jobs.Awaited, jobs.Start, jobs.Success},
		{"it is aborted", ended("Aborted"), jobs.Running, jobs.AbortIt, jobs.Failure},
		{"it is stopped", ended("Stopped"), jobs.Interrupted, jobs.Pause, jobs.Failure},
		{"it is aborted by a person before it began", ended("Aborted"), jobs.Awaited, jobs.Start, jobs.Failure},
		{"it is dropped while it waits for its unit", ended("Aborted"), jobs.Awaited, jobs.Drop, jobs.Discarded},
		{"it is paused while it waits for its unit", ended("Aborted"), jobs.Awaited, jobs.Pause, jobs.Discarded},
		{"it is removed before it began", life(api.Removed), jobs.Awaited, jobs.Drop, jobs.Discarded},
		{"it is removed after it began", life(api.Removed), jobs.Running, jobs.CleanItUp, jobs.Failure},
		{"it goes", life(api.Removing), jobs.Awaited, jobs.Drop, jobs.Awaited},
		{"it is lost", life(api.Lost), jobs.Running, jobs.Start, jobs.Running},
		{"it is removed after it was complete", life(api.Removed), jobs.Success, jobs.Start, jobs.Success},
		{"it is over, whatever is said", active1("Running"), jobs.Failure, jobs.Start, jobs.Failure},
	} {
		require.Equal(t, c.want.String(), stageOf(c.b, c.was, c.asked).String(), c.what)
	}
}

func TestAnOrderIsCarriedOutByWhatItsBatchTakes(t *testing.T) {
	life := func(l api.Life) *api.Batch { return &api.Batch{Life: l} }
	for _, c := range []struct {
		what  string
		do    jobs.Do
		b     *api.Batch
		stage jobs.Stage
		want  act
	}{
		{"start: none is there", jobs.Start, nil, jobs.Awaited, create},
		{"start: it comes up", jobs.Start, life(api.Loading), jobs.Awaited, later},
		{"start: it is Ready", jobs.Start, life(api.Ready), jobs.Awaited, start},
		{"start: it has begun", jobs.Start, waiting, jobs.Awaited, done},
		{"drop: none is there", jobs.Drop, nil, jobs.Awaited, gone},
		{"drop: it comes up", jobs.Drop, life(api.Loading), jobs.Awaited, later},
		{"drop: it is Ready", jobs.Drop, life(api.Ready), jobs.Awaited, remove},
		{"drop: it waits for its unit", jobs.Drop, waiting, jobs.Awaited, abort},
		{"drop: it began first", jobs.Drop, active1("Running"), jobs.Running, done},
		{"pause: it runs", jobs.Pause, active1("Running"), jobs.Running, hold},
		{"pause: it comes to rest", jobs.Pause, active1("Holding"), jobs.Running, later},
		{"pause: it rests", jobs.Pause, active1("Held"), jobs.Running, done},
		{"pause: it is Lost", jobs.Pause, life(api.Lost), jobs.Running, warm},
		{"pause: it waits for its unit", jobs.Pause, waiting, jobs.Awaited, abort},
		{"pause: it has ended", jobs.Pause, life(api.Ended), jobs.Running, done},
		{"resume: it rests", jobs.Resume, active1("Held"), jobs.Interrupted, restart},
		{"resume: it is paused", jobs.Resume, active1("Paused"), jobs.Interrupted, resume},
		{"resume: it is Lost", jobs.Resume, life(api.Lost), jobs.Interrupted, warm},
		{"resume: it comes up", jobs.Resume, life(api.Loading), jobs.Interrupted, later},
		{"resume: it runs", jobs.Resume, active1("Running"), jobs.Interrupted, done},
		{"abort: it runs", jobs.AbortIt, active1("Running"), jobs.Running, abort},
		{"abort: it is aborting", jobs.AbortIt, active1("Aborting"), jobs.Running, later},
		{"abort: it is Ready", jobs.AbortIt, life(api.Ready), jobs.Awaited, remove},
		{"abort: it is Lost", jobs.AbortIt, life(api.Lost), jobs.Running, remove},
		{"abort: it is not heard of", jobs.AbortIt, nil, jobs.Running, later},
		{"clean up: it rests", jobs.CleanItUp, active1("Held"), jobs.Interrupted, abort},
		{"clean up: it has ended", jobs.CleanItUp, life(api.Ended), jobs.Failure, remove},
		{"clean up: it is gone", jobs.CleanItUp, life(api.Removed), jobs.Failure, done},
		{"clean up: it goes", jobs.CleanItUp, life(api.Removing), jobs.Failure, later},
	} {
		require.Equal(t, c.want, actFor(c.do, c.b, c.stage), c.what)
	}
}

func TestEachOrderIsDoneSometimeWhateverItsBatchShows(t *testing.T) {
	lives := []api.Life{api.Loading, api.Ready, api.LoadFailed, api.Active, api.Ended, api.Removing, api.Removed, api.Lost}
	states := []string{"", "Idle", "Running", "Holding", "Held", "Restarting", "Pausing", "Paused", "Stopping", "Stopped", "Aborting", "Aborted", "Complete"}
	for do := jobs.Start; do <= jobs.CleanItUp; do++ {
		for stage := jobs.Awaited; stage <= jobs.Failure; stage++ {
			for _, l := range lives {
				for _, s := range states {
					b := &api.Batch{Life: l, State: s}
					a := actFor(do, b, stage)
					require.NotEqual(t, create, a, "what is there is not created: %s %s %s", do, stage, l)
					require.NotEqual(t, gone, a, "what is there is not gone: %s %s %s", do, stage, l)
					if a == remove {
						require.NotEqual(t, api.Active, l, "what is under way is not removed: %s %s %s", do, stage, s)
					}
					if over(stage) && do != jobs.CleanItUp {
						require.Equal(t, done, a)
					}
					to := stageOf(b, stage, do)
					require.False(t, over(stage) && to != stage, "nothing becomes of what is over")
					require.False(t, (stage == jobs.Running || stage == jobs.Interrupted) && to < jobs.Running, "what has begun has begun: %s %s %s %s", do, stage, l, s)
				}
			}
		}
	}
}
