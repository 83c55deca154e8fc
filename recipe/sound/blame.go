// Whose fault it is that branches wait: those who wait for each other in a circle, or the one whose wait nobody can end. The others only
// wait for these.

package sound

import "slices"

// blame returns those of the waiting branches that a reader must know of, in the order in which they wait for each other, from the
// first in the recipe on.
func (x *explorer) blame(s *state, waiting []int) []int {
	path := waiting[:1:1]
	for {
		on := x.waitsOn(s, path[len(path)-1], waiting)
		if len(on) == 0 {
			return path[len(path)-1:]
		}
		if k := slices.IndexFunc(path, func(br int) bool { return slices.Contains(on, br) }); k >= 0 {
			first := k + slices.Index(path[k:], slices.Min(path[k:]))
			return slices.Concat(path[first:], path[k:first])
		}
		path = append(path, on[0])
	}
}

// waitsOn returns the waiting branches that keep a branch from going on.
func (x *explorer) waitsOn(s *state, br int, waiting []int) (list []int) {
	below := func(top int) {
		for _, u := range waiting {
			if x.net.within(u, top) {
				list = append(list, u)
			}
		}
	}
	switch i := x.instr(s, br); i.op {
	case sync:
		for _, top := range x.net.groups[i.n] {
			if top != br && !x.net.within(br, top) && !x.at(s, top, i.n) {
				below(top)
			}
		}
	case acquire:
		for _, t := range i.set {
			if list := x.owners(s, t); !slices.Contains(list, -1) {
				for _, o := range slices.Compact(slices.Clone(list)) {
					below(int(o))
				}
			}
		}
	case receive:
		for sender := range x.net.branches {
			if from, yet := x.sends(s, sender, i.n); yet {
				below(from)
			}
		}
	}
	return list
}

// sends tells whether a branch has yet to send a message, and which branch it is, or begins it.
func (x *explorer) sends(s *state, br, tag int) (from int, yet bool) {
	last := -1
	for k, i := range x.net.branches[br].code {
		if i.op == send && i.n == tag {
			last = k
		}
	}
	if last < 0 || s.at[br] == done {
		return 0, false
	}
	if from = br; s.at[br] >= 0 {
		return from, int(s.at[br]) < last
	}
	for s.at[from] == idle {
		from = x.net.branches[from].parent
	}
	return from, s.at[from] != done
}
