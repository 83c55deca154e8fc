// Commit: from pending frames to groups on the medium, and from one segment to the next.

package journal

import "fmt"

// flush writes w.writing as groups, each as large as the segment allows.
func (w *Writer) flush() error {
	frames := w.writing
	for len(frames) > 0 {
		n := fitting(frames, w.seg.room())
		if n == 0 {
			if err := w.rotate(); err != nil {
				return err
			}
			continue
		}
		c := w.reached
		if n < len(frames) { // the segment ends before: up to where the chain is then
			c = w.head
			for at := 0; at < n; {
				body, size := openFrame(frames[at:])
				c.Add(body)
				at += size
			}
		}
		if err := w.write(frames[:n], c); err != nil {
			return err
		}
		frames = frames[n:]
	}
	return nil
}

// fitting returns the bytes of the whole frames of which a group fits into room.
func fitting(frames []byte, room int) int {
	n := 0
	for n < len(frames) {
		_, size := openFrame(frames[n:])
		if groupSize(n+size) > room {
			break
		}
		n += size
	}
	return n
}

// write makes one group of the frames, behind which the chain is c, and makes
// it durable. No frames make a promise: a group that only says that all before
// it is durable.
func (w *Writer) write(frames []byte, c Chain) error {
	s := w.seg
	first := w.head.N + 1
	g := append(w.group[:0], frames...)
	for at := 0; at < len(g); {
		_, size := openFrame(g[at:])
		seal(g[at:at+size], s.sum, at)
		at += size
	}
	at := len(g)
	g = appendCommit(g, commit{first: first, last: c.N, durable: w.head.N, group: s.groups + 1, link: c.Link})
	seal(g[at:], s.sum, at)
	w.group = g // a lean one may have grown
	err := writeAll(s.file, g, s.off)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return w.fail(fmt.Sprintf("writing records %d to %d", first, c.N), err)
	}
	s.off += len(g)
	s.groups++
	s.open = len(frames) > 0
	w.publish(c)
	return nil
}

// publish makes known that the disk has acknowledged all up to c, and then
// writes it into the anchor.
func (w *Writer) publish(c Chain) {
	w.mu.Lock()
	w.head = c
	w.advance()
	w.mu.Unlock()
	w.announce()
	w.record(c, w.seg.number, 0)
}

// newSegment returns the header of a segment that continues head.
func (w *Writer) newSegment(number uint32, head Chain) (header, error) {
	number = w.untaken(number)
	if number > lastSegment {
		return header{}, fmt.Errorf("segment numbers end at %d: begin a new journal", lastSegment)
	}
	room := w.opt.Segment - 2*headerSize
	return header{
		id: w.header.JournalID, epoch: w.header.Epoch, number: number, size: w.opt.Segment,
		inflight: min(groupSize(w.opt.Pending), room), salt: segmentSalt(w.header, number),
		first: head.N + 1, before: head.Link,
	}, nil
}

// rotate begins the next segment and then ends this one: an end frame that is
// found without a segment after it proves that one is missing.
func (w *Writer) rotate() error {
	old := w.seg
	h, err := w.newSegment(old.number+1, w.head)
	if err != nil {
		return w.fail("beginning the next one", err)
	}
	h.prev, h.prevEnd, h.prevGroups = old.number, old.off, uint32(old.groups)
	next, err := w.bear(h)
	if err != nil {
		return w.fail("beginning the next one", err)
	}
	err = writeAll(old.file, endFrame(old.sum, old.groups, w.head), old.off)
	if err == nil {
		err = old.file.Sync()
	}
	if err != nil {
		next.file.Close()
		return w.fail("ending it", err)
	}
	w.seg = next
	select {
	case w.spent <- struct{}{}:
	default:
	}
	if err := old.file.Close(); err != nil {
		return w.fail("closing the one before", err)
	}
	return nil
}
