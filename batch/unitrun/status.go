// Status codes: the states of runs, the bits that their codes are made of, and the one table that has them all.

package unitrun

import (
	"fmt"
	"math/bits"
	"strings"
)

// State is where a run stands, or its slot where that has none.
type State uint8

// The states.
const (
	NoState  State = iota // of a code that is none of the table's
	Idle                  // of a slot: no run is tracked in it. No run is ever Idle
	Created               // it is registered, and what material is in the unit belongs to it
	Active                // it is under way
	Paused                // it rests, and nothing is captured
	Ready                 // it has ended, and its slot is free for another one
	Finished              // its post-processing is closed, too
	Canceled              // canceled for restart: its material went back to where it came from
	stateCount
)

// Status is the code of a state: one native bit, 16 to 31, that says which, and meta bits, 0 to 15, that say what holds in it. Meta bits
// describe the present state alone: Ready lacks MetaStarted, and Finished lacks MetaReady. Whether a run ever was started is told by
// [Run.Started], and by no bit.
type Status uint32

// The meta bits.
const (
	MetaTracked  Status = 1 << iota // the tracker answers for it
	MetaRunning                     // it is under way
	MetaCanceled                    // it was canceled
	MetaReady                       // it is Ready
	MetaFinished                    // its post-processing is closed
	MetaCreated                     // it is registered
	MetaStarted                     // it was started, and has not ended
	MetaFailure                     // reserved: no state of the table has it
	MetaRegret                      // what was done with it is taken back
)

// The native bits that no published state has. They are left free, for a run that failed and for one that was canceled without a restart;
// which is which is not published. Code that reads them is told so, see [Status.State].
const (
	Reserved19 Status = 1 << 19
	Reserved22 Status = 1 << 22
)

// metaNames are the words of the meta bits.
var metaNames = [...]string{"tracked", "running", "canceled", "ready", "finished", "created", "started", "failure", "regret"}

// row is one state of the table.
type row struct {
	name   string
	code   Status // as published
	native int    // bit
	metas  Status
}

// rows has every state once; NoState is an empty row.
type rows [stateCount]row

// states is the table of states.
var states = rows{
	Idle:     {"Idle", 8388608, 23, 0},
	Created:  {"Created", 65569, 16, MetaTracked | MetaCreated},
	Active:   {"Active", 131171, 17, MetaTracked | MetaRunning | MetaCreated | MetaStarted},
	Paused:   {"Paused", 262241, 18, MetaTracked | MetaCreated | MetaStarted},
	Ready:    {"Ready", 1048616, 20, MetaReady | MetaCreated},
	Finished: {"Finished", 16777264, 24, MetaFinished | MetaCreated},
	Canceled: {"Canceled for restart", 2097444, 21, MetaCanceled | MetaCreated | MetaRegret},
}

// check refuses a table whose codes are not 2^native + metas, or not one of a kind.
func (t *rows) check() error {
	var natives Status
	for s := Idle; s < stateCount; s++ {
		r := &t[s]
		native := Status(1) << r.native
		switch {
		case r.name == "":
			return fmt.Errorf("unitrun: state %d has no name", s)
		case r.native < 16 || r.native > 31 || r.metas >= 1<<len(metaNames):
			return fmt.Errorf("unitrun: %s: native bit %d or metas %#x are no such bits", r.name, r.native, uint32(r.metas))
		case r.code != native|r.metas:
			return fmt.Errorf("unitrun: %s: code %d is not 2^%d + %d", r.name, r.code, r.native, r.metas)
		case natives&native != 0:
			return fmt.Errorf("unitrun: %s: native bit %d is another state's", r.name, r.native)
		case native&(Reserved19|Reserved22) != 0 || r.metas&MetaFailure != 0:
			return fmt.Errorf("unitrun: %s: code %d has a reserved bit", r.name, r.code)
		}
		natives |= native
	}
	return nil
}

// String gives the name that stands in records, "" for what is no state.
func (s State) String() string {
	if s < stateCount {
		return states[s].name
	}
	return ""
}

// Status gives the code of a state, 0 for what is none.
func (s State) Status() Status {
	if s < stateCount {
		return states[s].code
	}
	return 0
}

// Tracked tells whether a run in this state has its slot.
func (s State) Tracked() bool { return s.Status()&MetaTracked != 0 }

// ParseState gives the state of a name as String has it, or of a word without blanks: canceled; ok is false where there is none.
func ParseState(name string) (s State, ok bool) {
	for s = Idle; s < stateCount; s++ {
		if strings.EqualFold(s.String(), name) || s == Canceled && strings.EqualFold(name, "canceled") {
			return s, true
		}
	}
	return NoState, false
}

// State reads a code. Any code is taken: where it is not one of the table's, odd says what about it is not known, and the state is that
// of its native bit, NoState where no state has that.
func (c Status) State() (s State, odd string) {
	native, metas := c&^0xffff, c&0xffff
	for s = Idle; s < stateCount; s++ {
		if native != 1<<states[s].native {
			continue
		}
		if metas != states[s].metas {
			odd = fmt.Sprintf("code %d has the native bit of %s and not its meta bits, which are %d", uint32(c), s, uint32(states[s].metas))
		}
		return s, odd
	}
	switch {
	case native == Reserved19 || native == Reserved22:
		odd = fmt.Sprintf("code %d has native bit %d, which is reserved", uint32(c), bits.TrailingZeros32(uint32(native)))
	case bits.OnesCount32(uint32(native)) == 1:
		odd = fmt.Sprintf("code %d has native bit %d, which no state has", uint32(c), bits.TrailingZeros32(uint32(native)))
	default:
		odd = fmt.Sprintf("code %d has %d native bits; a state has one", uint32(c), bits.OnesCount32(uint32(native)))
	}
	return NoState, odd
}

// String gives the code with what it says, such as "131171: Active, tracked, running, created, started".
func (c Status) String() string {
	s, _ := c.State()
	words := []string{s.String()}
	if s == NoState {
		words[0] = "not known"
	}
	for i, name := range metaNames {
		if c&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	return fmt.Sprintf("%d: %s", uint32(c), strings.Join(words, ", "))
}
