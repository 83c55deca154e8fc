// The claims of the clock, in synctest bubbles where they are about time and outside where they are about the machine.

package system

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

func TestNowIsNeverZeroAndNeverDecreases(t *testing.T) {
	c, last := NewClock(1), int64(0)
	for range 100_000 {
		now := c.Now()
		require.GreaterOrEqual(t, now, max(last, 1))
		last = now
	}
}

func TestNowRunsAtTheSpeedOfTheClock(t *testing.T) {
	for speed, want := range map[int]int64{-3: 1, 0: 1, 1: 1, 7: 7, 1000: 1000, 5000: MaxSpeed} {
		synctest.Test(t, func(t *testing.T) {
			c := NewClock(speed)
			require.EqualValues(t, 1, c.Now())
			synctest.Wait()
			require.NoError(t, NewClock(1).Wait(t.Context(), 1+int64(time.Minute)))
			require.Equal(t, 1+want*int64(time.Minute), c.Now(), "speed %d", speed)
		})
	}
}

func TestWaitEndsAtItsTimeAndNotBefore(t *testing.T) {
	for _, speed := range []int{1, 3, 1000} {
		synctest.Test(t, func(t *testing.T) {
			c := NewClock(speed)
			for _, until := range []int64{math.MinInt64, 0, 1, 2, 10_000_001, 10_000_003, 3_600_000_000_000} {
				require.NoError(t, c.Wait(t.Context(), until))
				require.GreaterOrEqual(t, c.Now(), until, "speed %d", speed)
				require.Less(t, c.Now(), max(until, 1)+int64(speed), "speed %d", speed)
			}
		})
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClock(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Wait(ctx, math.MaxInt64), context.DeadlineExceeded)
		require.Equal(t, 1+int64(time.Second), c.Now())
		require.ErrorIs(t, c.Wait(ctx, 0), context.DeadlineExceeded, "even where the time is past")
	})
}

// bell counts the calls of an alarm and keeps the time of each.
type bell struct {
	mu    sync.Mutex
	clock timebase.Clock
	rang  []int64
}

func (b *bell) fire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rang = append(b.rang, b.clock.Now())
}

func (b *bell) times() []int64 {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rang
}

func TestAnAlarmFiresOnceForEachTimeItWasSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClock(10)
		b := &bell{clock: c}
		a := c.Alarm(b.fire)
		later := func(n int64) { require.NoError(t, c.Wait(t.Context(), n)) }
		later(1001)
		require.Empty(t, b.times(), "not before it is set")
		a.Set(2001)
		a.Set(3001)
		later(5001)
		require.Equal(t, []int64{3001}, b.times(), "the newest time stands")
		a.Set(17)
		require.Equal(t, []int64{3001, 5001}, b.times(), "a time in the past fires at once")
		a.Set(6001)
		a.Stop()
		later(7001)
		require.Len(t, b.times(), 2, "disarmed")
		a.Set(8001)
		later(9001)
		require.Equal(t, []int64{3001, 5001, 8001}, b.times(), "armed again")
		a.Set(math.MaxInt64)
		a.Stop()
	})
}

func TestSettingAnAlarmAllocatesNothing(t *testing.T) {
	c := NewClock(1)
	a := c.Alarm(func() {})
	require.Zero(t, testing.AllocsPerRun(1000, func() { a.Set(c.Now() + int64(time.Hour)) }))
	a.Stop()
}

func TestAClockServesManyGoroutines(t *testing.T) {
	c := NewClock(MaxSpeed)
	a := c.Alarm(func() {})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				a.Set(c.Now() + 1000)
				_ = c.Wait(t.Context(), c.Now()+1000)
			}
		})
	}
	wg.Wait()
	a.Stop()
}

// BenchmarkNow holds the clock against time.Now in one run: it costs no more than twice as much.
func BenchmarkNow(b *testing.B) {
	c := NewClock(1)
	b.Run("clock", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Now()
		}
	})
	b.Run("time.Now", func(b *testing.B) {
		for b.Loop() {
			_ = time.Now()
		}
	})
}
