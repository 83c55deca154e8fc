// Watch: the loop that owns the line, one exchange after the other.

package line

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Watch implements tag.Port. The first values of a device are what it gave once all its control tags were read; or Bad, as soon as it
// could not be reached. It returns nil when ctx has ended, within 5 ms if the drivers end their calls with their context, and an
// error if a Watch is under way already; a device that cannot be reached is no error but bad values.
func (l *Line) Watch(ctx context.Context, emit func(tag.Raw)) error {
	if l.watched.Swap(true) {
		return fmt.Errorf("line: of %q: has a Watch already; end it first", l.devices[0].name)
	}
	defer l.watched.Store(false)
	l.turn <- struct{}{} // without a Watch no write keeps it for long
	own := true
	defer func() { // after a panic of a driver, too
		if !own {
			l.turn <- struct{}{}
		}
		l.finish()
		l.deliver(emit)
	}()
	l.begin(ctx)
	alarm := l.clock.Alarm(l.wake)
	defer alarm.Stop()
	for ctx.Err() == nil {
		next := l.next(ctx)
		<-l.turn // a write that waits has it now
		own = false
		l.deliver(emit)
		if next > l.clock.Now() {
			alarm.Set(next)
			select {
			case <-ctx.Done():
			case <-l.kick:
			}
		}
		l.take(ctx)
		own = true
	}
	return nil
}

// take takes the turn. Where ctx has ended, a write that has it is ended too.
func (l *Line) take(ctx context.Context) {
	select {
	case l.turn <- struct{}{}:
		return
	default:
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		l.mu.Lock()
		l.watching = false
		if l.stop != nil {
			l.stop()
		}
		l.mu.Unlock()
		l.turn <- struct{}{}
	}
}

// wake makes Watch look again.
func (l *Line) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// begin starts afresh: nothing is known of any channel.
func (l *Line) begin(ctx context.Context) {
	l.ctx = ctx
	l.unsay()
	l.measures, l.sweeps = l.clock.Now()+measureEvery, math.MaxInt64
	for _, c := range l.channels {
		l.bad(c, fieldbus.StatusWaiting) // for who asks; it is not emitted yet
	}
	l.mu.Lock()
	l.watching = true
	l.mu.Unlock()
	for _, d := range l.devices {
		d.fresh, d.disown = true, false
		if d.link.State() == fieldbus.Down && d.link.Wake() > l.clock.Now() {
			l.disclaim(d, fieldbus.StatusNotConnected) // it waits for its next try
		}
	}
}

// errUnwatched is why links are down between one Watch and the next.
var errUnwatched = errors.New("nobody watches the line any more")

// finish closes what is open, and gives the turn back.
func (l *Line) finish() {
	defer func() { <-l.turn }()
	l.mu.Lock()
	l.watching = false
	l.mu.Unlock()
	for _, d := range l.devices {
		l.down(d, errUnwatched)
		l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Refused, Detail: errUnwatched.Error()})
		l.close(d)
	}
	l.measure(l.measures)
}

// next does one thing that is due, and tells when there is something to do again. The turn is the caller's. A device that has just had a
// turn, in which it may have kept the line waiting for an answer, lets the reads of others go before its link is made anew, once.
func (l *Line) next(ctx context.Context) int64 {
	when := l.tick()
	if l.pending() {
		return 0 // it is told before an exchange takes its time
	}
	d, soonest := l.waiting()
	g, due := l.scan.next(l.clock.Now())
	switch {
	case d != nil && (g == nil || l.passed || d != l.last):
		l.last, l.passed = d, false
		l.carryOut(ctx, d)
	case g != nil:
		l.last, l.passed = g.dev, d != nil
		l.read(ctx, g)
	default:
		return min(when, soonest, due)
	}
	return 0
}

// tick brings links, measures and heartbeats up to now, and tells when that is wanted again.
func (l *Line) tick() (when int64) {
	now := l.clock.Now()
	l.measure(now)
	l.sweep(now)
	when = math.MaxInt64
	held := l.held.Load()
	for _, d := range l.devices {
		if d.held != held {
			d.held = held
			l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Held, Count: count(held)})
		}
		if d.link.Wake() <= now {
			l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Tick})
		}
		when = min(when, d.link.Wake(), d.beat.due(d))
	}
	return min(when, l.measures, l.sweeps)
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// waiting gives the device whose job was asked for first of those that may begin, or when one may.
func (l *Line) waiting() (first *device, soonest int64) {
	now := l.clock.Now()
	soonest = math.MaxInt64
	for _, d := range l.devices {
		switch {
		case d.job.kind == 0:
			if d.beat.due(d) <= now && first == nil {
				first = d
			}
		case d.job.after > now:
			soonest = min(soonest, d.job.after)
		case first == nil || first.job.kind == 0 || d.job.order < first.job.order:
			first = d
		}
	}
	return first, soonest
}

// carryOut does what a link wants done.
func (l *Line) carryOut(ctx context.Context, d *device) {
	kind := d.job.kind
	switch kind {
	case fieldbus.Open:
		d.job.kind = 0
		l.open(ctx, d)
	case fieldbus.Probe:
		d.job.kind = 0
		l.prove(d.session(ctx), d)
	case fieldbus.Sync: // it stays until all is read
		l.sync(ctx, d)
	default:
		l.life(ctx, d)
	}
}
