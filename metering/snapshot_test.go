// Claims about the machine as a machine: digests over long runs, snapshots, and a total that anyone can recompute.

package metering_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

// The meters and windows of the runs below: windows share meters.
var (
	runMeters = []metering.Meter{
		{Bits: 16},
		{Bits: 32, Most: 100, Cutoff: 1, Period: 1, Second: metering.Pair{Has: true, Bits: 16, Within: 500}},
		{Bits: 64, Device: metering.Check{Has: true, Modulus: 5000, Most: 100}},
		{Method: metering.Totalizer, Modulus: 1_000_000, Curve: metering.Curve{A: []int64{3}, B: []int64{-1}, Per: 7}},
		{Method: metering.Flow, Cutoff: 20, Median: 5, Curve: metering.Curve{X: []int64{0, 100, 4000}, A: []int64{1, 2}, B: []int64{0, -100}}},
		{Method: metering.Weight, Within: 400, Settled: 20, Median: 3, Loss: true},
	}
	runSpecs = []metering.Window{{Meter: 0}, {Meter: 1}, {Meter: 1}, {Meter: 2, Target: 500}, {Meter: 0}, {Meter: 3}, {Meter: 4}, {Meter: 5}, {Meter: 5}}
)

// runMachine is a machine of these meters, each with a K of its own.
func runMachine() *metering.Machine {
	meters := append([]metering.Meter(nil), runMeters...)
	for i := range meters {
		meters[i].K = factor(int64(2*i+1), 3)
	}
	return metering.NewMachine(meters, runSpecs)
}

// draw makes the next event of a run: mostly readings that count on, some that jump, and now and then an edge.
func draw(d *rand.Rand, counts *[6]int64) metering.Event {
	ev := metering.Event{Kind: metering.Reading, Meter: d.IntN(len(runMeters)), Window: d.IntN(len(runSpecs)), Quality: tag.Good}
	counts[ev.Meter] += d.Int64N(300)
	if ev.Meter >= 4 {
		counts[ev.Meter] = d.Int64N(600)
	}
	switch d.IntN(100) {
	case 0, 1:
		ev.Kind = metering.Open
	case 2:
		if d.IntN(4) == 0 {
			ev.Kind = metering.Close
		}
	case 3, 4:
		ev.Kind, ev.Quality = metering.Quality, tag.Quality(d.IntN(3))
	case 5, 6:
		ev.Quality = tag.Quality(d.IntN(3))
	case 7:
		counts[ev.Meter] = d.Int64()
	}
	if ev.Kind == metering.Open {
		ev.Meter = runSpecs[ev.Window].Meter
	}
	ev.Raw, ev.RawAt = counts[ev.Meter], d.Int64()
	return ev
}

// drawAny is draw with all that may happen beside.
func drawAny(d *rand.Rand, counts *[6]int64) metering.Event {
	ev := draw(d, counts)
	ev.On = d.IntN(2) == 0
	switch d.IntN(60) {
	case 0:
		ev.Kind = metering.Cut
	case 1:
		ev.Kind = metering.Stepped
	case 2, 3:
		ev.Kind = metering.Paused
	case 4:
		ev.Kind, ev.Role, ev.Raw = metering.Reading, metering.Identity, d.Int64N(2)
	case 5, 6, 7, 8:
		ev.Kind, ev.Role, ev.Meter, ev.Raw = metering.Reading, metering.Device, 2, counts[2]%5000
	case 9, 10, 11, 12:
		ev.Role, ev.Meter, ev.Raw = metering.Other, 1, counts[1]
	}
	return ev
}

