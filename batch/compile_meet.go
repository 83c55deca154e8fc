// What branches of a recipe share: lines at which they meet, messages, and equipment.

package batch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// met are those who name lines, or messages, by name.
type met struct {
	names []string
	of    [][]sequencer.Party // by number of the name: who comes to the line, or sends the message
}

// add returns the number of the name in an action and remembers who names it.
func (m *met) add(a *recipe.Action, phase, action int) int {
	i := slices.Index(m.names, a.Line)
	if i < 0 {
		i = len(m.names)
		m.names, m.of = append(m.names, a.Line), append(m.of, nil)
	}
	if a.Kind != recipe.Receive {
		m.of[i] = append(m.of[i], sequencer.Party{Phase: phase, Action: action})
	}
	return i
}

// meet adds lines and messages to the program.
func (c *compiler) meet() {
	p := &c.out.seq
	for i, name := range c.lines.names {
		all := c.lines.of[i]
		block := c.around(all)
		for k := range all {
			q := &all[k]
			q.Branch, q.Lost = c.below(block, q.Phase), "sync "+name+": "+c.out.elems[q.Phase].id+" was stopped or aborted"
		}
		p.Lines = append(p.Lines, sequencer.Line{First: len(p.Parties), Count: len(all)})
		p.Parties = append(p.Parties, all...)
	}
	for i, name := range c.posts.names {
		all := c.posts.of[i]
		for k := range all {
			all[k].Lost = "receive " + name + ": " + c.out.elems[all[k].Phase].id + " was stopped or aborted"
		}
		p.Messages = append(p.Messages, sequencer.Message{First: len(p.Parties), Count: len(all),
			Full: fmt.Sprintf("send %s: %d wait already and nobody receives them", name, sequencer.MaxMessages)})
		p.Parties = append(p.Parties, all...)
	}
}

// around is the innermost element around all parties.
func (c *compiler) around(all []sequencer.Party) int {
	e := c.out.seq.Elems[all[0].Phase].Parent
	for _, q := range all {
		for e > 0 && (q.Phase < e || q.Phase >= c.out.seq.Elems[e].End) {
			e = c.out.seq.Elems[e].Parent
		}
	}
	return max(e, 0)
}

// below is the child of a block in which an element stands.
func (c *compiler) below(block, e int) int {
	for e > block && c.out.seq.Elems[e].Parent != block {
		e = c.out.seq.Elems[e].Parent
	}
	return e
}

// resources numbers all equipment that elements use, in the one order in which it is got: that of the map's list, or else byte order.
func (c *compiler) resources() {
	c.needs(c.plan.Recipe.Root, nil)
	m := c.plan.Map
	slices.SortFunc(c.out.needs, func(a, b string) int {
		i, _ := m.Resource(a)
		k, _ := m.Resource(b)
		return cmp.Or(cmp.Compare(i, k), strings.Compare(a, b))
	})
	c.out.needs = slices.Compact(c.out.needs)
	c.out.seq.Resources = len(c.out.needs)
	for _, name := range c.out.needs {
		r := iomap.Resource{Owners: 1}
		if i, ok := m.Resource(name); ok {
			r = m.Resources[i]
		}
		c.out.seq.Owners = append(c.out.seq.Owners, r.Owners)
		c.out.shared = append(c.out.shared, r.BetweenBatches)
	}
	for o, id := range c.out.outputs {
		if place := m.Tags[id].Resource; place > 0 {
			c.out.seq.Outputs[o].Part = -1
			if r := slices.Index(c.out.needs, m.Resources[place-1].Name); r >= 0 {
				c.out.seq.Outputs[o].Part = r + 1
			}
		}
	}
}

