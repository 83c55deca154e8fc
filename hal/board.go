// The rest of what a board may have: a watchdog, a warning before the supply fails, a text line, a counter that only grows.

package hal

import (
	"context"
	"time"
)

// Watchdog resets the board unless it is fed. All methods block for one system call.
type Watchdog interface {
	// Arm starts it, or gives it another time-out, and returns the one that it really has, read back from the hardware: parts have
	// coarse steps, and limits of some seconds. It is never longer than asked for; where the part has none that is as short, or not
	// longer, Arm fails and leaves it as it was.
	Arm(timeout time.Duration) (actual time.Duration, err error)
	// Feed starts the time anew. Call it only after what the watchdog is to vouch for has been seen to go on.
	Feed() error
	// Disarm stops it. A part that cannot be stopped returns an error that wraps ErrStays, and goes on.
	Disarm() error
	// Close releases it. An armed one goes on, and bites unless it is opened again and fed.
	Close() error
}

// ResetCause is why a board came up, as far as its hardware or its journal tells.
type ResetCause uint8

// The causes of a reset.
const (
	ResetUnknown  ResetCause = iota // nobody tells; not a guess
	ResetPower                      // the supply came back
	ResetWatchdog                   // the watchdog has bitten
	ResetOrdered                    // a person or the system has asked for it
	ResetProcess                    // the board ran on: only the process has begun anew
)

// String gives the value of reset_cause.
func (c ResetCause) String() string {
	return [...]string{"unknown", "power", "watchdog", "ordered", "process"}[min(c, ResetProcess)]
}

// Power warns before the supply fails. A supervisor chip with a reset output alone is none: it wants a comparator on the rail before
// the regulator.
type Power interface {
	// Holdup is for how long the board runs on after the warning, as its maker has measured it; it does not change. More than 0.
	Holdup() time.Duration
	// Watch emits whether the supply fails, first as it is now and then with every change, until ctx ends; it then returns nil, and
	// any other return means that nobody warns any more. It emits from the calling goroutine. One Watch at a time.
	Watch(ctx context.Context, emit func(PowerEvent)) error
	// Close releases it and ends Watch.
	Close() error
}

// PowerEvent is a change of the supply.
type PowerEvent struct {
	Mono    int64 // when, ns on the monotonic clock; stamped by the kernel or the chip
	Failing bool  // the supply has failed and the board lives on what it has stored; false: it is back
}

// RS232 is one full-duplex line to an instrument that talks text.
type RS232 interface {
	// Write sends p and returns when the driver has it; it blocks for as long as the line takes, some 10 bit times per byte.
	Write(p []byte) (n int, err error)
	// Read is RS485.Read.
	Read(ctx context.Context, p []byte) (n int, err error)
	// Close releases the port and ends a Read.
	Close() error
}

// Counter is a number in a part of its own that only grows, also over power cuts and whatever is done to the disk: that of a TPM or of
// a secure element. Both methods block for one exchange, some 10 ms.
type Counter interface {
	Read() (uint64, error)
	// Increment adds 1 and returns the new value once the part has stored it.
	Increment() (uint64, error)
}
