// Calibrations made exact: what a meter needs of them, in whole numbers and one ratio.

package metering

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/batchkit/batchkit/metering/quantity"
)

// What is wrong with a factor.
var (
	errDigits  = errors.New("it needs more than 64 bits; write fewer digits")
	errBegin   = errors.New("a counter begins from rest, and so does its polyline; begin it at 0, for example [0 Hz, 0 kg/min]")
	errDensity = fmt.Errorf("a mass against a volume needs a density; write one in the calibration, such as density: 0.998 kg/L: %w",
		quantity.ErrDimension)
	errNoDensity = fmt.Errorf("a density is not needed here; leave it out: %w", quantity.ErrDimension)
)

// ratio is a source by the K-factor over a resolution.
func (f *Factor) ratio(source []quantity.Quantity, resolution quantity.Quantity) (quantity.Ratio, error) {
	r, err := f.quotient(append(source[:len(source):len(source)], f.K), []quantity.Quantity{resolution})
	if errors.Is(err, quantity.ErrDimension) {
		inv, other := f.quotient(source, []quantity.Quantity{f.K, resolution})
		if !errors.Is(other, quantity.ErrDimension) || errors.Is(other, errDensity) || errors.Is(other, errNoDensity) {
			return inv, other
		}
	}
	return r, err
}

// quotient is quantity.Quotient with the density above or below the line, where there is one.
func (f *Factor) quotient(num, den []quantity.Quantity) (quantity.Ratio, error) {
	with := func(d quantity.Quantity) (quantity.Ratio, error) {
		r, err := quantity.Quotient(append(num[:len(num):len(num)], d), den)
		if errors.Is(err, quantity.ErrDimension) {
			r, err = quantity.Quotient(num, append(den[:len(den):len(den)], d))
		}
		return r, err
	}
	r, err := quantity.Quotient(num, den)
	switch {
	case f.Density.Coef == 0 && errors.Is(err, quantity.ErrDimension):
		if _, other := with(quantity.Quantity{Coef: 1, Unit: "kg/L"}); !errors.Is(other, quantity.ErrDimension) {
			err = errDensity
		}
	case f.Density.Coef != 0 && !errors.Is(err, quantity.ErrDimension):
		return r, errNoDensity
	case f.Density.Coef != 0:
		r, err = with(f.Density)
	}
	return r, err
}

// Bind gives a meter the K and the Curve that its factor makes of its method, exactly, and turns the limit of its tare from
// counts of the source into what is summed. one is a count of its source: "1 {pulse}", or the resolution of its tag; resolution
// is a count of its total. A meter without factor must have a source that converts by itself. It is to be called once for a Meter
// whose other fields stand.
//
// The error wraps [quantity.ErrDimension] where units do not fit together; where a density is missing it says so. A polyline of a
// counter or totalizer begins at 0 or below. A K-factor or straight line that needs more than 64 bits is refused with the advice to
// write fewer digits; a polyline that does is rounded as [Curve] tells, and refused where that would be coarse. After an error the
// meter must not be used.
func (c *Calibration) Bind(m *Meter, meter string, one, resolution quantity.Quantity) error {
	f := c.factor(meter)
	if f == nil {
		f = &Factor{K: quantity.Quantity{Coef: 1, Unit: quantity.One}}
	}
	b := binder{f: f, m: m, one: []quantity.Quantity{one}, resolution: resolution}
	if m.Method == Flow {
		b.one = append(b.one, nanosecond)
	}
	err := b.bind()
	if errors.Is(err, quantity.ErrOverflow) {
		err = fmt.Errorf("%w; write fewer digits", err)
	}
	switch {
	case err == nil:
		return nil
	case c.factor(meter) == nil:
		return fmt.Errorf("metering: meter %q: no factor from %s to counts of %q: %w", meter, one.Unit, resolution, err)
	case f.K.Coef != 0 && errors.Is(err, quantity.ErrDimension) && !errors.Is(err, errDensity) && !errors.Is(err, errNoDensity):
		want := "as a plain number, such as 1.0025"
		if m.Method == Pulses {
			want = fmt.Sprintf("in %s/%s", one.Unit, resolution.Unit)
		}
		return fmt.Errorf("metering: calibration %q, meter %q: k_factor %q makes no %s of %s; write it %s: %w",
			c.ID, meter, f.K, resolution.Unit, one.Unit, want, quantity.ErrDimension)
	}
	return fmt.Errorf("metering: calibration %q, meter %q: %s from %s to counts of %q: %w",
		c.ID, meter, c.Words(meter)[0], one.Unit, resolution, err)
}

