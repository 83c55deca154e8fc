// The lines of a board as a tag.Port.

package linux

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
)

const (
	countEvery = 50 * time.Millisecond // between two values of a counter that runs
	doubtTime  = 10 * time.Millisecond // after which a level that no edge has led to is believed
	settleTime = 5 * time.Millisecond  // for which an output may take to read back what it was set to
	settleStep = time.Millisecond
)

// Port is the GPIO lines of a board as a tag.Port: a channel of form Bool for each input and output, and of form Int for each counter,
// modulo 2^32 from the edges since the board was opened.
//
// Watch emits every channel at once, outputs read back, and then each edge as it comes, with the time at which the kernel took its
// interrupt, on the rig's clock. Every Resend it reads all levels anew. A level that no edge has led to counts when it is read twice,
// 10 ms apart: so no edge that is still on its way is overtaken by what came after it. Where edges are known to be missing the level is
// read again. A line that gives an error is BAD, with every round; one whose chip is gone stays so until the board is opened anew. A
// counter is told every 50 ms while it runs, and is BAD while its edges come faster than its max_rate: then some may be merged.
//
// Write drives an output, reads it back and returns; it takes some system calls, up to 5 ms where the line is slow to follow. One that
// reads back something else is an error: something else drives the line, or it is shorted.
type Port struct {
	resend   time.Duration
	now      func() int64 // the rig's clock
	mono     func() int64 // that of the edges
	wake     chan struct{}
	watching atomic.Bool
	outputs  []*portOutput
	inputs   []*portInput
	counters []*portCounter
}

var _ tag.Port = (*Port)(nil)

type portOutput struct {
	channel string
	line    *Output
	written atomic.Bool // since it was read back
}

type portInput struct {
	channel string
	line    *Input
	high    bool
	doubt   time.Time // when the level is read again and believed; zero: with the next round
}

type portCounter struct {
	channel string
	line    *Input
	rate    int64
	count   uint32
	told    uint32
	tokens  int64     // pulses that may come at once, times 1e9
	at      time.Time // of the value told last
}

// stamp turns a time of the edges' clock into one of the rig's.
func (p *Port) stamp(mono int64) int64 { return max(p.now()-max(p.mono()-mono, 0), 1) }

// Watch implements tag.Port. It returns when ctx ends.
func (p *Port) Watch(ctx context.Context, emit func(tag.Raw)) error {
	if p.watching.Swap(true) {
		return fmt.Errorf("linux: port: it has a Watch already")
	}
	defer p.watching.Store(false)
	defer p.leave()
	p.begin(emit)
	round := time.Now().Add(p.resend)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		whole := !now.Before(round)
		if whole {
			round = now.Add(p.resend)
		}
		next := p.pass(now, whole, emit)
		if next.IsZero() || round.Before(next) {
			next = round
		}
		timer.Reset(time.Until(next))
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-timer.C:
		}
	}
	return nil
}

// begin takes the lines over and emits every channel.
func (p *Port) begin(emit func(tag.Raw)) {
	for _, o := range p.outputs {
		o.emit(p, emit)
	}
	for _, i := range p.inputs {
		_ = i.line.claim(p.wake) // one that is closed is BAD below
		for _, ok := i.line.next(); ok; _, ok = i.line.next() {
		}
		at := p.now()
		high, err := i.line.Get()
		i.high, i.doubt = high, time.Time{}
		i.tell(high, err, at, emit)
	}
	for _, c := range p.counters {
		_ = c.line.claim(p.wake)
		c.drain()
		c.told, c.at, c.tokens = c.count, time.Now(), c.burst()
		c.tell(p, true, emit)
	}
}

// leave lets others watch the lines.
func (p *Port) leave() {
	for _, i := range p.inputs {
		i.line.release()
	}
	for _, c := range p.counters {
		c.line.release()
	}
}

// pass emits what is new, and all in a whole round. It returns when something wants to be looked at again; zero: when something comes.
func (p *Port) pass(now time.Time, whole bool, emit func(tag.Raw)) (next time.Time) {
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, i := range p.inputs {
		i.edges(p, now, emit)
		if i.doubt.IsZero() && whole || !i.doubt.IsZero() && !now.Before(i.doubt) {
			i.level(p, now, emit)
		}
		if !i.doubt.IsZero() {
			sooner(i.doubt)
		}
	}
	for _, o := range p.outputs {
		if o.written.Swap(false) || whole {
			o.emit(p, emit)
		}
	}
	for _, c := range p.counters {
		c.drain()
		switch due := c.at.Add(countEvery); {
		case whole || c.count != c.told && !now.Before(due):
			c.report(p, now, emit)
		case c.count != c.told:
			sooner(due)
		}
	}
	return next
}

