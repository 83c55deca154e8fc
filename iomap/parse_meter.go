// This file reads the meters of a map file.

package iomap

import (
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

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
	m := Meter{Name: nameOf(name), Totalizer: tag.None}
	once(seen, name, m.Name, "meter")
	source := f.Req("source")
	m.Source = r.refer(source, Counter)
	m.Bits = map[string]uint8{"16": 16, "32": 32, "64": 64}[f.Req("bits").OneOf("16", "32", "64")]
	resolution := f.Req("resolution")
	if res, ok := quantityOf(resolution); ok && res.Coef > 0 {
		m.Resolution = res
	} else if ok {
		resolution.Errorf("resolution %q is not above zero", res)
	}
	totalizer, has := f.Opt("totalizer")
	if has {
		m.Totalizer = r.refer(totalizer, Number)
	}
	tolerance, allows := f.Opt("tolerance")
	f.Done()
	switch {
	case has && !allows:
		n.Errorf("meter %s has a totalizer: key \"tolerance\", the allowed difference to it, is missing", m.Name)
	case allows && !has:
		tolerance.Errorf("\"tolerance\" is the allowed difference to a totalizer, and there is none")
	case allows:
		if counts, ok := countsOf(tolerance, m.Resolution); ok && counts < 0 {
			tolerance.Errorf("tolerance %q is below zero", tolerance.Str())
		} else if ok {
			m.Tolerance, _ = quantityOf(tolerance)
		}
	}
	if m.Resolution.Unit != "" {
		r.fits(&m, source, totalizer)
	}
	return m
}

// fits holds a meter's unit against those of its tags.
func (r *reader) fits(m *Meter, source, totalizer strictyaml.Node) {
	unit := func(id tag.ID) quantity.Unit {
		if id == tag.None {
			return ""
		}
		return r.m.Tags[id].Unit
	}
	if u := unit(m.Source); u != "" && !u.Compatible(m.Resolution.Unit) && r.m.Calibration == "" {
		source.Errorf("counter %s counts %s, the meter %s: name the file with its K-factor in key \"calibration\" of the map",
			r.m.Tags[m.Source].Name, u, m.Resolution.Unit)
	}
	if u := unit(m.Totalizer); u != "" && !u.Compatible(m.Resolution.Unit) {
		totalizer.Errorf("totalizer %s is in %s, the meter in %s; they measure different things",
			r.m.Tags[m.Totalizer].Name, u, m.Resolution.Unit)
	}
}

// refer reads the name of a tag of one type; tag.None where there is none.
func (r *reader) refer(n strictyaml.Node, want Type) tag.ID {
	name := n.Str()
	if name == "" {
		return tag.None
	}
	id, ok := r.m.Lookup(name)
	switch {
	case ok && !r.known[id]:
		return tag.None
	case ok && r.m.Tags[id].Type == want:
		return id
	case ok:
		n.Errorf("%s is a %s; here stands a %s", name, r.m.Tags[id].Type, want)
		return tag.None
	}
	var names []string
	for i := range r.m.Tags {
		if t := &r.m.Tags[i]; t.Type == want && t.Name != "" {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		n.Errorf("no tag %q, and no %s at all, in this map", name, want)
		return tag.None
	}
	n.OneOf(names...)
	return tag.None
}
