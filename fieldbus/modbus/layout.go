// Layout: which blocks are read so that every point is, in few exchanges and none of them cut in two.

package modbus

import (
	"cmp"
	"slices"

	"github.com/batchkit/batchkit/fieldbus"
)

// chunk is a block that is read. It covers order[from:to] of its layout.
type chunk struct {
	table        Table
	first, count int
	from, to     int
}

// end is the address behind the chunk.
func (s *chunk) end() int { return s.first + s.count }

// rules say what one read may span.
type rules struct {
	registers, bits int   // most of one read
	hole            int   // registers that nobody asked for which may lie between two places; sixteen times as many bits
	gaps            []gap // what no read spans: those of the profile, and those that the device has refused
}

// layout is how a list of places is read.
type layout struct {
	places []*place
	order  []int // indices of places that can be read, by table and address
	chunks []chunk
}

// newLayout joins neighbours as far as the rules allow.
func newLayout(places []*place, r *rules) *layout {
	l := &layout{places: places}
	for i := range places {
		if places[i].access != fieldbus.WriteOnly {
			l.order = append(l.order, i)
		}
	}
	slices.SortStableFunc(l.order, func(a, b int) int {
		return cmp.Or(cmp.Compare(places[a].table, places[b].table), cmp.Compare(places[a].first, places[b].first))
	})
	for i, k := range l.order {
		p := places[k]
		if n := len(l.chunks); n > 0 && r.join(&l.chunks[n-1], p) {
			s := &l.chunks[n-1]
			s.count, s.to = max(s.count, p.end()-s.first), i+1
			continue
		}
		l.chunks = append(l.chunks, chunk{p.table, p.first, p.count, i, i + 1})
	}
	return l
}

// join tells whether a place may be read along with a chunk that ends before it, or in it.
func (r *rules) join(s *chunk, p *place) bool {
	most, hole := r.registers, r.hole
	if p.table == Coil || p.table == Discrete {
		most, hole = r.bits, 16*r.hole
	}
	if p.table != s.table || max(s.end(), p.end())-s.first > most || p.first-s.end() > hole {
		return false
	}
	return !slices.ContainsFunc(r.gaps, func(g gap) bool { return g.table == s.table && s.first < g.to && p.first >= g.from })
}

// widest finds where a chunk that was refused is to be cut: at its widest hole, and of equal ones at that nearest to the middle. It
// reports false where all of its places begin at one address.
func (l *layout) widest(s *chunk) (g gap, ok bool) {
	middle, best, at, end := (s.from+s.to)/2, -1, 0, l.places[l.order[s.from]].end()
	for k := s.from + 1; k < s.to; k++ {
		p := l.places[l.order[k]]
		if p.first > l.places[l.order[k-1]].first {
			hole := max(p.first-end, 0)
			if hole > best || hole == best && distance(k, middle) < distance(at, middle) {
				best, at = hole, k
				g, ok = gap{s.table, p.first - hole, p.first}, true
			}
		}
		end = max(end, p.end())
	}
	return g, ok
}

func distance(a, b int) int { return max(a-b, b-a) }
