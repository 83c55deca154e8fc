// The records of metering windows: opened, closed.

package batch

import (
	"strconv"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/sequencer"
)

func (m *Machine) windowStart(e *sequencer.Effect, raw int64, fx []Effect) []Effect {
	w := &m.form.prog.wins[e.Window]
	m.begin(record.KindWindowStart)
	m.step(e)
	m.body.Text(record.ActionID, m.form.prog.actions[e.Action].id)
	m.window(e)
	m.body.Text(record.LogicalTag, m.b.Plan.Map.Tags[w.meter.Source].Name)
	m.body.Text(record.WindowStartEvent, "step")
	m.body.Count(record.WindowStartTsMono, uint64(m.at))
	m.body.Text(record.Unit, string(w.meter.Resolution.Unit))
	m.decimal(record.Target, m.form.prog.windows[e.Window].Target, w.meter.Resolution)
	m.decimal(record.Tolerance, m.form.prog.windows[e.Window].Tolerance, w.meter.Resolution)
	if m.feeds[e.Window].Bound = m.stamp.Bound; w.within > 0 {
		m.decimal(record.CautiousTolerance, w.cautious, w.meter.Resolution)
		m.body.Decimal(record.TimeWithinMS, w.within, 6)
	}
	m.body.Text(record.Quality, tag.Good.String())
	m.described(w, &m.form.prog.meters[m.form.prog.windows[e.Window].Meter], raw)
	m.edges(e.Window)
	m.causes(m.input, m.refs.Elems[e.Elem])
	m.refs.Windows[e.Window] = m.next
	return m.put(fx)
}

func (m *Machine) windowStop(e *sequencer.Effect, fx []Effect) []Effect {
	w, spec, t := &m.form.prog.wins[e.Window], &m.form.prog.windows[e.Window], m.met.Total(e.Window)
	digest := m.met.Digest(e.Window)
	m.begin(record.KindWindowStop)
	m.step(e)
	m.body.Text(record.ActionID, m.form.prog.actions[e.Action].id)
	m.body.Text(record.MeterWindowID, w.id)
	m.body.Text(record.CalibVersion, m.b.Plan.Calibration.Version)
	m.body.Text(record.LogicalTag, m.b.Plan.Map.Tags[w.meter.Source].Name)
	m.body.Text(record.WindowStopEvent, e.Reason)
	m.body.Count(record.WindowStartTsMono, uint64(t.StartAt))
	m.body.Count(record.WindowEndTsMono, uint64(t.EndAt))
	m.body.Text(record.Unit, string(w.meter.Resolution.Unit))
	m.decimal(record.TotalizedValue, t.Value, w.meter.Resolution)
	m.decimal(record.Target, spec.Target, w.meter.Resolution)
	if d, ok := minus(t.Value, spec.Target); ok {
		m.decimal(record.Delta, d, w.meter.Resolution)
	} else {
		m.body.Text(record.Delta, record.Overflow)
	}
	tolerance, why := m.tolerance(e.Window)
	m.decimal(record.Tolerance, tolerance, w.meter.Resolution)
	if why != "" {
		m.body.Text(record.TimeQuality, why)
		m.body.Decimal(record.TimeWithinMS, w.within, 6)
	}
	m.sampled(e.Window, &t)
	m.compared(w, &t)
	m.edges(e.Window)
	m.body.Text(record.SourceUnit, string(m.b.Plan.Map.Tags[w.meter.Source].Unit))
	m.body.Count(record.Samples, uint64(t.Samples))
	m.body.Text(record.SamplesDigest, m.hex(digest[:]))
	m.body.Text(record.Quality, t.Quality.String())
	result := verdict(&t, spec.Target, tolerance, e.Reason)
	m.judged(e, &t, result, tolerance)
	m.body.Text(record.Result, result)
	m.causes(m.input, m.refs.Windows[e.Window], m.refs.Elems[e.Elem])
	m.refs.Windows[e.Window] = m.next
	return m.put(fx)
}

