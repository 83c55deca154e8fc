// This file holds Bind: names and quantities of a condition become tags and counts.

package cond

import (
	"errors"
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Tag is what a condition needs to know of a tag.
type Tag struct {
	ID         tag.ID
	Switch     bool
	Words      [2]string         // of a switch: the names of off and on
	Resolution quantity.Quantity // of a number: one count; the zero Quantity where it cannot be compared
}

// Lookup is where Bind finds tags.
type Lookup interface {
	// CondTag returns the tag of a name; ok is false where there is none.
	CondTag(name string) (t Tag, ok bool)
}

// Params is where Bind finds the parameters of $name. A recipe's Formula is one.
type Params interface {
	// Lookup returns the value of a parameter; ok is false where there is none.
	Lookup(name string) (q quantity.Quantity, ok bool)
}

// Bind makes the condition ready to be evaluated. Constants become whole counts of their tag's resolution and times become
// nanoseconds, those of a parameter too: one that does not come out exactly is refused, as are an unknown tag or parameter, a
// switch compared with a number or by order, a number compared with a word, a word that the switch does not have, a switch
// that shall be stable, a band below zero and a time that is not above zero. All of them are returned, in the order of the
// text, and then the Cond is nil. params may be nil where no parameter is known.
func (e *Expr) Bind(look Lookup, params Params) (Cond, []SyntaxError) {
	b := binder{look: look, params: params}
	c := make(Cond, len(e.parts))
	for i := range e.parts {
		p := &e.parts[i]
		c[i] = Node{Op: p.op, Size: uint16(p.size), Value: int64(p.n)}
		if p.name != "" {
			b.tag(p, &c[i])
		}
		if p.op >= Stable {
			c[i].Time = b.time(&p.time)
		}
	}
	if b.errs != nil {
		return nil, b.errs
	}
	return c, nil
}

// binder collects what is wrong.
type binder struct {
	look   Lookup
	params Params
	errs   []SyntaxError
}

func (b *binder) refuse(column int, format string, args ...any) int64 {
	b.errs = append(b.errs, SyntaxError{column, fmt.Sprintf(format, args...)})
	return 0
}

// tag binds a comparison or a Stable.
func (b *binder) tag(p *part, n *Node) {
	t, ok := b.look.CondTag(p.name)
	if !ok {
		b.refuse(p.column, "no tag %q in the I/O map", p.name)
		return
	}
	n.Tag = t.ID
	switch {
	case p.op == Stable && t.Switch:
		b.refuse(p.column, "tag %q is a switch; only a number can be stable", p.name)
	case t.Switch:
		n.Value = b.word(p, &t)
	default:
		n.Value = b.counts(p, &t)
	}
}

// counts returns the constant of a number.
func (b *binder) counts(p *part, t *Tag) int64 {
	at := p.column
	if !p.value.none() {
		at = p.value.column
	}
	switch {
	case t.Resolution.Unit == "":
		return b.refuse(at, "tag %q cannot be compared", p.name)
	case p.value.word != "" || p.value.none():
		return b.refuse(at, "tag %q is a number; compare it with %s", p.name, likeOf(t.Resolution.Unit))
	}
	q, ok := b.quantity(&p.value)
	if !ok {
		return 0
	}
	n, err := q.Counts(t.Resolution)
	switch {
	case errors.Is(err, quantity.ErrDimension):
		return b.refuse(at, "tag %q is %s, and %s%q measures something else", p.name, likeOf(t.Resolution.Unit), p.value.whence(), q)
	case errors.Is(err, quantity.ErrInexact):
		return b.refuse(at, "tag %q comes in steps of %s, and %s%q is no whole number of these", p.name, t.Resolution, p.value.whence(), q)
	case err != nil:
		return b.refuse(at, "tag %q: %s%s", p.name, p.value.whence(), strings.TrimPrefix(err.Error(), "quantity: "))
	case p.op == Stable && n < 0:
		return b.refuse(at, "tag %q: %sa band is not below zero, as %q is", p.name, p.value.whence(), q)
	}
	return n
}

// word returns the constant of a switch.
func (b *binder) word(p *part, t *Tag) int64 {
	switch at := p.value.column; {
	case p.value.none():
		return 1
	case p.value.word == "":
		return b.refuse(at, "tag %q is a switch; compare it with %s or %s", p.name, t.Words[0], t.Words[1])
	case p.op != Eq && p.op != Ne:
		return b.refuse(at, "tag %q is a switch; only == and != compare it", p.name)
	case p.value.word == t.Words[0]:
		return 0
	case p.value.word == t.Words[1]:
		return 1
	default:
		return b.refuse(at, "tag %q is %s or %s, not %q", p.name, t.Words[0], t.Words[1], p.value.word)
	}
}

// time returns the nanoseconds of a function.
func (b *binder) time(k *constant) int64 {
	q, ok := b.quantity(k)
	if !ok {
		return 0
	}
	ns, err := q.Nanoseconds()
	switch {
	case err != nil && !errors.Is(err, quantity.ErrDimension):
		return b.refuse(k.column, "%sa time such as 30 s is wanted: %s", k.whence(), strings.TrimPrefix(err.Error(), "quantity: "))
	case err != nil:
		return b.refuse(k.column, "%sa time such as 30 s is wanted, not %q", k.whence(), q)
	case ns <= 0:
		return b.refuse(k.column, "%sa time above zero such as 30 s is wanted, not %q", k.whence(), q)
	}
	return ns
}

// quantity returns what a constant that is no word stands for.
func (b *binder) quantity(k *constant) (q quantity.Quantity, ok bool) {
	if k.param == "" {
		return k.value, true
	}
	if b.params != nil {
		if q, ok = b.params.Lookup(k.param); ok {
			return q, true
		}
	}
	b.refuse(k.column, "no parameter %q in the formula", k.param)
	return q, false
}

// whence names the parameter, if a constant is one.
func (k *constant) whence() string {
	if k.param == "" {
		return ""
	}
	return "$" + k.param + ": "
}

// likeOf says what a number with that unit is compared with.
func likeOf(u quantity.Unit) string {
	if u == quantity.One {
		return "a plain number"
	}
	return "a quantity in " + string(u)
}
