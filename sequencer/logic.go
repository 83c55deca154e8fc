// What a phase does in a transient state: its own logic, beside the way of its outputs to their safe values.

package sequencer

import "github.com/batchkit/batchkit/recipe"

const notDone = "logic not done"

// logic is the element with the logic for the state that a phase is in or came out of, 0 where there is none.
func (m *Machine) logic(p int) int {
	l := &m.p.Elems[p].Logics
	switch State(m.el[p].State) {
	case Holding, Held:
		return l[recipe.OnHold]
	case Restarting:
		return l[recipe.OnRestart]
	case Stopping:
		return l[recipe.OnStop]
	case Aborting:
		return l[recipe.OnAbort]
	}
	return 0
}

// busy is the logic that a phase is in the middle of, 0 for none.
func (m *Machine) busy(p int) int {
	if l := m.logic(p); l != 0 && State(m.el[l].State) == Running {
		return l
	}
	return 0
}

// follows tells whether an output follows the logic of the phase that answers for it.
func (m *Machine) follows(o int) bool {
	l := 0
	if p := int(m.out[o].Owner); m.p.Elems[p].Phase {
		l = m.logic(p)
	}
	return l != 0 && (State(m.el[l].State) == Running || State(m.el[l].State) == Complete) && m.names(l, o)
}

// names tells whether a phase or logic sets an output.
func (m *Machine) names(l, o int) bool {
	e := &m.p.Elems[l]
	for i := e.First; i < e.First+e.Count; i++ {
		a := &m.p.Actions[i]
		for k := a.First; a.Sets() && k < a.First+a.Count; k++ {
			if m.p.Sets[k].Output == o {
				return true
			}
		}
	}
	return false
}

// prepare makes the logic of the state that a phase has come into ready to run; advance runs it. A phase that was stopped has no logic
// any more where what it used is another's, none has from which that was taken, and none has where the batch is aborted hard.
func (m *Machine) prepare(p int, from State) {
	if l := m.logic(p); l != 0 && !m.r.Hard && !State(m.el[p].State).Quiescent() && (from != Stopped || !m.lostUses(p)) && !m.robbed(p) {
		m.el[l] = elem{State: uint8(Running), PC: -1}
	}
}

// drop ends the logic that a phase is in the middle of, because it comes into another state.
func (m *Machine) drop(p int, fx []Effect) []Effect {
	if l := m.busy(p); l != 0 {
		return m.endLogic(l, Aborted, "overtaken", 0, fx)
	}
	return fx
}

func (m *Machine) endLogic(l int, to State, reason string, elapsed int64, fx []Effect) []Effect {
	m.timers.Clear(l)
	m.timers.Clear(m.actionTimer(l))
	edge, began := EdgeEnd, m.el[l].PC >= 0
	if to == Aborted {
		edge = EdgeAbort
	}
	m.el[l].State, m.el[l].Waiting = uint8(to), false
	if !began {
		return fx
	}
	return m.changed(l, fx, Effect{From: Running, To: to, Edge: edge, Reason: reason, Elapsed: elapsed})
}

// runLogic lets the logic of a phase go as far as it can.
func (m *Machine) runLogic(at int64, p, l int, fx []Effect) []Effect {
	s, e := &m.el[l], &m.p.Elems[l]
	if s.PC < 0 {
		s.PC, s.Since = 0, at
		m.timers.Set(l, at+e.Timeout)
		fx = m.changed(l, fx, Effect{From: Idle, To: Running, Edge: EdgeStart})
	}
	for int(s.PC) < e.Count {
		var ended bool
		if fx, ended = m.act(at, l, fx); !ended || m.spent(fx) {
			return fx
		}
	}
	fx = m.endLogic(l, Complete, "", at-s.Since, fx)
	if state := State(m.el[p].State); state == Stopping || state == Aborting {
		fx = m.restAll(at, p, false, state.command().String(), fx)
	}
	m.timers.Set(m.escapeTimer(), at+Transient) // the others have had theirs, or wait no longer for this one
	return fx
}

// command is what led to a transient state.
func (s State) command() Command {
	switch s {
	case Stopping:
		return Stop
	case Aborting:
		return Abort
	}
	return Hold
}

// logicTimedOut ends a logic that has taken all its time.
func (m *Machine) logicTimedOut(at int64, l int, fx []Effect) []Effect {
	e := &m.p.Elems[l]
	reason, g := notDone, Gate{}
	if s := &m.el[l]; s.Waiting {
		reason, g = m.waitsFor(l)
	}
	state := State(m.el[e.Parent].State)
	fx = append(fx, Effect{Kind: TimedOut, Elem: l, Elapsed: e.Timeout, Reason: reason, Command: state.command(), Interlock: g.Interlock, Fault: g.Fault,
		Output: g.Output})
	return m.giveUp(at, l, notDone, fx)
}

// giveUp ends a logic that is not done: all outputs of its phase go to their safe values, and the state ends all the same. That of a
// restart ends in a hold, with the logic of that.
func (m *Machine) giveUp(at int64, l int, reason string, fx []Effect) []Effect {
	p := m.p.Elems[l].Parent
	state := State(m.el[p].State)
	fx = m.endLogic(l, Aborted, reason, 0, fx)
	if state == Restarting {
		return m.failAt(at, p, Hold, reason, fx)
	}
	fx = m.restAll(at, p, state == Holding, reason, fx)
	m.timers.Set(m.escapeTimer(), at+Transient) // what the logic has commanded last has its time, too
	return m.endTransient(p, reason, fx)
}
