// What is known of a meter's sources while nobody measures: readings are taken in always, so that a window finds at its edges
// what it needs.

package metering

import "github.com/batchkit/batchkit/iomap/tag"

// source is the state of one meter, of fixed size. Its fields are exported for snapshots only.
type source struct {
	Last     int64 // Main: the last reading
	Changed  int64 // when that last changed
	Low      int64 // Weight: least and greatest reading since Since
	High     int64
	Since    int64
	Identity int64
	Device   rolling
	Other    rolling
	Has      bool // Last is in this epoch
	Moved    bool // Changed is in this epoch
	Runs     bool // Low, High and Since hold
	Stable   bool
	Named    bool // Identity is known
}

// rolling is a total that is read beside the source.
type rolling struct {
	Last    int64
	At      int64
	Has     bool
	Timed   bool // At is in this epoch
	Quality uint8
}

// main takes in a reading, or a quality, of what is totalized.
func (s *source) main(m *Meter, at, x int64, q tag.Quality) {
	if q != tag.Good {
		s.Runs = false
		return
	}
	if s.Has && x != s.Last {
		s.Changed, s.Moved = at, true
	}
	s.Last, s.Has = x, true
	if lo, hi := min(s.Low, x), max(s.High, x); s.Runs && uint64(hi)-uint64(lo) <= uint64(m.Within) {
		s.Low, s.High = lo, hi
		return
	}
	s.Low, s.High, s.Since, s.Runs = x, x, at, true
}

// judge tells whether the scale has become stable, or is no more, at time at.
func (s *source) judge(m *Meter, at int64) Note {
	if m.Method != Weight {
		return NoNote
	}
	was := s.Stable
	s.Stable = m.Settled <= 0 || s.Runs && at-s.Since >= m.Settled
	switch {
	case s.Stable && !was && m.Settled > 0:
		return BecameStable
	case was && !s.Stable:
		return BecameUnstable
	}
	return NoNote
}

// cut takes in that an epoch began.
func (s *source) cut() {
	s.Has, s.Moved, s.Runs = false, false, false
	s.Device.Timed, s.Other.Timed = false, false
}

// flowed tells whether something flowed in the second before at.
func (s *source) flowed(at int64) bool { return s.Moved && at-s.Changed <= second }

// device takes in a reading of the device's own total.
func (r *rolling) device(c *Check, at, x int64) (inc int64, note Note) {
	if r.Has {
		inc, note = totalled(c.Modulus, c.Most, r.Last, x, max(0, at-r.At), r.Timed)
	}
	r.Last, r.At, r.Has, r.Timed = x, at, true, true
	return inc, note
}

// other takes in a reading of the second counter.
func (r *rolling) other(p *Pair, at, x int64) (inc int64, note Note) {
	if r.Has {
		inc, note = counted(p.Bits, 0, r.Last, x, 0, false)
	}
	r.Last, r.At, r.Has, r.Timed = x, at, true, true
	return inc, note
}
