// Values: how registers become the value of a point, and back.

package modbus

import (
	"fmt"
	"math"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// reading makes a reading of what was read of the place; coils are words of 0 or 1.
func (p *place) reading(words []uint16) fieldbus.Reading {
	bits, ok := p.value(words)
	if !ok {
		return p.bad(fieldbus.StatusOutOfRange)
	}
	return fieldbus.Reading{Form: p.form, Bits: bits, Quality: tag.Good}
}

// bad is the reading of a place of which nothing is known.
func (p *place) bad(s fieldbus.Status) fieldbus.Reading {
	return fieldbus.Reading{Form: p.form, Quality: tag.Bad, Status: s}
}

// value makes the value of what was read of the place. It is not ok where it is none that the form has: a bool of a whole register
// that is neither 0 nor 1, a uint64 of more than an int64, and a string.
func (p *place) value(words []uint16) (bits uint64, ok bool) {
	if p.kind == fieldbus.String {
		return 0, false // it is text, for Text
	}
	if p.bit >= 0 {
		return uint64(words[0]>>p.bit) & 1, true
	}
	for i := range p.count {
		bits = bits<<16 | uint64(p.word(words, i))
	}
	switch p.kind {
	case fieldbus.Bool:
		return bits, bits <= 1
	case fieldbus.Int16:
		bits = uint64(int64(int16(bits)))
	case fieldbus.Int32:
		bits = uint64(int64(int32(bits)))
	case fieldbus.Uint64:
		return bits, bits <= math.MaxInt64
	}
	return bits, true
}

// word gives the register of place i by weight, the greatest first.
func (p *place) word(words []uint16, i int) uint16 {
	w := words[p.at(i)]
	if p.swapped {
		w = w<<8 | w>>8
	}
	return w
}

// at is where the register of place i by weight lies.
func (p *place) at(i int) int {
	if p.reversed {
		return p.count - 1 - i
	}
	return i
}

// registers makes registers of a value that is to be written, in buf. What would come out as another value is refused.
func (p *place) registers(form tag.Form, bits uint64, buf *[4]uint16) ([]uint16, error) {
	switch {
	case p.access == fieldbus.ReadOnly:
		return nil, fmt.Errorf("the profile has it read-only")
	case form != p.form:
		return nil, fmt.Errorf("value of form %v for a point of form %v", form, p.form)
	}
	least, most := p.kind.Range()
	if v := int64(bits); v < least || v > most {
		return nil, fmt.Errorf("value %d: the point holds %d to %d", v, least, most)
	}
	for i := range p.count {
		w := uint16(bits >> (16 * (p.count - 1 - i)))
		if p.swapped {
			w = w<<8 | w>>8
		}
		buf[p.at(i)] = w
	}
	return buf[:p.count], nil
}

// text makes a text of the registers of a String: up to the first byte of 0, without the spaces that fill it up. What is not
// printable ASCII is refused: it is compared with what a tag map has.
func (p *place) text(words []uint16) (string, error) {
	b := make([]byte, 0, 2*p.count)
	for i := range p.count {
		w := p.word(words, i)
		b = append(b, byte(w>>8), byte(w))
	}
	s, _, _ := strings.Cut(string(b[:p.length]), "\x00")
	s = strings.TrimRight(s, " ")
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "", fmt.Errorf("text %q: byte %d is not printable ASCII; look at its address, length and order", s, i)
		}
	}
	return s, nil
}
