// The claims of the plant: determinism, conservation, cadence, and behaviour of valves, tank and heater.

package sim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

func TestTheEmittedBytesDoNotDependOnTheStepsOfAdvance(t *testing.T) {
	for seed := range uint64(5) {
		want := play(t, seed, second, 60*second, false)
		for _, chunk := range []int64{ms, 10 * ms, 137 * ms, 60 * second} {
			if got := play(t, seed, chunk, 60*second, false); got != want {
				at, _, _ := strings.Cut(got[commonPrefix(got, want):], "\n")
				t.Fatalf("seed %d, steps of %s: differs from steps of 1 s at %q", seed, time.Duration(chunk), at)
			}
		}
		require.Equal(t, digest(want), digest(play(t, seed, second, 60*second, true)), "seed %d: stopped at each act", seed)
	}
}

func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return strings.LastIndex(a[:n], "\n") + 1
}

func TestARunOfSixtySecondsIsTheSameOnEveryProcessor(t *testing.T) {
	const want = "9e377f957a067df8f083998ae1d003e111cfebd1ad7a1b2947dae7d5b6aaf4d1"
	require.Equal(t, want, digest(play(t, 1, second, 60*second, false)))
}

func TestSeedsDiffer(t *testing.T) {
	require.NotEqual(t, play(t, 1, second, 5*second, false), play(t, 2, second, 5*second, false))
}

func TestWhatFlowedInIsInTheTankOrDrainedOrSpilt(t *testing.T) {
	for seed := range uint64(8) {
		r := newRig(t, seed)
		for _, ch := range []string{"do/1", "do/2", "do/3", "do/6"} {
			r.write(ch, 1)
		}
		r.fault("leak B 70s")
		r.run(40 * second)
		require.Positive(t, r.p.Spilt(), "seed %d", seed)
		require.Equal(t, int64(tankLimit), r.p.Contents(), "seed %d", seed)
		r.write("do/7", 1)
		r.write("do/1", 0)
		r.run(12345 * ms)
		require.Positive(t, r.p.Drained(), "seed %d", seed)
		in := r.p.Delivered(0) + r.p.Delivered(1)
		require.Equal(t, in, r.p.Contents()+r.p.Drained()+r.p.Spilt(), "seed %d", seed)
	}
}

func TestMetersCountWhatFlowed(t *testing.T) {
	for seed := range uint64(8) {
		r := newRig(t, seed)
		startPulses, startTotal := r.last("ctr/1").Bits, r.last("tot/1").Bits
		r.write("do/1", 1)
		r.run(25 * second) // a step in which the counters are emitted
		pulses := r.p.Delivered(0) * 100 / kilogram
		require.Equal(t, pulses, r.p.Pulses(0))
		require.Equal(t, uint64(uint32(startPulses)+uint32(pulses)), r.last("ctr/1").Bits, "seed %d", seed)
		require.InDelta(t, float64(pulses), float64(r.last("tot/1").Bits-startTotal), 1, "seed %d", seed)
		r.write("do/1", 0)
		r.run(second)
		require.InDelta(t, float64(r.p.Contents())/kilogram, float64(r.last("ai/5").Bits)/100, 0.03, "seed %d", seed)
		require.InDelta(t, float64(r.p.Contents())/kilogram, float64(r.last("ai/3").Bits)*500/4095, 0.25, "seed %d", seed)
		require.Zero(t, r.p.Pulses(1))
		if seed%4 == 0 {
			require.Less(t, r.last("ctr/1").Bits, startPulses, "seed %d: the counter rolled over", seed)
		}
	}
}

func TestRatesAndRampsAreThoseOfTheDescription(t *testing.T) {
	for seed := range uint64(8) {
		r := newRig(t, seed)
		r.write("do/1", 1)
		r.run(10 * second)
		require.InDelta(t, 99, float64(r.p.Delivered(0))/kilogram, 4, "seed %d: coarse", seed)
		before := r.p.Delivered(0)
		r.write("do/1", 0)
		r.run(second)
		inFlight := r.p.Delivered(0) - before
		require.InDelta(t, 1.5, float64(inFlight)/kilogram, 0.15, "seed %d: while closing", seed)
		r.run(second)
		require.Equal(t, before+inFlight, r.p.Delivered(0), "seed %d: closed", seed)

		r.write("do/4", 1)
		r.run(10 * second)
		require.InDelta(t, 9.9, float64(r.p.Delivered(1))/kilogram, 0.4, "seed %d: fine", seed)
		require.InDelta(t, 60, r.float("ai/2"), 2, "seed %d: flow", seed)
		r.write("do/7", 1)
		r.run(2 * second)
		require.InDelta(t, 47, float64(r.p.Drained())/kilogram, 2, "seed %d: drain", seed)
		r.run(20 * second)
		require.LessOrEqual(t, r.p.Contents(), int64(kilogram/50), "seed %d: empty but for what flows in", seed)
	}
}

