// One connection of a runner to the I/O process.

package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// How often the I/O process is asked for its time, and the head of the journal is told, in ns.
const (
	askTime  = 1_000_000_000
	tellHead = 60_000_000_000
)

// maxOut is how many frames may wait for a process that does not read. More is a broken connection.
const maxOut = 2 * maxNames

// call is a write that waits for its answer.
type call struct {
	seq    uint64
	sent   bool       // guarded by link.mu, as is what the link knows of it
	answer chan frame // has room for one
}

// link is a connection. One goroutine reads and one sends.
type link struct {
	p     *Port
	conn  net.Conn
	gone  chan struct{} // closed when it is broken
	timed chan struct{} // closed when the time of the other side is known
	wake  chan struct{} // has room for one
	wg    sync.WaitGroup
	alarm timebase.Alarm

	values []tag.Raw // newest of each channel; of Port.emits
	lo     int64     // our time less theirs is at least this: of the goroutine that reads
	hi     atomic.Int64

	mu    sync.Mutex
	out   []frame
	calls []*call // that are not answered
	seq   uint64
	ask1  bool          // it is time to ask for the time
	idle  chan struct{} // closed when no call is open; nil: nobody waits for that
	err   error
	told  int64 // when the head was told last
}

func newLink(p *Port, conn net.Conn) *link {
	l := &link{p: p, conn: conn, gone: make(chan struct{}), timed: make(chan struct{}), wake: make(chan struct{}, 1), ask1: true,
		values: make([]tag.Raw, len(p.opt.Channels)), told: p.clock.Now()}
	l.alarm = p.clock.Alarm(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ask1 = true
		l.stir()
	})
	return l
}

// start starts the two goroutines, which end when the link is broken.
func (l *link) start() {
	l.wg.Add(2)
	l.stir()
	go l.read()
	go l.send()
}

// stir wakes the goroutine that sends.
func (l *link) stir() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// fail breaks the link; the first reason stands.
func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breakUp(err)
}

// breakUp is fail; the caller holds mu.
func (l *link) breakUp(err error) {
	if l.err != nil {
		return
	}
	l.err = fmt.Errorf("wire: the connection to the I/O process is broken: %w", err)
	l.alarm.Stop()
	close(l.gone)
	l.conn.Close()
}

func (l *link) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// add lets a frame be sent.
func (l *link) add(f frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.push(f)
}

// push is add; the caller holds mu.
func (l *link) push(f frame) {
	if len(l.out) >= maxOut {
		l.breakUp(errors.New("the other side does not read"))
		return
	}
	l.out = append(l.out, f)
	l.stir()
}

// ask lets a write be sent.
func (l *link) ask(f frame) *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	f.seq = l.seq
	c := &call{seq: l.seq, answer: make(chan frame, 1)}
	l.calls = append(l.calls, c)
	l.push(f)
	return c
}

// callOff ends the wait for an answer, and says what is known of the write.
func (l *link) callOff(c *call, why error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case f := <-c.answer:
		return f.err()
	default:
	}
	if !c.sent {
		l.out = slices.DeleteFunc(l.out, func(f frame) bool { return f.kind == kWrite && f.seq == c.seq })
		l.answered(c.seq)
		return fmt.Errorf("wire: %w: it was not sent: %w", tag.ErrRefused, why)
	}
	if l.err == nil {
		l.push(frame{kind: kCancel, seq: c.seq})
	}
	return fmt.Errorf("wire: %w: it was sent, and not answered: %w", tag.ErrUnknown, why)
}

// answered takes a call off the list; the caller holds mu.
func (l *link) answered(seq uint64) *call {
	i := slices.IndexFunc(l.calls, func(c *call) bool { return c.seq == seq })
	if i < 0 {
		return nil
	}
	c := l.calls[i]
	l.calls = slices.Delete(l.calls, i, i+1)
	if len(l.calls) == 0 && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
	return c
}

// settle waits until every write has ended at the other side, called off or not.
func (l *link) settle(ctx context.Context) error {
	l.mu.Lock()
	if len(l.calls) == 0 {
		l.mu.Unlock()
		return nil
	}
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	idle := l.idle
	l.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-l.gone:
		return l.why()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave says goodbye.
func (l *link) leave() {
	if l.p.opt.Head != nil {
		l.add(l.head())
	}
	l.add(frame{kind: kBye})
}

// head is the frame that tells the head of the journal.
func (l *link) head() frame {
	id, head := l.p.opt.Head()
	return frame{kind: kHead, seq: head.N, link: head.Link, text: id}
}

// read takes in what comes, until the link is broken.
func (l *link) read() {
	defer l.wg.Done()
	r, buf := bufio.NewReaderSize(l.conn, 4096), make([]byte, maxFrame)
	for {
		f, err := l.next(r, buf)
		if err == nil {
			switch f.kind {
			case kValue:
				err = l.p.take(l, &f)
			case kDone:
				l.mu.Lock()
				if c := l.answered(f.seq); c != nil {
					c.answer <- f
				}
				l.mu.Unlock()
			case kNow:
				l.clocks(&f)
			default:
				err = fmt.Errorf("%w: kind %d comes from a runner", errFrame, f.kind)
			}
		}
		if err != nil {
			l.fail(err)
			return
		}
	}
}

// next reads a frame. Of another board it is waited for as long as silence may be: an answer comes each second.
func (l *link) next(r io.Reader, buf []byte) (f frame, err error) {
	if l.p.opt.Node == "" {
		return readFrame(r, buf)
	}
	if err = l.conn.SetReadDeadline(time.Now().Add(Silence)); err == nil {
		f, err = readFrame(r, buf)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("nothing was heard of %s for %s: %w", l.p.opt.Node, Silence, err)
	}
	return f, err
}

// clocks learns how our clock stands to theirs. They looked at theirs between our question and our receipt of the answer; so our time
// less theirs lies between two numbers, and every answer may bring these nearer to each other.
func (l *link) clocks(f *frame) {
	lo, hi := f.at-f.now, l.p.clock.Now()-f.now
	select {
	case <-l.timed:
		lo, hi = max(lo, l.lo), min(hi, l.hi.Load())
		if lo > hi { // one of the clocks runs at another rate: what was learnt is over
			lo, hi = f.at-f.now, l.p.clock.Now()-f.now
		}
		l.lo = lo
		l.hi.Store(hi)
	default:
		l.lo = lo
		l.hi.Store(hi)
		close(l.timed)
	}
}

// send sends what waits, until the link is broken.
func (l *link) send() {
	defer l.wg.Done()
	var buf []byte
	var taken []frame
	for {
		select {
		case <-l.wake:
		case <-l.gone:
			return
		}
		l.mu.Lock()
		taken, l.out = append(taken[:0], l.out...), l.out[:0]
		for _, c := range l.calls {
			c.sent = true
		}
		ask := l.ask1
		l.ask1 = false
		l.mu.Unlock()
		buf = buf[:0]
		for i := range taken {
			if f := &taken[i]; f.kind == kWrite && f.at != 0 {
				f.at = max(f.at-l.hi.Load(), 1)
			}
			buf = taken[i].append(buf)
		}
		if now := l.p.clock.Now(); ask {
			f := frame{kind: kTime, at: now}
			buf = f.append(buf)
			l.alarm.Set(now + askTime)
			if l.p.opt.Head != nil && now-l.told >= tellHead {
				l.told = now
				f = l.head()
				buf = f.append(buf)
			}
		}
		if _, err := l.conn.Write(buf); err != nil {
			l.fail(err)
			return
		}
	}
}
