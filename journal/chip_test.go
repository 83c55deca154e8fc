// The chip: its table under cuts at every byte, its slots, and chips that are refused.

package journal_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// board returns a simulated board whose chip has two slots.
func board(t testing.TB, seed uint64, size int64) *sim.Board {
	t.Helper()
	b, err := sim.NewBoard(seed, &sim.BoardOptions{FRAMSize: size})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	require.NoError(t, journal.FormatChip(b.FRAM(), 2, 0, ""))
	return b
}

func opened(t testing.TB, f hal.FRAM) *journal.Chip {
	t.Helper()
	c, err := journal.OpenChip(f, "")
	require.NoError(t, err)
	return c
}

func TestACutAtAnyByteOfAChangeOfTheTableLeavesTheOldOneOrTheNew(t *testing.T) {
	const size = 4 << 10
	for what, change := range map[string]func(c *journal.Chip) error{
		"take":    func(c *journal.Chip) error { _, err := c.Take("B-0002"); return err },
		"release": func(c *journal.Chip) error { return c.Release("B-0001") },
		"format":  nil,
	} {
		old := []string{"B-0001", ""}
		fresh := map[string][]string{"take": {"B-0001", "B-0002"}, "release": {"", ""}}[what]
		done := false
		for cut := int64(0); !done; cut += 3 {
			b := board(t, uint64(cut), size)
			c := opened(t, b.FRAM())
			_, err := c.Take("B-0001")
			require.NoError(t, err)
			if what == "format" {
				require.ErrorIs(t, journal.FormatChip(b.FRAM(), 3, 0, ""), journal.ErrInUse, "a slot is taken")
				require.NoError(t, c.Release("B-0001"))
				old = []string{"", ""}
				change = func(*journal.Chip) error { return journal.FormatChip(b.FRAM(), 2, 0, "") }
				fresh = old
			}
			b.CutAtByte(cut)
			err = change(c)
			if done = err == nil; !done {
				require.ErrorIs(t, err, hal.ErrPowerLost)
			}
			b.CutAtByte(-1)
			b.Boot(1)
			ids, err := opened(t, b.FRAM()).Journals()
			require.NoError(t, err, "%s, byte %d", what, cut)
			require.Contains(t, [][]string{old, fresh}, ids, "%s, byte %d", what, cut)
			if done {
				require.Equal(t, fresh, ids)
			}
			_, err = opened(t, b.FRAM()).Take("B-0003")
			if ids[1] == "" {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, journal.ErrNoSlot)
			}
		}
	}
}

func TestASlotBelongsToItsJournalUntilItIsReleased(t *testing.T) {
	b := board(t, 1, 128<<10)
	c := opened(t, b.FRAM())
	a, err := c.Take("B-0001")
	require.NoError(t, err)
	_, err = c.Take("B-0002")
	require.NoError(t, err)
	_, err = c.Take("B-0003")
	require.ErrorIs(t, err, journal.ErrNoSlot)
	require.ErrorContains(t, err, `they belong to ["B-0001" "B-0002"]; release one whose journal has ended`)
	none, err := c.Find("B-0003")
	require.NoError(t, err)
	require.Nil(t, none)

	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	write(t, w, []int{30})
	require.ErrorIs(t, c.Release("B-0001"), journal.ErrInUse)
	_, err = journal.Create("copy", head, anchored(journaltest.NewDisk(), a))
	require.ErrorIs(t, err, journal.ErrInUse)
	_, _, err = journal.Open("copy", head, anchored(journaltest.NewDisk(), a))
	require.ErrorIs(t, err, journal.ErrDamaged, "a directory without the journal")
	_, err = journal.Create("copy", journal.Header{JournalID: "B-0002"}, anchored(d, a))
	require.ErrorContains(t, err, `Options.Anchor is the slot of journal "B-0001", not of "B-0002"`)
	require.NoError(t, w.Close())

	require.NoError(t, c.Release("B-0001"))
	require.NoError(t, c.Release("B-0001"), "it has none any more")
	_, _, err = journal.Open(dir, head, anchored(d, a))
	require.ErrorIs(t, err, journal.ErrNoSlot, "the slot was released meanwhile")
	a, err = c.Take("B-0001")
	require.NoError(t, err)
	w, rec, err := journal.Open(dir, head, anchored(d, a))
	require.NoError(t, err)
	require.Equal(t, journal.AnchorNew, rec.Anchor, "a slot that is taken knows nothing")
	require.NoError(t, w.Close())
}

