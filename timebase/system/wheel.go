// The wheel: the alarms of a clock in the order of their times, and who waits for the first of them.

package system

import (
	"container/heap"
	"context"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/batchkit/batchkit/timebase"
)

// timer is one timer of the kernel. now is the kernel's monotonic time, set arms it for such a time in place of what was set before, and
// wait returns when that time has come; a wait may return sooner. One goroutine waits, any may set.
type timer interface {
	now() time.Duration
	set(at time.Duration)
	wait() error
}

// longest is the longest time that a timer is set for: seconds have 32 bits on some processors. Who waits for longer is woken once a
// year for nothing.
const longest = 365 * 24 * time.Hour

// linger is for how long, in real time, the goroutine of a wheel stays when nothing is set any more.
const linger = 100 * time.Millisecond

// wheel keeps the alarms of a clock. A goroutine waits for the first of them, and ends a little after the last.
type wheel struct {
	clock *clock
	timer timer
	zero  time.Duration // the kernel's time at the clock's base, or a little later

	mu      sync.Mutex
	spare   []*waiter // of waits that are over
	alarms  queue
	serving bool
	armed   time.Duration // what the timer is set for, since base; 0 while the goroutine is awake and will set it itself
	stays   bool          // the goroutine has a thread of its own and ends with closed alone
	closed  bool
}

func newWheel(c *clock, t timer) *wheel {
	w := &wheel{clock: c, timer: t, zero: math.MaxInt64}
	for range 8 { // the nearest of some readings, since something may come between two clocks
		since := time.Since(c.base)
		w.zero = min(w.zero, t.now()-since)
	}
	return w
}

// real is the real time since base at which Now is at least at.
func (w *wheel) real(at int64) time.Duration {
	if at <= 1 {
		return 0
	}
	return time.Duration((at-2)/w.clock.speed + 1)
}

// arm sets the timer; mu is held.
func (w *wheel) arm(d time.Duration) {
	w.armed = max(d, 1)
	w.timer.set(w.zero + min(w.armed, time.Since(w.clock.base)+longest))
}

// serve calls the alarms whose time has come, one after the other, and waits for the next.
func (w *wheel) serve() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for idle := false; !w.closed; {
		w.armed = 0
		for !w.closed && len(w.alarms) > 0 && w.alarms[0].at <= w.clock.Now() {
			w.ring()
		}
		switch {
		case w.closed: // while an alarm was called: what Close has set the timer for must stay
			return
		case len(w.alarms) > 0:
			w.arm(w.real(w.alarms[0].at))
		case w.stays:
			w.arm(math.MaxInt64)
		case idle:
			w.serving = false
			return
		default:
			w.arm(time.Since(w.clock.base) + linger)
		}
		idle = len(w.alarms) == 0
		w.mu.Unlock()
		err := w.timer.wait()
		w.mu.Lock()
		if err != nil {
			panic("system: the timer of a clock: " + err.Error()) // nobody would be woken any more
		}
	}
}

// ring calls the first alarm, without mu.
func (w *wheel) ring() {
	a := heap.Pop(&w.alarms).(*wheelAlarm)
	w.mu.Unlock()
	defer w.mu.Lock()
	a.fire()
}

// wheelAlarm is an alarm of a wheel.
type wheelAlarm struct {
	wheel *wheel
	fire  func()
	at    int64
	place int // in the queue; -1: it is not set
}

// Set implements timebase.Alarm.
func (a *wheelAlarm) Set(until int64) {
	w := a.wheel
	w.mu.Lock()
	defer w.mu.Unlock()
	a.at = until
	if a.place >= 0 {
		heap.Fix(&w.alarms, a.place)
	} else {
		heap.Push(&w.alarms, a)
	}
	if !w.serving && !w.closed {
		w.serving = true
		go w.serve() // ends a little after the last alarm
	} else if d := w.real(until); w.armed > 0 && d < w.armed {
		w.arm(d)
	}
}

// Stop implements timebase.Alarm.
func (a *wheelAlarm) Stop() {
	w := a.wheel
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.place < 0 {
		return
	}
	heap.Remove(&w.alarms, a.place)
	if soon := time.Since(w.clock.base) + linger; len(w.alarms) == 0 && w.armed > soon && !w.stays {
		w.arm(soon)
	}
}

// waiter is an alarm that somebody waits for.
type waiter struct {
	wheelAlarm
	rang chan struct{}
}

func (o *waiter) ring() {
	select {
	case o.rang <- struct{}{}:
	default:
	}
}

// wait waits for a time. An alarm that was stopped may have rung all the same, so whoever gets it next asks the clock.
func (w *wheel) wait(ctx context.Context, until int64) error {
	one := w.take()
	defer w.giveBack(one)
	defer one.Stop()
	for w.clock.Now() < until {
		one.Set(until)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-one.rang:
		}
	}
	return nil
}

// take gives a waiter, one of a wait that is over if there is one.
func (w *wheel) take() *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.spare); n > 0 {
		one := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return one
	}
	one := &waiter{rang: make(chan struct{}, 1)}
	one.wheelAlarm = wheelAlarm{wheel: w, fire: one.ring, place: -1}
	return one
}

// giveBack keeps a waiter for the next wait; as many are kept as waited at a time.
func (w *wheel) giveBack(one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spare = append(w.spare, one)
}

// queue is a heap of alarms, the earliest first.
type queue []*wheelAlarm

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	a := x.(*wheelAlarm)
	a.place = len(*q)
	*q = append(*q, a)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	a := (*q)[last]
	(*q)[last], a.place = nil, -1
	*q = (*q)[:last]
	return a
}

// ThreadClock is a clock whose timer is waited for by a thread of the operating system that does nothing else.
type ThreadClock struct {
	*clock
	done chan struct{}
}

// NewThreadClock returns a clock of speed 1 as NewClock does, with a locked thread that calls its alarms, and hands work over and does none:
// what an alarm does there delays the next one. On Linux the thread has SCHED_FIFO with a priority of 1 to 99, or the ordinary policy
// where the priority is 0. Close it. The error says what is not to be had, and what would give it; it wraps errors.ErrUnsupported where
// there is no such timer.
func NewThreadClock(priority int) (*ThreadClock, error) {
	c := newClock(1)
	t, err := newTimer(true)
	if err != nil {
		return nil, err
	}
	c.wheel = newWheel(c, t)
	c.wheel.stays, c.wheel.serving = true, true
	tc, ready := &ThreadClock{clock: c, done: make(chan struct{})}, make(chan error)
	go func() { // ends with Close
		defer close(tc.done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its policy
		err := realTime(0, fifo, priority)
		ready <- err
		if err == nil {
			c.wheel.serve()
		}
	}()
	if err := <-ready; err != nil {
		<-tc.done
		return nil, err
	}
	return tc, nil
}

// Close ends the thread and blocks until it has ended. No alarm is called behind it, and a Wait that is under way ends with its context alone.
func (c *ThreadClock) Close() error {
	c.wheel.mu.Lock()
	c.wheel.closed = true
	c.wheel.arm(1)
	c.wheel.mu.Unlock()
	<-c.done
	return nil
}

var _ timebase.Clock = (*ThreadClock)(nil)
