// The tracker: its state, and what a step does.

package unitrun

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/timebase"
)

// Tracker is the state of all runs, slots and materials. Make it with [NewTracker]. Its methods do not block; one goroutine at a time may call
// them.
type Tracker struct {
	defs    []*Definition // by name
	units   []*unit       // by ID
	unitOf  map[string]*unit
	slots   int
	ports   map[string][]port // by tag
	levels  map[string]level  // by tag, of those that are ports
	last    uint64            // number of the newest run
	runs    []*run            // by number
	ready   int               // runs that wait to be finished
	past    []*run            // runs that are over and remembered, in the order in which they came to be
	mats    map[string]*material
	list    []*material // by serial
	gone    []*material // that have exited and belong to no tracked run, in the order in which that came to be
	serial  uint64      // of the newest material
	arrival uint64      // of the newest arrival
	now     int64       // UTC of the step under way
}

// unit is a process unit.
type unit struct {
	id      string
	classes []string
	slots   []*slot     // by definition
	inside  []*material // by arrival
}

// slot is where a unit has the tracked run of a definition.
type slot struct {
	unit    *unit
	opt     *Slot // never changed: another one takes its place
	run     *run  // nil: it is Idle
	count   uint64
	leaving bool // it is taken away once its run has ended
}

// run is one run.
type run struct {
	number                    uint64
	unit, definition          string
	ident, process            string
	state                     State
	created, started, finally int64
	test, post                bool
	opt                       *Slot  // of a tracked run: as its slot was when it was created
	slot                      *slot  // of a tracked run
	links                     []link // in the order in which they came
	short                     bool   // a material is missing in links, which were full
}

// link is a material that belongs to a run.
type link struct {
	id     string
	m      *material // nil where the run is not tracked any more
	visit  uint32    // during which it was linked
	splits uint32    // that it had then
}

// NewTracker returns the tracker before the first event. It has no units: a Configure says what there is.
func NewTracker() *Tracker {
	return &Tracker{unitOf: map[string]*unit{}, ports: map[string][]port{}, levels: map[string]level{}, mats: map[string]*material{}}
}

// Step takes in an event at a time, appends what it came to to fx, and returns that. It is total: what cannot be done is a Refused, and
// changes nothing. The same events lead to the same effects and the same tracker.
func (t *Tracker) Step(at timebase.Stamp, e *Event, fx []Effect) []Effect {
	if err := e.check(); err != nil {
		return append(fx, refusal(e, err.Error()))
	}
	t.now = at.UTC
	switch e.Kind {
	case Signal:
		return t.signal(e, fx)
	case Boot:
		return t.boot(fx)
	case Sample:
		return t.sample(e, fx)
	case Register, Arrive:
		return t.arrive(e, fx)
	case Move:
		return t.move(e, fx)
	case Split:
		return t.split(e, fx)
	case Merge:
		return t.merge(e, fx)
	case Exit:
		return t.exit(e, fx)
	case Regenerate:
		return t.regenerate(e, fx)
	case Configure:
		return t.configure(e, fx)
	}
	return t.command(e, fx)
}

// refusal answers an event that changes nothing.
func refusal(e *Event, reason string) Effect {
	return Effect{Kind: Refused, Command: e.Kind, Run: clip(e.Run, MaxText), Unit: clip(e.Unit, MaxText), Definition: clip(e.Definition, MaxText),
		Ident: clip(e.Ident, MaxText), Material: clip(e.Material, MaxText), Reason: clip(reason, MaxReason)}
}

// clip cuts what a tracker says to what it takes.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}

// id is the name of a run.
func (r *run) id() string { return fmt.Sprintf("R-%06d", r.number) }

// options are those that hold for a run.
func (r *run) options() *Slot {
	if r.opt != nil {
		return r.opt
	}
	return &Slot{Post: r.post}
}

// over tells whether nothing more becomes of a run.
func (r *run) over() bool { return !r.state.Tracked() && (r.state != Ready || !r.post) }

// effect is the beginning of what is said of a run.
func (r *run) effect(kind EffectKind) Effect {
	return Effect{Kind: kind, Run: r.id(), Unit: r.unit, Definition: r.definition, Ident: r.ident, Process: r.process, Test: r.test}
}

// find finds a run by its name, nil where it is not remembered.
func (t *Tracker) find(id string) *run {
	digits, ok := strings.CutPrefix(id, "R-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil {
		return nil
	}
	i, there := t.place(n)
	if !there || t.runs[i].id() != id {
		return nil
	}
	return t.runs[i]
}

