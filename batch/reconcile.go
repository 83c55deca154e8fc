// Reconciliation of a window's total with the device's own and the historian's: its facts, and its records.

package batch

import (
	"math"
	"strconv"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/sequencer"
)

// recRefs is what reconciliations are made of, by window.
type recRefs struct {
	Facts  []metering.Facts // while it is open what is known so far, then all
	Opened []int64          // engine time at which it opened
	Edges  []edges
	Heard  []heard
	Recons []uint64 // its last reconcile record; 0: it has not closed
	Hist   []reading
}

// edges are the edges of a window on the wall clock, UTC in ns since 1970; 0 where that was not known.
type edges struct{ From, To, Bound int64 }

// heard is what was given of a historian's total.
type heard struct {
	Given uint8 // inputs that were taken, MaxHistorian at most
	Off   bool  // a person has given one: what the rig's historian says later is no longer asked for
}

// reading is what a tag showed when a window opened.
type reading struct {
	Value   int64
	Quality uint8
}

// MaxHistorian is how often a historian's total of one window is taken; each is a record, and leads to one.
const MaxHistorian = 16

func newRecRefs(n int) recRefs {
	return recRefs{Facts: make([]metering.Facts, n), Opened: make([]int64, n), Edges: make([]edges, n), Heard: make([]heard, n),
		Recons: make([]uint64, n), Hist: make([]reading, n)}
}

// opensFacts begins the facts of a window whose reading in force was true at rawAt.
func (m *Machine) opensFacts(w int, rawAt int64) {
	meter, f := m.form.prog.wins[w].meter, &m.refs.Facts[w]
	*f = metering.Facts{}
	m.opensForced(w)
	m.refs.Opened[w], m.refs.Recons[w], m.refs.Heard[w] = m.now, 0, heard{}
	m.refs.Edges[w] = edges{From: m.stamp.UTC, Bound: m.stamp.Bound}
	if p := meter.Period; p > 0 && m.at-rawAt > p+p/2 {
		f.Anomalies |= metering.StaleAtStart
	}
	if meter.Historian != tag.None {
		v, q := m.io.Unfiltered(meter.Historian, m.now)
		m.refs.Hist[w] = reading{v, uint8(q)}
	}
}

// edgePeriod is the time in ns after a window has opened in which a gap is one at its start, where no period is declared.
const edgePeriod = 1_000_000_000

// noteFacts takes in what has happened to an open window; moved is by how many ns the wall clock was stepped.
func (m *Machine) noteFacts(e *metering.Effect, moved int64) {
	f := &m.refs.Facts[e.Window]
	switch e.Note {
	case metering.TimeStepped:
		f.Moved = sum(f.Moved, size(moved))
		f.Anomalies |= metering.ClockStepInside
	case metering.GapBegan:
		period := m.form.prog.wins[e.Window].meter.Period
		if period == 0 {
			period = edgePeriod
		}
		if e.Role == metering.Main && m.now-m.refs.Opened[e.Window] <= period {
			f.Anomalies |= metering.GapAtStart
		}
	case metering.RolledOver:
		w := &m.form.prog.wins[e.Window]
		switch e.Role {
		case metering.Main:
			spec := &m.form.prog.meters[m.form.prog.windows[e.Window].Meter]
			if left, ok := spec.K.Apply(size(span(spec)) - e.From); ok && len(spec.Curve.A) == 0 {
				f.Excess = sum(f.Excess, max(left, 0))
			}
		case metering.Device:
			if left, ok := w.tot.Apply(w.meter.TotalizerModulus - e.From); ok {
				f.Device.Excess = sum(f.Device.Excess, max(left, 0))
			}
		}
	case metering.WasReset, metering.WasReplaced:
		f.Marked = f.Marked || e.Role == metering.Main || e.Role == metering.Identity
		f.Device.Marked = f.Device.Marked || e.Role == metering.Device || e.Role == metering.Identity
	}
}

// reconcile holds the total of a window that has just closed against the others.
func (m *Machine) reconcile(e *sequencer.Effect, fx []Effect) []Effect {
	w := &m.form.prog.wins[e.Window]
	m.closesFacts(e.Window, e.Reason)
	if s := m.refs.Edges[e.Window]; s.From != 0 && m.stamp.UTC != 0 {
		m.refs.Edges[e.Window] = edges{s.From, m.stamp.UTC, max(s.Bound, m.stamp.Bound)}
	} else {
		m.refs.Edges[e.Window] = edges{}
	}
	source := ""
	if w.meter.Historian != tag.None && m.refs.Facts[e.Window].Historian.Has {
		source = "tag " + m.b.Plan.Map.Tags[w.meter.Historian].Name
	}
	m.begin(record.KindReconcile)
	m.causes(m.refs.Windows[e.Window])
	return m.reconciled(e.Window, source, "", "", fx)
}

