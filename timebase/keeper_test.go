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
