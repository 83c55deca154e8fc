// PDUs: what is asked of a device and what must come back, without the framing of a line.

package modbus

import (
	"encoding/binary"
	"fmt"
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
	words    []uint16 // what 15 (0 or 1 each), 16 and 23 write
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
		n := (len(q.words) + 7) / 8
		b = append(b, byte(n))
		at := len(b)
		b = append(b, make([]byte, n)...)
		for i, w := range q.words {
			b[at+i/8] |= byte(w&1) << (i % 8)
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
