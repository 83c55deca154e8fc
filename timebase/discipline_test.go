// Claims about the discipline that no scenario needs: what it refuses, that it takes any input, and what it costs.

package timebase_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

func TestADisciplineSaysWhatOfItsConfigCannotBe(t *testing.T) {
	ntp := timebase.Ref{Name: "chrony", Kind: timebase.NTP}
	for _, c := range []struct {
		want string
		c    timebase.Config
	}{
		{"0 references; name 1 to 16", timebase.Config{}},
		{"17 references; name 1 to 16", timebase.Config{Refs: make([]timebase.Ref, 17)}},
		{`reference "chrony" stands twice; give each a name of its own`, timebase.Config{Refs: []timebase.Ref{ntp, ntp}}},
		{`reference "": give it a name`, timebase.Config{Refs: []timebase.Ref{{}}}},
		{`reference "host": give it a name`, timebase.Config{Refs: []timebase.Ref{{Name: "host"}}}},
		{`reference "a b": give it a name`, timebase.Config{Refs: []timebase.Ref{{Name: "a b"}}}},
		{"give it a name of 1 to 32 letters", timebase.Config{Refs: []timebase.Ref{{Name: strings.Repeat("x", 33)}}}},
		{"kind 7; it must be RTC, NTP or PTP", timebase.Config{Refs: []timebase.Ref{{Name: "x", Kind: 7}}}},
		{"MaxAge and MaxBound are ns", timebase.Config{Refs: []timebase.Ref{{Name: "x", MaxAge: -1}}}},
		{"HoldoverLimit is -1; it must be 0 to", timebase.Config{Refs: []timebase.Ref{ntp}, HoldoverLimit: -1}},
		{"Drift is 1000001; it must be 0 to 1000000", timebase.Config{Refs: []timebase.Ref{ntp}, Drift: timebase.MaxDrift + 1}},
	} {
		_, err := timebase.NewDiscipline(&c.c)
		require.ErrorContains(t, err, c.want)
	}
}

func TestADisciplineThatHasSeenNothingIsUnset(t *testing.T) {
	d, err := timebase.NewDiscipline(&timebase.Config{Refs: []timebase.Ref{{Name: "chrony", Kind: timebase.NTP}}})
	require.NoError(t, err)
	require.Equal(t, timebase.Observation{Source: "none"}, d.Status())
}

func TestAReadingThatCannotBeRightRaisesNothing(t *testing.T) {
	for _, c := range []struct {
		claim string
		spoil func(*timebase.Look)
	}{
		{"it was never heard", func(l *timebase.Look) { l.Reading.Heard = 0 }},
		{"it was heard in the future", func(l *timebase.Look) { l.Reading.Heard = l.Mono + 1 }},
		{"nothing bounds its error", func(l *timebase.Look) { l.Reading.Bound = 0 }},
		{"its error is below zero", func(l *timebase.Look) { l.Reading.Bound = -1 }},
		{"its error is absurd", func(l *timebase.Look) { l.Reading.Bound = math.MaxInt64 }},
		{"its offset is absurd", func(l *timebase.Look) { l.Reading.Offset = math.MinInt64 }},
		{"it is too old", func(l *timebase.Look) { l.Reading.Heard = l.Mono - timebase.NTPMaxAge - 1 }},
		{"there was no answer", func(l *timebase.Look) { l.Failed = true }},
		{"the wall clock shows 1970", func(l *timebase.Look) { l.UTC = l.Mono }},
		{"the wall clock shows 2116", func(l *timebase.Look) { l.UTC = math.MaxInt64 }},
		{"it is of another reference", func(l *timebase.Look) { l.Ref = 1 }},
	} {
		d, err := timebase.NewDiscipline(&timebase.Config{Refs: []timebase.Ref{{Name: "chrony", Kind: timebase.NTP}}})
		require.NoError(t, err)
		look := func(at int64, spoil func(*timebase.Look)) {
			mono := 10_000*sec + at*sec
			l := timebase.Look{Mono: mono, UTC: utc + at*sec, Reading: timebase.Reading{Mono: mono, Good: true, Heard: mono, Bound: ms}}
			spoil(&l)
			d.Step(&l, nil)
		}
		for at := range int64(20) {
			look(at, c.spoil)
		}
		require.Equal(t, timebase.Unset, d.Status().Sync, c.claim)
		for at := range int64(20) {
			look(20+at, func(*timebase.Look) {})
		}
		require.Equal(t, timebase.NTPSync, d.Status().Sync, "without: %s", c.claim)
	}
}