func TestProcessesShareAChipByALockFile(t *testing.T) {
	b := board(t, 1, 128<<10)
	lock := filepath.Join(t.TempDir(), "fram")
	one, err := journal.OpenChip(b.FRAM(), lock)
	require.NoError(t, err)
	other, err := journal.OpenChip(b.FRAM(), lock) // as another process would
	require.NoError(t, err)
	a, err := one.Take("B-0001")
	require.NoError(t, err)
	same, err := other.Find("B-0001")
	require.NoError(t, err)
	w, err := journal.Create(dir, head, anchored(journaltest.NewDisk(), a))
	require.NoError(t, err)
	_, err = journal.Create(dir, head, anchored(journaltest.NewDisk(), same))
	require.ErrorIs(t, err, journal.ErrInUse)
	require.ErrorIs(t, other.Release("B-0001"), journal.ErrInUse)
	require.NoError(t, w.Close())
	require.NoError(t, other.Release("B-0001"))
	a, err = one.Take("B-0001")
	require.NoError(t, err)
	w, err = journal.Create(dir, head, anchored(journaltest.NewDisk(), a))
	require.NoError(t, err, "to release a slot leaves no lock behind")
	require.NoError(t, w.Close())
}

func TestProcessesThatTakeAndReleaseAtTheSameTimeWaitForEachOther(t *testing.T) {
	cells := journaltest.NewCells(8 << 10)
	require.NoError(t, journal.FormatChip(cells, 4, 0, ""))
	lock := filepath.Join(t.TempDir(), "fram")
	done := make(chan error)
	for _, id := range []string{"A", "B", "C"} {
		go func() {
			var errs error
			for range 30 {
				c, err := journal.OpenChip(cells, lock)
				if err == nil {
					_, err = c.Take(id)
				}
				if err == nil {
					err = c.Release(id)
				}
				errs = errors.Join(errs, err)
			}
			done <- errs
		}()
	}
	for range 3 {
		require.NoError(t, <-done)
	}
	ids, err := opened(t, cells).Journals()
	require.NoError(t, err)
	require.Equal(t, []string{"", "", "", ""}, ids)
}

// atEnd answers a read that it could fill with io.EOF, as an io.ReaderAt may.
type atEnd struct{ hal.FRAM }

func (f atEnd) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.FRAM.ReadAt(p, off)
	return n, errors.Join(err, io.EOF)
}

func TestWhatAChipOfAnySizeIsPartedInto(t *testing.T) {
	require.NoError(t, journal.FormatChip(atEnd{journaltest.NewCells(8 << 10)}, 1, 0, ""))
	for _, c := range []struct {
		size, slots int
		want        string // of the first slot; "" where it is refused
	}{
		{2*1280 + 512, 1, "heads only"}, {2*1280 + 511, 1, ""}, {33_001, 3, "a ring of 9472 bytes"}, {64 << 10, 17, ""}, {64 << 10, 0, ""},
		{4 << 10, 16, ""}, {4 << 10, 3, "heads only"}, {4 << 10, 4, ""}, {4 << 20, 1, "a ring of 4191232 bytes"}, {4<<20 + 256, 1, ""},
		{2*1280 + 7*4608, 7, "a ring of 4096 bytes"}, {2*1280 + 7*4608 - 1, 7, "heads only"}, {32<<10 - 1, 1, "heads only"},
		{32 << 10, 1, "a ring of 29696 bytes"},
	} {
		cells := journaltest.NewCells(c.size)
		err := journal.FormatChip(cells, c.slots, 0, "")
		if c.want == "" {
			require.ErrorIs(t, err, journal.ErrChip, "%d bytes, %d slots", c.size, c.slots)
			continue
		}
		require.NoError(t, err)
		_, err = cells.WriteAt(bytes.Repeat([]byte{0xFF}, c.size-2*1280), 2*1280)
		require.NoError(t, err)
		chip := opened(t, cells)
		require.NoError(t, chip.Release("J"), "nothing to do is no error")
		a, err := chip.Take("J")
		require.NoError(t, err)
		require.Equal(t, "fram: slot 0, "+c.want, a.String())
		none, err := chip.Find("")
		require.NoError(t, err)
		require.Nil(t, none, "a free slot is nobody's")
		all := cells.Bytes()
		slot := (c.size - 2*1280) / c.slots / 256 * 256
		require.Zero(t, used(all[2*1280:][:slot]), "a slot that is taken is blank to its last byte")
		require.Equal(t, c.size-2*1280-slot, bytes.Count(all[2*1280+slot:], []byte{0xFF}), "and what is behind it is left alone")
	}
}

func TestAChipThatCannotBeReadIsNotFormatted(t *testing.T) {
	cells := journaltest.NewCells(8 << 10)
	require.NoError(t, journal.FormatChip(cells, 1, 0, ""))
	_, err := opened(t, cells).Take("J")
	require.NoError(t, err)
	cells.Fault = func(write bool, _ int64, _ int) error {
		if !write {
			return syscall.EIO
		}
		return nil
	}
	require.ErrorIs(t, journal.FormatChip(cells, 1, 0, ""), journal.ErrAnchor)
	cells.Fault = nil
	ids, err := opened(t, cells).Journals()
	require.NoError(t, err)
	require.Equal(t, []string{"J"}, ids)
	other := journaltest.NewCells(16 << 10)
	_, err = other.WriteAt(cells.Bytes(), 0)
	require.NoError(t, err)
	_, err = journal.OpenChip(other, "")
	require.ErrorIs(t, err, journal.ErrChip, "a table that was made for a chip of another size")
}

