// The rig: a machine under test, its twins, and a watch that checks after every event what must hold after any event.

package sequencer

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// rig runs a machine beside three twins. One is stepped as the machine is; one is put down as a snapshot and taken up again
// before every event; one was taken up from a snapshot at some time and lives on; one looks at all phases in every step. All must do
// the same.
type rig struct {
	w     *wired
	p     *Program // that all of them run: that of w, or another one with other constants
	plant *plant
	m     *Machine
	twin  *Machine
	hop   *Machine
	fork  *Machine
	whole *Machine
	touch tag.ID // tag that the next Changed is about
	watch watch
	now   int64
	show  func(ev *Event, fx []Effect)
}

func newRig(w *wired) *rig {
	p := newPlant(w)
	r := &rig{w: w, p: &w.Program, plant: p, m: New(&w.Program, p), twin: New(&w.Program, p), fork: New(&w.Program, p), hop: New(&w.Program, p),
		whole: New(&w.Program, p),
		show:  func(*Event, []Effect) {}}
	r.watch = newWatch(w)
	r.watch.plant = p
	return r
}

// refork lets the long-lived twin begin anew from a snapshot of now.
func (r *rig) refork() error {
	r.fork = New(r.p, r.plant)
	rest, err := r.fork.Restore(append(r.m.Snapshot(nil), 7))
	if err == nil && !bytes.Equal(rest, []byte{7}) {
		err = fmt.Errorf("restore leaves %v", rest)
	}
	return err
}

// take steps an event and, as package batch does, the answers of the metering floor to it.
func (r *rig) take(at int64, ev Event) error {
	r.now, r.plant.now = at, at
	for o := range r.m.out {
		if s := &r.m.out[o]; ev.Kind == Done && ev.OK && s.Write == ev.ID && s.Busy && !r.plant.lies[o] {
			r.plant.value[r.w.Outputs[o].Tag] = s.Value
		}
	}
	for queue := []Event{ev}; len(queue) > 0; queue = queue[1:] {
		fx, err := r.step(at, &queue[0])
		if err != nil {
			return fmt.Errorf("at %s, %+v: %w", seconds(at), queue[0], err)
		}
		r.show(&queue[0], fx)
		for i := range fx {
			switch e := &fx[i]; e.Kind {
			case OpenWindow:
				queue = append(queue, Event{Kind: WindowOpened, Window: e.Window, OK: r.plant.open(e.Window)})
			case CloseWindow:
				r.plant.totals[e.Window].Open = false
				if r.p.Actions[e.Action].Judged() {
					queue = append(queue, r.plant.judged(e.Window, r.p.Windows[e.Window].Target))
				}
			}
		}
	}
	return nil
}

// step steps the machine and its twins and compares them.
func (r *rig) step(at int64, ev *Event) (fx []Effect, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	hop := New(r.p, r.plant)
	if _, err := hop.Restore(r.hop.Snapshot(nil)); err != nil {
		return nil, err
	}
	r.hop = hop
	twins := []*Machine{r.twin, r.hop, r.fork, r.whole}
	if ev.Kind == Changed {
		for _, t := range append(twins, r.m) {
			t.Touch(r.touch)
		}
	}
	r.whole.all = true
	_, _, asked := r.m.Asked(ev.ID)
	asked = asked || r.m.Ended()
	fx = r.m.Step(at, ev, nil)
	state := r.m.Snapshot(nil)
	for i, t := range twins {
		name := [...]string{"twin", "restored twin", "older restored twin", "twin that looks at all"}[i]
		if other := t.Step(at, ev, nil); !slices.Equal(fx, other) {
			return nil, fmt.Errorf("the %s differs: %+v, not %+v", name, other, fx)
		}
		if !bytes.Equal(state, t.Snapshot(nil)) || t.Wake() != r.m.Wake() {
			return nil, fmt.Errorf("the state of the %s differs", name)
		}
	}
	if ev.Kind == Answered && !asked && !slices.ContainsFunc(fx, func(e Effect) bool { return e.Kind == Answer && e.Result == Refused }) {
		return nil, fmt.Errorf("nothing waits for answer %d, and nobody says so", ev.ID)
	}
	r.watch.machine = r.m
	if err := r.watch.effects(at, ev, fx); err != nil {
		return nil, fmt.Errorf("%w\n%+v", err, fx)
	}
	if err := r.watch.after(at, ev, r.m); err != nil {
		return nil, fmt.Errorf("%w\n%+v", err, fx)
	}
	return fx, nil
}

// ticks takes every deadline up to a time, each at its own time.
func (r *rig) ticks(to int64) error {
	for n := 0; r.m.Wake() <= to; n++ {
		if n > 10_000 {
			return fmt.Errorf("at %s: deadlines without end", seconds(r.now))
		}
		if err := r.take(max(r.now, r.m.Wake()), Event{Kind: Tick}); err != nil {
			return err
		}
	}
	return nil
}

