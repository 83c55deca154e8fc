// Port: a device as a board; what it is made of, and writes.

package modbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// MaxPoints is how many points a port may have: as many as there are tags.
const MaxPoints = int(tag.None)

// What zeros of PortOptions stand for.
const (
	defaultPeriod = 100 * time.Millisecond
	defaultGap    = 32
)

// PortOptions of a Port.
type PortOptions struct {
	Period  time.Duration // from the beginning of one round of reads to that of the next; 0: 100 ms
	Unit    uint8         // sent as it is: most devices that are no gateway take 0 or 255, some insist on 1
	Timeout time.Duration // as in Options
	// Gap is how many registers that no point needs may be read to save an exchange; sixteen coils count as one. 0: 32. Negative:
	// none, for devices in which reading a register does something.
	Gap int
	// Clock paces the rounds and stamps the values; give it the clock of the rig. Nil: one of the port's own, whose time means
	// nothing to others, so that values say "when it arrived", and the deadline of a write is that of its context alone.
	Clock timebase.Clock
	Dial  func(ctx context.Context, network, addr string) (net.Conn, error) // as in Options
}

// Port is one Modbus TCP device as a board: a tag.Port whose channels are the points it was given.
//
// Watch polls. Each period it reads every point, in as few exchanges as the plan needs, and then emits every value. At is the
// time at which the exchange that brought the value was complete: the device took the value between the request and that,
// so at most Timeout earlier. The first value of each channel, and the first after each reconnection, comes when every point
// was read.
//
// When an exchange fails, Watch closes the connection, emits each channel once with quality Bad, and dials again after 100 ms,
// then after twice as long each time up to 2 s, until ctx ends. So a device that freezes is told within Timeout of the first
// request that it does not answer. A write that fails closes the connection too; Watch comes upon that with its next round.
//
// An exception is an answer and concerns its points only: those are emitted Bad, each round. A block that is refused over an
// address or its size is cut in two, for as long as the connection lasts, so that one wrong address does not hide its neighbours.
type Port struct {
	addr     string
	points   []Point
	channels map[string]*Point
	client   Options
	period   time.Duration
	gap      int
	unit     uint8
	clock    timebase.Clock
	stamps   bool // the clock is that of the rig
	watched  atomic.Bool

	mu       sync.Mutex
	up       *Client // for writes; nil while there is no connection on which every point was read
	connects int
	down     error // why up is nil
}

var _ tag.Port = (*Port)(nil)

// NewPort describes a device at addr, such as "10.0.0.7:502"; it connects to nothing. It copies points and refuses, all at once,
// what cannot be: points without a place, channels twice.
func NewPort(addr string, points []Point, o *PortOptions) (*Port, error) {
	if o == nil {
		o = &PortOptions{}
	}
	p := &Port{
		addr: addr, points: append([]Point(nil), points...), channels: make(map[string]*Point, len(points)),
		client: Options{Timeout: o.Timeout, Dial: o.Dial}, period: o.Period, gap: o.Gap, unit: o.Unit,
		clock: o.Clock, stamps: o.Clock != nil, down: errors.New("not connected yet"),
	}
	if p.period == 0 {
		p.period = defaultPeriod
	}
	if p.gap == 0 {
		p.gap = defaultGap
	}
	p.gap = min(max(p.gap, 0), MaxRead)
	if p.clock == nil {
		p.clock = system.NewClock(1)
	}
	if err := p.describe(o); err != nil {
		return nil, err
	}
	return p, nil
}

// describe checks what the port was given, and finds the channels.
func (p *Port) describe(o *PortOptions) error {
	var wrong []error
	if o.Period < 0 || o.Timeout < 0 {
		wrong = append(wrong, fmt.Errorf("modbus: port %q: period %v, timeout %v: must not be negative", p.addr, o.Period, o.Timeout))
	}
	if len(p.points) == 0 || len(p.points) > MaxPoints {
		return errors.Join(append(wrong, fmt.Errorf("modbus: port %q: %d points: must be 1 to %d", p.addr, len(p.points), MaxPoints))...)
	}
	for i := range p.points {
		pt := &p.points[i]
		err := pt.check()
		if err == nil && p.channels[pt.Channel] != nil {
			err = errors.New("channel has another point already")
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("modbus: port %q: point %d, channel %q: %w", p.addr, i+1, pt.Channel, err))
		}
		p.channels[pt.Channel] = pt
	}
	return errors.Join(wrong...)
}

// State tells how many connections were made on which every point was read, and why there is none now; nil while there is one.
// It may be called from any goroutine.
func (p *Port) State() (connects int, down error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.connects, p.down
}

// Write implements tag.Port: a coil is written by function 5, one register by 6, more by 16. The connection is that of Watch. A
// write waits for at most the one read that is under way; without a connection on which every point was read it fails at once.
//
// Errors: ErrRefused, nothing was written; ErrUnknown, it may have been or be yet; ErrDown and any other, nothing was sent.
func (p *Port) Write(ctx context.Context, w tag.Write) error {
	pt := p.channels[w.Channel]
	if pt == nil {
		return fmt.Errorf("modbus: port %q: channel %q: %w: no such point", p.addr, w.Channel, ErrRefused)
	}
	var buf [4]uint16
	words, err := pt.registers(&w, &buf)
	if err != nil {
		return fmt.Errorf("modbus: port %q: channel %q: %w: %w", p.addr, w.Channel, ErrRefused, err)
	}
	if now := p.clock.Now(); p.stamps && w.Deadline != 0 && now > w.Deadline {
		late := time.Duration(now - w.Deadline)
		return fmt.Errorf("modbus: port %q: channel %q: not begun: deadline over by %v", p.addr, w.Channel, late)
	}
	p.mu.Lock()
	c, down := p.up, p.down
	p.mu.Unlock()
	if c == nil {
		return fmt.Errorf("modbus: port %q: channel %q: %w: %w", p.addr, w.Channel, ErrDown, down)
	}
	switch {
	case pt.Table == Coil:
		err = c.WriteCoil(ctx, p.unit, pt.Address, words[0] == 1)
	case len(words) == 1:
		err = c.WriteRegister(ctx, p.unit, pt.Address, words[0])
	default:
		err = c.WriteRegisters(ctx, p.unit, pt.Address, words)
	}
	if err != nil {
		return fmt.Errorf("channel %q: %w", w.Channel, err)
	}
	return nil
}
