// The loop's body: one event after the other, on one goroutine, in real and in virtual time alike.

package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// LateLimit is the lateness in ns above which a tick is recorded as late.
const LateLimit = 100_000_000

// reserve is the room in bytes that the journal's buffer must have for the loop to take samples: more than one step can fill.
const reserve = batch.MaxBurst

// observeEvery is the time in ns between two looks at the wall clock.
const observeEvery = 60_000_000_000

// lastUTC is a UTC in ns that no sound clock shows before the year 2116.
const lastUTC = 1 << 62

// loop is the state of the shell. It is used by one goroutine.
type loop struct {
	r       *Runner
	m       *batch.Machine
	w       *journal.Writer
	block   *batch.Block
	gate    gate
	fx      []batch.Effect
	buf     []byte
	prev    int64  // stamp of the last event
	next    uint64 // number of the next record
	ended   bool   // the machine's End has passed the gate
	running int    // OEM actions under way
	late    int64
	lost    int64    // inputs that were replaced, as far as records say so
	unsafe  []string // outputs that were never confirmed to be safe
	windows []Window
	refused string   // why the start was refused that was given last; "" where none was
	wants   []string // of the result
	failed  error
	deaf    bool  // a callback has panicked; none is called any more
	observe int64 // when to look at the wall clock next
	seen    lookout
	eyes    *watch // nil: nobody looks
	out     func(e *batch.Effect)
	waited  int64 // ns for which the event that is stepped has waited; -1: not known
	begun   int64 // when this life of the batch began, monotonic ns
	ring    *ring // what the loop did last; nil: that is not kept
	gauge   measures
	heads   *heads // nil: nothing is signed
	marks   marks
	medium  medium
	supply  supply
	dog     dog
	buses   buses

	consults consults
	grain    int64                                              // ns of which the stamps of samples are multiples; 0: they are as the clock was
	desk     *errands                                           // calls of the arbiter; nil: they are made on the loop
	abroad   func(work func(ctx context.Context) func(l *loop)) // has a historian asked, likewise
	aside    func(work func() func(l *loop))                    // has work done beside the loop, which then calls what it returns
}

func newLoop(r *Runner, w *journal.Writer) *loop {
	effects, body := 64, record.MaxBody
	if r.opt.Lean {
		effects, body = leanRoom, leanBody
	}
	l := &loop{r: r, m: r.b.Start(), w: w, block: batch.NewBlock(len(r.b.Plan.Map.Tags)), next: 1,
		fx: make([]batch.Effect, 0, effects), buf: make([]byte, 0, body), waited: -1, ring: &ring{}}
	l.medium.last = r.rig.Medium
	l.heads = newHeads(r)
	if r.past != nil {
		l.resume(r.past)
	}
	if r.opt.Look != nil {
		l.eyes = newWatch(r)
	}
	return l
}

// begin takes in what stands at the head of every journal: what the batch is bound to, and the boot with its outputs as they
// were read back.
func (l *loop) begin(now int64, wall timebase.Source, readback []batch.Reading) {
	defer l.declare()
	l.begun = now
	if l.r.past != nil {
		l.again(l.r.past, now, wall, readback)
		return
	}
	l.prev = max(now, 1)
	epoch, seen := l.w.Header().Epoch, l.observation(wall)
	l.prev, l.seen.last = seen.Mono, seen
	l.take(l.prev, &batch.Event{Kind: batch.Created, Epoch: epoch, Observation: seen})
	for i := range l.r.b.Plan.Files {
		l.take(l.prev, &batch.Event{Kind: batch.Bound, File: i})
	}
	for i := range l.r.b.Plan.Actions {
		l.take(l.prev, &batch.Event{Kind: batch.Declared, File: i})
	}
	l.take(l.prev, &batch.Event{Kind: batch.Boot, Epoch: epoch, Observation: seen, Readback: readback, Anchor: l.r.kept, RealTime: l.r.realTime(),
		BootID: batch.Clean(l.r.rig.BootID), Reset: l.r.told()})
}

// observation looks at the wall clock, which need not be done again for a while.
func (l *loop) observation(wall timebase.Source) timebase.Observation {
	o := timebase.Observation{Mono: l.prev}
	l.guest("Wall.Observe", func() { o = wall.Observe() })
	o = l.seen.clean(&o).After(l.prev)
	l.observe = o.Mono + observeEvery
	return o
}

