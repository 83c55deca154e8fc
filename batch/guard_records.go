// The records of interlocks and alarms: what was decided, and what it was decided from.

package batch

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// interlockResult is the outcome in the record of an interlock.
func interlockResult(kind iomap.InterlockKind, n *iomap.Notice) string {
	switch n.To {
	case iomap.Unsettled:
		return "unsettled"
	case iomap.NotPermitted:
		return "not_permitted"
	case iomap.Tripped:
		return "tripped"
	case iomap.Latched:
		return "latched"
	}
	switch {
	case kind == iomap.PermissiveKind:
		return "permitted"
	case n.From == iomap.Latched:
		return "reset"
	}
	return "cleared"
}

func gateState(s iomap.Status) string {
	if s == iomap.Permits {
		return "permits"
	}
	return "blocks"
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (m *Machine) interlock(n *iomap.Notice, fx []Effect) []Effect {
	i := n.Index
	d := &m.b.Plan.Map.Interlocks[i]
	m.begin(record.KindInterlock)
	m.body.Text(record.InterlockID, d.ID)
	m.body.Text(record.InterlockKind, d.Kind.String())
	m.body.Text(record.InterlockGateState, gateState(n.To))
	m.body.Int(record.DebounceMS, d.Filter.On/1_000_000)
	m.body.Int(record.VoteWindowMS, d.Filter.Window/1_000_000)
	raw, debounced := m.guard.Raw(i)
	m.body.Count(record.RawState, bit(raw))
	m.body.Count(record.DebouncedState, bit(debounced))
	kind, param := "debounce", fmt.Sprintf("%d ms", d.Filter.On/1_000_000)
	if d.Filter.Window > 0 {
		kind, param = "debounce, vote", fmt.Sprintf("%s; %d %% of %d ms", param, d.Vote, d.Filter.Window/1_000_000)
	}
	m.body.Text(record.FilterType, kind)
	m.body.Text(record.FilterParam, param)
	m.body.Text(record.Result, interlockResult(d.Kind, n))
	reaction := iomap.ReactNone
	if n.To == iomap.Tripped {
		reaction = d.Reaction
	}
	m.body.Text(record.Reaction, reaction.String())
	m.body.Texts(record.Values, m.used(d.Used))
	m.body.Text(record.Detail, d.Text)
	m.decisive(i)
	if n.Edges > 0 {
		m.body.Count(record.Coalesced, uint64(n.Edges))
	}
	m.causes(m.input, m.noted(i), m.refs.Interlocks[i])
	m.refs.Interlocks[i] = m.next
	return m.put(fx)
}

func (m *Machine) alarm(n *iomap.Notice, fx []Effect) []Effect {
	k := n.Index
	i, a := len(m.b.Plan.Map.Interlocks)+k, &m.b.Plan.Map.Alarms[k]
	if raised := n.Was&iomap.AlarmAcknowledged == 0 && n.Is&iomap.AlarmAcknowledged != 0; raised && a.Fault != iomap.FaultOutput && a.Fault != iomap.FaultTimeout &&
		a.Fault != iomap.FaultSafeState {
		m.refs.Steps[k] = int32(m.seq.Active()) + 1
	}
	m.begin(record.KindAlarm)
	m.body.Text(record.AlarmID, a.ID)
	m.body.Text(record.AlarmState, n.Edge.String())
	m.body.Text(record.Priority, a.Priority)
	m.body.Text(record.Message, a.Message)
	m.body.Text(record.OldValue, n.Was.String())
	m.body.Text(record.NewValue, n.Is.String())
	if e := m.refs.Steps[k]; e > 0 {
		m.body.Text(record.StepID, m.form.prog.elems[e-1].id)
	}
	cause := uint64(0)
	switch {
	case a.Fault == iomap.NoFault:
		m.body.Text(record.Detail, a.Text)
		m.decisive(i)
	case a.Of != tag.None:
		m.body.Text(record.Detail, a.Fault.String())
		m.body.Text(record.LogicalTag, m.b.Plan.Map.Tags[a.Of].Name)
	case a.Interlock >= 0:
		m.body.Text(record.Detail, a.Fault.String())
		m.body.Text(record.InterlockID, m.b.Plan.Map.Interlocks[a.Interlock].ID)
		cause = m.refs.Interlocks[a.Interlock]
	default:
		m.body.Text(record.Detail, a.Fault.String())
		m.worst(a)
	}
	if n.Edges > 0 {
		m.body.Count(record.Coalesced, uint64(n.Edges))
	}
	m.causes(m.input, m.noted(i), cause, m.refs.Alarms[k])
	m.refs.Alarms[k] = m.next
	return m.put(fx)
}

// worst names the first tag that is not GOOD, where that is what raises an alarm.
func (m *Machine) worst(a *iomap.Alarm) {
	for id := range m.b.Plan.Map.Tags {
		t := &m.b.Plan.Map.Tags[id]
		if _, q := m.io.Read(tag.ID(id), m.now); a.Fault == iomap.FaultQuality && t.StaleAfter > 0 && q != tag.Good {
			m.body.Text(record.LogicalTag, t.Name)
			m.body.Text(record.Quality, q.String())
			return
		}
	}
}

// noted is the record with which what led to a decision was first seen, 0 where that is the input of now.
func (m *Machine) noted(i int) uint64 {
	if m.refs.Noticed[i] == m.input {
		return 0
	}
	return m.refs.Noticed[i]
}

// decisive names the tag that made the condition of an interlock, or of an alarm behind them, what it is, with quality and age.
func (m *Machine) decisive(i int) {
	id := m.guard.Decisive(i, m.io, m.now)
	if id == tag.None {
		return
	}
	_, q := m.io.Read(id, m.now)
	m.body.Text(record.LogicalTag, m.b.Plan.Map.Tags[id].Name)
	m.body.Text(record.Quality, q.String())
	if _, at := m.io.Source(id); at > 0 {
		m.body.Int(record.AgeMS, max(m.now-at, 0)/1_000_000)
	}
}

// reading is what a tag shows, as the key values has it: name=value, quality, and how old it is.
func (m *Machine) reading(id tag.ID) string {
	n := m.Shows(m.at, id)
	if n.AgeMS < 0 {
		return n.Name + " " + n.Quality.String() + " never read"
	}
	return n.Name + "=" + n.Value + " " + n.Quality.String() + " age " + strconv.FormatInt(n.AgeMS, 10) + " ms"
}

// used says of tags what they show.
func (m *Machine) used(ids []tag.ID) (list []string) {
	for _, id := range ids {
		list = append(list, m.reading(id))
	}
	return list
}

// standing says where an interlock stands and from what.
func (m *Machine) standing(i int) string {
	text := "; " + strings.Join(m.used(m.b.Plan.Map.Interlocks[i].Used), ", ")
	switch m.guard.Status(i) {
	case iomap.Latched:
		text += "; latched until it is reset"
	case iomap.Unsettled:
		text += "; found so at the boot"
	}
	return text
}

// by is the last record of the interlock, or of the safe state, that has led to an effect, 0 for none.
func (m *Machine) by(e *sequencer.Effect) uint64 {
	switch {
	case e == nil:
	case e.Interlock > 0:
		return m.refs.Interlocks[e.Interlock-1]
	case e.Fault != iomap.NoClass && len(m.refs.SafeStates) > 0:
		return m.refs.SafeStates[e.Output]
	}
	return 0
}

// because is a text that names an interlock or a fault, and where that blocks, from what it does.
func (m *Machine) because(text string, g sequencer.Gate) string {
	switch i := g.Interlock - 1; {
	case i >= 0 && m.guard.Blocks(i):
		return text + m.standing(i)
	case i < 0 && g.Fault != iomap.NoClass:
		return text + m.heldBy(g)
	}
	return text
}
