// Tests of replay: every decision again, the first that parts, and what cannot be replayed.

package evidence

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal/record"
)

func TestReplayDecidesEverythingAgainFromThePackageAlone(t *testing.T) {
	for _, rel := range []batch.Release{approved{}, batch.Unapproved} {
		dir := packed(t, "B-0001", rel)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, journalDir)))
		decisions := 0
		for _, body := range bodies(t, slurp(t, dir, eventsName)) {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			if rec.Kind.Spec().Grade == record.Decision {
				decisions++
			}
		}
		rep, err := Replay(dir)
		require.NoError(t, err)
		require.Nil(t, rep.Divergence)
		require.False(t, rep.Cut)
		require.Equal(t, decisions, rep.Decisions)
		require.Greater(t, rep.Inputs, 40)
		require.EqualValues(t, batch.Engine, rep.Engine)
		require.Equal(t, "B-0001", rep.BatchID)
		require.Equal(t, rel == batch.Release(batch.Unapproved), rep.Unapproved)
		require.True(t, rep.Ended)
		require.Empty(t, rep.Fault)
	}
}

func TestReplayNamesTheFirstRecordThatDoesNotFollow(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	for _, c := range []struct {
		name string
		edit func(uint64, []byte) []byte
		at   string
	}{
		{"a decision was edited", replaced("output_write", 1, `"value":"open"`, `"value":"closed"`), "output_write/1"},
		{"a verdict was edited", replaced("reconcile", 1, `"reconcile_status":"PASS"`, `"reconcile_status":"WARN"`), "reconcile/1"},
		{"an answer was edited", replaced("prompt_answer", 1, `"prompt_id":1`, `"prompt_id":9`), "action_state/5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rep, err := Replay(forge(t, dir, c.edit))
			require.NoError(t, err)
			require.NotNil(t, rep.Divergence)
			require.Equal(t, place(t, dir, c.at), rep.Divergence.Seq, rep.Divergence.Error())
		})
	}
}

func TestRecordsCutOffAtTheEndDoNotShowInTheChainAndTheReportSaysSo(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	all := bodies(t, slurp(t, dir, eventsName))
	for n := len(all) - 1; n > len(all)-5; n-- {
		cut := clone(t, dir)
		put(t, cut, eventsName, chained(all[:n]))
		cut = forge(t, cut, func(_ uint64, body []byte) []byte { return body })
		rep, err := Verify(cut)
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		require.False(t, rep.Ended)
		require.True(t, strings.HasPrefix(rep.Verdict(), "the run has not ended: "), "this is what shows: %s", rep.Verdict())
		require.NotContains(t, rep.Verdict(), "verified")
		require.Contains(t, rep.NotProven[0], "the records stop before its end")
		require.Contains(t, rep.NotProven[1], "records cut off at the end")
		replay, err := Replay(cut)
		require.NoError(t, err)
		require.Nil(t, replay.Divergence)
		require.True(t, replay.Cut)
	}
}

func TestWhatCannotBeReplayedIsAnErrorThatSaysWhy(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	_, err := Replay(forge(t, dir, func(n uint64, body []byte) []byte {
		return bytes.Replace(body, []byte(`"engine":1`), []byte(`"engine":7`), 1)
	}))
	require.ErrorIs(t, err, batch.ErrEngine)

	touched := clone(t, dir)
	events := slurp(t, touched, eventsName)
	put(t, touched, eventsName, bytes.Replace(events, []byte(`"event_type":"boot"`), []byte(`"event_type":"root"`), 1))
	_, err = Replay(touched)
	require.ErrorIs(t, err, ErrChain)
	require.ErrorContains(t, err, "record 5")

	for _, name := range []string{eventsName, "files/recipe.yaml", "files/calibration.yaml"} {
		gone := clone(t, dir)
		require.NoError(t, os.Remove(filepath.Join(gone, name)))
		_, err = Replay(gone)
		require.Error(t, err, name)
	}

	_, err = Replay(forge(t, dir, replaced("batch_created", 1, `"batch_size":"3 kg"`, `"batch_size":"9 kg"`)))
	require.ErrorContains(t, err, "size 9 kg")
	_, err = Replay(forge(t, dir, replaced("command", 1, `"command":"start"`, `"command":"dance"`)))
	require.ErrorContains(t, err, "record 8")
}

func TestAnEngineThatBreaksDuringReplayIsReportedWithItsRecord(t *testing.T) {
	rec, err := record.Parse(bodies(t, slurp(t, packed(t, "B-0001", approved{}), eventsName))[0])
	require.NoError(t, err)
	err = feed(&batch.Replay{}, 1, rec) // an engine without its machine
	require.ErrorIs(t, err, errFault)
	require.ErrorContains(t, err, "engine fault at record 1: ")
}
