// Conditions: what the fields of a frame say, by their text or by their bits.

package scale

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// condition is terms that must all hold.
type condition []term

// term is one of field=text|text, field!=text|text, field.bit and !field.bit.
type term struct {
	field int
	not   bool
	bit   int      // -1: by its text
	texts []string // without the blanks around them; "": blank
}

// newCondition reads a condition on the fields of a template; terms that are looked at by their bits are noted there.
func newCondition(text string, t *template) (c condition, err error) {
	for part := range strings.SplitSeq(text, "&") {
		part = strings.TrimSpace(part)
		term, err := newTerm(part, t)
		if err != nil {
			return nil, err
		}
		c = append(c, term)
	}
	return c, nil
}

func newTerm(text string, t *template) (m term, err error) {
	m.bit = -1
	if name, texts, ok := strings.Cut(text, "="); ok {
		name, m.not = strings.CutSuffix(name, "!")
		if m.field, err = fieldOf(strings.TrimSpace(name), t); err != nil {
			return m, err
		}
		width := t.width(m.field)
		for s := range strings.SplitSeq(texts, "|") {
			s = strings.TrimSpace(s)
			if width > 0 && len(s) > width {
				return m, fmt.Errorf("%q: %q does not fit into field %s of %d bytes", short(text), s, t.fields[m.field], width)
			}
			m.texts = append(m.texts, s)
		}
		return m, nil
	}
	name, not := strings.CutPrefix(text, "!")
	m.not = not
	var b bitField
	if b, err = newBits(name, t); err != nil || b.low != b.high {
		return m, fmt.Errorf("%q: want terms such as status=ST|S, status!=OL, b.3 or !b.3, with & between them", short(text))
	}
	m.field, m.bit = b.field, b.low
	return m, nil
}

// fieldOf finds a field that a setting speaks of.
func fieldOf(name string, t *template) (int, error) {
	n := t.find(name)
	if n < 0 || name == "_" {
		return 0, fmt.Errorf("field %q is not in the frame; it has %s", short(name), strings.Join(t.fields, ", "))
	}
	return n, nil
}

// holds tells whether a frame says so.
func (c condition) holds(f *frame) bool {
	for i := range c {
		if c[i].says(f) == c[i].not {
			return false
		}
	}
	return true
}

func (m *term) says(f *frame) bool {
	if m.bit >= 0 {
		return f.bytes[f.spans[m.field].from]>>m.bit&1 == 1
	}
	text := f.text(m.field)
	return slices.ContainsFunc(m.texts, func(s string) bool { return s == string(text) })
}

// bitField is a number that stands in bits of a field of one byte.
type bitField struct{ field, low, high int }

// newBits reads field.3 or field.0-2.
func newBits(text string, t *template) (b bitField, err error) {
	name, place, ok := strings.Cut(text, ".")
	low, high, ranged := strings.Cut(place, "-")
	if !ranged {
		high = low
	}
	if b.field, err = fieldOf(name, t); err != nil {
		return b, err
	}
	var bad error
	b.low, err = strconv.Atoi(low)
	b.high, bad = strconv.Atoi(high)
	if !ok || err != nil || bad != nil || b.low < 0 || b.high < b.low || b.high > 7 {
		return b, fmt.Errorf("%q: want bits of a field such as a.3 or a.0-2", short(text))
	}
	if t.width(b.field) != 1 {
		return b, fmt.Errorf("%q: the bits of %s: it must be a field of one byte, {%s 1}", short(text), name, name)
	}
	t.flags |= 1 << b.field
	return b, nil
}

func (b bitField) of(f *frame) int {
	return int(f.bytes[f.spans[b.field].from]>>b.low) & (1<<(b.high-b.low+1) - 1)
}
