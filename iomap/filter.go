// Filters of tags and meters, and whether a switch counts by its level or by its edges.

package iomap

// FilterType is a kind of filter.
type FilterType uint8

// The kinds of filter. A device filter belongs to a meter, an exponential one to a tag.
const (
	NoFilter          FilterType = iota
	MedianFilter                 // here: each reading stands for the median of the last ones
	DeviceFilter                 // in the instrument: it is recorded, and nothing is done here
	ExponentialFilter            // here: a low pass of first order
)

// String gives the name that map files and records use: none, median, device or exponential.
func (f FilterType) String() string {
	return [...]string{"none", "median", "device", "exponential"}[min(f, ExponentialFilter)]
}

// Filter is what stands between what is measured and what is decided by, or totalized. That of a tag works on scaled values, in whole
// numbers, inside of what a replay does again; totals are made of what comes before it, and have the filter of their meter.
type Filter struct {
	Type    FilterType
	Samples int   // MedianFilter: an odd number, 3 to MaxMedian
	Delay   int64 // DeviceFilter: by how much the instrument is late, ns
	Time    int64 // ExponentialFilter: time constant, ns
}

// MaxMedian is the most readings that a median is taken of.
const MaxMedian = 9

// Trigger is what of a Switch that is an input counts.
type Trigger uint8

// The triggers.
const (
	Level   Trigger = iota // its level
	Rising                 // that it goes on: the tag is on for Tag.Pulse from each such edge, and off otherwise
	Falling                // that it goes off, in the same way
)

// String gives the name that map files and records use.
func (t Trigger) String() string { return [...]string{"level", "rising", "falling"}[min(t, Falling)] }
