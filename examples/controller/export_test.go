// The records of every batch come to a directory elsewhere, sooner or later, and what is held there may go here.

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal/record"
)

// sentTo tells whether the export holds the events of a batch, byte for byte.
func sentTo(t *testing.T, share, dir string) {
	t.Helper()
	rep, err := evidence.Verify(dir)
	require.NoError(t, err)
	want, err := os.ReadFile(dir + "/events.tsv")
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(share, rep.JournalID+".tsv"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestRecordsAreSentElsewhereAndAnOutageIsCaughtUpWithAtTheNextRun(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	o := controller("-virtual", "-export", "share")
	require.Equal(t, exitOK, o.code, "a share that is away is no fault of the batch: %s", o)
	require.Contains(t, o.err, "-export share is away; what it lacks is sent when it is back (mkdir it, if it is new)")
	require.NoDirExists(t, "share")
	require.NoError(t, os.Mkdir("share", 0o750))
	done(t, "-virtual", "-export", "share")
	sentTo(t, "share", "out/B-0001")
	sentTo(t, "share", "out/B-0002")
	var states []string
	require.NoError(t, scanDevice("out/device", func(r *record.Record) {
		if r.Kind == record.KindExportState {
			states = append(states, r.Text(record.ObjectID)[:6]+" "+r.Text(record.SinkState))
		}
	}))
	require.Equal(t, "device DOWN", states[0])
	require.Contains(t, states, "B-0001 UP")
	before := len(states)
	done(t, "-virtual", "-export", "share")
	states = nil
	require.NoError(t, scanDevice("out/device", func(r *record.Record) {
		if r.Kind == record.KindExportState {
			states = append(states, "")
		}
	}))
	require.Len(t, states, before+1, "the third batch has come, nothing else has changed")
}

func TestPackagesThatAreHeldElsewhereAndOldEnoughGoAndTheRecordSaysSo(t *testing.T) {
	workplace(t)
	require.NoError(t, os.Mkdir("share", 0o750))
	require.Equal(t, exitUsage, controller("-virtual", "-retain", "1h").code, "only what is kept elsewhere may go")
	done(t, "-virtual", "-export", "share")
	done(t, "-virtual", "-export", "share", "-retain", "876000h")
	require.DirExists(t, "out/B-0001")
	o := done(t, "-virtual", "-export", "share", "-retain", "1ns")
	require.Contains(t, o.out, "released B-0001: its records are in ")
	require.NoDirExists(t, "out/B-0001")
	require.NoDirExists(t, "out/B-0002")
	require.DirExists(t, "out/B-0003", "the batch that has just ended stays")
	var gone []string
	require.NoError(t, scanDevice("out/device", func(r *record.Record) {
		if r.Kind == record.KindBatchReleased {
			gone = append(gone, r.Text(record.ObjectID)+" by "+r.Text(record.Actor)+": "+r.Text(record.ChangeReason))
		}
	}))
	require.Equal(t, []string{"B-0001 by demo: -retain 1ns", "B-0002 by demo: -retain 1ns"}, gone)
	require.Contains(t, done(t, "-virtual", "-export", "share").out, "batch    B-0004 is Complete")
}

// shared reads the file of a batch's journal in the share.
func shared(t *testing.T, batch string) (name string, data []byte) {
	t.Helper()
	names, err := filepath.Glob("share/" + batch + "*.tsv")
	require.NoError(t, err)
	require.Len(t, names, 1)
	data, err = os.ReadFile(names[0])
	require.NoError(t, err)
	return names[0], data
}

func TestWhatWasChangedElsewhereSinceItWasSentKeepsThePackage(t *testing.T) {
	workplace(t)
	require.NoError(t, os.Mkdir("share", 0o750))
	done(t, "-virtual", "-export", "share")
	name, data := shared(t, "B-0001")
	lines := bytes.SplitAfter(data, []byte("\n"))
	for says, harm := range map[string][]byte{
		"the first lines are gone":      bytes.Join(lines[9:], nil),
		"a file that holds a link only": nil,
	} {
		require.NoError(t, os.RemoveAll(name))
		if harm != nil {
			require.NoError(t, os.WriteFile(name, harm, 0o640))
		} else {
			require.NoError(t, os.WriteFile("elsewhere", data, 0o640))
			require.NoError(t, os.Symlink("../elsewhere", name))
		}
		o := controller("-virtual", "-export", "share", "-retain", "1ns")
		require.Equal(t, exitOK, o.code, "%s: %s", says, o)
		require.NotEmpty(t, o.err, says)
		require.DirExists(t, "out/B-0001", says)
	}
	require.NoError(t, os.RemoveAll(name))
	require.NoError(t, os.WriteFile(name, data, 0o640))
	require.Contains(t, done(t, "-virtual", "-export", "share", "-retain", "1ns").out, "released B-0001: ")
}

func TestADirectoryInWhichTheDiskIsNotMountedTakesNothing(t *testing.T) {
	workplace(t)
	require.NoError(t, os.Mkdir("share", 0o750))
	done(t, "-virtual", "-export", "share")
	require.NoError(t, os.Rename("share", "disk"))
	require.NoError(t, os.Mkdir("share", 0o750))
	o := controller("-virtual", "-export", "share", "-retain", "1ns")
	require.Equal(t, exitOK, o.code, o.err)
	require.Contains(t, o.err, "is away")
	taken, err := os.ReadDir("share")
	require.NoError(t, err)
	require.Empty(t, taken)
	require.DirExists(t, "out/B-0001")
	require.NoError(t, os.Remove("share"))
	require.NoError(t, os.Rename("disk", "share"))
	done(t, "-virtual", "-export", "share")
	sentTo(t, "share", "out/B-0002")
}

func TestAReleaseIsFinishedOnlyByASoundDeviceJournal(t *testing.T) {
	workplace(t)
	require.NoError(t, os.Mkdir("share", 0o750))
	done(t, "-virtual", "-export", "share")
	require.NoError(t, os.CopyFS("kept", os.DirFS("out/B-0001")))
	done(t, "-virtual", "-export", "share", "-retain", "1ns")
	require.NoDirExists(t, "out/B-0001")
	require.NoError(t, os.CopyFS("out/B-0001", os.DirFS("kept")))
	done(t, "-virtual", "-batch", "B-0010")
	done(t, "-virtual", "-batch", "B-0013")
	require.FileExists(t, "out/B-0001/events.tsv", "what was put back whole stays")
	require.NoError(t, os.Remove("out/B-0001/verify.py")) // as a cut leaves it
	segments, err := filepath.Glob("out/device/segments/*.seg")
	require.NoError(t, err)
	behind := segments[len(segments)-2] // the record of the release stands before it
	first, err := os.ReadFile(behind)
	require.NoError(t, err)
	harmed := bytes.Clone(first)
	harmed[700] ^= 1
	require.NoError(t, os.WriteFile(behind, harmed, 0o640))
	o := controller("-virtual", "-batch", "B-0011")
	require.Contains(t, o.err, "releases of packages that were cut off are not finished")
	require.FileExists(t, "out/B-0001/events.tsv")
	require.NoError(t, os.WriteFile(behind, first, 0o640))
	done(t, "-virtual", "-batch", "B-0012")
	require.NoDirExists(t, "out/B-0001")
}
