// Checkpoints on a chip: a torn one leaves the other, one that does not fit is a file, and no slot of another is written.

package journal_test

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// marked is a journal whose slot on a chip has room for two checkpoints of states of so many bytes.
func marked(t testing.TB, f hal.FRAM, state int) (*journaltest.Disk, *journal.Writer, *journal.Anchor) {
	require.NoError(t, journal.FormatChip(f, 1, state, ""))
	a, err := opened(t, f).Take(head.JournalID)
	require.NoError(t, err)
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, anchored(d, a))
	require.NoError(t, err)
	require.NoError(t, w.Anchored())
	return d, w, a
}

func savedIn(t testing.TB, d *journaltest.Disk, a *journal.Anchor) (*journal.Checkpoints, []journal.Checkpoint, []string) {
	s, all, faults, err := journal.OpenCheckpoints(dir, head.JournalID, 2, anchored(d, a))
	require.NoError(t, err)
	return s, all, faults
}

func TestACutAtAnyByteOfACheckpointOnAChipLeavesTheOtherOne(t *testing.T) {
	for cut, done := int64(0), false; !done; cut++ {
		b, err := sim.NewBoard(uint64(cut), &sim.BoardOptions{FRAMSize: 64 << 10})
		require.NoError(t, err)
		d, _, a := marked(t, b.FRAM(), 700)
		s, _, _ := savedIn(t, d, a)
		for gen := 1; gen <= 3; gen++ {
			c, err := s.Write(headOf(gen), bytes.Repeat([]byte{byte(gen)}, 600))
			require.NoError(t, err)
			require.Equal(t, []string{"chip 1", "chip 2"}[(gen-1)%2], c.Slot)
		}
		b.CutAtByte(cut)
		_, err = s.Write(headOf(4), bytes.Repeat([]byte{4}, 600))
		if done = err == nil; !done {
			require.ErrorIs(t, err, hal.ErrPowerLost)
		}
		b.CutAtByte(-1)
		b.Boot(1)
		left, err := opened(t, b.FRAM()).Take(head.JournalID)
		require.NoError(t, err)
		_, all, faults := savedIn(t, d.Cut(journaltest.Loss{}), left)
		switch all[0].Generation { // byte 0 to the last that the digest covers
		case 4:
			require.Len(t, all, 2, "byte %d", cut)
		case 3:
			require.Equal(t, len(all) == 1, len(faults) == 1, "byte %d: %v", cut, faults)
		default:
			t.Fatalf("byte %d: the newest is %d", cut, all[0].Generation)
		}
		for _, c := range all {
			require.Equal(t, bytes.Repeat([]byte{byte(c.Generation)}, 600), c.Payload)
			require.Equal(t, headOf(int(c.Generation)), c.Head)
		}
		require.NoError(t, b.Close())
	}
}

func TestACheckpointThatDoesNotFitOnTheChipIsAFileAndTheNewestMayLieInEitherPlace(t *testing.T) {
	d, w, a := marked(t, journaltest.NewCells(64<<10), 1024)
	require.Equal(t, "fram: slot 0, a ring of 59392 bytes, two checkpoints of up to 1024", a.String())
	s, _, _ := savedIn(t, d, a)
	for gen, want := range []string{"chip 1", "file 1", "chip 2", "file 2", "file 1", "chip 1"} {
		size := map[byte]int{'c': 1024, 'f': 1025}[want[0]]
		c, err := s.Write(headOf(gen+1), bytes.Repeat([]byte{byte(gen)}, size))
		require.NoError(t, err)
		require.Equal(t, want, c.Slot)
		var all []journal.Checkpoint
		var faults []string
		s, all, faults = savedIn(t, d, a)
		require.Empty(t, faults)
		require.Equal(t, c, all[0])
	}
	require.NoError(t, w.Close())
	_, all, _, err := journal.OpenCheckpoints(dir, head.JournalID, 2, options(d))
	require.NoError(t, err)
	require.Equal(t, uint64(5), all[0].Generation, "without the chip the files are there still")
	_, _, _, err = journal.OpenCheckpoints(dir, "B-0009", 2, anchored(d, a))
	require.ErrorContains(t, err, `Options.Anchor is the slot of journal "B-0001"`)
}

