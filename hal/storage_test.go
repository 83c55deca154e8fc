// What is said of a medium: the worst counts, it does not get better, and a record gives it all back.

package hal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/journal/record"
)

// states in the order of their rank.
var states = []hal.Health{hal.HealthGood, hal.HealthUnknown, hal.HealthWatch, hal.HealthReplace, hal.HealthFailed}

// stands is a medium in a state.
func stands(medium string, h hal.Health) hal.StorageHealth {
	s := hal.NewStorageHealth(medium)
	s.Judge(h, "test")
	return s
}

func TestTheWorstPartIsTheStateOfTheWhole(t *testing.T) {
	for i, a := range states {
		for j, b := range states {
			s := stands("m", a)
			s.Judge(b, "the other part")
			require.Equal(t, states[max(i, j)], s.State, "%s and %s", a, b)
			require.Equal(t, []string{a.String() + ": test", b.String() + ": the other part"}, s.Reasons)
		}
	}
	require.Equal(t, hal.HealthUnknown, hal.StorageHealth{}.State, "of which nothing is known")
	s := stands("m", hal.HealthGood)
	for range 2 * hal.MaxReasons {
		s.Judge(hal.HealthGood, "again")
	}
	s.Judge(hal.HealthFailed, "and worse")
	require.Len(t, s.Reasons, hal.MaxReasons)
	require.Equal(t, hal.HealthFailed, s.State, "reasons have an end, the state has not")
}

func TestAMediumDoesNotGetBetterWithoutARecordedReplacement(t *testing.T) {
	for _, before := range states {
		for _, now := range states {
			want := now
			known := before != hal.HealthUnknown
			if worse := known && before != hal.HealthGood && (now == hal.HealthGood || now == hal.HealthUnknown || now < before); worse {
				want = before
			}
			got := stands("a", now).After(stands("a", before), false)
			require.Equal(t, want, got.State, "%s, then %s", before, now)
			require.Equal(t, now, stands("b", now).After(stands("a", before), true).State, "replaced")
			other := stands("b", now).After(stands("a", before), false)
			require.Equal(t, want, other.State, "another medium, and no record")
			require.Contains(t, other.Reasons, `the medium was "a", and no record says that it was replaced`)
			require.Len(t, stands("a", now).Reasons, 1)
		}
	}
}

func TestARecordHoldsAllThatIsKnownAndNothingElse(t *testing.T) {
	full := stands("mmcblk0 cid 15", hal.HealthGood)
	full.JudgeWear(60, "worn")
	full.BytesWritten, full.EraseMax, full.BadBlocks = 1<<40, 7, 0
	life := hal.Life{Days: 900, Assumptions: []string{"every day is alike"}}
	for _, c := range []struct {
		s       hal.StorageHealth
		traffic *hal.Traffic
		life    *hal.Life
		has     string
	}{
		{full, &hal.Traffic{Payload: 3, Written: 10, ZeroFill: 2, Flushes: 4, Segments: 1}, &life,
			`"bad_block_count":"0","budget_assumptions":["every day is alike"],"bytes_written_total":"1099511627776"`},
		{hal.NewStorageHealth(""), nil, nil, `"reasons":[],"storage_health_state":"UNKNOWN"`},
	} {
		var b record.Body
		b.Begin(record.KindStorageHealth)
		c.s.Fill(&b, c.traffic, c.life)
		b.Count(record.EventSeq, 1)
		b.Text(record.JournalID, "device-1")
		b.Int(record.Epoch, 1)
		b.Count(record.TsMonoNS, 1)
		b.Text(record.SyncState, "UNSET")
		b.Text(record.TimeSource, "none")
		b.Text(record.DeviceID, "ctl-1")
		body, err := b.Append(nil)
		require.NoError(t, err)
		require.Contains(t, string(body), c.has)
		rec, err := record.Parse(body)
		require.NoError(t, err)
		told := hal.Told(rec)
		require.Equal(t, [6]any{c.s.Medium, c.s.State, c.s.BytesWritten, c.s.WearIndex, c.s.EraseMax, c.s.BadBlocks},
			[6]any{told.Medium, told.State, told.BytesWritten, told.WearIndex, told.EraseMax, told.BadBlocks})
		if c.traffic != nil {
			require.Equal(t, "3.34", rec.Text(record.WriteAmplification), "rounded up")
			require.Equal(t, uint64(900), rec.Count(record.ProjectedLifeDays))
		}
	}
}

func TestAmplificationIsRoundedUpAndNeverOverflows(t *testing.T) {
	for _, c := range []struct {
		payload, written uint64
		want             int64
		ok               bool
	}{{0, 5, 0, false}, {100, 100, 100, true}, {100, 101, 101, true}, {3, 10, 334, true}, {1, 1 << 63, 0, false},
		{1 << 63, 1<<64 - 1, 200, true}, {1<<64 - 1, 0, 0, true}} {
		got, ok := hal.Traffic{Payload: c.payload, Written: c.written}.Amplification()
		require.Equal(t, c.ok, ok, c)
		require.Equal(t, c.want, got, c)
	}
}

