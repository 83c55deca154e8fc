// Checkpoints on the chip: two behind the ring of a slot, written in turn.

package journal

import "fmt"

const (
	chipMarks  = 2   // checkpoints in a slot of a chip that has room for them
	markPieces = 512 // bytes that are written at once, so that a record for the ring waits for no more
)

func (a *Anchor) savedAt(i int) int64 { return a.base + slotHeads + int64(a.ring+i*a.saved) }

// readSaved reads all that there is room for in checkpoint i.
func (a *Anchor) readSaved(i int) ([]byte, error) {
	b := make([]byte, a.saved)
	if err := readCells(a.chip.f, b, a.savedAt(i)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnchor, err)
	}
	return b, nil
}

// writeSaved writes checkpoint i and reads it back. A slot that no Writer of this Chip has may be another journal's by now.
func (a *Anchor) writeSaved(i int, data []byte) error {
	c := a.chip
	c.mu.Lock() // keeps the Writer from giving the slot back meanwhile
	defer c.mu.Unlock()
	if c.held[a.slot] != *a {
		return fmt.Errorf("no Writer of this chip has slot %d of journal %q: %w", a.slot, a.id, ErrNoSlot)
	}
	for at := 0; at < len(data); at += markPieces {
		if err := writeCells(c.f, data[at:min(at+markPieces, len(data))], a.savedAt(i)+int64(at)); err != nil {
			return fmt.Errorf("%w: %w", ErrAnchor, err)
		}
	}
	return nil
}
