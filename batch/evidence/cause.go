// Hints: why two totals differ, found again from the facts that a reconciliation names, and those facts held against other records.

package evidence

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
)

// fact is a fact by its name; 0 where it is not told.
func (g *weighing) fact(name string) *big.Int {
	if v := g.facts[name]; v != nil {
		return v
	}
	return new(big.Int)
}

func (g *weighing) is(fact string) bool { return g.fact(fact).Sign() > 0 }

func (g *weighing) unusual(anomaly string) bool { return slices.Contains(g.anomalies, anomaly) }

// mark tells why a total is marked that no pair accuses.
func (g *weighing) mark() string {
	switch {
	case g.is("reset") || g.is("meter_reset"):
		return "rollover"
	case g.is("gaps") || g.is("lost_ns") || g.is("blind") || g.noMeter:
		return "missing samples"
	}
	return "unexplained"
}

// cause finds why the worst pair differs by d, by the tests of metering.Reconcile.
func (g *weighing) cause(d *big.Int) string {
	if g.worstOwn && g.is("reset") || g.worstM && g.is("meter_reset") {
		return "rollover"
	}
	if !d.IsInt64() {
		return "unexplained"
	}
	size, top := new(big.Int).Abs(d), g.top()
	switch {
	case g.worstOwn && g.rolls(size, "modulus"), g.worstM && g.rolls(size, "meter_modulus"):
		return "rollover"
	case g.worstOwn && g.near(d, "excess", 1), g.worstM && g.worstOwn && g.near(d, "meter_excess", -1),
		g.worstM && g.worstH && g.near(d, "meter_excess", 1):
		return "rollover"
	case g.worstH && g.jumped(size, top):
		return "time jump"
	case g.worstOwn && d.Sign() != 0 && g.short(d) && (g.is("blind") || g.is("lost_ns") && g.flow(2, top, g.fact("lost_ns")).Cmp(g.times(1, size)) >= 0):
		return "missing samples"
	case g.atEdge(size, top):
		return "window mismatch"
	case g.worstH && g.otherCalib, !g.worstH && g.grown(d, top):
		return "calibration mismatch"
	}
	return "unexplained"
}

// top is the greatest amount among the totals of the worst pair.
func (g *weighing) top() *big.Int {
	top := new(big.Int)
	for _, t := range [...]struct {
		of bool
		v  *big.Int
	}{{g.worstOwn, g.batch}, {g.worstM, g.meter}, {g.worstH, g.historian}} {
		if t.of && t.v.CmpAbs(top) > 0 {
			top.Abs(t.v)
		}
	}
	return top
}

// rolls tells whether a size is near a multiple of a modulus.
func (g *weighing) rolls(size *big.Int, name string) bool {
	m, tol := g.fact(name), big.NewInt(g.a.reconcile)
	if m.Sign() <= 0 || new(big.Int).Quo(m, big.NewInt(4)).Cmp(tol) <= 0 {
		return false
	}
	n := nearest(size, m)
	off := new(big.Int).Sub(size, new(big.Int).Mul(n, m))
	return n.Sign() > 0 && off.CmpAbs(tol) <= 0
}

// near tells whether d is near an excess with a sign.
func (g *weighing) near(d *big.Int, name string, sign int64) bool {
	off := new(big.Int).Sub(d, new(big.Int).Mul(big.NewInt(sign), g.fact(name)))
	return g.is(name) && off.CmpAbs(big.NewInt(g.a.reconcile)) <= 0
}

// flow is n times an amount times some ns; times is n times an amount times the length of the window, which is what it is held against.
func (g *weighing) flow(n int64, amount, ns *big.Int) *big.Int {
	return new(big.Int).Mul(new(big.Int).Mul(big.NewInt(n), amount), ns)
}

func (g *weighing) times(n int64, amount *big.Int) *big.Int {
	return g.flow(n, amount, g.fact("length_ns"))
}

func (g *weighing) jumped(size, top *big.Int) bool {
	moved := g.fact("moved_ns")
	switch {
	case moved.Sign() == 0:
		return false
	case moved.Cmp(g.fact("length_ns")) >= 0:
		return true
	}
	return g.flow(2, top, moved).Cmp(g.times(1, size)) >= 0 && g.flow(1, top, moved).Cmp(g.times(2, size)) <= 0
}

