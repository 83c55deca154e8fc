// Quantity: a decimal number with its unit, its text form both ways, and the package comment.

// Package quantity holds the exact numbers of batchkit: decimal quantities with UCUM units, their conversion to whole
// counts of a resolution, 128-bit sums, exact ratios and linear scaling, all in integers.
//
// Start with [Quantity] and [Parse]. A tag has a resolution such as "0.01 kg"; its value is an int64 number of counts of
// that resolution ([Quantity.Counts], [FromCounts]). Raw device values become counts through a [Linear]; sums of
// products are kept in an [Acc] and rounded once, when they are read.
//
// The rule that must not be broken: no floating point, and at most one rounding (half to even) between an input and a
// result. Every result is the same on every architecture. What cannot be computed exactly or does not fit is refused,
// never wrapped or saturated. Nothing here allocates except text and errors.
//
// It does not multiply quantities into new units (see [Quotient] for the ratios that integration and K-factors need), it
// does not convert between Cel and K, and it does not format for display languages: text is ASCII with a decimal point.
package quantity

import (
	"errors"
	"fmt"
	"strings"
)

// MaxScale is the largest number of decimals of a [Quantity].
const MaxScale = 12

// Sentinels wrapped by the errors of this package. The wrapping message shows the text or the quantities concerned.
var (
	// ErrInexact says that the value is not a whole number of counts of the resolution.
	ErrInexact = errors.New("not a whole number of counts")
	// ErrOverflow says that the result does not fit a signed 64-bit integer.
	ErrOverflow = errors.New("does not fit 64 bits")
	// ErrDimension says that the units measure different things.
	ErrDimension = errors.New("the units measure different things")
)

// Quantity is Coef x 10^-Scale Unit: {12000, 2, "kg"} is 120.00 kg. The decimals are part of the value as written, so two
// quantities can be the same amount and yet differ under ==; [Quantity.Cmp] compares amounts.
//
// The zero Quantity has no unit; it serves as "absent" and every computation refuses it.
type Quantity struct {
	Coef  int64
	Scale uint8 // decimals, 0 to MaxScale
	Unit  Unit
}

// Parse reads a number and a unit with exactly one space between them: "120.00 kg", "95 %", "1500 {pulse}/kg". A number
// alone has the unit "1". The decimals written are kept. There is one spelling for each Quantity: Parse refuses a leading
// + or needless zero, an exponent, a bare point, a comma, negative zero and more than [MaxScale] decimals, so String
// gives back the very text that was read. A number too large wraps [ErrOverflow].
func Parse(s string) (Quantity, error) {
	number, code, spaced := strings.Cut(s, " ")
	if strings.TrimSpace(s) != s || strings.HasPrefix(code, " ") {
		return Quantity{}, fmt.Errorf("quantity: %q: needless space; write one space between number and unit only", clip(s))
	}
	coef, scale, err := parseDecimal(number)
	if err != nil {
		if n := numberPrefix(s); !spaced && n > 0 && isUnit(s[n:]) {
			err = fmt.Errorf("no space before the unit; write %q", s[:n]+" "+s[n:])
		}
		return Quantity{}, fmt.Errorf("quantity: %q: %w", clip(s), err)
	}
	if !spaced {
		return Quantity{Coef: coef, Scale: scale, Unit: One}, nil
	}
	if code == string(One) {
		return Quantity{}, fmt.Errorf("quantity: %q: unit 1 is not written; write %q", clip(s), number)
	}
	if isUnit(code) {
		return Quantity{Coef: coef, Scale: scale, Unit: Unit(code)}, nil
	}
	if numberPrefix(code) > 0 {
		return Quantity{}, fmt.Errorf("quantity: %q: a second number after the space; write digits without gaps", clip(s))
	}
	return Quantity{}, fmt.Errorf("quantity: %q: %w", clip(s), unknown(code))
}

// String is the text that [Parse] reads, such as "120.00 kg". The unit "1" is not written.
func (q Quantity) String() string { return string(q.Append(nil)) }

// Append appends the text of String to dst. It allocates only if dst is too small.
func (q Quantity) Append(dst []byte) []byte {
	dst = AppendDecimal(dst, q.Coef, q.Scale)
	if q.Unit == One {
		return dst
	}
	dst = append(dst, ' ')
	return append(dst, q.Unit...)
}

// numberPrefix is the length of the part of s that could be a number.
func numberPrefix(s string) int {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && (c != '-' || i > 0) {
			return i
		}
	}
	return len(s)
}

// clip keeps error messages short whatever was read.
func clip(s string) string {
	const longest = 60
	if len(s) <= longest {
		return s
	}
	return s[:longest] + "..."
}