// place finds where a run stands among all.
func (t *Tracker) place(number uint64) (i int, there bool) {
	return slices.BinarySearchFunc(t.runs, number, func(r *run, n uint64) int { return cmp.Compare(r.number, n) })
}

// slot finds the slot of a definition.
func (u *unit) slot(definition string) *slot {
	i, ok := slices.BinarySearchFunc(u.slots, definition, func(s *slot, name string) int { return cmp.Compare(s.opt.Definition, name) })
	if !ok {
		return nil
	}
	return u.slots[i]
}

// command carries out what a message tells a run or a slot.
func (t *Tracker) command(e *Event, fx []Effect) []Effect {
	if e.Run != "" {
		r := t.find(e.Run)
		switch {
		case r == nil:
			return append(fx, refusal(e, "no such run is known: it never was, or has been over for long; look at the list of runs"))
		case r.slot == nil && e.Kind != Finish:
			_, err := Next(r.state, e.Kind, r.options())
			return append(fx, r.refused(e.Kind, err.Error()))
		case r.slot == nil:
			return t.finish(r, fx)
		}
		return t.message(r.slot, e, fx)
	}
	u := t.unitOf[e.Unit]
	if u == nil {
		return append(fx, refusal(e, "no such unit is known; configure it first"))
	}
	s := u.slot(e.Definition)
	if s == nil {
		return append(fx, refusal(e, "the unit has no runs of that definition; configure it first"))
	}
	return t.message(s, e, fx)
}

// message carries out what a slot is told by message.
func (t *Tracker) message(s *slot, e *Event, fx []Effect) []Effect {
	if s.opt.Control == BySignal && !s.leaving && e.Kind != Finish {
		return append(fx, s.refused(e.Kind, "", "it is controlled by signal alone; use its ports, or set its control to both"))
	}
	return t.do(s, e.Kind, order{ident: e.Ident, process: e.Process, test: e.Test}, fx)
}

// order is what comes with a command.
type order struct {
	ident, process string
	test           bool
	tag            string // of the port that ordered it
}

// refused answers a command to a slot that changes nothing.
func (s *slot) refused(do EventKind, tag, reason string) Effect {
	e := Effect{Kind: Refused, Unit: s.unit.id, Definition: s.opt.Definition}
	if s.run != nil {
		e = s.run.effect(Refused)
	}
	e.Command, e.Tag, e.Reason = do, tag, clip(reason, MaxReason)
	return e
}

// refused answers a command to a run that changes nothing.
func (r *run) refused(do EventKind, reason string) Effect {
	e := r.effect(Refused)
	e.Command, e.Reason = do, clip(reason, MaxReason)
	return e
}

// do carries out a command to a slot, or to the run that is tracked in it.
func (t *Tracker) do(s *slot, do EventKind, o order, fx []Effect) []Effect {
	state, opt := Idle, s.opt
	if s.run != nil {
		state, opt = s.run.state, s.run.opt
	}
	next, err := Next(state, do, opt)
	if err != nil {
		return append(fx, s.refused(do, o.tag, err.Error()))
	}
	r := s.run
	if r == nil {
		if r, err = t.newRun(s, o); err != nil {
			return append(fx, s.refused(do, o.tag, err.Error()))
		}
		fx = t.create(s, r, fx)
		if next == Created {
			return fx
		}
	}
	switch next {
	case Active:
		return t.activate(r, do, fx)
	case Paused:
		return r.captureOff(r.change(Paused, do, fx))
	case Ready:
		return t.makeReady(r, do, fx)
	}
	return t.cancel(r, o.tag, fx)
}

// change takes a run to a state, and says so.
func (r *run) change(to State, do EventKind, fx []Effect) []Effect {
	e := r.effect(RunChanged)
	e.Command, e.Old, e.State, e.Created, e.Started, e.Ended = do, r.state, to, r.created, r.started, r.finally
	e.Post = to == Ready && r.post
	r.state = to
	return append(fx, e)
}

// newRun makes the run that is to be in a slot; where it cannot be, nothing has changed.
func (t *Tracker) newRun(s *slot, o order) (*run, error) {
	r := &run{number: t.last + 1, unit: s.unit.id, definition: s.opt.Definition, ident: o.ident, process: o.process, state: Idle, created: t.now,
		test: o.test || s.opt.Test, post: s.opt.Post, opt: s.opt, slot: s}
	switch {
	case t.ready >= MaxReady:
		return nil, fmt.Errorf("%d runs wait to be finished; finish some", t.ready)
	case o.ident != "":
	case s.opt.Naming == NamedByMessage:
		return nil, fmt.Errorf("its identifier is missing; a message has to give it")
	case s.opt.Naming == NamedBySignal:
		if r.ident = t.levels[s.opt.Ports.Ident].text; r.ident == "" {
			return nil, fmt.Errorf("its identifier is missing: port %s has none, or is not GOOD; set it before", s.opt.Ports.Ident)
		}
	default:
		r.ident = fmt.Sprintf("%s%0*d", s.opt.Prefix, s.opt.Digits, s.count+1)
		s.count++
	}
	return r, nil
}

