// The claims of the wall clock's source.

package system

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

func TestWhatIsKnownOfTheWallClockDecidesItsState(t *testing.T) {
	good := time.Date(2026, 5, 1, 0, 0, 0, 5, time.UTC)
	synced := discipline{synced: true, offset: -1500, bound: 2_000_000}
	for _, c := range []struct {
		name string
		utc  time.Time
		d    discipline
		want timebase.Observation
	}{
		{"synchronised", good, synced, timebase.Observation{Mono: 9, UTC: good.UnixNano(), Sync: timebase.NTPSync, Source: "ntp",
			Offset: -1500, Bound: 2_000_000}},
		{"not synchronised", good, discipline{offset: 7, bound: 9}, timebase.Observation{Mono: 9, UTC: good.UnixNano(),
			Sync: timebase.RTCOnly, Source: "host"}},
		{"never set", time.Date(2023, 12, 31, 23, 59, 59, 0, time.UTC), synced, timebase.Observation{Mono: 9, Source: "none"}},
		{"just set", time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), discipline{}, timebase.Observation{Mono: 9,
			UTC: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), Sync: timebase.RTCOnly, Source: "host"}},
	} {
		require.Equal(t, c.want, judge(9, c.utc, c.d), c.name)
	}
}

func TestTheWallClockIsThatOfThisMachine(t *testing.T) {
	c := NewClock(1)
	before, mono := time.Now().UnixNano(), c.Now()
	o := Wall(c).Observe()
	require.GreaterOrEqual(t, o.Mono, mono)
	require.LessOrEqual(t, o.Mono, c.Now())
	require.GreaterOrEqual(t, o.UTC, before)
	require.LessOrEqual(t, o.UTC, time.Now().UnixNano())
	require.Contains(t, []timebase.Sync{timebase.RTCOnly, timebase.NTPSync}, o.Sync)
	require.Equal(t, o.Sync == timebase.NTPSync, o.Source == "ntp")
	require.Equal(t, o.Sync == timebase.NTPSync, o.Bound > 0)
}

// other is a clock of another make.
type other struct{}

func (other) Now() int64                        { return 42 }
func (other) Wait(context.Context, int64) error { return nil }
func (other) Alarm(func()) timebase.Alarm       { return nil }

func TestTheWallClockIsSeenAgainstAnyClock(t *testing.T) {
	o := Wall(other{}).Observe()
	require.EqualValues(t, 42, o.Mono)
	require.InDelta(t, time.Now().UnixNano(), o.UTC, 60e9)
}

func TestAWallClockBeforeItsTimeIsUnset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a bubble begins in the year 2000
		require.Equal(t, timebase.Observation{Mono: 1, Source: "none"}, Wall(NewClock(1)).Observe())
	})
}

func TestAWallClockBeyondItsTimeIsUnsetAndItsNumberIsHeld(t *testing.T) {
	for year, want := range map[int]timebase.Sync{2023: timebase.Unset, 2024: timebase.RTCOnly, 2115: timebase.RTCOnly, 2116: timebase.Unset,
		2262: timebase.Unset, 2263: timebase.Unset, 2609: timebase.Unset, 9999: timebase.Unset} {
		o := judge(7, time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC), discipline{})
		require.Equal(t, want, o.Sync, "in %d", year)
		require.Equal(t, want == timebase.Unset, o.UTC == 0, "in %d", year)
	}
	require.Equal(t, int64(math.MaxInt64), unixNano(time.Date(2609, 1, 1, 0, 0, 0, 0, time.UTC)), "which would else be in 2024")
	require.Equal(t, int64(0), unixNano(time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.Equal(t, int64(5), unixNano(time.Unix(0, 5)))
}

func TestTheWallClockOfAFastClockAdvancesWithIt(t *testing.T) {
	c := NewClock(MaxSpeed).(*clock)
	c.base = c.base.Add(-time.Second) // created a second ago
	o := Wall(c).Observe()
	require.Equal(t, c.base.UnixNano()+o.Mono-1, o.UTC)
	require.Greater(t, o.UTC-c.base.UnixNano(), int64(1000*time.Second))
	require.Equal(t, timebase.RTCOnly, o.Sync)
	require.Equal(t, "host x1000", o.Source)
}
