// The simulated GPIO lines: a contact that bounces, and input and output lines with the manners of the kernel's.

package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/timebase"
)

// Bounce is the declared bounce time of every simulated contact: after a change the level may flicker for less than this, and
// then stays.
const Bounce = 5 * time.Millisecond

// LineBuffer is how many edges a line keeps for a reader that is late, as in the kernel. Beyond it the oldest edge is lost.
const LineBuffer = 16

// contact is a switch that bounces. Its zero value is open, low and at rest.
type contact struct {
	seed, signal uint64
	changes      uint64   // so far; each bounces in its own way
	target       bool     // the level it comes to rest at
	high         bool     // the level that shows now
	due          [8]int64 // when the level will turn over, ascending
	from, to     int      // the part of due that is still to come
}

// change moves the contact to high at time now: an edge at once and up to three pairs of edges within Bounce. Edges of an
// earlier change that have not come yet are forgotten.
func (c *contact) change(now int64, high bool) {
	n := int64(0)
	if c.high != high {
		n = 1
	}
	r := draw(c.seed, c.signal, c.changes<<8)
	n += 2 * int64(r%4)
	c.from, c.to = 0, int(n)
	for i := range n {
		slot := int64(Bounce) / n
		c.due[i] = now + i*slot
		if i > 0 {
			c.due[i] += int64(draw(c.seed, c.signal, c.changes<<8+uint64(i)) % uint64(slot))
		}
	}
	c.target = high
	c.changes++
}

// next returns when the level turns over next; ok is false at rest.
func (c *contact) next() (at int64, ok bool) {
	if c.from == c.to {
		return 0, false
	}
	return c.due[c.from], true
}

// turn carries out the next turn-over.
func (c *contact) turn() {
	c.high = !c.high
	c.from++
}

// signalOf gives a line's name a place among the signals of draw (FNV-1a).
func signalOf(name string) uint64 {
	h := uint64(0xCBF29CE484222325)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001B3
	}
	return h
}

// Input is an input line of a Board and implements hal.InputLine.
type Input struct {
	board    *Board
	name     string
	contact  contact
	buffer   []hal.Edge
	seq      uint32
	wake     chan struct{}
	watching bool
	closed   bool

	shown   bool  // the level that the line has
	stuck   int64 // until when it keeps it
	chatter int64 // until when the contact chatters
	flip    int64 // when it does next
	flipped bool
	flips   uint64 // so far
}

var _ hal.InputLine = (*Input)(nil)

// Drive is the plant's side: the contact on the line changes to high at now, and the board's time moves there. The bounces
// that follow show as the board's time passes them. The level does not depend on the board's power.
func (l *Input) Drive(now int64, high bool) {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	l.board.advance(now)
	l.contact.change(l.board.now, high)
	l.advance(l.board.now)
}

// Get implements hal.InputLine.
func (l *Input) Get() (high bool, err error) {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	return l.shown, l.board.ready("input line", l.name, l.closed)
}

// Watch implements hal.InputLine. A power cut ends it with hal.ErrPowerLost.
func (l *Input) Watch(ctx context.Context, emit func(hal.Edge)) error {
	if err := l.claim(); err != nil {
		return err
	}
	defer l.release()
	for {
		edges, err := l.take()
		for _, e := range edges {
			emit(e)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		}
	}
}

// Close implements hal.InputLine.
func (l *Input) Close() error {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	l.closed = true
	signal(l.wake)
	return nil
}

func (l *Input) claim() error {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	if l.watching {
		return fmt.Errorf("sim: input line %q: it has a Watch already", l.name)
	}
	l.watching = true
	return nil
}

func (l *Input) release() {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	l.watching = false
}

func (l *Input) take() (edges []hal.Edge, err error) {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	edges, l.buffer = l.buffer, nil
	return edges, l.board.ready("input line", l.name, l.closed)
}

// signalChatter of draw: when a contact that chatters turns over.
const signalChatter = 1 << 36

// next is when the line may change next; timebase.Never is never.
func (l *Input) next() int64 {
	at := int64(timebase.Never)
	if t, ok := l.contact.next(); ok {
		at = t
	}
	if l.chatter > 0 {
		at = min(at, l.flip)
	}
	if l.stuck > 0 {
		at = min(at, l.stuck)
	}
	return at
}

// advance does everything up to now.
func (l *Input) advance(now int64) {
	for at := l.next(); at <= now; at = l.next() {
		if t, ok := l.contact.next(); ok && t <= at {
			l.contact.turn()
		} else if l.chatter > 0 && l.flip <= at {
			l.flipped = !l.flipped
			l.flips++
			r := draw(l.board.seed, l.contact.signal+signalChatter, l.flips)
			l.flip = at + int64(200*time.Microsecond) + int64(r%uint64(800*time.Microsecond))
			if at >= l.chatter {
				l.chatter, l.flipped = 0, false
			}
		}
		if at >= l.stuck {
			l.stuck = 0
		}
		l.show(at)
	}
}

// show lets the line have the level of its contact, unless it is stuck.
func (l *Input) show(at int64) {
	high := l.contact.high != l.flipped
	if high == l.shown || l.stuck > 0 {
		return
	}
	l.shown = high
	if l.board.off || l.closed {
		return
	}
	l.seq++
	if len(l.buffer) == LineBuffer {
		gone := l.buffer[0]
		l.buffer = append(l.buffer[:0], l.buffer[1:]...)
		l.buffer[0].Lost += gone.Lost + 1
	}
	l.buffer = append(l.buffer, hal.Edge{Mono: at, High: high, Seq: l.seq})
	signal(l.wake)
}

// Output is an output line of a Board and implements hal.OutputLine. Closed, or without power, it is low.
type Output struct {
	board  *Board
	name   string
	high   bool
	closed bool
	stuck  int64    // until when it keeps its level
	wired  []*Input // that follow it
}

var _ hal.OutputLine = (*Output)(nil)

// Set implements hal.OutputLine.
func (l *Output) Set(high bool) error {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	if err := l.board.ready("output line", l.name, l.closed); err != nil {
		return err
	}
	l.drive(high)
	return nil
}

// drive lets the line, and the inputs that are wired to it, have a level, unless it is stuck.
func (l *Output) drive(high bool) {
	if l.board.now < l.stuck {
		return
	}
	l.high = high
	for _, in := range l.wired {
		in.contact.target, in.contact.high = high, high
		in.contact.from, in.contact.to = 0, 0
		in.show(l.board.now)
	}
}

// Connect wires an output to an input, so that the input has the level of the output from now on, without a contact that bounces: the
// loop that a suite of package haltest asks for. Both are made on first use.
func (b *Board) Connect(output, input string) {
	out, in := b.Output(output), b.Input(input)
	b.mu.Lock()
	defer b.mu.Unlock()
	out.wired = append(out.wired, in)
	out.drive(out.high)
}

// Get implements hal.OutputLine.
func (l *Output) Get() (high bool, err error) {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	return l.high, l.board.ready("output line", l.name, l.closed)
}

// Close implements hal.OutputLine.
func (l *Output) Close() error {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	l.drive(false)
	l.closed = true
	return nil
}
