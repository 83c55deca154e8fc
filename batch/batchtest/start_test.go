// A start that is refused: the trial ends, as a run does.

package batchtest_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/batchtest"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/sequencer"
)

func TestATrialWhoseStartIsRefusedRests(t *testing.T) {
	dir := t.TempDir()
	for _, name := range [...]string{"recipe.yaml", "map.yaml", "calibration.yaml", "bus.yaml", "plc.yaml"} {
		data, err := os.ReadFile("../../examples/controller/demo/" + name)
		require.NoError(t, err)
		if name == "map.yaml" {
			data = append(data, "\ninterlocks:\n  - {interlock_id: IL-DRY, kind: trip, when: \"LT301 < 20.0 L\", debounce: 100 ms, latch: auto, gates: [], reaction: hold}\n"...)
		}
		require.NoError(t, os.WriteFile(dir+"/"+name, data, 0o640))
	}
	r := batchtest.New(t, dir+"/recipe.yaml", dir+"/map.yaml", sim.NewPlant(1), nil)
	r.At(30 * time.Second).Tell(runner.Command{Command: sequencer.Start})
	r.Run(1000 * time.Hour)
	r.WantState("Idle")
	require.Contains(t, r.Story(), "refused")
	r.WantReplay()
}
