// How runs begin and end: used directories, manual starts, controllers that are told to stop, engines that break.

package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// onDisk gives a site a directory of its own, so that it leaves a package.
func (s *site) onDisk() string {
	s.rig.Dir, s.opt.Storage = filepath.Join(s.t.TempDir(), "B-0001"), nil
	s.wires.unchecked = true
	return s.rig.Dir
}

func TestADirectoryWithEvidenceIsNotUsedAgain(t *testing.T) {
	inBubble(t, func(s *site) {
		dir := s.onDisk()
		s.tell(3*second, sequencer.Abort)
		_, err := s.run()
		require.NoError(t, err)
		before, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		require.NoError(t, err)
		calls := len(s.wires.did)

		_, err = s.run()
		require.ErrorIs(t, err, ErrUsed)
		require.ErrorContains(t, err, dir)
		require.Len(t, s.wires.did, calls, "an output was written")
		after, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		require.NoError(t, err)
		require.Equal(t, before, after)
	})
}

func TestAJournalWithoutARecordIsThatOfABatchWhichIsYetToBegin(t *testing.T) {
	inBubble(t, func(s *site) {
		dir := s.onDisk()
		found, err := Look(dir)
		require.NoError(t, err)
		require.Nil(t, found)
		require.NoError(t, os.Mkdir(dir, 0o750))
		w, err := journal.Create(filepath.Join(dir, "journal"), journal.Header{JournalID: "J-7"}, nil)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		found, err = Look(dir)
		require.NoError(t, err)
		require.Equal(t, &Remains{Journal: "J-7", Outcome: journal.Clean}, found)

		_, err = s.run()
		require.ErrorIs(t, err, ErrUsed, "another journal is not written over")
		s.b, err = s.b.Plan.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: s.seed, JournalID: found.Journal})
		require.NoError(t, err)
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Complete, res.State)
		require.Len(t, s.of(record.KindBoot), 1, "it is a new batch, and nothing of it was recovered")
		s.verified(dir)
	})
}

func TestAManualBatchWaitsForItsStart(t *testing.T) {
	inBubble(t, func(s *site) {
		s.opt.Manual = true
		s.at(70*second, func(r *Runner) {
			require.NoError(t, r.Tell(Command{Command: sequencer.Start, Operator: "op7"}))
		})
		s.complete()
		start := s.of(record.KindCommand)
		require.Len(t, start, 1)
		require.Equal(t, "op7", start[0].Text(record.OperatorID))
		require.Equal(t, int64(70_000), millis(int64(start[0].Count(record.TsMonoNS))))
	})
}

func TestACommandNeedsItsOperatorAndItsReason(t *testing.T) {
	r, err := New(demoBatch(t, 1), Rig{Port: sim.NewPlant(1), Dir: "memory"}, nil)
	require.NoError(t, err)
	require.ErrorContains(t, r.Tell(Command{Command: sequencer.Hold, Reason: "why"}), "operator and reason are required")
	require.ErrorContains(t, r.Tell(Command{Command: sequencer.Hold, Operator: "op1"}), "operator and reason are required")
	for _, c := range []sequencer.Command{sequencer.NoCommand, sequencer.ResetSafeState + 1, 200} {
		require.ErrorContains(t, r.Tell(Command{Command: c, Operator: "op1", Reason: "why"}), "no such command")
	}
	require.NoError(t, r.Tell(Command{Command: sequencer.Start, Operator: "op1"}))
	require.ErrorContains(t, r.Answer(1, "ok", "", "operator"), "needs its operator")
}

func TestAControllerThatIsToldToStopAbortsTheBatchAndPacksItsEvidence(t *testing.T) {
	for _, at := range []int64{5 * second, 20 * second} {
		inBubble(t, func(s *site) {
			dir := s.onDisk()
			ctx, cancel := context.WithCancel(s.ctx)
			defer cancel()
			s.ctx = ctx
			s.at(at, func(*Runner) { cancel() })
			res, err := s.run()
			require.NoError(t, err)
			require.Equal(t, sequencer.Aborted, res.State)
			require.Less(t, s.clock.Now(), at+2*second)
			s.safe()
			told := s.of(record.KindCommand)
			require.Equal(t, "abort", told[len(told)-1].Text(record.Command))
			require.Equal(t, "the controller was told to stop", told[len(told)-1].Text(record.ChangeReason))
			s.verified(dir)
		})
	}
}

