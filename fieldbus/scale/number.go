// Numbers: what stands in a field, exactly, and what it is in the resolution of a point. There are no floats.

package scale

import (
	"bytes"
	"math"
	"math/bits"

	"github.com/batchkit/batchkit/metering/quantity"
)

// maxDigits is how many digits a number may have: as many as an int64 holds all of.
const maxDigits = 18

// number is coef * 10^-scale.
type number struct {
	coef   int64
	scale  int  // below zero: that many zeros are to be added
	marked bool // there was a decimal mark
	minus  bool // there was a -
}

// parseNumber reads the number in a field: blanks, a sign, blanks, digits, of which some may stand behind one decimal mark, blanks. Anything
// else is none.
func parseNumber(b []byte, mark byte) (n number, ok bool) {
	b = bytes.Trim(b, " ")
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		n.minus = b[0] == '-'
		b = bytes.TrimLeft(b[1:], " ")
	}
	digits := 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			if digits++; digits > maxDigits {
				return number{}, false
			}
			n.coef = 10*n.coef + int64(c-'0')
			if n.marked {
				n.scale++
			}
		case c == mark && !n.marked:
			n.marked = true
		default:
			return number{}, false
		}
	}
	if n.minus {
		n.coef = -n.coef
	}
	return n, digits > 0
}

// isBlank tells whether a field says that there is no number: blanks, or one of the signs that displays show instead, all over.
func isBlank(b []byte) bool {
	b = bytes.Trim(b, " ")
	if len(b) == 0 {
		return true
	}
	return len(b) > 1 && bytes.IndexByte([]byte("-_*^?="), b[0]) >= 0 && len(bytes.Trim(b, string(b[0]))) == 0
}

// in gives the number as a multiple of a gain above zero in the same unit. It is not ok where it is no whole one, or more than an int64 holds.
func (n number) in(gain quantity.Quantity) (int64, bool) {
	above, below := n.coef, gain.Coef
	up := int(gain.Scale) - n.scale
	for ; up > 0; up-- {
		if above > math.MaxInt64/10 || above < math.MinInt64/10 {
			return 0, false
		}
		above *= 10
	}
	for ; up < 0; up++ {
		if below > math.MaxInt64/10 {
			return 0, above == 0 // more decimals than any digit of it has
		}
		below *= 10
	}
	return above / below, above%below == 0
}

// fits tells whether a whole number of so many bits, signed or not, holds v.
func fits(v int64, size int, signed bool) bool {
	if !signed {
		return v >= 0 && bits.Len64(uint64(v)) <= size
	}
	if v < 0 {
		v = ^v
	}
	return bits.Len64(uint64(v)) < size
}
