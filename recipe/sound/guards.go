// Conditions that cannot be true: what waits for them waits in vain, and alternatives behind them are never taken.

package sound

import (
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/recipe"
)

// conditions finds what is never true at or below an element, and returns the alternatives that are never taken.
func (x *explorer) conditions(e *recipe.Element, g Guards) map[*recipe.Element]bool {
	impossible := map[*recipe.Element]bool{}
	if g != nil {
		x.condition(e, g, impossible)
	}
	return impossible
}

func (x *explorer) condition(e *recipe.Element, g Guards, impossible map[*recipe.Element]bool) {
	never := func(c *cond.Expr, what string, n strictyaml.Node) {
		if c != nil && !g.Possible([]*cond.Expr{c}, nil) {
			x.proof.Findings = append(x.proof.Findings, Finding{Kind: Never, Node: n,
				Text: fmt.Sprintf("%s of %s: %s %q%s", what, e.ID, Never, c, remedy[Never])})
		}
	}
	never(e.Entry, "entry", e.At("entry"))
	for i := range e.Actions {
		never(e.Actions[i].Cond, fmt.Sprintf("action %d", i+1), e.Actions[i].Node)
	}
	never(e.Loop.Until, "until", e.At("repeat", "until"))
	never(e.Exit, "exit", e.At("exit"))
	var before []*cond.Expr
	for _, c := range e.Children {
		// What a condition is at the nominal batch size says nothing of another one.
		if e.Block == recipe.Select && !x.scales(c.When) {
			var when []*cond.Expr
			if c.When != nil {
				when = append(when, c.When)
			}
			impossible[c] = !g.Possible(when, before)
			before = append(before, when...)
		}
		x.condition(c, g, impossible)
	}
}

// scales tells whether a condition depends on the batch size.
func (x *explorer) scales(c *cond.Expr) bool {
	if c == nil {
		return false
	}
	return slices.ContainsFunc(c.Params(), func(ref cond.Ref) bool {
		return slices.ContainsFunc(x.params, func(p recipe.Param) bool { return p.Name == ref.Name && p.Scaling != recipe.Fixed })
	})
}
