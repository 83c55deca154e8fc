// Amendments: a historian's total that comes after the end of a batch changes nothing in its package. What the reconciliation comes to
// with it is a record of the device journal, which is held against the package.

package evidence

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
)

// ErrAmend is wrapped by every refusal to amend a reconciliation.
var ErrAmend = errors.New("evidence: not amended")

// Late is a historian's total of a window that came after the end of its batch.
type Late struct {
	Window string // meter_window_id
	Total  string // such as "119.98 kg"; another unit that converts is as good
	Source string // who or what gives it, such as "file historian.csv, line 3", at most 200 bytes
	Calib  string // calib_version that the historian used; "": it does not say
	By     string // who has it done
	Role   string // in which role; "": not told
	Reason string // why it came so late, at most 200 bytes
}

// Amendment is what a reconciliation comes to with a total that came late.
type Amendment struct {
	Seq     uint64 // of the record in the device journal
	Window  string
	Was, Is string // status in the package, and with the total
	Hint    string
	Total   string // of the historian, with the unit of the window
	Source  string
	By      string
	Deltas  []string // as key pairs of the record
}

// Words says it on one line.
func (a *Amendment) Words() string {
	hint := ""
	if a.Hint != "" {
		hint = ", " + a.Hint
	}
	return fmt.Sprintf("window %s: %s, with the historian's total %s of %s it is %s%s (record %d, by %s)", Plain(a.Window), Plain(a.Was),
		Plain(a.Total), Plain(a.Source), Plain(a.Is), Plain(hint), a.Seq, Plain(a.By))
}

// Amend verifies the package in dir, holds the totals of one of its windows against a historian's total that came late, and has that
// recorded in log, the device journal. Nothing of the package is changed. It returns once the record is durable.
func Amend(log record.Log, dir string, late *Late) (*Amendment, error) {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrAmend}, args...)...)
	}
	for _, f := range [...]struct{ what, text string }{{"window", late.Window}, {"total", late.Total}, {"source", late.Source},
		{"name of who does it", late.By}, {"reason", late.Reason}} {
		if f.text == "" || len(f.text) > 200 || strings.ToValidUTF8(f.text, "") != f.text {
			return nil, refuse("a %s of 1 to 200 bytes of UTF-8 is wanted", f.what)
		}
	}
	rep, err := Verify(dir)
	switch {
	case err != nil:
		return nil, err
	case !rep.OK():
		return nil, refuse("%s does not verify: %s", dir, rep.Verdict())
	case rep.Extract || !rep.Ended:
		return nil, refuse("%s is not the whole package of a batch that has ended", dir)
	}
	v, err := openPackage(dir)
	if err != nil {
		return nil, err
	}
	defer v.root.Close()
	if err := v.checkRecords(); err != nil {
		return nil, err
	}
	w := v.recs.windows.byName[late.Window]
	if w == nil || w.weighed.rec == nil {
		return nil, refuse("batch %s has no window %.80q that was reconciled", rep.BatchID, late.Window)
	}
	a, err := v.recs.aim(w.id, w.changed)
	if err != nil {
		return nil, refuse("window %s: %v", w.id, err)
	}
	g, err := v.recs.amended(a, w, late.Total, late.Calib)
	if err != nil {
		return nil, refuse("%v", err)
	}
	out := &Amendment{Window: w.id, Was: w.weighed.rec.Text(record.ReconcileStatus), Is: statusWords[g.status], Hint: g.hint,
		Source: late.Source, By: late.By, Deltas: g.pairs,
		Total: shown(g.historian.Int64(), a.meter.Resolution) + " " + string(a.meter.Resolution.Unit)}
	out.Seq, err = log.Append(func(b *record.Body) { g.write(b, w.weighed.rec, w.weighed.seq, rep, late) })
	return out, err
}

// amended weighs the totals of a reconciliation anew, with a historian's total that came late.
func (r *records) amended(a *aim, w *window, total, calib string) (*weighing, error) {
	was := w.weighed.rec
	if !a.meter.External {
		return nil, fmt.Errorf("the map has no \"historian: external\" for meter %s", a.meter.Name)
	}
	counts, ok := a.given(total)
	if !ok {
		return nil, fmt.Errorf("historian total %.80q: write a quantity that is not below zero and converts to %s, such as %q", total,
			a.meter.Resolution.Unit, "119.98 "+string(a.meter.Resolution.Unit))
	}
	g := &weighing{a: a, good: w.stop.Text(record.Quality) == "GOOD", otherCalib: calib != "" && calib != r.cal.Version,
		anomalies: was.Texts(record.Anomalies), historian: big.NewInt(counts), noMeter: false}
	for _, t := range [...]struct {
		k  record.Key
		to **big.Int
	}{{record.BatchTotal, &g.batch}, {record.MeterTotal, &g.meter}} {
		n, told := a.counts(was.Text(t.k))
		switch {
		case told:
			*t.to = big.NewInt(n)
		case was.Has(t.k):
			return nil, fmt.Errorf("%s of window %s is too great to be compared", t.k, w.id)
		}
	}
	for _, name := range was.Texts(record.Absent) {
		g.noMeter = g.noMeter || name == record.MeterTotal.String()
	}
	var err error
	if g.facts, err = a.factsOf(was.Texts(record.Facts)); err == nil {
		g.weigh()
	}
	return g, err
}

