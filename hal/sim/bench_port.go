// The bench as a port: what it shows, and when, in real and in virtual time.

package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// read is what an instrument shows after the newest step.
func (b *Bench) read(ch int) uint64 {
	noise := func(signal uint64, span int64) int64 { return within(draw(b.opt.Seed, signal, uint64(b.step)), span) }
	switch ch {
	case 0:
		return bit(b.out)
	case 1:
		return uint64(uint32(b.counterStart[0] + b.count[0]))
	case 2:
		return uint64(uint16(b.counterStart[1] + b.count[1]))
	case 3:
		t := b.total / TotalMass
		if b.opt.Modulus > 0 {
			t %= b.opt.Modulus
		}
		return uint64(t)
	case 4:
		return uint64(b.id)
	case 5:
		flow := b.damped * perSecond / 1024
		return uint64(max(0, min((flow*65535+BenchSpan/2)/BenchSpan+noise(benchADC, ADCNoise), 65535)))
	case 6:
		flow := b.damped * perSecond / 1024
		return uint64(float32Bits((flow+flow/1_000_000*noise(benchFloat, FloatNoise))*60, kilogram))
	}
	shake := int64(ScaleNoise)
	if b.flow > 0 {
		shake = ScaleShake
	}
	return uint64((b.opt.Tare+b.arrived+ScaleMass/2)/ScaleMass + noise(benchScale, shake))
}

// Next returns the monotonic ns before which the bench has nothing to emit, unless something is asked of it in between. Before the first
// Advance it is 0.
func (b *Bench) Next() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next()
}

func (b *Bench) next() int64 {
	if !b.started {
		return 0
	}
	at := b.origin + (b.step/b.every+1)*b.every*stepNS
	if len(b.writes) > 0 {
		at = min(at, b.writes[0].at)
	}
	return at
}

// Advance moves the bench to now, in monotonic ns, and emits all that is due by then in order of time, at one time in the order of the
// channels; a nil emit drops it. A time in the past does nothing. The first Advance emits every channel once.
func (b *Bench) Advance(now int64, emit func(tag.Raw)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now, emit)
}

func (b *Bench) advance(now int64, emit func(tag.Raw)) {
	if b.start(now) {
		b.show(now, emit)
	}
	for {
		at := b.origin + (b.step+1)*stepNS
		write := len(b.writes) > 0 && b.writes[0].at < at
		if write {
			at = b.writes[0].at
		}
		if at > now {
			b.now = max(b.now, now)
			return
		}
		b.now = max(b.now, at)
		if write {
			b.out = b.writes[0].v != 0
			b.writes = b.writes[1:]
			b.send(at, 0, emit)
			continue
		}
		if b.doStep(); b.step%b.every == 0 {
			b.show(at, emit)
		}
	}
}

func (b *Bench) start(now int64) (first bool) {
	if b.started {
		return false
	}
	b.started, b.origin, b.now = true, now, now
	return true
}

func (b *Bench) show(at int64, emit func(tag.Raw)) {
	for ch := range benchChannels {
		b.send(at, ch, emit)
	}
}

func (b *Bench) send(at int64, ch int, emit func(tag.Raw)) {
	if emit == nil || b.faulty(BenchSilent, ch, at) {
		return
	}
	r := tag.Raw{Channel: benchChannels[ch].name, Form: benchChannels[ch].form, Bits: b.read(ch), Quality: tag.Good, At: at}
	if b.faulty(BenchBad, ch, at) {
		r.Quality = tag.Bad
	}
	emit(r)
}

// Apply carries out w, asked for at now: it is done WriteTime later. The bench has one output, do/1.
func (b *Bench) Apply(now int64, w tag.Write) (done int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.apply(now, w)
}

func (b *Bench) apply(now int64, w tag.Write) (done int64, err error) {
	b.start(now)
	now = max(now, b.now)
	done = now + int64(WriteTime)
	switch {
	case w.Channel != benchChannels[0].name || w.Form != tag.Bool:
		return now, fmt.Errorf("sim: bench: write of form %s to %q: the one output is do/1, of form bool", w.Form, w.Channel)
	case len(b.writes) >= MaxWrites:
		return now, fmt.Errorf("sim: bench: write to %q: refused, %d writes are under way", w.Channel, MaxWrites)
	case w.Deadline > 0 && done > w.Deadline:
		return w.Deadline, fmt.Errorf("sim: bench: write to %q: not begun: %w", w.Channel, context.DeadlineExceeded)
	}
	b.writes = append(b.writes, pending{at: done, v: int64(w.Bits & 1)})
	return done, nil
}

var errBench = errors.New("sim: bench has no clock, or a Watch already: give it one with On, or use Advance and Apply")

// Watch implements tag.Port. One Watch at a time.
func (b *Bench) Watch(ctx context.Context, emit func(tag.Raw)) error {
	b.mu.Lock()
	clock := b.clock
	if clock == nil || b.emit != nil {
		b.mu.Unlock()
		return errBench
	}
	b.emit = emit
	if now := clock.Now(); b.started {
		b.advance(now, nil)
		b.show(now, emit)
	}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.emit = nil
	}()
	for {
		err := clock.Wait(ctx, b.pass(clock))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("sim: bench: clock: %w", err)
		}
	}
}

// pass lets the Watch under way have what is due, and returns when more will be.
func (b *Bench) pass(clock timebase.Clock) (next int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.emit != nil {
		b.advance(clock.Now(), b.emit)
	}
	return b.next()
}

// Write implements tag.Port. When ctx ends first, the write may still be carried out.
func (b *Bench) Write(ctx context.Context, w tag.Write) error {
	b.mu.Lock()
	clock := b.clock
	if clock == nil {
		b.mu.Unlock()
		return errBench
	}
	done, err := b.apply(clock.Now(), w)
	b.mu.Unlock()
	if err != nil {
		return err
	}
	if err := clock.Wait(ctx, done); err != nil {
		return fmt.Errorf("sim: bench: write to %q: no answer: %w", w.Channel, err)
	}
	b.pass(clock)
	return nil
}

// Settling is after how long, from the end of a write that shuts the valve, all that flows has fallen, and the damped flow is less than
// a thousandth of what it was.
func (b *Bench) Settling() time.Duration {
	return time.Duration(300_000_000+inFlight*stepNS+7*b.opt.Damping) + 2*WriteTime
}
