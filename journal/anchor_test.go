// The anchor: what it proves, what it gives back, and what becomes of a journal whose chip fails.

package journal_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// slot formats a chip of one slot and takes it.
func slot(t testing.TB, size int) (*journaltest.Cells, *journal.Anchor) {
	t.Helper()
	c := journaltest.NewCells(size)
	require.NoError(t, journal.FormatChip(c, 1, 0, ""))
	return c, taken(t, c)
}

// taken returns the slot of the journal on a chip, as a process finds it that has just begun.
func taken(t testing.TB, c *journaltest.Cells) *journal.Anchor {
	t.Helper()
	chip, err := journal.OpenChip(c, "")
	require.NoError(t, err)
	a, err := chip.Take(head.JournalID)
	require.NoError(t, err)
	return a
}

func anchored(d *journaltest.Disk, a *journal.Anchor) *journal.Options {
	o := options(d)
	o.Anchor = a
	return o
}

// stage appends records of these sizes and puts them into the ring.
func stage(t testing.TB, w *journal.Writer, sizes ...int) {
	t.Helper()
	seq := w.Head().N
	for _, size := range sizes {
		seq++
		require.NoError(t, w.Append(seq, body(seq, size)))
	}
	require.NoError(t, w.Stage())
}

func TestWhatIsInTheRingIsDurableAndComesToTheDiskWithTheNextOpen(t *testing.T) {
	d := journaltest.NewDisk()
	cells, a := slot(t, 128<<10)
	var told []uint64
	opt := anchored(d, a)
	opt.OnDurable = func(seq uint64) { told = append(told, seq) }
	w, err := journal.Create(dir, head, opt)
	require.NoError(t, err)
	stage(t, w, 300, 5000, 40)
	require.Equal(t, uint64(3), w.Durable())
	require.Equal(t, uint64(3), w.Head().N)
	require.NoError(t, w.Wait(t.Context(), 3))
	require.NoError(t, w.Commit())
	stage(t, w, 70, 1)
	require.Equal(t, []uint64{1, 2, 3, 5}, told, "one write of the ring holds 4 KiB, or one record")
	want := w.Head()

	cut, a := d.Cut(journaltest.Loss{}), taken(t, cells.Copy())
	rec, got := scan(t, dir, anchored(cut, a))
	require.Equal(t, journal.Clean, rec.Outcome, rec.Path)
	require.Equal(t, journal.AnchorHeld, rec.Anchor)
	require.Equal(t, 2, rec.Ringed)
	require.Equal(t, want, rec.Head)
	wantBodies(t, got, 300, 5000, 40, 70, 1)
	w, rec, err = journal.Open(dir, head, anchored(cut, a))
	require.NoError(t, err)
	require.Equal(t, want, rec.Head)
	require.Contains(t, rec.Path, "records 4 to 5 are in the anchor's ring only; they were acknowledged")
	require.Equal(t, want, w.Head())
	require.NoError(t, w.Close())
	rec, got = scan(t, dir, options(cut.Cut(journaltest.Loss{})))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, journal.AnchorNone, rec.Anchor)
	wantBodies(t, got, 300, 5000, 40, 70, 1)
}

func TestADiskThatWasPutBackIsTold(t *testing.T) {
	d := journaltest.NewDisk()
	cells, a := slot(t, 128<<10)
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	write(t, w, []int{300, 20})
	old := d.Cut(journaltest.Loss{})
	write(t, w, []int{300})
	require.NoError(t, w.Close())
	w, rec, err := journal.Open(dir, head, anchored(old, taken(t, cells.Copy())))
	require.ErrorIs(t, err, journal.ErrDamaged)
	require.Nil(t, w)
	require.Equal(t, journal.TailLost, rec.Outcome)
	require.Equal(t, uint64(3), rec.Missing)

	other := journaltest.NewDisk()
	w, err = journal.Create(dir, head, options(other))
	require.NoError(t, err)
	write(t, w, []int{301}, []int{20}, []int{300}, []int{9})
	require.NoError(t, w.Close())
	_, rec, err = journal.Open(dir, head, anchored(other, taken(t, cells.Copy())))
	require.ErrorIs(t, err, journal.ErrDamaged)
	require.Equal(t, journal.Rewritten, rec.Outcome)
	require.Equal(t, uint64(3), rec.Missing)

	_, rec, err = journal.Open(dir, head, anchored(journaltest.NewDisk(), taken(t, cells.Copy())))
	require.ErrorIs(t, err, journal.ErrDamaged, "the disk is another one")
	require.Equal(t, journal.TailLost, rec.Outcome)
	_, err = journal.Create(dir, head, anchored(journaltest.NewDisk(), taken(t, cells.Copy())))
	require.ErrorIs(t, err, journal.ErrDamaged)

	_, a = slot(t, 128<<10)
	rec, _ = scan(t, dir, anchored(d, a))
	require.Equal(t, journal.Clean, rec.Outcome, "the chip is another one, and says nothing")
	require.Equal(t, journal.AnchorNew, rec.Anchor)
	w, _, err = journal.Open(dir, head, anchored(d, a))
	require.NoError(t, err)
	require.NoError(t, w.Close())
}

