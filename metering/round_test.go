// Claims about polylines that are rounded: certificates of measured points, held against exact fractions.

package metering_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/metering"
	"github.com/stretchr/testify/require"
)

// certificate is a polyline of measured points, as a laboratory gives it.
type certificate struct {
	method          metering.Method
	trapezoid       bool
	one, resolution string
	source, true    string // units
	points          [metering.MaxPoints][2]string
	density         string
	counts          bool
	u               *big.Rat // the unit of the rule, in counts of the total; of a flow in a nanosecond
	trueOf, placeOf *big.Rat // what a true value, or a value of the source, of 1 is in counts of the total, or as X
	inNanosecond    *big.Rat // X[i] * inNanosecond is x(i)
}

var certificates = map[string]certificate{
	"a turbine by frequency": {method: metering.Pulses, counts: true, one: "1 {pulse}", resolution: "0.01 kg", source: "Hz", true: "kg/h",
		points: [16][2]string{{"0", "0"}, {"11.37", "41.093"}, {"24.91", "89.764"}, {"48.13", "173.311"}, {"73.09", "263.227"}, {"97.31", "350.411"},
			{"131.83", "474.649"}, {"163.57", "588.913"}, {"211.03", "759.737"}, {"257.89", "928.391"}, {"307.19", "1105.931"}, {"401.27", "1444.621"},
			{"499.69", "1798.907"}, {"601.43", "2165.219"}, {"797.17", "2869.883"}, {"997.01", "3589.321"}},
		u: big.NewRat(1, 1), trueOf: big.NewRat(100, 3_600_000_000_000), placeOf: big.NewRat(1000, 1), inNanosecond: big.NewRat(1, 1_000_000_000_000)},
	"a flow transmitter": {method: metering.Flow, one: "0.1 kg/h", resolution: "0.01 kg", source: "kg/h", true: "kg/h",
		points: [16][2]string{{"0.0", "0.13"}, {"101.7", "101.93"}, {"203.9", "203.41"}, {"307.3", "306.87"}, {"499.1", "500.23"}, {"701.3", "702.71"},
			{"997.9", "999.03"}, {"1303.3", "1302.17"}, {"1600.9", "1601.53"}, {"2111.3", "2109.41"}, {"2503.1", "2506.07"}, {"3001.1", "3003.31"},
			{"3907.7", "3904.09"}, {"5003.3", "5001.91"}, {"7499.9", "7507.63"}, {"9973.7", "9967.39"}},
		u: big.NewRat(10, 3_600_000_000_000), trueOf: big.NewRat(100, 3_600_000_000_000), placeOf: big.NewRat(10, 1), inNanosecond: big.NewRat(1, 1)},
	"a flow transmitter in volume": {method: metering.Flow, trapezoid: true, one: "1 L/h", resolution: "0.01 kg", source: "L/h", true: "L/h",
		density: "0.9983 kg/L", points: [16][2]string{{"-3", "0"}, {"101", "103.9"}, {"203", "206.1"}, {"307", "310.3"}, {"499", "501.7"}, {"701", "704.3"},
			{"997", "999.1"}, {"1303", "1302.3"}, {"1601", "1597.9"}, {"2111", "2105.3"}, {"2503", "2499.7"}, {"3001", "2996.9"}, {"3907", "3911.1"},
			{"5003", "5011.3"}, {"7499", "7487.7"}, {"9973", "9979.3"}},
		u: big.NewRat(9983*100, 10000*3_600_000_000_000), trueOf: big.NewRat(9983*100, 10000*3_600_000_000_000), placeOf: big.NewRat(1, 1), inNanosecond: big.NewRat(1, 1)},
	"a scale": {method: metering.Weight, one: "0.02 kg", resolution: "0.01 kg", source: "kg", true: "kg",
		points: [16][2]string{{"0.00", "0.03"}, {"49.98", "50.01"}, {"100.06", "99.97"}, {"151.02", "150.99"}, {"199.94", "200.03"}, {"251.06", "250.93"},
			{"302.98", "303.07"}, {"401.02", "400.99"}, {"499.94", "500.11"}, {"602.98", "602.87"}, {"701.02", "700.93"}, {"797.02", "797.17"},
			{"853.06", "852.89"}, {"907.06", "907.13"}, {"952.98", "953.09"}, {"997.02", "996.89"}},
		u: big.NewRat(2, 1), trueOf: big.NewRat(100, 1), placeOf: big.NewRat(50, 1), inNanosecond: big.NewRat(1, 1)},
}

