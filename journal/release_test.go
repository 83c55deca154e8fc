// A journal without its beginning: whole where a record of its own has released just that, damaged everywhere else.

package journal_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// sevenAnd makes a journal of seven segments of one record each, and behind the last of them the release of records up to last.
func sevenAnd(t *testing.T, last uint64, harm func(c *journal.Chain)) (*journaltest.Disk, *journal.Writer) {
	t.Helper()
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	var bodies [][]byte
	for range 7 {
		write(t, w, []int{50_000})
	}
	var at journal.Chain
	_, err = journal.Scan(dir, func(seq uint64, b []byte, c journal.Chain) error {
		if seq <= last {
			bodies, at = append(bodies, bytes.Clone(b)), c
		}
		return nil
	}, options(d))
	require.NoError(t, err)
	if harm != nil {
		harm(&at)
	}
	b, err := journaltest.Release(8, at, bodies)
	require.NoError(t, err)
	require.NoError(t, w.Append(8, b))
	require.NoError(t, w.Commit())
	return d, w
}

func segment(n int) string { return path("j/segments/0000000" + string(rune('0'+n)) + ".seg") }

// outcome scans what is there, from the first record that is.
func outcome(t *testing.T, d *journaltest.Disk) *journal.Recovery {
	t.Helper()
	rec, err := journal.Scan(dir, nil, options(d))
	require.NoError(t, err)
	return rec
}

func TestABeginningIsMissedUnlessItWasReleased(t *testing.T) {
	for gone := 1; gone <= 6; gone++ {
		d, w := sevenAnd(t, 4, nil)
		require.NoError(t, w.Close())
		for n := 1; n <= gone; n++ {
			d.Lose(segment(n))
		}
		rec := outcome(t, d)
		quick, opened, err := journal.Open(dir, head, quickly(d))
		if gone > 4 {
			require.Equal(t, journal.Damaged, rec.Outcome, "%d segments", gone)
			require.EqualValues(t, 1, rec.Missing)
			require.ErrorIs(t, err, journal.ErrDamaged)
			continue
		}
		require.Equal(t, journal.Clean, rec.Outcome, rec.Path)
		require.EqualValues(t, gone+1, rec.From)
		require.EqualValues(t, 4, rec.Released.Through.N)
		require.EqualValues(t, 8, rec.Released.Record)
		require.Zero(t, rec.Warnings, rec.Path)
		require.NoError(t, err)
		require.Equal(t, rec.Head, opened.Head)
		require.Equal(t, rec.Released.Through, opened.Released.Through)
		write(t, quick, []int{10})
		n, err := quick.Release(8)
		require.NoError(t, err)
		require.Equal(t, 4-gone, n, "what a cut had left")
		require.NoError(t, quick.Close())
		require.Equal(t, journal.Clean, outcome(t, d).Outcome)
	}
}

func TestAHoleIsNoBeginning(t *testing.T) {
	d, w := sevenAnd(t, 4, nil)
	require.NoError(t, w.Close())
	d.Lose(segment(1))
	d.Lose(segment(3))
	require.Equal(t, journal.Damaged, outcome(t, d).Outcome)
}

func TestAReleaseOfAnotherChainReleasesNothing(t *testing.T) {
	for _, gone := range []int{0, 2, 4} {
		d, w := sevenAnd(t, 4, func(c *journal.Chain) { c.Link[5] ^= 1 })
		_, err := w.Release(8)
		require.ErrorIs(t, err, journal.ErrRelease)
		require.ErrorContains(t, err, "another link")
		require.NoError(t, w.Close())
		require.Len(t, d.Files(), 7)
		for n := 1; n <= gone; n++ {
			d.Lose(segment(n))
		}
		want := map[bool]journal.Outcome{true: journal.Clean, false: journal.Damaged}[gone == 0]
		require.Equal(t, want, outcome(t, d).Outcome, "%d segments", gone)
	}
}

