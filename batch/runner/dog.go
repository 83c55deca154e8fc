// The watchdog: it is fed only while the loop, the writer of the journal and the worker at the port go on.

package runner

import (
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// The time-out of a watchdog: what it is unless Options.WatchdogTime says otherwise, and the least, since one write at the port may take
// batch.WriteTime and is no hang.
const (
	WatchdogTime      = 10 * time.Second
	LeastWatchdogTime = 3 * time.Second
)

// dog is what the loop knows of its watchdog.
type dog struct {
	armed  bool
	period int64 // ns between two looks at who goes on
	due    int64
	// As it was when it was fed last:
	owed    uint64 // records that were appended
	durable uint64
	busy    bool   // a write was under way
	writes  uint64 // writes that had ended
	deaf    bool   // the last feed failed, which is on record
}

// arm starts the watchdog before anything is begun. One that does not start keeps a new batch from its beginning; a batch that is
// continued goes on without it, since its outputs want somebody. One that started and is of no use is stopped, and where it cannot be,
// it is fed: nobody else would, and the board would be reset though all goes on.
func (l *loop) arm(now int64) (note func(), err error) {
	w := l.r.rig.Watchdog
	if w == nil {
		return func() {}, nil
	}
	limit := l.r.opt.WatchdogTime
	if limit == 0 {
		limit = WatchdogTime
	}
	actual, err := w.Arm(limit)
	if err == nil && (actual < LeastWatchdogTime || actual > limit) {
		err = fmt.Errorf("runner: the watchdog says that it has %s, and %s were asked for, of which %s at least are wanted", actual, limit,
			LeastWatchdogTime)
		err = errors.Join(err, w.Disarm())
	}
	if err != nil && l.r.past == nil {
		return nil, fmt.Errorf("runner: the watchdog of the rig does not start: %w; see to it, or leave Rig.Watchdog out", err)
	}
	if err == nil || errors.Is(err, hal.ErrStays) {
		if actual <= 0 || actual > limit {
			actual = LeastWatchdogTime
		}
		l.dog = dog{armed: true, period: int64(actual) / 4, due: now}
	}
	return func() {
		l.noteDog("armed", err, func(b *record.Body) {
			b.Int(record.TimeoutMS, limit.Milliseconds())
			if err == nil {
				b.Int(record.ActualMS, actual.Milliseconds())
			}
		})
	}, nil
}

// noteDog notes what has become of the watchdog; with an error, that it has not.
func (l *loop) noteDog(result string, err error, fill func(b *record.Body)) {
	l.note(record.KindWatchdog, func(b *record.Body) {
		if err != nil {
			result = "not_" + result
			b.Text(record.Detail, batch.Clean(err.Error()))
		}
		b.Text(record.Result, result)
		fill(b)
	})
}

// feed feeds the watchdog where it is time and all that it vouches for has gone on since it was fed last, and returns when to look again.
// That the loop goes on is that it is here.
func (l *loop) feed(now int64, durable uint64, q *queue) int64 {
	d := &l.dog
	if !d.armed {
		return timebase.Never
	}
	if now < d.due {
		return d.due
	}
	writes, busy := q.progress()
	written := durable >= d.owed || durable > d.durable
	driven := !d.busy || writes != d.writes
	if !written || !driven {
		d.due = now + d.period/4
		return d.due
	}
	if err := l.r.rig.Watchdog.Feed(); err != nil { // it bites if it stays so, and is asked again until then
		d.due = now + d.period/4
		if !d.deaf {
			l.noteDog("fed", err, func(*record.Body) {})
		}
		d.deaf = true
		return d.due
	}
	d.due, d.owed, d.durable, d.busy, d.writes, d.deaf = now+d.period, l.next-1, durable, busy, writes, false
	return d.due
}

// disarm stops the watchdog at an end with all outputs safe. At any other end it goes on: nobody is left who could do more.
func (l *loop) disarm(safe bool) {
	if !l.dog.armed {
		return
	}
	if !safe {
		l.noteDog("left_armed", nil, func(b *record.Body) { b.Text(record.Detail, "outputs are not known to be safe") })
		return
	}
	l.dog.armed = false
	switch err := l.r.rig.Watchdog.Disarm(); {
	case errors.Is(err, hal.ErrStays):
		l.noteDog("stays", nil, func(b *record.Body) { b.Text(record.Detail, batch.Clean(err.Error())) })
	default:
		l.noteDog("disarmed", err, func(*record.Body) {})
	}
}

// cause says why a batch that is continued has come up again, and with it the boot_id of before; "" where nobody tells.
func (r *Runner) cause(was string) string {
	switch id := r.rig.BootID; {
	case id != "" && id == was:
		return hal.ResetProcess.String()
	case r.rig.Reset == hal.ResetUnknown && (id == "" || was == ""):
		return ""
	}
	return r.rig.Reset.String()
}

// told is the cause of the reset as the rig tells it, for the first boot of a batch.
func (r *Runner) told() string {
	if r.rig.Reset == hal.ResetUnknown {
		return ""
	}
	return r.rig.Reset.String()
}
