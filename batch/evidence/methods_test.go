// Windows of every method: whole batches over sources that fail in every way, and what the package says of them is found again.

package evidence

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// meterKinds are meters of each method, with the factor that their calibration has.
var meterKinds = []struct{ name, meter, factor string }{
	{"pulses", "source: FC1, bits: 16, most: 400 Hz, second: {source: FC2, bits: 32, within: \"40 {pulse}\"}, totalizer: FT1, totalizer_modulus: 100 kg, " +
		"tolerance: 0.50 kg, sample_period: 100 ms", "k_factor: \"100 {pulse}/kg\""},
	{"pulses of a low flow", "source: FC1, bits: 16, low_cutoff: 5 Hz, sample_period: 100 ms", "k_factor: \"0.01 kg/{pulse}\""},
	{"pulses by frequency", "source: FC1, bits: 16", "polyline: [[0 Hz, 0 kg/min], [100 Hz, 61 kg/min], [400 Hz, 239 kg/min]]"},
	{"pulses by a certificate", "source: FC1, bits: 16", "polyline: [[0 Hz, 0 kg/min], [47.31 Hz, 28.97 kg/min], [101.93 Hz, 62.27 kg/min], [397.1 Hz, 237.31 kg/min]]"},
	{"totalizer", "method: totalizer, source: FT1, modulus: 100 kg, most: 5 kg/s, identity: ID1", ""},
	{"totalizer and a historian", "method: totalizer, source: FT1, modulus: 100 kg, historian: external, tolerance: 0.50 kg", ""},
	{"pulses by frequency and a device", "source: FC1, bits: 16, totalizer: FT1, totalizer_modulus: 100 kg, tolerance: 0.50 kg",
		"polyline: [[0 Hz, 0 kg/min], [100 Hz, 61 kg/min], [400 Hz, 239 kg/min]]"},
	{"totalizer without limit", "method: totalizer, source: FC1, modulus: \"65536 {pulse}\", sample_period: 50 ms", "k_factor: \"100 {pulse}/kg\""},
	{"flow", "method: flow, source: FI1, integration: rectangle, low_cutoff: 1 kg/min, filter: {type: device, delay: 200 ms}", ""},
	{"flow by trapezoids", "method: flow, source: FI1, integration: trapezoid, filter: {type: median, samples: 3}, sample_period: 100 ms",
		"linear: {gain: 1.0025, offset: 0.05 kg/min}"},
	{"flow by points", "method: flow, source: FI1, integration: trapezoid, identity: ID1", "polyline: [[-1 kg/min, 0 kg/min], [50 kg/min, 52 kg/min], [100 kg/min, 99 kg/min]]"},
	{"flow by a certificate", "method: flow, source: FI1, integration: trapezoid", certificate("kg/min")},
	{"weight by a certificate", "method: weight, source: WT1, direction: gain", certificate("kg")},
	{"weight", "method: weight, source: WT1, direction: gain, stable: {within: 0.05 kg, for: 300 ms}, tare: {most: 900 kg}", ""},
	{"weight by points", "method: weight, source: WT1, direction: gain, stable: {within: 0.05 kg, for: 300 ms}, filter: {type: median, samples: 5}, identity: ID1",
		"polyline: [[0 kg, 0 kg], [50 kg, 50.5 kg], [1000 kg, 1001 kg]]"},
}

// certificate is a polyline of 16 measured points, whose distances have nothing in common.
func certificate(unit string) string {
	var points []string
	for i := range int64(16) {
		points = append(points, fmt.Sprintf("[%d.%02d %s, %d.%03d %s]", 7*i*i, 13*i%100, unit, 7*i*i, 171*i%1000, unit))
	}
	return "polyline: [" + strings.Join(points, ", ") + "]"
}