// watched is what a watch knows of an output from effects and answers alone.
type watched struct {
	value int64
	id    uint32
	busy  bool
	known bool
	since int64 // when its safe value was commanded, if it is
	wrote int64 // when its value was commanded first

	touched bool // the phase that alone sets it has, since it began last
}

// watch follows a machine from the outside and says what is wrong.
type watch struct {
	plant   *plant
	w       *wired
	state   []State
	batch   State
	out     []watched
	writes  uint32
	asked   uint32
	claims  map[uint32]*claim // requests that were made of an arbiter
	machine *Machine
	ended   bool
	result  Result
	booting bool
	failed  []failure // of the last step
	mode    []Mode
	free    []bool // by block: a child may begin
	hard    bool   // it was aborted hard
	judges  bool   // a window was judged in this step
	trip    TripState
	unread  bool         // a request for a trip may stand that cannot be read
	stands  bool         // one stands that nobody knew of
	alone   []int        // by output: the phase that sets it, with its logic; -1: none or several
	found   map[int]bool // in this step
	safes   []safeKnown  // by output
	failing bool         // the supply fails
	below   [][2]int     // elements whose abort was diagnosed in this step
}

// failure is what a failure takes hold of, and the output that has failed, -1 for none.
type failure struct{ scope, output int }

func newWatch(w *wired) watch {
	h := watch{w: w, state: make([]State, len(w.Elems)), mode: make([]Mode, len(w.Elems)), claims: map[uint32]*claim{},
		free: make([]bool, len(w.Elems)), out: make([]watched, len(w.Outputs)), safes: make([]safeKnown, len(w.Outputs))}
	for o := range h.out {
		h.out[o].value, h.out[o].known = w.Outputs[o].Safe, w.Outputs[o].Part != 0
	}
	h.setters()
	return h
}

// effects checks the effects of one step, in their order.
func (w *watch) effects(at int64, ev *Event, fx []Effect) error {
	w.failed, w.booting, w.judges = w.failed[:0], ev.Kind == Boot, ev.Kind == WindowClosed
	w.found, w.below = map[int]bool{}, nil
	over := w.ended
	for o := range w.out {
		if s := &w.out[o]; ev.Kind == Done && s.busy && s.id == ev.ID {
			s.busy, s.known = false, ev.OK
		}
	}
	if ev.Kind == Power || ev.Kind == Boot {
		w.failing = ev.Kind == Power && !ev.OK && !over
	}
	w.request(at, ev)
	if ev.Kind == Boot && !over {
		w.boot(at, fx)
	}
	w.granted(at, ev, fx)
	for i := range fx {
		e := &fx[i]
		if over && (e.Kind != Answer || e.Result != Refused) {
			return fmt.Errorf("effect %d comes after the end", i)
		}
		if err := errors.Join(w.strange(e), w.effect(at, e), w.blamed(ev, e)); err != nil {
			return fmt.Errorf("effect %d: %w", i, err)
		}
	}
	w.refused(ev)
	return w.kept(fx)
}

// boot takes over the outputs that the boot did not write, because they were read back as commanded.
func (w *watch) boot(at int64, fx []Effect) {
	for o := range w.out {
		s := &w.out[o]
		if s.busy = false; !slices.ContainsFunc(fx, func(e Effect) bool { return e.Kind == Write && e.Output == o }) {
			if s.value == w.safe(o) && s.since == 0 {
				s.since = at
			}
			s.known = true
		} else { // known only if it was read back, and a phase that begins anew has set it
			v, q := w.plant.Read(w.w.Outputs[o].Tag, at)
			s.known = v == s.value && q == tag.Good
		}
	}
}

func (w *watch) effect(at int64, e *Effect) error {
	switch e.Kind {
	case BatchChanged:
		if e.From != w.batch || e.To == e.From {
			return fmt.Errorf("the batch was %s", w.batch)
		}
		w.batch = e.To
	case StepChanged:
		return w.step(e)
	case Write:
		return w.write(at, e)
	case SafeStateChanged:
		return w.safeState(e)
	case Ask, RequestAction:
		if w.booting && e.Kind == Ask && e.ID <= w.asked {
			return nil // asked again
		}
		if w.asked++; e.ID != w.asked {
			return fmt.Errorf("number %d, not %d", e.ID, w.asked)
		}
	case RequestResource, ReleaseResource, ActionWaits:
		return w.claim(e)
	case CancelAction:
		if e.ID == 0 || e.ID > w.asked {
			return fmt.Errorf("number %d was never asked for", e.ID)
		}
	case TimedOut:
		return w.timedOut(e)
	case OutputFault:
		if e.Value != w.safe(e.Output) {
			w.failed = append(w.failed, failure{w.scope(int(w.machine.out[e.Output].Owner)), e.Output})
		}
	case ModeChanged:
		return w.turned(e)
	case ActionEnded, ActionReady:
		return w.lets(e)
	case Answer:
		w.result = e.Result
		w.hard = w.hard || e.Command == HardAbort && e.Result == Accepted
	case Found, Diagnosed, TripChanged:
		return w.abort(e)
	case End:
		if w.ended || e.To != w.batch || !e.To.Terminal() {
			return fmt.Errorf("no end is due: batch %s, ended %t", w.batch, w.ended)
		}
		if w.ended = true; w.trip == TripRequested {
			return fmt.Errorf("the end, and nobody says whether the trip is confirmed")
		}
		if err := w.unclaimed(); err != nil {
			return err
		}
		for o, s := range w.out {
			switch {
			case s.value != w.safe(o):
				return fmt.Errorf("output %d is %d at the end", o, s.value)
			case (s.busy || !s.known) && (e.Reason == "" || at-s.since < Transient):
				return fmt.Errorf("output %d is not confirmed at the end", o)
			}
		}
	}
	return nil
}

