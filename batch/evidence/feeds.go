// Feeding to a target: the tolerance by which a window is judged, its jogs, and what was learnt of what runs in, by other arithmetic than
// the engine's.

package evidence

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
)

// learning is what the recipe says of how a window learns, in counts of its meter's resolution.
type learning struct {
	action                string // that waits for its total; "" where it does not learn
	short, min, max, part int64
}

// feeds adds to an aim what the phase of its window says of time and of learning.
func (a *aim) feeds(e *recipe.Element, open *recipe.Action, formula recipe.Formula) error {
	res := a.meter.Resolution
	counts := func(into *int64, from *recipe.Amount) (err error) {
		q, ok := formula.Amount(from)
		if !ok {
			return errors.New("the recipe gives it no amount where it learns, or where time matters")
		}
		*into, err = q.Counts(res)
		return err
	}
	if open.TimeWithin.Given() {
		q, _ := formula.Amount(&open.TimeWithin)
		ns, err := q.Nanoseconds()
		if err = errors.Join(err, counts(&a.cautious, &open.Cautious)); err != nil {
			return err
		}
		a.within = ns
	}
	for i := range e.Actions {
		w := &e.Actions[i]
		if w.Kind != recipe.WaitTotal || w.Window != open.Window || !w.Learn.Given() {
			continue
		}
		l := &a.learn
		l.action = fmt.Sprintf("%s/%d", e.ID, i+1)
		part, err := w.Learn.Parts()
		if l.part = part; err != nil {
			return err
		}
		return errors.Join(counts(&l.short, &w.ShortBy), counts(&l.min, &w.Learn.Min), counts(&l.max, &w.Learn.Max))
	}
	return nil
}

// late tells whether the wall clock is known worse at a record than a window wants.
func (a *aim) late(rec *record.Record) bool {
	coef, scale, err := quantity.ParseDecimal(rec.Text(record.TimeBoundMS))
	if err != nil || coef <= 0 {
		return true // nobody knows it
	}
	ten := func(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil) }
	bound := new(big.Int).Mul(big.NewInt(coef), ten(6))
	return bound.Cmp(new(big.Int).Mul(big.NewInt(a.within), ten(int64(scale)))) > 0
}

// judge is the tolerance by which a window is judged, and what its record says of time.
func (a *aim) judge(start, stop *record.Record) (tolerance int64, quality, within string) {
	if a.within == 0 {
		return a.tolerance, "", ""
	}
	tolerance, quality = a.tolerance, "within"
	switch opening, closing := a.late(start), a.late(stop); {
	case opening && closing:
		tolerance, quality = a.cautious, "worse at both edges"
	case opening:
		tolerance, quality = a.cautious, "worse at opening"
	case closing:
		tolerance, quality = a.cautious, "worse at closing"
	}
	return tolerance, quality, milliseconds(a.within)
}

func milliseconds(ns int64) string { return string(quantity.AppendDecimal(nil, ns, 6)) }

// opensFor is what window_start must say of time.
func (a *aim) opensFor() []said {
	if a.within == 0 {
		return []said{{record.CautiousTolerance, ""}, {record.TimeWithinMS, ""}}
	}
	return []said{{record.CautiousTolerance, shown(a.cautious, a.meter.Resolution)}, {record.TimeWithinMS, milliseconds(a.within)}}
}

// jog is a jog of the recipe, and how many of it were seen.
type jog struct {
	window string
	most   int
	seen   int
}

// jogsOf finds the jogs of a recipe by the ids of their actions.
func jogsOf(e *recipe.Element, into map[string]*jog) map[string]*jog {
	for i := range e.Actions {
		if a := &e.Actions[i]; a.Kind == recipe.Jog {
			into[fmt.Sprintf("%s/%d", e.ID, i+1)] = &jog{window: a.Window, most: a.AtMost}
		}
	}
	for _, child := range e.Children {
		jogsOf(child, into)
	}
	return into
}

