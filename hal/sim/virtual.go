// The plant in virtual time: what is due when, and in which order.

package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/iomap/tag"
)

// WriteTime is how long the plant's devices take to carry out a write and to confirm it.
const WriteTime = time.Millisecond

// MaxWrites is how many writes may be under way at a time; one more is refused.
const MaxWrites = 256

// pending is something that was asked for and happens at a time.
type pending struct {
	at   int64
	what uint8
	out  int
	v    int64
}

const (
	doWrite uint8 = iota
	doShow        // emit every channel
	doCut
	doBoot
)

// Next returns the monotonic ns before which the plant has nothing to emit, unless something is asked of it in between. At that
// time there may be nothing after all. Before the first Advance it is 0.
func (p *Plant) Next() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next()
}

// Advance moves the plant to now, in monotonic ns, and emits all that is due by then in order of time, and at one time in a fixed
// order; a nil emit drops it. A time in the past does nothing. The first Advance, and the first after Boot, emits every channel
// once.
func (p *Plant) Advance(now int64, emit func(tag.Raw)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(now, emit)
}

// Apply carries out w, asked for at now, and returns when the answer is there: at done the write is carried out and confirmed,
// or err tells why it is not. An answer later than w.Deadline becomes an error at the deadline, as it does for who waits; the
// write has then not been begun, or is carried out late, and err says which. A Deadline of 0 is none.
func (p *Plant) Apply(now int64, w tag.Write) (done int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.apply(now, w)
}

// PowerCut takes the controller's power away at now: outputs drop, writes under way are lost, and until Boot nothing is emitted
// and every write is refused. The process goes on.
func (p *Plant) PowerCut(now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start(now)
	now = max(now, p.now)
	p.queue = slices.DeleteFunc(p.queue, func(q pending) bool { return q.at > now && q.what == doWrite })
	p.down, p.answers = true, [outputs]int64{}
	p.push(pending{at: now, what: doCut})
}

// Boot lets the controller come up at now, with its power back or without having lost it. A write of its life before that is still under
// way never arrives. Outputs that are off stay off until they are written.
func (p *Plant) Boot(now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start(now)
	p.queue = slices.DeleteFunc(p.queue, func(q pending) bool { return q.at > now && q.what == doWrite })
	p.down, p.answers = false, [outputs]int64{}
	p.push(pending{at: max(now, p.now), what: doBoot})
}

func (p *Plant) start(now int64) {
	if p.started {
		return
	}
	p.started, p.origin, p.now = true, now, now
	for i := range p.faults {
		f := &p.faults[i]
		f.begin(now)
		if f.At == now {
			f.At-- // so that the first values are in it
		}
	}
	p.push(pending{at: now, what: doShow})
}

// push adds to the queue behind what happens at the same time.
func (p *Plant) push(q pending) {
	i := len(p.queue)
	for i > 0 && p.queue[i-1].at > q.at {
		i--
	}
	p.queue = slices.Insert(p.queue, i, q)
}

func (p *Plant) at(step int64) int64 { return p.origin + step*stepNS }

// advance does everything up to now. At one time, the step of the process comes first, then the edges, then the queue: what was
// asked for at a time finds all else of that time done, whether the plant had come to that time when it was asked or not.
func (p *Plant) advance(now int64, emit func(tag.Raw)) {
	p.start(now)
	for {
		at, edge := p.at(p.step+1), -1
		for i := range p.contacts {
			if t, ok := p.contacts[i].next(); ok && t < at {
				at, edge = t, i
			}
		}
		queued := len(p.queue) > 0 && p.queue[0].at < at
		if queued {
			at = p.queue[0].at
		}
		switch {
		case at > now:
			p.now = max(p.now, now)
			return
		case queued:
			q := p.queue[0]
			p.queue = slices.Delete(p.queue, 0, 1)
			p.happen(q, emit)
		case edge >= 0:
			p.contacts[edge].turn()
			if !p.active(Stuck, chDI+edge, at) {
				p.send(at, chDI+edge, emit)
			}
		default:
			p.doStep(at, emit)
		}
		p.now = max(p.now, at)
	}
}

// doStep does the next step of the process, which is at time at.
func (p *Plant) doStep(at int64, emit func(tag.Raw)) {
	p.step++
	p.settle(at, emit)
	var leak, block [2]bool
	for line := range 2 {
		leak[line], block[line] = p.active(Leak, line, at), p.active(Block, line, at)
	}
	m := &p.process
	m.step(p.step, &p.out, leak, block)
	for i, high := range [...]bool{
		m.valve[0] >= openSwitch, m.valve[2] >= openSwitch, m.valve[4] >= openSwitch,
		!p.active(EStop, 0, at), m.stirrer >= spinSwitch,
	} {
		if p.contacts[i].target != high {
			p.contacts[i].change(at, high)
		}
	}
	if !due(p.step) {
		return
	}
	for ch := range channels {
		if p.step%channels[ch].every == channels[ch].phase {
			p.send(at, ch, emit)
		}
	}
}

// happen does what was queued.
func (p *Plant) happen(q pending, emit func(tag.Raw)) {
	switch q.what {
	case doWrite:
		p.command[q.out] = q.v
		p.settle(q.at, emit)
	case doCut:
		p.dark = true
		p.settle(q.at, emit)
	case doBoot:
		p.dark = false
		p.show(q.at, emit)
	case doShow:
		p.show(q.at, emit)
	}
}