// step checks that an element changes by the table, or because a transient state has come to its end, and begins and ends once.
func (w *watch) step(e *Effect) error {
	if e.From != w.state[e.Elem] {
		return fmt.Errorf("element %d was %s", e.Elem, w.state[e.Elem])
	}
	if e.Reason == "time-out" && e.From != e.To && !slices.ContainsFunc(w.failed, func(f failure) bool { return f.scope <= e.Elem && e.Elem < w.w.Elems[f.scope].End }) {
		return fmt.Errorf("element %d is held for a time-out of what does not concern it: %v", e.Elem, w.failed)
	}
	w.state[e.Elem] = e.To
	if err := w.follows(e); err != nil {
		return err
	}
	for o := range w.out {
		w.out[o].touched = w.out[o].touched && (e.From != Idle || w.alone[o] != e.Elem)
	}
	if e.To == Aborting && !slices.ContainsFunc(w.below, func(r [2]int) bool { return e.Elem >= r[0] && e.Elem < r[1] }) {
		return fmt.Errorf("element %d is aborted, and that is not diagnosed", e.Elem)
	}
	switch p := &w.w.Elems[e.Elem]; {
	case p.Bracket:
		return fmt.Errorf("bracket %d is told", e.Elem)
	case e.Edge == EdgeRound:
		return w.again(e)
	case e.Edge == EdgeGoTo:
		return w.led(e)
	case p.Logic:
		return w.logic(e)
	}
	if e.Edge == EdgeRetry && e.Tries > 0 {
		return w.retried(e)
	}
	if w.booting && e.From == e.To && (e.Edge == EdgeResume || e.Edge == EdgeRetry) {
		return nil
	}
	if !e.From.Quiescent() && e.To == ends[e.From] {
		return nil
	}
	for c := Start; c < commandCount; c++ {
		if to, ok := e.From.After(c); ok && to == e.To && c != Reset {
			return nil
		}
	}
	return fmt.Errorf("element %d: no such change", e.Elem)
}

// logic checks that a logic begins in the state of its phase that it belongs to, and ends.
func (w *watch) logic(e *Effect) error {
	p := w.w.Elems[e.Elem].Parent
	begins := e.From == Idle && e.To == Running
	state := [...]State{recipe.OnHold: Holding, recipe.OnRestart: Restarting, recipe.OnStop: Stopping, recipe.OnAbort: Aborting}
	for t, l := range w.w.Elems[p].Logics {
		if l == e.Elem && begins && w.state[p] != state[t] {
			return fmt.Errorf("logic %d begins and its phase is %s", l, w.state[p])
		}
	}
	if !begins && (e.From != Running || e.To != Complete && e.To != Aborted) {
		return fmt.Errorf("logic %d: no such change", e.Elem)
	}
	if !begins {
		w.state[e.Elem] = Idle
	}
	return nil
}

func (w *watch) write(at int64, e *Effect) error {
	s, safe := &w.out[e.Output], w.safe(e.Output)
	if w.writes++; e.ID != w.writes {
		return fmt.Errorf("write %d, not %d", e.ID, w.writes)
	}
	if e.Value != safe && (w.withheld(e.Output) || w.faulty(e.Output)) {
		return fmt.Errorf("output %d leaves its safe value, and an interlock blocks", e.Output)
	}
	if e.Old != s.value {
		return fmt.Errorf("output %d had %d", e.Output, s.value)
	}
	between := e.Value >= min(safe, s.value) && e.Value <= max(safe, s.value)
	v, q := w.plant.Read(w.w.Outputs[e.Output].Tag, at)
	if want := e.Value == safe || s.known && !s.busy && between && v == s.value && q == tag.Good; e.Safe != want {
		return fmt.Errorf("output %d: safe %t, %d to %d with the safe value %d, known %t, busy %t", e.Output, e.Safe, s.value, e.Value, safe,
			s.known, s.busy)
	}
	if e.Reason == "" { // whose failure it was, its owner says no more
		w.failed = slices.DeleteFunc(w.failed, func(f failure) bool { return f.output == e.Output })
	}
	if e.Value != s.value {
		s.wrote = at
	}
	if e.Value != safe {
		s.since = 0
	} else if s.value != safe || s.since == 0 {
		s.since = at
	}
	s.value, s.id, s.busy = e.Value, e.ID, true
	s.touched = s.touched || e.Reason == "" && w.alone[e.Output] == e.Elem
	return nil
}

