// Tests of the metering bench: what its instruments show is what has flowed, in whatever steps time goes.

package sim

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
)

// benched runs a bench for a charge of some seconds and returns what it emitted.
func benched(t *testing.T, b *Bench, step, open, end int64) (raws []tag.Raw) {
	t.Helper()
	keep := func(r tag.Raw) { raws = append(raws, r) }
	b.Advance(epoch, keep)
	for now := epoch; now < epoch+end; {
		if now == epoch+second {
			_, err := b.Apply(now, writeOf("do/1", 1, 0))
			require.NoError(t, err)
		}
		if now == epoch+second+open {
			_, err := b.Apply(now, writeOf("do/1", 0, 0))
			require.NoError(t, err)
		}
		now += step
		b.Advance(now, keep)
	}
	return raws
}

func last(raws []tag.Raw, channel string) (v uint64) {
	for i := range raws {
		if raws[i].Channel == channel {
			v = raws[i].Bits
		}
	}
	return v
}

func TestABenchShowsWhatHasFlowedInWhateverSteps(t *testing.T) {
	for _, p := range Profiles() {
		opt := BenchOptions{Profile: p, Seed: 5, Damping: 300 * ms, Count: math.MaxUint32 - 20, Total: 900, Modulus: 1000, Tare: 12 * kilogram}
		var want []tag.Raw
		for _, step := range []int64{10 * ms, 50 * ms, second} {
			b, err := NewBench(opt)
			require.NoError(t, err)
			raws := benched(t, b, step, 20*second, 30*second)
			if want == nil {
				want = raws
			}
			require.Equal(t, want, raws, "%s in steps of %d ns", p, step)
			flowed := b.Delivered()
			require.Positive(t, flowed)
			require.Equal(t, flowed, b.Fallen(), p)
			require.Equal(t, uint64(uint32(int64(opt.Count)+flowed/PulseMass)), last(raws, "ctr/1"), p)
			require.Equal(t, uint64(uint16(int64(opt.Count)+flowed/PulseMass)), last(raws, "ctr/2"), p)
			require.Equal(t, uint64((900+flowed/TotalMass)%1000), last(raws, "tot/1"), p)
			require.InDelta(t, (12*kilogram+flowed)/ScaleMass, int64(last(raws, "ai/3")), ScaleNoise+1, p)
			require.LessOrEqual(t, last(raws, "ai/1"), uint64(ADCNoise), p)
			require.Less(t, math.Float32frombits(uint32(last(raws, "ai/2"))), float32(1e-6), p)
		}
	}
}

func TestABenchIsBefallenByItsFaults(t *testing.T) {
	b, err := NewBench(BenchOptions{})
	require.NoError(t, err)
	at := epoch + 5*second
	for _, f := range []BenchFault{{BenchSilent, "ai/1", at, second}, {BenchBad, "ai/2", at, second}, {BenchMissed, "ctr/2", at, second},
		{BenchReset, "ctr/1", at, 0}, {BenchReplaced, "tot/1", at, 0}} {
		require.NoError(t, b.Fault(f))
	}
	for _, f := range []BenchFault{{BenchSilent, "do/1", at, second}, {BenchSilent, "xx", at, second}, {BenchMissed, "tot/1", at, second},
		{BenchReset, "ai/1", at, 0}, {BenchBad, "ai/1", at, 0}, {0, "ai/1", at, 1}, {9, "ai/1", at, 1}} {
		require.Error(t, b.Fault(f), "%+v", f)
	}
	raws := benched(t, b, 10*ms, 8*second, 15*second)
	silent, bad := 0, 0
	for _, r := range raws {
		if r.At >= at && r.At < at+second && r.Channel == "ai/1" {
			silent++
		}
		if r.Quality == tag.Bad {
			bad++
			require.Equal(t, "ai/2", r.Channel)
		}
	}
	require.Zero(t, silent)
	require.Equal(t, 10, bad)
	require.Equal(t, uint64(1002), last(raws, "id/1"))
	pulses := b.Delivered() / PulseMass
	require.InDelta(t, pulses-500, int64(last(raws, "ctr/2")), 2, "a second at 5 kg/s was missed")
	require.Less(t, int64(last(raws, "ctr/1")), pulses)
	require.Greater(t, int64(last(raws, "tot/1")), int64(777_000))
}

func TestABenchRefusesWhatItHasNotGot(t *testing.T) {
	for _, opt := range []BenchOptions{{Every: 15 * ms}, {Every: -1}, {Profile: profiles}, {Modulus: 10, Total: 10}, {Tare: -1}, {Damping: -1}} {
		_, err := NewBench(opt)
		require.Error(t, err, "%+v", opt)
	}
	b, err := NewBench(BenchOptions{})
	require.NoError(t, err)
	_, err = b.Apply(1, writeOf("ao/1", 1, 0))
	require.ErrorContains(t, err, "do/1")
	require.ErrorIs(t, b.Watch(t.Context(), nil), errBench)
	require.ErrorIs(t, b.Write(t.Context(), tag.Write{}), errBench)
}

func TestABenchInRealTimeShowsWhatItShowsInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := realClock{time.Now().Add(-7 * time.Second)}
		opt := BenchOptions{Profile: PulsedFlow, Seed: 2, Damping: 100 * ms}
		live, err := NewBench(opt)
		require.NoError(t, err)
		live.On(clock)
		begun := clock.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var got, want []tag.Raw
		done := make(chan error)
		go func() { done <- live.Watch(ctx, func(r tag.Raw) { got = append(got, r) }) }()
		time.Sleep(1005 * time.Millisecond)
		require.NoError(t, live.Write(t.Context(), writeOf("do/1", 1, 0)))
		require.ErrorIs(t, live.Watch(ctx, nil), errBench)
		time.Sleep(5 * time.Second)
		require.NoError(t, live.Write(t.Context(), writeOf("do/1", 0, 0)))
		require.NoError(t, <-done)

		again, err := NewBench(opt)
		require.NoError(t, err)
		keep := func(r tag.Raw) { want = append(want, r) }
		again.Advance(begun, keep)
		for _, w := range []struct{ at, v int64 }{{1005 * ms, 1}, {6006 * ms, 0}} {
			again.Advance(begun+w.at, keep)
			_, err := again.Apply(begun+w.at, writeOf("do/1", w.v, 0))
			require.NoError(t, err)
		}
		again.Advance(begun+10*second-1, keep)
		require.GreaterOrEqual(t, len(got), len(want))
		require.Equal(t, want, got[:len(want)])
		require.Positive(t, again.Delivered())
	})
}