// text is its calibration file.
func (c *certificate) text() string {
	var points []string
	for _, p := range c.points {
		points = append(points, fmt.Sprintf("[%s %s, %s %s]", p[0], c.source, p[1], c.true))
	}
	src := "calibration: C\nversion: 1\nschema_version: 1\nfactors:\n  - {meter: Q, polyline: [" + strings.Join(points, ", ") + "]"
	if c.density != "" {
		src += ", density: " + c.density
	}
	return src + "}\n"
}

func (c *certificate) bind(t *testing.T) metering.Meter {
	cal, err := metering.ParseCalibration("c.yaml", []byte(c.text()))
	require.NoError(t, err)
	m := metering.Meter{Method: c.method, Bits: 32, Trapezoid: c.trapezoid}
	require.NoError(t, cal.Bind(&m, "Q", quantityOf(c.one), quantityOf(c.resolution)))
	return m
}

func ratFrom(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s)
	}
	return r
}

// x and y are where a point lies and what is true there, in units of the rule.
func (c *certificate) x(i int) *big.Rat {
	return times(ratFrom(c.points[i][0]), c.placeOf, c.inNanosecond)
}
func (c *certificate) y(i int) *big.Rat {
	return new(big.Rat).Quo(times(ratFrom(c.points[i][1]), c.trueOf), c.u)
}

func (c *certificate) slope(i int) *big.Rat {
	dy := new(big.Rat).Sub(c.y(i+1), c.y(i))
	return dy.Quo(dy, new(big.Rat).Sub(c.x(i+1), c.x(i)))
}

func plusRat(a, b *big.Rat) *big.Rat { return new(big.Rat).Add(a, b) }

func roundRat(r *big.Rat) *big.Rat {
	n, fits := rounded(r)
	if !fits {
		panic(r.String())
	}
	return ratOf(n)
}

func TestACertificateOf16MeasuredPointsIsRoundedByItsRule(t *testing.T) {
	for name, c := range certificates {
		m := c.bind(t)
		require.True(t, m.Curve.Rounded, name)
		require.Len(t, m.Curve.A, 15)
		k := new(big.Rat).Set(c.u)
		if c.trapezoid {
			k.Mul(k, big.NewRat(1, 2))
		}
		require.Zero(t, k.Cmp(big.NewRat(m.K.Num(), m.K.Den())), "%s: %s", name, m.K)
		require.Regexp(t, "^10*$", fmt.Sprint(m.Curve.Per), name)
		per := ratOf(m.Curve.Per)
		for i := range m.Curve.A {
			a := roundRat(times(c.slope(i), per))
			b := roundRat(plusRat(times(c.y(i), per), times(a, c.x(i), ratOf(-1))))
			require.Equal(t, []string{a.RatString(), b.RatString()}, []string{fmt.Sprint(m.Curve.A[i]), fmt.Sprint(m.Curve.B[i])}, "%s: piece %d", name, i)
		}
		words := m.Curve.Words()
		require.Len(t, words, 16, name)
		require.Equal(t, fmt.Sprintf("rounded 1/%d", m.Curve.Per), words[0])
		t.Logf("%s: K %s, %s, %s", name, m.K, words[0], words[1])
	}
}

// bound is how far a reading of piece i may be off, in the unit of the rule: of a counter each nanosecond.
func (c *certificate) bound(m *metering.Meter, i int) *big.Rat {
	e := plusRat(new(big.Rat).Sub(c.x(i+1), c.x(i)), ratOf(1))
	return e.Quo(e, times(ratOf(2), ratOf(m.Curve.Per)))
}

