// This file reads the meters of a map file: what all of them have, and which keys belong to which method.

package iomap

import (
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
)

// The keys of a meter that depend on its method, by their place in meterKeys.
const (
	meterBits = iota
	meterModulus
	meterMost
	meterSecond
	meterIntegration
	meterCutoff
	meterDirection
	meterTare
	meterStable
	meterTotalizer
	meterKeyCount
)

// Sets of methods.
const (
	pulses = 1 << metering.Pulses
	total  = 1 << metering.Totalizer
	flow   = 1 << metering.Flow
	weight = 1 << metering.Weight
)

// meterKeys says which methods may have a key and which must.
var meterKeys = [meterKeyCount]struct {
	name      string
	may, must int
}{
	meterBits:        {"bits", pulses, pulses},
	meterModulus:     {"modulus", total, 0},
	meterMost:        {"most", pulses | total, 0},
	meterSecond:      {"second", pulses, 0},
	meterIntegration: {"integration", flow, flow},
	meterCutoff:      {"low_cutoff", flow | pulses, 0},
	meterDirection:   {"direction", weight, weight},
	meterTare:        {"tare", weight, 0},
	meterStable:      {"stable", weight, 0},
	meterTotalizer:   {"totalizer", pulses | flow | weight, 0},
}

// methods is the names of a set of methods.
func methods(set int) string {
	var names []string
	for m := metering.Pulses; m <= metering.Weight; m++ {
		if set&(1<<m) != 0 {
			names = append(names, m.String())
		}
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " or " + names[last]
	}
	return names[0]
}

func (r *reader) meters(n strictyaml.Node) {
	seen := map[string]int{}
	for _, item := range n.List(MaxMeters) {
		r.m.Meters = append(r.m.Meters, r.meter(item, seen))
	}
}

// meter reads one entry of meters.
func (r *reader) meter(n strictyaml.Node, seen map[string]int) Meter {
	f := n.Map()
	name := f.Req("meter")
	m := Meter{Name: nameOf(name), Totalizer: tag.None, Identity: tag.None, Historian: tag.None, Second: Second{Source: tag.None}}
	name.Once(seen, m.Name, "meter")
	method, known := f.Opt("method")
	if word := "pulses"; known {
		word = method.OneOf("pulses", "totalizer", "flow", "weight")
		known = word != ""
		m.Method = map[string]metering.Method{"totalizer": metering.Totalizer, "flow": metering.Flow, "weight": metering.Weight}[word]
	} else {
		known = true
	}
	source, resolution := f.Req("source"), f.Req("resolution")
	var at [meterKeyCount]strictyaml.Node
	for i := range meterKeys {
		k := &meterKeys[i]
		v, given := f.Opt(k.name)
		switch {
		case !known:
		case given && k.may&(1<<m.Method) == 0:
			v.Errorf("%q belongs to a meter of method %s; %s has method %s", k.name, methods(k.may), m.shown(), m.Method)
		case !given && k.must&(1<<m.Method) != 0:
			n.Errorf("%s has method %s: key %q is missing", m.shown(), m.Method, k.name)
		default:
			at[i] = v
		}
	}
	if res, ok := quantityOf(resolution); ok && res.Coef > 0 {
		m.Resolution = res
	} else if ok {
		resolution.Errorf("resolution %q is not above zero", res)
	}
	if known {
		r.method(&m, source, &at)
	}
	r.compared(n, f, &m, at[meterTotalizer])
	r.sampled(f, &m)
	if shown, ok := f.Opt("display"); ok {
		m.Display = displayOf(shown, m.Resolution.Unit)
	}
	f.Done()
	if m.Resolution.Unit != "" {
		r.fits(&m, source, at[meterTotalizer])
	}
	return m
}

// shown names the meter in messages.
func (m *Meter) shown() string {
	if m.Name == "" {
		return "this meter"
	}
	return m.Name
}

// compared reads what a meter's totals are held against.
func (r *reader) compared(n strictyaml.Node, f *strictyaml.Fields, m *Meter, totalizer strictyaml.Node) {
	has := totalizer.Kind() != strictyaml.Absent
	if has {
		m.Totalizer = r.refer(totalizer, Number)
	}
	if modulus, ok := f.Opt("totalizer_modulus"); ok && !has {
		modulus.Errorf("\"totalizer_modulus\" is where a totalizer rolls over, and there is none")
	} else if ok && m.Totalizer != tag.None {
		m.TotalizerModulus = positive(modulus, r.m.Tags[m.Totalizer].Resolution)
	}
	historian, asks := f.Opt("historian")
	switch {
	case asks && historian.Str() == "external":
		m.External = true
	case asks:
		m.Historian = r.refer(historian, Number)
	}
	if u := r.unitOf(m.Historian); u != "" && m.Resolution.Unit != "" && !u.Compatible(m.Resolution.Unit) {
		historian.Errorf("historian %s is in %s, the meter in %s; they measure different things", r.m.Tags[m.Historian].Name, u, m.Resolution.Unit)
	}
	tolerance, allows := f.Opt("tolerance")
	switch {
	case has && !allows:
		n.Errorf("meter %s has a totalizer: key \"tolerance\", the allowed difference to it, is missing", m.Name)
	case asks && !allows:
		n.Errorf("meter %s has a historian: key \"tolerance\", the allowed difference to it, is missing", m.Name)
	case allows && !has && !asks:
		tolerance.Errorf("\"tolerance\" is the allowed difference to a totalizer or a historian, and there is none")
	case allows:
		if counts, ok := countsOf(tolerance, m.Resolution); ok && counts < 0 {
			tolerance.Errorf("tolerance %q is below zero", tolerance.Str())
		} else if ok {
			m.Tolerance, _ = quantityOf(tolerance)
		}
	}
}