// verified checks the package of a run, which must replay.
func (s *site) verified(dir string) {
	report, err := evidence.Verify(dir)
	require.NoError(s.t, err)
	require.True(s.t, report.OK(), report.Verdict())
	replay, err := evidence.Replay(dir)
	require.NoError(s.t, err)
	require.Nil(s.t, replay.Divergence)
}

func TestAVirtualRunThatIsToldToStopAborts(t *testing.T) {
	s := newSite(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.ctx = ctx
	s.rig = Rig{Port: s.plant, Dir: "memory"}
	s.opt.Virtual = &Virtual{}
	s.at(5*second, func(r *Runner) {
		cancel()
		for range maxCommands {
			require.NoError(t, r.Tell(Command{Command: sequencer.Resume, Operator: "op1", Reason: "again and again"}))
		}
	})
	res, err := s.run()
	require.NoError(t, err)
	require.Equal(t, sequencer.Aborted, res.State)
	s.safe()
}

func TestTheStopOfAControllerIsHeardThoughItsInboxIsFull(t *testing.T) {
	inBubble(t, func(s *site) {
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		s.ctx = ctx
		s.at(5*second, func(r *Runner) {
			cancel()
			for n := range maxCommands + 1 {
				err := r.Tell(Command{Command: sequencer.Resume, Operator: "op1", Reason: "again and again"})
				require.Equal(t, n == maxCommands, errors.Is(err, ErrBusy))
			}
		})
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		require.Less(t, s.clock.Now(), 7*second)
	})
}

func TestABatchThatWasNotStartedIsNotStartedByAStop(t *testing.T) {
	t.Run("before the run", func(t *testing.T) {
		for _, virtual := range []*Virtual{nil, {}} {
			inBubble(t, func(s *site) {
				dir := s.onDisk()
				if s.opt.Virtual = virtual; virtual != nil {
					s.rig.Port = s.plant
				}
				ctx, cancel := context.WithCancel(s.ctx)
				cancel()
				s.ctx = ctx
				_, err := s.run()
				require.ErrorIs(t, err, context.Canceled)
				require.NoDirExists(t, dir)
				require.Empty(t, s.wires.did)
			})
		}
	})
	t.Run("while outputs are read back", func(t *testing.T) {
		inBubble(t, func(s *site) {
			s.wires.lost = span{0, 3600 * second}
			s.stopped(second)
		})
	})
	t.Run("while it waits for its start", func(t *testing.T) {
		inBubble(t, func(s *site) {
			s.opt.Manual = true
			s.stopped(90*second + 700_000_000)
		})
	})
}

// stopped runs a batch that is stopped at a time before it was started.
func (s *site) stopped(at int64) {
	dir := s.onDisk()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.ctx = ctx
	alarm := s.clock.Alarm(cancel)
	alarm.Set(at)
	res, err := s.run()
	require.ErrorContains(s.t, err, "told to stop before the batch was started")
	require.Equal(s.t, sequencer.Idle, res.State)
	require.Empty(s.t, s.of(record.KindCommand))
	require.Less(s.t, s.clock.Now(), at+100*int64(time.Millisecond))
	s.verified(dir)
	last := s.list[len(s.list)-1]
	require.Less(s.t, at-int64(last.Count(record.TsMonoNS)), 100*int64(time.Millisecond), "what came in last is not in the evidence")
}

func TestAVirtualRunOnAPortThatHasNoVirtualTimeUsesNoDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "B-0001")
	port := struct{ tag.Port }{sim.NewPlant(1)}
	_, err := Run(t.Context(), demoBatch(t, 1), Rig{Port: port, Dir: dir}, &Options{Virtual: &Virtual{}})
	require.ErrorContains(t, err, "a virtual run needs a port that is a Simulation")
	require.NoDirExists(t, dir)
}

// broken gives a tag of a bound batch a name that no record can hold: no input can do that, so it is the engine's invariant.
func broken(r *Runner, name string) {
	id, _ := r.b.Plan.Map.Lookup(name)
	r.b.Plan.Map.Tags[id].Name = "\xff"
}

