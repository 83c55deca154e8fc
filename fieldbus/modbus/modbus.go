// Package modbus reaches Modbus devices, over TCP, serial lines and gateways between them: a client that never takes one answer for
// another, and on top of it a driver for package line.
//
// Start with [NewDevice], which makes a driver of a device of a tag map, or with [Dial] (TCP), [NewRTU] (serial line) and [DialRTU]
// (a line behind a gateway) for single exchanges.
//
// In a profile the protocol is modbus, and "at" is a table and an address, which counts from 0 as on the wire, and not as manuals do:
//
//	coil 0        a bit that can be written; manuals say 1 or 00001
//	discrete 0    a bit; 10001
//	input 40      a register of 16 bits, or the first one of a value that has several; 30041
//	holding 40    the same, and it can be written; 40041
//	holding 40.3  a bit of a register, .0 (the lowest) to .15; of a bool without it the register is 0 or 1
//
// In a tag map "unit" is the unit or slave id, and endpoints are tcp://HOST:PORT, rtu-tcp://HOST:PORT (a serial line behind a gateway
// that passes frames as they are), or serial: and a name that the [Bus] opens.
//
// The rule that must not be broken: an answer counts only if all that it has to tell itself by - transaction, protocol, unit, function,
// length, every echoed field - is of a request in flight. Over TCP the connection is closed after anything else, after a time-out and
// after a cancellation, so that a late reply finds nobody who could mistake it; on a serial line the slave has to prove what it answers
// to. And a write that was sent and not answered is neither done nor refused: it is unknown, and says so.
//
// What nobody can tell: a gateway that puts the values of another request of the same function and length under the number of this one.
//
// The package starts no goroutine, scales nothing and repeats nothing: neither a request that failed nor a value that is old.
// It speaks functions 1 to 6, 15, 16, 22 and 23. Over TCP, [Client.ReadAll] has as many reads in flight as the device bears.
package modbus

import (
	"strconv"

	"github.com/batchkit/batchkit/fieldbus"
)

// Table is one of the address spaces of a device. The zero value is none.
type Table uint8

// The tables; each is the number of the function that reads it. Addresses within each count from 0, as they do on the wire: what
// manuals call coil 1, input 10001, register 40001 or register 30001 has address 0.
const (
	Coil     Table = iota + 1 // bits, read by function 1 and written by 5 and 15
	Discrete                  // bits, read by 2
	Holding                   // registers of 16 bits, read by 3 and 23 and written by 6, 16, 22 and 23
	Input                     // registers of 16 bits, read by 4
)

// String gives coil, discrete, holding or input.
func (t Table) String() string {
	if t < Coil || t > Input {
		return "table(" + strconv.Itoa(int(t)) + ")"
	}
	return [...]string{"coil", "discrete", "holding", "input"}[t-Coil]
}

// The limits of one exchange, from the protocol.
const (
	MaxCoils      = 2000 // or discrete inputs, of one read
	MaxRead       = 125  // registers of one read
	MaxWriteCoils = 1968 // of one write
	MaxWrite      = 123  // registers of one write
	MaxReadWrite  = 121  // registers that are written by one exchange that reads, too
)

// Errors that a caller branches on: those of every field bus.
var (
	// ErrDown: there is no connection, or it was given up; dial again. Nothing was sent.
	ErrDown = fieldbus.ErrDown
	// ErrStray: what came in is not the answer to the request. Over TCP the connection was closed.
	ErrStray = fieldbus.ErrStray
	// ErrRefused: the device, or the description that it was given here, does not allow the write. Nothing was written.
	ErrRefused = fieldbus.ErrRefused
	// ErrUnknown: the write was sent and may have been carried out, or be carried out yet. Read back before writing again.
	ErrUnknown = fieldbus.ErrUnknown
)

// Exception is a device's answer that it will not do what it was asked; find it with errors.As. The connection stays in use.
//
// A write that was answered with code 1, 2, 3, 6, 7 or 10 was not carried out and is [ErrRefused]. Codes 4 and 5 may come after
// the device began, 11 after a gateway passed the request on, and the rest has no certain meaning: these are [ErrUnknown].
type Exception uint8

// The exceptions of the protocol.
const (
	IllegalFunction Exception = 1  // the device does not know the function
	IllegalAddress  Exception = 2  // an address that is asked for does not exist, or is read-only
	IllegalValue    Exception = 3  // the quantity or the value is not allowed
	DeviceFailure   Exception = 4  // the device failed while it was at it
	Acknowledge     Exception = 5  // accepted, and will take long
	Busy            Exception = 6  // busy with something else
	NotAcknowledged Exception = 7  // cannot do it
	ParityError     Exception = 8  // the device's memory is damaged
	NoPath          Exception = 10 // the gateway has no way to the unit
	NoResponse      Exception = 11 // the gateway asked the unit and heard nothing
)

// Error gives code and meaning.
func (e Exception) Error() string {
	words := [...]string{
		IllegalFunction: "illegal function", IllegalAddress: "illegal data address", IllegalValue: "illegal data value",
		DeviceFailure: "server device failure", Acknowledge: "acknowledge", Busy: "server device busy",
		NotAcknowledged: "negative acknowledge", ParityError: "memory parity error",
		NoPath: "gateway path unavailable", NoResponse: "gateway target device failed to respond",
	}
	meaning := "not a code of the protocol"
	if int(e) < len(words) && words[e] != "" {
		meaning = words[e]
	}
	return "exception " + strconv.Itoa(int(e)) + " (" + meaning + ")"
}

// refuses tells whether the code says that nothing was begun.
func (e Exception) refuses() bool {
	switch e {
	case IllegalFunction, IllegalAddress, IllegalValue, Busy, NotAcknowledged, NoPath:
		return true
	}
	return false
}
