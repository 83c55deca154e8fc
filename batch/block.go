// Input blocks: samples and ticks, packed.
//
// A block is a row of entries. Each begins with one byte. Form 2 has these:
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
//	0x40..0x7F  one scan of the same tags, in the same order, as the scan before it, all GOOD, of age 0 and in their forms before:
//	  bit 5        uvarint: ns since the scan before it; without it, as many as the last that a bit 1 or 5 has announced
//	  bits 0 to 4  how many values differ from what their tags had before; 31: a uvarint follows, how many more
//	               then for each of them a uvarint: its low 4 bits are how many samples before it, since the last that differs, do
//	               not (15: a uvarint follows, how many more), the others the zigzag difference, less one
//	0x80..0xFF  1 to 128 scans at the same distance, none of whose values differs
//
// A scan is what came at one time: samples without bit 1 behind one with it, or behind ticks, or at the beginning. The first sample
// counts from the block's first_mono_ns. Ticks carry no time: theirs is the deadline that the engine gives. Form 1 has no scans. Form 3
// has ticks and samples of form 2, and tells scans in runs: see block_run.go.
//
// No part is announced that says what holds without it: a distance or an age of 0, a form, a distance of scans or a value as before,
// entries of ticks or of equal scans that one could hold. A uvarint has no leading zeros, and time does not run backwards.

package batch

import (
	"encoding/binary"

	"github.com/batchkit/batchkit/iomap/tag"
)

// BlockForm is the coding of input blocks that this build writes (block_form); it reads forms 1 and 2, too.
const BlockForm = 3

// Limits of a block. It is closed when it has reached either.
const (
	BlockBytes  = 4096    // packed size
	BlockEvents = 1 << 16 // samples and ticks
)

// BlockAge is the age in ns at which an open block is sealed, unless the batch is bound otherwise: the declared bound of what a cut of
// the power may lose, beside what is on its way to the disk.
const BlockAge = 1_000_000_000

// maxScan is how many samples of one time may be packed as a scan.
const maxScan = 256

const (
	sampleBit = 1 << iota
	timeBit
	formBit
	ageBit
	badBit
	sameBit
	scanBit
	sameScans
)

// Of the byte of a scan.
const (
	stepBit   = 0x20
	diffsMask = 0x1F
	gapMask   = 0x0F
	maxDiff   = 1 << 59 // of a value, zigzag
)

// Block packs events until it is sealed. The zero value is not ready: use NewBlock.
type Block struct {
	First  int64 // stamp of the first event
	Last   int64 // stamp of the last event
	Events int   // number of events
	Lost   int64 // samples since the block before that were replaced by newer ones and never taken
	form   int   // coding of the block
	buf    []byte
	ticks  uint64
	scans  uint64 // equal to the one before, and not in buf yet
	mono   int64  // of the last sample, or First
	step   uint64 // ns last announced
	seen   []sample
	scan   []packed // that came last and is not in buf yet
	ahead  uint64   // ns before it
	part   bool     // it is too long for one: a part of it is in buf
	before []tag.ID // tags of the scan before it
	runs   runs     // of form 3
	acc    uint64   // bits of the run that is being written that are no byte yet
	accs   uint     // and how many
	run    int      // place of its number of scans in buf, 0 where there is none
}

// sample is what a tag had before.
type sample struct {
	bits uint64
	form tag.Form
	mean uint64 // in runs: four times how much its values differ, zigzag, lately
}

// packed is a sample beside what its tag had before.
type packed struct {
	tag  tag.ID
	form tag.Form
	new  bool // another form than before
	bad  bool
	age  uint64
	diff uint64 // zigzag
}

// NewBlock makes an empty block for a map with a number of tags.
func NewBlock(tags int) *Block {
	return &Block{form: BlockForm, buf: make([]byte, 0, BlockBytes+maxScan*24), seen: make([]sample, tags), scan: make([]packed, 0, maxScan),
		before: make([]tag.ID, 0, maxScan+1), runs: newRuns()}
}

// Reset empties the block.
func (b *Block) Reset() {
	b.Events, b.Lost, b.ticks, b.scans, b.step, b.ahead, b.buf = 0, 0, 0, 0, 0, 0, b.buf[:0]
	b.scan, b.before, b.part = b.scan[:0], b.before[:0], false
	b.run, b.acc, b.accs = 0, 0, 0
	b.runs.clear()
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
		if b.ticks == 0 {
			b.endScan()
		}
		b.ticks++
		return
	}
	if b.ticks > 0 || at != b.mono {
		b.endScan()
		b.ahead = uint64(at - b.mono)
		b.mono = at
	}
	b.flushTicks()
	s := &b.seen[ev.Tag]
	d := int64(ev.Bits - s.bits)
	if len(b.scan) == maxScan || b.form == 1 && len(b.scan) > 0 {
		b.plain()
		b.part = true
	}
	b.scan = append(b.scan, packed{tag: ev.Tag, form: ev.Form, new: ev.Form != s.form, bad: ev.Quality != tag.Good, age: uint64(ev.AgeMS),
		diff: uint64(d)<<1 ^ uint64(d>>63)})
	s.bits, s.form = ev.Bits, ev.Form
}

