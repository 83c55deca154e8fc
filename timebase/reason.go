// Why the state of synchronisation, or its source, became another.

package timebase

// Reason says why a Discipline has changed what it shows.
type Reason uint8

// The reasons.
const (
	NoReason      Reason = iota
	Raised               // evidence over time: the reference was good for as long as it has to be
	Lost                 // the reference says itself that it is not in use, or not synchronised
	Silent               // nothing was heard of what stands behind the reference for longer than allowed, whatever it claims
	NoAnswer             // 3 of 5 readings could not be had, or could not be right
	BoundExceeded        // 3 of 5 readings had a greater error than the reference may have
	ClockStep            // the wall clock was moved: what was measured before says nothing of it now
	Suspended            // the machine slept, and monotonic time stood still
	FailOver             // the reference was lost, and another of its kind takes its place
	FailBack             // one that comes before it was good for as long as that takes
	HoldoverEnded        // the bound has grown beyond the limit of a holdover
	ChipRead             // the clock chip has kept its time
	WallUnset            // the wall clock shows what cannot be
	Flapping             // the reference comes and goes: from now on it has to be good for longer and longer
	LeapAnnounced        // a second will be inserted or left out at the end of this UTC day
	LeapDone             // it was
	LeapWithdrawn        // it is announced no longer, and was neither
	reasonCount
)

var reasonNames = [reasonCount]string{"", "raised", "lost", "silent", "no_answer", "bound_exceeded", "clock_step", "suspended", "fail_over",
	"fail_back", "holdover_ended", "chip_read", "wall_unset", "time_sync_flapping", "leap_second_announced", "leap_second_done",
	"leap_second_withdrawn"}

// String gives the name that records use in source_change; "" of NoReason.
func (r Reason) String() string {
	if r < reasonCount {
		return reasonNames[r]
	}
	return ""
}

// ParseReason is the inverse of String; ok is false for any other text.
func ParseReason(s string) (r Reason, ok bool) {
	for r = NoReason; r < reasonCount; r++ {
		if reasonNames[r] == s {
			return r, true
		}
	}
	return NoReason, false
}
