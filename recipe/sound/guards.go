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
	never := func(c *cond.Expr, what, advice string, n strictyaml.Node) {
		if c != nil && !x.scales(c) && !g.Possible([]*cond.Expr{c}, nil) {
			x.tell(Never, n, "%s of %s asks for %q, and no values of the tags make that true; %s", what, e.ID, c, advice)
		}
	}
	never(e.Entry, "the entry", "correct it, since it ends by time-out only", e.At("entry"))
	for i := range e.Actions {
		never(e.Actions[i].Cond, fmt.Sprintf("action %d", i+1), "correct it, since it ends by time-out only", e.Actions[i].Node)
	}
	never(e.Loop.Until, "until", fmt.Sprintf("correct it, or leave it out for a repeat of %d rounds", e.Loop.AtMost), e.At("repeat", "until"))
	never(e.Exit, "the exit", "correct it, since it ends by time-out only", e.At("exit"))
	var before []*cond.Expr
	for _, c := range e.Children {
		// What a condition is at the nominal batch size says nothing of another one.
		if e.Block == recipe.Select && !x.scales(c.When) {
			x.alternative(c, before, g, impossible)
			if c.When != nil {
				before = append(before, c.When)
			}
		}
		if !impossible[c] {
			x.condition(c, g, impossible)
		}
	}
}

// alternative finds whether an alternative is ever taken, given the conditions of those before it.
func (x *explorer) alternative(e *recipe.Element, before []*cond.Expr, g Guards, impossible map[*recipe.Element]bool) {
	switch {
	case e.When == nil:
		if impossible[e] = !g.Possible(nil, before); impossible[e] {
			x.tell(Unreachable, e.At("otherwise"), "%s is never taken, since one of the conditions before it is always true; remove it, or correct them", e.ID)
		}
	case !g.Possible([]*cond.Expr{e.When}, nil):
		impossible[e] = true
		x.tell(Unreachable, e.At("when"), "%s is never taken, since no values of the tags make %q true; remove it, or correct its condition",
			e.ID, e.When)
	case !g.Possible([]*cond.Expr{e.When}, before):
		impossible[e] = true
		x.tell(Unreachable, e.At("when"), "%s is never taken, since one of the conditions before it is true whenever %q is; "+
			"put it before them, or remove it", e.ID, e.When)
	}
}

// tell adds a finding that needs no trace.
func (x *explorer) tell(kind Kind, n strictyaml.Node, format string, args ...any) {
	x.proof.Findings = append(x.proof.Findings, Finding{Kind: kind, Node: n, Text: kind.String() + ": " + fmt.Sprintf(format, args...)})
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