func TestACheckpointThatIsForgottenIsOverwrittenBeforeOneThatCounts(t *testing.T) {
	d, _, a := marked(t, journaltest.NewCells(64<<10), 1024)
	s, _, _ := savedIn(t, d, a)
	for gen := 1; gen <= 2; gen++ {
		_, err := s.Write(headOf(gen), stateOf(3))
		require.NoError(t, err)
	}
	s, all, _ := savedIn(t, d, a)
	s.Forget(all[0])
	c, err := s.Write(headOf(3), stateOf(3))
	require.NoError(t, err)
	require.Equal(t, "chip 2", c.Slot)
	require.Equal(t, uint64(3), c.Generation)
	_, all, _ = savedIn(t, d, a)
	require.Equal(t, uint64(1), all[1].Generation)
}

func TestAChipThatFailsOrIsNoLongerTheJournalsIsNotWrittenAndFilesTakeItsPlace(t *testing.T) {
	for what, spoil := range map[string]func(c *journaltest.Cells, w *journal.Writer){
		"failed": func(c *journaltest.Cells, _ *journal.Writer) {
			c.Fault = func(write bool, _ int64, _ int) error { return map[bool]error{true: syscall.EIO}[write] }
		},
		"stuck":  func(c *journaltest.Cells, _ *journal.Writer) { c.Stuck = map[int64]byte{64<<10 - 2*1536 + 40: 0x5A} },
		"closed": func(_ *journaltest.Cells, w *journal.Writer) { require.NoError(t, w.Close()) },
	} {
		cells := journaltest.NewCells(64 << 10)
		d, w, a := marked(t, cells, 1024)
		s, _, _ := savedIn(t, d, a)
		spoil(cells, w)
		before := cells.Bytes()
		_, err := s.Write(headOf(1), stateOf(3))
		if what == "closed" {
			require.ErrorIs(t, err, journal.ErrNoSlot)
			require.Equal(t, before, cells.Bytes(), "the slot may be another journal's by now")
		} else {
			require.ErrorIs(t, err, journal.ErrAnchor, what)
		}
		require.ErrorContains(t, err, "journal: checkpoint in chip 1: ")
		require.ErrorContains(t, err, "; the next ones are files")
		c, err := s.Write(headOf(2), stateOf(3))
		require.NoError(t, err)
		require.Equal(t, "file 1", c.Slot)
	}
}

func TestRoomForCheckpointsLeavesARingOrIsRefused(t *testing.T) {
	for _, c := range []struct {
		size, slots, state int
		want               string
	}{
		{32<<10 - 1, 1, 1, ""}, {32 << 10, 1, 1, "a ring of 27648 bytes, two checkpoints of up to 512"},
		{32 << 10, 1, 12288, "a ring of 4096 bytes, two checkpoints of up to 12288"}, {32 << 10, 1, 12289, ""},
		{128 << 10, 8, 3072, "a ring of 8192 bytes, two checkpoints of up to 3072"}, {128 << 10, 8, -1, ""},
		{512 << 10, 1, 172_205, "a ring of 175104 bytes, two checkpoints of up to 172544"}, {512 << 10, 2, 172_205, ""},
		{4 << 20, 1, journal.MaxCheckpoint + 1, ""}, {4 << 20, 1, journal.MaxCheckpoint, ""},
	} {
		cells := journaltest.NewCells(c.size)
		err := journal.FormatChip(cells, c.slots, c.state, "")
		if c.want == "" {
			require.ErrorIs(t, err, journal.ErrChip, "%v", c)
			require.Zero(t, used(cells.Bytes()), "%v", c)
			continue
		}
		require.NoError(t, err, "%v", c)
		a, err := opened(t, cells).Take("J")
		require.NoError(t, err)
		require.Equal(t, "fram: slot 0, "+c.want, a.String())
	}
}

func TestAChipThatAnEarlierBuildHasFormattedIsRefusedAsOfAnotherFormat(t *testing.T) {
	cells := journaltest.NewCells(64 << 10)
	for at := range int64(2) {
		_, err := cells.WriteAt([]byte("bkfram01"), at*1280)
		require.NoError(t, err)
	}
	_, err := journal.OpenChip(cells, "")
	require.ErrorIs(t, err, journal.ErrChip)
	require.ErrorContains(t, err, `it is of another format: "bkfram01", this build reads "bkfram02"`)
}
