// Disks that are put back while the chip is kept.

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// putBack makes a copy of the out directory, and returns what puts it back in place of what is there then. The plant is no part of
// the disk.
func putBack(t *testing.T) func() {
	t.Helper()
	old := t.TempDir()
	evidence := func(from, to string) {
		dirs, err := os.ReadDir(from)
		require.NoError(t, err)
		for _, d := range dirs {
			if d.Name() != "plant" {
				require.NoError(t, os.CopyFS(filepath.Join(to, d.Name()), os.DirFS(filepath.Join(from, d.Name()))))
			}
		}
	}
	evidence("out", old)
	return func() {
		t.Helper()
		now, err := filepath.Glob("out/[^p]*")
		require.NoError(t, err)
		for _, name := range now {
			require.NoError(t, os.RemoveAll(name))
		}
		evidence(old, "out")
	}
}

func TestADiskThatIsPutBackWhileTheChipIsKeptIsRefused(t *testing.T) {
	workplace(t)
	done(t, "-virtual", "-fram", "chip")
	back := putBack(t)
	done(t, "-virtual", "-fram", "chip")
	back()
	before := listing(t, "out")
	for _, args := range [][]string{{"-virtual", "-fram", "chip"}, {"versions", "-fram", "chip"}, {"-speed", "10", "-fram", "chip"}} {
		o := controller(args...)
		require.Equal(t, exitFailed, o.code, o)
		require.Contains(t, o.err, "device is TAIL_LOST: the disk ends ")
		require.Contains(t, o.err, "Put back what is newer, or keep this directory and chip as they are, give another -out and another -fram")
		require.NotContains(t, o.out, "CLEAN")
		require.Equal(t, before, listing(t, "out"), "nothing is changed")
	}
	done(t, "-virtual", "-fram", "other", "-out", "elsewhere")

	done(t, "-virtual") // whoever leaves the chip out grows another history
	done(t, "-virtual")
	o := controller("-virtual", "-fram", "chip")
	require.Equal(t, exitFailed, o.code, o)
	require.Contains(t, o.err, "device is REWRITTEN: record ")

	require.NoError(t, os.RemoveAll("out"))
	o = controller("-virtual", "-fram", "chip")
	require.Equal(t, exitFailed, o.code, o)
	require.Contains(t, o.err, "device is TAIL_LOST: there is no journal, and the anchor knows records up to ")
	done(t, "-virtual", "-fram", "third")
	o = controller("-virtual", "-fram", "chip")
	require.Equal(t, exitFailed, o.code, o)
	require.Contains(t, o.err, "give the -out and the -fram that belong together")
}

func TestWithoutAChipADiskThatIsPutBackIsCleanAndTheReportSaysThatItsEndIsNotAnchored(t *testing.T) {
	workplace(t)
	done(t, "-virtual")
	back := putBack(t)
	done(t, "-virtual")
	back()
	require.Contains(t, done(t, "versions").out, ": CLEAN, 17 records; anchor=none: its end is not anchored, and an older copy "+
		"that was put back would look the same\n")
	report, err := evidence.Verify("out/B-0001")
	require.NoError(t, err)
	require.True(t, report.OK())
	require.Contains(t, report.NotProven[0], "end")
	done(t, "-virtual")
}

func TestABatchHasASlotOfTheChipUntilItsPackageIsMadeAndAFileIsNoAnchor(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	cmd, said := process(t, "-speed", "10", "-fram", "chip", "-faults", restarts(t))
	waitForRecord(t, "out/B-0001", "step_state")
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), said)
	back := putBack(t)
	slots := func() (taken []string) {
		c, err := openChip("chip")
		require.NoError(t, err)
		defer c.Close()
		ids, err := c.Journals()
		require.NoError(t, err)
		for _, id := range ids {
			if id != "" {
				taken = append(taken, id)
			}
		}
		return taken
	}
	require.Len(t, slots(), 2, "device and batch")

	cmd, said = process(t, "-speed", "10", "-fram", "chip", "-faults", "restarts")
	require.NoError(t, cmd.Wait(), said)
	require.NotContains(t, said.String(), "device journal", "what a kill leaves is nothing to worry about")
	all := judge(t, "B-0001", said.String())
	require.Equal(t, "none: a file stands in for the chip", of(all, record.KindRecovery)[0].Text(record.Anchor))
	require.Len(t, slots(), 1)
	require.Regexp(t, deviceJournal, slots()[0])

	back()
	o := controller("-speed", "10", "-fram", "chip")
	require.Equal(t, exitFailed, o.code, o)
	require.Contains(t, o.err, "batch B-0001 was cut short: it cannot be continued: controller: device journal ")
	require.Contains(t, o.err, " is TAIL_LOST: ")
	require.Contains(t, o.err, "\nthe outputs of map T301-IO were driven to their safe values\n")
}

func TestAChipThatCannotBeReadIsRefusedAndNotFormattedOver(t *testing.T) {
	workplace(t)
	done(t, "-virtual", "-fram", "chip")
	data, err := os.ReadFile("chip")
	require.NoError(t, err)
	for i := range 2 {
		data[1280*i+70] ^= 1
	}
	require.NoError(t, os.WriteFile("chip", data, 0o640))
	o := controller("-virtual", "-fram", "chip")
	require.Equal(t, exitFailed, o.code, o)
	require.Contains(t, o.err, "neither copy of its table can be read")
	kept, err := os.ReadFile("chip")
	require.NoError(t, err)
	require.Equal(t, data, kept)
	rec, err := journal.Scan("out/device", nil, nil)
	require.NoError(t, err)
	require.Equal(t, journal.Clean, rec.Outcome)
}
