// Tests of how a run ends: what its records say of it, and what a report says first.

package evidence

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/sequencer"
)

func TestTheWordsOfARunSayWhatMustBeKnownFirst(t *testing.T) {
	for _, c := range []struct {
		run  Run
		want string
	}{
		{Run{Ended: true, State: "Complete"}, ""},
		{Run{Ended: true, State: "Complete", Unapproved: true}, "ran without approval"},
		{Run{State: "Running"}, "the run has not ended: last state Running, no window open"},
		{Run{State: "Held", Open: []string{"A"}}, "the run has not ended: last state Held, window A open"},
		{Run{State: "Held", Open: []string{"A", "B"}, Unapproved: true},
			"the run has not ended: last state Held, windows A, B open; ran without approval"},
		{Run{State: "Running", Broke: 9}, "the run has not ended: last state Running, no window open; the engine broke, see record 9"},
		{Run{Ended: true, State: "Aborted", Unsafe: []string{"XV1"}}, "OUTPUTS NOT CONFIRMED SAFE when the run ended: XV1"},
		{Run{Ended: true, State: "Aborted", Unsafe: []string{"XV1", "XV2"}, Unapproved: true},
			"OUTPUTS NOT CONFIRMED SAFE when the run ended: XV1, XV2; ran without approval"},
		{Run{Ended: true, State: "Complete", Forced: 3}, "3 decisions were made while something was in override (forced_flag)"},
	} {
		require.Equal(t, c.want, c.run.Words())
		rep := newReport()
		rep.Run = c.run
		verdict := rep.Verdict()
		require.True(t, strings.HasPrefix(verdict, c.want), verdict)
		require.Equal(t, c.run.Ended, strings.Contains(verdict, "verified"), verdict)
		require.Contains(t, verdict, "13 checks hold; no anchor, no signature")
	}
}

func TestARunThatHasNotEndedIsNotCalledVerified(t *testing.T) {
	dir := t.TempDir()
	b := tinyBatch(t, "B-0001", batch.Unapproved)
	r := begin(t, dir, b)
	r.rounds(0, 6)
	r.end()
	m, err := Pack(dir, b)
	require.NoError(t, err)
	require.Empty(t, m.Ending)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK())
	require.Equal(t, "the run has not ended: last state Running, window A open; ran without approval; "+
		"what is recorded so far is whole, 12 checks hold; no anchor, no signature", rep.Verdict())
	replay, err := Replay(dir)
	require.NoError(t, err)
	require.Equal(t, rep.Run, replay.Run)
}

func TestOutputsThatWereNeverConfirmedSafeAreNamedFirst(t *testing.T) {
	dir := t.TempDir()
	b := tinyBatch(t, "B-0001", approved{})
	r := begin(t, dir, b)
	r.rounds(0, 4)
	r.deaf = true
	r.tell(sequencer.Abort)
	r.rounds(4, 300)
	require.True(t, r.m.Ended())
	r.end()
	m, err := Pack(dir, b)
	require.NoError(t, err)
	require.Equal(t, "outputs_not_confirmed", m.Ending)
	require.Equal(t, []string{"XV1"}, m.Unsafe)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.True(t, strings.HasPrefix(rep.Verdict(), "OUTPUTS NOT CONFIRMED SAFE when the run ended: XV1; verified"), rep.Verdict())
	require.Equal(t, "that these outputs are safe: XV1; the devices never confirmed it", rep.NotProven[0])
}

func TestABatchEndThatContradictsItselfOrTheRecordsBeforeItIsNamed(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	for _, c := range []struct {
		name string
		edit func(uint64, []byte) []byte
		says string
	}{
		{"no such end", with("batch_end", 1, "result", "fine"), `"fine" is no way for a run to end`},
		{"safe, and outputs that are not", with("batch_end", 1, "values", []string{"XV1"}), "values names 1 outputs"},
		{"not safe, and no outputs", with("batch_end", 1, "result", "outputs_not_confirmed"), "values names 0 outputs"},
		{"another state", with("batch_end", 1, "batch_state", "Aborted"), `the last one before it is "Complete"`},
		{"an input that is not safe", fields("batch_end", 1, func(f map[string]any) {
			f["result"], f["values"] = "outputs_not_confirmed", []string{"XV1", "FC1"}
		}), `"FC1" is no output`},
		{"an output that nobody knows", fields("batch_end", 1, func(f map[string]any) {
			f["result"], f["values"] = "outputs_not_confirmed", []string{"XV9"}
		}), `"XV9" is no output`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failed(t, forge(t, dir, c.edit), "records")
			require.Equal(t, place(t, dir, "batch_end/1"), got.Seq)
			require.Contains(t, got.Detail, c.says)
		})
	}
}

// lengthened is a package, forged, in which record 6 stands once more behind the last one.
func lengthened(t *testing.T, dir string) (forged string, last uint64) {
	all := bodies(t, slurp(t, dir, eventsName))
	last = uint64(len(all)) + 1
	all = append(all, bytes.Replace(all[5], []byte(`"event_seq":"6"`), fmt.Appendf(nil, `"event_seq":"%d"`, last), 1))
	longer := clone(t, dir)
	put(t, longer, eventsName, chained(all))
	return forge(t, longer, func(_ uint64, body []byte) []byte { return body }), last
}

func TestNothingStandsBehindTheEndOfARun(t *testing.T) {
	forged, last := lengthened(t, packed(t, "B-0001", approved{}))
	got := failed(t, forged, "records")
	require.Equal(t, last, got.Seq)
	require.Contains(t, got.Detail, "which ends the journal")
}

func TestAnEngineThatBrokeIsToldAndNothingStandsBehindIt(t *testing.T) {
	dir := t.TempDir()
	b := tinyBatch(t, "B-0001", approved{})
	r := begin(t, dir, b)
	r.rounds(0, 6)
	r.seal()
	fault := r.next
	r.append(r.m.AppendFault(nil, fault, "index out of range"))
	r.end()
	m, err := Pack(dir, b)
	require.NoError(t, err)
	require.Equal(t, "engine_fault", m.Ending)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.Equal(t, fault, rep.Broke)
	require.False(t, rep.Ended)
	require.Contains(t, rep.Verdict(), fmt.Sprintf("the engine broke, see record %d", fault))
	replay, err := Replay(dir)
	require.NoError(t, err)
	require.Equal(t, fault, replay.Divergence.Seq, "its input does not break this engine")

	forged, last := lengthened(t, dir)
	got := failed(t, forged, "records")
	require.Equal(t, last, got.Seq)
	require.Contains(t, got.Detail, fmt.Sprintf("it stands behind record %d", fault))
}

func TestACheckNamesTheLowestRecordAtWhichItFails(t *testing.T) {
	c := Check{Name: "totals"}
	c.fail(0, "files/x", "of no record")
	c.fail(9, "", "late")
	c.fail(5, "samples/A.tsv", "early")
	c.fail(5, "", "early too")
	c.fail(7, "", "later")
	c.fail(0, "", "of no record either")
	c.found("nothing")
	require.Equal(t, Check{Name: "totals", Failed: true, Seq: 5, File: "samples/A.tsv", Detail: "early", More: 5}, c)
	require.Equal(t, `FAIL  totals: record 5: "samples/A.tsv": early (and 5 more)`, c.String())
}
