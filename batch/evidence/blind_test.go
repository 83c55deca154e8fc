// The blind table: what can be done to a package without its being found, by one who has no key. Each row is demonstrated.

package evidence

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

// The rows of the blind table.
const (
	rewritten   = "records changed, and all hashed anew, where neither journal/ nor a signature is in the package"
	tailCut     = "records cut off at the end, and all made anew, where neither journal/, signature nor anchor tells"
	journalLess = "journal/ left out as a whole, or not listed"
	unusedBytes = "bytes of journal/ that no record needs: padding, the second copy of a header, the reserve"
)

// blindRow finds the row of the table in which a mutation stands that was not found; "" where it stands in none.
func blindRow(t testing.TB, v *victim, strength int) string {
	events, err := os.ReadFile(filepath.Join(v.dir, eventsName))
	require.NoError(t, err)
	switch same := bytes.Equal(events, v.files[eventsName]); {
	case !same && strength == rechained && bytes.HasPrefix(v.files[eventsName], events):
		return tailCut
	case !same && strength == rechained:
		return rewritten
	case !same:
		return ""
	}
	inJournal, outside := false, false
	for _, name := range v.names {
		data, err := os.ReadFile(filepath.Join(v.dir, name))
		switch changed := err != nil || !bytes.Equal(data, v.files[name]); {
		case !changed || name == sumsName:
		case strings.HasPrefix(name, journalDir+"/"):
			inJournal = true
		default:
			outside = true
		}
	}
	found, err := journal.Scan(filepath.Join(v.dir, journalDir), nil, nil)
	switch {
	case outside || err != nil:
		return ""
	case found.Outcome == journal.None:
		return journalLess
	case inJournal && strength == resummed:
		return unusedBytes
	}
	return ""
}
