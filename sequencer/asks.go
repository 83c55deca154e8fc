// Equipment that batches share: an arbiter is asked for it, and the batch gives it back.

package sequencer

import "github.com/batchkit/batchkit/recipe"

// ask is the state of what one phase asks an arbiter for, of fixed size.
type ask struct {
	ID    uint32 // the request that waits or was granted, 0 for none
	Freed uint32 // the last one that was given back: told again at a boot, since nobody may have heard of it
	Got   bool   // it was granted
}

// request tells what a phase asks the arbiter for, once.
func (m *Machine) request(p int, fx []Effect) []Effect {
	s := &m.el[p]
	a := m.current(p)
	if a.Kind != recipe.Acquire || a.Ask == 0 || s.C != 0 || m.asks[a.Ask-1].ID == 0 || m.asks[a.Ask-1].Got {
		return fx
	}
	s.C = 1
	return append(fx, m.asked(a.Ask-1))
}

func (m *Machine) asked(k int) Effect {
	p := m.p.Asks[k]
	return Effect{Kind: RequestResource, Elem: p, Action: m.p.Elems[p].First, ID: m.asks[k].ID}
}

// ruled takes in what an arbiter says of a request. A grant of what nobody waits for any more is given back at once.
func (m *Machine) ruled(at int64, ev *Event, fx []Effect) []Effect {
	for k := range m.asks {
		s, p := &m.asks[k], m.p.Asks[k]
		switch {
		case ev.ID == 0 || s.ID != ev.ID:
			continue
		case ev.Kind == ResourceGranted && !s.Got:
			s.Got = true
			return m.takeOver(at, k, fx)
		case ev.Kind == ResourceRefused && s.Got && ev.OK:
			return m.rob(at, k, ev.Reason, fx)
		case ev.Kind == ResourceRefused && s.Got: // what it has it keeps until it can give it back, and a person must see to it
			return m.failAt(at, p, Hold, ev.Reason, fx)
		case ev.Kind == ResourceRefused:
			s.ID = 0
			m.release(m.p.Elems[p].Parent)
			m.el[p].Waiting = false // it is asked for anew on restart
			return m.failAt(at, p, Hold, ev.Reason, fx)
		case ev.Kind == ResourceQueue && !s.Got:
			return append(fx, Effect{Kind: ActionWaits, Elem: p, Action: m.p.Elems[p].First, ID: ev.ID, Reason: m.p.Actions[m.p.Elems[p].First].Reason})
		}
		return append(fx, Effect{Kind: Answer, Result: NoOp, ID: ev.ID, Reason: "it was granted already"})
	}
	fx = append(fx, Effect{Kind: Answer, Result: Refused, ID: ev.ID, Reason: "nothing with this number waits for it"})
	if ev.Kind == ResourceGranted && ev.ID != 0 && ev.ID <= m.r.Asked {
		fx = append(fx, Effect{Kind: ReleaseResource, ID: ev.ID, Reason: "no longer wanted"})
	}
	return fx
}

// withdraw gives back what one phase has asked for, or got, and all else that its bracket holds.
func (m *Machine) withdraw(k int, reason string, fx []Effect) []Effect {
	s, p := &m.asks[k], m.p.Asks[k]
	if s.ID == 0 {
		return fx
	}
	fx = m.partWith(k, fx)
	fx = append(fx, Effect{Kind: ReleaseResource, Elem: p, Action: m.p.Elems[p].First, ID: s.ID, Reason: reason})
	*s = ask{Freed: s.ID}
	m.release(m.p.Elems[p].Parent)
	return fx
}

// leave gives back what a bracket holds that has come to its end; where a part of it is not safe, that is driven there first.
func (m *Machine) leave(at int64, e int, fx []Effect) []Effect {
	if k := m.askAt(e); k >= 0 {
		if m.asks[k].Got && !m.rests(k) {
			return m.settleParts(at, k, fx)
		}
		fx = m.withdraw(k, "", fx)
	}
	m.release(e)
	return fx
}

// giveBack gives back what brackets have got that were stopped or aborted, or have ended with a part of it not safe, as soon as others could
// have it.
func (m *Machine) giveBack(fx []Effect) []Effect {
	if !m.loose {
		return fx
	}
	m.loose = false
	for k := range m.asks {
		if m.asks[k].ID != 0 && !m.stays(m.p.Elems[m.p.Asks[k]].Parent) {
			fx = m.withdraw(k, "", fx)
		}
	}
	return fx
}

// keep tells, where the run ends and an output is not known to be safe, that its equipment is not given back: a person must.
func (m *Machine) keep(fx []Effect) []Effect {
	fx = m.giveBack(fx)
	for k := range m.asks {
		if p := m.p.Asks[k]; m.asks[k].ID != 0 {
			fx = append(fx, Effect{Kind: ReleaseResource, Result: Refused, Elem: p, Action: m.p.Elems[p].First, ID: m.asks[k].ID, Reason: unconfirmed})
		}
	}
	return fx
}

// retell tells at a boot what was given back last, or, with open, what is asked for or was granted: the arbiter may not have heard of
// it, or has begun anew, and takes the same number for the same request.
func (m *Machine) retell(open bool, fx []Effect) []Effect {
	for k := range m.asks {
		s, p := &m.asks[k], m.p.Asks[k]
		switch {
		case open && s.ID != 0:
			fx = append(fx, m.asked(k))
		case !open && s.Freed != 0:
			fx = append(fx, Effect{Kind: ReleaseResource, Elem: p, Action: m.p.Elems[p].First, ID: s.Freed, Reason: "boot"})
		}
	}
	return fx
}

// askOf is the number of the request that a phase makes of an arbiter, -1 where it makes none.
func (m *Machine) askOf(p int) int {
	if !m.el[p].Waiting {
		return -1
	}
	if a := m.current(p); a.Kind == recipe.Acquire {
		return a.Ask - 1
	}
	return -1
}

// GivenBack returns the last request that phase number k of Program.Asks has given back, 0 for none: an arbiter may not have heard of
// it.
func (m *Machine) GivenBack(k int) uint32 { return m.asks[k].Freed }
