// Curves: what a reading stands for, by a calibration, exactly and piece by piece.

package metering

import (
	"math/bits"

	"github.com/batchkit/batchkit/metering/quantity"
)

// MaxPoints is how many points a polyline may have.
const MaxPoints = 16

// Curve is a straight line or a polyline with whole coefficients: from X[i] to X[i+1] a reading x stands for A[i]*x + B[i]. A
// fraction that all coefficients have in common is part of the meter's K, so nothing is rounded before the total is. A straight
// line has one piece and no X. The zero Curve leaves a reading as it is. Outside its first and last X a polyline says nothing:
// such a reading is not GOOD. Where two pieces meet, either gives the same.
//
// Of a counter it is the increments that are curved, by how fast they came: X are frequencies in counts per 1000 s (mHz), and an
// increment inc that took dt ns, with X[i] * dt <= inc * 10^12 <= X[i+1] * dt, stands for A[i]*inc + B[i]*dt. What lies on a point
// belongs to the piece below it.
//
// # Rounded
//
// A polyline whose fractions have no such part in common that 64 bits hold, as of a certificate with measured points, is rounded,
// once, when it is bound. Let y(i) be the true value of point i and a(i) the slope of the piece that begins there, both exact and
// in units u: a count of the source where that converts to the total, else a count of the total, of a flow in 1000 s; K is u in
// counts of the total. Of a counter u is 1 count of the total, x(i) is X[i] / 10^12 and y(i) is what flows in a nanosecond;
// otherwise x(i) is X[i]. Then, rounding half to even,
//
//	A[i] = round(a(i) * Per)
//	B[i] = round(y(i) * Per - A[i] * x(i))
//
// and Per is the greatest power of ten up to 10^18 with which no A[i], no B[i], and no A[i]*x + B[i] at either end of its piece is
// above 2^62 in amount. Each piece so begins within half of 1/Per at its left point, and a reading, or an increment for each
// nanosecond, is off by at most ((x(i+1) - x(i)) / 2 + 1/2) / Per of u; where two pieces meet they differ by no more than both of
// that. Where this is not below 1/1000 - of a counter, not below 1/1000 in 1000 s, of u or of what a count of the source stands for
// in the flattest piece - the polyline is refused. The total of a window is then what these coefficients make of its lines, to the
// last digit. Before it is rounded it differs from that of the exact polyline by at most that bound times the length of the window,
// or twice that bound, of a weight.
type Curve struct {
	X []int64 // one more than A, ascending; nil for a straight line
	A []int64
	B []int64

	Per int64 // what K could not hold of that fraction: the total is S * K / Per; 0: 1

	Rounded bool // A and B are rounded to 1/Per
}

// thousand is 1000 s in ns.
const thousand = 1000 * second

// piece finds the piece that a reading lies in; -1 where it lies outside.
func (c *Curve) piece(x int64) int {
	if len(c.X) == 0 {
		return 0
	}
	if x < c.X[0] {
		return -1
	}
	for i := 1; i < len(c.X); i++ {
		if x <= c.X[i] {
			return i - 1
		}
	}
	return -1
}

// pieceOf finds the piece of an increment that took dt ns, neither below zero; -1 where it lies outside.
func (c *Curve) pieceOf(inc, dt int64) int {
	if len(c.X) == 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(inc), thousand)
	for i, x := range c.X {
		xHi, xLo := bits.Mul64(uint64(x), uint64(dt))
		if hi > xHi || hi == xHi && lo > xLo {
			continue
		}
		if i == 0 && (hi != xHi || lo != xLo) {
			return -1
		}
		return max(i-1, 0)
	}
	return -1
}

// amount adds what an increment of piece i stands for; without pieces, itself.
func (c *Curve) amount(sum *quantity.Acc, i int, inc, dt int64) bool {
	if len(c.A) == 0 {
		return sum.Add(inc)
	}
	return sum.AddMul(c.A[i], inc) && sum.AddMul(c.B[i], dt)
}
