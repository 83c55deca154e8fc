// Anybody can make sure that the decisions on record are those that follow from the inputs on record.

package production

import (
	"fmt"
	"path/filepath"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// EngineNumber is the engine number. It grows whenever what stands on record of jobs or unit runs would come out differently: a ledger names the one that
// decided, at its beginning and where another one has taken it up, so that a difference can be told from a change of ledger.
const EngineNumber = 1

// Checked is what comes of folding a ledger again.
type Checked struct {
	Journal   string
	Head      journal.Chain // of what was read
	Engine    uint64        // engine number that decided last; what another one decided may come out differently
	Inputs    int
	Decisions int    // that came out the same, byte for byte
	Missing   int    // of the last input: they were cut off, and the next engine puts them on record
	Aside     int    // inputs that cannot be read
	Differs   string // the first decision that comes out differently; "": none does
}

// OK tells whether each decision follows from the inputs.
func (c *Checked) OK() bool { return c.Differs == "" && c.Aside == 0 }

// Check folds the ledger in dir/production again, and compares each decision with the one on record, byte for byte. Prefix is that of the options of its
// engine. It changes nothing, and reads a ledger that an engine has open, too. An error says that the ledger cannot be read.
func Check(dir, prefix string, opt *journal.Options) (*Checked, error) {
	f := newFold(prefix)
	f.strict = true
	found, err := journal.Scan(filepath.Join(dir, "production"), func(seq uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil {
			err = f.take(seq, r, body)
		}
		if err != nil {
			return fmt.Errorf("production: record %d: %w", seq, err)
		}
		return nil
	}, opt)
	if err != nil {
		return nil, err
	}
	c := &Checked{Journal: found.JournalID, Head: found.Head, Engine: f.engine, Inputs: f.inputs, Decisions: f.agreed, Missing: len(f.expect), Aside: len(f.unread)}
	if f.diverged != nil {
		c.Differs = f.diverged.Detail
	}
	if found.Outcome != journal.Clean && found.Outcome != journal.TornTail {
		return c, fmt.Errorf("production: the ledger is %s: %s", found.Outcome, found.Reason)
	}
	return c, nil
}
