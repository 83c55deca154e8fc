// The reserve: what it saves, and what it is for.

package journal_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

func TestWithAReserveTheNextSegmentTakesTwoFlushesAndNoRoom(t *testing.T) {
	d := newDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	require.NoError(t, w.Reserve())
	write(t, w, []int{30000, 30000})
	calls, syncs := d.calls, d.syncs
	require.NoError(t, w.Reserve())
	require.Equal(t, calls, d.calls, "there is one")
	write(t, w, []int{30000}) // does not fit any more
	require.Equal(t, 3, d.syncs-syncs, "the header, the end of the segment before, and the group")
	for _, c := range d.trace[calls:] {
		require.NotContains(t, c, "create")
	}
	require.NoError(t, w.Close())
	rec, got := scan(t, dir, options(d.cut(losses(0)[0])))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, uint32(2), rec.Segment)
	wantBodies(t, got, 30000, 30000, 30000)
	goOn(t, d, 30000, 30000, 30000)
}

func TestAFullMediumTakesOneSegmentMore(t *testing.T) {
	d := newDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	require.NoError(t, w.Reserve())
	d.fault = func(_ int, op, name string) *fault {
		if op == "create" || op == "write" && d.nodes[name] != nil && len(d.nodes[name].cache) < small {
			return &fault{err: syscall.ENOSPC}
		}
		return nil
	}
	write(t, w, []int{30000, 30000}, []int{30000})
	err = w.Reserve()
	require.ErrorIs(t, err, journal.ErrDiskFull)
	require.ErrorContains(t, err, "no segment in reserve")
	require.ErrorContains(t, err, "free some space")
	write(t, w, []int{30000})
	require.NoError(t, w.Append(5, body(5, 30000)))
	require.ErrorIs(t, w.Commit(), journal.ErrDiskFull, "now it is full")
	require.Equal(t, uint64(4), w.Durable())
	require.ErrorIs(t, w.Close(), journal.ErrDiskFull)
}

func TestPrepareKeepsAReserveBesideAWriterUntilEitherEnds(t *testing.T) {
	d := newDisk()
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
	require.NoError(t, w.Reserve(), "a closed writer needs none")
	rec, got := scan(t, dir, options(d.cut(losses(0)[0])))
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
