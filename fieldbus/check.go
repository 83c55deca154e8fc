// Check: what a tag map and an I/O map say of the same channels, held against each other.

package fieldbus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Check looks for what a tag map and an I/O map that can both be read have wrong together: channels with another form, unit, scale
// or direction than their points, values that are never fresh enough, outputs that are not read back, decisions by what is only
// watched, points that are written twice. What is [iomap.Wrong] cannot work: no batch is bound to it, and a package of one is a
// breach, so what one build has let through no later one may call wrong. Decides tells of which tags a recipe decides, beside what
// the map itself goes by; nil: of none. The findings stand in the order of the I/O map, then in that of the tag map. It changes
// nothing.
func Check(t *TagMap, m *iomap.Map, decides func(id tag.ID) bool) []iomap.Finding {
	c := checker{t: t, m: m, on: make([]*Tag, len(m.Tags)), used: make([]bool, len(t.Tags)), gates: make([]string, len(m.Tags))}
	c.join(decides)
	for i := range m.Tags {
		if c.on[i] != nil {
			c.where = m.Tags[i].Name
			c.channel(&m.Tags[i], c.on[i], c.gates[i])
		}
	}
	for i := range m.Meters {
		c.meter(&m.Meters[i])
	}
	c.twice()
	c.where = "map"
	c.spare()
	for i := range t.Devices {
		c.device(i)
	}
	for i := range t.Classes {
		c.where = "class " + t.Classes[i].Name
		if !slices.ContainsFunc(t.Tags, func(g Tag) bool { return g.Class == i }) {
			c.find(iomap.Note, "leave it out", "no tag is in it")
		}
	}
	return c.out
}

// checker collects findings.
type checker struct {
	t     *TagMap
	m     *iomap.Map
	on    []*Tag   // by tag of the I/O map: that of the bus; nil: it is on none
	used  []bool   // by tag of the tag map: the I/O map has it
	gates []string // by tag of the I/O map: what decides by it, "" nothing
	where string
	out   []iomap.Finding
}

func (c *checker) find(s iomap.Severity, do, format string, args ...any) {
	c.out = append(c.out, iomap.Finding{Severity: s, Where: c.where, Text: fmt.Sprintf(format, args...), Do: do})
}

// join finds which channel is which, and what decides by it.
func (c *checker) join(decides func(id tag.ID) bool) {
	place := make(map[string]int, len(c.t.Tags))
	for i := range c.t.Tags {
		place[c.t.Tags[i].Channel] = i
	}
	for i := range c.m.Tags {
		if k, ok := place[c.m.Tags[i].Channel]; ok {
			c.on[i], c.used[k] = &c.t.Tags[k], true
		}
	}
	by := func(what string, ids ...tag.ID) {
		for _, id := range ids {
			if int(id) < len(c.gates) && c.gates[id] == "" {
				c.gates[id] = what
			}
		}
	}
	for i := range c.m.Interlocks {
		by("interlock "+c.m.Interlocks[i].ID, c.m.Interlocks[i].Used...)
	}
	for i := range c.m.Meters {
		m := &c.m.Meters[i]
		by("meter "+m.Name, m.Source, m.Second.Source)
	}
	for i := range c.m.Tags {
		by("the output "+c.m.Tags[i].Name, c.m.Tags[i].Faults.Depends...)
	}
	for i := range c.m.Overrides {
		by("override "+c.m.Overrides[i].ID, c.m.Overrides[i].Used...)
	}
	if trip := c.m.Trip; trip != nil {
		for _, n := range trip.Confirm {
			if n.Op >= cond.Eq && n.Op != cond.Elapsed {
				by("trip_request", n.Tag)
			}
		}
	}
	for i := range c.m.Tags {
		if decides != nil && decides(tag.ID(i)) {
			by("the recipe", tag.ID(i))
		}
	}
}

// channel holds one channel against its point.
func (c *checker) channel(t *iomap.Tag, g *Tag, gates string) {
	p := c.t.PointOf(g)
	c.access(t, p)
	c.fresh(t, g, p)
	if c.t.Classes[g.Class].Plane == Telemetry {
		class := c.t.Classes[g.Class].Name
		switch {
		case t.Output:
			c.find(iomap.Warning, "put it into a control class", "it is an output, and class %s is telemetry: how it reads back may come late", class)
		case gates != "":
			c.find(iomap.Warning, "put it into a control class", "%s goes by it, and class %s is telemetry: it may come late", gates, class)
		}
	}
	if p.Type.Form() != t.Form {
		c.find(iomap.Wrong, "let type and form be of one kind", "its form is %s, and point %s is %s", t.Form, p.Name, p.Type)
		return
	}
	switch t.Type {
	case iomap.Number:
		c.scale(t, p)
		c.holds(t, p)
	case iomap.Counter:
		one := quantity.Quantity{Coef: 1, Unit: t.Unit}
		switch {
		case p.Unit != "" && !p.Unit.Compatible(t.Unit):
			c.find(iomap.Wrong, "give both the unit of what is counted", "it counts %s, and point %s is measured in %s", t.Unit, p.Name, p.Unit)
		case p.Scale.Given && (!same(one, p.Scale.Gain) || p.Scale.Offset.Coef != 0):
			c.find(iomap.Wrong, "make it a number of method totalizer, or leave the scaling out",
				"it is a counter, and one on the wire of point %s stands for %s from %s", p.Name, p.Scale.Gain, p.Scale.Offset)
		}
	}
}

