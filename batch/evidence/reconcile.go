// Reconciliations: status, differences, hint and anomalies of three totals, recomputed by other arithmetic than the engine's.

package evidence

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
)

// weighed is what the records so far say of a window's reconciliation.
type weighed struct {
	rec       *record.Record // the last one; nil before the first
	seq       uint64
	input     uint64 // number of an input that must lead to the next one; 0: none
	value     string // historian's total that stands, with its unit, as it was given; "" where none was
	calib     string // calibration that came with it
	said      string // the same of the input that waits
	saidCalib string
}

// weighing is one reconciliation, in counts of the meter's resolution. A total that is not there is nil.
type weighing struct {
	a                        *aim
	batch, meter, historian  *big.Int
	noMeter, noHistorian     bool // expected and absent
	good, otherCalib         bool
	anomalies                []string
	facts                    map[string]*big.Int // amounts in counts, times in ns; flags are 1
	status                   int                 // 0 PASS, 1 WARN, 2 FAIL
	hint                     string
	pairs                    []string
	delta                    string
	worstOwn, worstM, worstH bool // the totals of the worst pair
}

var statusWords = [...]string{"PASS", "WARN", "FAIL"}

// given takes in an input that gives a historian's total.
func (r *records) given(n uint64, rec *record.Record) {
	if rec.Kind == record.KindCommand && rec.Text(record.Command) != "historian_total" {
		return
	}
	id, value := rec.Text(record.MeterWindowID), rec.Text(record.Value)
	w := r.windows.byName[id]
	if w == nil || w.weighed.rec == nil {
		if rec.Kind == record.KindHistorianTotal {
			r.breach("totals", n, "a historian's total of window %.64q, which was not reconciled before", id)
		}
		return
	}
	if rec.Kind == record.KindHistorianTotal {
		if value != "" {
			value += " " + rec.Text(record.Unit)
		}
	}
	w.weighed.input, w.weighed.said, w.weighed.saidCalib = n, value, rec.Text(record.HistorianCalibVersion)
}

// entered takes in what became of an order that gives a total: one that was refused leads to nothing.
func (r *records) entered(rec *record.Record) {
	if rec.Text(record.Command) != "historian_total" || rec.Text(record.Result) == "accepted" {
		return
	}
	for _, w := range r.windows.all {
		if causedBy(rec, w.weighed.input) {
			w.weighed.input = 0
		}
	}
}

// causedBy tells whether a record names another as one of its causes.
func causedBy(rec *record.Record, seq uint64) bool {
	return seq != 0 && slices.Contains(rec.Texts(record.Cause), strconv.FormatUint(seq, 10))
}

// reconciles holds reconcile against the record that closed its window and the inputs that amended it, and judges its totals again. The
// device's own total, and that of a historian's tag, are taken as they stand in the record; a replay makes them anew.
func (r *records) reconciles(n uint64, rec *record.Record) {
	id := rec.Text(record.MeterWindowID)
	w := r.windows.byName[id]
	if w == nil || w.stop == nil {
		r.breach("totals", n, "window %.64q is reconciled and was not closed, or was reconciled before", id)
		return
	}
	was := &w.weighed
	if err := r.follows(was, rec); err != nil {
		was.input = 0
		r.breach("totals", n, "window %.64s: %v", id, err)
		return
	}
	a, err := r.aim(id, w.changed)
	if err == nil {
		err = differs(rec, "recomputed", said{record.BatchTotal, w.stop.Text(record.TotalizedValue)},
			said{record.Unit, w.stop.Text(record.Unit)}, said{record.Tolerance, shown(a.reconcile, a.meter.Resolution)})
	}
	if err == nil {
		err = r.takes(a, was, rec)
	}
	if err == nil {
		err = r.knows(a, w, rec)
	}
	if err == nil {
		err = a.reconciled(rec, w.stop.Text(record.Quality), was.calib != "" && was.calib != r.cal.Version)
	}
	was.rec, was.seq = rec, n
	if err != nil {
		r.breach("totals", n, "window %.64s: %v", id, err)
	}
}

// follows holds the place of a reconciliation among those of its window.
func (r *records) follows(was *weighed, rec *record.Record) error {
	switch {
	case was.rec == nil && rec.Has(record.Amends):
		return fmt.Errorf("%s is %s, and it was not reconciled before", record.Amends, rec.Text(record.Amends))
	case was.rec == nil:
		return nil
	case !rec.Has(record.Amends) || was.input == 0 || !causedBy(rec, was.input):
		return fmt.Errorf("it was not closed, or was reconciled before, and no historian's total has come since")
	case rec.Count(record.Amends) != was.seq:
		return fmt.Errorf("%s is %s, and it was reconciled in record %d", record.Amends, rec.Text(record.Amends), was.seq)
	}
	return nil
}

