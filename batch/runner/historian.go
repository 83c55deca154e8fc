// A historian is asked, beside the loop, for the totals of windows that have closed; what it gives is an input of the batch.

package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/timebase"
)

// HistorianTime is the time in ns that one question to a historian may take, and HistorianEvery that from one question to the next.
const (
	HistorianTime  = 10_000_000_000
	HistorianEvery = 10_000_000_000
)

// ErrNotYet says that a historian has no total of a window yet; it is asked again until the batch has ended.
var ErrNotYet = errors.New("runner: the historian has no total of the window yet")

// Historian gives totals of metering windows that something else than this controller has kept.
type Historian interface {
	// Total gives the total of one window, ErrNotYet, or why there is none; that is on record once, and the question is asked again.
	// It is called on a goroutine of its own, one question at a time, and may block until ctx ends, which it does after
	// HistorianTime and with the run; the end of the run waits for it as long as for an arbiter, and then leaves it behind. In a
	// virtual run it is called on the loop. The batch waits for no total: what comes after its end is evidence.Amend's.
	Total(ctx context.Context, q HistorianQuery) (HistorianTotal, error)
}

// HistorianQuery is a window whose total is wanted.
type HistorianQuery struct {
	Batch    string
	Window   string // meter_window_id
	Meter    string
	Unit     quantity.Unit // of the window's own total
	From, To int64         // its edges, UTC in ns since 1970; 0 where nobody knew the time at one of them
	Bound    int64         // ns: greatest error of each; 0: not known
}

// HistorianTotal is what a historian has of a window.
type HistorianTotal struct {
	Total  string // such as "119.98 kg": another unit may stand there if it converts
	Source string // who says so, at most batch.MaxDetail bytes, such as "file historian.csv, line 3"
	Calib  string // calib_version that it used; "": it does not say
}

// consults is where the questions of a run stand.
type consults struct {
	busy bool
	due  int64
	last int            // number of the window that was asked for last
	told map[int]string // why there was no total, by window, as is on record
}

// consult asks the historian for the next total that is wanted, if it is time, and returns when it may be asked again.
func (l *loop) consult(now int64) int64 {
	c := &l.consults
	if l.r.rig.Historian == nil || c.busy {
		return timebase.Never
	}
	s, ok := l.m.Sought(c.last)
	if !ok {
		s, ok = l.m.Sought(-1)
	}
	if !ok {
		return timebase.Never
	}
	if s.Window <= c.last && now < c.due { // all were asked for
		return c.due
	}
	if s.Window <= c.last || c.due == 0 {
		c.due = now + HistorianEvery
	}
	c.busy, c.last = true, s.Window
	q := HistorianQuery{Batch: l.r.b.ID, Window: s.ID, Meter: s.Meter, Unit: s.Unit, From: s.From, To: s.To, Bound: s.Bound}
	l.abroad(func(ctx context.Context) func(l *loop) {
		total, err := l.r.total(ctx, q)
		return func(l *loop) {
			l.consults.busy = false
			l.hears(s.Window, total, err)
		}
	})
	return c.due
}

// total asks the historian. One that panics gives none.
func (r *Runner) total(ctx context.Context, q HistorianQuery) (t HistorianTotal, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("Rig.Historian: panic: %v", p)
		}
	}()
	return r.rig.Historian.Total(ctx, q)
}

// hears takes in what a historian has said of a window.
func (l *loop) hears(window int, t HistorianTotal, err error) {
	if errors.Is(err, ErrNotYet) || l.failed != nil || l.m.Ended() {
		return
	}
	ev := batch.Event{Kind: batch.HistorianSaid, Window: window, Source: batch.Clean(t.Source), Calib: batch.Clean(t.Calib)}
	if ev.Source == "" {
		ev.Source = "historian"
	}
	if _, wrong := quantity.Parse(t.Total); err == nil && (wrong != nil || batch.Clean(t.Total) != t.Total) {
		err = fmt.Errorf("%.80q is no total such as \"119.98 kg\"", t.Total)
	}
	if ev.Value = t.Total; err != nil {
		ev.Value, ev.Calib, ev.Detail = "", "", batch.Clean(err.Error())
		if l.consults.told[window] == ev.Detail {
			return
		}
		if l.consults.told == nil {
			l.consults.told = map[int]string{}
		}
		l.consults.told[window] = ev.Detail
	}
	l.take(l.now(), &ev)
}

// abroad is how a run in real time asks; each question has a goroutine of its own, which the end of the run does not wait for without
// end.
func (c *crew) abroad(ctx context.Context) func(work func(ctx context.Context) func(l *loop)) {
	return func(work func(ctx context.Context) func(l *loop)) {
		done := make(chan struct{})
		c.asked = done
		go func() {
			defer close(done)
			ctx, cancel := context.WithTimeout(ctx, HistorianTime)
			defer cancel()
			c.r.in.finish(work(ctx))
		}()
	}
}

// leave waits for the last question, for ArbiterLimit.
func (c *crew) leave() {
	if c.asked == nil {
		return
	}
	limit := time.NewTimer(ArbiterLimit)
	defer limit.Stop()
	select {
	case <-c.asked:
	case <-limit.C:
	}
}
