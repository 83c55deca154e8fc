// What comes due of a running map, told when somebody asks.

package iomap

import "github.com/batchkit/batchkit/iomap/tag"

// Dues calls fn for each interlock, counted as in the map, and each alarm, counted behind them, of which something is due at monotonic
// time at: a debounce, a vote, a delay, a stable. It changes nothing.
func (g *Guard) Dues(at int64, fn func(i int)) {
	for i := range g.todo {
		if g.timers.Due(i) <= at {
			fn(i)
		}
	}
}

// DueKind is what is due of a tag.
type DueKind uint8

// What may be due of a tag.
const (
	DueRest  DueKind = iota // a switch has rested for its debounce
	DueAge                  // its value has become too old
	DuePulse                // a switch of which edges count is off again
)

// Dues calls fn for each tag of which something is due at monotonic time at. It changes nothing.
func (k *Machine) Dues(at int64, fn func(id tag.ID, what DueKind)) {
	n := len(k.st)
	for owner := range 2*n + len(k.mem) {
		switch id := owner % n; {
		case k.timers.Due(owner) > at:
		case owner >= 2*n:
			fn(k.who[owner-2*n], DuePulse)
		case owner < n:
			fn(tag.ID(id), DueRest)
		case k.st[id].At+k.m.Tags[id].StaleAfter+1 <= at: // no newer value has come meanwhile
			fn(tag.ID(id), DueAge)
		}
	}
}
