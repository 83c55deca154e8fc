// Poll: the rounds of reads behind Watch, and what happens when one fails.

package modbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
)

// The pause before a connection is tried again: the first, and the longest.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// poller is one Watch under way.
type poller struct {
	port  *Port
	emit  func(tag.Raw)
	last  *Client // of the connection before
	plan  *plan
	all   []*Point
	words [MaxRead]uint16
	coils [MaxCoils]bool
	raws  map[*Point]*tag.Raw
	out   []tag.Raw // in the order of the points
}

func newPoller(p *Port, emit func(tag.Raw)) *poller {
	w := &poller{
		port: p, emit: emit,
		out: make([]tag.Raw, len(p.points)), raws: make(map[*Point]*tag.Raw, len(p.points)),
	}
	for i := range p.points {
		w.raws[&p.points[i]] = &w.out[i]
		w.all = append(w.all, &p.points[i])
		w.out[i] = tag.Raw{Channel: p.points[i].Channel, Form: p.points[i].Form}
	}
	return w
}

// Watch implements tag.Port. It returns nil when ctx has ended, within 5 ms, and an error if a Watch is under way already or the
// clock fails; a device that cannot be reached is no error but bad values.
func (p *Port) Watch(ctx context.Context, emit func(tag.Raw)) error {
	if p.watched.Swap(true) {
		return fmt.Errorf("modbus: port %q: has a Watch already", p.addr)
	}
	defer p.watched.Store(false)
	w := newPoller(p, emit)
	pause, told := firstPause, false
	for {
		synced, err := w.connection(ctx)
		p.lost(err)
		if ended(ctx) != nil {
			return nil
		}
		if synced {
			pause, told = firstPause, false
		}
		if !told {
			w.disown(w.all)
			w.tell()
			told = true
		}
		if err := p.clock.Wait(ctx, p.clock.Now()+int64(pause)); err != nil {
			if ended(ctx) != nil {
				return nil
			}
			return fmt.Errorf("modbus: port %q: clock: %w", p.addr, err)
		}
		pause = min(2*pause, longestPause)
	}
}

// connection dials and polls until something fails. Synced tells whether every point was read once.
func (w *poller) connection(ctx context.Context) (synced bool, err error) {
	p := w.port
	o := p.client
	o.After = w.last
	c, err := Dial(ctx, p.addr, &o)
	if err != nil {
		return false, err
	}
	w.last = c
	defer func() { _ = c.Close() }() // what ended it is what matters
	w.plan = newPlan(p.points, p.gap)
	for next := p.clock.Now(); ; {
		if err := w.round(ctx, c); err != nil {
			return synced, err
		}
		if !synced {
			p.reached(c)
			synced = true
		}
		w.tell()
		next = max(next+int64(p.period), p.clock.Now())
		if err := p.clock.Wait(ctx, next); err != nil {
			return synced, err
		}
	}
}

// round reads every point once.
func (w *poller) round(ctx context.Context, c *Client) error {
	for i := 0; i < len(w.plan.blocks); i++ {
		b := w.plan.blocks[i]
		err := w.read(ctx, c, b)
		if err == nil {
			w.take(b)
			continue
		}
		switch e, answered := errors.AsType[Exception](err); {
		case !answered:
			return err
		case (e == IllegalAddress || e == IllegalValue) && w.plan.split(i):
			i--
		default:
			w.disown(w.plan.points[b.from:b.to])
		}
	}
	return nil
}

// read fetches a block.
func (w *poller) read(ctx context.Context, c *Client, b block) error {
	switch b.table {
	case Coil:
		return c.ReadCoils(ctx, w.port.unit, b.first, w.coils[:b.count])
	case Holding:
		return c.ReadHolding(ctx, w.port.unit, b.first, w.words[:b.count])
	default:
		return c.ReadInput(ctx, w.port.unit, b.first, w.words[:b.count])
	}
}

// take makes values of a block that was read just now.
func (w *poller) take(b block) {
	at := w.now()
	for _, pt := range w.plan.points[b.from:b.to] {
		raw, i := w.raws[pt], pt.Address-b.first
		bits, ok := uint64(0), true
		if pt.Table != Coil {
			bits, ok = pt.value(w.words[i:])
		} else if w.coils[i] {
			bits = 1
		}
		raw.Bits, raw.Quality, raw.At = bits, tag.Good, at
		if !ok {
			raw.Quality = tag.Bad
		}
	}
}

// disown makes points bad as of now.
func (w *poller) disown(points []*Point) {
	at := w.now()
	for _, pt := range points {
		raw := w.raws[pt]
		raw.Bits, raw.Quality, raw.At = 0, tag.Bad, at
	}
}

// tell emits every channel, in the order of the points.
func (w *poller) tell() {
	for i := range w.out {
		w.emit(w.out[i])
	}
}

// now is what values are stamped with.
func (w *poller) now() int64 {
	if !w.port.stamps {
		return 0
	}
	return w.port.clock.Now()
}

// reached takes c into use for writes.
func (p *Port) reached(c *Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up, p.down = c, nil
	p.connects++
}

// lost takes note that there is no connection, and why.
func (p *Port) lost(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up, p.down = nil, why
}