// short tells whether the window's own total is the lesser in amount.
func (g *weighing) short(d *big.Int) bool {
	return d.Sign() < 0 && g.batch.Sign() >= 0 || d.Sign() > 0 && g.batch.Sign() <= 0
}

// atEdge tells whether what flowed at the edges in the time by which readings may be old is as much as a size.
func (g *weighing) atEdge(size, top *big.Int) bool {
	lag := new(big.Int)
	for _, l := range [...]struct {
		of   bool
		name string
	}{{g.worstOwn, "lag_ns"}, {g.worstM, "meter_lag_ns"}, {g.worstH, "historian_lag_ns"}} {
		if l.of {
			lag.Add(lag, g.fact(l.name))
		}
	}
	sum := new(big.Int)
	if g.unusual("flow_at_start") {
		sum.Add(sum, g.flow(1, top, lag))
	}
	if g.unusual("flow_at_end") {
		edge := nearest(g.flow(1, new(big.Int).Abs(g.fact("edge")), lag), big.NewInt(1_000_000_000))
		sum.Add(sum, g.times(1, edge))
	}
	return sum.Sign() > 0 && sum.Cmp(g.times(1, size)) >= 0
}

// grown tells whether the difference to the device's total was at half of the target in proportion what it is at the end.
func (g *weighing) grown(d, top *big.Int) bool {
	half := new(big.Int).Sub(g.fact("half_batch"), g.fact("half_meter"))
	if !g.is("length_ns") {
		return false
	}
	grain := nearest(g.flow(2, top, g.fact("lag_ns")), g.fact("length_ns"))
	grain.Add(grain, new(big.Int).Lsh(g.fact("grain"), 1))
	if g.fact("half_batch").Sign() == 0 || g.batch.Sign() == 0 || half.CmpAbs(grain) <= 0 ||
		d.CmpAbs(new(big.Int).Lsh(grain, 1)) < 0 || half.Sign() != d.Sign() {
		return false
	}
	off := new(big.Int).Sub(new(big.Int).Mul(half, g.batch), new(big.Int).Mul(d, g.fact("half_batch")))
	most := new(big.Int).Add(new(big.Int).Abs(g.batch), new(big.Int).Abs(g.fact("half_batch")))
	return off.CmpAbs(most.Mul(most, grain)) <= 0
}

// factsAre holds what a reconciliation says against what is known otherwise; want is the fact as it should be.
func (g *weighing) factsAre(want map[string]int64) error {
	for _, f := range factNames {
		if v, known := want[f.name]; known && g.fact(f.name).Cmp(big.NewInt(v)) != 0 {
			return fmt.Errorf("fact %s is %s counts or ns, of the map and the records before it is %d", f.name, g.fact(f.name), v)
		}
	}
	return nil
}

// course is what the records say of the course of an open window, besides its samples.
type course struct {
	cut      bool    // an epoch began
	early    bool    // and it did so within a period after the window opened, as far as the epoch before tells
	latest   int64   // time of the last record of the epoch in which the window opened
	moved    big.Int // ns by which the wall clock was stepped, all steps added without their signs
	atStart  bool    // it was not GOOD within a period after the window opened
	stale    bool    // the reading in force when it opened was more than a period and a half old
	forced   bool    // a source of its meter was in override
	timedOut bool    // a step was aborted because it ran out of time, before it closed
	period   int64   // declared, ns; 0: not declared
	openedAt int64
	rolled   []roll
	untold   bool     // there were more than are on record
	reset    []string // tags that a window_event says were set back or exchanged
}

// roll is a tag that has rolled over, and its last reading before that.
type roll struct {
	tag  string
	from *big.Int
}

// within is for how long after the opening a gap is one at the start, ns.
func (c *course) within() int64 {
	if c.period == 0 {
		return nsOfSecond
	}
	return c.period
}