// look takes in an observation of the wall clock where it is time for one, or where something has changed.
func (l *loop) look(now int64, wall timebase.Source) {
	changed := l.seen.changed.Swap(false)
	if now < l.observe && !changed {
		return
	}
	due := l.observe
	if early := l.seen.early(now); now < due && !early {
		l.observe = min(due, now+earlyEvery)
		return
	}
	o := l.observation(wall)
	if now < due && !l.seen.news(&o) {
		l.observe = due // whoever called had nothing new to tell
		return
	}
	l.seen.last = o
	l.seen.level++
	l.take(o.Mono, &batch.Event{Kind: batch.Observed, Observation: o})
}

// ticks takes in every tick that is due at now, each with its own deadline as its stamp.
func (l *loop) ticks(now int64) {
	for l.failed == nil {
		due := l.wake()
		if due > now {
			return
		}
		l.gauge.v.Loop = max(l.gauge.v.Loop, now-due)
		l.ring.add(entry{at: due, took: now - due, seq: l.next, what: ticked})
		if late := now - due; late > LateLimit {
			l.late++
			l.step(max(l.prev, due), &batch.Event{Kind: batch.Late, LateMS: late / 1_000_000, LimitMS: LateLimit / 1_000_000})
		}
		l.step(max(l.prev, due), &batch.Event{Kind: batch.Tick})
	}
}

// wake returns when the machine wants its next tick; once the run is over it wants none.
func (l *loop) wake() int64 {
	if l.m.Ended() {
		return timebase.Never
	}
	return l.m.Wake()
}

// take takes in one event at monotonic time now, after the ticks that are due before it.
func (l *loop) take(now int64, ev *batch.Event) {
	waited := int64(-1)
	if now = max(now, l.prev); ev.Kind == batch.Done {
		waited = max(now-ev.At, 0)
	}
	l.admit(now, ev, waited)
}

// sample takes in a value that was true at a time.
func (l *loop) sample(now, at int64, ev *batch.Event) {
	if at <= 0 {
		l.take(now, ev)
		return
	}
	now = max(now, l.prev)
	if age := (now - at) / 1_000_000; age > 0 {
		ev.AgeMS = age
	}
	waited := max(now-at, 0)
	if l.grain > 0 {
		now = max(now-now%l.grain, l.prev)
	}
	l.admit(now, ev, waited)
}

// admit takes in an event that has waited for so many ns, -1 where that is not known.
func (l *loop) admit(now int64, ev *batch.Event, waited int64) {
	l.ticks(now)
	if ev.Kind == batch.Finished {
		l.running--
	}
	l.waited = waited
	l.step(now, ev)
	l.waited = -1
}

// step records an event, lets the machine decide, and hands on what it decides.
func (l *loop) step(at int64, ev *batch.Event) {
	if l.failed != nil || l.m.Ended() {
		return
	}
	defer l.fault()
	if ev.Kind.Packed() {
		l.block.Add(at, ev)
		ev.Seq = l.next
	} else {
		l.seal()
		ev.Seq = l.next
		body, err := l.m.AppendInput(l.buf[:0], at, ev)
		if err != nil {
			// Nothing that reaches the loop can be beyond a record; what could be was cleaned where it came in.
			panic(err)
		}
		l.append(kindOf(ev), l.next, body)
	}
	l.prev = at
	l.ring.event(at, ev, l.waited)
	before := l.m.State()
	l.fx = l.m.Step(at, ev, l.fx[:0])
	if len(l.fx) > 0 {
		l.effects()
		l.goesWrong(before, ev)
	}
	if l.block.Full() {
		l.seal()
	}
}

// effects seals the input before the decisions that it led to, and hands everything on in order.
func (l *loop) effects() {
	l.seal()
	for i := range l.fx {
		e := &l.fx[i]
		switch {
		case e.Kind == batch.Record:
			l.append(e.Of, e.Seq, e.Body)
		case e.Kind == batch.Write && e.Safe:
			l.gate.cancel(e.Output)
			l.hand(e)
		case e.Kind == batch.CancelAction && l.gate.drop(e.ID):
			l.running++
			l.r.in.report(batch.Event{Kind: batch.Finished, ID: e.ID, Detail: "called off before it was begun"})
		case e.Kind == batch.CancelAction:
			l.hand(e)
		default:
			l.hold(e)
		}
	}
}

// seal closes the open block, if there is one.
func (l *loop) seal() {
	if l.block.Events == 0 {
		return
	}
	lost := l.r.in.dropped()
	l.block.Lost, l.lost = lost-l.lost, lost
	body, err := l.m.AppendBlock(l.buf[:0], l.next, l.block)
	if err != nil {
		panic(err)
	}
	l.block.Reset()
	l.append(record.KindInputBlock, l.next, body)
}

