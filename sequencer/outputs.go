// Outputs: what is commanded, what is confirmed, and the way back to the safe value.

package sequencer

import (
	"github.com/batchkit/batchkit/recipe"
)

// output is the state of one output, of fixed size.
type output struct {
	Value  int64  // commanded
	Held   int64  // value to return to on restart
	Write  uint32 // last write, 0 once it failed
	Busy   bool   // the value is not confirmed: Write is under way, or a safe value that failed is to be tried again
	Known  bool   // the device has Value, as far as it can be known
	Since  int64  // when the device confirmed Value
	Failed uint8  // writes of the safe value in a row that were not confirmed, no more than retrySoon+retryLess
	Untrue uint8  // how often it has read back something else since it last agreed
	Kept   bool   // Held is to be restored
	Owner  int32  // element that answers for it: the phase that set it, and after that what follows it
	Taken  bool   // a person has given it Value: nothing but its safe value takes that from it
	By     int32  // set that it has its value from, or comes back to, counted from 1; 0 before the first
	faulted
}

// Commanded returns the value last commanded to an output, and whether the device has confirmed it; of one that is foreign, its safe value
// and that it is confirmed.
func (m *Machine) Commanded(output int) (value int64, confirmed bool) {
	o := &m.out[output]
	return o.Value, o.Known && !o.Busy
}

// write commands a value. Writes to what a device has already confirmed are left out, and so are those that an interlock withholds.
func (m *Machine) write(at int64, o int, value int64, reason string, fx []Effect) []Effect {
	s := &m.out[o]
	if s.Value == value && s.Known && !s.Busy || m.foreign(o) {
		return fx
	}
	if value != m.safe(o) && (m.gate(o).shut() || s.Taken) {
		return fx
	}
	if s.Taken {
		fx = m.cutOverride(o, reason, fx)
	}
	if m.r.Unread && m.p.Trip.Output == o { // a request may stand there
		return fx
	}
	safe := m.towardsSafe(at, o, value)
	if !s.Busy {
		m.r.Busy++
	}
	m.r.Writes++
	fx = append(fx, Effect{Kind: Write, Output: o, Old: s.Value, Value: value, ID: m.r.Writes, Safe: safe, Reason: reason, Fault: m.restsFor(o, value)})
	s.Value, s.Write, s.Busy = value, m.r.Writes, true
	m.timers.Clear(m.retryTimer(o))
	return fx
}

// towardsSafe tells whether a value lies on the way from the commanded value to the safe one, both ends included. From an
// output that does not read back its value only the safe value itself does.
func (m *Machine) towardsSafe(at int64, o int, value int64) bool {
	s, safe := &m.out[o], m.safe(o)
	if value == safe {
		return true
	}
	if m.reads(at, o) != agrees || !s.Known || s.Busy {
		return false
	}
	return s.Value > safe && value > safe && value <= s.Value || s.Value < safe && value < safe && value >= s.Value
}

func (m *Machine) writeSafe(at int64, o int, reason string, fx []Effect) []Effect {
	return m.write(at, o, m.safe(o), reason, fx)
}

// rest drives every output that an element below e has set to its safe value, but for those that follow the logic of their phase;
// keep says that a restart shall bring it back.
func (m *Machine) rest(at int64, e int, keep bool, reason string, fx []Effect) []Effect {
	return m.restBut(at, e, keep, true, reason, fx)
}

// restAll is rest for all of them: things have failed, or the logic is over.
func (m *Machine) restAll(at int64, e int, keep bool, reason string, fx []Effect) []Effect {
	return m.restBut(at, e, keep, false, reason, fx)
}

