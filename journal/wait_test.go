// Wait: when it tells, and what.

package journal_test

import (
	"context"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

func TestWaitTellsWhenARecordIsDurableOrWillNeverBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := journaltest.NewDisk()
		w, err := journal.Create(dir, head, options(d))
		require.NoError(t, err)
		require.NoError(t, w.Wait(t.Context(), 0))
		require.ErrorIs(t, w.Wait(t.Context(), 1), journal.ErrOrder, "nobody has appended it")

		held, go1 := make(chan struct{}), make(chan struct{})
		d.Fault = func(_ int, op, _ string) *journaltest.Fault {
			if op == "sync" {
				held <- struct{}{}
				<-go1
			}
			return nil
		}
		told := make(chan uint64, 4)
		waits := func(seq uint64) {
			if err := w.Wait(t.Context(), seq); err == nil && w.Durable() >= seq {
				told <- seq
			}
		}
		require.NoError(t, w.Append(1, []byte("one")))
		go waits(1) // not yet on its way
		committed := make(chan error, 2)
		go func() { committed <- w.Commit() }()
		<-held
		go waits(1) // on its way
		require.NoError(t, w.Append(2, []byte("two")))
		go waits(2)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, w.Wait(ended, 2), context.Canceled)
		synctest.Wait()
		require.Empty(t, told, "nothing is durable")
		go1 <- struct{}{}
		require.NoError(t, <-committed)
		synctest.Wait()
		require.Equal(t, []uint64{1, 1}, []uint64{<-told, <-told})
		require.Empty(t, told, "the second is not durable")

		go func() { committed <- w.Close() }()
		<-held
		synctest.Wait()
		require.Empty(t, told, "Close has not made it durable yet")
		require.ErrorIs(t, w.Append(3, []byte("three")), journal.ErrClosed)
		go1 <- struct{}{}
		<-held
		go1 <- struct{}{} // the promise
		require.NoError(t, <-committed)
		require.Equal(t, uint64(2), <-told)
		require.NoError(t, w.Wait(t.Context(), 2))
		require.ErrorIs(t, w.Wait(t.Context(), 3), journal.ErrOrder)
	})
}

func TestWaitEndsWithAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := journaltest.NewDisk()
		w, err := journal.Create(dir, head, options(d))
		require.NoError(t, err)
		write(t, w, []int{5})
		d.Fault = func(_ int, op, _ string) *journaltest.Fault {
			if op == "sync" {
				return &journaltest.Fault{Err: syscall.EIO}
			}
			return nil
		}
		require.NoError(t, w.Append(2, []byte("two")))
		told := make(chan error, 1)
		go func() { told <- w.Wait(t.Context(), 2) }()
		synctest.Wait()
		require.ErrorIs(t, w.Commit(), syscall.EIO)
		require.ErrorIs(t, <-told, syscall.EIO)
		require.ErrorIs(t, w.Wait(t.Context(), 2), journal.ErrFailed)
		require.NoError(t, w.Wait(t.Context(), 1), "it was durable before")
	})
}

func TestAFailureIsToldToThoseWhoWaitForTheNextGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := journaltest.NewDisk()
		w, err := journal.Create(dir, head, options(d))
		require.NoError(t, err)
		held, go1 := make(chan struct{}), make(chan struct{})
		d.Fault = func(_ int, op, _ string) *journaltest.Fault {
			if op != "sync" {
				return nil
			}
			held <- struct{}{}
			<-go1
			return &journaltest.Fault{Err: syscall.EIO}
		}
		told := make(chan error, 3)
		require.NoError(t, w.Append(1, []byte("one")))
		go func() { told <- w.Commit() }()
		<-held
		require.NoError(t, w.Append(2, []byte("two")))
		go func() { told <- w.Wait(t.Context(), 1) }()
		go func() { told <- w.Wait(t.Context(), 2) }()
		synctest.Wait()
		require.Empty(t, told)
		go1 <- struct{}{}
		for range 3 {
			require.ErrorIs(t, <-told, syscall.EIO)
		}
	})
}

func TestCloseWaitsForACommitUnderWay(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	under, stall := make(chan struct{}, 2), make(chan struct{})
	d.OnSync = func() {
		under <- struct{}{}
		<-stall
	}
	require.NoError(t, w.Append(1, body(1, 10)))
	ended := make(chan error, 2)
	go func() { ended <- w.Commit() }()
	<-under
	go func() { ended <- w.Close() }()
	for range 10_000 { // Close waits for a mutex, of which no bubble can tell
		runtime.Gosched()
	}
	require.Zero(t, d.Calls("close"))
	close(stall)
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
	rec, got := scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome)
	wantBodies(t, got, 10)
}

func TestRunCommitsWhatWasAppendedWhileItFlushedAsItsContextEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := journaltest.NewDisk()
		w, err := journal.Create(dir, head, options(d))
		require.NoError(t, err)
		stall := make(chan struct{})
		d.OnSync = func() { <-stall }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		require.NoError(t, w.Append(1, body(1, 100)))
		synctest.Wait() // Run is now in the flush
		require.NoError(t, w.Append(2, body(2, 100)))
		cancel()
		close(stall)
		require.NoError(t, <-done)
		require.Equal(t, uint64(2), w.Durable(), "Run commits what is left")
	})
}
