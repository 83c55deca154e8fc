// This file holds Eval: the walk over the nodes of a condition.

package cond

import "github.com/batchkit/batchkit/iomap/tag"

// Eval evaluates the condition at monotonic time at. mem holds its Cells, nil where it needs none; each stable takes in the
// value that its tag has now, so Eval is asked after every event that may change the image. To ask once more with the same
// image changes nothing. It reads every tag of the condition, allocates nothing and never panics: a malformed or empty Cond,
// a nil img, and a mem that is too short give Bad.
func (c Cond) Eval(img Image, at int64, mem []Cell) Truth {
	t, _ := c.root(img, at, mem, true)
	return t
}

// Decisive returns the index of the comparison or function that made the condition what it is at that time: the first one on
// the way down through the branches that have the value of the whole. For a condition that is false, stale or bad this is
// what it waits for first. It is -1 where Eval gives Bad because the Cond is malformed, img is nil or mem is too short. It
// changes nothing in mem.
func (c Cond) Decisive(img Image, at int64, mem []Cell) (leaf int) {
	_, leaf = c.root(img, at, mem, false)
	return leaf
}

// Ripens tells, after an Eval that gave False, whether time alone may make the condition true: it is not false where every stable and
// elapsed that has not had its time is taken for true, but below a not. Who goes on at false waits for it. It changes nothing in mem.
func (c Cond) Ripens(img Image, at int64, mem []Cell) bool {
	if c.Cells() == 0 || img == nil || len(c) > MaxNodes || int(c[0].Size) != len(c) {
		return false
	}
	w := walk{cond: c, img: img, at: at, mem: mem, ripe: true}
	s, ok := w.below(0, len(c))
	return ok && uint16(s.count>>(16*False)) == 0
}

func (c Cond) root(img Image, at int64, mem []Cell, keep bool) (Truth, int) {
	if img == nil || len(c) == 0 || len(c) > MaxNodes || int(c[0].Size) != len(c) {
		return Bad, malformed
	}
	w := walk{cond: c, img: img, at: at, mem: mem, keep: keep}
	if c[0].Op <= Of {
		return w.operator(0)
	}
	s, ok := w.below(0, 1)
	if !ok {
		return Bad, malformed
	}
	return s.decide(1)
}

// walk evaluates every node once; len(cond) bounds its recursion, because each call uses up a node.
type walk struct {
	cond Cond
	img  Image
	at   int64
	mem  []Cell // those of the functions to come
	keep bool   // what functions take in
	ripe bool   // functions have had their time
	not  bool   // below an odd number of nots
}

// malformed is the decisive leaf of what is no condition.
const malformed = -1

// operator evaluates the subtree at i, which is no comparison and no function; it returns its decisive leaf.
func (w *walk) operator(i int) (t Truth, leaf int) {
	n := &w.cond[i]
	end := i + int(n.Size)
	if n.Op-Or > Of-Or || end > len(w.cond) || n.Size < 2 {
		return Bad, malformed
	}
	w.not = w.not != (n.Op == Not)
	s, ok := w.below(i+1, end)
	w.not = w.not != (n.Op == Not)
	if !ok {
		return Bad, malformed
	}
	switch n.Op {
	case Or:
		return s.decide(1)
	case And:
		return s.decide(s.children)
	case Of:
		if n.Value < 1 || n.Value > int64(s.children) {
			return Bad, malformed
		}
		return s.decide(int(n.Value))
	}
	if s.children != 1 {
		return Bad, malformed
	}
	t, leaf = s.decide(1)
	return t.not(), leaf
}

// sum counts the nodes below an operator by their truth, and remembers the decisive leaf of the first of each: 16 bits for each
// Truth, since MaxNodes bounds both.
type sum struct {
	count, first uint64
	children     int
}

// decide tells whether as many as are needed are true. An "or" needs one and an "and" needs all.
func (s sum) decide(need int) (t Truth, leaf int) {
	switch {
	case int(uint16(s.count>>(16*True))) >= need:
		t = True
	case s.children-int(uint16(s.count>>(16*False))) < need:
		t = False
	case uint16(s.count>>(16*Bad)) == 0:
		t = Stale
	}
	return t, int(uint16(s.first >> (16 * t)))
}

// below evaluates the subtrees from i to end. A comparison is evaluated here and not by a call, which would take as long as the
// comparison does: most nodes are one.
func (w *walk) below(i, end int) (s sum, ok bool) {
	for i < end {
		n, t, leaf := &w.cond[i], Bad, i
		switch {
		case n.Op-Eq <= Ge-Eq:
			value, q := w.img.Read(n.Tag, w.at)
			side := uint8(0b010) // the value is equal
			if value < n.Value {
				side = 0b001
			} else if value > n.Value {
				side = 0b100
			}
			if t = known(q); q == tag.Good {
				t = truth(holds[n.Op]&side != 0)
			}
			if n.Size != 1 {
				return s, false
			}
			i++
		case n.Op-Stable <= Elapsed-Stable:
			if t, ok = w.function(n); !ok {
				return s, false
			}
			i++
		default:
			if t, leaf = w.operator(i); leaf == malformed {
				return s, false
			}
			i += int(n.Size)
		}
		shift := 16 * (t & True)
		if uint16(s.count>>shift) == 0 {
			s.first |= uint64(leaf) << shift
		}
		s.count += 1 << shift
		s.children++
	}
	return s, i == end
}

// holds says on which sides of the constant a comparison is true: below, equal, above, from bit 0.
var holds = [...]uint8{Eq: 0b010, Ne: 0b101, Lt: 0b001, Le: 0b011, Gt: 0b100, Ge: 0b110}

// function evaluates a Stable or an Elapsed.
func (w *walk) function(n *Node) (t Truth, ok bool) {
	if len(w.mem) == 0 || n.Size != 1 || n.Time <= 0 || n.Value < 0 {
		return Bad, false
	}
	m := w.mem[0]
	if n.Op == Elapsed {
		t = m.elapsed(w.at, n.Time)
	} else {
		value, q := w.img.Read(n.Tag, w.at)
		t = m.stable(w.at, value, q, n)
	}
	if w.keep {
		w.mem[0] = m
	}
	if w.ripe && !w.not && t == False {
		t = True
	}
	w.mem = w.mem[1:]
	return t, true
}

func (m *Cell) elapsed(at, time int64) Truth {
	switch m.State {
	case runs:
		return truth(m.age(at) >= time)
	case halted:
		return truth(m.Since >= time)
	}
	return Bad
}

// stable takes in a value: Low to High is the band since Since. What leaves the band, or is not GOOD, begins anew.
func (m *Cell) stable(at, value int64, q tag.Quality, n *Node) Truth {
	switch {
	case m.State != ready && m.State != runs && m.State != halted:
		return Bad
	case q != tag.Good:
		if m.State == runs {
			*m = Cell{State: ready}
		}
		return known(q)
	case m.State == halted:
		return False
	}
	lo, hi := min(m.Low, value), max(m.High, value)
	if m.State == ready || uint64(hi)-uint64(lo) > uint64(n.Value) { // their distance may exceed 63 bits
		*m = Cell{State: runs, Low: value, High: value, Since: at}
		return False
	}
	m.Low, m.High = lo, hi
	return truth(m.age(at) >= n.Time)
}

// known is what a value that is not GOOD makes of its leaf.
func known(q tag.Quality) Truth {
	if q == tag.Stale {
		return Stale
	}
	return Bad
}

func truth(holds bool) Truth {
	if holds {
		return True
	}
	return False
}

func (t Truth) not() Truth {
	switch t {
	case True:
		return False
	case False:
		return True
	}
	return t
}
