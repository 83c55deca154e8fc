// Tests of why: each kind of wait, causes back to inputs, and packages that mean no good.

package evidence

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// row drives the batch of testdata/waits: values come every second, and what is in them is set beforehand.
type row struct {
	*run
	dir    string
	level  uint64 // tenths of a litre
	heat   uint64 // tenths of a degree
	shut   uint64
	pulses uint64
	out    [2]uint64
	quiet  bool // LOST is silent
}

func newRow(t *testing.T) *row {
	t.Helper()
	plan, err := batch.Load(os.DirFS("testdata/waits"), "recipe.yaml", "map.yaml",
		&batch.LoadOptions{Actions: []recipe.ActionType{{Name: "mill", Version: 1}}})
	require.NoError(t, err)
	b, err := plan.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Operator: "o.shift", JournalID: "J-1", Seed: 42})
	require.NoError(t, err)
	r := &row{dir: t.TempDir(), level: 98, heat: 201}
	r.run = begin(t, r.dir, b)
	r.second()
	r.second() // outputs were read back
	r.tell(sequencer.Start)
	return r
}

// second brings a value of every tag and lets a second go by.
func (r *row) second() {
	for id, bits := range []uint64{r.out[0], r.out[1], r.level, r.heat, r.shut, 0, r.pulses} {
		t := &r.b.Plan.Map.Tags[id]
		if t.Name != "LOST" || !r.quiet {
			r.step(batch.Event{Kind: batch.Sample, Tag: tag.ID(id), Form: t.Form, Bits: bits, Quality: tag.Good})
		}
		r.until(r.now + ms)
	}
	from := r.now
	for half := from + 450*ms; half < from+993*ms; half += 450 * ms { // a counter is to come twice in a second
		r.until(half)
		r.step(batch.Event{Kind: batch.Sample, Tag: 6, Form: tag.Int, Bits: r.pulses, Quality: tag.Good})
	}
	r.until(from + 993*ms)
}
