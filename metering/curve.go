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
// increment inc that took dt ns, with X[i] * dt <= inc * 10^12 <= X[i+1] * dt, stands for A[i]*inc + B[i]*dt.
type Curve struct {
	X []int64 // one more than A, ascending; nil for a straight line
	A []int64
	B []int64

	Per int64 // what K could not hold of that fraction: the total is S * K / Per; 0: 1
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
