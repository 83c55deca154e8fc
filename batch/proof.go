// The proof that a recipe is sound, on its map.

package batch

import (
	"fmt"
	"math"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe/sound"
)

// lastMoves is how much of a trace an error shows: what is before it can be seen with sound.Check.
const lastMoves = 12

// prove keeps the proof in the plan, and reports what is not sound where it stands in the recipe.
func (c *compiler) prove(opt *LoadOptions) {
	o := sound.Options{Guards: guards{c}}
	if opt != nil {
		o.States = opt.States
	}
	c.plan.Proof = sound.Check(c.plan.Recipe, &o)
	for i := range c.plan.Proof.Findings {
		f := &c.plan.Proof.Findings[i]
		c.report(f.Node, "%s%s", f.Text, led(f.Trace))
	}
}

// led tells in one sentence what leads to a finding.
func led(trace []sound.Move) string {
	if len(trace) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("; it comes about so: ")
	if n := len(trace) - lastMoves; n > 0 {
		fmt.Fprintf(&b, "%d moves, then ", n)
		trace = trace[n:]
	}
	for i := range trace {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s (line %d)", trace[i].Text, trace[i].Node.Pos().Line)
	}
	return b.String()
}

// guards answers for the conditions of a recipe on the plan's map. What a device may say of a number is not known, so only switches
// have a range.
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

// Range is that of a switch, or of all numbers.
func (g guards) Range(id tag.ID) (low, high int64) {
	if g.c.plan.Map.Tags[id].Type == iomap.Switch {
		return 0, 1
	}
	return math.MinInt64, math.MaxInt64
}
