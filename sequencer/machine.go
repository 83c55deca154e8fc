// The running program: events in, effects out.

package sequencer

import (
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// EventKind is the kind of an Event.
type EventKind uint8

// The events of a Machine.
const (
	Boot         EventKind = iota + 1 // the controller came up; outputs were read back as View shows them
	Told                              // a command, Command to Elem; GoTo: Target
	Input                             // something that View shows may have changed
	Tick                              // the deadline of Wake has come; what View shows may have changed as Touch has said
	Done                              // write ID was confirmed (OK) or not
	Answered                          // prompt ID was answered
	Finished                          // OEM action ID ended, well (OK) or not
	WindowOpened                      // window Window opened (OK) or was refused
	WindowClosed                      // window Window was judged, after a CloseWindow whose action is Judged: Verdict, and Reason for what follows
	Changed                           // what View shows may have changed as Touch has said, and nothing else

	Power // the supply is back (OK), or an early warning says that it fails

	ResourceGranted // an arbiter gives what request ID asks for
	ResourceRefused // an arbiter does not, for Reason; OK: also where it did, nothing of it is the batch's any more
	ResourceQueue   // the place of request ID in an arbiter's queue has changed
	Override        // a person gives Output the Value (OK), or it is given back
)

// Event is one input of a Machine.
type Event struct {
	Kind    EventKind
	Command Command
	Elem    int
	Target  int
	ID      uint32
	Window  int
	Output  int
	Value   int64
	OK      bool
	Fault   iomap.FaultClass // Boot: the fault for which the controller has come up again; NoClass: nobody tells
	Verdict Verdict
	// ResourceRefused: in the arbiter's words; WindowOpened that was refused: why; WindowClosed: what the total is and should be;
	// Done that failed: why, "": it was not confirmed
	Reason string
}

// Verdict is what a window was found to be when it closed.
type Verdict uint8

// The verdicts.
const (
	Passed Verdict = iota // or nothing follows
	OutOfTolerance
	NotGood
)

// EffectKind is the kind of an Effect.
type EffectKind uint8

// The effects of a Machine.
const (
	BatchChanged  EffectKind = iota + 1 // state of the procedure: From, To
	StepChanged                         // state of Elem: From, To, Edge
	ActionStarted                       // Action of Elem began to wait
	ActionEnded                         // Action of Elem ended after Elapsed
	Write                               // Output takes Value; write ID
	OpenWindow                          // Window shall open; WindowOpened must follow
	CloseWindow                         // Window shall close
	Ask                                 // prompt ID of Action; of a Time whether it may begin all the same
	RequestAction                       // OEM action ID of Action
	CancelAction                        // OEM action ID, which is Action, is called off
	Mark                                // log marker of Action
	TimedOut                            // Elem ran out of time; Command follows, or none where it is tried again
	Answer                              // what became of Command: Result
	OutputFault                         // Output is not known to have Value; write ID
	ModeChanged                         // mode of the block Elem: Old, Value, each a Mode
	ActionReady                         // what Action of Elem waits for is true: it waits for release
	Found                               // before Diagnosed: Elem, below what is aborted, is in From; with Value it waits since Elapsed for Reason
	Diagnosed                           // Elem is aborted by Command: what stood in Found before it, and all that View shows, is of that moment
	TripChanged                         // the request for a trip on Output is as Trip says, Elapsed after it was made
	End                                 // the run is over and nothing more will come

	RequestResource // an arbiter is asked for the part of Action that batches share; request ID
	ReleaseResource // request ID is given back or no longer wanted; Result Refused: it is kept, for Reason
	ActionWaits     // Action waits still, and what is known of request ID has changed
	OverrideCut     // Output was driven to Value, its safe value, for Reason, which has ended its override

	SafeStateChanged // Output is in the safe state of Fault as Status says, with Value, or in none; it was in that of WasFault
)

// Edge is the edge of an element's life that records show as step_state.
type Edge uint8

// The edges.
const (
	EdgeStart Edge = iota
	EdgeEnd
	EdgeAbort
	EdgeResume
	EdgeHold
	EdgeRetry
	EdgePause
	EdgeStop
	EdgeTransfer // the equipment phase goes over to the next step, or came from the one before
	EdgeRound    // the next round of a repeat: everything below begins anew
	EdgeGoTo     // a person has chosen what comes next in a block: that, and all behind it, begins anew
)

// String gives the name that records use.
func (e Edge) String() string {
	return [...]string{"start", "end", "abort", "resume", "hold", "retry", "pause", "stop", "transfer",
		"round", "go_to"}[min(e, EdgeGoTo)]
}

// Result is what became of a command.
type Result uint8

// The results.
const (
	Accepted Result = iota
	NoOp
	Refused
)

// String gives the name that records use.
func (r Result) String() string { return [...]string{"accepted", "no_op", "refused"}[min(r, Refused)] }

// Effect is one consequence of an event. Fields that its kind does not name are zero. Reason is a constant, a text of the
// Program, or that of the event.
type Effect struct {
	Kind     EffectKind
	Edge     Edge
	From, To State
	Command  Command
	Result   Result
	Safe     bool // Write: in the safe direction, it need not wait for its record
	Elem     int
	Action   int
	Output   int
	Window   int
	ID       uint32
	Old      int64 // Write: value commanded before; RequestAction: number under which this occurrence was asked for at first
	Value    int64
	Elapsed  int64 // ns
	Round    int64 // StepChanged: round of the innermost repeat around Elem; Write, ActionEnded: number of the jog; 0: there is none
	Tries    int   // TimedOut, StepChanged: how often Elem was tried again
	Trip     TripState
	Who      Who // ActionStarted, TimedOut, Found: who is waited for; ready, or a step: what comes next, as with EdgeGoTo; Answer: who is in the way
	Reason   string

	Interlock int // number + 1 of the one that has led to it or, ActionStarted, TimedOut, Found, withholds what is waited for; 0: none

	Fault    iomap.FaultClass // the one of an output that has led to it or withholds what is waited for, of Output where its kind names none
	WasFault iomap.FaultClass
	Status   SafeStatus
}

// Transient is the time in ns after which Holding, Restarting, Stopping and Aborting end although outputs were not confirmed.
const Transient = 10_000_000_000

// RetrySafe is the time in ns after which a safe value that a device did not confirm is written again.
const RetrySafe = 500_000_000

// retrySoon is how often it is written again after RetrySafe; the next retryLess waits are each twice as long as the one before, and
// the last of them, 4 s, is for ever: a device that is gone for days fills no journal.
const (
	retrySoon = 10
	retryLess = 3
)

// elem is the state of one element, of fixed size.
type elem struct {
	State   uint8
	Mode    uint8 // of a block
	Waiting bool  // the current action has begun
	Anew    bool  // it begins anew once the outputs that it had set are safe
	Tries   int32 // how often it was tried again
	PC      int32 // current action, counted from Elem.First
	Since   int64 // when the element began
	ActAt   int64 // when the current action began
	Left    int64 // time that was left to it when it was held
	A, B, C int64 // scratch of the current action; of a block: round, child behind which its step waits, child to which go_to led
}

// root is the state of the whole, of fixed size.
type root struct {
	Shown   uint8 // state of the procedure last told
	Ended   bool
	Again   bool  // it was aborted so that a new batch takes its place
	Fallen  bool  // a phase was stopped or aborted
	Hard    bool  // it was aborted hard: no logic runs any more
	Trip    uint8 // TripState
	Unread  bool  // the output that requests a trip could not be read since a boot: a request may stand
	Tripped uint8 // how often the trip was requested again
	Writes  uint32
	Asked   uint32
	Queued  uint32 // places given in the queue for equipment
	Busy    int32  // outputs whose last write is not confirmed
	TripAt  int64  // when the trip was requested
	TripBy  int64  // when it must be confirmed, or is requested again
	Failing bool   // an early warning has said that the supply fails
}

// Machine runs one Program. It is a pure machine.
type Machine struct {
	p      *Program
	view   View
	el     []elem
	out    []output
	held   []int32 // by slot: the bracket that holds it + 1
	slot   []int   // by resource: its first slot in held; one more at the end
	asks   []ask   // by number of the request in Program.Asks
	posted []uint8 // by message: how many wait
	cells  []cond.Cell
	r      root
	dirty  bool  // the state of an element has changed since show
	room   int   // what this Step may still say before the rest has to wait
	said   int   // effects that were counted against room
	late   []int // phases that have run out of time in this Step

	ofAction, ofChoice []cells // where in cells the condition of an action or a choice has its own
	ofTrip             cells   // and that of the trip

	x      index             // which actions ask for what
	active set               // phases that are neither Idle nor terminal
	queue  set               // phases that wait for equipment
	looks  set               // phases that this Step is to look at
	all    bool              // it is to look at all of them
	loose  bool              // equipment of somebody who was stopped may be free
	stuck  bool              // a phase has come to where it waits for what cannot come
	states [stateCount]int32 // how many phases are in each state
	gates  [][]int32         // by output: the interlocks that gate it
	parts  [][]int32         // by number of a request in Program.Asks: outputs that are parts of what it asks for
	caught []bool            // by output: a fault has come in this Step whose value it has already
	timers *timebase.Queue   // owners: phases' time-outs, phases' action timers, outputs' retries, the transient state's escape, the trip, outputs' faults
}

// New makes a machine in which nothing has begun.
func New(p *Program, v View) *Machine {
	n := len(p.Elems)
	m := &Machine{p: p, view: v, el: make([]elem, n), out: make([]output, len(p.Outputs)),
		slot: p.slots(), asks: make([]ask, len(p.Asks)), posted: make([]uint8, len(p.Messages)),
		x: newIndex(p), active: newSet(n), queue: newSet(n), looks: newSet(n), all: true, loose: true, late: make([]int, 0, n),
		gates: gates(p), parts: parts(p), caught: make([]bool, len(p.Outputs)),
		timers: timebase.NewQueue(2*n + 2*len(p.Outputs) + 2)}
	m.held = make([]int32, m.slot[p.Resources])
	m.lay()
	m.census()
	for o := range m.out {
		if m.out[o].Value = p.Outputs[o].Safe; p.Outputs[o].Part != 0 { // any other is not Known, until it was read back or written
			m.out[o] = m.stranger(o)
		}
	}
	return m
}

// State returns the state of an element, computed from its phases for a block.
func (m *Machine) State(e int) State { return m.state(e) }

// Again tells whether the recovery rule restart has aborted the procedure: a new batch is to take its place.
func (m *Machine) Again() bool { return m.r.Again }

// Wake returns the monotonic time of the next Tick, or timebase.Never.
func (m *Machine) Wake() int64 {
	if m.r.Ended {
		return timebase.Never
	}
	due, _ := m.timers.Next()
	return due
}

func (m *Machine) actionTimer(e int) int { return len(m.el) + e }
func (m *Machine) retryTimer(o int) int  { return 2*len(m.el) + o }
func (m *Machine) escapeTimer() int      { return 2*len(m.el) + len(m.out) }
func (m *Machine) tripTimer() int        { return m.escapeTimer() + 1 }
func (m *Machine) faultTimer(o int) int  { return m.tripTimer() + 1 + o }
func (m *Machine) lastTimer() int        { return m.tripTimer() + len(m.out) }

// Step takes in one event at monotonic time at and appends its effects to fx. It allocates nothing once fx is large enough.
func (m *Machine) Step(at int64, ev *Event, fx []Effect) []Effect {
	if m.r.Ended {
		if ev.Kind == Told {
			fx = m.told(at, ev, fx)
		}
		return fx
	}
	m.room = Burst
	clear(m.caught)
	m.all = m.all || ev.Kind != Tick && ev.Kind != Changed && ev.Kind != Done
	if ev.Kind == Boot { // before the deadlines, which are of the time before it
		fx = m.boot(at, ev.Fault, fx)
	}
	fx = m.show(m.due(at, m.show(m.readTrip(at, fx))))
	switch ev.Kind {
	case Told:
		fx = m.told(at, ev, fx)
	case Done:
		fx = m.done(at, ev, fx)
	case Answered, Finished:
		fx = m.reply(at, ev, fx)
	case WindowOpened:
		fx = m.opened(at, ev, fx)
	case WindowClosed:
		fx = m.closed(at, ev, fx)
	case ResourceGranted, ResourceRefused, ResourceQueue:
		fx = m.ruled(at, ev, fx)
	case Override:
		fx = m.override(at, ev, fx)
	case Power:
		fx = m.power(at, ev.OK, fx)
	}
	fx = m.show(m.guard(at, m.audit(at, m.interlocks(at, m.faults(at, m.show(fx))))))
	for n := -1; n != len(fx); { // what is blocked is held, and what is held may have logic that ends at once
		n = len(fx)
		fx = m.show(m.settle(at, fx))
		fx = m.giveBack(fx)
		fx = m.show(m.advance(at, fx))
		fx = m.show(m.blocked(at, fx))
	}
	return m.finish(at, "", m.verify(at, fx))
}

// due works off the deadlines that have come. Of phases that run out of time together all are told, and the gravest reaction
// follows first.
func (m *Machine) due(at int64, fx []Effect) []Effect {
	n := len(m.el)
	m.late = m.late[:0]
	for due, owner := m.timers.Next(); due <= at; due, owner = m.timers.Next() {
		m.timers.Clear(owner)
		switch {
		case owner < n && m.p.Elems[owner].Logic:
			fx = m.logicTimedOut(at, owner, fx)
		case owner < n:
			var follows Command
			if fx, follows = m.timedOut(at, owner, fx); follows != NoCommand {
				m.late = append(m.late, owner)
			}
		case owner == n: // the rest of a burst
			m.all = true
		case owner < 2*n:
			m.look(owner - n)
		case owner < 2*n+len(m.out):
			fx = m.writeSafe(at, owner-2*n, "retry", fx)
		case owner >= m.tripTimer(): // verify or faults looks at it
		default:
			fx = m.escape(at, fx)
		}
	}
	for _, c := range [...]Command{HardAbort, Abort, Hold} {
		for _, p := range m.late {
			if reaction(m.p.Elems[p].OnTimeout) == c {
				fx = m.failAt(at, p, c, "time-out", fx)
			}
		}
	}
	return fx
}

// each calls fn for every active phase below element e, in the order of the recipe. fn may end or begin phases.
func (m *Machine) each(e int, fn func(phase int)) {
	for p := m.active.next(e); p >= 0 && p < m.p.Elems[e].End; p = m.active.next(p + 1) {
		fn(p)
	}
}

func (m *Machine) enlist(e int) {
	m.active.add(e)
	m.looks.add(e)
}

func (m *Machine) delist(e int) {
	m.active.remove(e)
	m.queue.remove(e)
	m.freed()
	m.timers.Clear(e)
	m.timers.Clear(m.actionTimer(e))
}

// rank is how much the state of a phase weighs in that of the block around it.
var rank = [stateCount]int{Aborting: 12, Stopping: 11, Holding: 10, Restarting: 9, Pausing: 8, Running: 7, Held: 6, Paused: 5,
	Aborted: 4, Stopped: 3, Complete: 1}

// become changes the state of an element.
func (m *Machine) become(e int, s State) {
	if m.p.Elems[e].Phase {
		m.states[m.el[e].State]--
		m.states[s]++
	}
	m.el[e].State, m.dirty = uint8(s), true
}

// census finds what follows from the states of the elements.
func (m *Machine) census() {
	m.all, m.loose, m.states = true, true, [stateCount]int32{}
	m.active.clear()
	m.queue.clear()
	for e := range m.el {
		s := State(m.el[e].State)
		if !m.p.Elems[e].Phase {
			continue
		}
		if m.states[s]++; s == Idle || s.Terminal() {
			continue
		}
		m.active.add(e)
		if _, ok := m.queued(e); ok {
			m.queue.add(e)
		}
	}
}

// state computes the state of an element: a phase has its own; for a block, what runs or changes wins over what rests, that
// over what has ended, and among each the graver.
func (m *Machine) state(e int) State {
	if m.p.Elems[e].Phase || State(m.el[e].State) == Idle || State(m.el[e].State).Terminal() {
		return State(m.el[e].State)
	}
	best := Complete
	for s := range stateCount {
		if e == 0 && m.states[s] > 0 && rank[s] > rank[best] {
			best = s
		}
	}
	for i := e + 1; e > 0 && i < m.p.Elems[e].End; i++ {
		if s := State(m.el[i].State); m.p.Elems[i].Phase && rank[s] > rank[best] {
			best = s
		}
	}
	if best == Complete {
		return Running
	}
	return best
}

// show tells a change of the procedure's state.
func (m *Machine) show(fx []Effect) []Effect {
	if !m.dirty {
		return fx
	}
	m.dirty = false
	if s := m.state(0); uint8(s) != m.r.Shown {
		fx = append(fx, Effect{Kind: BatchChanged, From: State(m.r.Shown), To: s})
		m.r.Shown = uint8(s)
	}
	return fx
}

// finish ends the run once it is terminal and every output is safe. With late, the reason, the time for that is over, but for
// outputs that are only now commanded.
func (m *Machine) finish(at int64, late string, fx []Effect) []Effect {
	if m.r.Ended || !State(m.r.Shown).Terminal() {
		return fx
	}
	n := len(fx)
	fx = m.restAll(at, 0, false, "batch over", fx)
	switch {
	case m.settled(at, true):
		late = ""
	case late == "" || len(fx) > n:
		if m.timers.Due(m.escapeTimer()) == timebase.Never {
			m.timers.Set(m.escapeTimer(), at+Transient)
		}
		return fx
	}
	m.r.Ended = true
	if m.settled(at, false) {
		late = ""
	}
	for o := range m.out {
		if s := &m.out[o]; m.unsure(at, o, false) {
			s.Known = false
			fx = append(fx, Effect{Kind: OutputFault, Output: o, Value: s.Value, ID: s.Write, Reason: "not confirmed when the batch ended"})
		}
	}
	fx = m.keep(fx)
	if TripState(m.r.Trip) == TripRequested {
		fx = m.trip(at, TripNotConfirmed, "not confirmed when the batch ended", fx)
	}
	return append(fx, Effect{Kind: End, To: State(m.r.Shown), Reason: late})
}

// Ended tells whether End was an effect.
func (m *Machine) Ended() bool { return m.r.Ended }

// value reads a tag for an action that needs it GOOD.
func (m *Machine) value(id tag.ID, at int64) (int64, bool) {
	v, q := m.view.Read(id, at)
	return v, q == tag.Good
}
