// Equipment that branches share: held by one bracket at a time, got all or nothing.

package sequencer

import "github.com/batchkit/batchkit/recipe"

// holder is the bracket that holds a resource, other than the one given; -1 where it is free. One that was stopped or aborted has
// given back what it had, once nothing below it runs and every output that it answers for is known to be safe.
func (m *Machine) holder(r, but int) int {
	h := int(m.held[r]) - 1
	if h < 0 || h == but {
		return -1
	}
	there := false
	m.each(h, func(int) { there = true })
	for o := range m.out {
		s := &m.out[o]
		if int(s.Owner) >= h && int(s.Owner) < m.p.Elems[h].End {
			there = there || s.Busy || !s.Known || s.Value != m.p.Outputs[o].Safe
		}
	}
	if !there {
		return -1
	}
	return h
}

// lostUses tells whether something that elements around a phase have got is no longer theirs: they were stopped, and another got it.
func (m *Machine) lostUses(p int) bool {
	for up := m.p.Elems[p].Parent; up >= 0; up = m.p.Elems[up].Parent {
		if !m.p.Elems[up].Bracket || !m.p.Elems[up+1].Phase {
			continue
		}
		a := &m.p.Actions[m.p.Elems[up+1].First]
		for i := a.First; a.Kind == recipe.Acquire && i < a.First+a.Count; i++ {
			if int(m.held[m.p.Uses[i]]) != up+1 {
				return true
			}
		}
	}
	return false
}

// free tells whether all that an action asks for is.
func (m *Machine) free(p int, a *Action) bool {
	for _, r := range m.p.Uses[a.First : a.First+a.Count] {
		if m.holder(r, m.p.Elems[p].Parent) >= 0 {
			return false
		}
	}
	return true
}

// acquire gets all that a phase asks for, if all is free and nobody asked before who can have his, too. Who waits for more than is
// free does not keep others from the rest: only so can nobody wait in a circle who is not in one by what is held.
func (m *Machine) acquire(p int, a *Action) bool {
	s := &m.el[p]
	if s.B != 0 {
		return true
	}
	if !m.free(p, a) {
		return false
	}
	for q := m.queue.next(0); q >= 0; q = m.queue.next(q + 1) {
		t := &m.el[q]
		if state := State(t.State); q == p || !t.Waiting || t.B != 0 || t.A > s.A || state != Running && state != Pausing {
			continue
		}
		if b := m.current(q); b.Kind == recipe.Acquire && m.both(a, b) && m.free(q, b) {
			return false
		}
	}
	for _, r := range m.p.Uses[a.First : a.First+a.Count] {
		m.held[r] = int32(m.p.Elems[p].Parent) + 1
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
		t := &m.el[q]
		if b := q != p && t.Waiting && t.B == 0 && t.A < m.el[p].A; b {
			if o := m.current(q); o.Kind == recipe.Acquire && m.both(a, o) {
				n++
			}
		}
	}
	return n
}

// release gives back what a bracket holds.
func (m *Machine) release(e int) {
	for r := range m.held {
		if int(m.held[r]) == e+1 {
			m.held[r] = 0
		}
	}
	m.freed()
}
