// The ring: records in the cells of a chip until the disk has them.

package journal

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// A record in the ring begins at a multiple of 8 and does not cross the end:
//
//	0   length of the body u32
//	4   CRC-32C u32, over the salt of the epoch (8 bytes), the length, and all from 8 on
//	8   seq u64
//	16  epoch u32
//	20  zeros u32
//	24  link of the record
//	56  body, then zeros up to a multiple of 8
//	    tag u64: the seq, and a CRC-32C over salt and seq
//
// The bytes of a write arrive in order. So a tag behind a record that is not
// whole tells that it was whole once and its cells are damaged; without a tag
// its write was cut off.
//
// Where records begin is written nowhere: all of the ring is searched, and what
// fits the chain behind the head is what the disk may lack. So there is no
// pointer that could be torn, and a hole does not hide what is behind it.
const (
	ringHead = 24 + len(Hash{})
	ringTag  = 8
)

func ringSize(body int) int { return ringHead + (body+7)&^7 + ringTag }

// putTag writes the last 8 bytes of a record.
func putTag(b []byte, sum uint32, seq uint64) {
	binary.LittleEndian.PutUint64(b, seq)
	binary.LittleEndian.PutUint64(b, seq<<32|uint64(crc32.Update(sum, castagnoli, b[:8])))
}

// bears tells whether the ring holds the tag of a record.
func bears(ring []byte, sum uint32, seq uint64) bool {
	var tag [ringTag]byte
	putTag(tag[:], sum, seq)
	for at := 0; at+ringTag <= len(ring); at += maxTear {
		if string(ring[at:at+ringTag]) == string(tag[:]) {
			return true
		}
	}
	return false
}

// ringSum returns the checksum state for the records of an epoch.
func ringSum(id string, epoch uint32) uint32 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\nring\n", id, epoch))
	return saltSum(binary.LittleEndian.Uint64(sum[:]))
}

// ringed is one record as it was read from the ring.
type ringed struct {
	seq   uint64
	epoch uint32
	link  Hash
	body  []byte
}

// appendRinged appends a record that sealRinged has still to close.
func appendRinged(b []byte, seq uint64, epoch uint32, body []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, seq)
	b = binary.LittleEndian.AppendUint32(b, epoch)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, zeros[:len(Hash{})]...)
	b = append(b, body...)
	return append(b, zeros[:-len(body)&7+ringTag]...)
}

// sealRinged adds the records at the start of b to the chain, writes the link
// and the checksum into each, and returns the chain.
func sealRinged(b []byte, sum uint32, c Chain) Chain {
	for len(b) > 0 {
		n := int(binary.LittleEndian.Uint32(b))
		one := b[:ringSize(n)]
		c.Add(one[ringHead : ringHead+n])
		copy(one[24:], c.Link[:])
		checked, tag := one[:len(one)-ringTag], one[len(one)-ringTag:]
		binary.LittleEndian.PutUint32(one[4:], frameSum(sum, checked))
		putTag(tag, sum, c.N)
		b = b[len(one):]
	}
	return c
}

// searchRing returns the records of a journal in a ring that have a seq above
// a given one, in ascending order. Of two with one seq it is that of the later epoch.
func searchRing(ring []byte, id string, above uint64) []ringed {
	sums := map[uint32]uint32{}
	var all []ringed
	for at := 0; at+ringHead < len(ring); {
		b := ring[at:]
		n := binary.LittleEndian.Uint32(b)
		size := ringSize(int(min(n, MaxBody)))
		if n < 1 || n > MaxBody || size > len(b) || binary.LittleEndian.Uint32(b[20:]) != 0 {
			at += maxTear
			continue
		}
		epoch := binary.LittleEndian.Uint32(b[16:])
		sum, known := sums[epoch]
		if !known {
			if sum = ringSum(id, epoch); len(sums) < 1024 {
				sums[epoch] = sum
			}
		}
		if binary.LittleEndian.Uint32(b[4:]) != frameSum(sum, b[:size-ringTag]) || !allOf(b[ringHead+int(n):size-ringTag], 0) {
			at += maxTear
			continue
		}
		if seq := binary.LittleEndian.Uint64(b[8:]); seq > above {
			all = append(all, ringed{seq: seq, epoch: epoch, link: Hash(b[24:ringHead]), body: b[ringHead : ringHead+int(n)]})
		}
		at += size
	}
	slices.SortStableFunc(all, func(a, b ringed) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(b.epoch, a.epoch))
	})
	return slices.CompactFunc(all, func(a, b ringed) bool { return a.seq == b.seq })
}

// span is a part of the ring whose records, the last of which is seq, the disk may lack.
type span struct {
	from, to int
	seq      uint64
}

// space says which parts of a ring hold what the disk lacks, in the order in which they were written.
type space struct {
	size int
	at   int // where the next record goes
	used []span
}

// free gives back what the disk has.
func (s *space) free(durable uint64) {
	n := 0
	for n < len(s.used) && s.used[n].seq <= durable {
		n++
	}
	s.used = s.used[:copy(s.used, s.used[n:])]
}

// place returns where a record of this size goes, and the room there, which may be less.
func (s *space) place(size int) (at, room int) {
	switch {
	case len(s.used) == 0 && s.at+size <= s.size:
		return s.at, s.size - s.at
	case len(s.used) == 0:
		at, room = 0, s.size
	case s.used[0].from >= s.at: // the free part lies between
		at, room = s.at, s.used[0].from-s.at
	case s.at+size <= s.size:
		return s.at, s.size - s.at
	default:
		at, room = 0, s.used[0].from
	}
	return at, room
}

// take notes what was written.
func (s *space) take(at, size int, seq uint64) {
	s.used = append(s.used, span{at, at + size, seq})
	s.at = at + size
}
