// Tests of reconciliations: what a record says of three totals is what they, the facts and the records before make of them.

package evidence

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
)

// reconcileOf makes the record of a reconciliation as the engine words it.
func reconcileOf(t *testing.T, f *metering.Facts, res quantity.Quantity, edit func(v *metering.Verdict)) *record.Record {
	t.Helper()
	v := metering.Reconcile(f)
	if edit != nil {
		edit(&v)
	}
	b := identified(record.KindReconcile)
	measure := func(k record.Key, counts int64, fits bool) {
		if coef, scale, err := quantity.ParseDecimal(shown(counts, res)); err == nil && fits {
			b.Decimal(k, coef, scale)
		} else {
			b.Text(k, record.Overflow)
		}
	}
	measure(record.BatchTotal, f.Total, true)
	compared, pairs := []string{"batch_total"}, []string(nil)
	if f.Device.Has {
		compared = append(compared, "meter_total")
		measure(record.MeterTotal, f.Device.Value, true)
	}
	if f.Historian.Has {
		compared = append(compared, "historian_total")
		measure(record.HistorianTotal, f.Historian.Value, true)
	}
	for i, name := range []string{"batch_total-meter_total", "batch_total-historian_total", "meter_total-historian_total"} {
		if p := v.Pairs[i]; p.Compared {
			delta := record.Overflow
			if p.Fits {
				delta = shown(p.Delta, res)
			}
			if len(pairs) == 0 {
				measure(record.Delta, p.Delta, p.Fits)
			}
			pairs = append(pairs, name+"="+delta+" "+p.Status.String())
		}
	}
	b.Texts(record.Compared, compared)
	var missing []string
	if v.NoMeter {
		missing = append(missing, "meter_total")
	}
	if v.NoHistorian {
		missing = append(missing, "historian_total")
	}
	for k, list := range map[record.Key][]string{record.Pairs: pairs, record.Absent: missing, record.Facts: factsIn(f, res),
		record.Anomalies: f.Anomalies.AppendNames(nil)} {
		if len(list) > 0 {
			b.Texts(k, list)
		}
	}
	b.Text(record.ReconcileStatus, v.Status.String())
	if v.Hint != metering.NoHint {
		b.Text(record.Hint, v.Hint.String())
	}
	body, err := b.Append(nil)
	require.NoError(t, err)
	rec, err := record.Parse(body)
	require.NoError(t, err)
	return rec
}

// identified begins a record with what every one has.
func identified(k record.Kind) *record.Body {
	b := &record.Body{}
	b.Begin(k)
	for k, text := range map[record.Key]string{record.JournalID: "J", record.SyncState: "UNSET", record.TimeSource: "none", record.DeviceID: "D",
		record.BatchID: "B", record.RecipeID: "R", record.RecipeVersion: "1", record.MappingVersion: "1", record.OperatorID: "o",
		record.EquipmentID: "E", record.MeterWindowID: "A", record.Unit: "kg"} {
		b.Text(k, text)
	}
	b.Count(record.EventSeq, 1)
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, 1)
	b.Counts(record.Cause, nil)
	return b
}