func TestWhileTheRingIsFullDurabilityFollowsTheDisk(t *testing.T) {
	d := journaltest.NewDisk()
	_, a := slot(t, 32<<10)
	require.Equal(t, "fram: slot 0, a ring of 29696 bytes", a.String())
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	stage(t, w, 10_000, 10_000, 10_000)
	require.Equal(t, uint64(2), w.Durable(), "the third has no room")
	require.NoError(t, w.Commit())
	require.Equal(t, uint64(3), w.Durable())
	stage(t, w, 10_000, 10_000)
	require.Equal(t, uint64(5), w.Durable(), "the disk has what was in the way")
	stage(t, w, 40_000)
	require.Equal(t, uint64(5), w.Durable(), "more than the ring can ever hold")
	require.NoError(t, w.Commit())
	stage(t, w, 10)
	require.Equal(t, uint64(7), w.Durable())
	require.NoError(t, w.Close())
}

func TestAFailingChipIsDroppedAndTheJournalGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, heads := range []bool{false, true} {
			d := journaltest.NewDisk()
			cells, a := slot(t, 64<<10)
			w, err := journal.Create(dir, head, anchored(d, a))
			require.NoError(t, err)
			staged := make(chan error, 1)
			go func() { staged <- w.Staging(t.Context()) }()
			require.NoError(t, w.Append(1, body(1, 200)))
			synctest.Wait()
			require.Equal(t, uint64(1), w.Durable())
			cells.Fault = func(write bool, _ int64, n int) error {
				if write && heads == (n == 160) {
					return syscall.EIO
				}
				return nil
			}
			require.NoError(t, w.Append(2, body(2, 200)))
			synctest.Wait()
			require.NoError(t, w.Commit())
			err = <-staged
			require.ErrorIs(t, err, journal.ErrAnchor)
			require.ErrorIs(t, err, syscall.EIO)
			require.ErrorContains(t, err, "the journal goes on by the disk alone")
			require.Equal(t, err, w.Anchored())
			require.Equal(t, uint64(2), w.Durable())
			write(t, w, []int{5})
			require.NoError(t, w.Close())
			rec, _ := scan(t, dir, anchored(d, taken(t, cells.Copy())))
			require.Equal(t, journal.Clean, rec.Outcome, rec.Path)
			require.Equal(t, uint64(3), rec.Head.N)
		}
	})
}

func TestAChipThatCannotBeReadKeepsItsJournalClosed(t *testing.T) {
	d := journaltest.NewDisk()
	cells, a := slot(t, 64<<10)
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	a = taken(t, cells)
	cells.Fault = func(bool, int64, int) error { return syscall.EIO }
	_, _, err = journal.Open(dir, head, anchored(d, a))
	require.ErrorIs(t, err, journal.ErrAnchor)
	_, err = journal.Scan(dir, nil, anchored(d, a))
	require.ErrorIs(t, err, journal.ErrAnchor)
	cells.Fault = nil
	w, _, err = journal.Open(dir, head, anchored(d, a))
	require.NoError(t, err, "the slot was given back")
	_, _, err = journal.Open("other", head, anchored(d, a))
	require.ErrorIs(t, err, journal.ErrNone)
	require.NoError(t, w.Close())
}

func TestHeadsOnlyCountWhatWasAccepted(t *testing.T) {
	d := journaltest.NewDisk()
	cells, a := slot(t, 16<<10)
	require.Equal(t, "fram: slot 0, heads only", a.String())
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	write(t, w, []int{10})
	stage(t, w, 20, 30)
	require.Equal(t, uint64(1), w.Durable())
	rec, _ := scan(t, dir, anchored(d.Cut(journaltest.Loss{}), taken(t, cells.Copy())))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, uint64(1), rec.Head.N)
	require.Equal(t, uint64(3), rec.Accepted, "two were taken and are lost, and that is known")
	require.NoError(t, w.Close())
}

func TestAFileThatStandsInIsNoAnchorForReports(t *testing.T) {
	d := journaltest.NewDisk()
	c := journaltest.NewCells(64 << 10)
	c.As = hal.Model{Tear: 1}
	require.NoError(t, journal.FormatChip(c, 1, 0, ""))
	a := taken(t, c)
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	stage(t, w, 10)
	rec, _ := scan(t, dir, anchored(d.Cut(journaltest.Loss{}), taken(t, c.Copy())))
	require.Equal(t, journal.AnchorStandIn, rec.Anchor)
	require.Equal(t, "none", rec.Anchor.String())
	require.Equal(t, 1, rec.Ringed, "its layout serves all the same")
	require.Contains(t, rec.Path, "the anchor is a file that stands in for a chip: it proves nothing")
	require.NoError(t, w.Close())
}

func TestStagingEndsWithItsContextAndWithTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := journal.Create(dir, head, options(journaltest.NewDisk()))
		require.NoError(t, err)
		require.NoError(t, w.Staging(t.Context()), "there is no anchor")
		require.NoError(t, w.Close())
		_, a := slot(t, 64<<10)
		w, err = journal.Create(dir, head, anchored(journaltest.NewDisk(), a))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, w.Staging(ctx))
		done := make(chan error, 1)
		go func() { done <- w.Staging(t.Context()) }()
		synctest.Wait()
		require.NoError(t, w.Close())
		require.NoError(t, <-done)
	})
}

func TestStagingDoesNotAllocate(t *testing.T) {
	_, a := slot(t, 128<<10)
	w, err := journal.Create(dir, head, anchored(journaltest.NewDisk(), a))
	require.NoError(t, err)
	seq, b := uint64(0), body(1, 300)
	require.Zero(t, testing.AllocsPerRun(200, func() {
		seq++
		if w.Append(seq, b) != nil || w.Stage() != nil || w.Durable() != seq {
			t.Error("not staged")
		}
	}))
	require.NoError(t, w.Close())
}

func TestStagingBesideRunIsDurableInOrder(t *testing.T) {
	const records = 4000
	d := journaltest.NewDisk()
	cells, a := slot(t, 64<<10)
	opt := anchored(d, a)
	last := uint64(0)
	opt.OnDurable = func(seq uint64) {
		if seq <= last {
			t.Errorf("%d after %d", seq, last)
		}
		last = seq
	}
	w, err := journal.Create(dir, head, opt)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 3)
	for _, work := range []func(context.Context) error{w.Run, w.Staging, w.Prepare} {
		go func() { done <- work(ctx) }()
	}
	sizes := make([]int, records)
	for i := range sizes {
		seq := uint64(i + 1)
		sizes[i] = 20 + i*7919%1500
		for err = journal.ErrFull; errors.Is(err, journal.ErrFull); {
			if err = w.Append(seq, body(seq, sizes[i])); err != nil {
				require.NoError(t, w.Wait(t.Context(), seq-1))
			}
		}
		require.NoError(t, err)
		if i%5 == 0 {
			require.NoError(t, w.Wait(t.Context(), seq))
			require.GreaterOrEqual(t, w.Durable(), seq)
		}
	}
	require.NoError(t, w.Wait(t.Context(), records))
	cancel()
	for range 3 {
		require.NoError(t, <-done)
	}
	require.NoError(t, w.Close())
	rec, got := scan(t, dir, anchored(d.Cut(journaltest.Loss{}), taken(t, cells.Copy())))
	require.Equal(t, journal.Clean, rec.Outcome, rec.Path)
	require.Zero(t, rec.Ringed)
	wantBodies(t, got, sizes...)
}

func TestAHeadOfAnotherJournalIsToldApartFromTampering(t *testing.T) {
	d := journaltest.NewDisk()
	cells, a := slot(t, 64<<10)
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	write(t, w, []int{10}, []int{10})
	require.NoError(t, w.Close())

	other := journaltest.NewCells(64 << 10)
	require.NoError(t, journal.FormatChip(other, 1, 0, ""))
	chip, err := journal.OpenChip(other, "")
	require.NoError(t, err)
	b, err := chip.Take("B-0002")
	require.NoError(t, err)
	w, err = journal.Create(dir, journal.Header{JournalID: "B-0002"}, anchored(journaltest.NewDisk(), b))
	require.NoError(t, err)
	write(t, w, []int{10}, []int{10}, []int{10}, []int{10}, []int{10})
	require.NoError(t, w.Close())

	_, err = cells.WriteAt(other.Bytes()[2*1280:], 2*1280)
	require.NoError(t, err)
	rec, _ := scan(t, dir, anchored(d, taken(t, cells)))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, journal.AnchorForeign, rec.Anchor)
	require.Equal(t, 2, rec.Warnings)
	require.Contains(t, rec.Path, `a head in the anchor is of journal "B-0002"; the slot is that of "B-0001"`)
	w, _, err = journal.Open(dir, head, anchored(d, taken(t, cells)))
	require.NoError(t, err)
	write(t, w, []int{10})
	require.NoError(t, w.Close())
	rec, _ = scan(t, dir, anchored(d, taken(t, cells)))
	require.Equal(t, journal.AnchorHeld, rec.Anchor)
	require.Zero(t, rec.Warnings)
}

