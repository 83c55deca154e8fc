// What is not the runner's own, and breaks, hangs, or comes too late.

package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

func TestACallbackThatPanicsEndsTheRunSafelyAndIsNoFaultOfTheEngine(t *testing.T) {
	bad := func() { panic("a bug of theirs") }
	for name, set := range map[string]func(s *site){
		"Options.Record": func(s *site) {
			s.opt.Record = func(k record.Kind, b []byte) {
				if s.record(k, b); s.clock.Now() > 5*second {
					bad()
				}
			}
		},
		"Options.Ask":  func(s *site) { s.opt.Ask = func(*Runner, Prompt) { bad() } },
		"Options.Look": func(s *site) { s.opt.Look = func(*Runner, *Snapshot) { bad() } },
		"Scheduled.Do": func(s *site) { s.at(5*second, func(*Runner) { bad() }) },
		"Wall.Observe": func(s *site) {
			s.tell(3*second, sequencer.Hold) // it is looked at every minute
			wall := s.rig.Wall
			s.rig.Wall = wallFunc(func() timebase.Observation {
				if s.clock.Now() > 30*second {
					bad()
				}
				return wall.Observe()
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *site) {
				dir := s.onDisk()
				set(s)
				_, err := s.run()
				require.EqualError(t, err, "runner: "+name+": panic: a bug of theirs")
				s.safe()
				require.Empty(t, s.of(record.KindEngineFault))
				s.verified(dir)
			})
		})
	}
}

func TestAnActionThatWaitsForItsRecordDoesNotBeginInABatchThatIsHeldOrAborted(t *testing.T) {
	for c, end := range map[sequencer.Command]sequencer.State{sequencer.Hold: sequencer.Complete, sequencer.Abort: sequencer.Aborted} {
		inBubble(t, func(s *site) {
			s.disk.stall = span{1_000_000, 6 * second}
			var begun []int64
			s.milled(func(context.Context, Request, func([]string, string)) ([]string, error) {
				begun = append(begun, s.clock.Now()/second)
				return nil, nil
			})
			s.tell(3*second, c)
			s.tell(9*second, sequencer.Restart)
			s.milledEnd(end)
			results := s.of(record.KindActionResult)
			require.Equal(t, "called off before it was begun", results[0].Text(record.Detail))
			if end == sequencer.Aborted {
				require.Empty(t, begun)
				return
			}
			require.Equal(t, []int64{9}, begun, "on restart it is asked for anew")
		})
	}
}

func TestAnActionUnderWayIsCalledOffByAHold(t *testing.T) {
	inBubble(t, func(s *site) {
		var ended []int64
		s.milled(func(ctx context.Context, r Request, _ func([]string, string)) ([]string, error) {
			err := s.clock.Wait(ctx, s.clock.Now()+10*second)
			ended = append(ended, s.clock.Now()/second)
			return nil, err
		})
		s.tell(3*second, sequencer.Hold)
		s.tell(5*second, sequencer.Restart)
		s.milledEnd(sequencer.Complete)
		require.Equal(t, []int64{3, 15}, ended)
	})
}

func TestOutputsThatHangDoNotKeepTheOthersFromTheirSafeValues(t *testing.T) {
	inBubble(t, func(s *site) {
		for _, o := range []string{"do/1", "do/2", "do/3", "do/5", "do/6", "do/7"} {
			s.wires.hang[o] = span{4 * second, 3600 * second}
		}
		s.disk.sick, s.disk.bad = 4*second, errors.New("medium error")
		_, err := s.run()
		require.ErrorContains(t, err, "could not all be driven to their safe values")
		for _, o := range []string{"do/4", "do/8"} {
			require.Zero(t, s.plant.Output(o))
			calls := s.wires.to(o)
			require.Less(t, calls[len(calls)-1].end, 5*second, o)
		}
		require.Greater(t, len(s.wires.to("do/1")), 3, "it is tried again and again")
		require.LessOrEqual(t, s.clock.Now(), 15*second)
	})
}

func TestNothingIsTakenOnceTheRunIsOver(t *testing.T) {
	inBubble(t, func(s *site) {
		s.tell(3*second, sequencer.Abort)
		_, err := s.run()
		require.NoError(t, err)
		require.ErrorIs(t, s.r.Tell(Command{Command: sequencer.Hold, Operator: "op1", Reason: "late"}), ErrEnded)
		require.ErrorIs(t, s.r.Answer(1, "ok", "op1", ""), ErrEnded)
	})
}

func TestADirectoryThatAnotherRunnerHasIsRefusedAndItsDiskIsNotBlamed(t *testing.T) {
	inBubble(t, func(s *site) {
		dir := s.onDisk()
		require.NoError(t, os.Mkdir(dir, 0o750))
		w, err := journal.Create(filepath.Join(dir, "journal"), journal.Header{JournalID: s.b.JournalID}, nil)
		require.NoError(t, err)
		_, err = s.run()
		require.ErrorIs(t, err, ErrUsed)
		require.ErrorIs(t, err, journal.ErrInUse)
		require.NotErrorIs(t, err, ErrEvidence)
		require.NoError(t, w.Close())
	})
}

func TestAWallClockNeedsTheClockThatItCountsOn(t *testing.T) {
	inBubble(t, func(s *site) {
		s.rig.Clock = nil
		_, err := New(s.b, s.rig, &s.opt)
		require.EqualError(t, err, "runner: a rig with a wall clock needs the clock that it counts on")
	})
}