// edges emits the edges that wait.
func (i *portInput) edges(p *Port, now time.Time, emit func(tag.Raw)) {
	for e, ok := i.line.next(); ok; e, ok = i.line.next() {
		i.high, i.doubt = e.High, time.Time{}
		if i.tell(e.High, nil, p.stamp(e.Mono), emit); e.Lost > 0 {
			i.doubt = now.Add(doubtTime)
		}
	}
}

// level reads the level anew. One that differs from what the edges say is believed when it is read for the second time.
func (i *portInput) level(p *Port, now time.Time, emit func(tag.Raw)) {
	at := p.now()
	high, err := i.line.Get()
	if err == nil && high != i.high && i.doubt.IsZero() {
		i.doubt = now.Add(doubtTime)
		return
	}
	if i.doubt = (time.Time{}); err == nil {
		i.high = high
	}
	i.tell(high, err, at, emit)
}

// tell emits a level, or that there is none.
func (i *portInput) tell(high bool, err error, at int64, emit func(tag.Raw)) {
	if gone(err) {
		_ = i.line.gone()
	}
	emit(bit(i.channel, high, err, at))
}

// gone tells an error of a line that is not there any more. Any other may pass, such as a bus that did not answer for once.
func gone(err error) bool { return errors.Is(err, syscall.ENODEV) }

// bit is the value of a line.
func bit(channel string, high bool, err error, at int64) tag.Raw {
	r := tag.Raw{Channel: channel, Form: tag.Bool, At: at}
	if err == nil {
		r.Quality = tag.Good
	}
	if err == nil && high {
		r.Bits = 1
	}
	return r
}

// emit emits what an output reads back.
func (o *portOutput) emit(p *Port, emit func(tag.Raw)) {
	at := p.now()
	high, err := o.line.Get()
	emit(bit(o.channel, high, err, at))
}

// drain counts the edges that wait: by their numbers, so that those which the kernel or the line had no room for are counted too.
func (c *portCounter) drain() {
	for e, ok := c.line.next(); ok; e, ok = c.line.next() {
		c.count = e.Seq
	}
}

// burst is how many pulses may come at once, times 1e9: those of a quarter of a second, and two.
func (c *portCounter) burst() int64 { return (c.rate/4 + 2) * 1_000_000_000 }

// report emits a counter, whose pulses since the last time came in time or did not.
func (c *portCounter) report(p *Port, now time.Time, emit func(tag.Raw)) {
	since := min(int64(now.Sub(c.at)), 1_000_000_000)
	c.tokens = min(c.tokens+since*c.rate, c.burst())
	c.tokens -= int64(c.count-c.told) * 1_000_000_000
	inTime := c.tokens >= 0
	c.tokens = max(c.tokens, 0)
	c.told, c.at = c.count, now
	c.tell(p, inTime, emit)
}

// tell emits a counter.
func (c *portCounter) tell(p *Port, inTime bool, emit func(tag.Raw)) {
	at := p.now()
	r := tag.Raw{Channel: c.channel, Form: tag.Int, Bits: uint64(c.count), At: at}
	_, err := c.line.Get()
	if gone(err) {
		_ = c.line.gone()
	}
	if err == nil && inTime {
		r.Quality = tag.Good
	}
	emit(r)
}

// Write implements tag.Port.
func (p *Port) Write(ctx context.Context, w tag.Write) error {
	for _, o := range p.outputs {
		if o.channel == w.Channel {
			return p.drive(ctx, o, w)
		}
	}
	return fmt.Errorf("linux: port: no output %q; there are: %s", w.Channel, p.names())
}

// names lists outputs.
func (p *Port) names() string {
	names := []string{}
	for _, o := range p.outputs[:min(len(p.outputs), maxNamed)] {
		names = append(names, o.channel)
	}
	if more := len(p.outputs) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// drive sets an output and sees that it follows.
func (p *Port) drive(ctx context.Context, o *portOutput, w tag.Write) error {
	if w.Form != tag.Bool || w.Bits > 1 {
		return fmt.Errorf("linux: port: output %q: %s %d: it takes bool, 0 or 1", o.channel, w.Form, w.Bits)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("linux: port: output %q: not begun: %w", o.channel, err)
	}
	if now := p.now(); w.Deadline != 0 && now > w.Deadline {
		return fmt.Errorf("linux: port: output %q: not begun, its deadline is over for %d us: %w", o.channel, (now-w.Deadline)/1000,
			context.DeadlineExceeded)
	}
	want := w.Bits == 1
	err := o.line.Set(want)
	for waited := time.Duration(0); err == nil; waited += settleStep {
		high := false
		if high, err = o.line.Get(); err != nil || high == want {
			break
		}
		if waited >= settleTime {
			err = fmt.Errorf("it reads back %d after it was set to %d: something else drives the line, or it is shorted", 1-w.Bits, w.Bits)
			break
		}
		pause(ctx, settleStep)
	}
	o.written.Store(true)
	signal(p.wake)
	if err != nil {
		return fmt.Errorf("linux: port: output %q: %w", o.channel, err)
	}
	return nil
}

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
