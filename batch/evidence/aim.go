// What the recipe wants of a metering window, and the verdicts on totals: recomputed, and held against the records.

package evidence

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
)

// aim is what recipe, mapping and batch size make of one window. The numbers are counts of the meter's resolution.
type aim struct {
	step, action      string
	meter             *iomap.Meter
	target, tolerance int64
	density           quantity.Quantity // of the calibration; zero: none
	reconcile         int64             // difference allowed between its total, the device's own and the historian's; 0 where there is neither

	within   int64 // bound of the wall clock's error, ns, above which it is judged by cautious; 0: it does not matter
	cautious int64
	learn    learning
}

// resolve scales the formula to the size of the batch, and chooses its equipment anew.
func (r *records) resolve() (recipe.Formula, *batch.Equipment, error) {
	if r.created == nil || r.rec == nil || r.m == nil {
		return nil, nil, errors.New("without recipe and mapping nothing is known of it")
	}
	size, err := quantity.Parse(r.created.Text(record.BatchSize))
	if err != nil {
		return nil, nil, err
	}
	formula, err := r.rec.Resolve(size)
	if err != nil {
		return nil, nil, err
	}
	return formula, batch.ChooseEquipment(r.rec, formula, r.m), nil
}

// chose holds the units, and the table of safe states, that the record of the mapping names against those that the rule chooses.
func (r *records) chose() {
	_, equipment, err := r.resolve()
	i := slices.IndexFunc(r.bound, func(b binding) bool { return b.kind == "mapping" })
	if err != nil || i < 0 {
		return // that is told elsewhere
	}
	b := &r.bound[i]
	if want := equipment.Reasons(); !slices.Equal(b.equipment, want) {
		r.breach("records", b.seq, "%s is %.200q, by recipe and mapping it is %.200q", record.EquipmentBound, b.equipment, want)
	}
	r.tabled(b)
}

// aim finds what the recipe wants of a window, by the formula that changes have left; nil where there were none.
func (r *records) aim(id string, changed recipe.Formula) (*aim, error) {
	formula, equipment, err := r.resolve()
	if err != nil {
		return nil, err
	}
	if changed != nil {
		formula = changed
	}
	e, i := opening(r.rec.Root, id)
	if e == nil {
		return nil, errors.New("the recipe opens no such window")
	}
	a := &e.Actions[i]
	meter := equipment.Meter(a.Meter)
	if meter == nil || meter.Source == tag.None {
		return nil, fmt.Errorf("the mapping has no meter %s", a.Meter)
	}
	out := &aim{step: e.ID, action: fmt.Sprintf("%s/%d", e.ID, i+1), meter: meter}
	res := out.meter.Resolution
	target, hasTarget := formula.Amount(&a.Target)
	tolerance, hasTolerance := formula.Amount(&a.Tolerance)
	if !hasTarget || !hasTolerance {
		return nil, errors.New("the recipe gives it no target or no tolerance")
	}
	out.target, err = target.Counts(res)
	if err == nil {
		out.tolerance, err = tolerance.Counts(res)
	}
	if m := out.meter; err == nil && (m.Totalizer != tag.None || m.Historian != tag.None || m.External) {
		out.reconcile, err = out.meter.Tolerance.Counts(res)
	}
	for i := range r.cal.Factors {
		if f := &r.cal.Factors[i]; f.Meter == meter.Name {
			out.density = f.Density
		}
	}
	return out, errors.Join(err, out.feeds(e, a, formula))
}

// opening finds the action that opens a window; its element is nil where there is none.
func opening(e *recipe.Element, window string) (*recipe.Element, int) {
	for i := range e.Actions {
		if a := &e.Actions[i]; a.Kind == recipe.OpenWindow && a.Window == window {
			return e, i
		}
	}
	for _, child := range e.Children {
		if found, i := opening(child, window); found != nil {
			return found, i
		}
	}
	return nil, 0
}

// shown is a number of counts as records spell it.
func shown(counts int64, res quantity.Quantity) string {
	if q, ok := quantity.FromCounts(counts, res); ok {
		return string(quantity.AppendDecimal(nil, q.Coef, q.Scale))
	}
	return record.Overflow
}

// said is a key of a record with the text that it should have.
type said struct {
	key  record.Key
	text string
}

// differs names the first key in which a record says something else.
func differs(rec *record.Record, by string, want ...said) error {
	for _, f := range want {
		if is := rec.Text(f.key); is != f.text {
			return fmt.Errorf("%s is %.80q, %s it is %.80q", f.key, is, by, f.text)
		}
	}
	return nil
}

