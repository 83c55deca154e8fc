// Tests of what is learnt, of jogs, and of tolerances of time: what a package says of them follows from recipe, history and samples.

package evidence

import (
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/sequencer"
)

const feedRecipe = `recipe: FEED
version: "1.0"
schema_version: 1
title: A charge that learns and jogs
batch_size: {nominal: 3 kg, min: 1 kg, max: 6 kg}
procedure:
  id: FEED
  level: procedure
  sequence:
    - id: CHARGE
      level: phase
      timeout: 60 s
      actions:
        - open_window: {window: A, meter: FQ1, target: 2.00 kg, tolerance: 0.20 kg, time: {within: 1 ms, tolerance: 0.10 kg}}
        - set: {XV1: open}
        - wait_total: {window: A, short_by: 0.90 kg, learn: {min: 0 kg, max: 1.50 kg, share: 50 %}}
        - set: {XV1: closed}
        - jog: {window: A, set: {XV1: open}, for: 150 ms, settle: 1500 ms, at_most: 9}
        - close_window: A
    - {id: AFTER, level: phase, actions: [{mark: charged}]}
`

// fed makes a package of a batch of that recipe.
func fed(t testing.TB, inFlight ...batch.InFlight) string {
	t.Helper()
	files := fstest.MapFS{"recipe.yaml": {Data: []byte(feedRecipe)}}
	for _, name := range []string{"map.yaml", "lab/calibration.yaml"} {
		data, err := os.ReadFile(path.Join("testdata/plan", name))
		require.NoError(t, err)
		files[name] = &fstest.MapFile{Data: data}
	}
	p, err := batch.Load(files, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := p.Bind("B-0002", "", approved{}, &batch.BindOptions{Operator: "o.shift", JournalID: "J-2", Seed: 42, InFlight: inFlight})
	require.NoError(t, err)
	dir := t.TempDir()
	r := begin(t, dir, b)
	for n := 0; n < 100 && !r.m.Ended(); n++ {
		if r.round(n); n == 0 {
			r.tell(sequencer.Start)
		}
	}
	require.True(t, r.m.Ended(), "the batch is %s", r.m.State())
	r.end()
	_, err = Pack(dir, b)
	require.NoError(t, err)
	return dir
}

func earlier(t testing.TB) batch.InFlight {
	q, err := quantity.Parse("0.60 kg")
	require.NoError(t, err)
	return batch.InFlight{Recipe: "FEED", Window: "A", Meter: "FQ1", Value: q, Version: 3, Batch: "B-0001", Seq: 57}
}

func TestWhatWasLearntAndForgedIsNamed(t *testing.T) {
	dir := fed(t, earlier(t))
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	events := string(slurp(t, dir, eventsName))
	for _, said := range []string{`"in_flight":["window A, meter FQ1, 0.60 kg, version 3, learnt in B-0001 at 57"]`, `"detail":"jog 2 of 9"`,
		`"time_quality":"worse at both edges"`, `"from_version":"3"`, `"to_version":"4"`} {
		require.True(t, strings.Contains(events, said), said)
	}
	for _, c := range []struct {
		name string
		edit func(uint64, []byte) []byte
		at   string
		says string
	}{
		{"old value", with("in_flight", 1, "old_value", "0.65"), "in_flight/1", "old_value"},
		{"new value", with("in_flight", 1, "new_value", "0.65"), "in_flight/1", "new_value"},
		{"version before", with("in_flight", 1, "from_version", "2"), "in_flight/1", "from_version"},
		{"version after", with("in_flight", 1, "to_version", "9"), "in_flight/1", "to_version"},
		{"result", with("in_flight", 1, "result", "limited"), "in_flight/1", "result"},
		{"reason", with("in_flight", 1, "detail", "x"), "in_flight/1", "detail"},
		{"limit", with("in_flight", 1, "max_value", "9.00"), "in_flight/1", "max_value"},
		{"share", with("in_flight", 1, "learn_share", "10.00 %"), "in_flight/1", "learn_share"},
		{"target", with("in_flight", 1, "target", "1.00"), "in_flight/1", "target"},
		{"error", with("in_flight", 1, "delta", "0.00"), "in_flight/1", "delta"},
		{"samples", with("in_flight", 1, "samples", "3"), "in_flight/1", "samples"},
		{"action", with("in_flight", 1, "action_id", "CHARGE/1"), "in_flight/1", "action_id"},
		{"cause", with("in_flight", 1, "cause", []string{"3"}), "in_flight/1", "cause"},
		{"settled total, and all that follows", fields("in_flight", 1, func(f map[string]any) {
			f["settled_total"], f["delta"], f["new_value"] = "2.00", "0.00", "0.60"
		}), "window_stop/1", "settled_total"},
		{"history", fields("batch_created", 1, func(f map[string]any) {
			f["in_flight"] = []string{"window A, meter FQ1, 0.65 kg, version 3, learnt in B-0001 at 57"}
		}), "in_flight/1", "old_value"},
		{"history beyond the limits", fields("batch_created", 1, func(f map[string]any) {
			f["in_flight"] = []string{"window A, meter FQ1, 1.65 kg, version 3, learnt in B-0001 at 57"}
		}), "batch_created/1", "it lies outside the limits of the recipe"},
		{"history of another meter", fields("batch_created", 1, func(f map[string]any) {
			f["in_flight"] = []string{"window A, meter FQ2, 0.60 kg, version 3, learnt in B-0001 at 57"}
		}), "batch_created/1", "the recipe learns nothing of that window and meter"},
		{"nothing learnt", func(n uint64, body []byte) []byte {
			if strings.Contains(string(body), `"event_type":"in_flight"`) {
				return []byte(strings.NewReplacer(`"meter_window_id":"A"`, `"meter_window_id":"B"`).Replace(string(body)))
			}
			return body
		}, "window_stop/1", "nothing is said of what window A has taught"},
		{"jogs", replaced("output_write", 3, "jog 1 of 9", "jog 1 of 8"), "output_write/3", "jog"},
		{"end of jogs", func(n uint64, body []byte) []byte {
			return []byte(strings.Replace(string(body), "of 9 jogs; the", "of 9 jogs; nobody looked at the", 1))
		}, "", "detail"},
		{"cautious tolerance", with("window_start", 1, "cautious_tolerance", "0.20"), "window_start/1", "cautious_tolerance"},
		{"bound", with("window_start", 1, "time_within_ms", "1000.000000"), "window_start/1", "time_within_ms"},
		{"tolerance", with("window_stop", 1, "tolerance", "0.20"), "window_stop/1", "tolerance"},
		{"quality of time", with("window_stop", 1, "time_quality", "within"), "window_stop/1", "time_quality"},
		{"bound at the opening", with("window_start", 1, "time_bound_ms", "0.500000"), "window_stop/1", "time_quality"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failed(t, forge(t, dir, c.edit), "totals")
			if c.at != "" {
				require.Equal(t, place(t, dir, c.at), got.Seq, got.String())
			}
			require.Contains(t, got.String(), c.says)
		})
	}
	got := failed(t, forge(t, dir, fields("batch_created", 1, func(f map[string]any) { f["in_flight"] = []string{"much"} })), "records")
	require.Contains(t, got.String(), "is no in-flight value")
}

func TestABatchIsBoundAgainWithWhatItKnew(t *testing.T) {
	dir := fed(t, earlier(t))
	b, err := Rebind(dir)
	require.NoError(t, err)
	require.Equal(t, []batch.InFlight{earlier(t)}, b.InFlight)
}
