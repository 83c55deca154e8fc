// The claims of clocks on timers of the kernel: not early, not twice, and with a thread of their own where that is wanted. They are about
// order and times on the clock, never about how late something is.

package system

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/timebase"
)

// onEach runs a claim on each sort of clock that this system has.
func onEach(t *testing.T, claim func(t *testing.T, c timebase.Clock)) {
	t.Run("NewClock", func(t *testing.T) { claim(t, NewClock(1)) })
	t.Run("fast", func(t *testing.T) { claim(t, NewClock(7)) })
	t.Run("by package time", func(t *testing.T) { claim(t, newClock(1)) })
	t.Run("NewThreadClock", func(t *testing.T) { claim(t, threadClock(t)) })
}

// threadClock makes one of the ordinary policy.
func threadClock(t testing.TB) *ThreadClock {
	c, err := NewThreadClock(0)
	if runtime.GOOS != "linux" {
		require.ErrorIs(t, err, errors.ErrUnsupported)
		t.Skip("this system has no timer that is a file")
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestAThreadClockThatIsClosedWhileItCallsAnAlarmEnds(t *testing.T) {
	for range 200 {
		c := threadClock(t)
		calls, closing := make(chan struct{}), make(chan struct{})
		c.Alarm(func() {
			calls <- struct{}{}
			<-closing
		}).Set(1)
		<-calls
		go func() { // Close sets what ends the thread, and waits for it
			for {
				c.wheel.mu.Lock()
				closed := c.wheel.closed
				c.wheel.mu.Unlock()
				if closed {
					close(closing)
					return
				}
				runtime.Gosched()
			}
		}()
		require.NoError(t, c.Close())
	}
}

func TestNoClockIsEarly(t *testing.T) {
	onEach(t, func(t *testing.T, c timebase.Clock) {
		rang := make(chan int64, 1)
		a := c.Alarm(func() { rang <- c.Now() })
		for i := range int64(200) {
			until := c.Now() + i*1000
			require.NoError(t, c.Wait(t.Context(), until))
			require.GreaterOrEqual(t, c.Now(), until)
			until = c.Now() + i*1000
			a.Set(until)
			require.GreaterOrEqual(t, <-rang, until)
		}
		for _, past := range []int64{math.MinInt64, -1, 0, 1} {
			require.NoError(t, c.Wait(t.Context(), past))
			a.Set(past)
			<-rang
		}
	})
}

func TestAlarmsOfOneClockRingInTheOrderOfTheirTimesAndOnceEach(t *testing.T) {
	onEach(t, func(t *testing.T, c timebase.Clock) {
		if w, _ := ownClock(c); w.wheel == nil {
			t.Skip("each alarm of package time has a goroutine of its own")
		}
		lead := 20 * time.Millisecond
		rang, early := rings(t, c, lead)
		for tries := 1; !early && tries < 20; tries++ {
			lead += 20 * time.Millisecond
			rang, early = rings(t, c, lead)
		}
		require.True(t, early, "the alarms were never set before the first of them was due")
		for i := range rang {
			require.Equal(t, i, rang[i])
		}
	})
}

// rings sets alarms in any order, the first of them so long before it is due, and gives the order in which they rang. early tells that all
// were set before the first was due: else one rings as it is set, and again as it is set again, and the order says nothing.
func rings(t *testing.T, c timebase.Clock, lead time.Duration) (order []int, early bool) {
	var mu sync.Mutex
	var rang []int
	all := make(chan struct{})
	const n = 200
	start := c.Now() + int64(lead)
	for _, i := range rand.Perm(n) {
		a := c.Alarm(func() {
			mu.Lock()
			defer mu.Unlock()
			if rang = append(rang, i); len(rang) == n {
				close(all)
			}
		})
		a.Set(start + int64(i)*50_000)
		if i%3 == 0 { // put off, called off and set again
			a.Set(math.MaxInt64)
			a.Stop()
			a.Set(start + int64(i)*50_000)
		}
		never := c.Alarm(func() { t.Error("an alarm that was stopped has rung") })
		never.Set(start + int64(time.Hour))
		never.Stop()
	}
	early = c.Now() < start
	<-all
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(rang), early
}

func TestAnEarlierAlarmIsNotKeptWaitingByALaterOne(t *testing.T) {
	onEach(t, func(t *testing.T, c timebase.Clock) {
		late := c.Alarm(func() { t.Error("an hour has not passed") })
		late.Set(c.Now() + int64(10*time.Hour))
		defer late.Stop()
		rang := make(chan struct{})
		soon := c.Alarm(func() { close(rang) })
		soon.Set(c.Now() + int64(time.Millisecond))
		<-rang
	})
}

func TestAWaitEndsWithItsContextOnEveryClock(t *testing.T) {
	onEach(t, func(t *testing.T, c timebase.Clock) {
		ctx, cancel := context.WithCancel(t.Context())
		a := c.Alarm(cancel)
		a.Set(c.Now() + int64(time.Millisecond))
		require.ErrorIs(t, c.Wait(ctx, math.MaxInt64), context.Canceled)
		require.ErrorIs(t, c.Wait(ctx, 0), context.Canceled, "even where the time is past")
	})
}

func TestTheGoroutineOfAClockEndsAfterItsLastAlarm(t *testing.T) {
	c := newClock(1)
	timer, err := newTimer(false)
	if err != nil {
		require.ErrorIs(t, err, errors.ErrUnsupported)
		t.Skip("this system has no timer that is a file")
	}
	c.wheel = newWheel(c, timer)
	a := c.Alarm(func() {})
	for range 3 {
		a.Set(math.MaxInt64)
		a.Stop()
		for serving := true; serving; runtime.Gosched() { // it ends, or the test does not
			c.wheel.mu.Lock()
			serving = c.wheel.serving
			c.wheel.mu.Unlock()
		}
	}
}

func TestAnAlarmThatRingsAllocatesNothing(t *testing.T) {
	for name, c := range map[string]timebase.Clock{"NewClock": NewClock(1), "NewThreadClock": threadClock(t)} {
		rang := make(chan struct{}, 1)
		a := c.Alarm(func() { rang <- struct{}{} })
		far := c.Alarm(func() {})
		far.Set(c.Now() + int64(time.Hour)) // so that the clock has something to wait for throughout, as that of a batch has
		require.Zero(t, testing.AllocsPerRun(100, func() {
			a.Set(c.Now() + 100_000)
			<-rang
		}), name)
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = c.Wait(t.Context(), c.Now()+100_000) }), "%s: Wait", name)
		far.Stop()
	}
}

func TestAfterCloseNoAlarmOfAThreadClockRings(t *testing.T) {
	c := threadClock(t)
	closed, err := NewThreadClock(0)
	require.NoError(t, err)
	a := closed.Alarm(func() { t.Error("it has rung behind Close") })
	a.Set(closed.Now() + int64(time.Hour))
	require.NoError(t, closed.Close())
	a.Set(0)
	a.Stop()
	require.NoError(t, c.Wait(t.Context(), c.Now()+int64(time.Millisecond)), "and another one is not touched")
}

func TestTheWallIsSeenAgainstEveryClockByOneReading(t *testing.T) {
	onEach(t, func(t *testing.T, c timebase.Clock) {
		before := c.Now()
		o := Wall(c).Observe()
		require.GreaterOrEqual(t, o.Mono, before)
		require.LessOrEqual(t, o.Mono, c.Now())
	})
}