// closesFacts completes the facts of a window that has just closed.
func (m *Machine) closesFacts(n int, reason string) {
	w, f, t := &m.form.prog.wins[n], &m.refs.Facts[n], m.met.Total(n)
	spec, meter := &m.form.prog.meters[m.form.prog.windows[n].Meter], w.meter
	f.Total, f.Good, f.Tolerance, f.Length = t.Value, t.Quality == tag.Good, w.tol, m.now-m.refs.Opened[n]
	f.Grain = 1
	if spec.Method == metering.Pulses || spec.Method == metering.Totalizer {
		f.Grain = max(f.Grain, upTo(spec.K))
	}
	if len(spec.Curve.A) == 0 {
		f.Modulus = modulus(spec)
	}
	period := spec.Period
	if period == 0 {
		period, _ = t.Period.Apply(1)
	}
	f.Gaps, f.Lost, f.Blind = sum(t.Gaps, t.Cuts), sum(t.GapTime, product(t.Missing, period)), t.Cuts > 0
	f.Edge = t.EdgeFlow
	f.Lag = sum(sum(period, meter.Filter.Delay), product(int64(meter.Filter.Samples/2), period))
	m.closesDevice(n, &t)
	f.Historian.Expected = meter.External || meter.Historian != tag.None
	if meter.Historian != tag.None {
		now, q := m.io.Unfiltered(meter.Historian, m.now)
		gained, fits := minus(now, m.refs.Hist[n].Value)
		total, ok := w.hist.Apply(gained)
		f.Historian.Has = ok && fits && q == tag.Good && tag.Quality(m.refs.Hist[n].Quality) == tag.Good
		f.Historian.Value, f.Historian.Lag = total, m.b.Plan.Map.Tags[meter.Historian].StaleAfter
	}
	f.Anomalies |= m.atEdges(&t, spec.Method, reason)
	if p := spec.Period; p > 0 && t.Source == tag.Good && m.met.Tail(n)-p > p/2 {
		f.Anomalies |= metering.StaleAtEnd
	}
}

// closesDevice takes in the device's own total of a window that has just closed.
func (m *Machine) closesDevice(n int, t *metering.Total) {
	w, f := &m.form.prog.wins[n], &m.refs.Facts[n]
	id := w.meter.Totalizer
	if id == tag.None {
		return
	}
	d := &f.Device
	_, q := m.io.Read(id, m.now)
	total, ok := w.tot.Apply(t.Device)
	d.Expected, d.Value = true, total
	d.Has = ok && t.DeviceQuality != tag.Bad && q == tag.Good && tag.Quality(m.refs.TotalQ[n]) == tag.Good
	d.Modulus, _ = w.tot.Apply(w.meter.TotalizerModulus)
	d.Lag = m.b.Plan.Map.Tags[id].StaleAfter
	f.Grain = max(f.Grain, upTo(w.tot))
	if half, ok := w.tot.Apply(t.DeviceHalf); ok && d.Has {
		f.Half, f.DeviceHalf = t.Half, half
	}
}

// atEdges tells what was unusual at the edges of a window.
func (m *Machine) atEdges(t *metering.Total, method metering.Method, reason string) (a metering.Anomaly) {
	switch {
	case reason == "abort" && m.st.TimedOut:
		a = metering.ClosedByTimeout | metering.ClosedByAbort
	case reason == "abort":
		a = metering.ClosedByAbort
	case reason == "stop":
		a = metering.ClosedByStop
	}
	if t.FlowAtStart {
		a |= metering.FlowedAtStart
	}
	switch {
	case t.FlowAtEnd && method == metering.Weight:
		a |= metering.FlowedAtEnd | metering.NotStable
	case t.FlowAtEnd:
		a |= metering.FlowedAtEnd
	}
	switch t.Source {
	case tag.Bad:
		a |= metering.GapAtEnd
	case tag.Stale:
		a |= metering.StaleAtEnd
	}
	return a
}

// reconciled ends a record of a reconciliation that was begun and has its causes.
func (m *Machine) reconciled(n int, source, calib, detail string, fx []Effect) []Effect {
	w, f := &m.form.prog.wins[n], &m.refs.Facts[n]
	res, v := w.meter.Resolution, metering.Reconcile(f)
	b := &m.body
	b.Text(record.MeterWindowID, w.id)
	b.Text(record.CalibVersion, m.b.Plan.Calibration.Version)
	b.Text(record.Unit, string(res.Unit))
	m.decimal(record.Tolerance, w.tol, res)
	compared := []string{batchTotal}
	m.decimal(record.BatchTotal, f.Total, res)
	if f.Device.Has {
		compared = append(compared, meterTotal)
		m.decimal(record.MeterTotal, f.Device.Value, res)
	}
	if f.Historian.Has {
		compared = append(compared, historianTotal)
		m.decimal(record.HistorianTotal, f.Historian.Value, res)
		if source != "" {
			b.Text(record.HistorianSource, source)
		}
		if calib != "" {
			b.Text(record.HistorianCalibVersion, calib)
		}
	}
	b.Texts(record.Compared, compared)
	for i := range v.Pairs {
		if v.Pairs[i].Compared {
			m.measure(record.Delta, &v.Pairs[i], res)
			break
		}
	}
	texts(b, record.Pairs, m.pairs(&v, res))
	texts(b, record.Absent, absent(&v))
	texts(b, record.Anomalies, f.Anomalies.AppendNames(nil))
	texts(b, record.Facts, factWords(f, res))
	b.Text(record.ReconcileStatus, v.Status.String())
	if v.Hint != metering.NoHint {
		b.Text(record.Hint, v.Hint.String())
	}
	if was := m.refs.Recons[n]; was != 0 {
		b.Count(record.Amends, was)
	}
	if detail != "" {
		b.Text(record.Detail, Clean(detail))
	}
	m.refs.Recons[n] = m.next
	return m.put(fx)
}

