// Calibrations: what the engine has made of a factor in whole numbers, held against the factor itself in fractions.

package evidence

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

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

// points tells whether it is a polyline: each point lies where it should, on both pieces that meet in it, or what is rounded is
// rounded by its rule.
func (x *factored) points(counter bool) bool {
	if len(x.c.X) != len(x.f.Points) || len(x.c.A) != len(x.c.X)-1 || len(x.c.B) != len(x.c.A) {
		return false
	}
	var at, want []*big.Rat
	counts := x.meter.Method == metering.Pulses || x.meter.Method == metering.Totalizer
	for i, p := range x.f.Points {
		v, shows := new(big.Rat).SetInt64(x.c.X[i]), []quantity.Quantity{p.Source}
		if counts {
			shows = append(shows, quantity.Quantity{Coef: 1000, Unit: "s"})
		}
		place, ok := product(quantity.Quantity{}, shows, x.one)
		if !ok && counter {
			place, ok = product(quantity.Quantity{}, shows, []quantity.Quantity{{Coef: 1, Unit: quantity.One}})
		}
		y, fits := product(x.f.Density, append(slices.Clone(x.time), p.True), x.res)
		if !ok || !fits || v.Cmp(place) != 0 {
			return false
		}
		if counts { // in a nanosecond
			v.Quo(v, new(big.Rat).SetInt64(1000*nsOfSecond))
		}
		at, want = append(at, v), append(want, y)
	}
	if x.c.Rounded {
		return x.rounded(at, want, counts)
	}
	for i := range at {
		for piece := max(0, i-1); piece <= min(i, len(x.c.A)-1); piece++ {
			if x.line(piece, at[i]).Cmp(want[i]) != 0 {
				return false
			}
		}
	}
	return true
}

// rounded tells whether coefficients are those of the rule of a rounded curve, whose points lie at these places and true values, and
// no finer ones fit.
func (x *factored) rounded(at, want []*big.Rat, counts bool) bool {
	u, long := big.NewRat(1, 1), new(big.Rat).SetInt64(1000*nsOfSecond) // 1000 s
	if !counts {
		switch own, ok := product(x.f.Density, x.source, x.res); {
		case ok:
			u = own
		case x.meter.Method == metering.Flow:
			u.Inv(long)
		}
	}
	per := new(big.Int).SetInt64(x.c.Per)
	if x.k.Cmp(new(big.Rat).Quo(u, new(big.Rat).SetInt(per))) != 0 {
		return false
	}
	a, b, fits := coefficientsOf(at, want, u, per)
	if !fits || !slices.Equal(a, x.c.A) || !slices.Equal(b, x.c.B) {
		return false
	}
	if digits := per.String(); len(digits) > 19 || strings.Trim(digits[1:], "0") != "" || digits[0] != '1' {
		return false
	} else if len(digits) < 19 {
		if _, _, finer := coefficientsOf(at, want, u, new(big.Int).Mul(per, big.NewInt(10))); finer {
			return false
		}
	}
	limit := new(big.Rat).SetFrac(per, big.NewInt(1000))
	if counts {
		if least := new(big.Rat).SetFrac(big.NewInt(slices.Min(a)), big.NewInt(1000)); least.Cmp(limit) > 0 {
			limit = least
		}
		limit.Quo(limit, long)
	}
	for i := range a {
		off := new(big.Rat).Sub(at[i+1], at[i])
		if off.Add(off, big.NewRat(1, 1)).Cmp(new(big.Rat).Mul(limit, big.NewRat(2, 1))) >= 0 {
			return false
		}
	}
	return true
}

// coefficientsOf are the coefficients of the pieces between points in units of u/per, rounded half to even; fits is false where one of them, or
// what they make of an end of their piece, is above 2^62 in amount.
func coefficientsOf(at, want []*big.Rat, u *big.Rat, per *big.Int) (as, bs []int64, fits bool) {
	fine := new(big.Rat).SetInt(per)
	fine.Quo(fine, u)
	most := new(big.Rat).SetInt64(1 << 62)
	for i := range len(at) - 1 {
		slope := new(big.Rat).Sub(want[i+1], want[i])
		slope.Quo(slope, new(big.Rat).Sub(at[i+1], at[i]))
		a := halfEvenOf(slope.Mul(slope, fine))
		left := new(big.Rat).Mul(a, at[i])
		b := halfEvenOf(left.Sub(new(big.Rat).Mul(want[i], fine), left))
		for _, v := range []*big.Rat{a, b, new(big.Rat).Add(new(big.Rat).Mul(a, at[i]), b), new(big.Rat).Add(new(big.Rat).Mul(a, at[i+1]), b)} {
			if new(big.Rat).Abs(v).Cmp(most) > 0 {
				return nil, nil, false
			}
		}
		as, bs = append(as, a.Num().Int64()), append(bs, b.Num().Int64())
	}
	return as, bs, true
}

func halfEvenOf(r *big.Rat) *big.Rat { return new(big.Rat).SetInt(halfEven(r.Num(), r.Denom())) }