func TestTheDigestIsThatOfTheSampleLines(t *testing.T) {
	for seed := range uint64(20) {
		d := rand.New(rand.NewPCG(seed, 1))
		m := runMachine()
		lines, source := make([][]byte, len(runSpecs)), make([]tag.Quality, len(runSpecs))
		var counts [6]int64
		for at := range int64(1000) {
			ev := draw(d, &counts)
			ev.RawAt = at
			for _, e := range m.Step(at, &ev, nil) {
				switch was := source[e.Window]; {
				case e.Kind == metering.Opened:
					source[e.Window] = tag.Good
				case e.Kind != metering.Moved:
					continue
				default:
					source[e.Window] = ev.Quality
					if ev.Kind == metering.Quality && (ev.Quality == tag.Good || ev.Quality == was) {
						continue
					}
				}
				lines[e.Window] = metering.AppendSample(lines[e.Window], ev.RawAt, ev.Raw, ev.Quality)
			}
		}
		for w := range lines {
			require.Equal(t, sha256.Sum256(lines[w]), m.Digest(w), "seed %d, window %d", seed, w)
			require.EqualValues(t, bytes.Count(lines[w], []byte("\n")), m.Total(w).Samples, "seed %d, window %d", seed, w)
		}
	}
}

func TestARestoredMachineBehavesAsTheOriginal(t *testing.T) {
	const seed = 20260106
	d := rand.New(rand.NewPCG(seed, 1))
	m, used := runMachine(), runMachine()
	var counts [6]int64
	var fx, again []metering.Effect
	var snap []byte
	for at := range int64(3000) {
		ev := drawAny(d, &counts)
		name := fmt.Sprintf("seed %d, event %d", seed, at)
		restored := used // its own state is replaced whole
		if at%2 == 0 {
			restored = runMachine()
		}
		snap = m.Snapshot(snap[:0])
		left, err := restored.Restore(append(snap, "left"...))
		require.NoError(t, err, name)
		require.Equal(t, "left", string(left), name)

		fx, again = m.Step(at, &ev, fx[:0]), restored.Step(at, &ev, again[:0])
		require.Equal(t, fx, again, name)
		require.True(t, bytes.Equal(m.Snapshot(nil), restored.Snapshot(nil)), name)
		for w := range runSpecs {
			require.True(t, m.Total(w) == restored.Total(w) && m.Digest(w) == restored.Digest(w), name)
		}
		used = restored
	}
	for w := range runSpecs {
		require.Greater(t, m.Total(w).Samples, int64(50), "seed %d: window %d was hardly used", seed, w)
	}
}

func TestNoEventAllocates(t *testing.T) {
	const seed = 20261201
	d := rand.New(rand.NewPCG(seed, 1))
	m := runMachine()
	var counts [6]int64
	fx := make([]metering.Effect, 0, 256)
	at := int64(0)
	require.Zero(t, testing.AllocsPerRun(5000, func() {
		ev := drawAny(d, &counts)
		fx = m.Step(at, &ev, fx[:0])
		at++
		for w := range runSpecs {
			if total := m.Total(w); total.Samples < 0 {
				panic(total)
			}
		}
	}), "seed %d", seed)
}

// lived is the snapshot of a machine with some past.
func lived(events int64) []byte {
	d := rand.New(rand.NewPCG(uint64(events), 5))
	m := runMachine()
	var counts [6]int64
	for at := range events {
		ev := drawAny(d, &counts)
		m.Step(at, &ev, nil)
	}
	return m.Snapshot(nil)
}

func TestWhatIsNoSnapshotIsRefused(t *testing.T) {
	whole := lived(500)
	for n := range whole {
		_, err := runMachine().Restore(whole[:n])
		require.EqualError(t, err, "metering: not a snapshot of a machine with these windows")
	}
	for claim, src := range map[string][]byte{
		"zeros":               make([]byte, len(whole)),
		"ones":                bytes.Repeat([]byte{0xFF}, len(whole)),
		"text":                bytes.Repeat([]byte("snapshot"), len(whole)),
		"shifted by a byte":   append([]byte{0}, whole...),
		"shifted by a window": whole[len(whole)/len(runSpecs):],
	} {
		_, err := runMachine().Restore(src)
		require.Error(t, err, claim)
	}
}

