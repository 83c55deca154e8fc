// A set holds what was put into it, in order, however large it may be.

package sequencer

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// members lists a set.
func members(s *set) (list []int) {
	for n := s.next(0); n >= 0; n = s.next(n + 1) {
		list = append(list, n)
	}
	return list
}

func TestASetIsWalkedInOrder(t *testing.T) {
	for _, limit := range []int{1, 2, 63, 64, 65, 4095, 4096, 4097, 300_000} {
		rnd := rand.New(rand.NewPCG(uint64(limit), 0))
		s, want := newSet(limit), map[int]bool{}
		for range 400 {
			n := rnd.IntN(limit)
			if rnd.IntN(3) == 0 {
				s.remove(n)
				delete(want, n)
			} else {
				s.add(n)
				want[n] = true
			}
			require.Equal(t, want[n], s.has(n))
			require.Equal(t, len(want) == 0, s.empty())
		}
		var sorted []int
		for n := range want {
			sorted = append(sorted, n)
		}
		slices.Sort(sorted)
		require.Equal(t, sorted, members(&s), "limit %d", limit)
		s.clear()
		require.True(t, s.empty())
		require.Equal(t, -1, s.next(0))
	}
}
