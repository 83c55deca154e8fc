// Overrides of a run: who has been granted what, which tags he has taken, and how a grant comes to its end.

package batch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// grant is a permission of the map that somebody has, of fixed size.
type grant struct {
	Number uint32 // of the grant within the batch; 0: nobody has it
	Until  int64  // engine time
	Record uint64 // of the grant
	Role   uint8  // place in Roles
	Length uint8  // of Who
	Who    [MaxDetail]byte
}

func (g *grant) who() string { return string(g.Who[:g.Length]) }

// force is a tag that somebody has taken, of fixed size.
type force struct {
	By     uint8  // place of its override in the map + 1; 0: nobody has it
	Value  int64  // scaled
	Since  int64  // engine time
	Record uint64 // that says so
}

// overRoot is the state of the whole, of fixed size.
type overRoot struct {
	Grants uint32 // that were given so far
	Active int32  // that somebody has
	Taken  int32  // tags
}

// overrides are the grants and forces of a run. Its lists are empty where the map has no overrides.
type overrides struct {
	overRoot
	Grants []grant  // by override of the map
	Forces []force  // by tag
	was    bool     // something was in override when this Step began
	ends   []string // by override of the map: why its grant ends in this Step, "" where it does not
}

func newOverrides(m *iomap.Map) (o overrides) {
	if n := len(m.Overrides); n > 0 {
		o.Grants, o.Forces, o.ends = make([]grant, n), make([]force, len(m.Tags)), make([]string, n)
	}
	return o
}

// sound tells whether what was read back can have come to be.
func (m *Machine) soundOverrides() bool {
	o, list := &m.ov, m.b.Plan.Map.Overrides
	active, taken := int32(0), int32(0)
	for i := range o.Grants {
		g := &o.Grants[i]
		if int(g.Role) >= len(list[i].Roles) || g.Length > MaxDetail {
			return false
		}
		if g.Number != 0 {
			active++
		}
	}
	for id := range o.Forces {
		switch f := &o.Forces[id]; {
		case f.By == 0:
		case int(f.By) > len(list) || o.Grants[f.By-1].Number == 0 || !slices.Contains(list[f.By-1].Tags, tag.ID(id)):
			return false
		default:
			taken++
		}
	}
	return active == o.Active && taken == o.Taken
}

// forced returns the value that somebody has given a tag; ok is false where nobody has.
func (m *Machine) forced(id tag.ID) (f *force, ok bool) {
	if int(id) >= len(m.ov.Forces) || m.ov.Forces[id].By == 0 {
		return nil, false
	}
	return &m.ov.Forces[id], true
}

// Forced tells whether a tag is in override: an output that a person has set, or an input to which he has given a value.
func (m *Machine) Forced(id tag.ID) bool {
	_, ok := m.forced(id)
	return ok
}

// untilOver is the engine time at which the next grant ends by itself, timebase.Never where none will.
func (m *Machine) untilOver() int64 {
	due := timebase.Never
	for i := range m.ov.Grants {
		if g := &m.ov.Grants[i]; m.ov.Active > 0 && g.Number != 0 {
			due = min(due, g.Until)
		}
	}
	return due
}

// overDue takes in which grants have run out of time.
func (m *Machine) overDue(fx []Effect) []Effect {
	for i := range m.ov.Grants {
		if g := &m.ov.Grants[i]; m.ov.Active > 0 && g.Number != 0 && g.Until <= m.now {
			fx = m.ending(i, "expired", fx)
		}
	}
	return fx
}

// ending takes in that a grant ends in this Step. Inputs are given back before anything is decided by them; where outputs go is only known
// when all else is decided, and overLook ends the grant then.
func (m *Machine) ending(i int, why string, fx []Effect) []Effect {
	m.ov.ends[i] = why
	for id := range m.ov.Forces {
		if int(m.ov.Forces[id].By) == i+1 && !m.b.Plan.Map.Tags[id].Output {
			fx = m.giveBack(tag.ID(id), why, fx)
		}
	}
	return fx
}

// overBoot ends the grants that do not outlive a start of the controller, and counts the time without supply for those that do.
func (m *Machine) overBoot(ev *Event, fx []Effect) []Effect {
	lossMS := ev.LossMS
	if ev.Recovery == "" { // such a boot says nothing of before
		lossMS = -1
	}
	for i := range m.ov.Grants {
		g := &m.ov.Grants[i]
		switch {
		case g.Number == 0:
		case !m.b.Plan.Map.Overrides[i].OverBoot:
			fx = m.ending(i, "the controller came up, which ends it", fx)
		case lossMS < 0:
			fx = m.ending(i, "the controller came up, and nobody knows for how long it was down", fx)
		default:
			// Engine time has stood still, for a millisecond more than was told at most.
			if g.Until -= min(lossMS, iomap.MaxOverrideTime/1_000_000)*1_000_000 + 1_000_000; g.Until <= m.now {
				fx = m.ending(i, "expired while the controller was down, for "+seconds(lossMS*1_000_000), fx)
				continue
			}
			fx = m.granted(i, "continued", "", "the controller came up; it was down for "+seconds(lossMS*1_000_000)+", which counts", fx)
		}
	}
	return fx
}

