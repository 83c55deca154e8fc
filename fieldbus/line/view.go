// Views: what a line shows of itself to those who watch, at any time and from any goroutine.

package line

import (
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/fieldbus"
)

// State is how a device of a line is reached.
type State struct {
	Device     string
	Link       fieldbus.LinkState
	Reconnects uint64 // reconnect_count
	Path       string // endpoint that is in use, or was last
	Down       string // why values do not count; empty while they do
	Since      int64  // monotonic ns on the line's clock since which it is in this state
}

// State tells of each device, in the order in which they were attached.
func (l *Line) State() []State {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]State, len(l.devices))
	for i, d := range l.devices {
		all[i] = d.view
	}
	return all
}

// TagMaps gives the map that the line was made of, for who holds it against the one that a batch is bound to (runner.Mapped).
func (l *Line) TagMaps() []*fieldbus.TagMap { return []*fieldbus.TagMap{l.tagMap} }

// Now gives the time of the line's clock, by which the ages of its values are to be told.
func (l *Line) Now() int64 { return l.clock.Now() }

// Values appends every channel as it stands, in the order of the tag map. Value.At tells quality, cause and age.
func (l *Line) Values(to []fieldbus.Value) []fieldbus.Value {
	l.mu.Lock()
	defer l.mu.Unlock()
	to = slices.Grow(to, len(l.channels))
	for _, c := range l.channels {
		to = append(to, c.value)
	}
	return to
}

// Value gives one channel as it stands.
func (l *Line) Value(name string) (fieldbus.Value, error) {
	c := l.byName[name]
	if c == nil {
		return fieldbus.Value{}, fmt.Errorf("line: channel %q: the devices of this line do not have it", name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return c.value, nil
}

// Hold says that a batch holds the devices, or does not any more: meanwhile no device that is reached by a second path goes back to the
// first on that account alone. It does not block.
func (l *Line) Hold(on bool) {
	l.held.Store(on)
	l.wake()
}
