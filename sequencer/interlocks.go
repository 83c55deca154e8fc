// Interlocks: outputs that may not leave their safe values, and what becomes of those who answer for them.

package sequencer

import (
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
)

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

// Gate is what keeps an output at its safe value: an interlock, or a fault of an output. The zero value is none.
type Gate struct {
	Interlock int              // number + 1; 0: none
	Fault     iomap.FaultClass // where it is no interlock
	Output    int              // of a fault: the output
}

func (g Gate) shut() bool { return g != Gate{} }

// words are what is said of a gate.
func (m *Machine) words(g Gate) string {
	if g.Interlock > 0 {
		return m.p.Interlocks[g.Interlock-1].Text
	}
	return faultNames[g.Fault]
}

// gate is the first interlock that keeps an output at its safe value, or else its fault.
func (m *Machine) gate(o int) Gate {
	for _, i := range m.gates[o] {
		if blocks, _ := m.view.Blocks(int(i)); blocks {
			return Gate{Interlock: int(i) + 1}
		}
	}
	if c := m.faultGate(o); c != iomap.NoClass {
		return Gate{Fault: c, Output: o}
	}
	return Gate{}
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
	_ = m.setLater(o)
	return m.writeSafe(at, o, reason, fx)
}

// shut is what keeps an element from being started or restarted: an interlock that gates no output or that gates what a restart
// would bring back, or a fault of such an output.
func (m *Machine) shut(at int64, e int, c Command) Gate {
	if c != Start && c != Restart {
		return Gate{}
	}
	if m.r.Failing {
		return Gate{Fault: iomap.PowerLoss}
	}
	for i := range m.p.Interlocks {
		t := &m.p.Interlocks[i]
		if blocks, _ := m.view.Blocks(i); !blocks {
			continue
		}
		if len(t.Outputs) == 0 {
			return Gate{Interlock: i + 1}
		}
		for _, o := range t.Outputs {
			if c == Restart && m.returns(at, e, o) {
				return Gate{Interlock: i + 1}
			}
		}
	}
	for o := 0; c == Restart && o < len(m.out); o++ {
		if f := m.faultGate(o); f != iomap.NoClass && m.returns(at, e, o) {
			return Gate{Fault: f, Output: o}
		}
	}
	return Gate{}
}

// returns tells whether a restart of an element would take an output from its safe value.
func (m *Machine) returns(at int64, e, o int) bool {
	s := &m.out[o]
	return s.Kept && int(s.Owner) >= e && int(s.Owner) < m.p.Elems[e].End && m.wanted(at, o) != m.safe(o)
}

// withheld is what keeps the current action of a phase or logic from setting one of its outputs.
func (m *Machine) withheld(p int) Gate {
	a := m.current(p)
	for k := a.First; (a.Kind == recipe.Set || a.Kind == recipe.Jog && m.el[p].C == jogAsks) && k < a.First+a.Count; k++ {
		if g := m.keeps(k); g.shut() {
			return g
		}
	}
	return Gate{}
}

// keeps is what keeps an output from what a Set gives it.
func (m *Machine) keeps(k int) Gate {
	set := &m.p.Sets[k]
	if m.out[set.Output].Value == set.Value || set.Value == m.safe(set.Output) {
		return Gate{}
	}
	return m.gate(set.Output)
}

// MaxGated is how many outputs one action may set if an interlock gates one of them: A of its phase has a bit for each that waits, and
// the last one stands for all behind it, too, which a fault may gate.
const MaxGated = 64

// waits is the bit of a set in A of its phase.
func (a *Action) waits(k int) int64 { return 1 << min(k-a.First, MaxGated-1) }

// set commands one output that an action sets; what an interlock gates waits.
func (m *Machine) set(at int64, p, k int, fx []Effect) []Effect {
	s, bit := &m.el[p], m.current(p).waits(k)
	n := len(fx)
	if fx = m.write(at, m.p.Sets[k].Output, m.p.Sets[k].Value, "", fx); len(fx) > n {
		fx[n].Elem, fx[n].Action = p, m.p.Elems[p].First+int(s.PC)
	} else if m.keeps(k).shut() || m.taken(k) {
		s.A |= bit
	}
	return fx
}

// setNow commands what an interlock has withheld from the current action of a phase or logic, as far as it permits now. What another
// phase has set meanwhile is that one's.
func (m *Machine) setNow(at int64, p int, fx []Effect) []Effect {
	s, a := &m.el[p], m.current(p)
	if a.Kind != recipe.Set || s.A == 0 {
		return fx
	}
	was := s.A
	s.A = 0
	for k := a.First; k < a.First+a.Count; k++ {
		switch o := &m.out[m.p.Sets[k].Output]; {
		case was&a.waits(k) == 0:
		case o.Owner != m.answers(p): // it waits for its time to run out, however often it is looked at
			s.A |= a.waits(k)
		case o.Value != m.p.Sets[k].Value || !o.Known && !o.Busy || m.taken(k):
			fx = m.set(at, p, k, fx)
		}
	}
	return fx
}

// setLater lets those wait for their outputs who were about to set one that was driven to its safe value, and tells whether there are any.
func (m *Machine) setLater(o int) (any bool) {
	for _, i := range m.x.sets.of(o) {
		e := int(m.x.elem[i])
		s, a := &m.el[e], &m.p.Actions[i]
		if !s.Waiting || m.p.Elems[e].First+int(s.PC) != int(i) || m.out[o].Owner != m.answers(e) {
			continue
		}
		any = true
		if a.Kind == recipe.Jog {
			if s.C != jogSettles {
				m.cutJog(e)
			}
			continue
		}
		for k := a.First; k < a.First+a.Count; k++ {
			if m.p.Sets[k].Output == o {
				s.A |= a.waits(k)
			}
		}
	}
	return any
}

// answers is the element that answers for what a phase or logic sets.
func (m *Machine) answers(p int) int32 {
	if m.p.Elems[p].Logic {
		p = m.p.Elems[p].Parent
	}
	return int32(p)
}

// waitsFor says what the current action of a phase or logic waits for, and what withholds it.
func (m *Machine) waitsFor(p int) (reason string, g Gate) {
	if g = m.withheld(p); g.shut() {
		return m.words(g), g
	}
	if m.takenFrom(p) >= 0 {
		return InOverride, g
	}
	return m.current(p).Reason, g
}

// Withheld returns what keeps a phase or logic from what it sets, with its words, which are "" where nothing does.
func (m *Machine) Withheld(e int) (g Gate, words string) {
	if !m.acts(e) {
		return g, ""
	}
	if g = m.withheld(e); !g.shut() {
		return g, ""
	}
	return g, m.words(g)
}

// Active returns the first phase, in the order of the recipe, that has begun and not ended; -1 where there is none.
func (m *Machine) Active() int { return m.active.next(0) }

// Owner returns the element that answers for an output; 0, the procedure, where no phase has set it.
func (m *Machine) Owner(output int) int { return int(m.out[output].Owner) }
