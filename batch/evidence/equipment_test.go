// A batch whose recipe asks for its equipment by class: its package verifies, and one that names another unit does not.

package evidence

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// byClass is testdata/plan with a recipe that knows no tag and no meter of the map.
func byClass(t *testing.T) fstest.MapFS {
	plan := altered(t, "map.yaml", "meters:", "units:\n"+
		"  - {unit: L2, class: LINE, priority: 2, tags: {XV: XV1}, meters: {FQ: FQ1}}\n"+
		"  - {unit: L1, class: LINE, priority: 1, tags: {XV: XV1}, meters: {FQ: FQ1}}\n\nmeters:")
	src, err := os.ReadFile("testdata/plan/recipe.yaml")
	require.NoError(t, err)
	text := strings.NewReplacer("FQ1", "line.FQ", "XV1", "line.XV", "formula:", "equipment: [{name: line, class: LINE}]\nformula:").Replace(string(src))
	plan["recipe.yaml"] = &fstest.MapFile{Data: []byte(text)}
	return plan
}

func TestAPackageOfABatchThatAskedForItsEquipmentByClassVerifies(t *testing.T) {
	dir := t.TempDir()
	b := bound(t, byClass(t), "B-0001", approved{})
	wholeRun(t, dir, b)
	_, err := Pack(dir, b)
	require.NoError(t, err)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.Contains(t, string(slurp(t, dir, eventsName)), `"equipment_bound":["line=L1: class LINE, priority 1"]`)

	for _, value := range []any{nil, []string{"line=L2: class LINE, priority 2"}} {
		got := failed(t, forge(t, dir, with("object_bound", 2, "equipment_bound", value)), "records")
		require.Equal(t, place(t, dir, "object_bound/2"), got.Seq, got.String())
		require.Contains(t, got.Detail, "by recipe and mapping it is")
	}
}
