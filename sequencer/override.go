// Outputs in override: they have the value that a person gives them until he gives them back, or until they are driven to their safe
// values.

package sequencer

import (
	"github.com/batchkit/batchkit/recipe"
)

// InOverride is the reason for which a set or a jog waits whose output is in override.
const InOverride = "override"

// What a write says that takes an output into override, or out of it.
const (
	overridden   = "override"
	overrideOver = "override over"
	logicSets    = "logic of its step sets it"
)

// Overridden tells whether an output is in override.
func (m *Machine) Overridden(output int) bool { return m.out[output].Taken }

// MayOverride says why an output cannot have a value by override now, and the gate that keeps it from that, where one
// does; "" where it can.
func (m *Machine) MayOverride(output int, value int64) (why string, g Gate) {
	s, safe := &m.out[output], m.safe(output)
	if m.r.Ended || State(m.r.Shown).Terminal() {
		return "the batch is over", g
	}
	if m.foreign(output) {
		return NotHeld, g
	}
	if value == safe && s.Known { // also in an abort: it is there, or on its way
		return m.ownedByLogic(output), g
	}
	if g = m.gate(output); g.shut() {
		return m.words(g), g
	}
	switch {
	case m.r.Hard || m.aborting():
		return "the batch is being aborted", g
	case s.Owner > 0 && fallen(m.state(int(s.Owner))):
		return "its step is stopped, which brings it to its safe value", g
	case !s.Known:
		return "it is not known to have what was commanded; its device has to confirm that first", g
	case m.jogging(output):
		return "a jog has it; wait for its end, or hold the batch", g
	}
	return m.ownedByLogic(output), g
}

// ownedByLogic refuses an output that logic of a phase sets now.
func (m *Machine) ownedByLogic(o int) string {
	if m.follows(o) {
		return "logic of its step sets it; wait for the end of that"
	}
	return ""
}

// jogging tells whether a jog that is under way has an output.
func (m *Machine) jogging(o int) bool {
	for _, i := range m.x.sets.of(o) {
		e := int(m.x.elem[i])
		s := &m.el[e]
		if at := s.Waiting && m.p.Elems[e].First+int(s.PC) == int(i) && m.p.Actions[i].Kind == recipe.Jog; at && s.C >= jogSets && s.C <= jogBack {
			return true
		}
	}
	return false
}

// override gives an output the value of a person, or takes it back. What MayOverride refuses changes nothing.
func (m *Machine) override(at int64, ev *Event, fx []Effect) []Effect {
	o := ev.Output
	if o < 0 || o >= len(m.out) {
		return fx
	}
	s := &m.out[o]
	if !ev.OK {
		return m.unoverride(at, o, fx)
	}
	if why, _ := m.MayOverride(o, ev.Value); why != "" {
		return fx
	}
	if !s.Taken {
		if !s.Kept {
			m.keepValue(o)
		}
		m.setLater(o)
	}
	s.Taken = false
	fx = m.write(at, o, ev.Value, overridden, fx)
	s.Taken = true
	return fx
}

// unoverride gives an output back. It goes to what it would have without: what an action that waits for it sets does so in this step, and
// a hold keeps it at its safe value.
func (m *Machine) unoverride(at int64, o int, fx []Effect) []Effect {
	s := &m.out[o]
	if !s.Taken {
		return fx
	}
	value, later := m.Returns(at, o)
	s.Taken = false
	for _, i := range m.x.sets.of(o) {
		m.look(int(m.x.elem[i]))
	}
	if later {
		s.Kept = false
		return fx
	}
	if value != m.safe(o) {
		s.Kept = false
	}
	if s.Value == value {
		return fx
	}
	return m.write(at, o, value, overrideOver, fx)
}

// Returns is the value that an output in override would go to if it were given back at monotonic time at; later says that an action which
// waits for it sets it.
func (m *Machine) Returns(at int64, output int) (value int64, later bool) {
	s, safe := &m.out[output], m.safe(output)
	owner := int(s.Owner)
	for _, i := range m.x.sets.of(output) {
		e, a := int(m.x.elem[i]), &m.p.Actions[i]
		if !m.acts(e) || m.p.Elems[e].First+int(m.el[e].PC) != int(i) || a.Kind != recipe.Set || s.Owner != m.answers(e) || m.gate(output).shut() {
			continue
		}
		for k := a.First; k < a.First+a.Count; k++ {
			if m.p.Sets[k].Output == output && m.el[e].A&a.waits(k) != 0 {
				return m.p.Sets[k].Value, true
			}
		}
	}
	if !s.Kept || m.isHeld(owner) || m.gaveUp(owner) || m.gate(output).shut() || fallen(m.state(owner)) || State(m.r.Shown).Terminal() {
		return safe, false
	}
	return m.wanted(at, output), false
}

// cutOverride ends an override because its output is driven to its safe value.
func (m *Machine) cutOverride(o int, reason string, fx []Effect) []Effect {
	m.out[o].Taken = false
	for _, i := range m.x.sets.of(o) {
		m.look(int(m.x.elem[i]))
	}
	return append(fx, Effect{Kind: OverrideCut, Output: o, Value: m.safe(o), Reason: reason})
}

// takeFrom ends the override of an output that logic of a phase is about to set: no person keeps that from bringing things to rest.
func (m *Machine) takeFrom(at int64, p, k int, fx []Effect) []Effect {
	o := m.p.Sets[k].Output
	if !m.p.Elems[p].Logic || !m.out[o].Taken {
		return fx
	}
	if fx = m.writeSafe(at, o, logicSets, fx); m.out[o].Taken { // it was there
		fx = m.cutOverride(o, logicSets, fx)
	}
	return fx
}

// taken tells whether an override keeps an output from what a Set gives it. None keeps it from its safe value.
func (m *Machine) taken(k int) bool {
	set := &m.p.Sets[k]
	return m.out[set.Output].Taken && set.Value != m.safe(set.Output)
}

// takenFrom is the output in override that keeps the current action of a phase or logic from setting it, -1 where none does.
func (m *Machine) takenFrom(p int) int {
	a := m.current(p)
	for k := a.First; (a.Kind == recipe.Set || a.Kind == recipe.Jog && m.el[p].C == jogAsks) && k < a.First+a.Count; k++ {
		if m.taken(k) {
			return m.p.Sets[k].Output
		}
	}
	return -1
}

// OverrideFrom returns the output in override that keeps a phase or logic from what it sets, -1 where none does.
func (m *Machine) OverrideFrom(e int) int {
	if !m.acts(e) {
		return -1
	}
	return m.takenFrom(e)
}
