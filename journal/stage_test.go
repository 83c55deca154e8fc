// Staging: what goes into the ring while the disk is at work, and what no longer does.

package journal_test

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// counted counts the writes to a chip.
func counted(c *journaltest.Cells) *int {
	n := 0
	c.Fault = func(write bool, _ int64, _ int) error {
		if write {
			n++
		}
		return nil
	}
	return &n
}

func TestWhileAGroupIsFlushedNoRecordIsStagedTwiceOrOutOfOrder(t *testing.T) {
	for _, large := range []bool{false, true} {
		d := journaltest.NewDisk()
		cells, a := slot(t, 32<<10)
		w, err := journal.Create(dir, head, anchored(d, a))
		require.NoError(t, err)
		stage(t, w, 20_000)
		want := uint64(1)
		if large {
			require.NoError(t, w.Append(2, body(2, 12_000))) // for which the ring has no room
		}
		writes := counted(cells)
		d.OnSync = func() {
			d.OnSync = nil
			require.NoError(t, w.Stage())
			require.Zero(t, *writes, "all that can be staged is")
			seq := w.Tail().N + 1
			require.NoError(t, w.Append(seq, body(seq, 10)))
			require.NoError(t, w.Stage())
			if !large {
				want = seq
			}
			require.Equal(t, want, w.Durable())
		}
		require.NoError(t, w.Commit())
		require.Nil(t, d.OnSync)
		require.NoError(t, w.Close())
		rec, _ := scan(t, dir, anchored(d, taken(t, cells)))
		require.Equal(t, journal.Clean, rec.Outcome, rec.Path)
	}
}

func TestOneWriteOfTheRingHolds4KiB(t *testing.T) {
	_, a := slot(t, 64<<10)
	var told []uint64
	opt := anchored(journaltest.NewDisk(), a)
	opt.OnDurable = func(seq uint64) { told = append(told, seq) }
	w, err := journal.Create(dir, head, opt)
	require.NoError(t, err)
	stage(t, w, 1984, 1984, 1984, 1985)
	require.Equal(t, []uint64{2, 3, 4}, told)
	require.NoError(t, w.Close())
}

func TestStagingGoesOnWhenTheDiskHasWhatWasInTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := journaltest.NewDisk()
		_, a := slot(t, 32<<10)
		w, err := journal.Create(dir, head, anchored(d, a))
		require.NoError(t, err)
		stage(t, w, 20_000)
		done := make(chan error, 1)
		go func() { done <- w.Staging(t.Context()) }()
		d.OnSync = func() {
			d.OnSync = nil
			require.NoError(t, w.Append(2, body(2, 12_000)))
			synctest.Wait()
			require.Equal(t, uint64(1), w.Durable())
		}
		require.NoError(t, w.Commit())
		synctest.Wait()
		require.Equal(t, uint64(2), w.Durable())
		require.NoError(t, w.Close())
		require.NoError(t, <-done)
	})
}

func TestWhoWaitsForARecordIsToldWhenTheRingHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := slot(t, 64<<10)
		w, err := journal.Create(dir, head, anchored(journaltest.NewDisk(), a))
		require.NoError(t, err)
		require.NoError(t, w.Append(1, []byte("x")))
		done := make(chan error, 1)
		go func() { done <- w.Wait(t.Context(), 1) }()
		synctest.Wait()
		require.NoError(t, w.Stage())
		require.NoError(t, <-done)
		require.NoError(t, w.Close())
	})
}

func TestAChipThatWasGivenUpIsNotWrittenAgain(t *testing.T) {
	cells, a := slot(t, 64<<10)
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	cells.Fault = func(bool, int64, int) error { return syscall.EIO }
	require.NoError(t, w.Append(1, []byte("x")))
	dropped := w.Stage()
	require.ErrorIs(t, dropped, journal.ErrAnchor)
	writes := counted(cells)
	require.NoError(t, w.Append(2, []byte("y")))
	require.Equal(t, dropped, w.Stage())
	require.Equal(t, dropped, w.Staging(t.Context()), "at once, whoever found it")
	require.Zero(t, w.Durable())
	require.NoError(t, w.Commit())
	require.Equal(t, uint64(2), w.Durable())
	require.NoError(t, w.Close())
	require.Equal(t, dropped, w.Anchored())
	require.Zero(t, *writes)
}

func TestAWriterThatFailedOrWasClosedWritesNothingIntoItsChip(t *testing.T) {
	for _, fails := range []bool{false, true} {
		cells, a := slot(t, 64<<10)
		d := journaltest.NewDisk()
		w, err := journal.Create(dir, head, anchored(d, a))
		require.NoError(t, err)
		write(t, w, []int{5})
		require.NoError(t, w.Append(2, []byte("x")))
		if fails {
			d.Fault = at(d.Calls("")+2, journaltest.Fault{Err: syscall.EIO})
			require.ErrorIs(t, w.Commit(), journal.ErrFailed)
			require.Equal(t, uint64(1), w.Durable())
		} else {
			require.NoError(t, w.Close())
		}
		writes := counted(cells)
		require.NoError(t, w.Stage())
		require.NoError(t, w.Staging(t.Context()))
		require.Equal(t, fails, w.Close() != nil)
		require.Zero(t, *writes)
		require.Equal(t, map[bool]uint64{false: 2, true: 1}[fails], w.Durable())
		d.Fault = nil
		rec, _ := scan(t, dir, anchored(d, taken(t, cells)))
		closed := map[bool]string{false: "closed true", true: "closed false"}[fails]
		require.Contains(t, strings.Join(rec.Path, ";"), closed)
	}
}

func TestWhatWasAcceptedIsNotedOnce(t *testing.T) {
	cells, a := slot(t, 8<<10)
	w, err := journal.Create(dir, head, anchored(journaltest.NewDisk(), a))
	require.NoError(t, err)
	writes := counted(cells)
	require.NoError(t, w.Stage())
	require.Zero(t, *writes)
	stage(t, w, 5, 6)
	require.NoError(t, w.Stage())
	require.Equal(t, 1, *writes)
	require.NoError(t, w.Close())
}

func TestAnAnchorTellsADiskOfAnEarlierSegmentOrEpoch(t *testing.T) {
	d := journaltest.NewDisk()
	cells, a := slot(t, 64<<10)
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	write(t, w, []int{5})
	old := d.Cut(journaltest.Loss{})
	require.NoError(t, w.Close())
	w, _, err = journal.Open(dir, head, anchored(d, taken(t, cells)))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	rec, _ := scan(t, dir, anchored(old, taken(t, cells)))
	require.Equal(t, journal.TailLost, rec.Outcome)
	require.Contains(t, rec.Reason, "the disk ends in segment 1, epoch 1, and by the anchor segment 2 of epoch 2 was begun")
}
