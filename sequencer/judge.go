// Judgements that a phase may fail by: how well time is known when it begins, and what a window has come to when it closes.

package sequencer

import "github.com/batchkit/batchkit/recipe"

// What B says of a Time that is over.
const (
	timeKnown     = 1 // it is known well enough
	timeRestarted = 2 // the batch was held for it; the restart lets the phase begin
	timeConfirmed = 3 // a person has answered that it may begin
)

// judgeTime looks at how well time is known, once, and lets follow what the recipe says. A bound that is not known is worse than any.
func (m *Machine) judgeTime(p int, fx []Effect) []Effect {
	s, a := &m.el[p], m.current(p)
	sync, bound := m.view.Time()
	switch {
	case sync >= a.State && (a.For == 0 || bound > 0 && bound <= a.For):
		s.B = timeKnown
	case a.React == NoCommand:
		m.r.Asked++
		s.A = int64(m.r.Asked)
		fx = append(fx, Effect{Kind: Ask, Elem: p, Action: m.p.Elems[p].First + int(s.PC), ID: m.r.Asked, Reason: a.Reason})
	default:
		s.C, m.stuck = usedUp, true // blocked sees to it, once all have gone as far as they can
	}
	return fx
}

// prompts tells whether the current action of a phase is one that a person has to answer.
func (m *Machine) prompts(p int) bool {
	k := m.current(p).Kind
	return k == recipe.Prompt || k == recipe.Time && m.el[p].A != 0
}

// closed takes in how a window was judged. The action is over, so that a restart goes on behind it.
func (m *Machine) closed(at int64, ev *Event, fx []Effect) []Effect {
	for p := m.active.next(0); p >= 0; p = m.active.next(p + 1) {
		s := &m.el[p]
		if !s.Waiting || s.B != 0 {
			continue
		}
		a := m.current(p)
		if a.Kind != recipe.CloseWindow || a.Window != ev.Window {
			continue
		}
		s.B = 1
		react := NoCommand
		switch ev.Verdict {
		case OutOfTolerance:
			react = a.React
		case NotGood:
			react = a.NotGood
		}
		if react != NoCommand {
			fx = m.failAt(at, p, react, ev.Reason, fx)
		}
		return fx
	}
	return fx
}
