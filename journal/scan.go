// Reading a journal: segments in order, group by group, each verified before it is delivered.

package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// Scan reads the journal in dir and calls fn, if not nil, for each verified
// record in order, with the chain after it; body is valid during the call. It
// changes nothing, takes no lock, and may run beside a Writer, whose last
// group it then sees or not, whole, or calls torn. Of a damaged journal it
// delivers the verified beginning; it calls one damaged when it has found the
// same damage twice. An error is one of reading, or fn's own,
// which ends the scan; what was found is told in Recovery. Of a journal whose
// beginning was released it delivers what is there. Of Options only Storage,
// After and Anchor matter; records that only the ring of the anchor holds
// are delivered last. Beside a Writer the ring is read while it is written: a
// TailLost that a second Scan does not find was none.
func Scan(dir string, fn func(seq uint64, body []byte, c Chain) error, opt *Options) (*Recovery, error) {
	var o Options
	if opt != nil {
		o = Options{Anchor: opt.Anchor, After: opt.After}
	}
	var last found
	delivered := o.After.N
	for try := 1; ; try++ {
		f, err := read(storageOf(opt), dir, &o, after(delivered, fn))
		delivered = max(delivered, f.Head.N)
		if errors.Is(err, errGone) && try < mostScans {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("journal: reading %q: %w", dir, err)
		}
		same := f.Head == last.Head && f.Reason == last.Reason
		if last = f; f.Outcome != Damaged && f.Outcome != TailLost && f.Outcome != Rewritten || same || try == mostScans {
			return &f.Recovery, nil
		}
	}
}

// mostScans is how often Scan reads a journal that a Writer goes on with. Files that are read one after another can contradict each
// other; what is damaged is found the same again.
const mostScans = 64

// after leaves out the records up to n, which were delivered already.
func after(n uint64, fn func(seq uint64, body []byte, c Chain) error) func(seq uint64, body []byte, c Chain) error {
	if fn == nil || n == 0 {
		return fn
	}
	return func(seq uint64, body []byte, c Chain) error {
		if seq <= n {
			return nil
		}
		return fn(seq, body, c)
	}
}

func storageOf(opt *Options) Storage {
	if opt == nil || opt.Storage == nil {
		return system{}
	}
	return opt.Storage
}

// found is a Recovery and what Open needs to go on.
type found struct {
	Recovery
	groups uint32   // in the last segment
	next   uint32   // number of the next segment, if it is not taken
	taken  []uint32 // numbers of files that hold something and no segment
	disk   Chain    // after the last record on the disk
	ringed []ringed
	memory *memory // of the anchor; nil if there is none
}

// stop is why the reading of groups ended.
type stop uint8

const (
	stopNone   stop = iota // nothing but zeros, or the given limit
	stopBroken             // no whole group
	stopEnd                // the end frame
	stopMisfit             // frames that validate but do not fit the chain
)

type reader struct {
	st    Storage
	dir   string
	opt   Options
	fn    func(seq uint64, body []byte, c Chain) error
	rec   found
	led   header // of the last segment whose records are not read
	cur   *image // the last segment with a header, its groups not yet read
	after []stray
	links []Chain
	parts uint64 // the first record whose link is another one in the anchor; 0 if there is none

	sought  bool     // segments were led over to opt.After
	release Released // by which the beginning is missing
}

// read reads a journal, and the anchor before it: a head that is read after
// the disk may be of a group that was written between.
func read(st Storage, dir string, opt *Options, fn func(uint64, []byte, Chain) error) (f found, err error) {
	r := reader{st: st, dir: filepath.Join(dir, segmentsDir), opt: *opt, fn: fn}
	r.rec.next, r.rec.From = 1, 1
	if opt.Anchor != nil {
		if r.rec.memory, err = opt.Anchor.recall(); err != nil {
			return r.rec, err
		}
	}
	names, err := st.List(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		r.rec.step("no directory %q", r.dir)
		err = r.hold()
		return r.rec, err
	}
	if err != nil {
		return found{}, err
	}
	var numbers []uint32
	for _, name := range names {
		if n := segmentNumber(name); n != 0 {
			numbers = append(numbers, n)
		} else {
			r.rec.step("%q is no segment; left alone", name)
		}
	}
	slices.Sort(numbers)
	rest, err := r.seek(numbers)
	if err == nil && opt.Quick {
		rest, err = r.lead(numbers)
	}
	if err != nil {
		return r.rec, err
	}
	stopped, err := r.segments(rest)
	if err == nil && !stopped {
		err = r.finish()
	}
	switch {
	case errors.Is(err, errStop):
		err = nil
	case err == nil:
		err = r.hold()
		r.reached()
	}
	r.rec.step("%s: records %d to %d verified, in %d segment files", r.rec.Outcome, r.rec.From, r.rec.Head.N, len(rest))
	return r.rec, err
}

