// What a map says of its meters, units, interlocks, alarms, resources, trip request and overrides, as facts that can be compared.

package iomap

import (
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
)

// whole is a number, "" for 0.
func whole(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// amount is a quantity, "" where there is none.
func amount(q quantity.Quantity) string {
	if q.Unit == "" && q.Coef == 0 {
		return ""
	}
	return q.String()
}

func (m *Map) meterFacts(t *Meter) []fact {
	tare := ""
	if t.Tare.Limited {
		tare = "at most " + strconv.FormatInt(t.Tare.Most, 10) + " counts"
	}
	if t.Tare.Stable {
		tare = strings.TrimPrefix(tare+", stable", ", ")
	}
	second := ""
	if name := m.name(t.Second.Source); name != "" {
		second = name + ", " + strconv.Itoa(int(t.Second.Bits)) + " bits, within " + strconv.FormatInt(t.Second.Within, 10)
	}
	rule := ""
	if t.Method == metering.Flow || t.Trapezoid {
		rule = map[bool]string{true: "trapezoid", false: "rectangle"}[t.Trapezoid]
	}
	direction := ""
	if t.Method == metering.Weight || t.Loss {
		direction = map[bool]string{true: "loss", false: "gain"}[t.Loss]
	}
	historian := m.name(t.Historian)
	if t.External {
		historian = "external"
	}
	return []fact{
		{"method", t.Method.String(), Decides},
		{"source", m.name(t.Source), Decides},
		{"bits", whole(int64(t.Bits)), Decides},
		{"modulus in counts", whole(t.Modulus), Decides},
		{"most counts in a second", whole(t.Most), Decides},
		{"second", second, Decides},
		{"resolution", amount(t.Resolution), Decides},
		{"display", displayWords(t.Display), Compatible},
		{"integration", rule, Decides},
		{"low_cutoff in counts, or ns between pulses", whole(t.Cutoff), Decides},
		{"direction", direction, Decides},
		{"tare", tare, Decides},
		{"stable within, in counts", whole(t.Within), Decides},
		{"stable for", timeWords(t.Settled), Decides},
		{"totalizer", m.name(t.Totalizer), Decides},
		{"totalizer_modulus in counts", whole(t.TotalizerModulus), Decides},
		{"tolerance", amount(t.Tolerance), Decides},
		{"sample_period", timeWords(t.Period), Decides},
		{"filter", filterWords(&t.Filter), Decides},
		{"identity", m.name(t.Identity), Decides},
		{"historian", historian, Decides},
	}
}

func (m *Map) unitFacts(u *Unit) []fact {
	facts := []fact{{"class", u.Class, Removes}, {"priority", strconv.FormatInt(u.Priority, 10), Decides}}
	for i := range u.Capabilities {
		facts = append(facts, fact{"capability " + u.Capabilities[i].Name, u.Capabilities[i].String(), Decides})
	}
	for _, t := range u.Tags {
		facts = append(facts, fact{"tag " + t.Name, m.name(t.Tag), Removes})
	}
	for _, t := range u.Meters {
		name := ""
		if t.Meter < len(m.Meters) {
			name = m.Meters[t.Meter].Name
		}
		facts = append(facts, fact{"meter " + t.Name, name, Removes})
	}
	return facts
}

func (m *Map) interlockFacts(i *Interlock) []fact {
	vote, latch := "", ""
	if i.Vote != 0 || i.Filter.Window != 0 {
		vote = strconv.FormatInt(i.Vote, 10) + " % of " + span(i.Filter.Window)
	}
	if i.Kind == TripKind || i.Latch {
		latch = map[bool]string{true: "until_reset", false: "auto"}[i.Latch]
	}
	gates := m.names(i.Gates)
	if gates == "" {
		gates = "the start"
	}
	return []fact{
		{"kind", i.Kind.String(), Decides}, {"when", quoted(i.Text), Decides}, {"debounce", span(i.Filter.On), Decides}, {"vote", vote, Decides},
		{"latch", latch, Decides}, {"gates", gates, Decides}, {"reaction", i.Reaction.String(), Decides},
	}
}

func (m *Map) alarmFacts(a *Alarm) []fact {
	what := quoted(a.Text)
	if a.Fault != NoFault {
		of := m.name(a.Of)
		if a.Interlock >= 0 && a.Interlock < len(m.Interlocks) {
			of = m.Interlocks[a.Interlock].ID
		}
		if of == "" {
			of = "any"
		}
		what = a.Fault.String() + " of " + of
	}
	return []fact{
		{"message", quoted(a.Message), Compatible}, {"priority", a.Priority, Compatible}, {"raised by", what, Decides},
		{"delay", timeWords(a.Filter.On), Decides}, {"off_delay", timeWords(a.Filter.Off), Decides},
	}
}

func resourceFacts(r *Resource) []fact {
	equipment := r.Equipment
	if equipment == r.Name {
		equipment = ""
	}
	return []fact{{"owners", strconv.Itoa(r.Owners), Decides}, {"between_batches", yes(r.BetweenBatches), Decides}, {"equipment_id", equipment, Decides}}
}

// trip compares what a hard abort asks for.
func (d *differ) trip(a, b *Map) {
	facts := func(m *Map) []fact {
		t := m.Trip
		if t == nil {
			return nil
		}
		value := ""
		if int(t.Tag) < len(m.Tags) {
			value = m.Tags[t.Tag].text(t.Value)
		}
		confirm := ""
		if t.Confirm != nil {
			confirm = quoted(t.Text)
		}
		return []fact{{"tag", m.name(t.Tag), Decides}, {"value", value, Decides}, {"confirm", confirm, Decides}, {"within", span(t.Within), Decides}}
	}
	switch was, is := facts(a), facts(b); {
	case was != nil && is == nil:
		d.say(Removes, "The trip request is removed; it was: %s", listed(was))
	case was == nil && is != nil:
		d.say(Decides, "A trip request is new: %s", listed(is))
	default:
		d.facts("Trip request", was, is)
	}
}

func (m *Map) overrideFacts(o *Override) []fact {
	when := ""
	if o.When != nil {
		when = quoted(o.Text)
	}
	boot := "ends"
	if o.OverBoot {
		boot = "continues"
	}
	return []fact{
		{"tags", m.names(o.Tags), Decides}, {"roles", strings.Join(o.Roles, " "), Decides},
		{"held", yes(o.Held), Decides}, {"when", when, Decides}, {"limit", span(o.Limit), Decides}, {"over_boot", boot, Decides},
	}
}
