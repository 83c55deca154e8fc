// The oracle: every interleaving of every instruction, without any reduction.

package sound

import "github.com/batchkit/batchkit/recipe"

type result struct{ stuck, left, over, keeps bool }

// naive explores all states; false where there are more than limit.
func naive(r *recipe.Recipe, opt *Options, limit, most, withheld int) (res result, ok bool) {
	x := &explorer{net: compile(r, nil, opt), withheld: withheld, limit: 1 << 24, most: most, visited: map[*recipe.Element]bool{}}
	seen := map[key]bool{}
	queue := []state{x.start()}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		if k := s.key(); seen[k] {
			continue
		} else if seen[k] = true; len(seen) > limit {
			return res, false
		}
		if s.over {
			continue
		}
		moved := false
		for br := range s.at {
			if s.at[br] >= 0 && int(s.at[br]) == len(x.net.branches[br].code) {
				next := s.clone()
				next.at[br] = done
				queue, moved = append(queue, next), true
				continue
			}
			i := x.instr(&s, br)
			if i == nil {
				continue
			}
			res.over = res.over || i.op == send && int(s.posted[i.n]) == most
			for way := range max(1, len(i.to)) {
				next := s.clone()
				if x.single(&next, br, i, way) {
					queue, moved = append(queue, next), true
				}
			}
		}
		if moved {
			continue
		}
		if s.at[0] != done {
			if withheld != nothing {
				_, _, keeps := x.keeps(&s)
				res.keeps = res.keeps || keeps
			}
			res.stuck = true
			continue
		}
		for _, n := range s.posted {
			res.left = res.left || n > 0
		}
	}
	return res, true
}

// single carries out one instruction of one branch, if it can.
func (x *explorer) single(s *state, br int, i *instr, way int) bool {
	switch i.op {
	case choose:
		x.apply(s, move{br, way}, nil)
		return true
	case round:
		l := &x.net.loops[i.n]
		last := l.counts && int(s.rounds[i.n])+1 >= l.most
		if l.fixed && way == 0 == last || !l.fixed && last && l.limit == recipe.LimitContinue && way == 0 {
			return false
		}
		x.apply(s, move{br, way}, nil)
		return true
	case acquire:
		if s.forked[br] || !x.free(s, i.set) {
			return false
		}
		x.apply(s, move{br, 0}, nil)
		return true
	case receive:
		if s.posted[i.n] == 0 {
			return false
		}
		x.apply(s, move{br, 0}, nil)
		return true
	case send:
		if int(s.posted[i.n]) == x.most {
			s.over = true
			return true
		}
		fallthrough
	default:
		return way == 0 && x.eager(s, br, i, nil)
	}
}
