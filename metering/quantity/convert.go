// Conversion between quantities and whole counts of a resolution, comparison, and exact quotients of quantities.

package quantity

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Counts is how many times the resolution res, such as "0.01 kg", goes into q. The error wraps [ErrDimension] if the
// units do not convert, [ErrInexact] if the number is not whole, [ErrOverflow] if it is whole but does not fit. Any other
// error says that q or res is no quantity (unknown unit, Scale above [MaxScale]) or that res is not above zero.
func (q Quantity) Counts(res Quantity) (int64, error) {
	var num, den [4]uint64
	f, err := fraction{num: num[:0], den: den[:0]}.counts(q, res)
	if err != nil {
		return 0, countsError(q, res, err)
	}
	f.reduce()
	if below, ok := product(f.den); !ok || below != 1 {
		return 0, countsError(q, res, ErrInexact)
	}
	mag, fits := product(f.num)
	n, ok := signed(f.neg, mag)
	if !fits || !ok {
		return 0, countsError(q, res, ErrOverflow)
	}
	return n, nil
}

// CountsRound is Counts rounded half to even; it wraps [ErrOverflow] where that does not fit, and never [ErrInexact].
func (q Quantity) CountsRound(res Quantity) (int64, error) {
	var num, den [4]uint64
	f, err := fraction{num: num[:0], den: den[:0]}.counts(q, res)
	if err != nil {
		return 0, countsError(q, res, err)
	}
	mag, fits := divRoundWide(wideOf(f.num...), wideOf(f.den...)) // four words each
	n, ok := signed(f.neg, mag)
	if !fits || !ok {
		return 0, countsError(q, res, ErrOverflow)
	}
	return n, nil
}

// FromCounts is n counts of the resolution res as a quantity with the unit and the decimals of res: 1234 counts of
// "0.05 kg" are 61.70 kg. It is false if the coefficient does not fit, or if res is no quantity or not above zero.
func FromCounts(n int64, res Quantity) (Quantity, bool) {
	if _, err := res.measure(); err != nil || res.Coef <= 0 {
		return Quantity{}, false
	}
	coef, ok := MulDivRound(n, res.Coef, 1)
	if !ok {
		return Quantity{}, false
	}
	return Quantity{Coef: coef, Scale: res.Scale, Unit: res.Unit}, true
}

// Nanoseconds is a quantity of time, such as "1.5 s" or "2 h", in nanoseconds. Errors are those of [Quantity.Counts].
func (q Quantity) Nanoseconds() (int64, error) {
	return q.Counts(Quantity{Coef: 1, Unit: "ns"})
}

// Cmp is -1, 0 or +1 as q is a smaller, the same or a larger amount than p, whatever their units and decimals. The error
// wraps [ErrDimension] if the units do not convert; any other says that q or p is no quantity.
func (q Quantity) Cmp(p Quantity) (int, error) {
	a, errQ := q.measure()
	b, errP := p.measure()
	err := errQ
	switch {
	case err == nil && errP != nil:
		err = errP
	case err == nil && a.dim != b.dim:
		err = ErrDimension
	}
	if err != nil {
		return 0, fmt.Errorf("quantity: %q compared with %q: %w", q, p, err)
	}
	// Four words each, no division.
	left := wideOf(magnitude(q.Coef), a.num, b.den, pow10(p.Scale))
	right := wideOf(magnitude(p.Coef), b.num, a.den, pow10(q.Scale))
	switch negQ, negP := q.Coef < 0, p.Coef < 0; {
	case negQ && negP:
		return right.cmp(&left), nil
	case negQ:
		return -1, nil
	case negP:
		return 1, nil
	}
	return left.cmp(&right), nil
}

// Per is the exact ratio q/p of two quantities whose units convert: "0.00125 kg" per "0.01 kg" is 1/8, the gain in counts
// of a resolution. Errors are those of [Quotient].
func (q Quantity) Per(p Quantity) (Ratio, error) {
	return Quotient([]Quantity{q}, []Quantity{p})
}

