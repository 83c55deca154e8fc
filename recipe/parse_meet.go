// This file holds together what lies apart in a procedure: lines, messages, equipment that is handed over, names of steps.

package recipe

import (
	"maps"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
)

// meeting is a sync, send or receive action.
type meeting struct {
	kind  ActionKind
	name  string // of the line or message
	node  strictyaml.Node
	phase *Element
	path  []*Element // from the root to the phase
}

// fork is the innermost element that both paths have, and the elements of it in which they go on; these are nil where a path ends.
func fork(a, b []*Element) (at, inA, inB *Element) {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		at = a[i]
		i++
	}
	if i < len(a) {
		inA = a[i]
	}
	if i < len(b) {
		inB = b[i]
	}
	return at, inA, inB
}

// lines checks that the phases that name a line can meet: each in a branch of its own of one parallel block, once in each pass.
func (r *reader) lines() {
	named := map[string][]*meeting{}
	var order []string
	for i := range r.meets {
		m := &r.meets[i]
		if m.kind != Sync || m.name == "" {
			continue
		}
		if named[m.name] == nil {
			order = append(order, m.name)
		}
		named[m.name] = append(named[m.name], m)
	}
	for _, name := range order {
		all := named[name]
		if len(all) == 1 {
			all[0].node.Errorf("line %q is named by %q alone, which would wait for nobody; name it in a phase of another branch of the parallel block",
				name, all[0].phase.ID)
			continue
		}
		line(all)
	}
}

// line checks the phases that name one line against each other.
func line(all []*meeting) {
	first := all[0]
	name := first.name
	var block *Element
	branches := map[*Element]*meeting{}
	for i, m := range all[1:] {
		at, inFirst, in := fork(first.path, m.path)
		switch {
		case m.phase == first.phase:
			m.twice(first)
			return
		case at.Block != Parallel:
			m.node.Errorf("line %q: %q and %q in line %d never run at the same time, since %q is a %s; a line joins branches of one parallel block",
				name, m.phase.ID, first.phase.ID, first.node.Pos().Line, at.ID, at.Block)
			return
		case i == 0:
			block, branches[inFirst] = at, first
		case at != block:
			m.node.Errorf("line %q joins branches of %q already, and %q stands in another branch of %q; give that a line of its own",
				name, block.ID, m.phase.ID, at.ID)
			return
		}
		if other := branches[in]; other != nil && other.phase == m.phase {
			m.twice(other)
			return
		} else if other != nil {
			m.node.Errorf("line %q: %q stands in one branch of %q with %q in line %d; of a branch one phase meets", name, m.phase.ID, block.ID,
				other.phase.ID, other.node.Pos().Line)
			return
		}
		branches[in] = m
	}
	for _, m := range all {
		for _, e := range m.path[slices.Index(m.path, block):] {
			if e.Block == Repeat {
				m.node.Errorf("line %q stands in repeat %q, which may have other rounds than the branches that it would meet; "+
					"put the parallel block %q into a repeat instead", name, e.ID, block.ID)
			}
		}
	}
}

func (m *meeting) twice(first *meeting) {
	m.node.Errorf("line %q stands twice in %q; the first is in line %d; a phase meets at a line once", m.name, m.phase.ID, first.node.Pos().Line)
}

// messages checks that for every message there is one who sends it and one who takes it.
func (r *reader) messages() {
	named := map[ActionKind]map[string]bool{Send: {}, Receive: {}}
	for i := range r.meets {
		if m := &r.meets[i]; m.kind != Sync {
			named[m.kind][m.name] = true
		}
	}
	for i := range r.meets {
		m := &r.meets[i]
		switch {
		case m.name == "":
		case m.kind == Send && !named[Receive][m.name]:
			m.node.Errorf("nobody receives message %q, which %q sends%s", m.name, m.phase.ID, known("received", named[Receive]))
		case m.kind == Receive && !named[Send][m.name]:
			m.node.Errorf("nobody sends message %q, for which %q waits%s", m.name, m.phase.ID, known("sent", named[Send]))
		}
	}
}

// known says which messages there are.
func known(what string, names map[string]bool) string {
	delete(names, "")
	if len(names) == 0 {
		return "; no message is " + what
	}
	return "; " + what + ": " + strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

// steps refuses a name that a wait or the logic of another element has as its step.
func (r *reader) steps() {
	keys := []string{"entry", "exit", "uses", "select", "until", "step"}
	for t := OnHold; t < LogicEnd; t++ {
		keys = append(keys, t.String())
	}
	for _, e := range r.all {
		for _, key := range keys {
			base, ok := strings.CutSuffix(e.ID, "."+key)
			if _, exists := r.ids[base]; ok && exists {
				e.At("id").Errorf("%q is how records call the %s of %q; choose another id", e.ID, key, base)
			}
		}
	}
}

// equipmentPhase reads which equipment phase a phase hands over or takes over.
func (r *reader) equipmentPhase(f *strictyaml.Fields, e *Element, block bool) {
	n, ok := f.Opt("equipment_phase")
	if !ok {
		return
	}
	if block {
		n.Errorf("equipment_phase belongs to a phase; %q is %s", e.ID, withArticle(e.Level))
		return
	}
	e.Equipment = n.Ident()
	r.owners = append(r.owners, owner{e, slices.Clone(r.path)})
}

// owner is a phase that names an equipment phase.
type owner struct {
	phase *Element
	path  []*Element // from the root to the block around the phase
}

// next tells whether the phase and one directly before or after it in a sequence name the same equipment phase.
func (o *owner) next() bool {
	if len(o.path) == 0 {
		return false
	}
	block := o.path[len(o.path)-1]
	if block.Block != Sequence && block.Block != Repeat {
		return false
	}
	i := slices.Index(block.Children, o.phase)
	return i > 0 && block.Children[i-1].Equipment == o.phase.Equipment ||
		i+1 < len(block.Children) && block.Children[i+1].Equipment == o.phase.Equipment
}

// handovers checks that each phase that names an equipment phase has one beside it which names it, too; that nobody else has it
// meanwhile; and that nothing which it holds is given back between the two, while its outputs stay.
func (r *reader) handovers() {
	type branch struct {
		name     string
		parallel *Element
	}
	taken := map[branch]*Element{}
	users := map[branch]*Element{}
	count := map[string]int{}
	for i := range r.owners {
		count[r.owners[i].phase.Equipment]++
	}
	for i := range r.owners {
		o := &r.owners[i]
		e, name := o.phase, o.phase.Equipment
		n := e.At("equipment_phase")
		switch {
		case name == "":
			continue
		case count[name] == 1:
			n.Errorf("equipment phase %q is named by %q alone, so nothing is handed over; name it in the phase directly before or after, too, or remove it",
				name, e.ID)
			continue
		case !o.next():
			n.Errorf("equipment phase %q: no phase directly before or after %q in its sequence names it, so nothing is handed over; "+
				"move the phases together, or remove it", name, e.ID)
			continue
		case len(e.Uses) > 0:
			e.At("uses").Errorf("%q would give back %s while equipment phase %q goes on; move uses to a block around all phases that name it",
				e.ID, strings.Join(e.Uses, ", "), name)
		}
		path := append(slices.Clone(o.path), e)
		for k, b := range path {
			if b.Block != Parallel {
				continue
			}
			key := branch{name, b}
			if taken[key] == nil {
				taken[key], users[key] = path[k+1], e
			} else if taken[key] != path[k+1] {
				n.Errorf("equipment phase %q is in use by %q in line %d, in another branch of %q; one branch can have it", name, users[key].ID,
					users[key].Node.Pos().Line, b.ID)
				break
			}
		}
	}
}
