// Staging: records into the ring of the anchor ahead of the disk, and heads behind it.

package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/batchkit/batchkit/hal"
)

// stageLimit is how many bytes go into the ring by one write, where there is
// more than one record: what is in front need not wait for all behind it.
const stageLimit = 4 << 10

// stager is what a Writer keeps of its anchor. A Writer without one has none.
type stager struct {
	f     hal.FRAM
	base  int64
	sum   uint32 // for the records of this epoch
	claim io.Closer
	wake  chan struct{} // holds one token while there may be something to stage, or the anchor was dropped

	io    sync.Mutex // held while cells are written; guards the next five
	mark  mark       // as it was written last
	copy  int        // where
	space space
	next  Chain // after the last record that was staged, or need not be
	buf   []byte

	// guarded by Writer.mu
	writing, pending int   // how much of both buffers was staged, or need not be
	err              error // why it was dropped
}

// newStager returns the stager for what was found.
func newStager(a *Anchor, claim io.Closer, h Header, m *memory, at Chain) *stager {
	s := &stager{
		f: a.chip.f, base: a.base, sum: ringSum(a.id, h.Epoch), claim: claim, wake: make(chan struct{}, 1),
		mark: m.mark, copy: m.copy, space: space{size: a.ring}, next: at,
	}
	s.mark.id = a.id
	most := max(a.ring, markSize)
	s.space.used = make([]span, 0, a.ring/ringSize(1))
	s.buf = make([]byte, 0, min(most, ringSize(MaxBody)))
	return s
}

// Staging stages what is appended until ctx ends or the Writer does, and then
// returns nil, at once where there is no anchor. What it leaves unstaged is
// for Run. It returns early with the error by which the anchor was dropped:
// the journal then goes on by the disk alone, and what only the ring held is
// as durable as the chip until the next group. It may run beside Run and
// Commit.
func (w *Writer) Staging(ctx context.Context) error {
	s := w.stage
	if s == nil {
		return nil
	}
	for {
		if err := w.Stage(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.stopped:
			return nil
		case <-s.wake:
		}
	}
}

// Stage writes what is appended into the ring of the anchor, as far as there
// is room; what is there is durable. In an anchor without a ring it notes how
// much was accepted. It blocks for the transfer, about 0.4 us per byte on SPI,
// and for OnDurable, and allocates nothing. Without an anchor, and after the
// Writer has failed or was closed, it does nothing; its error is that of
// Anchored.
func (w *Writer) Stage() error {
	s := w.stage
	if s == nil {
		return nil
	}
	for {
		c, more := w.stageOnce()
		if !more {
			return w.Anchored()
		}
		w.acknowledge(c)
	}
}

// Anchored returns nil while the anchor serves, or where there never was one,
// and else the error, an ErrAnchor, by which it was dropped.
func (w *Writer) Anchored() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stage == nil {
		return nil
	}
	return w.stage.err
}

// stageOnce makes one write into the ring and returns the chain after it, or false if nothing can be staged now.
func (w *Writer) stageOnce() (Chain, bool) {
	s := w.stage
	s.io.Lock()
	defer s.io.Unlock()
	if s.space.size == 0 {
		w.note()
		return Chain{}, false
	}
	at := w.gather()
	if len(s.buf) == 0 {
		return Chain{}, false
	}
	s.next = sealRinged(s.buf, s.sum, s.next)
	if _, err := s.f.WriteAt(s.buf, s.base+slotHeads+int64(at)); err != nil {
		w.drop(fmt.Sprintf("staging records up to %d", s.next.N), err)
		return Chain{}, false
	}
	s.space.take(at, len(s.buf), s.next.N)
	return s.next, true
}

// gather takes the records that come next into s.buf, as many as one write may hold, and returns where in the ring they go.
func (w *Writer) gather() (at int) {
	s := w.stage
	w.mu.Lock()
	defer w.mu.Unlock()
	s.buf = s.buf[:0]
	if s.err != nil || w.err != nil {
		return 0
	}
	s.space.free(w.head.N)
	if s.next.N < w.head.N {
		s.next = w.head
	}
	room, n := 0, 0
	if at, n = s.pick(w.writing, &s.writing, w.head.N, &room, at); n < 0 {
		return at
	}
	at, _ = s.pick(w.pending, &s.pending, w.head.N, &room, at)
	return at
}

