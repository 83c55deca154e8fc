// Segments: the header in its two copies, the names of files, and how a segment is born.

package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	segmentsDir   = "segments"
	quarantineDir = "quarantine"
	lockName      = "lock"

	headerSize    = 512
	headerCRC     = headerSize - 4
	formatVersion = 2
	magic         = "bkjournl"
	lastSegment   = 99_999_999
)

// header says what a segment is and how it joins the one before it. Layout:
//
//	0    magic             28  segment before, 0 if none  56   first seq u64
//	8    format version    32  where that one ends        64   link before it
//	12   epoch             36  groups in it               96   digest of those bytes
//	16   segment number    40  bytes set aside behind     128  journal id
//	20   segment size          its end                    192  zeros
//	24   in-flight limit   44  length of journal id       508  CRC-32C of 0 to 507
//	                       48  salt u64
type header struct {
	id                 string
	epoch, number      uint32
	size, inflight     int
	prev, prevGroups   uint32
	prevEnd, prevTail  int
	salt, first        uint64
	before, prevDigest Hash
}

// tail is what lies behind the end of a segment: its trimmed length and digest.
type tail struct {
	bytes  int
	digest Hash
}

func (h *header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	for i, v := range []uint32{
		formatVersion, h.epoch, h.number, uint32(h.size), uint32(h.inflight), h.prev,
		uint32(h.prevEnd), h.prevGroups, uint32(h.prevTail), uint32(len(h.id)),
	} {
		binary.LittleEndian.PutUint32(b[8+4*i:], v)
	}
	binary.LittleEndian.PutUint64(b[48:], h.salt)
	binary.LittleEndian.PutUint64(b[56:], h.first)
	copy(b[64:], h.before[:])
	copy(b[96:], h.prevDigest[:])
	copy(b[128:], h.id)
	binary.LittleEndian.PutUint32(b[headerCRC:], crc32.Checksum(b[:headerCRC], castagnoli))
	return b
}

// headerVersion returns the format version of a header copy whose checksum is
// right, 0 if it is not one.
func headerVersion(b []byte) uint32 {
	if len(b) != headerSize || string(b[:len(magic)]) != magic ||
		binary.LittleEndian.Uint32(b[headerCRC:]) != crc32.Checksum(b[:headerCRC], castagnoli) {
		return 0
	}
	return binary.LittleEndian.Uint32(b[8:])
}

// decodeHeader reads one copy. It accepts exactly what encode writes.
func decodeHeader(b []byte) (header, bool) {
	if headerVersion(b) != formatVersion {
		return header{}, false
	}
	var v [10]uint32
	for i := range v {
		v[i] = binary.LittleEndian.Uint32(b[8+4*i:])
	}
	n := v[9]
	if n > maxJournalID || used(b[128+n:headerCRC]) != 0 {
		return header{}, false
	}
	if v[3] > maxSegment || !validSegment(int(v[3])) || v[4] > v[3] || v[6] > maxSegment || v[8] > maxSegment {
		return header{}, false
	}
	h := header{
		id: string(b[128 : 128+n]), epoch: v[1], number: v[2], size: int(v[3]), inflight: int(v[4]), prev: v[5],
		prevEnd: int(v[6]), prevGroups: v[7], prevTail: int(v[8]),
		salt: binary.LittleEndian.Uint64(b[48:]), first: binary.LittleEndian.Uint64(b[56:]),
		before: Hash(b[64:96]), prevDigest: Hash(b[96:128]),
	}
	return h, validID(h.id) && h.number > h.prev && h.number <= lastSegment && h.first > 0
}

func validSegment(n int) bool { return n >= minSegment && n <= maxSegment && n%4096 == 0 }

func validID(id string) bool {
	const set = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return id != "" && len(id) <= maxJournalID && strings.Trim(id, set) == ""
}

// segmentSalt mixes what the caller gave with what sets this segment apart.
func segmentSalt(h Header, number uint32) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d\n%d\n", h.JournalID, h.Epoch, number, h.Salt))
	return binary.LittleEndian.Uint64(sum[:])
}

func segmentName(number uint32) string { return fmt.Sprintf("%08d.seg", number) }

