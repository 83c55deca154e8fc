// The tap: a port that puts what passes into a ring, and no more of it than is wanted.

package trend

import (
	"context"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// statusBad is Bad of OPC UA: a port says that a value is bad, and not why.
const statusBad fieldbus.Status = 0x80000000

// Keep says which values of a channel are kept: every one where all is zero.
type Keep struct {
	Change bool          // a value that differs from the one kept before, in its bits or its quality
	Every  time.Duration // else the first one that comes so long after the one kept before; 0: none, where Change is set
}

// Tap is a tag.Port around another one. What passes in Watch is put into a ring; Write is that port's.
type Tap struct {
	tag.Port
	ring  *Ring
	clock timebase.Clock
	wall  timebase.Source
	keep  map[string]Keep
	kept  map[string]tag.Raw
	seen  timebase.Observation
}

var _ tag.Port = (*Tap)(nil)

// NewTap puts a ring behind a port. keep says what is kept of which channel, and what it does not name is not kept; it is copied.
// clock stamps values that have no time of their own; wall, which may be nil, gives UTC, and is asked once a second at most.
func NewTap(port tag.Port, ring *Ring, clock timebase.Clock, wall timebase.Source, keep map[string]Keep) (*Tap, error) {
	t := &Tap{Port: port, ring: ring, clock: clock, wall: wall, keep: make(map[string]Keep, len(keep)), kept: map[string]tag.Raw{}}
	for channel, k := range keep {
		if err := (&Sample{Channel: channel}).check(); err != nil {
			return nil, err
		}
		if k.Every < 0 {
			return nil, fmt.Errorf("trend: channel %q: Every %s: must not be negative", channel, k.Every)
		}
		t.keep[channel] = k
	}
	return t, nil
}

// Unwrap gives the port, which may do more than a tag.Port does.
func (t *Tap) Unwrap() tag.Port { return t.Port }

// Watch is part of tag.Port. It never holds emit up: where the ring has no room in memory, a value is dropped there and counted.
// The first value of each channel is kept.
func (t *Tap) Watch(ctx context.Context, emit func(tag.Raw)) error {
	clear(t.kept)
	return t.Port.Watch(ctx, func(r tag.Raw) {
		emit(r)
		t.take(r)
	})
}

// take keeps a value, if it is wanted.
func (t *Tap) take(r tag.Raw) {
	k, wanted := t.keep[r.Channel]
	if !wanted {
		return
	}
	if r.At == 0 {
		r.At = t.clock.Now()
	}
	if last, is := t.kept[r.Channel]; is && k != (Keep{}) {
		changed := last.Bits != r.Bits || last.Quality != r.Quality || last.Form != r.Form
		if !(k.Change && changed) && (k.Every == 0 || r.At-last.At < int64(k.Every)) {
			return
		}
	}
	t.kept[r.Channel] = r
	s := Sample{Channel: r.Channel, Form: r.Form, Bits: r.Bits, Quality: r.Quality, Status: fieldbus.StatusGood, Mono: r.At, UTC: t.utc(r.At)}
	if r.Quality != tag.Good {
		s.Status = statusBad
	}
	t.ring.Put(s)
}

// utc gives the time of day at a monotonic time; 0 where it is not known.
func (t *Tap) utc(at int64) int64 {
	if t.wall == nil {
		return 0
	}
	if t.seen.Mono == 0 || at-t.seen.Mono > int64(time.Second) {
		t.seen = t.wall.Observe()
	}
	if t.seen.Sync == timebase.Unset {
		return 0
	}
	return t.seen.UTC + at - t.seen.Mono
}
