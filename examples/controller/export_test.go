// The records of every batch come to a directory elsewhere, sooner or later, and what is held there may go here.

package main

import (
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
	require.Equal(t, "B-0001 DOWN", states[0])
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
