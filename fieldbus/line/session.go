// Session: connecting, identifying, synchronising and reading one device, and what its link is told of each.

package line

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
)

// step tells a link what has happened and does what it wants. All that can be done at once is; what takes an exchange is a job for Watch.
func (l *Line) step(d *device, ev fieldbus.LinkEvent) {
	at := l.clock.Now()
	if ev.Kind == fieldbus.Answered || ev.Kind == fieldbus.Proved {
		d.alive = at
	}
	d.fx = d.link.Step(at, ev, d.fx[:0])
	for i := range d.fx {
		fx := &d.fx[i]
		switch fx.Kind {
		case fieldbus.Tell:
			l.note(d, &fx.Event)
		case fieldbus.Close:
			l.close(d)
		case fieldbus.Open:
			l.close(d) // a driver is never opened twice
			d.path = min(max(fx.Path, 0), len(d.endpoints)-1)
			l.want(d, fieldbus.Open)
		default:
			d.synced = 0
			l.want(d, fx.Kind)
		}
	}
	state := d.link.State()
	if !wants(state, d.job.kind) {
		d.job = job{}
	}
	if state == fieldbus.Demoted {
		d.known = false // when it comes back it may be another one
	}
	values, _ := d.link.Passes()
	l.scan.set(d, values, at)
	switch {
	case values:
		d.disown = false
	case state == fieldbus.Doubt: // nothing new counts, and what has counted grows old
	case d.fresh && (state == fieldbus.Connecting || state == fieldbus.Syncing || ev.Kind == fieldbus.Held): // it is told once it is known
	case !d.disown:
		l.disclaim(d, fieldbus.StatusNotConnected)
	}
	l.mu.Lock()
	d.view.Link, d.view.Reconnects, d.view.Path = state, d.link.Reconnects(), d.endpoints[d.path]
	if values {
		d.view.Down = ""
	}
	l.mu.Unlock()
}

// disclaim emits the channels of a device as Bad.
func (l *Line) disclaim(d *device, why fieldbus.Status) {
	d.disown, d.fresh = true, false
	for _, c := range d.channels {
		l.bad(c, why)
	}
}

// want makes a job of what a link wants.
func (l *Line) want(d *device, kind fieldbus.LinkEffectKind) {
	l.asked++
	after := int64(0)
	if d.job.kind == 0 {
		after = d.job.after // the pause after connecting
	}
	d.job = job{kind: kind, order: l.asked, after: after}
	l.wake()
}

// wants tells whether a job is still wanted in a state.
func wants(s fieldbus.LinkState, job fieldbus.LinkEffectKind) bool {
	switch job {
	case fieldbus.Open:
		return s == fieldbus.Connecting
	case fieldbus.Sync:
		return s == fieldbus.Syncing
	case fieldbus.Probe:
		return s == fieldbus.Doubt
	}
	return true
}

// close closes the session, if there is one.
func (l *Line) close(d *device) {
	d.job = job{}
	d.known, d.plans = false, 0
	l.mu.Lock()
	d.connected = false
	l.mu.Unlock()
	if d.cancel == nil {
		return
	}
	d.end()
	_ = d.driver.Close() // it is over whatever this says
}

// open connects by the path that the link has chosen.
func (l *Line) open(ctx context.Context, d *device) {
	ctx = d.session(ctx)
	l.guard.begin(d.cancel, l.clock.Now()+limit(d.def.Profile, 1))
	err := d.driver.Open(ctx, d.endpoints[d.path])
	l.guard.end()
	if err != nil {
		l.lose(d, fmt.Errorf("open %s: %w", d.endpoints[d.path], d.why(err)))
		return
	}
	l.mu.Lock()
	d.connected = true
	l.mu.Unlock()
	d.job = job{after: l.clock.Now() + d.def.Profile.Limits.ConnectPause}
	l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Opened})
}

// lose tells the link that the session is over, or could not be had. What ends because Watch does is no loss.
func (l *Line) lose(d *device, err error) {
	if l.ctx.Err() != nil {
		return
	}
	l.down(d, err)
	l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Refused, Detail: err.Error()})
}

// down keeps for views why values do not count.
func (l *Line) down(d *device, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.view.Down = err.Error()
}

// failed tells the link what an error of the driver means for it. An answer is none that it is told of here.
func (l *Line) failed(d *device, err error) {
	switch {
	case !errors.Is(err, fieldbus.ErrDoubt):
		l.lose(d, d.why(err))
		return
	case d.prover == nil:
		l.lose(d, fmt.Errorf("its driver cannot tell when what is owed was paid: %w", err))
		return
	}
	if l.ctx.Err() != nil {
		return
	}
	err = d.why(err)
	l.down(d, err)
	l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Missed, Detail: err.Error()})
}

// prove has the device prove what it answers to.
func (l *Line) prove(ctx context.Context, d *device) {
	l.guard.begin(d.cancel, l.clock.Now()+limit(d.def.Profile, 1))
	err := d.prover.Prove(ctx)
	l.guard.end()
	if err != nil {
		l.failed(d, err)
		return
	}
	if l.same(ctx, d, d.cancel) == nil {
		l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Proved})
	}
}

