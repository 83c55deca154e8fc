// Client: who has the line, for any transport, and what an exchange that failed says about a write.

package modbus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// defaultTimeout is what a Timeout of 0 stands for.
const defaultTimeout = time.Second

// lap is how often a transport that nothing wakes looks whether its context was cancelled.
const lap = 3 * time.Millisecond

// transport carries queries over one line. The client calls do and many for who has the turn, one at a time, and close at any time
// and more than once.
//
// The error of a query that was not sent wraps ErrDown, ErrDoubt or the context's; any other went through judge. Do is not called with
// a context that is over. Both end within the time-out of each query, and within 5 ms from the end of ctx.
type transport interface {
	// do is one exchange. The answer's PDU was held against the query, is no exception, and is valid until the next call.
	do(ctx context.Context, q *query) (pdu []byte, err error)
	// many does several reads, of which the transport may have some under way at a time. It calls each for every query, in any order,
	// with what do would have returned; the PDU is valid during the call. A second call with an error takes back what the first said.
	many(ctx context.Context, qs []query, each func(i int, pdu []byte, err error))
	close() error
	over() bool
}

// standing is whether a line is in use still, and why not.
type standing struct {
	closed atomic.Bool
	cause  error // why it was given up; of who has the turn
}

// over tells whether the line was closed or given up. It may be called from any goroutine.
func (s *standing) over() bool { return s.closed.Load() }

// down says why nothing can be sent; nil: it can. It is for who has the turn.
func (s *standing) down() error {
	switch {
	case !s.closed.Load():
		return nil
	case s.cause != nil:
		return fmt.Errorf("%w, given up after: %w", ErrDown, s.cause)
	default:
		return fmt.Errorf("%w: closed", ErrDown)
	}
}

// Client is a connection to one Modbus device, gateway or line. Any number of goroutines may call its methods: one is served at a
// time, and who waits is served in the order of arrival.
//
// Every method that takes a context returns within Timeout from each sending, and within 5 ms from the end of the context. A read
// allocates nothing over TCP, if its context cannot be cancelled or is that of the two calls before it.
//
// Over TCP, after a time-out, a cancellation between sending and answer, a broken connection or an answer that is none, the
// connection is closed, and every further call returns [ErrDown] at once. An [Exception] leaves it open.
type Client struct {
	name string // of the device or line, in errors
	line transport
	turn chan struct{} // holds one token while a call is under way; a channel serves those who wait in order

	// Of who has the turn; here, so that a call allocates nothing.
	query   query
	queries []query
	places  []int // of the queries in reads
	reads   []Read
	first   error // of ReadAll
	take    func(i int, pdu []byte, err error)
}

// newClient makes a client of a transport. Name is what errors call the device, such as its address.
func newClient(name string, line transport) *Client {
	c := &Client{name: name, line: line, turn: make(chan struct{}, 1)}
	c.take = c.taken
	return c
}

// Close closes the connection. An exchange that is under way ends with an error. It may be called from any goroutine, and more
// than once.
func (c *Client) Close() error {
	if err := c.line.close(); err != nil {
		return fmt.Errorf("modbus: device %q: close: %w", c.name, err)
	}
	return nil
}

// begin waits for the turn. What fails before it returns nil was not sent.
func (c *Client) begin(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
	default:
		select {
		case c.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := ended(ctx)
	if err != nil {
		c.end()
	}
	return err
}

// end gives the turn to who waits for it.
func (c *Client) end() { <-c.turn }

// judge says what an error after the sending of a query means.
func judge(q *query, err error) error {
	e, answered := errors.AsType[Exception](err)
	switch {
	case !q.writes():
		return err
	case answered && e.refuses():
		return fmt.Errorf("%w: %w", ErrRefused, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
}

// ended returns why ctx is over, which its own timer may notice later.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) {
		return context.DeadlineExceeded
	}
	return nil
}
