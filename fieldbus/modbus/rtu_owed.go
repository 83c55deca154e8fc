// What slaves owe: replies that have not come and may still, and which question proves that none of them can.

package modbus

import (
	"encoding/binary"
	"time"
)

// maxOwed is how many replies of one slave are remembered. One that owes as many is not asked until the oldest is too old.
const maxOwed = 32

// shape is all by which a reply can be told from another: reads show function and length, writes what they echo.
type shape struct {
	function      uint8
	size          int // of the PDU
	first, second uint16
	third         uint16
}

// shape of the answer to q unless it is a refusal.
func (q *query) shape() shape {
	s := shape{function: q.function, size: q.size()}
	switch q.function {
	case writeCoil, writeRegister:
		s.first, s.second = q.address, q.value
	case writeCoils, writeRegisters:
		s.first, s.second = q.address, q.count
	case maskWrite:
		s.first, s.second, s.third = q.address, q.value, q.or
	}
	return s
}

// shapeOf is the shape of a reply's PDU.
func shapeOf(pdu []byte) shape {
	s := shape{function: pdu[0] &^ exception, size: len(pdu)}
	switch s.function {
	case writeCoil, writeRegister, writeCoils, writeRegisters, maskWrite:
		if len(pdu) >= 5 {
			s.first, s.second = binary.BigEndian.Uint16(pdu[1:]), binary.BigEndian.Uint16(pdu[3:])
		}
		if len(pdu) >= 7 {
			s.third = binary.BigEndian.Uint16(pdu[5:])
		}
	}
	return s
}

// repeats tells whether the answer is the request itself, so that an echo of the line looks like it.
func (q *query) repeats() bool {
	return q.function == writeCoil || q.function == writeRegister || q.function == maskWrite
}

// debt is one reply that is owed.
type debt struct {
	shape
	at    time.Time // when it was asked for
	asked span      // of a read
}

// span is a range of addresses.
type span struct {
	address, count uint16
}

// slave is one slave of a line.
type slave struct {
	Slave
	rest time.Time // not before then is it asked again
	owed []debt    // oldest first; not empty: it is in doubt
	good [readInput + 1]span
}

// forget drops what is too old to come.
func (s *slave) forget(now time.Time) {
	for len(s.owed) > 0 && now.Sub(s.owed[0].at) > s.Late {
		s.owed = append(s.owed[:0], s.owed[1:]...)
	}
}

// owe notes that the answer to q did not come.
func (s *slave) owe(q *query, at time.Time) {
	s.add(debt{q.shape(), at, span{q.address, q.count}})
}

func (s *slave) add(d debt) {
	if len(s.owed) == maxOwed { // of more than it was asked for; what is asked is bounded elsewhere
		s.owed = append(s.owed[:0], s.owed[1:]...)
	}
	s.owed = append(s.owed, d)
}

// owes tells whether a reply of this shape is owed.
func (s *slave) owes(f shape) bool {
	for i := range s.owed {
		if s.owed[i].shape == f {
			return true
		}
	}
	return false
}

// owesOf tells whether a reply to the function is owed. A refusal of that function may be the one that is owed.
func (s *slave) owesOf(function uint8) bool {
	for i := range s.owed {
		if s.owed[i].function == function {
			return true
		}
	}
	return false
}

// took notes a read that was answered: a part of it can be asked for as a proof.
func (s *slave) took(q *query) {
	if q.function <= readInput && q.count > s.good[q.function].count {
		s.good[q.function] = span{q.address, q.count}
	}
}

// probe chooses a read whose answer cannot be taken for one that is owed: a part of what the slave has answered, in a length that
// nothing owed has; or by a function of which nothing is owed, where a refusal proves as much. The two take turns, since a slave may
// refuse parts, or be silent about functions that it does not know. False: there is none; only time can prove it.
func (s *slave) probe(unit uint8) (query, bool) {
	if s.NoProbe || len(s.owed) >= maxOwed {
		return query{}, false
	}
	ways := [...]func(*query) bool{s.part, s.fresh, s.part, s.any}
	q := query{unit: unit}
	if len(s.owed)%2 == 0 && s.fresh(&q) {
		return q, true
	}
	for _, way := range ways {
		if way(&q) {
			return q, true
		}
	}
	return q, false
}

// part asks for a part of what was answered, or, where nothing was, of what was asked for.
func (s *slave) part(q *query) bool {
	for f := uint8(readHolding); ; f = f%readInput + 1 {
		if s.length(q, f, s.good[f], s.good[f].count) {
			return true
		}
		if f == readDiscrete {
			break
		}
	}
	for i := range s.owed {
		if d := &s.owed[i]; d.function <= readInput && s.length(q, d.function, d.asked, d.asked.count) {
			return true
		}
	}
	return false
}

// fresh asks by a function of which nothing is owed.
func (s *slave) fresh(q *query) bool {
	for f := uint8(readHolding); ; f = f%readInput + 1 {
		if !s.owesOf(f) {
			q.function, q.address, q.count = f, s.good[f].address, 1
			return true
		}
		if f == readDiscrete {
			return false
		}
	}
}

// any asks for any length that nothing owed has.
func (s *slave) any(q *query) bool {
	return s.length(q, readHolding, span{s.good[readHolding].address, 0}, MaxRead)
}

// length finds the shortest read of at most n values from r on whose answer has a length that nothing owed has.
func (s *slave) length(q *query, function uint8, r span, n uint16) bool {
	step := uint16(1)
	if function <= readDiscrete {
		step = 8
	}
	for q.function, q.address, q.count = function, r.address, 1; q.count <= n && int(r.address)+int(q.count) <= 1<<16; q.count += step {
		if !s.owes(q.shape()) {
			return true
		}
	}
	return false
}
