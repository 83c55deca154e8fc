// The order of calls, and the edges of a segment.

package journal_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// sinceThen returns what was asked of the disk since the last time, one per line.
func sinceThen(d *journaltest.Disk) string {
	return strings.ReplaceAll(strings.Join(d.Trace(), "\n"), "j/segments/", "")
}

// A segment is zeros, durable under its name, before it has a header, and has
// a header before the segment before it is ended.
func TestTheOrderOfCallsIsTheOneThatRecoveryReliesOn(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	require.Equal(t, `mkdir j
lock j/lock
mkdir j/segments
mkdir j/quarantine
syncdir j
syncdir .
list j/segments
create 00000001.seg
write 00000001.seg
sync 00000001.seg
syncdir j/segments
write 00000001.seg
write 00000001.seg
sync 00000001.seg`, sinceThen(d))

	write(t, w, []int{40000})
	require.Equal(t, "write 00000001.seg\nsync 00000001.seg", sinceThen(d))

	write(t, w, []int{40000})
	require.Equal(t, `create 00000002.seg
write 00000002.seg
sync 00000002.seg
syncdir j/segments
write 00000002.seg
write 00000002.seg
sync 00000002.seg
write 00000001.seg
sync 00000001.seg
close 00000001.seg
write 00000002.seg
sync 00000002.seg`, sinceThen(d))

	require.NoError(t, w.Close())
	require.Equal(t, "write 00000002.seg\nsync 00000002.seg\nclose 00000002.seg", sinceThen(d))
}

// Recovery flushes before it reads, sets aside before it begins, and writes
// to no file that it found.
func TestTheOrderOfCallsOfARecovery(t *testing.T) {
	d := newSample(t, true).d
	f, err := d.Create(path(seg2))
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("torn"), 50000)
	require.NoError(t, err)
	d.Trace()
	_, rec, err := journal.Open(dir, head, options(d))
	require.NoError(t, err)
	got := strings.ReplaceAll(sinceThen(d), filepath.ToSlash(rec.Quarantined), "TORN")
	require.Equal(t, `list j/segments
lock j/lock
mkdir j/segments
mkdir j/quarantine
syncdir j
list j/segments
settle 00000001.seg
settle 00000002.seg
syncdir j/segments
list j/segments
read 00000001.seg
read 00000002.seg
read 00000002.seg
read TORN
create TORN
write TORN
close TORN
settle TORN
syncdir j/quarantine
create 00000003.seg
write 00000003.seg
sync 00000003.seg
syncdir j/segments
write 00000003.seg
write 00000003.seg
sync 00000003.seg`, got)
}

func TestAnInterruptedCopyInQuarantineIsMadeWhole(t *testing.T) {
	s := newSample(t, true)
	d := s.d.Copy()
	raw := d.Content(path(seg2))
	copy(raw[50000:], "torn bytes")
	d.Put(path(seg2), raw)
	_, rec, err := journal.Open(dir, head, options(d.Copy()))
	require.NoError(t, err)
	for _, copied := range [][]byte{[]byte("to"), make([]byte, rec.TailBytes)} {
		d := d.Copy()
		d.Put(rec.Quarantined, copied)
		_, rec, err := journal.Open(dir, head, options(d))
		require.NoError(t, err)
		torn := d.Content(rec.Quarantined)
		require.Len(t, torn, int(rec.TailBytes))
		require.True(t, strings.HasSuffix(string(torn), "torn bytes"))
	}
}

func TestAWholeCopyInQuarantineIsNotWrittenAgain(t *testing.T) {
	s := newSample(t, true)
	raw := s.last()
	copy(raw[50000:], "torn bytes")
	d := s.replaced(s.lastSeg, raw)
	d.Fault = func(_ int, op, name string) *journaltest.Fault {
		if op == "create" && strings.HasSuffix(name, ".seg") {
			return &journaltest.Fault{Err: syscall.EIO}
		}
		return nil
	}
	_, rec, err := journal.Open(dir, head, options(d))
	require.ErrorIs(t, err, syscall.EIO)
	require.NotEmpty(t, rec.Quarantined)
	d.Fault = nil
	d.Trace()
	_, again, err := journal.Open(dir, head, options(d))
	require.NoError(t, err)
	require.Equal(t, rec.Quarantined, again.Quarantined)
	trace := sinceThen(d)
	require.NotContains(t, trace, "write j/quarantine")
	require.Contains(t, trace, "settle j/quarantine", "it may never have been flushed")
}

