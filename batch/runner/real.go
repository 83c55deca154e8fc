// Real time: the loop waits for its inbox and its alarm; writer, port and OEM actions have goroutines of their own.

package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// readbackTime is how long a start waits for tags to be read, in ns.
const readbackTime = 2_000_000_000

// retryWatch is the time in ns after which a port that was lost is watched again.
const retryWatch = 1_000_000_000

// stampGrain is how fine, in ns, the stamps of samples are in real time: a poll wakes late by about that much, their age is in ms, and what
// is finer would take more bytes in the evidence than the value.
const stampGrain = 100_000

// crew is what runs beside the loop.
type crew struct {
	r     *Runner
	port  tag.Port
	clock timebase.Clock
	wg    sync.WaitGroup
	queue *queue
	trip  tag.Write                     // the request for a trip; without a channel where the map has none
	work  chan func() func(l *loop)     // done beside the loop, one piece after the other; it has room for each sort
	asked chan struct{}                 // closed when the historian has answered; nil: it was not asked. The loop's own
	ends  map[uint32]context.CancelFunc // of the OEM actions, of those that have ended too; the loop's own
}

func (r *Runner) runReal(ctx context.Context) error {
	clock := r.rig.Clock
	if clock == nil {
		clock = system.NewClock(1)
	}
	wall := r.rig.Wall
	if wall == nil {
		wall = system.Wall(clock)
	}
	c := &crew{r: r, port: r.rig.Port, clock: clock, queue: newQueue(), work: make(chan func() func(l *loop), sorts), ends: map[uint32]context.CancelFunc{}}
	if m := r.b.Plan.Map; m.Trip != nil {
		c.trip = tripWrite(m)
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	logged, stopLog := context.WithCancel(context.WithoutCancel(ctx))
	defer r.loop.listen(c.port, clock.Now)()
	defer c.leave()
	defer c.wg.Wait()
	defer stopLog()
	defer stop()
	c.wg.Add(2)
	go c.watch(work)
	go c.drive(work)
	r.loop.out = func(e *batch.Effect) { c.out(work, e) }
	if h := r.loop.heads; h != nil {
		h.now = clock.Now
	}
	r.loop.aside = func(one func() func(l *loop)) { c.work <- one }
	r.loop.abroad = c.abroad(work)
	r.loop.desk, r.loop.grain = &errands{fail: r.in.fail}, stampGrain
	c.run(ctx, logged, work, wall)
	safe := r.loop.failed == nil && len(r.loop.unsafe) == 0
	if r.loop.failed != nil {
		safe = c.safeAll(work)
	}
	r.loop.disarm(safe)
	return r.loop.failed
}

// run is the loop. The journal is kept until logged ends, and not before all is in it that a batch begins with: it is there
// whole, in one commit, or not at all.
func (c *crew) run(ctx, logged, work context.Context, wall timebase.Source) {
	l, in := c.r.loop, c.r.in
	alarm := c.clock.Alarm(in.wake)
	defer alarm.Stop()
	defer l.seen.follow(wall, in.wake)()
	begun := c.clock.Now() - 1
	if !c.begin(ctx, logged, work, wall, alarm) {
		return
	}
	schedule := c.r.opt.Schedule
	done := ctx.Done()
	defer func() {
		if l.eyes != nil {
			l.eyes.due = 0 // the last look is one at the end
			l.show(c.clock.Now())
		}
	}()
	for !l.stopped() {
		if done != nil && ctx.Err() != nil && c.r.shutDown(ctx) {
			done = nil
			continue
		}
		now := c.clock.Now()
		l.gauge.now = now
		supplied := l.supplies(now)
		l.losses(in.lossOf())
		noted := min(l.trace(now), l.measure(now), l.beside(now), l.events(now))
		durable, failed := in.status()
		if l.failed == nil {
			l.failed = failed
		}
		if l.pass(durable); l.stopped() {
			break
		}
		fed := l.feed(now, durable, c.queue)
		l.look(now, wall)
		for len(schedule) > 0 && schedule[0].At <= now-begun {
			l.guest("Scheduled.Do", func() { schedule[0].Do(c.r) })
			schedule = schedule[1:]
		}
		l.ticks(now)
		next := min(l.aged(now), l.wake(), l.observe, l.show(now), noted, l.signs(now), supplied, fed)
		crowded := l.crowded()
		l.waiting(now, crowded)
		if ev, at, stamp, ok := in.take(crowded, c.clock.Now); ok {
			l.sample(stamp, at, &ev)
			continue
		}
		if len(schedule) > 0 {
			next = min(next, schedule[0].At+begun)
		}
		alarm.Set(min(next, in.rules(crowded)))
		select {
		case <-in.ready:
		case <-done:
		}
	}
}

// realTime is what the boot says of the manners of the process: in virtual time nothing is kept by them.
func (r *Runner) realTime() string {
	if r.opt.Virtual != nil {
		return ""
	}
	return batch.Clean(r.rig.RealTime)
}

// begin takes in what a batch begins with, or is continued with, and starts what runs beside the loop. It is false where that cannot be.
func (c *crew) begin(ctx, logged, work context.Context, wall timebase.Source, alarm timebase.Alarm) bool {
	l := c.r.loop
	readback := c.readback(ctx, alarm)
	if err := l.w.Reserve(); err != nil {
		l.failed = fmt.Errorf("%w: %w", ErrEvidence, err)
		return false
	}
	note, err := l.arm(c.clock.Now())
	if err != nil {
		l.failed = err
		return false
	}
	l.begin(c.clock.Now(), wall, readback)
	c.wg.Add(4)
	go c.keep(logged)
	go c.reserve(logged)
	go c.beside(logged)
	go c.stage(logged, l.next-1)
	note()
	if c.r.rig.Power != nil {
		c.wg.Add(1)
		go c.supply(work)
	}
	if err := c.r.startCommand(); l.failed == nil {
		l.failed = err
	}
	return true
}

// startCommand gives the start command in the name of the operator who answers for the batch, unless a start must come.
func (r *Runner) startCommand() error {
	if r.opt.Manual || r.loop.m.State() != sequencer.Idle {
		return nil
	}
	return r.Tell(Command{Command: sequencer.Start, Operator: r.b.Operator})
}

// Who orders what no person has ordered, and why a batch is aborted whose controller is told to stop.
const (
	controller = "controller"
	toldToStop = "the controller was told to stop"
)

// shutDown aborts a batch whose controller is told to stop, or ends a run in which nothing was started. It is false if the inbox
// has no room for the command now.
func (r *Runner) shutDown(ctx context.Context) (told bool) {
	if s := r.loop.m.State(); s == sequencer.Idle {
		r.loop.abandon(r.loop.unstarted(fmt.Errorf("%w: %w", ErrStopped, ctx.Err())))
		return true
	}
	return r.Tell(Command{Command: sequencer.Abort, Operator: controller, Role: "system", Reason: toldToStop}) == nil
}

// unstarted adds to the error that ends a run why its batch was not started, where that was refused.
func (l *loop) unstarted(err error) error {
	if l.refused == "" || l.m.State() != sequencer.Idle {
		return err
	}
	return fmt.Errorf("%w; its start was refused: %s", err, l.refused)
}

// readback waits until every tag was read once, or the time for that is over.
func (c *crew) readback(ctx context.Context, alarm timebase.Alarm) []batch.Reading {
	until := c.clock.Now() + readbackTime
	for {
		readings, all := c.r.in.readback()
		if all || c.clock.Now() >= until {
			return readings
		}
		alarm.Set(until)
		select {
		case <-c.r.in.ready:
		case <-ctx.Done():
			return readings
		}
	}
}

// keep commits the journal, group after group.
func (c *crew) keep(ctx context.Context) {
	defer c.wg.Done()
	if err := c.r.loop.w.Run(ctx); err != nil {
		c.r.in.fail(fmt.Errorf("%w: %w", ErrEvidence, err))
	}
}

// reserve keeps a segment of the journal in reserve. Where the disk has no room for the next one, that reserve is what the batch is
// aborted in: its end, and that its outputs are safe, is on record.
func (c *crew) reserve(ctx context.Context) {
	defer c.wg.Done()
	if err := c.r.loop.w.Prepare(ctx); err != nil {
		_ = c.r.Tell(Command{Command: sequencer.Abort, Operator: controller, Role: "system", Reason: err.Error()})
	}
}

// beside does what may wait for a disk and is not to keep the loop waiting.
func (c *crew) beside(ctx context.Context) {
	defer c.wg.Done()
	for {
		select {
		case one := <-c.work:
			c.r.in.finish(one())
		case <-ctx.Done():
			return
		}
	}
}

// watch takes in values, and watches again when the port was lost: meanwhile every tag is BAD, which is on record.
func (c *crew) watch(ctx context.Context) {
	defer c.wg.Done()
	for ctx.Err() == nil {
		err := c.look(ctx, func(raw tag.Raw) { c.r.in.sample(raw, c.clock.Now()) })
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("runner: the port's Watch has returned")
		}
		c.r.in.lost(err, c.clock.Now())
		_ = c.clock.Wait(ctx, c.clock.Now()+retryWatch)
	}
}

