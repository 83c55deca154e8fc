// A set of element numbers that is walked in their order.

package sequencer

import "math/bits"

// set holds numbers from 0 to a limit: a bit each, and above 64 bits a bit that says whether one of them is set, and so on. What it
// costs to add, remove or find the next one grows with the number of levels, which is the logarithm of the limit to the base 64.
type set struct {
	levels [][]uint64 // from the numbers themselves to a single word
}

func newSet(limit int) set {
	s := set{}
	for n := limit; ; n = (n + 63) / 64 {
		s.levels = append(s.levels, make([]uint64, (n+63)/64))
		if n <= 64 {
			return s
		}
	}
}

func (s *set) add(n int) {
	for _, l := range s.levels {
		was := l[n>>6]
		l[n>>6] |= 1 << (n & 63)
		if was != 0 {
			return
		}
		n >>= 6
	}
}

func (s *set) remove(n int) {
	for _, l := range s.levels {
		if l[n>>6] &^= 1 << (n & 63); l[n>>6] != 0 {
			return
		}
		n >>= 6
	}
}

func (s *set) has(n int) bool { return s.levels[0][n>>6]&(1<<(n&63)) != 0 }

func (s *set) empty() bool { return s.levels[len(s.levels)-1][0] == 0 }

func (s *set) clear() {
	for _, l := range s.levels {
		clear(l)
	}
}

// next returns the least number in the set that is not below from, -1 where there is none.
func (s *set) next(from int) int {
	n := from
	for i := 0; i < len(s.levels); i++ {
		l := s.levels[i]
		if n>>6 >= len(l) {
			return -1
		}
		if w := l[n>>6] >> (n & 63); w != 0 {
			n += bits.TrailingZeros64(w)
			for i > 0 { // down again to the number itself
				i--
				n = n<<6 + bits.TrailingZeros64(s.levels[i][n])
			}
			return n
		}
		n = n>>6 + 1
	}
	return -1
}
