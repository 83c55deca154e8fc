// The file of unit runs: which definitions there are, for which units, and what controls and captures them.

package production

import (
	"cmp"
	_ "embed" // the schema
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
)

// MaxDefinitions is how many run definitions a file has at most: as many as one unit may have.
const MaxDefinitions = unitrun.MaxUnitSlots

// Definition is one run definition, for every unit that it fits.
type Definition struct {
	Name  string       // run_definition: what its runs are, such as Production
	Class string       // of units: all of that class have it
	Units []string     // units that have it, or, with Class, those of the class
	Slot  unitrun.Slot // how they are; ports are channels, with {{unit}} for the unit
	Tags  []Tag        // what is captured, in the order of Slot.Capture
}

// Tag is one value that is captured.
type Tag struct {
	Tag, Channel string            // {{unit}} in a channel stands for the unit
	Gain         quantity.Quantity // what 1 of the channel is; zero: the value is kept as the board says it
	Decimals     int               // to which it is rounded, half to even; -1: none is cut off
}

//go:embed runs.schema.json
var runsSchema string

// RunsSchema returns runs.schema.json, the JSON Schema (draft 2020-12) of files of unit runs, for editors. What it refuses
// ParseRuns refuses; ParseRuns refuses more. The caller owns the bytes.
func RunsSchema() []byte { return []byte(runsSchema) }

// ParseRuns reads a file of unit runs; file is the name that errors show. What is wrong is returned all at once, each error with
// line, column and the line itself.
//
//	schema_version: 1
//	run_definitions:
//	  - run_definition: Production
//	    class: REACTOR
//	    control: both
//	    identifier: {by: unit, prefix: P-, digits: 4}
//	    auto_create: true
//	    post_processing: true
//	    follow: {batches: true, at_abort: cancel}
//	    ports: {active: "{{unit}}/di/4"}
//	    capture:
//	      period: 1 s
//	      tags:
//	        - {logical_tag: WT301, physical_channel: "{{unit}}/ai/5", gain: 0.01 kg, decimals: 2}
//
// Units of the class, or those that units names, have the definition. Control is message, where nothing is said, signal or both;
// an identifier is by unit, where nothing is said, message or signal, and then port ident has it. Ports are create, active,
// ready, cancel and ident: a rising edge is the command, a falling one of active a pause, and a level that stays for less than
// 200 ms may be missed. With follow, a run is Active while a batch has the unit, and is then ready, or by at_abort cancelled
// where the batch was aborted, stopped or lost. Channels are those of this board, and what ident has is a number. A period is
// 100 ms to 1 h; of what is captured a kill loses what was not written yet, and the records say so. There may also be
// ready_from_created, link_while_paused, which is true where nothing is said, and test. RunsSchema says what each key is for.
func ParseRuns(file string, src []byte) ([]Definition, error) {
	doc := strictyaml.Parse(file, src, nil)
	f := doc.Root().Map()
	f.Req("schema_version").Int(1, 1)
	nodes := f.Req("run_definitions").List(MaxDefinitions)
	f.Done()
	var list []Definition
	names := map[string]int{}
	for _, n := range nodes {
		list = append(list, readDefinition(n, names))
	}
	if doc.Err() == nil { // of what is wrong for itself the rest is not told
		for i, n := range nodes {
			probe := list[i].configure("UNIT", "CLASS")
			if _, err := probe.Append(nil); err != nil {
				n.Errorf("run_definition %s: %s", list[i].Name, lastPart(err))
			}
		}
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return list, nil
}

// lastPart leaves of an error what the last of its parts says.
func lastPart(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, `": `); i >= 0 {
		text = text[i+3:]
	}
	return text
}

