// A phase that has run out of its time is tried again.

package sequencer

import (
	"cmp"

	"github.com/batchkit/batchkit/recipe"
)

const notSafe = "outputs not safe"

// retry grants a phase its time once more. A transition goes on waiting. Any other phase begins anew, but not before each output that
// it had set is known to have its safe value and an OEM action that it had asked for has come to its end: what was poured once is not
// poured again on top of it.
func (m *Machine) retry(at int64, p int, fx []Effect) []Effect {
	s, e := &m.el[p], &m.p.Elems[p]
	m.timers.Set(p, at+e.Timeout)
	if e.Waits {
		return m.retried(p, fx)
	}
	m.timers.Clear(m.actionTimer(p))
	s.Anew = true
	m.look(p)
	if s.Waiting && s.B == 0 && m.current(p).Kind == recipe.Request {
		fx = m.callOff(p, fx)
	}
	fx, _ = m.cleared(at, p, fx)
	return fx
}

// calledOff is the bit of C of a phase that has called its OEM action off. Above it stands the number under which the action was asked
// for at first, 0 where it is asked for the first time.
const calledOff = 1

// asksAnew lets an OEM action be asked for anew that did not end well, as the same occurrence of it. B keeps its first number, as a
// negative one.
func (m *Machine) asksAnew(p int) {
	s := &m.el[p]
	s.Waiting, s.B = false, -cmp.Or(s.C>>1, s.A)
}

// askedFirst is the number under which the OEM action that a phase comes to was asked for at first; 0 where that is still to come.
func (m *Machine) askedFirst(p int) int64 {
	if m.current(p).Kind != recipe.Request {
		return 0
	}
	return max(-m.el[p].B, 0)
}

// callOff calls the OEM action off that a phase waits for, unless it was already.
func (m *Machine) callOff(p int, fx []Effect) []Effect {
	s := &m.el[p]
	if s.C&calledOff != 0 {
		return fx
	}
	s.C |= calledOff
	return append(fx, Effect{Kind: CancelAction, Elem: p, Action: m.p.Elems[p].First + int(s.PC), ID: uint32(s.A)})
}

// cleared drives what a phase has set to its safe value and tells whether nothing of what it did is under way any more.
func (m *Machine) cleared(at int64, p int, fx []Effect) (_ []Effect, done bool) {
	s, e := &m.el[p], &m.p.Elems[p]
	begun := e.First + int(s.PC)
	if done = true; s.Waiting {
		done = s.B != 0 || m.current(p).Kind != recipe.Request
		begun++
	}
	for i := e.First; i < e.First+e.Count; i++ {
		a := &m.p.Actions[i]
		for k := a.First; a.Kind == recipe.Set && k < a.First+a.Count; k++ {
			n := m.p.Sets[k].Output
			o := &m.out[n]
			// A set that is about to be made again, with another value, was made once.
			if int(o.Owner) != p || i >= begun && int(o.By) != k+1 {
				continue
			}
			if o.Kept, o.Back = false, false; o.Value != m.safe(n) {
				fx = m.writeSafe(at, n, "begins anew", fx)
			}
			done = done && o.Known && !o.Busy
		}
	}
	return fx, done
}

// anew lets a phase begin anew, with all its time.
func (m *Machine) anew(at int64, p int, fx []Effect) []Effect {
	s := &m.el[p]
	m.timers.Set(p, at+m.p.Elems[p].Timeout)
	m.timers.Clear(m.actionTimer(p))
	m.rewind(p)
	s.Anew = false
	return m.retried(p, fx)
}

// rewind lets a phase begin at its first action. What it was at, if that was another one, is no more.
func (m *Machine) rewind(p int) {
	s := &m.el[p]
	if s.PC != 0 {
		s.B = max(s.B, 0)
	}
	s.PC, s.Waiting = 0, false
}

func (m *Machine) retried(p int, fx []Effect) []Effect {
	s := &m.el[p]
	return m.changed(p, fx, Effect{From: State(s.State), To: State(s.State), Edge: EdgeRetry, Reason: "time-out", Tries: int(s.Tries)})
}