func TestAnyStateThatIsTakenCanBeGoneOnWith(t *testing.T) {
	unused := single(32, factor(1, 1)).Snapshot(nil)
	m := opened(100)
	m.Step(20, &metering.Event{Kind: metering.Reading, Raw: 110, RawAt: 20, Quality: tag.Good}, nil)
	running := m.Snapshot(nil)
	refused := 0
	for _, whole := range [][]byte{unused, running} {
		_, err := single(32, factor(1, 1)).Restore(append(bytes.Clone(whole), 0))
		require.NoError(t, err)
		for place := range whole {
			for _, to := range []byte{0, 1, 2, 3, 0x7F, 0x80, 0xFF} {
				src := append(bytes.Clone(whole), 0)
				src[place] = to
				m := single(32, factor(1, 1))
				if _, err := m.Restore(src); err != nil {
					refused++
					continue
				}
				m.Step(30, &metering.Event{Kind: metering.Reading, Raw: 110, RawAt: 20, Quality: tag.Good}, nil)
				m.Step(40, &metering.Event{Kind: metering.Close}, nil)
				m.Total(0)
			}
		}
	}
	require.Greater(t, refused, 300, "states that are refused")
}

// FuzzRestore holds any bytes against panics, and what is accepted against what a machine can be.
func FuzzRestore(f *testing.F) {
	for _, events := range []int64{0, 1, 10, 500} {
		f.Add(lived(events))
	}
	f.Add(lived(500)[1:])
	f.Fuzz(func(t *testing.T, src []byte) {
		m := runMachine()
		left, err := m.Restore(src)
		if err != nil {
			require.Nil(t, left)
			return
		}
		kept := m.Snapshot(nil)
		again := runMachine()
		_, err = again.Restore(kept)
		require.NoError(t, err)
		require.True(t, bytes.Equal(kept, again.Snapshot(nil)))
		d := rand.New(rand.NewPCG(1, 1))
		var counts [6]int64
		for at := range int64(50) {
			ev := drawAny(d, &counts)
			m.Step(at, &ev, nil)
			m.Digest(ev.Window)
			m.Total(ev.Window)
		}
	})
}

func ExampleMachine() {
	resolution, _ := quantity.Parse("0.01 kg")
	k, _ := quantity.NewRatio(4, 3) // 75 pulses for each kg
	m := metering.NewMachine([]metering.Meter{{Bits: 16, K: k}}, []metering.Window{{Target: 20_000}})
	var file []byte // what an evidence package holds of the window
	step := func(at int64, ev metering.Event) {
		for _, e := range m.Step(at, &ev, nil) {
			if e.Kind == metering.Opened || e.Kind == metering.Moved { // it has readings only
				file = metering.AppendSample(file, ev.RawAt, ev.Raw, ev.Quality)
			}
		}
	}
	step(100, metering.Event{Kind: metering.Open, Raw: 65_000, RawAt: 90, Quality: tag.Good})
	step(200, metering.Event{Kind: metering.Reading, Raw: 65_500, RawAt: 200, Quality: tag.Good})
	step(300, metering.Event{Kind: metering.Reading, RawAt: 300, Quality: tag.Bad})
	step(400, metering.Event{Kind: metering.Reading, Raw: 4_464, RawAt: 400, Quality: tag.Good})
	step(500, metering.Event{Kind: metering.Close})
	total, digest := m.Total(0), m.Digest(0)
	amount, _ := quantity.FromCounts(total.Value, resolution)
	fmt.Println(amount, total.Quality, hex.EncodeToString(digest[:4]))

	// An auditor has the file, the calibration and a pencil.
	fmt.Print(string(file))
	var pulses, last int64
	for n, line := range strings.Split(strings.TrimSpace(string(file)), "\n") {
		f := strings.Split(line, "\t")
		if f[2] != "GOOD" {
			continue
		}
		raw, _ := strconv.ParseInt(f[1], 10, 64)
		if n > 0 {
			pulses += (raw - last + 65_536) % 65_536
		}
		last = raw
	}
	again := sha256.Sum256(file)
	fmt.Println(pulses, "pulses, 75 for each kg:", float64(pulses)/75, again == digest)
	// Output:
	// 66.67 kg BAD 701b6bd9
	// 90	65000	GOOD
	// 200	65500	GOOD
	// 300		BAD
	// 400	4464	GOOD
	// 5000 pulses, 75 for each kg: 66.66666666666667 true
}
