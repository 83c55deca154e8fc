// Claims about the machine as a machine: snapshots, what is told over a long run, and memory.

package iomap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

// draw makes the next event of a run and its time: a tick at its deadline or late, or a sample of any kind.
func draw(d *rand.Rand, m *iomap.Machine, at int64) (int64, iomap.Event) {
	switch d.IntN(8) {
	case 0, 1, 2:
		if m.Wake() < timebase.Never {
			return max(at, m.Wake()), iomap.Event{Kind: iomap.Tick}
		}
	case 3:
		at += d.Int64N(2 * old)
	}
	at += d.Int64N(20*ms) + 1
	id := tag.ID(d.IntN(len(plantMap.Tags)))
	ev := iomap.Event{Kind: iomap.Sample, Tag: id, Form: plantMap.Tags[id].Form, Bits: uint64(d.IntN(2)), Quality: tag.Good}
	switch d.IntN(10) {
	case 0:
		ev.Quality = tag.Bad
	case 1:
		ev.Form = tag.Form(d.IntN(4))
	case 2:
		ev.AgeMS = d.Int64N(700)
	case 3:
		ev.Bits = d.Uint64()
	}
	return at, ev
}

func TestARestoredMachineBehavesAsTheOriginal(t *testing.T) {
	const seed = 20260103
	d := rand.New(rand.NewPCG(seed, 1))
	m, used := iomap.NewMachine(plantMap), iomap.NewMachine(plantMap)
	var at int64
	var ev iomap.Event
	var fx, again []iomap.Effect
	var snap []byte
	for n := range 5000 {
		at, ev = draw(d, m, at)
		name := fmt.Sprintf("seed %d, event %d", seed, n)
		restored := used // its own state is replaced whole
		if n%2 == 0 {
			restored = iomap.NewMachine(plantMap)
		}
		snap = m.Snapshot(snap[:0])
		left, err := restored.Restore(append(snap, "left"...))
		require.NoError(t, err, name)
		require.Equal(t, "left", string(left), name)
		require.Equal(t, m.Wake(), restored.Wake(), name)

		fx, again = m.Step(at, &ev, fx[:0]), restored.Step(at, &ev, again[:0])
		require.Equal(t, fx, again, name)
		require.True(t, bytes.Equal(m.Snapshot(nil), restored.Snapshot(nil)), name)
		for id := range tag.ID(len(plantMap.Tags)) {
			for _, later := range []int64{0, rest - 1, old, old + 1} {
				v1, q1 := m.Read(id, at+later)
				v2, q2 := restored.Read(id, at+later)
				require.True(t, v1 == v2 && q1 == q2, name)
			}
		}
		used = restored
	}
}

func TestEveryChangeOfQualityIsToldOnce(t *testing.T) {
	const seed = 20260104
	d := rand.New(rand.NewPCG(seed, 1))
	m := iomap.NewMachine(plantMap)
	known := make([]tag.Quality, len(plantMap.Tags)) // what the effects say; BAD before any
	silent := make([]bool, len(plantMap.Tags))       // whether the tag came up GOOD, of which nothing is told
	var at int64
	var ev iomap.Event
	var fx []iomap.Effect
	for n := range 20_000 {
		at, ev = draw(d, m, at)
		first := ev.Kind == iomap.Sample && !silent[ev.Tag]
		fx = m.Step(at, &ev, fx[:0])
		if first {
			silent[ev.Tag] = true
			if _, q := m.Read(ev.Tag, at); q == tag.Good {
				require.Equal(t, []iomap.Effect{fresh(ev.Tag)}, only(fx, ev.Tag), "seed %d, event %d", seed, n)
				known[ev.Tag] = tag.Good
			}
		}
		for _, e := range fx {
			if e.Kind == iomap.QualityChanged {
				require.Equal(t, known[e.Tag], e.From, "seed %d, event %d", seed, n)
				require.NotEqual(t, e.From, e.To, "seed %d, event %d", seed, n)
				require.GreaterOrEqual(t, e.AgeMS, int64(0))
				known[e.Tag] = e.To
			}
		}
		for id := range known {
			_, q := m.Read(tag.ID(id), at)
			require.Equal(t, known[id], q, "seed %d, event %d, tag %d: what was told and what is read differ", seed, n, id)
		}
		require.Greater(t, m.Wake(), at, "seed %d, event %d: nothing that was due is left", seed, n)
	}
}

