// What branches of a recipe share: lines at which they meet, messages, and equipment.

package batch

import (
	"fmt"
	"slices"
	"strings"

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

// resources numbers all equipment that elements share, in byte order of the names: the one order in which it is got.
func (c *compiler) resources(e *recipe.Element) {
	c.out.needs = append(c.out.needs, e.Uses...)
	for _, child := range e.Children {
		c.resources(child)
	}
	if e == c.plan.Recipe.Root {
		slices.Sort(c.out.needs)
		c.out.needs = slices.Compact(c.out.needs)
		c.out.seq.Resources = len(c.out.needs)
	}
}

// acquire is the action that gets what an element uses.
func (c *compiler) acquire(e *recipe.Element) sequencer.Action {
	a := sequencer.Action{Kind: recipe.Acquire, First: len(c.out.seq.Uses), Count: len(e.Uses)}
	for _, name := range e.Uses {
		r, _ := slices.BinarySearch(c.out.needs, name)
		c.out.seq.Uses = append(c.out.seq.Uses, r)
	}
	slices.Sort(c.out.seq.Uses[a.First:])
	var names []string
	for _, r := range c.out.seq.Uses[a.First:] {
		names = append(names, c.out.needs[r])
	}
	a.Reason = "uses " + strings.Join(names, ", ")
	return a
}
