// Checkpoints of an anchored journal, on its chip and beside it.

package journaltest

import (
	"bytes"
	"fmt"

	"github.com/batchkit/batchkit/journal"
)

// stateAfter is the payload of a checkpoint, by which it can be told; of four one does not fit on the chip.
func stateAfter(head journal.Chain) []byte {
	one := fmt.Appendf(nil, "%d %s ", head.N, head.Link)
	return bytes.Repeat(one, [...]int{4, 14, 8, 20}[head.N%4])
}

// mark adds a record and writes the state after it, which need not be durable.
func (p *anchoredProcess) mark() error {
	if err := p.add(40); err != nil {
		return err
	}
	c, err := p.slots.Write(p.w.Tail(), stateAfter(p.w.Tail()))
	if err != nil {
		return err
	}
	if onChip := c.Slot[:4] == "chip"; onChip != (p.cells.Size() >= chipSize && c.Head.N%4 != 3) {
		return fmt.Errorf("a state of %d bytes lies in %s", len(c.Payload), c.Slot)
	}
	p.marks = append(p.marks[:len(p.marks):len(p.marks)], c)
	return nil
}

// marked tells that each checkpoint that can be read is what was written, and that the newest that was acknowledged on the chip, and
// of the files, is there.
func marked(d *Disk, cells *Cells, acked []journal.Checkpoint) error {
	if len(acked) == 0 {
		return nil
	}
	a, err := slotOf(cells)
	if err != nil {
		return err
	}
	_, all, _, err := journal.OpenCheckpoints(dir, header().JournalID, 2, &journal.Options{Storage: d, Anchor: a})
	if err != nil {
		return err
	}
	there := map[journal.Hash]bool{}
	for _, c := range all {
		if !bytes.Equal(c.Payload, stateAfter(c.Head)) {
			return fmt.Errorf("the checkpoint in %s is not what was written", c.Slot)
		}
		there[c.Digest] = true
	}
	newest := map[string]journal.Checkpoint{}
	for _, c := range acked {
		newest[c.Slot[:4]] = c
	}
	for _, c := range newest {
		if !there[c.Digest] {
			return fmt.Errorf("checkpoint %d, the newest in its place, is lost: it was in %s", c.Generation, c.Slot)
		}
	}
	return nil
}