// pick takes records from one of the buffers, from *done on. It returns -1 where one is left that does not fit.
func (s *stager) pick(frames []byte, done *int, durable uint64, room *int, at int) (int, int) {
	for *done < len(frames) {
		b := frames[*done:]
		body, size := openFrame(b)
		if seq := binary.LittleEndian.Uint64(b[8:]); seq > durable {
			need := ringSize(len(body))
			if len(s.buf) == 0 {
				at, *room = s.space.place(need)
			}
			if len(s.buf)+need > *room || len(s.buf) > 0 && len(s.buf)+need > stageLimit {
				return at, -1
			}
			s.buf = appendRinged(s.buf, seq, s.mark.epoch, body)
		}
		*done += size
	}
	return at, 0
}

// swap follows the buffers of the Writer when they are exchanged. What was being written is durable. The caller holds w.mu.
func (s *stager) swap() {
	if s != nil {
		s.writing, s.pending = s.pending, 0
	}
}

// prod wakes Staging.
func (s *stager) prod() {
	if s == nil {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// note writes the accepted count of an anchor without a ring. The caller holds s.io.
func (w *Writer) note() {
	s := w.stage
	w.mu.Lock()
	off := s.err != nil || w.err != nil || w.tail.N == s.mark.accepted
	w.mu.Unlock()
	if !off {
		w.remark(s.mark.at, s.mark.segment, 0)
	}
}

// record writes the head: this is durable on the disk, in this segment.
func (w *Writer) record(c Chain, segment uint32, flags uint32) {
	s := w.stage
	if s == nil {
		return
	}
	s.io.Lock()
	defer s.io.Unlock()
	w.remark(c, segment, flags)
	s.prod()
}

// remark writes the head over its older copy. The caller holds s.io.
func (w *Writer) remark(c Chain, segment uint32, flags uint32) {
	s := w.stage
	w.mu.Lock()
	accepted, err := w.tail.N, s.err
	w.mu.Unlock()
	if err != nil {
		return
	}
	s.mark.generation++
	s.mark.epoch, s.mark.segment, s.mark.at, s.mark.accepted, s.mark.flags = w.header.Epoch, segment, c, accepted, flags
	s.copy = 1 - s.copy
	s.buf = s.mark.encode(s.buf)
	if _, err := s.f.WriteAt(s.buf, s.base+int64(s.copy)*markApart); err != nil {
		w.drop(fmt.Sprintf("writing head %d", c.N), err)
	}
}

// anchor writes the first head of this Writer, of what is durable now, and reads it back.
func (w *Writer) anchor() {
	s := w.stage
	if s == nil {
		return
	}
	w.record(w.head, w.seg.number, 0)
	s.io.Lock()
	defer s.io.Unlock()
	if w.Anchored() != nil {
		return
	}
	got := make([]byte, markSize)
	err := readCells(s.f, got, s.base+int64(s.copy)*markApart)
	if err == nil && !bytes.Equal(got, s.buf) {
		err = fmt.Errorf("its cells do not hold what was written; replace the chip")
	}
	if err != nil {
		w.drop(fmt.Sprintf("reading head %d back", w.head.N), err)
	}
}

// drop gives the anchor up: its cells are not written any more. The caller holds s.io.
func (w *Writer) drop(doing string, err error) {
	s := w.stage
	w.mu.Lock()
	defer w.mu.Unlock()
	s.err = fmt.Errorf("journal: %s: %w: %w; the journal goes on by the disk alone", doing, ErrAnchor, err)
	s.prod()
}

// release ends the use of the anchor. Whole tells that the journal was closed in order.
func (w *Writer) release(whole bool) error {
	s := w.stage
	if s == nil {
		return nil
	}
	if whole {
		w.record(w.head, w.seg.number, flagClean)
	}
	s.io.Lock() // a Stage that is under way ends before; any later one finds the Writer closed
	defer s.io.Unlock()
	return s.claim.Close()
}

// acknowledge makes known that the chain up to c is in the ring.
func (w *Writer) acknowledge(c Chain) {
	w.mu.Lock()
	if c.N > w.ahead.N {
		w.ahead = c
	}
	w.advance()
	w.mu.Unlock()
	w.announce()
}

// advance tells those who wait what is durable. The caller holds w.mu.
func (w *Writer) advance() {
	w.durable.Store(max(w.head.N, w.ahead.N))
	tell(&w.now)
	tell(&w.later)
}

// announce calls OnDurable where there is more than it was told.
func (w *Writer) announce() {
	if w.opt.OnDurable == nil {
		return
	}
	w.telling.Lock()
	defer w.telling.Unlock()
	if d := w.durable.Load(); d > w.told {
		w.told = d
		w.opt.OnDurable(d)
	}
}
