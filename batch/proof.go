// The proof that a recipe is sound, on its map.

package batch

import (
	"math"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe/sound"
)

// prove keeps the proof in the plan, and reports what is not sound where it stands in the recipe.
func (c *compiler) prove(opt *LoadOptions) {
	o := sound.Options{Guards: guards{c}, Owners: owners(c.plan.Map), BetweenBatches: common(c.plan.Map)}
	if opt != nil {
		o.States = opt.States
	}
	c.plan.Proof = sound.Check(c.plan.Recipe, &o)
	for i := range c.plan.Proof.Findings {
		f := &c.plan.Proof.Findings[i]
		if how := f.Account(); how != "" {
			c.report(f.Node, "%s; it comes about so: %s", f.Text, how)
		} else {
			c.report(f.Node, "%s", f.Text)
		}
	}
}

// owners is how many may have what a map lists.
func owners(m *iomap.Map) map[string]int {
	list := map[string]int{}
	for i := range m.Resources {
		list[m.Resources[i].Name] = m.Resources[i].Owners
	}
	return list
}

// common is what batches share of what a map lists, in its order.
func common(m *iomap.Map) (names []string) {
	for i := range m.Resources {
		if m.Resources[i].BetweenBatches {
			names = append(names, m.Resources[i].Name)
		}
	}
	return names
}

// guards answers for the conditions of a recipe on the plan's map. What a device may say of a number is not known, so only switches
// have a range, and numbers that are BAD outside of theirs.
type guards struct{ c *compiler }

// Possible binds the conditions, which were bound without an error before.
func (g guards) Possible(yes, no []*cond.Expr) bool {
	return cond.Possible(g.bind(yes), g.bind(no), g)
}

func (g guards) bind(list []*cond.Expr) (bound []cond.Cond) {
	for _, e := range list {
		c, _ := e.Bind(g.c, g.c.formula)
		bound = append(bound, c)
	}
	return bound
}

// Range is that of a switch, of a number that is BAD outside of it, or of all numbers.
func (g guards) Range(id tag.ID) (low, high int64) {
	switch t := &g.c.plan.Map.Tags[id]; {
	case t.Type == iomap.Switch:
		return 0, 1
	case t.Valid:
		return t.Min, t.Max
	}
	return math.MinInt64, math.MaxInt64
}
