// Curves: what a reading stands for, by a calibration, exactly and piece by piece.

package metering

// MaxPoints is how many points a polyline may have.
const MaxPoints = 16

// Curve is a straight line or a polyline with whole coefficients: from X[i] to X[i+1] a reading x stands for A[i]*x + B[i]. A
// fraction that all coefficients have in common is part of the meter's K, so nothing is rounded before the total is. A straight line
// has one piece and no X. The zero Curve leaves a reading as it is. Outside its first and last X a polyline says nothing: such a reading
// is not GOOD.
type Curve struct {
	X []int64 // one more than A, ascending; nil for a straight line
	A []int64
	B []int64
}