func TestEveryBitOfAReleaseCountsOnceTheBeginningIsGone(t *testing.T) {
	d, w := sevenAnd(t, 4, nil)
	_, err := w.Release(8)
	require.NoError(t, err)
	name := segment(7)
	good := d.Content(name)
	end := bytes.LastIndexFunc(good[:len(good)-512], func(r rune) bool { return r != 0 })
	for at := end - 1500; at <= end; at++ {
		bad := bytes.Clone(good)
		bad[at] ^= 1 << (at % 8)
		d.Put(name, bad)
		require.Equal(t, journal.Damaged, outcome(t, d).Outcome, "byte %d", at)
	}
}

func TestNothingIsReleasedButByADurableReleaseOfThisJournal(t *testing.T) {
	d, w := sevenAnd(t, 6, nil)
	for seq, says := range map[uint64]string{7: "record 7 is no release", 9: "the disk has acknowledged records up to 8"} {
		_, err := w.Release(seq)
		require.ErrorIs(t, err, journal.ErrRelease)
		require.ErrorContains(t, err, says)
	}
	require.NotNil(t, d.Content(seg1))
	before := w.Stats()
	n, err := w.Release(8)
	require.NoError(t, err)
	require.Equal(t, 6, n)
	require.Equal(t, before.Written, w.Stats().Written, "room is given back without a byte written")
	n, err = w.Release(8)
	require.NoError(t, err)
	require.Zero(t, n)
	write(t, w, []int{10})
	require.NoError(t, w.Close())
	require.Equal(t, journal.Clean, outcome(t, d).Outcome)
}

func TestReadingOnFromARecordReadsItsSegmentAndWhatFollows(t *testing.T) {
	d, w := sevenAnd(t, 4, nil)
	require.NoError(t, w.Close())
	chains := map[uint64]journal.Chain{}
	_, err := journal.Scan(dir, func(n uint64, _ []byte, c journal.Chain) error {
		chains[n] = c
		return nil
	}, options(d))
	require.NoError(t, err)
	for n, c := range chains {
		files := map[string]bool{}
		reads := 0
		d.Fault = func(_ int, op, name string) *journaltest.Fault {
			if op == "read" {
				reads++
				files[name] = true
			}
			return nil
		}
		opt := options(d)
		opt.After = c
		next := n
		rec, err := journal.Scan(dir, func(seq uint64, _ []byte, got journal.Chain) error {
			next++
			require.Equal(t, next, seq)
			require.Equal(t, chains[seq], got)
			return nil
		}, opt)
		require.NoError(t, err)
		require.EqualValues(t, 8, next)
		require.Equal(t, journal.Clean, rec.Outcome, rec.Path)
		require.Len(t, files, int(8-min(n, 7)), "record %d", n)
		opt.After.Link[0] ^= 1
		rec, err = journal.Scan(dir, nil, opt)
		require.NoError(t, err)
		require.Equal(t, journal.Rewritten, rec.Outcome)
		require.Equal(t, n, rec.Missing)
		d.Fault = nil
	}
	opt := options(d)
	opt.After = journal.Chain{N: 9}
	rec, err := journal.Scan(dir, nil, opt)
	require.NoError(t, err)
	require.Equal(t, journal.TailLost, rec.Outcome)
}

func TestATreeIsRestoredFromItsFrontier(t *testing.T) {
	var whole journal.Tree
	for n := range uint64(70) {
		part, err := journal.RestoreTree(whole.Size(), whole.Peaks())
		require.NoError(t, err)
		leaf := journal.Leaf([]byte{byte(n)})
		whole.Add(leaf)
		part.Add(leaf)
		require.Equal(t, whole.Root(), part.Root(), "%d leaves", n)
		_, err = journal.RestoreTree(n, append(whole.Peaks(), leaf, leaf, leaf, leaf, leaf, leaf, leaf))
		require.Error(t, err)
	}
}
