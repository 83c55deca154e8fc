// Real time: the same batch as in virtual time, and the same end whatever the disk does.

package runner

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// course gives what a batch did, without numbers and times.
func course(list []*record.Record) (words []string) {
	for _, r := range list {
		switch r.Kind {
		case record.KindBatchState:
			words = append(words, "batch "+r.Text(record.BatchState))
		case record.KindStepState:
			words = append(words, fmt.Sprint(r.Text(record.StepID), " ", r.Text(record.StepState), " ", r.Text(record.PhaseState)))
		case record.KindActionState, record.KindMarker, record.KindPrompt:
			words = append(words, fmt.Sprint(r.Kind, " ", r.Text(record.ActionID), " ", r.Text(record.ActionState)))
		case record.KindOutputWrite:
			words = append(words, fmt.Sprint(r.Text(record.LogicalTag), " ", r.Text(record.Value)))
		case record.KindWindowStart, record.KindWindowStop:
			words = append(words, fmt.Sprint(r.Kind, " ", r.Text(record.MeterWindowID), " ", r.Text(record.TotalizedValue)))
		}
	}
	return words
}

func TestRealTimeTakesTheCourseOfVirtualTime(t *testing.T) {
	for seed := uint64(1); seed <= 4; seed++ {
		inOurTime(t, func(t *testing.T) {
			s := newSite(t, seed)
			res := s.complete()
			require.Zero(t, res.LateTicks)

			tr := newTrace(t, seed)
			var list []*record.Record
			virtual := Virtual{Commit: func(now int64) int64 { return now }, Durable: func(_ int64, seq uint64) { tr.durable = seq }}
			again, err := Run(context.Background(), demoBatch(t, seed), Rig{Port: tr, Dir: "memory"}, &Options{Virtual: &virtual,
				Storage: newMemory(), Ask: s.opt.Ask, Record: func(k record.Kind, body []byte) {
					tr.record(k, body)
					rec, err := record.Parse(tr.bodies[len(tr.bodies)-1])
					require.NoError(t, err)
					list = append(list, rec)
				}})
			require.NoError(t, err)
			require.Equal(t, again.Windows, res.Windows, "seed %d", seed)
			require.Equal(t, course(list), course(s.list), "seed %d", seed)
		})
	}
}

func TestWhileTheDiskStallsNothingIsOpenedAndAHoldShutsAtOnce(t *testing.T) {
	inBubble(t, func(s *site) {
		s.disk.stall = span{3 * second, 8 * second}
		s.tell(4*second, sequencer.Hold)
		s.at(4*second+100_000_000, func(*Runner) {
			for _, o := range []string{"do/1", "do/2", "do/3", "do/4"} {
				require.Zero(s.t, s.plant.Output(o), "output %s stays on", o)
			}
		})
		s.tell(5*second, sequencer.Restart)
		s.complete()

		for _, o := range []string{"do/1", "do/2", "do/3", "do/4"} {
			calls := s.wires.to(o)
			hold, restart := -1, -1
			for i, c := range calls {
				if hold < 0 && c.begin >= 4*second {
					hold, restart = i, i+1
				}
			}
			require.Zero(s.t, calls[hold].Bits, o)
			require.Less(s.t, calls[hold].begin, 4*second+10_000_000, o)
			require.EqualValues(s.t, 1, calls[restart].Bits, o)
			require.GreaterOrEqual(s.t, calls[restart].begin, 8*second, o)
		}
		var told []int64
		for i, r := range s.list {
			if r.Kind == record.KindCommandResult {
				require.Equal(s.t, "accepted", r.Text(record.Result))
				told = append(told, s.seen[i]/second)
			}
		}
		require.Equal(s.t, []int64{0, 4, 5}, told, "commands were not taken when they were given")
	})
}

