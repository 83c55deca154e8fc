// Frames: the checked unit on disk, how they are written into a buffer and read from one.

package journal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

type kind uint8

const (
	kindEvent  kind = 1
	kindCommit kind = 2
	kindEnd    kind = 3
)

const (
	frameHead  = 24
	commitBody = 4*8 + len(Hash{}) // without what fills its sector
	commitUsed = frameHead + commitBody
	maxCommit  = 2*sector - frameHead - 32 // behind the least event
	endSize    = sector
	endBody    = endSize - frameHead
	endUsed    = frameHead + 8 + len(Hash{}) // behind it is what fills its sector
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sector is what a write of a medium may ruin, in bytes. A group and the end frame end at a multiple of it: no write touches a
// sector that holds what is durable. A group with events has two at least, none of them zeros: a medium that loses one leaves the
// other, and the end of the journal does not look as if nothing had been written there.
const sector = 512

// filler fills the last sector of a group and that of the end frame.
const filler = '.'

// frame is one frame that validated; body lies in the buffer it was read from.
type frame struct {
	seq  uint64
	kind kind
	rel  uint32
	body []byte
}

// commit is the body of a commit frame.
type commit struct {
	first, last, durable, group uint64
	link                        Hash
}

// frameSize returns the bytes that a body of n bytes takes on disk.
func frameSize(n int) int { return frameHead + (n+7)&^7 }

func (f frame) size() int { return frameSize(len(f.body)) }

// saltSum returns the checksum state from which every frame of a segment with
// this salt is summed.
func saltSum(salt uint64) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], salt)
	return crc32.Checksum(b[:], castagnoli)
}

// frameSum sums a whole frame: its length and everything behind the checksum.
func frameSum(salt uint32, b []byte) uint32 {
	return crc32.Update(crc32.Update(salt, castagnoli, b[:4]), castagnoli, b[8:])
}

// appendFrame appends a frame that seal has still to close.
func appendFrame(b []byte, seq uint64, k kind, body []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, seq)
	b = binary.LittleEndian.AppendUint32(b, uint32(k))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, body...)
	var pad [8]byte
	return append(b, pad[:-len(body)&7]...)
}

// seal writes the distance from the group's start, then the checksum, into a
// frame that appendFrame made.
func seal(b []byte, salt uint32, rel int) {
	binary.LittleEndian.PutUint32(b[20:], uint32(rel))
	binary.LittleEndian.PutUint32(b[4:], frameSum(salt, b))
}

// openFrame returns the body of an unsealed frame at the start of b, and the
// number of bytes that the frame takes.
func openFrame(b []byte) (body []byte, size int) {
	n := int(binary.LittleEndian.Uint32(b))
	return b[frameHead : frameHead+n], frameSize(n)
}

// groupSize returns the bytes of the group that so many bytes of events make: whole sectors.
func groupSize(events int) int {
	least := sector
	if events > 0 {
		least = 2 * sector
	}
	return max((events+commitUsed+sector-1)&^(sector-1), least)
}

// appendCommit appends a commit frame that fills the group's last sector.
func appendCommit(b []byte, c commit) []byte {
	var body [maxCommit]byte
	binary.LittleEndian.PutUint64(body[0:], c.first)
	binary.LittleEndian.PutUint64(body[8:], c.last)
	binary.LittleEndian.PutUint64(body[16:], c.durable)
	binary.LittleEndian.PutUint64(body[24:], c.group)
	copy(body[32:], c.link[:])
	fill(body[commitBody:])
	return appendFrame(b, c.last, kindCommit, body[:groupSize(len(b))-len(b)-frameHead])
}

func fill(b []byte) {
	for i := range b {
		b[i] = filler
	}
}

func appendEnd(b []byte, groups uint64, c Chain) []byte {
	var body [endBody]byte
	binary.LittleEndian.PutUint64(body[0:], groups)
	copy(body[8:], c.Link[:])
	fill(body[endUsed-frameHead:])
	return appendFrame(b, c.N, kindEnd, body[:])
}

// decodeFrame reads the frame at the start of b. It accepts exactly what
// appendFrame and seal write, and nothing else.
func decodeFrame(b []byte, salt uint32) (frame, bool) {
	if len(b) < frameHead {
		return frame{}, false
	}
	n := binary.LittleEndian.Uint32(b)
	k := kind(b[16])
	switch {
	case k == kindEvent && n >= 1 && n <= MaxBody:
	case k == kindCommit && n >= uint32(commitBody) && n <= maxCommit && n%8 == 0:
	case k == kindEnd && n == uint32(endBody):
	default:
		return frame{}, false
	}
	size := frameSize(int(n))
	end, pad := frameHead+int(n), byte(0)
	switch k {
	case kindCommit:
		end, pad = commitUsed, filler
	case kindEnd:
		end, pad = endUsed, filler
	}
	if size > len(b) || b[17]|b[18]|b[19] != 0 {
		return frame{}, false
	}
	if binary.LittleEndian.Uint32(b[4:]) != frameSum(salt, b[:size]) || !allOf(b[end:size], pad) {
		return frame{}, false
	}
	return frame{
		seq:  binary.LittleEndian.Uint64(b[8:]),
		kind: k,
		rel:  binary.LittleEndian.Uint32(b[20:]),
		body: b[frameHead : frameHead+int(n)],
	}, true
}

// commit reads the body of a commit frame.
func (f frame) commit() commit {
	return commit{
		first:   binary.LittleEndian.Uint64(f.body[0:]),
		last:    binary.LittleEndian.Uint64(f.body[8:]),
		durable: binary.LittleEndian.Uint64(f.body[16:]),
		group:   binary.LittleEndian.Uint64(f.body[24:]),
		link:    Hash(f.body[32:]),
	}
}

// zeros is never changed.
var zeros [512]byte

// used returns the length of b without the zeros at its end.
func used(b []byte) int {
	n := len(b)
	for n >= len(zeros) && bytes.Equal(b[n-len(zeros):n], zeros[:]) {
		n -= len(zeros)
	}
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return n
}

// allOf tells whether b holds nothing but one byte.
func allOf(b []byte, one byte) bool {
	for _, v := range b {
		if v != one {
			return false
		}
	}
	return true
}
