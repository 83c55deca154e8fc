// What a batch is said to wait for: that to ask changes nothing, and what follows what.

package batch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
)

func TestToAskWhatABatchWaitsForChangesNothing(t *testing.T) {
	for _, dir := range fixtures(t) {
		list := bodies(t, dir)
		b := bindFixture(t, dir, list)
		r := b.Replay()
		n, waited := 0, 0
		r.Before = func(at int64, ev *Event) {
			if n++; n%7 != 0 || ev.Kind == Boot {
				return
			}
			m := r.Machine
			before := m.Snapshot(nil)
			for _, w := range m.Waits(at, "") {
				waited += len(w.Needs)
				require.Contains(t, b.Steps(), w.Step)
				require.LessOrEqual(t, w.Since, at)
				require.Equal(t, w.Action != "", w.Seq != 0, "%+v: what waits has a record that says so", w)
				for i := range w.Needs {
					require.NotEmpty(t, w.Needs[i].String())
				}
			}
			for id := range b.Plan.Map.Tags {
				shows := m.Shows(at, tag.ID(id))
				require.NotEmpty(t, shows.String())
			}
			m.Dues(at)
			require.Equal(t, before, m.Snapshot(nil))
		}
		for _, body := range list {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			require.NoError(t, r.Record(rec))
		}
		require.NotZero(t, waited, dir)
		require.Empty(t, r.Machine.Waits(r.at, "NOWHERE"))
	}
}

func TestAStepFollowsWhatEndsBeforeItBegins(t *testing.T) {
	dir := fixtures(t)[0]
	b := bindFixture(t, dir, bodies(t, dir))
	for _, c := range []struct {
		step, other string
		follows     bool
	}{
		{"CHARGE", "PREPARE", true},
		{"CHARGE_A", "PREPARE", true},
		{"CHARGE_B", "PREPARE", true},
		{"CHARGE_B", "CHARGE_A", false}, // they run at once
		{"REACT", "CHARGE", true},
		{"STIR", "CHARGE", true},
		{"STIR", "CHARGE_B", true},
		{"HEAT", "STIR", true},
		{"HEAT", "CHARGE", false},
		{"PREPARE", "BLEND", false},
		{"BLEND", "PREPARE", false},
		{"NOWHERE", "PREPARE", false},
	} {
		require.Equal(t, c.follows, b.Follows(c.step, c.other), "%s after %s", c.step, c.other)
	}
}
