// The claims of the sources of chance and of the one float.

package sim

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzFloat32BitsIsTheNearestSingle(f *testing.F) {
	for _, c := range [][2]int64{{0, 1}, {1, 3}, {-1, 3}, {1<<24 + 1, 1}, {1<<24 + 3, 1}, {1<<25 - 1, 1}, {1<<25 + 2, 2}, {19_999_999, 1_000_000},
		{math.MaxInt64, 1}, {math.MinInt64, 1}, {math.MinInt64, 1 << 32}, {1, 1 << 32}, {16_777_215, 16_777_216}} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, num, den int64) {
		den = 1 + den&(1<<32-1)
		want, _ := big.NewRat(num, den).Float32()
		require.Equal(t, math.Float32bits(want), float32Bits(num, den), "%d/%d", num, den)
	})
}

func TestDrawsOfASignalDoNotDependOnOtherDraws(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(4) {
		for signal := range uint64(4) {
			for i := range uint64(4) {
				r := draw(seed, signal, i)
				require.False(t, seen[r], "seed %d, signal %d, number %d", seed, signal, i)
				require.Equal(t, r, draw(seed, signal, i))
				seen[r] = true
			}
		}
	}
}

func TestWanderingIsSlowAndBounded(t *testing.T) {
	low, high := int64(0), int64(0)
	last := wander(1, 2, 0, 100, 5000)
	for step := range int64(100_000) {
		v := wander(1, 2, step, 100, 5000)
		require.LessOrEqual(t, max(v-last, last-v), int64(101), "step %d", step)
		last, low, high = v, min(low, v), max(high, v)
	}
	require.InDelta(t, -5000, low, 100)
	require.InDelta(t, 5000, high, 100)
}
