// Safe states of outputs in faults: which faults last, the power warning, the order that resets, and the records of all that.

package batch

import (
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// troubles is what inputs and read-backs show of faults. It follows from the state of the I/O map and is in no snapshot.
type troubles struct {
	class []iomap.FaultClass // by tag
	users [][]int32          // by tag: outputs of which its faults are
	set   []iomap.FaultSet   // by output
}

func (b *Batch) troubles() troubles {
	p, m := b.prog, b.Plan.Map
	t := troubles{class: make([]iomap.FaultClass, len(m.Tags)), users: make([][]int32, len(m.Tags)), set: make([]iomap.FaultSet, len(p.outputs))}
	for o, id := range p.outputs {
		if p.seq.Outputs[o].Faults == nil {
			continue
		}
		t.users[id] = append(t.users[id], int32(o))
		for _, on := range m.Tags[id].Faults.Depends {
			t.users[on] = append(t.users[on], int32(o))
		}
	}
	return t
}

// trouble is the class of faults that a tag shows.
func (m *Machine) trouble(id tag.ID) iomap.FaultClass {
	if m.b.Plan.Map.Tags[id].Output {
		return m.io.Absent(id)
	}
	return m.io.Trouble(id)
}

// troubled looks anew at the faults that a tag shows.
func (m *Machine) troubled(id tag.ID) {
	t := &m.troubles
	if len(t.users[id]) == 0 {
		return
	}
	class := m.trouble(id)
	if class == t.class[id] {
		return
	}
	t.class[id] = class
	for _, o := range t.users[id] {
		out := m.form.prog.outputs[o]
		set := t.class[out].Of()
		for _, on := range m.b.Plan.Map.Tags[out].Faults.Depends {
			set |= t.class[on].Of()
		}
		t.set[o] = set
	}
}

// troubledAll looks anew at all tags.
func (m *Machine) troubledAll() {
	for id := range m.b.Plan.Map.Tags {
		m.troubled(tag.ID(id))
	}
}

// Faults returns the faults that last of an output, by what it reads back and the inputs that it depends on.
func (v image) Faults(output int) iomap.FaultSet { return v.m.troubles.set[output] }

// cameUpFor is the class of faults for which a batch that is continued has come up again. Whatever has brought the board down, its outputs
// were without it meanwhile.
func cameUpFor(ev *Event) iomap.FaultClass {
	switch {
	case ev.Recovery == "" || ev.Reset == "":
		return iomap.NoClass
	case ev.Reset == hal.ResetProcess.String():
		return iomap.RunnerLost
	case ev.Reset == hal.ResetWatchdog.String():
		return iomap.Watchdog
	}
	return iomap.PowerLoss
}

// Confirmed tells whether every output is known to have what was commanded.
func (m *Machine) Confirmed() bool { return len(m.unconfirmed()) == 0 }

// gateOf is what an effect names of what has led to it, or withholds what is waited for.
func gateOf(e *sequencer.Effect) sequencer.Gate {
	return sequencer.Gate{Interlock: e.Interlock, Fault: e.Fault, Output: e.Output}
}

// safeState records that an output came into the safe state of a fault, or out of it.
func (m *Machine) safeState(e *sequencer.Effect, fx []Effect) []Effect {
	t := &m.b.Plan.Map.Tags[m.form.prog.outputs[e.Output]]
	class := e.Fault
	if class == iomap.NoClass {
		class = e.WasFault
	}
	p := &t.Faults.Policy[class]
	m.begin(record.KindSafeState)
	m.body.Text(record.LogicalTag, t.Name)
	m.body.Text(record.FaultClass, class.String())
	m.body.Text(record.RecoverPolicy, p.State.String())
	m.body.Text(record.RecoverBy, p.Recover.String())
	if p.State == iomap.KeepState {
		m.show(record.SafeState, t, e.Value)
	} else {
		m.show(record.SafeState, t, p.Value)
	}
	if t.Type == iomap.Number {
		m.body.Text(record.Unit, string(t.Resolution.Unit))
	}
	m.body.Text(record.Result, e.Status.String())
	if e.WasFault != iomap.NoClass && e.WasFault != class {
		m.body.Text(record.OldValue, e.WasFault.String())
	}
	why := "the fault is over: " + class.String()
	if e.Status == sequencer.FaultLasts || e.WasFault == iomap.NoClass {
		why = m.faultWords(e.Output, class, e.Interlock)
	}
	m.body.Text(record.SafeStateReason, why)
	seq := uint64(0)
	if i := e.Interlock; i > 0 {
		m.body.Text(record.InterlockID, m.b.Plan.Map.Interlocks[i-1].ID)
		seq = m.refs.Interlocks[i-1]
	}
	if class == iomap.DeviceAbsent && e.Status == sequencer.FaultLasts {
		seq = m.refs.Outputs[e.Output]
	}
	m.causes(m.input, m.refs.SafeStates[e.Output], seq)
	m.refs.SafeStates[e.Output] = m.next
	return m.put(fx)
}

// maxWhose is how many tags the reason of a safe state names.
const maxWhose = 4

// faultWords says what of an output is in a fault of a class.
func (m *Machine) faultWords(o int, c iomap.FaultClass, interlock int) string {
	out := m.form.prog.outputs[o]
	var list []string
	for _, id := range append([]tag.ID{out}, m.b.Plan.Map.Tags[out].Faults.Depends...) {
		if m.troubles.class[id] == c {
			list = append(list, m.reading(id))
		}
	}
	if n := len(list) - maxWhose; n > 0 {
		list = append(list[:maxWhose], fmt.Sprintf("and %d more", n))
	}
	words := c.String()
	switch {
	case len(list) > 0:
		words += ": " + strings.Join(list, ", ")
	case interlock > 0:
		words += ": " + m.b.Plan.Map.Interlocks[interlock-1].ID + ", " + m.b.Plan.Map.Interlocks[interlock-1].Text
	case c == iomap.DeviceAbsent:
		words += ": the device did not do what was commanded"
	case c == iomap.PowerLoss && m.seq.Failing():
		words += ": a warning says that the supply fails"
	case c == iomap.PowerLoss || c == iomap.Watchdog || c == iomap.RunnerLost:
		words += ": found at the start of the controller"
	}
	return words
}

// heldBy says of an output that a fault keeps in its safe state from what it is so, and what brings it out.
func (m *Machine) heldBy(g sequencer.Gate) string {
	if m.seq.Failing() && g.Fault == iomap.PowerLoss {
		return "; a warning says that the supply fails"
	}
	text := "; " + m.b.Plan.Map.Tags[m.form.prog.outputs[g.Output]].Name + ", " + m.faultWords(g.Output, g.Fault, 0)
	if _, _, lasts := m.seq.SafeState(g.Output); !lasts.Has(g.Fault) && m.latched(g.Output) {
		text += "; latched until it is reset (reset_safe_state)"
	}
	return text
}

// latched tells whether a person has to reset an output.
func (m *Machine) latched(o int) bool {
	_, s, _ := m.seq.SafeState(o)
	return s == sequencer.WaitsForReset
}

// resetSafe carries out the order that resets the safe state of an output.
func (m *Machine) resetSafe(ev *Event, fx []Effect) []Effect {
	for o, id := range m.form.prog.outputs {
		if m.b.Plan.Map.Tags[id].Name == ev.Name {
			m.tell(sequencer.Event{Kind: sequencer.Told, Command: ev.Command, Target: o})
			return fx
		}
	}
	m.tell(sequencer.Event{Kind: sequencer.Input})
	return m.answer(ev, fmt.Sprintf("the I/O map %s has no output %+q", m.b.Plan.Map.ID, ev.Name), fx)
}
