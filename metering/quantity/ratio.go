// Ratio: an exact rational number in 64 bits, for gains, K-factors and factors of integration.

package quantity

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Ratio is an exact rational number: a numerator that fits an int64 over a denominator from 1 to the largest int64,
// always reduced. The zero Ratio is 0, and == compares values. [Quantity.Per] and [Quotient] make ratios of quantities.
type Ratio struct {
	num      int64
	denLess1 int64 // the denominator less one, so that the zero value is 0/1
}

// NewRatio is num/den, reduced. It refuses a den that is not above zero.
func NewRatio(num, den int64) (Ratio, error) {
	if den <= 0 {
		return Ratio{}, fmt.Errorf("quantity: ratio %d/%d: the denominator is not above zero", num, den)
	}
	r, _ := makeRatio(num < 0, magnitude(num), uint64(den)) // fits, as both fit before reducing
	return r, nil
}

// ParseRatio reads a decimal number of [ParseDecimal], such as "1.0025", or a fraction of two whole numbers, such as
// "1000/3". A value too large wraps [ErrOverflow].
func ParseRatio(s string) (Ratio, error) {
	above, below, fraction := strings.Cut(s, "/")
	num, scale, err := parseDecimal(above)
	den := int64(pow10(scale))
	if err == nil && fraction {
		den, err = parseDenominator(below)
		if scale > 0 {
			err = errors.New("decimals in a fraction; write whole numbers above and below")
		}
	}
	if err != nil {
		return Ratio{}, fmt.Errorf("quantity: ratio %q: %w", clip(s), err)
	}
	return NewRatio(num, den)
}

// parseDenominator reads the whole number below the line of a fraction.
func parseDenominator(s string) (int64, error) {
	den, scale, err := parseDecimal(s)
	switch {
	case err != nil:
		return 0, err
	case scale > 0:
		return 0, errors.New("decimals in a fraction; write whole numbers above and below")
	case den <= 0:
		return 0, errors.New("the denominator is not above zero")
	}
	return den, nil
}

// makeRatio reduces num/den, den not zero; false if the reduced parts do not fit.
func makeRatio(neg bool, num, den uint64) (Ratio, bool) {
	g := gcd(num, den)
	n, fitsNum := signed(neg, num/g)
	d, fitsDen := signed(false, den/g)
	if !fitsNum || !fitsDen {
		return Ratio{}, false
	}
	return Ratio{num: n, denLess1: d - 1}, true
}

// Num is the numerator of the reduced ratio; it carries the sign.
func (r Ratio) Num() int64 { return r.num }

// Den is the denominator of the reduced ratio, at least 1.
func (r Ratio) Den() int64 { return r.denLess1 + 1 }

// String is "num/den", or "num" if the denominator is 1. [ParseRatio] reads it back.
func (r Ratio) String() string {
	s := strconv.FormatInt(r.num, 10)
	if r.denLess1 == 0 {
		return s
	}
	return s + "/" + strconv.FormatInt(r.Den(), 10)
}

// Mul is r*s, exactly. It is false if numerator or denominator of the reduced product does not fit.
func (r Ratio) Mul(s Ratio) (Ratio, bool) {
	f := fraction{
		num: []uint64{magnitude(r.num), magnitude(s.num)},
		den: []uint64{uint64(r.Den()), uint64(s.Den())},
	}
	f.reduce()
	num, fitsNum := product(f.num)
	den, fitsDen := product(f.den)
	p, ok := makeRatio((r.num < 0) != (s.num < 0), num, den)
	if !fitsNum || !fitsDen || !ok {
		return Ratio{}, false
	}
	return p, true
}

// Inv is 1/r. It is false if r is 0, or the smallest int64 over a denominator, whose inverse does not fit.
func (r Ratio) Inv() (Ratio, bool) {
	if r.num == 0 {
		return Ratio{}, false
	}
	return makeRatio(r.num < 0, uint64(r.Den()), magnitude(r.num))
}

// Apply is v*r rounded half to even. It is false if the result does not fit.
func (r Ratio) Apply(v int64) (int64, bool) {
	return MulDivRound(v, r.num, r.Den())
}
