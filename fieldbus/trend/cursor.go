// The cursor: up to which number a sink has what it will ever get, and what became of those before it.

package trend

import (
	"encoding/binary"
	"fmt"

	"github.com/batchkit/batchkit/journal"
)

// cursor stands behind a number; those up to it are acknowledged or dropped, and none of them is sent again. It lies in two slots
// that are written in turn; one that is lost with a cut of power is an older one, and what was acknowledged since is sent once
// more.
type cursor struct {
	slots        *journal.Checkpoints
	at           uint64
	acknowledged uint64 // of the numbers up to at
	passed       uint64 // of them, those that were passed over; the others were dropped
	sent         uint64 // samples handed to the sink, those that were repeated too
	saved        uint64
	savedAt      int64
}

func openCursor(dir, sink string, st journal.Storage) (*cursor, error) {
	slots, all, _, err := journal.OpenCheckpoints(dir, sink, 2, &journal.Options{Storage: st})
	if err != nil {
		return nil, fmt.Errorf("trend: cursor of sink %q: %w", sink, err)
	}
	c := &cursor{slots: slots}
	for _, one := range all { // the newest first
		if n := binary.LittleEndian.Uint64; len(one.Payload) == 24 && one.Head.N < maxNumber {
			k := cursor{slots: slots, at: one.Head.N, saved: one.Head.N, acknowledged: n(one.Payload), passed: n(one.Payload[8:]), sent: n(one.Payload[16:])}
			if k.acknowledged <= k.at && k.passed <= k.at-k.acknowledged {
				return &k, nil
			}
		}
	}
	return c, nil
}

// save makes the cursor durable.
func (c *cursor) save(now int64) error {
	c.savedAt = now
	if c.at == c.saved {
		return nil
	}
	b := binary.LittleEndian.AppendUint64(nil, c.acknowledged)
	b = binary.LittleEndian.AppendUint64(b, c.passed)
	if _, err := c.slots.Write(journal.Chain{N: c.at}, binary.LittleEndian.AppendUint64(b, c.sent)); err != nil {
		return fmt.Errorf("trend: cursor: %w", err)
	}
	c.saved = c.at
	return nil
}