// TestALifeIsThatOfTheTable holds the projection against the table of the study of the journal: 10 events a second of 300 bytes on
// a card of 32 GB with 1,000 cycles and pages of 16 KiB.
func TestALifeIsThatOfTheTable(t *testing.T) {
	card := hal.Endurance{Capacity: 32e9, Usable: 100, Cycles: 1000, Page: 16384, Amplification: 100}
	for _, c := range []struct {
		bytes, flushes uint64
		years          int64 // tenths
		rule           string
	}{
		{14_900_000_000, 2 * 864_000, 30, "flushes wear it"},
		{4_100_000_000, 864_000, 61, "flushes wear it"},
		{1_000_000_000, 864_000, 61, "flushes wear it"},
		{1_000_000_000, 86_400, 619, "flushes wear it"},
		{640_000_000, 8_640, 1369, "bytes wear it"},
	} {
		l, err := card.Life(c.bytes, c.flushes)
		require.NoError(t, err)
		require.Equal(t, c.years, l.Days*10/365, c)
		require.Contains(t, l.Assumptions[3], c.rule)
		require.Len(t, l.Assumptions, 5)
	}
	idle, err := card.Life(0, 0)
	require.NoError(t, err)
	require.Equal(t, int64(1<<63-1), idle.Days)
	most, err := card.Life(1<<64-1, 1<<64-1)
	require.NoError(t, err)
	require.Zero(t, most.Days)
	for _, wrong := range []hal.Endurance{{}, {32e9, 101, 1000, 16384, 100}, {32e9, 100, 0, 16384, 100}, {32e9, 100, 1000, 0, 100}, {32e9, 100, 1000, 16384, 99}} {
		_, err := wrong.Life(1, 1)
		require.ErrorContains(t, err, "from the maker's data sheet")
	}
}

// told is a device journal that keeps its last record.
type told struct {
	t    *testing.T
	last *record.Record
}

func (l *told) Append(fill func(b *record.Body)) (uint64, error) {
	var b record.Body
	fill(&b)
	for _, k := range []record.Key{record.JournalID, record.SyncState, record.TimeSource, record.DeviceID} {
		b.Text(k, "x")
	}
	b.Count(record.EventSeq, 1)
	b.Count(record.TsMonoNS, 1)
	b.Int(record.Epoch, 1)
	body, err := b.Append(nil)
	require.NoError(l.t, err)
	l.last, err = record.Parse(body)
	return 1, err
}

func TestAReplacementIsOnRecordWithWhoAndWhyAndEndsWhatWasKnownBefore(t *testing.T) {
	log := &told{t: t}
	one := hal.Replacement{Actor: "op1", Reason: "worn out", Old: "a", New: "b"}
	_, err := one.Log(log)
	require.NoError(t, err)
	require.Equal(t, "op1: worn out: a, b", log.last.Text(record.Actor)+": "+log.last.Text(record.ChangeReason)+": "+
		log.last.Text(record.OldValue)+", "+log.last.Text(record.NewValue))
	s := hal.Told(log.last)
	require.Equal(t, "b in the place of a: UNKNOWN", s.Medium+" in the place of "+s.Replaces+": "+s.State.String())
	require.Equal(t, hal.HealthGood, stands("b", hal.HealthGood).After(s, false).State)

	for _, wrong := range []hal.Replacement{{Reason: "r", Old: "a", New: "b"}, {Actor: "o", Old: "a", New: "b"},
		{Actor: "o", Reason: "r", Old: "a"}, {Actor: "o", Reason: "r", Old: "a", New: "a"}, {Actor: "o", Reason: "r", Old: "a", New: string(make([]byte, 257))}} {
		log.last = nil
		_, err := wrong.Log(log)
		require.Error(t, err)
		require.Nil(t, log.last)
	}
}

func TestALifeIsProjectedFromWhatWasMeasuredForLongEnough(t *testing.T) {
	e := hal.Endurance{Capacity: 1 << 30, Usable: 100, Cycles: 1000, Page: 4096, Amplification: 100}
	hour := hal.Traffic{Written: 1 << 20, Flushes: 3600}
	got, err := e.LifeUnder(hour, 3_600_000_000_000)
	require.NoError(t, err)
	want, err := e.Life(24<<20, 24*3600)
	require.NoError(t, err)
	require.Equal(t, want.Days, got.Days)
	require.Equal(t, want.Assumptions, got.Assumptions[:len(want.Assumptions)])
	require.Contains(t, got.Assumptions[len(want.Assumptions)], "3600 s")
	_, err = e.LifeUnder(hour, hal.LeastMeasured-1)
	require.ErrorContains(t, err, "10000 ms at least")
}
