// Places: where a point is in a frame, and what a frame says of it.

package scale

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

type placeKind uint8

const (
	numeric placeKind = iota
	flag
	identity
	order
)

// place is a point as this protocol has it.
type place struct {
	kind   placeKind
	name   string
	form   tag.Form
	field  int   // numeric
	cond   conds // flag
	order  int   // place in Format.commands
	length int   // identity: bytes

	stable, net, gross bool // what a number must be
	elsewhere          bool // it has a unit of its own, which is not said
	gain               quantity.Quantity
	size               int // bits
	signed             bool
}

// place compiles a point.
func (s *settings) place(pt *fieldbus.Point) (p place, err error) {
	f := s.format
	p = place{name: pt.Name, form: pt.Type.Form(), length: pt.Length}
	words := strings.Split(pt.At, " ")
	flagged := conds(slices.Index(condNames[:isBusy], words[0]))
	switch {
	case pt.Order != fieldbus.ABCD:
		return p, fmt.Errorf("order %v: text has no order of bytes; leave it out", pt.Order)
	case pt.At == "identity":
		p.kind = identity
		switch {
		case pt.Type != fieldbus.String:
			return p, fmt.Errorf("at identity: want a string, not %v", pt.Type)
		case f.who == nil:
			return p, errors.New("at identity: the settings identity and identity.frame are missing")
		}
		return p, nil
	case words[0] == "command":
		return s.ordered(p, pt, words[1:])
	case pt.Access != fieldbus.ReadOnly:
		return p, fmt.Errorf("at %s: it is read only; what can be written is a command", short(pt.At))
	case flagged < isBusy && len(words) == 1:
		p.kind, p.cond = flag, flagged
		said := f.given[flagged] || slices.ContainsFunc(f.instead, func(in instead) bool { return in.why == flagged })
		switch {
		case pt.Type != fieldbus.Bool:
			return p, fmt.Errorf("at %s: want a bool, not %v", pt.At, pt.Type)
		case !said:
			return p, fmt.Errorf("at %s: the setting %s is missing, which tells when it is so", pt.At, pt.At)
		}
		return p, nil
	}
	return s.number(p, pt, words)
}

// ordered compiles a point that gives an order.
func (s *settings) ordered(p place, pt *fieldbus.Point, name []string) (place, error) {
	p.kind = order
	p.order = slices.IndexFunc(s.format.commands, func(c command) bool { return len(name) == 1 && c.name == name[0] })
	switch {
	case p.order < 0:
		return p, fmt.Errorf("at %s: there is no such command among the settings", short(pt.At))
	case pt.Type != fieldbus.Bool || pt.Access != fieldbus.WriteOnly:
		return p, fmt.Errorf("at %s: want a bool with access w, not %v with %v", short(pt.At), pt.Type, pt.Access)
	}
	return p, nil
}

// number compiles a point that is a number.
func (s *settings) number(p place, pt *fieldbus.Point, words []string) (_ place, err error) {
	f := s.format
	if p.field, err = fieldOf(words[0], f.frame); err != nil {
		return p, fmt.Errorf("at %s: %w; other addresses are stable, overload, underload, fault, net, zero, identity and command C", short(pt.At), err)
	}
	for i, w := range words[1:] {
		switch {
		case slices.Contains(words[:i+1], w) || (p.net || p.gross) && w != "stable":
			return p, fmt.Errorf("at %s: %s is too much", short(pt.At), short(w))
		case w == "stable" && f.given[isStable]:
			p.stable = true
		case (w == "net" || w == "gross") && f.given[isNet]:
			p.net, p.gross = w == "net", w == "gross"
		case w == "stable" || w == "net" || w == "gross":
			return p, fmt.Errorf("at %s: the setting stable, or net, is missing, which tells when it is so", short(pt.At))
		default:
			return p, fmt.Errorf("at %s: %q: want stable, and net or gross, behind the field", short(pt.At), short(w))
		}
	}
	switch pt.Type {
	case fieldbus.Int16, fieldbus.Int32, fieldbus.Int64:
		p.signed = true
	case fieldbus.Uint16, fieldbus.Uint32, fieldbus.Uint64:
	default:
		return p, fmt.Errorf("at %s: want a whole number, int16 to uint64, not %v: its scaling says what one is", short(pt.At), pt.Type)
	}
	p.size, p.gain = pt.Type.Bits(), pt.Scale.Gain
	unit, own := f.units[words[0]]
	if p.elsewhere = own; !own {
		unit = f.unit
	}
	switch {
	case unit == "":
		return p, fmt.Errorf("at %s: the setting unit is missing, or %s.unit: in which unit the number is", short(pt.At), words[0])
	case !pt.Scale.Given || p.gain.Coef <= 0 || pt.Scale.Offset.Coef != 0:
		return p, fmt.Errorf("at %s: want a scaling with a gain above zero and no offset, such as {gain: 0.01 %s}: what one is", short(pt.At), unit)
	case p.gain.Unit != unit:
		return p, fmt.Errorf("at %s: the gain is in %s, and the number in %s; write the gain in %s", short(pt.At), p.gain.Unit, unit, unit)
	case f.frame.width(p.field) == 0 && !f.frame.covers(p.field):
		return p, fmt.Errorf("at %s: the field has no width, and the frame no check of it: a digit that is lost would make another weight; give it its width", short(pt.At))
	}
	if !slices.Contains(f.numbers, p.field) {
		f.numbers = append(f.numbers, p.field)
	}
	return p, nil
}