// The totals by the names that records use.
const (
	batchTotal     = "batch_total"
	meterTotal     = "meter_total"
	historianTotal = "historian_total"
)

// texts writes a list that is not empty.
func texts(b *record.Body, k record.Key, list []string) {
	if len(list) > 0 {
		b.Texts(k, list)
	}
}

// measure writes the difference of a pair.
func (m *Machine) measure(k record.Key, p *metering.PairDelta, res quantity.Quantity) {
	if !p.Fits {
		m.body.Text(k, record.Overflow)
		return
	}
	m.decimal(k, p.Delta, res)
}

// pairs words the differences.
func (m *Machine) pairs(v *metering.Verdict, res quantity.Quantity) (words []string) {
	for i, name := range [...]string{batchTotal + "-" + meterTotal, batchTotal + "-" + historianTotal, meterTotal + "-" + historianTotal} {
		if p := &v.Pairs[i]; p.Compared {
			delta := record.Overflow
			if p.Fits {
				delta = decimalText(p.Delta, res)
			}
			words = append(words, name+"="+delta+" "+p.Status.String())
		}
	}
	return words
}

func absent(v *metering.Verdict) (words []string) {
	if v.NoMeter {
		words = append(words, meterTotal)
	}
	if v.NoHistorian {
		words = append(words, historianTotal)
	}
	return words
}

// factWords words what a hint may rest on besides totals and anomalies, as far as it is not 0, in alphabetical order.
func factWords(f *metering.Facts, res quantity.Quantity) (words []string) {
	count := func(name string, v int64) {
		if v != 0 {
			words = append(words, name+"="+strconv.FormatInt(v, 10))
		}
	}
	amount := func(name string, v int64) {
		if v != 0 {
			words = append(words, name+"="+decimalText(v, res))
		}
	}
	flag := func(name string, is bool) {
		if is {
			words = append(words, name+"=yes")
		}
	}
	flag("blind", f.Blind)
	amount("edge", f.Edge)
	amount("excess", f.Excess)
	count("gaps", f.Gaps)
	amount("grain", f.Grain)
	amount("half_batch", f.Half)
	amount("half_meter", f.DeviceHalf)
	count("historian_lag_ns", f.Historian.Lag)
	count("lag_ns", f.Lag)
	count("length_ns", f.Length)
	count("lost_ns", f.Lost)
	amount("meter_excess", f.Device.Excess)
	count("meter_lag_ns", f.Device.Lag)
	amount("meter_modulus", f.Device.Modulus)
	flag("meter_reset", f.Device.Marked)
	amount("modulus", f.Modulus)
	count("moved_ns", f.Moved)
	flag("reset", f.Marked)
	return words
}

// decimalText is a number of counts as records spell it.
func decimalText(counts int64, res quantity.Quantity) string {
	if q, ok := quantity.FromCounts(counts, res); ok {
		return string(quantity.AppendDecimal(nil, q.Coef, q.Scale))
	}
	return record.Overflow
}

// modulus is the range of a meter's source in counts of its total; 0 where there is none or it does not fit.
func modulus(m *metering.Meter) int64 {
	v, _ := m.K.Apply(span(m))
	return v
}

// span is the range of a meter's source in its counts; 0 where there is none or it does not fit.
func span(m *metering.Meter) int64 {
	if m.Method == metering.Pulses && m.Bits > 0 && m.Bits < 63 {
		return 1 << m.Bits
	}
	return m.Modulus
}

// upTo is a ratio above zero as a whole number, rounded up.
func upTo(r quantity.Ratio) int64 {
	whole := r.Num() / r.Den()
	if r.Num()%r.Den() != 0 {
		whole++
	}
	return whole
}

// sum and product of numbers that are not below zero, the greatest there is where they do not fit.
func sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func product(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

func size(v int64) int64 {
	if v == math.MinInt64 {
		return math.MaxInt64
	}
	return max(v, -v)
}
