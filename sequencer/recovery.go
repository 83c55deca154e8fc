// Coming up again: what outputs read back, and what becomes of the phases that were running.

package sequencer

import (
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// boot takes the outputs as they were read back, and lets the recovery rules of the phases that were running take hold.
func (m *Machine) boot(at int64, fault iomap.FaultClass, fx []Effect) []Effect {
	if m.r.Failing { // what an early warning has said has come true, or has passed
		fault = max(fault, iomap.PowerLoss)
	}
	m.r.Failing = false
	stands := m.stands(at)
	lost := m.readBack(at) || m.r.Unread
	m.loose = true
	fx = m.cameUp(at, fault, fx)
	fx = m.retell(false, fx)
	if m.timers.Due(m.escapeTimer()) != timebase.Never {
		m.timers.Set(m.escapeTimer(), at+Transient)
	}
	if stands {
		fx = m.hardAbort(at, lostTrip, fx)
	}
	rule, reason := m.rule() // before what is given up holds those who ran
	m.each(0, func(p int) {  // what outputs did meanwhile was not seen
		if l := m.busy(p); l != 0 {
			fx = m.giveUp(at, l, "boot", fx)
		}
	})
	m.each(0, func(p int) {
		if m.requests(p) { // nobody will report its end
			m.asksAnew(p)
		}
	})
	if lost && graver(recipe.RecoverHold, rule) {
		rule, reason = recipe.RecoverHold, "an output does not read back as commanded"
	}
	switch rule {
	case recipe.RecoverHold:
		fx = m.fail(at, Hold, reason, fx)
	case recipe.RecoverAbort, recipe.RecoverRestart:
		m.r.Again = rule == recipe.RecoverRestart
		fx = m.fail(at, Abort, reason, fx)
	case recipe.RecoverRepeat, recipe.RecoverResume:
		fx = m.goOn(at, fx)
	}
	fx = m.drops(at, fault, fx)
	m.each(0, func(p int) { // whoever was asked may be gone
		s := &m.el[p]
		if to := State(s.State); s.Waiting && !s.Anew && s.B == 0 && m.prompts(p) && to != Aborting && to != Stopping {
			i := m.p.Elems[p].First + int(s.PC)
			fx = append(fx, Effect{Kind: Ask, Elem: p, Action: i, ID: uint32(s.A), Reason: m.p.Actions[i].Reason})
		}
	})
	fx = m.retell(true, fx)
	for o := range m.out {
		if s := &m.out[o]; !s.Known && !s.Busy {
			if s.Value != m.safe(o) && !s.Kept {
				m.keepValue(o)
			}
			fx = m.writeSafe(at, o, "boot", fx)
		}
	}
	return fx
}

// rule is the gravest recovery rule of the phases that were running, and why it is none of the recipe where it is not.
func (m *Machine) rule() (rule recipe.Recovery, reason string) {
	rule, reason = recipe.RecoverResume, "recovery rule of the recipe"
	m.each(0, func(p int) {
		if to := State(m.el[p].State); to != Running && to != Pausing && to != Restarting {
			return
		}
		if r := m.p.Elems[p].Recovery; graver(r, rule) {
			rule = r
		}
		// Others do not come a second time to where it has met them.
		if m.p.Elems[p].Recovery == recipe.RecoverRepeat && m.hasMet(p) && graver(recipe.RecoverHold, rule) {
			rule, reason = recipe.RecoverHold, "it has met others already"
		}
		// Whether an OEM action was carried out, and how far, is not known: only a person can say whether to ask for it again.
		if m.requests(p) && graver(recipe.RecoverHold, rule) {
			rule, reason = recipe.RecoverHold, "an action was under way"
		}
	})
	return rule, reason
}

// requests tells whether a phase waits for the end of an OEM action.
func (m *Machine) requests(p int) bool {
	s := &m.el[p]
	return s.Waiting && s.B == 0 && m.current(p).Kind == recipe.Request
}

// hasMet tells whether a phase has been at a line, or sent or received a message.
func (m *Machine) hasMet(p int) bool {
	e := &m.p.Elems[p]
	for i := e.First; i < e.First+int(m.el[p].PC); i++ {
		if k := m.p.Actions[i].Kind; k == recipe.Sync || k == recipe.Send || k == recipe.Receive {
			return true
		}
	}
	return false
}

// readBack takes an output for known only where it reads back what was commanded, and tells whether one that matters does not.
// Nobody will answer for writes of before.
func (m *Machine) readBack(at int64) (lost bool) {
	for o := range m.out {
		s, p := &m.out[o], &m.p.Outputs[o]
		if m.foreign(o) {
			continue
		}
		if s.Busy {
			s.Busy = false
			m.r.Busy--
		}
		m.timers.Clear(m.retryTimer(o))
		v, good := m.value(p.Tag, at)
		s.Since = at - Settle // what is read back now counts
		if s.Known = good && m.near(o, v); !s.Known && s.Value != m.safe(o) {
			lost = true
		}
	}
	return lost
}

// goOn lets running phases go on, one that is to be repeated from its beginning.
func (m *Machine) goOn(at int64, fx []Effect) []Effect {
	m.each(0, func(p int) {
		s, e := &m.el[p], &m.p.Elems[p]
		if State(s.State) != Running && State(s.State) != Pausing || s.PC < 0 {
			return
		}
		k := m.askOf(p)
		if e.Recovery == recipe.RecoverRepeat && (k < 0 || m.asks[k].ID == 0) && !s.Anew { // which is about to be
			m.timers.Clear(m.actionTimer(p))
			m.rewind(p)
			if e.Timeout > 0 {
				m.timers.Set(p, at+e.Timeout)
			}
			fx = m.changed(p, fx, Effect{From: State(s.State), To: State(s.State), Edge: EdgeRetry, Reason: "recovery"})
			return
		}
		fx = m.changed(p, fx, Effect{From: State(s.State), To: State(s.State), Edge: EdgeResume, Reason: "recovery"})
		if s.Waiting && m.current(p).Kind == recipe.Jog {
			if m.cutJog(p); s.C == jogSettles {
				m.settleJog(at, p)
			}
		}
		if s.Waiting { // nobody saw whether it kept within its band
			m.conds(e.First+int(s.PC), func(c cond.Cond, mem []cond.Cell) {
				c.Suspend(at, mem)
				c.Resume(at, mem)
			})
		}
	})
	return fx
}

// current returns the action that a phase is at.
func (m *Machine) current(p int) *Action { return &m.p.Actions[m.p.Elems[p].First+int(m.el[p].PC)] }

// graver tells whether a recovery rule weighs more than another.
func graver(a, b recipe.Recovery) bool {
	weight := [...]int{recipe.RecoverResume: 0, recipe.RecoverRepeat: 1, recipe.RecoverHold: 2, recipe.RecoverAbort: 3, recipe.RecoverRestart: 4}
	return weight[min(a, recipe.RecoverRestart)] > weight[min(b, recipe.RecoverRestart)]
}