// readDefinition reads one definition.
func readDefinition(n strictyaml.Node, names map[string]int) (d Definition) {
	f := n.Map()
	name := f.Req("run_definition")
	d.Name = name.Ident()
	d.Slot.Definition = d.Name
	name.Once(names, d.Name, "run_definition")
	class, _ := f.Opt("class")
	d.Class = class.Ident()
	units, some := f.Opt("units")
	for _, u := range units.List(api.MaxNames) {
		d.Units = append(d.Units, u.Ident())
	}
	if !some && class.Kind() == strictyaml.Absent {
		n.Errorf("it has neither class nor units; say which units have runs of %s", d.Name)
	}
	flag := func(key string, other bool) bool {
		if v, ok := f.Opt(key); ok {
			return v.Bool()
		}
		return other
	}
	s := &d.Slot
	_ = s.Control.UnmarshalText([]byte(wordOr(f, "control", "message", "signal", "both")))
	s.AutoCreate, s.Post, s.Unstarted = flag("auto_create", false), flag("post_processing", false), flag("ready_from_created", false)
	s.PausedOff, s.Test = !flag("link_while_paused", true), flag("test", false)
	if ident, ok := f.Opt("identifier"); ok {
		g := ident.Map()
		_ = s.Naming.UnmarshalText([]byte(wordOr(g, "by", "unit", "message", "signal")))
		prefix, _ := g.Opt("prefix")
		s.Prefix = prefix.Ident()
		if v, ok := g.Opt("digits"); ok {
			s.Digits = int(v.Int(1, unitrun.MaxDigits))
		}
		g.Done()
	}
	if follow, ok := f.Opt("follow"); ok {
		g := follow.Map()
		s.Follow = g.Req("batches").Bool()
		s.Restart = wordOr(g, "at_abort", "ready", "cancel") == "cancel"
		g.Done()
	}
	if ports, ok := f.Opt("ports"); ok {
		s.Ports = readPorts(ports, len(d.Units) != 1)
	}
	readCapture(f, &d)
	f.Done()
	return d
}

// wordOr reads one of words; the first where the key is not there.
func wordOr(f *strictyaml.Fields, key string, words ...string) string {
	if v, ok := f.Opt(key); ok {
		return v.OneOf(words...)
	}
	return words[0]
}

// readPorts reads the channels by which runs are controlled.
func readPorts(n strictyaml.Node, several bool) (p unitrun.Ports) {
	g := n.Map()
	for _, port := range []struct {
		key string
		to  *string
	}{{"create", &p.Create}, {"active", &p.Active}, {"ready", &p.Ready}, {"cancel", &p.Cancel}, {"ident", &p.Ident}} {
		if v, ok := g.Opt(port.key); ok {
			*port.to = channelOf(v, several)
		}
	}
	g.Done()
	return p
}

// channelOf reads a channel; of a port of several units it names the unit, or one pulse would be one of all.
func channelOf(v strictyaml.Node, several bool) string {
	text := v.Str()
	switch {
	case text == "":
	case len(text) > unitrun.MaxText || strings.ContainsAny(text, " \t\r\n"):
		v.Errorf("%.40q is no channel; it has no blanks and at most %d bytes", text, unitrun.MaxText)
	case several && !strings.Contains(text, unitWord):
		v.Errorf("channel %.40q is the same for every unit; write %s where the name of the unit stands, or name one unit in units", text, unitWord)
	}
	return text
}

// unitWord stands for the unit in a channel.
const unitWord = "{{unit}}"

// readCapture reads what is captured.
func readCapture(f *strictyaml.Fields, d *Definition) {
	n, ok := f.Opt("capture")
	if !ok {
		return
	}
	g := n.Map()
	period := g.Req("period")
	q, err := quantity.Parse(period.Str())
	var ns int64
	if err == nil {
		ns, err = q.Nanoseconds()
	}
	switch {
	case period.Kind() == strictyaml.Absent:
	case err != nil:
		period.Errorf("it is no time: %v; write one such as 1 s", err)
	case ns < minPeriod || ns > maxPeriod || ns%1_000_000 != 0:
		period.Errorf("values are taken every 100 ms to 1 h; write a time of whole milliseconds between")
	}
	c := &unitrun.Capture{PeriodMS: ns / 1_000_000}
	names := map[string]int{}
	tags := g.Req("tags")
	for _, e := range tags.List(unitrun.MaxTags) {
		t := readTag(e, names)
		d.Tags, c.Tags = append(d.Tags, t), append(c.Tags, t.Tag)
	}
	d.Slot.Capture = c
	if len(d.Tags) == 0 && tags.Kind() == strictyaml.List {
		tags.Errorf("it is empty; name what is captured, or remove capture")
	}
	g.Done()
}

