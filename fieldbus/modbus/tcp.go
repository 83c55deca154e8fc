// TCP: exchanges over one connection, one or several at a time, and the end of it at the first doubt.

package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// MaxInFlight is the most that Options.InFlight may be.
const MaxInFlight = 64

// Options of a Client.
type Options struct {
	// Timeout is how long dialling, and the answer to a request, may take in real time; 0: 1 s. Of several requests under way it is how
	// long the device may be silent, and each answer may take InFlight times as long: many a device does one after another.
	Timeout  time.Duration
	InFlight int // how many reads of ReadAll are under way at a time, up to MaxInFlight; 0: 1, which every device bears
	// Dial opens the connection, for TLS, a bound interface, a test; nil: net.Dialer. It must support deadlines.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// After is the client that this one replaces, by Dial over TCP; nil: none. It is closed. Transactions are numbered on from its
	// own, so that a gateway that passes on what it owed the old connection is told apart.
	After *Client
}

// Dial connects to a Modbus TCP device or gateway at addr, such as "10.0.0.7:502". It returns when the connection stands, ctx ended,
// or the time-out is over.
func Dial(ctx context.Context, addr string, o *Options) (*Client, error) {
	if o == nil {
		o = &Options{}
	}
	w := &wire{timeout: o.Timeout, most: max(o.InFlight, 1), id: uint16(rand.Uint32())}
	if o.After != nil {
		if old, ok := o.After.line.(*wire); ok {
			_ = o.After.Close()        // it is closed whatever this says
			o.After.turn <- struct{}{} // an exchange under way ends
			w.id = old.id
			o.After.end()
		}
	}
	if w.timeout == 0 {
		w.timeout = defaultTimeout
	}
	if w.timeout < 0 || o.InFlight < 0 || o.InFlight > MaxInFlight {
		return nil, fmt.Errorf("modbus: device %q: timeout %v, %d in flight: must not be negative, and at most %d in flight",
			addr, o.Timeout, o.InFlight, MaxInFlight)
	}
	open := o.Dial
	if open == nil {
		open = new(net.Dialer).DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	conn, err := open(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("modbus: device %q: %w: %w", addr, ErrDown, err)
	}
	w.conn, w.raw = conn, newRaw(conn)
	return newClient(addr, w), nil
}

// flight is a query under way.
type flight struct {
	q    *query
	i    int // its place in the call
	id   uint16
	sent time.Time
}

// wire is the transport over one connection.
type wire struct {
	timeout time.Duration
	most    int // in flight
	conn    net.Conn
	raw     *raw // nil: what the connection has goes by conn
	standing

	mu      sync.Mutex
	unwatch func() bool // ends what watch began; nil: nothing to end

	// Of who has the turn.
	id        uint16          // of the last transaction
	open      []flight        // in the order of their sending
	heard     time.Time       // when the last answer came, or the first of those in flight was sent
	armed     time.Time       // the deadline of the connection, unless wake has set another
	ctx       <-chan struct{} // the end of the last context
	kept      bool            // it wakes the connection from one call to the next
	rest      []byte          // what is yet to be sent
	from, got int             // what came in and was not looked at yet: in[from:got]
	out       [MaxInFlight * readSize]byte
	in        [4 * maxFrame]byte
}

func (w *wire) close() error {
	if w.closed.Swap(true) {
		return nil
	}
	w.forget()
	return w.conn.Close()
}

// doubt ends the connection, of which nobody can tell any more what will come by it.
func (w *wire) doubt(why error) {
	w.cause, w.open = why, nil
	_ = w.close() // the error that led here is the one that matters
}

// do is one exchange.
func (w *wire) do(ctx context.Context, q *query) ([]byte, error) {
	if err := w.down(); err != nil {
		return nil, err
	}
	now := time.Now()
	w.heard = now
	w.watch(ctx)
	w.launch(q, 0, now)
	f, pdu, err := w.land(ctx, now)
	w.rested()
	if err == nil {
		return pdu, nil
	}
	if f.q == nil {
		w.doubt(err)
	}
	return nil, judge(q, err)
}

// many keeps as many under way as the device bears, and takes the answers in any order. If there may be several, a doubt takes all of
// them back: an answer that was cut short has its missing bytes from the next one, and passes, until that is found to be missing.
func (w *wire) many(ctx context.Context, qs []query, each func(i int, pdu []byte, err error)) {
	w.watch(ctx)
	defer w.rested()
	err, next := w.down(), 0
	for err == nil && (next < len(qs) || len(w.open) > 0) {
		if err = ended(ctx); err != nil {
			break
		}
		now := time.Now()
		w.heard = now
		for ; next < len(qs) && len(w.open) < w.most; next++ {
			w.launch(&qs[next], next, now)
		}
		f, pdu, bad := w.land(ctx, now)
		if f.q == nil {
			err = bad
			break
		}
		if bad != nil {
			bad = judge(f.q, bad)
		}
		each(f.i, pdu, bad)
	}
	if err == nil {
		return
	}
	if len(w.open) > 0 {
		doubtful := next - len(w.open) // one at a time: that one
		if w.most > 1 {
			doubtful = 0
		}
		w.doubt(err)
		for i := doubtful; i < next; i++ {
			each(i, nil, judge(&qs[i], err))
		}
	}
	if down := w.down(); down != nil {
		err = down
	}
	for ; next < len(qs); next++ {
		each(next, nil, err) // was not sent
	}
}

// launch puts a query among those under way; land sends it.
func (w *wire) launch(q *query, i int, now time.Time) {
	if len(w.rest) == 0 {
		w.rest = w.out[:0]
	}
	w.id++
	w.open = append(w.open, flight{q: q, i: i, id: w.id, sent: now})
	w.rest = appendFrame(w.rest, w.id, q)
}

// land returns the next of those under way that is answered, with its PDU or the Exception that is its answer. With a zero flight
// the error concerns them all.
func (w *wire) land(ctx context.Context, now time.Time) (flight, []byte, error) {
	for {
		if f, pdu, err := w.match(); f.q != nil || err != nil {
			return f, pdu, err
		}
		if err := w.wait(ctx, now); err != nil {
			return flight{}, nil, err
		}
		if f, pdu, err := w.match(); f.q != nil || err != nil {
			return f, pdu, err
		}
		if err := ended(ctx); err != nil {
			return flight{}, nil, err
		}
		if now = time.Now(); !now.Before(w.limit(ctx)) {
			return flight{}, nil, fmt.Errorf("no answer within %v: %w", w.timeout, os.ErrDeadlineExceeded)
		}
	}
}

// match takes the frame at the beginning of what came in, once it is whole. With a zero flight there is none yet, or the error, which
// wraps ErrStray, says what came instead.
func (w *wire) match() (f flight, pdu []byte, err error) {
	b := w.in[w.from:w.got]
	if len(b) < refusal {
		return f, nil, nil
	}
	id, k := binary.BigEndian.Uint16(b), 0
	for k < len(w.open) && w.open[k].id != id {
		k++
	}
	if k == len(w.open) {
		return f, nil, fmt.Errorf("%w: transaction %d, want %d", ErrStray, id, w.open[0].id)
	}
	q := w.open[k].q
	size, err := q.frame(b)
	switch {
	case err != nil:
		return f, nil, err
	case len(b) > size && len(w.open) == 1:
		return f, nil, fmt.Errorf("%w: %d bytes follow it", ErrStray, len(b)-size)
	case len(b) < size:
		return f, nil, nil
	}
	pdu = b[headerSize:size]
	err = q.check(pdu)
	if _, refused := err.(Exception); err != nil && !refused {
		return f, nil, err
	}
	f = w.open[k]
	w.open = append(w.open[:k], w.open[k+1:]...)
	if w.from += size; w.from == w.got {
		w.from, w.got = 0, 0
	}
	return f, pdu, err
}

// wait sends what is to be sent and reads what has come.
func (w *wire) wait(ctx context.Context, now time.Time) error {
	until := w.limit(ctx)
	// A deadline that comes early costs a look more than is needed; one that is set costs, too.
	if w.armed.After(until) || w.armed.Sub(now) < until.Sub(now)/2 {
		if err := w.conn.SetDeadline(until); err != nil {
			return err
		}
		w.armed = until
		if err := ctx.Err(); err != nil {
			return err // the deadline that was replaced may have been that of wake
		}
	}
	if w.from > 0 {
		w.from, w.got = 0, copy(w.in[:], w.in[w.from:w.got])
	}
	n, err := w.talk()
	if w.got += n; n > 0 {
		return nil // an error comes again
	}
	if err == io.EOF {
		return fmt.Errorf("closed by the device: %w", io.ErrUnexpectedEOF)
	}
	return w.unless(err)
}

// talk sends what is to be sent, and reads.
func (w *wire) talk() (n int, err error) {
	if w.raw != nil && len(w.open) == 1 && len(w.rest) > 0 {
		if n, err = w.raw.ask(&w.rest, w.in[w.got:]); n > 0 || err != nil {
			return n, err
		}
	}
	if len(w.rest) > 0 {
		n, err := w.conn.Write(w.rest)
		if w.rest = w.rest[n:]; err != nil {
			return 0, err
		}
	}
	return w.conn.Read(w.in[w.got:])
}

// unless is err, unless that says no more than that it is time to look around.
func (w *wire) unless(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.armed = time.Time{}
		return nil
	}
	return err
}

// limit is when it is too late for an answer.
func (w *wire) limit(ctx context.Context) time.Time {
	limit := w.heard.Add(w.timeout)
	if w.most > 1 {
		if own := w.open[0].sent.Add(time.Duration(w.most) * w.timeout); own.Before(limit) {
			limit = own
		}
	}
	if d, ok := ctx.Deadline(); ok && d.Before(limit) {
		limit = d
	}
	return limit
}
