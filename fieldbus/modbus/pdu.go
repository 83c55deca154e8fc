// PDUs: what is asked of a device and what must come back, without the framing of a line.

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
	exception = 0x80 // set in the function of a refusal
	coilOn    = 0xFF00
	maxPDU    = 253
	valuesAt  = 2 // where the values of a read begin in its answer's PDU
)

// query is one question, and so all that its answer must match.
type query struct {
	unit     uint8
	function uint8
	address  uint16
	count    uint16   // values that are read, or written by 15 and 16
	value    uint16   // of functions 5 and 6; the AND mask of 22
	or       uint16   // the OR mask of 22
	to       uint16   // address that 23 writes to
	words    []uint16 // what 16 and 23 write
	bits     []bool   // what 15 writes
}

// String says what is asked.
func (q *query) String() string {
	what := ""
	switch q.function {
	case readCoils:
		what = fmt.Sprintf("read %d coils", q.count)
	case readDiscrete:
		what = fmt.Sprintf("read %d discrete inputs", q.count)
	case readHolding:
		what = fmt.Sprintf("read %d holding registers", q.count)
	case readInput:
		what = fmt.Sprintf("read %d input registers", q.count)
	case writeCoil:
		return fmt.Sprintf("unit %d: write coil at address %d", q.unit, q.address)
	case writeRegister:
		return fmt.Sprintf("unit %d: write register at address %d", q.unit, q.address)
	case writeCoils:
		what = fmt.Sprintf("write %d coils", q.count)
	case writeRegisters:
		what = fmt.Sprintf("write %d registers", q.count)
	case maskWrite:
		return fmt.Sprintf("unit %d: mask-write register at address %d", q.unit, q.address)
	case readWrite:
		what = fmt.Sprintf("write %d registers from address %d, read %d", len(q.words), q.to, q.count)
	default:
		what = fmt.Sprintf("function %d: %d values", q.function, q.count)
	}
	return fmt.Sprintf("unit %d: %s from address %d", q.unit, what, q.address)
}

// within refuses what does not fit one exchange: n values from an address on, of which one exchange carries limit.
func within(address uint16, n, limit int) error {
	if n < 1 || n > limit {
		return fmt.Errorf("%d values: one exchange carries 1 to %d", n, limit)
	}
	if int(address)+n > 1<<16 {
		return fmt.Errorf("%d values from address %d: the last address is 65535", n, address)
	}
	return nil
}

// writes tells whether the query changes anything in the device.
func (q *query) writes() bool {
	return q.function >= writeCoil
}

// appendTo adds function and what follows it.
func (q *query) appendTo(b []byte) []byte {
	b = append(b, q.function)
	b = binary.BigEndian.AppendUint16(b, q.address)
	switch q.function {
	case writeCoil, writeRegister:
		return binary.BigEndian.AppendUint16(b, q.value)
	case maskWrite:
		b = binary.BigEndian.AppendUint16(b, q.value)
		return binary.BigEndian.AppendUint16(b, q.or)
	}
	b = binary.BigEndian.AppendUint16(b, q.count)
	switch q.function {
	case writeCoils:
		b = append(b, byte((len(q.bits)+7)/8))
		for i, on := range q.bits {
			if i%8 == 0 {
				b = append(b, 0)
			}
			if on {
				b[len(b)-1] |= 1 << (i % 8)
			}
		}
	case readWrite:
		b = binary.BigEndian.AppendUint16(b, q.to)
		b = binary.BigEndian.AppendUint16(b, uint16(len(q.words)))
		fallthrough
	case writeRegisters:
		b = append(b, byte(2*len(q.words)))
		for _, w := range q.words {
			b = binary.BigEndian.AppendUint16(b, w)
		}
	}
	return b
}

// size is the length of the answer's PDU unless it is a refusal, which has two bytes.
func (q *query) size() int {
	switch q.function {
	case readCoils, readDiscrete:
		return 2 + (int(q.count)+7)/8
	case readHolding, readInput, readWrite:
		return 2 + 2*int(q.count)
	case maskWrite:
		return 7
	default:
		return 5
	}
}

// check holds a whole PDU against the query. An Exception is an answer too; any other error wraps ErrStray.
func (q *query) check(pdu []byte) error {
	switch {
	case len(pdu) == 2 && pdu[0] == q.function|exception:
		return Exception(pdu[1])
	case len(pdu) == 0 || pdu[0] != q.function:
		return fmt.Errorf("%w: function %d, want %d", ErrStray, pdu[:min(len(pdu), 1)], q.function)
	case len(pdu) != q.size():
		return fmt.Errorf("%w: %d bytes, want %d", ErrStray, len(pdu), q.size())
	}
	switch q.function {
	case readCoils, readDiscrete, readHolding, readInput, readWrite:
		if n := int(pdu[1]); n != len(pdu)-2 {
			return fmt.Errorf("%w: byte count %d, want %d", ErrStray, n, len(pdu)-2)
		}
		if q.echoed(pdu) {
			return fmt.Errorf("%w: it is the request itself", ErrStray)
		}
		return nil
	}
	second := q.count
	if q.function != writeCoils && q.function != writeRegisters {
		second = q.value
	}
	if at := binary.BigEndian.Uint16(pdu[1:]); at != q.address {
		return fmt.Errorf("%w: echo of address %d, want %d", ErrStray, at, q.address)
	}
	if got := binary.BigEndian.Uint16(pdu[3:]); got != second {
		return fmt.Errorf("%w: echo of %d, want %d", ErrStray, got, second)
	}
	if q.function == maskWrite && binary.BigEndian.Uint16(pdu[5:]) != q.or {
		return fmt.Errorf("%w: echo of OR mask %d, want %d", ErrStray, binary.BigEndian.Uint16(pdu[5:]), q.or)
	}
	return nil
}

// echoed tells whether the answer to a read has the bytes of its request, which a line that echoes returns. For 17 to 24 coils, and for
// function 23, it would pass for an answer; a device that means it is refused.
func (q *query) echoed(pdu []byte) bool {
	asked := 5
	if q.function == readWrite {
		asked = 10 + 2*len(q.words)
	}
	return len(pdu) == asked && binary.BigEndian.Uint16(pdu[1:]) == q.address && binary.BigEndian.Uint16(pdu[3:]) == q.count
}