// look watches the port until it is lost. A port that panics is lost too: outputs may be on, and they are to be held and not left
// by a process that dies.
func (c *crew) look(ctx context.Context, emit func(tag.Raw)) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c.port.Watch(ctx, emit)
}

// out carries out what has left the gate.
func (c *crew) out(ctx context.Context, e *batch.Effect) {
	switch e.Kind {
	case batch.Write:
		c.queue.add(e, e.Write.Channel == c.trip.Channel && e.Write.Bits == c.trip.Bits)
		return
	case batch.CancelAction:
		if end := c.ends[e.ID]; end != nil {
			end()
			delete(c.ends, e.ID)
		}
		return
	}
	ctx, end := context.WithCancel(ctx)
	c.ends[e.ID] = end
	req := Request{ID: e.ID, First: e.First, Step: e.Step, Type: e.Text, Version: e.Version, Params: append([]string(nil), e.Params...)}
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		defer end()
		c.r.in.report(c.r.act(ctx, req, c.r.in.report))
	}()
}

// drive writes to the port, one write at a time, those in the safe direction first, and before them the request for a trip.
func (c *crew) drive(ctx context.Context) {
	defer c.wg.Done()
	for {
		w, one, ok := c.queue.next(ctx)
		if !ok {
			return
		}
		ev, begun := batch.Event{Kind: batch.Done, ID: w.ID}, c.clock.Now()
		if err := c.write(one, w, batch.WriteTime); err != nil {
			ev.Detail, ev.Outcome = batch.Clean(err.Error()), outcome(err)
		} else {
			ev.OK = true
		}
		ev.At = c.clock.Now()
		if c.queue.finished(ev.At-begun, ev.OK) {
			c.r.in.answer(ev)
		}
	}
}

