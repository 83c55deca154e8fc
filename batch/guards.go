// Interlocks and alarms of a run: the guard of the map, the orders that reset and acknowledge, and the faults that only a run knows of.

package batch

import (
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// guardRefs is what records of interlocks and alarms refer to. Its lists are empty where the map has none.
type guardRefs struct {
	Noticed    []uint64 // by interlock, then by alarm: record of the input with which its raw truth changed last
	Interlocks []uint64 // by interlock: its last record
	Alarms     []uint64 // by alarm: its last record
	Steps      []int32  // by alarm: the element that it touched + 1, 0 for none
	Faulty     []uint8  // by output: 1 where a device has not confirmed what was commanded; only where an alarm asks
	Late       []uint8  // by element: 1 where it has run out of time and has not gone on; only where an alarm asks
	SafeStates []uint64 // by output: its last safe_state record
	Unsafe     []uint8  // by output: 1 where it is in the safe state of a fault; only where an alarm asks

	faulty, late, unsafe int // how many they are
}

func (b *Batch) guardRefs() (r guardRefs) {
	m := b.Plan.Map
	r.Noticed = make([]uint64, len(m.Interlocks)+len(m.Alarms))
	r.Interlocks, r.Alarms, r.Steps = make([]uint64, len(m.Interlocks)), make([]uint64, len(m.Alarms)), make([]int32, len(m.Alarms))
	r.SafeStates = make([]uint64, len(b.prog.outputs))
	for i := range m.Alarms {
		switch m.Alarms[i].Fault {
		case iomap.FaultSafeState:
			r.Unsafe = make([]uint8, len(b.prog.outputs))
		case iomap.FaultOutput:
			r.Faulty = make([]uint8, len(b.prog.outputs))
		case iomap.FaultTimeout:
			r.Late = make([]uint8, len(b.prog.elems))
		}
	}
	return r
}

// counted counts the faults that last and tells whether each is noted as it must be.
func (r *guardRefs) counted() bool {
	r.faulty, r.late, r.unsafe = 0, 0, 0
	for _, unsafe := range r.Unsafe {
		r.unsafe += int(unsafe)
		if unsafe > 1 {
			return false
		}
	}
	for _, faulty := range r.Faulty {
		r.faulty += int(faulty)
		if faulty > 1 {
			return false
		}
	}
	for _, late := range r.Late {
		r.late += int(late)
		if late > 1 {
			return false
		}
	}
	return true
}

// Blocks tells whether an interlock keeps its outputs at their safe values, and whether that is settled.
func (v image) Blocks(interlock int) (blocks, settled bool) {
	s := v.m.guard.Status(interlock)
	return s != iomap.Permits, s != iomap.Unsettled
}

// gates makes the interlocks of the map those of the program.
func (c *compiler) gates() {
	reactions := [...]sequencer.Command{iomap.ReactHold: sequencer.Hold, iomap.ReactAbort: sequencer.Abort, iomap.ReactHardAbort: sequencer.HardAbort}
	for i := range c.plan.Map.Interlocks {
		d := &c.plan.Map.Interlocks[i]
		t := sequencer.Interlock{Trip: d.Kind != iomap.PermissiveKind, React: reactions[d.Reaction], Safety: d.Kind == iomap.SafetyTripKind}
		t.Text = [...]string{iomap.PermissiveKind: "permissive %s wants: %s", iomap.TripKind: "interlock %s blocks: %s",
			iomap.SafetyTripKind: "safety trip %s of the PLC: %s"}[d.Kind]
		t.Text = fmt.Sprintf(t.Text, d.ID, d.Text)
		for o, id := range c.out.outputs {
			for _, g := range d.Gates {
				if g == id {
					t.Outputs = append(t.Outputs, o)
				}
			}
		}
		c.out.seq.Interlocks = append(c.out.seq.Interlocks, t)
	}
}

// gatedSets refuses a set of too many outputs, where an interlock gates one of them.
func (c *compiler) gatedSets() {
	gated := map[int]string{}
	for i := range c.out.seq.Interlocks {
		for _, o := range c.out.seq.Interlocks[i].Outputs {
			gated[o] = c.plan.Map.Interlocks[i].ID
		}
	}
	for i := range c.out.seq.Actions {
		a := &c.out.seq.Actions[i]
		for k := a.First; a.Kind == recipe.Set && a.Count > sequencer.MaxGated && k < a.First+a.Count; k++ {
			set := &c.out.seq.Sets[k]
			if id, ok := gated[set.Output]; ok && set.Value != c.out.seq.Outputs[set.Output].Safe {
				c.report(c.setBy[k], "a set of %d outputs, and interlock %s gates this one: %d are the most then; split it", a.Count, id, sequencer.MaxGated)
				break
			}
		}
	}
}

// guards lets the guard look at what has changed, before the sequencer is told of it.
func (m *Machine) guards(boot bool, fx []Effect) []Effect {
	switch m.notices = m.notices[:0]; {
	case m.st.Ended || len(m.told) == 0:
		return fx
	case boot:
		m.notices = m.guard.Boot(m.now, m.io, m.notices)
	default:
		m.notices = m.guard.Step(m.now, m.io, m.ifx, m.notices)
	}
	return m.noticed(fx)
}

// guarded carries out an order that concerns an interlock or an alarm, and answers it.
func (m *Machine) guarded(ev *Event, fx []Effect) []Effect {
	m.tell(sequencer.Event{Kind: sequencer.Input}) // of what comes of it
	fx = m.guards(false, fx)
	m.notices = m.notices[:0]
	result, why := sequencer.Refused, ""
	switch {
	case m.st.Ended:
		why = batchOver
	case ev.Command == sequencer.ResetInterlock:
		result, why = m.reset(ev.Name)
	default:
		result, why = m.acknowledge(ev.Name)
	}
	return m.noticed(m.commanded(ev.Command, result, why, nil, fx))
}

func (m *Machine) reset(name string) (r sequencer.Result, why string) {
	for i := range m.b.Plan.Map.Interlocks {
		if m.b.Plan.Map.Interlocks[i].ID != name {
			continue
		}
		m.notices, why = m.guard.Reset(m.now, m.io, i, m.notices)
		switch {
		case why != "":
			return sequencer.Refused, why + m.standing(i)
		case len(m.notices) == 0:
			return sequencer.NoOp, "it has not tripped"
		}
		return sequencer.Accepted, ""
	}
	return sequencer.Refused, fmt.Sprintf("the I/O map %s has no interlock %+q", m.b.Plan.Map.ID, name)
}

func (m *Machine) acknowledge(name string) (r sequencer.Result, why string) {
	for k := range m.b.Plan.Map.Alarms {
		if m.b.Plan.Map.Alarms[k].ID != name {
			continue
		}
		var ok bool
		if m.notices, ok = m.guard.Acknowledge(m.now, k, m.notices); !ok {
			return sequencer.NoOp, "nothing to acknowledge"
		}
		return sequencer.Accepted, ""
	}
	return sequencer.Refused, fmt.Sprintf("the I/O map %s has no alarm %+q", m.b.Plan.Map.ID, name)
}

// noticed records what the guard has noticed.
func (m *Machine) noticed(fx []Effect) []Effect {
	for i := range m.notices {
		switch n := &m.notices[i]; n.Kind {
		case iomap.RawEdge:
			m.refs.Noticed[n.Index] = m.input
		case iomap.InterlockDecide:
			m.seq.Touch(tag.None) // whoever it withholds something from
			fx = m.interlock(n, fx)
		case iomap.AlarmDecide:
			fx = m.alarm(n, fx)
		}
	}
	return fx
}

// mark notes whether a fault of one output or element lasts, and counts those that do.
func mark(faults []uint8, i int, lasts uint8, count *int) {
	*count += int(lasts) - int(faults[i])
	faults[i] = lasts
}

// faults tells the guard of what a decision of the sequencer says of outputs and steps.
func (m *Machine) faults(e *sequencer.Effect, fx []Effect) []Effect {
	r := &m.refs
	switch {
	case e.Kind == sequencer.OutputFault && len(r.Faulty) > 0:
		mark(r.Faulty, e.Output, 1, &r.faulty)
		return m.fault(iomap.FaultOutput, m.seq.Owner(e.Output), m.next-1, fx)
	case e.Kind == sequencer.SafeStateChanged && len(r.Unsafe) > 0:
		mark(r.Unsafe, e.Output, uint8(bit(e.Fault != iomap.NoClass)), &r.unsafe)
		return m.fault(iomap.FaultSafeState, m.seq.Owner(e.Output), m.next-1, fx)
	case e.Kind == sequencer.TimedOut && len(r.Late) > 0:
		mark(r.Late, e.Elem, 1, &r.late)
		return m.fault(iomap.FaultTimeout, e.Elem, m.next-1, fx)
	case e.Kind == sequencer.StepChanged && len(r.Late) > 0 && r.Late[e.Elem] != 0 && (e.To == sequencer.Running || e.To.Terminal()):
		mark(r.Late, e.Elem, 0, &r.late)
		return m.fault(iomap.FaultTimeout, e.Elem, m.next-1, fx)
	}
	return fx
}

// confirmed looks which outputs a device has confirmed by now.
func (m *Machine) confirmed(fx []Effect) []Effect {
	r := &m.refs
	before := r.faulty
	for o := 0; r.faulty > 0 && o < len(r.Faulty); o++ {
		if _, ok := m.seq.Commanded(o); ok {
			mark(r.Faulty, o, 0, &r.faulty)
		}
	}
	if r.faulty == before || m.st.Ended {
		return fx
	}
	return m.fault(iomap.FaultOutput, 0, m.input, fx)
}

// fault tells the alarms of a class of faults how things stand; e is the element that it touches, 0 for none, by the record that
// says so.
func (m *Machine) fault(class iomap.Fault, e int, by uint64, fx []Effect) []Effect {
	r := &m.refs
	m.notices = m.notices[:0]
	for k := range m.b.Plan.Map.Alarms {
		a := &m.b.Plan.Map.Alarms[k]
		if a.Fault != class {
			continue
		}
		lasts, of := class == iomap.FaultOutput && r.faulty > 0 || class == iomap.FaultTimeout && r.late > 0, r.Faulty
		if class == iomap.FaultSafeState {
			lasts, of = r.unsafe > 0, r.Unsafe
		}
		if lasts && a.Of != tag.None {
			o := slices.Index(m.form.prog.outputs, a.Of)
			lasts = o >= 0 && of[o] != 0
		}
		n := len(m.notices)
		m.notices = m.guard.Fault(m.now, m.io, k, lasts, m.notices)
		if len(m.notices) > n {
			r.Noticed[len(m.b.Plan.Map.Interlocks)+k] = by
			if lasts && e > 0 {
				r.Steps[k] = int32(e) + 1
			}
		}
	}
	for i := range m.notices { // the record before is what has raised it, and no input
		if n := &m.notices[i]; n.Kind == iomap.AlarmDecide {
			fx = m.alarm(n, fx)
		}
	}
	return fx
}