// readTag reads one tag.
func readTag(e strictyaml.Node, names map[string]int) (t Tag) {
	h := e.Map()
	name := h.Req("logical_tag")
	t.Tag = name.Ident()
	name.Once(names, t.Tag, "logical_tag")
	t.Channel = channelOf(h.Req("physical_channel"), false)
	if v, ok := h.Opt("gain"); ok {
		var err error
		if t.Gain, err = quantity.Parse(v.Str()); err != nil || t.Gain.Coef == 0 {
			v.Errorf("it is no gain; write what 1 of the channel is, such as 0.01 kg")
		}
	}
	t.Decimals = exact
	if v, ok := h.Opt("decimals"); ok {
		t.Decimals = int(v.Int(0, maxPlaces))
	}
	h.Done()
	return t
}

// configure is the event by which a unit of a class has this definition, and no other.
func (d *Definition) configure(unit, class string) unitrun.Event {
	return unitrun.Event{Kind: unitrun.Configure, Config: &unitrun.Config{
		Definitions: []unitrun.Definition{{Name: d.Name, Classes: []string{class}}},
		Units:       []unitrun.Unit{{ID: unit, Classes: []string{class}, Slots: []unitrun.Slot{d.slot(unit)}}},
	}}
}

// slot is how runs are on a unit.
func (d *Definition) slot(unit string) unitrun.Slot {
	s := d.Slot
	p := &s.Ports
	for _, port := range []*string{&p.Create, &p.Active, &p.Ready, &p.Cancel, &p.Ident} {
		*port = at(*port, unit)
	}
	return s
}

// at gives a channel of a unit.
func at(channel, unit string) string { return strings.ReplaceAll(channel, unitWord, unit) }

// unclassed is the class of a unit that has none.
const unclassed = "unclassed"

// configured gives how definitions are on the units of a model: definitions by name, and units in the order of the model. A
// definition that names a unit which is not there, or that fits none, is an error; all are told.
func configured(list []Definition, model *api.Model) (c unitrun.Config, err error) {
	var errs []error
	slots := map[string][]unitrun.Slot{}
	for i := range list {
		d := &list[i]
		classes := map[string]bool{}
		units, err := d.unitsOf(model)
		errs = append(errs, err)
		for _, it := range units {
			classes[cmp.Or(it.Class, unclassed)] = true
			slots[it.ID] = append(slots[it.ID], d.slot(it.ID))
		}
		c.Definitions = append(c.Definitions, unitrun.Definition{Name: d.Name, Classes: slices.Sorted(maps.Keys(classes))})
	}
	for i := range model.Items {
		if it := &model.Items[i]; slots[it.ID] != nil {
			slices.SortFunc(slots[it.ID], func(a, b unitrun.Slot) int { return cmp.Compare(a.Definition, b.Definition) })
			c.Units = append(c.Units, unitrun.Unit{ID: it.ID, Classes: []string{cmp.Or(it.Class, unclassed)}, Slots: slots[it.ID]})
		}
	}
	slices.SortFunc(c.Definitions, func(a, b unitrun.Definition) int { return cmp.Compare(a.Name, b.Name) })
	return c, errors.Join(errs...)
}

// unitsOf lists the units in use that a definition is for, in the order of a model.
func (d *Definition) unitsOf(model *api.Model) (units []*api.Equipment, err error) {
	there := map[string]bool{}
	for i := range model.Items {
		it := &model.Items[i]
		if it.Level != "unit" || it.Retired || it.Node != "" {
			continue
		}
		if (d.Class == "" || it.Class == d.Class) && (len(d.Units) == 0 || slices.Contains(d.Units, it.ID)) {
			units, there[it.ID] = append(units, it), true
		}
		if d.Slot.Follow && it.Owners > 1 && there[it.ID] {
			return nil, fmt.Errorf("production: run_definition %s: %d batches may have unit %s at a time, and one run follows one; name other units", d.Name, it.Owners, it.ID)
		}
	}
	for _, u := range d.Units {
		if !there[u] {
			return nil, fmt.Errorf("production: run_definition %s: unit %s is not in use on this board, or is not of class %q; put the file or the equipment model right", d.Name, u, d.Class)
		}
	}
	if len(units) == 0 {
		return nil, fmt.Errorf("production: run_definition %s: no unit of class %q is in use on this board; put the file or the equipment model right", d.Name, d.Class)
	}
	return units, nil
}
