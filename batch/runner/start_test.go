// A start that is refused: a run in virtual time ends, and says why and what is wanted.

package runner

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/sequencer"
)

// demoWith binds a batch of the demo, with more in its map.
func demoWith(t *testing.T, more string) *batch.Batch {
	t.Helper()
	files := fstest.MapFS{}
	for _, name := range [...]string{"recipe.yaml", "map.yaml", "calibration.yaml", "bus.yaml", "plc.yaml"} {
		data, err := os.ReadFile("../../examples/controller/demo/" + name)
		require.NoError(t, err)
		if name == "map.yaml" {
			data = append(data, more...)
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	p, err := batch.Load(files, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := p.Bind("B-0001", "", batch.Unapproved, nil)
	require.NoError(t, err)
	return b
}

func TestAVirtualRunWhoseStartIsRefusedEnds(t *testing.T) {
	b := demoWith(t, "\ninterlocks:\n  - {interlock_id: IL-DRY, kind: trip, when: \"LT301 < 20.0 L\", debounce: 100 ms, latch: until_reset, "+
		"gates: [], reaction: hold}\n")
	for name, schedule := range map[string][]Scheduled{"nobody": nil, "somebody tries again": {order(3*second, sequencer.Start, "", "")}} {
		res, err := Run(t.Context(), b, Rig{Port: sim.NewPlant(1), Dir: t.TempDir() + "/B-1"}, &Options{Virtual: &Virtual{}, Schedule: schedule})
		require.ErrorIs(t, err, ErrNobody, name)
		require.ErrorContains(t, err, "its start was refused: interlock IL-DRY blocks: LT301 < 20.0 L", name)
		require.Equal(t, sequencer.Idle, res.State, name)
		require.Equal(t, "start", res.Wants[len(res.Wants)-1], name)
		require.Less(t, res.Records, uint64(200), name)
	}
}

func TestARunThatNobodyBringsOnSaysWhatIsWantedAndThatBringsItOn(t *testing.T) {
	b := demoWith(t, "")
	schedule := []Scheduled{order(1*second, sequencer.SemiAutomatic, "", "")}
	yes := func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "op1", "operator") }
	wanted := map[string]bool{}
	for range 60 {
		res, err := Run(t.Context(), b, Rig{Port: sim.NewPlant(1), Dir: t.TempDir() + "/B-1"}, &Options{Virtual: &Virtual{}, Schedule: schedule, Ask: yes})
		if err == nil {
			require.Equal(t, sequencer.Complete, res.State)
			require.Empty(t, res.Wants)
			require.Contains(t, wanted, "release BLEND.step")
			return
		}
		require.ErrorIs(t, err, ErrNobody)
		require.ErrorContains(t, err, ", and wants "+strings.Join(res.Wants, ", then "))
		require.NotEmpty(t, res.Wants)
		for _, want := range res.Wants {
			wanted[want] = true
			name, step, _ := strings.Cut(want, " ")
			c, ok := sequencer.ParseCommand(name)
			require.True(t, ok, want)
			schedule = append(schedule, order(schedule[len(schedule)-1].At+10*second, c, step, ""))
		}
	}
	require.Fail(t, "it does not come on", "%v", wanted)
}
