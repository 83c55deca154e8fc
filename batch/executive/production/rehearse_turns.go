// Many runs that share one virtual time: whoever has the least time goes on, and all others wait.

package production

import (
	"context"
	"sync"

	"github.com/batchkit/batchkit/timebase"
)

// turns has the time of a rehearsal, and gives it to one run at a time: to the one that has something to do soonest, and among
// those of one time to the one that began first. So exactly one goroutine goes on at a time, and what each sees of the others is
// the same in every run. Its methods are called by whoever has the turn, or, between two turns, by who gives them.
type turns struct {
	now  int64
	list []*turn // in the order in which they began
	back chan struct{}
	work sync.WaitGroup
}

// turn is one run that has its turn now and then.
type turn struct {
	of    *turns
	at    int64 // when it goes on
	rests bool  // only a person brings it on
	over  bool
	on    chan int64
}

func newTurns(now int64) *turns { return &turns{now: now, back: make(chan struct{})} }

// begin has a run begin now, once it has its turn. The turns are over when run has returned.
func (ts *turns) begin(run func(t *turn)) *turn {
	t := &turn{of: ts, at: ts.now, on: make(chan int64)}
	ts.list = append(ts.list, t)
	ts.work.Go(func() {
		<-t.on
		defer func() {
			t.over = true
			ts.back <- struct{}{}
		}()
		run(t)
	})
	return t
}

// wait gives the turn back, and returns when the run goes on: at until, or sooner where it was roused.
func (t *turn) wait(until int64, rests bool) int64 {
	t.at, t.rests = until, rests
	t.of.back <- struct{}{}
	return <-t.on
}

// rouse has a run go on now, whatever it waits for.
func (t *turn) rouse() { t.at, t.rests = min(t.at, t.of.now), false }

// next is the run whose turn is next; nil where none is left.
func (ts *turns) next() *turn {
	var first *turn
	for _, t := range ts.list {
		if first == nil || t.at < first.at {
			first = t
		}
	}
	return first
}

// busy tells whether a run goes on that waits for no person.
func (ts *turns) busy() bool {
	for _, t := range ts.list {
		if !t.rests {
			return true
		}
	}
	return false
}

// give moves the time to at and gives a run its turn; it returns when the turn was given back.
func (ts *turns) give(t *turn, at int64) {
	ts.now = max(ts.now, at)
	t.on <- ts.now
	<-ts.back
	if !t.over {
		return
	}
	for i := range ts.list {
		if ts.list[i] == t {
			ts.list = append(ts.list[:i], ts.list[i+1:]...)
			return
		}
	}
}

// Now implements timebase.Clock.
func (ts *turns) Now() int64 { return ts.now }

// Wait implements timebase.Clock. Nobody waits by the clock of a rehearsal: time moves by turns.
func (ts *turns) Wait(ctx context.Context, until int64) error {
	if ts.now >= until {
		return ctx.Err()
	}
	<-ctx.Done()
	return ctx.Err()
}

// Alarm implements timebase.Clock: an alarm that never fires.
func (ts *turns) Alarm(func()) timebase.Alarm { return mute{} }

// mute is an alarm that never fires.
type mute struct{}

func (mute) Set(int64) {}
func (mute) Stop()     {}

// Observe implements timebase.Source: the day begins at dayBegins, and its clock is exact.
func (ts *turns) Observe() timebase.Observation {
	return timebase.Observation{Mono: ts.now, UTC: dayBegins + ts.now, Sync: timebase.RTCOnly, Source: "seed", Bound: 1}
}

// dayBegins is the time of day in ns since 1970 at which each rehearsal begins: 2026-01-01.
const dayBegins = 1_767_225_600_000_000_000
