// Blocks unpack to what was packed, and nothing hostile harms.

package batch

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
)

type stamped struct {
	at int64
	ev Event
}

func TestABlockUnpacksToWhatWasPacked(t *testing.T) {
	for seed := uint64(1); seed <= 300; seed++ {
		rng := rand.New(rand.NewPCG(seed, 0))
		const tags = 7
		b := NewBlock(tags)
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
		err := Unpack(b.Data(), b.First, tags, func(at int64, ev *Event) error {
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

func TestASampleOfASteadySignalTakesFewBytes(t *testing.T) {
	b := NewBlock(20)
	for i := range 100 {
		b.Add(1+int64(i)*100_000_000, &Event{Kind: Sample, Tag: 9, Form: tag.Int, Bits: uint64(1000 + i%7), Quality: tag.Good})
	}
	require.Less(t, len(b.Data()), 100*8)
}

func FuzzUnpack(f *testing.F) {
	b := NewBlock(3)
	b.Add(5_000_000, &Event{Kind: Sample, Tag: 1, Form: tag.Float32, Bits: 7, Quality: tag.Good})
	b.Add(9_000_000, &Event{Kind: Tick})
	b.Add(9_000_000, &Event{Kind: Sample, Tag: 2, Bits: 1, AgeMS: 4})
	f.Add(b.Data(), int64(5_000_000))
	f.Add([]byte{0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}, int64(0))
	f.Fuzz(func(t *testing.T, data []byte, first int64) {
		n := 0
		_ = Unpack(data, first, 3, func(at int64, ev *Event) error {
			if n++; ev.Kind == Sample && (ev.Tag >= 3 || at < first) {
				t.Fatalf("event %+v at %d", ev, at)
			}
			return nil
		})
		if n > BlockEvents+len(data) {
			t.Fatalf("%d events out of %d bytes", n, len(data))
		}
	})
}