// segments reads all files. The groups of each are read when the header after
// it is known, because that header tells where they end.
func (r *reader) segments(numbers []uint32) (stopped bool, err error) {
	var spare []byte
	for _, n := range numbers {
		raw, err := r.file(n, spare)
		if err != nil {
			return false, err
		}
		img, foreign := readImage(n, raw)
		if foreign == "" && img.born && r.rec.JournalID != "" && img.id != r.rec.JournalID {
			foreign = fmt.Sprintf("segment %d belongs to journal %q", n, img.id)
		}
		if foreign != "" {
			err = r.foreign(foreign)
			return true, err
		}
		if !img.born {
			r.after = append(r.after, newStray(n, raw))
			spare = raw
			continue
		}
		if r.cur == nil && r.led.number == 0 && !r.sought && img.first > 1 {
			released, err := r.late(&img.header, numbers)
			if err != nil {
				return true, err
			}
			if released {
				if r.begins(&img.header); r.rec.Head.N > 0 {
					err = r.reaches(r.rec.Head)
				}
				if err != nil {
					return true, err
				}
			}
		}
		if whole, err := r.join(&img); err != nil || !whole {
			return true, err
		}
		spare = nil
		if r.cur != nil {
			spare = r.cur.raw
		}
		r.begin(&img)
		r.rec.next = n + 1
	}
	return false, nil
}

// begin makes img the current segment.
func (r *reader) begin(img *image) {
	for _, s := range r.after {
		r.rec.step("segment %d has no header and no other names it; it holds nothing of this journal", s.number)
	}
	r.after = nil
	r.cur = img
	r.rec.groups = 0
	r.rec.JournalID, r.rec.Epoch = img.id, img.epoch
	r.rec.Segment, r.rec.Offset = img.number, headerSize
	for _, note := range img.notes {
		r.rec.warn("segment %d: %s", img.number, note)
	}
}

func (r *reader) foreign(why string) error {
	if r.cur != nil {
		if _, err := r.advance(r.cur.frames()); err != nil {
			return err
		}
	}
	r.rec.conclude(Foreign, "%s", why)
	return nil
}

// join reads the groups of the current segment and tells whether the header
// of the next one carries the chain on.
func (r *reader) join(next *image) (bool, error) {
	epoch, prev := r.led.epoch, r.led.number
	if r.cur != nil {
		b := r.cur.frames()
		if next.prev == r.cur.number {
			b = b[:max(headerSize, min(len(b), next.prevEnd))]
		}
		if _, err := r.advance(b); err != nil {
			return false, err
		}
		epoch, prev = r.cur.epoch, r.cur.number
	}
	head := r.rec.Head
	if next.first != head.N+1 || next.before != head.Link || next.epoch < epoch {
		r.rec.conclude(Damaged, "segment %d (epoch %d) begins with record %d behind link %s; records read end with %d and link %s, in segment %d",
			next.number, next.epoch, next.first, next.before, head.N, head.Link, prev)
		return false, nil
	}
	switch {
	case next.prev != prev:
		r.rec.warn("segment %d is said to follow segment %d, which cannot be read and held no record", next.number, next.prev)
	case r.cur == nil:
	case int(r.rec.Offset) != next.prevEnd || r.rec.groups != next.prevGroups:
		r.rec.warn("segment %d should end at byte %d with %d groups; whole to byte %d with %d, no record is missing",
			prev, next.prevEnd, next.prevGroups, r.rec.Offset, r.rec.groups)
	default:
		r.checkTail(next)
	}
	return true, nil
}

// checkTail compares what lies behind the last group of the current segment
// with what the next header says: an end frame, or what was set aside.
func (r *reader) checkTail(next *image) {
	end := next.prevEnd
	if next.prevTail == 0 {
		if c := r.rec.Head; isEnd(r.cur.frames()[end:], saltSum(r.cur.salt), uint64(r.rec.groups), c) {
			end += endSize
		}
	}
	want := tail{bytes: next.prevTail, digest: next.prevDigest}
	if got := r.cur.setAside(end); got != want {
		r.rec.warn("segment %d: behind its last group there should be %d bytes set aside, and are %d, or others; no record is missing",
			r.cur.number, want.bytes, got.bytes)
	}
}

// finish reads the last segment and judges how it ends.
func (r *reader) finish() error {
	how := stopNone
	if r.cur != nil {
		var err error
		if how, err = r.advance(r.cur.frames()); err != nil {
			return err
		}
		r.rec.judge(r.cur, how)
	}
	for _, s := range r.after {
		if r.judgeStray(s); s.used {
			r.rec.taken = append(r.rec.taken, s.number)
		}
	}
	return nil
}
