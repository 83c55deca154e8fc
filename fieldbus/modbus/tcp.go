// TCP: exchanges over one connection, and the end of it at the first doubt.

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
	"sync/atomic"
	"time"
)

// MaxInFlight is the most that Options.InFlight may be.
const MaxInFlight = 64

// Options of a Client.
type Options struct {
	Timeout  time.Duration // how long dialling, and the answer to a request, may take in real time; 0: 1 s
	InFlight int           // how many reads of ReadAll the device bears at a time, up to MaxInFlight; 0: 1, which every device bears
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
	w := &wire{timeout: o.Timeout, id: uint16(rand.Uint32())}
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
	w.conn = conn
	return newClient(addr, w), nil
}

// wire is the transport over one connection.
type wire struct {
	timeout time.Duration
	conn    net.Conn
	closed  atomic.Bool

	// Of who has the turn.
	cause   error  // why the connection was given up
	id      uint16 // of the last transaction
	out, in [maxFrame]byte
}

func (w *wire) close() error {
	if w.closed.Swap(true) {
		return nil
	}
	return w.conn.Close()
}

// down says why nothing can be sent; nil: it can.
func (w *wire) down() error {
	switch {
	case !w.closed.Load():
		return nil
	case w.cause != nil:
		return fmt.Errorf("%w, given up after: %w", ErrDown, w.cause)
	default:
		return fmt.Errorf("%w: closed", ErrDown)
	}
}

// do is one exchange.
func (w *wire) do(ctx context.Context, q *query) ([]byte, error) {
	if err := w.down(); err != nil {
		return nil, err
	}
	w.id++
	pdu, err := w.ask(ctx, q)
	if _, answered := errors.AsType[Exception](err); err != nil && !answered {
		w.cause = err
		_ = w.close() // the error that led here is the one that matters
	}
	if err != nil {
		return nil, judge(q, err)
	}
	return pdu, nil
}

// many does one after the other.
func (w *wire) many(ctx context.Context, qs []query, each func(i int, pdu []byte, err error)) {
	for i := range qs {
		pdu, err := w.do(ctx, &qs[i])
		each(i, pdu, err)
	}
}

// ask sends the query and reads until its answer is whole, of which it returns the PDU.
func (w *wire) ask(ctx context.Context, q *query) ([]byte, error) {
	until := time.Now().Add(w.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	for rest := appendFrame(w.out[:0], w.id, q); len(rest) > 0; {
		if err := w.arm(ctx, until); err != nil {
			return nil, err
		}
		n, err := w.conn.Write(rest)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
		rest = rest[n:]
	}
	for got := 0; ; {
		if err := w.arm(ctx, until); err != nil {
			return nil, err
		}
		n, err := w.conn.Read(w.in[got:])
		if got += n; n > 0 && got >= refusal {
			size, err := w.match(q, w.in[:got])
			if err != nil {
				return nil, err
			}
			if size == got {
				return w.in[headerSize:size], nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("closed by the device: %w", io.ErrUnexpectedEOF)
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		}
	}
}

// match looks at what has come in since q was sent. With a nil error it is the answer if size is len(b), and the beginning of one if
// size is more.
func (w *wire) match(q *query, b []byte) (size int, err error) {
	if id := binary.BigEndian.Uint16(b); id != w.id {
		return 0, fmt.Errorf("%w: transaction %d, want %d", ErrStray, id, w.id)
	}
	size, err = q.frame(b)
	switch {
	case err != nil:
		return 0, err
	case len(b) > size:
		return 0, fmt.Errorf("%w: %d bytes follow it", ErrStray, len(b)-size)
	case len(b) < size:
		return size, nil
	}
	return size, q.check(b[headerSize:])
}

// arm lets the connection wait until the next look at ctx, or refuses because the time is over.
func (w *wire) arm(ctx context.Context, until time.Time) error {
	now := time.Now()
	if err := ended(ctx, now); err != nil {
		return err
	}
	if !now.Before(until) {
		return fmt.Errorf("no answer within %v: %w", w.timeout, os.ErrDeadlineExceeded)
	}
	if next := now.Add(lap); ctx.Done() != nil && next.Before(until) {
		until = next
	}
	return w.conn.SetDeadline(until)
}
