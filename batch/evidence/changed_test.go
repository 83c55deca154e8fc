// Tests of packages of batches in which a parameter was changed: targets are those of the value that was in force.

package evidence

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// changed makes a package of a batch in whose first window, while it was held, the charge was changed twice.
func changed(t *testing.T) (dir string) {
	dir = t.TempDir()
	b := tinyBatch(t, "B-0001", approved{})
	r := begin(t, dir, b)
	r.rounds(0, 4)
	r.tell(sequencer.Hold)
	r.until(r.now + 100*ms)
	require.Equal(t, sequencer.Held, r.m.State())
	for _, value := range []string{"1.20 kg", "1300 g", "7 L"} {
		r.step(batch.Event{Kind: batch.Told, Command: sequencer.Change, Name: "charge", Value: value, Operator: "o.shift", Role: "operator", Reason: "weaker lot"})
	}
	r.rounds(4, 300)
	r.end()
	require.True(t, honest(t, dir, b).Ended)
	return dir
}

func TestAPackageHoldsTargetsAgainstTheValueThatWasInForce(t *testing.T) {
	dir := changed(t)
	require.Equal(t, []string{"1.30", "0.30"}, stops(t, dir, record.Target))
	require.Equal(t, []string{"PASS", "NOT_GOOD"}, stops(t, dir, record.Result))
	for _, c := range []struct {
		name  string
		edit  func(uint64, []byte) []byte
		check string
		at    string
		says  string
	}{
		{"the value before", with("parameter_change", 2, "old_value", "1.10"), "records", "parameter_change/2",
			`parameter charge: old_value is "1.10", by the recipe and the records before it is "1.20"`},
		{"the first value", with("parameter_change", 1, "old_value", "2.00"), "records", "parameter_change/1", `it is "1.00"`},
		{"the new value", with("parameter_change", 2, "new_value", "1.4"), "totals", "window_stop/1", `delta is "0.05", recomputed it is "-0.05"`},
		{"the unit", with("parameter_change", 1, "unit", "L"), "records", "parameter_change/1", `parameter charge is in kg, and "1.20 L" measures something else`},
		{"the parameter", with("parameter_change", 1, "parameter", "price"), "records", "parameter_change/1", `no parameter "price"; the formula has charge`},
		{"a value that is none", with("parameter_change", 1, "new_value", "much"), "records", "parameter_change/1", "parameter charge"},
		{"the target of the window", with("window_stop", 1, "target", "1.20"), "totals", "window_stop/1", `target is "1.20", recomputed it is "1.30"`},
		{"the target when it opened", with("window_start", 1, "target", "1.30"), "totals", "window_start/1", `by recipe and mapping it is "1.00"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failed(t, forge(t, dir, c.edit), c.check)
			require.Equal(t, place(t, dir, c.at), got.Seq, got.String())
			require.Contains(t, got.String(), c.says)
		})
	}
}

func TestAReplayRefusesAChangeThatTheEngineDidNotMake(t *testing.T) {
	dir := changed(t)
	for _, edit := range []func(uint64, []byte) []byte{with("command", 3, "value", "1.25 kg"), with("command", 3, "parameter", "price"),
		with("parameter_change", 1, "impact_scope", "nothing uses it"), with("parameter_change", 2, "actor", "nobody"),
		with("command_result", 5, "detail", "no")} {
		rep, err := Replay(forge(t, dir, edit))
		require.NoError(t, err)
		require.NotNil(t, rep.Divergence)
	}
}
