// Polylines that whole numbers do not hold exactly: their coefficients, rounded by a rule that anybody can repeat.

package metering

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/batchkit/batchkit/metering/quantity"
)

// maxPer is the greatest Per of a rounded Curve, 10^18, and room what none of its whole numbers exceeds.
const (
	maxPer = 1_000_000_000_000_000_000
	room   = 1 << 62
)

var errCoarse = errors.New("its pieces cannot be made whole so that what they stand for is off by less than 1/1000 of a count; write a " +
	"coarser resolution for meter or source")

// Words say by which whole numbers a polyline was totalized that these do not hold exactly: ["rounded 1/10000000000",
// "piece 0 10012345679 0", ...], Per and then X[i], A[i] and B[i] of each piece; nil where nothing is rounded.
func (c *Curve) Words() []string {
	if !c.Rounded {
		return nil
	}
	words := []string{fmt.Sprintf("rounded 1/%d", c.Per)}
	for i := range c.A {
		words = append(words, fmt.Sprintf("piece %d %d %d", c.X[i], c.A[i], c.B[i]))
	}
	return words
}

// round makes whole coefficients of a polyline by the rule that Curve tells.
func (b *binder) round() error {
	counts := b.m.Method <= Totalizer
	unit, err := quantity.NewRatio(1, 1)
	if !counts {
		unit, err = b.f.quotient(b.one, []quantity.Quantity{b.resolution})
		if errors.Is(err, quantity.ErrDimension) {
			if unit, err = quantity.NewRatio(1, 1); b.m.Method == Flow {
				unit, err = quantity.NewRatio(1, thousand)
			}
		}
	}
	if err != nil {
		return err
	}
	for per := int64(maxPer); per > 0; per /= 10 {
		c, fits := b.rounded(rat(unit), per)
		switch {
		case fits && !b.close(&c):
			return errCoarse
		case fits:
			b.m.K, b.m.Curve = unit, c
			return nil
		}
	}
	return errCoarse
}

// rounded are the coefficients in units of unit/per; false where they do not fit.
func (b *binder) rounded(unit *big.Rat, per int64) (Curve, bool) {
	c := Curve{X: b.x, Per: per, Rounded: true}
	scale := new(big.Rat).Quo(new(big.Rat).SetInt64(per), unit)
	at := func(i int, a, offset *big.Rat) *big.Rat { // a line at a point
		y := new(big.Rat).Mul(b.xOf(i), a)
		return y.Add(y, offset)
	}
	most := new(big.Rat).SetInt64(room)
	for i := range b.a {
		a := nearest(new(big.Rat).Mul(b.a[i], scale))
		slope := new(big.Rat).SetInt(a)
		offset := at(i, b.a[i], b.b[i])
		offset.Sub(offset.Mul(offset, scale), at(i, slope, new(big.Rat)))
		o := nearest(offset)
		for _, y := range []*big.Rat{slope, new(big.Rat).SetInt(o), at(i, slope, new(big.Rat).SetInt(o)), at(i+1, slope, new(big.Rat).SetInt(o))} {
			if y.Abs(y).Cmp(most) > 0 {
				return c, false
			}
		}
		c.A, c.B = append(c.A, a.Int64()), append(c.B, o.Int64())
	}
	return c, true
}

// xOf is where point i lies: counts of the source, of a counter in a nanosecond.
func (b *binder) xOf(i int) *big.Rat {
	if b.m.Method <= Totalizer {
		return big.NewRat(b.x[i], thousand)
	}
	return new(big.Rat).SetInt64(b.x[i])
}

// close tells whether what the pieces stand for is off by less than a thousandth of a count.
func (b *binder) close(c *Curve) bool {
	limit := big.NewRat(c.Per, 1000)
	if b.m.Method <= Totalizer { // in 1000 s, of the total or of the source
		least := new(big.Rat).SetInt64(c.A[0])
		for _, a := range c.A {
			if v := new(big.Rat).SetInt64(a); v.Cmp(least) < 0 {
				least = v
			}
		}
		if least.Quo(least, big.NewRat(1000, 1)); limit.Cmp(least) < 0 {
			limit = least
		}
		limit.Quo(limit, big.NewRat(thousand, 1))
	}
	for i := range c.A {
		off := new(big.Rat).Sub(b.xOf(i+1), b.xOf(i))
		off.Add(off, big.NewRat(1, 1))
		if off.Quo(off, big.NewRat(2, 1)).Cmp(limit) >= 0 {
			return false
		}
	}
	return true
}

// nearest is a fraction rounded half to even.
func nearest(r *big.Rat) *big.Int {
	q, rest := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	if c := rest.Lsh(rest, 1).Cmp(r.Denom()); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q
}
