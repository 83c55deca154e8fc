// Write: an output takes a value, or it is said why not; and what was not confirmed is read back before it is written again.

package line

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// open is a write whose outcome is unknown, until the point is read.
type open struct {
	id   uint32
	form tag.Form
	bits uint64
}

// Write implements tag.Port. It waits for at most the exchange that is under way on the line, and goes before the next read.
//
// It is blocked while the link of the device does not pass writes, and while the point is not GOOD: whoever
// does not know how the plant stands does not command it. A point that cannot be read is judged by when its device answered last, which must
// not be longer ago than the least stale budget of what is read of it. A
// write with Safe set, towards the safe value, is tried wherever there is a connection to the device that the map names, stale or not:
// the safe side comes first.
//
// Nil means that the device has confirmed the write, or that the point was found to have the value when it was read back, and no write of
// another value may arrive yet.
// fieldbus.ErrUnknown means that it may have been carried out, or be yet; then the connection is given up, or the device has to prove
// what it answers to. The point is read before it is written again, by the next poll or by the next write, unless it cannot be read. Any
// other error wraps fieldbus.ErrRefused: nothing was written. So does that of a write whose turn did not come before its deadline or the
// end of ctx.
func (l *Line) Write(ctx context.Context, w tag.Write) error {
	c := l.byName[w.Channel]
	if c == nil {
		return fmt.Errorf("line: channel %q: %w: the devices of this line do not have it", w.Channel, fieldbus.ErrRefused)
	}
	err := l.reachable(c)
	if err == nil {
		err = l.write(ctx, c, &w)
	}
	if err != nil {
		if !errors.Is(err, fieldbus.ErrUnknown) && !errors.Is(err, fieldbus.ErrRefused) { // nothing was sent, or it would be unknown
			err = fmt.Errorf("%w: %w", fieldbus.ErrRefused, err)
		}
		l.told(c, &w, err)
		err = fmt.Errorf("line: device %q: channel %q: %w", c.dev.name, w.Channel, err)
	}
	l.deliver(nil)
	return err
}

// reachable refuses at once, without waiting for the line, where there is no connection.
func (l *Line) reachable(c *channel) error {
	if c.point.Access == fieldbus.ReadOnly {
		return fmt.Errorf("%w: point %s is read only", fieldbus.ErrRefused, c.point.Name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.dev.connected {
		return unreachable(c.dev)
	}
	return nil
}

func unreachable(d *device) error {
	return fmt.Errorf("%w: %w: %s", fieldbus.ErrRefused, fieldbus.ErrDown, d.view.Down)
}

// write waits for the turn and writes.
func (l *Line) write(ctx context.Context, c *channel, w *tag.Write) error {
	begun := l.clock.Now()
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("not begun: the line was busy: %w", ctx.Err())
	}
	defer func() { <-l.turn }()
	defer l.wake() // there may be something to do for the link, and Watch may sleep
	if err := l.over(w); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !l.enter(cancel) {
		return fmt.Errorf("%w: %w: %w", fieldbus.ErrRefused, fieldbus.ErrDown, errUnwatched)
	}
	defer l.leave()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("not begun: %w", err)
	}
	if err := l.allowed(c, w); err != nil {
		return err
	}
	if found, err := l.before(ctx, cancel, c, w); found || err != nil {
		return err
	}
	if err := cmp.Or(l.over(w), l.allowed(c, w)); err != nil { // what went before has taken its time
		return err
	}
	l.guard.begin(cancel, l.clock.Now()+limit(c.dev.def.Profile, 1))
	err := c.dev.driver.Write(ctx, c.point, w.Form, w.Bits)
	l.guard.end()
	l.measured(c.dev, l.clock.Now()-begun)
	l.wrote(c, w, err)
	return err
}

// over tells that it is too late to begin.
func (l *Line) over(w *tag.Write) error {
	if now := l.clock.Now(); l.stamps && w.Deadline != 0 && now > w.Deadline {
		return fmt.Errorf("not begun: deadline over by %v: %w", time.Duration(now-w.Deadline), context.DeadlineExceeded)
	}
	return nil
}

// enter lets Watch end the write, if there is a Watch that is not about to return.
func (l *Line) enter(cancel context.CancelFunc) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watching {
		l.stop = cancel
	}
	return l.watching
}

func (l *Line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = nil
}

// allowed tells why a write is blocked.
func (l *Line) allowed(c *channel, w *tag.Write) error {
	d := c.dev
	switch _, writes := d.link.Passes(); {
	case !d.connected:
		return unreachable(d)
	case d.def.Identify != nil && !d.known:
		return fmt.Errorf("%w: the device has not said yet who it is", fieldbus.ErrRefused)
	case w.Safe:
		return nil
	case !writes:
		return fmt.Errorf("%w: its link is %v", fieldbus.ErrRefused, d.link.State())
	}
	now := l.clock.Now()
	if c.point.Access == fieldbus.WriteOnly {
		if age := now - d.alive; age > d.lively {
			return fmt.Errorf("%w: the device has said nothing for %v, and what is read of it may be %v old", fieldbus.ErrRefused,
				time.Duration(age), time.Duration(d.lively))
		}
		return nil
	}
	if q, _, age := c.value.At(now); q != tag.Good {
		return fmt.Errorf("%w: the point is %v, and was good %v ago", fieldbus.ErrRefused, q, time.Duration(age))
	}
	return nil
}

