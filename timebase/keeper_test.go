// Claims about stamps: what UTC they give, how far it may be believed, and what counts as a step of the wall clock.

package timebase_test

import (
	"testing"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

const (
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
	utc = 1_750_000_000 * sec // some instant of 2025
)

// seen is an observation by NTP at monotonic time mono.
func seen(mono, utc int64) timebase.Observation {
	return timebase.Observation{Mono: mono, UTC: utc, Sync: timebase.NTPSync, Source: "ntp", Offset: -3 * ms, Bound: 5 * ms}
}

func TestAStampHasNoUTCWhileTheClockIsUnset(t *testing.T) {
	var k timebase.Keeper
	require.Equal(t, timebase.Stamp{Mono: 7, Source: "none"}, k.Stamp(7))

	k.Observe(timebase.Observation{Mono: 10, UTC: utc, Bound: 1, Source: "rtc"})
	require.Equal(t, timebase.Stamp{Mono: 20, Source: "rtc"}, k.Stamp(20), "what an UNSET source says of UTC counts for nothing")

	k.Observe(seen(30, utc))
	k.Observe(timebase.Observation{Mono: 40})
	require.Equal(t, timebase.Stamp{Mono: 50, Source: "none"}, k.Stamp(50), "a clock that was lost is not carried on")
}

func TestAStampCarriesUTCOnFromTheObservation(t *testing.T) {
	var k timebase.Keeper
	k.Observe(seen(10*sec, utc))
	for _, c := range []struct {
		claim             string
		mono, utc, bounds int64
	}{
		{"at the observation", 10 * sec, utc, 5 * ms},
		{"a nanosecond later the bound is not rounded down", 10*sec + 1, utc + 1, 5*ms + 100},
		{"a millisecond later", 10*sec + ms, utc + ms, 5*ms + 100},
		{"a second later: 100 ppm", 11 * sec, utc + sec, 5*ms + 100_000},
		{"an hour later", 3610 * sec, utc + 3600*sec, 365 * ms},
		{"before it the bound grows alike", 9 * sec, utc - sec, 5*ms + 100_000},
		{"ten years later nothing overflows", 10*sec + 315_360_000*sec, utc + 315_360_000*sec, 5*ms + 31_536*sec},
	} {
		require.Equal(t, timebase.Stamp{Mono: c.mono, UTC: c.utc, Sync: timebase.NTPSync, Source: "ntp", Offset: -3 * ms, Bound: c.bounds},
			k.Stamp(c.mono), c.claim)
	}
}

func TestABoundThatIsNotKnownStaysUnknown(t *testing.T) {
	var k timebase.Keeper
	k.Observe(timebase.Observation{Mono: 1, UTC: utc, Sync: timebase.RTCOnly, Source: "host"})
	require.Equal(t, timebase.Stamp{Mono: 1 + sec, UTC: utc + sec, Sync: timebase.RTCOnly, Source: "host"}, k.Stamp(1+sec))
}

func TestStepsAreCountedAndCorrectionsAreNot(t *testing.T) {
	var k timebase.Keeper
	mono, wall, steps := int64(0), utc, int64(0)
	for _, c := range []struct {
		claim string
		by    int64
		step  bool
	}{
		{"no change", 0, false},
		{"a correction forward", 20 * ms, false},
		{"a correction back", -20 * ms, false},
		{"the limit itself forward", timebase.StepLimit, false},
		{"the limit itself back", -timebase.StepLimit, false},
		{"just above the limit", timebase.StepLimit + 1, true},
		{"just below it", -timebase.StepLimit - 1, true},
		{"an hour forward, as by a wrong time zone", 3600 * sec, true},
		{"ten years back", -315_360_000 * sec, true},
	} {
		if mono == 0 {
			moved, step := k.Observe(seen(sec, wall))
			require.Zero(t, moved, "the first observation")
			require.False(t, step, "the first observation")
			mono = sec
		}
		mono, wall = mono+60*sec, wall+60*sec+c.by
		moved, step := k.Observe(seen(mono, wall))
		if c.step {
			steps++
		}
		require.Equal(t, c.by, moved, c.claim)
		require.Equal(t, c.step, step, c.claim)
		require.Equal(t, steps, k.Steps(), c.claim)
		require.Equal(t, wall, k.Stamp(mono).UTC, c.claim)
	}
}

func TestAClockThatBecomesValidHasNotStepped(t *testing.T) {
	var k timebase.Keeper
	for _, o := range []timebase.Observation{{Mono: 1}, seen(2, utc), {Mono: 3}, seen(4, utc+3600*sec)} {
		moved, step := k.Observe(o)
		require.Zero(t, moved)
		require.False(t, step)
	}
	require.Zero(t, k.Steps())
}

func TestAnObserverCountsWhatLiesBetweenTwoObservations(t *testing.T) {
	at := func(mono, utc, steps, moved int64) timebase.Observation {
		o := seen(mono, utc)
		o.Steps, o.Moved = steps, moved
		return o
	}
	k := timebase.Keeper{Limit: 100 * ms}
	k.Observe(at(sec, utc, 7, 5*sec)) // what it has counted before is not of this epoch
	for _, c := range []struct {
		claim       string
		o           timebase.Observation
		moved       int64
		step        bool
		steps       int64
		beyondLimit bool
	}{
		{"nothing", at(2*sec, utc+sec, 7, 5*sec), 0, false, 0, false},
		{"a small one that nobody else would see", at(3*sec, utc+2*sec+3*ms, 8, 3*ms), 3 * ms, true, 1, false},
		{"there and back within one look: the last of them", at(4*sec, utc+3*sec+3*ms, 10, -3600*sec), -3600 * sec, true, 3, true},
		{"one that the observer has not counted", at(5*sec, utc+4*sec+203*ms, 10, -3600*sec), 200 * ms, true, 4, true},
		{"the limit itself is none", at(6*sec, utc+5*sec+303*ms, 10, -3600*sec), 100 * ms, false, 4, false},
		{"an observer that has begun anew", at(7*sec, utc+6*sec+303*ms, 0, 0), 0, false, 4, false},
	} {
		moved, step := k.Observe(c.o)
		require.Equal(t, c.moved, moved, c.claim)
		require.Equal(t, c.step, step, c.claim)
		require.Equal(t, c.steps, k.Steps(), c.claim)
		require.Equal(t, c.beyondLimit, k.Beyond(moved), c.claim)
	}
}

func TestAnObservationGoesOnAfterItsTime(t *testing.T) {
	o := seen(10*sec, utc)
	o.LastSync, o.Age = utc-sec, sec
	later := o.After(20 * sec)
	require.Equal(t, 20*sec, later.Mono)
	require.Equal(t, utc+10*sec, later.UTC)
	require.Equal(t, 6*ms, later.Bound)
	require.Equal(t, 11*sec, later.Age)
	require.False(t, o.Changed(&later))
	require.Equal(t, o, o.After(9*sec), "it does not go back")
	require.Equal(t, timebase.Observation{Mono: 5, Source: "none"}, timebase.Observation{Mono: 1, Source: "none"}.After(5))
	for _, change := range []func(*timebase.Observation){func(o *timebase.Observation) { o.Sync = timebase.Holdover },
		func(o *timebase.Observation) { o.Source = "x" }, func(o *timebase.Observation) { o.Role = timebase.Backup },
		func(o *timebase.Observation) { o.Steps++ }, func(o *timebase.Observation) { o.Leap = 1 }} {
		p := o
		change(&p)
		require.True(t, o.Changed(&p))
	}
}

func TestAKeeperIsRestoredFromLastAndSteps(t *testing.T) {
	var k timebase.Keeper
	for i, by := range []int64{0, 5 * ms, 2 * sec, -7 * sec, 1} {
		k.Observe(seen(int64(i+1)*sec, utc+int64(i)*sec+by))
		var again timebase.Keeper
		again.Restore(k.Last(), k.Steps())
		require.Equal(t, k, again)
		require.Equal(t, k.Stamp(100*sec), again.Stamp(100*sec))
		next := seen(200*sec, utc)
		original := k
		moved, step := original.Observe(next)
		movedAgain, stepAgain := again.Observe(next)
		require.Equal(t, moved, movedAgain)
		require.Equal(t, step, stepAgain)
		require.Equal(t, original, again)
	}
	require.EqualValues(t, 3, k.Steps())
}

func TestStatesOfSynchronisationHaveTheirNames(t *testing.T) {
	names := []string{"UNSET", "RTC_ONLY", "HOLDOVER", "NTP_SYNC", "PTP_LOCKED"}
	for i, name := range names {
		s := timebase.Sync(i)
		require.Equal(t, name, s.String())
		back, ok := timebase.ParseSync(name)
		require.True(t, ok)
		require.Equal(t, s, back)
	}
	for _, name := range []string{"", "unset", "NTP", "PTP_LOCKED "} {
		_, ok := timebase.ParseSync(name)
		require.False(t, ok, name)
	}
	require.Equal(t, "UNSET", timebase.Sync(5).String(), "what is no state is not trusted")
	require.Equal(t, "UNSET", timebase.Sync(255).String())
}
