// Guard: the end of an exchange that a driver does not end by itself.

package line

import (
	"context"
	"sync"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/timebase"
)

// What a driver is given beyond the time in which its device answers, before its context is ended: it has time-outs of its own, and this
// is for one that hangs.
const (
	patience = 5_000_000_000
	response = 1_000_000_000 // where the profile says nothing
)

// guard ends the context of the exchange under way when its time is over. There is one exchange at a time.
type guard struct {
	clock  timebase.Clock
	alarm  timebase.Alarm
	mu     sync.Mutex
	until  int64
	cancel context.CancelFunc // nil: none is under way
}

func newGuard(clock timebase.Clock) *guard {
	g := &guard{clock: clock}
	g.alarm = clock.Alarm(g.fire)
	return g
}

// begin has cancel called at a time, unless end comes first.
func (g *guard) begin(cancel context.CancelFunc, until int64) {
	g.mu.Lock()
	g.until, g.cancel = until, cancel
	g.mu.Unlock()
	g.alarm.Set(until)
}

func (g *guard) end() {
	g.mu.Lock()
	g.cancel = nil
	g.mu.Unlock()
	g.alarm.Stop()
}

// fire may come late, for an exchange that has ended.
func (g *guard) fire() {
	g.mu.Lock()
	cancel := g.cancel
	if cancel != nil && g.clock.Now() < g.until {
		cancel = nil
	}
	g.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// limit is how long exchanges with a device may take at most.
func limit(p *fieldbus.Profile, exchanges int) int64 {
	each := p.Limits.Response
	if each <= 0 {
		each = response
	}
	return patience + 2*int64(exchanges)*(each+p.Limits.Pause)
}