func TestTheHeaterHeatsOnlyWhatIsStirredAndCoversIt(t *testing.T) {
	r := newRig(t, 3)
	r.write("do/5", 1)
	r.write("ao/1", 600)
	r.write("do/1", 1)
	r.run(second)
	r.write("do/6", 1)
	r.run(500 * ms)
	require.Less(t, r.p.Contents(), int64(heatLevel))
	require.InDelta(t, 20, r.celsius(), 0.1, "below the heater")
	r.write("do/6", 0)
	for r.p.Contents() < 199*kilogram {
		r.run(10 * ms)
	}
	r.write("do/1", 0)
	r.run(2 * second)
	require.InDelta(t, 20, r.celsius(), 0.5, "not stirred")

	r.write("do/6", 1)
	begin := r.now
	for r.celsius() < 60 {
		r.run(10 * ms)
		require.Less(t, r.now-begin, 20*second)
	}
	require.InDelta(t, 7.5, float64(r.now-begin)/1e9, 0.5, "half a second for the agitator, seven for the heat")
	for range 300 {
		r.run(100 * ms)
		require.InDelta(t, 60, r.celsius(), 0.5, "held by the thermostat")
	}
	r.write("do/5", 0)
	r.run(60 * second)
	require.InDelta(t, 56.5, r.celsius(), 1, "mild losses")
}

func TestTheFirstAdvanceEmitsEveryChannelOnceAndInOrder(t *testing.T) {
	r := newRig(t, 1)
	require.Len(t, r.raws, channelCount)
	for i, raw := range r.raws {
		require.Equal(t, channels[i].name, raw.Channel)
		require.Equal(t, epoch, raw.At)
		require.Equal(t, tag.Good, raw.Quality)
	}
	require.EqualValues(t, 1, r.last("di/4").Bits, "the emergency stop is healthy")
}

func TestEachChannelKeepsItsCadence(t *testing.T) {
	r := newRig(t, 1)
	r.run(10 * second)
	for prefix, want := range map[string]int{"ctr/1": 200, "tot/2": 200, "ai/1": 100, "ai/3": 50, "ai/4": 50, "ai/5": 50,
		"di/1": 10, "do/8": 10, "ao/1": 10} {
		require.Len(t, r.since(epoch+1, prefix), want, prefix)
	}
}

func TestNextNeverSleepsThroughAnEmission(t *testing.T) {
	for seed := range uint64(3) {
		p, next, wakes := NewPlant(seed), 0, 0
		require.Zero(t, p.Next())
		for now := epoch; now < epoch+60*second; now = p.Next() {
			for ; next < len(story) && epoch+story[next].at <= now; next++ {
				story[next].do(t, p)
			}
			p.Advance(now, func(r tag.Raw) { require.Equal(t, now, r.At, "%s, seed %d", r.Channel, seed) })
			wakes++
			if next < len(story) && p.Next() > epoch+story[next].at {
				p.Advance(epoch+story[next].at, func(r tag.Raw) { require.Fail(t, "early", "%v", r) })
				story[next].do(t, p)
				next++
			}
			require.Greater(t, p.Next(), now)
		}
		require.Less(t, wakes, 6500)
	}
	idle := newRig(t, 1)
	wakes := 0
	for ; idle.now < epoch+10*second; wakes++ {
		idle.run(idle.p.Next() - idle.now)
	}
	require.Equal(t, 350, wakes, "35 a second when nothing moves")
}

func TestContactsBounceAndSettleWithinTheDeclaredTime(t *testing.T) {
	bounced := 0
	for seed := range uint64(20) {
		r := newRig(t, seed)
		r.write("do/1", 1)
		r.write("do/6", 1)
		r.run(900 * ms)
		for _, ch := range []string{"di/1", "di/5"} {
			edges := r.since(epoch+1, ch)
			for len(edges) > 1 && edges[len(edges)-1].Bits == edges[len(edges)-2].Bits {
				edges = edges[:len(edges)-1] // emitted because a second was over
			}
			if edges[0].Bits == 0 {
				edges = edges[1:]
			}
			require.Len(t, edges, len(edges)|1, "%s ends where it should, seed %d", ch, seed)
			for i, e := range edges {
				require.EqualValues(t, (i+1)%2, e.Bits, "%s, seed %d", ch, seed)
				require.Less(t, e.At-edges[0].At, int64(Bounce), "%s, seed %d", ch, seed)
			}
			bounced += len(edges) / 2
		}
	}
	require.Greater(t, bounced, 20)
}

// realClock is a clock of package time, for the bubble of a synctest.
type realClock struct{ base time.Time }

func TestRealTimeEqualsVirtualTime(t *testing.T) {
	acts := []act{{100 * ms, "do/1 1"}, {777 * ms, "do/6 1"}, {2 * second, "do/1 0"}, {2500 * ms, "do/3 1"}}
	v := newRig(t, 5)
	for _, a := range acts {
		v.run(epoch + a.at - v.now)
		a.do(t, v.p)
	}
	v.run(epoch + 4*second - v.now)

	synctest.Test(t, func(t *testing.T) {
		clock := realClock{time.Now().Add(-time.Duration(epoch))}
		p := NewPlant(5).On(clock)
		got := watch(t, p, 4*time.Second+time.Microsecond, func() {
			for _, a := range acts {
				require.NoError(t, clock.Wait(t.Context(), epoch+a.at))
				f := strings.Fields(a.text)
				require.NoError(t, p.Write(t.Context(), writeOf(f[0], int64(f[1][0]-'0'), 0)))
				require.Equal(t, epoch+a.at+int64(WriteTime), clock.Now())
			}
		})
		require.Equal(t, v.raws, got)

		again := watch(t, p, time.Microsecond, func() {})
		require.Len(t, again, channelCount, "a new Watch begins with every channel once")
		require.EqualValues(t, 1, again[chOut+outCoarseB].Bits, "outputs read back included")
	})
}
