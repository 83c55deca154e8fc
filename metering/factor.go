// Entries of a calibration file.

package metering

import (
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
)

// factorOf reads one entry of factors; seen has the lines of the meters before it.
func factorOf(n strictyaml.Node, seen map[string]int) Factor {
	f := n.Map()
	meter := f.Req("meter")
	factor := Factor{Meter: meter.Ident()}
	if line, ok := seen[factor.Meter]; ok {
		meter.Errorf("meter %q stands twice; the first is in line %d", factor.Meter, line)
	} else if factor.Meter != "" {
		seen[factor.Meter] = meter.Pos().Line
	}
	k, isK := f.Opt("k_factor")
	linear, isLinear := f.Opt("linear")
	polyline, isPolyline := f.Opt("polyline")
	switch {
	case isK && (isLinear || isPolyline) || isLinear && isPolyline:
		n.Errorf("an entry has one of k_factor, linear and polyline; write one of them")
	case isLinear:
		factor.line(linear)
	case isPolyline:
		factor.points(polyline)
	case isK:
		factor.K = above(k, "k_factor")
	case n.Kind() == strictyaml.Mapping:
		n.Errorf("an entry has one of k_factor, linear and polyline; where a density alone is known, write k_factor: 1 beside it")
	}
	if d, ok := f.Opt("density"); ok {
		if factor.Density = above(d, "density"); factor.Density.Coef > 0 && !factor.Density.Unit.Compatible("kg/L") {
			d.Errorf("density %q is no mass of a volume; write one such as 0.998 kg/L", factor.Density)
			factor.Density = quantity.Quantity{}
		}
	}
	f.Done()
	return factor
}

// line reads a straight line.
func (to *Factor) line(n strictyaml.Node) {
	f := n.Map()
	gain, offset := f.Req("gain"), f.Req("offset")
	f.Done()
	to.Gain = above(gain, "gain")
	to.Offset, _ = quantityAt(offset)
}

// points reads a polyline.
func (to *Factor) points(n strictyaml.Node) {
	items := n.List(MaxFactors)
	if n.Kind() == strictyaml.List && (len(items) < 2 || len(items) > MaxPoints) {
		n.Errorf("a polyline has 2 to %d points", MaxPoints)
		return
	}
	for i, item := range items {
		pair := item.List(MaxPoints)
		if len(pair) != 2 {
			if item.Kind() == strictyaml.List {
				item.Errorf("a point is two values, such as [10 Hz, 0.36 kg/min]")
			}
			continue
		}
		var p Point
		var ok, fine bool
		p.Source, ok = quantityAt(pair[0])
		if p.True, fine = quantityAt(pair[1]); !ok || !fine {
			continue
		}
		if len(to.Points) == i && i > 0 {
			ascends(pair[0], to.Points[i-1].Source, p.Source)
			ascends(pair[1], to.Points[i-1].True, p.True)
		}
		to.Points = append(to.Points, p)
	}
}

// ascends reports a value that is not above the one of the point before.
func ascends(n strictyaml.Node, before, q quantity.Quantity) {
	switch c, err := q.Cmp(before); {
	case err != nil:
		n.Errorf("%s", strings.TrimPrefix(err.Error(), "quantity: "))
	case c <= 0:
		n.Errorf("%q is not above %q of the point before; points ascend in both values", q, before)
	}
}

// above reads a quantity that is above zero; the zero Quantity where it is refused.
func above(n strictyaml.Node, key string) quantity.Quantity {
	q, ok := quantityAt(n)
	if ok && q.Coef <= 0 {
		n.Errorf("%s %q is not above zero", key, q)
		return quantity.Quantity{}
	}
	return q
}

// quantityAt reads a quantity.
func quantityAt(n strictyaml.Node) (quantity.Quantity, bool) {
	text := n.Str()
	if text == "" {
		return quantity.Quantity{}, false
	}
	q, err := quantity.Parse(text)
	if err != nil {
		n.Errorf("%s", strings.TrimPrefix(err.Error(), "quantity: "))
		return quantity.Quantity{}, false
	}
	return q, true
}
