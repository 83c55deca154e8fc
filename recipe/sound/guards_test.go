// Conditions that an I/O map makes impossible.

package sound

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/recipe"
)

// never is a map on which the condition "XV1" is never true, and every other one may be.
type never struct{}

func (never) Possible(yes, _ []*cond.Expr) bool { return !slices.Contains(yes, untilSomething) }

func TestWhatAConditionMakesImpossibleIsTold(t *testing.T) {
	other, err := cond.Parse("XV2")
	require.NoError(t, err)
	alternatives := func(first *cond.Expr) *recipe.Element {
		a := phase("A")
		a.When = first
		return block(sel, "R", a, phase("B"))
	}
	for name, c := range map[string]struct {
		root *recipe.Element
		want []string
	}{
		"an alternative": {alternatives(untilSomething), []string{
			`unreachable: A is never taken, since no values of the tags make "XV1" true; remove it, or correct its condition`}},
		"all that there are": {block(sel, "R", when(untilSomething, phase("A"))), []string{
			`unreachable: A is never taken, since no values of the tags make "XV1" true; remove it, or correct its condition`}},
		"none is impossible": {alternatives(other), nil},
		"the end of a repeat": {until(untilSomething, times(3, block(rep, "R", phase("A")))), []string{
			`condition that is never true: until of R asks for "XV1", and no values of the tags make that true; ` +
				`correct it, or leave it out for a repeat of 3 rounds`}},
		"an entry": {begins(untilSomething, phase("R")), []string{
			`condition that is never true: the entry of R asks for "XV1", and no values of the tags make that true; ` +
				`correct it, since it ends by time-out only`}},
	} {
		p := Check(of(c.root), &Options{Guards: never{}})
		var got []string
		for _, f := range p.Findings {
			got = append(got, f.Text)
		}
		require.Equal(t, c.want, got, name)
	}
}

func when(c *cond.Expr, e *recipe.Element) *recipe.Element {
	e.When = c
	return e
}

// covered is a map on which nothing is true that is asked for behind something else.
type covered struct{}

func (covered) Possible(_, no []*cond.Expr) bool { return len(no) == 0 }

func TestAnAlternativeThatDependsOnTheBatchSizeMayBeTaken(t *testing.T) {
	a, b := phase("A"), phase("B")
	a.When, _ = cond.Parse("LT1 > 40 L")
	b.When, _ = cond.Parse("LT1 > $most")
	for scaling, want := range map[recipe.Scaling]Verdict{recipe.Fixed: Unsound, recipe.Linear: Sound} {
		r := of(block(sel, "R", a, b))
		r.Params = []recipe.Param{{Name: "most", Scaling: scaling}}
		require.Equal(t, want, Check(r, &Options{Guards: covered{}}).Verdict, scaling)
	}
}

func until(c *cond.Expr, e *recipe.Element) *recipe.Element {
	e.Loop.Until = c
	return e
}

func begins(c *cond.Expr, e *recipe.Element) *recipe.Element {
	e.Entry = c
	return e
}
