// Writes past the cache: what is written so, and that it reads back the same. What Settle leaves in the cache. Open files.

package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"unsafe"

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
		require.True(t, w.seg.file.(countingFile).File.(*directFile).direct, "a group with a body of %d bytes", n)
	}
	require.NoError(t, w.Close())
	rec, err := Scan(filepath.Join(dir, "j"), nil, nil)
	require.NoError(t, err)
	require.Equal(t, Clean, rec.Outcome, rec.Path)
	require.Equal(t, uint64(4), rec.Head.N)
}

func TestWritesPastTheCacheAndThroughItMeetInTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	f, err := openFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	require.NoError(t, err)
	refused, want := false, make([]byte, 8192)
	buffer := make([]byte, 1<<20)
	for i, part := range [][2]int{{0, 8192}, {512, 1024}, {700, 40}, {1024, 512}, {1500, 3000}, {4096, 4096}, {8000, 192}, {2048, 700}, {3000, 512}} {
		p := buffer[:part[1]]
		copy(p, bytes.Repeat([]byte{'a' + byte(i)}, len(p)))
		copy(want[part[0]:], p)
		_, err := f.WriteAt(p, int64(part[0]))
		require.NoError(t, err)
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, want, got, "after part %d", i)
		if i == 0 {
			refused = f.(*directFile).refused // all of it, by this file system
		}
	}
	require.Equal(t, refused, f.(*directFile).refused, "what is no whole sectors was not tried")
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.Error(t, f.Sync())
}

// cached returns how many pages of a file are in the system's cache.
func cached(t *testing.T, name string, size int) int {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	pages := make([]byte, size/os.Getpagesize())
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(size), uintptr(unsafe.Pointer(&pages[0])))
	require.NoError(t, unix.Munmap(m))
	require.Zero(t, errno)
	n := 0
	for _, p := range pages {
		n += int(p & 1)
	}
	return n
}

// A page that was not flushed cannot be dropped, so an empty cache tells that all was flushed, too.
func TestSettleFlushesAndEmptiesTheCache(t *testing.T) {
	const size = 4 << 20
	dir := t.TempDir()
	fill := func(name string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, bytes.Repeat([]byte{'x'}, size), 0o600))
		return name
	}
	probe := fill("probe")
	f, err := os.OpenFile(probe, os.O_RDWR, 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	require.NoError(t, f.Close())
	all := size / os.Getpagesize()
	if cached(t, probe, size) > all/10 {
		t.Skipf("the file system of %s keeps what it holds in memory: set TMPDIR to a directory on a disk", dir)
	}
	name := fill("f")
	require.Equal(t, all, cached(t, name, size))
	require.NoError(t, system{}.Settle(name))
	require.Less(t, cached(t, name, size), all/10)
}

func TestNoFileStaysOpen(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would close what nobody can reach
	where := filepath.Join(t.TempDir(), "j")
	opened := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(names)
	}
	h := Header{JournalID: "a"}
	before := 0
	for i := range 3 {
		w, err := Create(where, h, nil)
		if i > 0 {
			require.ErrorIs(t, err, ErrExists)
			w, _, err = Open(where, h, nil)
		}
		require.NoError(t, err)
		_, _, err = Open(where, h, nil)
		require.ErrorIs(t, err, ErrInUse)
		require.NoError(t, w.Close())
		claim, err := Claim(where, nil)
		require.NoError(t, err)
		require.NoError(t, claim.Close())
		if i == 0 {
			before = opened() // those of the runtime among them
		}
		require.Equal(t, before, opened())
	}
}

func TestAFlushThatTheSystemRefusesIsAnError(t *testing.T) {
	require.ErrorIs(t, system{}.SyncDir("/proc"), unix.EINVAL)
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	require.ErrorIs(t, system{}.Settle(pipe), unix.EINVAL)
}

func TestALinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "00000001.seg")
	require.NoError(t, os.Symlink(filepath.Join(dir, "elsewhere"), name))
	_, err := system{}.Create(name)
	require.ErrorIs(t, err, unix.ELOOP)
}
