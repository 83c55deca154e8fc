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

// factored is a meter with its factor, and what the engine has made of it.
type factored struct {
	meter  *iomap.Meter
	f      metering.Factor
	c      *metering.Curve
	k      *big.Rat            // counts of the total for each unit of what is summed
	one    []quantity.Quantity // a count of the source
	source []quantity.Quantity // and over time, of a flow
	time   []quantity.Quantity // what makes an amount of a true value
	res    []quantity.Quantity
}

// factor holds the whole numbers by which a meter is totalized against its factor.
func (r *records) factor(m *iomap.Meter, b *metering.Meter) error {
	t, ns := &r.m.Tags[m.Source], quantity.Quantity{Coef: 1, Unit: "ns"}
	x := factored{meter: m, c: &b.Curve, f: metering.Factor{K: quantity.Quantity{Coef: 1, Unit: quantity.One}}, k: big.NewRat(b.K.Num(), b.K.Den()),
		one: []quantity.Quantity{{Coef: 1, Unit: t.Unit}}, time: []quantity.Quantity{ns}, res: []quantity.Quantity{m.Resolution}}
	if t.Type == iomap.Number {
		x.one[0] = t.Resolution
	}
	x.source = x.one
	switch m.Method {
	case metering.Weight:
		x.time = nil
	case metering.Flow:
		x.source = append(slices.Clone(x.one), ns)
	}
	for i := range r.cal.Factors {
		if r.cal.Factors[i].Meter == m.Name {
			x.f = r.cal.Factors[i]
		}
	}
	x.k.Quo(x.k, new(big.Rat).SetInt64(max(1, b.Curve.Per)))
	if m.Method == metering.Flow && m.Trapezoid {
		x.k.Mul(x.k, big.NewRat(2, 1))
	}
	fits := false
	switch {
	case x.f.K.Coef != 0:
		fits = x.ratio()
	case x.f.Gain.Coef != 0:
		fits = x.straight()
	default:
		fits = x.points(t.Type == iomap.Counter)
	}
	if !fits {
		return fmt.Errorf("meter %s: %w", m.Name, errFactor)
	}
	return nil
}

// line is what a value of the source stands for by a piece, in counts of the total.
func (x *factored) line(piece int, v *big.Rat) *big.Rat {
	y := new(big.Rat).Set(v)
	if len(x.c.A) > 0 {
		y.Mul(y, new(big.Rat).SetInt64(x.c.A[piece]))
		y.Add(y, new(big.Rat).SetInt64(x.c.B[piece]))
	}
	return y.Mul(y, x.k)
}

// ratio tells whether it is a K-factor.
func (x *factored) ratio() bool {
	want, ok := product(x.f.Density, append(slices.Clone(x.source), x.f.K), x.res)
	if !ok {
		want, ok = product(x.f.Density, x.source, append(slices.Clone(x.res), x.f.K))
	}
	return ok && len(x.c.A) == 0 && x.k.Cmp(want) == 0
}

// straight tells whether it is a straight line.
func (x *factored) straight() bool {
	slope, ok := product(x.f.Density, append(slices.Clone(x.source), x.f.Gain), x.res)
	offset, fits := product(x.f.Density, append(slices.Clone(x.time), x.f.Offset), x.res)
	return ok && fits && len(x.c.X) == 0 && x.line(0, new(big.Rat)).Cmp(offset) == 0 &&
		x.line(0, big.NewRat(1, 1)).Cmp(slope.Add(slope, offset)) == 0
}

// points tells whether it is a polyline: each point lies where it should, on both pieces that meet in it.
func (x *factored) points(counter bool) bool {
	if len(x.c.X) != len(x.f.Points) || len(x.c.A) != len(x.c.X)-1 {
		return false
	}
	for i, p := range x.f.Points {
		v, at := new(big.Rat).SetInt64(x.c.X[i]), []quantity.Quantity{p.Source}
		counts := x.meter.Method == metering.Pulses || x.meter.Method == metering.Totalizer
		if counts {
			at = append(at, quantity.Quantity{Coef: 1000, Unit: "s"})
		}
		place, ok := product(quantity.Quantity{}, at, x.one)
		if !ok && counter {
			place, ok = product(quantity.Quantity{}, at, []quantity.Quantity{{Coef: 1, Unit: quantity.One}})
		}
		want, fits := product(x.f.Density, append(slices.Clone(x.time), p.True), x.res)
		if !ok || !fits || v.Cmp(place) != 0 {
			return false
		}
		if counts { // in a nanosecond
			v.Quo(v, new(big.Rat).SetInt64(1000*nsOfSecond))
		}
		for piece := max(0, i-1); piece <= min(i, len(x.c.A)-1); piece++ {
			if x.line(piece, v).Cmp(want) != 0 {
				return false
			}
		}
	}
	return true
}
