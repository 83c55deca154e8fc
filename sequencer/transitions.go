// What the transitions of a select and of a repeat wait for.

package sequencer

import (
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// What B of a phase says that asks whether a repeat is over.
const (
	goOn     = 1
	onceMore = 2
)

// What C says when the rounds of a repeat are used up and its condition is false, or time is not known well enough.
const (
	usedUp  = 1 // and nobody has been told
	told    = 2 // the batch is held or aborted for it
	granted = 3 // a restart grants one round more
	limited = 4 // it goes on all the same
)

// range of cells.
type cells struct{ from, to int32 }

// lay gives each condition its place in the machine's memory.
func (m *Machine) lay() {
	n := int32(0)
	place := func(c cond.Cond) cells {
		from := n
		n += int32(c.Cells())
		return cells{from, n}
	}
	m.ofAction, m.ofChoice = make([]cells, len(m.p.Actions)), make([]cells, len(m.p.Choices))
	for i := range m.p.Actions {
		m.ofAction[i] = place(m.p.Actions[i].Cond)
	}
	for i := range m.p.Choices {
		m.ofChoice[i] = place(m.p.Choices[i].Cond)
	}
	if m.p.Trip != nil {
		m.ofTrip = place(m.p.Trip.Confirm)
	}
	m.cells = make([]cond.Cell, n)
}

// conds calls fn for every condition that an action asks, with what that remembers.
func (m *Machine) conds(action int, fn func(c cond.Cond, mem []cond.Cell)) {
	a := &m.p.Actions[action]
	if a.Cond != nil {
		at := m.ofAction[action]
		fn(a.Cond, m.cells[at.from:at.to])
	}
	for i := a.First; a.Kind == recipe.Choose && i < a.First+a.Count; i++ {
		at := m.ofChoice[i]
		fn(m.p.Choices[i].Cond, m.cells[at.from:at.to])
	}
}

// holds evaluates the condition of an action and sets the timer for the time at which it may change by itself.
func (m *Machine) holds(at int64, p, action int) cond.Truth {
	c, r := m.p.Actions[action].Cond, m.ofAction[action]
	mem := m.cells[r.from:r.to]
	t := c.Eval(m.view, at, mem)
	if len(mem) > 0 {
		m.wakeAt(p, c.Wake(at, mem))
	}
	return t
}

// wakeAt sets or clears the timer of the current action of a phase.
func (m *Machine) wakeAt(p int, due int64) {
	if due == timebase.Never {
		m.timers.Clear(m.actionTimer(p))
		return
	}
	m.timers.Set(m.actionTimer(p), due)
}

// choose finds the first alternative whose condition is true. One that is STALE or BAD, or has yet to see a stable or elapsed
// through, is waited for and not passed over.
func (m *Machine) choose(at int64, p int, a *Action) bool {
	s := &m.el[p]
	if s.B != 0 {
		return true
	}
	open, wake, pick := true, timebase.Never, int64(0)
	for i := a.First; i < a.First+a.Count; i++ {
		t, r := cond.True, m.ofChoice[i]
		if c := m.p.Choices[i].Cond; c != nil { // each is asked, since it may have to remember what it saw
			mem := m.cells[r.from:r.to]
			if t = c.Eval(m.view, at, mem); t == cond.False && c.Ripens(m.view, at, mem) {
				t = cond.Stale
			}
			wake = min(wake, c.Wake(at, mem))
		}
		if open && t == cond.True {
			pick = int64(i-a.First) + 1
		}
		open = open && t == cond.False
	}
	m.wakeAt(p, wake)
	if m.goes(p, pick) {
		s.B = pick
	}
	return s.B != 0
}

// chosen is the alternative that the first phase of a select has chosen.
func (m *Machine) chosen(p int) *Choice {
	a := &m.p.Actions[m.p.Elems[p].First]
	return &m.p.Choices[a.First+int(min(max(m.el[p].B, 1), int64(a.Count)))-1]
}

// until finds whether a repeat is over or its body runs once more.
func (m *Machine) until(at int64, p int) bool {
	s, e := &m.el[p], m.p.Elems[p].Parent
	if s.B != 0 {
		return true
	}
	loop, i := &m.p.Elems[e], m.p.Elems[p].First+int(s.PC)
	t := cond.False
	if c, r := m.p.Actions[i].Cond, m.ofAction[i]; c != nil {
		if t = m.holds(at, p, i); t == cond.False && c.Ripens(m.view, at, m.cells[r.from:r.to]) {
			t = cond.Stale // a stable or elapsed begins when it is asked: it is seen through first
		}
	}
	left, verdict := m.el[e].A < int64(loop.AtMost), int64(0)
	switch {
	case t == cond.True, t == cond.False && !left && m.p.Actions[i].Cond == nil:
		verdict = goOn
	case t != cond.False:
	case left || s.C == granted:
		if soonest := m.el[e].ActAt + RoundTime; at < soonest {
			m.timers.Set(m.actionTimer(p), min(soonest, m.timers.Due(m.actionTimer(p))))
			break
		}
		verdict = onceMore
	case loop.OnLimit == recipe.LimitContinue:
		verdict = limited
	case s.C == 0:
		s.C, m.stuck = usedUp, true
	}
	if m.goes(p, verdict) {
		m.take(p, verdict)
	}
	return s.B != 0
}

// outcome says why an element has ended as it has, where there is something to say.
func (m *Machine) outcome(e int) string {
	p := &m.p.Elems[e]
	if !p.Phase || p.Count == 0 {
		return ""
	}
	switch a := &m.p.Actions[p.First]; {
	case a.Kind == recipe.Choose && m.el[e].C == byHand:
		return "chosen with go_to"
	case a.Kind == recipe.Choose:
		return m.chosen(e).Text
	case a.Kind == recipe.Until && m.el[e].C == limited:
		return a.Limit
	}
	return ""
}

// blocked holds or aborts where a phase waits for what cannot come: a partner that was stopped or aborted, a round that
// a repeat does not have, room for one message more. It does the same where time is not known well enough.
func (m *Machine) blocked(at int64, fx []Effect) []Effect {
	if !m.stuck && !m.r.Fallen {
		return fx
	}
	m.stuck = false
	for p := m.active.next(0); p >= 0; p = m.active.next(p + 1) {
		s := &m.el[p]
		if state := State(s.State); !s.Waiting || state != Running && state != Pausing {
			continue
		}
		c, why := Hold, ""
		switch a := m.current(p); {
		case a.Kind == recipe.Until && s.C == usedUp:
			s.C, why = told, a.Limit
			if m.p.Elems[m.p.Elems[p].Parent].OnLimit == recipe.LimitAbort {
				c = Abort
			}
		case a.Kind == recipe.Time && s.C == usedUp: // whoever restarts it lets it begin
			s.C, s.B, c, why = told, timeRestarted, a.React, a.Limit
		case a.Kind == recipe.Send:
			why = m.p.Messages[a.Line].Full
		case a.Kind == recipe.Sync && m.r.Fallen && s.B == 0, a.Kind == recipe.Receive && m.r.Fallen:
			why = m.lost(a)
		}
		if why != "" {
			m.stuck = true // others may be, whom that does not concern
			return m.failAt(at, p, c, why, fx)
		}
	}
	return fx
}
