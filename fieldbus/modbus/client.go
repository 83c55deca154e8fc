// Client: one connection, one request in flight, and the end of it at the first doubt.

package modbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// defaultTimeout is what a Timeout of 0 stands for.
const defaultTimeout = time.Second

// lap is how often a waiting exchange looks whether its context was cancelled. A cancellation is so noticed within lap and the
// lateness of a timer without a goroutine that would wait for it; the price is a wake-up and a small allocation for each lap
// that a device makes us wait.
const lap = 3 * time.Millisecond

// Options of a Client.
type Options struct {
	Timeout time.Duration // how long dialling, and the answer to a request, may take in real time; 0: 1 s
	// Dial opens the connection, for TLS, a bound interface, a test; nil: net.Dialer. It must support deadlines.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client is a connection to one Modbus TCP device or gateway. Any number of goroutines may call its methods: one exchange is
// under way at a time, and who waits is served in the order of arrival.
//
// Every method that takes a context returns within Timeout from the sending, and within 5 ms from the end of the context. A read
// allocates nothing if its answer is there within 3 ms or its context cannot be cancelled.
//
// After a time-out, a cancellation between sending and answer, a broken connection or an answer that is none, the connection is
// closed, and every further call returns [ErrDown] at once. An [Exception] leaves it open.
type Client struct {
	addr    string
	timeout time.Duration
	conn    net.Conn
	closed  atomic.Bool
	turn    chan struct{} // holds one token while an exchange is under way; a channel serves those who wait in order

	// Of who has the turn.
	cause   error // why the connection was given up
	id      uint16
	out, in [maxFrame]byte
}

// Dial connects to addr, such as "10.0.0.7:502". It returns when the connection stands, ctx ended, or the time-out is over.
func Dial(ctx context.Context, addr string, o *Options) (*Client, error) {
	// A gateway may pass a reply that it owes an older connection to this one: that is told apart by its number.
	return dial(ctx, addr, o, uint16(rand.Uint32()))
}

// dial is Dial with the number of the last transaction that is not to be used soon.
func dial(ctx context.Context, addr string, o *Options, last uint16) (*Client, error) {
	if o == nil {
		o = &Options{}
	}
	c := &Client{addr: addr, timeout: o.Timeout, turn: make(chan struct{}, 1), id: last}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.timeout < 0 {
		return nil, fmt.Errorf("modbus: device %q: timeout %v: must not be negative", addr, o.Timeout)
	}
	open := o.Dial
	if open == nil {
		open = new(net.Dialer).DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := open(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("modbus: device %q: %w: %w", addr, ErrDown, err)
	}
	c.conn = conn
	return c, nil
}

// Close closes the connection. An exchange that is under way ends with an error. It may be called from any goroutine, and more
// than once.
func (c *Client) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.conn.Close()
}

// retire closes the connection, waits for an exchange under way to end, and returns the number of the last transaction.
func (c *Client) retire() uint16 {
	_ = c.Close() // it is closed whatever this says
	c.turn <- struct{}{}
	defer c.end()
	return c.id
}

// begin waits for the turn. What fails before it returns nil was not sent.
func (c *Client) begin(ctx context.Context) error {
	if err := ended(ctx, time.Now()); err != nil {
		return err
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := ended(ctx, time.Now())
	switch {
	case !c.closed.Load():
	case c.cause != nil:
		err = fmt.Errorf("%w, given up after: %w", ErrDown, c.cause)
	default:
		err = fmt.Errorf("%w: closed", ErrDown)
	}
	if err != nil {
		c.end()
	}
	return err
}

// end gives the turn to who waits for it.
func (c *Client) end() { <-c.turn }

// exchange sends the request and returns the values in its answer, which are valid until the turn ends.
func (c *Client) exchange(ctx context.Context, q *request, words []uint16) ([]byte, error) {
	c.id++
	q.id = c.id
	size, err := c.ask(ctx, q, words)
	if err != nil {
		return nil, c.judge(q, err)
	}
	return c.in[bodyAt:size], nil
}

// judge says what an error after the sending means, and closes the connection unless the error is an answer.
func (c *Client) judge(q *request, err error) error {
	e, answered := errors.AsType[Exception](err)
	if !answered {
		c.cause = err
		_ = c.Close() // the error that led here is the one that matters
	}
	switch {
	case !q.writes():
		return err
	case answered && e.refuses():
		return fmt.Errorf("%w: %w", ErrRefused, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
}

// ask sends the request and reads until its answer is whole, of which it returns the size.
func (c *Client) ask(ctx context.Context, q *request, words []uint16) (size int, err error) {
	until := time.Now().Add(c.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	for rest := q.appendTo(c.out[:0], words); len(rest) > 0; {
		if err := c.arm(ctx, until); err != nil {
			return 0, err
		}
		n, err := c.conn.Write(rest)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		rest = rest[n:]
	}
	for got := 0; ; {
		if err := c.arm(ctx, until); err != nil {
			return 0, err
		}
		n, err := c.conn.Read(c.in[got:])
		if got += n; n > 0 {
			if size, bad := q.check(c.in[:got]); bad != nil || size == got {
				return size, bad
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return 0, fmt.Errorf("closed by the device: %w", io.ErrUnexpectedEOF)
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return 0, err
		}
	}
}

// arm lets the connection wait until the next look at ctx, or refuses because the time is over.
func (c *Client) arm(ctx context.Context, until time.Time) error {
	now := time.Now()
	if err := ended(ctx, now); err != nil {
		return err
	}
	if !now.Before(until) {
		return fmt.Errorf("no answer within %v: %w", c.timeout, os.ErrDeadlineExceeded)
	}
	if next := now.Add(lap); ctx.Done() != nil && next.Before(until) {
		until = next
	}
	return c.conn.SetDeadline(until)
}

// ended returns why ctx is over at now, which its own timer may notice later.
func ended(ctx context.Context, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d, ok := ctx.Deadline(); ok && !now.Before(d) {
		return context.DeadlineExceeded
	}
	return nil
}
