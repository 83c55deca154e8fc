// What a sample costs: the bare accumulate, the sum, the whole step with its line and hash, and a file read again.

package metering

import (
	"bytes"
	"testing"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

// benchMeters are the meters of the benchmarks.
func benchMeters() map[string]Meter {
	k, _ := quantity.NewRatio(1, 3_600_000)
	return map[string]Meter{
		"pulses":    {Method: Pulses, Bits: 32, K: k, Period: 100_000_000},
		"flow":      {Method: Flow, K: k, Period: 100_000_000},
		"trapezoid": {Method: Flow, K: k, Trapezoid: true, Period: 100_000_000},
		"pulses, greatest rate, polyline": {Method: Pulses, Bits: 32, Most: 5000, K: k, Period: 100_000_000,
			Curve: Curve{X: []int64{0, 100_000, 1_000_000}, A: []int64{60, 61}, B: []int64{0, 3}}},
		"flow, median of 5, polyline": {Method: Flow, Median: 5, Cutoff: 10, K: k, Period: 100_000_000,
			Curve: Curve{X: []int64{0, 1000, 100_000}, A: []int64{60, 61}, B: []int64{0, 3}}},
	}
}

// accumulate adds n products, as a sum without a method would.
func accumulate(sum *quantity.Acc, from, n int64) bool {
	ok := true
	for i := from; i < from+n; i++ {
		ok = sum.AddMul(i&1023, 100_000_000+i&7) && ok
	}
	return ok
}

// addSamples adds n samples of a meter.
func addSamples(g *integral, m *Meter, from, n int64) bool {
	ok := true
	for i := from; i < from+n; i++ {
		x := i & 1023
		if m.Method == Pulses {
			x = 30 * i & 0xFFFFFFFF
		}
		ok = g.add(m, 100_000_000*i+i&7, x) < WasReset && ok
	}
	return ok
}

func BenchmarkBareAccumulate(b *testing.B) {
	var sum quantity.Acc
	b.ReportAllocs()
	require.True(b, accumulate(&sum, 0, int64(b.N)))
}

// BenchmarkAddSample shows beside each sum how many times a bare accumulate it costs: the fastest of many short runs of either,
// taken in turns, since a machine that is shared is now fast and now slow.
func BenchmarkAddSample(b *testing.B) {
	const block = 2000
	for name, m := range benchMeters() {
		b.Run(name, func(b *testing.B) {
			var g integral
			g.begin(&m, 0, 0, 0)
			b.ReportAllocs()
			require.True(b, addSamples(&g, &m, 0, int64(b.N)) && !g.Over)
			b.StopTimer()
			g.begin(&m, 0, 0, 0)
			bare, sample := time.Hour, time.Hour
			for i := range int64(2000) {
				var sum quantity.Acc
				begin := time.Now()
				accumulate(&sum, i*block, block)
				between := time.Now()
				addSamples(&g, &m, i*block, block)
				end := time.Now()
				bare, sample = min(bare, between.Sub(begin)), min(sample, end.Sub(between))
			}
			b.ReportMetric(float64(bare.Nanoseconds())/block, "ns/bare")
			b.ReportMetric(float64(sample)/float64(bare), "times-bare")
		})
	}
}

func BenchmarkStep(b *testing.B) {
	for name, m := range benchMeters() {
		b.Run(name, func(b *testing.B) {
			machine := NewMachine([]Meter{m}, []Window{{}})
			fx := machine.Step(0, &Event{Kind: Open, Quality: tag.Good}, nil)
			ev := Event{Kind: Reading, Quality: tag.Good}
			b.ReportAllocs()
			step := func(from, n int64) {
				for i := from; i < from+n; i++ {
					ev.RawAt, ev.Raw = 100_000_000*i, i&1023
					if m.Method == Pulses {
						ev.Raw = 30 * i & 0xFFFFFFFF
					}
					fx = machine.Step(ev.RawAt, &ev, fx[:0])
				}
			}
			step(0, int64(b.N))
			b.StopTimer()
			const block = 500
			bare, whole := time.Hour, time.Hour
			for i := range int64(1000) {
				var sum quantity.Acc
				begin := time.Now()
				accumulate(&sum, i*block, block)
				between := time.Now()
				step(int64(b.N)+i*block, block)
				bare, whole = min(bare, between.Sub(begin)), min(whole, time.Since(between))
			}
			b.ReportMetric(float64(whole.Nanoseconds())/block, "ns/step")
			b.ReportMetric(float64(whole)/float64(bare), "times-bare")
		})
	}
}

// benchFile are n lines of a meter.
func benchFile(m *Meter, n int64) []byte {
	file := make([]byte, 0, n*28)
	for i := range n {
		x := 1000 + i&1023
		if m.Method == Pulses {
			x = 30 * i & 0xFFFFFFFF
		}
		file = AppendSample(file, 100_000_000*i, x, tag.Good)
	}
	return file
}

func BenchmarkRecompute(b *testing.B) {
	for name, m := range benchMeters() {
		b.Run(name, func(b *testing.B) {
			const lines = 1_000_000
			file := benchFile(&m, lines)
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				t, _, err := Recompute(bytes.NewReader(file), &m, 0, 100_000_000*lines)
				require.NoError(b, err)
				require.EqualValues(b, lines, t.Samples)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/sample")
		})
	}
}

// TestASampleAllocatesNothing also shows what ten million samples cost, text and SHA-256 included; the time is told, not held.
func TestASampleAllocatesNothing(t *testing.T) {
	for name, m := range benchMeters() {
		var g integral
		g.begin(&m, 0, 0, 0)
		at := int64(0)
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			at += 100_000_000
			g.add(&m, at, at/10_000_000)
		}), name)
	}
	if testing.Short() {
		t.Skip("ten million samples; leave out -short")
	}
	m := benchMeters()["flow"]
	const lines = 20_000
	file := benchFile(&m, lines)
	fastest := time.Hour
	for range 500 {
		begin := time.Now()
		_, _, err := Recompute(bytes.NewReader(file), &m, 0, 100_000_000*lines)
		require.NoError(t, err)
		fastest = min(fastest, time.Since(begin))
	}
	t.Logf("500 times %d lines of %d bytes, by the fastest of 500: %v", lines, len(file)/lines, 500*fastest)
}
