// Profiles: what a kind of device has, and what it bears.

package fieldbus

import (
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Type is how a device holds a value.
type Type uint8

// The types of points.
const (
	Bool Type = iota + 1
	Int16
	Uint16
	Int32
	Uint32
	Int64
	Uint64
	Float32
	Float64
	String // of Point.Length bytes; it identifies a device and never becomes a tag
)

// Form is how a value of the type travels; tag.Int for a String, which is never a tag.
func (t Type) Form() tag.Form {
	switch t {
	case Bool:
		return tag.Bool
	case Float32:
		return tag.Float32
	case Float64:
		return tag.Float64
	}
	return tag.Int
}

// Order is the order of bytes in which a value of more than one byte is sent, as its letters say: A is the byte of the most weight of
// a value of four, and two registers hold them as the letters stand. Values of two and eight bytes follow: BADC swaps the bytes of each
// register, CDAB the registers.
type Order uint8

// The orders of bytes.
const (
	ABCD Order = iota // big end first; the default
	CDAB              // registers swapped
	BADC              // bytes of each register swapped
	DCBA              // both
)

// Access says what may be done with a point.
type Access uint8

// The kinds of access.
const (
	ReadOnly Access = iota
	ReadWrite
	WriteOnly
)

// Point is one value of a device.
type Point struct {
	Index  int // place in Profile.Points
	Name   string
	At     string // address in words of the protocol, such as "holding 40" or "ns=2;s=Flow"
	Type   Type
	Length int // String: bytes
	Order  Order
	Unit   quantity.Unit
	Scale  Scaling
	Access Access
}

// Scaling is what one on the wire stands for, and what zero stands for, in the point's unit. It declares; values travel as the device
// gave them, and only the I/O map scales. The two are held against each other when a batch is bound.
type Scaling struct {
	Gain, Offset quantity.Quantity
	Given        bool // else nothing is declared
}

// Limits are what a device bears. Zeros are replaced by the defaults of the protocol.
type Limits struct {
	ReadRegisters  int // most in one read
	ReadBits       int
	WriteRegisters int
	WriteBits      int
	Hole           int      // registers that nobody needs which are read to save an exchange; -1: none; 0: what the line works out
	InFlight       int      // exchanges under way at a time; 0: 1
	Pause          int64    // ns between the end of one exchange and the next
	ConnectPause   int64    // ns between connecting and the first exchange
	Response       int64    // ns within which an answer begins, or none comes; the wait for it
	Absent         []string // ranges that do not exist, in words of the protocol, such as "input 100..199"
}

// Setting is what only the protocol understands about a kind of device, such as how its messages are framed.
type Setting struct{ Key, Text string }

// Profile is one kind of device: device_profile_id, by version and digest.
type Profile struct {
	ID       string // device_profile_id
	Version  string
	Protocol string    // such as modbus
	Settings []Setting // in the order of the file
	Limits   Limits
	Points   []Point // in the order of the file
	Digest   string  // SHA-256 of the file, hex
}