// before does what must precede a write: a device in doubt proves itself, for the sake of a safe one, and a point whose last write has an
// unknown outcome is read. It tells whether the point was found to have the value, for good.
func (l *Line) before(ctx context.Context, cancel context.CancelFunc, c *channel, w *tag.Write) (found bool, err error) {
	d := c.dev
	if _, writes := d.link.Passes(); !writes && d.prover != nil {
		l.guard.begin(cancel, l.clock.Now()+limit(d.def.Profile, 1))
		err := d.prover.Prove(ctx)
		l.guard.end()
		if err != nil {
			l.failed(d, err)
			return false, fmt.Errorf("nothing was sent: %w", err)
		}
		if err := l.same(ctx, d, cancel); err != nil {
			return false, fmt.Errorf("%w: %w", fieldbus.ErrRefused, err)
		}
		l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Proved})
	}
	if err := l.same(ctx, d, cancel); err != nil {
		return false, fmt.Errorf("%w: %w", fieldbus.ErrRefused, err)
	}
	if c.open == nil {
		return false, nil
	}
	same := c.open.form == w.Form && c.open.bits == w.Bits
	from := l.clock.Now()
	var out [1]fieldbus.Reading
	l.guard.begin(cancel, from+limit(d.def.Profile, 1))
	err = d.driver.Read(ctx, []*fieldbus.Point{c.point}, out[:])
	l.guard.end()
	switch {
	case errors.Is(err, fieldbus.ErrPoint), errors.Is(err, fieldbus.ErrPlan), errors.Is(err, fieldbus.ErrRefused):
		out[0] = fieldbus.Reading{}
	case err != nil:
		l.failed(d, err)
		return false, fmt.Errorf("%w: its last write has an unknown outcome, and it could not be read back: %w", fieldbus.ErrRefused, err)
	}
	l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Answered})
	if out[0].Quality != tag.Good {
		if w.Safe {
			return false, nil
		}
		return false, fmt.Errorf("%w: its last write has an unknown outcome, and the device does not give it to be read back", fieldbus.ErrRefused)
	}
	if values, _ := d.link.Passes(); values {
		l.publish(c, &out[0], from-max(out[0].Age, 0))
	} else {
		l.settle(c, &out[0])
	}
	if out[0].Bits != w.Bits || out[0].Form != w.Form || !same || c.other {
		return false, nil // what was sent before may arrive yet: only a write that is confirmed comes after it
	}
	ev := l.event(c, w.ID, fieldbus.OutcomeConfirmed)
	ev.Cause = "found by reading back"
	l.tell(&ev)
	return true, nil
}

// wrote tells the link what became of a write.
func (l *Line) wrote(c *channel, w *tag.Write, err error) {
	d := c.dev
	switch {
	case err == nil:
		c.open, c.other = nil, false
		l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Answered})
	case errors.Is(err, fieldbus.ErrUnknown):
		if c.point.Access != fieldbus.WriteOnly {
			c.other = c.other || c.open != nil && (c.open.form != w.Form || c.open.bits != w.Bits)
			c.open = &open{w.ID, w.Form, w.Bits}
		}
		l.failed(d, err)
	case errors.Is(err, fieldbus.ErrRefused), errors.Is(err, fieldbus.ErrPoint):
	default:
		l.failed(d, err)
	}
}

// settle says what a reading tells of a write whose outcome was unknown.
func (l *Line) settle(c *channel, r *fieldbus.Reading) {
	if c.open == nil || r.Quality != tag.Good {
		return
	}
	o := c.open
	c.open = nil
	ev := l.event(c, o.id, fieldbus.OutcomeConfirmed)
	ev.Cause = "read back: it has the value"
	if r.Bits != o.bits || r.Form != o.form {
		c.other = true
		ev.Outcome, ev.Cause = fieldbus.OutcomeUnknown, "read back: it has another value, and may take this one yet"
	}
	l.tell(&ev)
}

// told tells that a write was blocked, or that its outcome is unknown.
func (l *Line) told(c *channel, w *tag.Write, err error) {
	outcome := fieldbus.OutcomeRefused
	if errors.Is(err, fieldbus.ErrUnknown) {
		outcome = fieldbus.OutcomeUnknown
	}
	ev := l.event(c, w.ID, outcome)
	ev.Cause = err.Error()
	l.tell(&ev)
}

// event begins a WriteTold: how the device and the point stand.
func (l *Line) event(c *channel, id uint32, outcome string) fieldbus.Event {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	_, status, age := c.value.At(now)
	return fieldbus.Event{
		Kind: fieldbus.WriteTold, At: now, Device: c.dev.name, Channel: c.tag.Channel, WriteID: id, Outcome: outcome,
		New: c.dev.view.Link, Status: status, Age: age, Limit: c.tag.StaleAfter, Reconnects: c.dev.view.Reconnects,
	}
}
