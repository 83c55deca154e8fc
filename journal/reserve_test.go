// The reserve: what it saves, and what it is for.

package journal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

func TestWithAReserveTheNextSegmentTakesTwoFlushesAndNoRoom(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	require.NoError(t, w.Reserve())
	write(t, w, []int{30000, 30000})
	calls, syncs := d.Calls(""), d.Calls("sync")
	require.NoError(t, w.Reserve())
	require.Equal(t, calls, d.Calls(""), "there is one")
	d.Trace()
	write(t, w, []int{30000}) // does not fit any more
	require.Equal(t, 3, d.Calls("sync")-syncs, "the header, the end of the segment before, and the group")
	for _, c := range d.Trace() {
		require.NotContains(t, c, "create")
	}
	require.NoError(t, w.Close())
	rec, got := scan(t, dir, options(d.Cut(journaltest.Loss{})))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, uint32(2), rec.Segment)
	wantBodies(t, got, 30000, 30000, 30000)
	goOn(t, d, 30000, 30000, 30000)
}

func TestAFullMediumTakesOneSegmentMore(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	require.NoError(t, w.Reserve())
	d.Fault = noRoom(d)
	write(t, w, []int{30000, 30000}, []int{30000})
	err = w.Reserve()
	require.ErrorIs(t, err, journal.ErrDiskFull)
	require.ErrorContains(t, err, "no segment in reserve")
	require.ErrorContains(t, err, "free some space")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, w.Prepare(ended), journal.ErrDiskFull)
	write(t, w, []int{30000})
	require.NoError(t, w.Append(5, body(5, 30000)))
	require.ErrorIs(t, w.Commit(), journal.ErrDiskFull, "now it is full")
	require.Equal(t, uint64(4), w.Durable())
	require.ErrorIs(t, w.Close(), journal.ErrDiskFull)
}

func TestPrepareMakesAReserveForEachOneTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := journaltest.NewDisk()
		w, err := journal.Create(dir, head, options(d))
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- w.Prepare(t.Context()) }()
		write(t, w, []int{60000})
		for n := 2; n < 6; n++ {
			synctest.Wait()
			name := filepath.Join(dir, "segments", fmt.Sprintf("%08d.seg", n))
			require.Contains(t, d.Files(), name)
			write(t, w, []int{60000}) // does not fit behind the last
		}
		require.NoError(t, w.Close())
		require.NoError(t, <-ended)
	})
}

func TestPrepareKeepsAReserveBesideAWriterUntilEitherEnds(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	ended := make(chan error, 2)
	for range 2 { // two do no more than one
		go func() { ended <- w.Prepare(t.Context()) }()
	}
	var sizes []int
	for range 40 {
		write(t, w, []int{20000, 20000})
		sizes = append(sizes, 20000, 20000)
	}
	require.NoError(t, w.Close())
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
	files := d.Files()
	require.NoError(t, w.Reserve(), "a closed writer needs none")
	require.Equal(t, files, d.Files())
	rec, got := scan(t, dir, options(d.Cut(journaltest.Loss{})))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Zero(t, rec.Warnings, "%v", rec.Path)
	wantBodies(t, got, sizes...)

	w, _, err = journal.Open(dir, head, options(d))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, w.Prepare(ctx))
	require.NoError(t, w.Close())
}

func TestAClosedWriterMakesNoReserve(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	calls := d.Calls("")
	require.NoError(t, w.Reserve())
	require.Equal(t, calls, d.Calls(""))
}
