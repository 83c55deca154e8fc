// Elements begin, actions follow each other, elements end.

package sequencer

import (
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// activate begins an element: a sequence its first child, a parallel block all of them, a phase itself. A phase is enlisted
// only; advance tells its start in its turn.
func (m *Machine) activate(at int64, e int) {
	p := &m.p.Elems[e]
	m.el[e] = elem{State: uint8(Running), PC: -1, Since: at, Left: timebase.Never}
	m.dirty = true
	if p.Phase {
		m.enlist(e)
		return
	}
	for c := e + 1; c < p.End; c = m.p.Elems[c].End {
		m.activate(at, c)
		if !p.Parallel {
			return
		}
	}
}

// advance lets every running phase go as far as it can, first line first, until none can go further. Each pass either ends an
// action or is the last, so their number is bounded by that of the actions.
func (m *Machine) advance(at int64, fx []Effect) []Effect {
	for again := true; again; {
		again = false
		m.each(0, func(p int) {
			n := len(fx)
			fx = m.run(at, p, fx)
			again = again || len(fx) > n
		})
	}
	return fx
}

// run lets one phase go as far as it can.
func (m *Machine) run(at int64, p int, fx []Effect) []Effect {
	s, e := &m.el[p], &m.p.Elems[p]
	if State(s.State) == Running && s.PC < 0 {
		fx = m.tellStart(p, fx)
		s.PC = 0
		if e.Timeout > 0 {
			m.timers.Set(p, at+e.Timeout)
		}
	}
	for State(s.State) == Running || State(s.State) == Pausing {
		if !s.Waiting {
			if State(s.State) == Pausing && !m.metering(p) {
				m.suspend(at, p)
				return m.enter(p, Paused, "safe point", fx)
			}
			if int(s.PC) == e.Count {
				return m.complete(at, p, fx)
			}
			s.Waiting, s.ActAt, s.A, s.B, s.C = true, at, 0, 0, 0
			fx = m.begin(at, p, fx)
		}
		if !m.over(at, p) {
			return fx
		}
		if kind := m.p.Actions[e.First+int(s.PC)].Kind; kind != recipe.Mark && kind != recipe.OpenWindow && kind != recipe.CloseWindow {
			fx = append(fx, Effect{Kind: ActionEnded, Elem: p, Action: e.First + int(s.PC), Elapsed: at - s.ActAt})
		}
		m.timers.Clear(m.actionTimer(p))
		s.Waiting = false
		s.PC++
	}
	return fx
}

// metering tells whether a phase has opened more windows than it has closed. Between opening a valve and closing it there is
// no safe point.
func (m *Machine) metering(p int) bool {
	e, open := &m.p.Elems[p], 0
	for i := e.First; i < e.First+int(m.el[p].PC); i++ {
		switch m.p.Actions[i].Kind {
		case recipe.OpenWindow:
			open++
		case recipe.CloseWindow:
			open--
		}
	}
	return open > 0
}

// tellStart tells the start of a phase, and before it that of the blocks which begin with it.
func (m *Machine) tellStart(p int, fx []Effect) []Effect {
	if up := m.p.Elems[p].Parent; up >= 0 && m.el[up].PC < 0 {
		fx = m.tellStart(up, fx)
		m.el[up].PC = 0
	}
	return append(fx, Effect{Kind: StepChanged, Elem: p, From: Idle, To: Running, Edge: EdgeStart})
}

// complete ends a phase and with it every block that has nothing left, and begins what comes next.
func (m *Machine) complete(at int64, e int, fx []Effect) []Effect {
	m.delist(e)
	for {
		s := &m.el[e]
		fx = append(fx, Effect{Kind: StepChanged, Elem: e, From: Running, To: Complete, Edge: EdgeEnd, Elapsed: at - s.Since})
		s.State, m.dirty = uint8(Complete), true
		up := m.p.Elems[e].Parent
		if up < 0 {
			return fx
		}
		if next := m.p.Elems[e].End; !m.p.Elems[up].Parallel && next < m.p.Elems[up].End {
			m.inherit(e, next)
			m.activate(at, next)
			return fx
		}
		for c := up + 1; m.p.Elems[up].Parallel && c < m.p.Elems[up].End; c = m.p.Elems[c].End {
			if State(m.el[c].State) != Complete {
				return fx
			}
		}
		e = up
	}
}

// begin begins the current action of a phase.
func (m *Machine) begin(at int64, p int, fx []Effect) []Effect {
	s := &m.el[p]
	i := m.p.Elems[p].First + int(s.PC)
	a := &m.p.Actions[i]
	base := Effect{Elem: p, Action: i, Window: a.Window, Reason: a.Reason}
	switch a.Kind {
	case recipe.Set:
		for k := a.First; k < a.First+a.Count; k++ {
			set := &m.p.Sets[k]
			m.out[set.Output].Owner, m.out[set.Output].Kept = int32(p), false
			n := len(fx)
			if fx = m.write(at, set.Output, set.Value, "", fx); len(fx) > n {
				fx[n].Elem, fx[n].Action = p, i
			}
		}
		return fx
	case recipe.OpenWindow:
		base.Kind = OpenWindow
	case recipe.CloseWindow:
		base.Kind, base.Reason = CloseWindow, "end"
	case recipe.Mark:
		base.Kind = Mark
	case recipe.Prompt, recipe.Request:
		m.r.Asked++
		s.A = int64(m.r.Asked)
		base.Kind, base.ID = Ask, m.r.Asked
		if a.Kind == recipe.Request {
			base.Kind = RequestAction
		}
	case recipe.Delay:
		s.A = at + a.For
		m.timers.Set(m.actionTimer(p), s.A)
		base.Kind = ActionStarted
	default:
		base.Kind = ActionStarted
	}
	return append(fx, base)
}

// over tells whether the current action of a phase has come to its end.
func (m *Machine) over(at int64, p int) bool {
	s, e := &m.el[p], &m.p.Elems[p]
	a := &m.p.Actions[e.First+int(s.PC)]
	switch a.Kind {
	case recipe.Set:
		for k := a.First; k < a.First+a.Count; k++ {
			if o := &m.out[m.p.Sets[k].Output]; o.Busy || !o.Known || o.Value != m.p.Sets[k].Value {
				return false
			}
		}
		return true
	case recipe.Wait:
		return a.Cond.Eval(m.view, at, nil) == cond.True
	case recipe.Delay:
		return at >= s.A
	case recipe.WaitTotal:
		t := m.view.Total(a.Window)
		return t.Open && t.Source == tag.Good && t.Value >= m.p.Windows[a.Window].Target-a.Short
	case recipe.VerifyStable:
		return m.stable(at, p, a)
	case recipe.OpenWindow, recipe.Prompt, recipe.Request:
		return s.B != 0
	}
	return true
}

// stable follows the band that a tag has kept: A to B since C. What leaves the band, or is not GOOD, begins anew.
func (m *Machine) stable(at int64, p int, a *Action) bool {
	s := &m.el[p]
	v, good := m.value(a.Tag, at)
	if !good {
		s.C = 0
		m.timers.Clear(m.actionTimer(p))
		return false
	}
	lo, hi := min(s.A, v), max(s.B, v)
	if s.C == 0 || uint64(hi)-uint64(lo) > uint64(a.Within) { // their distance may exceed 63 bits
		s.A, s.B, s.C = v, v, max(at, 1)
		m.timers.Set(m.actionTimer(p), s.C+a.For)
	} else {
		s.A, s.B = lo, hi
	}
	return at-s.C >= a.For
}

// suspend stops the clocks of a phase and keeps what was left on them.
func (m *Machine) suspend(at int64, p int) {
	s, e := &m.el[p], &m.p.Elems[p]
	s.Left = timebase.Never
	if e.Timeout > 0 {
		// Where it has just run out, who restarts the phase grants it its time anew. Time may have begun anew with a boot.
		s.Left = e.Timeout
		if due := m.timers.Due(p); due > at {
			s.Left = min(due-at, e.Timeout)
		}
	}
	m.timers.Clear(p)
	m.timers.Clear(m.actionTimer(p))
	if !s.Waiting {
		return
	}
	switch a := &m.p.Actions[e.First+int(s.PC)]; a.Kind {
	case recipe.Delay:
		s.B = min(max(s.A-at, 0), a.For)
	case recipe.VerifyStable:
		s.C = 0
	}
}

// proceed lets the clocks of a phase go on for the time that was left.
func (m *Machine) proceed(at int64, p int) {
	s, e := &m.el[p], &m.p.Elems[p]
	if s.Left != timebase.Never {
		m.timers.Set(p, at+s.Left)
		s.Left = timebase.Never
	}
	if s.Waiting && m.p.Actions[e.First+int(s.PC)].Kind == recipe.Delay {
		s.A = at + s.B
		m.timers.Set(m.actionTimer(p), s.A)
	}
}

// reply takes in the answer to a prompt or the end of an OEM action, the first of each. An action that did not end well is begun
// anew on restart.
func (m *Machine) reply(at int64, ev *Event, fx []Effect) []Effect {
	for _, p := range m.active {
		s, e := &m.el[p], &m.p.Elems[p]
		if !s.Waiting || s.A != int64(ev.ID) || s.B != 0 {
			continue
		}
		switch kind := m.p.Actions[e.First+int(s.PC)].Kind; {
		case kind == recipe.Prompt && ev.Kind == Answered, kind == recipe.Request && ev.Kind == Finished && ev.OK:
			s.B = 1
			return fx
		case kind == recipe.Request && ev.Kind == Finished:
			s.Waiting = false
			if s.C != 0 { // it was called off
				return fx
			}
			return m.fail(at, Hold, "action failed", fx)
		}
	}
	if ev.Kind == Finished && !ev.OK {
		return fx
	}
	return append(fx, Effect{Kind: Answer, Result: Refused, ID: ev.ID, Reason: "nothing with this number waits for it"})
}

// opened takes in whether a window opened.
func (m *Machine) opened(at int64, ev *Event, fx []Effect) []Effect {
	for _, p := range m.active {
		s, e := &m.el[p], &m.p.Elems[p]
		if !s.Waiting {
			continue
		}
		if a := &m.p.Actions[e.First+int(s.PC)]; a.Kind != recipe.OpenWindow || a.Window != ev.Window {
			continue
		}
		if ev.OK {
			s.B = 1
			return fx
		}
		// The action begins anew on restart: a window that was refused may open then.
		s.Waiting = false
		return m.fail(at, Hold, "meter not GOOD, or its calibration not valid", fx)
	}
	return fx
}
