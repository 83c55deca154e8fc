// Lines at which branches meet, and messages from one to another.

package sequencer

import "github.com/batchkit/batchkit/recipe"

// MaxMessages is how many messages of one tag may wait to be received.
const MaxMessages = 255

// waitsAt tells whether a party waits at its line and can go on from there.
func (m *Machine) waitsAt(q *Party) bool {
	s := &m.el[q.Phase]
	state := State(s.State)
	return s.Waiting && (state == Running || state == Pausing) && m.p.Elems[q.Phase].First+int(s.PC) == q.Action && s.B == 0
}

func (m *Machine) lineParties(l int) []Party {
	line := &m.p.Lines[l]
	return m.p.Parties[line.First : line.First+line.Count]
}

func (m *Machine) senders(message int) []Party {
	p := &m.p.Messages[message]
	return m.p.Parties[p.First : p.First+p.Count]
}

// branch calls fn for the parties of each branch of a line, until it returns false.
func branches(all []Party, fn func(of []Party) bool) {
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Branch == all[0].Branch {
			n++
		}
		if !fn(all[:n]) {
			return
		}
		all = all[n:]
	}
}

// meet lets all go who wait at a line, once there is one of each branch. Who waits while he is held has not come.
func (m *Machine) meet(l int) {
	all := m.lineParties(l)
	for i := 0; i < len(all); {
		here, b := false, all[i].Branch
		for ; i < len(all) && all[i].Branch == b; i++ {
			here = here || m.waitsAt(&all[i])
		}
		if !here {
			return
		}
	}
	for i := range all {
		if m.waitsAt(&all[i]) {
			m.el[all[i].Phase].B = 1
			m.look(all[i].Phase)
		}
	}
}

// missing names whom a phase waits for.
func (m *Machine) missing(p int) (w Who) {
	if !m.el[p].Waiting {
		return w
	}
	switch a := m.current(p); a.Kind {
	case recipe.Sync:
		branches(m.lineParties(a.Line), func(of []Party) bool {
			for i := range of {
				if m.waitsAt(&of[i]) || of[i].Phase == p {
					return true
				}
			}
			w.add(of[0].Phase)
			return true
		})
	case recipe.Receive:
		for i, all := 0, m.senders(a.Line); i < len(all); i++ {
			w.add(all[i].Phase)
		}
	case recipe.Acquire:
		for _, r := range m.p.Uses[a.First : a.First+a.Count] {
			if m.place(r, m.p.Elems[p].Parent) >= 0 {
				continue
			}
			for s := m.slot[r]; s < m.slot[r+1]; s++ {
				w.add(m.holder(s, m.p.Elems[p].Parent))
			}
		}
	}
	return w
}

// lost says who will not come any more to where a phase waits, "" while all may.
func (m *Machine) lost(a *Action) (why string) {
	if a.Kind == recipe.Receive {
		return m.gone(m.senders(a.Line))
	}
	branches(m.lineParties(a.Line), func(of []Party) bool {
		for i := range of {
			if m.waitsAt(&of[i]) {
				return true
			}
		}
		why = m.gone(of)
		return why == ""
	})
	return why
}

// gone says which of some parties was stopped or aborted before it did its part, where no other one can do it.
func (m *Machine) gone(of []Party) (why string) {
	for i := range of {
		q := &of[i]
		s := &m.el[q.Phase]
		switch state := State(s.State); {
		case m.cutOff(q.Phase):
			if why == "" {
				why = q.Lost
			}
		case state == Complete || m.p.Elems[q.Phase].First+int(s.PC) > q.Action:
			if m.repeats(q.Phase) {
				return ""
			}
		default:
			return ""
		}
	}
	return why
}

func fallen(s State) bool { return s == Stopping || s == Stopped || s == Aborting || s == Aborted }

// cutOff tells whether a phase was stopped or aborted, or stands behind one that was, so that it will not begin.
func (m *Machine) cutOff(p int) bool {
	s := State(m.el[p].State)
	if fallen(s) {
		return true
	}
	for c, up := p, m.p.Elems[p].Parent; up >= 0; c, up = up, m.p.Elems[up].Parent {
		end := c
		switch m.p.Elems[up].Block {
		case recipe.Parallel:
			continue
		case recipe.Repeat:
			end = m.p.Elems[up].End
		}
		for q := up + 1; q < end && (s == Idle || s == Complete); q++ {
			if m.p.Elems[q].Phase && fallen(State(m.el[q].State)) {
				return true
			}
		}
	}
	return false
}

// repeats tells whether a phase stands in a repeat that is not over.
func (m *Machine) repeats(p int) bool {
	for up := m.p.Elems[p].Parent; up >= 0; up = m.p.Elems[up].Parent {
		if m.p.Elems[up].Block == recipe.Repeat && State(m.el[up].State) == Running {
			return true
		}
	}
	return false
}