// errSlow is why a write is cut short.
var errSlow = errors.New("runner: the device did not confirm in time")

// write writes to the port, for at most a time in ns on the clock of the run.
func (c *crew) write(ctx context.Context, w tag.Write, limit int64) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	w.Deadline = c.clock.Now() + limit
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alarm := c.clock.Alarm(func() { cancel(errSlow) })
	defer alarm.Stop()
	alarm.Set(w.Deadline)
	if err = c.port.Write(ctx, w); err != nil && context.Cause(ctx) == errSlow {
		err = fmt.Errorf("%w: %w", errSlow, err)
	}
	return err
}

// safeAll drives the outputs to their safe values after evidence has failed, and tells whether they have confirmed it. The queue is
// closed first, so that nothing else is written after it.
func (c *crew) safeAll(ctx context.Context) bool {
	c.queue.close()
	err := c.rest(ctx, c.r.b.Plan.Map, c.r.loop.m.Tripped(), c.r.loop.m.Foreign)
	if err != nil {
		c.r.loop.failed = fmt.Errorf("%w; %w", c.r.loop.failed, err)
	}
	return err == nil
}

// leastWrite is the time in ns that every output is given to take its safe value, however many hang before it.
const leastWrite = 20_000_000

// rest writes the safe value of every output that is not foreign. What is not confirmed is written again, for as long as a hold would try;
// then, if the map says how, a trip is requested: nobody is left who could do more.
func (c *crew) rest(ctx context.Context, m *iomap.Map, tripped bool, foreign func(tag.ID) bool) error {
	open := safeWrites(m, tripped, foreign)
	var failed error
	// In the first rounds an output that hangs keeps the others waiting for a short time only.
	limit := min(int64(slowWrite), sequencer.Transient/int64(2*len(open)+1))
	for until := c.clock.Now() + sequencer.Transient; len(open) > 0 && c.clock.Now() < until; limit = min(2*limit, batch.WriteTime) {
		failed = nil
		open = slices.DeleteFunc(open, func(w tag.Write) bool {
			err := c.write(ctx, w, max(min(limit, until-c.clock.Now()), leastWrite))
			failed = errors.Join(failed, err)
			return err == nil
		})
		if failed != nil && c.clock.Wait(ctx, c.clock.Now()+sequencer.RetrySafe) != nil {
			break
		}
	}
	if failed != nil && m.Trip != nil && !tripped {
		if err := c.write(ctx, tripWrite(m), batch.WriteTime); err != nil {
			failed = fmt.Errorf("%w; nor could a trip be requested by %s: %w", failed, m.Tags[m.Trip.Tag].Name, err)
		} else {
			failed = fmt.Errorf("%w; a trip was requested by %s", failed, m.Tags[m.Trip.Tag].Name)
		}
	}
	if failed != nil {
		return fmt.Errorf("outputs could not all be driven to their safe values: %w", failed)
	}
	return nil
}

// MakeSafe drives every output of a map to its safe value, without evidence: for a controller that finds a batch cut short and cannot
// continue it. It blocks until the devices have confirmed, for 10 s on the rig's clock at most; the error names what they did not. Where
// they did not, and the map has a trip_request, a trip is requested; one that stands is never taken back.
// Of the rig only Port and Clock matter. An output that is a part of equipment which batches share (iomap.Tag.Resource) is not touched: who
// has that now, and with whose token it may be written, is known to who gives it and to who owns the port, and no longer here.
func MakeSafe(ctx context.Context, m *iomap.Map, rig Rig) error {
	c := &crew{port: rig.Port, clock: rig.Clock}
	if c.clock == nil {
		c.clock = system.NewClock(1)
	}
	watched, stop := context.WithCancel(ctx)
	defer c.wg.Wait()
	defer stop()
	c.wg.Add(1)
	go func() { // many a port is connected by its Watch
		defer c.wg.Done()
		for watched.Err() == nil {
			_ = c.look(watched, func(tag.Raw) {})
			_ = c.clock.Wait(watched, c.clock.Now()+retryWatch)
		}
	}()
	return c.rest(ctx, m, false, nil)
}
