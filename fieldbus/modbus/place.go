// Places: where a point of a profile lies in a device, in the words of this protocol.

package modbus

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// place is a point of a profile, compiled.
type place struct {
	name     string
	table    Table
	first    int // address of the coil or the first register
	count    int // coils or registers
	bit      int // of the register, 0 the lowest; -1: the point is no bit
	kind     fieldbus.Type
	form     tag.Form // of all but String
	swapped  bool     // bytes within each register
	reversed bool     // registers
	length   int      // String: bytes
	access   fieldbus.Access
}

// end is the address behind the place.
func (p *place) end() int { return p.first + p.count }

// sizes are the registers that a type takes up.
var sizes = [fieldbus.Float64 + 1]int{
	fieldbus.Bool: 1, fieldbus.Int16: 1, fieldbus.Uint16: 1, fieldbus.Int32: 2, fieldbus.Uint32: 2, fieldbus.Int64: 4, fieldbus.Uint64: 4,
	fieldbus.Float32: 2, fieldbus.Float64: 4,
}

// newPlace compiles a point. All that is wrong with it comes at once.
func newPlace(pt *fieldbus.Point) (p place, err error) {
	p = place{name: pt.Name, kind: pt.Type, length: pt.Length, access: pt.Access, bit: -1,
		swapped: pt.Order == fieldbus.BADC || pt.Order == fieldbus.DCBA, reversed: pt.Order == fieldbus.CDAB || pt.Order == fieldbus.DCBA}
	var wrong []error
	bad := func(is bool, format string, args ...any) {
		if is {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	if err := p.locate(pt.At); err != nil {
		wrong = append(wrong, err)
	}
	switch {
	case pt.Type == fieldbus.String:
		p.count = (min(max(pt.Length, 1), 2*MaxRead) + 1) / 2
		bad(pt.Length < 1 || pt.Length > 2*MaxRead, "string of %d bytes: 1 to %d can be read at once", pt.Length, 2*MaxRead)
		bad(p.reversed, "a string has its bytes in registers in their order; order is ABCD or BADC")
		bad(pt.Access != fieldbus.ReadOnly, "a string identifies a device and is never written; make it read-only")
	case pt.Type < fieldbus.Bool || pt.Type > fieldbus.Float64:
		bad(true, "type %d is none of those that a point can have", pt.Type)
	default:
		p.count, p.form = sizes[pt.Type], pt.Type.Form()
		bad(pt.Length != 0, "length %d: only a string has one", pt.Length)
	}
	bad(pt.Order > fieldbus.DCBA, "order %d is none of ABCD, CDAB, BADC and DCBA", pt.Order)
	bad(pt.Access > fieldbus.WriteOnly, "access %d is none of those that a point can have", pt.Access)
	if p.table != 0 {
		registers := p.table == Holding || p.table == Input
		bad(!registers && p.kind != fieldbus.Bool, "%v %d is one bit: its type is bool", p.table, p.first)
		bad(p.bit >= 0 && p.kind != fieldbus.Bool, "bit %d of a register is one bit: its type is bool", p.bit)
		bad(p.kind == fieldbus.Bool && pt.Order != fieldbus.ABCD, "a bool has no order of bytes; say which bit of the register it is")
		bad(p.end() > 1<<16, "%d registers from address %d: the last address is 65535", p.count, p.first)
		bad(p.access != fieldbus.ReadOnly && p.table != Coil && p.table != Holding, "%v cannot be written in this protocol; make it read-only", p.table)
	}
	return p, errors.Join(wrong...)
}

// locate reads an address such as "coil 0", "holding 40" or "holding 40.3".
func (p *place) locate(at string) error {
	table, address, ok := cutTable(at)
	bit := ""
	if ok && (table == Holding || table == Input) {
		var dotted bool
		if address, bit, dotted = strings.Cut(address, "."); dotted {
			p.bit, ok = digits(bit, 15)
		}
	}
	if ok {
		p.first, ok = digits(address, 1<<16-1)
	}
	if !ok {
		p.bit = -1
		return fmt.Errorf(`address %q: must be "coil", "discrete", "holding" or "input", a space, and 0 to 65535 as on the wire; `+
			`".0" to ".15" behind it is a bit of a register; what a manual calls 40041 is "holding 40"`, short(at))
	}
	p.table = table
	return nil
}

// gap is a range of addresses of a table that no read may span: from the first to before the last, or, where these are one, between
// that address and the one before it.
type gap struct {
	table    Table
	from, to int
}

// newGap reads a range such as "input 100..199" or "coil 7".
func newGap(text string) (gap, error) {
	table, rest, ok := cutTable(text)
	from, to, ranged := strings.Cut(rest, "..")
	if !ranged {
		to = from
	}
	first, okFirst := digits(from, 1<<16-1)
	last, okLast := digits(to, 1<<16-1)
	if !ok || !okFirst || !okLast || last < first {
		return gap{}, fmt.Errorf(`range %q: must be such as "input 100..199" or "coil 7", with addresses as on the wire`, short(text))
	}
	return gap{table, first, last + 1}, nil
}

// cutTable takes the table off an address.
func cutTable(text string) (table Table, rest string, ok bool) {
	name, rest, ok := strings.Cut(text, " ")
	for t := Coil; ok && t <= Input; t++ {
		if t.String() == name {
			return t, rest, true
		}
	}
	return 0, "", false
}

// digits reads a number the way it is written: digits alone, and no zero before them.
func digits(text string, most int) (n int, ok bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0 && n <= most && strconv.Itoa(n) == text
}

// short is text as an error may hold it.
func short(text string) string {
	const most = 60
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// cutPrefix is strings.CutPrefix of what is not empty behind it.
func cutPrefix(text, prefix string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(text, prefix)
	return rest, ok && rest != ""
}