var nanosecond = quantity.Quantity{Coef: 1, Unit: "ns"}

// binder makes whole coefficients of a factor.
type binder struct {
	f          *Factor
	m          *Meter
	one        []quantity.Quantity // a count of the source, by a nanosecond where it is a rate
	resolution quantity.Quantity
	x          []int64    // points, as in Curve
	a, b       []*big.Rat // of each piece, in counts of the total
}

func (b *binder) bind() error {
	var err error
	switch {
	case b.f.K.Coef != 0:
		b.m.K, err = b.f.ratio(b.one, b.resolution)
	case b.f.Gain.Coef != 0:
		if err = b.line(); err == nil {
			err = b.whole()
		}
	default:
		if err = b.points(); err == nil {
			if err = b.whole(); errors.Is(err, errDigits) || err == nil && !b.holds() {
				err = b.round()
			}
		}
	}
	if err == nil && b.m.Method == Flow && b.m.Trapezoid {
		half, _ := quantity.NewRatio(1, 2)
		var ok bool
		if b.m.K, ok = b.m.K.Mul(half); !ok {
			err = errDigits
		}
	}
	if err == nil && b.m.Tare.Limited {
		err = b.tare()
	}
	return err
}

// line is a straight line.
func (b *binder) line() error {
	a, err := b.f.quotient(append(b.one[:len(b.one):len(b.one)], b.f.Gain), []quantity.Quantity{b.resolution})
	if err != nil {
		return fmt.Errorf("gain: %w", err)
	}
	offset, err := b.amount(b.f.Offset)
	if err != nil {
		return fmt.Errorf("offset %q: %w", b.f.Offset, err)
	}
	b.a, b.b = []*big.Rat{rat(a)}, []*big.Rat{rat(offset)}
	return nil
}

// amount is a true value in counts of the total: of a scale itself, otherwise what flows in a nanosecond.
func (b *binder) amount(q quantity.Quantity) (quantity.Ratio, error) {
	num := []quantity.Quantity{q}
	if b.m.Method != Weight {
		num = append(num, nanosecond)
	}
	return b.f.quotient(num, []quantity.Quantity{b.resolution})
}

// points is a polyline.
func (b *binder) points() error {
	scale := big.NewRat(1, 1) // from counts, or counts in a nanosecond, to X
	if b.m.Method <= Totalizer {
		scale.SetFrac64(1, thousand)
	}
	var y []*big.Rat
	for _, p := range b.f.Points {
		x, err := b.place(p.Source)
		if err != nil {
			return fmt.Errorf("point %q: %w", p.Source, err)
		}
		v, err := b.amount(p.True)
		if err != nil {
			return fmt.Errorf("point %q: %w", p.True, err)
		}
		b.x, y = append(b.x, x), append(y, rat(v))
	}
	if b.m.Method <= Totalizer && b.x[0] > 0 {
		return errBegin
	}
	for i := range len(y) - 1 {
		from := new(big.Rat).Mul(new(big.Rat).SetInt64(b.x[i]), scale)
		width := new(big.Rat).Mul(new(big.Rat).SetInt64(b.x[i+1]), scale)
		if width.Sub(width, from).Sign() <= 0 {
			return errors.New("points do not ascend")
		}
		a := new(big.Rat).Sub(y[i+1], y[i])
		a.Quo(a, width)
		b.a = append(b.a, a)
		b.b = append(b.b, from.Sub(y[i], from.Mul(from, a)))
	}
	return nil
}

