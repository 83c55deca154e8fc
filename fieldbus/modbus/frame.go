// Frames: how a request is written, and what its answer must be, byte for byte.

package modbus

import (
	"encoding/binary"
	"fmt"
)

// The functions.
const (
	readCoils      = 1
	readDiscrete   = 2
	readHolding    = 3
	readInput      = 4
	writeCoil      = 5
	writeRegister  = 6
	writeCoils     = 15
	writeRegisters = 16
	maskWrite      = 22
	readWrite      = 23
)

const (
	maxFrame  = 260  // bytes of the longest frame, header included
	refusal   = 9    // bytes of a frame that carries an exception, the shortest there is
	bodyAt    = 9    // where the values of a read begin
	exception = 0x80 // set in the function of a refusal
	coilOn    = 0xFF00
)

// request is one question, and so all that its answer must match.
type request struct {
	id       uint16 // transaction
	unit     uint8
	function uint8
	address  uint16
	value    uint16 // how many are read, or written by function 16; or what functions 5 and 6 write
}

// writes tells whether the request changes anything in the device.
func (q *request) writes() bool { return q.function >= writeCoil }

// String says what is asked.
func (q *request) String() string {
	switch q.function {
	case readCoils:
		return fmt.Sprintf("unit %d: read %d coils from address %d", q.unit, q.value, q.address)
	case readHolding:
		return fmt.Sprintf("unit %d: read %d holding registers from address %d", q.unit, q.value, q.address)
	case readInput:
		return fmt.Sprintf("unit %d: read %d input registers from address %d", q.unit, q.value, q.address)
	case writeCoil:
		return fmt.Sprintf("unit %d: write coil at address %d", q.unit, q.address)
	case writeRegister:
		return fmt.Sprintf("unit %d: write register at address %d", q.unit, q.address)
	default:
		return fmt.Sprintf("unit %d: write %d registers from address %d", q.unit, q.value, q.address)
	}
}

// allowed refuses what does not fit one exchange: n values from the request's address on, of which one exchange carries limit.
func (q *request) allowed(n, limit int) error {
	if n < 1 || n > limit {
		return fmt.Errorf("%d values: one exchange carries 1 to %d", n, limit)
	}
	if int(q.address)+n > 1<<16 {
		return fmt.Errorf("%d values from address %d: the last address is 65535", n, q.address)
	}
	return nil
}

// appendTo adds the frame of the request to b; words are what function 16 writes.
func (q *request) appendTo(b []byte, words []uint16) []byte {
	length := 6
	if q.function == writeRegisters {
		length += 1 + 2*len(words)
	}
	b = binary.BigEndian.AppendUint16(b, q.id)
	b = append(b, 0, 0, 0, byte(length), q.unit, q.function)
	b = binary.BigEndian.AppendUint16(b, q.address)
	b = binary.BigEndian.AppendUint16(b, q.value)
	if q.function == writeRegisters {
		b = append(b, byte(2*len(words)))
		for _, w := range words {
			b = binary.BigEndian.AppendUint16(b, w)
		}
	}
	return b
}

// size is the length of the answer's frame unless it is a refusal.
func (q *request) size() int {
	switch q.function {
	case readCoils:
		return bodyAt + (int(q.value)+7)/8
	case readHolding, readInput:
		return bodyAt + 2*int(q.value)
	default:
		return 12
	}
}

// check looks at what has come in since the request was sent. With a nil error, b is the answer if size is len(b), and the
// beginning of one if size is more: so many bytes are needed to tell. An Exception is an answer too. Any other error, which
// wraps ErrStray, means that no further byte can make an answer of it.
func (q *request) check(b []byte) (size int, err error) {
	if len(b) < refusal {
		return refusal, nil
	}
	size = q.size()
	refused := b[7] == q.function|exception
	if refused {
		size = refusal
	}
	id, protocol, length := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case id != q.id:
		return size, fmt.Errorf("%w: transaction %d, want %d", ErrStray, id, q.id)
	case protocol != 0:
		return size, fmt.Errorf("%w: protocol %d, want 0", ErrStray, protocol)
	case b[6] != q.unit:
		return size, fmt.Errorf("%w: unit %d, want %d", ErrStray, b[6], q.unit)
	case b[7] != q.function && !refused:
		return size, fmt.Errorf("%w: function %d, want %d", ErrStray, b[7], q.function)
	case length != size-6:
		return size, fmt.Errorf("%w: length %d, want %d", ErrStray, length, size-6)
	case len(b) > size:
		return size, fmt.Errorf("%w: %d bytes follow it", ErrStray, len(b)-size)
	case refused:
		return size, Exception(b[8])
	case len(b) < size:
		return size, nil
	}
	return size, q.checkBody(b)
}

// checkBody looks at what comes behind the function in a whole frame of the right length.
func (q *request) checkBody(b []byte) error {
	if !q.writes() {
		if n := int(b[8]); n != len(b)-bodyAt {
			return fmt.Errorf("%w: byte count %d, want %d", ErrStray, n, len(b)-bodyAt)
		}
		return nil
	}
	address, value := binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])
	if address != q.address {
		return fmt.Errorf("%w: echo of address %d, want %d", ErrStray, address, q.address)
	}
	if value != q.value {
		return fmt.Errorf("%w: echo of value %d, want %d", ErrStray, value, q.value)
	}
	return nil
}