// passes takes in a record that stands between the edges of a window.
func (c *course) passes(rec *record.Record, window string) {
	at := int64(rec.Count(record.TsMonoNS))
	if !c.cut && rec.Kind != record.KindBoot && rec.Kind != record.KindRecovery {
		c.latest = max(c.latest, at)
	}
	switch rec.Kind {
	case record.KindWindowEvent:
		event := rec.Text(record.WindowEvent)
		if old, ok := new(big.Int).SetString(rec.Text(record.OldValue), 10); ok && event == "rollover" && rec.Text(record.MeterWindowID) == window {
			c.rolled = append(c.rolled, roll{rec.Text(record.LogicalTag), old})
			c.untold = c.untold || len(c.rolled) > batch.WindowEventsTold
		}
		if rec.Text(record.MeterWindowID) == window && (event == "reset" || event == "replaced") {
			c.reset = append(c.reset, rec.Text(record.LogicalTag))
		}
	case record.KindBoot, record.KindRecovery:
		c.early = c.early || !c.cut && c.latest-c.openedAt <= c.within()
		c.cut = true
	case record.KindClockStep:
		if coef, scale, err := quantity.ParseDecimal(rec.Text(record.MovedMS)); err == nil && scale <= 6 {
			ns := new(big.Int).Mul(big.NewInt(coef), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(6-scale)), nil))
			c.moved.Add(&c.moved, ns.Abs(ns))
		}
	}
}

// gap takes in that the source is not GOOD from now on.
func (c *course) gap(now int64) {
	c.atStart = c.atStart || !c.cut && now-c.openedAt <= c.within()
}

// knows holds facts and anomalies of a reconciliation against map, calibration and the records before it. What none of them tells is the
// engine's own: a replay makes it anew.
func (r *records) knows(a *aim, w *window, rec *record.Record) error {
	facts, err := a.factsOf(rec.Texts(record.Facts))
	if err != nil {
		return err
	}
	g, c := &weighing{a: a, facts: facts, anomalies: rec.Texts(record.Anomalies)}, &w.course
	want := r.declaredFacts(a, w)
	if moved := &c.moved; moved.IsInt64() {
		want["moved_ns"] = moved.Int64()
	}
	if !c.cut {
		want["length_ns"] = int64(w.stop.Count(record.WindowEndTsMono)) - int64(w.stop.Count(record.WindowStartTsMono))
	}
	r.stopped(a, w, want)
	if err := g.factsAre(want); err != nil {
		return err
	}
	if rec.Has(record.MeterTotal) && rec.Text(record.MeterTotal) != w.stop.Text(record.MeterTotal) {
		return fmt.Errorf("%s is %.80q, in the record that closed the window it is %.80q", record.MeterTotal, rec.Text(record.MeterTotal),
			w.stop.Text(record.MeterTotal))
	}
	edges := w.stop.Texts(record.Boundary)
	if g.unusual("flow_at_end") != slices.Contains(edges, "flow_at_end") || g.unusual("flow_at_start") != slices.Contains(edges, "flow_at_start") {
		return fmt.Errorf("%s is %.200q, in the record that closed the window %s is %.200q", record.Anomalies, g.anomalies, record.Boundary, edges)
	}
	event := w.stop.Text(record.WindowStopEvent)
	for name, is := range map[string]bool{"closed_by_stop": event == "stop", "closed_by_abort": event == "abort",
		"closed_by_timeout": event == "abort" && c.timedOut, "forced": c.forced, "clock_step": c.moved.Sign() != 0, "gap_at_end": w.t.source == tag.Bad,
		"stale_at_end": w.t.source == tag.Stale || w.t.source == tag.Good && w.t.mute, "stale_at_start": c.stale,
		"gap_at_start": c.atStart || c.early && g.unusual("gap_at_start")} {
		if g.unusual(name) != is {
			return fmt.Errorf("%s is %.200q, and of %s the records before it say %v", record.Anomalies, g.anomalies, name, is)
		}
	}
	return nil
}