func TestPiecesOfARoundedCurveMeetAndAscendWithinTheirBound(t *testing.T) {
	for name, c := range certificates {
		m := c.bind(t)
		line := func(piece int, x *big.Rat) *big.Rat {
			y := plusRat(times(ratOf(m.Curve.A[piece]), x), ratOf(m.Curve.B[piece]))
			return y.Quo(y, ratOf(m.Curve.Per))
		}
		for i := range m.Curve.A {
			require.Positive(t, m.Curve.A[i], name)
			bound := c.bound(&m, i)
			if limit := big.NewRat(1, 1000); c.counts {
				require.Negative(t, times(bound, ratOf(1_000_000_000_000)).Cmp(limit), "%s: in 1000 s", name)
			} else {
				require.Negative(t, bound.Cmp(limit), name)
			}
			for end := i; end <= i+1; end++ {
				off := new(big.Rat).Sub(line(i, c.x(end)), c.y(end))
				require.LessOrEqual(t, off.Abs(off).Cmp(bound), 0, "%s: piece %d, point %d", name, i, end)
			}
			if i > 0 {
				off := new(big.Rat).Sub(line(i, c.x(i)), line(i-1, c.x(i)))
				require.LessOrEqual(t, off.Abs(off).Cmp(plusRat(bound, c.bound(&m, i-1))), 0, "%s: point %d", name, i)
			}
		}
	}
}

// piece is the one that a reading, or a frequency in mHz as a fraction, lies in.
func pieceAt(m *metering.Meter, x *big.Rat) int {
	for i := range m.Curve.A {
		if x.Cmp(ratOf(m.Curve.X[i+1])) <= 0 {
			return i
		}
	}
	panic(x.String())
}

// stands is what a reading, or an increment in a nanosecond, stands for: by the coefficients in units of 1/Per, by the certificate,
// and how far these may be apart.
func (c *certificate) stands(m *metering.Meter, x *big.Rat) (used, exact, bound *big.Rat) {
	i := pieceAt(m, x)
	x = times(x, c.inNanosecond)
	used = plusRat(times(ratOf(m.Curve.A[i]), x), ratOf(m.Curve.B[i]))
	exact = plusRat(c.y(i), times(c.slope(i), plusRat(x, times(c.x(i), ratOf(-1)))))
	return used, exact, c.bound(m, i)
}

// sums are what a window adds up to: by coefficients, by certificate, and how far these may be apart.
type sums struct{ used, exact, bound *big.Rat }

func (s *sums) add(factor, used, exact, bound *big.Rat) {
	s.used, s.exact = plusRat(s.used, times(used, factor)), plusRat(s.exact, times(exact, factor))
	s.bound = plusRat(s.bound, times(bound, factor))
}

// run meters a window of readings at random and gives its total and what it should be.
func (c *certificate) run(m *metering.Meter, d *rand.Rand) (metering.Total, sums) {
	s, one := sums{new(big.Rat), new(big.Rat), new(big.Rat)}, ratOf(1)
	low, span := m.Curve.X[0], m.Curve.X[15]-m.Curve.X[0]+1
	reading := func() int64 { return low + d.Int64N(span) }
	raw, at := int64(4_294_960_000), int64(0)
	if !c.counts {
		raw = reading()
	}
	first, b := raw, newBench(*m, 0)
	b.open(0, raw)
	for range 60 {
		dt := 1 + d.Int64N(3_000)
		at += dt
		next, ns := reading(), ratOf(dt*1_000_000)
		switch {
		case c.counts:
			inc := 1 + d.Int64N(1+dt*m.Curve.X[15]/2_000_000)
			if inc*1_000_000 > dt*m.Curve.X[15] {
				inc, at = 1, at+1
				ns = ratOf((dt + 1) * 1_000_000)
			}
			used, exact, bound := c.stands(m, new(big.Rat).Quo(ratOf(inc*1_000_000_000_000), ns))
			s.add(ns, used, exact, bound)
			next = (raw + inc) % (1 << 32)
		case c.method == metering.Flow:
			used, exact, bound := c.stands(m, ratOf(raw))
			if !c.trapezoid {
				s.add(ns, used, exact, bound)
				break
			}
			usedTo, exactTo, boundTo := c.stands(m, ratOf(next))
			half := times(ns, big.NewRat(1, 2))
			s.add(half, used, exact, bound)
			s.add(half, usedTo, exactTo, boundTo)
		}
		b.read(at, metering.Main, next)
		raw = next
	}
	if c.method == metering.Weight {
		used, exact, bound := c.stands(m, ratOf(raw))
		s.add(one, used, exact, bound)
		used, exact, bound = c.stands(m, ratOf(first))
		s.add(ratOf(-1), used, exact, times(bound, ratOf(-1)))
	}
	return b.close(at), s
}

