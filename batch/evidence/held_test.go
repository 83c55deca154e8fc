// Claims about what a boot and a changed target are to a window, from whole batches.

package evidence

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

func TestHalfOfATargetThatWasChangedIsThatOfTheNewOne(t *testing.T) {
	files := meterPlan(meterKinds[0].meter, meterKinds[0].factor)
	recipe := strings.Replace(string(files["recipe.yaml"].Data), "procedure:", "formula:\n  - {name: charge, value: 12 kg, min: 1 kg, max: 50 kg}\nprocedure:", 1)
	files["recipe.yaml"].Data = []byte(strings.Replace(recipe, "target: 12 kg", "target: $charge", 1))
	dir := t.TempDir()
	b := bound(t, files, "B-1", approved{})
	l := &rough{run: begin(t, dir, b), r: rand.New(rand.NewPCG(1, 8)), first: 65_000, total: 9_800, serial: 7}
	changed := false
	for n := 0; !l.m.Ended() && n < 600; n++ {
		l.until(l.now + 100*ms)
		if l.open {
			l.ug += 10_000
		}
		l.scan()
		switch {
		case n == 3:
			l.tell(sequencer.Start)
		case n == 20:
			l.tell(sequencer.Hold)
		case l.m.State() == sequencer.Held && !changed:
			changed = true
			l.step(batch.Event{Kind: batch.Told, Command: sequencer.Change, Name: "charge", Value: "24 kg", Operator: "o.shift", Role: "operator", Reason: "more"})
			snapshot := l.m.Snapshot(nil)
			again := b.Start()
			require.NoError(t, again.Restore(snapshot))
			require.Equal(t, snapshot, again.Snapshot(nil))
			l.m = again
			l.tell(sequencer.Restart)
		}
	}
	require.True(t, changed && l.m.Ended())
	l.end()
	_, err := Pack(dir, b)
	require.NoError(t, err)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.Contains(t, firstOf(t, dir, record.KindReconcile).Texts(record.Facts), "half_batch=12.000")
}

func TestABootThatReadsTheSourceIsOneGap(t *testing.T) {
	for _, k := range meterKinds {
		dir := t.TempDir()
		b := bound(t, meterPlan(k.meter, k.factor), "B-1", approved{})
		l := &rough{run: begin(t, dir, b), r: rand.New(rand.NewPCG(1, 8)), first: 65_000, total: 9_800, serial: 7}
		booted := false
		for n := 0; !l.m.Ended() && n < 600; n++ {
			l.until(l.now + 100*ms)
			if l.open {
				l.ug += 10_000
			}
			l.scan()
			switch {
			case n == 3:
				l.tell(sequencer.Start)
			case n == 40:
				l.cutWith(func(tag.ID) bool { return true })
				booted = true
			case booted && l.m.State() == sequencer.Held:
				l.tell(sequencer.Restart)
			}
		}
		require.True(t, l.m.Ended(), k.name)
		l.end()
		_, err := Pack(dir, b)
		require.NoError(t, err)
		rep, err := Verify(dir)
		require.NoError(t, err)
		require.True(t, rep.OK(), "%s: %s", k.name, rep.Verdict())
		stop := firstOf(t, dir, record.KindWindowStop)
		require.Equal(t, []string{"1", "1", "STALE"}, []string{stop.Text(record.Gaps), stop.Text(record.Cuts), stop.Text(record.Quality)}, k.name)
	}
}
