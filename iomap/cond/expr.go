// This file holds Expr, a condition as it was written, and its canonical text.

package cond

import (
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/metering/quantity"
)

// Expr is a condition as it was written. It is never changed after Parse; the zero Expr is no condition.
type Expr struct {
	parts []part // prefix order, as the Cond that Bind makes
}

// part is one operator, comparison or function of an Expr.
type part struct {
	op     Op
	size   int
	name   string   // comparison, Stable: tag
	column int      // of the tag, of elapsed
	value  constant // comparison, unless its tag stands alone; Stable: the band
	time   constant // Stable, Elapsed
	n      int      // Of: how many
}

// constant is a quantity, a word of a switch or a parameter; the zero constant stands for none.
type constant struct {
	value  quantity.Quantity
	word   string
	param  string // without its $
	column int
}

// Ref is one mention of a tag or a parameter in a condition.
type Ref struct {
	Name   string // of a parameter without its $
	Column int    // in the text, in characters from 1
}

// Tags returns every mention of a tag, in the order of the text. The caller owns the slice.
func (e *Expr) Tags() []Ref {
	var refs []Ref
	for i := range e.parts {
		if p := &e.parts[i]; p.name != "" {
			refs = append(refs, Ref{p.name, p.column})
		}
	}
	return refs
}

// Params returns every mention of a parameter, in the order of the text. The caller owns the slice.
func (e *Expr) Params() []Ref {
	var refs []Ref
	for i := range e.parts {
		for _, k := range [...]*constant{&e.parts[i].value, &e.parts[i].time} {
			if k.param != "" {
				refs = append(refs, Ref{k.param, k.column})
			}
		}
	}
	return refs
}

// String returns the condition in its one canonical form: single spaces, and parentheses only where they are needed. Parse
// reads it back to the same tree. A parameter stays $name.
func (e *Expr) String() string { return e.Part(0) }

// Part returns the canonical text of the i-th operator, comparison or function with all below it, "" where there is none. Its
// numbers are those of the bound Cond: Part of [Cond.Decisive] says in words what a condition waits for.
func (e *Expr) Part(i int) string {
	if i < 0 || i >= len(e.parts) {
		return ""
	}
	var text strings.Builder
	e.write(&text, i)
	return text.String()
}

// write appends the subtree at i and returns the place after it.
func (e *Expr) write(text *strings.Builder, i int) (next int) {
	p := &e.parts[i]
	join := " " + p.op.String() + " "
	switch p.op {
	case Or, And:
	case Not:
		text.WriteString("not ")
	case Of:
		text.WriteString(strconv.Itoa(p.n) + " of (")
		join = ", "
	default:
		text.WriteString(p.leafText())
		return i + 1
	}
	for next = i + 1; next < i+p.size; {
		if next > i+1 {
			text.WriteString(join)
		}
		if child := e.parts[next].op; child < Not && child <= p.op && p.op != Of {
			text.WriteByte('(')
			next = e.write(text, next)
			text.WriteByte(')')
		} else {
			next = e.write(text, next)
		}
	}
	if p.op == Of {
		text.WriteByte(')')
	}
	return next
}

func (p *part) leafText() string {
	switch {
	case p.op == Stable:
		return "stable(" + p.name + ", " + p.value.String() + ", " + p.time.String() + ")"
	case p.op == Elapsed:
		return "elapsed(" + p.time.String() + ")"
	case p.value.none():
		return p.name
	}
	return p.name + " " + p.op.String() + " " + p.value.String()
}

func (k *constant) none() bool { return k.word == "" && k.param == "" && k.value.Unit == "" }

// String gives the constant as conditions write it.
func (k *constant) String() string {
	switch {
	case k.param != "":
		return "$" + k.param
	case k.word != "":
		return k.word
	}
	return k.value.String()
}
