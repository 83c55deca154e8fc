// Another program in the place of the one that runs: the same recipe with other constants.

package sequencer

import (
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// Held tells whether the procedure is Held and with it every phase that is under way: nothing goes on without a command.
func (m *Machine) Held() bool {
	for p := m.active.next(0); p >= 0; p = m.active.next(p + 1) {
		if State(m.el[p].State) != Held {
			return false
		}
	}
	return m.state(0) == Held
}

// Asked finds the prompt of that number: its phase and its action; ok is false where none waits for its answer.
func (m *Machine) Asked(id uint32) (phase, action int, ok bool) {
	for p := m.active.next(0); p >= 0; p = m.active.next(p + 1) {
		s, e := &m.el[p], &m.p.Elems[p]
		if !s.Waiting || s.Anew || s.A != int64(id) || s.B != 0 {
			continue
		}
		if i := e.First + int(s.PC); m.prompts(p) {
			return p, i, true
		}
	}
	return 0, 0, false
}

// Adopt makes the machine run by another program from monotonic time at on. It must be made of the same recipe, so that all has the same
// number and the same conditions, and only constants are others: times, values, targets, bands, what conditions compare with. A Step at
// that time must follow. What has ended is not done again; what is under way goes on with the new constants, at once where it runs and
// on restart where it is held:
//
//   - a delay, an elapsed and a time-out count the time that has gone by, and end that much sooner or later
//   - a wait, a choice and a total ask by the new condition or target, a stable by the new band and time
//   - a set whose device has yet to confirm is commanded anew; a jog is cut short
//   - an output that a hold has brought to rest comes back at what the set now says from which it had its value; one whose value was
//     its safe one, so that there was nothing to bring to rest, does where the phase of that set is itself held and has begun it
//   - an OEM action keeps what it was handed, until it is asked for anew
func (m *Machine) Adopt(at int64, p *Program) {
	old := m.p
	m.p, m.all = p, true
	m.each(0, func(e int) {
		m.retime(at, e, old)
		if l := m.busy(e); l != 0 {
			m.retime(at, l, old)
		}
	})
	for o := range m.out {
		m.comeBack(o, old)
	}
}

// retime holds the clocks of a phase or logic, and of the action that it is at, against the constants that were.
func (m *Machine) retime(at int64, e int, old *Program) {
	s, p := &m.el[e], &m.p.Elems[e]
	runs := p.Logic || State(s.State) == Running || State(s.State) == Pausing
	if more := p.Timeout - old.Elems[e].Timeout; more != 0 && !runs && s.Left != timebase.Never {
		s.Left = max(s.Left+more, 1)
	} else if due := m.timers.Due(e); more != 0 && runs && due != timebase.Never {
		m.timers.Set(e, max(due+more, at))
	}
	if !s.Waiting || s.Anew {
		return
	}
	i := p.First + int(s.PC)
	switch a, was := &m.p.Actions[i], &old.Actions[i]; {
	case a.Kind == recipe.Delay && a.For != was.For && runs:
		s.A = max(s.A+a.For-was.For, at)
		m.timers.Set(m.actionTimer(e), s.A)
	case a.Kind == recipe.Delay && a.For != was.For:
		s.B = max(s.B+a.For-was.For, 0)
	case a.Kind == recipe.VerifyStable && a.For != was.For && runs && s.C != 0:
		m.timers.Set(m.actionTimer(e), max(s.C+a.For, at))
	case a.Kind == recipe.Jog && runs:
		m.retimeJog(at, e, a, was, old)
	case a.Kind == recipe.Set && runs: // proceed sees to it where it is held
		for k := a.First; k < a.First+a.Count; k++ {
			s.Waiting = s.Waiting && m.p.Sets[k].Value == old.Sets[k].Value
		}
	}
}

// comeBack lets an output that is at rest come back at what its set says now.
func (m *Machine) comeBack(o int, old *Program) {
	s := &m.out[o]
	if s.By == 0 {
		return
	}
	was, is := old.Sets[s.By-1].Value, m.p.Sets[s.By-1].Value
	switch {
	case was == is:
	case s.Kept && s.Held == was:
		s.Held = is
	case !s.Kept && s.Value == was && was == m.safe(o) && m.heldAt(int(s.Owner), int(s.By)-1): // to rest there was nothing to do
		s.Kept, s.Held = true, is
	}
}

// heldAt tells whether a phase is held, or on its way there, that has begun the action of a set and is not to begin anew.
func (m *Machine) heldAt(p, k int) bool {
	s, e := &m.el[p], &m.p.Elems[p]
	if st := State(s.State); !e.Phase || s.Anew || st != Holding && st != Held {
		return false
	}
	begun := e.First + int(s.PC)
	if s.Waiting {
		begun++
	}
	for i := e.First; i < begun; i++ {
		if a := &m.p.Actions[i]; a.Kind == recipe.Set && k >= a.First && k < a.First+a.Count {
			return true
		}
	}
	return false
}
