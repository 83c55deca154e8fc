// Scripts of edges, filters and limits of inputs: what is decided and recorded, replayed, and resumed from every record.

package batch

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/journal/record"
)

func inputBatch(t testing.TB) *Batch {
	plan, err := Load(os.DirFS("testdata/inputs"), "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-INPUTS", "", Unapproved, nil)
	require.NoError(t, err)
	return b
}

func TestAButtonBeginsAndAFilteredScaleEnds(t *testing.T) {
	d := runGuards(t, inputBatch(t), "testdata/inputs/button.txt")
	golden.Check(t, "testdata/inputs/button.golden", []byte(d.shown.String()))
	replays(t, d)
	edges := 0
	for _, body := range d.list {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		if rec.Kind == record.KindInputEdge {
			edges++
			require.EqualValues(t, 0, rec.Count(record.RawState), "the wire is inverted")
			require.EqualValues(t, 1, rec.Count(record.DebouncedState))
			require.Equal(t, "gpio START", rec.Text(record.ProtocolBinding))
		}
	}
	require.Equal(t, 1, edges)
}
