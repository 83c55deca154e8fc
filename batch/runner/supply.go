// The supply: what is done when an early warning says that it fails, and how long that took.

package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// PowerSettle is the time in ns for which a supply must be back before a batch is told so. A warning is taken at once.
const PowerSettle = 1_000_000_000

// powerLimit is the time in ns after a warning for which it is measured what is made safe, if the board lives on.
const powerLimit = 30_000_000_000

// slowestRetry is the longest time in ns after which a supply that nobody watches any more is watched again.
const slowestRetry = 60_000_000_000

// supply is what the loop knows of the supply. Times are ns since the warning; -1: not yet.
type supply struct {
	failing  bool   // as the batch was told
	open     bool   // a warning is measured
	from     int64  // when it came, monotonic ns
	seq      uint64 // the last record that it has led to at once
	durable  uint64
	outputs  int64
	flush    int64
	marked   int64
	marking  uint64 // record of the checkpoint before the one that was asked for; 0: none was asked for
	asked    bool   // for a checkpoint
	budget   string // what was said of it last
	budgeted int64  // longest commit of which that was said
	deaf     bool   // nobody warns, which is on record
}

// warned is what an inbox has of the supply.
type warned struct {
	warning bool  // one was not taken yet
	back    bool  // the supply was back when it was heard of last
	at      int64 // when that was, monotonic ns
	since   int64 // when the warning came
	lost    error // why nobody warns any more; nil once that was taken
	heard   bool  // somebody has told how it stands since that was taken last
}

// Warn tells a run that the supply fails, or that it is back. It may be called from any goroutine and does not block; Rig.Power's Watch
// does it, and who watches the supply in another way may. Mono counts on the run's clock.
func (r *Runner) Warn(ev hal.PowerEvent) {
	in := r.in
	in.mu.Lock()
	defer in.mu.Unlock()
	if ev.Failing && (in.supply.back || !in.supply.warning) {
		in.supply.warning, in.supply.since = true, ev.Mono
	}
	in.supply.back, in.supply.at, in.supply.heard, in.supply.lost = !ev.Failing, ev.Mono, true, nil
	in.wake()
}

// power takes out a warning.
func (in *inbox) power() (w warned) {
	in.mu.Lock()
	defer in.mu.Unlock()
	w = in.supply
	in.supply.warning, in.supply.lost, in.supply.heard = false, nil, false
	return w
}

// unwarned takes in that nobody warns any more.
func (in *inbox) unwarned(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.supply.lost, in.supply.heard = err, false
	in.wake()
}

// supplies takes in what is new of the supply, before anything else, and returns when it is to be looked at again.
func (l *loop) supplies(now int64) int64 {
	s, w, next := &l.supply, l.r.in.power(), timebase.Never
	if w.warning && !s.failing {
		s.failing, s.open, s.asked, s.marking = true, true, false, 0
		s.outputs, s.flush, s.marked = -1, -1, -1
		if s.from = now; w.since > 0 && w.since < now {
			s.from = w.since
		}
		l.take(now, &batch.Event{Kind: batch.PowerWarned, Holdup: l.holdup()})
		s.seq = l.next - 1
	}
	if s.failing && w.back {
		if due := min(w.at, now) + PowerSettle; due > now {
			next = due
		} else {
			l.measured(now, true)
			s.failing = false
			l.take(now, &batch.Event{Kind: batch.PowerWarned, OK: true, Holdup: l.holdup()})
		}
	}
	switch {
	case w.lost != nil && !s.deaf:
		s.deaf = true
		l.noteBudget("unwatched", batch.Clean(fmt.Sprintf("nobody warns of a failing supply any more: %v", w.lost)))
	case w.heard && s.deaf: // what holds again is said again
		s.deaf, s.budgeted = false, 0
	}
	l.budget()
	return min(next, l.measured(now, false))
}

