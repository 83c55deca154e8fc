// Writes past the cache: what is written so, and that it reads back the same.

package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestGroupsAreWrittenPastTheCache(t *testing.T) {
	dir := t.TempDir()
	probe, err := os.OpenFile(filepath.Join(dir, "probe"), os.O_RDWR|os.O_CREATE|unix.O_DIRECT, 0o600)
	if err == nil {
		_, err = probe.WriteAt(make([]byte, 1<<20), 0) // one so large begins at a page
		require.NoError(t, probe.Close())
	}
	if err != nil {
		t.Skipf("the file system of %s takes no O_DIRECT (%v): set TMPDIR to a directory on ext4, xfs or f2fs", dir, err)
	}
	w, err := Create(filepath.Join(dir, "j"), Header{JournalID: "a"}, nil)
	require.NoError(t, err)
	for seq, n := range []int{1, 300, 5000, MaxBody} {
		require.NoError(t, w.Append(uint64(seq+1), bytes.Repeat([]byte{'x'}, n)))
		require.NoError(t, w.Commit())
		require.True(t, w.seg.file.(countingFile).File.(*file).direct, "a group with a body of %d bytes", n)
	}
	require.NoError(t, w.Close())
	rec, err := Scan(filepath.Join(dir, "j"), nil, nil)
	require.NoError(t, err)
	require.Equal(t, Clean, rec.Outcome, rec.Path)
	require.Equal(t, uint64(4), rec.Head.N)
}

func TestWritesPastTheCacheAndThroughItMeetInTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	f, err := openFile(name)
	require.NoError(t, err)
	want := make([]byte, 8192)
	buffer := make([]byte, 1<<20)
	for i, part := range [][2]int{{0, 8192}, {512, 1024}, {700, 40}, {1024, 512}, {1500, 3000}, {4096, 4096}, {8000, 192}} {
		p := buffer[:part[1]]
		copy(p, bytes.Repeat([]byte{'a' + byte(i)}, len(p)))
		copy(want[part[0]:], p)
		_, err := f.WriteAt(p, int64(part[0]))
		require.NoError(t, err)
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, want, got, "after part %d", i)
	}
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.Error(t, f.Sync())
}
