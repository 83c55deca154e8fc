// A trial on a plant that is recorded gives, on its playback, the same bytes, and one of another recipe tells where it differs.

package batchtest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/sim"
)

func TestATrialOnAPlaybackGivesTheBytesOfTheTrialThatWasRecorded(t *testing.T) {
	var file bytes.Buffer
	recorder := sim.NewSteppedRecorder(sim.NewPlant(1), &file, 0)
	r := New(t, demo+"recipe.yaml", demo+"map.yaml", recorder, &Options{Size: "150 kg", Seed: 1})
	r.Run(2 * time.Hour)
	r.WantState("Complete")
	require.NoError(t, recorder.Close())
	rec, err := sim.ReadRecording("run.rec", file.Bytes())
	require.NoError(t, err)
	t.Logf("%d values and %d writes of the demo's plant: %d bytes", rec.Values(), rec.Writes(), file.Len())

	plays := sim.NewPlayback(rec, 1)
	again := New(t, demo+"recipe.yaml", demo+"map.yaml", plays, &Options{Size: "150 kg", Seed: 1})
	again.Run(2 * time.Hour)
	require.Equal(t, r.Link(), again.Link())
	require.Empty(t, plays.Differences())
	again.WantTotal("A", "90.00 kg", "0.30 kg")
}

func TestAnotherRecipeOnAPlaybackTellsWhichWritesDiffer(t *testing.T) {
	var file bytes.Buffer
	recorder := sim.NewSteppedRecorder(sim.NewPlant(1), &file, 0)
	charge(t, recorder).Run(time.Hour)
	require.NoError(t, recorder.Close())
	rec, err := sim.ReadRecording("run.rec", file.Bytes())
	require.NoError(t, err)

	src, err := os.ReadFile(tank + "charge.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	for name, text := range map[string][]byte{"charge.yaml": bytes.ReplaceAll(src, []byte("20 kg"), []byte("10 kg"))} {
		require.NotEqual(t, src, text)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	plays := sim.NewPlayback(rec, int64(100*time.Millisecond))
	r := New(t, filepath.Join(dir, "charge.yaml"), tank+"map.yaml", plays, nil)
	r.Run(time.Hour)
	require.NotEmpty(t, plays.Differences())
	t.Log(plays.Differences()[0])
}
