// This file holds Cell, what a stable or an elapsed remembers, and what begins, halts and wakes it.

package cond

import "github.com/batchkit/batchkit/timebase"

// Cell is the memory of one Stable or Elapsed. It is flat and of fixed size: encoding/binary takes a []Cell as it is, a copy
// is a snapshot, and whoever continues with the copy gets the same truths. The zero Cell was never begun and gives Bad. The
// fields are exported for snapshots only; whatever they hold, nothing panics.
type Cell struct {
	Low   int64 // Stable: least value since Since, in counts
	High  int64 // Stable: greatest
	Since int64 // monotonic ns at which the band or the clock began; of a halted clock: ns that it had run
	State uint8
}

// The states of a Cell.
const (
	unbegun uint8 = iota
	ready         // Stable: no value in the band yet
	runs          // the band or the clock began at Since
	halted        // between Suspend and Resume
)

// Cells returns how many Cells the condition needs, at most MaxNodes; 0 where it has neither stable nor elapsed.
func (c Cond) Cells() int {
	n := 0
	for i := range c {
		if c[i].Op >= Stable {
			n++
		}
	}
	return n
}

// Begin begins all Cells anew at monotonic time at, whatever they held: every elapsed counts from there, every stable has seen
// nothing. Call it when the action or transition that asks begins, then Eval. Begin, Suspend, Resume and Wake do nothing where
// mem is shorter than Cells; Cells beyond are left alone.
func (c Cond) Begin(at int64, mem []Cell) {
	c.each(mem, func(n *Node, m *Cell) {
		*m = Cell{State: ready}
		if n.Op == Elapsed {
			*m = Cell{State: runs, Since: at}
		}
	})
}

// Suspend halts the condition at monotonic time at, as a hold does: the clock of every elapsed stands, and every stable
// forgets what it saw. Until Resume, Eval may be called and gives what the standing clocks say; a stable is not true then.
// On a condition that is suspended, or was never begun, it does nothing.
func (c Cond) Suspend(at int64, mem []Cell) {
	c.each(mem, func(n *Node, m *Cell) {
		switch {
		case m.State != ready && m.State != runs:
		case n.Op == Elapsed:
			*m = Cell{State: halted, Since: m.age(at)}
		default:
			*m = Cell{State: halted}
		}
	})
}

// Resume lets a suspended condition go on at monotonic time at: every elapsed for the time that was left, every stable anew.
// On a condition that is not suspended it does nothing.
func (c Cond) Resume(at int64, mem []Cell) {
	c.each(mem, func(n *Node, m *Cell) {
		switch {
		case m.State != halted:
		case n.Op == Elapsed:
			*m = Cell{State: runs, Since: at - m.Since}
		default:
			*m = Cell{State: ready}
		}
	})
}

// Wake returns the next monotonic time after at, at which time alone may change the truth, or timebase.Never. It is right
// after an Eval at the same time. A tag that becomes stale by its age is not in it: that the image tells.
func (c Cond) Wake(at int64, mem []Cell) int64 {
	next := timebase.Never
	c.each(mem, func(n *Node, m *Cell) {
		if m.State == runs {
			if due := m.due(n.Time); due > at {
				next = min(next, due)
			}
		}
	})
	return next
}

// each calls do for every Stable and Elapsed with its Cell.
func (c Cond) each(mem []Cell, do func(n *Node, m *Cell)) {
	cells := c.Cells()
	if cells == 0 || cells > len(mem) {
		return
	}
	k := 0
	for i := range c {
		if n := &c[i]; n.Op >= Stable {
			do(n, &mem[k])
			k++
		}
	}
}

// age is for how long a Cell has run, 0 where time went backwards.
func (m *Cell) age(at int64) int64 {
	if at <= m.Since {
		return 0
	}
	if age := uint64(at) - uint64(m.Since); age < uint64(timebase.Never) {
		return int64(age)
	}
	return timebase.Never
}

// due is when a Cell has run for a time.
func (m *Cell) due(time int64) int64 {
	if m.Since > timebase.Never-time {
		return timebase.Never
	}
	return m.Since + time
}