func TestAChipThatTheLayoutCannotBearIsRefused(t *testing.T) {
	for tear, ok := range map[int]bool{-1: false, 0: false, 1: true, 2: true, 3: false, 4: true, 8: true, 16: false, 256: false} {
		c := journaltest.NewCells(32 << 10)
		c.As = hal.Model{Tear: tear, Apart: true}
		err := journal.FormatChip(c, 1, 0, "")
		if ok {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, journal.ErrChip)
		require.ErrorContains(t, err, "the layout bears 1, 2, 4 or 8")
	}
	require.ErrorIs(t, journal.FormatChip(journaltest.NewCells(2<<10), 1, 0, ""), journal.ErrChip)
	require.ErrorIs(t, journal.FormatChip(journaltest.NewCells(8<<10), 17, 0, ""), journal.ErrChip)
	require.ErrorIs(t, journal.FormatChip(journaltest.NewCells(8<<10), 0, 0, ""), journal.ErrChip)
	_, err := journal.OpenChip(journaltest.NewCells(8<<10), "")
	require.ErrorIs(t, err, journal.ErrChip)
	require.ErrorContains(t, err, "neither copy of its table can be read; format it")
	stuck := journaltest.NewCells(8 << 10)
	stuck.Stuck = map[int64]byte{700: 0x55}
	require.ErrorContains(t, journal.FormatChip(stuck, 1, 0, ""), "cells do not hold what was written; replace the chip")
}

func TestAFRAMInAFileIsNoAnchor(t *testing.T) {
	b, err := sim.NewBoard(1, &sim.BoardOptions{FRAMSize: 64 << 10, FRAMFile: filepath.Join(t.TempDir(), "fram")})
	require.NoError(t, err)
	defer b.Close()
	require.NoError(t, journal.FormatChip(b.FRAM(), 1, 0, ""))
	a, err := opened(t, b.FRAM()).Take(head.JournalID)
	require.NoError(t, err)
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	stage(t, w, 20, 30)
	require.NoError(t, w.Close())
	rec, _ := scan(t, dir, anchored(d, a))
	require.Equal(t, "none", rec.Anchor.String())
}

func TestCellsThatAreStuckUnderAHeadAreFoundWhenTheJournalIsOpened(t *testing.T) {
	cells, a := slot(t, 64<<10)
	cells.Stuck = map[int64]byte{2*1280 + 40: 0x55}
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	require.ErrorIs(t, w.Anchored(), journal.ErrAnchor)
	require.ErrorContains(t, w.Anchored(), "replace the chip")
	require.NoError(t, w.Append(1, []byte("x")))
	require.ErrorIs(t, w.Stage(), journal.ErrAnchor)
	require.NoError(t, w.Commit())
	require.NoError(t, w.Close())
	rec, _ := scan(t, dir, options(d))
	require.Equal(t, uint64(1), rec.Head.N)
}

func TestASlotOfAChipThatWasPartedAnewIsNoLongerTheOneThatWasTaken(t *testing.T) {
	cells := journaltest.NewCells(128 << 10)
	require.NoError(t, journal.FormatChip(cells, 1, 0, ""))
	chip := opened(t, cells)
	old, err := chip.Take(head.JournalID)
	require.NoError(t, err)
	require.NoError(t, chip.Release(head.JournalID))
	require.NoError(t, journal.FormatChip(cells, 2, 0, ""))
	a, err := chip.Take(head.JournalID)
	require.NoError(t, err)
	require.NotEqual(t, old.String(), a.String(), "it begins at the same byte and is shorter")
	_, err = journal.Create(dir, head, anchored(journaltest.NewDisk(), old))
	require.ErrorIs(t, err, journal.ErrNoSlot, "its ring would reach into the slot behind it")
	second, err := chip.Take("B-0002")
	require.NoError(t, err)
	require.NoError(t, chip.Release("B-0002"))
	require.NoError(t, chip.Release(head.JournalID))
	require.NoError(t, journal.FormatChip(cells, 1, 0, ""))
	_, err = journal.Create(dir, journal.Header{JournalID: "B-0002"}, anchored(journaltest.NewDisk(), second))
	require.ErrorIs(t, err, journal.ErrNoSlot, "there is no second slot any more")
	require.NoError(t, journal.FormatChip(cells, 2, 0, ""))
	a, err = chip.Take(head.JournalID)
	require.NoError(t, err)
	w, err := journal.Create(dir, head, anchored(journaltest.NewDisk(), a))
	require.NoError(t, err)
	require.NoError(t, w.Close())
}
