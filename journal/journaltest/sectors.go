// Files in sectors: what reads show, what the medium holds, and what is on its way.

package journaltest

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Sector is the unit, in bytes, that a medium writes or does not write.
const Sector = 512

// block is one version of a sector. It is never changed, so disks share it;
// nil is a sector of zeros.
type block struct {
	data [Sector]byte
	sum  uint64
}

// empty is never changed.
var empty [Sector]byte

func newBlock(data []byte) *block {
	if bytes.Equal(data, empty[:]) {
		return nil
	}
	b := &block{sum: 1}
	copy(b.data[:], data)
	for at := 0; at < Sector; at += 8 {
		b.sum = mix(b.sum, binary.LittleEndian.Uint64(b.data[at:]))
	}
	return b
}

// mix adds a word to a sum that tells states of a disk apart.
func mix(sum, word uint64) uint64 {
	sum = (sum ^ word) * 0x9E3779B97F4A7C15
	return sum ^ sum>>29
}

func (b *block) bytes() []byte {
	if b == nil {
		return empty[:]
	}
	return b.data[:]
}

// write is one sector that was written and not yet flushed.
type write struct {
	index int
	block *block
	end   int // the file is at least this long with it
}

// file holds sectors by index. The slices of sectors may be shared with other
// disks until own is called.
type file struct {
	cache, media []*block
	size, safe   int // bytes that reads show, bytes on the medium
	pending      []write
	owned        bool
}

// own makes the slices this file's own.
func (f *file) own() {
	if !f.owned {
		f.cache, f.media, f.owned = slices.Clone(f.cache), slices.Clone(f.media), true
	}
}

// copied returns the file as another disk may have it.
func (f *file) copied() *file {
	f.owned = false
	c := *f
	c.pending = slices.Clip(f.pending)
	return &c
}

func put(sectors []*block, index int, b *block) []*block {
	for len(sectors) <= index {
		sectors = append(sectors, nil)
	}
	sectors[index] = b
	return sectors
}

// undo is what a sector was before a write.
type undo struct {
	name  string
	index int
	size  int
	old   *block
	new   *block
}

// write puts bytes into the cache and calls told for each sector.
func (f *file) write(p []byte, off int, told func(undo)) {
	f.own()
	for len(p) > 0 {
		index, at := off/Sector, off%Sector
		n := min(len(p), Sector-at)
		var old *block
		if index < len(f.cache) {
			old = f.cache[index]
		}
		b := old
		if n == Sector {
			b = newBlock(p[:n])
		} else {
			data := [Sector]byte(old.bytes())
			copy(data[at:], p[:n])
			b = newBlock(data[:])
		}
		u := undo{index: index, size: f.size, old: old, new: b}
		f.cache = put(f.cache, index, b)
		f.size = max(f.size, off+n)
		f.pending = append(f.pending, write{index, b, off + n})
		told(u)
		p, off = p[n:], off+n
	}
}

// sync moves the first n pending sectors to the medium and forgets the rest.
func (f *file) sync(n int) {
	f.own()
	for _, w := range f.pending[:n] {
		f.media = put(f.media, w.index, w.block)
		f.safe = max(f.safe, w.end)
	}
	f.pending = nil
}

// reread makes reads show the medium.
func (f *file) reread() {
	f.cache, f.size = slices.Clone(f.media), f.safe
}

// shelf lends buffers until they are all taken back; nil lends new ones.
type shelf struct {
	buffers [][]byte
	lent    int
}

func (s *shelf) lend(n int) []byte {
	if s == nil {
		return make([]byte, n)
	}
	if s.lent == len(s.buffers) {
		s.buffers = append(s.buffers, nil)
	}
	b := s.buffers[s.lent]
	if cap(b) < n {
		b = make([]byte, max(n, segment))
		s.buffers[s.lent] = b
	}
	s.lent++
	return b[:n]
}

// read returns the content in buf if it fits.
func (f *file) read(buf []byte, from *shelf) []byte {
	if cap(buf) < f.size {
		buf = from.lend(f.size)
	}
	buf = buf[:f.size]
	for at := 0; at < f.size; at += Sector {
		var b *block
		if at/Sector < len(f.cache) {
			b = f.cache[at/Sector]
		}
		copy(buf[at:], b.bytes())
	}
	return buf
}

// sum tells contents of the medium apart.
func (f *file) sum() uint64 {
	sum := mix(2, uint64(f.safe))
	for i, b := range f.media {
		if b != nil {
			sum = mix(sum, uint64(i)^b.sum)
		}
	}
	return sum
}

// newFile returns a file that holds data on the medium.
func newFile(data []byte) *file {
	f := &file{}
	f.write(data, 0, func(undo) {})
	f.sync(len(f.pending))
	return f
}
