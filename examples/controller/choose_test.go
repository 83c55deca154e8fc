// Which batch runs, where others lie in the same directory.

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// leftShort leaves a batch that was killed in the middle of its charge.
func leftShort(t *testing.T, id string, args ...string) {
	t.Helper()
	cmd, said := process(t, append([]string{"-speed", "10", "-batch", id, "-faults", restarts(t)}, args...)...)
	waitForRecord(t, "out/"+id, "window_start")
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), said)
}

func TestABatchThatWasCutShortIsNotForgottenForALaterOne(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	leftShort(t, "B-0001")
	done(t, "-virtual")
	require.NoError(t, os.Mkdir("out/B-0007", 0o750)) // of somebody
	write(t, "out/B-0001/SHA256SUMS", "")
	cmd, said := process(t, "-speed", "10", "-faults", restarts(t))
	require.NoError(t, cmd.Wait(), said)
	require.Contains(t, said.String(), "batch B-0001: BLEND-AB")
	require.True(t, evidence.Packed("out/B-0001"))
	require.Contains(t, done(t, "-virtual").out, "batch B-0008: ", "the id of another directory is not taken")
}

func TestABatchWhoseControllerDiedBeforeItsFirstRecordIsBegunUnderItsName(t *testing.T) {
	workplace(t)
	done(t, "-virtual")
	for _, left := range []string{"out/B-0002", "out/B-0003/journal"} {
		require.NoError(t, os.MkdirAll(left, 0o750))
		id, was, err := find(&flags{out: "out"})
		require.NoError(t, err)
		require.Zero(t, *was)
		require.Equal(t, filepath.Base(strings.TrimSuffix(left, "/journal")), id)
		require.NoError(t, os.RemoveAll(left))
		require.NoError(t, os.RemoveAll("out/"+id))
	}
	w, err := journal.Create(mkdir(t, "out/B-0002")+"/journal", journal.Header{JournalID: "B-0002-7"}, nil)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	id, was, err := find(&flags{out: "out"})
	require.NoError(t, err)
	require.Equal(t, "B-0002", id)
	require.Equal(t, "B-0002-7", was.Journal)
}

func mkdir(t *testing.T, dir string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o750))
	return dir
}

func TestAPlantIsNotTakenFromABatchThatWasCutShort(t *testing.T) {
	workplace(t)
	leftShort(t, "B-0001")
	o := controller("-speed", "10", "-batch", "NEW")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "batch B-0001 was cut short, and the plant is as it has left it; continue it first, with -batch B-0001, or give another -out")
	require.NoDirExists(t, "out/NEW")
	require.NoError(t, os.CopyFS("out/B-0002", os.DirFS("out/B-0001")))
	o = controller("-speed", "10")
	require.Contains(t, o.err, "batches B-0001 and B-0002 were cut short; continue one with -batch ID")
	for _, id := range []string{"B-0001", "B-0002"} {
		got, was, err := find(&flags{out: "out", batch: id})
		require.True(t, err != nil || got == id && was.Batch == "B-0001", "each can be continued by its name")
	}
	require.Equal(t, exitOK, controller("-virtual", "-batch", "V1").code, "virtual time has a plant of its own")
}

func TestAJournalThatVanishedIsNotBegunAnewInSilence(t *testing.T) {
	workplace(t)
	leftShort(t, "B-0001")
	require.NoError(t, os.Remove("out/B-0001/journal/segments/00000001.seg"))
	o := controller("-speed", "10", "-batch", "B-0001")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "out/B-0001 is not empty; choose another batch id or directory")
}

func TestAControllerThatDiesBeforeItBeginsTheBatchInPlaceLeavesThatToTheNext(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	edit(t, "recipe.yaml", "recovery: hold", "recovery: restart")
	edit(t, "recipe.yaml", "recovery: hold", "recovery: restart")
	edit(t, "recipe.yaml", "WT301 < 1.00 kg", "WT301 < 400 kg")
	leftShort(t, "B-0001", "-unapproved", "-recipe", "recipe.yaml")
	done := controller("-speed", "10", "-unapproved", "-json", "-batch", "B-0001", "-faults", restarts(t))
	require.Equal(t, exitOK, done.code, done)
	// As if it had not come to its package, and then to no record of the other batch.
	require.NoError(t, os.RemoveAll("out/B-0002"))
	require.NoError(t, os.Remove("out/B-0001/SHA256SUMS"))
	require.NoError(t, os.Mkdir("out/B-0002", 0o750))
	id, was, err := find(&flags{out: "out"})
	require.NoError(t, err)
	require.Equal(t, "B-0001", id)
	require.True(t, was.Again && was.Ended, "it is packed first")
	require.NoError(t, os.WriteFile("out/B-0001/SHA256SUMS", []byte("x"), 0o640))
	j, err := choose(&flags{out: "out", unapproved: true}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, [2]string{"B-0002", "B-0001"}, [2]string{j.b.ID, j.b.RestartOf})
	require.True(t, j.plant)
	require.NoError(t, os.Remove("out/B-0001/SHA256SUMS"))
	require.NoError(t, os.Remove("out/B-0002"))

	cmd, said := process(t, "-speed", "10", "-unapproved", "-faults", restarts(t))
	require.NoError(t, cmd.Wait(), said)
	require.True(t, bytes.Contains(said.Bytes(), []byte("in place of batch B-0001")), said)
	created := of(records(t, filepath.Join("out", "B-0002")), record.KindBatchCreated)[0]
	require.Equal(t, "B-0001", created.Text(record.RestartOf))
	require.Equal(t, "restart", of(records(t, "out/B-0001"), record.KindBatchEnd)[0].Text(record.RecoveryRule))
}

func TestFlagsWithoutAValueAndNamesThatAreTakenAreRefused(t *testing.T) {
	workplace(t)
	for _, c := range [][3]string{{"-batch", "plant", "-batch plant: that directory below -out is no batch's"}, {"-batch", "device", "is no batch's"},
		{"-size", "", "-size: nothing stands behind it"}, {"-operator", "", "-operator: nothing stands behind it"}, {"-out", "", "-out: nothing stands behind it"}} {
		o := controller("-virtual", c[0], c[1])
		require.Equal(t, exitUsage, o.code)
		require.Contains(t, o.err, c[2])
		require.NoDirExists(t, "out")
	}
}
