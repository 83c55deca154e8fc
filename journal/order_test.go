// The order of calls, and the edges of a segment.

package journal_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

// calls returns what was asked of the disk since the last time, one per line.
func (d *disk) sinceThen() string {
	s := strings.Join(d.trace, "\n")
	d.trace = nil
	return strings.ReplaceAll(s, "j/segments/", "")
}

// A segment is zeros, durable under its name, before it has a header, and has
// a header before the segment before it is ended.
func TestTheOrderOfCallsIsTheOneThatRecoveryReliesOn(t *testing.T) {
	d := newDisk()
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
write 00000001.seg
sync 00000001.seg
syncdir j/segments
write 00000001.seg
write 00000001.seg
sync 00000001.seg`, d.sinceThen())

	write(t, w, []int{40000})
	require.Equal(t, "write 00000001.seg\nsync 00000001.seg", d.sinceThen())

	write(t, w, []int{40000})
	require.Equal(t, `create 00000002.seg
write 00000002.seg
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
sync 00000002.seg`, d.sinceThen())

	require.NoError(t, w.Close())
	require.Equal(t, "write 00000002.seg\nsync 00000002.seg\nclose 00000002.seg", d.sinceThen())
}

// Recovery flushes before it reads, sets aside before it begins, and writes
// to no file that it found.
func TestTheOrderOfCallsOfARecovery(t *testing.T) {
	d := newSample(t, true).d
	d.nodes[path(seg2)].write([]byte("torn"), 50000)
	_, rec, err := journal.Open(dir, head, options(d))
	require.NoError(t, err)
	got := strings.ReplaceAll(d.sinceThen(), filepath.ToSlash(rec.Quarantined), "TORN")
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
write 00000003.seg
sync 00000003.seg
syncdir j/segments
write 00000003.seg
write 00000003.seg
sync 00000003.seg`, got)
}

func TestAnInterruptedCopyInQuarantineIsMadeWhole(t *testing.T) {
	s := newSample(t, true)
	d := s.d.clone()
	copy(d.nodes[path(seg2)].cache[50000:], "torn bytes")
	d = d.clone()
	_, rec, err := journal.Open(dir, head, options(d.clone()))
	require.NoError(t, err)
	d.nodes[rec.Quarantined] = &node{cache: []byte("to"), media: []byte("to")}
	_, rec, err = journal.Open(dir, head, options(d))
	require.NoError(t, err)
	torn := d.nodes[rec.Quarantined].media
	require.Len(t, torn, int(rec.TailBytes))
	require.True(t, strings.HasSuffix(string(torn), "torn bytes"))
}

func TestASegmentCanBeFilledToItsLastByte(t *testing.T) {
	for fill := 72400; fill < 72800; fill += 8 {
		for _, last := range []int{0, 1, 60000} {
			d := newDisk()
			w, err := journal.Create(dir, head, options(d))
			require.NoError(t, err)
			groups := [][]int{{40000}, {fill - 40000 - 2*24 - 2*88 - 1}}
			sizes := []int{40000, groups[1][0]}
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
		d := newDisk()
		w, err := journal.Create(dir, head, options(d))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		d.nodes[path(seg1)] = &node{cache: c.content, media: c.content}
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

func TestALostSegmentWithoutRecordsIsAWarning(t *testing.T) {
	d := newDisk()
	var sizes []int
	for i := range 3 {
		w, _, err := begin(d)
		require.NoError(t, err)
		if i != 1 {
			write(t, w, []int{9})
			sizes = append(sizes, 9)
		}
		require.NoError(t, w.Close())
	}
	delete(d.nodes, path(seg2))
	rec, got := scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, 1, rec.Warnings)
	require.Contains(t, rec.Path, "segment 3 is said to follow segment 2, which cannot be read and held no record")
	wantBodies(t, got, sizes...)
}

func TestAShortWriteWithoutAnErrorIsAFailure(t *testing.T) {
	d := newDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	d.fault = at(d.calls+1, fault{half: true})
	require.NoError(t, w.Append(1, body(1, 100)))
	require.ErrorContains(t, w.Commit(), "short write")
}

func TestAnEmptySegmentFileOfAFarNumberIsNoEndOfAllNumbers(t *testing.T) {
	d := newDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{10})
	require.NoError(t, w.Close())
	far := strings.Replace(path(seg1), "00000001", "99999999", 1)
	d.nodes[far] = &node{}
	w, _, err = journal.Open(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{30000, 30000}, []int{30000})
	require.NoError(t, w.Close())
	rec, got := scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, uint32(3), rec.Segment)
	wantBodies(t, got, 10, 30000, 30000, 30000)
}