// only is the effects of one tag.
func only(fx []iomap.Effect, id tag.ID) (of []iomap.Effect) {
	for _, e := range fx {
		if e.Tag == id {
			of = append(of, e)
		}
	}
	return of
}

func TestAStepDoesNotAllocate(t *testing.T) {
	d := rand.New(rand.NewPCG(1, 1))
	m := iomap.NewMachine(plantMap)
	fx := make([]iomap.Effect, 0, 32)
	var at int64
	var ev iomap.Event
	require.Zero(t, testing.AllocsPerRun(2000, func() {
		at, ev = draw(d, m, at)
		fx = m.Step(at, &ev, fx[:0])
		m.Read(ev.Tag, at)
	}))
}

// lived is the snapshot of a machine with some past.
func lived(events int) []byte {
	d := rand.New(rand.NewPCG(uint64(events), 5))
	m := iomap.NewMachine(plantMap)
	var at int64
	var ev iomap.Event
	for range events {
		at, ev = draw(d, m, at)
		m.Step(at, &ev, nil)
	}
	return m.Snapshot(nil)
}

func TestWhatIsNoSnapshotIsRefused(t *testing.T) {
	whole := lived(500)
	for n := range whole {
		_, err := iomap.NewMachine(plantMap).Restore(whole[:n])
		require.EqualError(t, err, "iomap: not a snapshot of a machine with this map")
	}
	for claim, src := range map[string][]byte{
		"zeros":              make([]byte, len(whole)),
		"ones":               bytes.Repeat([]byte{0xFF}, len(whole)),
		"text":               bytes.Repeat([]byte("snapshot"), len(whole)),
		"shifted by a byte":  append([]byte{0}, whole...),
		"shifted by a tag":   whole[len(whole)/len(plantMap.Tags):],
		"of nothing but tag": bytes.Repeat(whole[:len(whole)/len(plantMap.Tags)], 3),
	} {
		_, err := iomap.NewMachine(plantMap).Restore(src)
		require.Error(t, err, claim)
	}
	number := iomap.NewMachine(&iomap.Map{Tags: []iomap.Tag{{Type: iomap.Counter, Form: tag.Int}}})
	number.Step(1, &iomap.Event{Kind: iomap.Sample, Form: tag.Int, Bits: 2050, Quality: tag.Good}, nil)
	_, err := iomap.NewMachine(&iomap.Map{Tags: []iomap.Tag{{}}}).Restore(number.Snapshot(nil))
	require.Error(t, err, "a switch is never 2050")
}

