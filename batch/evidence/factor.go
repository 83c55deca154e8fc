// Calibrations: what the engine has made of a factor in whole numbers, held against the factor itself in fractions.

package evidence

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
)

// product is num over den as a fraction, with a density above or below the line where units need one; ok is false where they do not fit.
func product(density quantity.Quantity, num, den []quantity.Quantity) (value *big.Rat, ok bool) {
	units := func(list []quantity.Quantity) (bare []quantity.Quantity) {
		for _, q := range list {
			bare = append(bare, quantity.Quantity{Coef: 1, Unit: q.Unit})
		}
		return bare
	}
	r, err := quantity.Quotient(units(num), units(den))
	if err != nil && density.Coef != 0 {
		num = append(slices.Clone(num), density)
		if r, err = quantity.Quotient(units(num), units(den)); err != nil {
			num, den = num[:len(num)-1], append(slices.Clone(den), density)
			r, err = quantity.Quotient(units(num), units(den))
		}
	}
	if err != nil {
		return nil, false
	}
	value = big.NewRat(r.Num(), r.Den())
	for _, q := range num {
		value.Mul(value, fraction(q))
	}
	for _, q := range den {
		value.Quo(value, fraction(q))
	}
	return value, true
}

// fraction is the number of a quantity.
func fraction(q quantity.Quantity) *big.Rat {
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(q.Scale)), nil)
	return new(big.Rat).SetFrac(big.NewInt(q.Coef), ten)
}

var errFactor = errors.New("what the engine makes of its factor is not what the calibration says")

// factor holds the whole numbers by which a meter is totalized against its factor.
func (r *records) factor(m *iomap.Meter, b *metering.Meter) error {
	t, res := &r.m.Tags[m.Source], []quantity.Quantity{m.Resolution}
	one, ns := []quantity.Quantity{{Coef: 1, Unit: t.Unit}}, quantity.Quantity{Coef: 1, Unit: "ns"}
	if t.Type == iomap.Number {
		one[0] = t.Resolution
	}
	time := []quantity.Quantity{ns}
	if m.Method == metering.Weight {
		time = nil
	}
	source := one
	if m.Method == metering.Flow {
		source = append(slices.Clone(one), ns)
	}
	f := metering.Factor{K: quantity.Quantity{Coef: 1, Unit: quantity.One}}
	for i := range r.cal.Factors {
		if r.cal.Factors[i].Meter == m.Name {
			f = r.cal.Factors[i]
		}
	}
	k := big.NewRat(b.K.Num(), b.K.Den())
	k.Quo(k, new(big.Rat).SetInt64(max(1, b.Curve.Per)))
	if m.Method == metering.Flow && m.Trapezoid {
		k.Mul(k, big.NewRat(2, 1))
	}
	c := &b.Curve
	line := func(i int, x *big.Rat) *big.Rat { // what x stands for by piece i, in counts of the total
		if len(c.A) == 0 {
			return x.Mul(x, k)
		}
		y := x.Mul(x, new(big.Rat).SetInt64(c.A[i]))
		return y.Mul(y.Add(y, new(big.Rat).SetInt64(c.B[i])), k)
	}
	same := func(is, want *big.Rat, ok bool) error {
		if !ok || is.Cmp(want) != 0 {
			return fmt.Errorf("meter %s: %w", m.Name, errFactor)
		}
		return nil
	}
	switch {
	case f.K.Coef != 0:
		want, ok := product(f.Density, append(slices.Clone(source), f.K), res)
		if !ok {
			want, ok = product(f.Density, source, append(slices.Clone(res), f.K))
		}
		return same(k, want, ok && len(c.A) == 0)
	case f.Gain.Coef != 0:
		slope, ok := product(f.Density, append(slices.Clone(source), f.Gain), res)
		offset, fits := product(f.Density, append(slices.Clone(time), f.Offset), res)
		if !ok || !fits || len(c.X) > 0 {
			return same(k, k, false)
		}
		return errors.Join(same(line(0, new(big.Rat)), offset, true), same(line(0, big.NewRat(1, 1)), slope.Add(slope, offset), true))
	}
	if len(c.X) != len(f.Points) || len(c.A) != len(c.X)-1 {
		return same(k, k, false)
	}
	for i, p := range f.Points {
		x := new(big.Rat).SetInt64(c.X[i])
		at := []quantity.Quantity{p.Source}
		if b.Method == metering.Pulses || b.Method == metering.Totalizer {
			at = append(at, quantity.Quantity{Coef: 1000, Unit: "s"})
		}
		place, ok := product(quantity.Quantity{}, at, one)
		if !ok && t.Type == iomap.Counter {
			place, ok = product(quantity.Quantity{}, at, []quantity.Quantity{{Coef: 1, Unit: quantity.One}})
		}
		if err := same(x, place, ok); err != nil {
			return err
		}
		if len(at) > 1 { // counts in a nanosecond
			x.Quo(x, new(big.Rat).SetInt64(1000*nsOfSecond))
		}
		want, fits := product(f.Density, append(slices.Clone(time), p.True), res)
		for piece := max(0, i-1); piece <= min(i, len(c.A)-1); piece++ {
			if err := same(line(piece, new(big.Rat).Set(x)), want, fits); err != nil {
				return err
			}
		}
	}
	return nil
}