func TestStrangersBesideTheSegmentsAreLeftAlone(t *testing.T) {
	d := newSample(t, true).d
	for _, name := range []string{"x.tmp", "zz", "1.seg", "00000000.seg", "000000001.seg", "100000000.seg", "00000002.seg.tmp"} {
		d.Put(filepath.Join(dir, "segments", name), []byte("x"))
	}
	d.Trace()
	_, rec, err := journal.Open(dir, head, options(d))
	require.NoError(t, err)
	require.Contains(t, rec.Path, `"zz" is no segment; left alone`)
	require.Contains(t, rec.Path, `"100000000.seg" is no segment; left alone`)
	trace := sinceThen(d)
	require.Contains(t, trace, "settle 00000001.seg\nsettle 00000002.seg\n")
	require.NotContains(t, trace, "zz")
}

func TestAnEpochWithoutRecordsNeedsNoPromise(t *testing.T) {
	d := newSample(t, true).d
	w, _, err := journal.Open(dir, head, options(d))
	require.NoError(t, err)
	writes := d.Calls("write")
	require.NoError(t, w.Close())
	require.Equal(t, writes, d.Calls("write"))
}

func TestASegmentCanBeFilledToItsLastByte(t *testing.T) {
	for fill := 31000; fill < 31240; fill++ { // 31,120 bytes fit behind the first group
		for _, last := range []int{0, 1, 60000} {
			d := journaltest.NewDisk()
			w, err := journal.Create(dir, head, options(d))
			require.NoError(t, err)
			groups := [][]int{{40000}, {fill}}
			sizes := []int{40000, fill}
			if last > 0 {
				groups = append(groups, []int{last})
				sizes = append(sizes, last)
			}
			write(t, w, groups...)
			require.NoError(t, w.Close())
			rec, got := scan(t, dir, options(d))
			where := fmt.Sprintf("filled to %d, then %d: %v", fill, last, rec.Path)
			require.Equal(t, journal.Clean, rec.Outcome, where)
			require.Zero(t, rec.Warnings, where)
			require.Equal(t, fill > 31120 || last > 0, rec.Segment > 1, where)
			wantBodies(t, got, sizes...)
		}
	}
}

func TestAnEmptySegmentFileIsUsedAndAnUnfinishedOneLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":            {nil, seg1},
		"zeros":            {make([]byte, 5000), seg1},
		"part of a header": {[]byte("bkjour"), seg2},
	} {
		d := journaltest.NewDisk()
		w, err := journal.Create(dir, head, options(d))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		d.Put(path(seg1), c.content)
		w, err = journal.Create(dir, head, options(d))
		require.NoError(t, err, name)
		write(t, w, []int{10})
		require.NoError(t, w.Close())
		rec, got := scan(t, dir, options(d))
		require.Equal(t, journal.Clean, rec.Outcome, name)
		wantBodies(t, got, 10)
		require.Equal(t, path(c.want), filepath.Join(dir, "segments", fmt.Sprintf("%08d.seg", rec.Segment)), name)
	}
}

func TestWhatAnUnfinishedSegmentIsReadIntoIsUsedForOneFileAtATime(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	d.Put(path(seg1), append([]byte("bkjour"), make([]byte, small-6)...))
	w, err = journal.Create(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{60000}, []int{60000}, []int{60000})
	require.NoError(t, w.Close())
	rec, got := scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome, "%v", rec.Path)
	require.Equal(t, uint32(4), rec.Segment)
	wantBodies(t, got, 60000, 60000, 60000)
}

func TestALostSegmentWithoutRecordsIsAWarning(t *testing.T) {
	d := journaltest.NewDisk()
	var sizes []int
	for i := range 3 {
		w, _, err := journal.Open(dir, head, options(d))
		if i == 0 {
			w, err = journal.Create(dir, head, options(d))
		}
		require.NoError(t, err)
		if i != 1 {
			write(t, w, []int{9})
			sizes = append(sizes, 9)
		}
		require.NoError(t, w.Close())
	}
	d.Lose(path(seg2))
	rec, got := scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, 1, rec.Warnings)
	require.Contains(t, rec.Path, "segment 3 is said to follow segment 2, which cannot be read and held no record")
	wantBodies(t, got, sizes...)
}