// meterPlan is a plan with one meter and a window on it.
func meterPlan(meter, factor string) fstest.MapFS {
	if factor != "" {
		factor = "\n  - {meter: Q, " + factor + "}"
	} else {
		factor = "\n  - {meter: OTHER, k_factor: \"1.5\"}"
	}
	number := func(name, channel, form, res string) string {
		return fmt.Sprintf("  - {logical_tag: %s, physical_channel: %s, direction: in, type: number, form: %s, resolution: %s, gain: %s, stale_after: 500 ms}\n",
			name, channel, form, res, strings.NewReplacer("0.001 kg/min", "1 kg/min").Replace(res))
	}
	counter := func(name, channel string) string {
		return fmt.Sprintf("  - {logical_tag: %s, physical_channel: %s, direction: in, type: counter, unit: \"{pulse}\", stale_after: 500 ms}\n", name, channel)
	}
	return fstest.MapFS{
		"map.yaml": {Data: []byte("mapping: M\nversion: \"1\"\nschema_version: 1\ndevice_id: C\nequipment_id: R\ncalibration: cal.yaml\ntags:\n" +
			"  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}\n" +
			counter("FC1", "ctr/1") + counter("FC2", "ctr/2") + number("FT1", "tot/1", "int", "0.01 kg") +
			number("FI1", "ai/1", "float32", "0.001 kg/min") + number("WT1", "ai/2", "int", "0.01 kg") + number("ID1", "id/1", "int", `"1"`) +
			"meters:\n  - {meter: Q, resolution: 0.001 kg, " + meter + "}\n")},
		"cal.yaml": {Data: []byte("calibration: CAL\nversion: \"3\"\nschema_version: 1\nvalid_from: 2026-01-01T00:00:00Z\nvalid_to: 2027-01-01T00:00:00Z\n" +
			"effective_from: 2026-01-01T00:00:00Z\nfactors:" + factor + "\n")},
		"recipe.yaml": {Data: []byte("recipe: R\nversion: \"1\"\nschema_version: 1\ntitle: One charge\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\n" +
			"procedure:\n  id: TOP\n  level: procedure\n  sequence:\n    - id: CHARGE\n      level: phase\n      timeout: 1 h\n      actions:\n" +
			"        - open_window: {window: A, meter: Q, target: 12 kg, tolerance: 0.5 kg}\n        - set: {XV1: open}\n        - wait_total: {window: A}\n" +
			"        - set: {XV1: closed}\n        - delay: 1 s\n        - close_window: A\n")},
	}
}

// rough is a plant with all of these sources, and what goes wrong with them.
type rough struct {
	*run
	r      *rand.Rand
	ug     int64 // what has flowed, in units of 0.01 g
	first  uint64
	total  uint64
	serial uint64
	quiet  int // rounds for which nothing is sent
	jumped int64
	wrong  bool // things go wrong
}

// values are what the sources show.
func (l *rough) values() map[tag.ID]uint64 {
	rate := float32(0)
	if l.open {
		rate = 60 + float32(l.r.IntN(1000))/100
	}
	return map[tag.ID]uint64{1: (l.first + uint64(l.ug/1000)) % 65536, 2: uint64(l.ug / 1000), 3: (l.total + uint64(l.ug/1000)) % 10000,
		4: uint64(math.Float32bits(rate)), 5: uint64(3000 + l.ug/1000 + int64(l.r.IntN(5))), 6: l.serial}
}

func formOf(id tag.ID) tag.Form {
	if id == 4 {
		return tag.Float32
	}
	return tag.Int
}

// scan brings a round of values.
func (l *rough) scan() {
	if l.quiet > 0 {
		l.quiet--
		return
	}
	for id := tag.ID(1); id <= 6; id++ {
		v, q, age := l.values()[id], tag.Good, int64(0)
		switch n := l.r.IntN(400); {
		case !l.wrong:
		case n == 0:
			q = tag.Bad
		case n == 1:
			v = uint64(l.r.IntN(20000))
		case n < 20:
			age = min(int64(l.r.IntN(200)), l.now/1_000_000) // nothing is older than the epoch
		case n == 20 && id == 4:
			v = uint64(math.Float32bits(float32(math.NaN())))
		case n == 21 && id == 4:
			v = uint64(math.Float32bits(1e5))
		}
		l.step(batch.Event{Kind: batch.Sample, Tag: id, Form: formOf(id), Bits: v, Quality: q, AgeMS: age})
	}
}

