// Workload W1: what an hour of a batch costs, in time and in evidence.

package batch_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// W1 is one unit, twelve steps, one hour, eight analogue tags, of which two are counters that are metered, and eight switches, read
// every 100 ms, with three conditions armed for most of the time.
const (
	w1Scan  = 100_000_000
	w1Scans = 36_000
	w1Tags  = 16
)

// w1Files makes the files of W1. Its steps are a charge of each line, then three branches of a condition each while a sequence of
// delays goes on, five minutes apart.
func w1Files() fstest.MapFS {
	var m, r strings.Builder
	m.WriteString("mapping: W1\nversion: \"1\"\nschema_version: 1\ndevice_id: C1\nequipment_id: T1\ncalibration: cal.yaml\ntags:\n")
	for i := range 6 {
		fmt.Fprintf(&m, "  - {logical_tag: AI%d, physical_channel: ai/%d, direction: in, type: number, form: int, resolution: 0.01 Cel, gain: 0.01 Cel, stale_after: 2 s}\n", i, i)
	}
	for i := range 2 {
		fmt.Fprintf(&m, "  - {logical_tag: FC%d, physical_channel: ctr/%d, direction: in, type: counter, unit: \"{pulse}\", stale_after: 2 s}\n", i, i)
	}
	for i := range 8 {
		fmt.Fprintf(&m, "  - {logical_tag: DI%d, physical_channel: di/%d, direction: in, type: switch, words: [closed, open], debounce: 30 ms, stale_after: 2 s}\n", i, i)
	}
	for i := range 4 {
		fmt.Fprintf(&m, "  - {logical_tag: XV%d, physical_channel: do/%d, direction: out, type: switch, words: [closed, open], safe_value: closed}\n", i, i)
	}
	m.WriteString("meters:\n")
	for i := range 2 {
		fmt.Fprintf(&m, "  - {meter: FQ%d, source: FC%d, bits: 32, resolution: 0.01 kg}\n", i, i)
	}
	r.WriteString("recipe: W1\nversion: \"1\"\nschema_version: 1\ntitle: Workload W1\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\n" +
		"procedure:\n  id: W1\n  level: procedure\n  sequence:\n")
	for i := range 2 {
		fmt.Fprintf(&r, "    - {id: CHARGE_%d, level: phase, timeout: 10 min, actions: [{open_window: {window: W%d, meter: FQ%d, target: 30 kg, tolerance: 1 kg}}, "+
			"{set: {XV%d: open}}, {wait_total: {window: W%d}}, {set: {XV%d: closed}}, {close_window: W%d}]}\n", i, i, i, i, i, i, i)
	}
	r.WriteString("    - id: KEEP\n      level: operation\n      parallel:\n")
	for i := range 3 {
		fmt.Fprintf(&r, "        - {id: ARMED_%d, level: phase, timeout: 2 h, actions: [{wait: \"AI%d > 900 Cel and DI%d == open or elapsed(49 min)\"}]}\n", i, i, i)
	}
	r.WriteString("        - id: STEPS\n          level: operation\n          sequence:\n")
	for i := range 6 {
		fmt.Fprintf(&r, "            - {id: STEP_%d, level: phase, timeout: 20 min, actions: [{set: {XV%d: open}}, {mark: opened}, {delay: 4 min}, "+
			"{set: {XV%d: closed}}, {mark: closed}, {delay: 4 min}]}\n", i, 2+i%2, 2+i%2)
	}
	r.WriteString("    - {id: END, level: phase, actions: [{mark: done}]}\n")
	return fstest.MapFS{"map.yaml": {Data: []byte(m.String())}, "recipe.yaml": {Data: []byte(r.String())},
		"cal.yaml": {Data: []byte("calibration: W1-METERS\nversion: \"1\"\nschema_version: 1\nvalid_from: 2026-01-01T00:00:00Z\n" +
			"valid_to: 2099-01-01T00:00:00Z\nfactors:\n  - {meter: FQ0, k_factor: \"100 {pulse}/kg\"}\n  - {meter: FQ1, k_factor: \"100 {pulse}/kg\"}\n")}}
}