// endScan packs the scan that has come to its end.
func (b *Block) endScan() {
	if len(b.scan) == 0 {
		return
	}
	if b.form == BlockForm {
		b.endOfRuns()
		return
	}
	if diffs, ok := b.again(); ok {
		b.repeated(diffs)
		return
	}
	b.plain()
	b.part = false
}

// again tells whether the scan can be told by the one before it, and how many of its values differ.
func (b *Block) again() (diffs uint64, ok bool) {
	if b.form == 1 || b.part || b.ahead == 0 || len(b.scan) != len(b.before) {
		return 0, false
	}
	for i := range b.scan {
		s := &b.scan[i]
		if s.tag != b.before[i] || s.new || s.bad || s.age != 0 || s.diff > maxDiff {
			return 0, false
		}
		if s.diff != 0 {
			diffs++
		}
	}
	return diffs, true
}

// repeated packs a scan by the one before it.
func (b *Block) repeated(diffs uint64) {
	if diffs == 0 && b.ahead == b.step {
		if b.scans++; b.scans == 128 {
			b.flushScans()
		}
		b.scan, b.ahead = b.scan[:0], 0
		return
	}
	b.flushScans()
	head := len(b.buf)
	b.buf = append(b.buf, scanBit|byte(min(diffs, diffsMask)))
	if b.ahead != b.step {
		b.buf[head] |= stepBit
		b.buf = binary.AppendUvarint(b.buf, b.ahead)
		b.step = b.ahead
	}
	if diffs >= diffsMask {
		b.buf = binary.AppendUvarint(b.buf, diffs-diffsMask)
	}
	gap := uint64(0)
	for i := range b.scan {
		d := b.scan[i].diff
		if d == 0 {
			gap++
			continue
		}
		b.buf = binary.AppendUvarint(b.buf, (d-1)<<4|min(gap, gapMask))
		if gap >= gapMask {
			b.buf = binary.AppendUvarint(b.buf, gap-gapMask)
		}
		gap = 0
	}
	b.scan, b.ahead = b.scan[:0], 0
}

// plain packs the samples of a scan, or of a part of it, one by one.
func (b *Block) plain() {
	b.flushScans()
	b.endRun()
	if !b.part {
		b.before = b.before[:0]
	}
	for i := range b.scan {
		s := &b.scan[i]
		head := len(b.buf)
		b.buf = append(b.buf, sampleBit)
		if b.ahead != 0 {
			b.buf[head] |= timeBit
			b.buf = binary.AppendUvarint(b.buf, b.ahead)
			b.step, b.ahead = b.ahead, 0
		}
		b.buf = binary.AppendUvarint(b.buf, uint64(s.tag))
		if s.new {
			b.buf[head] |= formBit
			b.buf = append(b.buf, byte(s.form))
		}
		if s.age != 0 {
			b.buf[head] |= ageBit
			b.buf = binary.AppendUvarint(b.buf, s.age)
		}
		if s.bad {
			b.buf[head] |= badBit
		}
		if s.diff == 0 {
			b.buf[head] |= sameBit
		} else {
			b.buf = binary.AppendUvarint(b.buf, s.diff)
		}
		if len(b.before) <= maxScan { // one more than any scan that is told by it
			b.before = append(b.before, s.tag)
		}
	}
	b.scan = b.scan[:0]
}

func (b *Block) flushTicks() {
	if b.ticks > 0 {
		b.flushScans()
		b.endRun()
		b.buf = append(b.buf, 0)
		b.buf = binary.AppendUvarint(b.buf, b.ticks)
		b.ticks = 0
	}
}

func (b *Block) flushScans() {
	if b.scans > 0 {
		b.buf = append(b.buf, sameScans|byte(b.scans-1))
		b.scans = 0
	}
}

// Data returns the packed entries, valid until the next Add or Reset. Nothing may be added after it.
func (b *Block) Data() []byte {
	b.endScan()
	b.flushScans()
	b.flushTicks()
	b.endRun()
	return b.buf
}
