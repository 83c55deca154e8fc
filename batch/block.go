// Input blocks: samples and ticks, packed.
//
// A block of form 2 is a row of entries. Each begins with one byte:
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
// counts from the block's first_mono_ns. Ticks carry no time: theirs is the deadline that the engine gives. Form 1 has no scans.
//
// No part is announced that says what holds without it: a distance or an age of 0, a form, a distance of scans or a value as before,
// entries of ticks or of equal scans that one could hold. A uvarint has no leading zeros, and time does not run backwards.

package batch

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/iomap/tag"
)

// BlockForm is the coding of input blocks that this build writes (block_form); it reads form 1, too.
const BlockForm = 2

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
}

// sample is what a tag had before.
type sample struct {
	bits uint64
	form tag.Form
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
		before: make([]tag.ID, 0, maxScan+1)}
}

// Reset empties the block.
func (b *Block) Reset() {
	b.Events, b.Lost, b.ticks, b.scans, b.step, b.ahead, b.buf = 0, 0, 0, 0, 0, 0, b.buf[:0]
	b.scan, b.before, b.part = b.scan[:0], b.before[:0], false
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
	return b.buf
}

var errBlock = errors.New("batch: input block does not unpack")

// Unpack calls fn for every event of a block of form 1 or 2. For a tick at is 0: its stamp is the engine's own deadline. Ev is valid
// during the call. It stops at the first error, which is fn's or says that the block does not unpack; what Block does not write does not,
// unless it is samples that could be told as a scan.
func Unpack(form int64, data []byte, first int64, tags int, fn func(at int64, ev *Event) error) error {
	switch {
	case form != 1 && form != BlockForm:
		return fmt.Errorf("batch: an input block of form %d cannot be read by this build", form)
	case first < 0 || first > maxMono:
		return errBlock
	}
	u := unpacker{reader: reader{data: data}, form: form, mono: first, seen: make([]sample, tags), fn: fn, fresh: true, last: sampleBit}
	for len(u.data) > 0 {
		if err := u.entry(); err != nil {
			return err
		}
	}
	if u.bad {
		return errBlock
	}
	return nil
}

// unpacker is a block that is being unpacked.
type unpacker struct {
	reader
	form  int64
	mono  int64
	step  uint64
	seen  []sample
	scan  []tag.ID
	fresh bool // the next sample begins a scan
	last  byte // with which the entry before began
	ticks uint64
	scans int // samples that came by scans
	fn    func(at int64, ev *Event) error
}

// entry unpacks the next entry.
func (u *unpacker) entry() error {
	head, last := u.byte(), u.last
	u.last = head
	switch {
	case head == 0 && last != 0:
		return u.tickRun()
	case u.form == 1 && head >= scanBit:
		return errBlock
	case head >= sameScans:
		if last >= sameScans && last < 0xFF {
			return errBlock // that one had room for it
		}
		for n := head - sameScans + 1; n > 0; n-- {
			if err := u.again(0); err != nil {
				return err
			}
		}
		return nil
	case head >= scanBit:
		diffs := uint64(head & diffsMask)
		if head&stepBit != 0 {
			u.steps(u.step)
		} else if diffs == 0 {
			return errBlock // it is one that does not differ
		}
		if diffs == diffsMask {
			diffs += min(u.uvarint(), maxScan)
		}
		return u.again(diffs)
	case head&sampleBit == 0:
		return errBlock
	}
	return u.sample(head)
}

// steps reads a distance, which is another one than an entry need not tell.
func (u *unpacker) steps(untold uint64) {
	u.step = u.uvarint()
	u.bad = u.bad || u.step == untold
}

// advance moves time on by the distance.
func (u *unpacker) advance() {
	if u.step == 0 || u.step > uint64(maxMono-u.mono) {
		u.bad = true
		return
	}
	u.mono += int64(u.step)
	u.fresh = true
}

func (u *unpacker) tickRun() error {
	n := u.uvarint()
	if u.ticks += min(n, BlockEvents+1); u.ticks > BlockEvents || n == 0 {
		return errBlock
	}
	u.fresh = true
	for ; n > 0; n-- {
		if err := u.fn(0, &Event{Kind: Tick}); err != nil {
			return err
		}
	}
	return nil
}

// sample unpacks one sample.
func (u *unpacker) sample(head byte) error {
	if head&timeBit != 0 {
		u.steps(0)
		u.advance()
	}
	id := u.uvarint()
	if id >= uint64(len(u.seen)) {
		return errBlock
	}
	if u.fresh {
		u.scan, u.fresh = u.scan[:0], false
	}
	if len(u.scan) <= maxScan {
		u.scan = append(u.scan, tag.ID(id))
	}
	s := &u.seen[id]
	ev := Event{Kind: Sample, Tag: tag.ID(id), Quality: tag.Good}
	if head&formBit != 0 {
		form := tag.Form(u.byte())
		u.bad = u.bad || form == s.form || form > tag.Float64
		s.form = form
	}
	if head&ageBit != 0 {
		age := u.uvarint()
		if age == 0 || age > uint64(u.mono)/1_000_000 {
			return errBlock
		}
		ev.AgeMS = int64(age)
	}
	if head&badBit != 0 {
		ev.Quality = tag.Bad
	}
	if head&sameBit == 0 {
		diff := u.uvarint()
		u.bad = u.bad || diff == 0
		s.bits += unzigzag(diff)
	}
	ev.Form, ev.Bits = s.form, s.bits
	if u.bad {
		return errBlock
	}
	return u.fn(u.mono, &ev)
}

// again unpacks a scan of which so many values differ from those before.
func (u *unpacker) again(diffs uint64) error {
	u.advance()
	u.scans += len(u.scan)
	if u.bad || len(u.scan) == 0 || len(u.scan) > maxScan || u.scans > BlockEvents || diffs > uint64(len(u.scan)) {
		return errBlock
	}
	gap, diff := uint64(len(u.scan)), uint64(0)
	next := func() {
		if gap, diff = uint64(len(u.scan)), 0; diffs == 0 {
			return
		}
		x := u.uvarint()
		if gap, diff = x&gapMask, x>>4+1; gap == gapMask {
			gap += min(u.uvarint(), maxScan)
		}
		u.bad = u.bad || diff > maxDiff
	}
	next()
	for _, id := range u.scan {
		s := &u.seen[id]
		if gap == 0 {
			s.bits += unzigzag(diff)
			diffs--
			next()
		} else {
			gap--
		}
		if u.bad {
			return errBlock
		}
		if err := u.fn(u.mono, &Event{Kind: Sample, Tag: id, Form: s.form, Bits: s.bits, Quality: tag.Good}); err != nil {
			return err
		}
	}
	if diffs > 0 { // behind the scan
		return errBlock
	}
	return nil
}

func unzigzag(v uint64) uint64 { return v>>1 ^ -(v & 1) }

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
	if n <= 0 || n > 1 && r.data[n-1] == 0 { // it is not there, or has leading zeros
		r.data, r.bad = nil, true
		return 0
	}
	r.data = r.data[n:]
	return v
}
