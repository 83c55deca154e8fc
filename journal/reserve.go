// The reserve: the next segment's file, made before it is needed.

package journal

import (
	"context"
	"fmt"
	"slices"
)

// Reserve makes the file of the next segment, if it is not there: zeros to its
// full size, durable. With a reserve, what a full segment needs is two flushes
// and no room: a medium that becomes full takes one segment more, in which a
// batch can be brought to its end. It blocks for as long as storage does; its
// error is ErrDiskFull where the medium has no room, and leaves the Writer as
// it was. Without one, the Writer makes the next segment when it needs it.
func (w *Writer) Reserve() error {
	w.prep.Lock()
	defer w.prep.Unlock()
	select {
	case <-w.stopped:
		return nil
	default:
	}
	if w.spare != nil || w.next > lastSegment {
		return nil
	}
	b, err := newBlank(w.st, w.dir, w.next, w.opt.Segment)
	if err != nil {
		return fmt.Errorf("journal: no segment in reserve: %w; %s", full(err), remedy(err))
	}
	w.count.made(b)
	w.spare = b
	return nil
}

// Prepare makes a new reserve whenever the last one was taken, until ctx ends
// or the Writer does. It returns early with the error of a Reserve that
// failed. It may run beside Run and Commit, which then seldom wait for it.
func (w *Writer) Prepare(ctx context.Context) error {
	for {
		if err := w.Reserve(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.stopped:
			return nil
		case <-w.spent:
		}
	}
}

// bear begins the segment of h, in the reserve if there is one.
func (w *Writer) bear(h header) (s *segment, err error) {
	w.prep.Lock()
	defer w.prep.Unlock()
	b := w.spare
	w.spare, w.next = nil, w.untaken(h.number+1)
	if b == nil || b.number != h.number || b.size != h.size {
		if b, err = newBlank(w.st, w.dir, h.number, h.size); err != nil {
			return nil, err
		}
		w.count.made(b)
	}
	return b.bear(h)
}

// untaken returns the first number from n on that a segment may have.
func (w *Writer) untaken(n uint32) uint32 {
	for slices.Contains(w.taken, n) {
		n++
	}
	return n
}
