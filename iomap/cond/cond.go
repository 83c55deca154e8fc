// Package cond holds conditions on tags: parsed from text, bound to the tags of an I/O map, and evaluated in four values.
//
// Start with [Parse], which reads "T101.level >= $volume and stable(TT101, 0.2 Cel, 30 s)"; [Expr.Bind] holds its names
// against a [Lookup] and a formula and makes a [Cond], whose Eval gives a [Truth].
//
// The rule that must not be broken: a value that is not GOOD never counts as true or false. It can only be outvoted: one
// false branch settles an "and", one true branch an "or" and enough of either an "N of", whatever the others are.
//
// The package keeps no state. What stable and elapsed remember lies in Cells that belong to whoever asks: he begins them
// with [Cond.Begin], asks after every event, sets a timer for [Cond.Wake], and may copy them at any time. Filter and Verdict
// make of a truth that chatters one that counts; latching belongs to others.
package cond

import "github.com/batchkit/batchkit/iomap/tag"

// Limits of a condition. Depth counts operators and parentheses inside each other.
const (
	MaxText  = 4096 // bytes of text
	MaxNodes = 256  // operators, comparisons and functions together; hence a Cond has at most as many Cells
	MaxDepth = 32
)

// Truth is the value of a condition. The zero value is Bad: what was never evaluated is not true.
type Truth uint8

// The truth values.
const (
	Bad   Truth = iota // a tag that matters is BAD, the condition is malformed, or its Cells were never begun
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
	Of                // true if Value of the nodes below it are, false if so many are that this cannot be, else bad, else stale
	Eq
	Ne
	Lt
	Le
	Gt
	Ge
	Stable  // true when the tag has kept within a band of Value counts for Time
	Elapsed // true when Time has gone by since Begin, stretches of Suspend left out
)

// opText is how the operators are written, by Op. Those before Not bind the less tightly the earlier they stand.
var opText = [...]string{"", "or", "and", "not", "of", "==", "!=", "<", "<=", ">", ">=", "stable", "elapsed"}

// String gives the operator as conditions write it.
func (o Op) String() string {
	if int(o) >= len(opText) {
		return ""
	}
	return opText[o]
}

// Node is one operator, comparison or function of a [Cond]. Each Stable and each Elapsed has one [Cell], in their order.
type Node struct {
	Op    Op
	Size  uint16 // nodes of the subtree that begins here, this one counted; 1 for a comparison or function
	Tag   tag.ID // comparison, Stable: the tag
	Value int64  // comparison, Stable: constant or band, in counts of the tag's resolution; 0 or 1 for a switch; Of: how many
	Time  int64  // Stable, Elapsed: ns, above 0
}

// Cond is a condition bound to tags: its tree in prefix order, each operator before the nodes below it. Cond[i] is what the
// i-th part of the [Expr] became that it was bound from.
type Cond []Node

// Image is where a condition finds the values of its tags. It gives BAD for a tag that it does not know.
type Image interface {
	// Read returns the scaled value of a tag, 0 or 1 for a switch, and its quality at monotonic time at.
	Read(id tag.ID, at int64) (value int64, q tag.Quality)
}