// w1 runs batches of W1 as a shell does: inputs are packed, records are hashed into a chain, and, where there is one, go to a journal.
type w1 struct {
	b       *batch.Batch
	m       *batch.Machine
	blk     *batch.Block
	chain   journal.Chain   // of the records where there is no journal
	seq     uint64          // of the last record
	disk    string          // directory for journals; "": there is none
	w       *journal.Writer // of this hour
	fx      []batch.Effect
	buf     []byte
	at      int64
	age     int64          // ns after which a block is sealed
	changes int            // an analogue tag changes on one scan in so many
	each    bool           // every event is a record of its own
	value   [w1Tags]uint64 // as the tags were read last
	done    []batch.Event  // answers of devices, for the next scan
	bytes   map[string]int // evidence by kind of record
	records map[string]int // and how many
	events  int            // dispatched
}

func newW1(tb testing.TB, age int64, changes int) *w1 {
	tb.Helper()
	plan, err := batch.Load(w1Files(), "recipe.yaml", "map.yaml", nil)
	require.NoError(tb, err)
	b, err := plan.Bind("B-1", "", batch.Unapproved, nil)
	require.NoError(tb, err)
	return &w1{b: b, age: age, changes: changes, blk: batch.NewBlock(len(plan.Map.Tags)), buf: make([]byte, 0, record.MaxBody),
		bytes: map[string]int{}, records: map[string]int{}}
}

// hour runs one batch to its end.
func (w *w1) hour(tb testing.TB) {
	w.m, w.at, w.value, w.done = w.b.Start(), 1, [w1Tags]uint64{}, w.done[:0]
	w.chain, w.seq = journal.Chain{}, 0
	if w.disk != "" {
		var err error
		w.w, err = journal.Create(filepath.Join(w.disk, fmt.Sprint("j", w.events)), journal.Header{JournalID: "B-1"}, nil)
		require.NoError(tb, err)
		defer func() { require.NoError(tb, w.w.Close()) }()
	}
	seen := timebase.Observation{Mono: 1, UTC: 1_767_225_600_000_000_000, Sync: timebase.RTCOnly, Source: "w1"}
	w.take(&batch.Event{Kind: batch.Created, Epoch: 1, Observation: seen})
	for i := range w.b.Plan.Files {
		w.take(&batch.Event{Kind: batch.Bound, File: i})
	}
	boot := batch.Event{Kind: batch.Boot, Epoch: 1, Observation: seen}
	for i := range w1Tags {
		boot.Readback = append(boot.Readback, batch.Reading{Tag: tag.ID(i), Form: form(i), Quality: tag.Good})
	}
	w.take(&boot)
	w.take(&batch.Event{Kind: batch.Told, Command: sequencer.Start, Operator: "op", Role: "operator", Reason: "start"})
	for scan := 0; !w.m.Ended(); scan++ {
		if scan > 2*w1Scans {
			tb.Fatalf("W1 does not end: it is %s", w.m.State())
		}
		w.ticks(int64(scan+1) * w1Scan)
		w.at = int64(scan+1) * w1Scan
		for i := 0; i < len(w.done); i++ {
			w.take(&w.done[i])
		}
		w.done = w.done[:0]
		for i := range w1Tags {
			w.sample(scan, i)
		}
		if w.blk.Events > 0 && w.at-w.blk.First >= w.age {
			w.seal()
		}
	}
}

// sample reads one tag: the first eight are analogue, of which the last two count.
func (w *w1) sample(scan, i int) {
	ev := batch.Event{Kind: batch.Sample, Tag: tag.ID(i), Form: form(i), Quality: tag.Good}
	switch {
	case i >= 8:
	case (scan+i)%w.changes != 0:
	case i >= 6:
		w.value[i] += uint64(w.changes)
	default:
		w.value[i] += uint64((scan*7+i*3)%5) - 2
	}
	ev.Bits = w.value[i]
	w.take(&ev)
}

func form(i int) tag.Form {
	if i >= 8 {
		return tag.Bool
	}
	return tag.Int
}

func (w *w1) ticks(to int64) {
	for due := w.m.Wake(); due <= to; due = w.m.Wake() {
		w.at = max(w.at, due)
		w.take(&batch.Event{Kind: batch.Tick})
	}
}

