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

func (c Cond) root(img Image, at int64, mem []Cell, keep bool) (Truth, int) {
	if img == nil || len(c) == 0 || len(c) > MaxNodes {
		return Bad, -1
	}
	w := walk{cond: c, img: img, at: at, mem: mem, keep: keep}
	t, leaf, next := w.node(0)
	if next != len(c) {
		return Bad, -1
	}
	return t, leaf
}

// walk evaluates every node once; len(cond) bounds its recursion, because each call uses up a node.
type walk struct {
	cond Cond
	img  Image
	at   int64
	mem  []Cell // those of the functions to come
	keep bool   // what functions take in
}

// malformed is the place after a subtree that is none.
const malformed = -1

// node evaluates the subtree at i; it returns its decisive leaf and the place after it.
func (w *walk) node(i int) (t Truth, leaf, next int) {
	n := &w.cond[i]
	end := i + int(n.Size)
	switch {
	case n.Op == 0 || n.Op > Elapsed || n.Op >= Eq && n.Size != 1 || end > len(w.cond):
		return Bad, -1, malformed
	case n.Op >= Stable:
		return w.function(i)
	case n.Op >= Eq:
		return w.leaf(n), i, end
	case n.Op == Of:
		return w.of(i)
	}
	children := 0
	for i++; i < end; children++ {
		var below Truth
		var at int
		if below, at, i = w.node(i); i == malformed {
			return Bad, -1, malformed
		}
		if children == 0 || n.Op.weight(below) > n.Op.weight(t) {
			t, leaf = below, at
		}
	}
	if i != end || children == 0 || n.Op == Not && children != 1 {
		return Bad, -1, malformed
	}
	if n.Op == Not {
		t = t.not()
	}
	return t, leaf, end
}

// of evaluates an Of.
func (w *walk) of(i int) (t Truth, leaf, next int) {
	n := &w.cond[i]
	end := i + int(n.Size)
	var count, first [True + 1]int64
	children := int64(0)
	for i++; i < end; children++ {
		below, at, after := w.node(i)
		if after == malformed {
			return Bad, -1, malformed
		}
		if count[below] == 0 {
			first[below] = int64(at)
		}
		count[below]++
		i = after
	}
	if i != end || n.Value < 1 || n.Value > children {
		return Bad, -1, malformed
	}
	switch {
	case count[True] >= n.Value:
		t = True
	case children-count[False] < n.Value:
		t = False
	case count[Bad] == 0:
		t = Stale
	}
	return t, int(first[t]), end
}

func (w *walk) leaf(n *Node) Truth {
	value, q := w.img.Read(n.Tag, w.at)
	if q != tag.Good {
		return known(q)
	}
	holds := false
	switch n.Op {
	case Eq:
		holds = value == n.Value
	case Ne:
		holds = value != n.Value
	case Lt:
		holds = value < n.Value
	case Le:
		holds = value <= n.Value
	case Gt:
		holds = value > n.Value
	case Ge:
		holds = value >= n.Value
	}
	return truth(holds)
}

// function evaluates a Stable or an Elapsed.
func (w *walk) function(i int) (t Truth, leaf, next int) {
	n := &w.cond[i]
	if len(w.mem) == 0 || n.Time <= 0 || n.Value < 0 {
		return Bad, -1, malformed
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
	w.mem = w.mem[1:]
	return t, i, i + 1
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

// weight says which value wins among the nodes below an operator: the heaviest.
func (o Op) weight(t Truth) uint8 {
	switch {
	case o == Or && t == True, o != Or && t == False:
		return 3
	case t == Bad:
		return 2
	case t == Stale:
		return 1
	}
	return 0
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
