// The records of interlocks and alarms: what was decided, and what it was decided from.

package batch

import (
	"fmt"
	"strconv"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
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
	if raised := n.Was&iomap.AlarmAcknowledged == 0 && n.Is&iomap.AlarmAcknowledged != 0; raised && a.Fault != iomap.FaultOutput && a.Fault != iomap.FaultTimeout {
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

// used says of tags what they show: value, quality, and how old it is.
func (m *Machine) used(ids []tag.ID) (list []string) {
	for _, id := range ids {
		t := &m.b.Plan.Map.Tags[id]
		value, q := m.io.Read(id, m.now)
		_, at := m.io.Source(id)
		if at == 0 {
			list = append(list, t.Name+" "+q.String()+" never read")
			continue
		}
		shown := strconv.FormatInt(value, 10)
		if t.Type == iomap.Switch {
			shown = t.Words[value&1]
		} else if v, ok := quantity.FromCounts(value, t.Resolution); ok {
			shown = v.String()
		}
		list = append(list, fmt.Sprintf("%s=%s %s age %d ms", t.Name, shown, q, max(m.now-at, 0)/1_000_000))
	}
	return list
}

// standing says where an interlock stands and from what.
func (m *Machine) standing(i int) string {
	text := "; "
	for k, v := range m.used(m.b.Plan.Map.Interlocks[i].Used) {
		if k > 0 {
			text += ", "
		}
		text += v
	}
	switch m.guard.Status(i) {
	case iomap.Latched:
		text += "; latched until it is reset"
	case iomap.Unsettled:
		text += "; found so at the boot"
	}
	return text
}

// blamed is the interlock that a reason of the sequencer names, -1 for none.
func (m *Machine) blamed(reason string) int {
	for i := range m.form.prog.seq.Interlocks {
		if m.form.prog.seq.Interlocks[i].Text == reason {
			return i
		}
	}
	return -1
}

// by is the record of the interlock that a reason names, 0 for none.
func (m *Machine) by(reason string) uint64 {
	if i := m.blamed(reason); i >= 0 {
		return m.refs.Interlocks[i]
	}
	return 0
}

// because is a reason of the sequencer, and where it names an interlock that blocks, from what it does.
func (m *Machine) because(reason string) string {
	if i := m.blamed(reason); i >= 0 && m.guard.Blocks(i) {
		return reason + m.standing(i)
	}
	return reason
}
