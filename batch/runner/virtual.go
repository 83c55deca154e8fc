// Virtual time: the clock is an input. One goroutine takes the next thing that happens, whatever it is, and moves time to it.

package runner

import (
	"context"
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// Simulation is a port whose time is the runner's. Its methods are called on one goroutine, with times that do not decrease.
type Simulation interface {
	tag.Port
	Next() int64                                          // when it has something to emit next, monotonic ns
	Advance(now int64, emit func(tag.Raw))                // moves to now and emits all that is due, in a fixed order
	Apply(now int64, w tag.Write) (done int64, err error) // carries out a write: when it is done, or fails
}

// Virtual sets how a run in virtual time goes. The zero value is a disk that takes 5 ms for a commit, and the year 2026.
type Virtual struct {
	UTC     int64                       // start of the wall clock, ns since 1970; 0: 2026-01-01, or when the last approval takes effect
	Commit  func(now int64) int64       // when a commit that begins at now is durable; nil: 5 ms later
	Sync    bool                        // write to the disk at every commit, and not when the journal's buffer is full
	Durable func(now int64, seq uint64) // called as records become durable

	// Wait has the run share its time with others. It is called, on Run's goroutine, wherever time moves: until is when the run
	// has something to do next, timebase.Never where only others can bring it on, and what Wait returns is when it goes on, no
	// later than that: sooner where somebody has told it something. Rests says that it waits for a person (ErrNobody), which
	// then is no end of the run. It may block for as long as others have their turn. Nil: nobody shares it.
	Wait func(until int64, rests bool) (now int64)
}

const (
	virtualUTC    = 1_767_225_600_000_000_000
	virtualCommit = 5_000_000
)

// seeded is the wall clock of a virtual run.
type seeded struct {
	utc int64
	now *int64
}

// Observe returns the virtual UTC, which is exact.
func (s seeded) Observe() timebase.Observation {
	return timebase.Observation{Mono: *s.now, UTC: s.utc + *s.now, Sync: timebase.RTCOnly, Source: "seed", Bound: 1}
}

// virtual is a run in virtual time.
type virtual struct {
	r        *Runner
	l        *loop
	opt      Virtual
	port     Simulation
	now      int64
	commit   int64  // when the commit under way is durable
	upTo     uint64 // last record that it holds
	durable  uint64
	dones    []due // writes under way, by time, then in the order in which they were begun
	schedule []Scheduled
	wall     timebase.Source
	begun    int64
	asked    bool // ctx has ended and the batch was told
}

type due struct {
	at int64
	ev batch.Event
}

func (r *Runner) runVirtual(ctx context.Context) error {
	port := r.rig.Port.(Simulation) // New has looked
	v := &virtual{r: r, l: r.loop, opt: *r.opt.Virtual, port: port, now: 1, commit: timebase.Never, schedule: r.opt.Schedule, wall: r.rig.Wall}
	if r.rig.Clock != nil {
		v.now = max(r.rig.Clock.Now(), 1)
	}
	v.begun = v.now - 1
	if v.opt.UTC == 0 {
		v.opt.UTC = virtualUTC
		for i := range r.b.Approvals {
			v.opt.UTC = max(v.opt.UTC, r.b.Approvals[i].EffectiveFrom)
		}
	}
	if v.wall == nil {
		v.wall = seeded{v.opt.UTC, &v.now}
	}
	v.l.out = func(e *batch.Effect) { v.out(ctx, e) }
	if h := v.l.heads; h != nil {
		h.now = func() int64 { return v.now }
	}
	v.l.aside = func(work func() func(l *loop)) { v.r.in.finish(work()) }
	v.l.abroad = func(work func(ctx context.Context) func(l *loop)) { v.r.in.finish(work(ctx)) }
	defer v.l.listen(port, v.time)()
	v.port.Advance(v.now, v.emit)
	defer v.l.seen.follow(v.wall, func() {})()
	readback, _ := r.in.readback()
	v.l.begin(v.now, v.wall, readback)
	if err := r.startCommand(); err != nil {
		return err
	}
	for !v.l.stopped() {
		if err := v.turn(ctx); err != nil {
			v.l.seal()
			return err
		}
	}
	if v.l.failed != nil {
		v.rest(v.r.b.Plan.Map, v.l.m.Tripped(), v.l.m.Foreign)
	}
	return v.l.failed
}

// rest writes the safe value of every output, as rest of the crew does.
func (v *virtual) rest(m *iomap.Map, tripped bool, foreign func(tag.ID) bool) {
	failed := false
	for _, w := range safeWrites(m, tripped, foreign) {
		_, err := v.port.Apply(v.now, w)
		failed = failed || err != nil
	}
	if failed && m.Trip != nil && !tripped {
		_, _ = v.port.Apply(v.now, tripWrite(m))
	}
}

func (v *virtual) time() int64 { return v.now }

func (v *virtual) emit(raw tag.Raw) { v.r.in.sample(raw, v.now) }

// turn takes everything that happens now, in a fixed order, and moves time to what happens next.
func (v *virtual) turn(ctx context.Context) error {
	v.l.gauge.now = v.now
	if v.now >= v.commit {
		v.durable, v.commit = v.upTo, timebase.Never
		if v.opt.Durable != nil {
			v.opt.Durable(v.now, v.durable)
		}
		v.l.pass(v.durable)
	}
	supplied := v.l.supplies(v.now)
	for len(v.dones) > 0 && v.dones[0].at <= v.now {
		ev := v.dones[0].ev
		v.dones = v.dones[1:]
		v.l.take(v.now, &ev)
	}
	for len(v.schedule) > 0 && v.schedule[0].At+v.begun <= v.now {
		v.l.guest("Scheduled.Do", func() { v.schedule[0].Do(v.r) })
		v.schedule = v.schedule[1:]
	}
	if ctx.Err() != nil && !v.asked {
		v.asked = v.r.shutDown(ctx)
	}
	v.l.look(v.now, v.wall)
	if v.port.Next() <= v.now {
		v.port.Advance(v.now, v.emit)
	}
	v.l.events(v.now)
	for ev, at, stamp, ok := v.r.in.take(false, v.time); ok; ev, at, stamp, ok = v.r.in.take(false, v.time) {
		v.l.sample(stamp, at, &ev)
	}
	v.l.ticks(v.now)
	v.l.show(v.now)
	supplied = min(supplied, v.l.supplies(v.now)) // what has happened meanwhile may be what it waits for
	return v.next(min(v.l.aged(v.now), v.l.trace(v.now), v.l.measure(v.now), v.l.signs(v.now), v.l.beside(v.now), v.l.events(v.now), supplied))
}

// next begins a commit if there is something to commit, and moves time.
func (v *virtual) next(aged int64) error {
	if last := v.l.next - 1; v.commit == timebase.Never && last > v.durable {
		v.upTo = last
		if v.commit = v.now + virtualCommit; v.opt.Commit != nil {
			v.commit = max(v.opt.Commit(v.now), v.now)
		}
		if v.opt.Sync || v.l.w.Room() < 2*reserve {
			if err := v.l.w.Commit(); err != nil {
				v.l.failed = fmt.Errorf("%w: %w", ErrEvidence, err)
			}
		}
	}
	rests := v.resting()
	if rests && v.opt.Wait == nil {
		return v.nobody()
	}
	next := min(v.port.Next(), v.l.wake(), aged, v.l.observe, v.commit, v.r.in.rules(false))
	if len(v.dones) > 0 {
		next = min(next, v.dones[0].at)
	}
	if len(v.schedule) > 0 {
		next = min(next, v.schedule[0].At+v.begun)
	}
	if v.opt.Wait != nil {
		next = min(next, v.opt.Wait(max(v.now, next), rests))
	}
	v.now = max(v.now, next)
	return nil
}

// resting tells whether nothing but an operator can bring the batch on, and none will come.
func (v *virtual) resting() bool {
	s := v.l.m.State()
	return (s.Quiescent() || v.l.m.Resting()) && !s.Terminal() && len(v.schedule) == 0 && len(v.dones) == 0 && v.commit == timebase.Never &&
		v.r.in.empty() && v.l.running == 0 && (s != sequencer.Idle || v.r.opt.Manual || v.l.refused != "")
}

// nobody says what the batch waits for that rests, and why it was not started where it was to be.
func (v *virtual) nobody() error {
	v.l.wants = v.l.m.Wanted()
	err := fmt.Errorf("%w: it is %s", ErrNobody, v.l.m.State())
	if len(v.l.wants) > 0 {
		err = fmt.Errorf("%w, and wants %s", err, strings.Join(v.l.wants, ", then "))
	}
	return v.l.unstarted(err)
}

// out carries out what has left the gate.
func (v *virtual) out(ctx context.Context, e *batch.Effect) {
	if e.Kind == batch.CancelAction {
		return // in virtual time an action has ended as soon as it has begun
	}
	if e.Kind != batch.Write {
		req := Request{ID: e.ID, First: e.First, Step: e.Step, Type: e.Text, Version: e.Version, Params: e.Params}
		v.r.in.report(v.r.act(ctx, req, v.r.in.report))
		return
	}
	w := e.Write
	w.Deadline = v.now + batch.WriteTime
	at, err := v.port.Apply(v.now, w)
	d := due{max(at, v.now), batch.Event{Kind: batch.Done, ID: w.ID, OK: err == nil, At: max(at, v.now)}}
	if err != nil {
		d.ev.Detail, d.ev.Outcome = batch.Clean(err.Error()), outcome(err)
	}
	i := len(v.dones)
	for i > 0 && v.dones[i-1].at > d.at {
		i--
	}
	v.dones = append(v.dones, due{})
	copy(v.dones[i+1:], v.dones[i:])
	v.dones[i] = d
}
