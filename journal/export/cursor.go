// Cursors: what a sink has acknowledged of a journal, kept durably in two slots that are written in turn.

package export

import (
	"fmt"

	"github.com/batchkit/batchkit/journal"
)

// cursor is what a sink has acknowledged of one journal. Its slots are those of journal.Checkpoints, with the name of the sink as the
// payload: one that cannot be read is passed over for the other, which is older, and where both are lost all is sent again.
type cursor struct {
	slots  *journal.Checkpoints
	sink   string
	acked  journal.Chain // zero where nothing is known
	faults []string      // of each slot that holds something else, what it is
}

// openCursor reads the cursor of a sink for a journal, which lies in dir. It changes nothing.
func openCursor(dir, sink, journalID string, st journal.Storage) (*cursor, error) {
	if sink == "" || len(sink) > maxName {
		return nil, fmt.Errorf("export: a sink needs a name of 1 to %d bytes", maxName)
	}
	slots, all, faults, err := journal.OpenCheckpoints(dir, journalID, 2, &journal.Options{Storage: st})
	if err != nil {
		return nil, fmt.Errorf("export: cursor of sink %q: %w", sink, err)
	}
	c := &cursor{slots: slots, sink: sink, faults: faults}
	for _, one := range all {
		if string(one.Payload) != sink {
			c.faults = append(c.faults, fmt.Sprintf("a slot is that of sink %.80q", one.Payload))
			continue
		}
		if one.Head.N > c.acked.N {
			c.acked = one.Head
		}
	}
	return c, nil
}

// set moves the cursor and returns when that is durable.
func (c *cursor) set(to journal.Chain) error {
	if _, err := c.slots.Write(to, []byte(c.sink)); err != nil {
		return fmt.Errorf("export: cursor of sink %q: %w", c.sink, err)
	}
	c.acked = to
	return nil
}
