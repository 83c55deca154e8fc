// Package system has the real clock, the wall clock and its references, from the operating system this process runs on.
//
// Start with [NewClock], which every shell is handed, and [Wall], which tells how far its UTC may be believed by what the kernel says.
// Who wants to know better has a [Watch] follow the references that [ParseRefs] or [NewKernel], [NewChrony], [NewPTP] and [NewChip]
// make.
//
// The rule that must not be broken: Now never decreases, whatever is done to the wall clock; a wall clock that cannot be right is
// reported as UNSET and not as a time; and no reference is good by its own word alone, but by what was heard of it and when.
//
// It asks daemons and sets no clock. On Linux it waits by a timer of the kernel, since the timers of package time fire half a millisecond
// late there. Who must be nearer to his deadlines has [NewThreadClock] and [Manners].
package system

import (
	"context"
	"math"
	"time"

	"github.com/batchkit/batchkit/timebase"
)

// MaxSpeed is the greatest speed of a clock; at it, Now lasts for 100 days.
const MaxSpeed = 1000

// clock counts from its creation, by Go's monotonic clock.
type clock struct {
	base  time.Time // with both readings
	speed int64
	wheel *wheel // who keeps its alarms; nil: package time
}

// NewClock returns a clock whose Now is 1 at creation and then runs speed times as fast as real time; a speed below 1 counts
// as 1, one above MaxSpeed as MaxSpeed. All its methods, and those of its alarms, may be called from any goroutine. Wait
// returns ctx's error if ctx has ended, even where the time is past. Setting an alarm allocates nothing. Time that the machine
// spends suspended may not count.
//
// On Linux it holds one file descriptor, a timer of the kernel, for as long as it is referred to, and calls alarms one after the other.
// Where there is none, on other systems, and in a bubble of testing/synctest, whose time it follows, it waits by the timers of package time.
func NewClock(speed int) timebase.Clock {
	c := newClock(speed)
	if t, err := newTimer(false); err == nil {
		c.wheel = newWheel(c, t)
	}
	return c
}

// newClock makes a clock that waits by the timers of package time.
func newClock(speed int) *clock {
	return &clock{base: time.Now(), speed: int64(min(max(speed, 1), MaxSpeed))}
}

func (c *clock) at(t time.Time) int64 { return int64(t.Sub(c.base))*c.speed + 1 }

// Now implements timebase.Clock.
func (c *clock) Now() int64 { return int64(time.Since(c.base))*c.speed + 1 }

// until returns for how long a timer has to run so that Now is at least t when it fires.
func (c *clock) until(t int64) time.Duration {
	now := c.Now()
	if t <= now {
		return 0
	}
	return time.Duration((t-now-1)/c.speed + 1)
}

// Wait implements timebase.Clock.
func (c *clock) Wait(ctx context.Context, until int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d := c.until(until)
	if d == 0 {
		return nil
	}
	if c.wheel != nil {
		return c.wheel.wait(ctx, until)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Alarm implements timebase.Clock; fire is called on a goroutine of the clock.
func (c *clock) Alarm(fire func()) timebase.Alarm {
	if c.wheel != nil {
		return &wheelAlarm{wheel: c.wheel, fire: fire, place: -1}
	}
	timer := time.AfterFunc(math.MaxInt64, fire)
	timer.Stop()
	return &alarm{clock: c, timer: timer}
}

type alarm struct {
	clock *clock
	timer *time.Timer
}

// Set implements timebase.Alarm.
func (a *alarm) Set(until int64) { a.timer.Reset(a.clock.until(until)) }

// Stop implements timebase.Alarm.
func (a *alarm) Stop() { a.timer.Stop() }
