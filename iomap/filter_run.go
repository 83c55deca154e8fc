// What runs between a value as it is scaled and the value that is read: filters of numbers, and edges of switches.

package iomap

import (
	"math/bits"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// memory is what a Machine keeps, besides its state, of a tag with a filter or a trigger. Its fields are of fixed size, so that a
// snapshot is their plain encoding.
type memory struct {
	Seen  uint8            // filter: readings that it goes by, 0 before the first. Trigger: 1 once Level is known
	Level uint8            // trigger: the level after debounce
	Last  [MaxMedian]int64 // MedianFilter: the last readings, the newest first
	Whole int64            // ExponentialFilter: what it shows, rounded down, in counts
	Part  uint64           // ExponentialFilter: the rest, in counts of 2^-64
	Until int64            // trigger: when the tag is off again, Never while it is off
}

// remembers tells whether a tag has a memory.
func (t *Tag) remembers() bool {
	return t.Type == Number && (t.Filter.Type == MedianFilter || t.Filter.Type == ExponentialFilter) ||
		t.Type == Switch && t.Trigger != Level
}

// memoryOf is the memory of a tag; nil where it has none.
func (k *Machine) memoryOf(id tag.ID) *memory {
	if n := k.slot[id]; n >= 0 {
		return &k.mem[n]
	}
	return nil
}

// pulseEnd is the owner of the timer with which a tag is off again.
func (k *Machine) pulseEnd(id tag.ID) int { return 2*len(k.st) + int(k.slot[id]) }

// Unfiltered returns what Read does of a tag, but a number as it was before its filter. Totals are made of it.
func (k *Machine) Unfiltered(id tag.ID, at int64) (int64, tag.Quality) {
	value, q := k.Read(id, at)
	if int(id) >= len(k.st) || k.slot[id] < 0 || k.m.Tags[id].Type != Number || k.st[id].At == 0 {
		return value, q
	}
	t := &k.m.Tags[id]
	_, value, _ = t.scale(t.Form, uint64(k.st[id].Raw)) // it was scaled before, so it can be
	return value, q
}

// smooth takes a reading into the filter of a tag and returns what it shows then. since is the time in ns since the reading before was
// true. After a value that was not GOOD it begins anew, and shows the reading as it is.
func (m *memory) smooth(f *Filter, x, since int64, anew bool) int64 {
	if anew {
		*m = memory{Until: m.Until}
	}
	if f.Type == MedianFilter {
		return m.median(x, uint8(min(max(f.Samples, 1), MaxMedian)))
	}
	if m.Seen == 0 {
		m.Seen, m.Whole = 1, x
		return x
	}
	return m.lowPass(x, max(since, 0), f.Time)
}

// median is that of the last n readings, of the newest odd number of those that are there.
func (m *memory) median(x int64, n uint8) int64 {
	copy(m.Last[1:], m.Last[:])
	m.Last[0], m.Seen = x, min(m.Seen+1, n)
	ring := m.Last
	sorted := ring[:(m.Seen-1)|1]
	for i := 1; i < len(sorted); i++ {
		v, at := sorted[i], i
		for ; at > 0 && sorted[at-1] > v; at-- {
			sorted[at] = sorted[at-1]
		}
		sorted[at] = v
	}
	return sorted[len(sorted)/2]
}

// lowPass moves what is shown towards x by the share since / (since + time) of what lies between: each reading is taken to have held
// since the one before it. It is exact to 2^-64 of a count, rounded towards x, so that it arrives there and never goes beyond.
func (m *memory) lowPass(x, since, time int64) int64 {
	up := x > m.Whole
	var hi, lo, borrow uint64
	if up {
		lo, borrow = bits.Sub64(0, m.Part, 0)
		hi, _ = bits.Sub64(uint64(x), uint64(m.Whole), borrow)
	} else {
		lo = m.Part
		hi = uint64(m.Whole) - uint64(x)
	}
	if den := uint64(since) + uint64(max(time, 1)); since > 0 {
		hi, lo = share(hi, lo, uint64(since), den)
		carry := uint64(0)
		if up {
			m.Part, carry = bits.Add64(m.Part, lo, 0)
			m.Whole = int64(uint64(m.Whole) + hi + carry)
		} else {
			m.Part, carry = bits.Sub64(m.Part, lo, 0)
			m.Whole = int64(uint64(m.Whole) - hi - carry)
		}
	}
	const half = 1 << 63
	if m.Part > half || m.Part == half && m.Whole&1 != 0 {
		return m.Whole + 1
	}
	return m.Whole
}

// share is hi:lo * num / den, rounded up. num is less than den.
func share(hi, lo, num, den uint64) (uint64, uint64) {
	carry, p0 := bits.Mul64(lo, num)
	p2, p1 := bits.Mul64(hi, num)
	p1, c := bits.Add64(p1, carry, 0)
	p2 += c
	hi, rem := bits.Div64(p2, p1, den)
	lo, rem = bits.Div64(rem, p0, den)
	if rem > 0 {
		lo, c = bits.Add64(lo, 1, 0)
		hi += c
	}
	return hi, lo
}

// level takes in the level of a switch of which edges count. A level is known once it has rested for the debounce; one that comes to
// be known at a boot, or after a value that was not GOOD, is no edge, since nobody has seen what was before it.
func (k *Machine) level(at int64, id tag.ID, m *memory, was int64, anew bool, fx []Effect) []Effect {
	t, s := &k.m.Tags[id], &k.st[id]
	if anew {
		k.forget(id, m)
	}
	switch {
	case m.Seen == 1 && s.Raw == int64(m.Level):
		s.Pending = timebase.Never
	case s.Pending == timebase.Never || m.Seen == 0 && s.Raw != was:
		s.Pending = at + t.Debounce
	}
	k.timers.Set(int(id), s.Pending)
	if s.Pending <= at {
		fx = k.settle(at, id, m, fx)
	}
	return fx
}

// forget makes the level of a switch unknown, and ends its pulse.
func (k *Machine) forget(id tag.ID, m *memory) {
	m.Seen, m.Level, m.Until = 0, 0, timebase.Never
	k.st[id].Value, k.st[id].Pending = 0, timebase.Never
	k.timers.Clear(int(id))
	k.timers.Clear(k.pulseEnd(id))
}

// settle takes in that the level of a switch has rested at monotonic time at: where that is the edge that counts, the tag is on from
// there for its pulse.
func (k *Machine) settle(at int64, id tag.ID, m *memory, fx []Effect) []Effect {
	t, s := &k.m.Tags[id], &k.st[id]
	s.Pending = timebase.Never
	k.timers.Clear(int(id))
	edge := m.Seen == 1 && s.Raw != int64(m.Level) && (s.Raw == 1) == (t.Trigger == Rising)
	m.Seen, m.Level = 1, uint8(s.Raw)
	if !edge {
		return fx
	}
	s.Value, m.Until = 1, at+max(t.Pulse, 1)
	k.timers.Set(k.pulseEnd(id), m.Until)
	return append(fx, Effect{Kind: Triggered, Tag: id}, Effect{Kind: Changed, Tag: id})
}

// off ends a pulse.
func (k *Machine) off(id tag.ID, fx []Effect) []Effect {
	k.st[id].Value, k.mem[k.slot[id]].Until = 0, timebase.Never
	return append(fx, Effect{Kind: Changed, Tag: id})
}

// fits tells whether a memory can have come to be beside a state of its tag.
func (m *memory) fits(t *Tag, s *state) bool {
	if t.Type == Switch {
		known := m.Seen == 1 && m.Level <= 1 || m.Seen == 0 && m.Level == 0
		on := m.Until != timebase.Never
		return known && m.Last == [MaxMedian]int64{} && m.Whole == 0 && m.Part == 0 && (s.Value == 1) == on && (!on || m.Seen == 1 && m.Until > 0) &&
			(s.At > 0 || m.Seen == 0 && !on) && (s.Pending == timebase.Never || m.Seen == 0 || s.Raw != int64(m.Level))
	}
	most := uint8(1)
	if t.Filter.Type == MedianFilter {
		most = uint8(min(max(t.Filter.Samples, 1), MaxMedian))
	}
	return m.Level == 0 && m.Until == timebase.Never && m.Seen <= most && (s.At > 0) == (m.Seen > 0)
}
