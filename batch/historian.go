// The historian's total of a window: asked for outside, entered by a person, and what becomes of it.

package batch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Sought is a window whose total a historian is to be asked for.
type Sought struct {
	Window   int    // its number, for Event.Window
	ID       string // meter_window_id
	Meter    string
	Unit     quantity.Unit // of the window's total; the historian may use another that converts
	From, To int64         // its edges, UTC in ns since 1970; 0 where the wall clock was not known at one of them
	Bound    int64         // ns: greatest error of both; 0: not known
}

// Sought returns the first window, of those after number after, that has closed, whose meter has a historian that is asked, and whose
// total by it nobody has given. Ok is false where there is none. It allocates nothing.
func (m *Machine) Sought(after int) (s Sought, ok bool) {
	for w := after + 1; w < len(m.refs.Recons); w++ {
		win := &m.form.prog.wins[w]
		if h := &m.refs.Heard[w]; m.refs.Recons[w] == 0 || !win.meter.External || m.refs.Facts[w].Historian.Has || h.Off ||
			h.Given == MaxHistorian {
			continue
		}
		e := m.refs.Edges[w]
		return Sought{w, win.id, win.meter.Name, win.meter.Resolution.Unit, e.From, e.To, e.Bound}, true
	}
	return s, false
}

// historianSaid writes what a historian said.
func (m *Machine) historianSaid(ev *Event) {
	b := &m.body
	m.identify(record.KindHistorianTotal, ev.Seq)
	b.Text(record.MeterWindowID, m.form.prog.wins[ev.Window].id)
	b.Text(record.HistorianSource, ev.Source)
	if ev.Value == "" {
		detail(b, ev)
		return
	}
	value, unit, _ := strings.Cut(ev.Value, " ")
	b.Text(record.Value, value)
	b.Text(record.Unit, unit)
	if ev.Calib != "" {
		b.Text(record.HistorianCalibVersion, ev.Calib)
	}
}

// readHistorian reads what a historian said from its record.
func (b *Batch) readHistorian(r *record.Record, ev *Event) error {
	ev.Kind, ev.Source, ev.Calib, ev.Window = HistorianSaid, r.Text(record.HistorianSource), r.Text(record.HistorianCalibVersion), -1
	for w := range b.prog.wins {
		if b.prog.wins[w].id == r.Text(record.MeterWindowID) {
			ev.Window = w
		}
	}
	if ev.Window < 0 {
		return fmt.Errorf("the recipe has no window %q", r.Text(record.MeterWindowID))
	}
	if r.Has(record.Value) {
		ev.Value = r.Text(record.Value) + " " + r.Text(record.Unit)
	}
	return nil
}

// heardTotal takes in what a historian said of a window. What does not fit is told in the reconciliation, which stands as it was.
func (m *Machine) heardTotal(ev *Event, fx []Effect) []Effect {
	h := &m.refs.Heard[ev.Window]
	if m.refs.Recons[ev.Window] == 0 || h.Given == MaxHistorian {
		return fx
	}
	why := ev.Detail
	if ev.Value != "" {
		why = m.givenTotal(ev.Window, ev.Value, ev.Calib)
	}
	return m.amend(ev, ev.Window, ev.Source, ev.Calib, why, fx)
}

// amend records a reconciliation anew, with what was given last.
func (m *Machine) amend(ev *Event, w int, source, calib, why string, fx []Effect) []Effect {
	m.refs.Heard[w].Given++
	m.begin(record.KindReconcile)
	m.causes(m.input, m.refs.Recons[w])
	if why != "" { // the total that stands is of another
		source, calib, why = "", "", source+": "+why
	}
	return m.reconciled(w, source, calib, why, fx)
}

// entered takes in a total that a person has read.
func (m *Machine) entered(ev *Event, fx []Effect) []Effect {
	w, why := -1, ""
	for i := range m.form.prog.wins {
		if m.form.prog.wins[i].id == ev.Name {
			w = i
		}
	}
	switch {
	case m.st.Ended:
		why = batchOver
	case w < 0:
		why = fmt.Sprintf("the recipe has no window %+q", ev.Name)
	case m.refs.Recons[w] == 0:
		why = fmt.Sprintf("window %s has not closed", ev.Name)
	case !m.refs.Facts[w].Historian.Expected:
		why = fmt.Sprintf("the map declares no historian for meter %s", m.form.prog.wins[w].meter.Name)
	case m.refs.Heard[w].Given == MaxHistorian:
		why = fmt.Sprintf("a historian's total of window %s was given %d times", ev.Name, MaxHistorian)
	default:
		why = m.givenTotal(w, ev.Value, "")
	}
	fx = m.answer(ev, why, fx)
	if why != "" {
		return fx
	}
	m.refs.Heard[w].Off = true
	return m.amend(ev, w, "operator "+ev.Operator+" ("+ev.Role+")", "", "", fx)
}

// givenTotal takes a historian's total, such as "119.98 kg", for that of a window, and says what stands against it.
func (m *Machine) givenTotal(w int, text, calib string) (why string) {
	f := &m.refs.Facts[w]
	counts, err := HistorianCounts(m.b.Plan, m.form.prog.wins[w].meter, text)
	if err != nil {
		return err.Error()
	}
	f.Historian.Has, f.Historian.Value = true, counts
	f.OtherCalibration = calib != "" && calib != m.b.Plan.Calibration.Version
	return ""
}

// HistorianCounts is a historian's total, such as "119.98 kg", as counts of a meter's resolution, rounded half to even once. Between mass
// and volume the density of the calibration converts. The error says why it is none: it is no quantity, below zero, of another dimension,
// or too great.
func HistorianCounts(p *Plan, m *iomap.Meter, text string) (int64, error) {
	q, err := quantity.Parse(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("historian total: %s; write a number and its unit, such as \"119.98 %s\"",
			strings.TrimPrefix(err.Error(), "quantity: "), m.Resolution.Unit)
	case q.Coef < 0:
		return 0, fmt.Errorf("historian total %q is below zero; write what flowed in the window", q)
	}
	one := quantity.Quantity{Coef: 1, Scale: q.Scale, Unit: q.Unit}
	k, err := one.Per(m.Resolution)
	if errors.Is(err, quantity.ErrDimension) {
		k, err = byDensity(p, m, one)
	}
	if errors.Is(err, quantity.ErrDimension) {
		return 0, fmt.Errorf("historian total %q: meter %s totals %s, and calibration %s has no density that makes it of %s; convert it first",
			q, m.Name, m.Resolution.Unit, p.Calibration.Version, q.Unit)
	}
	counts, fits := k.Apply(q.Coef)
	if err != nil || !fits {
		return 0, fmt.Errorf("historian total %q does not fit counts of %s; is it that of one window", q, m.Resolution)
	}
	return counts, nil
}

// byDensity is how many counts of a meter's resolution one makes by the density of its calibration.
func byDensity(p *Plan, m *iomap.Meter, one quantity.Quantity) (quantity.Ratio, error) {
	for i := range p.Calibration.Factors {
		f := &p.Calibration.Factors[i]
		if f.Meter != m.Name || f.Density.Coef == 0 {
			continue
		}
		k, err := quantity.Quotient([]quantity.Quantity{one, f.Density}, []quantity.Quantity{m.Resolution})
		if errors.Is(err, quantity.ErrDimension) {
			k, err = quantity.Quotient([]quantity.Quantity{one}, []quantity.Quantity{f.Density, m.Resolution})
		}
		return k, err
	}
	return quantity.Ratio{}, quantity.ErrDimension
}