// segmentNumber is the inverse of segmentName; 0 for any other name.
func segmentNumber(name string) uint32 {
	n, err := strconv.ParseUint(strings.TrimSuffix(name, ".seg"), 10, 32)
	if err != nil || n == 0 || n > lastSegment || segmentName(uint32(n)) != name {
		return 0
	}
	return uint32(n)
}

// segment is the one that the Writer writes into.
type segment struct {
	header
	path   string
	file   File
	sum    uint32
	off    int
	groups uint64
	// open is set while nothing in this segment promises its last group.
	open bool
}

// room returns the bytes left for one more group, its commit frame included.
// What an orderly Close and the end frame take, a sector each, is kept free.
func (s *segment) room() int { return s.size - headerSize - 2*sector - s.off }

// blank is a segment file of zeros that has no header yet.
type blank struct {
	number uint32
	size   int
	path   string
	file   File
}

// newBlank creates a segment file: zeros to its full size, durable under its
// final name.
func newBlank(st Storage, dir string, number uint32, size int) (*blank, error) {
	segments := filepath.Join(dir, segmentsDir)
	path := filepath.Join(segments, segmentName(number))
	f, err := st.Create(path)
	if err != nil {
		return nil, fmt.Errorf("creating segment %q: %w", path, err)
	}
	zeros := make([]byte, min(size, 256<<10))
	for off := 0; off < size && err == nil; off += len(zeros) {
		err = writeAll(f, zeros[:min(len(zeros), size-off)], off)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = st.SyncDir(segments)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("preparing segment %q: %w", path, err)
	}
	return &blank{number: number, size: size, path: path, file: f}, nil
}

// bear makes a blank file a segment: both header copies, durable.
func (b *blank) bear(h header) (*segment, error) {
	block := h.encode()
	err := writeAll(b.file, block, 0)
	if err == nil {
		err = writeAll(b.file, block, h.size-headerSize)
	}
	if err == nil {
		err = b.file.Sync()
	}
	if err != nil {
		b.file.Close()
		return nil, fmt.Errorf("preparing segment %q: %w", b.path, err)
	}
	return &segment{header: h, path: b.path, file: b.file, sum: saltSum(h.salt), off: headerSize}, nil
}

// image is a whole segment file in memory.
type image struct {
	header
	born   bool
	notes  []string // faults of the file that cost no record
	number uint32
	raw    []byte
}

// readImage judges a segment file by its header copies. number is that of its name.
func readImage(number uint32, raw []byte) (img image, foreign string) {
	img = image{number: number, raw: raw}
	first := raw[:min(len(raw), headerSize)]
	a, okA := decodeHeader(first)
	size := len(raw)
	if okA {
		size = min(size, a.size)
	}
	last := raw[max(0, size-headerSize):size]
	if okA && len(raw) < a.size {
		last = nil
	}
	b, okB := decodeHeader(last)
	switch {
	case !okA && !okB:
		for _, c := range [][]byte{first, last} {
			if v := headerVersion(c); v != 0 && v != formatVersion {
				return img, fmt.Sprintf("segment %d has format version %d, this build reads %d", number, v, formatVersion)
			}
		}
		return img, ""
	case okA && okB && !bytes.Equal(first, last):
		return img, ""
	case !okA:
		a = b
		img.note("its first header copy is unreadable")
	case !okB:
		img.note("its second header copy is unreadable")
	}
	if a.number != number {
		return img, ""
	}
	img.header, img.born = a, true
	if used(raw[min(len(raw), a.size):]) != 0 {
		img.note("the file holds bytes beyond its size")
	}
	return img, ""
}

func (m *image) note(what string) { m.notes = append(m.notes, what) }

// frames returns the part of the file that holds frames, from offset 0 so that
// offsets are those of the file.
func (m *image) frames() []byte { return m.raw[:min(len(m.raw), m.size-headerSize)] }

// setAside measures the bytes behind end, without the zeros that follow them.
func (m *image) setAside(end int) tail {
	b := m.frames()
	if end >= len(b) {
		return tail{}
	}
	b = b[end:]
	b = b[:used(b)]
	if len(b) == 0 {
		return tail{}
	}
	return tail{bytes: len(b), digest: sha256.Sum256(b)}
}
