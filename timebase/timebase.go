// Package timebase answers in what order, and when: dual stamps, the quality of the wall clock, and the contract Clock.
//
// Start with [Keeper], which turns observations of the wall clock into the stamps that every record carries. Order comes from
// monotonic time alone; UTC is for correlation and says how far it may be believed (seed H2-7).
//
// The rule that must not be broken: no decision rests on UTC, and a stamp never goes backwards in monotonic time.
//
// The package reads no clock. Observations come in as inputs, from package timebase/system or from a simulation.
package timebase

import (
	"context"
	"time"
)

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

// Observation is one look at the wall clock: at monotonic time Mono it was UTC.
type Observation struct {
	Mono   int64  // monotonic ns
	UTC    int64  // ns since 1970-01-01 UTC
	Sync   Sync   // what the source claims
	Source string // who says so: "ptp", "ntp", "rtc", "host", "seed" or "none"
	Offset int64  // last measured offset to the reference, ns; 0 where unknown
	Bound  int64  // greatest error of UTC at Mono, ns; 0 means that no bound is known
}

// Stamp is the dual time stamp of one event, with what is known of its wall half.
type Stamp struct {
	Mono   int64  // orders; monotonic ns within the epoch
	UTC    int64  // correlates; ns since 1970-01-01 UTC, 0 while Sync is Unset
	Sync   Sync   // how far UTC may be believed
	Source string // who said so
	Offset int64  // ns
	Bound  int64  // ns; grows with the age of the observation; 0 means that no bound is known
}

// DriftPPM is the rate at which an error bound grows between observations, in parts per million: the worst crystal that a
// board of this class carries.
const DriftPPM = 100

// StepLimit is the difference between the observed and the expected UTC, in ns, above which an observation counts as a step
// of the wall clock and not as a correction.
const StepLimit = int64(time.Second)

// Keeper holds the relation between monotonic time and UTC. The zero value is Unset. It is state of a pure machine: copy it
// to take a snapshot.
type Keeper struct {
	last  Observation
	steps int64
}

// Observe takes in an observation and reports by how many ns UTC was moved against what was expected, and whether that was a
// step. The first valid observation is neither moved nor a step.
func (k *Keeper) Observe(o Observation) (moved int64, step bool) {
	if k.last.Sync != Unset && o.Sync != Unset {
		moved = o.UTC - (k.last.UTC + o.Mono - k.last.Mono)
		step = moved > StepLimit || moved < -StepLimit
	}
	if step {
		k.steps++
	}
	k.last = o
	return moved, step
}

// Steps counts the steps of the wall clock that were seen in this epoch (time_step_count).
func (k *Keeper) Steps() int64 { return k.steps }

// Last returns the newest observation.
func (k *Keeper) Last() Observation { return k.last }

// Restore puts back what Last and Steps returned.
func (k *Keeper) Restore(last Observation, steps int64) { k.last, k.steps = last, steps }

// Stamp returns the dual stamp for monotonic time mono.
func (k *Keeper) Stamp(mono int64) Stamp {
	s := Stamp{Mono: mono, Sync: k.last.Sync, Source: k.last.Source, Offset: k.last.Offset}
	if s.Source == "" {
		s.Source = "none"
	}
	if k.last.Sync == Unset {
		return s
	}
	age := mono - k.last.Mono
	s.UTC = k.last.UTC + age
	if k.last.Bound > 0 {
		s.Bound = k.last.Bound + (max(age, -age)+999_999)/1_000_000*DriftPPM // a bound is never rounded down
	}
	return s
}