func TestAnEngineThatBreaksWritesItsLastRecordAndDrivesTheOutputsSafe(t *testing.T) {
	for _, at := range []int64{0, 5 * second} {
		inBubble(t, func(s *site) {
			s.at(at, func(r *Runner) { broken(r, "XV101") })
			res, err := s.run()
			require.ErrorIs(t, err, ErrEngine)
			require.NotErrorIs(t, err, ErrEvidence)
			s.safe()
			require.Less(t, s.clock.Now(), 20*second)
			n := len(s.list) - 2
			last := s.list[n]
			require.Equal(t, record.KindTraceDump, s.list[n+1].Kind)
			require.Equal(t, record.KindEngineFault, last.Kind)
			require.Contains(t, last.Text(record.Detail), "not UTF-8")
			require.Equal(t, uint64(len(s.list)), res.Records)
			stored, found := s.disk.scan(t)
			require.Equal(t, journal.Clean, found.Outcome)
			require.Equal(t, s.bodies, stored)
			require.Len(t, s.of(record.KindEngineFault), 1)
			require.NotEqual(t, record.Decision, s.list[n-1].Kind.Spec().Grade, "the input that broke it stands before it")
		})
	}
}

func TestAnEngineThatBreaksLeavesAPackageThatVerifies(t *testing.T) {
	inBubble(t, func(s *site) {
		dir := s.onDisk()
		s.at(5*second, func(r *Runner) { broken(r, "XV101") })
		_, err := s.run()
		require.ErrorIs(t, err, ErrEngine)
		s.safe()
		report, err := evidence.Verify(dir)
		require.NoError(t, err)
		require.True(t, report.OK(), report.Verdict())
		// What broke this engine was no input, so it does not break again, and the replay says where.
		replay, err := evidence.Replay(dir)
		require.NoError(t, err)
		require.Equal(t, s.of(record.KindEngineFault)[0].Seq(), replay.Divergence.Seq)
	})
}

func TestAnEngineThatBreaksAtItsFirstRecordIsNotStarted(t *testing.T) {
	inBubble(t, func(s *site) {
		id, _ := s.b.Plan.Map.Lookup("XV201")
		s.b.Plan.Map.Tags[id].Name = "\xff"
		_, err := s.run()
		require.ErrorIs(t, err, ErrEngine)
		require.Empty(t, s.of(record.KindCommand))
		s.safe()
	})
}

func TestAnEngineThatBreaksWhileTheDiskFailsSaysBoth(t *testing.T) {
	inBubble(t, func(s *site) {
		s.at(5*second, func(r *Runner) {
			broken(r, "XV101")
			s.disk.sick, s.disk.bad = s.clock.Now(), errors.New("medium error")
			s.r.in.sample(tag.Raw{Channel: "di/4"}, s.clock.Now())
			s.disk.stall = span{s.clock.Now(), 30 * second}
		})
		_, err := s.run()
		require.ErrorIs(t, err, ErrEngine)
		require.ErrorIs(t, err, ErrEvidence)
		require.ErrorContains(t, err, "medium error")
		s.safe()
	})
}

// Evidence has failed and a device does not take its safe value at once: it is asked again, as long as a hold would ask.
func TestAnOutputThatRefusesItsSafeValueIsAskedAgainWhenEvidenceHasFailed(t *testing.T) {
	inBubble(t, func(s *site) {
		s.disk.sick, s.disk.bad = 5*second, errors.New("medium error")
		require.NoError(t, s.plant.Fault(sim.Fault{Kind: sim.Refuse, Channel: "do/2", At: 4 * second, For: 4 * time.Second}))
		_, err := s.run()
		require.ErrorIs(t, err, ErrEvidence)
		require.NotContains(t, err.Error(), "could not all be driven")
		s.safe()
		require.Less(t, s.clock.Now(), 9*second)
	})
}

func TestScheduledTimesCountFromTheStartOfTheRun(t *testing.T) {
	inBubble(t, func(s *site) {
		require.NoError(t, s.clock.Wait(s.ctx, 500*second))
		s.tell(3*second, sequencer.Abort)
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		require.InDelta(t, 503*second, s.clock.Now(), 1e9)
	})
}

