// Tests of what lies on the disk: evidence that was cut off, a place that cannot be written, and a disk that is full.

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
)

func TestEvidenceWhoseJournalWasCutOffDoesNotVerifyAndIsNotWrittenOver(t *testing.T) {
	workplace(t)
	done(t, "-virtual")
	cut := filepath.Join("out", "B-0001", "journal", "segments", "00000001.seg")
	require.NoError(t, os.Truncate(cut, 30_000))
	report, err := evidence.Verify("out/B-0001")
	require.NoError(t, err)
	require.False(t, report.OK())
	require.Contains(t, report.Verdict(), "journal/segments/00000001.seg")
	before := listing(t, "out/B-0001")
	require.Equal(t, exitFailed, controller("-virtual", "-batch", "B-0001").code)
	require.Contains(t, done(t, "-virtual").out, "batch    B-0002 is Complete")
	require.Equal(t, before, listing(t, "out/B-0001"))
}

func TestAPlaceThatCannotBeWrittenIsRefused(t *testing.T) {
	workplace(t)
	require.NoError(t, os.Mkdir("closed", 0o550))
	if err := os.WriteFile("closed/probe", nil, 0o640); err == nil {
		// Root, and Windows, write where they may not; nobody makes a directory below a file.
		require.NoError(t, os.RemoveAll("closed"))
		write(t, "closed", "")
	}
	before := listing(t, ".")
	for _, out := range []string{"closed/out", "closed/a/b"} {
		for _, args := range [][]string{{"-virtual", "-out", out}, words(ana + " -out " + out)} {
			o := controller(args...)
			require.Equal(t, exitFailed, o.code)
			require.Empty(t, o.out)
			require.Contains(t, o.err, "controller: -out "+out+": ")
			require.Contains(t, o.err, "; give a directory that can be written\n")
			require.Equal(t, before, listing(t, "."))
		}
	}
}

// small mounts a disk of its own that holds as many KiB as are given, and returns where.
func small(t *testing.T, kib string) string {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs linux, root and the command mount, to have a small disk of its own")
	}
	dir := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.Mkdir(dir, 0o750))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+kib+"k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("needs the right to mount a tmpfs (CAP_SYS_ADMIN), to have a small disk of its own: %v: %s", err, out)
	}
	t.Cleanup(func() {
		out, err := exec.Command("umount", dir).CombinedOutput()
		require.NoError(t, err, string(out))
	})
	return dir
}

// crowd fills a disk with something else as soon as batch B-0001 has its journal there, but for so many KiB; the function that it
// returns waits for that.
func crowd(t *testing.T, disk string, but int) (done func()) {
	t.Helper()
	var all sync.WaitGroup
	all.Go(func() {
		for until := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			info, err := os.Stat(filepath.Join(disk, "B-0001", "journal", "segments", "00000001.seg"))
			if err == nil && info.Size() == 256<<10 {
				break
			}
			if time.Now().After(until) {
				t.Error("batch B-0001 has no journal after a minute")
				return
			}
		}
		for range 100 { // what the batch has written meanwhile is not free any more
			free, err := journal.Available(disk)
			if err != nil {
				t.Error(err)
				return
			}
			length := strconv.FormatInt(free-int64(but)<<10, 10)
			if exec.Command("fallocate", "-l", length, filepath.Join(disk, "ballast")).Run() == nil {
				return
			}
		}
		t.Error("the disk could not be filled; is fallocate of util-linux there?")
	})
	return all.Wait
}

func TestADiskThatFillsUpInMidBatchMakesTheOutputsSafeAndEndsTheRun(t *testing.T) {
	disk := small(t, "200000")
	workplace(t)
	crowded := crowd(t, disk, 900)                                                               // three segments of the journal, and not sixteen
	edit(t, "recipe.yaml", "value: 5 s, min: 5 s, max: 1 h", "value: 12 h, min: 5 s, max: 24 h") // with the heater on
	o := controller("-virtual", "-unapproved", "-recipe", "recipe.yaml", "-out", disk)
	crowded()
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.out, "HS301: on\n")
	require.NotContains(t, o.out, "HS301: off\n", "the records end before that")
	require.Contains(t, o.out, "batch    B-0001 is Running\n")
	require.Contains(t, o.out, "outputs  all at their safe values\n")
	require.Contains(t, o.out, "; no package was made of them\n")
	require.NotContains(t, o.out, "next:")
	require.Contains(t, o.err, "runner: evidence can no longer be kept: ")
	require.Contains(t, o.err, "no space left on device")
	require.Contains(t, o.err, "what was recorded stays in "+filepath.Join(disk, "B-0001")+"; see to the disk before you go on\n")

	kept, err := journal.Scan(filepath.Join(disk, "B-0001", "journal"), nil, nil)
	require.NoError(t, err)
	require.Greater(t, kept.Head.N, uint64(100), "what was durable can be read")
	o = controller("-virtual", "-unapproved", "-recipe", "recipe.yaml", "-out", disk, "-batch", "B-0001")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "virtual time cannot continue it")
	o = controller("-out", disk)
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "no space left on device", "in real time it can be continued, but not here")
	again, err := journal.Scan(filepath.Join(disk, "B-0001", "journal"), nil, nil)
	require.NoError(t, err)
	require.Equal(t, kept.Head, again.Head, "the second attempt has taken nothing away")
}

func TestADiskWithoutRoomForTheEvidenceStartsNothing(t *testing.T) {
	disk := small(t, "50000")
	workplace(t)
	o := controller("-virtual", "-unapproved", "-out", disk)
	require.Equal(t, exitFailed, o.code)
	require.Empty(t, o.out)
	require.Regexp(t, `^runner: evidence can no longer be kept: \S+B-0001: disk full: the evidence of this batch may take \d{6} kB, and \d{5} kB are free; free some space, or give a directory `+
		`on another disk\nnothing was started; see to the disk, or give another -out\n`, o.err)
	require.NoDirExists(t, filepath.Join(disk, "B-0001"))
	full := small(t, "100")
	o = controller("-virtual", "-out", full) // approves the demo's files first
	require.Equal(t, exitFailed, o.code)
	require.Empty(t, o.out)
	require.Contains(t, o.err, "disk full")
}

func TestADiskWithoutRoomForThePackageKeepsTheJournal(t *testing.T) {
	disk := small(t, "9000")
	workplace(t)
	edit(t, "recipe.yaml", "timeout: 2 h", "timeout: 40 s")
	edit(t, "recipe.yaml", "timeout: 30 min", "timeout: 40 s") // the evidence of some minutes fits
	var o outcome
	for range 50 { // until the disk was full before the batch was over
		crowded := crowd(t, disk, 100)
		o = controller("-virtual", "-unapproved", "-recipe", "recipe.yaml", "-out", disk, "-json")
		if crowded(); o.code == exitFailed {
			break
		}
		for _, name := range []string{"B-0001", "ballast"} {
			require.NoError(t, os.RemoveAll(filepath.Join(disk, name)))
		}
	}
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "runner: the journal is whole but its package could not be made: ")
	var s summary
	require.NoError(t, json.Unmarshal([]byte(o.out), &s))
	require.Equal(t, "Complete", s.State)
	require.False(t, s.Verified)
	require.Empty(t, s.Unsafe)
	kept, err := journal.Scan(filepath.Join(disk, "B-0001", "journal"), nil, nil)
	require.NoError(t, err)
	require.Equal(t, s.Records, kept.Head.N)
	require.Equal(t, s.Link, kept.Head.Link.String())
	require.True(t, strings.HasPrefix(kept.Outcome.String(), "CLEAN"))
}
