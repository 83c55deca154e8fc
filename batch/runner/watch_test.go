// What a run shows of itself between its records.

package runner

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/sequencer"
)

func TestARunShowsItsValuesAndTotalsTenTimesASecond(t *testing.T) {
	s := newSite(t, 1)
	s.plant = sim.NewPlant(1)
	s.rig = Rig{Port: s.plant, Dir: "memory"}
	s.opt.Virtual = &Virtual{}
	var last, looks int64
	var seen Snapshot
	level, _ := s.b.Plan.Map.Lookup("LT301")
	highest := int64(0)
	s.opt.Look = func(r *Runner, snap *Snapshot) {
		require.NotNil(t, r)
		require.True(t, looks == 0 || snap.At-last >= LookEvery, "%d ns after %d", snap.At, last)
		last = snap.At
		looks++
		seen = *snap
		if v := snap.Tags[level]; v.Quality == tag.Good {
			highest = max(highest, v.Value)
		}
	}
	res := s.complete()
	require.Greater(t, looks, last/LookEvery*9/10)
	require.NotEqual(t, sequencer.Idle, seen.State)
	require.Positive(t, highest)
	require.Len(t, seen.Windows, len(res.Windows))
	for _, w := range seen.Windows {
		total, ok := quantity.FromCounts(w.Total.Value, w.Resolution)
		require.True(t, ok)
		i := slices.IndexFunc(res.Windows, func(r Window) bool { return r.ID == w.ID })
		require.Equal(t, res.Windows[i].Total, string(quantity.AppendDecimal(nil, total.Coef, total.Scale)))
	}
}
