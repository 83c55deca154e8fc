// What phases wait for and what comes due, told when somebody asks. It is no part of a step, and changes nothing.

package sequencer

import (
	"slices"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// Wait is what an active phase, or the logic that it is in the middle of, waits for.
type Wait struct {
	Elem   int
	State  State // of the phase; of logic Running
	Action int   // the action that it waits in; -1: it waits in none, and State or Anew says what for
	Anew   bool  // it is tried again, once the outputs that it had set are safe and request ID, if there is one, has come to its end
	Since  int64 // when that action began
	Limit  int64 // when the element runs out of time; timebase.Never: it has no limit, or its clock stands
	Due    int64 // when the action is over, or may be, by time alone; timebase.Never: not by time alone
	From   int64 // VerifyStable: since when its tag has kept between Low and High; 0: it has not
	Low    int64
	High   int64
	ID     uint32 // Prompt, Request, Time: its number
	Jogs   int64  // Jog: how many have begun
	Who    Who    // Sync, Receive, Acquire: as the effect that began it would name them now
	Ahead  int64  // Acquire: how many have waited longer for something of the same
	Asked  uint32 // Acquire: the request that an arbiter has not granted; 0: none

	Release bool // a person has to release it: Step, or a transition that is true where the mode is not automatic
}

// Waits returns what each active phase at or below an element waits for, in the order of the recipe; logic stands behind its phase.
func (m *Machine) Waits(e int) (list []Wait) {
	m.each(e, func(p int) {
		list = append(list, m.wait(p))
		if l := m.busy(p); l != 0 {
			list = append(list, m.wait(l))
		}
	})
	return list
}

func (m *Machine) wait(p int) Wait {
	s := &m.el[p]
	w := Wait{Elem: p, State: State(s.State), Action: -1, Anew: s.Anew, Limit: m.timers.Due(p), Due: timebase.Never}
	if s.Anew && s.Waiting && s.B == 0 && m.current(p).Kind == recipe.Request {
		w.ID = uint32(s.A)
	}
	if !m.acts(p) {
		return w
	}
	a := m.current(p)
	w.Action, w.Since, w.Who = m.p.Elems[p].First+int(s.PC), s.ActAt, m.missing(p)
	if p != 0 || m.p.Elems[0].Phase { // that of a block is the breath of a burst
		w.Due = m.timers.Due(m.actionTimer(p))
	}
	w.Release = a.Kind == recipe.Step || s.A != 0 && m.asksRelease(p)
	switch a.Kind {
	case recipe.Prompt, recipe.Request, recipe.Time:
		w.ID = uint32(s.A)
	case recipe.Jog:
		w.Jogs = s.B
	case recipe.Acquire:
		if w.Ahead = m.ahead(p, a); a.Ask != 0 && !m.asks[a.Ask-1].Got {
			w.Asked = m.asks[a.Ask-1].ID
		}
	case recipe.VerifyStable:
		w.From, w.Low, w.High = s.C, s.A, s.B
	}
	return w
}

// acts tells whether a phase or logic is in the middle of an action.
func (m *Machine) acts(p int) bool {
	s := &m.el[p]
	return s.Waiting && !s.Anew && (State(s.State) == Running || State(s.State) == Pausing)
}

// Question is a condition that is asked, and what decides it.
type Question struct {
	Choice int // Choose: number in Choices; -1: it is the action's own
	Truth  cond.Truth
	Leaf   cond.Node  // the decisive comparison or function; its Op is 0 where there is none
	Holds  cond.Truth // what that is by itself; a not makes it count the other way round
	Cell   cond.Cell  // what that remembers
}

// Conditions calls fn for each condition that the action asks in which an element waits, at monotonic time at.
func (m *Machine) Conditions(at int64, e int, fn func(q Question)) {
	if !m.acts(e) {
		return
	}
	i := m.p.Elems[e].First + int(m.el[e].PC)
	a := &m.p.Actions[i]
	if a.Cond != nil {
		own := m.ofAction[i]
		fn(m.ask(at, -1, a.Cond, m.cells[own.from:own.to]))
	}
	for k := a.First; a.Kind == recipe.Choose && k < a.First+a.Count; k++ {
		if own := m.ofChoice[k]; m.p.Choices[k].Cond != nil {
			fn(m.ask(at, k, m.p.Choices[k].Cond, m.cells[own.from:own.to]))
		}
	}
}

func (m *Machine) ask(at int64, choice int, c cond.Cond, mem []cond.Cell) Question {
	mem = slices.Clone(mem) // who evaluates a condition lets it remember
	q := Question{Choice: choice, Truth: c.Eval(m.view, at, mem)}
	leaf := c.Decisive(m.view, at, mem)
	if leaf < 0 {
		return q
	}
	one := cond.Cond{c[leaf]}
	if k := c[:leaf].Cells(); one.Cells() > 0 && k < len(mem) {
		q.Cell = mem[k]
	}
	q.Leaf, q.Holds = c[leaf], one.Eval(m.view, at, []cond.Cell{q.Cell})
	return q
}

// Missing is an output that an element waits for.
type Missing struct {
	Output int
	Value  int64  // that it is to have
	Now    int64  // that is commanded
	Write  uint32 // last write; 0: it failed
	Busy   bool   // that write, or the next one of a safe value, is not confirmed
	Known  bool   // the device has what is commanded, as far as it can be known
	Taken  bool   // it is in override
}

// Outputs calls fn for each output that an element waits for: of a set, those that are not confirmed; of a phase in a transient state,
// all that are not, since such states end together; of one that is held, or is to begin anew, those that it answers for.
func (m *Machine) Outputs(e int, fn func(o Missing)) {
	tell := func(o int, value int64) {
		if s := &m.out[o]; s.Busy || !s.Known || s.Value != value || s.Taken && value != m.safe(o) {
			fn(Missing{Output: o, Value: value, Now: s.Value, Write: s.Write, Busy: s.Busy, Known: s.Known, Taken: s.Taken})
		}
	}
	if m.acts(e) {
		a := m.current(e)
		for k := a.First; a.Kind == recipe.Set && k < a.First+a.Count; k++ {
			tell(m.p.Sets[k].Output, m.p.Sets[k].Value)
		}
		for n := 0; a.Kind == recipe.Acquire && a.Ask != 0 && m.asks[a.Ask-1].Got && n < len(m.parts[a.Ask-1]); n++ {
			o := int(m.parts[a.Ask-1][n])
			tell(o, m.safe(o))
		}
		for k := a.First; a.Kind == recipe.Jog && k < a.First+a.Count; k++ {
			switch set := &m.p.Sets[k]; m.el[e].C {
			case jogSets:
				tell(set.Output, set.Value)
			case jogBack:
				tell(set.Output, m.safe(set.Output))
			}
		}
		return
	}
	s := State(m.el[e].State)
	for o := range m.out {
		n := int(m.out[o].Owner)
		if m.active.has(e) && (n >= e && n < m.p.Elems[e].End || !s.Quiescent() && s != Running && m.out[o].Busy) {
			tell(o, m.out[o].Value)
		}
	}
}

// Written returns the output whose last write has a number, -1 where none has.
func (m *Machine) Written(id uint32) int {
	return slices.IndexFunc(m.out, func(s output) bool { return id != 0 && s.Write == id })
}

// DueKind is what comes due.
type DueKind uint8

// The kinds of what comes due.
const (
	DueTimeout DueKind = iota + 1 // the time-out of Elem
	DueAction                     // what the action of Elem waits for by time: a delay, a stable, an elapsed, the next round
	DueRest                       // what phases had left to say
	DueRetry                      // the next write of the safe value of Output
	DueEscape                     // the time in which transient states, or the end, wait for devices
	DueTrip                       // the time in which a trip that was requested is to be confirmed
	DueFault                      // the time for which a fault of Output that flaps must be gone
)

// Due is what comes due, and when.
type Due struct {
	Kind   DueKind
	Elem   int
	Output int
	At     int64
}

// Dues calls fn for all that is due at monotonic time at, in the order of its owners: elements before outputs.
func (m *Machine) Dues(at int64, fn func(d Due)) {
	n := len(m.el)
	for owner := range m.lastTimer() + 1 {
		d := Due{At: m.timers.Due(owner)}
		if d.At > at {
			continue
		}
		switch {
		case owner < n:
			d.Kind, d.Elem = DueTimeout, owner
		case owner == n && !m.p.Elems[0].Phase:
			d.Kind = DueRest
		case owner < 2*n:
			d.Kind, d.Elem = DueAction, owner-n
		case owner < 2*n+len(m.out):
			d.Kind, d.Output = DueRetry, owner-2*n
		case owner == m.escapeTimer():
			d.Kind = DueEscape
		case owner > m.tripTimer():
			d.Kind, d.Output = DueFault, owner-m.tripTimer()-1
		default:
			d.Kind = DueTrip
		}
		fn(d)
	}
}

// Who names the elements that are waited for: who is missing at a line, who posts a message, who holds equipment.
type Who struct {
	Elems [4]int // the first of them, 0 for none
	More  int    // how many there are besides
}

func (w *Who) add(e int) {
	for i := range w.Elems {
		if w.Elems[i] == e {
			return
		}
		if w.Elems[i] == 0 {
			w.Elems[i] = e
			return
		}
	}
	w.More++
}