// create puts a run into its slot, and links what is in the unit.
func (t *Tracker) create(s *slot, r *run, fx []Effect) []Effect {
	t.last = r.number
	t.runs = append(t.runs, r)
	s.run = r
	fx = r.change(Created, Create, fx)
	for _, m := range s.unit.inside {
		fx = r.link(m, Create, fx)
	}
	return fx
}

// activate has a run under way, for the first time or again.
func (t *Tracker) activate(r *run, do EventKind, fx []Effect) []Effect {
	if r.state == Created {
		r.started = t.now
	}
	return r.captureOn(r.change(Active, do, fx))
}

func (r *run) captureOn(fx []Effect) []Effect {
	if c := r.opt.Capture; c != nil {
		e := r.effect(CaptureOn)
		e.Tags, e.PeriodMS = c.Tags, c.PeriodMS
		fx = append(fx, e)
	}
	return fx
}

func (r *run) captureOff(fx []Effect) []Effect {
	if r.opt.Capture != nil {
		fx = append(fx, r.effect(CaptureOff))
	}
	return fx
}

// makeReady ends a run. Where it waits to be finished is told.
func (t *Tracker) makeReady(r *run, do EventKind, fx []Effect) []Effect {
	active := r.state == Active
	r.finally = t.now
	if fx = r.change(Ready, do, fx); active {
		fx = r.captureOff(fx)
	}
	if r.post {
		t.ready++
	}
	t.release(r)
	return fx
}

// finish closes the post-processing of a run.
func (t *Tracker) finish(r *run, fx []Effect) []Effect {
	if _, err := Next(r.state, Finish, r.options()); err != nil {
		return append(fx, r.refused(Finish, err.Error()))
	}
	fx = r.change(Finished, Finish, fx)
	t.ready--
	t.remember(r)
	return fx
}

// release frees the slot of a run, whose materials are its own no more.
func (t *Tracker) release(r *run) {
	s := r.slot
	r.slot, r.opt, s.run = nil, nil, nil
	for i := range r.links {
		m := r.links[i].m
		m.runs = slices.DeleteFunc(m.runs, func(q *run) bool { return q == r })
		r.links[i].m = nil
		t.part(m)
	}
	if s.leaving {
		s.unit.slots = slices.DeleteFunc(s.unit.slots, func(q *slot) bool { return q == s })
		t.slots--
	}
	if r.over() {
		t.remember(r)
	}
	t.forget()
}

// remember keeps one more run that is over, and forgets the oldest where there are too many.
func (t *Tracker) remember(r *run) {
	if t.past = append(t.past, r); len(t.past) <= MaxOver {
		return
	}
	old := t.past[0]
	t.past[0], t.past = nil, t.past[1:]
	i, _ := t.place(old.number)
	t.runs = slices.Delete(t.runs, i, i+1)
}

// sample takes what was captured for a run that is Active.
func (t *Tracker) sample(e *Event, fx []Effect) []Effect {
	r := t.find(e.Run)
	switch {
	case r == nil:
		return append(fx, refusal(e, "no such run is known; look at the list of runs"))
	case r.state != Active || r.opt.Capture == nil:
		return append(fx, r.refused(Sample, fmt.Sprintf("it is %s, or its slot captures nothing; values are taken while it is Active", r.state)))
	}
	for i := range e.Data {
		if !slices.Contains(r.opt.Capture.Tags, e.Data[i].Tag) {
			return append(fx, r.refused(Sample, fmt.Sprintf("tag %s is none that it captures; configure its slot", e.Data[i].Tag)))
		}
	}
	c := r.effect(Captured)
	c.Data = e.Data
	return append(fx, c)
}

// boot says again what goes on.
func (t *Tracker) boot(fx []Effect) []Effect {
	clear(t.levels)
	for _, u := range t.units {
		for _, s := range u.slots {
			if s.run != nil && s.run.state == Active {
				fx = s.run.captureOn(fx)
			}
		}
	}
	return fx
}
