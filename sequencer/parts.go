// Outputs that are parts of equipment which batches share: only while the batch holds that are they its own.

package sequencer

import (
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
)

// What a write says that brings a part of equipment to rest, before it is used or given back.
const (
	justGot   = "equipment got"
	givesBack = "equipment is given back"
)

// NotHeld is why nobody can have an output in override that is not the batch's own.
const NotHeld = "it is a part of equipment that the batch does not hold"

// parts notes for each request of an arbiter the outputs that are parts of what it asks for.
func parts(p *Program) [][]int32 {
	of := make([][]int32, len(p.Asks))
	for k, e := range p.Asks {
		a := &p.Actions[p.Elems[e].First]
		for _, r := range p.Uses[a.First : a.First+a.Count] {
			for o := range p.Outputs {
				if p.Outputs[o].Part == r+1 {
					of[k] = append(of[k], int32(o))
				}
			}
		}
	}
	return of
}

// askAt is the number of the request that a bracket makes of an arbiter, -1 where it makes none.
func (m *Machine) askAt(b int) int {
	if b < 0 || b+1 >= len(m.p.Elems) {
		return -1
	}
	e := &m.p.Elems[b+1]
	if !e.Phase || e.Count == 0 || m.p.Actions[e.First].Kind != recipe.Acquire {
		return -1
	}
	return m.p.Actions[e.First].Ask - 1
}

// foreign tells whether an output is a part of equipment that the batch does not hold. It is never driven and never judged: it stands as if
// it had its safe value, whatever it reads back, and is as it is in stranger.
func (m *Machine) foreign(o int) bool {
	switch part := m.p.Outputs[o].Part; {
	case part == 0:
		return false
	case part < 0:
		return true
	default: // what batches share has one slot
		k := m.askAt(int(m.held[m.slot[part-1]]) - 1)
		return k < 0 || !m.asks[k].Got
	}
}

// Foreign tells whether an output is a part of equipment that the batch does not hold: the batch neither drives nor judges it.
func (m *Machine) Foreign(output int) bool { return m.foreign(output) }

// stranger is the state of an output that is foreign.
func (m *Machine) stranger(o int) output { return output{Value: m.p.Outputs[o].Safe, Known: true} }

// rests tells whether all parts of what a request asks for are known to have their safe values.
func (m *Machine) rests(k int) bool {
	for _, o := range m.parts[k] {
		if s := &m.out[o]; s.Busy || !s.Known || s.Value != m.safe(int(o)) {
			return false
		}
	}
	return true
}

// takeOver makes the parts of what was granted the batch's own. Who had them before is to have left them safe, and it is looked at whether
// he has, as at a boot: what does not read back its safe value is driven there, and nothing goes on before it is.
func (m *Machine) takeOver(at int64, k int, fx []Effect) []Effect {
	for _, n := range m.parts[k] {
		o := int(n)
		s := &m.out[o]
		*s = output{Value: m.p.Outputs[o].Safe, Owner: int32(m.p.Asks[k]), Since: at - Settle}
		if v, good := m.value(m.p.Outputs[o].Tag, at); good && m.near(o, v) {
			s.Known = true
			continue
		}
		fx = m.writeSafe(at, o, justGot, fx)
	}
	return fx
}

// settleParts drives the parts of what a bracket has got, and that it leaves as they are, to their safe values.
func (m *Machine) settleParts(at int64, k int, fx []Effect) []Effect {
	for _, n := range m.parts[k] {
		o := int(n)
		s := &m.out[o]
		s.Kept, s.Back = false, false
		if s.Value != m.safe(o) || !s.Known && !s.Busy {
			fx = m.writeSafe(at, o, givesBack, fx)
		}
	}
	return fx
}

// partWith makes the parts of what is given back foreign.
func (m *Machine) partWith(k int, fx []Effect) []Effect {
	if !m.asks[k].Got {
		return fx
	}
	for _, n := range m.parts[k] {
		o := int(n)
		s := &m.out[o]
		if s.Taken {
			fx = m.cutOverride(o, givesBack, fx)
		}
		if s.Class != iomap.NoClass {
			fx = append(fx, Effect{Kind: SafeStateChanged, Output: o, WasFault: s.Class, Status: NotInSafeState, Value: s.Value})
		}
		if s.Busy {
			m.r.Busy--
		}
		m.timers.Clear(m.retryTimer(o))
		m.timers.Clear(m.faultTimer(o))
		*s = m.stranger(o)
	}
	return fx
}

// rob takes from a bracket what it had got: that is another's at once, logic that runs below is ended, and what is below is held. A phase
// that was not yet done with asking for it asks anew on restart.
func (m *Machine) rob(at int64, k int, reason string, fx []Effect) []Effect {
	p := m.p.Asks[k]
	b := m.p.Elems[p].Parent
	fx = m.withdraw(k, reason, fx)
	if s := &m.el[p]; !State(s.State).Terminal() && s.PC >= 0 {
		m.rewind(p)
	}
	m.each(b, func(q int) {
		if m.busy(q) != 0 { // its state ends as without logic
			fx = m.drop(q, fx)
			m.timers.Set(m.escapeTimer(), at+Transient)
		}
	})
	return m.restAll(at, b, true, reason, m.failAt(at, p, Hold, reason, fx))
}

// robbed tells whether an element stands in one from which was taken what it had got: there nothing is driven, and so nothing goes on.
func (m *Machine) robbed(e int) bool {
	for up := m.p.Elems[e].Parent; up >= 0; up = m.p.Elems[up].Parent {
		if m.p.Elems[up].Bracket && e != up+1 && State(m.el[up+1].State) == Complete && m.lacks(up) {
			return true
		}
	}
	return false
}

// robs tells whether a restart of an element would have something go on that is robbed.
func (m *Machine) robs(e int) bool {
	for p := e; p < m.p.Elems[e].End; p++ {
		if _, ok := State(m.el[p].State).After(Restart); ok && m.p.Elems[p].Phase && m.robbed(p) {
			return true
		}
	}
	return false
}

// lookParts looks at the phases that wait for a part of what they have got to be safe.
func (m *Machine) lookParts(o int) {
	if part := m.p.Outputs[o].Part; part > 0 {
		if k := m.askAt(int(m.held[m.slot[part-1]]) - 1); k >= 0 {
			m.look(m.p.Asks[k])
		}
	}
}