// overLook ends the grants whose time is over or whose conditions hold no more. It is asked when all else of a Step is decided. What became due in the Step in
// which an output was to be taken may have kept it from that.
func (m *Machine) overLook(fx []Effect) []Effect {
	for o, id := range m.form.prog.outputs {
		if m.ov.Taken > 0 && m.Forced(id) && !m.seq.Overridden(o) {
			value, _ := m.seq.Commanded(o)
			fx = m.cleared(id, o, value, "something else came first", fx)
		}
	}
	for i := range m.ov.Grants {
		if m.ov.Active == 0 || m.ov.Grants[i].Number == 0 {
			continue
		}
		if why := cmp.Or(m.ov.ends[i], m.unfit(i)); why != "" {
			fx = m.revoke(i, why, fx)
		}
	}
	return fx
}

// overEnd ends all grants, with the batch.
func (m *Machine) overEnd(fx []Effect) []Effect {
	for i := range m.ov.Grants {
		if m.ov.Grants[i].Number != 0 {
			fx = m.revoke(i, batchDone, fx)
		}
	}
	return fx
}

const batchDone = "the batch is over"

// unfit says which condition of an override does not hold; "" where all do.
func (m *Machine) unfit(i int) string {
	o, s := &m.b.Plan.Map.Overrides[i], m.seq.State(0)
	switch {
	case m.st.Ended || s.Terminal():
		return batchDone
	case o.Held && s != sequencer.Idle && s != sequencer.Held && s != sequencer.Paused:
		return "it may be had only while the batch is Idle, Held or Paused, and it is " + s.String()
	case o.When != nil && o.When.Eval(m.io, m.now, nil) != cond.True:
		return "its condition does not hold: " + o.Text + "; " + strings.Join(m.used(o.Used), ", ")
	}
	return ""
}

// overrideOrder carries out an order about overrides, and answers it.
func (m *Machine) overrideOrder(ev *Event, fx []Effect) []Effect {
	m.tell(sequencer.Event{Kind: sequencer.Input}) // of what comes of it
	if m.st.Ended {
		return m.answer(ev, batchOver, fx)
	}
	switch ev.Command {
	case sequencer.OverrideGrant:
		return m.grants(ev, fx)
	case sequencer.OverrideSet:
		return m.takes(ev, fx)
	case sequencer.OverrideClear:
		id, ok := m.b.Plan.Map.Lookup(ev.Name)
		switch {
		case !ok:
			return m.answer(ev, m.noTag(ev.Name), fx)
		case !m.Forced(id):
			return m.result(ev, sequencer.NoOp, ev.Name+" is not in override", fx)
		}
		return m.giveBack(id, "cleared by "+ev.Operator, m.answer(ev, "", fx))
	}
	i := m.b.Plan.Map.Override(ev.Name)
	switch {
	case i < 0:
		return m.answer(ev, m.noOverride(ev.Name), fx)
	case m.ov.Grants[i].Number == 0:
		return m.result(ev, sequencer.NoOp, "nobody has it", fx)
	}
	return m.revoke(i, "revoked by "+ev.Operator, m.answer(ev, "", fx))
}

func (m *Machine) noTag(name string) string {
	return fmt.Sprintf("the I/O map %s has no tag %+q", m.b.Plan.Map.ID, name)
}

func (m *Machine) noOverride(name string) string {
	var ids []string
	for i := range m.b.Plan.Map.Overrides {
		ids = append(ids, m.b.Plan.Map.Overrides[i].ID)
	}
	if len(ids) == 0 {
		return fmt.Sprintf("the I/O map %s lets nobody override anything", m.b.Plan.Map.ID)
	}
	return fmt.Sprintf("the I/O map %s has no override %+q; it has %s", m.b.Plan.Map.ID, name, strings.Join(ids, ", "))
}

// grants gives a permission to somebody.
func (m *Machine) grants(ev *Event, fx []Effect) []Effect {
	i := m.b.Plan.Map.Override(ev.Name)
	if i < 0 {
		return m.answer(ev, m.noOverride(ev.Name), fx)
	}
	g, o := &m.ov.Grants[i], &m.b.Plan.Map.Overrides[i]
	time, why := duration(ev.Value, o.Limit)
	role := slices.Index(o.Roles, ev.Role)
	switch {
	case role < 0:
		why = fmt.Sprintf("role %+q may not have it; it is for %s", ev.Role, strings.Join(o.Roles, ", "))
	case ev.Reason == "" || ev.Operator == "" || len(ev.Operator) > MaxDetail:
		why = "it needs an operator and a reason"
	case g.Number != 0:
		why = fmt.Sprintf("%s has it for %s more; revoke it first", g.who(), seconds(g.Until-m.now))
	case why == "":
		why = m.unfit(i)
	}
	if fx = m.answer(ev, why, fx); why != "" {
		return fx
	}
	m.ov.overRoot.Grants++
	m.ov.Active++
	*g = grant{Number: m.ov.overRoot.Grants, Until: m.now + time, Role: uint8(role), Length: uint8(len(ev.Operator))}
	copy(g.Who[:], ev.Operator)
	g.Record = m.next
	return m.granted(i, "granted", ev.Reason, "", fx)
}

