// Reading a journal from a later record on: where its beginning was released, and where the reader has it already.

package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// errStop ends the reading; the outcome says why.
var errStop = errors.New("concluded")

// errGone says that a segment was removed between the listing and the reading.
var errGone = errors.New("a segment was released while the journal was read")

// file reads a segment file.
func (r *reader) file(number uint32, buf []byte) ([]byte, error) {
	raw, err := r.st.Read(filepath.Join(r.dir, segmentName(number)), maxSegment, buf)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", errGone, err)
	}
	return raw, err
}

// seek leads over the segments before the one that holds record opt.After, and returns the numbers of the others. What is led over
// needs no look: the link of that record is the reader's own.
func (r *reader) seek(numbers []uint32) ([]uint32, error) {
	if r.opt.After.N == 0 {
		return numbers, nil
	}
	buf := make([]byte, headerSize)
	for i, n := range slices.Backward(numbers) {
		h, err := r.header(n, buf)
		if err != nil {
			return nil, err
		}
		if h.number != n || h.first > r.opt.After.N {
			continue
		}
		r.sought = true
		r.begins(&h)
		r.rec.step("segments before %d were not read: the reader has record %d", n, r.opt.After.N)
		return numbers[i:], nil
	}
	return numbers, nil
}

// begins has the reading begin with a segment that is not the first one.
func (r *reader) begins(h *header) {
	r.led = header{number: h.prev}
	r.rec.Head, r.rec.From = Chain{N: h.first - 1, Link: h.before}, h.first
	r.compare()
}

// late looks for the record that gave up what is missing before the first segment, from the newest segment backwards. It holds for
// that if it names the link that the header has; where it gave up more, the link must come true on the way to it (see passes).
func (r *reader) late(first *header, numbers []uint32) (bool, error) {
	base := Chain{N: first.first - 1, Link: first.before}
	for _, n := range slices.Backward(numbers) {
		raw, err := r.file(n, nil)
		if err != nil {
			return false, err
		}
		img, _ := readImage(n, raw)
		if !img.born || img.id != first.id {
			continue
		}
		p := reader{cur: &img, fn: func(seq uint64, body []byte, _ Chain) error {
			if rel, ok := readReleased(seq, body); ok && rel.Through.N >= base.N && (rel.Through.N > base.N || rel.Through.Link == base.Link) {
				r.release = rel
			}
			return nil
		}}
		p.rec.Head, p.rec.Offset = Chain{N: img.first - 1, Link: img.before}, headerSize
		if _, err := p.advance(img.frames()); err != nil {
			return false, err
		}
		if r.release.Record != 0 {
			r.rec.step("records 1 to %d are not there; record %d has released those up to %d", base.N, r.release.Record, r.release.Through.N)
			return true, nil
		}
	}
	return false, nil
}

// passes holds a link that was reached against what a release and the reader know of it, and notes releases.
func (r *reader) passes(c Chain, body []byte) error {
	if rel, ok := readReleased(c.N, body); ok {
		r.rec.Released = rel
	}
	return r.reaches(c)
}

func (r *reader) reaches(c Chain) error {
	if c.N != 0 && c.N == r.release.Through.N && c.Link != r.release.Through.Link {
		r.rec.conclude(Damaged, "record %d has another link than record %d names, by which records before it were released",
			c.N, r.release.Record)
		return errStop
	}
	if c.N != 0 && c.N == r.opt.After.N && c.Link != r.opt.After.Link {
		r.rec.conclude(Rewritten, "record %d has another link than the reader knows: it, or one before it, was written anew", c.N)
		r.rec.Missing = c.N
		return errStop
	}
	return nil
}

// reached tells of a journal that ends before the record that the reader has.
func (r *reader) reached() {
	if o := r.rec.Outcome; r.rec.Head.N < r.opt.After.N && o != Damaged && o != Foreign {
		r.rec.conclude(TailLost, "it ends with record %d, and the reader has record %d: its end was cut off, or an older copy put back",
			r.rec.Head.N, r.opt.After.N)
	}
}