func TestABatchThatWasToldToStopBeforeItsStartIsStartedByTheNextRun(t *testing.T) {
	inBubble(t, func(s *site) {
		dir := s.onDisk()
		ctx := s.ctx
		stopped, cancel := context.WithCancel(ctx)
		defer cancel()
		alarm := s.clock.Alarm(cancel)
		alarm.Set(5 * second)
		s.opt.Manual, s.ctx = true, stopped
		_, err := s.run()
		require.ErrorIs(t, err, ErrStopped)
		require.ErrorIs(t, err, context.Canceled)
		require.True(t, evidence.Packed(dir))
		s.opt.Manual, s.ctx = false, ctx
		wall := s.rig.Wall
		s.rig.Wall = wallFunc(func() timebase.Observation {
			o := wall.Observe()
			o.UTC -= 4 * second
			return o
		})
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Complete, res.State)
		recovery := s.of(record.KindRecovery)[0]
		require.False(t, recovery.Has(record.LossIntervalS), "a time of day that was set back measures nothing")
		require.Contains(t, recovery.Text(record.RecoveryPath), "; how long inputs were missed is not known: the time of day was set back, by ")
		s.verified(dir)
	})
}

// flood is a port that says each value of a counter a thousand times.
type flood struct{ *wires }

func (f flood) Watch(ctx context.Context, emit func(tag.Raw)) error {
	return f.wires.Watch(ctx, func(raw tag.Raw) {
		for range 1000 {
			if emit(raw); raw.Channel != "ctr/1" {
				return
			}
		}
	})
}

func TestInputsThatWereReplacedAreCountedInTheRecords(t *testing.T) {
	inBubble(t, func(s *site) {
		s.rig.Port = flood{s.wires}
		s.tell(4*second, sequencer.Abort)
		res, err := s.run()
		require.NoError(t, err)
		require.Positive(t, res.Coalesced)
		total := int64(0)
		for _, r := range s.of(record.KindInputBlock) {
			total += int64(r.Count(record.Coalesced))
		}
		require.Positive(t, total)
		require.LessOrEqual(t, total, res.Coalesced, "what is replaced behind the last block is not on record")
	})
}

func TestABatchThatWasNeverBegunIsBegunWithOtherFilesUnderItsName(t *testing.T) {
	inBubble(t, func(s *site) {
		dir := s.onDisk()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "files"), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "files", "recipe.yaml"), []byte("recipe: ANOTHER\n"), 0o640))
		_, err := s.run()
		require.ErrorIs(t, err, ErrUsed, "files beside no journal are somebody else's")
		require.FileExists(t, filepath.Join(dir, "files", "recipe.yaml"))

		w, err := journal.Create(filepath.Join(dir, "journal"), journal.Header{JournalID: s.b.JournalID}, nil)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.NoError(t, os.WriteFile(filepath.Join(dir, "files", "old.yaml.tmp"), nil, 0o640))
		s.tell(3*second, sequencer.Abort)
		_, err = s.run()
		require.NoError(t, err)
		s.verified(dir)
	})
}

// quitter is a port whose Watch returns at once and without an error.
type quitter struct{ tag.Port }

func (quitter) Watch(context.Context, func(tag.Raw)) error { return nil }

func TestAWatchThatReturnsHasLostThePort(t *testing.T) {
	inBubble(t, func(s *site) {
		s.rig.Port = quitter{s.wires}
		s.tell(4*second, sequencer.Abort)
		res, err := s.run()
		require.NoError(t, err)
		require.EqualError(t, res.Port, "runner: the port's Watch has returned")
	})
}

func TestAMakerOfDirectoriesMakesAllThatAreLacking(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	require.NoError(t, evidence.MakeDir(dir))
	require.NoError(t, evidence.MakeDir(dir))
	require.DirExists(t, dir)
	file := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(file, nil, 0o640))
	require.Error(t, evidence.MakeDir(filepath.Join(file, "d")))
}

// liar is a plant whose fine valve of line A confirms that it has closed, and stays open.
type liar struct{ *sim.Plant }

func (l liar) Apply(now int64, w tag.Write) (int64, error) {
	if w.Channel == "do/2" && w.Bits == 0 {
		return now + 10_000_000, nil
	}
	return l.Plant.Apply(now, w)
}

func TestAnOutputThatConfirmsWhatItDoesNotDoIsNeverSaidToBeSafe(t *testing.T) {
	s := newSite(t, 1)
	s.opt.Virtual, s.opt.Storage = &Virtual{}, newMemory()
	s.rig = Rig{Port: liar{sim.NewPlant(1)}, Dir: "memory"}
	s.tell(30*second, sequencer.Abort)
	res, err := s.run()
	require.ErrorIs(t, err, ErrOutputs)
	require.ErrorContains(t, err, "XV102")
	require.Equal(t, sequencer.Aborted, res.State)
	require.Contains(t, s.states(), "Held")
	faults := s.of(record.KindOutputFault)
	require.Equal(t, "reads back something else", faults[0].Text(record.Detail))
	require.Greater(t, len(faults), 3, "it is written and found untrue again and again")
	end := s.of(record.KindBatchEnd)[0]
	require.Equal(t, []string{"XV102"}, end.Texts(record.Values))
	require.Equal(t, "outputs_not_confirmed", end.Text(record.Result))
}