func TestGenerationsThatDoNotFollowEachOtherAreAWarning(t *testing.T) {
	d := journaltest.NewDisk()
	cells, a := slot(t, 64<<10)
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	write(t, w, []int{10})
	old := cells.Bytes()
	write(t, w, []int{10}, []int{10})
	require.NoError(t, w.Close())
	_, err = cells.WriteAt(old[2*1280:][:256], 2*1280) // one copy is put back
	require.NoError(t, err)
	rec, _ := scan(t, dir, anchored(d, taken(t, cells)))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, 1, rec.Warnings)
	require.Contains(t, rec.Path, "the anchor's heads have generations 1 and 6, which are not one after the other")
	all := cells.Bytes()
	_, err = cells.WriteAt(all[2*1280+256:][:256], 2*1280) // one copy is written over the other
	require.NoError(t, err)
	rec, _ = scan(t, dir, anchored(d, taken(t, cells)))
	require.Equal(t, journal.AnchorHeld, rec.Anchor, "what both say is no less true")
	require.Contains(t, rec.Path, "the anchor's heads have generations 6 and 6, which are not one after the other")
}

func TestAnOpenThatIsQuickReadsAllThatTheAnchorKnows(t *testing.T) {
	d := journaltest.NewDisk()
	cells, a := slot(t, 64<<10)
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	write(t, w, []int{30_000}, []int{30_000})
	chip := cells.Copy()
	require.NoError(t, w.Close())
	o := options(d)
	for range 4 {
		w, _, err = journal.Open(dir, head, o)
		require.NoError(t, err)
		write(t, w, []int{40_000})
		require.NoError(t, w.Close())
	}
	o = anchored(d, taken(t, chip))
	o.Quick = true
	w, rec, err := journal.Open(dir, head, o)
	require.NoError(t, err)
	require.Equal(t, uint64(1), rec.From, "the head on the chip is older than what would be read")
	require.NoError(t, w.Close())
	w, rec, err = journal.Open(dir, head, o)
	require.NoError(t, err)
	require.Greater(t, rec.From, uint64(1))
	require.Equal(t, journal.AnchorHeld, rec.Anchor)
	require.NoError(t, w.Close())
}

func TestARecordInTheRingThatFollowsAnotherHistoryIsNotTakenOver(t *testing.T) {
	d := journaltest.NewDisk()
	cells, a := slot(t, 64<<10)
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	write(t, w, []int{10, 20})
	stage(t, w, 30)
	_, err = cells.WriteAt(make([]byte, 512), 2*1280) // no head is left
	require.NoError(t, err)

	other := journaltest.NewDisk()
	v, err := journal.Create(dir, head, options(other))
	require.NoError(t, err)
	write(t, v, []int{10, 21})
	rec, got := scan(t, dir, anchored(other, taken(t, cells.Copy())))
	require.Equal(t, journal.Rewritten, rec.Outcome)
	require.Equal(t, uint64(3), rec.Missing)
	wantBodies(t, got, 10, 21)
	rec, got = scan(t, dir, anchored(d.Cut(journaltest.Loss{}), taken(t, cells.Copy())))
	require.Equal(t, journal.Clean, rec.Outcome, "the ring alone serves, too")
	require.Equal(t, journal.AnchorUnreadable, rec.Anchor, "a slot with a ring is not blank")
	wantBodies(t, got, 10, 20, 30)
	require.NoError(t, w.Close())
	require.NoError(t, v.Close())
}

func TestARecordOfTheRingThatTheDiskHasIsHeldAgainstIt(t *testing.T) {
	d := journaltest.NewDisk()
	cells, a := slot(t, 64<<10)
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	write(t, w, []int{10})
	rec, _ := scan(t, dir, anchored(d, taken(t, cells.Copy())))
	require.Contains(t, rec.Path, "anchor=fram: head 1 in epoch 1, closed false, and 0 records behind it in its ring")
	stage(t, w, 20)
	chip := cells.Copy() // which does not know that the disk has it, too
	require.NoError(t, w.Commit())
	rec, _ = scan(t, dir, anchored(d, taken(t, chip.Copy())))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Contains(t, rec.Path, "anchor=fram: head 1 in epoch 1, closed false, and 1 records behind it in its ring")
	require.NoError(t, w.Close())

	other := journaltest.NewDisk()
	w, err = journal.Create(dir, head, options(other))
	require.NoError(t, err)
	write(t, w, []int{10}, []int{21})
	require.NoError(t, w.Close())
	rec, _ = scan(t, dir, anchored(other, taken(t, chip)))
	require.Equal(t, journal.Rewritten, rec.Outcome)
	require.Equal(t, uint64(2), rec.Missing)
}
