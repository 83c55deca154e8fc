// Writer: taking records in without waiting, and handing out what is durable.

package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// Writer appends to a journal. Append, Room, Durable, Head, Tail, Anchored and
// Header never wait for storage; Stage and Staging wait for the anchor, the
// other methods for storage. All methods may be called from
// several goroutines, Append from one that knows the next seq.
type Writer struct {
	dir     string
	st      Storage
	opt     Options
	header  Header
	lock    io.Closer
	slot    io.Closer // the claim of the anchor; nil: none
	durable atomic.Uint64
	count   counts
	wake    chan struct{} // holds one token while records are pending
	stopped chan struct{} // closed by the first failure or by Close
	spent   chan struct{} // holds one token while there may be no reserve
	stage   *stager       // nil: no anchor

	telling sync.Mutex // held while OnDurable is called; guards the next one
	told    uint64

	prep  sync.Mutex // held while a segment file is made; guards the next two
	next  uint32     // number of the next segment
	taken []uint32   // numbers that a segment must not have: such a file holds something
	spare *blank     // the reserve

	io      sync.Mutex // held while a segment is written; guards the next five
	closed  bool
	seg     *segment
	writing []byte // frames on their way to storage
	reached Chain  // after the last of them; set with mu held, too
	group   []byte // the group as it is written

	mu      sync.Mutex    // never held while storage is used
	pending []byte        // unsealed frames
	tail    Chain         // after the last record appended
	head    Chain         // after the last record that is durable on the disk
	ahead   Chain         // after the last one in the anchor's ring, if that was ever more
	err     error         // why nothing more is taken
	now     chan struct{} // closed when w.writing is durable, or never will be; nil while nobody waits
	later   chan struct{} // the same for w.pending
}

// Append takes a copy of a record and hashes it into the chain; it is durable
// when Durable has reached seq. It never waits for storage and does not allocate, but where a Lean buffer grows. It refuses a seq that is
// not the last one plus 1 (ErrOrder), a body of a wrong size (ErrSize), a
// record for which there is no room now (ErrFull), and everything after a
// failure (ErrFailed) or Close (ErrClosed).
func (w *Writer) Append(seq uint64, body []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
		return w.err
	case seq != w.tail.N+1:
		return fmt.Errorf("journal: record %d: %w: the next is %d", seq, ErrOrder, w.tail.N+1)
	case len(body) < 1 || len(body) > MaxBody:
		return fmt.Errorf("journal: record %d: body of %d bytes: %w", seq, len(body), ErrSize)
	case frameSize(len(body)) > w.opt.Pending-len(w.pending):
		return ErrFull
	}
	w.pending = appendFrame(w.pending, seq, kindEvent, body)
	w.count.payload.Add(uint64(len(body)))
	w.tail.Add(body) // here, and not on the way to storage: meanwhile that flushes
	select {
	case w.wake <- struct{}{}:
	default:
	}
	w.stage.prod()
	return nil
}

// Room returns the free bytes of the pending buffer. A record takes the length
// of its body plus 24, rounded up to a multiple of 8.
func (w *Writer) Room() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opt.Pending - len(w.pending)
}

// Durable returns the last seq that is durable, on the disk or in the anchor.
func (w *Writer) Durable() uint64 { return w.durable.Load() }

// Wait returns nil when the record seq is durable, maybe before OnDurable says
// so. It commits nothing: Run or Commit must. It returns early with the error
// of a failure or of ctx, and refuses a seq that was not appended (ErrOrder).
func (w *Writer) Wait(ctx context.Context, seq uint64) error {
	for {
		done, err := w.waits(seq)
		if done == nil {
			return err
		}
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// waits returns what closes when there is news of the record seq, nil if there will be none.
func (w *Writer) waits(seq uint64) (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	on := &w.later
	switch {
	case seq <= w.durable.Load():
		return nil, nil
	case w.err != nil && w.err != ErrClosed: // what was taken before Close will be durable, or this error is another
		return nil, w.err
	case seq > w.tail.N:
		return nil, fmt.Errorf("journal: waiting for record %d: %w: the last is %d", seq, ErrOrder, w.tail.N)
	case seq <= w.reached.N:
		on = &w.now
	}
	if *on == nil {
		*on = make(chan struct{})
	}
	return *on, nil
}

// Head returns the chain after the last durable record.
func (w *Writer) Head() Chain {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ahead.N > w.head.N {
		return w.ahead
	}
	return w.head
}

// Tail returns the chain after the last record appended, which may not be
// durable yet.
func (w *Writer) Tail() Chain {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tail
}

// Header returns the header in use, its Epoch never zero.
func (w *Writer) Header() Header { return w.header }

// Run commits what is appended, as soon as the group before is durable, until
// ctx ends; then it commits what is left and returns nil. It returns early
// with the error of a failure, or with nil after Close.
func (w *Writer) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
		case <-w.stopped:
		case <-w.wake:
		}
		ended := ctx.Err() != nil // before the commit: what is appended during it is left for another
		err := w.Commit()
		if errors.Is(err, ErrClosed) {
			return nil
		}
		if err != nil || ended {
			return err
		}
	}
}

// Commit writes everything appended before the call and returns when it is
// durable: one group, one write and one flush, or more where a segment ends.
// With nothing to do it returns nil.
func (w *Writer) Commit() error {
	w.io.Lock()
	defer w.io.Unlock()
	if err := w.take(false); err != nil {
		return err
	}
	return w.flush()
}

// Close commits what is pending, adds a promise that all of it is durable,
// and gives the lock back. After a failure it only gives the lock back and
// returns the failure. A second Close does nothing.
func (w *Writer) Close() error {
	w.io.Lock()
	defer w.io.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	err := w.take(true)
	if err == nil {
		err = w.flush()
	}
	if err == nil && w.seg.open {
		err = w.write(nil, w.head)
	}
	w.prep.Lock()
	defer w.prep.Unlock()
	err = errors.Join(err, w.release(err == nil))
	if w.spare != nil {
		err = errors.Join(err, w.spare.file.Close())
	}
	return errors.Join(err, w.seg.file.Close(), w.lock.Close())
}

// take moves the pending frames to w.writing. After the last time nothing more is appended.
func (w *Writer) take(last bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.pending, w.writing, w.reached = w.writing[:0], w.pending, w.tail
	w.now, w.later = w.later, nil
	w.stage.swap()
	if last {
		w.err = ErrClosed
		close(w.stopped)
	}
	return nil
}

// fail stops the Writer for ever and tells what is durable and what to do.
// Nothing is written or flushed again: after a failed flush the system may
// report success for bytes that it has dropped.
func (w *Writer) fail(doing string, err error) error {
	err = fmt.Errorf("journal: segment %q: %s: %w: %w; records up to %d are durable, later ones are not; %s",
		w.seg.path, doing, ErrFailed, full(err), w.Durable(), remedy(err))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		close(w.stopped)
	}
	w.err = err
	tell(&w.now)
	tell(&w.later)
	return err
}

// tell wakes those who wait.
func tell(waiters *chan struct{}) {
	if *waiters != nil {
		close(*waiters)
		*waiters = nil
	}
}
