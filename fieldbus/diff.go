// The difference of two versions of a tag map or a profile, in words.

package fieldbus

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/metering/quantity"
)

// ChangeClass is what a Change means for who goes by the values.
type ChangeClass uint8

// The classes, the gravest last.
const (
	Compatible ChangeClass = iota // each value is what it was; how it is got may be another, and more may be there
	Changed                       // unit, scale or type of a value is another, or where it comes from, or for how long it counts
	Removed                       // something is gone that an I/O map or a person may go by
)

// String gives the word that a report begins with: compatible, changed or removed.
func (c ChangeClass) String() string {
	return [...]string{"compatible", "changed", "removed"}[min(c, Removed)]
}

// Change is one difference of two versions.
type Change struct {
	Class ChangeClass
	Text  string // a sentence
}

// String gives class and sentence.
func (c Change) String() string { return c.Class.String() + ": " + c.Text }

// Diff says in sentences what becomes other when tag map b takes the place of a: header, profiles with their points, devices, classes,
// tags, in the order of b's file and what is gone first. Each is known by its name, so one that was renamed is gone and new. How a
// file is laid out is no difference. No sentence: a and b say the same.
func Diff(a, b *TagMap) []Change {
	d := differ{}
	d.facts("Tag map", a.facts(), b.facts())
	list(&d, "Profile", a.Profiles, b.Profiles, func(p **Profile) string { return (*p).ID }, func(p **Profile) []fact { return (*p).facts() },
		func(a, b **Profile) { d.points("Profile "+(*a).ID+": point", *a, *b) })
	list(&d, "Device", a.Devices, b.Devices, func(v *Device) string { return v.Name }, (*Device).facts, nil)
	list(&d, "Class", a.Classes, b.Classes, func(c *Class) string { return c.Name }, (*Class).facts, nil)
	d.tags(a, b)
	return d.out
}

// DiffProfile does the same for two versions of a profile.
func DiffProfile(a, b *Profile) []Change {
	d := differ{}
	d.facts("Profile", append([]fact{{"name", a.ID, Changed}}, a.facts()...), append([]fact{{"name", b.ID, Changed}}, b.facts()...))
	d.points("Point", a, b)
	return d.out
}

// fact is one thing that a file says of an item; "" is that it says nothing.
type fact struct {
	what  string
	text  string
	class ChangeClass // of a change of it
}

// differ collects sentences.
type differ struct{ out []Change }

func (d *differ) say(class ChangeClass, format string, args ...any) {
	d.out = append(d.out, Change{class, fmt.Sprintf(format, args...) + "."})
}

// facts compares what two versions say of one item, each the same facts in the same order.
func (d *differ) facts(of string, a, b []fact) {
	orNone := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	for i := range b {
		if a[i].text != b[i].text {
			d.say(b[i].class, "%s, %s: was %s, is now %s", of, b[i].what, orNone(a[i].text), orNone(b[i].text))
		}
	}
}

// list compares two lists of items that are known by their names; both looks into an item that both have, beyond its facts.
func list[T any](d *differ, kind string, a, b []T, name func(*T) string, facts func(*T) []fact, both func(a, b *T)) {
	was, is := map[string]*T{}, map[string]*T{}
	for i := range a {
		was[name(&a[i])] = &a[i]
	}
	for i := range b {
		is[name(&b[i])] = &b[i]
	}
	for i := range a {
		if is[name(&a[i])] == nil {
			d.say(Removed, "%s %s is removed; it was: %s", kind, name(&a[i]), listed(facts(&a[i])))
		}
	}
	for i := range b {
		of := kind + " " + name(&b[i])
		old := was[name(&b[i])]
		if old == nil {
			d.say(Compatible, "%s is new: %s", of, listed(facts(&b[i])))
			continue
		}
		d.facts(of, facts(old), facts(&b[i]))
		if both != nil {
			both(old, &b[i])
		}
	}
}

// points compares the points of two versions of a profile.
func (d *differ) points(kind string, a, b *Profile) {
	list(d, kind, a.Points, b.Points, func(p *Point) string { return p.Name }, (*Point).facts, nil)
}

