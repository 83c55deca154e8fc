// A buffer that begins small takes as much as one that does not.

package journal

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALeanBufferGrowsToPendingAndNoFurther(t *testing.T) {
	var kept [2]uint64
	for i, lean := range []bool{false, true} {
		w, err := Create(t.TempDir(), Header{JournalID: "J"}, &Options{Lean: lean})
		require.NoError(t, err)
		body := make([]byte, 1000)
		for err == nil {
			if err = w.Append(kept[i]+1, body); err == nil {
				kept[i]++
			}
		}
		require.ErrorIs(t, err, ErrFull)
		require.Less(t, w.Room(), 1024)
		require.NoError(t, w.Commit())
		require.Equal(t, defaultPending, w.Room())
		require.Equal(t, kept[i], w.Durable())
		require.NoError(t, w.Close())
	}
	require.Equal(t, kept[0], kept[1])
}

func TestALeanWriterBeginsWithLittleAndItsGroupsAreWhole(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Header{JournalID: "J"}, &Options{Lean: true, Pending: 4 << 20})
	require.NoError(t, err)
	require.LessOrEqual(t, cap(w.pending)+cap(w.writing)+cap(w.group), 3*leanPending+2*sector)
	n := uint64(0)
	for _, records := range []int{1, 100, 3000, 2} { // each a kilobyte: groups far longer than what it begins with, and then short ones
		for range records {
			n++
			require.NoError(t, w.Append(n, make([]byte, 1000)))
		}
		require.NoError(t, w.Commit())
	}
	require.NoError(t, w.Close())
	read := uint64(0)
	rec, err := Scan(dir, func(uint64, []byte, Chain) error { read++; return nil }, nil)
	require.NoError(t, err)
	require.Equal(t, Clean, rec.Outcome)
	require.Equal(t, n, read)
}