// after checks what must hold between two events.
func (w *watch) after(at int64, ev *Event, m *Machine) error {
	if wake := m.Wake(); wake <= at || m.Ended() && wake != timebase.Never {
		return fmt.Errorf("wake at %s, ended %t", seconds(wake), m.Ended())
	}
	if m.Ended() != w.ended || m.State(0) != w.batch {
		return fmt.Errorf("batch is %s, ended %t; told %s, %t", m.State(0), m.Ended(), w.batch, w.ended)
	}
	unsafe := w.unsafe(0)
	wasTold := ev.Kind == Told && ev.Elem == 0 && w.result != Refused && (ev.Command == Hold || ev.Command == Stop || ev.Command == Abort)
	if err := w.aborted(m); err != nil {
		return err
	}
	if unsafe >= 0 && (w.batch.Terminal() || wasTold) {
		return fmt.Errorf("output %d is not commanded to its safe value, batch %s", unsafe, w.batch)
	}
	for _, f := range w.failed {
		if o := w.unsafe(f.scope); o >= 0 {
			return fmt.Errorf("output %d is not commanded to its safe value, element %d has failed", o, f.scope)
		}
	}
	if ev.Kind == Told && w.result != Refused {
		if err := w.obeyed(ev, m); err != nil {
			return err
		}
	}
	if err := errors.Join(w.owners(m), w.gated(m), w.faults(m)); err != nil {
		return err
	}
	if err := w.modes(m); err != nil {
		return err
	}
	if err := w.shares(); err != nil {
		return err
	}
	if err := w.waits(at, m); err != nil {
		return err
	}
	return w.phases(at, m)
}

// phases checks each phase, its logic, and what is kept of them all.
func (w *watch) phases(at int64, m *Machine) error {
	var active []int
	for e := range w.w.Elems {
		s := State(m.el[e].State)
		if !w.w.Elems[e].Phase {
			continue
		}
		if s != w.state[e] {
			return fmt.Errorf("phase %d is %s, told %s", e, s, w.state[e])
		}
		if s != Idle && !s.Terminal() {
			active = append(active, e)
		}
		going := s == Running || s == Pausing
		if el := &m.el[e]; going && el.Waiting && el.B != 0 && m.current(e).Kind == recipe.Sync {
			return fmt.Errorf("phase %d was let go from its line and waits still", e)
		}
		if limited := m.timers.Due(e) != timebase.Never; limited != (going && w.w.Elems[e].Timeout > 0) {
			return fmt.Errorf("phase %d is %s, its time-out runs: %t", e, s, limited)
		}
		if m.timers.Due(m.actionTimer(e)) != timebase.Never && !going {
			return fmt.Errorf("phase %d is %s and its action has a deadline", e, s)
		}
		l := m.busy(e)
		for _, k := range w.w.Elems[e].Logics {
			if k != 0 && (m.timers.Due(k) != timebase.Never) != (k == l) {
				return fmt.Errorf("phase %d is %s, its logic %d runs: %t", e, s, k, k == l)
			}
		}
		if !s.Quiescent() && !going && l == 0 && m.timers.Due(m.escapeTimer()) > at+Transient {
			return fmt.Errorf("phase %d is %s without a deadline", e, s)
		}
	}
	if kept := members(&m.active); !slices.Equal(active, kept) {
		return fmt.Errorf("active are %v, kept %v", active, kept)
	}
	if m.queue.next(0) >= 0 && !m.active.has(m.queue.next(0)) {
		return fmt.Errorf("phase %d is not active and waits for equipment", m.queue.next(0))
	}
	busy := 0
	for o := range m.out {
		if m.out[o].Busy {
			busy++
		} else if m.timers.Due(m.retryTimer(o)) != timebase.Never {
			return fmt.Errorf("output %d is confirmed and has a retry", o)
		}
		if m.out[o].Value != w.out[o].value {
			return fmt.Errorf("output %d is %d, written %d", o, m.out[o].Value, w.out[o].value)
		}
	}
	if busy != int(m.r.Busy) {
		return fmt.Errorf("%d outputs are busy, kept %d", busy, m.r.Busy)
	}
	return nil
}
