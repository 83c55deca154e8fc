// Claims about the look at the wall clock: what has changed is on record at once, what has not costs nothing, and no order depends on it.

package runner

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// telling is a source that says when it has changed.
type telling struct {
	wallFunc
	fire func()
}

func (s *telling) Notify(fire func()) (stop func()) {
	s.fire = fire
	return func() { s.fire = nil }
}

func TestAChangeOfTheWallClockIsOnRecordAtOnceAndNothingElseIs(t *testing.T) {
	inBubble(t, func(s *site) {
		wall := s.rig.Wall
		shown := timebase.Observation{Sync: timebase.NTPSync, Source: "chrony", Role: timebase.Primary, Bound: 5_000_000, Steps: 4, Moved: 7}
		source := &telling{wallFunc: func() timebase.Observation {
			o := shown
			o.Mono = wall.Observe().Mono
			o.UTC = virtualUTC + o.Mono
			return o
		}}
		s.rig.Wall = source
		at := func(at int64, change func()) {
			s.at(at, func(*Runner) {
				change()
				source.fire()
			})
		}
		at(3*second, func() {}) // there is nothing new
		at(5*second, func() { shown.Sync, shown.Reason = timebase.Holdover, timebase.Silent })
		at(5*second+1000, func() {})
		at(9*second, func() { shown.Steps, shown.Moved, shown.Step = 5, -3_000_000, timebase.ClockStep })
		at(12*second, func() { shown.Bound = 80_000_000 }) // more than it was expected to grow
		s.opt.Ask = nil
		s.at(150*second, func(r *Runner) { require.NoError(t, r.Answer(1, "ok", "op1", "operator")) })
		s.complete()
		require.Nil(t, source.fire, "nobody is called once the run is over")

		var seen []int64
		for _, r := range s.of(record.KindTimeObserved) {
			seen = append(seen, int64(r.Count(record.TsMonoNS))/second)
		}
		require.Equal(t, []int64{5, 9, 12, 72, 132}, seen, "at once where something is new, else every minute")
		require.Len(t, s.of(record.KindTimeSourceChange), 1)
		steps := s.of(record.KindClockStep)
		require.Len(t, steps, 1)
		require.Equal(t, "-3.000000", steps[0].Text(record.MovedMS))
		require.Equal(t, int64(1), steps[0].Int(record.TimeStepCount), "what was counted before this batch is not of it")
	})
}

func TestASourceOfTimeThatChattersIsTakenInEverMoreSeldomAndNoStepIsLost(t *testing.T) {
	inBubble(t, func(s *site) {
		wall, steps := s.rig.Wall, int64(0)
		source := &telling{wallFunc: func() timebase.Observation {
			o := wall.Observe()
			return timebase.Observation{Mono: o.Mono, UTC: virtualUTC + o.Mono, Sync: timebase.NTPSync, Source: "chrony", Bound: 5_000_000,
				Steps: steps, Moved: 2_000_000, Step: timebase.ClockStep}
		}}
		s.rig.Wall = source
		for n := range int64(1000) {
			s.at(second+n*second/10, func(*Runner) {
				steps++
				source.fire()
			})
		}
		s.opt.Ask = nil
		s.at(150*second, func(r *Runner) { require.NoError(t, r.Answer(1, "ok", "op1", "operator")) })
		s.complete()
		looks, stepped := s.of(record.KindTimeObserved), s.of(record.KindClockStep)
		require.Less(t, len(looks), 35, "of 1000 calls")
		require.Greater(t, len(looks), 16)
		require.Equal(t, int64(1000), stepped[len(stepped)-1].Int(record.TimeStepCount))
	})
}

func TestAWildWallClockDisturbsNoOrderAndNoReplay(t *testing.T) {
	var calm []string
	for seed := range uint64(6) {
		inBubble(t, func(s *site) {
			wall, r := s.rig.Wall, rand.New(rand.NewPCG(seed, 3))
			source := &telling{}
			source.wallFunc = func() timebase.Observation {
				o := wall.Observe()
				if seed == 0 || o.Mono < second {
					return o
				}
				n := r.Int64()
				return timebase.Observation{Mono: o.Mono - n%second, UTC: n, Sync: timebase.Sync(n % 7), Source: []string{"a", "\xff", ""}[n%3], Offset: -n,
					Bound: n, Role: timebase.Role(n % 5), LastSync: n % (1 << 61), Age: n, Steps: n % 9, Moved: n, Step: timebase.Reason(n % 40),
					Leap: int8(n), Reason: timebase.Reason(n % 50), Why: "\x00why"}
			}
			s.rig.Wall = source
			for n := range int64(30) {
				s.at((n+1)*second/2, func(*Runner) { source.fire() })
			}
			s.opt.Ask = nil
			s.at(150*second, func(r *Runner) { require.NoError(t, r.Answer(1, "ok", "op1", "operator")) })
			s.complete()
			last, decided := uint64(0), []string(nil)
			for i, rec := range s.list {
				require.EqualValues(t, i+1, rec.Seq(), "seed %d", seed)
				require.GreaterOrEqual(t, rec.Count(record.TsMonoNS), last, "seed %d", seed)
				last = rec.Count(record.TsMonoNS)
				if rec.Kind == record.KindStepState || rec.Kind == record.KindWindowStop {
					decided = append(decided, rec.Kind.String()+" "+rec.Text(record.StepID)+" "+rec.Text(record.StepState)+rec.Text(record.Result))
				}
			}
			if seed == 0 {
				calm = decided
			}
			require.Equal(t, calm, decided, "seed %d", seed)
		})
	}
	require.NotEmpty(t, calm)
}

func TestAStartWhileTheTimeOfDayIsNotKnownWaitsForAPerson(t *testing.T) {
	inBubble(t, func(s *site) {
		s.rig.Wall = wallFunc(func() timebase.Observation { return timebase.Observation{Mono: s.clock.Now(), Source: "none"} })
		s.at(5*second, func(r *Runner) {
			require.NoError(t, r.Tell(Command{Command: sequencer.ConfirmTime, Operator: "op1", Role: "shift_lead", Reason: "no network yet"}))
			require.NoError(t, r.Tell(Command{Command: sequencer.Start, Operator: "op1"}))
		})
		s.opt.Ask = nil
		s.at(150*second, func(r *Runner) { require.NoError(t, r.Answer(1, "ok", "op1", "operator")) })
		res, err := s.run()
		require.NoError(t, err)
		s.whole(res)
		results := s.of(record.KindCommandResult)
		require.Equal(t, sequencer.Refused.String(), results[0].Text(record.Result), "the start that the runner gives by itself")
		require.Equal(t, sequencer.Accepted.String(), results[1].Text(record.Result))
		require.Equal(t, sequencer.Accepted.String(), results[2].Text(record.Result))
		require.Equal(t, "shift_lead", s.of(record.KindCommand)[1].Text(record.OperatorRole))
	})
}
