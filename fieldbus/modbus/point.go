// Points: where the values of channels lie in a device, and how registers become values and back.

package modbus

import (
	"errors"
	"fmt"
	"math"

	"github.com/batchkit/batchkit/iomap/tag"
)

// Point says where the value of a channel lies in the device.
//
// Registers hold a value big end first: the register with the lower address holds the higher half.
type Point struct {
	Channel string   // physical channel, as the I/O map names it; each once
	Table   Table    // Coil, Holding or Input; coils and holding registers can be written
	Address uint16   // of the coil or the first register, counted from 0
	Words   int      // registers: 1, 2 or 4; 0: 1, which is also what a coil takes up
	Form    tag.Form // Bool of 1 word, and always for a coil; Int of any; Float32 of 2; Float64 of 4
	Signed  bool     // an Int of 1 or 2 words is two's complement; else it is not negative
}

// words gives how many coils or registers the point takes up.
func (p *Point) words() int { return max(p.Words, 1) }

// check refuses a point that cannot be.
func (p *Point) check() error {
	switch {
	case p.Channel == "":
		return errors.New("channel has no name")
	case p.Table < Coil || p.Table > Input || p.Table == Discrete:
		return fmt.Errorf("%v is none of coil, holding and input", p.Table)
	case p.Words < 0 || p.words() != 1 && p.Words != 2 && p.Words != 4:
		return fmt.Errorf("%d words: must be 1, 2 or 4", p.Words)
	case !p.fits():
		return fmt.Errorf("form %v does not lie in %d words of table %v", p.Form, p.words(), p.Table)
	case p.Signed && p.Form != tag.Int:
		return fmt.Errorf("form %v is not signed or unsigned", p.Form)
	case int(p.Address)+p.words() > 1<<16:
		return fmt.Errorf("%d words from address %d: the last address is 65535", p.words(), p.Address)
	}
	return nil
}

// fits tells whether values of the point's form take up its words.
func (p *Point) fits() bool {
	switch p.Form {
	case tag.Bool:
		return p.words() == 1
	case tag.Int:
		return p.Table != Coil
	case tag.Float32:
		return p.Table != Coil && p.words() == 2
	case tag.Float64:
		return p.Table != Coil && p.words() == 4
	default:
		return false
	}
}

// value makes a value of the registers; ok is false for a Bool that is neither 0 nor 1.
func (p *Point) value(words []uint16) (bits uint64, ok bool) {
	for _, w := range words[:p.words()] {
		bits = bits<<16 | uint64(w)
	}
	if p.Signed {
		unused := 64 - 16*p.words()
		bits = uint64(int64(bits<<unused) >> unused)
	}
	return bits, p.Form != tag.Bool || bits <= 1
}

// registers makes registers of a value that is to be written, in buf. What would come out as another value is refused.
func (p *Point) registers(w *tag.Write, buf *[4]uint16) ([]uint16, error) {
	if p.Table == Input {
		return nil, errors.New("input registers are read-only")
	}
	if w.Form != p.Form {
		return nil, fmt.Errorf("value of form %v for a point of form %v", w.Form, p.Form)
	}
	least, most := int64(0), int64(1)
	if p.Form != tag.Bool {
		most = math.MaxInt64 >> (63 - 16*min(p.words(), 3))
	}
	if p.Signed {
		most >>= 1
		least = -most - 1
	}
	if v := int64(w.Bits); p.words() < 4 && (v < least || v > most) {
		return nil, fmt.Errorf("value %d: the point holds %d to %d", v, least, most)
	}
	for i := range p.words() {
		buf[i] = uint16(w.Bits >> (16 * (p.words() - 1 - i)))
	}
	return buf[:p.words()], nil
}
