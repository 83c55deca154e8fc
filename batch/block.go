// Input blocks: samples and ticks, packed.
//
// A block of form 1 is a row of entries. Each begins with one byte:
//
//	0x00        ticks on schedule: a uvarint, how many
//	0x01..0x3F  one sample: bit 0 is set, then the parts that bits 1 to 5 announce, in this order:
//	  bit 1  uvarint: ns since the sample before it in the block; without it, none
//	         uvarint (always there): number of the tag in the map file, from 0
//	  bit 2  one byte: form of the value (0 bool, 1 int, 2 float32, 3 float64); without it, that tag's form before, at first 0
//	  bit 3  uvarint: age of the value in ms when it came in; without it, 0
//	  bit 4  the source disowned the value: quality BAD; without it, GOOD
//	  bit 5  the value is what that tag had before in the block; without it, a zigzag varint follows: the difference to it, in
//	         64-bit wrap-around arithmetic, at first to 0
//
// The first sample counts from the block's first_mono_ns. Ticks carry no time: theirs is the deadline that the engine gives.

package batch

import (
	"encoding/binary"
	"errors"

	"github.com/batchkit/batchkit/iomap/tag"
)

// BlockForm is the coding of input blocks that this build writes and reads (block_form).
const BlockForm = 1

// Limits of a block. It is closed when it has reached either.
const (
	BlockBytes  = 4096    // packed size
	BlockEvents = 1 << 16 // samples and ticks
)

const (
	sampleBit = 1 << iota
	timeBit
	formBit
	ageBit
	badBit
	sameBit
)

// Block packs events until it is sealed. The zero value is not ready: use NewBlock.
type Block struct {
	First  int64 // stamp of the first event
	Last   int64 // stamp of the last event
	Events int   // number of events
	Lost   int64 // samples since the block before that were replaced by newer ones and never taken
	buf    []byte
	ticks  uint64
	mono   int64 // of the last sample, or First
	seen   []sample
}

type sample struct {
	bits uint64
	form tag.Form
}

// NewBlock makes an empty block for a map with a number of tags.
func NewBlock(tags int) *Block {
	return &Block{buf: make([]byte, 0, BlockBytes+64), seen: make([]sample, tags)}
}

// Reset empties the block.
func (b *Block) Reset() {
	b.Events, b.Lost, b.ticks, b.buf = 0, 0, 0, b.buf[:0]
	clear(b.seen)
}

// Full tells whether the block has reached its size.
func (b *Block) Full() bool { return len(b.buf) >= BlockBytes || b.Events >= BlockEvents }

// Add packs one event with its stamp. Stamps must not decrease.
func (b *Block) Add(at int64, ev *Event) {
	if b.Events == 0 {
		b.First, b.mono = at, at
	}
	b.Events++
	b.Last = at
	if ev.Kind == Tick {
		b.ticks++
		return
	}
	b.flushTicks()
	s := &b.seen[ev.Tag]
	head := len(b.buf)
	b.buf = append(b.buf, sampleBit)
	if at != b.mono {
		b.buf[head] |= timeBit
		b.buf = binary.AppendUvarint(b.buf, uint64(at-b.mono))
		b.mono = at
	}
	b.buf = binary.AppendUvarint(b.buf, uint64(ev.Tag))
	if ev.Form != s.form {
		b.buf[head] |= formBit
		b.buf = append(b.buf, byte(ev.Form))
		s.form = ev.Form
	}
	if ev.AgeMS != 0 {
		b.buf[head] |= ageBit
		b.buf = binary.AppendUvarint(b.buf, uint64(ev.AgeMS))
	}
	if ev.Quality != tag.Good {
		b.buf[head] |= badBit
	}
	if ev.Bits == s.bits {
		b.buf[head] |= sameBit
		return
	}
	b.buf = binary.AppendVarint(b.buf, int64(ev.Bits-s.bits))
	s.bits = ev.Bits
}

func (b *Block) flushTicks() {
	if b.ticks > 0 {
		b.buf = append(b.buf, 0)
		b.buf = binary.AppendUvarint(b.buf, b.ticks)
		b.ticks = 0
	}
}

// Data returns the packed entries, valid until the next Add or Reset.
func (b *Block) Data() []byte {
	b.flushTicks()
	return b.buf
}

var errBlock = errors.New("batch: input block does not unpack")

// Unpack calls fn for every event of a block of form 1. For a tick at is 0: its stamp is the engine's own deadline. Ev is valid
// during the call. It stops at the first error, which is fn's or says that the block does not unpack.
func Unpack(data []byte, first int64, tags int, fn func(at int64, ev *Event) error) error {
	seen := make([]sample, tags)
	r := reader{data: data}
	mono := first
	ticks := uint64(0)
	for len(r.data) > 0 {
		head := r.byte()
		if head == 0 {
			n := r.uvarint()
			if ticks += min(n, BlockEvents+1); ticks > BlockEvents {
				return errBlock
			}
			for ; n > 0; n-- {
				if err := fn(0, &Event{Kind: Tick}); err != nil {
					return err
				}
			}
			continue
		}
		if head&sampleBit == 0 || head >= sameBit<<1 {
			return errBlock
		}
		if head&timeBit != 0 {
			mono += int64(r.uvarint())
		}
		id := r.uvarint()
		if id >= uint64(tags) || mono < first || first < 0 {
			return errBlock
		}
		s := &seen[id]
		ev := Event{Kind: Sample, Tag: tag.ID(id), Quality: tag.Good}
		if head&formBit != 0 {
			s.form = tag.Form(r.byte())
		}
		if head&ageBit != 0 {
			age := r.uvarint()
			if age > uint64(mono)/1_000_000 {
				return errBlock
			}
			ev.AgeMS = int64(age)
		}
		if head&badBit != 0 {
			ev.Quality = tag.Bad
		}
		if head&sameBit == 0 {
			s.bits += uint64(r.varint())
		}
		ev.Form, ev.Bits = s.form, s.bits
		if r.bad {
			return errBlock
		}
		if err := fn(mono, &ev); err != nil {
			return err
		}
	}
	if r.bad {
		return errBlock
	}
	return nil
}

// reader takes numbers off a block; after the first that is not there, bad is set and all are 0.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) byte() byte {
	if len(r.data) == 0 {
		r.bad = true
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.data, r.bad = nil, true
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.data, r.bad = nil, true
		return 0
	}
	r.data = r.data[n:]
	return v
}
