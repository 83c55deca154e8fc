// Frames: how samples lie in a segment, each with its own checksum.

package trend

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// A frame, little endian: magic u8, kind u8, length of the whole u16, CRC-32C u32 over the number of the segment and all of the
// frame but the sum itself, number u64, mono i64, utc i64, bits u64, status u32, form u8, quality u8, channel. A mark says that
// its writer has ended well; its number is the next one to be given, and the rest of it is zero.
const (
	frameMagic  = 0xB7
	kindSample  = 1
	kindMark    = 2
	frameFixed  = 46
	frameLimit  = frameFixed + MaxChannel
	headerMagic = "BKTREND1"
	headerSize  = 32
	// What is written after a flush of the device begins in a new sector; up to there a file is zero.
	sector = 512
)

func table() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// sum is the checksum of a frame in a segment: what another segment has left on a disk fits nowhere else.
func sum(frame []byte, segment uint64) uint32 {
	var salt [8]byte
	binary.LittleEndian.PutUint64(salt[:], segment)
	c := crc32.Update(0, table(), salt[:])
	c = crc32.Update(c, table(), frame[:4])
	return crc32.Update(c, table(), frame[8:])
}

// encode appends the frame of a sample, or a mark.
func encode(b []byte, kind byte, s *Sample, segment uint64) []byte {
	from := len(b)
	b = append(b, frameMagic, kind)
	b = binary.LittleEndian.AppendUint16(b, uint16(frameFixed+len(s.Channel)))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, s.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Mono))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.UTC))
	b = binary.LittleEndian.AppendUint64(b, s.Bits)
	b = binary.LittleEndian.AppendUint32(b, uint32(s.Status))
	b = append(b, byte(s.Form), byte(s.Quality))
	b = append(b, s.Channel...)
	binary.LittleEndian.PutUint32(b[from+4:], sum(b[from:], segment))
	return b
}

// decode reads the frame that b begins with; length is 0 where there is none that is whole and fits the segment.
func decode(b []byte, segment uint64) (s Sample, kind byte, length int) {
	if len(b) < frameFixed || b[0] != frameMagic || b[1] != kindSample && b[1] != kindMark {
		return Sample{}, 0, 0
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if n < frameFixed || n > frameLimit || n > len(b) || binary.LittleEndian.Uint32(b[4:]) != sum(b[:n], segment) {
		return Sample{}, 0, 0
	}
	s = Sample{
		Seq: binary.LittleEndian.Uint64(b[8:]), Mono: int64(binary.LittleEndian.Uint64(b[16:])), UTC: int64(binary.LittleEndian.Uint64(b[24:])),
		Bits: binary.LittleEndian.Uint64(b[32:]), Status: fieldbus.Status(binary.LittleEndian.Uint32(b[40:])),
		Form: tag.Form(b[44]), Quality: tag.Quality(b[45]), Channel: string(b[frameFixed:n]),
	}
	switch {
	case s.Seq == 0 || s.Seq > maxNumber:
		return Sample{}, 0, 0
	case b[1] == kindMark && s != (Sample{Seq: s.Seq}):
		return Sample{}, 0, 0
	case b[1] == kindSample && s.check() != nil:
		return Sample{}, 0, 0
	}
	return s, b[1], n
}

// header is what a segment begins with: its number, the number of the first sample that it may hold, and how many numbers were
// passed over before that, ever.
func header(number, first uint64, passed uint32) []byte {
	b := append(make([]byte, 0, headerSize), headerMagic...)
	b = binary.LittleEndian.AppendUint64(b, number)
	b = binary.LittleEndian.AppendUint64(b, first)
	b = binary.LittleEndian.AppendUint32(b, passed)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, table()))
}

// readHeader is the inverse of header; ok is false where it is not that of this segment.
func readHeader(b []byte, number uint64) (first uint64, passed uint32, ok bool) {
	if len(b) < headerSize {
		return 0, 0, false
	}
	first = binary.LittleEndian.Uint64(b[16:])
	passed = binary.LittleEndian.Uint32(b[24:])
	ok = first > 0 && first <= maxNumber && uint64(passed) < first && string(b[:headerSize]) == string(header(number, first, passed))
	return first, passed, ok
}

// scan goes through a segment and shows every whole frame whose number is greater than those before it. Bytes that are no frame are
// passed over up to the next one; it returns how many they were. It ends early where see returns false.
func scan(b []byte, number uint64, see func(s *Sample, kind byte, last bool) bool) (torn int) {
	first, _, ok := readHeader(b, number)
	if !ok {
		return len(b)
	}
	before := first - 1
	for at := headerSize; at < len(b); {
		if next := min(int(padded(int64(at))), len(b)); next > at && b[at] == 0 && bytes.Count(b[at:next], []byte{0}) == next-at {
			at = next
			continue
		}
		s, kind, n := decode(b[at:], number)
		if n == 0 || s.Seq <= before {
			torn++
			at++
			continue
		}
		at += n
		if kind == kindSample {
			before = s.Seq
		}
		if !see(&s, kind, at == len(b)) {
			break
		}
	}
	return torn
}

func segmentName(number uint64) string { return fmt.Sprintf("%016d.trend", number) }