// append hands a record to the journal.
func (l *loop) append(k record.Kind, seq uint64, body []byte) {
	if seq != l.next {
		panic(fmt.Sprintf("record %d is numbered %d", l.next, seq))
	}
	l.next++
	if err := l.w.Append(seq, body); err != nil && l.failed == nil {
		l.failed = fmt.Errorf("%w: record %d: %w", ErrEvidence, seq, err)
		if errors.Is(err, journal.ErrFull) {
			l.failed = fmt.Errorf("%w; the disk takes nothing; records up to %d are durable, later ones are not; find what holds it up",
				l.failed, l.w.Durable())
		}
	}
	l.gauge.appended(k, seq)
	if k == record.KindInputBlock || k.Spec().Grade != record.Input { // an input that was taken says so itself
		l.ring.add(entry{at: l.now(), took: -1, seq: seq, what: noted, of: k})
	}
	if k == record.KindOutputFault {
		l.ring.blame("an output is not known to be what it should be")
	}
	l.watch(k, body)
}

// watch shows a record to whoever wants to see it, and keeps what the result and the signed heads need.
func (l *loop) watch(k record.Kind, body []byte) {
	if l.heads != nil {
		l.heads.add(max(l.prev, l.gauge.now), k, body)
	}
	if kept(k) {
		rec, err := record.Parse(body)
		if err != nil {
			panic(err)
		}
		l.keep(rec)
	}
	if l.r.opt.Record != nil {
		l.guest("Options.Record", func() { l.r.opt.Record(k, body) })
	}
}

// guest calls what is not the runner's own. Where that panics the run ends, with its outputs safe; it is no fault of the engine.
func (l *loop) guest(name string, call func()) {
	if l.deaf {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			l.deaf = true
			l.ring.blame(fmt.Sprintf("%s: panic: %v", name, p))
			if l.failed == nil {
				l.failed = fmt.Errorf("runner: %s: panic: %v", name, p)
			}
		}
	}()
	call()
}

// kept tells whether the result needs something of records of a kind.
func kept(k record.Kind) bool {
	return k == record.KindWindowStop || k == record.KindReconcile || k == record.KindBatchEnd || k == record.KindCommandResult
}

// keep takes from a record what the result needs.
func (l *loop) keep(rec *record.Record) {
	switch rec.Kind {
	case record.KindCommandResult:
		if rec.Text(record.Command) == sequencer.Start.String() && l.m.State() == sequencer.Idle {
			l.refused = ""
			if rec.Text(record.Result) == sequencer.Refused.String() {
				l.refused = rec.Text(record.Detail)
			}
		}
	case record.KindBatchEnd:
		l.unsafe = rec.Texts(record.Values)
	case record.KindWindowStop:
		l.windows = append(l.windows, Window{ID: rec.Text(record.MeterWindowID), Unit: rec.Text(record.Unit),
			Target: rec.Text(record.Target), Total: rec.Text(record.TotalizedValue), Delta: rec.Text(record.Delta),
			Tolerance: rec.Text(record.Tolerance), Verdict: rec.Text(record.Result)})
	case record.KindReconcile:
		for i := range l.windows {
			if w := &l.windows[i]; w.ID == rec.Text(record.MeterWindowID) {
				w.Meter, w.Historian = rec.Text(record.MeterTotal), rec.Text(record.HistorianTotal)
				w.Reconciled, w.Hint = rec.Text(record.ReconcileStatus), rec.Text(record.Hint)
				w.Absent = strings.Join(rec.Texts(record.Absent), " ")
			}
		}
	}
}

// fault turns a panic of the engine into a last record and the end of the run.
func (l *loop) fault() {
	p := recover()
	if p == nil {
		return
	}
	l.failed = fmt.Errorf("%w: %v", ErrEngine, p)
	l.ring.blame(l.failed.Error())
	last := func(k record.Kind, body []byte, err error) {
		if err == nil && l.w.Append(l.next, body) == nil {
			l.next++
			l.watch(k, body)
		}
	}
	if l.block.Events > 0 {
		body, err := l.m.AppendBlock(nil, l.next, l.block)
		l.block.Reset()
		last(record.KindInputBlock, body, err)
	}
	body, err := l.m.AppendFault(nil, l.next, batch.Clean(fmt.Sprint(p)))
	last(record.KindEngineFault, body, err)
}

// abandon ends a run for another reason than its batch; what has come in is kept.
func (l *loop) abandon(why error) {
	defer l.fault()
	l.seal()
	if l.failed == nil {
		l.failed = why
	}
}

// aged seals the open block once it is as old as the batch lets it be, and returns when that will be.
func (l *loop) aged(now int64) int64 {
	defer l.fault()
	if l.block.Events == 0 {
		return timebase.Never
	}
	if due := l.block.First + l.r.b.BlockAge; due > now {
		return due
	}
	l.seal()
	return timebase.Never
}

