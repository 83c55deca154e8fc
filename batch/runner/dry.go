// A dry run: the whole batch, and not one output is driven.
//
// What a dry run would write reaches no port. Inputs come from the rig's port, which is only watched, or from a model, which is given the
// writes. That a write was carried out, and what the output reads back then, is as it would be with a device that obeys. Outputs are
// watched, too, and never made safe, not at the start, not at a hold and not at the end: whose they are sees to them.

package runner

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
)

// dryTime is how long a write of a dry run takes in virtual time, ns.
const dryTime = 1_000_000

// dry makes the rig of a dry run: its port is never written, its actions are not carried out, no historian is asked, what batches share is
// taken as free, and no watchdog is armed, which would reset a board whose outputs are driven by others.
func dry(b *batch.Batch, rig Rig) (Rig, error) {
	if !b.DryRun {
		if rig.Model != nil {
			return rig, fmt.Errorf("runner: batch %s is no dry run, and the rig has a model in the place of its port", b.ID)
		}
		return rig, nil
	}
	switch port := rig.Port.(type) {
	case nil:
	case Simulation:
		rig.Port = &drySimulation{dryPort: dryPort{port: port}, sim: port}
	default:
		rig.Port = &dryPort{port: port}
	}
	if rig.Model != nil {
		rig.Port = rig.Model
	}
	rig.Do = map[string]Action{}
	idle(b.Plan.Recipe.Root, rig.Do)
	rig.Arbiter, rig.Historian, rig.Watchdog = dryArbiter{}, nil, nil
	return rig, nil
}

// idle lists actions that do nothing for those that a recipe asks for.
func idle(e *recipe.Element, do map[string]Action) {
	for i := range e.Actions {
		if a := &e.Actions[i]; a.Kind == recipe.Request {
			do[a.Type] = func(_ context.Context, _ Request, progress func([]string, string)) ([]string, error) {
				progress(nil, "dry run: not carried out")
				return nil, nil
			}
		}
	}
	for _, child := range e.Children {
		idle(child, do)
	}
}

// dryArbiter grants whatever is asked for; nobody hears of it.
type dryArbiter struct{}

// Request implements Arbiter.
func (dryArbiter) Request(_ Claim, say func(Ruling)) { say(Ruling{Kind: Granted}) }

// Release implements Arbiter.
func (dryArbiter) Release(Claim) {}

// wouldBe is what an output would read back.
type wouldBe struct {
	channel string
	form    tag.Form
	bits    uint64
	told    bool // the port has shown the channel: it is read back
}

// dryPort is a port that is watched and never written.
type dryPort struct {
	port tag.Port
	mu   sync.Mutex
	outs []wouldBe
	seen []string      // channels that the port has shown
	emit func(tag.Raw) // of the Watch under way
}

// mask puts in the place of what an output reads back what it would.
func (d *dryPort) mask(raw tag.Raw) tag.Raw {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.IndexFunc(d.outs, func(o wouldBe) bool { return o.channel == raw.Channel }); i >= 0 {
		raw.Form, raw.Bits, raw.Quality = d.outs[i].form, d.outs[i].bits, tag.Good
	} else if !slices.Contains(d.seen, raw.Channel) {
		d.seen = append(d.seen, raw.Channel)
	}
	return raw
}

// would keeps what an output would have, and returns what it reads back now; ok is false where the port does not read it back.
func (d *dryPort) would(w tag.Write) (raw tag.Raw, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.outs, func(o wouldBe) bool { return o.channel == w.Channel })
	if i < 0 {
		i = len(d.outs)
		d.outs = append(d.outs, wouldBe{channel: w.Channel, told: slices.Contains(d.seen, w.Channel)})
	}
	d.outs[i].form, d.outs[i].bits = w.Form, w.Bits
	return tag.Raw{Channel: w.Channel, Form: w.Form, Bits: w.Bits, Quality: tag.Good}, d.outs[i].told
}

// Watch implements tag.Port.
func (d *dryPort) Watch(ctx context.Context, emit func(tag.Raw)) error {
	masked := func(raw tag.Raw) { emit(d.mask(raw)) }
	d.mu.Lock()
	d.emit = emit
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.emit = nil
		d.mu.Unlock()
	}()
	return d.port.Watch(ctx, masked)
}

// Report implements Reporter: what is watched tells as ever. Nothing is held, since nothing is driven.
func (d *dryPort) Report(to func(ev fieldbus.Event)) {
	if r, ok := behind[Reporter](d.port); ok {
		r.Report(to)
	}
}

// Write implements tag.Port: the port is not told.
func (d *dryPort) Write(_ context.Context, w tag.Write) error {
	raw, ok := d.would(w)
	d.mu.Lock()
	emit := d.emit
	d.mu.Unlock()
	if ok && emit != nil {
		emit(raw)
	}
	return nil
}

// drySimulation is a dryPort in virtual time.
type drySimulation struct {
	dryPort
	sim  Simulation
	late []later
}

// later is a read-back that comes at a time.
type later struct {
	at  int64
	raw tag.Raw
}

// Next implements Simulation.
func (d *drySimulation) Next() int64 {
	next := d.sim.Next()
	if len(d.late) > 0 {
		next = min(next, d.late[0].at)
	}
	return next
}

// Advance implements Simulation.
func (d *drySimulation) Advance(now int64, emit func(tag.Raw)) {
	d.sim.Advance(now, func(raw tag.Raw) { emit(d.mask(raw)) })
	for len(d.late) > 0 && d.late[0].at <= now {
		emit(d.mask(d.late[0].raw))
		d.late = d.late[1:]
	}
}

// Apply implements Simulation: the simulation is not told.
func (d *drySimulation) Apply(now int64, w tag.Write) (done int64, err error) {
	if raw, ok := d.would(w); ok {
		d.late = append(d.late, later{at: now + dryTime, raw: raw})
	}
	return now + dryTime, nil
}