// wildLook is any look at all.
func wildLook(r *rand.Rand) timebase.Look {
	n := func() int64 {
		edges := [...]int64{0, 1, -1, math.MaxInt64, math.MinInt64, utc, timebase.EarliestUTC, timebase.LatestUTC, 1 << 60, 1 << 61}
		switch r.IntN(3) {
		case 0:
			return edges[r.IntN(len(edges))]
		case 1:
			return edges[r.IntN(len(edges))] + r.Int64N(2000) - 1000
		}
		return r.Int64N(100 * sec)
	}
	return timebase.Look{Mono: n(), UTC: n(), Slept: n(), Ref: r.IntN(6) - 2, Failed: r.IntN(5) == 0, Reading: timebase.Reading{Mono: n(), UTC: n(),
		Good: r.IntN(4) > 0, Heard: n(), Offset: n(), Bound: n(), Drift: n(), Leap: int8(r.IntN(256) - 128), Why: strings.Repeat("x", r.IntN(600))}}
}

func TestAnyLookIsTaken(t *testing.T) {
	c := timebase.Config{Refs: []timebase.Ref{{Name: "a", Kind: timebase.PTP}, {Name: "b", Kind: timebase.NTP}, {Name: "c", Kind: timebase.RTC}}, ChipSet: utc}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		d, err := timebase.NewDiscipline(&c)
		require.NoError(t, err)
		mono := int64(0)
		for range 300 {
			l := wildLook(r)
			d.Step(&l, nil)
			o := d.Status()
			require.GreaterOrEqual(t, o.Mono, mono, "seed %d", seed)
			require.GreaterOrEqual(t, o.Bound, int64(0), "seed %d", seed)
			require.LessOrEqual(t, len(o.Why), 200, "seed %d", seed)
			mono = o.Mono
			again, err := timebase.NewDiscipline(&c)
			require.NoError(t, err)
			if from := d.Snapshot(nil); again.Restore(from) == nil {
				require.Equal(t, from, again.Snapshot(nil), "seed %d", seed)
			}
		}
	}
}

func FuzzRestore(f *testing.F) {
	c := timebase.Config{Refs: []timebase.Ref{{Name: "a", Kind: timebase.PTP}, {Name: "b", Kind: timebase.RTC}}}
	d, err := timebase.NewDiscipline(&c)
	require.NoError(f, err)
	f.Add(d.Snapshot(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := timebase.NewDiscipline(&c)
		require.NoError(t, err)
		before := d.Snapshot(nil)
		if d.Restore(src) != nil {
			require.Equal(t, before, d.Snapshot(nil), "what is refused changes nothing")
			return
		}
		require.True(t, bytes.Equal(src, d.Snapshot(nil)) || len(src) > 0)
		r := rand.New(rand.NewPCG(1, 1))
		for range 20 {
			l := wildLook(r)
			d.Step(&l, nil)
		}
	})
}

func TestReasonsAndRolesHaveTheirNames(t *testing.T) {
	for r := timebase.NoReason; r <= timebase.LeapWithdrawn; r++ {
		back, ok := timebase.ParseReason(r.String())
		require.True(t, ok)
		require.Equal(t, r, back)
	}
	for r := timebase.NoRole; r <= timebase.Backup; r++ {
		back, ok := timebase.ParseRole(r.String())
		require.True(t, ok)
		require.Equal(t, r, back)
	}
	_, ok := timebase.ParseReason("because")
	require.False(t, ok)
	_, ok = timebase.ParseRole("first")
	require.False(t, ok)
	require.Empty(t, timebase.Reason(200).String())
}

// steady is a discipline that is locked, and the looks of a second.
func steady(t testing.TB) (d *timebase.Discipline, step func()) {
	d, err := timebase.NewDiscipline(&timebase.Config{Refs: []timebase.Ref{{Name: "ptp0", Kind: timebase.PTP}, {Name: "chrony", Kind: timebase.NTP},
		{Name: "rtc0", Kind: timebase.RTC}}})
	require.NoError(t, err)
	mono, out := sec, make([]timebase.Change, 0, 8)
	return d, func() {
		mono += sec
		for ref := range 3 {
			l := timebase.Look{Mono: mono, UTC: utc + mono, Ref: ref,
				Reading: timebase.Reading{Mono: mono, UTC: utc + mono, Good: true, Heard: mono - 1, Offset: 100, Bound: 900}}
			out = d.Step(&l, out[:0])
		}
	}
}

func TestALookAllocatesNothing(t *testing.T) {
	d, step := steady(t)
	require.Zero(t, testing.AllocsPerRun(1000, step))
	require.Equal(t, timebase.PTPLocked, d.Status().Sync)
	var k timebase.Keeper
	k.Observe(seen(1, utc))
	require.Zero(t, testing.AllocsPerRun(1000, func() { k.Stamp(int64(time.Hour)) }))
}

func BenchmarkDisciplineStep(b *testing.B) {
	_, step := steady(b)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/3, "ns/look")
}

func BenchmarkKeeperStamp(b *testing.B) {
	var k timebase.Keeper
	k.Observe(seen(1, utc))
	b.ReportAllocs()
	mono := int64(1)
	for b.Loop() {
		mono++
		k.Stamp(mono)
	}
}