// sync takes one step of reading every control tag, and says Synced after the last.
func (l *Line) sync(ctx context.Context, d *device) {
	d.job.after = 0
	if !d.known {
		if err := l.identify(d.session(ctx), d, d.cancel); err != nil {
			return
		}
		if d.known = true; d.def.Identify != nil {
			l.want(d, fieldbus.Sync) // the others of the line have their turn
			return
		}
	}
	if g := d.control(d.synced); g != nil {
		l.want(d, fieldbus.Sync) // as above
		if !l.read(ctx, g) {
			return
		}
		d.synced++
	}
	if d.control(d.synced) != nil || d.job.kind != fieldbus.Sync {
		return
	}
	if !l.begins(ctx, d) {
		return
	}
	l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Synced, Count: d.tags()})
	for _, g := range d.groups {
		if g.class.Plane == fieldbus.Control && d.scanned {
			l.scan.schedule.Done(g.index, g.from, g.to) // it was read just now, and is not due again
		}
	}
	for _, c := range d.channels {
		switch h := c.held; {
		case h.at != 0:
			c.held = held{}
			l.publish(c, &h.reading, h.at)
		case d.fresh:
			l.bad(c, fieldbus.StatusWaiting)
		}
	}
	d.fresh = false
}

// swapTime is the least time in ns in which a device can be taken out and another be put in.
const swapTime = 1_000_000_000

// same asks a device who it is that has said nothing for so long that it may be another one by now. The link was told of an error.
func (l *Line) same(ctx context.Context, d *device, cancel context.CancelFunc) error {
	if d.def.Identify == nil || !d.known || l.clock.Now()-d.alive <= d.quiet {
		return nil
	}
	return l.identify(ctx, d, cancel)
}

// errForeign is why a device does not count that is another one than the map says.
var errForeign = errors.New("it is not the device of the tag map")

// identify asks the device who it is. Cancel ends ctx.
func (l *Line) identify(ctx context.Context, d *device, cancel context.CancelFunc) error {
	if d.def.Identify == nil {
		return nil
	}
	l.guard.begin(cancel, l.clock.Now()+limit(d.def.Profile, 1))
	text, err := d.texter.Text(ctx, d.def.Identify)
	l.guard.end()
	if err == nil {
		l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Answered})
		if text = strings.TrimRight(text, " \x00"); text == d.def.Identity {
			return nil
		}
		err = fmt.Errorf("%w: %s reads %.64q and not %.64q; set right the wiring, the endpoint or the map",
			errForeign, d.def.Identify.Name, text, d.def.Identity)
	}
	if !errors.Is(err, errForeign) && !errors.Is(err, fieldbus.ErrPoint) {
		l.failed(d, err)
		return err
	}
	l.down(d, err)
	l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Foreign, Detail: err.Error()})
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range d.channels { // they were emitted Bad when the link was lost
		c.value.Status = fieldbus.StatusConfigurationError
	}
	return err
}

// read reads a group once, and tells whether the device has answered. What it gave counts if the link is up; in Syncing it is held.
func (l *Line) read(ctx context.Context, g *group) bool {
	d := g.dev
	ctx = d.session(ctx)
	if l.same(ctx, d, d.cancel) != nil {
		return false
	}
	clear(g.out)
	from := l.clock.Now()
	l.guard.begin(d.cancel, from+limit(d.def.Profile, g.exchanges()))
	err := d.driver.Read(ctx, g.points, g.out)
	l.guard.end()
	g.from, g.to = from, l.clock.Now()
	late := int64(-1)
	if d.scanned {
		late = l.scan.schedule.Done(g.index, g.from, g.to)
	}
	switch {
	case errors.Is(err, fieldbus.ErrPlan):
		return l.replan(d, err)
	case errors.Is(err, fieldbus.ErrPoint) || errors.Is(err, fieldbus.ErrRefused):
		for i := range g.out {
			g.out[i] = fieldbus.Reading{Status: fieldbus.StatusConfigurationError}
		}
	case err != nil:
		l.failed(d, err)
		return false
	}
	if g.class.Plane == fieldbus.Control && late >= 0 {
		l.measured(d, late)
	}
	l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Answered})
	l.accept(g, from)
	return true
}

// accept makes values of what a group gave.
func (l *Line) accept(g *group, from int64) {
	values, _ := g.dev.link.Passes()
	for i, c := range g.channels {
		r := g.out[g.places[i]]
		at := from - max(r.Age, 0)
		if values {
			l.publish(c, &r, at)
		} else if g.dev.link.State() == fieldbus.Syncing {
			c.held = held{r, at}
		}
	}
}

// maxPlans is how often a driver may have its plan made anew in one session, beyond once for each point.
const maxPlans = 16

// replan groups the points anew.
func (l *Line) replan(d *device, why error) bool {
	if d.plans++; d.plans > maxPlans+len(d.channels) {
		l.lose(d, fmt.Errorf("its driver makes plans without end: %w", why))
		return false
	}
	if err := d.plan(l.classes); err != nil {
		l.lose(d, err)
		return false
	}
	l.scan.build(l.devices, l.clock.Now())
	d.synced = 0
	return false
}
