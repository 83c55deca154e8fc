// The hard abort, the request for a trip that goes with it, and what is kept of the moment of any abort.

package sequencer

import (
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/timebase"
)

// TripState is how the request for a trip stands.
type TripState uint8

// The states of the request. Once it is made it stands to the end of the run and is never taken back.
const (
	NoTrip           TripState = iota
	TripRequested              // made, and not seen to have come true yet
	TripNotConfirmed           // not seen to have come true in time; it is made again and again
	TripConfirmed              // its output reads back, and what must be true besides is
)

// String gives the name that records use; "" where none was made.
func (s TripState) String() string {
	return [...]string{"", "requested", "not_confirmed", "confirmed"}[min(s, TripConfirmed)]
}

// Trip returns how the request for a trip stands.
func (m *Machine) Trip() TripState { return TripState(m.r.Trip) }

// safe is the safe value of an output: that of the map, in the safe state of a fault that of its class, and of the output that requests
// a trip the request, once it was made.
func (m *Machine) safe(o int) int64 {
	if t := m.p.Trip; t != nil && t.Output == o && m.r.Trip != 0 {
		return t.Value
	}
	if c := m.out[o].Class; c != iomap.NoClass {
		if p := m.policy(o, c); p.State != iomap.KeepState {
			return p.Value
		}
	}
	return m.p.Outputs[o].Safe
}

// orderedHard answers the order of a hard abort.
func (m *Machine) orderedHard(at int64, answer Effect, fx []Effect) []Effect {
	switch {
	case answer.Elem != 0:
		answer.Reason = "a hard abort is one of the whole batch; name no element"
	case m.takesHard():
		answer.Result = Accepted
	case m.r.Hard || answer.From == Aborting || answer.From == Aborted:
		answer.Result, answer.Reason = NoOp, "already under way or done"
	default:
		answer.Reason = "not legal in this state"
	}
	if fx = append(fx, answer); answer.Result == Accepted {
		return m.hardAbort(at, HardAbort.String(), fx)
	}
	return fx
}

// takesHard tells whether a hard abort is legal: wherever an abort is, while one is under way, and, where there is a trip to request, once
// in all that has begun until the run ends. What was complete, stopped or aborted may have left an output that is seen to be
// unsafe, whatever its device says.
func (m *Machine) takesHard() bool {
	if m.takes(0, Abort) {
		return true
	}
	return !m.r.Hard && (m.aborting() || m.p.Trip != nil && !m.r.Ended && m.state(0) != Idle)
}

// aborting tells whether a phase is on its way to Aborted.
func (m *Machine) aborting() bool {
	for p := m.active.next(0); p >= 0; p = m.active.next(p + 1) {
		if State(m.el[p].State) == Aborting {
			return true
		}
	}
	return false
}

// hardAbort aborts the whole batch and lets no logic run, not even what runs already. The trip is requested first, and every output
// goes to its safe value, whoever has set it.
func (m *Machine) hardAbort(at int64, reason string, fx []Effect) []Effect {
	if !m.takesHard() {
		return fx
	}
	if m.takes(0, Abort) || m.state(0) == Complete { // of what was aborted it is on record
		fx = m.diagnose(at, 0, HardAbort, reason, fx)
	}
	m.r.Hard, m.r.Again, m.all = true, false, true // no batch comes by itself behind it, nor takes a request for a trip back
	for p := range m.el {
		from := State(m.el[p].State)
		if _, ok := from.After(Abort); !ok || !m.p.Elems[p].Phase {
			if m.p.Elems[p].Phase && from == Aborting {
				fx = m.drop(p, fx)
			}
			continue
		}
		switch from {
		case Running, Pausing:
			m.suspend(at, p)
		case Stopped:
			m.enlist(p)
		}
		fx = m.enter(p, Aborting, reason, fx)
	}
	fx = m.restAll(at, 0, false, reason, m.askTrip(at, reason, fx))
	m.timers.Set(m.escapeTimer(), at+Transient)
	return fx
}

// askTrip requests the trip, if there is one to request.
func (m *Machine) askTrip(at int64, reason string, fx []Effect) []Effect {
	t := m.p.Trip
	if t == nil || m.r.Trip != 0 {
		return fx
	}
	m.r.TripAt, m.r.TripBy, m.r.Tripped, m.r.Unread = at, at+t.Within, 0, false
	m.timers.Set(m.tripTimer(), m.r.TripBy)
	if t.Confirm != nil {
		t.Confirm.Begin(at, m.cells[m.ofTrip.from:m.ofTrip.to])
	}
	fx = m.trip(at, TripRequested, reason, fx)
	return m.writeSafe(at, t.Output, reason, fx)
}

