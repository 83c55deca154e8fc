// What is made of the records of a batch that really ran.

package scada

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
)

// reduced is what the first n records say.
func reduced(rows []row, n int) *state {
	s := &state{}
	for _, r := range rows[:n] {
		s.take(r.rec, r.link)
	}
	return s
}

func TestTheRecordsOfABatchSayAllThatSCADAIsShownOfIt(t *testing.T) {
	rows := records(t)
	s := reduced(rows, len(rows))
	require.Equal(t, "Complete", s.word)
	require.True(t, s.ended)
	require.Equal(t, "outputs_safe", s.result)
	require.Equal(t, "PASS", s.verdict())
	require.Equal(t, [...]string{"B-0001", "BLEND-AB", "1.0", "200 kg", "1.0", "1.0", "J-1", "CTRL-01"},
		[...]string{s.batch, s.recipe, s.recipeVersion, s.size, s.mapping, s.tagMap, s.journal, s.device})
	require.Equal(t, uint64(len(rows)), s.seq)
	require.Equal(t, rows[len(rows)-1].link, s.link)
	require.Len(t, s.mappingDigest, 64)
	require.Positive(t, s.begun)
	require.Greater(t, s.closed, s.begun)
	phases, all := s.active()
	require.Empty(t, phases, "nothing is under way behind the end")
	require.Empty(t, all)
	require.Zero(t, s.omitted)
	stops := 0
	for _, r := range rows {
		if r.rec.Kind != record.KindWindowStop {
			continue
		}
		stops++
		found := false
		for _, total := range s.totals {
			if total.id == r.rec.Text(record.MeterWindowID) {
				found = true
				require.Equal(t, r.rec.Text(record.TotalizedValue), total.total)
				require.Equal(t, r.rec.Text(record.Target), total.target)
				require.Equal(t, [...]string{"kg", "PASS", "PASS"}, [...]string{total.unit, total.result, total.reconciled})
				require.False(t, total.open)
			}
		}
		require.True(t, found)
	}
	require.Equal(t, 2, stops)
}

func TestWhileABatchRunsItsPhasesAndWhatTheyWaitForAreShown(t *testing.T) {
	rows := records(t)
	seen := map[string]bool{}
	for n := 1; n <= len(rows); n++ {
		s := reduced(rows, n)
		phases, all := s.active()
		seen[phases] = true
		require.Equal(t, rows[n-1].rec.Seq(), s.seq)
		if strings.Contains(phases, "CHARGE_A") {
			require.Equal(t, "Running", s.word)
			require.Contains(t, strings.Join(all, "\n"), "CHARGE_A Running")
		}
		for _, total := range s.totals {
			require.NotEmpty(t, total.target)
		}
	}
	require.True(t, seen["CHARGE_A, CHARGE_B"], "two phases run beside each other: %v", seen)
	require.True(t, seen["SAMPLE"], "%v", seen)
	s := reduced(rows, last(rows, record.KindWindowStart))
	require.True(t, s.totals[0].open)
	require.Empty(t, s.totals[0].total, "no record has told a total yet, and none is made up")
	require.Empty(t, s.verdict())
}

func TestWhatIsKeptOfABatchIsBounded(t *testing.T) {
	s := &state{}
	for _, r := range records(t) {
		for i := range 2 * maxSteps {
			if r.rec.Kind == record.KindStepState {
				p := find(&s.steps, maxSteps, &s.omitted, func(p *step) bool { return p.id == string(rune('A'+i)) })
				if p != nil {
					p.id = string(rune('A' + i))
				}
			}
		}
	}
	require.Len(t, s.steps, maxSteps)
	require.Positive(t, s.omitted, "what did not fit is counted")
	require.Equal(t, "ä...", clip("ääää", 6), "cut between two letters")
	require.LessOrEqual(t, len(clip(strings.Repeat("x", 1000), maxText)), maxText)
}

func TestWhatABusTellsIsShownByDeviceAndPoint(t *testing.T) {
	s := &state{}
	for _, body := range []string{
		`{"batch_id":"B-0001","detail":"no answer","device_id":"PLC-301","elapsed_ms":"12.000","epoch":1,"equipment_id":"T301","event_seq":"1","event_type":"link_state","journal_id":"J-1","mapping_version":"1.0","old_value":"UP","opcua_status":"0x808A0000","operator_id":"op1","recipe_id":"R","recipe_version":"1.0","reconnect_count":"1","result":"changed","seen_mono_ns":"1","sync_state":"RTC_ONLY","tag_map_version":"1.0","time_source":"host","ts_mono_ns":"1","watchdog_state":"DOWN"}`,
		`{"batch_id":"B-0001","device_id":"PLC-301","epoch":1,"equipment_id":"T301","event_seq":"2","event_type":"point_quality","journal_id":"J-1","mapping_version":"1.0","opcua_status":"0x808C0000","operator_id":"op1","physical_channel":"ai/1","quality":"BAD","recipe_id":"R","recipe_version":"1.0","seen_mono_ns":"1","sync_state":"RTC_ONLY","tag_map_version":"1.0","time_source":"host","ts_mono_ns":"1"}`,
	} {
		r, err := record.Parse([]byte(body))
		require.NoError(t, err)
		s.take(r, "")
	}
	require.Equal(t, []link{{device: "PLC-301", state: "DOWN", status: "0x808A0000", detail: "no answer", reconnects: 1}}, s.links)
	require.Equal(t, uint32(0x808C0000), s.points["ai/1"])
	require.Empty(t, s.device, "a device in the field is not the controller")
}