// parse reads the number in a field of a frame.
func (f *Format) parse(fr *frame, field int) (n number, ok bool) {
	sp := fr.spans[field]
	text := fr.bytes[sp.from:sp.to]
	n, ok = parseNumber(text, f.mark)
	if !ok {
		return n, false
	}
	if f.implied {
		if n.marked {
			return n, false
		}
		n.scale = f.fixed
		if f.decimals != nil {
			n.scale += f.decimals.of(fr)
		}
	}
	if f.given[negative] && f.frame.fields[field] == "weight" {
		if n.minus {
			return n, false
		}
		if f.conds[negative].holds(fr) {
			n.coef = -n.coef
		}
	}
	return n, true
}

// is tells whether a frame of a weight says that something is so. What has no condition is never so.
func (f *Format) is(c conds, fr *frame) bool { return f.given[c] && f.conds[c].holds(fr) }

// sound tells whether bytes that the template fits are a frame: all that must be so is, and its numbers are numbers.
func (f *Format) sound(fr *frame) bool {
	if f.given[must] && !f.conds[must].holds(fr) {
		return false
	}
	if f.is(isOverload, fr) || f.is(isUnderload, fr) || f.is(isFault, fr) {
		return true // displays show anything then
	}
	for _, n := range f.numbers {
		sp := fr.spans[n]
		if _, ok := f.parse(fr, n); !ok && !isBlank(fr.bytes[sp.from:sp.to]) {
			return false
		}
	}
	return true
}

// reading is what a frame of a weight says of a place.
func (f *Format) reading(p *place, fr *frame) fieldbus.Reading {
	r := fieldbus.Reading{Form: p.form, Quality: tag.Good, Age: int64(f.lag)}
	switch p.kind {
	case flag:
		if f.is(p.cond, fr) {
			r.Bits = 1
		}
		return r
	case numeric:
		v, why := f.value(p, fr)
		if why != fieldbus.StatusGood {
			return f.bad(p, why)
		}
		r.Bits = uint64(v)
		return r
	}
	return f.bad(p, fieldbus.StatusNotReadable)
}

// value gives the number of a place in its resolution, or why there is none.
func (f *Format) value(p *place, fr *frame) (int64, fieldbus.Status) {
	switch {
	case f.is(isOverload, fr) || f.is(isUnderload, fr):
		return 0, fieldbus.StatusOutOfRange
	case f.is(isFault, fr):
		return 0, fieldbus.StatusSensorFailure
	case p.stable && !f.is(isStable, fr):
		return 0, fieldbus.StatusWaiting
	case p.net && !f.is(isNet, fr) || p.gross && f.is(isNet, fr):
		return 0, fieldbus.StatusConfigurationError
	case !p.elsewhere && !f.unsaid && !f.is(unitIs, fr):
		return 0, fieldbus.StatusConfigurationError
	}
	n, ok := f.parse(fr, p.field)
	if !ok {
		return 0, fieldbus.StatusSensorFailure // sound has let it through: there is no number
	}
	v, ok := n.in(p.gain)
	if !ok || !fits(v, p.size, p.signed) {
		return 0, fieldbus.StatusOutOfRange
	}
	return v, fieldbus.StatusGood
}

// without is what a frame in place of a weight says of a place.
func (f *Format) without(p *place, why conds) fieldbus.Reading {
	switch {
	case p.kind == flag && p.cond == why:
		return fieldbus.Reading{Form: p.form, Bits: 1, Quality: tag.Good, Age: int64(f.lag)}
	case p.kind == identity || p.kind == order:
		return f.bad(p, fieldbus.StatusNotReadable)
	case why == isFault:
		return f.bad(p, fieldbus.StatusSensorFailure)
	case why == isBusy:
		return f.bad(p, fieldbus.StatusWaiting)
	}
	return f.bad(p, fieldbus.StatusOutOfRange)
}

// bad is the reading of a place of which nothing is known.
func (f *Format) bad(p *place, why fieldbus.Status) fieldbus.Reading {
	return fieldbus.Reading{Form: p.form, Quality: tag.Bad, Status: why, Age: int64(f.lag)}
}
