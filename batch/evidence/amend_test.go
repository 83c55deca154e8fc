// Claims about totals that come late or are forged: what was said of three totals cannot be made better than it was.

package evidence

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// lateLog is a device journal that takes records.
type lateLog struct {
	t    *testing.T
	dir  string
	w    *journal.Writer
	seq  uint64
	edit func(n uint64, body []byte) []byte // as a forger would
}

func newLateLog(t *testing.T) *lateLog {
	dir := filepath.Join(t.TempDir(), "device")
	w, err := journal.Create(dir, journal.Header{JournalID: "D-1"}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { w.Close() })
	return &lateLog{t: t, dir: dir, w: w}
}

func (d *lateLog) Append(fill func(b *record.Body)) (uint64, error) {
	var b record.Body
	d.seq++
	fill(&b)
	for k, text := range map[record.Key]string{record.JournalID: "D-1", record.SyncState: "UNSET", record.TimeSource: "none", record.DeviceID: "CTRL-1"} {
		b.Text(k, text)
	}
	b.Count(record.EventSeq, d.seq)
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, d.seq)
	body, err := b.Append(nil)
	require.NoError(d.t, err)
	if d.edit != nil {
		body = d.edit(d.seq, body)
	}
	require.NoError(d.t, d.w.Append(d.seq, body))
	require.NoError(d.t, d.w.Commit())
	return d.seq, nil
}

// unanswered is a package in which nobody gave the historian's total.
func unanswered(t *testing.T) string {
	dir, rec := hintRun(t, hintRecipe, "", func(p *hintPlant, _ int64) { p.silent = true })
	require.Equal(t, "WARN", rec.Text(record.ReconcileStatus), "what was expected is absent")
	require.Equal(t, []string{"historian_total"}, rec.Texts(record.Absent))
	require.Equal(t, "", rec.Text(record.Hint))
	return dir
}

func late(total string) *Late {
	return &Late{Window: "A", Total: total, Source: "file historian.csv, line 2", By: "q.person", Reason: "the historian was down"}
}

func TestATotalThatComesAfterTheEndAmendsTheReconciliationInTheDeviceJournalOnly(t *testing.T) {
	dir, log := unanswered(t), newLateLog(t)
	before := slurp(t, dir, sumsName)
	a, err := Amend(log, dir, late("0.01002 t"))
	require.NoError(t, err)
	require.Equal(t, "window A: WARN, with the historian's total 10.02 kg of file historian.csv, line 2 it is PASS (record 1, by q.person)", a.Words())
	_, err = Amend(log, dir, late("9.40 kg"))
	require.NoError(t, err)
	require.Equal(t, before, slurp(t, dir, sumsName))
	rep, err := VerifyWith(dir, &Options{Device: log.dir})
	require.NoError(t, err)
	require.False(t, found(rep, "anchors").Failed, found(rep, "anchors").String())
	require.Len(t, rep.Amended, 2)
	require.Equal(t, a.Words(), rep.Amended[0].Words())
	require.Equal(t, "window A: WARN, with the historian's total 9.40 kg of file historian.csv, line 2 it is FAIL, unexplained (record 2, by q.person)",
		rep.Amended[1].Words())
	for total, why := range map[string]string{"10.02 L": "converts to kg", "-1.00 kg": "converts to kg", "ten": `converts to kg, such as "119.98 kg"`} {
		_, err = Amend(log, dir, late(total))
		require.ErrorIs(t, err, ErrAmend)
		require.ErrorContains(t, err, why)
	}
	_, err = Amend(log, forge(t, dir, with("reconcile", 1, "reconcile_status", "PASS")), late("10.00 kg"))
	require.ErrorContains(t, err, "does not verify")
}

func TestAForgedAmendmentIsFound(t *testing.T) {
	dir := unanswered(t)
	for name, edit := range map[string]func(uint64, []byte) []byte{
		"a better status":   with("reconcile_amended", 1, "reconcile_status", "PASS"),
		"a nearer total":    with("reconcile_amended", 1, "historian_total", "10.00"),
		"a hint":            with("reconcile_amended", 1, "hint", "time jump"),
		"a worse status":    with("reconcile_amended", 1, "old_value", "FAIL"),
		"a lesser delta":    with("reconcile_amended", 1, "pairs", []string{"batch_total-meter_total=0.00 PASS"}),
		"another package":   with("reconcile_amended", 1, "head_link", "00"),
		"no facts":          with("reconcile_amended", 1, "facts", []string{"grain=0.01"}),
		"another tolerance": with("reconcile_amended", 1, "tolerance", "1.00"),
		"another window":    with("reconcile_amended", 1, "meter_window_id", "B"),
	} {
		log := newLateLog(t)
		log.edit = edit
		_, err := Amend(log, dir, late("9.40 kg"))
		require.NoError(t, err)
		rep, err := VerifyWith(dir, &Options{Device: log.dir})
		require.NoError(t, err)
		c := found(rep, "anchors")
		require.True(t, c.Failed, "%s: %s", name, c.String())
		require.Contains(t, c.Detail, "record 1 of the device journal amends window", name)
		require.Empty(t, rep.Amended)
	}
}

func TestAForgedHistorianIsFound(t *testing.T) {
	dir, rec := hintRun(t, hintRecipe, "", nil)
	require.Equal(t, []string{"batch_total", "meter_total", "historian_total"}, rec.Texts(record.Compared))
	for name, c := range map[string]struct {
		edit func(uint64, []byte) []byte
		says string
	}{
		"the input":             {with("historian_total", 1, "value", "9.00"), "historian_total"},
		"the record":            {with("reconcile", 2, "historian_total", "9.00"), "historian_total"},
		"a status":              {with("reconcile", 2, "reconcile_status", "WARN"), "reconcile_status"},
		"what it amends":        {with("reconcile", 2, "amends", "3"), "amends"},
		"that it amends":        {with("reconcile", 2, "amends", nil), "was reconciled before"},
		"facts":                 {with("reconcile", 2, "facts", []string{"grain=0.01"}), "facts"},
		"facts of both":         {both(with("reconcile", 1, "facts", []string{"grain=0.01"}), with("reconcile", 2, "facts", []string{"grain=0.01"})), "fact "},
		"an anomaly":            {with("reconcile", 1, "anomalies", []string{"flow_at_end"}), "anomalies"},
		"the window":            {with("historian_total", 1, "meter_window_id", "B"), "was not reconciled before"},
		"that it was expected":  {with("reconcile", 1, "absent", nil), "absent"},
		"the absent one, there": {both(with("reconcile", 1, "absent", nil), with("reconcile", 1, "historian_total", "10.00")), "compared"},
	} {
		got := failed(t, forge(t, dir, c.edit), "totals")
		require.Contains(t, got.String(), c.says, name)
	}
}