// tags compares the tags of two maps.
func (d *differ) tags(a, b *TagMap) {
	was, is := a.told(), b.told()
	list(d, "Tag", was, is, func(t *toldTag) string { return t.channel }, func(t *toldTag) []fact { return t.facts }, nil)
}

// toldTag is a tag with what it is by its map.
type toldTag struct {
	channel string
	facts   []fact
}

// told gives what each tag is by its map.
func (m *TagMap) told() []toldTag {
	out := make([]toldTag, len(m.Tags))
	for i := range m.Tags {
		t := &m.Tags[i]
		class := &m.Classes[t.Class]
		out[i] = toldTag{t.Channel, []fact{
			{"device", m.Devices[t.Device].Name, Changed},
			{"point", m.PointOf(t).Name, Changed},
			{"class", class.Name, Compatible},
			{"plane", class.Plane.String(), Changed},
			{"stale_after", span(t.StaleAfter), Changed},
		}}
	}
	return out
}

// listed is what a file says of an item, on one line.
func listed(facts []fact) string {
	var words []string
	for i := range facts {
		if facts[i].text != "" {
			words = append(words, facts[i].what+" "+facts[i].text)
		}
	}
	return strings.Join(words, ", ")
}

func (m *TagMap) facts() []fact {
	return []fact{{"name", m.ID, Changed}, {"version", m.Version, Compatible}, {"files of profiles", strings.Join(m.Files, " "), Compatible}}
}

// number is a whole number, "" for 0.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func (p *Profile) facts() []fact {
	l := &p.Limits
	hole := number(l.Hole)
	if l.Hole < 0 {
		hole = "no registers"
	}
	settings := make([]string, len(p.Settings))
	for i, s := range p.Settings {
		settings[i] = fmt.Sprintf("%s %q", s.Key, s.Text)
	}
	return []fact{
		{"version", p.Version, Compatible}, {"protocol", p.Protocol, Changed},
		{"settings", strings.Join(settings, ", "), Changed},
		{"read_registers", number(l.ReadRegisters), Compatible}, {"read_bits", number(l.ReadBits), Compatible},
		{"write_registers", number(l.WriteRegisters), Compatible}, {"write_bits", number(l.WriteBits), Compatible},
		{"hole", hole, Compatible}, {"in_flight", number(l.InFlight), Compatible},
		{"pause", span(l.Pause), Compatible}, {"connect_pause", span(l.ConnectPause), Compatible}, {"response", span(l.Response), Compatible},
		{"absent", strings.Join(l.Absent, ", "), Compatible},
	}
}

// amount is a quantity, "" where there is none.
func amount(q quantity.Quantity) string {
	if q.Unit == "" {
		return ""
	}
	return q.String()
}

func (p *Point) facts() []fact {
	scaling := ""
	if p.Scale.Given {
		scaling = "gain " + amount(p.Scale.Gain) + ", offset " + amount(p.Scale.Offset)
	}
	return []fact{
		{"at", p.At, Changed}, {"type", p.Type.String(), Changed}, {"length", number(p.Length), Changed}, {"order", p.Order.String(), Changed},
		{"unit", string(p.Unit), Changed}, {"scaling", scaling, Changed}, {"access", p.Access.String(), Changed},
	}
}

func (v *Device) facts() []fact {
	heartbeat, identify := "", ""
	if v.Heartbeat != nil {
		heartbeat = v.Heartbeat.Name + " every " + span(v.Beat)
	}
	if v.Identify != nil {
		identify = v.Identify.Name + " reads " + strconv.Quote(v.Identity)
	}
	return []fact{
		{"profile", v.Profile.ID, Changed}, {"endpoints", strings.Join(v.Endpoints, " "), Changed}, {"unit", strconv.Itoa(int(v.Unit)), Changed},
		{"reconnect", span(v.Reconnect), Compatible}, {"latency_budget", span(v.Latency), Compatible},
		{"heartbeat", heartbeat, Compatible}, {"identify", identify, Changed},
	}
}

func (c *Class) facts() []fact {
	return []fact{{"plane", c.Plane.String(), Changed}, {"every", span(c.Every), Compatible}}
}

// String gives the word that tag maps use: control or telemetry.
func (p Plane) String() string { return [...]string{"control", "telemetry"}[min(p, Telemetry)] }