// jogged takes in a write, or the end, of a jog. They are numbered one after the other, and there are no more than the recipe allows.
func (r *records) jogged(n uint64, rec *record.Record) {
	j := r.jogs[rec.Text(record.ActionID)]
	detail := rec.Text(record.Detail)
	switch {
	case j == nil:
		return
	case rec.Kind == record.KindActionState && rec.Text(record.ActionState) != "end":
		return
	case rec.Kind == record.KindActionState:
		begin := fmt.Sprintf("%d of %d jogs; ", j.seen, j.most)
		if why, ok := strings.CutPrefix(detail, begin); !ok || !slices.Contains([]string{"the total is not short", "the total is still short"}, why) {
			r.breach("totals", n, "%s is %.80q, and its jogs are %s", record.Detail, detail, strings.TrimSuffix(begin, "; "))
		}
		return
	}
	if detail == fmt.Sprintf("jog %d of %d", j.seen+1, j.most) && j.seen < j.most {
		j.seen++
	}
	if want := fmt.Sprintf("jog %d of %d", j.seen, j.most); detail != want || j.seen == 0 {
		r.breach("totals", n, "%s is %.80q, and the last jog was %q", record.Detail, detail, want)
	}
	if w := r.windows.byName[j.window]; w != nil && w.jogged == 0 {
		w.jogged, w.settled = n, w.samples
		w.rushed = w.t.flows(int64(rec.Count(record.TsMonoNS))) || w.g.bound.Method == metering.Weight && !w.g.stable
	}
}

// began is with which value a window began, and the version of that.
func (r *records) began(a *aim, id string) (value, version int64, err error) {
	for _, words := range r.created.Texts(record.InFlight) {
		i, ok := batch.ReadInFlight(r.rec.ID, words)
		if ok && i.Window == id && i.Meter == a.meter.Name {
			value, err = i.Value.Counts(a.meter.Resolution)
			return value, i.Version, err
		}
	}
	return a.learn.short, 0, nil
}

// history holds what batch_created says of earlier batches against the recipe.
func (r *records) history() {
	seen := map[string]bool{}
	for _, words := range r.created.Texts(record.InFlight) {
		i, ok := batch.ReadInFlight(r.text(record.RecipeID), words)
		if !ok || seen[i.Window] {
			r.breach("records", r.created.Seq(), "%s %.200q is no in-flight value, or there is another one of its window", record.InFlight, words)
			continue
		}
		seen[i.Window] = true
		if r.rec == nil || r.m == nil {
			continue // that is told elsewhere
		}
		a, err := r.aim(i.Window, nil)
		if err == nil && (a.learn.action == "" || i.Meter != a.meter.Name) {
			err = errors.New("the recipe learns nothing of that window and meter")
		}
		v := int64(0)
		if err == nil {
			v, err = i.Value.Counts(a.meter.Resolution)
		}
		if err == nil && (v < a.learn.min || v > a.learn.max) {
			err = errors.New("it lies outside the limits of the recipe")
		}
		if err != nil {
			r.breach("totals", r.created.Seq(), "%s %.200q: %v", record.InFlight, words, err)
		}
	}
}

// learns holds in_flight against the record that closed its window, and does its sum again. That the settled total follows from the
// samples is for totalFile to tell.
func (r *records) learns(n uint64, rec *record.Record) {
	id := rec.Text(record.MeterWindowID)
	w := r.windows.byName[id]
	if w == nil || w.stop == nil || w.learnt != nil || w.stop.Text(record.WindowStopEvent) != "end" {
		r.breach("totals", n, "window %.64q is learnt from and was not closed at its end, or was learnt from before", id)
		return
	}
	w.learnt = rec
	a, err := r.aim(id, r.changed)
	if err == nil && a.learn.action == "" {
		err = errors.New("the recipe learns nothing of it")
	}
	var want []said
	if err == nil {
		want, err = r.learnt(a, w, rec)
	}
	if err == nil {
		err = differs(rec, "recomputed", want...)
	}
	if cause := rec.Counts(record.Cause); err == nil && !slices.Equal(cause, w.learntBy()) {
		err = fmt.Errorf("%s is %v, and it follows from %v", record.Cause, cause, w.learntBy())
	}
	if err != nil {
		r.breach("totals", n, "window %.64s: %v", id, err)
	}
}

