// This file reads the keys of a meter that belong to its method.

package iomap

import (
	"errors"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
)

// method reads the source of a meter and the keys of its method; those that are missing or misplaced are absent.
func (r *reader) method(m *Meter, source strictyaml.Node, at *[meterKeyCount]strictyaml.Node) {
	switch m.Method {
	case metering.Pulses:
		m.Source = r.refer(source, Counter)
		m.Bits = bitsOf(at[meterBits])
		m.Most = r.mostOf(at[meterMost], m.Source)
		r.second(m, at[meterSecond])
		if n := at[meterCutoff]; n.Kind() != strictyaml.Absent {
			m.Cutoff = r.apart(n, m.Source)
		}
	case metering.Totalizer:
		m.Source = r.referAny(source, Number, Counter)
		if m.Source == tag.None {
			return
		}
		if t := &r.m.Tags[m.Source]; t.Form != tag.Int {
			source.Errorf("%s has form %s, in which a running total loses its last digits; use method flow, or a number of form int", t.Name, t.Form)
		}
		m.Modulus = positive(at[meterModulus], r.count(m.Source))
		m.Most = r.mostOf(at[meterMost], m.Source)
	case metering.Flow:
		m.Source = r.refer(source, Number)
		m.Trapezoid = at[meterIntegration].OneOf("rectangle", "trapezoid") == "trapezoid"
		m.Cutoff = positive(at[meterCutoff], r.count(m.Source))
	case metering.Weight:
		m.Source = r.refer(source, Number)
		m.Loss = at[meterDirection].OneOf("gain", "loss") == "loss"
		r.stable(m, at[meterStable])
		r.tare(m, at[meterTare])
	}
}

func bitsOf(n strictyaml.Node) uint8 {
	return map[string]uint8{"16": 16, "32": 32, "64": 64}[n.OneOf("16", "32", "64")]
}

// count is one count of a source; the zero Quantity where there is none.
func (r *reader) count(id tag.ID) quantity.Quantity {
	if id == tag.None {
		return quantity.Quantity{}
	}
	if t := &r.m.Tags[id]; t.Type == Number {
		return t.Resolution
	}
	return quantity.Quantity{Coef: 1, Unit: r.m.Tags[id].Unit}
}

// positive reads a quantity above zero as whole counts of a resolution; 0 where it is absent or refused.
func positive(n strictyaml.Node, res quantity.Quantity) int64 {
	counts, ok := countsOf(n, res)
	if ok && counts <= 0 {
		n.Errorf("%q is not above zero", n.Str())
		return 0
	}
	return counts
}

// mostOf reads the greatest plausible rate of a source as whole counts in a second, rounded up; 0 where it is absent or refused.
func (r *reader) mostOf(n strictyaml.Node, source tag.ID) int64 {
	q, ok := quantityOf(n)
	one := r.count(source)
	if !ok || one.Unit == "" {
		return 0
	}
	second := quantity.Quantity{Coef: 1, Unit: "s"}
	per, err := quantity.Quotient([]quantity.Quantity{q, second}, []quantity.Quantity{one})
	if errors.Is(err, quantity.ErrDimension) && r.m.Tags[source].Type == Counter { // counts in a second, whatever it counts
		per, err = quantity.Quotient([]quantity.Quantity{q, second}, []quantity.Quantity{{Coef: 1, Unit: "1"}})
	}
	switch most := roundUp(per); {
	case errors.Is(err, quantity.ErrDimension) && r.m.Tags[source].Type == Counter:
		n.Errorf("%q is no rate of %s, which counts %s; write counts in a second, such as 2000 Hz", q, r.m.Tags[source].Name, one.Unit)
	case errors.Is(err, quantity.ErrDimension):
		n.Errorf("%q is no rate of %s, which is in %s; write one such as 15 %s/s", q, r.m.Tags[source].Name, one.Unit, one.Unit)
	case err != nil:
		n.Errorf("%q in counts of %s a second needs more than 64 bits; write fewer digits", q, one)
	case most <= 0 || most > maxRate:
		n.Errorf("%q must be above zero, and %d counts a second at most", q, int64(maxRate))
	default:
		return most
	}
	return 0
}

// maxRate keeps what a source can count in a gap of any length far from the end of 128 bits.
const maxRate = 1 << 40

func roundUp(r quantity.Ratio) int64 {
	whole := r.Num() / r.Den()
	if r.Num()%r.Den() > 0 {
		whole++
	}
	return whole
}

// apart reads the lowest frequency of pulses as the greatest time between two of them, in whole ns.
func (r *reader) apart(n strictyaml.Node, source tag.ID) int64 {
	q, ok := quantityOf(n)
	if !ok {
		return 0
	}
	if !q.Unit.Compatible("Hz") {
		n.Errorf("low_cutoff of pulses is a frequency, and %q is none; write one such as 0.5 Hz", q)
		return 0
	}
	if q.Coef > 0 {
		ns, err := quantity.Quotient([]quantity.Quantity{{Coef: 1, Unit: "1"}}, []quantity.Quantity{q, {Coef: 1, Unit: "ns"}})
		if whole := ns.Num() / ns.Den(); err == nil && whole > 0 && whole <= maxTimeDays*86_400_000_000_000 {
			return whole
		}
	}
	n.Errorf("%q must be above zero, one pulse in %d d or more often", q, maxTimeDays)
	return 0
}

// second reads the second counter of a flow.
func (r *reader) second(m *Meter, n strictyaml.Node) {
	if n.Kind() == strictyaml.Absent {
		return
	}
	f := n.Map()
	source, bits, within := f.Req("source"), f.Req("bits"), f.Req("within")
	f.Done()
	m.Second.Source, m.Second.Bits = r.refer(source, Counter), bitsOf(bits)
	if m.Second.Source != tag.None && m.Second.Source == m.Source {
		source.Errorf("%s is the first counter too; a second one is another wire", r.m.Tags[m.Source].Name)
	}
	if a, b := r.unitOf(m.Source), r.unitOf(m.Second.Source); a != b && a != "" && b != "" {
		source.Errorf("%s counts %s, and the first counter %s; both must count the same", r.m.Tags[m.Second.Source].Name, b, a)
	}
	if counts, ok := countsOf(within, r.count(m.Source)); ok && counts < 0 {
		within.Errorf("within %q is below zero", within.Str())
	} else {
		m.Second.Within = counts
	}
}

// stable reads when a scale is stable.
func (r *reader) stable(m *Meter, n strictyaml.Node) {
	if n.Kind() == strictyaml.Absent {
		return
	}
	f := n.Map()
	within, long := f.Req("within"), f.Req("for")
	f.Done()
	m.Within, m.Settled = positive(within, r.count(m.Source)), timeOf(long)
}

// tare reads what a scale must show for a window to open.
func (r *reader) tare(m *Meter, n strictyaml.Node) {
	if n.Kind() == strictyaml.Absent {
		return
	}
	f := n.Map()
	most, limited := f.Opt("most")
	stable, says := f.Opt("stable")
	f.Done()
	if limited {
		m.Tare.Most, m.Tare.Limited = countsOf(most, r.count(m.Source))
	}
	if says {
		m.Tare.Stable = stable.Bool()
	}
	if m.Tare.Stable && m.Settled == 0 {
		stable.Errorf("%s must be stable: key \"stable\", within what difference and for how long, is missing", m.shown())
	}
}