// takes takes over the historian's total that was given, where it fits, and holds the record against it.
func (r *records) takes(a *aim, was *weighed, rec *record.Record) error {
	if was.rec == nil {
		return nil
	}
	was.input = 0
	for _, k := range [...]record.Key{record.MeterTotal, record.Facts, record.Anomalies} {
		if !slices.Equal(all(rec, k), all(was.rec, k)) {
			return fmt.Errorf("%s is %.200q, in record %d, which it amends, it is %.200q", k, all(rec, k), was.seq, all(was.rec, k))
		}
	}
	counts, fits := a.given(was.said)
	if fits {
		was.value, was.calib = was.said, was.saidCalib
	}
	was.said, was.saidCalib = "", ""
	switch {
	case fits == rec.Has(record.Detail):
		return fmt.Errorf("%s is %.200q, and the historian's total that was given does fit or does not", record.Detail, rec.Text(record.Detail))
	case fits:
		return differs(rec, "of the total that was given", said{record.HistorianTotal, shown(counts, a.meter.Resolution)})
	}
	return differs(rec, "as before", said{record.HistorianTotal, was.rec.Text(record.HistorianTotal)})
}

// all is what stands under a key, as a list.
func all(rec *record.Record, k record.Key) []string {
	if list := rec.Texts(k); len(list) > 0 {
		return list
	}
	return []string{rec.Text(k)}
}

// given is a historian's total in counts of the meter's resolution, rounded half to even; false where it is none. Between mass and volume
// the density converts, by fractions of any length.
func (a *aim) given(text string) (int64, bool) {
	q, err := quantity.Parse(text)
	if err != nil || q.Coef < 0 {
		return 0, false
	}
	res := a.meter.Resolution
	ratio, ok := unitRatio(q.Unit, res.Unit)
	if d := a.density; !ok && d.Coef != 0 {
		up, down, _ := strings.Cut(string(d.Unit), "/")
		value := decimalRat(d.Coef, d.Scale)
		toVolume, fromVolume := &big.Rat{}, &big.Rat{}
		switch {
		case converts(q.Unit, quantity.Unit(down), toVolume) && converts(quantity.Unit(up), res.Unit, fromVolume): // volume times density
		case converts(q.Unit, quantity.Unit(up), toVolume) && converts(quantity.Unit(down), res.Unit, fromVolume): // mass over density
			value.Inv(value)
		default:
			return 0, false
		}
		ratio, ok = value.Mul(value.Mul(value, toVolume), fromVolume), true
	}
	if !ok {
		return 0, false
	}
	ratio.Mul(ratio, decimalRat(q.Coef, q.Scale))
	ratio.Quo(ratio, decimalRat(res.Coef, res.Scale))
	v := nearest(ratio.Num(), ratio.Denom())
	return v.Int64(), v.IsInt64()
}

