// Package tag holds the nouns of a signal: raw value, quality, write, and the contract Port by which a board is reached.
//
// Start with [Port]: a board, to this library, is two methods. Everything that crosses a Port is a [Raw] on the way in and a
// [Write] on the way out, both addressed by the physical channel that the I/O mapping names; logical tags begin in package
// iomap.
//
// The rule that must not be broken: a value travels with its quality and with the time at which it was true. A value whose
// source is silent is never repeated as if it were new.
//
// The package declares; it scales nothing, filters nothing and starts nothing.
package tag

import (
	"context"
	"errors"
	"strconv"
)

// ID is the place of a logical tag in the bound I/O map, counted from 0 in the order of the map file.
type ID uint16

// None is the ID of no tag. A map therefore holds at most 65,535 tags.
const None ID = 0xFFFF

// Quality says how far a value may be believed. The zero value is Bad: what was never seen is not good.
type Quality uint8

// The qualities (seed H2-10). Stale is computed when a value is read, from its age; a source reports Good or Bad.
const (
	Bad   Quality = iota // no value, or one that its source disowns
	Stale                // a good value that is older than the tag allows
	Good                 // a value within its age
)

// String gives the name that records use: GOOD, STALE or BAD.
func (q Quality) String() string {
	switch q {
	case Good:
		return "GOOD"
	case Stale:
		return "STALE"
	default:
		return "BAD"
	}
}

// Form tells how the 64 bits of a value are to be read.
type Form uint8

// The forms of a raw value.
const (
	Bool    Form = iota // bit 0
	Int                 // two's complement
	Float32             // IEEE 754 single in the low 32 bits
	Float64             // IEEE 754 double
)

// String gives the name that map files use: bool, int, float32 or float64.
func (f Form) String() string {
	switch f {
	case Bool:
		return "bool"
	case Int:
		return "int"
	case Float32:
		return "float32"
	case Float64:
		return "float64"
	default:
		return "form(" + strconv.Itoa(int(f)) + ")"
	}
}

// Raw is one value as a device gave it. Floats travel as their bits: only package iomap turns them into numbers, in integer
// arithmetic, so that every processor agrees.
type Raw struct {
	Channel string  // physical channel as the map names it, for example "di/3"
	Form    Form    // how to read Bits
	Bits    uint64  // the value
	Quality Quality // Good or Bad; a source that knows itself stale says Bad
	At      int64   // when it was true, monotonic ns on the rig's clock; 0 means: when it arrived
}

// Write asks for one output to take one value.
type Write struct {
	ID       uint32 // number of the write within its batch; records and answers name it
	Channel  string // physical channel as the map names it
	Form     Form   // Bool or Int
	Bits     uint64 // the value after polarity and scaling
	Deadline int64  // monotonic ns on the rig's clock after which it must not be begun
	Safe     bool   // towards the safe value: it is tried also where the output's device is STALE
}

// What the error of a write wraps where the port knows it. Without either nobody knows what became of the write.
var (
	// ErrRefused: the device, its description, or the state of its link does not allow the write, or its turn did not come in time. Nothing
	// was written.
	ErrRefused = errors.New("write refused")
	// ErrUnknown: the write was sent and may have been carried out, or be carried out yet. Read back before writing again.
	ErrUnknown = errors.New("outcome of the write unknown")
)

// Port is a board as the rest of the house sees it. An implementation may use any number of devices behind it.
//
// Watch delivers values until ctx ends and then returns nil or ctx's error; any other return means that the port is lost. It
// first emits every channel once, outputs read back included. Emit never blocks and may be called from one goroutine at a
// time. A port that cannot read an output back emits it with quality Bad.
//
// Write carries out w and returns when the device has accepted it, has refused it, or ctx ended, which it does at w.Deadline. A
// nil error means that the device confirmed the write. Write may be called while Watch runs, by one goroutine at a time. What is still on
// its way when Write has returned, or its process has died, must not arrive after a later write to that channel, nor after the first
// values of the next Watch: of an output that does not read back nobody would find out.
type Port interface {
	Watch(ctx context.Context, emit func(Raw)) error
	Write(ctx context.Context, w Write) error
}
