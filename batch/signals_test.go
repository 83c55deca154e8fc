// What a sample of a signal that moves like a real one takes in the evidence.

package batch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
)

const (
	scan10Hz     = 100_000_000 // ns
	signalSecs   = 600
	bytesAllowed = 4.0 // of packed block data, a sample
)

// flowAt is a batch profile in kg/s: at rest, a coarse and a fine charge, at rest, and a pulsed charge.
func flowAt(i int) float64 {
	s := float64(i) / 10
	switch {
	case s < 60:
		return 0
	case s < 62:
		return 5 * (s - 60)
	case s < 300:
		return 10 + 0.3*math.Sin(s/7)
	case s < 400:
		return 1 + 0.02*math.Sin(s/3)
	case s < 460:
		return 0
	}
	return 6 + 3*math.Sin(2*math.Pi*s/2)
}

// signal makes the value on the wire of sample i; level is what has flowed until then, kg.
type signal struct {
	name string
	form tag.Form
	at   func(rng *rand.Rand, i int, level float64) uint64
}

func massFlow(share float64) func(*rand.Rand, int, float64) uint64 {
	return func(rng *rand.Rand, i int, _ float64) uint64 {
		f := 60 * flowAt(i) * (1 + share*rng.NormFloat64()) // kg/min; at rest the low-flow cutoff of the device shows 0
		return uint64(math.Float32bits(float32(f)))
	}
}

// signals are transmitters of 12 kg/s full scale, a meter of 20 pulses/kg, and a scale of 0.01 kg on which a stirrer turns.
var signals = []signal{
	{"16-bit ADC 4-20 mA, noise 3 LSB", tag.Int, func(rng *rand.Rand, i int, _ float64) uint64 {
		return uint64(int64(65535*(4+16*flowAt(i)/12)/20 + 3*rng.NormFloat64()))
	}},
	{"float32 mass flow, noise 0.2 %", tag.Float32, massFlow(0.002)},
	{"float32 mass flow, noise 0.5 %", tag.Float32, massFlow(0.005)},
	{"pulse counter", tag.Int, func(_ *rand.Rand, _ int, level float64) uint64 {
		return uint64(4_000_000_000+int64(level*20)) & 0xFFFF_FFFF
	}},
	{"load cell, noise 4 counts", tag.Int, func(rng *rand.Rand, _ int, level float64) uint64 {
		return uint64(int64(level*100 + 4*rng.NormFloat64()))
	}},
}

// recorded is what the samples of signals take.
type recorded struct{ samples, packed, bodies, stored int }

// record packs the samples of signals, all read at one time, as a runner does that seals its blocks at an age.
func recordSignals(t *testing.T, form int, seed uint64, set []signal, late bool, age int64) (sum recorded) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	plan := signalPlan(t)
	b, err := plan.Bind("B-2026-11-29-0001", "", Unapproved, nil)
	require.NoError(t, err)
	m := b.Start()
	blk := NewBlock(len(plan.Map.Tags))
	blk.form = form
	seal := func() {
		data := blk.Data()
		body, err := m.AppendBlock(nil, 1_000_000, blk)
		require.NoError(t, err)
		sum.packed, sum.bodies, sum.stored = sum.packed+len(data), sum.bodies+len(body), sum.stored+24+(len(body)+7)&^7
		blk.Reset()
	}
	level := 0.0
	for i := range signalSecs * 10 {
		at := int64(i+1) * scan10Hz
		if late { // a poll that wakes late, now and then by more than a millisecond; the runner's stamps of samples have 0.1 ms
			d := math.Abs(rng.NormFloat64()) * 60_000
			if rng.IntN(50) == 0 {
				d += rng.Float64() * 2_500_000
			}
			at += int64(d) / lateUnit * lateUnit
		}
		level += flowAt(i) / 10
		for id := range set {
			s := &set[id]
			ev := Event{Kind: Sample, Tag: tag.ID(id), Form: s.form, Bits: s.at(rng, i, level), Quality: tag.Good}
			blk.Add(at, &ev)
			sum.samples++
		}
		if blk.Full() || at-blk.First >= age-scan10Hz/2 {
			seal()
		}
	}
	if blk.Events > 0 {
		seal()
	}
	return sum
}