// described says how a window that opens is metered: method, calibration, sampling and filter, and the reading that it begins with.
func (m *Machine) described(w *window, bound *metering.Meter, raw int64) {
	b, meter, cal := &m.body, w.meter, m.b.Plan.Calibration
	source := &m.b.Plan.Map.Tags[meter.Source]
	b.Text(record.Meter, meter.Name)
	b.Text(record.Method, meter.Method.String())
	b.Texts(record.Coefficients, coefficients(cal, bound, meter.Name))
	if cal.ValidFrom != 0 {
		b.Time(record.ValidFrom, cal.ValidFrom)
	}
	if cal.ValidTo != 0 {
		b.Time(record.Expiry, cal.ValidTo)
	}
	if cal.EffectiveFrom != 0 {
		b.Time(record.EffectiveFrom, cal.EffectiveFrom)
	}
	b.Text(record.SourceUnit, string(source.Unit))
	if source.Type == iomap.Counter {
		b.Count(record.RawState, uint64(raw))
	} else {
		m.decimal(record.Value, raw, source.Resolution)
	}
	if meter.Period > 0 {
		b.Decimal(record.SamplePeriodMS, meter.Period, 6)
	}
	b.Text(record.FilterType, meter.Filter.Type.String())
	switch f := &meter.Filter; f.Type {
	case iomap.MedianFilter:
		b.Text(record.FilterParam, "samples="+strconv.Itoa(f.Samples))
		if meter.Period > 0 {
			b.Decimal(record.FilterDelayMS, meter.Period*int64(f.Samples/2), 6)
		}
	case iomap.DeviceFilter:
		b.Decimal(record.FilterDelayMS, f.Delay, 6)
	}
}

// sampled says what a window's samples were like.
func (m *Machine) sampled(n int, t *metering.Total) {
	b, meter := &m.body, m.form.prog.wins[n].meter
	b.Text(record.Method, meter.Method.String())
	if meter.Method == metering.Pulses || meter.Method == metering.Totalizer {
		b.Count(record.RawState, uint64(t.Raw))
	}
	if ns, ok := t.Period.Apply(1); ok && ns > 0 {
		b.Decimal(record.SamplePeriodMS, ns, 6)
	}
	if meter.Period > 0 {
		b.Count(record.SamplesLate, uint64(t.Late))
		b.Count(record.SamplesMissing, uint64(t.Missing))
	}
	if b.Count(record.Gaps, uint64(t.Gaps)); t.Gaps > 0 {
		b.Decimal(record.GapMS, t.GapTime, 6)
	}
	if t.Cuts > 0 {
		b.Int(record.Cuts, t.Cuts)
	}
	if t.Steps > 0 {
		b.Int(record.TimeStepCount, t.Steps)
	}
	if t.HeldTime > 0 {
		b.Decimal(record.HeldMS, t.HeldTime, 6)
	}
	if untold := m.untold(n); untold > 0 {
		b.Count(record.Coalesced, untold)
	}
}

// compared says what stood beside a window's source: a second counter, and the device's own total, which is told unless it is BAD.
func (m *Machine) compared(w *window, t *metering.Total) {
	if w.meter.Second.Source != tag.None {
		m.body.Count(record.SecondCount, uint64(t.Other))
	}
	if w.meter.Totalizer == tag.None {
		return
	}
	m.body.Text(record.MeterQuality, t.DeviceQuality.String())
	if total, ok := w.tot.Apply(t.Device); ok && t.DeviceQuality != tag.Bad {
		m.decimal(record.MeterTotal, total, w.meter.Resolution)
	}
}

// edges says what the edges of a window show.
func (m *Machine) edges(n int) {
	t, meter := m.met.Total(n), m.form.prog.wins[n].meter
	var flags []string
	if t.FlowAtStart {
		flags = append(flags, "flow_at_start")
	}
	if t.FlowAtEnd {
		flags = append(flags, "flow_at_end")
	}
	if len(flags) > 0 {
		m.body.Texts(record.Boundary, flags)
	}
	if t.EdgeFlow != 0 {
		m.decimal(record.EdgeFlow, t.EdgeFlow, meter.Resolution)
	}
	if meter.Method == metering.Weight {
		m.decimal(record.Tare, t.Tare, m.b.Plan.Map.Tags[meter.Source].Resolution)
	}
}

// verdict judges a closed window.
func verdict(t *metering.Total, target, tolerance int64, reason string) string {
	switch d, ok := minus(t.Value, target); {
	case reason != "end":
		return "INCOMPLETE"
	case t.Quality != tag.Good:
		return "NOT_GOOD"
	case !ok || d > tolerance || d < -tolerance:
		return "OUT_OF_TOLERANCE"
	}
	return "PASS"
}

// coefficients words what a calibration makes of a meter's readings, and the whole numbers that were used where they are rounded; of
// a meter without factor it says none.
func coefficients(cal *metering.Calibration, bound *metering.Meter, meter string) []string {
	if words := cal.Words(meter); words != nil {
		return append(words, bound.Curve.Words()...)
	}
	return []string{"none"}
}