// pass lets the gate hand on what is durable now.
func (l *loop) pass(durable uint64) {
	l.ring.durable(l.now(), durable, l.gauge.since(durable))
	l.gauge.durable(durable)
	l.supply.durable = durable
	if l.heads != nil {
		l.heads.durable = durable
	}
	l.gate.pass(durable, func(e *batch.Effect) {
		switch e.Kind {
		case batch.End:
			l.ended = true
		case batch.RequestResource, batch.ReleaseResource:
			l.arbitrate(e)
		case batch.Ask:
			if l.r.opt.Ask != nil {
				l.guest("Options.Ask", func() { l.r.opt.Ask(l.r, Prompt{ID: e.ID, Step: e.Step, Text: e.Text, Answer: *e.Answer}) })
			}
		default:
			if e.Kind == batch.RunAction {
				l.running++
			}
			l.hand(e)
		}
	})
}

// crowded tells whether samples must wait: the gate is full, or the journal's buffer nearly is.
func (l *loop) crowded() bool { return l.gate.full() || l.w.Room() < reserve }

// safeWrites are the writes of every output's safe value, for an end without evidence, but for those that are foreign; nil: parts of what
// batches share are. A request for a trip that was made is made again, before all else, and one that may have been made is not taken back.
func safeWrites(m *iomap.Map, tripped bool, foreign func(tag.ID) bool) (list []tag.Write) {
	if tripped {
		list = append(list, tripWrite(m))
	}
	for i := range m.Tags {
		t := &m.Tags[i]
		if t.Resource > 0 && (foreign == nil || foreign(tag.ID(i))) {
			continue
		}
		if bits, ok := t.Wire(t.Safe); ok && t.Output && (m.Trip == nil || m.Trip.Tag != tag.ID(i)) {
			list = append(list, tag.Write{Channel: t.Channel, Form: t.Form, Bits: bits, Safe: true})
		}
	}
	return list
}

// tripWrite is the write that requests a trip.
func tripWrite(m *iomap.Map) tag.Write {
	t := &m.Tags[m.Trip.Tag]
	bits, _ := t.Wire(m.Trip.Value) // a switch has no value that does not fit
	return tag.Write{Channel: t.Channel, Form: t.Form, Bits: bits, Safe: true}
}

// stopped tells whether the run is over, one way or the other.
func (l *loop) stopped() bool { return l.ended || l.failed != nil }

func (l *loop) result(head journal.Chain) Result {
	root := ""
	if h := l.heads; h != nil && h.tree.Size() == head.N {
		root = h.tree.Root().String()
	}
	learnt := l.m.Learnt()
	if l.r.b.DryRun { // what did not flow teaches nothing
		learnt = nil
	}
	return Result{Root: root, DryRun: l.r.b.DryRun, Wants: l.wants, Trace: l.ring.left(head.N), Medium: l.medium.last, Batch: l.r.b.ID, State: l.m.State(),
		Again: l.m.Again(), Records: head.N, Link: head.Link.String(), Windows: l.windows, Learnt: learnt, Dir: l.r.rig.Dir,
		LateTicks: l.late, Coalesced: l.r.in.dropped(), Unmapped: l.r.in.strangers(), EventsLost: l.r.in.eventsLost(), Port: l.r.in.portFault(), LossWindow: l.r.b.BlockAge + 2*l.gauge.worst}
}

// kindOf returns the kind of the record of an input that has one of its own.
func kindOf(ev *batch.Event) record.Kind {
	if ev.Kind == batch.Boot && ev.Recovery != "" {
		return record.KindRecovery
	}
	return kinds[ev.Kind]
}

// kinds are the records of the inputs that have one of their own.
var kinds = [...]record.Kind{batch.Observed: record.KindTimeObserved, batch.Created: record.KindBatchCreated,
	batch.Bound: record.KindObjectBound, batch.Declared: record.KindActionDeclared, batch.Boot: record.KindBoot, batch.Late: record.KindTickLate, batch.Told: record.KindCommand,
	batch.Answered: record.KindPromptAnswer, batch.Done: record.KindWriteDone, batch.Progress: record.KindActionProgress,
	batch.Finished: record.KindActionResult, batch.ResourceGranted: record.KindResourceGranted,
	batch.ResourceRefused: record.KindResourceRefused, batch.ResourceQueue: record.KindResourceQueue,
	batch.HistorianSaid: record.KindHistorianTotal, batch.PowerWarned: record.KindPowerWarning}