// mishap lets something happen that concerns all of them.
func (l *rough) mishap() {
	switch l.r.IntN(120) {
	case 0:
		l.quiet = l.r.IntN(12)
	case 1:
		l.first, l.total = uint64(l.r.IntN(65536)), uint64(l.r.IntN(10000))
	case 2:
		l.serial++
	case 3:
		l.jumped += int64(l.r.IntN(20)-10) * 1_000 * ms
		l.look()
	case 4:
		l.tell(sequencer.Hold)
	case 5:
		l.cut()
	}
}

func (l *rough) seen() timebase.Observation {
	return timebase.Observation{Mono: l.now, UTC: created + 3_600_000*ms + l.now + l.jumped, Sync: timebase.NTPSync, Source: "ntp", Bound: 5 * ms}
}

func (l *rough) look() { l.step(batch.Event{Kind: batch.Observed, Observation: l.seen()}) }

// cut takes the power away, and lets the controller come up again.
func (l *rough) cut() { l.cutWith(func(tag.ID) bool { return l.r.IntN(5) > 0 }) }

// cutWith is cut where the sources that answer are read back.
func (l *rough) cutWith(answers func(id tag.ID) bool) {
	l.seal()
	l.now, l.done, l.open = int64(l.r.IntN(1000))*ms+1, nil, false
	ev := batch.Event{Kind: batch.Boot, Epoch: l.m.Epoch() + 1, Observation: l.seen(), LossMS: 15_000, Recovery: "continued", Last: l.next - 1,
		Readback: []batch.Reading{{Form: tag.Bool, Quality: tag.Good}}}
	for id := tag.ID(1); id <= 6; id++ {
		if answers(id) {
			ev.Readback = append(ev.Readback, batch.Reading{Tag: id, Form: formOf(id), Bits: l.values()[id], Quality: tag.Good})
		}
	}
	l.step(ev)
}

// charge runs the batch to its end.
func (l *rough) charge() {
	for n := 0; !l.m.Ended() && n < 2000; n++ {
		l.until(l.now + int64(80+l.r.IntN(40))*ms)
		if l.open {
			l.ug += int64(9_000 + l.r.IntN(2_000)) // about 1 kg/s
		}
		l.scan()
		switch {
		case n == 3:
			l.tell(sequencer.Start)
		case n == 600:
			l.tell(sequencer.Abort)
		case n > 3 && l.wrong:
			l.mishap()
		}
		if l.m.State() == sequencer.Held && l.r.IntN(6) == 0 {
			l.tell(sequencer.Restart)
		}
	}
}

// charged leaves the package of a charge by a meter.
func charged(t *testing.T, meter, factor string, seed uint64, wrong bool) (dir string, l *rough) {
	dir = t.TempDir()
	b := bound(t, meterPlan(meter, factor), "B-1", approved{})
	l = &rough{run: begin(t, dir, b), r: rand.New(rand.NewPCG(seed, 8)), first: 65_000, total: 9_800, serial: 7, wrong: wrong}
	l.charge()
	require.True(t, l.m.Ended(), "seed %d: the batch is %s", seed, l.m.State())
	l.end()
	_, err := Pack(dir, b)
	require.NoError(t, err, "seed %d", seed)
	return dir, l
}

