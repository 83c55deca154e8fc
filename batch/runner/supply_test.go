// A supply that fails, and a watchdog: what is done in which time, and who is vouched for.

package runner

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// supplyOf is a supply that fails in spans of time.
type supplyOf struct {
	clock  timebase.Clock
	holdup time.Duration
	fails  []span
	lost   error // what Watch returns behind them
	quits  int   // behind how many of them it returns that, too, once
	told   int   // of them
}

func (p *supplyOf) Holdup() time.Duration { return p.holdup }
func (p *supplyOf) Close() error          { return nil }
func (p *supplyOf) Watch(ctx context.Context, emit func(hal.PowerEvent)) error {
	emit(hal.PowerEvent{Mono: p.clock.Now()})
	for ; p.told < len(p.fails); p.told++ {
		if p.told == p.quits && p.quits > 0 {
			p.quits = 0
			return p.lost
		}
		s := p.fails[p.told]
		for i, at := range [...]int64{s.from, s.to} {
			if p.clock.Wait(ctx, at) != nil {
				return nil
			}
			emit(hal.PowerEvent{Mono: p.clock.Now(), Failing: i == 0})
		}
	}
	if p.lost == nil {
		<-ctx.Done()
	}
	return p.lost
}

func TestAWarningShutsAllAtOnceAndWhatItTookIsOnRecord(t *testing.T) {
	inBubble(t, func(s *site) {
		s.rig.Power = &supplyOf{clock: s.clock, holdup: 50 * time.Millisecond, fails: []span{{4 * second, 5 * second}}}
		s.at(4*second+15_000_000, func(*Runner) {
			for _, o := range []string{"do/1", "do/2", "do/3", "do/4"} {
				require.Zero(s.t, s.plant.Output(o), "output %s is on", o)
			}
		})
		s.tell(4*second+500_000_000, sequencer.Restart)
		s.tell(8*second, sequencer.Restart)
		s.complete()

		var words []string
		for _, r := range s.of(record.KindPowerWarning) {
			words = append(words, fmt.Sprint(r.Text(record.Result), " at ", int64(r.Count(record.TsMonoNS))/second))
		}
		require.Equal(s.t, []string{"failing at 4", "restored at 6"}, words)
		fail := s.of(record.KindPowerFail)
		require.Len(s.t, fail, 1)
		require.Equal(s.t, "in_time", fail[0].Text(record.Result), "%s", fail[0].Body)
		require.Equal(s.t, []string{"fits"}, results(s.of(record.KindPowerBudget)))
		require.Subset(s.t, results(s.of(record.KindCommandResult)), []string{"refused"}, "while the supply fails nothing is restarted")
		for _, r := range s.of(record.KindSafeState) {
			require.Equal(s.t, "power_loss", r.Text(record.FaultClass))
		}
	})
}

func results(list []*record.Record) (words []string) {
	for _, r := range list {
		words = append(words, r.Text(record.Result))
	}
	return words
}

func TestAWarningWaitsForNoDiskAndSaysThatRecordsWereLate(t *testing.T) {
	inBubble(t, func(s *site) {
		s.rig.Power = &supplyOf{clock: s.clock, holdup: 50 * time.Millisecond, fails: []span{{4 * second, 5 * second}}}
		s.disk.stall = span{4 * second, 7 * second}
		s.at(4*second+15_000_000, func(*Runner) {
			for _, o := range []string{"do/1", "do/2", "do/3", "do/4"} {
				require.Zero(s.t, s.plant.Output(o), "output %s waits for the disk", o)
			}
		})
		s.tell(9*second, sequencer.Restart)
		s.complete()
		require.Equal(s.t, []string{"late"}, results(s.of(record.KindPowerFail)))
		require.Equal(s.t, []string{"fits", "exceeds"}, results(s.of(record.KindPowerBudget)))
	})
}