// learntBy are the records from which in_flight of a window follows.
func (w *window) learntBy() []uint64 {
	if w.jogged != 0 {
		return []uint64{w.stopSeq, w.jogged}
	}
	return []uint64{w.stopSeq}
}

// learnt is what in_flight must say, given the total that had settled.
func (r *records) learnt(a *aim, w *window, rec *record.Record) ([]said, error) {
	res, l := a.meter.Resolution, &a.learn
	old, version, err := r.began(a, w.id)
	settled, told := a.counts(rec.Text(record.SettledTotal))
	if err != nil || !told && rec.Text(record.SettledTotal) != record.Overflow {
		return nil, errors.Join(err, fmt.Errorf("%s is %.80q, and its meter counts in %s", record.SettledTotal, rec.Text(record.SettledTotal), res))
	}
	samples := strconv.FormatUint(w.settled, 10)
	want := []said{{record.StepID, a.step}, {record.ActionID, l.action}, {record.CalibVersion, w.stop.Text(record.CalibVersion)},
		{record.Unit, string(res.Unit)}, {record.Target, shown(a.target, res)}, {record.OldValue, shown(old, res)},
		{record.MinValue, shown(l.min, res)}, {record.MaxValue, shown(l.max, res)}, {record.LearnShare, string(quantity.AppendDecimal(nil, l.part, 2)) + " %"},
		{record.FromVersion, strconv.FormatInt(version, 10)}}
	if w.jogged == 0 {
		samples = w.stop.Text(record.Samples)
		want = append(want, said{record.SettledTotal, w.stop.Text(record.TotalizedValue)})
	}
	off, delta := new(big.Int).Sub(big.NewInt(settled), big.NewInt(a.target)), record.Overflow
	if told && off.IsInt64() {
		delta = shown(off.Int64(), res)
	}
	next, result, why := l.next(old, off), "learnt", ""
	switch {
	case w.stop.Text(record.Quality) != tag.Good.String():
		why = "the total is not GOOD"
	case w.jogged != 0 && w.rushed:
		why = "something flowed before its first jog"
	case w.jogged == 0 && flowed(w.stop):
		why = "something flowed when it closed"
	case !told || off.CmpAbs(big.NewInt(l.max-l.min)) > 0:
		why = "the error is greater than max less min: something else than what runs in"
	case next.Cmp(big.NewInt(l.min)) < 0:
		next, result = big.NewInt(l.min), "limited"
	case next.Cmp(big.NewInt(l.max)) > 0:
		next, result = big.NewInt(l.max), "limited"
	}
	if version++; why != "" {
		next, result, version = big.NewInt(old), "not_learnt", version-1
	}
	return append(want, said{record.Samples, samples}, said{record.Delta, delta}, said{record.NewValue, shown(next.Int64(), res)},
		said{record.ToVersion, strconv.FormatInt(version, 10)}, said{record.Result, result}, said{record.Detail, why}), nil
}

// next is a value with its share of an error, rounded half to even.
func (l *learning) next(old int64, off *big.Int) *big.Int {
	num, den := new(big.Int).Mul(off, big.NewInt(l.part)), big.NewInt(recipe.LearnParts)
	q, rest := new(big.Int).DivMod(num, den, new(big.Int))
	switch twice := rest.Lsh(rest, 1).Cmp(den); {
	case twice > 0, twice == 0 && q.Bit(0) == 1:
		q.Add(q, big.NewInt(1))
	}
	return q.Add(q, big.NewInt(old))
}

// flowed tells whether a closing record says that something flowed.
func flowed(rec *record.Record) bool {
	return slices.Contains(rec.Texts(record.Boundary), "flow_at_end")
}