func (p *Plant) show(at int64, emit func(tag.Raw)) {
	for ch := range channels {
		p.send(at, ch, emit)
	}
}

// settle lets the outputs follow their commands, as far as the faults allow, and emits those that change.
func (p *Plant) settle(at int64, emit func(tag.Raw)) {
	if p.dark || p.unsupplied(at) {
		p.command = [outputs]int64{}
	}
	if p.command == p.out {
		return
	}
	for i, v := range p.command {
		if v != p.out[i] && !p.active(Stuck, chOut+i, at) {
			p.out[i] = v
			p.send(at, chOut+i, emit)
		}
	}
}

// send emits channel ch as it reads at time at, unless a fault or the lack of power keeps it back.
func (p *Plant) send(at int64, ch int, emit func(tag.Raw)) {
	if emit == nil || p.dark || p.active(Frozen, 0, at) || p.active(Silent, ch, at) {
		return
	}
	r := tag.Raw{Channel: channels[ch].name, Form: channels[ch].form, Bits: p.read(ch), Quality: tag.Good, At: at}
	if ch < chOut && p.wasShown[ch] && p.active(Stuck, ch, at) {
		r.Bits = p.shown[ch]
	}
	p.shown[ch], p.wasShown[ch] = r.Bits, true
	if p.active(Bad, ch, at) {
		r.Quality = tag.Bad
	}
	emit(r)
}

func (p *Plant) next() int64 {
	if !p.started {
		return 0
	}
	step := p.step + 1
	soon := p.at(step)
	for !due(step) {
		step++
	}
	next := p.at(step)
	if p.process.moving(&p.out) || p.command != p.out {
		next = soon
	}
	for i := range p.faults {
		// While a fault lasts, and at its end, any step may change something.
		if f := &p.faults[i]; f.end >= p.at(p.step) {
			next = min(next, max(soon, f.At))
		}
	}
	if len(p.queue) > 0 {
		next = min(next, p.queue[0].at)
	}
	for i := range p.contacts {
		if t, ok := p.contacts[i].next(); ok {
			next = min(next, t)
		}
	}
	return next
}

func (p *Plant) apply(now int64, w tag.Write) (done int64, err error) {
	p.start(now)
	now = max(now, p.now)
	out, v, err := p.target(w)
	if err != nil {
		return now, err
	}
	begin := p.thaw(now) // what is asked for now meets the faults that begin now, and no longer those that end now
	if w.Deadline > 0 && begin > w.Deadline {
		return max(now, w.Deadline), fmt.Errorf("sim: write to %q: not begun: %w", w.Channel, context.DeadlineExceeded)
	}
	done = begin + int64(WriteTime)
	switch {
	case p.active(Refuse, chOut+out, begin+1):
		err = fmt.Errorf("sim: write to %q: refused by the device", w.Channel)
	case v != 0 && p.unsupplied(begin+1):
		err = fmt.Errorf("sim: write to %q: refused, the outputs have no power", w.Channel)
	case len(p.queue) >= MaxWrites:
		err = fmt.Errorf("sim: write to %q: refused, %d writes are under way", w.Channel, MaxWrites)
	default:
		// A device carries out the writes to one output in the order in which they came.
		done = max(done+p.delay(chOut+out, begin+1), p.answers[out])
		p.answers[out] = done
		p.push(pending{at: done, what: doWrite, out: out, v: v})
	}
	if w.Deadline > 0 && done > w.Deadline && err == nil {
		return w.Deadline, fmt.Errorf("sim: write to %q: begun, not confirmed: %w", w.Channel, context.DeadlineExceeded)
	}
	return done, err
}

// target returns which output w means, and the value.
func (p *Plant) target(w tag.Write) (out int, v int64, err error) {
	ch := channelOf(w.Channel)
	switch {
	case p.down:
		return 0, 0, fmt.Errorf("sim: write to %q: %w", w.Channel, hal.ErrPowerLost)
	case ch < 0:
		return 0, 0, fmt.Errorf("sim: write to %q: no such channel", w.Channel)
	case ch < chOut:
		return 0, 0, fmt.Errorf("sim: write to %q: not an output", w.Channel)
	case w.Form != channels[ch].form:
		return 0, 0, fmt.Errorf("sim: write to %q: a value of form %s: want %s", w.Channel, w.Form, channels[ch].form)
	}
	v = int64(w.Bits)
	if w.Form == tag.Bool {
		v &= 1
	} else if v < 0 || v > MaxSetPoint {
		return 0, 0, fmt.Errorf("sim: write to %q: value %d: want 0 to %d", w.Channel, v, MaxSetPoint)
	}
	return ch - chOut, v, nil
}

// MaxSetPoint is the greatest value of ao/1, in 0.1 Cel.
const MaxSetPoint = 1000

// thaw returns when a device that is asked at t begins to work.
func (p *Plant) thaw(t int64) int64 {
	for again := true; again; {
		again = false
		for i := range p.faults {
			if f := &p.faults[i]; f.covers(Frozen, 0, t+1) {
				t, again = f.end, true
			}
		}
	}
	return t
}
