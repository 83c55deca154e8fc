// T2: chatter of 10 to 50 ms on the inputs of an interlock never trips it, and a violation that stays trips it within its declared time.

package iomap_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

func TestT2ChatterNeverTripsAnInterlockAndASustainedViolationDoesWithinItsTime(t *testing.T) {
	const maps = 20 // 50 seeds each, since a map takes longer to read than a run takes
	for n := range uint64(maps) {
		r := rand.New(rand.NewPCG(n, 8))
		debounce := 60 + r.Int64N(140)
		window := debounce * (1 + r.Int64N(8))
		vote := 1 + r.Int64N(100)
		d := newDesk(t, fmt.Sprintf(`
interlocks:
  - {interlock_id: DEBOUNCE, kind: trip, when: "LT1 < 10 L", debounce: %d ms, latch: until_reset, gates: [XV1], reaction: hold}
  - {interlock_id: VOTE, kind: trip, when: "LT1 < 10 L or ZS1 == open", debounce: %d ms, vote_window: %d ms, vote: %d %%, latch: auto, gates: [XV1], reaction: abort}
  - {interlock_id: PERMIT, kind: permissive, when: "LT1 >= 10 L and ZS1 == closed", debounce: %d ms, gates: [XV1, XV2]}
`, debounce, debounce, window, vote, debounce))
		for seed := range uint64(50) {
			r := rand.New(rand.NewPCG(n*50+seed, 9))
			d.io, d.g, d.now = iomap.NewMachine(d.m), iomap.NewGuard(d.m), ms
			period := (1 + r.Int64N(9)) * ms
			name := fmt.Sprintf("seed %d: debounce %d ms, window %d ms, vote %d %%, scan %d ms", n*50+seed, debounce, window, vote, period/ms)
			d.read(lt1, 50, tag.Good)
			d.read(zs1, 0, tag.Good)
			require.Empty(t, told(d.g.Boot(d.now, d.io, nil)), name)
			on, next, which := false, int64(0), 0
			for d.now < 2000*ms { // pulses of 10 to 50 ms on one of the inputs or the other, with gaps that a scan sees
				if d.now >= next {
					if on = !on; on {
						next, which = d.now+10*ms+r.Int64N(40*ms), r.IntN(2)
					} else {
						next = d.now + 10*ms + r.Int64N(60*ms)
					}
				}
				require.Empty(t, d.read(lt1, map[bool]int64{true: 9, false: 50}[on && which == 0], tag.Good), name)
				require.Empty(t, d.read(zs1, map[bool]int64{true: 1, false: 0}[on && which == 1], tag.Good), name)
				require.Empty(t, d.to(d.now+period), name)
			}
			for i := range 3 {
				require.False(t, d.g.Blocks(i), name)
			}
			d.read(lt1, 50, tag.Good)
			d.read(zs1, 0, tag.Good)
			d.to(d.now + period)
			began := d.now
			require.Empty(t, d.read(lt1, 9, tag.Good), name)
			need := (window*vote*ms + 99) / 100
			trips := [3]int64{debounce * ms, debounce*ms + need, debounce * ms}
			require.LessOrEqual(t, trips[1], (debounce+window)*ms, "the declared time")
			for d.now < began+(debounce+window)*ms+ms {
				step := min(d.now+period, began+(debounce+window)*ms+ms)
				for _, due := range []int64{began + trips[0] - 1, began + trips[0], began + trips[1] - 1, began + trips[1]} {
					if due > d.now && due < step {
						step = due
					}
				}
				d.to(step)
				for i, at := range trips {
					require.Equal(t, d.now >= began+at, d.g.Blocks(i), "%s: interlock %d, %d ns after the violation began", name, i, d.now-began)
				}
				d.read(lt1, 9, tag.Good)
				d.read(zs1, 0, tag.Good)
			}
		}
	}
}