func TestAWallClockThatStepsIsRecordedAndChangesNothing(t *testing.T) {
	inBubble(t, func(s *site) {
		wall := s.rig.Wall
		s.rig.Wall = wallFunc(func() timebase.Observation {
			o := wall.Observe()
			if o.Mono > 100*second {
				o.UTC -= 3600 * second
			}
			return o
		})
		s.opt.Ask = nil
		s.at(150*second, func(r *Runner) { require.NoError(t, r.Answer(1, "ok", "op1", "operator")) })
		res := s.complete()

		steps := s.of(record.KindClockStep)
		require.Len(t, steps, 1)
		require.Equal(t, "-3600000.000000", steps[0].Text(record.MovedMS))
		require.Len(t, s.of(record.KindTimeObserved), 2)
		mono := uint64(0)
		for _, r := range s.list {
			require.GreaterOrEqual(t, r.Count(record.TsMonoNS), mono)
			mono = r.Count(record.TsMonoNS)
		}
		require.Zero(t, res.LateTicks)
	})
}

// A source of the wall clock is a stranger's code, too.
func TestAWallClockThatCannotBeIsUnsetAndReplays(t *testing.T) {
	for _, bend := range []func(o *timebase.Observation){
		func(o *timebase.Observation) { *o = timebase.Observation{} },
		func(o *timebase.Observation) { o.UTC = 0 },
		func(o *timebase.Observation) { o.UTC = -1 << 63 },
		func(o *timebase.Observation) { o.UTC = 1<<63 - 1 },
		func(o *timebase.Observation) { o.Sync = 99 },
		func(o *timebase.Observation) { o.Source = strings.Repeat("\xff", 1000) },
		func(o *timebase.Observation) { o.Offset, o.Bound, o.Mono = -1<<63, 1<<63-1, o.Mono-second },
	} {
		inBubble(t, func(s *site) {
			wall := s.rig.Wall
			s.rig.Wall = wallFunc(func() timebase.Observation {
				o := wall.Observe()
				bend(&o)
				return o
			})
			s.opt.Manual = true
			s.tell(63*second, sequencer.Start)
			s.tell(64*second, sequencer.ConfirmTime)
			s.tell(65*second, sequencer.Start)
			s.tell(66*second, sequencer.Abort)
			res, err := s.run()
			require.NoError(t, err)
			require.Len(t, s.of(record.KindTimeObserved), 1)
			s.whole(res)
		})
	}
}

func TestTicksThatAreTakenLateAreRecorded(t *testing.T) {
	inBubble(t, func(s *site) {
		s.at(5*second, func(*Runner) { // nobody may block the loop; who does it is seen
			require.NoError(t, s.clock.Wait(s.ctx, 6*second))
		})
		s.tell(8*second, sequencer.Restart)
		res := s.complete()
		late := s.of(record.KindTickLate)
		require.NotEmpty(t, late)
		require.Equal(t, int64(len(late)), res.LateTicks)
		for _, r := range late {
			require.Greater(t, r.Int(record.LateMS), int64(99))
			require.Less(t, r.Int(record.LateMS), int64(1000))
			require.Equal(t, int64(100), r.Int(record.Limit))
			require.InDelta(t, 6*second, int64(r.Count(record.TsMonoNS))+r.Int(record.LateMS)*1_000_000, 1e6, "stamp of the tick and its lateness")
		}
	})
}

func TestNothingIsStampedEarlierThanItHappened(t *testing.T) {
	inBubble(t, func(s *site) {
		require.NoError(t, s.plant.Fault(sim.Fault{Kind: sim.Slow, Channel: "do/1", At: 1, Delay: 300 * time.Millisecond, For: time.Hour}))
		s.tell(4*second, sequencer.Hold)
		s.at(4*second+100_000_000, func(*Runner) { // meanwhile the write ends
			require.NoError(t, s.clock.Wait(s.ctx, 5*second))
		})
		s.tell(8*second, sequencer.Restart)
		s.complete()
		for _, r := range s.of(record.KindWriteDone) {
			require.LessOrEqual(t, r.Count(record.DoneMonoNS), r.Count(record.TsMonoNS))
		}
	})
}
