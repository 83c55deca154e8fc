// RTU: a client over a serial line, or over a gateway that passes on the bytes of one.

package modbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/hal"
)

// ErrDoubt: the slave owes a reply, which could be taken for the answer to another question; see Client.Prove.
var ErrDoubt = fieldbus.ErrDoubt

// What zeros of RTUOptions and Slave stand for.
const (
	defaultTurnaround = 100 * time.Millisecond
	defaultLate       = time.Minute
)

// RTUOptions describe a line.
type RTUOptions struct {
	Name string // what errors call the line; "": RTU, or the address
	Baud int    // bits a second. NewRTU wants it; 0 with DialRTU: the gateway keeps the silence between frames, nobody else does
	Bits int    // of a character, with start, parity and stop: 10 for 8N1, 11 for 8E1, 8O1 and 8N2; 0: 11
	// Timeout is how long dialling may take, and how long a slave to begin its answer; 0: 1 s.
	Timeout time.Duration
	// Turnaround is for how long the line is left alone after a broadcast; 0: 100 ms.
	Turnaround time.Duration
	// Dial opens the connection of DialRTU; nil: net.Dialer. It must support deadlines.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// After is the client that had this line before; nil: none. It is closed, and what its slaves owe is remembered. Without it, give
	// what a slave may owe an earlier process the time to come before the first exchange.
	After *Client
}

// Slave is what one slave of a line bears. Zeros stand for the defaults.
type Slave struct {
	Timeout time.Duration // how long it may take to begin its answer; 0: that of the line
	Pause   time.Duration // between the end of one exchange with it and the next
	Late    time.Duration // what was not answered so long after it was asked is not answered any more; 0: 1 min
	NoProbe bool          // a read that nobody asked for does harm: only Late ends a doubt
}

// NewRTU makes a client of a serial line, which is its own from then on; Close closes it. Any number of slaves may be on it.
//
// A request is sent when the line was silent for t3.5. Its answer is told by unit, function, length and check sum, whatever else is
// on the line: noise, frames of others, an echo of the request. After a time-out, or the end of a context between sending and
// answer, the slave owes a reply, which may come any time later and looks like the answer to another read. The slave is in doubt
// then: its reads return ErrDoubt, and nothing is sent, until Prove has returned nil. A write is sent all the same if its
// confirmation cannot be one that is owed; it is a proof then, too. The client stays open for the other slaves, whose frames
// nobody takes for those of this one.
//
// What is taken for granted: a slave answers in the order in which it was asked, and each request once; a frame that the line
// doubles comes at once behind the first. An adapter that echoes does so from the first exchange on: before the first write whose
// confirmation is the request itself (functions 5, 6 and 22) a read is sent if nothing was read yet, to hear whether it does.
//
// Unit 0 is all slaves at once: writes alone, never answered, and so always ErrUnknown.
//
// A method returns within 5 ms from the end of its context, after the request that it is sending. A read that is answered allocates
// nothing on a port of hal/linux, or another that has its ReadUntil.
func NewRTU(port hal.RS485, o *RTUOptions) (*Client, error) {
	if o == nil {
		o = &RTUOptions{}
	}
	m, name, err := newRTU(o, "RTU")
	if err == nil && o.Baud == 0 {
		err = fmt.Errorf("modbus: line %q: no baud rate; the silence between frames follows from it: set RTUOptions.Baud", name)
	}
	if err != nil {
		return nil, err
	}
	m.follow(o.After)
	m.port = withTime(port)
	m.heard = time.Now()
	return newClient(name, m), nil
}

