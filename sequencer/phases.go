// Phases go through their actions.

package sequencer

import (
	"cmp"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// Burst is how much is said in one step of what phases do of themselves, and Breath after how many ns the rest follows. An effect
// counts as one and one more for every 512 bytes of its text; a marker, whose text is not known here, as nine. So a recipe that waits
// for nothing does not say more at once than a journal can take.
const (
	Burst  = 256
	Breath = 10_000_000
)

// advance lets every running phase go as far as it can, first line first, until none can go further. Each pass either ends an
// action or is the last, and a repeat begins one round at one time, so their number is bounded by that of the actions.
func (m *Machine) advance(at int64, fx []Effect) []Effect {
	m.said = len(fx)
	for again := m.room > 0; again; {
		n := len(fx)
		for p := m.nextLook(0); p >= 0 && m.room > 0; p = m.nextLook(p + 1) {
			fx = m.run(at, p, fx)
			m.spent(fx)
		}
		switch {
		case m.room <= 0: // the timer of no phase, or of the only one, between two of its actions
			m.timers.Set(m.actionTimer(0), min(m.timers.Due(m.actionTimer(0)), at+Breath))
			m.all, again = true, false
		case m.all:
			if again = len(fx) > n; !again {
				m.all = false
				m.looks.clear()
			}
		default:
			again = !m.looks.empty()
		}
	}
	return fx
}

// spent counts what was said since it was asked last, and tells whether the rest has to wait.
func (m *Machine) spent(fx []Effect) bool {
	for ; m.said < len(fx); m.said++ {
		m.room -= 1 + len(fx[m.said].Reason)/512
		if fx[m.said].Kind == Mark {
			m.room -= 8
		}
	}
	return m.room <= 0
}

// run lets one phase go as far as it can.
func (m *Machine) run(at int64, p int, fx []Effect) []Effect {
	s, e := &m.el[p], &m.p.Elems[p]
	if State(s.State) == Running && s.PC < 0 {
		fx = m.tellStart(p, fx)
		s.PC = 0
		if e.Timeout > 0 {
			m.timers.Set(p, at+e.Timeout)
		}
	}
	if State(s.State) == Pausing && s.Waiting && m.current(p).Kind == recipe.Step { // nothing runs while it waits, and nothing ends the wait
		m.suspend(at, p)
		return m.enter(p, Paused, "safe point", fx)
	}
	for State(s.State) == Running || State(s.State) == Pausing {
		if s.Anew {
			var done bool
			if fx, done = m.cleared(at, p, fx); !done {
				return fx
			}
			fx = m.anew(at, p, fx)
		}
		if !s.Waiting {
			if State(s.State) == Pausing && !m.metering(p) {
				m.suspend(at, p)
				return m.enter(p, Paused, "safe point", fx)
			}
			if int(s.PC) == e.Count {
				return m.complete(at, p, fx)
			}
		}
		var ended bool
		if fx, ended = m.act(at, p, fx); !ended || m.spent(fx) {
			return fx
		}
	}
	if l := m.busy(p); l != 0 {
		return m.runLogic(at, p, l, fx)
	}
	return fx
}

// act begins the current action of a phase or logic, unless it waits already, and goes on to the next one if it is over.
func (m *Machine) act(at int64, p int, fx []Effect) (_ []Effect, ended bool) {
	s, e := &m.el[p], &m.p.Elems[p]
	if !s.Waiting {
		first := m.askedFirst(p)
		s.Waiting, s.ActAt, s.A, s.B, s.C = true, at, 0, 0, first<<1
		fx = m.begin(at, p, fx)
		if m.current(p).Kind == recipe.Time {
			fx = m.judgeTime(p, fx)
		}
	} else {
		fx = m.setNow(at, p, fx)
	}
	if m.current(p).Kind == recipe.Jog {
		fx = m.jog(at, p, fx)
	}
	ready := s.A
	if !m.over(at, p) {
		if s.A != ready && s.A != 0 && m.asksRelease(p) {
			i := e.First + int(s.PC)
			fx = append(fx, Effect{Kind: ActionReady, Elem: p, Action: i, Reason: m.p.Actions[i].Reason, Who: m.coming(p, s.A)})
		}
		return m.request(p, fx), false
	}
	return m.endAction(at, p, m.ending(p), fx), true
}

// endAction ends the current action of a phase or logic; the reason says who has ended it, if a person has.
func (m *Machine) endAction(at int64, p int, reason string, fx []Effect) []Effect {
	s := &m.el[p]
	i := m.p.Elems[p].First + int(s.PC)
	switch m.p.Actions[i].Kind {
	case recipe.Mark, recipe.OpenWindow, recipe.CloseWindow:
	default:
		done := Effect{Kind: ActionEnded, Elem: p, Action: i, Elapsed: at - s.ActAt, Reason: reason}
		if m.p.Actions[i].Kind == recipe.Jog {
			done.Round = s.B
		}
		fx = append(fx, done)
	}
	m.timers.Clear(m.actionTimer(p))
	s.Waiting, s.B = false, max(s.B, 0)
	s.PC++
	return fx
}

// metering tells whether a phase has opened more windows than it has closed. Between opening a valve and closing it there is
// no safe point.
func (m *Machine) metering(p int) bool {
	e, open := &m.p.Elems[p], 0
	for i := e.First; i < e.First+int(m.el[p].PC); i++ {
		switch m.p.Actions[i].Kind {
		case recipe.OpenWindow:
			open++
		case recipe.CloseWindow:
			open--
		}
	}
	return open > 0
}

// begin begins the current action of a phase.
func (m *Machine) begin(at int64, p int, fx []Effect) []Effect {
	s := &m.el[p]
	i := m.p.Elems[p].First + int(s.PC)
	a := &m.p.Actions[i]
	base := Effect{Elem: p, Action: i, Window: a.Window, Reason: a.Reason}
	switch a.Kind {
	case recipe.Set:
		for k := a.First; k < a.First+a.Count; k++ {
			m.own(p, k)
			fx = m.set(at, p, k, m.takeFrom(at, p, k, fx))
		}
		g := m.withheld(p)
		if !g.shut() && m.takenFrom(p) < 0 {
			return fx
		}
		base.Kind, base.Interlock, base.Fault, base.Output = ActionStarted, g.Interlock, g.Fault, g.Output
		base.Reason, _ = m.waitsFor(p)
	case recipe.OpenWindow:
		base.Kind = OpenWindow
	case recipe.CloseWindow:
		base.Kind, base.Reason = CloseWindow, "end"
	case recipe.Mark:
		base.Kind = Mark
	case recipe.Prompt, recipe.Request:
		m.r.Asked++
		s.A = int64(m.r.Asked)
		base.Kind, base.ID = Ask, m.r.Asked
		if a.Kind == recipe.Request {
			base.Kind, base.Old = RequestAction, cmp.Or(s.C>>1, s.A)
		}
	case recipe.Delay:
		s.A = at + a.For
		m.timers.Set(m.actionTimer(p), s.A)
		base.Kind = ActionStarted
	case recipe.Jog:
		m.settleJog(at, p)
		base.Kind = ActionStarted
	case recipe.Send:
		return fx // told when it has ended
	case recipe.Acquire:
		m.r.Queued++
		s.A = int64(m.r.Queued)
		m.queue.add(p)
		base.Kind, base.Who, base.Value = ActionStarted, m.missing(p), m.ahead(p, a)
	case recipe.Step:
		base.Kind, base.Who = ActionStarted, m.coming(p, 0)
	case recipe.Sync:
		m.meet(a.Line)
		base.Kind = ActionStarted
		if s.B == 0 {
			base.Who = m.missing(p)
		}
	default:
		m.conds(i, func(c cond.Cond, mem []cond.Cell) { c.Begin(at, mem) })
		base.Kind = ActionStarted
	}
	return append(fx, base)
}

// own makes a phase answer for the output of a set, its own or that of its logic. What it had before a hold comes back on restart.
func (m *Machine) own(p, k int) {
	e, s := &m.p.Elems[p], &m.out[m.p.Sets[k].Output]
	m.freed()
	m.parted(m.p.Sets[k].Output)
	s.Back = false
	switch {
	case !e.Logic:
		s.Owner, s.Kept, s.By = int32(p), false, int32(k)+1
	case m.p.Elems[e.Parent].Logics[recipe.OnHold] == p:
		if s.Owner = int32(e.Parent); !s.Kept {
			m.keepValue(m.p.Sets[k].Output)
		}
	default:
		s.Owner, s.Kept, s.By = int32(e.Parent), false, int32(k)+1
	}
}

// over tells whether the current action of a phase has come to its end.
func (m *Machine) over(at int64, p int) bool {
	s, e := &m.el[p], &m.p.Elems[p]
	a := &m.p.Actions[e.First+int(s.PC)]
	switch a.Kind {
	case recipe.Set:
		for k := a.First; k < a.First+a.Count; k++ {
			if o := &m.out[m.p.Sets[k].Output]; o.Busy || !o.Known || o.Value != m.p.Sets[k].Value || m.taken(k) {
				return false
			}
		}
		return true
	case recipe.Wait:
		verdict := int64(0)
		if m.holds(at, p, e.First+int(s.PC)) == cond.True {
			verdict = 1
		}
		return m.goes(p, verdict)
	case recipe.Delay:
		return at >= s.A
	case recipe.WaitTotal:
		t := m.view.Total(a.Window)
		return t.Open && t.Source == tag.Good && t.Value >= m.p.Windows[a.Window].Target-a.Short
	case recipe.VerifyStable:
		return m.stable(at, p, a)
	case recipe.OpenWindow, recipe.Prompt, recipe.Request, recipe.Time:
		return s.B != 0
	case recipe.CloseWindow:
		return s.B != 0 || !a.Judged()
	case recipe.Jog:
		return s.C == jogDone
	case recipe.Sync:
		if s.B == 0 {
			m.meet(a.Line)
		}
		return s.B != 0
	case recipe.Send:
		full := m.posted[a.Line] == MaxMessages
		if m.stuck = m.stuck || full; !full {
			m.posted[a.Line]++
			m.lookAt(m.x.takers.of(a.Line))
		}
		return !full
	case recipe.Receive:
		came := m.posted[a.Line] > 0
		if came {
			m.posted[a.Line]--
		}
		return came
	case recipe.Choose:
		return m.choose(at, p, a)
	case recipe.Until:
		return m.until(at, p)
	case recipe.Acquire:
		return m.acquire(p, a)
	case recipe.Step: // the mode may have become another
		from := int(m.el[e.Parent].B)
		return s.B != 0 || !m.halts(from, m.next(from))
	}
	return true
}

// stable follows the band that a tag has kept: A to B since C. What leaves the band, or is not GOOD, begins anew.
func (m *Machine) stable(at int64, p int, a *Action) bool {
	s := &m.el[p]
	v, good := m.value(a.Tag, at)
	if !good {
		s.C = 0
		m.timers.Clear(m.actionTimer(p))
		return false
	}
	lo, hi := min(s.A, v), max(s.B, v)
	if s.C == 0 || uint64(hi)-uint64(lo) > uint64(a.Within) { // their distance may exceed 63 bits
		s.A, s.B, s.C = v, v, max(at, 1)
		m.timers.Set(m.actionTimer(p), s.C+a.For)
	} else {
		s.A, s.B = lo, hi
	}
	return at-s.C >= a.For
}

// suspend stops the clocks of a phase and keeps what was left on them.
func (m *Machine) suspend(at int64, p int) {
	s, e := &m.el[p], &m.p.Elems[p]
	s.Left = timebase.Never
	if e.Timeout > 0 {
		// Where it has just run out, who restarts the phase grants it its time anew. Time may have begun anew with a boot.
		s.Left = e.Timeout
		if due := m.timers.Due(p); due > at {
			s.Left = min(due-at, e.Timeout)
		}
	}
	m.timers.Clear(p)
	m.timers.Clear(m.actionTimer(p))
	if !s.Waiting {
		return
	}
	switch i := e.First + int(s.PC); m.p.Actions[i].Kind {
	case recipe.Delay:
		s.B = min(max(s.A-at, 0), m.p.Actions[i].For)
	case recipe.VerifyStable:
		s.C = 0
	case recipe.Jog:
		m.cutJog(p)
	case recipe.Wait, recipe.Choose, recipe.Until:
		m.conds(i, func(c cond.Cond, mem []cond.Cell) { c.Suspend(at, mem) })
	}
}

// proceed lets the clocks of a phase go on for the time that was left.
func (m *Machine) proceed(at int64, p int) {
	s, e := &m.el[p], &m.p.Elems[p]
	if s.Left != timebase.Never {
		m.timers.Set(p, at+s.Left)
		s.Left = timebase.Never
	}
	if !s.Waiting || s.Anew {
		return
	}
	switch i := e.First + int(s.PC); m.p.Actions[i].Kind {
	case recipe.Set: // logic may have commanded otherwise: it is set again
		a := &m.p.Actions[i]
		s.A = 0
		for k := a.First; k < a.First+a.Count; k++ {
			s.Waiting = s.Waiting && m.out[m.p.Sets[k].Output].Value == m.p.Sets[k].Value
		}
	case recipe.Delay:
		s.A = at + s.B
		m.timers.Set(m.actionTimer(p), s.A)
	case recipe.Jog:
		if s.C == jogSettles {
			m.settleJog(at, p)
		}
	case recipe.Wait, recipe.Choose, recipe.Until:
		m.conds(i, func(c cond.Cond, mem []cond.Cell) { c.Resume(at, mem) })
		if s.C == told && m.p.Actions[i].Kind == recipe.Until {
			s.C = granted
		}
	}
}

// reply takes in the answer to a prompt or the end of an OEM action, the first of each. An action that did not end well is begun
// anew on restart. A prompt whose phase is to begin anew waits no more, and its answer is refused.
func (m *Machine) reply(at int64, ev *Event, fx []Effect) []Effect {
	for p := m.active.next(0); p >= 0; p = m.active.next(p + 1) {
		s, e := &m.el[p], &m.p.Elems[p]
		if !s.Waiting || s.A != int64(ev.ID) || s.B != 0 {
			continue
		}
		switch kind := m.p.Actions[e.First+int(s.PC)].Kind; {
		case kind == recipe.Time && ev.Kind == Answered:
			s.B = timeConfirmed
			return fx
		case kind == recipe.Prompt && ev.Kind == Answered && !s.Anew, kind == recipe.Request && ev.Kind == Finished && ev.OK:
			s.B = 1
			return fx
		case kind == recipe.Request && ev.Kind == Finished:
			off := s.C&calledOff != 0
			if m.asksAnew(p); off {
				return fx
			}
			return m.failAt(at, p, Hold, "action failed", fx)
		}
	}
	if ev.Kind == Finished && !ev.OK {
		return fx
	}
	return append(fx, Effect{Kind: Answer, Result: Refused, ID: ev.ID, Reason: "nothing with this number waits for it"})
}

// opened takes in whether a window opened.
func (m *Machine) opened(at int64, ev *Event, fx []Effect) []Effect {
	for p := m.active.next(0); p >= 0; p = m.active.next(p + 1) {
		s, e := &m.el[p], &m.p.Elems[p]
		if !s.Waiting {
			continue
		}
		if a := &m.p.Actions[e.First+int(s.PC)]; a.Kind != recipe.OpenWindow || a.Window != ev.Window {
			continue
		}
		if ev.OK {
			s.B = 1
			return fx
		}
		// The action begins anew on restart: a window that was refused may open then.
		s.Waiting = false
		return m.failAt(at, p, Hold, cmp.Or(ev.Reason, "meter not GOOD, or its calibration not valid"), fx)
	}
	return fx
}
