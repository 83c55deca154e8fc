// References of the wall clock: what one look at one of them gives.

package timebase

import "context"

// Kind is the kind of a reference of the wall clock.
type Kind uint8

// The kinds, in ascending order of trust.
const (
	RTC Kind = iota // a clock chip with a cell
	NTP
	PTP
)

// String gives the name that records use in time_source: rtc, ntp or ptp.
func (k Kind) String() string { return [...]string{"rtc", "ntp", "ptp"}[min(k, PTP)] }

// Reading is one look at a reference of the wall clock. Heard is found by whoever reads; it is 0 where nothing was heard yet, and
// below 0 where that was before the monotonic clock began to count.
type Reading struct {
	Mono   int64  // when, monotonic ns
	UTC    int64  // of the system's wall clock at Mono, ns since 1970; of an RTC what the chip shows
	Good   bool   // the reference calls itself in use and synchronised; of an RTC: it has not lost its time
	Heard  int64  // monotonic ns when something was last heard of what stands behind it; it is believed over Good
	Offset int64  // of the wall clock to the reference, ns: above zero where the wall clock is ahead
	Bound  int64  // greatest error of that, ns, by its own account: NTP root delay / 2 + root dispersion, PTP what its path allows, RTC 1 s
	Drift  int64  // greatest rate at which the wall clock goes wrong without it, parts per 10^9; 0: not known
	Leap   int8   // 1: a second is inserted at the end of this UTC day, -1: one is left out
	Why    string // why it is not Good, in words
}

// Reference is a reference of the wall clock, such as package timebase/system has for Linux. Read blocks until it has an answer or ctx
// has ended. An error says that there was no answer, which for whoever judges is one more reading that is not good.
type Reference interface {
	Read(ctx context.Context) (Reading, error)
}
