// Interlocks and alarms as a map declares them.

package iomap

import (
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Limits of the interlocks and alarms of a map. What they say all at once fits the records of one step.
const (
	MaxInterlocks = 64
	MaxAlarms     = 128
	MaxGates      = 64 // outputs of one interlock
	MaxUsed       = 8  // tags that one condition of an interlock or alarm names
)

// Interlock keeps outputs at their safe values while the plant is not as it must be, whatever a recipe wants.
type Interlock struct {
	ID       string
	Kind     InterlockKind
	When     cond.Cond
	Text     string      // the condition in its canonical form
	Used     []tag.ID    // tags that the condition names, each once, in the order of the text
	Filter   cond.Filter // what a raw violation must outlast
	Vote     int64       // percent of the vote window that Filter.Need is; 0: no vote
	Latch    bool        // once tripped it blocks until it is reset
	Gates    []tag.ID    // outputs that may not leave their safe values while it blocks; none: the batch may not start or restart
	Reaction Reaction
}

// InterlockKind says what the condition of an interlock means.
type InterlockKind uint8

// The kinds of interlocks.
const (
	PermissiveKind InterlockKind = iota // permits while the condition is true
	TripKind                            // trips when the condition is true
	SafetyTripKind                      // the PLC chain reports a trip while the condition is true: followed, never reset or overridden here
)

// String gives the name that map files and records use.
func (k InterlockKind) String() string {
	return [...]string{"permissive", "trip", "safety_trip"}[min(k, SafetyTripKind)]
}

// violated tells whether a condition of that truth is a violation. A value that is not GOOD permits nothing.
func (k InterlockKind) violated(t cond.Truth) bool {
	if k == PermissiveKind {
		return t != cond.True
	}
	return t != cond.False
}

// Reaction is what a trip does to those who answer for the outputs that it drives to their safe values.
type Reaction uint8

// The reactions.
const (
	ReactNone Reaction = iota
	ReactHold
	ReactAbort
	ReactHardAbort
)

// String gives the name that map files and records use.
func (r Reaction) String() string {
	return [...]string{"none", "hold", "abort", "hard_abort"}[min(r, ReactHardAbort)]
}

// Alarm tells people of what they have to know and to acknowledge.
type Alarm struct {
	ID        string
	Message   string
	Priority  string      // low, medium, high or urgent
	Fault     Fault       // what raises it; NoFault: its condition
	Of        tag.ID      // of a quality or output_fault: the tag; tag.None: any
	Interlock int         // of a fault of an interlock: its place in Interlocks; -1: any
	When      cond.Cond   // condition that raises it
	Text      string      // the condition in its canonical form
	Used      []tag.ID    // tags that the condition names, each once, in the order of the text
	Filter    cond.Filter // On: delay, Off: off_delay
}

// Fault is a class of faults that raises an alarm.
type Fault uint8

// The classes of faults.
const (
	NoFault        Fault = iota
	FaultQuality         // a tag is not GOOD
	FaultOutput          // an output is not known to have what was commanded, until a device confirms one that follows
	FaultTimeout         // a step ran out of time, until it goes on or ends
	FaultInterlock       // an interlock that is no permissive has tripped or is latched
	FaultSafeState       // an output is in a safe state because of a fault
)

// String gives the name that map files and records use.
func (f Fault) String() string {
	return [...]string{"", "quality", "output_fault", "timeout", "interlock", "safe_state"}[min(f, FaultSafeState)]
}
