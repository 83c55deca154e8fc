// Failing calls: what is told, and that nothing is tried twice. That nothing
// is lost, whichever call fails, is for enumerate_test.go.

package journal_test

import (
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// at makes one call fail.
func at(n int, f journaltest.Fault) func(int, string, string) *journaltest.Fault {
	return func(call int, _, _ string) *journaltest.Fault {
		if call == n {
			return &f
		}
		return nil
	}
}

func TestAFailureAtAnyCallOfARecoveryIsTold(t *testing.T) {
	s := newSample(t, true)
	raw := s.last()
	copy(raw[50000:], "torn bytes")
	whole := s.replaced(s.lastSeg, raw)
	_, _, err := journal.Open(dir, head, options(whole))
	require.NoError(t, err)
	for call := 1; call <= whole.Calls(""); call++ {
		for _, f := range []journaltest.Fault{{Err: syscall.EIO}, {Err: syscall.EIO, Half: true}, {Err: syscall.EIO, Done: true}} {
			d := s.replaced(s.lastSeg, raw)
			d.Fault = at(call, f)
			w, _, err := journal.Open(dir, head, options(d))
			require.ErrorIs(t, err, syscall.EIO, "call %d, %s", call, f)
			require.Nil(t, w)
			d.Fault = nil
			goOn(t, d.Cut(d.Kept()), s.sizes...)
			goOn(t, d, s.sizes...)
		}
	}
}

func TestAFailedFlushIsNotAcknowledgedAndNotRetried(t *testing.T) {
	for _, done := range []bool{false, true} {
		d := journaltest.NewDisk()
		w, err := journal.Create(dir, head, options(d))
		require.NoError(t, err)
		write(t, w, []int{137, 174})
		before := w.Head()
		d.Fault = at(d.Calls("")+2, journaltest.Fault{Err: syscall.EIO, Done: done})
		require.NoError(t, w.Append(3, body(3, 30000)))
		err = w.Commit()
		require.ErrorIs(t, err, journal.ErrFailed)
		require.ErrorContains(t, err, "writing records 3 to 3")
		require.ErrorContains(t, err, "records up to 2 are durable, later ones are not")
		calls := d.Calls("")
		require.Equal(t, err, w.Commit())
		require.Equal(t, err, w.Append(4, []byte("x")))
		require.Equal(t, calls, d.Calls(""), "storage is not used again")
		require.Equal(t, uint64(2), w.Durable())
		require.Equal(t, before, w.Head())
		require.ErrorIs(t, w.Close(), journal.ErrFailed)
		require.Equal(t, calls+1, d.Calls(""), "but to close the file")
		w, rec, err := journal.Open(dir, head, options(d))
		require.NoError(t, err)
		want := 2
		if done {
			want = 3
		}
		require.Equal(t, uint64(want), rec.Head.N, "what the medium holds counts, not what the cache shows")
		require.NoError(t, w.Close())
		_, got := scan(t, dir, options(d.Cut(journaltest.Loss{})))
		wantBodies(t, got, []int{137, 174, 30000}[:want]...)
	}
}

// noRoom fails what would make a file larger than it is now.
func noRoom(d *journaltest.Disk) func(int, string, string) *journaltest.Fault {
	whole := d.Files()
	return func(_ int, op, name string) *journaltest.Fault {
		if op == "write" && !slices.Contains(whole, name) {
			return &journaltest.Fault{Err: syscall.ENOSPC, Half: true}
		}
		return nil
	}
}

func TestAFullDiskSaysWhatIsDurableAndWhatToDo(t *testing.T) {
	d := journaltest.NewDisk()
	d.Fault = noRoom(d)
	_, err := journal.Create(dir, head, options(d))
	require.ErrorIs(t, err, journal.ErrDiskFull)
	require.ErrorContains(t, err, "free some space")
	d.Fault = nil
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err, "an unfinished segment is no journal")
	write(t, w, []int{30000, 30000})
	d.Fault = noRoom(d)
	require.NoError(t, w.Append(3, body(3, 30000)))
	err = w.Commit()
	require.ErrorIs(t, err, journal.ErrDiskFull)
	require.ErrorIs(t, err, journal.ErrFailed)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "disk full")
	require.ErrorContains(t, err, "records up to 2 are durable, later ones are not; free some space, then open the journal again")
	require.ErrorIs(t, w.Close(), journal.ErrFailed)
	_, _, err = journal.Open(dir, head, options(d))
	require.ErrorIs(t, err, journal.ErrDiskFull)
	require.ErrorContains(t, err, "records up to 2 are durable")
	d.Fault = nil
	goOn(t, d, slices.Repeat([]int{30000}, 2)...)
}

// life makes a journal of three segments, with reserves, and goes on until something fails.
func life(d *journaltest.Disk) {
	w, err := journal.Create(dir, head, options(d))
	if err != nil {
		return
	}
	_ = w.Reserve()
	for seq := uint64(1); seq <= 5 && err == nil; seq++ {
		if err = w.Append(seq, body(seq, 30000)); err == nil {
			err = w.Commit()
		}
	}
	_ = w.Reserve()
	_ = w.Close()
}

func TestEveryFileIsClosedWhateverFails(t *testing.T) {
	whole := journaltest.NewDisk()
	life(whole)
	for call := range whole.Calls("") + 1 { // none fails at first
		d, failed := journaltest.NewDisk(), ""
		d.Fault = func(n int, op, _ string) *journaltest.Fault {
			if n != call {
				return nil
			}
			failed = op
			return &journaltest.Fault{Err: syscall.EIO}
		}
		life(d)
		opened := d.Calls("create")
		if failed == "create" {
			opened--
		}
		require.Equal(t, opened, d.Calls("close"), "call %d, %s", call, failed)
	}
}

func TestAFailureWhereASegmentEndsIsFinal(t *testing.T) {
	begun := func() (*journaltest.Disk, *journal.Writer) {
		d := journaltest.NewDisk()
		w, err := journal.Create(dir, head, options(d))
		require.NoError(t, err)
		write(t, w, []int{30000, 30000})
		require.NoError(t, w.Append(3, body(3, 30000))) // does not fit any more
		return d, w
	}
	d, w := begun()
	first := d.Calls("") + 1
	require.NoError(t, w.Commit())
	for call := first; call <= d.Calls(""); call++ {
		d, w := begun()
		d.Fault = at(call, journaltest.Fault{Err: syscall.EIO})
		err := w.Commit()
		require.ErrorIs(t, err, syscall.EIO, "call %d", call)
		require.ErrorIs(t, err, journal.ErrFailed, "call %d", call)
		calls := d.Calls("")
		require.Equal(t, err, w.Append(4, []byte("x")))
		require.Equal(t, err, w.Commit())
		require.Equal(t, calls, d.Calls(""), "storage is not used again")
		require.Equal(t, uint64(2), w.Durable())
		require.ErrorIs(t, w.Close(), journal.ErrFailed)
	}
}
