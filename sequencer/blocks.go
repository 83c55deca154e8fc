// Blocks: what begins with an element, what follows one that has ended, and the rounds of a repeat.

package sequencer

import (
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// RoundTime is the least time in ns from the beginning of one round of a repeat to that of the next. A body that waits for nothing
// thus goes round ten times a second and not without end in one step.
const RoundTime = 100_000_000

// activate begins an element: a parallel block all elements in it, another block its first, a phase itself. A phase is enlisted
// only; advance tells its start in its turn.
func (m *Machine) activate(at int64, e int) {
	p := &m.p.Elems[e]
	m.remake(e, elem{State: uint8(Running), PC: -1, Since: at})
	if p.Phase {
		m.enlist(e)
		return
	}
	if p.Block == recipe.Repeat {
		m.el[e].A, m.el[e].ActAt = 1, at
	}
	for c := e + 1; c < p.End; c = m.p.Elems[c].End {
		m.activate(at, c)
		if p.Block != recipe.Parallel {
			return
		}
	}
}

// remake gives an element another state; a block keeps its mode.
func (m *Machine) remake(e int, s elem) {
	m.become(e, State(s.State))
	s.Mode, s.Left = m.el[e].Mode, timebase.Never
	m.el[e] = s
}

// changed tells a change of an element's state; of a bracket nothing is told.
func (m *Machine) changed(e int, fx []Effect, c Effect) []Effect {
	if m.p.Elems[e].Bracket {
		return fx
	}
	c.Kind, c.Elem, c.Round = StepChanged, e, m.round(e)
	return append(fx, c)
}

// round is the round of the innermost repeat around an element, 0 where there is none.
func (m *Machine) round(e int) int64 {
	for up := m.p.Elems[e].Parent; up >= 0; up = m.p.Elems[up].Parent {
		if m.p.Elems[up].Block == recipe.Repeat {
			return m.el[up].A
		}
	}
	return 0
}

// tellStart tells the start of a phase, and before it that of the blocks which begin with it.
func (m *Machine) tellStart(p int, fx []Effect) []Effect {
	e := &m.p.Elems[p]
	if e.Parent >= 0 && m.el[e.Parent].PC < 0 {
		fx = m.tellStart(e.Parent, fx)
		m.el[e.Parent].PC = 0
	}
	edge := EdgeStart
	if e.Takes && !m.jumped(p) {
		edge = EdgeTransfer
	}
	return m.changed(p, fx, Effect{From: Idle, To: Running, Edge: edge})
}

// complete ends a phase and with it every block that has nothing left, and begins what comes next.
func (m *Machine) complete(at int64, e int, fx []Effect) []Effect {
	m.delist(e)
	for {
		s, p := &m.el[e], &m.p.Elems[e]
		end := Effect{From: Running, To: Complete, Edge: EdgeEnd, Elapsed: at - s.Since, Reason: m.outcome(e)}
		if p.Hands {
			end.Edge = EdgeTransfer
		}
		fx = m.changed(e, fx, end)
		m.become(e, Complete)
		if p.Bracket {
			fx = m.leave(at, e, fx)
		}
		if p.Parent < 0 {
			return fx
		}
		next, jump := m.next(e), m.leads(e)
		if m.isStep(e) {
			m.remake(e, elem{})
		}
		switch {
		case next == waits:
			return fx
		case m.halts(e, next):
			m.el[p.Parent].B = int64(e)
			next = m.p.Elems[p.Parent].Step
		case next == over:
			e = p.Parent
			continue
		case jump:
			fx = m.goTo(at, e, next, fx)
		case m.isUntil(e): // the body of a repeat begins anew
			fx = m.again(at, p.Parent, fx)
		}
		if !jump {
			m.el[p.Parent].C = 0
		}
		m.inherit(e, next)
		m.activate(at, next)
		return fx
	}
}

// What follows an element, other than the number of an element.
const (
	over  = -1 // nothing: its block has ended
	waits = -2 // nothing yet: others in its block run
)

// next finds what follows an element that has ended.
func (m *Machine) next(e int) int {
	p := &m.p.Elems[e]
	up, end := p.Parent, m.last(p.Parent)
	switch {
	case m.leads(e):
		return int(m.el[up].C)
	case m.isStep(e):
		return m.next(int(m.el[up].B))
	}
	switch m.p.Elems[up].Block {
	case recipe.Parallel:
		for c := up + 1; c < end; c = m.p.Elems[c].End {
			if State(m.el[c].State) != Complete {
				return waits
			}
		}
		return over
	case recipe.Select:
		if e == up+1 {
			return m.chosen(e).Elem
		}
		return over
	case recipe.Repeat:
		if p.End == end && m.el[e].B == onceMore {
			return up + 1
		}
	}
	if p.End < end {
		return p.End
	}
	return over
}

// again begins the next round of a repeat: what is below it is as if it had never run.
func (m *Machine) again(at int64, e int, fx []Effect) []Effect {
	s := &m.el[e]
	s.A++
	s.ActAt = at
	for c := e + 1; c < m.p.Elems[e].End; c++ {
		m.remake(c, elem{})
	}
	n := len(fx)
	if fx = m.changed(e, fx, Effect{From: Running, To: Running, Edge: EdgeRound}); len(fx) > n {
		fx[n].Round = s.A
	}
	return fx
}
