// Measures: how long control has taken, and points that come to be bad, stale and good again.

package line

import (
	"fmt"
	"math"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
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
	l.tell(&fieldbus.Event{
		Kind: fieldbus.Measured, At: l.clock.Now(), Device: d.name, Reconnects: d.link.Reconnects(),
		Took: m.most, Limit: d.def.Latency, Count: m.count, Over: m.over, Cause: l.crowded(d),
	})
	*m = latency{broken: m.over > 0}
}

// crowded says what the line cannot keep by what its reads take, whether it has happened yet or not.
func (l *Line) crowded(d *device) (cause string) {
	if bound := l.scan.schedule.Budget(); d.def.Latency > 0 && bound > d.def.Latency {
		cause = "by what reads took lately, control of this line may take longer than that"
	}
	starved := l.scan.schedule.Starved(l.clock.Now())
	if n := starved - l.starved; n > 0 {
		cause = strings.TrimPrefix(fmt.Sprintf("%s; telemetry was left out %d times", cause, n), "; ")
	}
	l.starved = starved
	return cause
}

// judge tells that a point has come to be BAD or STALE, or GOOD again.
func (l *Line) judge(c *channel) {
	now := l.clock.Now()
	if ev, tell := c.tracker.Look(now, &c.value); tell {
		told := ev // so that only what is told takes room
		told.Device, told.Reconnects = c.dev.name, c.dev.link.Reconnects()
		l.tell(&told)
	}
	l.sweeps = min(l.sweeps, c.tracker.Wake(&c.value))
}

// sweep finds what has become STALE because nothing was read. Whoever decides looks at the age; this is for the record.
func (l *Line) sweep(now int64) {
	if now < l.sweeps {
		return
	}
	l.sweeps = math.MaxInt64
	for _, d := range l.devices {
		if values, _ := d.link.Passes(); !values {
			continue // its link has told why
		}
		for _, c := range d.channels {
			if wake := c.tracker.Wake(&c.value); wake > now {
				l.sweeps = min(l.sweeps, wake)
			} else {
				l.judge(c)
			}
		}
	}
}