func TestAStateThatNoMachineReachesIsRefused(t *testing.T) {
	const value, raw, trueAt, pending, quality, told, stale = 0, 8, 16, 24, 32, 33, 34 // places in the state of a tag
	tags := &iomap.Map{Tags: []iomap.Tag{{Debounce: rest, StaleAfter: old}}}
	snapshot := func(samples ...uint64) []byte {
		m := iomap.NewMachine(tags)
		for i, bits := range samples {
			m.Step(ms+int64(i), &iomap.Event{Kind: iomap.Sample, Bits: bits, Quality: tag.Good}, nil)
		}
		return m.Snapshot(nil)
	}
	for _, c := range []struct {
		claim string
		src   []byte
		place int
		to    uint64
	}{
		{"a quality that there is not", snapshot(0), quality, 3},
		{"a source that says STALE", snapshot(0), quality, uint64(tag.Stale)},
		{"BAD, but told to be GOOD", snapshot(0), quality, uint64(tag.Bad)},
		{"GOOD, but told to be BAD", snapshot(0), told, uint64(tag.Bad)},
		{"told what there is not", snapshot(0), told, 3},
		{"seen, but never told of", snapshot(0), told, 0xFF},
		{"never seen, but GOOD", snapshot(), quality, uint64(tag.Good)},
		{"never seen, but told to be GOOD", snapshot(), told, uint64(tag.Good)},
		{"never seen, but on", snapshot(), value, 1},
		{"never seen, but ageing", snapshot(), stale, 5},
		{"true before the epoch", snapshot(0), trueAt, 1 << 63},
		{"a switch between on and off", snapshot(0), value, 2},
		{"a wire between on and off", snapshot(0), raw, 2},
		{"a change to what is", snapshot(0), pending, uint64(ms + rest)},
		{"old before it was true", snapshot(0), stale, uint64(ms)},
		{"GOOD for ever", snapshot(0), stale, 1<<63 - 1},
		{"GOOD beyond its limit", snapshot(0), stale, uint64(ms + old + 2)},
	} {
		_, err := iomap.NewMachine(tags).Restore(c.src)
		require.NoError(t, err, c.claim)
		if c.place == quality || c.place == told {
			c.src[c.place] = byte(c.to)
		} else {
			binary.LittleEndian.PutUint64(c.src[c.place:], c.to)
		}
		_, err = iomap.NewMachine(tags).Restore(c.src)
		require.Error(t, err, c.claim)
	}
	_, err := iomap.NewMachine(&iomap.Map{Tags: []iomap.Tag{{Debounce: rest}}}).Restore(snapshot(0))
	require.Error(t, err, "a tag without a limit of age does not grow old")
	_, err = iomap.NewMachine(&iomap.Map{Tags: []iomap.Tag{{StaleAfter: old}}}).Restore(snapshot(0, 1))
	require.Error(t, err, "a tag without a debounce has no change pending")
}

// FuzzRestore holds any bytes against panics, and what is accepted against what a machine can be.
func FuzzRestore(f *testing.F) {
	for _, events := range []int{0, 1, 10, 500} {
		f.Add(lived(events))
	}
	f.Add(lived(500)[1:])
	f.Fuzz(func(t *testing.T, src []byte) {
		m := iomap.NewMachine(plantMap)
		rest, err := m.Restore(src)
		if err != nil {
			require.Nil(t, rest)
			return
		}
		require.Equal(t, src, append(m.Snapshot(nil), rest...), "what is accepted is kept as it is")
		d := rand.New(rand.NewPCG(1, 1))
		var at int64
		var ev iomap.Event
		for range 50 {
			at, ev = draw(d, m, at)
			for _, e := range m.Step(at, &ev, nil) {
				require.Less(t, int(e.Tag), len(plantMap.Tags))
				require.True(t, e.Kind != iomap.QualityChanged || e.From != e.To)
			}
		}
	})
}

func ExampleMachine() {
	ms := int64(1_000_000)
	m := iomap.NewMachine(&iomap.Map{Tags: []iomap.Tag{{Name: "ZS101", Channel: "di/1", Debounce: 30 * ms, StaleAfter: 500 * ms}}})
	step := func(at int64, ev iomap.Event) {
		for _, e := range m.Step(at*ms, &ev, nil) {
			if e.Kind == iomap.QualityChanged {
				fmt.Printf("%d ms: %s, was %s, age %d ms\n", at, e.To, e.From, e.AgeMS)
			}
		}
		value, quality := m.Read(0, at*ms)
		fmt.Printf("%d ms: %d %s\n", at, value, quality)
	}
	step(1, iomap.Event{Kind: iomap.Sample, Quality: tag.Good, Bits: 0})
	step(10, iomap.Event{Kind: iomap.Sample, Quality: tag.Good, Bits: 1})
	fmt.Println("wake at", m.Wake()/ms, "ms")
	step(40, iomap.Event{Kind: iomap.Tick})
	step(511, iomap.Event{Kind: iomap.Tick})
	// Output:
	// 1 ms: 0 GOOD
	// 10 ms: 0 GOOD
	// wake at 40 ms
	// 40 ms: 1 GOOD
	// 511 ms: STALE, was GOOD, age 501 ms
	// 511 ms: 1 STALE
}