// DialRTU connects to a gateway at addr, such as "10.0.0.7:4001", that passes on the bytes of a serial line. It is as NewRTU, and
// returns when the connection stands, ctx ended, or the time-out is over.
func DialRTU(ctx context.Context, addr string, o *RTUOptions) (*Client, error) {
	if o == nil {
		o = &RTUOptions{}
	}
	m, name, err := newRTU(o, addr)
	if err != nil {
		return nil, err
	}
	open := o.Dial
	if open == nil {
		open = new(net.Dialer).DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	conn, err := open(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("modbus: device %q: %w: %w", name, ErrDown, err)
	}
	m.follow(o.After)
	m.port = &link{conn, m.timeout}
	m.heard = time.Now()
	return newClient(name, m), nil
}

// newRTU checks the options, and closes the client before.
func newRTU(o *RTUOptions, name string) (*rtu, string, error) {
	if o.Name != "" {
		name = o.Name
	}
	m := &rtu{baud: o.Baud, bits: o.Bits, timeout: o.Timeout, turnaround: o.Turnaround}
	if m.bits == 0 {
		m.bits = bitsDefault
	}
	if m.timeout == 0 {
		m.timeout = defaultTimeout
	}
	if m.turnaround == 0 {
		m.turnaround = defaultTurnaround
	}
	switch {
	case m.timeout < 0 || m.turnaround < 0:
		return nil, name, fmt.Errorf("modbus: line %q: timeout %v, turnaround %v: must not be negative", name, m.timeout, m.turnaround)
	case m.baud != 0 && (m.baud < 50 || m.baud > 4_000_000):
		return nil, name, fmt.Errorf("modbus: line %q: %d Bd: want 50 to 4000000", name, m.baud)
	case m.bits < 9 || m.bits > 12:
		return nil, name, fmt.Errorf("modbus: line %q: %d bits a character: want 9 to 12, start, parity and stop included", name, m.bits)
	}
	m.gap = time.Millisecond // between what comes in pieces
	if m.baud != 0 {
		m.gap = silence35(m.baud, m.bits)
	}
	if o.After != nil {
		_ = o.After.Close() // it is closed whatever this says; a gateway may bear one connection
	}
	return m, name, nil
}

// follow takes over what the client before knew, which has forgotten it then. It is called when nothing can fail any more: a try to
// connect that fails pays no debt.
func (m *rtu) follow(before *Client) {
	if before == nil {
		return
	}
	if old, ok := before.line.(*rtu); ok {
		before.turn <- struct{}{} // an exchange under way ends, since it is closed
		m.slaves, m.echoes, m.rest = old.slaves, old.echoes, old.rest
		old.slaves = [256]*slave{}
		before.end()
	}
}

// SetSlave says what a slave of an RTU line bears. Of any other client it is an error.
func (c *Client) SetSlave(ctx context.Context, unit uint8, s Slave) error {
	m, ok := c.line.(*rtu)
	switch {
	case !ok:
		return fmt.Errorf("modbus: device %q: unit %d: it is no slave of an RTU line", c.name, unit)
	case unit == 0:
		return fmt.Errorf("modbus: device %q: unit 0 is all slaves and none", c.name)
	case s.Timeout < 0 || s.Pause < 0 || s.Late < 0:
		return fmt.Errorf("modbus: device %q: unit %d: timeout %v, pause %v, late %v: must not be negative", c.name, unit, s.Timeout, s.Pause, s.Late)
	}
	if err := c.begin(ctx); err != nil {
		return fmt.Errorf("modbus: device %q: unit %d: %w", c.name, unit, err)
	}
	defer c.end()
	m.at(unit).Slave = m.defaults(s)
	return nil
}

// Prove ends the doubt about a slave: it returns nil when no reply that the slave owes can be taken for the answer to what it is asked
// from now on. It sends at most one read, whose answer has a shape that nothing owed has: since a slave answers in order, nothing
// older can follow it. A read that is not answered either is owed, too, and the next Prove chooses another. Where there is none
// that would prove anything, Prove sends nothing, and returns nil when Slave.Late is over. Over TCP, where answers have numbers, it
// is always nil. Any other error wraps ErrDoubt, ErrDown, or that of ctx.
func (c *Client) Prove(ctx context.Context, unit uint8) error {
	m, ok := c.line.(*rtu)
	if !ok || unit == 0 {
		return nil
	}
	err := c.begin(ctx)
	if err == nil {
		err = m.prove(ctx, unit)
		c.end()
	}
	if err != nil {
		return fmt.Errorf("modbus: device %q: unit %d: not proved: %w", c.name, unit, err)
	}
	return nil
}

func (m *rtu) prove(ctx context.Context, unit uint8) error {
	if err := m.down(); err != nil {
		return err
	}
	s := m.at(unit)
	if s.forget(time.Now()); len(s.owed) == 0 {
		return nil
	}
	q, ok := s.probe(unit)
	if !ok {
		last := s.owed[len(s.owed)-1].at.Add(s.Late)
		return fmt.Errorf("%w: %d replies, and no question that would prove anything; it is over in %v", ErrDoubt, len(s.owed), time.Until(last))
	}
	_, err := m.exchange(ctx, s, &q)
	if _, answered := errors.AsType[Exception](err); err != nil && !answered {
		return fmt.Errorf("%s: %w", q.String(), err)
	}
	return nil
}