// place is a value of the source as X of a curve.
func (b *binder) place(q quantity.Quantity) (int64, error) {
	num, what := []quantity.Quantity{q}, "counts of the source"
	if b.m.Method <= Totalizer {
		num, what = append(num, quantity.Quantity{Coef: 1000, Unit: "s"}), "counts of the source in 1000 s"
	}
	r, err := quantity.Quotient(num, b.one[:1])
	if errors.Is(err, quantity.ErrDimension) && b.m.Method == Pulses { // 10 Hz, or 10 {pulse}/s
		r, err = quantity.Quotient(num, []quantity.Quantity{{Coef: 1, Unit: quantity.One}})
	}
	switch {
	case err != nil:
		return 0, err
	case r.Den() != 1:
		return 0, fmt.Errorf("not a whole number of %s; write one that is", what)
	}
	return r.Num(), nil
}

// whole makes whole coefficients, and a K that has what they have in common.
func (b *binder) whole() error {
	den, num := big.NewInt(1), new(big.Int)
	for _, v := range append(b.a[:len(b.a):len(b.a)], b.b...) {
		g := new(big.Int).GCD(nil, nil, den, v.Denom())
		den.Mul(den, g.Quo(v.Denom(), g))
	}
	all := make([]*big.Int, 0, 2*len(b.a))
	for _, v := range append(b.a[:len(b.a):len(b.a)], b.b...) {
		n := new(big.Int).Mul(v.Num(), new(big.Int).Quo(den, v.Denom()))
		all = append(all, n)
		num.GCD(nil, nil, num, new(big.Int).Abs(n))
	}
	k := new(big.Rat).SetFrac(num, den) // the gain is not zero, nor is num
	per, err := b.split(k)
	if err != nil {
		return err
	}
	for _, n := range all {
		if !n.Quo(n, num).IsInt64() {
			return errDigits
		}
	}
	b.m.K, _ = quantity.NewRatio(k.Num().Int64(), k.Denom().Int64())
	if len(b.x) == 0 && all[1].Sign() == 0 {
		return nil // a gain alone is all in K
	}
	b.m.Curve = Curve{X: b.x, Per: per}
	for i := range b.a {
		b.m.Curve.A = append(b.m.Curve.A, all[i].Int64())
		b.m.Curve.B = append(b.m.Curve.B, all[len(b.a)+i].Int64())
	}
	return nil
}

// holds tells whether what a polyline's readings stand for fits 64 bits; of a counter it is added in 128.
func (b *binder) holds() bool {
	c := &b.m.Curve
	for i := range c.A {
		for _, x := range b.x[i : i+2] {
			y := new(big.Int).Mul(big.NewInt(c.A[i]), big.NewInt(x))
			if b.m.Method >= Flow && !y.Add(y, big.NewInt(c.B[i])).IsInt64() {
				return false
			}
		}
	}
	return true
}

// split takes from a K whose denominator does not fit what has come in by the points.
func (b *binder) split(k *big.Rat) (per int64, err error) {
	if k.Num().IsInt64() && k.Denom().IsInt64() {
		return 0, nil
	}
	unit, err := b.f.quotient(b.one, []quantity.Quantity{b.resolution})
	if err != nil { // pulses have no unit in common with it
		unit, _ = quantity.NewRatio(1, thousand)
	}
	den := new(big.Int).GCD(nil, nil, k.Denom(), big.NewInt(unit.Den()))
	rest := new(big.Int).Quo(k.Denom(), den)
	if !k.Num().IsInt64() || !rest.IsInt64() {
		return 0, errDigits
	}
	k.SetFrac(k.Num(), den)
	return rest.Int64(), nil
}

// tare turns the greatest tare from counts of the source into what is summed.
func (b *binder) tare() error {
	one, err := b.f.quotient(b.one, []quantity.Quantity{b.resolution})
	if err != nil {
		return fmt.Errorf("limit of the tare: %w", err)
	}
	most := new(big.Rat).SetInt64(b.m.Tare.Most)
	most.Quo(most.Mul(most, rat(one)), rat(b.m.K))
	most.Mul(most, new(big.Rat).SetInt64(max(1, b.m.Curve.Per)))
	floor := new(big.Int).Div(most.Num(), most.Denom())
	switch {
	case floor.IsInt64():
		b.m.Tare.Most = floor.Int64()
	case floor.Sign() > 0: // whatever a window may begin with is below it
		b.m.Tare.Most = math.MaxInt64
	default:
		return errDigits
	}
	return nil
}

func rat(r quantity.Ratio) *big.Rat { return big.NewRat(r.Num(), r.Den()) }
