// The journal of a package, held against events.tsv.

package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal"
)

// errDiffers ends the reading of a journal at the first record that events.tsv has not.
var errDiffers = errors.New("differs")

// checkJournal holds the segments of the journal, if they are there, against events.tsv.
func (v *verifier) checkJournal() error {
	c := v.check("journal")
	if !v.tree.hasJournal() {
		c.found("%s/ is not in the package; %s stands for it", journalDir, eventsName)
		return nil
	}
	within := func(name string) bool { return name == journalDir || strings.HasPrefix(name, journalDir+"/") }
	if slices.ContainsFunc(v.tree.odd, within) || slices.ContainsFunc(v.tree.large, within) || !v.tree.has(eventsName) {
		c.fail(0, journalDir, "it cannot be held against %s", eventsName)
		return nil
	}
	f, err := v.root.Open(eventsName)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := newLineReader(f)
	found, err := journal.Scan(filepath.Join(v.dir, journalDir), func(seq uint64, body []byte, ch journal.Chain) error {
		switch ln, err := lines.next(); {
		case errors.Is(err, io.EOF):
			c.fail(seq, "", "the journal goes on behind the end of %s; where a batch was continued after it was packed, pack it again", eventsName)
			return errDiffers
		case err != nil:
			return err
		case ln.seq != seq || ln.link != ch.Link || !bytes.Equal(ln.body, body):
			c.fail(seq, "", "the journal holds another record than %s", eventsName)
			return errDiffers
		}
		return nil
	}, nil)
	if err != nil {
		if !errors.Is(err, errDiffers) {
			c.fail(0, journalDir, "%v", err)
		}
		return nil
	}
	v.outcome = found.Outcome.String()
	switch _, err := lines.next(); {
	case found.Outcome != journal.Clean && found.Outcome != journal.TornTail:
		c.fail(found.Missing, "", "the journal is %s: %s", found.Outcome, found.Reason)
	case !errors.Is(err, io.EOF):
		c.fail(found.Head.N+1, "", "%s has it and the journal has not", eventsName)
	}
	v.checkQuarantine(c)
	c.found("the journal is %s and holds the same %d records%s", v.outcome, found.Head.N, remarks(found))
	return nil
}

// torn is the name of a file in quarantine: segment, offset, and the digest of what was set aside.
var torn = regexp.MustCompile(`^[0-9]{8}-[0-9]+-([0-9a-f]{64})\.torn$`)

// checkQuarantine holds what was set aside against its names, and against the records that say how much it was.
func (v *verifier) checkQuarantine(c *Check) {
	sizes := map[int64]int{}
	for _, name := range slices.Sorted(maps.Keys(v.tree.files)) {
		base, within := strings.CutPrefix(name, quarantineDir+"/")
		if !within {
			continue
		}
		if m := torn.FindStringSubmatch(base); m == nil {
			c.fail(0, name, "it is nothing that a recovery sets aside")
		} else if m[1] != v.tree.files[name].String() {
			c.fail(0, name, "it is not what was set aside: its digest is %s", v.tree.files[name])
		}
		if info, err := v.root.Stat(name); err == nil {
			sizes[info.Size()]++
		}
	}
	for _, t := range v.recs.tails {
		if sizes[t.bytes]--; sizes[t.bytes] < 0 {
			c.fail(t.seq, "", "%d bytes were set aside then, and are not in %s/", t.bytes, quarantineDir)
		}
	}
}

// remarks tells what reading a journal has met that cost no record.
func remarks(found *journal.Recovery) (words string) {
	if found.Reason != "" {
		words = "; " + found.Reason
	}
	if found.Warnings > 0 {
		words += fmt.Sprintf("; %d warnings, which cost no record: %.2000s", found.Warnings, strings.Join(found.Path, "; "))
	}
	return words
}