func TestATotalByARoundedCurveIsThatOfItsCoefficientsAndWithinItsBoundOfTheCertificate(t *testing.T) {
	const seed = 20261129
	for name, c := range certificates {
		m, worst := c.bind(t), new(big.Rat)
		for n := range uint64(100) {
			total, s := c.run(&m, rand.New(rand.NewPCG(seed, n)))
			require.Equal(t, "GOOD", total.Quality.String(), "%s: seed %d, %d", name, seed, n)
			used, exact := times(s.used, c.u, big.NewRat(1, m.Curve.Per)), times(s.exact, c.u)
			want, _ := rounded(used)
			require.Equal(t, want, total.Value, "%s: seed %d, %d", name, seed, n)
			require.NotZero(t, total.Value, "%s: seed %d, %d", name, seed, n)
			off := used.Sub(used, exact)
			require.LessOrEqual(t, off.Abs(off).Cmp(times(s.bound, c.u)), 0, "%s: seed %d, %d: off by %s", name, seed, n, off.FloatString(15))
			if off.Cmp(worst) > 0 {
				worst = off
			}
		}
		t.Logf("%s: 100 windows, off by at most %s counts before the total is rounded", name, worst.FloatString(15))
	}
}

func TestTheRateAtTheEndByARoundedCurveIsTold(t *testing.T) {
	c := certificates["a turbine by frequency"]
	m := c.bind(t)
	b := newBench(m, 0)
	b.open(0, 0)
	b.read(1000, metering.Main, 900)
	_, exact, _ := c.stands(&m, ratOf(900_000))
	want, _ := rounded(times(exact, ratOf(1_000_000_000)))
	require.Equal(t, want, b.close(1500).EdgeFlow)
}

func TestAPolylineThatRoundingWouldMakeCoarseIsRefused(t *testing.T) {
	c := certificates["a flow transmitter"]
	for i := range c.points { // 0.1 kg/h of a million tonnes in an hour
		for k := range c.points[i] {
			whole, _, _ := strings.Cut(c.points[i][k], ".")
			c.points[i][k] = whole + "00003.1"
		}
	}
	c.points[0] = [2]string{"0.0", "0.0"}
	cal, err := metering.ParseCalibration("c.yaml", []byte(c.text()))
	require.NoError(t, err)
	m := metering.Meter{Method: metering.Flow}
	err = cal.Bind(&m, "Q", quantityOf("0.1 kg/h"), quantityOf("0.01 kg"))
	require.ErrorContains(t, err, `meter "Q": polyline from kg/h to counts of "0.01 kg": its pieces cannot be made whole so that what they stand for is off `+
		"by less than 1/1000 of a count; write a coarser resolution for meter or source")
}

func TestThePolylineOfACounterBeginsAtZero(t *testing.T) {
	for _, method := range []metering.Method{metering.Pulses, metering.Totalizer} {
		cal, err := metering.ParseCalibration("c.yaml", []byte("calibration: C\nversion: 1\nschema_version: 1\n"+
			"factors: [{meter: Q, polyline: [[10 Hz, 6 kg/min], [100 Hz, 60.54 kg/min]]}]\n"))
		require.NoError(t, err)
		m := metering.Meter{Method: method, Bits: 32}
		err = cal.Bind(&m, "Q", quantityOf("1"), quantityOf("0.01 kg"))
		require.ErrorContains(t, err, "a counter begins from rest, and so does its polyline; begin it at 0, for example [0 Hz, 0 kg/min]")
	}
}

func TestATareAboveAllThatARoundedCurveKnowsIsNoLimit(t *testing.T) {
	c := certificates["a scale"]
	cal, err := metering.ParseCalibration("c.yaml", []byte(c.text()))
	require.NoError(t, err)
	m := metering.Meter{Method: metering.Weight, Tare: metering.Tare{Limited: true, Most: 1 << 50}}
	require.NoError(t, cal.Bind(&m, "Q", quantityOf("0.02 kg"), quantityOf("0.01 kg")))
	b := newBench(m, 0)
	require.Equal(t, metering.Opened, b.open(0, 49_851)[0].Kind)
}
