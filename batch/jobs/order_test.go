// The chain and its sets, against plain slices.

package jobs

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// inOrder checks that a chain is what a slice is, and that labels alone tell the order.
func inOrder(t *testing.T, c *chain, want []*job) {
	t.Helper()
	require.Equal(t, len(want), c.n)
	at := c.first
	for i, j := range want {
		require.Same(t, j, at, "place %d", i)
		if i > 0 {
			require.Same(t, want[i-1], j.prev)
			require.Greater(t, j.label, want[i-1].label)
		}
		require.LessOrEqual(t, uint64(j.label), uint64(labelEnd))
		at = j.next
	}
	require.Nil(t, at)
	if len(want) > 0 {
		require.Same(t, want[len(want)-1], c.last)
		require.Nil(t, want[0].prev)
		return
	}
	require.Nil(t, c.first)
	require.Nil(t, c.last)
}

func TestTheChainKeepsItsOrderWhereverJobsArePut(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 14))
		var c chain
		var want []*job
		serial := uint64(0)
		for range 1500 {
			if len(want) > 0 && r.IntN(4) == 0 {
				i := r.IntN(len(want))
				c.cut(want[i])
				want = slices.Delete(want, i, i+1)
				continue
			}
			serial++
			j := &job{serial: serial}
			i := 0 // before all
			switch seed % 4 {
			case 1: // behind all
				i = len(want)
			case 2: // always at one place
				i = min(len(want), 3)
			case 3:
				i = r.IntN(len(want) + 1)
			}
			var after *job
			if i > 0 {
				after = want[i-1]
			}
			c.put(after, j)
			want = slices.Insert(want, i, j)
		}
		inOrder(t, &c, want)
	}
}

func TestLabelsAreMadeAnewAboutAsOftenAsTheLogarithm(t *testing.T) {
	const n = 3000
	for place := range 3 {
		var c chain
		var all []*job
		label := map[*job]int64{}
		anew := 0
		for i := range n {
			j := &job{serial: uint64(i + 1)}
			var after *job
			switch {
			case i == 0:
			case place == 1:
				after = c.first // one place, from before
			case place == 2:
				after = all[max(0, i-2)] // one place, from behind
			}
			c.put(after, j)
			all = append(all, j)
			for _, j := range all {
				if label[j] != j.label {
					label[j] = j.label
					anew++
				}
			}
		}
		require.Less(t, anew, 2*n*bits.Len(n), "place %d: labels are made anew %d times", place, anew)
	}
}

func TestASetIsOrderedAsTheChainIs(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		var c chain
		var all []*job
		set := tree{set: uint8(seed % sets)}
		for i := range 800 {
			switch r.IntN(3) {
			case 0:
				j := &job{serial: uint64(i + 1)}
				var after *job
				if at := r.IntN(len(all) + 1); at > 0 {
					after = all[at-1]
					all = slices.Insert(all, at, j)
				} else {
					all = slices.Insert(all, 0, j)
				}
				c.put(after, j)
			case 1:
				if len(all) > 0 {
					set.insert(all[r.IntN(len(all))])
				}
			case 2:
				if len(all) > 0 {
					set.remove(all[r.IntN(len(all))])
				}
			}
		}
		var want []*job
		for _, j := range all {
			if set.has(j) {
				want = append(want, j)
			}
		}
		require.Equal(t, len(want), set.n)
		require.NotEmpty(t, want)
		require.Same(t, want[0], set.first())
		require.Same(t, want[len(want)-1], set.last())
		for i, j := range want {
			if i > 0 {
				require.Same(t, want[i-1], set.prev(j), "seed %d", seed)
			}
			if i < len(want)-1 {
				require.Same(t, want[i+1], set.next(j), "seed %d", seed)
			}
		}
		require.Nil(t, set.prev(want[0]))
		require.Nil(t, set.next(want[len(want)-1]))
		for _, j := range want {
			set.remove(j)
		}
		require.Nil(t, set.first())
		require.Nil(t, set.last())
		require.Zero(t, set.n)
	}
}
