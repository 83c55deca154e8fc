// The look at the wall clock: what of an observation can be recorded, and when one is news.

package runner

import (
	"sync/atomic"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/timebase"
)

// lookout is what the loop knows of its wall clock.
type lookout struct {
	changed atomic.Bool          // the source has called: there may be something new
	last    timebase.Observation // that was taken in
	counted int64                // steps by the source's own count, at the last look
	steps   int64                // of them in this life of the batch
	begun   bool
	level   int64 // looks that were taken in, less one for each earlyEvery since; at drained
	drained int64
}

// Of a source that calls again and again so many looks are taken in at once, and then one in so many ns: what it says is not lost, since
// steps are counted, but it cannot fill the journal.
const (
	earlyMost  = 16
	earlyEvery = 10_000_000_000
)

// early tells whether a look may be taken in before its time.
func (s *lookout) early(now int64) bool {
	past := max(now-s.drained, 0) / earlyEvery
	s.level, s.drained = max(s.level-past, 0), s.drained+past*earlyEvery
	return s.level < earlyMost
}

// follow has the loop wake when a source tells that something has changed; stop ends that.
func (s *lookout) follow(wall timebase.Source, wake func()) (stop func()) {
	w, ok := wall.(timebase.Watched)
	if !ok {
		return func() {}
	}
	return w.Notify(func() {
		s.changed.Store(true)
		wake()
	})
}

// clean makes of an observation one that can be recorded: a wall clock that cannot be right is none, words are cut, and steps are
// counted from the first look.
func (s *lookout) clean(o *timebase.Observation) timebase.Observation {
	c := *o
	c.Source, c.Why = batch.Clean(c.Source), batch.Clean(c.Why)
	if c.Sync > timebase.PTPLocked || c.UTC <= 0 || c.UTC > lastUTC {
		c.Sync = timebase.Unset
	}
	if c.Sync == timebase.Unset {
		c.UTC, c.Offset, c.Bound = 0, 0, 0
	}
	c.Bound, c.Offset, c.Age = min(max(c.Bound, 0), lastUTC), min(max(c.Offset, -lastUTC), lastUTC), min(max(c.Age, 0), lastUTC)
	c.Moved = min(max(c.Moved, -lastUTC), lastUTC)
	if c.LastSync <= 0 || c.LastSync > lastUTC {
		c.LastSync, c.Age = 0, 0
	}
	c.Role, c.Leap = min(c.Role, timebase.Backup), min(max(c.Leap, -1), 1)
	if c.Reason.String() == "" {
		c.Reason = timebase.NoReason
	}
	if s.begun {
		s.steps += max(o.Steps-s.counted, 0)
	}
	s.begun, s.counted = true, o.Steps
	if c.Steps = s.steps; c.Steps == 0 {
		c.Moved, c.Step = 0, timebase.NoReason
	}
	if c.Step.String() == "" {
		c.Step = timebase.NoReason
	}
	return c
}

// news tells whether an observation says more than that time has gone on since the last one that was taken in.
func (s *lookout) news(o *timebase.Observation) bool {
	expected := s.last.After(o.Mono)
	return s.last.Changed(o) || (s.last.Bound == 0) != (o.Bound == 0) || o.Bound > 2*expected.Bound
}
