// The disk by itself: what it keeps, what it loses, how it fails.

package journaltest_test

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// written returns a disk with one file, its name durable, and the file.
func written(t *testing.T, synced, pending []byte) (*journaltest.Disk, journal.File) {
	t.Helper()
	d := journaltest.NewDisk()
	f, err := d.Create("f")
	require.NoError(t, err)
	require.NoError(t, d.SyncDir("."))
	_, err = f.WriteAt(synced, 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	_, err = f.WriteAt(pending, 0)
	require.NoError(t, err)
	return d, f
}

func TestACutKeepsWhatWasFlushedAndOfTheRestWhatTheLossSays(t *testing.T) {
	synced, pending := bytes.Repeat([]byte("o"), 1024), bytes.Repeat([]byte("n"), 1536)
	d, _ := written(t, synced, pending)
	names, sectors := d.Pending()
	require.Equal(t, []int{0, 3}, []int{names, sectors})
	for letters, want := range map[string][]byte{
		"":    synced,
		"000": synced,
		"111": pending,
		"010": append(bytes.Clone(synced[:512]), pending[:512]...),
		"100": append(bytes.Clone(pending[:512]), synced[:512]...),
		"001": append(bytes.Clone(synced), pending[:512]...),
		"z":   append(make([]byte, 512), synced[:512]...),
		"f":   append(bytes.Repeat([]byte{0xFF}, 512), synced[:512]...),
		"b":   append(append(bytes.Clone(pending[:128]), synced[:384]...), synced[:512]...),
		"B":   append(append(bytes.Clone(synced[:128]), pending[:384]...), synced[:512]...),
	} {
		require.Equal(t, want, d.Cut(journaltest.Loss{Sectors: letters}).Content("f"), "%q", letters)
	}
	require.Equal(t, pending, d.Cut(d.Kept()).Content("f"))
	require.Equal(t, pending, d.Content("f"), "reads show the cache")
	require.NoError(t, d.Settle("f"))
	require.Equal(t, pending, d.Cut(journaltest.Loss{}).Content("f"))
}

func TestATornSectorIsRuined(t *testing.T) {
	synced := bytes.Repeat([]byte("o"), 1024)
	d, f := written(t, synced, nil)
	_, err := f.WriteAt(bytes.Repeat([]byte("n"), 200), 100)
	require.NoError(t, err)
	for _, how := range []string{"z", "f", "r"} {
		got := d.Cut(journaltest.Loss{Sectors: how}).Content("f")
		require.NotContains(t, string(got[:512]), "nnnn")
		require.NotContains(t, string(got[:512]), "oooo")
		require.Equal(t, synced[512:], got[512:], "the one beside it is not")
	}
}

func TestANameIsLostUntilItsDirectoryIsFlushed(t *testing.T) {
	d := journaltest.NewDisk()
	require.NoError(t, d.Mkdir("a"))
	require.ErrorIs(t, d.Mkdir("b/c"), fs.ErrNotExist)
	f, err := d.Create("a/f")
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("x"), 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.Empty(t, d.Cut(journaltest.Loss{}).Files())
	require.Empty(t, d.Cut(journaltest.Loss{Names: "01"}).Files(), "its directory did not survive")
	require.Equal(t, []string{"a/f"}, d.Cut(journaltest.Loss{Names: "11"}).Files())
	require.NoError(t, d.SyncDir("."))
	require.NoError(t, d.SyncDir("a"))
	require.Equal(t, []string{"a/f"}, d.Cut(journaltest.Loss{}).Files())
}

func TestAFailedFlushIsForgottenAndReadsGoOnShowingIt(t *testing.T) {
	bad := errors.New("bad")
	for _, c := range []struct {
		fault journaltest.Fault
		want  string
	}{
		{journaltest.Fault{Err: bad}, "old"},
		{journaltest.Fault{Err: bad, Done: true}, "new"},
	} {
		d, f := written(t, []byte("old"), []byte("new"))
		d.Fault = func(int, string, string) *journaltest.Fault { return &c.fault }
		require.ErrorIs(t, f.Sync(), bad)
		d.Fault = nil
		require.NoError(t, f.Sync(), "called clean")
		require.Equal(t, "new", string(d.Content("f")))
		require.Equal(t, c.want, string(d.Cut(d.Kept()).Content("f")))
		require.NoError(t, d.Settle("f"))
		require.Equal(t, c.want, string(d.Content("f")), "and now the medium")
	}
}

func TestAfterPowerWentEveryCallFails(t *testing.T) {
	d, f := written(t, []byte("old"), []byte("new"))
	last := d.Calls("")
	d.Fault = func(call int, op, name string) *journaltest.Fault {
		require.Equal(t, last+1, call)
		return &journaltest.Fault{Err: journaltest.ErrPower, Half: true, Power: true}
	}
	n, err := f.WriteAt([]byte("later"), 0)
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, journaltest.ErrPower)
	_, err = d.Read("f", 512, nil)
	require.ErrorIs(t, err, journaltest.ErrPower)
	require.ErrorIs(t, f.Sync(), journaltest.ErrPower)
	require.Equal(t, "law", string(d.Content("f")))
	require.Equal(t, "old", string(d.Cut(journaltest.Loss{}).Content("f")))
}

func TestCopiesOfADiskGoTheirOwnWays(t *testing.T) {
	d, f := written(t, []byte("old"), []byte("new"))
	lost, whole := d.Cut(journaltest.Loss{}), d.Copy()
	_, err := f.WriteAt([]byte("later"), 0)
	require.NoError(t, err)
	g, err := lost.Create("f")
	require.NoError(t, err)
	_, err = g.WriteAt([]byte("!"), 0)
	require.NoError(t, err)
	require.Equal(t, []string{"later", "!ld", "new"},
		[]string{string(d.Content("f")), string(lost.Content("f")), string(whole.Content("f"))})
	d.Lose("f")
	require.Nil(t, d.Content("f"))
	whole.Put("f", []byte("other"))
	require.Equal(t, "other", string(whole.Cut(journaltest.Loss{}).Content("f")))
}

func TestALockIsTakenOnce(t *testing.T) {
	d := journaltest.NewDisk()
	l, err := d.Lock("lock")
	require.NoError(t, err)
	_, err = d.Lock("lock")
	require.ErrorIs(t, err, journal.ErrInUse)
	require.NoError(t, l.Close())
	_, err = d.Lock("lock")
	require.NoError(t, err)
}