// write fills the record of an amendment.
func (g *weighing) write(b *record.Body, was *record.Record, seq uint64, rep *Report, late *Late) {
	b.Begin(record.KindReconcileAmended)
	b.Count(record.Amends, seq)
	b.Count(record.HeadSize, rep.Records)
	for k, text := range g.texts(was, late) {
		if text != "" {
			b.Text(k, text)
		}
	}
	b.Text(record.AmendedBatchID, rep.BatchID)
	b.Text(record.AmendedJournalID, rep.JournalID)
	b.Text(record.HeadLink, rep.Link)
	b.Text(record.ExportRef, rep.Ref)
	for k, text := range g.measures(was) {
		if coef, scale, err := quantity.ParseDecimal(text); err == nil {
			b.Decimal(k, coef, scale)
		} else if text != "" {
			b.Text(k, text)
		}
	}
	for k, list := range g.lists(was) {
		if len(list) > 0 {
			b.Texts(k, list)
		}
	}
}

// texts, measures and lists are what the record of an amendment holds besides where it belongs.
func (g *weighing) texts(was *record.Record, late *Late) map[record.Key]string {
	return map[record.Key]string{record.Actor: late.By, record.OperatorRole: late.Role, record.ChangeReason: late.Reason,
		record.MeterWindowID: late.Window, record.Value: late.Total, record.HistorianSource: late.Source,
		record.HistorianCalibVersion: late.Calib, record.Unit: was.Text(record.Unit), record.OldValue: was.Text(record.ReconcileStatus),
		record.NewValue: statusWords[g.status], record.ReconcileStatus: statusWords[g.status], record.Hint: g.hint}
}

func (g *weighing) measures(was *record.Record) map[record.Key]string {
	return map[record.Key]string{record.BatchTotal: was.Text(record.BatchTotal), record.MeterTotal: was.Text(record.MeterTotal),
		record.Tolerance: was.Text(record.Tolerance), record.HistorianTotal: shown(g.historian.Int64(), g.a.meter.Resolution),
		record.Delta: g.delta}
}

func (g *weighing) lists(was *record.Record) map[record.Key][]string {
	compared := []string{record.BatchTotal.String()}
	var missing []string
	if g.meter != nil {
		compared = append(compared, record.MeterTotal.String())
	}
	if g.noMeter {
		missing = append(missing, record.MeterTotal.String())
	}
	return map[record.Key][]string{record.Compared: append(compared, record.HistorianTotal.String()), record.Pairs: g.pairs,
		record.Absent: missing, record.Anomalies: was.Texts(record.Anomalies), record.Facts: was.Texts(record.Facts)}
}

// holdAmendments holds what the device journal says of late totals against the package, and tells it.
func (v *verifier) holdAmendments(c *Check) {
	if v.recs == nil { // an extract
		return
	}
	for _, rec := range v.witness.amended {
		if err := v.amendment(rec); err != nil {
			c.fail(rec.Seq(), "", "record %d of the device journal amends window %.64s: %v", rec.Seq(), rec.Text(record.MeterWindowID), err)
			continue
		}
		v.report.Amended = append(v.report.Amended, Amendment{Seq: rec.Seq(), Window: rec.Text(record.MeterWindowID),
			Was: rec.Text(record.OldValue), Is: rec.Text(record.ReconcileStatus), Hint: rec.Text(record.Hint),
			Total:  rec.Text(record.HistorianTotal) + " " + rec.Text(record.Unit),
			Source: rec.Text(record.HistorianSource), By: rec.Text(record.Actor), Deltas: rec.Texts(record.Pairs)})
	}
}

// amendment recomputes the record of an amendment.
func (v *verifier) amendment(rec *record.Record) error {
	w := v.recs.windows.byName[rec.Text(record.MeterWindowID)]
	if w == nil || w.stop == nil || w.weighed.rec == nil {
		return errors.New("the package has no such window that was reconciled")
	}
	if rec.Count(record.HeadSize) != v.head.N || rec.Text(record.HeadLink) != v.head.Link.String() {
		return fmt.Errorf("it is of a package of %d records with the last link %.16s, this one has %d and %.16s", rec.Count(record.HeadSize),
			rec.Text(record.HeadLink), v.head.N, v.head.Link)
	}
	if rec.Count(record.Amends) != w.weighed.seq {
		return fmt.Errorf("%s is %s, and it was reconciled in record %d", record.Amends, rec.Text(record.Amends), w.weighed.seq)
	}
	a, err := v.recs.aim(w.id, w.changed)
	if err != nil {
		return err
	}
	g, err := v.recs.amended(a, w, rec.Text(record.Value), rec.Text(record.HistorianCalibVersion))
	if err != nil {
		return err
	}
	late := &Late{Window: w.id, Total: rec.Text(record.Value), Source: rec.Text(record.HistorianSource),
		Calib: rec.Text(record.HistorianCalibVersion), By: rec.Text(record.Actor), Role: rec.Text(record.OperatorRole),
		Reason: rec.Text(record.ChangeReason)}
	var want []said
	for _, m := range [...]map[record.Key]string{g.texts(w.weighed.rec, late), g.measures(w.weighed.rec)} {
		for k, text := range m {
			want = append(want, said{k, text})
		}
	}
	for k, list := range g.lists(w.weighed.rec) {
		if is := rec.Texts(k); strings.Join(is, "\n") != strings.Join(list, "\n") {
			return fmt.Errorf("%s is %.200q, recomputed it is %.200q", k, is, list)
		}
	}
	return differs(rec, "recomputed", want...)
}