// holdup is for how long the board runs on after a warning, ns; 0 where nobody tells.
func (l *loop) holdup() int64 {
	if l.r.rig.Power == nil {
		return 0
	}
	return int64(l.r.rig.Power.Holdup())
}

// measured follows what a warning has led to: outputs safe, records durable, and then, if there is time, a checkpoint. What it took
// is a note, at the latest when over is said.
func (l *loop) measured(now int64, over bool) int64 {
	s := &l.supply
	if !s.open || l.failed != nil {
		return timebase.Never
	}
	took := now - s.from
	if s.outputs < 0 && l.m.Confirmed() {
		s.outputs = took
	}
	if s.flush < 0 && s.durable >= s.seq {
		s.flush = took
	}
	done := s.outputs >= 0 && s.flush >= 0
	if done && !s.asked && l.r.slots != nil && took < l.holdup() && !l.marks.busy {
		s.asked, s.marking, l.marks.due = true, l.marks.last, now
		return now
	}
	if s.asked && s.marked < 0 && l.marks.last != s.marking {
		s.marked = took
	}
	switch {
	case done && (!s.asked || s.marked >= 0), over, took >= powerLimit:
	default:
		return s.from + powerLimit
	}
	s.open = false
	result, lacks := "in_time", ""
	switch holdup := l.holdup(); {
	case s.outputs < 0:
		result, lacks = "late", "outputs were not all confirmed"
	case s.flush < 0:
		result, lacks = "late", "records were not durable"
	case holdup > 0 && max(s.outputs, s.flush) > holdup:
		result = "late"
	}
	l.note(record.KindPowerFail, func(b *record.Body) {
		b.Decimal(record.HoldupMS, l.holdup()/1000, 3)
		for _, t := range [...]struct {
			key record.Key
			ns  int64
		}{{record.OutputsMS, s.outputs}, {record.FlushMS, s.flush}, {record.CheckpointMS, s.marked}} {
			if t.ns >= 0 {
				b.Decimal(t.key, t.ns/1000, 3)
			}
		}
		b.Text(record.Result, result)
		if lacks != "" {
			b.Text(record.Detail, lacks)
		}
	})
	return timebase.Never
}

// budget says whether the records of a warning are durable within the time that the board runs on, by the longest commit so far: when
// the first one was measured, and when that has become another answer.
func (l *loop) budget() {
	worst := l.gauge.worst
	if l.r.rig.Power == nil || worst <= l.supply.budgeted || l.supply.deaf {
		return
	}
	l.supply.budgeted = worst
	result, detail := "fits", ""
	if worst > l.holdup() {
		result, detail = "exceeds", "at a power cut the last records may be lost; outputs do not wait for them. A ring on FRAM or a longer hold-up helps"
	}
	if result != l.supply.budget {
		l.noteBudget(result, detail)
	}
}

func (l *loop) noteBudget(result, detail string) {
	l.supply.budget = result
	l.note(record.KindPowerBudget, func(b *record.Body) {
		b.Decimal(record.HoldupMS, l.holdup()/1000, 3)
		b.Decimal(record.StorageCommitTimeMS, l.gauge.worst/1000, 3)
		b.Text(record.Result, result)
		if detail != "" {
			b.Text(record.Detail, detail)
		}
	})
}

// supply watches the supply, and again where nobody warns any more: soon, and more seldom where that does not last.
func (c *crew) supply(ctx context.Context) {
	defer c.wg.Done()
	for wait := int64(retryWatch); ctx.Err() == nil; wait = min(2*wait, slowestRetry) {
		begun := c.clock.Now()
		err := c.warns(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("runner: Watch of Rig.Power has returned")
		}
		c.r.in.unwarned(err)
		if c.clock.Now()-begun > slowestRetry {
			wait = retryWatch
		}
		_ = c.clock.Wait(ctx, c.clock.Now()+wait)
	}
}

func (c *crew) warns(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c.r.rig.Power.Watch(ctx, c.r.Warn)
}