// access holds the direction against what the device lets be done.
func (c *checker) access(t *iomap.Tag, p *Point) {
	switch {
	case t.Output && p.Access == ReadOnly:
		c.find(iomap.Wrong, "bind it to a point of access rw or w", "it is an output, and point %s is read only", p.Name)
	case !t.Output && p.Access == WriteOnly:
		c.find(iomap.Wrong, "bind it to a point of access r or rw", "it is an input, and point %s is only written", p.Name)
	case t.Output && p.Access == WriteOnly && t.StaleAfter != 0:
		c.find(iomap.Wrong, "leave its stale_after out, or bind it to a point of access rw", "it is to be read back, and point %s is only written", p.Name)
	case t.Output && p.Access == WriteOnly:
		c.find(iomap.Warning, "bind it to a point of access rw if the device has one", "it cannot be read back: after a write of unknown outcome nobody knows its value")
	case t.Output && t.StaleAfter == 0:
		c.find(iomap.Warning, "give it a stale_after", "point %s can be read, and the I/O map does not have it read back", p.Name)
	}
}

// fresh holds the age that a value may have against how often it is read, and against what the tag map allows.
func (c *checker) fresh(t *iomap.Tag, g *Tag, p *Point) {
	every := c.t.Classes[g.Class].Every
	const longer = "make stale_after longer than three readings take"
	switch {
	case p.Access == WriteOnly || t.StaleAfter == 0:
	case t.StaleAfter <= every:
		c.find(iomap.Wrong, longer, "it is read every %s and STALE after %s: it is STALE between two readings, and no gate on it can last",
			span(every), span(t.StaleAfter))
	case t.StaleAfter < 2*every:
		c.find(iomap.Warning, longer, "it is read every %s and STALE after %s: one reading that is lost makes it STALE", span(every), span(t.StaleAfter))
	}
	switch {
	case p.Access == WriteOnly || t.StaleAfter == 0:
	case t.StaleAfter < g.StaleAfter:
		c.find(iomap.Warning, "let both say the same", "it is STALE after %s, and its tag map lets it be as old as %s: the shorter time counts",
			span(t.StaleAfter), span(g.StaleAfter))
	case g.StaleAfter <= every:
		c.find(iomap.Warning, "make stale_after of the tag map longer than three readings take",
			"it is read every %s, and by its tag map STALE after %s: it is STALE between two readings", span(every), span(g.StaleAfter))
	}
}

// same tells whether two quantities are the same amount.
func same(a, b quantity.Quantity) bool {
	order, err := a.Cmp(b)
	return err == nil && order == 0
}

// scale holds unit, gain and offset of a number against those of its point.
func (c *checker) scale(t *iomap.Tag, p *Point) {
	const both = "let the I/O map and the profile say the same of it"
	one := quantity.Quantity{Coef: 1, Unit: p.Unit}
	switch {
	case p.Unit != "" && !p.Unit.Compatible(t.Unit):
		c.find(iomap.Wrong, both, "it is measured in %s, and point %s in %s", t.Unit, p.Name, p.Unit)
	case p.Scale.Given && !same(t.Gain, p.Scale.Gain):
		c.find(iomap.Wrong, both, "its gain is %s, and that of point %s is %s", t.Gain, p.Name, p.Scale.Gain)
	case p.Scale.Given && !same(t.Offset, p.Scale.Offset):
		c.find(iomap.Wrong, both, "its offset is %s, and that of point %s is %s", t.Offset, p.Name, p.Scale.Offset)
	case p.Scale.Given || p.Unit == "":
	case t.Form != tag.Int && (!same(t.Gain, one) || t.Offset.Coef != 0):
		c.find(iomap.Warning, "give the point a scaling if it is so", "point %s is a float in %s, and one of it is taken for %s from %s",
			p.Name, p.Unit, t.Gain, t.Offset)
	}
}