// factsIn words facts.
func factsIn(f *metering.Facts, res quantity.Quantity) (words []string) {
	for i, v := range []int64{one(f.Blind), f.Edge, f.Excess, f.Gaps, f.Grain, f.Half, f.DeviceHalf, f.Historian.Lag, f.Lag, f.Length, f.Lost,
		f.Device.Excess, f.Device.Lag, f.Device.Modulus, one(f.Device.Marked), f.Modulus, f.Moved, one(f.Marked)} {
		switch name := factNames[i].name; {
		case v == 0:
		case factNames[i].form == 'a':
			words = append(words, name+"="+shown(v, res))
		case factNames[i].form == 'y':
			words = append(words, name+"=yes")
		default:
			words = append(words, name+"="+strconv.FormatInt(v, 10))
		}
	}
	return words
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// aimAt is a window whose meter has a totalizer or a historian or both.
func aimAt(t *testing.T, resolution string, f *metering.Facts) *aim {
	res, err := quantity.Parse(resolution)
	require.NoError(t, err)
	a := &aim{meter: &iomap.Meter{Resolution: res, Totalizer: tag.None, Historian: tag.None, External: f.Historian.Expected}, reconcile: f.Tolerance}
	if f.Device.Expected {
		a.meter.Totalizer = 3
	}
	return a
}

func quality(good bool) string {
	if good {
		return "GOOD"
	}
	return "STALE"
}

func TestReconciliationsAreJudgedAsTheEngineDoesByOtherArithmetic(t *testing.T) {
	const seed = 8
	rnd := rand.New(rand.NewPCG(seed, 1))
	some := func(most int64) int64 {
		if rnd.IntN(3) == 0 {
			return 0
		}
		return rnd.Int64N(most)
	}
	yes := func(n int) bool { return rnd.IntN(n) == 0 }
	hints := map[metering.Hint]int{}
	for i := range 20_000 {
		f := &metering.Facts{Total: rnd.Int64N(20_000) - 1000, Good: !yes(4), Tolerance: rnd.Int64N(60), Grain: 1 + rnd.Int64N(6),
			Length: 1 + rnd.Int64N(200e9), Modulus: some(9000), Marked: yes(30), Excess: some(200), Gaps: some(3), Lost: some(9e9), Blind: yes(20),
			Edge: some(200), Lag: some(3e9), Moved: some(40e9), OtherCalibration: yes(5),
			Anomalies: metering.Anomaly(rnd.IntN(1 << 11))}
		f.Half = f.Total / 2
		for _, s := range []*metering.Side{&f.Device, &f.Historian} {
			s.Expected = !yes(3)
			s.Has = s.Expected && !yes(5)
			s.Value, s.Lag, s.Marked = f.Total+rnd.Int64N(400)-200, some(3e9), yes(30) && s == &f.Device
			if yes(3) {
				s.Value = f.Total * (90 + rnd.Int64N(20)) / 100
			}
			if s == &f.Device {
				s.Modulus, s.Excess = some(9000), some(200)
			}
		}
		f.DeviceHalf = f.Device.Value/2 + some(4)
		a := aimAt(t, "0.05 kg", f)
		require.NoError(t, a.reconciled(reconcileOf(t, f, a.meter.Resolution, nil), quality(f.Good), f.OtherCalibration), "seed %d, %d: %+v", seed, i, f)
		hints[metering.Reconcile(f).Hint]++
	}
	for h := metering.NoHint; h <= metering.HintUnexplained; h++ {
		require.Greater(t, hints[h], 20, "%q: %v", h, hints)
	}
}

func TestAnotherStatusOrHintThanTheFactsGiveIsFound(t *testing.T) {
	base := func() *metering.Facts {
		return &metering.Facts{Total: 2000, Good: true, Tolerance: 10, Grain: 1, Length: 100e9, Gaps: 1, Lost: 5e9,
			Device: metering.Side{Expected: true, Has: true, Value: 2050}}
	}
	for name, edit := range map[string]func(v *metering.Verdict){
		"a status":           func(v *metering.Verdict) { v.Status = metering.StatusPass },
		"another hint":       func(v *metering.Verdict) { v.Hint = metering.HintCalibration },
		"no hint":            func(v *metering.Verdict) { v.Hint = metering.NoHint },
		"a pair's status":    func(v *metering.Verdict) { v.Pairs[metering.BatchMeter].Status = metering.StatusPass },
		"a pair's delta":     func(v *metering.Verdict) { v.Pairs[metering.BatchMeter].Delta = 0 },
		"an absent total":    func(v *metering.Verdict) { v.NoHistorian = true },
		"a pair that is not": func(v *metering.Verdict) { v.Pairs[metering.MeterHistorian].Compared = true },
	} {
		f := base()
		a := aimAt(t, "0.05 kg", f)
		require.NoError(t, a.reconciled(reconcileOf(t, f, a.meter.Resolution, nil), "GOOD", false))
		require.Error(t, a.reconciled(reconcileOf(t, f, a.meter.Resolution, edit), "GOOD", false), name)
	}
	f := base()
	a := aimAt(t, "0.05 kg", f)
	f.Device.Value = f.Total
	require.ErrorContains(t, a.reconciled(reconcileOf(t, f, a.meter.Resolution, nil), "STALE", true), `reconcile_status is "PASS", recomputed it is "WARN"`)
	f.Device.Expected = false
	require.ErrorContains(t, aimAt(t, "0.05 kg", f).reconciled(reconcileOf(t, f, a.meter.Resolution, nil), "GOOD", false), "has no totalizer")
}

func TestTotalsBeyondAnyDecimalAreNoPass(t *testing.T) {
	big := &metering.Facts{Total: 1 << 62, Tolerance: 10, Grain: 1, Length: 1, Good: true, Device: metering.Side{Expected: true, Has: true, Value: 1 << 62}}
	a := aimAt(t, "5 kg", big)
	pass := func(v *metering.Verdict) { v.Status = metering.StatusPass }
	require.NoError(t, a.reconciled(reconcileOf(t, big, a.meter.Resolution, pass), "GOOD", false), "a replay tells")
	require.ErrorContains(t, a.reconciled(reconcileOf(t, big, a.meter.Resolution, pass), "BAD", false), `recomputed it is "WARN"`)
	big.Device.Value = 1
	require.ErrorContains(t, a.reconciled(reconcileOf(t, big, a.meter.Resolution, pass), "GOOD", false), `recomputed it is "FAIL"`)
}

func TestFactsAreReadStrictly(t *testing.T) {
	a := aimAt(t, "0.05 kg", &metering.Facts{})
	for _, words := range [][]string{{"grain"}, {"grain=0.00"}, {"grain=0.01"}, {"gaps=01"}, {"gaps=0"}, {"blind=no"}, {"gaps=1", "edge=0.05"},
		{"gaps=1", "gaps=1"}, {"other=1"}, {""}} {
		_, err := a.factsOf(words)
		require.ErrorContains(t, err, "facts holds", "%q", words)
	}
	facts, err := a.factsOf([]string{"blind=yes", "edge=-0.05", "gaps=2", "meter_modulus=overflow"})
	require.NoError(t, err)
	require.Equal(t, "map[blind:1 edge:-1 gaps:2 meter_modulus:0]", fmt.Sprint(facts))
}
