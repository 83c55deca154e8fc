// The difference of two versions of a map, in words.

package iomap

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/iomap/tag"
)

// ChangeClass is what a Change means for who uses the map.
type ChangeClass uint8

// The classes, the gravest last.
const (
	Compatible ChangeClass = iota // a batch decides what it did before; what people read may be another
	Decides                       // a batch may decide something else
	Removes                       // something is gone, or has another meaning, that a recipe may name or people rely on
)

// String gives the word that a report begins with: compatible, decides or removes.
func (c ChangeClass) String() string {
	return [...]string{"compatible", "decides", "removes"}[min(c, Removes)]
}

// Change is one difference of two versions of a map.
type Change struct {
	Class ChangeClass
	Text  string // a sentence
}

// String gives class and sentence.
func (c Change) String() string { return c.Class.String() + ": " + c.Text }

// Diff says in sentences what becomes other when map b takes the place of map a: header, tags with what becomes of them in faults,
// meters, units, interlocks, alarms, resources, trip request, overrides, in the order of b's file and what is gone first. Each is known by
// its name, so one that was renamed is gone and new. How a file is laid out is no difference, nor how a quantity's decimals are written
// where it stands for the same counts. No sentence: a and b say the same.
func Diff(a, b *Map) []Change {
	d := differ{}
	d.facts("Map", a.header(), b.header())
	diff(&d, "Tag", a.Tags, b.Tags, func(t *Tag) string { return t.Name }, Compatible, a.tagFacts, b.tagFacts)
	diff(&d, "Meter", a.Meters, b.Meters, func(m *Meter) string { return m.Name }, Compatible, a.meterFacts, b.meterFacts)
	diff(&d, "Unit", a.Units, b.Units, func(u *Unit) string { return u.Name }, Decides, a.unitFacts, b.unitFacts)
	diff(&d, "Interlock", a.Interlocks, b.Interlocks, func(i *Interlock) string { return i.ID }, Decides, a.interlockFacts, b.interlockFacts)
	diff(&d, "Alarm", a.Alarms, b.Alarms, func(r *Alarm) string { return r.ID }, Decides, a.alarmFacts, b.alarmFacts)
	if (a.Resources == nil) != (b.Resources == nil) {
		text := map[bool]string{true: "The list of resources is gone: a recipe may name what it likes",
			false: "There is a list of resources now: a recipe may name nothing else"}[b.Resources == nil]
		d.say(Removes, "%s", text)
	}
	diff(&d, "Resource", a.Resources, b.Resources, func(r *Resource) string { return r.Name }, Compatible, resourceFacts, resourceFacts)
	d.trip(a, b)
	diff(&d, "Override", a.Overrides, b.Overrides, func(o *Override) string { return o.ID }, Decides, a.overrideFacts, b.overrideFacts)
	return d.out
}

// fact is one thing that a map says of an item. "" is that it says nothing.
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

// facts compares what two versions say of one item: facts of the same name, in the order of the newer version.
func (d *differ) facts(of string, a, b []fact) {
	orNone := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	for i := range a {
		if !slices.ContainsFunc(b, func(f fact) bool { return f.what == a[i].what }) && a[i].text != "" {
			d.say(a[i].class, "%s, %s: was %s, is now none", of, a[i].what, a[i].text)
		}
	}
	for i := range b {
		was := ""
		if k := slices.IndexFunc(a, func(f fact) bool { return f.what == b[i].what }); k >= 0 {
			was = a[k].text
		}
		if was != b[i].text {
			d.say(b[i].class, "%s, %s: was %s, is now %s", of, b[i].what, orNone(was), orNone(b[i].text))
		}
	}
}

// diff compares two lists of items that are known by their names. fresh is the class of one that is new.
func diff[T any](d *differ, kind string, a, b []T, name func(*T) string, fresh ChangeClass, was, is func(*T) []fact) {
	find := func(list []T, of string) *T {
		for i := range list {
			if name(&list[i]) == of {
				return &list[i]
			}
		}
		return nil
	}
	order := func(list, other []T) (names []string) {
		for i := range list {
			if n := name(&list[i]); find(other, n) != nil {
				names = append(names, n)
			}
		}
		return names
	}
	for i := range a {
		if find(b, name(&a[i])) == nil {
			d.say(Removes, "%s %s is removed; it was: %s", kind, name(&a[i]), listed(was(&a[i])))
		}
	}
	for i := range b {
		of := kind + " " + name(&b[i])
		if old := find(a, name(&b[i])); old != nil {
			d.facts(of, was(old), is(&b[i]))
		} else {
			d.say(fresh, "%s is new: %s", of, listed(is(&b[i])))
		}
	}
	if !slices.Equal(order(a, b), order(b, a)) {
		d.say(Decides, "The %ss stand in another order", strings.ToLower(kind))
	}
}