func TestASupplyThatFlapsFillsNoJournal(t *testing.T) {
	inBubble(t, func(s *site) {
		p := &supplyOf{clock: s.clock, holdup: time.Second, lost: errors.New("comparator is gone")}
		for i := range int64(300) {
			p.fails = append(p.fails, span{4*second + i*10_000_000, 4*second + i*10_000_000 + 5_000_000})
		}
		s.rig.Power = p
		s.tell(10*second, sequencer.Restart)
		s.complete()
		require.Equal(s.t, []string{"failing", "restored"}, results(s.of(record.KindPowerWarning)))
		require.Contains(s.t, results(s.of(record.KindPowerBudget)), "unwatched")
	})
}

func TestASupplyThatNobodyWatchesIsWatchedAgainSoon(t *testing.T) {
	inBubble(t, func(s *site) {
		s.rig.Power = &supplyOf{clock: s.clock, holdup: time.Second, lost: errors.New("comparator is gone"), quits: 1,
			fails: []span{{4 * second, 5 * second}, {9 * second, 10 * second}}}
		s.tell(7*second, sequencer.Restart)
		s.tell(13*second, sequencer.Restart)
		s.at(9*second+15_000_000, func(*Runner) {
			for _, o := range []string{"do/1", "do/2", "do/3", "do/4"} {
				require.Zero(s.t, s.plant.Output(o), "output %s is on", o)
			}
		})
		s.complete()
		require.Equal(s.t, []string{"failing", "restored", "failing", "restored"}, results(s.of(record.KindPowerWarning)))
		require.Equal(s.t, []string{"fits", "unwatched", "fits", "unwatched"}, results(s.of(record.KindPowerBudget)))
	})
}

// dogOf is a watchdog with a greatest time-out, on a clock.
type dogOf struct {
	clock timebase.Clock
	most  time.Duration
	fails error
	stays bool
	deaf  int // feeds that fail, from the second on
	armed int64
	fed   []int64
	off   bool
}

func (d *dogOf) Arm(timeout time.Duration) (time.Duration, error) {
	d.armed = d.clock.Now()
	return min(timeout, d.most), d.fails
}
func (d *dogOf) Feed() error {
	if len(d.fed) > 0 && d.deaf > 0 {
		d.deaf--
		return errors.New("the bus is busy")
	}
	d.fed = append(d.fed, d.clock.Now())
	return nil
}
func (d *dogOf) Close() error { return nil }
func (d *dogOf) Disarm() error {
	if d.stays {
		return fmt.Errorf("no magic close: %w", hal.ErrStays)
	}
	d.off = true
	return nil
}

// bites is the first time at which it was not fed in time, up to a time; 0: it was.
func (d *dogOf) bites(to int64) int64 {
	last := d.armed
	for _, at := range append(d.fed, to) {
		if at > last+int64(d.most) {
			return last + int64(d.most)
		}
		last = at
	}
	return 0
}

func TestAWatchdogIsFedWhileAllGoesOnAndIsStoppedAtASafeEnd(t *testing.T) {
	for _, stays := range []bool{false, true} {
		inBubble(t, func(s *site) {
			dog := &dogOf{clock: s.clock, most: 4 * time.Second, stays: stays}
			s.rig.Watchdog = dog
			s.complete()
			require.Zero(s.t, dog.bites(s.seen[len(s.seen)-1]))
			list := s.of(record.KindWatchdog)
			require.Equal(s.t, []string{"armed", map[bool]string{false: "disarmed", true: "stays"}[stays]}, results(list))
			require.Equal(s.t, int64(4000), list[0].Int(record.ActualMS))
			require.Equal(s.t, int64(10_000), list[0].Int(record.TimeoutMS))
			require.Equal(s.t, !stays, dog.off)
		})
	}
}

func TestAWatchdogBitesWhenTheWriterOfTheJournalHangs(t *testing.T) {
	inBubble(t, func(s *site) {
		dog := &dogOf{clock: s.clock, most: 4 * time.Second}
		s.rig.Watchdog = dog
		s.disk.stall = span{4 * second, 30 * second}
		_, err := s.run()
		require.NoError(s.t, err)
		at := dog.bites(30 * second)
		require.NotZero(s.t, at)
		require.Less(s.t, at, 10*second, "it is fed while nothing becomes durable")
	})
}

