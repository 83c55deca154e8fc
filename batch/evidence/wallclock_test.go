// Claims about the wall clock in evidence: what a forger writes of steps and sources is found by what the looks at it come to.

package evidence

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// timed are the records of a batch whose wall clock has had a hard time.
func timed(t *testing.T) (list [][]byte) {
	m, now := tinyBatch(t, "B-0001", batch.Unapproved).Start(), int64(1)
	take := func(ev batch.Event) {
		ev.Seq = uint64(len(list)) + 1
		body, err := m.AppendInput(nil, now, &ev)
		require.NoError(t, err)
		list = append(list, body)
		for _, e := range m.Step(now, &ev, nil) {
			if e.Kind == batch.Record {
				list = append(list, bytes.Clone(e.Body))
			}
		}
	}
	unset := timebase.Observation{Mono: 1, Source: "none"}
	take(batch.Event{Kind: batch.Created, Epoch: 1, Observation: unset})
	take(batch.Event{Kind: batch.Boot, Epoch: 1, Observation: unset})
	for _, c := range []sequencer.Command{sequencer.Start, sequencer.ConfirmTime, sequencer.Start} {
		take(batch.Event{Kind: batch.Told, Command: c, Operator: "o.shift", Role: "lead", Reason: "no network here"})
	}
	o := timebase.Observation{UTC: created, Sync: timebase.NTPSync, Source: "chrony", Role: timebase.Primary, Bound: 5 * ms, LastSync: created - 9,
		Age: 9, Reason: timebase.Raised}
	for _, change := range []func(){
		func() {},
		func() { o.UTC, o.Steps, o.Moved, o.Step = o.UTC+3*ms, 1, 3*ms, timebase.ClockStep },
		func() { o.UTC, o.Steps, o.Moved = o.UTC+3_600_000*ms, 2, 3_600_000*ms },
		func() { o.Steps, o.Moved = 4, -7_200_000*ms },
		func() { o.Sync, o.Reason, o.Age, o.Why = timebase.Holdover, timebase.Silent, 7_000*ms, "frozen" },
		func() {
			o.Sync, o.Source, o.Role, o.Reason = timebase.RTCOnly, "rtc0", timebase.NoRole, timebase.HoldoverEnded
		},
	} {
		now, o.UTC = now+1000*ms, o.UTC+1000*ms
		change()
		o.Mono = now
		take(batch.Event{Kind: batch.Observed, Observation: o})
	}
	return list
}

// breaches are what the pass over the records finds wrong with them.
func breaches(list [][]byte) (said []string) {
	r := newRecords(nil, func(check string, _ uint64, format string, args ...any) {
		if check == "records" {
			said = append(said, fmt.Sprintf(format, args...))
		}
	})
	for i, body := range list {
		r.add(uint64(i)+1, body)
	}
	return said
}

func TestWhatIsForgedOfTheWallClockIsFound(t *testing.T) {
	list := timed(t)
	honest := breaches(list)
	require.NotContains(t, strings.Join(honest, "\n"), "wall clock")
	kinds := map[string]int{}
	for _, body := range list {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		kinds[rec.Kind.String()]++
	}
	require.Equal(t, 3, kinds["clock_step"])
	require.Equal(t, 3, kinds["time_source_change"])
	for _, c := range []struct {
		kind     string
		nth      int
		old, new string
		want     string
	}{
		{"clock_step", 1, `"moved_ms":"3.000000"`, `"moved_ms":"2.000000"`, `moved_ms is "2.000000", by the looks at the wall clock it is "3.000000"`},
		{"clock_step", 1, `"time_step_count":1`, `"time_step_count":0`, "time_step_count"},
		{"clock_step", 1, `"step_reason":"clock_step"`, `"step_reason":"suspended"`, "step_reason"},
		{"clock_step", 2, `"from_mono_ns":"2000000001",`, ``, "from_mono_ns"},
		{"clock_step", 2, `"order_tolerance_ms":1000`, `"order_tolerance_ms":10000000`, "order_tolerance_ms"},
		{"clock_step", 3, `"moved_ms":"-7200000.000000"`, `"moved_ms":"0.000000"`, "moved_ms"},
		{"clock_step", 3, ``, `gone`, "before it a clock_step is missing"},
		{"time_source_change", 1, `"old_value":"UNSET none"`, `"old_value":"NTP_SYNC chrony"`, "old_value"},
		{"time_source_change", 2, `"source_change":"silent"`, `"source_change":"raised"`, "source_change"},
		{"time_source_change", 2, `"holdover_age_s":"7.000000000"`, `"holdover_age_s":"0.000000000"`, "holdover_age_s"},
		{"time_source_change", 2, `"holdover_state":"active"`, `"holdover_state":"none"`, "holdover_state"},
		{"time_source_change", 2, `"source_detail":"frozen",`, ``, "source_detail"},
		{"time_source_change", 2, `"primary_backup":"primary",`, ``, "primary_backup"},
		{"time_source_change", 2, `"time_bound_ms":"5.000000"`, `"time_bound_ms":"1.000000"`, "time_bound_ms"},
		{"time_source_change", 2, ``, `gone`, "before it a time_source_change is missing"},
		{"time_source_change", 3, ``, `twice`, "no look at the wall clock before it leads to a time_source_change"},
		{"command", 2, `"command":"confirm_time"`, `"command":"comment"`, "no person answers for that"},
		{"command_result", 2, `"result":"accepted"`, `"result":"refused"`, "nobody has confirmed that"},
	} {
		forged, seen := slices.Clone(list), 0
		for i, body := range list {
			if !bytes.Contains(body, []byte(`"event_type":"`+c.kind+`"`)) {
				continue
			}
			if seen++; seen != c.nth {
				continue
			}
			switch c.new {
			case "gone":
				forged = slices.Delete(forged, i, i+1)
				forged = append(forged, list[1]) // an input behind it
			case "twice":
				forged = slices.Insert(forged, i, body)
			default:
				require.Contains(t, string(body), c.old, "%s %d", c.kind, c.nth)
				forged[i] = bytes.Replace(body, []byte(c.old), []byte(c.new), 1)
			}
			break
		}
		require.Contains(t, strings.Join(breaches(forged), "\n"), c.want, "%s %d: %s", c.kind, c.nth, c.new)
	}
}

func TestNumbersOfNanosecondsAreSpelledAsRecordsSpellThem(t *testing.T) {
	for _, text := range []string{"0.000000", "-0.000001", "3600000.000000", "-9223372036854.775808"} {
		ns, err := nanos(text)
		require.NoError(t, err)
		require.Equal(t, text, millis(ns))
	}
	for _, text := range []string{"", "1", "1.0", "x.000000", "1.0000000"} {
		_, err := nanos(text)
		require.Error(t, err, text)
	}
}

func TestAStampThatDoesNotFollowFromTheLookBeforeItIsFound(t *testing.T) {
	dir := fed(t)
	for _, kind := range []string{"window_start", "window_stop", "reconcile", "in_flight"} {
		for key, value := range map[string]any{"sync_state": "PTP_LOCKED", "time_source": "gps", "offset_ms": "0.000009", "time_bound_ms": "0.000001",
			"ts_utc": "2026-03-01T00:00:00.000000001Z"} {
			got := failed(t, forge(t, dir, with(kind, 1, key, value)), "records")
			require.Equal(t, place(t, dir, kind+"/1"), got.Seq, "%s of %s", key, kind)
			require.Contains(t, got.String(), key)
			require.Contains(t, got.String(), "the look at the wall clock before it")
		}
	}
}