func TestAPackageOfWindowsOfEachMethodIsWholeWhateverBecomesOfTheirSources(t *testing.T) {
	seen, seeds := map[string]int{}, uint64(6)
	if os.Getenv("BATCHKIT_LONG") == "1" {
		seeds = 200
	}
	for _, k := range meterKinds {
		t.Run(k.name, func(t *testing.T) {
			for seed := range seeds {
				dir, _ := charged(t, k.meter, k.factor, seed, seed > 0)
				rep, err := Verify(dir)
				require.NoError(t, err)
				require.True(t, rep.OK(), "seed %d: %s", seed, rep.Verdict())
				if stop := firstOf(t, dir, record.KindWindowStop); seed == 0 {
					require.NotNil(t, stop)
					require.Equal(t, "PASS", stop.Text(record.Result), string(stop.Body))
					t.Logf("%s kg in %s samples", stop.Text(record.TotalizedValue), stop.Text(record.Samples))
				}
				for _, body := range bodies(t, slurp(t, dir, eventsName)) {
					if rec, err := record.Parse(body); err == nil && rec.Kind == record.KindWindowEvent {
						seen[rec.Text(record.WindowEvent)]++
					}
				}
			}
		})
	}
	t.Log(seen)
	for _, event := range []string{"gap", "gap_end", "rollover", "reset", "replaced", "channels_differ", "out_of_range", "stable", "unstable", "time_step",
		"held", "resumed", "threshold"} {
		require.NotZero(t, seen[event], "nothing was ever %s", event)
	}
}

// firstOf is the first record of a kind in a package; nil where there is none.
func firstOf(t *testing.T, dir string, kind record.Kind) *record.Record {
	for _, body := range bodies(t, slurp(t, dir, eventsName)) {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		if rec.Kind == kind {
			return rec
		}
	}
	return nil
}

func TestWhatRecordsSayOfAWindowBesideItsTotalCannotBeForged(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	for _, c := range []struct{ name, kind, key, value, says string }{
		{"another meter", "window_start", "meter", "FQ2", "which is meter"},
		{"another method", "window_start", "method", "flow", `method is "flow", by mapping and calibration it is "pulses"`},
		{"another validity", "window_start", "valid_from", "2020-01-01T00:00:00.000000000Z", "valid_from"},
		{"a filter", "window_start", "filter_type", "median", "filter_type"},
		{"a declared period", "window_start", "sample_period_ms", "100.000000", "sample_period_ms"},
		{"another unit of the source", "window_start", "source_unit", "kg", "source_unit"},
		{"an event that was none", "window_event", "window_event", "reset", `window_event is "reset", by its samples it is "rollover"`},
		{"a snapshot", "window_event", "totalized_value", "9.00", "totalized_value"},
		{"a reading before", "window_event", "old_value", "1", "old_value"},
		{"a reading after", "window_event", "new_value", "1", "new_value"},
		{"events that were counted", "window_event", "coalesced", "4", "coalesced"},
		{"another source", "window_event", "logical_tag", "FT1", "logical_tag"},
		{"another step", "window_event", "step_id", "TOP_UP", "step_id"},
		{"another period", "window_stop", "sample_period_ms", "1.000000", "sample_period_ms"},
		{"gaps", "window_stop", "gaps", "7", `gaps is "7", recomputed it is "0"`},
		{"time of gaps", "window_stop", "gap_ms", "7.000000", "gap_ms"},
		{"cuts", "window_stop", "held_ms", "7.000000", "held_ms"},
		{"readings that were late", "window_stop", "samples_late", "0", "samples_late"},
		{"the device's total", "window_stop", "meter_total", "9.00", "meter_total"},
		{"how good that is", "window_stop", "meter_quality", "STALE", "meter_quality"},
		{"a second counter", "window_stop", "second_count", "9", "second_count"},
		{"a tare", "window_stop", "tare", "9.00", "tare"},
		{"what flowed at the end", "window_stop", "edge_flow", "9.00", "edge_flow"},
		{"untold events", "window_stop", "coalesced", "3", "coalesced"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rep, err := Verify(forge(t, dir, with(c.kind, 1, c.key, c.value)))
			require.NoError(t, err)
			require.False(t, rep.OK(), "nothing was found")
			require.Contains(t, rep.Verdict()+found(rep, "totals").String()+found(rep, "samples").String(), c.says)
		})
	}
	failed(t, forge(t, dir, fields("window_start", 1, func(f map[string]any) { f["coefficients"] = []string{"k_factor 99 {pulse}/kg"} })), "totals")
	failed(t, forge(t, dir, fields("window_stop", 1, func(f map[string]any) { f["boundary"] = []string{"flow_at_start"} })), "totals")
}

