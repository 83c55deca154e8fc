// This file holds Possible: whether any values of the tags make conditions true.

package cond

import (
	"slices"

	"github.com/batchkit/batchkit/iomap/tag"
)

// Ranges says what values tags can have.
type Ranges interface {
	// Range returns the least and the greatest scaled value of a tag, 0 and 1 for a switch.
	Range(id tag.ID) (low, high int64)
}

// MaxTries is how many combinations of values Possible looks at: enough for five tags with two constants each, and few enough that a
// file full of conditions is looked at in seconds.
const MaxTries = 1 << 12

// Possible tells whether there are values of the tags, within their ranges and GOOD, with which every condition of yes is true and
// every one of no is false; stable and elapsed may be either. It is exact, since only the order of a value and the constants that it
// is compared with counts, but where that takes more than MaxTries combinations: then it says true. A malformed condition is never
// true or false.
func Possible(yes, no []Cond, ranges Ranges) bool {
	g, all := guess{}, slices.Concat(yes, no)
	for _, c := range all {
		for i := range c {
			switch n := &c[i]; {
			case n.Op-Eq <= Ge-Eq:
				g.compared(n.Tag, n.Value, ranges)
			case n.Op == Stable || n.Op == Elapsed:
				g.free = append(g.free, axis{})
			}
		}
	}
	tries := 1
	for i := range g.tags {
		slices.Sort(g.tags[i].values)
		g.tags[i].values = slices.Compact(g.tags[i].values)
		if tries *= max(1, len(g.tags[i].values)); tries > MaxTries {
			return true
		}
	}
	if len(g.free) > 12 || tries<<len(g.free) > MaxTries {
		return true
	}
	for more := true; more; more = g.next() {
		if g.fits(all, len(yes)) {
			return true
		}
	}
	return false
}

// axis is a tag with the values that make a difference.
type axis struct {
	id     tag.ID
	values []int64
	at     int // which of them is looked at; of a function: 0 or 1
}

// guess is one combination of values.
type guess struct {
	tags []axis
	free []axis // of functions, in the order in which they stand
	used int    // functions that were asked
}

// compared notes that a tag is compared with a constant: it, and its neighbours within the range, make a difference.
func (g *guess) compared(id tag.ID, value int64, ranges Ranges) {
	i := slices.IndexFunc(g.tags, func(a axis) bool { return a.id == id })
	low, high := ranges.Range(id)
	if i < 0 {
		i = len(g.tags)
		g.tags = append(g.tags, axis{id: id, values: []int64{low}})
	}
	near := []int64{value}
	if value > low {
		near = append(near, value-1)
	}
	if value < high {
		near = append(near, value+1)
	}
	for _, v := range near {
		if v >= low && v <= high {
			g.tags[i].values = append(g.tags[i].values, v)
		}
	}
	if value > high {
		g.tags[i].values = append(g.tags[i].values, high)
	}
}

// next goes on to the next combination; false after the last.
func (g *guess) next() bool {
	for i := range g.tags {
		if g.tags[i].at++; g.tags[i].at < len(g.tags[i].values) {
			return true
		}
		g.tags[i].at = 0
	}
	for i := range g.free {
		if g.free[i].at++; g.free[i].at < 2 {
			return true
		}
		g.free[i].at = 0
	}
	return false
}

// fits tells whether the first so many conditions are true and all others false.
func (g *guess) fits(all []Cond, yes int) bool {
	g.used = 0
	for k, c := range all {
		t, next := g.truth(c, 0)
		want := True
		if k >= yes {
			want = False
		}
		if next != len(c) || t != want {
			return false
		}
	}
	return true
}

// truth evaluates the subtree at i, and returns the place after it; malformed where it is none.
func (g *guess) truth(c Cond, i int) (t Truth, next int) {
	if i >= len(c) {
		return Bad, malformed
	}
	n := &c[i]
	switch {
	case n.Op-Eq <= Ge-Eq:
		return truth(g.holds(n)), i + 1
	case n.Op == Stable || n.Op == Elapsed:
		g.used++
		return truth(g.free[g.used-1].at == 1), i + 1
	}
	var s sum
	for next = i + 1; next < i+int(n.Size); {
		if t, next = g.truth(c, next); next == malformed {
			return Bad, malformed
		}
		s.count += 1 << (16 * t)
		s.children++
	}
	switch {
	case next != i+int(n.Size) || s.children == 0 || n.Op < Or:
		return Bad, malformed
	case n.Op == Not:
		return t.not(), next
	case n.Op == And:
		t, _ = s.decide(s.children)
	case n.Op == Or:
		t, _ = s.decide(1)
	default:
		t, _ = s.decide(int(n.Value))
	}
	return t, next
}

func (g *guess) holds(n *Node) bool {
	a := &g.tags[slices.IndexFunc(g.tags, func(a axis) bool { return a.id == n.Tag })]
	side := uint8(0b010)
	if v := a.values[a.at]; v < n.Value {
		side = 0b001
	} else if v > n.Value {
		side = 0b100
	}
	return holds[n.Op]&side != 0
}