// trip tells how the request stands now.
func (m *Machine) trip(at int64, to TripState, reason string, fx []Effect) []Effect {
	m.r.Trip = uint8(to)
	return append(fx, Effect{Kind: TripChanged, Trip: to, Output: m.p.Trip.Output, Value: m.p.Trip.Value, Elapsed: at - m.r.TripAt, Reason: reason})
}

// lostTrip is why a batch is aborted hard that finds a request which it knows nothing of.
const lostTrip = "a trip was requested, and its record is lost"

// stands tells at a boot whether the output that requests a trip reads back that it does, though it was known to be at rest and nobody
// is known to have ordered it: in a batch that has begun, it was this one, and its record did not reach the disk before the
// controller went down. Where the output cannot be read, it may be so.
func (m *Machine) stands(at int64) bool {
	t := m.p.Trip
	if t == nil || m.r.Trip != 0 || m.state(0) == Idle {
		return false
	}
	if s := &m.out[t.Output]; !m.r.Unread && (!s.Known || s.Busy) {
		return false
	}
	v, good := m.value(m.p.Outputs[t.Output].Tag, at)
	m.r.Unread = !good
	return good && v == t.Value
}

// readTrip looks whether a request stands that could not be read at the boot. Until that is known nobody writes its output at rest.
func (m *Machine) readTrip(at int64, fx []Effect) []Effect {
	if !m.r.Unread {
		return fx
	}
	o := m.p.Trip.Output
	v, good := m.value(m.p.Outputs[o].Tag, at)
	if !good {
		return fx
	}
	if m.r.Unread = false; v == m.p.Trip.Value {
		return m.hardAbort(at, lostTrip, fx)
	}
	if s := &m.out[o]; m.near(o, v) {
		s.Known, s.Since = true, at-Settle
		m.confirmed(o)
	}
	return m.writeSafe(at, o, "boot", fx)
}

// pending tells whether a trip was requested and is not confirmed.
func (m *Machine) pending() bool {
	return TripState(m.r.Trip) == TripRequested || TripState(m.r.Trip) == TripNotConfirmed
}

// verify looks whether the trip has come true: its output must read back, which is asked of no other output, and what the map says must
// be true. What is not confirmed in time is requested again, less and less often.
func (m *Machine) verify(at int64, fx []Effect) []Effect {
	t := m.p.Trip
	if !m.pending() || m.r.Ended {
		return fx
	}
	o, why, wake := &m.out[t.Output], "", timebase.Never
	if !o.Known || o.Busy {
		why = "write not confirmed"
	} else if m.reads(at, t.Output) != agrees {
		why = "the output does not read back"
	}
	if t.Confirm != nil {
		mem := m.cells[m.ofTrip.from:m.ofTrip.to]
		if truth := t.Confirm.Eval(m.view, at, mem); truth != cond.True && why == "" {
			why = "its condition is not true"
		}
		wake = t.Confirm.Wake(at, mem)
	}
	switch {
	case why == "":
		m.timers.Clear(m.tripTimer())
		return m.trip(at, TripConfirmed, "", fx)
	case at >= m.r.TripBy:
		if m.r.Trip == uint8(TripRequested) {
			fx = m.trip(at, TripNotConfirmed, why, fx)
		}
		if !o.Busy {
			o.Known = false
			fx = m.writeSafe(at, t.Output, "trip not confirmed", fx)
		}
		m.r.TripBy = at + max(t.Within, RetrySafe)<<m.r.Tripped
		m.r.Tripped = min(m.r.Tripped+1, retryLess)
	}
	m.timers.Set(m.tripTimer(), min(m.r.TripBy, max(wake, at+1)))
	return fx
}

// diagnose tells what is found below an element that is about to be aborted.
func (m *Machine) diagnose(at int64, e int, c Command, reason string, fx []Effect) []Effect {
	m.each(e, func(p int) {
		fx = m.found(at, p, fx)
		if l := m.busy(p); l != 0 {
			fx = m.found(at, l, fx)
		}
	})
	return append(fx, Effect{Kind: Diagnosed, Elem: e, Command: c, Reason: reason})
}

func (m *Machine) found(at int64, e int, fx []Effect) []Effect {
	s := &m.el[e]
	f := Effect{Kind: Found, Elem: e, From: State(s.State), Tries: int(s.Tries), Round: m.round(e)}
	if s.Anew {
		f.Value, f.Action, f.Reason = 1, m.p.Elems[e].First+min(int(s.PC), m.p.Elems[e].Count-1), notSafe
	} else if s.Waiting {
		f.Value, f.Action, f.Elapsed = 1, m.p.Elems[e].First+int(s.PC), at-s.ActAt
		var g Gate
		f.Reason, g = m.waitsFor(e)
		f.Interlock, f.Fault, f.Output = g.Interlock, g.Fault, g.Output
		f.Who = m.missing(e)
	}
	return append(fx, f)
}
