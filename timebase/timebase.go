// Package timebase answers in what order, and when: dual stamps, the quality of the wall clock, and the contract Clock.
//
// Start with [Discipline], which turns readings of references into observations of the wall clock, and [Keeper], which turns
// observations into the stamps that every record carries. Order comes from monotonic time alone; UTC is for correlation and says how
// far it may be believed (seed H2-7).
//
// The rule that must not be broken: no decision rests on UTC, and a stamp never goes backwards in monotonic time.
//
// The package reads no clock. Observations come in as inputs, from package timebase/system or from a simulation.
package timebase

import "context"

// Clock is what a shell that waits is given. Package timebase/system has the real one.
//
// Now returns monotonic nanoseconds since the start of the epoch (power-up, or start of the process where the board has no
// power-up clock); it never decreases and is never 0. Wait blocks until Now would return at least until, or ctx ended. Alarm
// makes a timer that calls fire, on a goroutine of the clock's choosing, once for each time that it was set; fire must not
// block.
type Clock interface {
	Now() int64
	Wait(ctx context.Context, until int64) error
	Alarm(fire func()) Alarm
}

// Alarm is a timer of a Clock. Set arms it for the monotonic time until, in place of what was set before; a time in the past
// fires at once. Stop disarms it; a fire that is under way may still come.
type Alarm interface {
	Set(until int64)
	Stop()
}

// Source observes the wall clock. Observe does not block for longer than a system call.
type Source interface {
	Observe() Observation
}

// Watched is a Source that tells when what it observes has changed, in the sense of [Observation.Changed], or when its bound has
// become greater than what it was expected to grow to. Notify has fire called then, and never blocks; fire must not block either. The
// calls end with stop.
type Watched interface {
	Source
	Notify(fire func()) (stop func())
}

// Sync is the state of synchronisation, in ascending order of trust.
type Sync uint8

// The states of synchronisation: PTP_LOCKED > NTP_SYNC > HOLDOVER > RTC_ONLY > UNSET (seed H2-7; UNSET is ours: no clock was
// ever valid).
const (
	Unset Sync = iota
	RTCOnly
	Holdover
	NTPSync
	PTPLocked
)

// String gives the name that records use in sync_state; what is none of the states is not trusted and reads UNSET.
func (s Sync) String() string {
	if s > PTPLocked {
		s = Unset
	}
	return [...]string{"UNSET", "RTC_ONLY", "HOLDOVER", "NTP_SYNC", "PTP_LOCKED"}[s]
}

// ParseSync is the inverse of String; ok is false for any other text.
func ParseSync(s string) (v Sync, ok bool) {
	for v = Unset; v <= PTPLocked; v++ {
		if v.String() == s {
			return v, true
		}
	}
	return Unset, false
}
