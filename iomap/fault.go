// What becomes of an output in a fault of each class.

package iomap

import "github.com/batchkit/batchkit/iomap/tag"

// FaultClass is a class of faults for which a map says what becomes of an output (seed H2-5).
type FaultClass uint8

// The classes, the gravest last: of several that last at once the gravest that drops decides and is told as the reason, and where none
// does the gravest that holds.
const (
	NoClass      FaultClass = iota
	InputInvalid            // an input that the output depends on has a value which its scaling or its range refuses
	NetStale                // the output's own read-back, where it comes again and again, or an input that it depends on, is STALE, or of the input nothing was ever heard
	SensorBad               // the source of an input that the output depends on says that its value is BAD
	DeviceAbsent            // the output's device does not confirm or reads back something else, its read-back is BAD, or the port is lost
	RunnerLost              // the process that runs the batch has died, and the board has run on: found at the next start
	Watchdog                // the watchdog has reset the board: found at the next start
	PowerLoss               // the board has come up again for another reason, or an early warning says that the supply fails
	SafetyTrip              // the PLC chain reports a trip that gates the output
	FaultClasses = iota
)

// String gives the name that map files and records use.
func (c FaultClass) String() string {
	return [...]string{"", "input_invalid", "net_stale", "sensor_bad", "device_absent", "runner_lost", "watchdog", "power_loss", "safety_trip"}[min(c, SafetyTrip)]
}

// SafeState is what an output does while a fault lasts.
type SafeState uint8

// The safe states.
const (
	KeepState  SafeState = iota // hold: it keeps its value, may go to its safe value, and nowhere else
	DropState                   // drop: it goes to the safe value of the class
	LatchState                  // latch: as drop, and it stays there when the fault is over, until a person resets it
)

// String gives the name that map files and records use.
func (s SafeState) String() string { return [...]string{"hold", "drop", "latch"}[min(s, LatchState)] }

// Recovery is how an output leaves its safe state when the fault is over.
type Recovery uint8

// The ways back.
const (
	RecoverAuto    Recovery = iota // auto: what is commanded holds again at once; after a start, what the recovery rules of the recipe say
	RecoverRestart                 // restart: those who answer for it are held, and a restart brings it back
	RecoverReset                   // reset: a person resets it (reset_safe_state), then as restart. The only one of latch
	RecoverPLC                     // plc: the PLC chain resets its trip. The only one of safety_trip
)

// String gives the name that map files and records use.
func (r Recovery) String() string {
	return [...]string{"auto", "restart", "reset", "plc"}[min(r, RecoverPLC)]
}

// FaultPolicy is what becomes of one output in a fault of one class.
type FaultPolicy struct {
	State   SafeState
	Value   int64 // where drop and latch take it, scaled; the map's safe_value unless the class has its own
	Recover Recovery
	Given   bool // the file says so; otherwise it is the default
}

// DefaultFault is what a map means that says nothing of a class: hold for what may pass, drop for what has ended somebody's watch.
func DefaultFault(c FaultClass) FaultPolicy {
	switch c {
	case InputInvalid, NetStale, SensorBad:
		return FaultPolicy{State: KeepState, Recover: RecoverAuto}
	case SafetyTrip:
		return FaultPolicy{State: DropState, Recover: RecoverPLC}
	}
	return FaultPolicy{State: DropState, Recover: RecoverRestart}
}

// Faults is what a Tag that is an output says of faults.
type Faults struct {
	Policy  [FaultClasses]FaultPolicy // by class; that of NoClass is zero
	Depends []tag.ID                  // inputs whose faults are faults of the output, in the order of the file
}

// FaultSet is a set of classes of faults, a bit for each.
type FaultSet uint16

// Of returns the set of one class, which is empty for NoClass.
func (c FaultClass) Of() FaultSet { return 1 << c &^ 1 }

// Has tells whether a class is in the set.
func (s FaultSet) Has(c FaultClass) bool { return s&c.Of() != 0 }

// Decisive is the class of a set that decides what becomes of an output: the gravest that drops or latches, and where none does the
// gravest that holds; NoClass for the empty set.
func (f *Faults) Decisive(s FaultSet) (c FaultClass) {
	for k := InputInvalid; k < FaultClasses; k++ {
		if s.Has(k) && (c == NoClass || f.Policy[k].State != KeepState || f.Policy[c].State == KeepState) {
			c = k
		}
	}
	return c
}

// Trouble is the class of the fault that lasts of an input: NetStale, InputInvalid, SensorBad or NoClass. It changes with samples of
// the tag and with its QualityChanged alone.
func (k *Machine) Trouble(id tag.ID) FaultClass {
	switch s := &k.st[id]; {
	case s.Told >= unheard, tag.Quality(s.Told) == tag.Stale:
		return NetStale
	case tag.Quality(s.Told) == tag.Good:
		return NoClass
	case s.Invalid:
		return InputInvalid
	}
	return SensorBad
}

// Absent is the class of the fault that lasts of an output by what it reads back: NetStale, DeviceAbsent where that is BAD, or NoClass. An
// output that is not read back, or was not since the boot, has none, and one that was read back once only is not STALE by that: there are
// ports that do no more.
func (k *Machine) Absent(id tag.ID) FaultClass {
	s := &k.st[id]
	switch {
	case k.m.Tags[id].StaleAfter == 0 || s.At == 0 || tag.Quality(s.Told) == tag.Good:
		return NoClass
	case tag.Quality(s.Told) != tag.Stale:
		return DeviceAbsent
	case s.Again:
		return NetStale
	}
	return NoClass
}
