// Claims about the wall clock of a batch: what of it is on record, that it is replayed, and that UNSET begins nothing by itself.

package batch

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

const noon = 1_780_315_200_000_000_000 // some noon of 2026

// shows is what the desk has shown of the kinds, without number and time.
func (d *desk) shows(kinds ...string) (lines []string) {
	for line := range strings.Lines(d.shown.String()) {
		for _, k := range kinds {
			if _, words, ok := strings.Cut(line, " s  "+k+": "); ok {
				_, words, _ = strings.Cut(words, "]; ") // its cause
				lines = append(lines, strings.TrimSpace(words))
			}
		}
	}
	return lines
}

// observe takes in a look at the wall clock, and holds the machine against one that begins anew from a snapshot.
func (d *desk) observe(o timebase.Observation) {
	d.to(d.now + 1000*msec)
	o.Mono = d.now
	d.take(Event{Kind: Observed, Observation: o})
	again := d.b.Start()
	from := d.m.Snapshot(nil)
	require.NoError(d.t, again.Restore(from))
	require.Equal(d.t, from, again.Snapshot(nil))
}

// replays decides everything anew from the records.
func (d *desk) replays() {
	d.seal()
	r := d.b.Replay()
	for _, body := range d.list {
		rec, err := record.Parse(body)
		require.NoError(d.t, err)
		require.NoError(d.t, r.Record(rec))
	}
	require.NoError(d.t, r.End())
	require.True(d.t, bytes.Equal(d.m.Snapshot(nil), r.Machine.Snapshot(nil)), "live and replayed state are the same")
}

func TestEachChangeOfTheSourceIsOnRecordWithItsReason(t *testing.T) {
	d := newDesk(t, guardBatch(t))
	d.boot()
	primary := timebase.Observation{UTC: noon, Sync: timebase.PTPLocked, Source: "gm-a", Role: timebase.Primary, Bound: 900, Offset: -40,
		LastSync: noon - 5, Age: 5, Reason: timebase.Raised}
	backup := primary
	backup.Source, backup.Role, backup.Reason, backup.Why = "gm-b", timebase.Backup, timebase.FailOver, "port 1 is LISTENING"
	held := backup
	held.Sync, held.Reason, held.Why, held.Age = timebase.Holdover, timebase.Silent, "", 7_500_000_000
	ended := held
	ended.Sync, ended.Source, ended.Role, ended.Reason = timebase.RTCOnly, "rtc0", timebase.NoRole, timebase.HoldoverEnded
	unset := timebase.Observation{Source: "none", LastSync: noon, Age: 9_000_000_000, Reason: timebase.WallUnset}
	for i, o := range []timebase.Observation{primary, primary, backup, held, ended, unset} {
		if o.UTC != 0 {
			o.UTC += int64(i) * 1000 * msec
		}
		d.observe(o)
	}
	heard := "last_sync_ts 2026-06-01T11:59:59.999999995Z"
	require.Equal(t, []string{
		"holdover_age_s 0.000000005; holdover_state none; " + heard + "; new_value PTP_LOCKED gm-a primary; primary_backup primary; " +
			"source_change raised; time_step_count 1",
		"holdover_age_s 0.000000005; holdover_state none; " + heard + "; new_value PTP_LOCKED gm-b backup; primary_backup backup; " +
			"source_change fail_over; source_detail port 1 is LISTENING; time_step_count 1",
		"holdover_age_s 7.500000000; holdover_state active; " + heard + "; new_value HOLDOVER gm-b backup; primary_backup backup; " +
			"source_change silent; time_step_count 1",
		"holdover_age_s 7.500000000; holdover_state ended; " + heard + "; new_value RTC_ONLY rtc0; source_change holdover_ended; " +
			"time_step_count 1",
		"holdover_age_s 9.000000000; holdover_state ended; last_sync_ts 2026-06-01T12:00:00.000000000Z; new_value UNSET none; " +
			"source_change wall_unset; time_step_count 1",
	}, d.shows("time_source_change"))
	d.replays()
}

func TestAStepIsCountedAndOneBeyondTheToleranceMarksTheTimeAroundIt(t *testing.T) {
	b := guardBatch(t)
	b.Plan.Map.OrderTolerance = 100 * msec
	d := newDesk(t, b)
	d.boot()
	o := timebase.Observation{UTC: d.m.keep.Last().UTC + 1000*msec, Sync: timebase.NTPSync, Source: "ntp", Bound: 5}
	step := func(by, steps, moved int64, why timebase.Reason) {
		o.UTC, o.Steps, o.Moved, o.Step = o.UTC+by, steps, moved, why
		d.observe(o)
		o.UTC += 1000 * msec
	}
	step(0, 0, 0, 0)
	step(3*msec, 1, 3*msec, timebase.ClockStep)
	step(0, 1, 3*msec, timebase.ClockStep)
	step(0, 3, -3_600_000*msec, timebase.ClockStep) // there and back between two looks
	step(7_200_000*msec, 4, 7_200_000*msec, timebase.Suspended)
	step(100*msec, 4, 7_200_000*msec, timebase.Suspended)
	step(-1000*msec, 5, -1000*msec, timebase.LeapDone)
	require.Equal(t, []string{
		"moved_ms 3.000000; step_reason clock_step; time_step_count 1",
		"from_mono_ns 3001000000; moved_ms -3600000.000000; order_tolerance_ms 100; step_reason clock_step; time_step_count 3; to_mono_ns 4001000000",
		"from_mono_ns 4001000000; moved_ms 7200000.000000; order_tolerance_ms 100; step_reason suspended; time_step_count 4; to_mono_ns 5001000000",
		"from_mono_ns 6001000000; moved_ms -1000.000000; order_tolerance_ms 100; step_reason leap_second_done; time_step_count 5; to_mono_ns 7001000000",
	}, d.shows("clock_step"))
	require.Empty(t, d.shows("time_source_change"))
	d.replays()
}