func (m *Machine) restBut(at int64, e int, keep, but bool, reason string, fx []Effect) []Effect {
	for o := range m.out {
		s := &m.out[o]
		if int(s.Owner) < e || int(s.Owner) >= m.p.Elems[e].End || but && !s.Taken && m.follows(o) {
			continue
		}
		if s.Back { // what is held comes back by a restart, and what is over not at all
			s.Back, s.Kept = false, true
		}
		if !keep {
			s.Kept = false
		} else if !s.Kept && s.Value != m.safe(o) {
			m.keepValue(o)
		}
		if s.Value != m.safe(o) {
			m.grantTime(at) // each output has its time, however long others have had theirs
		}
		if s.Value != m.safe(o) || !s.Known && !s.Busy {
			fx = m.writeSafe(at, o, reason, fx)
		}
	}
	return fx
}

// keepValue notes what an output shall come back to on restart. A jog that was cut short does not come back, nor what a person has set.
func (m *Machine) keepValue(o int) {
	s := &m.out[o]
	s.Back = false
	if s.Kept, s.Held = true, s.Value; s.Taken || s.By > 0 && m.p.Sets[s.By-1].Jog {
		s.Held = m.safe(o)
	}
}

// restore brings back what rest kept, once nothing below the element that answers for it is held any more. What was set with
// equipment that has been given back since, or is gated by an interlock, stays as it is.
func (m *Machine) restore(at int64, fx []Effect) []Effect {
	for o := range m.out {
		s := &m.out[o]
		if s.Kept && m.gaveUp(int(s.Owner)) {
			s.Kept = false
		}
		if s.Kept && !s.Taken && !m.isHeld(int(s.Owner)) && !m.follows(o) {
			if value := m.wanted(at, o); value == m.safe(o) || !m.gate(o).shut() {
				s.Kept = false
				fx = m.write(at, o, value, "restart", fx)
			}
		}
	}
	return fx
}

// wanted returns the value that an output shall have after a restart: what it had, unless what ran in meanwhile has ended the
// dose and the next action sets it otherwise. A valve is not opened again to be closed at once.
func (m *Machine) wanted(at int64, o int) int64 {
	p := int(m.out[o].Owner)
	s, e := &m.el[p], &m.p.Elems[p]
	if next := int(s.PC) + 1; s.Waiting && next < e.Count && m.p.Actions[e.First+next-1].Kind == recipe.WaitTotal && m.over(at, p) {
		a := &m.p.Actions[e.First+next]
		for k := a.First; a.Kind == recipe.Set && k < a.First+a.Count; k++ {
			if set := &m.p.Sets[k]; set.Output == o {
				return set.Value
			}
		}
	}
	return m.out[o].Held
}

// isHeld tells whether a phase of an element is held or on its way there.
func (m *Machine) isHeld(e int) bool {
	for p := e; p < m.p.Elems[e].End; p++ {
		if s := State(m.el[p].State); m.p.Elems[p].Phase && (s == Holding || s == Held) {
			return true
		}
	}
	return false
}

// inherit makes the element that follows another answer for the outputs which that one leaves behind.
func (m *Machine) inherit(from, to int) {
	for !m.p.Elems[to].Phase && m.p.Elems[to].Block != recipe.Parallel {
		to++
	}
	for o := range m.out {
		if s := &m.out[o]; int(s.Owner) >= from && int(s.Owner) < m.p.Elems[from].End {
			s.Owner = int32(to)
		}
	}
}

// done takes in what became of a write. An answer to a write that a later one has replaced says nothing.
func (m *Machine) done(at int64, ev *Event, fx []Effect) []Effect {
	for o := range m.out {
		s := &m.out[o]
		if s.Write != ev.ID || s.Write == 0 || !s.Busy {
			continue
		}
		m.confirmed(o)
		if s.Known = ev.OK; ev.OK {
			s.Busy, s.Since, s.Failed, s.Absent = false, at, 0, false
			m.r.Busy--
			return fx
		}
		s.Write, s.Absent = 0, m.p.Outputs[o].Faults != nil
		what, why := "write not confirmed", "output not confirmed"
		if ev.Reason != "" {
			what, why = ev.Reason, ev.Reason
		}
		fx = append(fx, Effect{Kind: OutputFault, Output: o, Value: s.Value, ID: ev.ID, Reason: what})
		safe := s.Value == m.safe(o)
		if fx = m.assess(at, o, false, fx); !safe {
			return m.failOutput(at, o, why, fx)
		}
		if s.Write != 0 { // the fault has a safe value of its own
			return m.failAt(at, int(s.Owner), Hold, why, fx)
		}
		s.Failed = min(s.Failed+1, retrySoon+retryLess)
		m.timers.Set(m.retryTimer(o), at+RetrySafe<<max(int(s.Failed)-retrySoon, 0))
		return m.failAt(at, int(s.Owner), Hold, why, fx)
	}
	return fx
}

