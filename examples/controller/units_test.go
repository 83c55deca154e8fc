// Units: records have codes of the table, and people are shown what the map says.

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/metering/quantity"
)

func TestEveryUnitInTheRecordsOfTheDemoIsACodeOfTheTable(t *testing.T) {
	workplace(t)
	done(t, "-virtual")
	src, err := os.ReadFile("out/B-0001/events.tsv")
	require.NoError(t, err)
	seen := map[string]int{}
	for line := range strings.Lines(string(src)) {
		var rec struct{ Unit *string }
		body := strings.SplitN(line, "\t", 4)[3]
		require.NoError(t, json.Unmarshal([]byte(body), &rec))
		if rec.Unit == nil {
			continue
		}
		_, err := quantity.ParseUnit(*rec.Unit)
		require.NoError(t, err, body)
		seen[*rec.Unit]++
	}
	require.Positive(t, seen["kg"])
	require.Positive(t, seen["Cel"])
}

func TestPeopleAreShownTonnesAndTheRecordsKeepKilograms(t *testing.T) {
	where, err := os.Getwd()
	require.NoError(t, err)
	workplace(t)
	require.NoError(t, os.CopyFS("line", os.DirFS(filepath.Join(where, "demo"))))
	src, err := os.ReadFile("line/map.yaml")
	require.NoError(t, err)
	shown := strings.Replace(string(src), "    resolution: 0.01 kg\n", "    resolution: 0.01 kg\n    display: {unit: t, decimals: 3}\n", 1)
	require.NotEqual(t, string(src), shown)
	require.NoError(t, os.WriteFile("line/map.yaml", []byte(shown), 0o600))
	o := done(t, "-virtual", "-unapproved", "-map", "line/map.yaml", "-recipe", "line/recipe.yaml")
	require.Contains(t, o.out, "window A opens, target 0.120 t\n")
	require.Contains(t, o.out, " t, target 0.120, delta 0.000, tolerance 0.000: PASS\n")
	require.Contains(t, o.out, "own total, 0.120 t: PASS")
	require.Contains(t, o.out, "window B opens, target 80.00 kg\n")
	events, err := os.ReadFile("out/B-0001/events.tsv")
	require.NoError(t, err)
	require.Contains(t, string(events), `"target":"120.00"`)
	require.NotContains(t, string(events), `"unit":"t"`)
	dir, seq := "out/B-0001", uint64(0)
	for line := range strings.Lines(string(events)) {
		if seq++; strings.Contains(line, `"event_type":"window_stop"`) && strings.Contains(line, `"meter_window_id":"A"`) {
			break
		}
	}
	why, err := evidence.Why(dir, seq)
	require.NoError(t, err)
	require.Contains(t, why.Words, " of 0.120 t: PASS")
}

func TestASummaryTellsAHistoriansTotalThatIsAbsentFromOneThatNobodyExpects(t *testing.T) {
	in := func(number string) string { return number + " kg" }
	for want, w := range map[string]window{
		"  reconciliation with the meter's own total, 119.94 kg: PASS; historian: none":      {Meter: "119.94", Reconciled: "PASS"},
		"  reconciliation with the meter's own total, 119.94 kg: PASS; historian: 119.98 kg": {Meter: "119.94", Reconciled: "PASS", Historian: "119.98"},
		"  reconciliation, the meter's own total is not there: WARN; historian: none":        {Reconciled: "WARN", Absent: "meter_total"},
		"  reconciliation with the meter's own total, 119.94 kg: WARN; historian: absent, which is no PASS; when its total is there: evidence reconcile": {
			Meter: "119.94", Reconciled: "WARN", Absent: "historian_total"},
	} {
		require.Equal(t, want, w.reconciliation(in))
	}
}

func TestAHistoriansTotalIsALineOfTheRunAndSoIsWhyThereIsNone(t *testing.T) {
	where, err := os.Getwd()
	require.NoError(t, err)
	workplace(t)
	require.NoError(t, os.CopyFS("line", os.DirFS(filepath.Join(where, "demo"))))
	src, err := os.ReadFile("line/map.yaml")
	require.NoError(t, err)
	external := strings.Replace(string(src), "    totalizer: FT101.total\n", "    totalizer: FT101.total\n    historian: external\n", 1)
	require.NotEqual(t, string(src), external)
	require.NoError(t, os.WriteFile("line/map.yaml", []byte(external), 0o600))
	for batch, row := range map[string][2]string{
		"H-1": {"batch_id,meter_window_id,total,unit\nH-1,A,119.98,kg\n", " window A, historian: 119.98 kg (file totals.csv, line 2)\n"},
		"H-2": {"batch,total\n", " window A, historian: none yet ("},
	} {
		require.NoError(t, os.WriteFile("totals.csv", []byte(row[0]), 0o600))
		o := done(t, "-batch", batch, "-virtual", "-unapproved", "-map", "line/map.yaml", "-recipe", "line/recipe.yaml", "-historian", "totals.csv")
		require.Contains(t, o.out, row[1])
	}
}