func TestDeclaredFactsOfEveryCounterCannotBeForged(t *testing.T) {
	for _, k := range meterKinds {
		if !strings.Contains(k.meter, "tolerance") {
			continue
		}
		dir, _ := charged(t, k.meter, k.factor, 3, false)
		forged := slices.Clone(firstOf(t, dir, record.KindReconcile).Texts(record.Facts))
		grain := slices.IndexFunc(forged, func(f string) bool { return strings.HasPrefix(f, "grain=") })
		require.NotEqual(t, -1, grain, k.name)
		forged[grain] = "grain=0.777"
		got := failed(t, forge(t, dir, with("reconcile", 1, "facts", forged)), "totals")
		require.Contains(t, got.String(), "grain", k.name)
	}
}

func TestASampleThatDecidesNothingAllocatesNothingWhateverTheMethod(t *testing.T) {
	for _, k := range meterKinds {
		l := &rough{run: begin(t, t.TempDir(), bound(t, meterPlan(k.meter, k.factor), "B-1", approved{})), r: rand.New(rand.NewPCG(5, 8)),
			first: 65_000, total: 9_800, serial: 7}
		for n := range 20 {
			l.until(l.now + 100*ms)
			if l.open {
				l.ug += 10_000
			}
			if l.scan(); n == 3 {
				l.tell(sequencer.Start)
			}
		}
		require.True(t, l.m.Total(0).Open, k.name)
		steady, now, fx := l.values(), l.now, make([]batch.Effect, 0, 64)
		require.Zero(t, testing.AllocsPerRun(20, func() {
			for id := tag.ID(1); id <= 6; id++ {
				now++
				ev := batch.Event{Kind: batch.Sample, Tag: id, Form: formOf(id), Bits: steady[id], Quality: tag.Good}
				if fx = l.m.Step(now, &ev, fx[:0]); len(fx) > 0 {
					t.Fatalf("%s: the step was not steady: %s", k.name, fx[0].Body)
				}
			}
		}), k.name)
	}
}

func TestABatchOfEachMethodReplaysByteForByteFromASnapshotBeforeEveryEvent(t *testing.T) {
	for _, k := range meterKinds {
		dir, l := charged(t, k.meter, k.factor, 3, true)
		r := l.b.Replay()
		var snap []byte
		r.Before = func(int64, *batch.Event) {
			snap = r.Machine.Snapshot(snap[:0])
			next := l.b.Start()
			require.NoError(t, next.Restore(snap), k.name)
			require.Equal(t, snap, next.Snapshot(nil), k.name)
			r.Machine = next
		}
		for _, body := range bodies(t, slurp(t, dir, eventsName)) {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			require.NoError(t, r.Record(rec), k.name)
		}
		require.NoError(t, r.End(), k.name)
		require.True(t, r.Machine.Ended(), k.name)
	}
}

// eventsOf are the records of a kind in a package.
func eventsOf(t *testing.T, dir string, kind record.Kind) (list []*record.Record) {
	for _, body := range bodies(t, slurp(t, dir, eventsName)) {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		if rec.Kind == kind {
			list = append(list, rec)
		}
	}
	return list
}

func TestASourceThatChattersIsToldEverLessOftenAndCounted(t *testing.T) {
	dir := t.TempDir()
	k := meterKinds[0]
	b := bound(t, meterPlan(k.meter, k.factor), "B-1", approved{})
	l := &rough{run: begin(t, dir, b), r: rand.New(rand.NewPCG(1, 8)), first: 65_000}
	for n := range 2 {
		l.until(l.now + 100*ms)
		if l.scan(); n == 0 {
			l.tell(sequencer.Start)
		}
	}
	for n := range 200 {
		l.until(l.now + 10*ms)
		q := tag.Quality(uint8(tag.Good) * uint8(n%2))
		l.step(batch.Event{Kind: batch.Sample, Tag: 1, Form: tag.Int, Bits: 65_000, Quality: q})
	}
	l.tell(sequencer.Abort)
	l.until(l.now + 5_000*ms)
	require.True(t, l.m.Ended())
	l.end()
	_, err := Pack(dir, b)
	require.NoError(t, err)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	gaps, counted := 0, uint64(0)
	for _, rec := range eventsOf(t, dir, record.KindWindowEvent) {
		if rec.Text(record.WindowEvent) == "gap" {
			gaps, counted = gaps+1, counted+1+rec.Count(record.Coalesced)
		}
	}
	require.Equal(t, 11, gaps, "eight times, then the 16th, the 32nd and the 64th")
	require.EqualValues(t, 64, counted)
	stop := firstOf(t, dir, record.KindWindowStop)
	require.Equal(t, "100", stop.Text(record.Gaps))
	require.EqualValues(t, 2*36, stop.Count(record.Coalesced), "gaps and their ends")
}

