// This file holds Bind: names and quantities of a condition become tags and counts.

package cond

import (
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

// Bind makes the condition ready to be evaluated. Constants become whole counts of their tag's resolution: one that does
// not come out exactly is refused, as are an unknown tag, a switch compared with a number or by order, a number compared
// with a word, and a word that the switch does not have. All of them are returned, in the order of the text, and then the
// Cond is nil.
func (e *Expr) Bind(look Lookup) (Cond, []SyntaxError) {
	c := make(Cond, len(e.parts))
	var errs []SyntaxError
	for i := range e.parts {
		p := &e.parts[i]
		c[i] = Node{Op: p.op, Size: uint16(p.size)}
		if p.op < Eq {
			continue
		}
		t, ok := look.CondTag(p.name)
		if !ok {
			errs = append(errs, SyntaxError{p.column, fmt.Sprintf("no tag %q in the I/O map", p.name)})
			continue
		}
		c[i].Tag = t.ID
		value, err := p.bind(&t)
		if err != nil {
			errs = append(errs, *err)
		}
		c[i].Value = value
	}
	if errs != nil {
		return nil, errs
	}
	return c, nil
}

// bind returns the constant of a comparison.
func (p *part) bind(t *Tag) (int64, *SyntaxError) {
	at := p.column
	if !p.alone() {
		at = p.constant
	}
	refuse := func(format string, args ...any) (int64, *SyntaxError) {
		return 0, &SyntaxError{at, fmt.Sprintf(format, args...)}
	}
	if !t.Switch {
		switch {
		case t.Resolution.Unit == "":
			return refuse("tag %q cannot be compared", p.name)
		case p.value.Unit == "":
			return refuse("tag %q is a number; compare it with %s", p.name, likeOf(t.Resolution.Unit))
		}
		n, err := p.value.Counts(t.Resolution)
		if err != nil {
			return refuse("tag %q: %s", p.name, strings.TrimPrefix(err.Error(), "quantity: "))
		}
		return n, nil
	}
	switch {
	case p.alone():
		return 1, nil
	case p.word == "":
		return refuse("tag %q is a switch; compare it with %s or %s", p.name, t.Words[0], t.Words[1])
	case p.op != Eq && p.op != Ne:
		return refuse("tag %q is a switch; only == and != compare it", p.name)
	case p.word == t.Words[0]:
		return 0, nil
	case p.word == t.Words[1]:
		return 1, nil
	}
	return refuse("tag %q is %s or %s, not %q", p.name, t.Words[0], t.Words[1], p.word)
}

// likeOf says what a number with that unit is compared with.
func likeOf(u quantity.Unit) string {
	if u == quantity.One {
		return "a plain number"
	}
	return "a quantity in " + string(u)
}
