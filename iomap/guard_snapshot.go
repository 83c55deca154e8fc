// The whole state of a guard as bytes, and back.

package iomap

import "encoding/binary"

// Snapshot appends the whole state to dst; that of a guard of a map with neither interlocks nor alarms is empty.
func (g *Guard) Snapshot(dst []byte) []byte {
	if len(g.todo) == 0 {
		return dst
	}
	le := binary.LittleEndian
	dst, _ = binary.Append(dst, le, &g.r)
	dst, _ = binary.Append(dst, le, g.il)
	dst, _ = binary.Append(dst, le, g.al)
	dst, _ = binary.Append(dst, le, g.cells)
	for i := range g.todo {
		dst = le.AppendUint64(dst, uint64(g.timers.Due(i)))
	}
	return dst
}

// Restore puts back a state that Snapshot gave and returns what follows it. After an error the guard must not be used.
func (g *Guard) Restore(src []byte) ([]byte, error) {
	if len(g.todo) == 0 {
		return src, nil
	}
	for _, part := range [...]any{&g.r, g.il, g.al, g.cells} {
		n, err := binary.Decode(src, binary.LittleEndian, part)
		if err != nil {
			return nil, errSnapshot
		}
		src = src[n:]
	}
	if len(src) < 8*len(g.todo) || !g.fits() {
		return nil, errSnapshot
	}
	for i := range g.todo {
		g.timers.Set(i, int64(binary.LittleEndian.Uint64(src)))
		g.todo[i] = false
		src = src[8:]
	}
	return src, nil
}

// fits tells whether interlocks and alarms can have come into their states.
func (g *Guard) fits() bool {
	for i := range g.il {
		s, d := &g.il[i], &g.m.Interlocks[i]
		if !d.Filter.Fits(&s.Verdict) || s.Latched && !d.Latch || Status(s.Shown) > Latched {
			return false
		}
	}
	for k := range g.al {
		s := &g.al[k]
		if !g.m.Alarms[k].Filter.Fits(&s.Verdict) || s.Told > uint8(AlarmUnacknowledged) || s.Often > maxOften || s.At < 0 {
			return false
		}
	}
	return true
}
