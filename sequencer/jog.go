// Jogs: outputs are opened for a short time, again and again, until a total is no more short of its target.

package sequencer

import (
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
)

// What C of a phase says of the jog that it is at. B counts the jogs that have begun, and A is when the time of a stage is over; where it
// is done, how.
const (
	jogSettles = 1 + iota // things come to rest
	jogAsks               // whether the total is short; where it is, it waits for interlocks
	jogSets               // devices have yet to confirm
	jogOpen               // the outputs are open
	jogBack               // devices have yet to confirm that they are safe again
	jogDone
)

// How a jog is done.
const (
	jogReached = 1 + iota
	jogUsedUp
)

// settleJog begins the time in which things come to rest.
func (m *Machine) settleJog(at int64, p int) {
	s := &m.el[p]
	s.C, s.A = jogSettles, at+m.current(p).Settle
	m.timers.Set(m.actionTimer(p), s.A)
}

// cutJog ends a jog that is under way. Its outputs go to their safe values, things settle, and then the total is looked at anew.
func (m *Machine) cutJog(p int) {
	s := &m.el[p]
	m.timers.Clear(m.actionTimer(p))
	switch s.C {
	case jogAsks:
		s.C = jogSettles
	case jogSets, jogOpen:
		s.C = jogBack
	}
}

// jog goes from stage to stage as far as it can. Each jog takes time, so it comes to an end in every step.
func (m *Machine) jog(at int64, p int, fx []Effect) []Effect {
	s, a := &m.el[p], m.current(p)
	for {
		switch s.C {
		case jogSettles:
			if at < s.A {
				return fx
			}
			s.C = jogAsks
		case jogAsks:
			t := m.view.Total(a.Window)
			switch {
			case !t.Open || t.Source != tag.Good: // what it flows through cannot be told; guard sees to it
				return fx
			case t.Value >= m.p.Windows[a.Window].Target-a.Short:
				s.C, s.A = jogDone, jogReached
			case s.B >= int64(a.AtMost):
				s.C, s.A = jogDone, jogUsedUp
			case m.withheld(p).shut():
				return fx
			default:
				s.B++
				s.C = jogSets
				fx = m.commandJog(at, p, false, fx)
			}
		case jogSets:
			if !m.confirmedJog(a, false) {
				return fx
			}
			s.C, s.A = jogOpen, at+a.For
			m.timers.Set(m.actionTimer(p), s.A)
		case jogOpen:
			if at < s.A {
				return fx
			}
			s.C = jogBack
		case jogBack:
			fx = m.commandJog(at, p, true, fx)
			if !m.confirmedJog(a, true) {
				return fx
			}
			m.settleJog(at, p)
		default:
			return fx
		}
	}
}

// commandJog gives the outputs of a jog their values, or their safe ones.
func (m *Machine) commandJog(at int64, p int, safe bool, fx []Effect) []Effect {
	s, a := &m.el[p], m.current(p)
	for k := a.First; k < a.First+a.Count; k++ {
		o := m.p.Sets[k].Output
		value := m.safe(o)
		if !safe {
			value = m.p.Sets[k].Value
			m.own(p, k)
		} else if m.out[o].Value == value { // it is, or is on its way there
			continue
		}
		n := len(fx)
		if fx = m.write(at, o, value, "", fx); len(fx) > n {
			fx[n].Elem, fx[n].Action, fx[n].Round = p, m.p.Elems[p].First+int(s.PC), s.B
		}
	}
	return fx
}

// confirmedJog tells whether the devices have confirmed the values of a jog, or the safe ones.
func (m *Machine) confirmedJog(a *Action, safe bool) bool {
	for k := a.First; k < a.First+a.Count; k++ {
		value, o := m.p.Sets[k].Value, &m.out[m.p.Sets[k].Output]
		if safe {
			value = m.safe(m.p.Sets[k].Output)
		}
		if o.Busy || !o.Known || o.Value != value {
			return false
		}
	}
	return true
}

// retimeJog holds the stage that a jog is in against the constants that were.
func (m *Machine) retimeJog(at int64, p int, a, was *Action, old *Program) {
	s := &m.el[p]
	more := int64(0)
	switch s.C {
	case jogSettles:
		more = a.Settle - was.Settle
	case jogOpen:
		more = a.For - was.For
	case jogSets:
		for k := a.First; k < a.First+a.Count; k++ {
			if m.p.Sets[k].Value != old.Sets[k].Value {
				m.cutJog(p)
			}
		}
	}
	if more != 0 {
		s.A = max(s.A+more, at)
		m.timers.Set(m.actionTimer(p), s.A)
	}
}

// ending says how the current action of a phase comes to its end, where that is not plain.
func (m *Machine) ending(p int) string {
	switch s := &m.el[p]; m.current(p).Kind {
	case recipe.Jog:
		if s.A == jogUsedUp {
			return "the total is still short"
		}
		return "the total is not short"
	case recipe.Time:
		return [...]string{timeKnown: "time is known well enough", timeRestarted: "let begin by a restart",
			timeConfirmed: "let begin by an answer"}[min(s.B, timeConfirmed)]
	}
	return ""
}
