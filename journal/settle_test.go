// What is settled beside a writer is there after any cut, and is what a scan finds.

package journal_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

func TestWhatIsSettledBetweenWriteAndFlushIsThereAfterACutOfPower(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{100, 200})
	var settled journal.Chain
	d.OnSync = func() { // the writer has written a group, and is killed before it is flushed
		d.OnSync = nil
		settled, err = journal.Settle(dir, &journal.Options{Storage: d})
	}
	write(t, w, []int{300})
	require.NoError(t, err)
	require.EqualValues(t, 3, settled.N)
	rec, _ := scan(t, dir, options(d.Cut(journaltest.Loss{})))
	require.Equal(t, settled, rec.Head)
}

func TestWithoutSettlingItIsNot(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{100, 200})
	var cut *journaltest.Disk
	d.OnSync = func() {
		d.OnSync = nil
		rec, _ := scan(t, dir, options(d))
		require.EqualValues(t, 3, rec.Head.N, "it is seen")
		cut = d.Cut(journaltest.Loss{})
	}
	write(t, w, []int{300})
	rec, _ := scan(t, dir, options(cut))
	require.EqualValues(t, 2, rec.Head.N)
}

func TestWhatAFailedFlushHasDroppedIsNotSettledAlthoughTheCacheShowsIt(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{100, 200})
	d.Fault = func(_ int, op, _ string) *journaltest.Fault {
		if op == "sync" {
			return &journaltest.Fault{Err: errors.New("I/O error")}
		}
		return nil
	}
	require.NoError(t, w.Append(3, body(3, 300)))
	require.ErrorIs(t, w.Commit(), journal.ErrFailed)
	rec, _ := scan(t, dir, options(d))
	require.EqualValues(t, 3, rec.Head.N, "the cache shows it")
	at, err := journal.Settle(dir, &journal.Options{Storage: d})
	require.NoError(t, err)
	require.EqualValues(t, 2, at.N)
}

func TestADiskThatDoesNotFlushSettlesNothing(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{100})
	d.Fault = func(_ int, op, _ string) *journaltest.Fault {
		if op == "settle" {
			return &journaltest.Fault{Err: errors.New("I/O error")}
		}
		return nil
	}
	_, err = journal.Settle(dir, &journal.Options{Storage: d})
	require.ErrorContains(t, err, "I/O error")
	at, err := journal.Settle(dir, &journal.Options{Storage: d, After: w.Head()})
	require.NoError(t, err, "what was settled before is not flushed again")
	require.Equal(t, w.Head(), at)
	at, err = journal.Settle(path("nowhere"), &journal.Options{Storage: d})
	require.NoError(t, err)
	require.Zero(t, at)
}

func TestASegmentThatIsReleasedWhileItIsSettledIsNoError(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{100, 200})
	gone := 0
	d.Fault = func(_ int, op, _ string) *journaltest.Fault {
		if op == "settle" && gone == 0 {
			gone++
			return &journaltest.Fault{Err: fs.ErrNotExist}
		}
		return nil
	}
	at, err := journal.Settle(dir, &journal.Options{Storage: d})
	require.NoError(t, err)
	require.Equal(t, 1, gone)
	require.Equal(t, w.Head(), at)
}
