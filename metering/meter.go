// What a Machine must know of a meter and of a window: the bound form of what map, calibration and recipe say.

package metering

import "github.com/batchkit/batchkit/metering/quantity"

// Method is how a meter makes a total of what its source says.
type Method uint8

// The methods.
const (
	Pulses    Method = iota // the source counts; its increments are added up
	Totalizer               // the source is the device's own running total; its increments are added up
	Flow                    // the source is a rate, which is integrated over time
	Weight                  // the source is what stands on a scale; the total is what it has gained or lost
)

// String gives the name that map files and records use: pulses, totalizer, flow or weight.
func (m Method) String() string {
	return [...]string{"pulses", "totalizer", "flow", "weight"}[min(m, Weight)]
}

// Meter is a source of totals, bound: what a Machine needs to know of it. Values of its source are counts: of a counter those of
// the counter, of a number those of its tag's resolution.
type Meter struct {
	Method  Method
	Bits    uint8          // Pulses: width at which the counter rolls over, 16, 32 or 64
	Modulus int64          // Totalizer: counts at which it rolls over; 0: it does not
	Most    int64          // Pulses, Totalizer: greatest plausible counts in a second; 0: not told, and half the range is the limit
	K       quantity.Ratio // counts of the total's resolution for each unit of what is summed; of a Trapezoid half; see Curve
	Curve   Curve          // what a reading stands for; the zero Curve: itself

	Trapezoid bool  // Flow: between two readings the mean of both holds; otherwise the earlier one
	Cutoff    int64 // Flow: a reading that is less, in amount, counts as 0. Pulses: ns; pulses further apart count apart. 0: none
	Loss      bool  // Weight: the total is what the scale has lost
	Tare      Tare  // Weight: what the scale must show for a window to open
	Median    int   // Flow, Weight: each reading stands for the median of so many, an odd number to 9; 0 or 1: for itself

	Period  int64 // declared time between two readings, ns; 0: not declared, and none is late
	Second  Pair  // Pulses: a second counter of the same flow
	Device  Check // the device's own total beside the source; Method Totalizer has none
	Within  int64 // Weight: greatest difference between readings, in counts, while the scale is stable
	Settled int64 // Weight: ns for which that must be so until it is stable; 0: it is always
}

// Tare is what a scale must show for a window to open.
type Tare struct {
	Limited bool
	Most    int64 // greatest reading, after Curve, in what is summed; Calibration.Bind makes it of counts of the source
	Stable  bool  // it must be stable
}

// Pair is a second counter of the same flow, which must agree with the first.
type Pair struct {
	Has    bool
	Bits   uint8
	Within int64 // greatest difference between their counts since the window opened
}

// Check is a running total of the device that a window's is held against.
type Check struct {
	Has     bool
	Modulus int64 // as in Meter
	Most    int64 // as in Meter
}

// Window is one metering window of a program, bound.
type Window struct {
	Meter     int   // number of its meter
	Target    int64 // counts of the meter's resolution
	Tolerance int64 // counts; a total beyond it is OUT_OF_TOLERANCE
}