// decimalRat is a decimal number as a fraction.
func decimalRat(coef int64, scale uint8) *big.Rat {
	return new(big.Rat).SetFrac(big.NewInt(coef), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
}

// unitRatio is how many of one unit another makes.
func unitRatio(of, in quantity.Unit) (*big.Rat, bool) {
	k, err := quantity.Quantity{Coef: 1, Unit: of}.Per(quantity.Quantity{Coef: 1, Unit: in})
	if err != nil {
		return nil, false
	}
	return new(big.Rat).SetFrac(big.NewInt(k.Num()), big.NewInt(k.Den())), true
}

// converts sets to the ratio of two units; false where they measure different things.
func converts(of, in quantity.Unit, to *big.Rat) bool {
	r, ok := unitRatio(of, in)
	if ok {
		to.Set(r)
	}
	return ok
}

// nearest is num/den, rounded half to even; den is above zero.
func nearest(num, den *big.Int) *big.Int {
	q, rest := new(big.Int).DivMod(num, den, new(big.Int))
	switch twice := rest.Lsh(rest, 1).Cmp(den); {
	case twice > 0, twice == 0 && q.Bit(0) == 1:
		q.Add(q, big.NewInt(1))
	}
	return q
}

// reconciled judges the totals of a reconcile record again.
func (a *aim) reconciled(rec *record.Record, quality string, otherCalib bool) error {
	g := &weighing{a: a, good: quality == tag.Good.String(), otherCalib: otherCalib, anomalies: rec.Texts(record.Anomalies)}
	compared, over := []string{"batch_total"}, 0
	for i, k := range [...]record.Key{record.BatchTotal, record.MeterTotal, record.HistorianTotal} {
		v, told := a.counts(rec.Text(k))
		switch {
		case !rec.Has(k):
			continue
		case !told && rec.Text(k) != record.Overflow:
			return fmt.Errorf("%s is %.80q, and its meter counts in %s", k, rec.Text(k), a.meter.Resolution)
		case !told:
			over++
		}
		if i > 0 {
			compared = append(compared, k.String())
		}
		*[...]**big.Int{&g.batch, &g.meter, &g.historian}[i] = big.NewInt(v)
	}
	hasDevice, hasHistorian := a.meter.Totalizer != tag.None, a.meter.External || a.meter.Historian != tag.None
	switch {
	case g.meter != nil && !hasDevice:
		return fmt.Errorf("%s is there, and the meter has no totalizer", record.MeterTotal)
	case g.historian != nil && !hasHistorian:
		return fmt.Errorf("%s is there, and the meter has no historian", record.HistorianTotal)
	case !slices.Equal(rec.Texts(record.Compared), compared):
		return fmt.Errorf("%s is %.80q, by its totals it is %q", record.Compared, rec.Texts(record.Compared), compared)
	}
	g.noMeter, g.noHistorian = hasDevice && g.meter == nil, hasHistorian && g.historian == nil
	var err error
	if g.facts, err = a.factsOf(rec.Texts(record.Facts)); err != nil {
		return err
	}
	if over > 0 {
		return g.beyond(rec, over, len(compared))
	}
	g.weigh()
	if err := differs(rec, "recomputed", said{record.Delta, g.delta}, said{record.ReconcileStatus, statusWords[g.status]},
		said{record.Hint, g.hint}); err != nil {
		return err
	}
	var absent []string
	if g.noMeter {
		absent = append(absent, "meter_total")
	}
	if g.noHistorian {
		absent = append(absent, "historian_total")
	}
	for _, l := range [...]struct {
		k    record.Key
		want []string
	}{{record.Pairs, g.pairs}, {record.Absent, absent}} {
		if is := rec.Texts(l.k); !slices.Equal(is, l.want) {
			return fmt.Errorf("%s is %.200q, recomputed it is %.200q", l.k, is, l.want)
		}
	}
	return nil
}

// beyond judges totals of which some are too great for any decimal: the difference to one that is not is a FAIL; what else it comes to
// only a replay can tell, and that is no PASS where the window is not GOOD or a total is absent.
func (g *weighing) beyond(rec *record.Record, over, of int) error {
	status := rec.Text(record.ReconcileStatus)
	switch {
	case over < of && status != "FAIL":
		return fmt.Errorf("%s is %.80q, recomputed it is \"FAIL\"", record.ReconcileStatus, status)
	case status == "PASS" && (!g.good || g.unusual("forced") || g.noMeter || g.noHistorian || of == 1):
		return fmt.Errorf("%s is %.80q, recomputed it is \"WARN\"", record.ReconcileStatus, status)
	}
	return nil
}

// weigh finds status, differences and hint.
func (g *weighing) weigh() {
	worst := -1
	var worstDelta *big.Int
	worstStatus := -1
	for i, p := range [...]struct {
		name string
		x, y *big.Int
	}{{"batch_total-meter_total", g.batch, g.meter}, {"batch_total-historian_total", g.batch, g.historian},
		{"meter_total-historian_total", g.meter, g.historian}} {
		if p.x == nil || p.y == nil {
			continue
		}
		d := new(big.Int).Sub(p.x, p.y)
		status, text := g.a.compared(d)
		g.pairs = append(g.pairs, p.name+"="+text+" "+statusWords[status])
		if g.delta == "" {
			g.delta = text
		}
		if status > worstStatus {
			worst, worstDelta, worstStatus = i, d, status
		}
	}
	g.status = max(worstStatus, 0)
	switch {
	case worstStatus > 0:
		g.worstOwn, g.worstM, g.worstH = worst != metering.MeterHistorian, worst != metering.BatchHistorian, worst != metering.BatchMeter
		g.hint = g.cause(worstDelta)
	case !g.good || g.noMeter:
		g.hint = g.mark()
	}
	if !g.good || g.noMeter || g.noHistorian || worst < 0 || g.unusual("forced") {
		g.status = max(g.status, 1)
	}
}

// compared gives the status of a difference, and it as records spell it.
func (a *aim) compared(d *big.Int) (status int, text string) {
	text = record.Overflow
	if d.IsInt64() {
		text = shown(d.Int64(), a.meter.Resolution)
	} else {
		return 2, text
	}
	allowed := big.NewInt(a.reconcile)
	switch {
	case d.CmpAbs(allowed) <= 0:
		return 0, text
	case d.CmpAbs(allowed.Lsh(allowed, 1)) <= 0:
		return 1, text
	}
	return 2, text
}

// counts reads the decimal of a total as counts of the meter's resolution; ok is false where it is none.
func (a *aim) counts(text string) (n int64, ok bool) {
	coef, scale, err := quantity.ParseDecimal(text)
	if err == nil {
		n, err = quantity.Quantity{Coef: coef, Scale: scale, Unit: a.meter.Resolution.Unit}.Counts(a.meter.Resolution)
	}
	return n, err == nil
}

// factNames are the facts that a record may hold, in their order: amounts, times and numbers, and flags.
var factNames = [...]struct {
	name string
	form byte // a: amount in the unit, n: whole number, y: "yes"
}{{"blind", 'y'}, {"edge", 'a'}, {"excess", 'a'}, {"gaps", 'n'}, {"grain", 'a'}, {"half_batch", 'a'}, {"half_meter", 'a'}, {"historian_lag_ns", 'n'},
	{"lag_ns", 'n'}, {"length_ns", 'n'}, {"lost_ns", 'n'}, {"meter_excess", 'a'}, {"meter_lag_ns", 'n'}, {"meter_modulus", 'a'}, {"meter_reset", 'y'},
	{"modulus", 'a'}, {"moved_ns", 'n'}, {"reset", 'y'}}

// factsOf reads facts, which stand in their order, each once, and none of them 0.
func (a *aim) factsOf(words []string) (map[string]*big.Int, error) {
	facts, next := map[string]*big.Int{}, 0
	for _, w := range words {
		name, text, _ := strings.Cut(w, "=")
		for next < len(factNames) && factNames[next].name != name {
			next++
		}
		if next == len(factNames) {
			return nil, fmt.Errorf("%s holds %.80q, which is none or not in its place", record.Facts, w)
		}
		var v int64
		ok := false
		switch factNames[next].form {
		case 'a':
			v, ok = a.counts(text)
		case 'n':
			n, err := strconv.ParseInt(text, 10, 64)
			v, ok = n, err == nil && strconv.FormatInt(n, 10) == text
		default:
			v, ok = 1, text == "yes"
		}
		if !ok && text != record.Overflow || ok && v == 0 {
			return nil, fmt.Errorf("%s holds %.80q, which is no fact", record.Facts, w)
		}
		facts[name] = big.NewInt(v)
		next++
	}
	return facts, nil
}

// begins takes in what is known of the course of a window when it opens.
func (r *records) begins(rec *record.Record) {
	w := r.windows.byName[rec.Text(record.MeterWindowID)]
	if w == nil || w.start != rec {
		return
	}
	w.course.openedAt = int64(rec.Count(record.TsMonoNS))
	w.course.forced = r.forcedAtStart(w.id)
	if a, err := r.aim(w.id, r.changed); err == nil {
		p := a.meter.Period
		w.course.period = p
		w.course.stale = p > 0 && w.course.openedAt-r.windows.last[w.source].at > p+p/2
	}
}

// Reconciled is what the last reconciliation of a window says, in the words of its record.
type Reconciled struct {
	Window, Unit, Batch, Meter, Historian, Tolerance, Status, Hint string
	Pairs, Absent, Anomalies                                       []string
	Seq                                                            uint64 // number of the record
}

// Words says it on one line.
func (r *Reconciled) Words() string {
	or := func(text string) string {
		if text == "" {
			return "none"
		}
		return text
	}
	words := fmt.Sprintf("window %s: batch %s, meter %s, historian %s %s, tolerance %s: %s", r.Window, r.Batch, or(r.Meter), or(r.Historian),
		r.Unit, r.Tolerance, r.Status)
	if r.Hint != "" {
		words += ", " + r.Hint
	}
	for _, l := range [...]struct {
		what string
		list []string
	}{{"absent", r.Absent}, {"", r.Anomalies}} {
		if len(l.list) > 0 {
			words += strings.TrimRight("; "+l.what, " ") + " " + strings.Join(l.list, ", ")
		}
	}
	return Plain(fmt.Sprintf("%s (record %d)", words, r.Seq))
}

// reconciliations are the last ones of each window.
func (ws *windows) reconciliations() (out []Reconciled) {
	for _, w := range ws.all {
		if rec := w.weighed.rec; rec != nil {
			out = append(out, Reconciled{Window: w.id, Unit: rec.Text(record.Unit), Batch: rec.Text(record.BatchTotal),
				Meter: rec.Text(record.MeterTotal), Historian: rec.Text(record.HistorianTotal), Tolerance: rec.Text(record.Tolerance),
				Status: rec.Text(record.ReconcileStatus), Hint: rec.Text(record.Hint), Pairs: rec.Texts(record.Pairs),
				Absent: rec.Texts(record.Absent), Anomalies: rec.Texts(record.Anomalies), Seq: w.weighed.seq})
		}
	}
	return out
}
