// The records of metering windows: opened, closed, reconciled.

package batch

import (
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
	m.body.Count(record.RawState, uint64(raw))
	m.body.Text(record.Quality, tag.Good.String())
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
	m.decimal(record.Delta, t.Value-spec.Target, w.meter.Resolution)
	tolerance, why := m.tolerance(e.Window)
	m.decimal(record.Tolerance, tolerance, w.meter.Resolution)
	if why != "" {
		m.body.Text(record.TimeQuality, why)
		m.body.Decimal(record.TimeWithinMS, w.within, 6)
	}
	m.body.Count(record.RawState, uint64(t.Raw))
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

// verdict judges a closed window.
func verdict(t *metering.Total, target, tolerance int64, reason string) string {
	switch d := t.Value - target; {
	case reason != "end":
		return "INCOMPLETE"
	case t.Quality != tag.Good:
		return "NOT_GOOD"
	case d > tolerance || -d > tolerance:
		return "OUT_OF_TOLERANCE"
	}
	return "PASS"
}

// reconcile holds the total of a closed window against the device's own.
func (m *Machine) reconcile(e *sequencer.Effect, fx []Effect) []Effect {
	w, t := &m.form.prog.wins[e.Window], m.met.Total(e.Window)
	res := w.meter.Resolution
	m.begin(record.KindReconcile)
	m.body.Text(record.MeterWindowID, w.id)
	m.body.Text(record.CalibVersion, m.b.Plan.Calibration.Version)
	m.body.Text(record.Unit, string(res.Unit))
	m.decimal(record.BatchTotal, t.Value, res)
	m.decimal(record.Tolerance, w.tol, res)
	m.causes(m.refs.Windows[e.Window])
	if w.meter.Totalizer == tag.None {
		m.body.Texts(record.Compared, batchOnly)
		m.body.Text(record.ReconcileStatus, "WARN")
		m.body.Text(record.Hint, "missing samples")
		return m.put(fx)
	}
	now, q := m.io.Read(w.meter.Totalizer, m.now)
	total, ok := w.tot.Apply(now - m.refs.Totals[e.Window])
	if !ok || q != tag.Good || tag.Quality(m.refs.TotalQ[e.Window]) != tag.Good {
		m.body.Texts(record.Compared, batchOnly)
		m.body.Text(record.ReconcileStatus, "WARN")
		m.body.Text(record.Hint, "missing samples")
		return m.put(fx)
	}
	d := t.Value - total
	m.body.Texts(record.Compared, batchAndMeter)
	m.decimal(record.MeterTotal, total, res)
	m.decimal(record.Delta, d, res)
	switch status := reconciled(d, w.tol); {
	case t.Quality != tag.Good && status == "PASS":
		m.body.Text(record.ReconcileStatus, "WARN")
		m.body.Text(record.Hint, "missing samples")
	case t.Quality != tag.Good:
		m.body.Text(record.ReconcileStatus, status)
		m.body.Text(record.Hint, "missing samples")
	default:
		m.body.Text(record.ReconcileStatus, status)
	}
	return m.put(fx)
}

func reconciled(delta, tolerance int64) string {
	switch {
	case delta <= tolerance && -delta <= tolerance:
		return "PASS"
	case delta <= 2*tolerance && -delta <= 2*tolerance:
		return "WARN"
	}
	return "FAIL"
}

var (
	batchOnly     = []string{"batch_total"}
	batchAndMeter = []string{"batch_total", "meter_total"}
)