// stopped adds the facts that follow from the record that closed the window and from what has happened to it.
func (r *records) stopped(a *aim, w *window, want map[string]int64) {
	ms := func(k record.Key) (ns int64) {
		if coef, scale, err := quantity.ParseDecimal(w.stop.Text(k)); err == nil && scale == 6 {
			ns = coef
		}
		return ns
	}
	m, period := a.meter, a.meter.Period
	if period == 0 {
		period = ms(record.SamplePeriodMS)
		want["lag_ns"] = period + m.Filter.Delay + int64(m.Filter.Samples/2)*period
	}
	cuts := w.stop.Int(record.Cuts)
	want["gaps"], want["blind"] = int64(w.stop.Count(record.Gaps))+cuts, 0
	if cuts > 0 {
		want["blind"] = 1
	}
	want["lost_ns"] = ms(record.GapMS) + int64(w.stop.Count(record.SamplesMissing))*period
	if want["edge"], _ = a.counts(w.stop.Text(record.EdgeFlow)); w.stop.Text(record.EdgeFlow) == record.Overflow {
		delete(want, "edge")
	}
	r.rollovers(a, w, want)
	named := func(ids ...tag.ID) (is int64) {
		for _, id := range ids {
			if id != tag.None && slices.Contains(w.course.reset, r.m.Tags[id].Name) {
				is = 1
			}
		}
		return is
	}
	want["reset"], want["meter_reset"] = named(m.Source, m.Identity), named(m.Totalizer, m.Identity)
}

// rollovers adds by how much totals are too great if rollovers that are on record were set-backs.
func (r *records) rollovers(a *aim, w *window, want map[string]int64) {
	c, bound := &w.course, &w.g.bound
	if c.untold {
		return
	}
	add := func(name string, id tag.ID, k quantity.Ratio, span *big.Int) {
		sum := new(big.Int)
		for i := range c.rolled {
			if id != tag.None && c.rolled[i].tag == r.m.Tags[id].Name {
				left := new(big.Int).Sub(span, c.rolled[i].from)
				if v := nearest(left.Mul(left, big.NewInt(k.Num())), big.NewInt(k.Den())); v.Sign() > 0 {
					sum.Add(sum, v)
				}
			}
		}
		if sum.IsInt64() {
			want[name] = sum.Int64()
		}
	}
	m := a.meter
	if m.Totalizer != tag.None {
		if k, err := r.m.Tags[m.Totalizer].Resolution.Per(m.Resolution); err == nil {
			add("meter_excess", m.Totalizer, k, big.NewInt(m.TotalizerModulus))
		}
	}
	if want["excess"] = 0; len(bound.Curve.A) == 0 && m.Method <= metering.Totalizer {
		add("excess", m.Source, bound.K, spanOf(m))
	}
}

// spanOf is where the counter of a meter begins anew.
func spanOf(m *iomap.Meter) *big.Int {
	if m.Method == metering.Pulses && m.Bits < 63 {
		return new(big.Int).Lsh(big.NewInt(1), uint(m.Bits))
	}
	return big.NewInt(m.Modulus)
}

// declaredFacts are the facts that follow from map and calibration alone.
func (r *records) declaredFacts(a *aim, w *window) map[string]int64 {
	m, bound, want := a.meter, &w.g.bound, map[string]int64{"modulus": 0}
	one := int64(1)
	upTo := func(k quantity.Ratio) {
		v := new(big.Int).Add(big.NewInt(k.Num()), big.NewInt(k.Den()-1))
		if v.Quo(v, big.NewInt(k.Den())); v.IsInt64() {
			one = max(one, v.Int64())
		}
	}
	apply := func(name string, k quantity.Ratio, counts *big.Int) {
		if v := nearest(counts.Mul(counts, big.NewInt(k.Num())), big.NewInt(k.Den())); v.IsInt64() {
			want[name] = v.Int64()
		} else {
			want[name] = 0
		}
	}
	if m.Method == metering.Pulses || m.Method == metering.Totalizer {
		if upTo(bound.K); len(bound.Curve.A) == 0 {
			apply("modulus", bound.K, spanOf(m))
		}
	}
	if m.Totalizer != tag.None {
		t := &r.m.Tags[m.Totalizer]
		if k, err := t.Resolution.Per(m.Resolution); err == nil {
			upTo(k)
			apply("meter_modulus", k, big.NewInt(m.TotalizerModulus))
		}
		want["meter_lag_ns"] = t.StaleAfter
	}
	want["historian_lag_ns"] = 0
	if m.Historian != tag.None {
		want["historian_lag_ns"] = r.m.Tags[m.Historian].StaleAfter
	}
	if want["grain"] = one; m.Period > 0 {
		want["lag_ns"] = m.Period + m.Filter.Delay + int64(m.Filter.Samples/2)*m.Period
	}
	return want
}