func signalPlan(t *testing.T) *Plan {
	t.Helper()
	m := "mapping: SIGNALS\nversion: \"1\"\nschema_version: 1\ndevice_id: C1\nequipment_id: T1\ntags:\n"
	for i := range signals {
		m += fmt.Sprintf("  - {logical_tag: AI%d, physical_channel: ai/%d, direction: in, type: number, form: int, resolution: 0.01 kg, gain: 0.01 kg, stale_after: 2 s}\n", i, i)
	}
	r := "recipe: SIGNALS\nversion: \"1\"\nschema_version: 1\ntitle: Signals\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\n" +
		"procedure: {id: P, level: procedure, sequence: [{id: END, level: phase, actions: [{mark: done}]}]}\n"
	plan, err := Load(fstest.MapFS{"map.yaml": {Data: []byte(m)}, "recipe.yaml": {Data: []byte(r)}}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	return plan
}

func each(n, samples int) float64 { return float64(n) / float64(samples) }

// TestASampleOfASignalThatMovesTakesFourBytesAtMost prints what it takes in full: go test ./batch -run FourBytes -v.
func TestASampleOfASignalThatMovesTakesFourBytesAtMost(t *testing.T) {
	sets := [][]signal{}
	for i := range signals {
		sets = append(sets, signals[i:i+1])
	}
	sets = append(sets, signals)
	t.Logf("%-34s %-6s %5s | %6s %6s | %7s %7s   bytes a sample", "signal, 10 Hz", "polls", "block", "form 2", "form 3", "record", "journal")
	for _, set := range sets {
		name := set[0].name
		if len(set) > 1 {
			name = fmt.Sprintf("all %d in one scan", len(set))
		}
		for _, late := range []bool{false, true} {
			for _, age := range []int64{1, 5, 15} {
				was := recordSignals(t, 2, 1, set, late, age*1_000_000_000)
				is := recordSignals(t, BlockForm, 1, set, late, age*1_000_000_000)
				t.Logf("%-34s %-6s %3d s | %6.2f %6.2f | %7.2f %7.2f", name, map[bool]string{false: "exact", true: "late"}[late], age,
					each(was.packed, was.samples), each(is.packed, is.samples), each(is.bodies, is.samples), each(is.stored, is.samples))
				require.LessOrEqual(t, each(is.packed, is.samples), bytesAllowed, "%s, late %v, blocks of %d s", name, late, age)
			}
		}
	}
}

func TestRowsOfDifferentCadenceAreToldByARunEach(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	b := NewBlock(8)
	var want []stamped
	for step := range int64(6000) { // counters each 50 ms, flows each 100 ms, a level and a scale each 200 ms
		for _, row := range []struct{ every, phase, from, to int64 }{{5, 0, 0, 2}, {10, 2, 2, 4}, {20, 7, 4, 8}} {
			for id := row.from; id < row.to && step%row.every == row.phase; id++ {
				want = append(want, stamped{1 + step*10_000_000, Event{Kind: Sample, Tag: tag.ID(id), Form: tag.Int,
					Bits: uint64(1000*id + int64(3*rng.NormFloat64())), Quality: tag.Good}})
			}
		}
	}
	for i := range want {
		b.Add(want[i].at, &want[i].ev)
	}
	i := 0
	require.NoError(t, Unpack(BlockForm, b.Data(), b.First, 8, func(at int64, ev *Event) error {
		require.Equal(t, want[i], stamped{at, *ev}, "event %d", i)
		i++
		return nil
	}))
	require.Len(t, want, i)
	t.Logf("%.2f bytes a sample", each(len(b.Data()), len(want)))
	require.Less(t, each(len(b.Data()), len(want)), 1.5)
}

func TestRunsRefuseWhatABlockDoesNotWrite(t *testing.T) {
	one := []byte{sampleBit | sameBit, 0} // one sample of tag 0 makes a row
	for name, data := range map[string][]byte{
		"a run of no scan":             append(slices.Clone(one), runHead, 0, 0),
		"a run that is cut off":        append(slices.Clone(one), runHead, 9, 0x80),
		"bits behind the last":         append(slices.Clone(one), runHead, 1, 0x81),
		"a run behind a run with room": append(slices.Clone(one), runHead, 1, 0x80, runHead, 1, 0x80),
		"a row that is not known":      append(slices.Clone(one), runHead, 1, 0x40),
		"no row at all":                {runHead, 1, 0x80},
		"a scan of form 2":             append(slices.Clone(one), scanBit|stepBit, 7),
		"equal scans of form 2":        append(slices.Clone(one), sameScans),
		"an equal scan as one that is": append(slices.Clone(one), runHead, 1, 0b0_0_0_1_1_000),
	} {
		require.ErrorIs(t, Unpack(BlockForm, data, 10_000_000, 2, func(int64, *Event) error { return nil }), errBlock, name)
	}
	n := 0
	require.NoError(t, Unpack(BlockForm, append(slices.Clone(one), runHead, 8, 0xFF), 10_000_000, 2, func(at int64, _ *Event) error {
		require.Equal(t, int64(10_000_000+n*firstRow), at)
		n++
		return nil
	}))
	require.Equal(t, 9, n)
}

func BenchmarkPackSample(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	evs := make([]Event, 4096)
	level := 0.0
	for i := range evs {
		s := &signals[i%len(signals)]
		level += flowAt(i) / 10
		evs[i] = Event{Kind: Sample, Tag: tag.ID(i % len(signals)), Form: s.form, Bits: s.at(rng, i, level), Quality: tag.Good}
	}
	for _, form := range []int{2, BlockForm} {
		b.Run(fmt.Sprint("form=", form), func(b *testing.B) {
			blk := NewBlock(len(signals))
			blk.form = form
			b.ReportAllocs()
			i, at, bytes, samples := 0, int64(1), 0, 0
			for b.Loop() {
				if i%len(signals) == 0 {
					at += scan10Hz
				}
				blk.Add(at, &evs[i%4095])
				samples++
				if i++; blk.Full() {
					bytes += len(blk.Data())
					blk.Reset()
				}
			}
			b.ReportMetric(each(bytes+len(blk.Data()), samples), "B/sample")
		})
	}
}
