// Equipment that branches share: held by as many brackets at a time as it may have owners, got all or nothing.

package sequencer

import "github.com/batchkit/batchkit/recipe"

// slots gives each resource its places in held: one for each of its owners.
func (p *Program) slots() []int {
	slot := make([]int, p.Resources+1)
	for r := range p.Resources {
		n := 1
		if r < len(p.Owners) {
			n = max(p.Owners[r], 1)
		}
		slot[r+1] = slot[r] + n
	}
	return slot
}

// holder is the bracket that holds a slot of a resource, other than the one given; -1 where it is free. One that was stopped or
// aborted has given back what it had, once nothing below it runs and every output that it answers for is known to be safe.
func (m *Machine) holder(slot, but int) int {
	if h := int(m.held[slot]) - 1; h >= 0 && h != but && m.stays(h) {
		return h
	}
	return -1
}

// stays tells whether something below a bracket runs, or an output that it answers for, or that is a part of what it has got, is not known
// to be safe.
func (m *Machine) stays(h int) bool {
	if k := m.askAt(h); k >= 0 && m.asks[k].Got && !m.rests(k) {
		return true
	}
	end := m.p.Elems[h].End
	if p := m.active.next(h); p >= 0 && p < end {
		return true
	}
	for o := range m.out {
		if s := &m.out[o]; int(s.Owner) >= h && int(s.Owner) < end && (s.Busy || !s.Known || s.Value != m.safe(o)) {
			return true
		}
	}
	return false
}

// place finds the slot of a resource that a bracket has or can have, one that nobody has had before one that was given back by who was
// stopped; -1 where all are others'.
func (m *Machine) place(r, b int) int {
	at := -1
	for s := m.slot[r]; s < m.slot[r+1]; s++ {
		switch {
		case int(m.held[s]) == b+1:
			return s
		case at >= 0 && m.held[at] == 0, m.holder(s, b) >= 0:
		case at < 0, m.held[s] == 0:
			at = s
		}
	}
	return at
}

// has tells whether a bracket holds a resource.
func (m *Machine) has(b, r int) bool {
	for s := m.slot[r]; s < m.slot[r+1]; s++ {
		if int(m.held[s]) == b+1 {
			return true
		}
	}
	return false
}

// lostUses tells whether something that elements around a phase have got is no longer theirs: they were stopped, and another got it.
func (m *Machine) lostUses(p int) bool {
	for up := m.p.Elems[p].Parent; up >= 0; up = m.p.Elems[up].Parent {
		if m.p.Elems[up].Bracket && m.lacks(up) {
			return true
		}
	}
	return false
}

// lacks tells whether a bracket does not hold all that it uses.
func (m *Machine) lacks(b int) bool {
	if !m.p.Elems[b+1].Phase {
		return false
	}
	a := &m.p.Actions[m.p.Elems[b+1].First]
	for i := a.First; a.Kind == recipe.Acquire && i < a.First+a.Count; i++ {
		if !m.has(b, m.p.Uses[i]) {
			return true
		}
	}
	return false
}

// gaveUp tells whether an element stands in one that was stopped or aborted and no longer has what it had got.
func (m *Machine) gaveUp(e int) bool {
	for up := m.p.Elems[e].Parent; up >= 0; up = m.p.Elems[up].Parent {
		if m.p.Elems[up].Bracket && State(m.el[up].State) == Running && State(m.el[up+1].State) == Complete && m.lacks(up) {
			return true
		}
	}
	return false
}

// free tells whether all that an action asks for is.
func (m *Machine) free(p int, a *Action) bool {
	for _, r := range m.p.Uses[a.First : a.First+a.Count] {
		if m.place(r, m.p.Elems[p].Parent) < 0 {
			return false
		}
	}
	return true
}

// queued tells whether a phase waits for equipment that it has not got and has not asked an arbiter for.
func (m *Machine) queued(p int) (a *Action, ok bool) {
	if t := &m.el[p]; !t.Waiting || t.B != 0 {
		return nil, false
	}
	a = m.current(p)
	return a, a.Kind == recipe.Acquire && (a.Ask == 0 || m.asks[a.Ask-1].ID == 0)
}

// acquire gets all that a phase asks for, if all is free and nobody asked before who can have his, too. Who waits for more than is
// free does not keep others from the rest: only so can nobody wait in a circle who is not in one by what is held. Where batches share
// some of it, the rest is kept for the phase while an arbiter is asked.
func (m *Machine) acquire(p int, a *Action) bool {
	s := &m.el[p]
	if s.B != 0 {
		return true
	}
	if a.Ask != 0 && m.asks[a.Ask-1].ID != 0 {
		if m.asks[a.Ask-1].Got && m.rests(a.Ask-1) { // now: a fault may have come since it was granted
			s.B = 1
		}
		return s.B != 0
	}
	if !m.free(p, a) {
		return false
	}
	for q := m.queue.next(0); q >= 0; q = m.queue.next(q + 1) {
		t := &m.el[q]
		if state := State(t.State); q == p || t.A > s.A || state != Running && state != Pausing {
			continue
		}
		if b, ok := m.queued(q); ok && m.both(a, b) && m.free(q, b) {
			return false
		}
	}
	for _, r := range m.p.Uses[a.First : a.First+a.Count] {
		m.held[m.place(r, m.p.Elems[p].Parent)] = int32(m.p.Elems[p].Parent) + 1
	}
	if a.Ask != 0 {
		m.queue.remove(p)
		m.r.Asked++
		m.asks[a.Ask-1] = ask{ID: m.r.Asked, Freed: m.asks[a.Ask-1].Freed}
		return false
	}
	m.queue.remove(p)
	s.B = 1
	return true
}

// both tells whether two actions ask for the same.
func (m *Machine) both(a, b *Action) bool {
	for _, r := range m.p.Uses[a.First : a.First+a.Count] {
		for _, o := range m.p.Uses[b.First : b.First+b.Count] {
			if r == o {
				return true
			}
		}
	}
	return false
}

// ahead is how many have waited longer for something that a phase asks for.
func (m *Machine) ahead(p int, a *Action) (n int64) {
	for q := m.queue.next(0); q >= 0; q = m.queue.next(q + 1) {
		if q == p || m.el[q].A >= m.el[p].A {
			continue
		}
		if b, ok := m.queued(q); ok && m.both(a, b) {
			n++
		}
	}
	return n
}

// release gives back what a bracket holds.
func (m *Machine) release(e int) {
	for s := range m.held {
		if int(m.held[s]) == e+1 {
			m.held[s] = 0
		}
	}
	m.freed()
}