func TestUnsetBeginsABatchOnlyOnceAPersonHasConfirmedIt(t *testing.T) {
	order := func(d *desk, c sequencer.Command, role string) string {
		d.to(d.now + msec)
		d.take(Event{Kind: Told, Command: c, Operator: "op1", Role: role, Reason: "no network in this hall"})
		list := d.shows("command_result")
		return list[len(list)-1]
	}
	d := newDesk(t, guardBatch(t))
	d.boot()
	require.Contains(t, order(d, sequencer.ConfirmTime, "shift_lead"), "there is nothing to confirm: the wall clock is NTP_SYNC")
	d.observe(timebase.Observation{Source: "none"})
	require.Subset(t, d.m.Wanted(), []string{"confirm_time", "start"})
	for range 2 {
		require.Contains(t, order(d, sequencer.Start, "operator"), "result refused")
		require.Contains(t, order(d, sequencer.Start, "operator"), "confirm_time, then start")
	}
	require.Contains(t, order(d, sequencer.ConfirmTime, ""), "a person must answer for it")
	require.False(t, d.m.TimeConfirmed())
	require.Equal(t, sequencer.Idle, d.m.State())
	require.Contains(t, order(d, sequencer.ConfirmTime, "shift_lead"), "result accepted")
	require.Contains(t, order(d, sequencer.ConfirmTime, "shift_lead"), "result no_op")
	require.True(t, d.m.TimeConfirmed())
	require.NotContains(t, d.m.Wanted(), "confirm_time")
	require.Contains(t, order(d, sequencer.Start, "operator"), "result accepted")
	require.Contains(t, order(d, sequencer.ConfirmTime, "shift_lead"), "the batch has begun")
	d.replays()
	require.True(t, d.m.TimeConfirmed())
}

// TestWhateverTheWallClockDoesOrderStands runs batches whose wall clock does anything: numbers and monotonic time never go back, the
// process is the same as with a wall clock that does nothing, and a replay decides the same.
func TestWhateverTheWallClockDoesOrderStands(t *testing.T) {
	run := func(seed uint64, wild bool) *desk {
		d := newDesk(t, guardBatch(t))
		d.boot()
		d.take(Event{Kind: Told, Command: sequencer.Start, Operator: "op1", Role: "operator", Reason: "go"})
		r := rand.New(rand.NewPCG(seed, 8))
		for range 40 {
			d.to(d.now + 500*msec)
			if n := r.Int64N(1 << 62); wild {
				o := timebase.Observation{Mono: d.now, UTC: n%(2*noon) + 1, Sync: timebase.Sync(n % 5), Source: []string{"a", "b", "none"}[n%3],
					Offset: n % 1_000_000_007, Bound: n % 1_000_003, Role: timebase.Role(n % 3), Steps: n % 11, Moved: -n % 1_000_000_007, Leap: int8(n%3) - 1,
					LastSync: n % noon, Reason: timebase.Reason(n % 12), Step: timebase.Reason(n % 7), Why: "it said so"}
				if o.Steps == 0 {
					o.Moved = 0
				}
				if o.LastSync != 0 {
					o.Age = n % 1_000_000_000_007
				}
				if o.Sync == timebase.Unset {
					o.UTC, o.Offset, o.Bound = 0, 0, 0
				}
				d.take(Event{Kind: Observed, Observation: o})
			}
		}
		d.seal()
		return d
	}
	decided := func(d *desk) (out []string) {
		var last *record.Record
		for i, body := range d.list {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			require.EqualValues(t, i+1, rec.Seq())
			if last != nil {
				require.GreaterOrEqual(t, rec.Count(record.TsMonoNS), last.Count(record.TsMonoNS))
			}
			last = rec
			switch rec.Kind {
			case record.KindBatchState, record.KindStepState, record.KindActionState, record.KindOutputWrite, record.KindCommandResult:
				out = append(out, rec.Kind.String()+" "+rec.Text(record.TsMonoNS)+" "+rec.Text(record.StepID)+rec.Text(record.LogicalTag)+" "+
					rec.Text(record.Value)+rec.Text(record.PhaseState)+rec.Text(record.BatchState))
			}
		}
		return out
	}
	calm := decided(run(0, false))
	require.GreaterOrEqual(t, len(calm), 10)
	seen := 0
	for seed := range uint64(60) {
		d := run(seed, true)
		require.Equal(t, calm, decided(d), "seed %d", seed)
		d.replays()
		seen += len(d.shows("clock_step")) + len(d.shows("time_source_change"))
	}
	t.Logf("60 seeds, %d decisions each, %d steps and changes of source on record", len(calm), seen)
}