func TestADiskThatFailsEndsTheRunWithItsOutputsSafe(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(d *disk)
		is   error
		says []string
	}{
		{"a full disk", func(d *disk) { d.full, d.bad = 4*second, syscall.ENOSPC }, journal.ErrDiskFull, []string{"are durable, later ones are not", "free"}},
		{"a failing flush", func(d *disk) { d.sick, d.bad = 4*second, errors.New("medium error") }, journal.ErrFailed,
			[]string{"are durable, later ones are not", "medium error"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(s *site) {
				c.set(s.disk)
				res, err := s.run()
				require.ErrorIs(t, err, ErrEvidence)
				require.ErrorIs(t, err, c.is)
				for _, words := range c.says {
					require.ErrorContains(t, err, words)
				}
				require.Equal(t, sequencer.Running, res.State)
				require.Less(t, s.clock.Now(), 6*second)
				s.safe()
				s.beginning(res)
			})
		})
	}
}

// beginning tells that what is durable is whole and is what was recorded first, and that the result says so.
func (s *site) beginning(res Result) {
	stored, found := s.disk.scan(s.t)
	require.Contains(s.t, []journal.Outcome{journal.Clean, journal.TornTail}, found.Outcome)
	require.Less(s.t, 10, len(stored))
	require.Less(s.t, len(stored), len(s.bodies))
	require.Equal(s.t, s.bodies[:len(stored)], stored)
	require.Equal(s.t, found.Head.N, res.Records)
	require.Equal(s.t, found.Head.Link.String(), res.Link)
}

func TestADiskThatTakesNothingForHoursEndsTheRunAndWhatIsNotSafeIsNamed(t *testing.T) {
	inBubble(t, func(s *site) {
		s.limit = 8 * 3600 * second
		s.disk.stall = span{3 * second, s.limit}
		require.NoError(t, s.plant.Fault(sim.Fault{Kind: sim.Refuse, Channel: "do/1", At: 4 * second, For: 8 * time.Hour}))
		s.tell(5*second, sequencer.Hold)
		res, err := s.run()
		require.ErrorIs(t, err, ErrEvidence)
		require.ErrorIs(t, err, journal.ErrFull)
		require.ErrorContains(t, err, "are durable, later ones are not")
		require.ErrorContains(t, err, "outputs could not all be driven to their safe values")
		require.ErrorContains(t, err, `"do/1"`)
		for _, o := range []string{"do/2", "do/3", "do/4"} {
			require.Zero(t, s.plant.Output(o), o)
		}
		require.Equal(t, sequencer.Held, res.State)
		stored, found := s.disk.scan(t)
		require.Equal(t, journal.Clean, found.Outcome)
		require.Equal(t, s.bodies[:len(stored)], stored)
	})
}

func TestADiskThatFailsWhileAWriteHangsCutsTheWriteShort(t *testing.T) {
	inBubble(t, func(s *site) {
		s.wires.hang["do/1"] = span{1, second + 500_000_000}
		s.disk.sick, s.disk.bad = second, errors.New("medium error")
		_, err := s.run()
		require.ErrorIs(t, err, ErrEvidence)
		require.NotContains(t, err.Error(), "could not all be driven")
		s.safe()
		calls := s.wires.to("do/1")
		require.Less(t, calls[0].end, second+100_000_000)
		require.ErrorIs(t, calls[0].err, context.Canceled)
		require.Less(t, s.clock.Now(), 2*second)
	})
}

func TestADiskThatBecomesFullAbortsTheBatchAndHasRoomForItsEnd(t *testing.T) {
	inBubble(t, func(s *site) {
		s.disk.room = 5 * second
		s.tell(6*second, sequencer.Hold)
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		told := s.of(record.KindCommand)
		last := told[len(told)-1]
		require.Equal(t, "system", last.Text(record.OperatorRole))
		require.Contains(t, last.Text(record.ChangeReason), "journal: no segment in reserve: disk full: ")
		require.Equal(t, "outputs_safe", s.of(record.KindBatchEnd)[0].Text(record.Result))
		s.whole(res)
		s.safe()
	})
}

func TestADiskThatIsFullAtTheStartTouchesNoOutput(t *testing.T) {
	inBubble(t, func(s *site) {
		s.disk.full, s.disk.bad = 1, syscall.ENOSPC
		_, err := s.run()
		require.ErrorIs(t, err, ErrEvidence)
		require.ErrorIs(t, err, journal.ErrDiskFull)
		require.Empty(t, s.wires.did)
	})
}