// failOutput holds who answers for an output. Where nothing runs that could be held, what it answers for rests all the same.
func (m *Machine) failOutput(at int64, o int, reason string, fx []Effect) []Effect {
	e := m.scope(int(m.out[o].Owner))
	return m.restAll(at, e, true, reason, m.apply(at, e, Hold, reason, fx))
}

// Settle is the time in ns after a confirmed write in which what reads back may still be of before.
const Settle = 1_000_000_000

// readback is what an output reads back, held against what was commanded.
type readback uint8

const (
	unread  readback = iota // nothing that is GOOD
	agrees                  // what was commanded
	before                  // something else, from before the write was confirmed and had time to settle
	differs                 // something else
)

func (m *Machine) reads(at int64, o int) readback {
	s, p := &m.out[o], &m.p.Outputs[o]
	v, good := m.value(p.Tag, at)
	switch {
	case !good:
		return unread
	case m.near(o, v):
		return agrees
	case m.view.Seen(p.Tag) < s.Since+Settle:
		return before
	}
	return differs
}

// near tells whether a value is what was commanded to an output, as nearly as its device can tell.
func (m *Machine) near(o int, v int64) bool {
	lo, hi := min(v, m.out[o].Value), max(v, m.out[o].Value)
	return uint64(hi)-uint64(lo) <= uint64(m.p.Outputs[o].Within)
}

// audit holds what outputs read back against what devices have confirmed. A device may confirm what it does not do, or lose it
// later: such an output is not known, the batch is held, and its safe value is written until it reads back, less and less often.
func (m *Machine) audit(at int64, fx []Effect) []Effect {
	for o := range m.out {
		s := &m.out[o]
		if !s.Known || s.Busy || m.foreign(o) {
			continue
		}
		switch m.reads(at, o) {
		case agrees:
			s.Untrue = 0
		case differs:
			if at < s.Since+Settle<<s.Untrue {
				continue
			}
			s.Known, s.Untrue, s.Absent = false, min(s.Untrue+1, 6), m.p.Outputs[o].Faults != nil
			fx = append(fx, Effect{Kind: OutputFault, Output: o, Value: s.Value, ID: s.Write, Reason: "reads back something else"})
			fx = m.assess(at, o, false, fx)
			fx = m.failOutput(at, o, "output not as commanded", fx)
		}
	}
	return fx
}

// unsure tells whether an output is not known to have its value when the batch is to end; wait adds those of which a read-back from
// after the write is still to come.
func (m *Machine) unsure(at int64, o int, wait bool) bool {
	s := &m.out[o]
	if m.foreign(o) {
		return false
	}
	if s.Busy || !s.Known || m.p.Trip != nil && m.p.Trip.Output == o && m.pending() {
		return true
	}
	switch m.reads(at, o) {
	case differs:
		return true
	case before:
		return wait && m.p.Outputs[o].Fresh > 0 && at < s.Since+Settle+m.p.Outputs[o].Fresh
	}
	return false
}

// settled tells whether nothing stands in the way of the end of a batch whose procedure is over.
func (m *Machine) settled(at int64, wait bool) bool {
	for o := range m.out {
		if m.unsure(at, o, wait) {
			return false
		}
	}
	return true
}
