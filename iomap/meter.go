// Meters as a map declares them: sources of totals, and what their totals are held against.

package iomap

import (
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Meter is a source of totals. Counts of a source are those of a counter as it comes, or those of the resolution of a number.
type Meter struct {
	Name       string            // name that recipes use
	Method     metering.Method   // how a total is made of what the source says
	Source     tag.ID            // what is totalized: Pulses a counter; Totalizer a number or a counter; Flow and Weight a number
	Bits       uint8             // Pulses: width at which the counter rolls over, 16, 32 or 64
	Modulus    int64             // Totalizer: counts at which it rolls over; 0: it does not
	Most       int64             // Pulses, Totalizer: greatest plausible counts in a second; 0: not told
	Second     Second            // Pulses: a second counter of the same flow
	Resolution quantity.Quantity // one count of a total
	Display    Display           // how people are shown a total

	Trapezoid bool          // Flow: between two readings the mean of both holds, not the earlier one
	Cutoff    int64         // Flow: a reading of fewer counts is none. Pulses: pulses further apart than so many ns are none. 0: not given
	Loss      bool          // Weight: the total is what the scale has lost, not what it has gained
	Tare      metering.Tare // Weight: what the scale must show for a window to open, in counts of the source
	Within    int64         // Weight: greatest difference between readings while it is stable, in counts of the source
	Settled   int64         // Weight: ns for which that must be so; 0: it is always taken for stable

	Totalizer        tag.ID            // the device's own total, tag.None where it has none
	TotalizerModulus int64             // counts of its tag at which it rolls over; 0: it does not
	Tolerance        quantity.Quantity // allowed difference between a window and what it is held against
	Period           int64             // declared time between two readings, ns; 0: not declared
	Filter           Filter            // what stands between what is measured and what is totalized
	Identity         tag.ID            // number that tells one device from another, tag.None where there is none
	Historian        tag.ID            // total according to a historian, where one sends it as a tag; otherwise tag.None
	External         bool              // a historian that is asked gives its total
}

// Second is a second counter of the same flow.
type Second struct {
	Source tag.ID // tag.None where there is none
	Bits   uint8
	Within int64 // greatest difference between the two since a window opened, in counts
}
