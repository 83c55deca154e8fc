// Commands, failures and the transient states that they lead to.

package sequencer

import (
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// told answers a command and, where it is legal, carries it out.
func (m *Machine) told(at int64, ev *Event, fx []Effect) []Effect {
	if ev.Elem < 0 || ev.Elem >= len(m.el) || ev.Command == NoCommand || ev.Command >= orderCount {
		return append(fx, Effect{Kind: Answer, Command: ev.Command, Result: Refused, Reason: "no such command or element"})
	}
	if ev.Command >= commandCount {
		return m.ordered(at, ev, fx)
	}
	answer := Effect{Kind: Answer, Command: ev.Command, Elem: ev.Elem, From: m.state(ev.Elem)}
	legal := m.takes(ev.Elem, ev.Command)
	switch {
	case m.r.Ended, ev.Command == Reset:
		answer.Result, answer.Reason = Refused, "a batch runs once; create another"
	case ev.Command == Start && ev.Elem != 0:
		answer.Result, answer.Reason = Refused, "only the procedure is started by command"
	case !legal && answer.From.Repeats(ev.Command):
		answer.Result, answer.Reason = NoOp, "already under way or done"
	case !legal:
		answer.Result, answer.Reason = Refused, "not legal in this state"
	case ev.Command == Restart && !m.provable(ev.Elem):
		answer.Result, answer.Reason = Refused, "meter not GOOD"
	case ev.Command == Restart && m.robs(ev.Elem):
		answer.Result, answer.Reason = Refused, "its equipment was taken from it; stop or abort it"
	default:
		if g := m.shut(at, ev.Elem, ev.Command); g.shut() {
			answer.Result, answer.Reason, answer.Interlock, answer.Fault, answer.Output = Refused, m.words(g), g.Interlock, g.Fault, g.Output
		}
	}
	fx = append(fx, answer)
	switch c := ev.Command; {
	case answer.Result == Accepted && c == Start:
		m.activate(at, 0)
	case answer.Result == Accepted:
		return m.apply(at, ev.Elem, c, c.String(), fx)
	case answer.Result == NoOp && (c == Hold || c == Stop || c == Abort):
		// What a branch that is complete has left on was nobody's to hold, until now.
		n := len(fx)
		if fx = m.rest(at, ev.Elem, c == Hold, c.String(), fx); len(fx) > n {
			m.timers.Set(m.escapeTimer(), at+Transient)
		}
	}
	return fx
}

// provable tells whether every open window, of those whose failure would hold something of an element, meters from a source that is
// GOOD.
func (m *Machine) provable(e int) bool {
	for w := range m.p.Windows {
		open, q := m.view.Source(w)
		if held := m.scope(m.meters(w)); open && q != tag.Good && held < m.p.Elems[e].End && e < m.p.Elems[held].End {
			return false
		}
	}
	return true
}

// takes tells whether a command is legal for an element. For a block it is as soon as one phase below can take it, whatever
// the block's own state: a branch that is on its way to Held or Aborted must not keep the command from the others.
func (m *Machine) takes(e int, c Command) bool {
	if c == Start {
		return m.state(e) == Idle
	}
	for p := e; p < m.p.Elems[e].End; p++ {
		if _, ok := State(m.el[p].State).After(c); ok && m.p.Elems[p].Phase {
			return true
		}
	}
	return false
}

// apply carries a command out on the phases below e that can take it.
func (m *Machine) apply(at int64, e int, c Command, reason string, fx []Effect) []Effect {
	changed := false
	if c == Abort && m.takes(e, c) {
		fx = m.diagnose(at, e, c, reason, fx)
	}
	for p := e; p < m.p.Elems[e].End; p++ {
		from := State(m.el[p].State)
		to, ok := from.After(c)
		if !ok || !m.p.Elems[p].Phase {
			continue
		}
		changed = true
		switch from {
		case Running, Pausing:
			if to != Pausing {
				m.suspend(at, p)
			}
		case Stopped:
			m.enlist(p)
		}
		fx = m.enter(p, to, reason, fx)
		if c == Resume {
			m.proceed(at, p)
		}
	}
	if !changed {
		return fx
	}
	switch c {
	case Hold:
		fx = m.rest(at, e, true, reason, fx)
	case Stop, Abort:
		fx = m.rest(at, e, false, reason, fx)
	case Restart:
		for o := range m.out { // what waits for it alone
			if m.out[o].Stays != 0 {
				fx = m.assess(at, o, true, fx)
			}
		}
		fx = m.restore(at, fx)
	default:
		return fx
	}
	m.timers.Set(m.escapeTimer(), at+Transient)
	return fx
}

// enter changes the state of a phase and tells it. An OEM action moves what the engine does not know, so it is called off where
// its phase is brought to rest; unless it ends well all the same, it is begun anew on restart.
func (m *Machine) enter(p int, to State, reason string, fx []Effect) []Effect {
	edges := [stateCount]Edge{Idle: EdgeEnd, Running: EdgeResume, Complete: EdgeEnd, Pausing: EdgePause, Paused: EdgePause,
		Holding: EdgeHold, Held: EdgeHold, Restarting: EdgeResume, Stopping: EdgeStop, Stopped: EdgeStop, Aborting: EdgeAbort,
		Aborted: EdgeAbort}
	fx = m.drop(p, fx)
	from := State(m.el[p].State)
	s := &m.el[p]
	m.become(p, to)
	m.all = true
	m.r.Fallen = m.r.Fallen || fallen(to)
	m.prepare(p, from)
	fx = m.changed(p, fx, Effect{From: from, To: to, Edge: edges[to], Reason: reason})
	if (to == Holding || to == Stopping || to == Aborting) && s.Waiting && s.B == 0 && m.current(p).Kind == recipe.Request {
		fx = m.callOff(p, fx)
	}
	if k := m.askOf(p); k >= 0 && (to == Stopping || to == Aborting) && (!m.asks[k].Got || m.rests(k)) {
		fx = m.withdraw(k, reason, fx)
	}
	return fx
}

// failAt lets the reaction to a failure take hold of the element that failed and what lies around it, up to the failure level.
func (m *Machine) failAt(at int64, e int, c Command, reason string, fx []Effect) []Effect {
	if c == HardAbort { // of the whole batch, whoever looks after what
		return m.hardAbort(at, reason, fx)
	}
	return m.apply(at, m.scope(e), c, reason, fx)
}

// scope is what the failure of an element takes hold of: the highest element around it whose level is not above the failure level.
// An element in manual keeps it from what lies around that: a person looks after it.
func (m *Machine) scope(e int) int {
	p := m.p.Elems
	for up := p[e].Parent; up >= 0; up = p[e].Parent {
		same := p[e].Logic || p[up].Bracket // of one element with what is around it
		if !same && (p[up].Level < m.p.FailureLevel || m.manned(e)) {
			break
		}
		e = up
	}
	return e
}

// fail lets the reaction to a failure take hold of the whole batch.
func (m *Machine) fail(at int64, c Command, reason string, fx []Effect) []Effect {
	return m.apply(at, 0, c, reason, fx)
}

// timedOut tells a time-out and, where there are retries left, begins one. Else what follows is due's to carry out.
func (m *Machine) timedOut(at int64, p int, fx []Effect) (_ []Effect, follows Command) {
	s, e := &m.el[p], &m.p.Elems[p]
	reason, g := "time-out", Gate{}
	if s.Anew {
		reason = notSafe
	} else if s.Waiting {
		if reason, g = m.waitsFor(p); s.A != 0 && m.asksRelease(p) {
			reason = "release"
		}
	}
	again := int(s.Tries) < e.Retry
	if again {
		s.Tries++
	} else {
		follows = reaction(e.OnTimeout)
	}
	fx = append(fx, Effect{Kind: TimedOut, Elem: p, Elapsed: e.Timeout, Reason: reason, Who: m.missing(p), Command: follows,
		Tries: int(s.Tries), Interlock: g.Interlock, Fault: g.Fault, Output: g.Output})
	if again {
		fx = m.retry(at, p, fx)
	}
	return fx, follows
}

func reaction(r recipe.Reaction) Command {
	return [...]Command{recipe.Hold: Hold, recipe.Abort: Abort, recipe.HardAbort: HardAbort}[min(r, recipe.HardAbort)]
}

// guard holds who meters while an open window meters from a source that is not GOOD: what flows then cannot be proven.
func (m *Machine) guard(at int64, fx []Effect) []Effect {
	if n := &m.states; n[Running]+n[Pausing]+n[Paused]+n[Restarting] == 0 { // nobody is left to hold
		return fx
	}
	for w := range m.p.Windows {
		if open, q := m.view.Source(w); !open || q == tag.Good {
			continue
		}
		fx = m.failAt(at, m.meters(w), Hold, "meter not GOOD", fx)
	}
	return fx
}

// meters is the phase that has opened a window; the procedure where none is active that has.
func (m *Machine) meters(w int) int {
	for p := m.active.next(0); p >= 0; p = m.active.next(p + 1) {
		e := &m.p.Elems[p]
		for i := e.First; i < e.First+e.Count && i <= e.First+int(m.el[p].PC); i++ {
			if a := &m.p.Actions[i]; a.Kind == recipe.OpenWindow && a.Window == w {
				return p
			}
		}
	}
	return 0
}

// settle ends the transient states once no write is on its way.
func (m *Machine) settle(at int64, fx []Effect) []Effect {
	if m.timers.Due(m.escapeTimer()) == timebase.Never || State(m.r.Shown).Terminal() {
		return fx // a procedure that is terminal has no transient states: the time is that of its outputs
	}
	if m.r.Busy == 0 {
		m.timers.Clear(m.escapeTimer())
	}
	return m.endTransients(at, "", fx)
}

// quiet tells whether no write is on its way for what a failure of a phase would take hold of.
func (m *Machine) quiet(p int) bool {
	if m.r.Busy == 0 {
		return true
	}
	e := m.scope(p)
	for o := range m.out {
		if s := &m.out[o]; s.Busy && int(s.Owner) >= e && int(s.Owner) < m.p.Elems[e].End {
			return false
		}
	}
	return true
}

// escape ends them although outputs are not confirmed: the time for that is over.
func (m *Machine) escape(at int64, fx []Effect) []Effect {
	m.timers.Clear(m.escapeTimer())
	fx = m.endTransients(at, unconfirmed, fx)
	return m.finish(at, unconfirmed, m.show(fx))
}

const unconfirmed = "outputs not confirmed"

// endTransients ends them all, but for those of phases whose logic runs: that has a time of its own. Without a reason those stay whose
// writes are still on their way.
func (m *Machine) endTransients(at int64, reason string, fx []Effect) []Effect {
	again := false
	m.each(0, func(p int) {
		s := State(m.el[p].State)
		if s.Quiescent() || s == Running || s == Pausing || m.busy(p) != 0 || reason == "" && !m.quiet(p) {
			return
		}
		switch {
		case s != Restarting:
			fx = m.endTransient(p, reason, fx)
		case reason != "" && (m.scope(p) == 0 || !m.quiet(p)):
			again = true
		default:
			fx = m.enter(p, Running, "restart", fx)
			m.proceed(at, p)
		}
	})
	for p := m.active.next(0); again && p >= 0; p = m.active.next(p + 1) {
		if State(m.el[p].State) == Restarting && m.busy(p) == 0 && (m.scope(p) == 0 || !m.quiet(p)) {
			fx = m.failAt(at, p, Hold, reason, fx)
		}
	}
	return fx
}

// endTransient ends Holding, Stopping or Aborting of a phase.
func (m *Machine) endTransient(p int, reason string, fx []Effect) []Effect {
	s := State(m.el[p].State)
	to := ends[s]
	if to.Terminal() {
		fx = m.closeWindows(p, s, fx)
		m.delist(p)
	}
	return m.enter(p, to, reason, fx)
}

// closeWindows closes what a phase has opened and not closed, because it ends here.
func (m *Machine) closeWindows(p int, s State, fx []Effect) []Effect {
	e := &m.p.Elems[p]
	for i := 0; i < e.Count && i <= int(m.el[p].PC); i++ {
		a := &m.p.Actions[e.First+i]
		if a.Kind != recipe.OpenWindow {
			continue
		}
		if open, _ := m.view.Source(a.Window); open {
			reason := "abort"
			if s == Stopping {
				reason = "stop"
			}
			fx = append(fx, Effect{Kind: CloseWindow, Elem: p, Action: e.First + i, Window: a.Window, Reason: reason})
		}
	}
	return fx
}