func (w *w1) take(ev *batch.Event) {
	if w.m.Ended() {
		return
	}
	w.events++
	if ev.Kind.Packed() {
		w.blk.Add(w.at, ev)
		ev.Seq = w.seq + 1
	} else {
		w.seal()
		ev.Seq = w.seq + 1
		body, err := w.m.AppendInput(w.buf[:0], w.at, ev)
		if err != nil {
			panic(err)
		}
		w.add(ev.Kind, body)
	}
	w.fx = w.m.Step(w.at, ev, w.fx[:0])
	if len(w.fx) > 0 || w.each {
		w.seal()
	}
	for i := range w.fx {
		switch e := &w.fx[i]; e.Kind {
		case batch.Record:
			w.record(e.Of, e.Body)
		case batch.Write:
			w.done = append(w.done, batch.Event{Kind: batch.Done, ID: e.Write.ID, OK: true, At: w.at})
		}
	}
	if w.blk.Full() {
		w.seal()
	}
}

// add notes an input record.
func (w *w1) add(k batch.EventKind, body []byte) {
	kind := record.KindCommand
	switch k {
	case batch.Done:
		kind = record.KindWriteDone
	case batch.Bound:
		kind = record.KindObjectBound
	case batch.Boot, batch.Created:
		kind = record.KindBoot
	}
	w.record(kind, body)
}

func (w *w1) record(k record.Kind, body []byte) {
	if w.seq++; w.w == nil {
		w.chain.Add(body)
	} else if err := w.w.Append(w.seq, body); err != nil {
		panic(err)
	} else if w.w.Room() < 1<<20 {
		if err := w.w.Commit(); err != nil {
			panic(err)
		}
	}
	w.bytes[k.String()] += len(body)
	w.records[k.String()]++
}

func (w *w1) seal() {
	if w.blk.Events == 0 {
		return
	}
	body, err := w.m.AppendBlock(w.buf[:0], w.seq+1, w.blk)
	if err != nil {
		panic(err)
	}
	w.blk.Reset()
	w.record(record.KindInputBlock, body)
}

// TestAnHourOfW1TakesLittleEvidence prints what each kind of record costs: go test ./batch -run W1 -v.
func TestAnHourOfW1TakesLittleEvidence(t *testing.T) {
	for _, row := range []struct{ changes, age, most int }{{20, 1, 1_900_000}, {20, 10, 320_000}, {20, 15, 300_000}, {20, 60, 160_000},
		{1, 1, 2_000_000}, {1, 5, 700_000}, {1, 60, 350_000}} {
		w := newW1(t, int64(row.age)*1_000_000_000, row.changes)
		w.hour(t)
		require.Equal(t, sequencer.Complete, w.m.State())
		total := 0
		for _, k := range slices.Sorted(maps.Keys(w.bytes)) {
			total += w.bytes[k]
			t.Logf("  %-16s %5d records %8d bytes", k, w.records[k], w.bytes[k])
		}
		t.Logf("an analogue value differs on one scan in %d, blocks of %d s: %d events, %d records, %d bytes in %d s", row.changes, row.age,
			w.events, w.seq, total, w.at/1_000_000_000)
		require.LessOrEqual(t, total, row.most)
	}
}

// BenchmarkW1 runs hours of W1 in virtual time, inputs recorded, on one core: into a journal on disk, and, where every event is a record of
// its own, 300 MB an hour, into a hash chain alone.
func BenchmarkW1(b *testing.B) {
	for _, by := range []struct {
		name    string
		changes int
		each    bool
	}{{"changes=1in20", 20, false}, {"changes=1in1", 1, false}, {"every-event-a-record", 20, true}} {
		b.Run(by.name, func(b *testing.B) {
			w := newW1(b, 10_000_000_000, by.changes)
			if w.each = by.each; !w.each {
				w.disk = b.TempDir()
			}
			b.ReportAllocs()
			hours, records := 0, uint64(0)
			for b.Loop() {
				w.hour(b)
				hours, records = hours+1, records+w.seq
			}
			s := b.Elapsed().Seconds()
			b.ReportMetric(float64(w.events)/s, "dispatches/s")
			b.ReportMetric(float64(records)/s, "records/s")
			b.ReportMetric(float64(hours)/s, "batch-hours/s")
			b.ReportMetric(3600*float64(hours)/s, "x-real-time")
		})
	}
}
