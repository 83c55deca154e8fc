// Frames: a PDU on TCP, behind the header that says whose it is (MBAP).

package modbus

import (
	"encoding/binary"
	"fmt"
)

const (
	headerSize = 7                   // transaction, protocol and length of two bytes each, and the unit
	maxFrame   = headerSize + maxPDU // bytes of the longest frame
	readSize   = headerSize + 5      // bytes of the request of a read
	refusal    = headerSize + 2      // bytes of a frame that carries an exception, the shortest there is
)

// appendFrame adds the frame of a query to b.
func appendFrame(b []byte, id uint16, q *query) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0, 0, 0, 0, q.unit)
	b = q.appendTo(b)
	binary.BigEndian.PutUint16(b[at+4:], uint16(len(b)-at-6))
	return b
}

// frame looks at the frame at the beginning of b, which has at least refusal bytes, as an answer to q, and gives its size. With a nil
// error it may be one, and is if all of it is there: then its PDU is to be checked. Any error wraps ErrStray, and means that no
// further byte can make an answer of it.
func (q *query) frame(b []byte) (size int, err error) {
	protocol, length := binary.BigEndian.Uint16(b[2:]), int(binary.BigEndian.Uint16(b[4:]))
	function := b[headerSize]
	size = headerSize + q.size()
	if function == q.function|exception {
		size = refusal
	}
	switch {
	case protocol != 0:
		return 0, fmt.Errorf("%w: protocol %d, want 0", ErrStray, protocol)
	case b[6] != q.unit:
		return 0, fmt.Errorf("%w: unit %d, want %d", ErrStray, b[6], q.unit)
	case function&^exception != q.function:
		return 0, fmt.Errorf("%w: function %d, want %d", ErrStray, function, q.function)
	case length != size-6:
		return 0, fmt.Errorf("%w: length %d, want %d", ErrStray, length, size-6)
	}
	return size, nil
}
