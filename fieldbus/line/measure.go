// Measures: how long control has taken, and points that come to be bad and good again.

package line

import (
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// measureEvery is how often Measured is told, in ns. It is told at once where the budget was kept before and is not now.
const measureEvery = 30_000_000_000

// latency is what control has taken since it was told last.
type latency struct {
	most, count, over int64
	broken            bool // the last that was told was over the budget, too
}

// measured takes in one exchange of the control plane: from when it was wanted to when it was done.
func (l *Line) measured(d *device, took int64) {
	m := &d.latency
	m.count++
	m.most = max(m.most, took)
	if d.def.Latency <= 0 || took <= d.def.Latency {
		return
	}
	if m.over++; !m.broken {
		l.report(d)
	}
}

// measure tells what was measured, where it is time.
func (l *Line) measure(now int64) {
	if now < l.measures {
		return
	}
	l.measures = now + measureEvery
	for _, d := range l.devices {
		if d.latency.count > 0 {
			l.report(d)
		}
	}
}

// report tells what was measured of a device, and begins anew, so that each exchange is in one event.
func (l *Line) report(d *device) {
	m := &d.latency
	l.mu.Lock()
	reconnects := d.view.Reconnects
	l.mu.Unlock()
	l.tell(&fieldbus.Event{
		Kind: fieldbus.Measured, At: l.clock.Now(), Device: d.name, Reconnects: reconnects, Old: d.link.State(), New: d.link.State(),
		Took: m.most, Limit: d.def.Latency, Count: m.count, Over: m.over,
	})
	*m = latency{broken: m.over > 0}
}

// How long changes of a point's quality are gathered after one was told, at first and at most, in ns.
const (
	firstQuiet   = 1_000_000_000
	longestQuiet = 600_000_000_000
)

// quality is what was told of a point.
type quality struct {
	bad     bool  // as told
	now     bool  // as it is
	changes int64 // since it was told
	next    int64 // not to be told before
	quiet   int64 // how long the next pause is
}

// judge tells that a point has come to be BAD, or GOOD again. One that changes all the time is told of ever more seldom, with how
// often it has changed.
func (l *Line) judge(c *channel, r *fieldbus.Reading) {
	q, now := &c.quality, l.clock.Now()
	if bad := r.Quality != tag.Good; bad != q.now {
		q.now = bad
		q.changes++
	}
	if q.changes == 0 || now < q.next {
		return
	}
	if now-q.next > q.quiet {
		q.quiet = firstQuiet
	}
	q.next, q.quiet = now+q.quiet, min(2*q.quiet, longestQuiet)
	q.bad = q.now
	ev := l.event(c, 0, "")
	ev.Kind, ev.Status, ev.Count = fieldbus.PointChanged, r.Status, q.changes
	q.changes = 0
	l.tell(&ev)
}
