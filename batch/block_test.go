// Blocks unpack to what was packed, and nothing hostile harms.

package batch

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
)

type stamped struct {
	at int64
	ev Event
}

func TestABlockUnpacksToWhatWasPacked(t *testing.T) {
	for seed := uint64(1); seed <= 600; seed++ {
		rng := rand.New(rand.NewPCG(seed, 0))
		const tags = 7
		b := NewBlock(tags)
		b.form = 1 + int(seed%3)
		at := 1_000_000_000 + rng.Int64N(1<<60)
		var want []stamped
		for n := 1 + rng.IntN(200); n > 0; n-- {
			at += rng.Int64N(3) * rng.Int64N(200_000_000)
			ev := Event{Kind: Tick}
			if rng.IntN(3) > 0 {
				ev = Event{Kind: Sample, Tag: tag.ID(rng.IntN(tags)), Form: tag.Form(rng.IntN(4)), Bits: rng.Uint64() >> rng.IntN(64),
					Quality: tag.Good, AgeMS: rng.Int64N(3) * rng.Int64N(1000)}
				if rng.IntN(5) == 0 {
					ev.Quality = tag.Bad
				}
			}
			b.Add(at, &ev)
			want = append(want, stamped{at, ev})
		}
		require.Equal(t, len(want), b.Events, "seed %d", seed)
		i := 0
		err := Unpack(int64(b.form), b.Data(), b.First, tags, func(at int64, ev *Event) error {
			require.Equal(t, want[i].ev, *ev, "seed %d, event %d", seed, i)
			if ev.Kind == Sample {
				require.Equal(t, want[i].at, at, "seed %d, event %d", seed, i)
			}
			i++
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, len(want), i, "seed %d", seed)
	}
}

// scans makes what a port sends that reads the same tags again and again: most values as they were, now and then a tick, an age, another
// order or another step.
func scans(rng *rand.Rand, tags int) (list []stamped) {
	at, step := 1+rng.Int64N(1<<40), 1+rng.Int64N(1<<30)
	value := make([]uint64, tags)
	order := rng.Perm(tags)
	for range 1 + rng.IntN(100) {
		if at += step; rng.IntN(8) == 0 {
			at += rng.Int64N(3)
		}
		if rng.IntN(20) == 0 {
			order = rng.Perm(tags)[:1+rng.IntN(tags)]
		}
		for range rng.IntN(4) / 3 {
			list = append(list, stamped{at, Event{Kind: Tick}})
		}
		for _, id := range order {
			if rng.IntN(6) == 0 {
				value[id] += uint64(rng.Int64N(1<<rng.IntN(62)) - rng.Int64N(4))
			}
			ev := Event{Kind: Sample, Tag: tag.ID(id), Form: tag.Form(id % 4), Bits: value[id], Quality: tag.Good}
			if rng.IntN(200) == 0 {
				ev.AgeMS = 1
			}
			list = append(list, stamped{at, ev})
		}
	}
	return list
}

func TestScansUnpackToWhatWasPackedAndTakeLessThanSamples(t *testing.T) {
	for seed := uint64(1); seed <= 600; seed++ {
		rng := rand.New(rand.NewPCG(seed, 1))
		tags := 1 + rng.IntN(40)
		if seed%50 == 0 {
			tags = maxScan - 2 + rng.IntN(5) // about as many as fit a scan, and more
		}
		want := scans(rng, tags)
		var size [BlockForm + 1]int
		for form := 1; form <= BlockForm; form++ {
			b := NewBlock(tags)
			b.form = form
			for i := range want {
				b.Add(want[i].at, &want[i].ev)
			}
			size[form] = len(b.Data())
			i := 0
			require.NoError(t, Unpack(int64(form), b.Data(), b.First, tags, func(at int64, ev *Event) error {
				if !reflect.DeepEqual(&want[i].ev, ev) || ev.Kind == Sample && want[i].at != at { // require is slow, and they are a million
					require.Equal(t, want[i], stamped{at, *ev}, "seed %d, form %d, event %d", seed, form, i)
				}
				i++
				return nil
			}), "seed %d, form %d", seed, form)
			require.Equal(t, len(want), i, "seed %d, form %d", seed, form)
			again := slices.Clone(b.Data())
			b.Reset()
			for i := range want {
				b.Add(want[i].at, &want[i].ev)
			}
			require.Equal(t, again, b.Data(), "seed %d: a block that is used again", seed)
		}
		require.LessOrEqual(t, size[2], size[1], "seed %d", seed)
	}
}

func TestAnEqualScanTakesABitAndOneThatMovesAByteForEachValue(t *testing.T) {
	b := NewBlock(16)
	b.form = 2
	scan := func(n int, at int64) {
		for id := range 16 {
			b.Add(at, &Event{Kind: Sample, Tag: tag.ID(id), Form: tag.Int, Bits: uint64(n), Quality: tag.Good})
		}
	}
	at := int64(1)
	for range 3 {
		scan(0, at)
		at += 100_000_000
	}
	b.endScan()
	b.flushScans()
	before := len(b.buf)
	for range 1280 {
		scan(0, at)
		at += 100_000_000
	}
	b.endScan()
	b.flushScans()
	require.Equal(t, 10, len(b.buf)-before)
	before = len(b.buf)
	for n := range 100 {
		scan(n%3+1, at)
		at += 100_000_000
	}
	require.LessOrEqual(t, len(b.Data())-before, 100*17)
}

func TestASampleOfASteadySignalTakesFewBytes(t *testing.T) {
	b := NewBlock(20)
	for i := range 100 {
		b.Add(1+int64(i)*100_000_000, &Event{Kind: Sample, Tag: 9, Form: tag.Int, Bits: uint64(1000 + i%7), Quality: tag.Good})
	}
	require.Less(t, len(b.Data()), 100*3)
}

func TestABlockThatIsNotAsBlocksAreWrittenDoesNotUnpack(t *testing.T) {
	two := func(more ...byte) []byte { // samples of both tags at one time, and what follows
		return append([]byte{sampleBit | sameBit, 0, sampleBit | sameBit, 1}, more...)
	}
	const high = 0xFF
	far := []byte{high, high, high, high, high, high, high, high, high, 1} // 1<<64 - 1
	for name, data := range map[string][]byte{
		"a difference behind the scan":       two(scanBit|stepBit|1, 1, 0x1E),
		"the second difference behind it":    two(scanBit|stepBit|2, 1, 1, 1),
		"differences whose number wraps":     append(two(scanBit|stepBit|31, 1), append(append([]byte{}, 0xE2, high, high, high, high, high, high, high, high, 1), 0x10)...),
		"a gap that wraps":                   append(two(scanBit|stepBit|1, 1, gapMask), append([]byte{0xF1, high, high, high, high, high, high, high, high, 1}, 0)...),
		"a scan before the one before":       append(two(scanBit|stepBit, 5, scanBit|stepBit), far...),
		"a sample before the one before":     append(append(two(scanBit|stepBit, 5, sampleBit|timeBit|sameBit), far...), 0),
		"a time that no clock reaches":       append(two(scanBit|stepBit), high, high, high, high, high, high, high, high, 0x7F),
		"a scan at the same time":            two(scanBit|stepBit, 0),
		"a sample at a distance of 0":        two(sampleBit|timeBit|sameBit, 0, 0),
		"a distance told again":              two(scanBit|stepBit, 7, scanBit|stepBit, 7),
		"an equal scan as one that differs":  two(scanBit|stepBit, 7, scanBit),
		"equal scans that one entry holds":   two(scanBit|stepBit, 7, sameScans, sameScans),
		"ticks that one entry holds":         {0, 1, 0, 1},
		"no ticks":                           {0, 0},
		"a form told again":                  two(sampleBit|formBit|sameBit, 0, 0),
		"a form that there is not":           two(sampleBit|formBit|sameBit, 0, 4),
		"an age of 0":                        two(sampleBit|ageBit|sameBit, 0, 0),
		"an equal value as one that differs": two(sampleBit, 0, 0),
		"a number with leading zeros":        two(sampleBit|sameBit, 0x80, 0),
		"a difference that no scan holds":    append(two(scanBit|stepBit|1, 7), 0xF0, high, high, high, high, high, high, high, high, 1),
		"a tag that the map does not know":   two(sampleBit|sameBit, 2),
		"a scan where there was none before": {scanBit | stepBit, 7},
		"an entry that is none":              two(2),
		"a distance that is cut off":         two(scanBit|stepBit, 0x87),
	} {
		require.ErrorIs(t, Unpack(2, data, 10_000_000, 2, func(int64, *Event) error { return nil }), errBlock, name)
	}
	require.NoError(t, Unpack(2, two(scanBit|stepBit|1, 1, 1, 0x80, scanBit|2, 0, 0, 0, 3, sampleBit|timeBit|formBit|ageBit, 1, 0, 1, 2, 9), 10_000_000, 2,
		func(int64, *Event) error { return nil }))
}

func FuzzUnpack(f *testing.F) {
	b := NewBlock(3)
	b.Add(5_000_000, &Event{Kind: Sample, Tag: 1, Form: tag.Float32, Bits: 7, Quality: tag.Good})
	b.Add(9_000_000, &Event{Kind: Tick})
	b.Add(9_000_000, &Event{Kind: Sample, Tag: 2, Bits: 1, AgeMS: 4})
	f.Add(b.Data(), int64(5_000_000), int64(1))
	f.Add([]byte{0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}, int64(0), int64(1))
	f.Add([]byte{3, 9, 1, 1, 2, 0xFF, 0x61, 9, 0x1F, 0, 0x80}, int64(5), int64(2))
	for seed := range uint64(8) {
		b := NewBlock(3)
		for _, one := range scans(rand.New(rand.NewPCG(seed, 2)), 3) {
			b.Add(one.at, &one.ev)
		}
		f.Add(b.Data(), b.First, int64(BlockForm))
	}
	f.Fuzz(func(t *testing.T, data []byte, first, form int64) {
		n, last := 0, first
		_ = Unpack(form, data, first, 3, func(at int64, ev *Event) error {
			if n++; ev.Kind == Sample && (ev.Tag >= 3 || at < last || at > maxMono) {
				t.Fatalf("event %+v at %d", ev, at)
			}
			last = max(last, at)
			return nil
		})
		if n > 2*BlockEvents+len(data) {
			t.Fatalf("%d events out of %d bytes", n, len(data))
		}
	})
}
