// Tests of -realtime: it is on record, changes no decision, and is refused where no deadline is one of real time.

package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal/record"
)

func TestRealTimeIsRefusedWhereTimeIsNotReal(t *testing.T) {
	for _, args := range [][]string{{"-virtual"}, {"-speed", "2"}} {
		res := controller(append(args, "-realtime", "-out", t.TempDir())...)
		require.Equal(t, exitUsage, res.code)
		require.Contains(t, res.err, "-realtime: ")
	}
}

func TestRealTimeIsOnRecordWithWhatWasGotAndWhatWasNot(t *testing.T) {
	workplace(t)
	write(t, "bell.yaml", bell)
	cmd, said := process(t, "-realtime", "-unapproved", "-recipe", "bell.yaml") // its manners would stay in this process
	require.NoError(t, cmd.Wait(), said)
	replay, err := evidence.Replay(filepath.Join("out", "B-0001"))
	require.NoError(t, err, said)
	require.Nil(t, replay.Divergence, "with the words of the boot, byte for byte")
	words := of(records(t, filepath.Join("out", "B-0001")), record.KindBoot)[0].Text(record.RealTime)
	require.Regexp(t, `GOMAXPROCS [0-9]+ on [0-9]+ processors; memory (not )?locked.*; (not )?SCHED_RR 20`, words)
	done(t, "-virtual", "-unapproved", "-recipe", "bell.yaml", "-out", "v")
	require.False(t, of(records(t, filepath.Join("v", "B-0001")), record.KindBoot)[0].Has(record.RealTime), "who asks for nothing gets no word")
}