// opens holds window_start against the recipe, and against the time for which the calibration holds.
func (r *records) opens(n uint64, rec *record.Record) {
	id := rec.Text(record.MeterWindowID)
	a, err := r.aim(id, r.changed)
	if err == nil {
		res := a.meter.Resolution
		err = differs(rec, "by recipe and mapping", said{record.StepID, a.step}, said{record.ActionID, a.action},
			said{record.LogicalTag, r.m.Tags[a.meter.Source].Name}, said{record.Unit, string(res.Unit)},
			said{record.Target, shown(a.target, res)}, said{record.Tolerance, shown(a.tolerance, res)},
			said{record.Quality, tag.Good.String()}, said{record.WindowStartEvent, "step"},
			said{record.WindowStartTsMono, rec.Text(record.TsMonoNS)})
	}
	if err == nil {
		err = differs(rec, "by the recipe", a.opensFor()...)
	}
	if err == nil && rec.Has(record.TsUTC) && !r.cal.Covers(rec.Time(record.TsUTC)) {
		err = fmt.Errorf("it opened at %s, and calibration %s does not hold then", rec.Text(record.TsUTC), r.cal.Version)
	}
	if err == nil {
		err = differs(rec, "by mapping and calibration", r.described(a.meter)...)
	}
	w := r.windows.byName[id]
	if err == nil && w != nil && w.start == rec {
		if words := r.coefficients(a.meter.Name, &w.g.bound.Curve); !slices.Equal(rec.Texts(record.Coefficients), words) {
			err = fmt.Errorf("%s is %.200q, by the calibration it is %q", record.Coefficients, rec.Texts(record.Coefficients), words)
		}
	}
	if err == nil && w != nil && w.start == rec {
		if err = r.edges(w, rec, false, 0); err == nil {
			err = r.factor(a.meter, &w.g.bound)
		}
	}
	if err != nil {
		r.breach("totals", n, "window %.64s: %v", id, err)
	}
}

// described are the keys of window_start that mapping and calibration give.
func (r *records) described(m *iomap.Meter) []said {
	var from, effective, expiry, period, param, delay string
	if r.cal.ValidFrom != 0 {
		from = string(record.AppendTime(nil, r.cal.ValidFrom))
	}
	if r.cal.EffectiveFrom != 0 {
		effective = string(record.AppendTime(nil, r.cal.EffectiveFrom))
	}
	if r.cal.ValidTo != 0 {
		expiry = string(record.AppendTime(nil, r.cal.ValidTo))
	}
	if m.Period > 0 {
		period = inMS(m.Period)
	}
	switch f := &m.Filter; f.Type {
	case iomap.MedianFilter:
		if param = fmt.Sprintf("samples=%d", f.Samples); m.Period > 0 {
			delay = inMS(m.Period * int64(f.Samples/2))
		}
	case iomap.DeviceFilter:
		delay = inMS(f.Delay)
	}
	return []said{{record.Meter, m.Name}, {record.Method, m.Method.String()}, {record.ValidFrom, from}, {record.EffectiveFrom, effective},
		{record.Expiry, expiry},
		{record.SamplePeriodMS, period}, {record.FilterType, m.Filter.Type.String()}, {record.FilterParam, param}, {record.FilterDelayMS, delay},
		{record.SourceUnit, string(r.m.Tags[m.Source].Unit)}}
}

// coefficients words what the calibration makes of a meter's readings, and the whole numbers of a curve that is rounded.
func (r *records) coefficients(meter string, c *metering.Curve) []string {
	for i := range r.cal.Factors {
		f := &r.cal.Factors[i]
		var words []string
		switch {
		case f.Meter != meter:
			continue
		case f.K.Coef != 0:
			words = []string{fmt.Sprintf("k_factor %s", f.K)}
		case f.Gain.Coef != 0:
			words = []string{fmt.Sprintf("linear %s %s", f.Gain, f.Offset)}
		default:
			words = []string{"polyline"}
			for _, p := range f.Points {
				words = append(words, fmt.Sprintf("%s %s", p.Source, p.True))
			}
		}
		if f.Density.Coef != 0 {
			words = append(words, fmt.Sprintf("density %s", f.Density))
		}
		if c.Rounded {
			words = append(words, fmt.Sprintf("rounded 1/%d", c.Per))
			for i := range c.A {
				words = append(words, fmt.Sprintf("piece %d %d %d", c.X[i], c.A[i], c.B[i]))
			}
		}
		return words
	}
	return []string{"none"}
}

// verdict judges a closed window by its recomputed total. There are three reasons to close one: the recipe's end of it, and a
// batch that is stopped or aborted.
func (a *aim) verdict(reason string, quality tag.Quality, counts, tolerance int64) string {
	off := new(big.Int).Sub(big.NewInt(counts), big.NewInt(a.target))
	switch {
	case reason != "end" && reason != "stop" && reason != "abort":
		return ""
	case reason != "end":
		return "INCOMPLETE"
	case quality != tag.Good:
		return "NOT_GOOD"
	case off.CmpAbs(big.NewInt(tolerance)) > 0:
		return "OUT_OF_TOLERANCE"
	}
	return "PASS"
}
