// Tests of targets, verdicts and reconciliations: what a package says of them is what recipe, mapping and samples make of them.

package evidence

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
)

func TestTotalsThatWereForgedAreNamedAtTheFirstRecordThatTellsThem(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	for _, c := range []struct {
		name string
		edit func(uint64, []byte) []byte
		at   string
		says string
	}{
		{"target at the start", with("window_start", 1, "target", "1.10"), "window_start/1", `target is "1.10", by recipe and mapping it is "1.00"`},
		{"tolerance at the start", with("window_start", 2, "tolerance", "9.00"), "window_start/2", "tolerance"},
		{"step", with("window_start", 1, "step_id", "TOP_UP"), "window_start/1", "step_id"},
		{"unit", with("window_start", 1, "unit", "g"), "window_start/1", "unit"},
		{"edge", with("window_start", 1, "window_start_event", "level"), "window_start/1", "window_start_event"},
		{"time of opening", with("window_start", 1, "window_start_ts_mono", "7"), "window_start/1", "window_start_ts_mono"},
		{"a window that the recipe has not", both(with("window_start", 1, "meter_window_id", "X"), with("window_stop", 1, "meter_window_id", "X")),
			"window_start/1", "opens no such window"},
		{"target everywhere, and the verdict with it", both(with("window_start", 1, "target", "0.50"), fields("window_stop", 1, func(f map[string]any) {
			f["target"], f["delta"], f["result"] = "0.50", "0.55", "OUT_OF_TOLERANCE"
		})), "window_start/1", "target"},
		{"target at the end", with("window_stop", 1, "target", "1.05"), "window_stop/1", "target"},
		{"tolerance at the end", with("window_stop", 1, "tolerance", "0.00"), "window_stop/1", "tolerance"},
		{"a worse verdict", with("window_stop", 1, "result", "OUT_OF_TOLERANCE"), "window_stop/1", `result is "OUT_OF_TOLERANCE", recomputed it is "PASS"`},
		{"a better verdict", with("window_stop", 2, "result", "PASS"), "window_stop/2", `recomputed it is "NOT_GOOD"`},
		{"another reason to close", with("window_stop", 1, "window_stop_event", "abort"), "window_stop/1", `recomputed it is "INCOMPLETE"`},
		{"no reason to close", with("window_stop", 1, "window_stop_event", "whim"), "window_stop/1", "result"},
		{"time of closing", with("window_stop", 1, "window_end_ts_mono", "7"), "window_stop/1", "window_end_ts_mono"},
		{"the tag at the end", with("window_stop", 1, "logical_tag", "FT1"), "window_stop/1", "logical_tag"},
		{"a total and its reconciliation", both(fields("window_stop", 1, func(f map[string]any) { f["totalized_value"], f["delta"] = "1.00", "0.00" }),
			fields("reconcile", 1, func(f map[string]any) { f["batch_total"], f["delta"] = "1.00", "0.00" })), "window_stop/1", "totalized_value"},
		{"status", with("reconcile", 1, "reconcile_status", "FAIL"), "reconcile/1", `reconcile_status is "FAIL", recomputed it is "PASS"`},
		{"status of a window that is not GOOD", with("reconcile", 2, "reconcile_status", "PASS"), "reconcile/2", `recomputed it is "WARN"`},
		{"no hint", with("reconcile", 2, "hint", nil), "reconcile/2", `hint is "", recomputed it is "missing samples"`},
		{"a hint", with("reconcile", 1, "hint", "time jump"), "reconcile/1", "hint"},
		{"difference", with("reconcile", 1, "delta", "0.00"), "reconcile/1", "delta"},
		{"the device's total", with("reconcile", 1, "meter_total", "1.05"), "reconcile/1", "delta"},
		{"a device's total between two counts", with("reconcile", 1, "meter_total", "1.01"), "reconcile/1", "its meter counts in 0.05 kg"},
		{"a device's total that nobody can tell", with("reconcile", 1, "meter_total", "overflow"), "reconcile/1", `recomputed it is "FAIL"`},
		{"no total of the device", with("reconcile", 1, "meter_total", nil), "reconcile/1", "compared"},
		{"a historian", with("reconcile", 1, "historian_total", "1.05"), "reconcile/1", "historian_total"},
		{"allowed difference", with("reconcile", 1, "tolerance", "9.00"), "reconcile/1", "tolerance"},
		{"another total", with("reconcile", 1, "batch_total", "1.00"), "reconcile/1", "batch_total"},
		{"another unit", with("reconcile", 1, "unit", "g"), "reconcile/1", "unit"},
		{"reconciled twice", again(28, 29), "step_state/3", "or was reconciled before"},
		{"reconciled and not closed", with("reconcile", 1, "meter_window_id", "B.2"), "window_stop/1", "never reconciled"},
		{"never reconciled", again(12, 28), "window_stop/1", "never reconciled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failed(t, forge(t, dir, c.edit), "totals")
			require.Equal(t, place(t, dir, c.at), got.Seq, got.String())
			require.Contains(t, got.String(), c.says)
		})
	}
	got := failed(t, forge(t, dir, with("window_start", 1, "raw_state", "65521")), "samples")
	require.Equal(t, place(t, dir, "window_start/1"), got.Seq)
	require.Contains(t, got.Detail, "the reading in force is 65520")
}