func TestAShortWriteWithoutAnErrorIsAFailure(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	d.Fault = at(d.Calls("")+1, journaltest.Fault{Half: true})
	require.NoError(t, w.Append(1, body(1, 100)))
	require.ErrorContains(t, w.Commit(), "short write")
}

func TestAnEmptySegmentFileOfAFarNumberIsNoEndOfAllNumbers(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{10})
	require.NoError(t, w.Close())
	far := strings.Replace(path(seg1), "00000001", "99999999", 1)
	d.Put(far, nil)
	w, _, err = journal.Open(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{30000, 30000}, []int{30000})
	require.NoError(t, w.Close())
	rec, got := scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, uint32(3), rec.Segment)
	wantBodies(t, got, 10, 30000, 30000, 30000)
}

func TestAClaimKeepsWritersOutAndFlushesWhatItFinds(t *testing.T) {
	d := newSample(t, true).d
	claim, err := journal.Claim(dir, options(d))
	require.NoError(t, err)
	require.Equal(t, `lock j/lock
list j/segments
settle 00000001.seg
settle 00000002.seg
syncdir j/segments`, sinceThen(d))
	_, _, err = journal.Open(dir, head, options(d))
	require.ErrorIs(t, err, journal.ErrInUse)
	_, err = journal.Claim(dir, options(d))
	require.ErrorIs(t, err, journal.ErrInUse)
	require.NoError(t, claim.Close())
	d.Fault = at(d.Calls("")+3, journaltest.Fault{Err: syscall.EIO})
	_, err = journal.Claim(dir, options(d))
	require.ErrorIs(t, err, syscall.EIO)
	w, _, err := journal.Open(dir, head, options(d))
	require.NoError(t, err, "both gave it back")
	require.NoError(t, w.Close())
}

func TestALargeSegmentIsFilledInPartsToItsSize(t *testing.T) {
	opt := func(d *journaltest.Disk) *journal.Options { return &journal.Options{Storage: d, Segment: 300 << 10} }
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, opt(d))
	require.NoError(t, err)
	require.Contains(t, sinceThen(d), `
create 00000001.seg
write 00000001.seg
write 00000001.seg
sync 00000001.seg
syncdir j/segments
`)
	require.NoError(t, w.Close())
	raw := d.Content(path(seg1))
	require.Len(t, raw, 300<<10)
	require.Zero(t, used(raw[headerSize:len(raw)-headerSize]))
	for part := 1; part <= 2; part++ {
		d, writes := journaltest.NewDisk(), 0
		d.Fault = func(_ int, op, _ string) *journaltest.Fault {
			if op == "write" {
				writes++
			}
			if op == "write" && writes == part {
				return &journaltest.Fault{Err: syscall.EIO}
			}
			return nil
		}
		_, err := journal.Create(dir, head, opt(d))
		require.ErrorIs(t, err, syscall.EIO, "part %d", part)
	}
}

func TestOptionsThatAreZeroAndTheSmallestPending(t *testing.T) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, &journal.Options{Storage: d})
	require.NoError(t, err)
	require.Equal(t, 1<<20, w.Room())
	require.Len(t, d.Content(path(seg1)), 256<<10)
	require.NoError(t, w.Close())

	d = journaltest.NewDisk()
	opt := options(d)
	opt.Pending = journal.MaxBody + 16
	_, err = journal.Create(dir, head, opt)
	require.ErrorContains(t, err, "Options.Pending")
	opt.Pending = journal.MaxBody + 24
	w, err = journal.Create(dir, head, opt)
	require.NoError(t, err)
	require.NoError(t, w.Append(1, body(1, journal.MaxBody)), "it holds one record of any size")
	require.Zero(t, w.Room())
	require.ErrorIs(t, w.Append(2, []byte("x")), journal.ErrFull)
	require.NoError(t, w.Close())
	_, got := scan(t, dir, opt)
	wantBodies(t, got, journal.MaxBody)
}
