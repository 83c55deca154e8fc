// What is told of a point that comes and goes.

package fieldbus

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

const sec = 1000 * msec

// trackedRead has a value read at a time.
func trackedRead(v *Value, at int64, good bool) {
	v.Raw.Quality, v.Status = tag.Bad, StatusDeviceFailure
	if good {
		v.Raw.Quality, v.Status, v.Read = tag.Good, StatusGood, at
	}
}

func TestAPointThatStaysGoodIsNotToldOf(t *testing.T) {
	var tr Tracker
	v := Value{Raw: tag.Raw{Channel: "hr/1"}, Limit: sec}
	for at := int64(1); at < 100*sec; at += sec / 2 {
		trackedRead(&v, at, true)
		_, tell := tr.Look(at, &v)
		require.False(t, tell)
		require.Equal(t, at+sec+1, tr.Wake(&v))
	}
}

func TestAPointIsToldOfWhenItTurnsBadStaleAndGoodAgain(t *testing.T) {
	var tr Tracker
	v := Value{Raw: tag.Raw{Channel: "hr/1"}, Limit: sec}
	trackedRead(&v, 10*sec, true)
	_, tell := tr.Look(10*sec, &v)
	require.False(t, tell)

	stale := tr.Wake(&v)
	require.Equal(t, 11*sec+1, stale)
	_, tell = tr.Look(stale-1, &v)
	require.False(t, tell)
	ev, tell := tr.Look(stale, &v)
	require.True(t, tell)
	require.Equal(t, Event{
		Kind: PointChanged, At: stale, Channel: "hr/1", Status: StatusLastUsable, From: "GOOD", To: "STALE", Age: sec + 1, Limit: sec,
	}, ev)
	require.Equal(t, int64(math.MaxInt64), tr.Wake(&v), "it cannot become more stale")

	trackedRead(&v, 20*sec, false)
	ev, tell = tr.Look(20*sec, &v)
	require.True(t, tell)
	require.Equal(t, Event{
		Kind: PointChanged, At: 20 * sec, Channel: "hr/1", Status: StatusDeviceFailure, From: "STALE", To: "BAD", Age: 10 * sec, Limit: sec,
	}, ev)

	trackedRead(&v, 30*sec, true)
	ev, tell = tr.Look(30*sec, &v)
	require.True(t, tell)
	require.Equal(t, [3]string{"BAD", "GOOD", ""}, [3]string{ev.From, ev.To, ev.Cause})
	require.Zero(t, ev.Age)
}

func TestAPointThatIsBadFromTheFirstIsToldOf(t *testing.T) {
	var tr Tracker
	v := Value{Limit: sec}
	ev, tell := tr.Look(5, &v)
	require.True(t, tell)
	require.Equal(t, StatusWaiting, ev.Status)
	require.Equal(t, int64(-1), ev.Age)
}

func TestAPointThatFlickersIsToldOfSeldomAndNoChangeIsLost(t *testing.T) {
	var tr Tracker
	v := Value{Limit: math.MaxInt64}
	told, counted, last := 0, int64(0), ""
	changes := int64(0)
	good := true
	for at := int64(1); at < 3600*sec; at += 100 * msec {
		good = !good
		if changes++; at == 1 {
			changes, good = 0, true
		}
		trackedRead(&v, at, good)
		if ev, tell := tr.Look(at, &v); tell {
			told++
			counted += ev.Count + 1
			last = ev.To
		}
	}
	require.Less(t, told, 3600/64+10)
	require.Greater(t, told, 50)
	for at := 3600 * sec; at < 3700*sec; at = tr.Wake(&v) {
		if ev, tell := tr.Look(at, &v); tell {
			counted += ev.Count + 1
			last = ev.To
		}
	}
	require.Equal(t, changes, counted)
	q, _, _ := v.At(3700 * sec)
	require.Equal(t, q.String(), last, "the last word is how it stands")
}

func TestWhatIsToldOfAPointIsAChainAndTheFirstAfterAPauseIsAtOnce(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 30))
		var tr Tracker
		v := Value{Limit: 1 + rng.Int64N(3*sec)}
		at, last, lastAt := int64(1), "GOOD", int64(math.MinInt64>>1)
		trackedRead(&v, at, true)
		tr.Look(at, &v)
		for range 500 {
			if rng.IntN(2) == 0 {
				at += rng.Int64N(3 * sec)
				trackedRead(&v, at, rng.IntN(3) > 0)
			} else if w := tr.Wake(&v); w != math.MaxInt64 {
				at = max(at, w)
			}
			was := tr.quality
			ev, tell := tr.Look(at, &v)
			q, _, _ := v.At(at)
			if q != was && at-lastAt >= pointGap<<mostOften && !tell {
				t.Fatalf("seed %d: %s at %d is not told", seed, q, at)
			}
			if w := tr.Wake(&v); w <= at {
				t.Fatalf("seed %d: Wake %d at %d", seed, w, at)
			}
			if !tell {
				continue
			}
			if ev.From != last || ev.To != q.String() || at-lastAt < pointGap {
				t.Fatalf("seed %d: %+v after %s", seed, ev, last)
			}
			last, lastAt = ev.To, at
		}
	}
}

func TestAPointThatIsBadForAnotherReasonIsToldOf(t *testing.T) {
	var tr Tracker
	v := Value{Status: StatusDeviceFailure, Limit: sec}
	_, tell := tr.Look(1, &v)
	require.True(t, tell)
	v.Status = StatusConfigurationError
	ev, tell := tr.Look(10*sec, &v)
	require.True(t, tell)
	require.Equal(t, StatusConfigurationError, ev.Status)
}
