// Unpacking of input blocks.

package batch

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/iomap/tag"
)

var errBlock = errors.New("batch: input block does not unpack")

// Unpack calls fn for every event of a block of form 1, 2 or 3. For a tick at is 0: its stamp is the engine's own deadline. Ev is valid
// during the call. It stops at the first error, which is fn's or says that the block does not unpack; what Block does not write does not,
// unless it is samples that could be told as a scan, or runs that could be told in fewer bits.
func Unpack(form int64, data []byte, first int64, tags int, fn func(at int64, ev *Event) error) error {
	switch {
	case form < 1 || form > BlockForm:
		return fmt.Errorf("batch: an input block of form %d cannot be read by this build", form)
	case first < 0 || first > maxMono:
		return errBlock
	}
	u := unpacker{reader: reader{data: data}, form: form, mono: first, seen: make([]sample, tags), fn: fn, fresh: true, last: sampleBit}
	if form == BlockForm {
		u.runs = newRuns()
	}
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
	full  byte // scans of the run before, if it was one
	ticks uint64
	scans int // samples that came by scans
	runs  runs
	fn    func(at int64, ev *Event) error
}

// entry unpacks the next entry.
func (u *unpacker) entry() error {
	head, last := u.byte(), u.last
	u.last = head
	switch {
	case head == 0 && last != 0:
		return u.tickRun()
	case u.form == BlockForm && (head == runHead || head >= scanBit):
		return u.readRun(head, last)
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
	u.endScan()
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
		u.endScan()
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