func TestAWindowThatStaysShutHoldsItsStepAndSaysWhy(t *testing.T) {
	weight := "method: weight, source: WT1, direction: gain, stable: {within: 0.05 kg, for: 300 ms}, tare: "
	for _, c := range []struct {
		name, meter string
		before      func(l *rough)
		says        string
	}{
		{"its source was never read", "method: flow, source: FI1, integration: rectangle", func(*rough) {},
			"window A stays shut: its source is not GOOD"},
		{"there is too much on the scale", weight + "{most: 10 kg}", func(l *rough) { l.scan() },
			"window A stays shut: the tare is above its limit, 30.0"},
		{"the scale is not stable", weight + "{stable: true}", func(l *rough) { l.scan() }, "window A stays shut: the scale is not stable"},
		{"its calibration is over", "method: flow, source: FI1, integration: rectangle", func(l *rough) {
			l.jumped = 2 * 366 * 86_400_000 * ms
			l.look()
		}, "calibration 3 does not hold at this time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			b := bound(t, meterPlan(c.meter, ""), "B-1", approved{})
			l := &rough{run: begin(t, dir, b), r: rand.New(rand.NewPCG(1, 8))}
			c.before(l)
			l.tell(sequencer.Start)
			l.until(l.now + 3_000*ms)
			require.Equal(t, sequencer.Held, l.m.State())
			l.tell(sequencer.Abort)
			l.until(l.now + 5_000*ms)
			l.end()
			_, err := Pack(dir, b)
			require.NoError(t, err)
			require.Empty(t, eventsOf(t, dir, record.KindWindowStart))
			for _, rec := range eventsOf(t, dir, record.KindStepState) {
				if rec.Text(record.StepID) == "CHARGE" && rec.Text(record.PhaseState) == "Holding" {
					require.Contains(t, rec.Text(record.Detail), c.says)
					return
				}
			}
			t.Fatal("the step was never held")
		})
	}
}

func TestACalibrationWithLimitsOpensNoWindowWhileNobodyKnowsTheTime(t *testing.T) {
	dir := t.TempDir()
	b := bound(t, meterPlan("method: flow, source: FI1, integration: rectangle", ""), "B-1", approved{})
	l := &rough{run: begin(t, dir, b), r: rand.New(rand.NewPCG(1, 8))}
	l.tell(sequencer.Start) // its source was not read yet
	l.until(l.now + 3_000*ms)
	require.Equal(t, sequencer.Held, l.m.State())
	l.seal()
	l.now, l.done = 1, nil
	l.step(batch.Event{Kind: batch.Boot, Epoch: l.m.Epoch() + 1, Observation: timebase.Observation{Mono: 1, Sync: timebase.Unset, Source: "none"}})
	l.scan()
	l.tell(sequencer.Restart)
	l.until(l.now + 3_000*ms)
	l.end()
	_, err := Pack(dir, b)
	require.NoError(t, err)
	require.Empty(t, eventsOf(t, dir, record.KindWindowStart))
	list := eventsOf(t, dir, record.KindStepState)
	require.Contains(t, string(list[len(list)-2].Body)+string(list[len(list)-1].Body), "calibration 3 holds for a time, and nobody knows what time it is")
}