func TestAWatchdogIsNotFedWhileAWriteAtThePortHangs(t *testing.T) {
	q, dog := newQueue(), &dogOf{most: 4 * time.Second, clock: fixed(0)}
	l := &loop{r: &Runner{rig: Rig{Watchdog: dog}}, next: 1, dog: dog4(0)}
	q.busy = true
	l.feed(0, 0, q)
	require.Len(t, dog.fed, 1, "it may have begun just now")
	for at := int64(0); at < 10*second; at += second / 4 {
		l.feed(at, 0, q)
	}
	require.Len(t, dog.fed, 1)
	q.ended++
	l.feed(10*second, 0, q)
	require.Len(t, dog.fed, 2)
}

func dog4(now int64) dog { return dog{armed: true, period: second, due: now} }

// fixed is a clock that stands.
type fixed int64

func (f fixed) Now() int64                        { return int64(f) }
func (f fixed) Wait(context.Context, int64) error { return nil }
func (f fixed) Alarm(func()) timebase.Alarm       { return nil }

func TestAWatchdogThatDoesNotStartKeepsABatchFromItsBeginning(t *testing.T) {
	inBubble(t, func(s *site) {
		s.rig.Watchdog = &dogOf{clock: s.clock, fails: errors.New("no such device")}
		_, err := s.run()
		require.ErrorContains(s.t, err, "the watchdog of the rig does not start: no such device")
		require.Empty(s.t, s.of(record.KindBatchCreated))
	})
}

func TestAWatchdogThatDoesNotHearAFeedIsFedAgain(t *testing.T) {
	inBubble(t, func(s *site) {
		dog := &dogOf{clock: s.clock, most: 4 * time.Second, deaf: 3}
		s.rig.Watchdog = dog
		s.complete()
		require.Zero(s.t, dog.bites(s.seen[len(s.seen)-1]), "it bites though all goes on")
		require.Equal(s.t, []string{"armed", "not_fed", "disarmed"}, results(s.of(record.KindWatchdog)))
	})
}

func TestAWatchdogThatIsShorterThanAWriteIsStoppedAndRefused(t *testing.T) {
	inBubble(t, func(s *site) {
		dog := &dogOf{clock: s.clock, most: time.Second}
		s.rig.Watchdog = dog
		_, err := s.run()
		require.ErrorContains(s.t, err, "the watchdog says that it has 1s, and 10s were asked for, of which 3s at least are wanted")
		require.True(s.t, dog.off, "it would reset a board on which nothing was begun")
		require.Empty(s.t, s.of(record.KindBatchCreated))
	})
}

func TestAWatchdogThatIsOfNoUseAndStaysIsFed(t *testing.T) {
	dog := &dogOf{most: time.Second, clock: fixed(0), stays: true}
	l := &loop{r: &Runner{rig: Rig{Watchdog: dog}, past: &past{}}, next: 1}
	_, err := l.arm(0)
	require.NoError(t, err, "a batch that is continued goes on")
	require.True(t, l.dog.armed)
	require.Less(t, l.dog.period, second/2)
}

func TestTheCauseOfAResetIsToldWhereItIsKnown(t *testing.T) {
	for _, c := range []struct {
		was, id string
		reset   hal.ResetCause
		want    string
	}{
		{"", "", hal.ResetUnknown, ""},
		{"a", "a", hal.ResetWatchdog, "process"},
		{"a", "b", hal.ResetWatchdog, "watchdog"},
		{"a", "b", hal.ResetUnknown, "unknown"},
		{"", "b", hal.ResetUnknown, ""},
		{"", "", hal.ResetPower, "power"},
	} {
		r := &Runner{rig: Rig{BootID: c.id, Reset: c.reset}}
		require.Equal(t, c.want, r.cause(c.was), "%+v", c)
	}
}
