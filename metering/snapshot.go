// Snapshots of a machine.

package metering

import (
	"encoding"
	"encoding/binary"
	"errors"

	"github.com/batchkit/batchkit/iomap/tag"
)

var errSnapshot = errors.New("metering: not a snapshot of a machine with these windows")

// Snapshot appends the whole state to dst.
func (m *Machine) Snapshot(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.now))
	for i := range m.sources {
		dst, _ = binary.Append(dst, binary.LittleEndian, &m.sources[i])
	}
	for w := range m.st {
		dst, _ = binary.Append(dst, binary.LittleEndian, &m.st[w])
		at := len(dst)
		dst = append(dst, 0)
		dst, _ = m.sums[w].(encoding.BinaryAppender).AppendBinary(dst)
		dst[at] = byte(len(dst) - at - 1)
	}
	return dst
}

// Restore puts back a state that Snapshot gave and returns what follows it. After an error the machine must not be used.
func (m *Machine) Restore(src []byte) ([]byte, error) {
	if len(src) < 8 {
		return nil, errSnapshot
	}
	m.now = int64(binary.LittleEndian.Uint64(src))
	src = src[8:]
	for i := range m.sources {
		n, err := binary.Decode(src, binary.LittleEndian, &m.sources[i])
		if err != nil || !m.sources[i].sound() {
			return nil, errSnapshot
		}
		src = src[n:]
	}
	for w := range m.st {
		n, err := binary.Decode(src, binary.LittleEndian, &m.st[w])
		if err != nil || len(src) <= n || len(src) <= n+int(src[n]) {
			return nil, errSnapshot
		}
		end := n + 1 + int(src[n])
		if !m.st[w].sound() || m.sums[w].(encoding.BinaryUnmarshaler).UnmarshalBinary(src[n+1:end]) != nil {
			return nil, errSnapshot
		}
		src = src[end:]
	}
	if m.now < -epoch || m.now > epoch {
		return nil, errSnapshot
	}
	return src, nil
}

// sound tells whether a window can have come into this state.
func (s *window) sound() bool {
	t := &s.Tally
	g := &t.Integral
	return s.Used == (t.Lines > 0) && t.Lines >= 0 && (s.Used || !s.Open) && (s.EndAt == 0 || !s.Open) && (s.Open || !s.Held) &&
		t.Source <= uint8(tag.Good) && t.Quality <= t.Source && s.DevQuality <= uint8(tag.Good) &&
		g.Read <= maxMedian && g.Next < maxMedian && s.Device >= 0 && s.Other >= 0 && s.Steps >= 0 && s.HeldTime >= 0 &&
		(!t.InGap || t.Gaps > 0) && min(t.Spread, t.Spaces, t.Late, t.Missing, t.Gaps, t.GapTime, t.Gap, t.Tail, t.Cuts) >= 0 && t.Spaces < t.Lines+1 &&
		instant(s.StartAt, s.EndAt, s.HeldAt, t.Line, t.Number, g.At, g.Changed) && g.Took >= 0
}

// sound tells whether a source can have come into this state.
func (s *source) sound() bool {
	return instant(s.Changed, s.Since, s.Device.At, s.Other.At) && s.Device.Quality <= uint8(tag.Good) && s.Other.Quality <= uint8(tag.Good)
}

// instant tells whether all of them are times that a machine takes in.
func instant(at ...int64) bool {
	for _, t := range at {
		if t < -epoch || t > epoch {
			return false
		}
	}
	return true
}
