// The records of metering windows: opened, closed.

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
	m.decimal(record.Tolerance, spec.Tolerance, w.meter.Resolution)
	m.body.Count(record.RawState, uint64(t.Raw))
	m.body.Count(record.Samples, uint64(t.Samples))
	m.body.Text(record.SamplesDigest, m.hex(digest[:]))
	m.body.Text(record.Quality, t.Quality.String())
	m.body.Text(record.Result, verdict(&t, spec, e.Reason))
	m.causes(m.input, m.refs.Windows[e.Window], m.refs.Elems[e.Elem])
	m.refs.Windows[e.Window] = m.next
	return m.put(fx)
}

// verdict judges a closed window.
func verdict(t *metering.Total, spec *metering.Window, reason string) string {
	switch d := t.Value - spec.Target; {
	case reason != "end":
		return "INCOMPLETE"
	case t.Quality != tag.Good:
		return "NOT_GOOD"
	case d > spec.Tolerance || -d > spec.Tolerance:
		return "OUT_OF_TOLERANCE"
	}
	return "PASS"
}
