// Package cond holds conditions on tags: parsed from text, bound to the tags of an I/O map, and evaluated in four values.
//
// Start with [Parse], which reads "T101.level >= 40 L and not (door_open or TT101 < 5 Cel)"; [Expr.Bind] holds the names
// against a [Lookup] and makes a [Cond], whose Eval gives a [Truth].
//
// The rule that must not be broken: a value that is not GOOD never counts as true or false. It can only be outvoted: one
// false branch settles an "and" and one true branch settles an "or", whatever the others are.
//
// The package keeps no state and no time: debounce, voting over a window and latching belong to whoever asks again.
package cond

import "github.com/batchkit/batchkit/iomap/tag"

// Limits of a condition. Depth counts operators and parentheses inside each other.
const (
	MaxText  = 4096 // bytes of text
	MaxNodes = 256  // operators and comparisons together
	MaxDepth = 32
)

// Truth is the value of a condition. The zero value is Bad: what was never evaluated is not true.
type Truth uint8

// The truth values.
const (
	Bad   Truth = iota // a tag that matters is BAD, or the condition is malformed
	Stale              // a tag that matters is STALE
	False
	True
)

// String gives the name that records use: true, false, stale or bad.
func (t Truth) String() string {
	return [...]string{"bad", "stale", "false", "true"}[min(t, True)]
}

// Op is what a [Node] does. The zero Op is none and makes a Cond malformed.
type Op uint8

// The operators. A comparison has the tag on its left and the constant on its right.
const (
	Or  Op = iota + 1 // of the nodes below it: true if one is, else bad, else stale, else false
	And               // of the nodes below it: false if one is, else bad, else stale, else true
	Not               // swaps true and false of the one node below it
	Eq
	Ne
	Lt
	Le
	Gt
	Ge
)

// opText is how the operators are written, by Op. Those before Not bind the less tightly the earlier they stand.
var opText = [...]string{"", "or", "and", "not", "==", "!=", "<", "<=", ">", ">="}

// String gives the operator as conditions write it.
func (o Op) String() string {
	if int(o) >= len(opText) {
		return ""
	}
	return opText[o]
}

// Node is one operator or comparison of a [Cond].
type Node struct {
	Op    Op
	Size  uint16 // nodes of the subtree that begins here, this one counted; 1 for a comparison
	Tag   tag.ID // comparison: the tag
	Value int64  // comparison: the constant, in counts of the tag's resolution; 0 or 1 for a switch
}

// Cond is a condition bound to tags: its tree in prefix order, each operator before the nodes below it. Cond[i] is what the
// i-th part of the [Expr] became that it was bound from.
type Cond []Node

// Image is where a condition finds the values of its tags. It gives BAD for a tag that it does not know.
type Image interface {
	// Read returns the scaled value of a tag, 0 or 1 for a switch, and its quality at monotonic time at.
	Read(id tag.ID, at int64) (value int64, q tag.Quality)
}

// Eval evaluates the condition at monotonic time at. It reads every tag of the condition, allocates nothing and never
// panics: a malformed or empty Cond, and a nil img, give Bad.
func (c Cond) Eval(img Image, at int64) Truth {
	t, _ := c.root(img, at)
	return t
}

// Decisive returns the index of the comparison that made the condition what it is at that time: the first one on the way
// down through the branches that have the value of the whole. For a condition that is false, stale or bad this is what it
// waits for first. It is -1 where Eval gives Bad because the Cond is malformed or img is nil.
func (c Cond) Decisive(img Image, at int64) (leaf int) {
	_, leaf = c.root(img, at)
	return leaf
}

func (c Cond) root(img Image, at int64) (Truth, int) {
	if img == nil || len(c) == 0 || len(c) > MaxNodes {
		return Bad, -1
	}
	w := walk{cond: c, img: img, at: at}
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
}

// malformed is the place after a subtree that is none.
const malformed = -1

// node evaluates the subtree at i; it returns its decisive leaf and the place after it.
func (w *walk) node(i int) (t Truth, leaf, next int) {
	n := &w.cond[i]
	end := i + int(n.Size)
	if n.Op == 0 || n.Op > Ge || n.Op >= Eq && n.Size != 1 || end > len(w.cond) {
		return Bad, -1, malformed
	}
	if n.Op >= Eq {
		return w.leaf(n), i, end
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

func (w *walk) leaf(n *Node) Truth {
	value, q := w.img.Read(n.Tag, w.at)
	switch q {
	case tag.Good:
	case tag.Stale:
		return Stale
	default:
		return Bad
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
