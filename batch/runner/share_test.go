// Runs in virtual time that share it.

package runner

import (
	"context"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

func TestARunThatSharesItsTimeLeavesTheEvidenceOfOneThatIsAlone(t *testing.T) {
	files := func(wait func(int64, bool) int64) map[string][]byte {
		store := newMemory()
		res, err := Run(t.Context(), demoBatch(t, 1), Rig{Port: sim.NewPlant(1), Dir: "x"}, &Options{Storage: store, Virtual: &Virtual{Wait: wait},
			Ask: func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "done", "op1", "operator") }})
		require.NoError(t, err)
		require.Equal(t, sequencer.Complete, res.State)
		return store.files
	}
	var last int64
	want := files(nil)
	require.NotEmpty(t, want)
	require.True(t, maps.EqualFunc(want, files(func(until int64, rests bool) int64 {
		require.GreaterOrEqual(t, until, last)
		require.False(t, rests)
		last = until
		return until
	}), func(a, b []byte) bool { return string(a) == string(b) }))
	require.Positive(t, last)
}

func TestARunThatSharesItsTimeRestsUntilItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var r *Runner
	var now, rested int64
	r, err := New(demoBatch(t, 1), Rig{Port: sim.NewPlant(1), Dir: "x"}, &Options{Storage: newMemory(),
		Schedule: []Scheduled{{At: 1e9, Do: func(r *Runner) { _ = r.Tell(Command{Command: sequencer.Hold, Operator: "op1", Reason: "a look"}) }}},
		Ask:      func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "done", "op1", "operator") },
		Virtual: &Virtual{Wait: func(until int64, rests bool) int64 {
			require.NotEqual(t, timebase.Never, until, "its port has something to say")
			if now = until; rests && rested == 0 {
				rested = now
			}
			if rests && now > rested+60e9 {
				_ = r.Tell(Command{Command: sequencer.Restart, Operator: "op1", Reason: "go on"})
			}
			return now
		}}})
	require.NoError(t, err)
	res, err := r.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, sequencer.Complete, res.State)
	require.Positive(t, rested)
}
