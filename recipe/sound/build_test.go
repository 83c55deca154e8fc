// Recipes for tests, built without a file.

package sound

import (
	"fmt"
	"math/rand/v2"

	"github.com/batchkit/batchkit/recipe"
)

// phase is a phase whose actions are written as "sync L", "send T" and "receive T".
func phase(id string, words ...string) *recipe.Element {
	e := &recipe.Element{ID: id, Level: recipe.Phase}
	for _, w := range words {
		var verb, name string
		fmt.Sscan(w, &verb, &name)
		kind := map[string]recipe.ActionKind{"sync": recipe.Sync, "send": recipe.Send, "receive": recipe.Receive, "mark": recipe.Mark}[verb]
		a := recipe.Action{Kind: kind, Line: name}
		if kind == recipe.Mark {
			a.Line, a.Text = "", name
		}
		e.Actions = append(e.Actions, a)
	}
	return e
}

func block(b recipe.Block, id string, children ...*recipe.Element) *recipe.Element {
	return &recipe.Element{ID: id, Level: recipe.Operation, Block: b, Children: children}
}

func uses(e *recipe.Element, things ...string) *recipe.Element {
	e.Uses = things
	return e
}

func times(n int, e *recipe.Element) *recipe.Element {
	e.Loop.AtMost = n
	return e
}

func abort(e *recipe.Element) *recipe.Element {
	e.Loop.OnLimit = recipe.LimitAbort
	return e
}

func of(root *recipe.Element) *recipe.Recipe { return &recipe.Recipe{ID: "R", Root: root} }

// grow makes a random element.
func grow(r *rand.Rand, id string, depth int) *recipe.Element {
	if depth == 0 || r.IntN(3) == 0 {
		e := &recipe.Element{ID: id, Level: recipe.Phase}
		for range r.IntN(3) {
			kind := []recipe.ActionKind{recipe.Sync, recipe.Send, recipe.Receive, recipe.Mark}[r.IntN(4)]
			a := recipe.Action{Kind: kind}
			if kind != recipe.Mark {
				a.Line = string(rune('K' + r.IntN(2)))
			}
			e.Actions = append(e.Actions, a)
		}
		return lend(r, e)
	}
	e := block(1+recipe.Block(r.IntN(4)), id)
	for k := range 1 + r.IntN(3) {
		e.Children = append(e.Children, grow(r, fmt.Sprintf("%s%d", id, k), depth-1))
	}
	e.Loop = recipe.Loop{AtMost: 1 + r.IntN(3), OnLimit: recipe.Limit(r.IntN(3))}
	if r.IntN(2) == 0 {
		e.Loop.Until = untilSomething
	}
	return lend(r, e)
}

func lend(r *rand.Rand, e *recipe.Element) *recipe.Element {
	for _, t := range []string{"P", "Q"} {
		if r.IntN(5) == 0 {
			e.Uses = append(e.Uses, t)
		}
	}
	return e
}
