// Equipment that batches share. No two of them wait for each other if each keeps nothing, while it waits for some of it, that stands
// behind that in one order: of those who wait in a circle, the one who waits for the first of all that is waited for would have to keep
// what stands before that.

package sound

import (
	"fmt"
	"slices"
)

// nothing is what is withheld where nothing is.
const nothing = -1

// withhold explores what becomes of the recipe while another batch has one thing and keeps it. One limit holds for all explorations
// together: a map may list a thing for each of which as much is to be explored as for the recipe itself.
func (x *explorer) withhold(t int) {
	y := &explorer{net: x.net, limit: x.limit, before: x.proof.States, steps: x.steps, most: x.most, memory: x.memory, params: x.params, withheld: t}
	y.search()
	x.steps = y.steps
	x.proof.States += y.proof.States
	x.proof.Findings = append(x.proof.Findings, y.proof.Findings...)
	switch {
	case len(y.proof.Findings) > 0:
		x.proof.Verdict = Unsound
	case y.spent():
		x.proof.Verdict = NotProved
	}
}

// keeps finds something that the recipe keeps from other batches in a state in which nothing goes on, and that stands behind what is
// withheld: the equipment and the branch that holds it.
func (x *explorer) keeps(s *state) (thing, holder int, ok bool) {
	for h, place := range x.net.order {
		o := int(x.owners(s, h)[0])
		if place <= x.net.order[x.withheld] || o < 0 {
			continue
		}
		if i := x.instr(s, o); i == nil || i.op != acquire || !slices.Contains(i.set, h) { // else it is reserved, and not granted
			return h, o, true
		}
	}
	return 0, 0, false
}

// judgeKept tells of a state in which nothing goes on for want of what another batch has.
func (x *explorer) judgeKept(e *entry) {
	s := &e.s
	h, by, ok := x.keeps(s)
	if s.over || !ok {
		return
	}
	var waiting []int
	first := nothing // who waits for what is withheld
	for br := range s.at {
		i := x.instr(s, br)
		if i == nil || i.op == fork || i.op == choose {
			continue
		}
		waiting = append(waiting, br)
		if first == nothing && i.op == acquire && slices.Contains(i.set, x.withheld) {
			first = br
		}
	}
	if first == nothing {
		return
	}
	i := x.instr(s, first)
	name := x.net.names[things][h]
	f := x.find(OutOfOrder, i, e.node, fmt.Sprintf(": %s waits for %s, which another batch may have, and until then %s keeps %s, which stands "+
		"behind it in the resources of the I/O map; name both in the uses of one element around, or give %s back first", x.place(i),
		x.net.names[things][x.withheld], x.holder(s, by, h), name, name))
	if f == nil {
		return
	}
	for _, br := range waiting {
		i := x.instr(s, br)
		f.Stuck = append(f.Stuck, x.describe(i, x.waits(s, br, i)))
	}
}
