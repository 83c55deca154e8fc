// What comes due of a running map, told when somebody asks.

package iomap

import "github.com/batchkit/batchkit/iomap/tag"

// Dues calls fn for each tag of which something is due at monotonic time at: that a switch has rested long enough, or, with stale, that
// its value may have become too old. It changes nothing.
func (k *Machine) Dues(at int64, fn func(id tag.ID, stale bool)) {
	for owner := range 2 * len(k.st) {
		if k.timers.Due(owner) <= at {
			fn(tag.ID(owner%len(k.st)), owner >= len(k.st))
		}
	}
}
