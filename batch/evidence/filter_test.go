// A whole batch of which the sources are filtered for what is decided, and not for what is totalized.

package evidence_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
)

func TestTotalsOfFilteredTagsAreThoseOfWhatWasRead(t *testing.T) {
	run := func(m string) map[string]map[string]any {
		plan, err := batch.Load(fstest.MapFS{"map.yaml": {Data: []byte(m)}, "cal.yaml": {Data: []byte(benchCalibration)},
			"recipe.yaml": {Data: []byte(benchRecipe("5 kg"))}}, "recipe.yaml", "map.yaml", nil)
		require.NoError(t, err)
		b, err := plan.Bind("T3", "", batch.Unapproved, &batch.BindOptions{Operator: "op"})
		require.NoError(t, err)
		bench, err := sim.NewBench(sim.BenchOptions{})
		require.NoError(t, err)
		res, err := runner.Run(t.Context(), b, runner.Rig{Port: bench, Dir: filepath.Join(t.TempDir(), "T3")}, &runner.Options{Virtual: &runner.Virtual{}})
		require.NoError(t, err)
		report, err := evidence.Verify(res.Dir)
		require.NoError(t, err)
		require.True(t, report.OK(), report.Verdict())
		replayed, err := evidence.Replay(res.Dir)
		require.NoError(t, err)
		require.Nil(t, replayed.Divergence)
		return told(t, res.Dir, "window_stop")
	}
	filtered := strings.NewReplacer("logical_tag: FT1,", "logical_tag: FT1, filter: {type: exponential, time_constant: 1 s}, min: 0 kg/s, max: 100 kg/s,",
		"logical_tag: FT2,", "logical_tag: FT2, filter: {type: median, samples: 9}, protocol_binding: slot 3,",
		"logical_tag: WT1,", "logical_tag: WT1, filter: {type: exponential, time_constant: 1 min}, min: -1000 kg, max: 100000 kg,").Replace(benchMap)
	require.NotEqual(t, benchMap, filtered)
	plain, smooth := run(benchMap), run(filtered)
	require.Len(t, plain, len(benchMethods))
	for window, rec := range plain {
		for _, key := range []string{"totalized_value", "samples", "quality", "meter_window_id"} {
			require.Equal(t, rec[key], smooth[window][key], "%s of %s", key, window)
		}
	}
}
