// Metering windows of a recipe, held against the meters of the map and their calibration.

package batch

import (
	"cmp"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

func (c *compiler) window(a *recipe.Action) int {
	n := len(c.out.wins)
	c.named[a.Window] = n
	m := c.out.equipment.Meter(a.Meter)
	if m == nil {
		c.noMeter(a)
		return n
	}
	w := window{id: a.Window, meter: m}
	meter, err := c.meter(m)
	if err != nil {
		c.factor(a, m, err)
	}
	if m.Totalizer != tag.None {
		w.tol = c.convert(a.Node, m.Tolerance, m.Resolution)
		if w.tot, err = c.plan.Map.Tags[m.Totalizer].Resolution.Per(m.Resolution); err != nil {
			c.report(a.Node, "totalizer of meter %s: %v", m.Name, err)
		}
	}
	spec := metering.Window{Meter: meter, Target: c.atLeast(1, "target", &a.Target, m.Resolution)}
	if spec.Tolerance = m.Resolution.Coef; a.Tolerance.Given() {
		spec.Tolerance = c.atLeast(0, "tolerance", &a.Tolerance, m.Resolution)
	}
	c.out.windows = append(c.out.windows, spec)
	c.out.seq.Windows = append(c.out.seq.Windows, sequencer.Window{Target: spec.Target, Source: m.Source})
	c.out.wins = append(c.out.wins, w)
	return n
}

// owners notes which phase opens each window.
func (c *compiler) owners() {
	for e := range c.out.seq.Elems {
		s := &c.out.seq.Elems[e]
		if !s.Phase {
			continue
		}
		for _, a := range c.out.seq.Actions[s.First : s.First+s.Count] {
			if a.Kind == recipe.OpenWindow && a.Window < len(c.out.wins) {
				c.out.wins[a.Window].elem = e
			}
		}
	}
}

// meter is the number of a meter of the map in the program, which takes it in where it is new.
func (c *compiler) meter(m *iomap.Meter) (int, error) {
	if n := slices.Index(c.out.sources, m); n >= 0 {
		return n, nil
	}
	n := len(c.out.sources)
	bound, err := BindMeter(c.plan.Map, c.plan.Calibration, m)
	c.out.sources, c.out.meters = append(c.out.sources, m), append(c.out.meters, bound)
	for _, f := range [...]struct {
		id   tag.ID
		role metering.Role
	}{{m.Source, metering.Main}, {m.Second.Source, metering.Other}, {m.Totalizer, metering.Device}, {m.Identity, metering.Identity}} {
		if f.id != tag.None {
			c.out.inputs[f.id] = append(c.out.inputs[f.id], meterInput{n, f.role})
		}
	}
	return n, err
}

// BindMeter is what a machine must know of a meter of a map, by a calibration. The error is that of the calibration.
func BindMeter(m *iomap.Map, cal *metering.Calibration, meter *iomap.Meter) (metering.Meter, error) {
	out := metering.Meter{Method: meter.Method, Bits: meter.Bits, Modulus: meter.Modulus, Most: meter.Most, Trapezoid: meter.Trapezoid,
		Cutoff: meter.Cutoff, Loss: meter.Loss, Tare: meter.Tare, Median: meter.Filter.Samples, Period: meter.Period, Within: meter.Within,
		Settled: meter.Settled}
	if meter.Second.Source != tag.None {
		out.Second = metering.Pair{Has: true, Bits: meter.Second.Bits, Within: meter.Second.Within}
	}
	if meter.Totalizer != tag.None {
		out.Device = metering.Check{Has: true, Modulus: meter.TotalizerModulus}
	}
	one := quantity.Quantity{Coef: 1, Unit: m.Tags[meter.Source].Unit}
	if m.Tags[meter.Source].Type == iomap.Number {
		one = m.Tags[meter.Source].Resolution
	}
	return out, cal.Bind(&out, meter.Name, one, meter.Resolution)
}

// noMeter reports that the map has no meter of the name in an action.
func (c *compiler) noMeter(a *recipe.Action) {
	if c.unmet(a.Meter) {
		return
	}
	var has []string
	if u, _ := c.unit(a.Meter); u != nil {
		for i := range u.Meters {
			has = append(has, u.Meters[i].Name)
		}
	} else {
		for i := range c.plan.Map.Meters {
			has = append(has, c.plan.Map.Meters[i].Name)
		}
	}
	c.report(a.Node, "no meter %q in %s; its meters: %s", a.Meter, c.where(a.Meter), cmp.Or(strings.Join(has, ", "), "none"))
}

// factor reports a meter whose counts cannot be turned into its resolution.
func (c *compiler) factor(a *recipe.Action, m *iomap.Meter, err error) {
	cal := c.plan.Calibration
	for i := range cal.Factors {
		if cal.Factors[i].Meter == m.Name {
			c.report(a.Node, "meter %s cannot be used: %v", m.Name, err)
			return
		}
	}
	if c.plan.Map.Tags[m.Source].Type != iomap.Counter {
		c.report(a.Node, "meter %s cannot be used: %v", m.Name, err)
		return
	}
	c.report(a.Node, "meter %s has no K-factor in calibration %s %s; add one in %s/%s there, with a new version",
		m.Name, cal.ID, cal.Version, c.plan.Map.Tags[m.Source].Unit, m.Resolution.Unit)
}
