// The whole state of a machine as bytes, and back.

package sequencer

import (
	"encoding/binary"
	"errors"
)

var errSnapshot = errors.New("sequencer: not a snapshot of a machine with this program")

// Snapshot appends the whole state to dst.
func (m *Machine) Snapshot(dst []byte) []byte {
	le := binary.LittleEndian
	dst, _ = binary.Append(dst, le, &m.r)
	dst, _ = binary.Append(dst, le, m.el)
	dst, _ = binary.Append(dst, le, m.out)
	dst, _ = binary.Append(dst, le, m.held)
	dst = append(dst, m.posted...)
	dst, _ = binary.Append(dst, le, m.cells)
	dst, _ = binary.Append(dst, le, m.asks)
	for owner := 0; owner <= m.lastTimer(); owner++ {
		dst = le.AppendUint64(dst, uint64(m.timers.Due(owner)))
	}
	return dst
}

// Restore puts back a state that Snapshot gave and returns what follows it. After an error the machine must not be used.
func (m *Machine) Restore(src []byte) ([]byte, error) {
	for _, part := range [...]any{&m.r, m.el, m.out, m.held, m.posted, m.cells, m.asks} {
		n, err := binary.Decode(src, binary.LittleEndian, part)
		if err != nil {
			return nil, errSnapshot
		}
		src = src[n:]
	}
	if len(src) < 8*(m.lastTimer()+1) || !m.sound() {
		return nil, errSnapshot
	}
	for owner := 0; owner <= m.lastTimer(); owner++ {
		m.timers.Set(owner, int64(binary.LittleEndian.Uint64(src)))
		src = src[8:]
	}
	for o := range m.out {
		if !m.out[o].fits(m.p.Outputs[o].Faults, m.timers.Due(m.faultTimer(o))) {
			return nil, errSnapshot
		}
	}
	m.census()
	return src, nil
}

// sound tells whether every number that was read back lies where the program has something.
func (m *Machine) sound() bool {
	busy := int32(0)
	for o := range m.out {
		s := &m.out[o]
		if s.Owner < 0 || int(s.Owner) >= len(m.el) || s.By < 0 || int(s.By) > len(m.p.Sets) {
			return false
		}
		if s.Busy {
			busy++
		}
		if m.foreign(o) && *s != m.stranger(o) {
			return false
		}
	}
	for e := range m.el {
		s, count := &m.el[e], m.p.Elems[e].Count
		if s.Tries < 0 || int(s.Tries) > m.p.Elems[e].Retry || s.Anew && (!m.p.Elems[e].Phase || s.PC < 0) {
			return false
		}
		if State(s.State) >= stateCount || s.PC < -1 || int(s.PC) > count || s.Waiting && (s.PC < 0 || int(s.PC) == count) {
			return false
		}
		if !m.steps(e) {
			return false
		}
	}
	for _, e := range m.held {
		if e < 0 || int(e) > len(m.el) {
			return false
		}
	}
	if m.r.Tripped > retryLess || m.r.Trip != 0 && (m.p.Trip == nil || TripState(m.r.Trip) > TripConfirmed) {
		return false
	}
	if m.r.Unread && (m.p.Trip == nil || m.r.Trip != 0) {
		return false
	}
	return State(m.r.Shown) < stateCount && m.r.Busy == busy
}

// steps tells whether the mode of an element, and the children that a block remembers, are there.
func (m *Machine) steps(e int) bool {
	s, p := &m.el[e], &m.p.Elems[e]
	if Mode(s.Mode) >= modeCount {
		return false
	}
	if p.Step == 0 {
		return true
	}
	child := func(n int64) bool { return n > int64(e) && n < int64(p.Step) && m.p.Elems[n].Parent == e }
	step := &m.el[p.Step]
	return (s.B == 0 && State(step.State) == Idle || child(s.B)) && (s.C == 0 || child(s.C))
}