// holds finds what an output may be and its point cannot, and what an input cannot tell.
func (c *checker) holds(t *iomap.Tag, p *Point) {
	low, high := p.Type.Range()
	switch {
	case !t.Output && p.Type == Uint64:
		c.find(iomap.Note, "nothing has to be done if it stays below that", "point %s has 64 bits without sign, and from 2^63 on it reads as below zero", p.Name)
	case !t.Output || p.Type.Form() != tag.Int:
	default:
		for _, v := range [...]struct {
			name string
			v    int64
		}{{"min", t.Min}, {"max", t.Max}, {"safe_value", t.Safe}} {
			if bits, ok := t.Wire(v.v); ok && (int64(bits) < low || int64(bits) > high) {
				c.find(iomap.Wrong, "narrow min and max, or use a wider point", "its %s is %d on the wire, and point %s, %s, holds %d to %d",
					v.name, int64(bits), p.Name, p.Type, low, high)
			}
		}
	}
}

// meter holds the width at which counters roll over against their points.
func (c *checker) meter(m *iomap.Meter) {
	c.where = "meter " + m.Name
	for _, s := range [...]struct {
		id   tag.ID
		bits uint8
	}{{m.Source, m.Bits}, {m.Second.Source, m.Second.Bits}} {
		if int(s.id) >= len(c.on) || c.on[s.id] == nil || s.bits == 0 {
			continue
		}
		switch p := c.t.PointOf(c.on[s.id]); {
		case p.Type.Form() != tag.Int:
		case p.Type.Bits() < int(s.bits):
			c.find(iomap.Wrong, "give bits as the point has them", "%s is to roll over at %d bits, and point %s has %d", c.m.Tags[s.id].Name, s.bits, p.Name, p.Type.Bits())
		case p.Type.Bits() > int(s.bits):
			c.find(iomap.Warning, "make sure that the device counts so", "%s is to roll over at %d bits, and point %s has %d", c.m.Tags[s.id].Name, s.bits, p.Name, p.Type.Bits())
		}
	}
}

// twice finds points that several channels are bound to, and addresses that several points have.
func (c *checker) twice() {
	type place struct {
		device int
		at     string
	}
	first := map[place]tag.ID{}
	for i := range c.m.Tags {
		t, g := &c.m.Tags[i], c.on[i]
		if g == nil {
			continue
		}
		p := c.t.PointOf(g)
		key := place{g.Device, strings.ToLower(strings.Join(strings.Fields(p.At), " "))}
		other, ok := first[key]
		if !ok {
			first[key] = tag.ID(i)
			continue
		}
		o := &c.m.Tags[other]
		c.where = t.Name
		switch where := c.t.Devices[g.Device].Name + ", " + p.At; {
		case t.Output && o.Output:
			c.find(iomap.Wrong, "bind each output to a point of its own", "it is at %s, as is %s, and both are outputs", where, o.Name)
		case t.Output || o.Output:
			c.find(iomap.Warning, "an output is read back under its own name: give it a stale_after instead", "it is at %s, as is %s, of which one is an output", where, o.Name)
		default:
			c.find(iomap.Note, "bind each point once", "it is at %s, as is %s", where, o.Name)
		}
	}
}

// spare names channels that only one of the two has.
func (c *checker) spare() {
	var bus, board []string
	for i := range c.t.Tags {
		if !c.used[i] {
			bus = append(bus, c.t.Tags[i].Channel)
		}
	}
	for i := range c.m.Tags {
		if c.on[i] == nil {
			board = append(board, c.m.Tags[i].Channel)
		}
	}
	if len(bus) > 0 {
		c.find(iomap.Note, "nothing has to be done if they are only watched", "the I/O map uses none of %s of the tag map", few(bus))
	}
	if len(board) > 0 {
		c.find(iomap.Note, "make sure that a board has them", "%s of the I/O map are on no bus", few(board))
	}
}

// few is a list of names, of which a long one is cut.
func few(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// device looks at what is declared of a device.
func (c *checker) device(i int) {
	d := &c.t.Devices[i]
	c.where = "device " + d.Name
	tagged, control := false, false
	for k := range c.t.Tags {
		g := &c.t.Tags[k]
		if g.Device != i {
			continue
		}
		tagged, control = true, control || c.t.Classes[g.Class].Plane == Control
		if p := d.Heartbeat; p != nil && g.Point == p.Index && p.Access != ReadOnly {
			c.find(iomap.Wrong, "count up a point that nothing else is bound to", "its heartbeat counts up point %s, to which channel %s is bound", p.Name, g.Channel)
		}
	}
	switch {
	case !tagged:
		c.find(iomap.Note, "leave it out, or give it tags", "no tag is of it")
	case control && d.Latency == 0:
		c.find(iomap.Note, "give it a latency_budget", "control goes by it, and nothing says how long a read or write may take")
	case control && d.Reconnect == 0:
		c.find(iomap.Note, "give it a reconnect", "control goes by it, and nothing says within which time a lost link is up again")
	}
}