// partSets refuses a set of an output that is a part of equipment which neither its phase nor an element around it uses.
func (c *compiler) partSets() {
	for e := range c.out.seq.Elems {
		p := &c.out.seq.Elems[e]
		for i := p.First; i < p.First+p.Count; i++ {
			a := &c.out.seq.Actions[i]
			for k := a.First; a.Sets() && k < a.First+a.Count; k++ {
				o := &c.out.seq.Outputs[c.out.seq.Sets[k].Output]
				if t := &c.plan.Map.Tags[o.Tag]; o.Part != 0 && !c.used(e, o.Part-1) {
					name := c.plan.Map.Resources[t.Resource-1].Name
					c.report(c.setBy[k], "%s is a part of %s, which neither %s nor an element around it uses; name it in the uses of one of them",
						t.Name, name, c.out.elems[e].id)
				}
			}
		}
	}
}

// used tells whether an element holds a resource while it runs, or one around it does.
func (c *compiler) used(e, r int) bool {
	for up := c.out.seq.Elems[e].Parent; up >= 0; up = c.out.seq.Elems[up].Parent {
		if !c.out.seq.Elems[up].Bracket || !c.out.seq.Elems[up+1].Phase {
			continue
		}
		if a := &c.out.seq.Actions[c.out.seq.Elems[up+1].First]; a.Kind == recipe.Acquire && slices.Contains(c.out.seq.Uses[a.First:a.First+a.Count], r) {
			return true
		}
	}
	return false
}

// needs finds what an element and those below it use. A map that lists its resources has them all; and who holds some that batches
// share, here or in an element around, asks only for what stands behind it in that list: then no two batches wait for each other.
func (c *compiler) needs(e *recipe.Element, held []use) {
	items := e.At("uses").List(len(e.Uses))
	node := func(i int) noder {
		if i < len(items) {
			return items[i]
		}
		return e.Node
	}
	m := c.plan.Map
	for i, name := range e.Uses {
		item := node(i)
		c.out.needs = append(c.out.needs, name)
		place, ok := m.Resource(name)
		switch {
		case m.Resources == nil:
		case !ok:
			var names []string
			for k := range m.Resources {
				names = append(names, m.Resources[k].Name)
			}
			c.report(item, "no resource %q in the I/O map %s%s; its resources: %s", name, m.ID, nearest(name, names), strings.Join(names, ", "))
		case m.Resources[place].BetweenBatches:
			for _, h := range held {
				if h.place > place {
					c.report(item, "%s asks for %s, which batches share, while %s holds %s (line %d), which stands behind it in the resources of the "+
						"I/O map; name both in the uses of %s, so that they are got at once", e.ID, name, h.elem.ID, m.Resources[h.place].Name, h.node.Pos().Line, h.elem.ID)
					break
				}
			}
		}
	}
	held = slices.Clip(held)
	for i, name := range e.Uses {
		if place, ok := m.Resource(name); ok && m.Resources[place].BetweenBatches {
			held = append(held, use{e, node(i), place})
		}
	}
	for _, child := range e.Children {
		c.needs(child, held)
	}
}

// use is equipment that batches share, where an element uses it.
type use struct {
	elem  *recipe.Element
	node  noder
	place int // in the resources of the map
}

// acquire is the action that gets what an element uses.
func (c *compiler) acquire(e *recipe.Element) sequencer.Action {
	a := sequencer.Action{Kind: recipe.Acquire, First: len(c.out.seq.Uses), Count: len(e.Uses)}
	for _, name := range e.Uses {
		r := slices.Index(c.out.needs, name)
		c.out.seq.Uses = append(c.out.seq.Uses, r)
		if c.out.shared[r] && a.Ask == 0 {
			c.out.seq.Asks = append(c.out.seq.Asks, len(c.out.elems)) // the transition that is added next
			a.Ask = len(c.out.seq.Asks)
		}
	}
	slices.Sort(c.out.seq.Uses[a.First:])
	var names []string
	for _, r := range c.out.seq.Uses[a.First:] {
		names = append(names, c.out.needs[r])
	}
	a.Reason = "uses " + strings.Join(names, ", ")
	return a
}
