// Interlocks: outputs that may not leave their safe values, and what becomes of those who answer for them.

package sequencer

import "github.com/batchkit/batchkit/recipe"

// gates notes for each output which interlocks gate it.
func gates(p *Program) [][]int32 {
	of := make([][]int32, len(p.Outputs))
	for i := range p.Interlocks {
		for _, o := range p.Interlocks[i].Outputs {
			of[o] = append(of[o], int32(i))
		}
	}
	return of
}

// gate is the first interlock that keeps an output at its safe value, -1 where none does.
func (m *Machine) gate(o int) int {
	for _, i := range m.gates[o] {
		if blocks, _ := m.view.Blocks(int(i)); blocks {
			return int(i)
		}
	}
	return -1
}

// interlocks drives the outputs of what has tripped to their safe values, and lets the reaction take hold of those who answer for them. It
// looks at where things stand and not at edges: what comes to run while an interlock blocks is met by it too. What is not settled
// after a boot holds at most.
func (m *Machine) interlocks(at int64, fx []Effect) []Effect {
	for i := range m.p.Interlocks {
		t := &m.p.Interlocks[i]
		blocks, settled := m.view.Blocks(i)
		if !t.Trip || !blocks {
			continue
		}
		react := t.React
		if !settled {
			react = softened(react)
		}
		n := len(fx)
		if len(t.Outputs) == 0 && !State(m.r.Shown).Terminal() {
			fx = m.failAt(at, 0, react, t.Text, fx)
		}
		for _, o := range t.Outputs {
			if s := &m.out[o]; s.Value != m.safe(o) {
				fx = m.failAt(at, int(s.Owner), react, t.Text, fx)
				fx = m.drive(at, o, t.Text, fx)
			}
		}
		for ; n < len(fx); n++ {
			if fx[n].Kind != Found { // what was found waits for reasons of its own
				fx[n].Interlock = i + 1
			}
		}
	}
	return fx
}

// softened is the reaction to what is not settled: a hold in the place of any.
func softened(react Command) Command {
	if react == NoCommand {
		return NoCommand
	}
	return Hold
}

// drive takes an output to its safe value whatever its phase wants. What was held comes back on restart; what runs on has to set
// it anew.
func (m *Machine) drive(at int64, o int, reason string, fx []Effect) []Effect {
	s, safe := &m.out[o], m.safe(o)
	if s.Value == safe { // the reaction has done it
		return fx
	}
	if !s.Kept && m.isHeld(int(s.Owner)) {
		m.keepValue(o)
	}
	m.setLater(o)
	return m.writeSafe(at, o, reason, fx)
}

// shut is the interlock that keeps an element from being started or restarted: one that gates no output, or that gates what a
// restart would bring back. It is -1 where nothing does.
func (m *Machine) shut(at int64, e int, c Command) int {
	for i := range m.p.Interlocks {
		t := &m.p.Interlocks[i]
		if blocks, _ := m.view.Blocks(i); !blocks || c != Start && c != Restart {
			continue
		}
		if len(t.Outputs) == 0 {
			return i
		}
		for _, o := range t.Outputs {
			s := &m.out[o]
			if c == Restart && s.Kept && int(s.Owner) >= e && int(s.Owner) < m.p.Elems[e].End && m.wanted(at, o) != m.safe(o) {
				return i
			}
		}
	}
	return -1
}

// withheld is the interlock that keeps the current action of a phase or logic from setting one of its outputs, -1 where none does.
func (m *Machine) withheld(p int) int {
	a := m.current(p)
	for k := a.First; (a.Kind == recipe.Set || a.Kind == recipe.Jog && m.el[p].C == jogAsks) && k < a.First+a.Count; k++ {
		if i := m.keeps(k); i >= 0 {
			return i
		}
	}
	return -1
}

// keeps is the interlock that keeps an output from what a Set gives it, -1 where none does.
func (m *Machine) keeps(k int) int {
	set := &m.p.Sets[k]
	if m.out[set.Output].Value == set.Value || set.Value == m.safe(set.Output) {
		return -1
	}
	return m.gate(set.Output)
}

// MaxGated is how many outputs one action may set if an interlock gates one of them: A of its phase has a bit for each that waits.
const MaxGated = 64

// set commands one output that an action sets; what an interlock gates waits.
func (m *Machine) set(at int64, p, k int, fx []Effect) []Effect {
	s, bit := &m.el[p], int64(1)<<(k-m.current(p).First)
	n := len(fx)
	if fx = m.write(at, m.p.Sets[k].Output, m.p.Sets[k].Value, "", fx); len(fx) > n {
		fx[n].Elem, fx[n].Action = p, m.p.Elems[p].First+int(s.PC)
		s.A &^= bit
	} else if m.keeps(k) >= 0 || m.taken(k) {
		s.A |= bit
	}
	return fx
}

// setNow commands what an interlock has withheld from the current action of a phase or logic, as far as it permits now. What another
// phase has set meanwhile is that one's.
func (m *Machine) setNow(at int64, p int, fx []Effect) []Effect {
	s, a := &m.el[p], m.current(p)
	for k := a.First; a.Kind == recipe.Set && s.A != 0 && k < a.First+a.Count; k++ {
		if s.A&(1<<(k-a.First)) != 0 && m.out[m.p.Sets[k].Output].Owner == m.answers(p) {
			fx = m.set(at, p, k, fx)
		}
	}
	return fx
}

// setLater lets those wait for their outputs who were about to set one that was driven to its safe value.
func (m *Machine) setLater(o int) {
	for _, i := range m.x.sets.of(o) {
		e := int(m.x.elem[i])
		s, a := &m.el[e], &m.p.Actions[i]
		if !s.Waiting || m.p.Elems[e].First+int(s.PC) != int(i) || m.out[o].Owner != m.answers(e) {
			continue
		}
		if a.Kind == recipe.Jog {
			if s.C != jogSettles {
				m.cutJog(e)
			}
			continue
		}
		for k := a.First; k < a.First+a.Count; k++ {
			if m.p.Sets[k].Output == o {
				s.A |= 1 << (k - a.First)
			}
		}
	}
}

// answers is the element that answers for what a phase or logic sets.
func (m *Machine) answers(p int) int32 {
	if m.p.Elems[p].Logic {
		p = m.p.Elems[p].Parent
	}
	return int32(p)
}

// waitsFor says what the current action of a phase or logic waits for, and the number + 1 of the interlock that withholds it.
func (m *Machine) waitsFor(p int) (reason string, interlock int) {
	a := m.current(p)
	if i := m.withheld(p); i >= 0 {
		return m.p.Interlocks[i].Text, i + 1
	}
	if m.takenFrom(p) >= 0 {
		return InOverride, 0
	}
	return a.Reason, 0
}

// Withheld returns the interlock that keeps a phase or logic from what it sets, -1 where none does.
func (m *Machine) Withheld(e int) int {
	if !m.acts(e) {
		return -1
	}
	return m.withheld(e)
}

// Active returns the first phase, in the order of the recipe, that has begun and not ended; -1 where there is none.
func (m *Machine) Active() int { return m.active.next(0) }

// Owner returns the element that answers for an output; 0, the procedure, where no phase has set it.
func (m *Machine) Owner(output int) int { return int(m.out[output].Owner) }
