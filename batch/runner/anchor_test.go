// Batches whose journal has an anchor: outputs that do not wait for the disk, and what is on record of it.

package runner

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// fram gives a site a chip of one slot.
func (s *site) fram() *journaltest.Cells {
	c := journaltest.NewCells(256 << 10)
	require.NoError(s.t, journal.FormatChip(c, 1, 0, ""))
	s.chip(c)
	return c
}

func (s *site) chip(c hal.FRAM) {
	chip, err := journal.OpenChip(c, "")
	require.NoError(s.t, err)
	s.rig.FRAM = chip
	s.disk.anchor = func() *journal.Anchor {
		a, err := chip.Find(s.b.JournalID)
		require.NoError(s.t, err)
		return a
	}
}

func TestWithAnAnchorOutputsDoNotWaitForADiskThatStalls(t *testing.T) {
	inBubble(t, func(s *site) {
		s.fram()
		s.disk.stall = span{3 * second, 8 * second}
		s.tell(4*second, sequencer.Hold)
		s.tell(5*second, sequencer.Restart)
		s.complete()
		opened := false
		for _, c := range s.wires.to("do/1") {
			opened = opened || c.Bits == 1 && c.begin >= 5*second && c.begin < 5*second+10_000_000
		}
		require.True(s.t, opened, "the restart waited for the disk")
		boot := s.of(record.KindBoot)
		require.Len(s.t, boot, 1)
		require.Equal(s.t, "fram: slot 0, a ring of 259072 bytes", boot[0].Text(record.Anchor))
	})
}

func TestABatchThatIsCutWhileTheDiskStallsGoesOnFromTheRing(t *testing.T) {
	inBubble(t, func(s *site) {
		cells := s.fram()
		s.disk.stall = span{3 * second, 8 * second}
		left, taken := newMemory(), (*journaltest.Cells)(nil)
		recorded := 0
		s.at(7*second, func(*Runner) {
			for name, data := range s.disk.safe.files {
				left.put(name, append([]byte(nil), data...))
			}
			taken, recorded = cells.Copy(), len(s.bodies)
		})
		s.complete()

		again := newSite(s.t, 1)
		again.disk.memory, again.wires.unchecked = left, true
		again.chip(taken)
		again.opt.Ask = s.opt.Ask
		again.tell(again.clock.Now()+second, sequencer.Restart)
		_, err := again.run()
		require.NoError(s.t, err)
		recovery := again.of(record.KindRecovery)
		require.Len(s.t, recovery, 1)
		require.Contains(s.t, recovery[0].Text(record.RecoveryPath), "of them were only in the anchor")
		require.Equal(s.t, uint64(recorded), recovery[0].Count(record.CheckpointLastSeq), "what was recorded until the cut is there")
	})
}

func TestAChipThatFailsIsNotedAndTheBatchGoesOn(t *testing.T) {
	inBubble(t, func(s *site) {
		cells := s.fram()
		s.at(3*second, func(*Runner) { cells.Fault = func(bool, int64, int) error { return syscall.EIO } })
		s.disk.anchor = nil
		s.wires.unchecked = true
		res, err := s.run()
		require.NoError(s.t, err)
		require.Equal(s.t, sequencer.Complete, res.State)
		var told []string
		for _, r := range s.of(record.KindMeasures) {
			if r.Has(record.Anchor) {
				told = append(told, r.Text(record.Anchor))
			}
		}
		require.Len(s.t, told, 1)
		require.True(s.t, strings.HasPrefix(told[0], "none: journal: "), told[0])
		require.Contains(s.t, told[0], "the journal goes on by the disk alone")
		s.whole(res)
	})
}

func TestABatchWithoutAFreeSlotRunsWithoutAnAnchorAndSaysSo(t *testing.T) {
	inBubble(t, func(s *site) {
		s.fram()
		_, err := s.rig.FRAM.Take("B-0000")
		require.NoError(s.t, err)
		s.complete()
		says := s.of(record.KindBoot)[0].Text(record.Anchor)
		require.Contains(s.t, says, `none: journal: chip: no free slot on this chip for journal "`)
		ids, err := s.rig.FRAM.Journals()
		require.NoError(s.t, err)
		require.Equal(s.t, []string{"B-0000"}, ids)
	})
}

func TestASlotIsGivenBackWhenThePackageIsMade(t *testing.T) {
	inBubble(t, func(s *site) {
		dir := s.onDisk()
		s.fram()
		s.tell(3*second, sequencer.Abort)
		_, err := s.run()
		require.NoError(s.t, err)
		ids, err := s.rig.FRAM.Journals()
		require.NoError(s.t, err)
		require.Equal(s.t, []string{""}, ids)
		s.verified(dir)
		_, err = s.run()
		require.ErrorIs(s.t, err, ErrUsed)
	})
}

func TestCheckpointsOnTheChipGoOnWhileTheDiskStallsAndWaitWhereTheirRecordsDo(t *testing.T) {
	for ring, least := range map[bool]int{true: 4, false: 0} {
		inBubble(t, func(s *site) {
			cells := journaltest.NewCells(256 << 10)
			require.NoError(t, journal.FormatChip(cells, 1, 8<<10, ""))
			s.chip(cells)
			s.opt.CheckpointPeriod = second
			s.disk.stall = span{3 * second, 9 * second}
			s.wires.unchecked = true
			if !ring {
				s.disk.anchor = nil
				s.at(2*second, func(*Runner) {
					cells.Fault = func(write bool, off int64, _ int) error {
						if write && off < 250<<10-16384 { // heads and ring, and no checkpoint
							return syscall.EIO
						}
						return nil
					}
				})
			}
			res, err := s.run()
			require.NoError(t, err)
			require.Equal(t, sequencer.Complete, res.State)
			within := 0
			for i, r := range s.list {
				if r.Kind == record.KindCheckpointTaken {
					require.Equal(t, "ok", r.Text(record.Result))
					require.Contains(t, r.Text(record.CheckpointSlot), "chip ")
					if s.seen[i] > 3*second+500_000_000 && s.seen[i] < 9*second {
						within++
					}
				}
			}
			require.GreaterOrEqual(t, within, least, "ring %t", ring)
			require.LessOrEqual(t, within, map[bool]int{true: 6, false: 1}[ring], "ring %t", ring)
		})
	}
}
