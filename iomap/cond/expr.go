// This file holds Expr, a condition as it was written, and its canonical text.

package cond

import (
	"strings"

	"github.com/batchkit/batchkit/metering/quantity"
)

// Expr is a condition as it was written. It is never changed after Parse; the zero Expr is no condition.
type Expr struct {
	parts []part // prefix order, as the Cond that Bind makes
}

// part is one operator or comparison of an Expr.
type part struct {
	op       Op
	size     int
	name     string            // comparison: tag
	column   int               // comparison: of the tag
	value    quantity.Quantity // comparison with a number
	word     string            // comparison with a word; both empty for a tag that stands alone
	constant int               // column of value or word
}

func (p *part) alone() bool { return p.word == "" && p.value.Unit == "" }

// Ref is one mention of a tag in a condition.
type Ref struct {
	Name   string
	Column int // in the text, in characters from 1
}

// Tags returns every mention of a tag, in the order of the text. The caller owns the slice.
func (e *Expr) Tags() []Ref {
	var refs []Ref
	for i := range e.parts {
		if p := &e.parts[i]; p.op >= Eq {
			refs = append(refs, Ref{p.name, p.column})
		}
	}
	return refs
}

// String returns the condition in its one canonical form: single spaces, and parentheses only where they are needed. Parse
// reads it back to the same tree.
func (e *Expr) String() string { return e.Part(0) }

// Part returns the canonical text of the i-th operator or comparison with all below it, "" where there is none. Its numbers
// are those of the bound Cond: Part of [Cond.Decisive] says in words what a condition waits for.
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
	if p.op >= Eq {
		text.WriteString(p.name)
		if !p.alone() {
			text.WriteString(" " + p.op.String() + " " + p.constantText())
		}
		return i + 1
	}
	for next = i + 1; next < i+p.size; {
		if p.op == Not {
			text.WriteString("not ")
		} else if next > i+1 {
			text.WriteString(" " + p.op.String() + " ")
		}
		if child := e.parts[next].op; child < Not && child <= p.op {
			text.WriteByte('(')
			next = e.write(text, next)
			text.WriteByte(')')
		} else {
			next = e.write(text, next)
		}
	}
	return next
}

func (p *part) constantText() string {
	if p.word != "" {
		return p.word
	}
	return p.value.String()
}