// duration reads for how long a grant shall be, in ns.
func duration(text string, limit int64) (ns int64, why string) {
	q, err := quantity.Parse(text)
	if err == nil {
		ns, err = q.Nanoseconds()
	}
	switch {
	case err != nil || !q.Unit.Compatible("s"):
		return 0, fmt.Sprintf("%+q is no time; write one such as 10 min", text)
	case ns <= 0 || ns > limit || ns%1_000_000 != 0:
		return 0, fmt.Sprintf("%+q is not allowed; it may be had for whole milliseconds, and %s at most", text, seconds(limit))
	}
	return ns, ""
}

// takes gives a tag the value that its holder orders.
func (m *Machine) takes(ev *Event, fx []Effect) []Effect {
	id, ok := m.b.Plan.Map.Lookup(ev.Name)
	if !ok {
		return m.answer(ev, m.noTag(ev.Name), fx)
	}
	i, why := m.holds(ev, id)
	value := int64(0)
	if why == "" {
		value, why = m.given(id, ev.Value)
	}
	output := slices.Index(m.form.prog.outputs, id)
	if why == "" && output >= 0 {
		var g sequencer.Gate
		why, g = m.seq.MayOverride(output, value)
		why = m.because(why, g)
	}
	if fx = m.answer(ev, why, fx); why != "" {
		return fx
	}
	fx = m.took(i, id, output, value, ev.Reason, fx)
	if output >= 0 {
		m.tell(sequencer.Event{Kind: sequencer.Override, Output: output, Value: value, OK: true})
		return fx
	}
	m.marksWindows(id)
	m.seq.Touch(id)
	return fx
}

// holds finds the grant by which an operator may take a tag, or says why there is none.
func (m *Machine) holds(ev *Event, id tag.ID) (i int, why string) {
	list := m.b.Plan.Map.Overrides
	why = "no override of the I/O map " + m.b.Plan.Map.ID + " names it"
	for i := range list {
		g := &m.ov.Grants[i]
		f, taken := m.forced(id)
		switch {
		case !slices.Contains(list[i].Tags, id):
			continue
		case g.Number == 0:
			why = "nobody has " + list[i].ID + "; it must be granted first"
			continue
		case g.who() != ev.Operator:
			why = list[i].ID + " is granted to " + g.who()
			continue
		case list[i].Roles[g.Role] != ev.Role:
			why = fmt.Sprintf("%s is granted to %s as %s, not as %+q", list[i].ID, g.who(), list[i].Roles[g.Role], ev.Role)
			continue
		case taken && int(f.By) != i+1:
			return i, list[f.By-1].ID + " has it already; clear it first"
		}
		return i, ""
	}
	return 0, why
}

// given reads the value that a tag is to have.
func (m *Machine) given(id tag.ID, text string) (v int64, why string) {
	t := &m.b.Plan.Map.Tags[id]
	if t.Type == iomap.Switch {
		if i := slices.Index(t.Words[:], text); i >= 0 {
			return int64(i), ""
		}
		return 0, fmt.Sprintf("%+q is not a value of %s; it is %s or %s", text, t.Name, t.Words[0], t.Words[1])
	}
	q, err := quantity.Parse(text)
	if err == nil {
		v, err = q.Counts(t.Resolution)
	}
	if err != nil {
		return 0, fmt.Sprintf("%+q is not a value of %s; write one such as %s", text, t.Name, shown(t, 1))
	}
	if (t.Output || t.Valid) && (v < t.Min || v > t.Max) {
		return 0, fmt.Sprintf("%s is to be from %s to %s", t.Name, shown(t, t.Min), shown(t, t.Max))
	}
	return v, ""
}

// marksWindows marks the open windows of whose meter a tag is a source.
func (m *Machine) marksWindows(id tag.ID) {
	for w := range m.form.prog.wins {
		if m.isOpen(w) && m.feedsWindow(w, id) {
			m.refs.Facts[w].Anomalies |= metering.Forced
		}
	}
}

// feedsWindow tells whether a tag is a source of a window's meter.
func (m *Machine) feedsWindow(w int, id tag.ID) bool {
	meter := m.form.prog.wins[w].meter
	return meter.Source == id || meter.Second.Source == id || meter.Totalizer == id || meter.Identity == id || meter.Historian == id
}

// opensForced marks a window that opens while a source of its meter is in override.
func (m *Machine) opensForced(w int) {
	for id := range m.ov.Forces {
		if m.ov.Taken > 0 && m.ov.Forces[id].By != 0 && m.feedsWindow(w, tag.ID(id)) {
			m.refs.Facts[w].Anomalies |= metering.Forced
		}
	}
}