// listed is what a map says of an item, on one line.
func listed(facts []fact) string {
	var words []string
	for i := range facts {
		if facts[i].text != "" {
			words = append(words, facts[i].what+" "+facts[i].text)
		}
	}
	return strings.Join(words, ", ")
}

func (m *Map) header() []fact {
	return []fact{
		{"name", m.ID, Decides}, {"version", m.Version, Compatible}, {"device_id", m.Device, Compatible}, {"equipment_id", m.Equipment, Compatible},
		{"calibration", m.Calibration, Decides}, {"tag_map", m.TagMap, Decides}, {"order_tolerance", span(m.OrderTolerance), Decides},
	}
}

// timeWords is a time, "" for none.
func timeWords(ns int64) string {
	if ns == 0 {
		return ""
	}
	return span(ns)
}

// yes is what a truth is called in a list of facts: its name, or nothing.
func yes(v bool) string {
	if v {
		return "yes"
	}
	return ""
}

// name is that of a tag, "" for none.
func (m *Map) name(id tag.ID) string {
	if int(id) >= len(m.Tags) {
		return ""
	}
	return m.Tags[id].Name
}

func (m *Map) names(ids []tag.ID) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = m.name(id)
	}
	return strings.Join(list, " ")
}

// displayWords is how people are shown a quantity.
func displayWords(d Display) string {
	if d.Unit == "" {
		return ""
	}
	return string(d.Unit) + " with " + strconv.Itoa(int(d.Decimals)) + " decimals"
}

// filterWords is what stands between what is measured and what is used.
func filterWords(f *Filter) string {
	switch f.Type {
	case MedianFilter:
		return "median of " + strconv.Itoa(f.Samples)
	case ExponentialFilter:
		return "exponential, time_constant " + span(f.Time)
	case DeviceFilter:
		return "in the device, delay " + span(f.Delay)
	}
	return ""
}

func (m *Map) tagFacts(t *Tag) []fact {
	limits := t.Output && t.Type == Number || t.Min != 0 || t.Max != 0
	words, low, high, safe := "", "", "", ""
	if t.Type == Switch {
		words = t.Words[0] + " and " + t.Words[1]
	}
	if limits {
		low, high = t.text(t.Min), t.text(t.Max)
	}
	if t.Output {
		safe = t.text(t.Safe)
	}
	trigger := ""
	if t.Trigger != Level {
		trigger = t.Trigger.String()
	}
	return slices.Concat([]fact{
		{"direction", map[bool]string{true: "out", false: "in"}[t.Output], Removes},
		{"type", t.Type.String(), Removes},
		{"physical_channel", t.Channel, Decides},
		{"protocol_binding", t.Binding, Compatible},
		{"form", t.Form.String(), Decides},
		{"unit", string(t.Unit), Removes},
		{"resolution", amount(t.Resolution), Decides},
		{"gain", amount(t.Gain), Decides},
		{"offset", amount(t.Offset), Decides},
		{"polarity", map[bool]string{true: "inverted", false: ""}[t.Invert], Decides},
		{"words", words, Removes},
		{"stale_after", timeWords(t.StaleAfter), Decides},
		{"debounce", timeWords(t.Debounce), Decides},
		{"trigger", trigger, Decides},
		{"pulse", timeWords(t.Pulse), Decides},
		{"filter", filterWords(&t.Filter), Decides},
		{"BAD outside of min and max", yes(t.Valid), Decides},
		{"min", low, Decides},
		{"max", high, Decides},
		{"safe_value", safe, Decides},
		{"display", displayWords(t.Display), Compatible},
	}, m.faultFacts(t))
}

// faultFacts are what becomes of an output in a fault of each class, also where the file leaves it to the default. Of the one that
// requests a trip there are none.
func (m *Map) faultFacts(t *Tag) (facts []fact) {
	if !t.Output || m.requests(t) {
		return nil
	}
	for class := InputInvalid; class < FaultClasses; class++ {
		p := t.Fault(class)
		text := p.State.String()
		switch {
		case p.State == KeepState:
		case p.Value == t.Safe:
			text += " at its safe_value"
		default:
			text += " at " + t.text(p.Value)
		}
		facts = append(facts, fact{"in " + class.String(), text + ", back by " + p.Recover.String(), Decides})
	}
	return append(facts, fact{"depends_on", m.names(t.Faults.Depends), Decides}, fact{"resource", m.part(t), Decides})
}
