// Opening without reading all.

package journal_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// long makes a disk with a journal of seven segments of one record each.
func long(t *testing.T) *journaltest.Disk {
	t.Helper()
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	for range 7 {
		write(t, w, []int{50_000})
	}
	require.NoError(t, w.Close())
	return d
}

func quickly(d *journaltest.Disk) *journal.Options {
	opt := options(d)
	opt.Quick = true
	return opt
}

func TestAQuickOpenReadsTheHeadersAndTheLastThreeSegments(t *testing.T) {
	d := long(t)
	full, _ := scan(t, dir, quickly(d))
	require.EqualValues(t, 1, full.From, "Scan reads all")
	reads, settles := 0, d.Calls("settle")
	d.Fault = func(_ int, op, _ string) *journaltest.Fault {
		if op == "read" {
			reads++
		}
		return nil
	}
	w, rec, err := journal.Open(dir, head, quickly(d))
	require.Equal(t, 2, d.Calls("settle")-settles, "only there can be what was not flushed")
	require.NoError(t, err)
	require.Equal(t, full.Head, rec.Head)
	require.Equal(t, journal.Clean, rec.Outcome)
	require.EqualValues(t, 5, rec.From)
	require.Zero(t, rec.Warnings, rec.Path)
	require.Contains(t, strings.Join(rec.Path, "\n"), "segments 1 to 5 hold records 1 to 5 by their headers; of them segment 5 was read")
	require.Equal(t, 6+3, reads, "six headers, and three files")
	write(t, w, []int{10})
	require.NoError(t, w.Close())
	rec, _ = scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome, rec.Path)
	require.EqualValues(t, 8, rec.Head.N)
}

func TestAQuickOpenPassesOverEpochsWithoutRecords(t *testing.T) {
	d := long(t)
	for range 20 { // one boot after another, and nothing to record
		w, _, err := journal.Open(dir, head, quickly(d))
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	b := d.Content(path("j/segments/00000010.seg"))
	clear(b[:headerSize]) // a first copy is lost
	d.Put(path("j/segments/00000010.seg"), b)
	var whole []string
	d.Fault = func(_ int, op, name string) *journaltest.Fault {
		if op == "read" {
			whole = append(whole, name[len(name)-6:len(name)-4])
		}
		return nil
	}
	w, rec, err := journal.Open(dir, head, quickly(d))
	require.NoError(t, err)
	require.EqualValues(t, 7, rec.From)
	require.EqualValues(t, 7, rec.Head.N)
	require.Len(t, whole, 26+1+1+2, "headers, that of segment 10 from its second copy, segment 7, and the last two: %v", whole)
	require.NoError(t, w.Close())
}

func TestAQuickOpenLeavesDamageOfOldRecordsToScan(t *testing.T) {
	d := flipped(long(t), "j/segments/00000002.seg", 1000)
	_, rec, err := journal.Open(dir, head, options(d.Copy()))
	require.ErrorIs(t, err, journal.ErrDamaged)
	require.EqualValues(t, 2, rec.Missing)
	w, _, err := journal.Open(dir, head, quickly(d))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	rec, _ = scan(t, dir, options(d))
	require.Equal(t, journal.Damaged, rec.Outcome, "it is there to be found")
}

func TestWhereAHeaderIsNotAsItShouldBeAQuickOpenReadsAll(t *testing.T) {
	whole := long(t)
	for _, name := range []string{"00000001.seg", "00000003.seg", "00000004.seg", "00000005.seg", "00000006.seg"} {
		for at := 0; at < headerSize; at += 3 {
			d := flipped(whole.Copy(), "j/segments/"+name, at)
			_, want, wantErr := journal.Open(dir, head, options(d.Copy()))
			_, got, err := journal.Open(dir, head, quickly(d))
			require.Equal(t, wantErr == nil, err == nil, "%s, byte %d", name, at)
			require.Equal(t, want.Outcome, got.Outcome, "%s, byte %d", name, at)
			require.Equal(t, want.Head, got.Head, "%s, byte %d", name, at)
		}
	}
}

// flipped changes a byte of a file on the medium.
func flipped(d *journaltest.Disk, name string, at int) *journaltest.Disk {
	b := d.Content(path(name))
	b[at] ^= 0x10
	f, err := d.Create(path(name))
	assert(err)
	_, err = f.WriteAt(b[at:at+1], int64(at))
	assert(err)
	assert(f.Sync())
	return d
}

func TestAFailedReadOfAQuickOpenIsTold(t *testing.T) {
	whole := long(t)
	for failing := 1; failing <= 9; failing++ {
		d, reads := whole.Copy(), 0
		d.Fault = func(_ int, op, _ string) *journaltest.Fault {
			if op == "read" {
				reads++
			}
			if op == "read" && reads == failing {
				return &journaltest.Fault{Err: syscall.EIO}
			}
			return nil
		}
		_, _, err := journal.Open(dir, head, quickly(d))
		require.ErrorIs(t, err, syscall.EIO, "read %d", failing)
		require.Equal(t, failing, reads, "nothing is read after it")
	}
}

func TestAQuickOpenOfAJournalWithoutRecords(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, quickly(d))
	for range 5 {
		require.NoError(t, err)
		require.NoError(t, w.Close())
		w, _, err = journal.Open(dir, head, quickly(d))
	}
	require.NoError(t, err)
	write(t, w, []int{10})
	require.NoError(t, w.Close())
	rec, got := scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.EqualValues(t, 6, rec.Segment)
	wantBodies(t, got, 10)
}
