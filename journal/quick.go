// Opening without reading all: of most segments only the headers.

package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// readWhole is how many segment files are read whole in any case: the segment in use, and one that was being made.
const readWhole = 2

// lead follows the chain through the headers of all segments but the last, reads the last of them that holds records, and returns the
// numbers of those that are still to be read: all, where a header is not as it should be.
func (r *reader) lead(numbers []uint32) ([]uint32, error) {
	n := len(numbers) - readWhole
	if n < 1 {
		return numbers, nil
	}
	var last, led, holder, behind header // led is the last that is not read whole; behind stands behind the holder of the last records
	buf, begin := make([]byte, headerSize), uint64(1)
	for i, number := range numbers[:n+1] {
		h, err := r.header(number, buf)
		if err != nil {
			return nil, err
		}
		if h.number != number {
			return numbers, nil
		}
		if i == 0 && h.first > 1 {
			if released, err := r.late(&h, numbers); err != nil || !released {
				return numbers, err
			}
			r.rec.Released, begin = r.release, h.first
		} else if !h.follows(&last, i == 0) {
			return numbers, nil
		}
		if i > 0 && h.first > last.first {
			holder, behind = last, h
		}
		if i < n {
			led = h
		}
		last = h
	}
	if m := r.rec.memory; m != nil && m.from > 0 && m.from < holder.first-1 {
		return numbers, nil // the anchor knows a record that would not be read
	}
	if whole, err := r.prove(&holder, &behind); err != nil || !whole {
		return numbers, err
	}
	r.led = led
	r.rec.JournalID, r.rec.Epoch = r.led.id, r.led.epoch
	r.rec.step("segments %d to %d hold records %d to %d by their headers; of them segment %d was read", numbers[0], r.led.number,
		begin, r.rec.Head.N, holder.number)
	return numbers[n:], nil
}

// prove reads the segment that holds the last records before those that are read whole, and tells whether its groups lead to where the
// header behind it begins.
func (r *reader) prove(holder, behind *header) (bool, error) {
	if holder.number == 0 {
		return false, nil
	}
	raw, err := r.file(holder.number, nil)
	if err != nil {
		return false, err
	}
	img, _ := readImage(holder.number, raw)
	if !img.born || img.header != *holder {
		return false, nil
	}
	p := reader{cur: &img}
	p.rec.memory = r.rec.memory
	p.rec.Head, p.rec.Offset = Chain{N: holder.first - 1, Link: holder.before}, headerSize
	p.compare()
	if _, err := p.advance(img.frames()); err != nil || p.rec.Head != (Chain{N: behind.first - 1, Link: behind.before}) {
		return false, err
	}
	r.rec.Head, r.rec.From, r.parts = p.rec.Head, holder.first, p.parts
	if p.rec.Released.Record != 0 {
		r.rec.Released = p.rec.Released
	}
	return true, nil
}

// header reads the header of a segment: its first copy, or, where that cannot be read, the file.
func (r *reader) header(number uint32, buf []byte) (header, error) {
	name := filepath.Join(r.dir, segmentName(number))
	raw, err := r.st.Read(name, headerSize, buf)
	if errors.Is(err, fs.ErrNotExist) {
		return header{}, fmt.Errorf("%w: %w", errGone, err)
	}
	if err != nil {
		return header{}, err
	}
	if h, ok := decodeHeader(raw); ok {
		return h, nil
	}
	if raw, err = r.st.Read(name, maxSegment, nil); err != nil {
		return header{}, err
	}
	img, _ := readImage(number, raw)
	return img.header, nil
}

// follows tells whether a segment can stand behind another, or be the first one.
func (h *header) follows(last *header, first bool) bool {
	if first {
		return h.prev == 0 && h.first == 1 && h.before == Hash{}
	}
	return h.id == last.id && h.prev == last.number && h.epoch >= last.epoch && h.first >= last.first
}
