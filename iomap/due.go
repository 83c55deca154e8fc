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

// Dues calls fn for each tag of which something is due at monotonic time at: that a switch has rested long enough, or, with stale, that
// its value has become too old. It changes nothing.
func (k *Machine) Dues(at int64, fn func(id tag.ID, stale bool)) {
	for owner := range 2 * len(k.st) {
		id := owner % len(k.st)
		stale := owner >= len(k.st)
		if k.timers.Due(owner) > at || stale && k.st[id].At+k.m.Tags[id].StaleAfter+1 > at { // a newer value has come meanwhile
			continue
		}
		fn(tag.ID(id), stale)
	}
}
