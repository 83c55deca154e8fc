// Segment files without a header: cut off while they were made, or destroyed.

package journal

import "encoding/binary"

// stray is a segment file without a header, behind the last one that has one.
type stray struct {
	number uint32
	used   bool // not all zeros
	data   bool // not all zeros where groups stand
	frame  bool // something there looks like a frame
}

func newStray(number uint32, raw []byte) stray {
	s := stray{number: number, used: used(raw) != 0}
	if len(raw)%4096 == 0 && len(raw) > 0 {
		raw = raw[:len(raw)-headerSize]
	}
	if len(raw) > headerSize {
		groups := raw[headerSize:]
		groups = groups[:used(groups)]
		s.data = len(groups) > 0
		s.frame = looksLikeFrames(groups)
	}
	return s
}

// looksLikeFrames searches b for the fixed part of a frame. Without a header
// the salt is not known, so no checksum can tell. Bytes of an interrupted
// write do not look so by chance: more than 60 bits must be zero.
func looksLikeFrames(b []byte) bool {
	for at := 0; at+frameHead <= len(b); at += 8 {
		n := binary.LittleEndian.Uint32(b[at:])
		tag := binary.LittleEndian.Uint32(b[at+16:])
		seq := binary.LittleEndian.Uint64(b[at+8:])
		rel := binary.LittleEndian.Uint32(b[at+20:])
		if n >= 1 && n <= MaxBody && tag >= uint32(kindEvent) && tag <= uint32(kindEnd) && seq < 1<<48 && rel < maxSegment {
			return true
		}
	}
	return false
}

// judgeStray decides on a stray behind the last segment. One with nothing but
// zeros in it can be used when its number comes.
func (r *reader) judgeStray(s stray) {
	switch {
	case s.frame:
		r.rec.conclude(Damaged, "segment %d holds frames, but neither copy of its header can be read", s.number)
	case s.data && r.rec.Outcome != Damaged:
		r.rec.conclude(TornTail, "segment %d was never begun: it has no header and what is in it looks like no frame", s.number)
	case s.used:
		r.rec.step("segment %d was never begun: its header is not whole and it holds no group", s.number)
	default:
		r.rec.step("segment %d is empty; it can be used", s.number)
	}
}