// Quotient is the exact ratio of two products of quantities whose units cancel out. It gives the factors of integration
// and of K-factors: "1 kg/h" by "1 ns" over "0.001 kg" is the number of counts of mass in a count of flow by a nanosecond,
// and "1 {pulse}" over "1000 {pulse}/kg" by "0.001 kg" is the number of counts of mass in a pulse.
//
// The error wraps [ErrDimension] if the units do not cancel out and [ErrOverflow] if numerator or denominator of the
// reduced ratio does not fit; any other says which operand is no quantity, or that a divisor is zero.
func Quotient(num, den []Quantity) (Ratio, error) {
	var above, below [16]uint64
	f := fraction{num: above[:0], den: below[:0]}
	var err error
	for _, q := range num {
		if f, err = f.mul(q); err != nil {
			return Ratio{}, quotientError(num, den, err)
		}
	}
	for _, q := range den {
		if f, err = f.div(q); err != nil {
			return Ratio{}, quotientError(num, den, err)
		}
	}
	if f.dim != (dimension{}) {
		return Ratio{}, quotientError(num, den, ErrDimension)
	}
	f.reduce()
	n, fitsNum := product(f.num)
	d, fitsDen := product(f.den)
	r, ok := makeRatio(f.neg, n, d)
	if !fitsNum || !fitsDen || !ok {
		return Ratio{}, quotientError(num, den, ErrOverflow)
	}
	return r, nil
}

// countsError is the message of a conversion to counts that failed.
func countsError(q, res Quantity, err error) error {
	return fmt.Errorf("quantity: %q in counts of %q: %w", q, res, err)
}

// quotientError is the message of a quotient that failed.
func quotientError(num, den []Quantity, err error) error {
	return fmt.Errorf("quantity: %s over %s: %w", productText(num), productText(den), err)
}

// productText shows the operands of one side of a quotient.
func productText(operands []Quantity) string {
	if len(operands) == 0 {
		return `"1"`
	}
	texts := make([]string, len(operands))
	for i, q := range operands {
		texts[i] = strconv.Quote(q.String())
	}
	return strings.Join(texts, " by ")
}

// measure is the measure of the unit, or an error if q is no quantity.
func (q Quantity) measure() (measure, error) {
	if q.Scale > MaxScale {
		return measure{}, fmt.Errorf("scale %d: at most %d decimals are kept", q.Scale, MaxScale)
	}
	m, ok := measureOf(q.Unit)
	if !ok {
		return measure{}, unknown(string(q.Unit))
	}
	return m, nil
}

// fraction is a quotient of quantities as it is built up: sign, dimension, and the factors above and below the line. The
// caller gives room for the factors, two of each per operand; as methods return the fraction they extend instead of
// storing into it, that room stays on the caller's stack.
type fraction struct {
	neg      bool
	dim      dimension
	num, den []uint64
}

// counts is f times q/res, of a quantity and a resolution.
func (f fraction) counts(q, res Quantity) (fraction, error) {
	if res.Coef <= 0 {
		return f, errors.New("the resolution is not above zero")
	}
	f, err := f.mul(q)
	if err != nil {
		return f, err
	}
	if f, err = f.div(res); err != nil {
		return f, err
	}
	if f.dim != (dimension{}) {
		return f, ErrDimension
	}
	return f, nil
}

func (f fraction) mul(q Quantity) (fraction, error) {
	m, err := q.measure()
	if err != nil {
		return f, err
	}
	f.neg = f.neg != (q.Coef < 0)
	for i := range f.dim {
		f.dim[i] += m.dim[i]
	}
	f.num = append(f.num, magnitude(q.Coef), m.num)
	f.den = append(f.den, pow10(q.Scale), m.den)
	return f, nil
}

func (f fraction) div(q Quantity) (fraction, error) {
	m, err := q.measure()
	if err != nil {
		return f, err
	}
	if q.Coef == 0 {
		return f, errors.New("a divisor is zero")
	}
	f.neg = f.neg != (q.Coef < 0)
	for i := range f.dim {
		f.dim[i] -= m.dim[i]
	}
	f.num = append(f.num, pow10(q.Scale), m.den)
	f.den = append(f.den, magnitude(q.Coef), m.num)
	return f, nil
}

// reduce leaves no common divisor between any factor above and any below, hence none between their products.
func (f fraction) reduce() {
	for i := range f.num {
		for j := range f.den {
			g := gcd(f.num[i], f.den[j])
			f.num[i] /= g
			f.den[j] /= g
		}
	}
}

// product multiplies the factors; false if the result takes more than 64 bits.
func product(factors []uint64) (uint64, bool) {
	p, fits := uint64(1), true
	for _, f := range factors {
		if f == 0 {
			return 0, true
		}
		hi, lo := bits.Mul64(p, f)
		fits = fits && hi == 0
		p = lo
	}
	return p, fits
}
