// Tests of the words of why: times, modes, and what an interlock saw.

package evidence

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
)

// besides is what records of an interlock and of a mode carry beside what is told of them.
const besides = `{"batch_id":"B-0001","cause":["4"],"device_id":"CTRL-01","epoch":1,"equipment_id":"T301","event_seq":"9","journal_id":"J-1",
	"mapping_version":"1.0","offset_ms":"0.000000","operator_id":"demo","recipe_id":"MINE","recipe_version":"1.0","sync_state":"RTC_ONLY",
	"time_bound_ms":"1.200001","time_source":"seed","ts_mono_ns":"12000000000","ts_utc":"2026-01-01T00:00:12.000000000Z"}`

// recordOf is a record of a kind with some texts.
func recordOf(t *testing.T, kind record.Kind, texts map[record.Key]string, values ...string) *record.Record {
	t.Helper()
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(besides), &fields))
	fields["event_type"] = kind.String()
	if kind == record.KindInterlock {
		for k, v := range map[record.Key]any{record.DebounceMS: 200, record.VoteWindowMS: 0, record.RawState: "1", record.DebouncedState: "1",
			record.FilterType: "debounce", record.Reaction: "hold"} {
			fields[k.String()] = v
		}
	}
	for k, v := range texts {
		fields[k.String()] = v
	}
	if len(values) > 0 {
		fields[record.Values.String()] = values
	}
	body, err := json.Marshal(fields)
	require.NoError(t, err)
	rec, err := record.Parse([]byte(strings.ReplaceAll(string(body), `\u003c`, "<")))
	require.NoError(t, err)
	return rec
}

func TestTimesAreSecondsSinceTheStartToTheNearestMillisecond(t *testing.T) {
	for ns, want := range map[int64]string{0: "0.000 s", 69_999_999_999: "70.000 s", 70_000_000_000: "70.000 s", 499_999: "0.000 s",
		500_000: "0.001 s", 3_723_004_000_000: "3723.004 s", 1<<63 - 1: "9223372036.855 s"} {
		require.Equal(t, want, clock(ns))
	}
}

func TestAModeIsToldInWords(t *testing.T) {
	rec := recordOf(t, record.KindModeChange, map[record.Key]string{record.StepID: "MAIN", record.Mode: "semi_automatic", record.OldValue: "manual"})
	require.Equal(t, "MAIN is in semi automatic; it was in manual", new(telling).decision(rec))
}

func TestAnInterlockThatTripsOnAValueThatIsNotGoodSaysSo(t *testing.T) {
	gated := func(kind, result, quality, value, filter string) string {
		return new(telling).decision(recordOf(t, record.KindInterlock, map[record.Key]string{record.InterlockID: "IL", record.InterlockKind: kind,
			record.Result: result, record.InterlockGateState: "blocks", record.Quality: quality, record.Detail: "LT301 < 20 L",
			record.FilterParam: filter}, value))
	}
	require.Equal(t, "trip IL is tripped and blocks: LT301 is BAD (100.0 L, 0.4 s old); a value that is not GOOD trips; it trips on LT301 < 20 L; "+
		"debounced for 200 ms", gated("trip", "tripped", "BAD", "LT301=100.0 L BAD age 400 ms", "200 ms"))
	require.Equal(t, "trip IL is tripped and blocks: LT301 < 20 L; it saw that LT301 is 9.0 L, GOOD, 0.0 s old; debounced for 0 ms, voted by 60 % of 1000 ms",
		gated("trip", "tripped", "GOOD", "LT301=9.0 L GOOD age 40 ms", "0 ms; 60 % of 1000 ms"))
	require.Equal(t, "permissive IL is not permitted and blocks: LT301 BAD never read; a value that is not GOOD permits nothing; it permits on LT301 < 20 L",
		gated("permissive", "not_permitted", "BAD", "LT301 BAD never read", "0 ms"))
	for _, odd := range []string{"", "=", "a=b", "a=b age 1 ms", "a= age ms", "a=1 GOOD age -1 ms", "a=1 GOOD age 99999999999999999999 ms"} {
		require.Equal(t, odd, shows(odd), "what is no such text is told as it is")
	}
}