// sampled reads how a meter's source is read, and what tells one device from another.
func (r *reader) sampled(f *strictyaml.Fields, m *Meter) {
	if n, ok := f.Opt("sample_period"); ok {
		m.Period = timeOf(n)
	}
	if n, ok := f.Opt("identity"); ok {
		m.Identity = r.refer(n, Number)
	}
	n, ok := f.Opt("filter")
	if !ok {
		return
	}
	keys := n.Map()
	kind := keys.Req("type")
	word := kind.OneOf("none", "median", "device")
	samples, hasSamples := keys.Opt("samples")
	delay, hasDelay := keys.Opt("delay")
	keys.Done()
	switch word {
	case "median":
		m.Filter.Type = MedianFilter
		if m.Method != metering.Flow && m.Method != metering.Weight {
			kind.Errorf("a median is taken of a flow or a weight; the counts of %s are exact", m.shown())
		}
		if !hasSamples {
			n.Errorf("a median: key \"samples\", of how many readings, is missing")
		} else {
			m.Filter.Samples = medianOf(samples)
		}
	case "device":
		m.Filter.Type = DeviceFilter
		if !hasDelay {
			n.Errorf("the instrument's filter: key \"delay\", by how much it is late, is missing")
		} else {
			m.Filter.Delay = timeOf(delay)
		}
	}
	if hasSamples && word != "median" {
		samples.Errorf("\"samples\" belongs to a filter of type median")
	}
	if hasDelay && word != "device" {
		delay.Errorf("\"delay\" belongs to a filter of type device")
	}
}

// unitOf is the unit of a tag, "" where there is none.
func (r *reader) unitOf(id tag.ID) quantity.Unit {
	if id == tag.None {
		return ""
	}
	return r.m.Tags[id].Unit
}

// fits holds a meter's unit against those of its tags.
func (r *reader) fits(m *Meter, source, totalizer strictyaml.Node) {
	if u := r.unitOf(m.Source); u != "" {
		r.sourceFits(m, u, source)
	}
	if u := r.unitOf(m.Totalizer); u != "" && !u.Compatible(m.Resolution.Unit) {
		totalizer.Errorf("totalizer %s is in %s, the meter in %s; they measure different things",
			r.m.Tags[m.Totalizer].Name, u, m.Resolution.Unit)
	}
}

// sourceFits holds the unit of the source against that of the total. What a calibration can bridge is left to whoever has read it.
func (r *reader) sourceFits(m *Meter, u quantity.Unit, source strictyaml.Node) {
	t, one := &r.m.Tags[m.Source], quantity.Quantity{Coef: 1}
	if t.Type == Counter {
		if !u.Compatible(m.Resolution.Unit) && r.m.Calibration == "" {
			source.Errorf("counter %s counts %s, the meter %s: name the file with its K-factor in key \"calibration\" of the map",
				t.Name, u, m.Resolution.Unit)
		}
		return
	}
	sum := []quantity.Quantity{{Coef: 1, Unit: u}}
	over := ""
	if m.Method == metering.Flow {
		sum, over = append(sum, quantity.Quantity{Coef: 1, Unit: "s"}), " over time"
	}
	one.Unit = m.Resolution.Unit
	density := quantity.Quantity{Coef: 1, Unit: "kg/L"}
	if _, err := quantity.Quotient(sum, []quantity.Quantity{one}); err == nil {
		return
	}
	_, up := quantity.Quotient(append(sum[:len(sum):len(sum)], density), []quantity.Quantity{one})
	_, down := quantity.Quotient(sum, []quantity.Quantity{one, density})
	switch {
	case up != nil && down != nil:
		source.Errorf("%s is in %s, which%s makes no %s; they measure different things", t.Name, u, over, m.Resolution.Unit)
	case r.m.Calibration == "":
		source.Errorf("%s is in %s, the meter in %s: that needs a density; name the file with it in key \"calibration\" of the map",
			t.Name, u, m.Resolution.Unit)
	}
}

// refer reads the name of a tag of one type; tag.None where there is none.
func (r *reader) refer(n strictyaml.Node, want Type) tag.ID { return r.referAny(n, want, want) }

// referAny reads the name of a tag of one of two types; tag.None where there is none.
func (r *reader) referAny(n strictyaml.Node, want, or Type) tag.ID {
	name := n.Str()
	if name == "" {
		return tag.None
	}
	what := want.String()
	if or != want {
		what += " or a " + or.String()
	}
	id, ok := r.m.Lookup(name)
	switch {
	case ok && !r.known[id]:
		return tag.None
	case ok && (r.m.Tags[id].Type == want || r.m.Tags[id].Type == or):
		return id
	case ok:
		n.Errorf("%s is a %s; here stands a %s", name, r.m.Tags[id].Type, what)
		return tag.None
	}
	var names []string
	for i := range r.m.Tags {
		if t := &r.m.Tags[i]; (t.Type == want || t.Type == or) && t.Name != "" {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		n.Errorf("no tag %q, and no %s at all, in this map", name, what)
		return tag.None
	}
	n.OneOf(names...)
	return tag.None
}
