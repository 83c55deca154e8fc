// What batches learn of what runs in lasts in the device journal, and reaches the next batch.

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/stretchr/testify/require"
)

// learner writes the recipe of the demo so that its first window learns, within a limit.
func learner(t *testing.T, version, least, most string) {
	t.Helper()
	src, err := demo.ReadFile("demo/recipe.yaml")
	require.NoError(t, err)
	text := strings.Replace(string(src), "short_by: $fine_short}", "short_by: $fine_short, learn: {min: "+least+", max: "+most+", share: 50 %}}", 1)
	text = strings.Replace(text, `version: "1.0"`, `version: "`+version+`"`, 1)
	require.NotEqual(t, string(src), text)
	require.NoError(t, os.WriteFile("recipe.yaml", []byte(text), 0o644))
}

// learnIn runs a batch of it, which nobody has approved.
func learnIn(t *testing.T, args ...string) outcome {
	t.Helper()
	o := controller(args...)
	require.Equal(t, exitOK, o.code, "%v: %s", args, o)
	return o
}

// kept are the records of the device journal that keep what was learnt.
func kept(t *testing.T) (list []*record.Record) {
	t.Helper()
	_, err := journal.Scan("out/device", func(_ uint64, body []byte, _ journal.Chain) error {
		rec, err := record.Parse(body)
		if err == nil && rec.Kind == record.KindInFlightKept {
			list = append(list, rec)
		}
		return err
	}, nil)
	require.NoError(t, err)
	return list
}

func TestWhatABatchHasLearntIsHandedToTheNext(t *testing.T) {
	workplace(t)
	learner(t, "1.0", "0 kg", "0.60 kg")
	args := []string{"-virtual", "-recipe", "recipe.yaml", "-unapproved"}
	for n, dir := range []string{"out/B-0001", "out/B-0002", "out/B-0003"} {
		learnIn(t, args...)
		all := records(t, dir)
		require.Len(t, all[0].Texts(record.InFlight), min(n, 1))
		if n > 0 {
			before := kept(t)[n-1]
			require.Equal(t, before.Texts(record.InFlight), all[0].Texts(record.InFlight))
			require.Equal(t, "controller", before.Text(record.Actor))
		}
		report, err := evidence.Verify(dir)
		require.NoError(t, err)
		require.True(t, report.OK(), report.Verdict())
	}
	require.Len(t, kept(t), 3)
	require.Contains(t, kept(t)[2].Texts(record.InFlight)[0], "version 3, learnt in B-0003 at")

	last := kept(t)[2].Texts(record.InFlight)[0]
	learner(t, "1.1", "$fine_short", "$fine_short") // a version that allows nothing but its first value
	require.NotContains(t, last, " 0.20 kg,", "it learns something")
	o := learnIn(t, args...)
	require.Contains(t, o.err, "begins anew with the first value of recipe BLEND-AB")
	require.Empty(t, records(t, "out/B-0004")[0].Texts(record.InFlight))
}

// The controller has died between the end of a batch and what was to be kept of it: the next one finds that in the records of the batch.
func TestWhatWasNotKeptAtTheEndOfABatchIsMadeGood(t *testing.T) {
	workplace(t)
	learner(t, "1.0", "0 kg", "0.60 kg")
	args := []string{"-virtual", "-recipe", "recipe.yaml", "-unapproved"}
	learnIn(t, args...)
	words := kept(t)[0].Texts(record.InFlight)
	require.NoError(t, os.RemoveAll("out/device"))
	learnIn(t, args...)
	require.Equal(t, words, records(t, "out/B-0002")[0].Texts(record.InFlight))
	require.Len(t, kept(t), 2)
}
