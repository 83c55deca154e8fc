// RTU frames: where one begins and ends, told by length and check sum, among whatever else is on the line.

package modbus

import (
	"bytes"
	"encoding/binary"
	"time"
)

const (
	maxADU      = 256 // bytes of the longest frame on a serial line
	shortADU    = 5   // of the shortest: a refusal
	bitsDefault = 11  // of a character: start, 8 of data, parity or a second stop bit, stop
)

// crcTable is CRC-16/MODBUS of each byte: polynomial 0x8005, reflected.
var crcTable = func() (table [256]uint16) {
	for i := range table {
		c := uint16(i)
		for range 8 {
			if c&1 != 0 {
				c = c>>1 ^ 0xA001
			} else {
				c >>= 1
			}
		}
		table[i] = c
	}
	return table
}()

// crc is the check sum of a frame, which is sent low byte first.
func crc(b []byte) uint16 {
	c := uint16(0xFFFF)
	for _, x := range b {
		c = c>>8 ^ crcTable[byte(c)^x]
	}
	return c
}

// sound tells whether b is a frame with the right check sum.
func sound(b []byte) bool {
	n := len(b) - 2
	return n >= 2 && crc(b[:n]) == binary.LittleEndian.Uint16(b[n:])
}

// appendADU adds the frame of a query to b.
func appendADU(b []byte, q *query) []byte {
	at := len(b)
	b = append(b, q.unit)
	b = q.appendTo(b)
	return binary.LittleEndian.AppendUint16(b, crc(b[at:]))
}

// wireTime is for how long n characters of so many bits are on a line.
func wireTime(baud, bits, n int) time.Duration {
	return time.Duration(int64(n) * int64(bits) * int64(time.Second) / int64(baud))
}

// silence35 is t3.5, the silence between two frames: 3.5 characters, and 1.75 ms above 19200 Bd.
func silence35(baud, bits int) time.Duration {
	if baud > 19200 {
		return 1750 * time.Microsecond
	}
	return (wireTime(baud, bits, 7) + 1) / 2
}

// RTUTime is how long an exchange takes on a serial line, without the time that the slave takes to think: a request and a reply of so
// many bytes (a read of n registers has 8 and 5+2n) at 11 bits a character, and the silence (t3.5) before each of them. It is 0 for
// a baud of 0 or less.
func RTUTime(baud, request, reply int) time.Duration {
	if baud <= 0 {
		return 0
	}
	return wireTime(baud, bitsDefault, max(request, 0)+max(reply, 0)) + 2*silence35(baud, bitsDefault)
}

// lengths gives how long a frame that begins with b can be: as a reply, and as a request. 0 stands for a length that cannot be, and
// more than len(b) for bytes that are missing still.
func lengths(b []byte) (reply, request int) {
	if len(b) < 3 {
		return shortADU, shortADU
	}
	function := b[1]
	if function&exception != 0 {
		return shortADU, 0
	}
	switch function {
	case readCoils, readDiscrete, readHolding, readInput:
		return within256(5 + int(b[2])), 8
	case writeCoil, writeRegister:
		return 8, 8
	case maskWrite:
		return 10, 10
	case writeCoils, writeRegisters:
		if len(b) < 7 {
			return 8, 7
		}
		return 8, within256(9 + int(b[6]))
	case readWrite:
		if len(b) < 11 {
			return within256(5 + int(b[2])), 11
		}
		return within256(5 + int(b[2])), within256(13 + int(b[10]))
	}
	return 0, 0
}

func within256(n int) int {
	if n > maxADU {
		return 0
	}
	return n
}

// whole gives the length of the frame that b begins with, of any unit, or 0; more tells that it may have to be waited for.
func whole(b []byte) (n int, more bool) {
	reply, request := lengths(b)
	for _, n := range [...]int{reply, request} {
		if n > 0 && n <= len(b) && sound(b[:n]) {
			return n, false
		}
		more = more || n > len(b)
	}
	return 0, more
}

// answered tells which answer to q the bytes begin with: its length, or 0 for none that is whole.
func answered(q *query, b []byte) int {
	if len(b) < shortADU || b[0] != q.unit {
		return 0
	}
	n := shortADU
	if b[1] != q.function|exception {
		n = q.size() + 3
	}
	if n > len(b) || !sound(b[:n]) {
		return 0
	}
	if err := q.check(b[1 : n-2]); err != nil {
		if _, refused := err.(Exception); !refused {
			return 0
		}
	}
	return n
}

// hearing is what was heard since the line was silent last.
type hearing struct {
	clean bool // the first byte is that of a frame, as far as is known
	n     int
	buf   [2 * maxADU]byte
}

func (h *hearing) reset() { h.clean, h.n = true, 0 }

// room is where the next bytes go. Of what nobody could make a frame of, the older half is dropped.
func (h *hearing) room() []byte {
	if h.n == len(h.buf) {
		h.clean = false
		h.drop(maxADU)
	}
	return h.buf[h.n:]
}

func (h *hearing) drop(n int) {
	copy(h.buf[:], h.buf[n:h.n])
	h.n -= n
}

// frame gives the length of the frame at the beginning, or 0. A beginning that may still become one is waited for until the line is
// quiet; one that cannot be is no beginning: what was heard since may hold the answer further in. With a query, what begins as its
// answer is not taken for anything shorter.
func (h *hearing) frame(q *query, quiet bool) int {
	b := h.buf[:h.n]
	if !h.clean || len(b) == 0 {
		return 0
	}
	n, more := whole(b)
	if q != nil {
		if m := answered(q, b); m > 0 {
			return m
		}
		if begun(q, b) {
			n, more = 0, true
		}
	}
	if n == 0 && (quiet || !more) {
		h.clean = false
	}
	return n
}

// begun tells whether b is the beginning of an answer to q that is no refusal.
func begun(q *query, b []byte) bool {
	if n := q.size() + 3; len(b) < 2 || len(b) >= n || b[0] != q.unit || b[1] != q.function {
		return false
	}
	switch {
	case len(b) == 2:
		return true
	case q.function <= readInput || q.function == readWrite:
		return int(b[2]) == q.size()-2
	}
	return b[2] == byte(q.address>>8)
}

// buried finds the answer to q behind bytes that are no frame, and tells how many others there are that are not the same. Of a copy of
// the request itself nobody can say that it is an answer: so many of them are passed over as there are echoes.
func (h *hearing) buried(q *query, own []byte, echoes int) (at, n, others int) {
	at = -1
	for i := 0; i+shortADU <= h.n; {
		m := answered(q, h.buf[i:h.n])
		switch {
		case m == 0:
			i++
			continue
		case echoes > 0 && bytes.HasPrefix(h.buf[i:h.n], own):
			echoes--
			m = len(own)
		case at < 0:
			at, n = i, m
		case !bytes.Equal(h.buf[i:i+m], h.buf[at:at+n]):
			others++
		}
		i += m
	}
	return at, n, others
}
