// Verdicts on recipes written by hand, and on random ones against the oracle.

package sound

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/recipe"
	"github.com/stretchr/testify/require"
)

var untilSomething, _ = cond.Parse("XV1")

const (
	seq = recipe.Sequence
	par = recipe.Parallel
	sel = recipe.Select
	rep = recipe.Repeat
)

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		root *recipe.Element
		want []Kind
	}{
		"a line that both branches meet":   {block(par, "R", phase("A", "sync L"), phase("B", "sync L")), nil},
		"three branches, one of them late": {block(par, "R", phase("A", "sync L"), phase("B", "sync L"), block(seq, "C", phase("C1"), phase("C2", "sync L"))), nil},
		"lines in crossed order":           {block(par, "R", phase("A", "sync L", "sync M"), phase("B", "sync M", "sync L")), []Kind{Deadlock}},
		"a line in one alternative only":   {block(par, "R", phase("A", "sync L"), block(sel, "S", phase("B1", "sync L"), phase("B2"))), []Kind{NoMeeting}},
		"a line in both alternatives":      {block(par, "R", phase("A", "sync L"), block(sel, "S", phase("B1", "sync L"), phase("B2", "sync L"))), nil},
		"equipment taken in crossed order": {block(par, "R",
			uses(block(seq, "A", uses(phase("A1"), "Q")), "P"), uses(block(seq, "B", uses(phase("B1"), "P")), "Q")), []Kind{CircularWait}},
		"equipment taken at once": {block(par, "R", uses(phase("A"), "P", "Q"), uses(phase("B"), "Q", "P")), nil},
		"equipment taken twice":   {uses(block(seq, "R", uses(phase("A"), "P")), "P"), []Kind{CircularWait}},
		"a line met while the partner waits for the equipment": {block(par, "R",
			uses(phase("A", "sync L"), "P"), uses(phase("B", "sync L"), "P")), []Kind{Deadlock}},
		"a message that is received":                  {block(par, "R", phase("A", "send T"), phase("B", "receive T")), nil},
		"a message that nobody sends":                 {block(par, "R", phase("A"), phase("B", "receive T")), []Kind{NoMessage}},
		"a message that nobody receives":              {block(seq, "R", phase("A", "send T"), phase("B")), []Kind{Leftover}},
		"a message sent to itself, too late":          {block(seq, "R", phase("A", "receive T"), phase("B", "send T")), []Kind{NoMessage}},
		"two who want one message":                    {block(par, "R", phase("A", "send T"), phase("B", "receive T"), phase("C", "receive T")), []Kind{NoMessage, NoMessage}},
		"as many rounds on both sides":                {block(par, "R", times(3, block(rep, "A", phase("A1", "sync L"))), times(3, block(rep, "B", phase("B1", "sync L")))), nil},
		"fewer rounds on one side":                    {block(par, "R", times(3, block(rep, "A", phase("A1", "sync L"))), times(2, block(rep, "B", phase("B1", "sync L")))), []Kind{NoMeeting}},
		"rounds with a message each":                  {block(par, "R", times(9, block(rep, "A", phase("A1", "send T"))), times(9, block(rep, "B", phase("B1", "receive T")))), nil},
		"more messages than can wait":                 {block(seq, "R", times(256, block(rep, "A", phase("A1", "send T"))), times(256, block(rep, "B", phase("B1", "receive T")))), []Kind{TooMany}},
		"branches inside branches, one outside":       {block(par, "R", phase("A", "sync L"), block(par, "B", phase("B1", "sync L"), phase("B2"))), nil},
		"a line behind the branch that would meet it": {block(par, "R", phase("A", "sync L"), block(seq, "B", block(par, "B0", phase("B1"), phase("B2")), phase("B3", "sync L"))), nil},
	} {
		p := Check(of(c.root), nil)
		var got []Kind
		for _, f := range p.Findings {
			got = append(got, f.Kind)
		}
		require.Equal(t, c.want, got, "%s: %+v", name, p.Findings)
		require.Equal(t, len(c.want) == 0, p.Verdict == Sound, name)
	}
}

func TestRandomRecipesComeOutAsWithoutAnyReduction(t *testing.T) {
	seed, recipes := uint64(1), 1_000
	if os.Getenv("BATCHKIT_LONG") != "" {
		recipes = 50_000
	}
	r := rand.New(rand.NewPCG(seed, 0))
	verdicts := map[Verdict]int{}
	for i := range recipes {
		root := grow(r, "R", 3)
		p := Check(of(root), &Options{States: 20_000})
		want, ok := naive(of(root), 20_000)
		if !ok || p.Verdict == NotProved {
			verdicts[NotProved]++
			continue
		}
		verdicts[p.Verdict]++
		got := map[Kind]bool{}
		for _, f := range p.Findings {
			got[f.Kind] = true
		}
		stuck := got[Deadlock] || got[CircularWait] || got[NoMeeting] || got[NoMessage]
		require.Equal(t, want.stuck, stuck, "seed %d, recipe %d: %s", seed, i, dump(root))
		if !stuck {
			require.Equal(t, want.left, got[Leftover], "seed %d, recipe %d: %s", seed, i, dump(root))
		}
	}
	t.Log(verdicts)
}

func TestARecipeWhoseStatesTakeTooMuchMemoryIsNotProved(t *testing.T) {
	root := block(par, "R")
	for i := range 16 {
		c := block(seq, fmt.Sprintf("B%d", i))
		for k := range 3 {
			c.Children = append(c.Children, uses(phase(fmt.Sprintf("P%d_%d", i, k)), fmt.Sprintf("E%d", (i+k)%16), fmt.Sprintf("E%d", (i+k+1)%16)))
		}
		root.Children = append(root.Children, c)
	}
	x := &explorer{limit: DefaultStates, memory: 1 << 20}
	x.net = compile(of(root), nil)
	p := x.explore()
	require.Equal(t, NotProved, p.Verdict)
	require.Less(t, p.States, 10_000)
}

func dump(e *recipe.Element) string {
	s := fmt.Sprintf("%s %s %v", e.ID, e.Block, e.Uses)
	if e.Block == rep {
		s += fmt.Sprintf(" x%d until=%v %s", e.Loop.AtMost, e.Loop.Until != nil, e.Loop.OnLimit)
	}
	for i := range e.Actions {
		s += fmt.Sprintf(" %s %s", e.Actions[i].Kind, e.Actions[i].Line)
	}
	s += " ("
	for _, c := range e.Children {
		s += dump(c) + " "
	}
	return s + ")"
}

// long is a recipe of n steps in six parallel branches with twenty lines, which all branches meet.
func long(n int) *recipe.Recipe {
	root := block(par, "R")
	for b := range 6 {
		c := block(seq, fmt.Sprintf("B%d", b))
		for i := range n / 6 {
			p := phase(fmt.Sprintf("B%d_%d", b, i), "mark a", "mark b")
			if every := n / 6 / 20; i%every == every-1 {
				p.Actions = append(p.Actions, recipe.Action{Kind: recipe.Sync, Line: fmt.Sprintf("L%d", i/every)})
			}
			c.Children = append(c.Children, p)
		}
		root.Children = append(root.Children, c)
	}
	return of(root)
}

func BenchmarkTwoThousandSteps(b *testing.B) {
	r := long(2000)
	for b.Loop() {
		if p := Check(r, nil); p.Verdict != Sound {
			b.Fatal(p)
		}
	}
}
