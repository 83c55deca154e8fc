// Opening without reading all: of most segments only the headers.

package journal

import "path/filepath"

// readWhole is how many segment files are read whole in any case: the segment in use, and one that was being made. Before them comes
// the last one that certainly holds a record.
const readWhole = 2

// lead follows the chain through the headers of all segments but the last, and returns the numbers of those that are to be read whole:
// all, where a header is not as it should be.
func (r *reader) lead(numbers []uint32) ([]uint32, error) {
	n := len(numbers) - readWhole
	if n < 1 {
		return numbers, nil
	}
	var before, last, led, from header // of the two before; the last one that is not read; the first one that is
	rest, buf := numbers, make([]byte, headerSize)
	for i, number := range numbers[:n+1] {
		raw, err := r.st.Read(filepath.Join(r.dir, segmentName(number)), headerSize, buf)
		if err != nil {
			return nil, err
		}
		h, ok := decodeHeader(raw)
		if !ok || h.number != number || !h.follows(&last, i == 0) {
			return numbers, nil
		}
		if i > 0 && h.first > last.first { // the one before holds records
			rest, led, from = numbers[i-1:], before, last
		}
		before, last = last, h
	}
	if led.number == 0 || r.rec.memory != nil && r.rec.memory.from > 0 && r.rec.memory.from < from.first-1 {
		return numbers, nil // the anchor knows a record that would not be read
	}
	r.led = led
	r.rec.JournalID, r.rec.Epoch = led.id, led.epoch
	r.rec.Head, r.rec.From = Chain{N: from.first - 1, Link: from.before}, from.first
	r.compare()
	r.rec.step("segments %d to %d hold records 1 to %d by their headers; they were not read", numbers[0], led.number, r.rec.Head.N)
	return rest, nil
}

// follows tells whether a segment can stand behind another, or be the first one.
func (h *header) follows(last *header, first bool) bool {
	if first {
		return h.prev == 0 && h.first == 1 && h.before == Hash{}
	}
	return h.id == last.id && h.prev == last.number && h.epoch >= last.epoch && h.first >= last.first
}
