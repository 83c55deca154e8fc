// The records of overrides: granted, continued, taken, given back, ended.

package batch

import (
	"slices"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// overridden begins a record about an override.
func (m *Machine) overridden(i int, result string) {
	g, o := &m.ov.Grants[i], &m.b.Plan.Map.Overrides[i]
	m.begin(record.KindOverride)
	m.body.Text(record.OverrideID, o.ID)
	m.body.Int(record.OverrideGrant, int64(g.Number))
	m.body.Text(record.OverrideRole, o.Roles[g.Role])
	m.body.Text(record.Actor, g.who())
	m.body.Text(record.Result, result)
}

// granted records that somebody has a permission now, or still, until when, and what its tags show.
func (m *Machine) granted(i int, result, reason, detail string, fx []Effect) []Effect {
	g := &m.ov.Grants[i]
	m.overridden(i, result)
	left := g.Until - m.now
	m.body.Text(record.OverrideDuration, seconds(left))
	m.body.Count(record.ExpiryMonoNS, uint64(m.at+left))
	if m.stamp.UTC != 0 {
		m.body.Time(record.Expiry, m.stamp.UTC+left)
	}
	if reason != "" {
		m.body.Text(record.ChangeReason, Clean(reason))
	}
	if detail != "" {
		m.body.Text(record.Detail, detail)
	}
	m.body.Texts(record.Values, m.used(m.b.Plan.Map.Overrides[i].Tags))
	if result == "granted" {
		m.causes(m.input)
	} else {
		m.causes(m.input, g.Record)
	}
	return m.put(fx)
}

// took records that a tag is in override from now on, with the value that it had and the step in whose hands it was.
func (m *Machine) took(i int, id tag.ID, output int, value int64, reason string, fx []Effect) []Effect {
	f, t := &m.ov.Forces[id], &m.b.Plan.Map.Tags[id]
	old, before := m.effective(id, output), m.reading(id)
	if f.By == 0 {
		m.ov.Taken++
		f.Since = m.now
	}
	f.By, f.Value = uint8(i+1), value
	m.overridden(i, "active")
	m.values(t, old, value)
	m.body.Text(record.ChangeReason, Clean(reason))
	m.body.Texts(record.Values, []string{before})
	cause := uint64(0)
	if output >= 0 {
		if e := m.seq.Owner(output); e > 0 {
			m.body.Text(record.StepID, m.form.prog.elems[e].id)
		}
		cause, m.refs.Outputs[output] = m.refs.Outputs[output], m.next
	}
	m.causes(m.input, m.ov.Grants[i].Record, f.Record, cause)
	f.Record = m.next
	return m.put(fx)
}

// effective is the value with which the batch works: of an output what is commanded, of an input what a person or the device says.
func (m *Machine) effective(id tag.ID, output int) int64 {
	if output >= 0 {
		v, _ := m.seq.Commanded(output)
		return v
	}
	if f, ok := m.forced(id); ok {
		return f.Value
	}
	v, _ := m.io.Read(id, m.now)
	return v
}

// values writes which tag becomes what.
func (m *Machine) values(t *iomap.Tag, old, value int64) {
	m.body.Text(record.LogicalTag, t.Name)
	m.body.Text(record.PhysicalChannel, t.Channel)
	m.show(record.OldValue, t, old)
	m.show(record.NewValue, t, value)
	if t.Type == iomap.Number {
		m.body.Text(record.Unit, string(t.Resolution.Unit))
	}
}

// giveBack records that a tag is in nobody's hands any more, and what it goes to, and tells the sequencer.
func (m *Machine) giveBack(id tag.ID, why string, fx []Effect) []Effect {
	output := slices.Index(m.form.prog.outputs, id)
	value := int64(0)
	if output >= 0 {
		value, _ = m.seq.Returns(m.now, output)
	} else {
		value, _ = m.io.Read(id, m.now)
	}
	fx = m.cleared(id, output, value, why, fx)
	if output >= 0 {
		m.tell(sequencer.Event{Kind: sequencer.Override, Output: output})
		return fx
	}
	m.seq.Touch(id)
	m.tell(sequencer.Event{Kind: sequencer.Input})
	return fx
}

func (m *Machine) cleared(id tag.ID, output int, value int64, why string, fx []Effect) []Effect {
	f, t := &m.ov.Forces[id], &m.b.Plan.Map.Tags[id]
	i := int(f.By) - 1
	m.overridden(i, "cleared")
	m.values(t, f.Value, value)
	m.body.Text(record.Detail, Clean(why))
	m.body.Texts(record.Values, []string{m.reading(id)})
	cause := f.Record
	if output >= 0 {
		if e := m.seq.Owner(output); e > 0 {
			m.body.Text(record.StepID, m.form.prog.elems[e].id)
		}
		m.refs.Outputs[output] = m.next
	}
	m.causes(m.input, m.ov.Grants[i].Record, cause)
	*f = force{}
	m.ov.Taken--
	return m.put(fx)
}

// cut records that an output was driven to its safe value out of somebody's hands.
func (m *Machine) cut(e *sequencer.Effect, fx []Effect) []Effect {
	id := m.form.prog.outputs[e.Output]
	if !m.Forced(id) { // its grant has ended just now
		return fx
	}
	why := "driven to its safe value: " + e.Reason
	if ends := m.ov.ends[m.ov.Forces[id].By-1]; ends != "" {
		why = ends + "; " + why
	}
	return m.cleared(id, e.Output, e.Value, why, fx)
}

// revoke ends a grant: all tags in it are given back first.
func (m *Machine) revoke(i int, why string, fx []Effect) []Effect {
	for id := range m.ov.Forces {
		if int(m.ov.Forces[id].By) == i+1 {
			fx = m.giveBack(tag.ID(id), why, fx)
		}
	}
	m.overridden(i, "revoked")
	m.body.Text(record.Detail, Clean(why))
	m.body.Texts(record.Values, m.used(m.b.Plan.Map.Overrides[i].Tags))
	m.causes(m.input, m.ov.Grants[i].Record)
	m.ov.Grants[i] = grant{}
	m.ov.Active--
	return m.put(fx)
}

// inHands says who has the output that keeps an element from what it sets; "" where nobody does any more.
func (m *Machine) inHands(e int) string {
	o := m.seq.OverrideFrom(e)
	if o < 0 {
		return sequencer.InOverride
	}
	id := m.form.prog.outputs[o]
	t := &m.b.Plan.Map.Tags[id]
	f, ok := m.forced(id)
	if !ok {
		return sequencer.InOverride
	}
	g := &m.ov.Grants[f.By-1]
	return sequencer.InOverride + ": " + t.Name + " is " + shown(t, f.Value) + " by " + g.who() + ", " + m.b.Plan.Map.Overrides[f.By-1].ID + ", for " +
		seconds(max(g.Until-m.now, 0)) + " more at most"
}
