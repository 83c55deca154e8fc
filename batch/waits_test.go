// What a batch is said to wait for: that to ask changes nothing, and what follows what.

package batch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/script"
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

func TestWhatStandsInABlockIsBelowIt(t *testing.T) {
	dir := fixtures(t)[0]
	b := bindFixture(t, dir, bodies(t, dir))
	require.Equal(t, []string{"CHARGE_A", "CHARGE_B"}, b.Below("CHARGE"))
	require.Equal(t, b.Steps()[1:], b.Below("BLEND"))
	for _, step := range []string{"CHARGE_A", "PREPARE", "NOWHERE", ""} {
		require.Empty(t, b.Below(step), step)
	}
}

func TestASetThatAnInterlockWithholdsWaitsForIt(t *testing.T) {
	d := newDesk(t, guardBatch(t))
	lid, _ := d.b.Plan.Map.Lookup("ZS301")
	d.value[lid] = 1
	d.boot()
	d.do(script.Line{Verb: "command", Args: []string{"start"}})
	d.to(1000 * msec)
	w := d.m.Waits(d.now, "FILL")
	require.Len(t, w, 1)
	require.Equal(t, "permissive IL-LID wants: ZS301 == closed; ZS301=open GOOD age 0 ms", w[0].For)
	require.Equal(t, "XV301", w[0].Needs[0].Name)
	d.value[lid] = 0
	d.send(lid)
	require.Empty(t, d.m.Dues(d.now))
	require.Contains(t, d.m.Dues(d.now+100*msec), "the debounce or vote of interlock IL-LID is over")
}
