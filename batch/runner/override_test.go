// Tests of overrides in a run: what becomes of one that the power is cut under.

package runner

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

const overridden = `
overrides:
  - {override_id: OV-STIR, tags: [AG301], roles: [shift_lead], limit: 10 min, over_boot: continues}
`

// underCut grants an override for 30 s at 2 s, has the agitator turn by it at 3 s, and cuts the power at 6 s for some time in ns. It
// returns what became of the override in the second life.
func underCut(t *testing.T, down int64) (list []*record.Record) {
	b := demoWith(t, overridden)
	tr, disk, rng := newTrace(t, 1), newMemory(), rand.New(rand.NewPCG(1, 2))
	m := &mortal{trace: tr, death: 6 * second, orders: []Scheduled{
		ordered(2*second, Command{Command: sequencer.OverrideGrant, Name: "OV-STIR", Value: "30 s"}),
		ordered(3*second, Command{Command: sequencer.OverrideSet, Name: "AG301", Value: "running"})}}
	require.ErrorIs(t, m.live(t, b, disk, rng), errCut)
	require.EqualValues(t, 1, tr.plant.Output("do/6"), "it turns by hand")
	dead := m.offset + m.now
	tr.plant.PowerCut(dead)
	m.birth, m.offset, m.death, m.orders = 1, dead+down, 1<<62-1, nil
	tr.plant.Advance(dead+down, func(tag.Raw) {})
	tr.plant.Boot(dead + down + 1)
	require.NoError(t, m.live(t, b, disk, rng))
	require.Equal(t, sequencer.Complete, tr.result.State)
	tr.reload(disk)
	replayed(t, b, tr)
	for _, body := range tr.bodies {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		if rec.Kind == record.KindOverride && rec.Int(record.Epoch) == 2 {
			list = append(list, rec)
		}
	}
	return list
}

func TestAnOverrideThatExpiresWhileThePowerIsCutHasEndedWhenTheControllerComesUp(t *testing.T) {
	list := underCut(t, 60*second)
	require.Len(t, list, 2)
	require.Equal(t, "cleared", list[0].Text(record.Result))
	require.Equal(t, "running", list[0].Text(record.OldValue))
	require.Equal(t, "stopped", list[0].Text(record.NewValue))
	require.Contains(t, list[0].Text(record.Detail), "expired while the controller was down, for 6")
	require.Equal(t, "revoked", list[1].Text(record.Result))
}

func TestAnOverrideThatOutlivesACutOfThePowerLosesTheTimeOfTheCut(t *testing.T) {
	list := underCut(t, 10*second)
	require.Equal(t, "continued", list[0].Text(record.Result))
	require.Contains(t, list[0].Text(record.Detail), "it was down for 1")
	left := list[0].Count(record.ExpiryMonoNS)
	require.Less(t, left, uint64(30*second-4*second-10*second)+uint64(second), "what had gone by before the cut, and the cut")
	require.Contains(t, list[1].Text(record.Detail), "driven to its safe value: ", "its output was found at rest and is not turned on again by itself")
	last := list[len(list)-1]
	require.Equal(t, "revoked", last.Text(record.Result))
	require.Equal(t, "expired", last.Text(record.Detail))
	require.Equal(t, left, last.Count(record.TsMonoNS), "to the nanosecond")
}

func TestAWindowWhoseMeterWasForcedSaysSoAndIsNoPassThoughItsTotalIsWhatTheDeviceSaid(t *testing.T) {
	b := demoWith(t, "\noverrides:\n  - {override_id: OV-TOTAL, tags: [FT101.total], roles: [shift_lead], limit: 10 min}\n")
	for name, from := range map[string]int64{"while it is open": 3 * second, "before it opens": second / 10} {
		dir := filepath.Join(t.TempDir(), "B-1")
		var list []*record.Record
		res, err := Run(t.Context(), b, Rig{Port: sim.NewPlant(1), Dir: dir}, &Options{Virtual: &Virtual{}, Ask: yes, Manual: true,
			Record: func(_ record.Kind, body []byte) {
				rec, err := record.Parse(bytes.Clone(body))
				require.NoError(t, err)
				list = append(list, rec)
			},
			Schedule: []Scheduled{
				ordered(from, Command{Command: sequencer.OverrideGrant, Name: "OV-TOTAL", Value: "1 min"}),
				ordered(from, Command{Command: sequencer.OverrideSet, Name: "FT101.total", Value: "5 kg"}),
				ordered(second, Command{Command: sequencer.Start}),
				ordered(from+2*second, Command{Command: sequencer.OverrideRevoke, Name: "OV-TOTAL"})}})
		require.NoError(t, err, name)
		require.Equal(t, sequencer.Complete, res.State, name)
		met := 0
		for _, rec := range list {
			if rec.Kind != record.KindReconcile {
				continue
			}
			if met++; rec.Text(record.MeterWindowID) == "A" {
				require.Contains(t, rec.Texts(record.Anomalies), "forced", name)
				require.Equal(t, "WARN", rec.Text(record.ReconcileStatus), name)
				require.NotEmpty(t, rec.Text(record.MeterTotal), "%s: it is what the device said, not 5 kg", name)
			} else {
				require.NotContains(t, rec.Texts(record.Anomalies), "forced", name)
				require.Equal(t, "PASS", rec.Text(record.ReconcileStatus), name)
			}
		}
		require.Equal(t, 2, met, name)
		rep, err := evidence.Verify(dir)
		require.NoError(t, err)
		require.True(t, rep.OK(), "%s: %s", name, rep.Verdict())
		again, err := evidence.Replay(dir)
		require.NoError(t, err)
		require.Nil(t, again.Divergence, name)
	}
}