func TestAWindowIsNotOpenedOutsideTheTimeOfItsCalibration(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	files := filesOf(t, dir)
	for i := range files {
		files[i].data = bytes.Replace(files[i].data, []byte("factors:"), []byte("valid_from: \"2026-01-02T00:00:00Z\"\nfactors:"), 1)
	}
	c := found(verifyEvents(t, files, slurp(t, dir, eventsName)), "totals")
	require.True(t, c.Failed)
	require.Equal(t, place(t, dir, "window_start/1"), c.Seq)
	require.Contains(t, c.Detail, "calibration 2026-03 does not hold then")
}

// reconcile makes a record of what a reconciliation says.
func reconcile(t *testing.T, total, meter, delta, status, hint string) *record.Record {
	t.Helper()
	var b record.Body
	b.Begin(record.KindReconcile)
	for k, text := range map[record.Key]string{record.JournalID: "J", record.SyncState: "UNSET", record.TimeSource: "none", record.DeviceID: "D",
		record.BatchID: "B", record.RecipeID: "R", record.RecipeVersion: "1", record.MappingVersion: "1", record.OperatorID: "o",
		record.EquipmentID: "E", record.MeterWindowID: "A", record.Unit: "kg", record.ReconcileStatus: status} {
		b.Text(k, text)
	}
	for k, text := range map[record.Key]string{record.BatchTotal: total, record.MeterTotal: meter, record.Delta: delta} {
		switch coef, scale, err := quantity.ParseDecimal(text); {
		case err == nil:
			b.Decimal(k, coef, scale)
		case text != "":
			b.Text(k, text)
		}
	}
	compared := []string{"batch_total"}
	if meter != "" {
		compared = append(compared, "meter_total")
	}
	b.Texts(record.Compared, compared)
	if hint != "" {
		b.Text(record.Hint, hint)
	}
	b.Count(record.EventSeq, 1)
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, 1)
	b.Counts(record.Cause, nil)
	body, err := b.Append(nil)
	require.NoError(t, err)
	rec, err := record.Parse(body)
	require.NoError(t, err)
	return rec
}

func TestReconciliationsAreJudgedAsTheEngineDoes(t *testing.T) {
	aimOf := func(resolution string, totalizer tag.ID, allowed int64) *aim {
		res, err := quantity.Parse(resolution)
		require.NoError(t, err)
		return &aim{meter: &iomap.Meter{Resolution: res, Totalizer: totalizer}, reconcile: allowed}
	}
	fine, bare, coarse := aimOf("0.05 kg", 3, 10), aimOf("0.05 kg", tag.None, 0), aimOf("5 kg", 3, math.MaxInt64)
	for _, c := range []struct {
		name                              string
		a                                 *aim
		quality                           string
		total, meter, delta, status, hint string
		holds                             bool
	}{
		{"within", fine, "GOOD", "1.00", "1.50", "-0.50", "PASS", "", true},
		{"within twice", fine, "GOOD", "1.00", "1.55", "-0.55", "WARN", "", true},
		{"just within twice", fine, "GOOD", "2.00", "1.00", "1.00", "WARN", "", true},
		{"beyond", fine, "GOOD", "2.05", "1.00", "1.05", "FAIL", "", true},
		{"beyond, called a warning", fine, "GOOD", "2.05", "1.00", "1.05", "WARN", "", false},
		{"a device that was reset", fine, "GOOD", "1.00", "-500.00", "501.00", "FAIL", "", true},
		{"beyond and not GOOD", fine, "STALE", "2.05", "1.00", "1.05", "FAIL", "missing samples", true},
		{"within and not GOOD", fine, "STALE", "1.00", "1.00", "0.00", "WARN", "missing samples", true},
		{"a device that could not be read", fine, "GOOD", "1.00", "", "", "WARN", "missing samples", true},
		{"a difference to nothing", fine, "GOOD", "1.00", "", "0.00", "WARN", "missing samples", false},
		{"no totalizer", bare, "GOOD", "1.00", "", "", "WARN", "missing samples", true},
		{"a total of no totalizer", bare, "GOOD", "1.00", "1.00", "0.00", "PASS", "", false},
		{"both beyond any decimal", fine, "BAD", "overflow", "overflow", "0.00", "WARN", "missing samples", true},
		{"both beyond any decimal, and PASS", fine, "BAD", "overflow", "overflow", "0.00", "PASS", "", false},
		{"one beyond any decimal", fine, "BAD", "overflow", "1.00", "overflow", "FAIL", "missing samples", true},
		{"a difference beyond any decimal", coarse, "GOOD", "9223372036854775805", "-9223372036854775805", "overflow", "PASS", "", true},
	} {
		err := c.a.reconciled(reconcile(t, c.total, c.meter, c.delta, c.status, c.hint), c.quality)
		require.Equal(t, c.holds, err == nil, "%s: %v", c.name, err)
	}
}
