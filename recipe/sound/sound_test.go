// Verdicts on recipes written by hand, and on random ones against the oracle.

package sound

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
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
		"a message that is received":         {block(par, "R", phase("A", "send T"), phase("B", "receive T")), nil},
		"a message that nobody sends":        {block(par, "R", phase("A"), phase("B", "receive T")), []Kind{NoMessage}},
		"a message that nobody receives":     {block(seq, "R", phase("A", "send T"), phase("B")), []Kind{Leftover}},
		"a message sent to itself, too late": {block(seq, "R", phase("A", "receive T"), phase("B", "send T")), []Kind{NoMessage}},
		"two who want one message":           {block(par, "R", phase("A", "send T"), phase("B", "receive T"), phase("C", "receive T")), []Kind{NoMessage}},
		"as many rounds on both sides":       {block(par, "R", times(3, block(rep, "A", phase("A1", "sync L"))), times(3, block(rep, "B", phase("B1", "sync L")))), nil},
		"fewer rounds on one side":           {block(par, "R", times(3, block(rep, "A", phase("A1", "sync L"))), times(2, block(rep, "B", phase("B1", "sync L")))), []Kind{NoMeeting}},
		"rounds with a message each":         {block(par, "R", times(9, block(rep, "A", phase("A1", "send T"))), times(9, block(rep, "B", phase("B1", "receive T")))), nil},
		"more messages than can wait":        {block(seq, "R", times(256, block(rep, "A", phase("A1", "send T"))), times(256, block(rep, "B", phase("B1", "receive T")))), []Kind{TooMany}},
		"more than can wait, if their receiver is slow": {block(par, "R", times(200, block(rep, "A", phase("A1", "send T"))),
			times(300, block(rep, "B", phase("B1", "receive T"))), times(100, block(rep, "C", phase("C1", "send T")))), []Kind{TooMany}},
		"a round that a restart grants": {block(par, "R", until(untilSomething, times(1, block(rep, "A", phase("A1", "receive T")))),
			phase("B", "send T")), []Kind{NoMessage}},
		"rounds that end in an abort": {block(par, "R", abort(until(untilSomething, times(1, block(rep, "A", phase("A1", "receive T"))))),
			phase("B", "send T")), nil},
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
		most := []int{MaxMessages, 1, 2}[i%3]
		owners := map[string]int{"P": r.IntN(4), "Q": r.IntN(3)}
		p := check(of(root), &Options{States: 20_000, Owners: owners}, most)
		want, ok := naive(of(root), &Options{Owners: owners}, 20_000, most, nothing)
		if !ok || p.Verdict == NotProved {
			verdicts[NotProved]++
			continue
		}
		verdicts[p.Verdict]++
		got := map[Kind]bool{}
		for _, f := range p.Findings {
			got[f.Kind] = true
		}
		require.Equal(t, want.over, got[TooMany], "seed %d, recipe %d: %s", seed, i, dump(root))
		if want.over { // what comes behind that is not looked at in the same order
			continue
		}
		stuck := got[Deadlock] || got[CircularWait] || got[NoMeeting] || got[NoMessage]
		require.Equal(t, want.stuck, stuck, "seed %d, recipe %d: %s", seed, i, dump(root))
		if !stuck {
			require.Equal(t, want.left, got[Leftover], "seed %d, recipe %d: %s", seed, i, dump(root))
		}
	}
	t.Log(verdicts)
}

func TestEquipmentThatBatchesShareIsGotInOneOrder(t *testing.T) {
	order := []string{"LINE", "CIP"}
	owned := func(e *recipe.Element, things ...string) *recipe.Element {
		return uses(block(seq, e.ID+"0", e), things...)
	}
	for name, c := range map[string]struct {
		root *recipe.Element
		want string
	}{
		"upward":  {owned(uses(phase("A"), "CIP"), "LINE"), ""},
		"at once": {uses(phase("A"), "CIP", "LINE"), ""},
		"downward": {owned(uses(phase("A"), "LINE"), "CIP"), "shared equipment out of order: A waits for LINE, which another batch may have, and until then " +
			"A0 keeps CIP, which stands behind it in the resources of the I/O map; name both in the uses of one element around, or give CIP back first"},
		"after a line where a branch waits for the other": {block(par, "R", uses(phase("A", "sync L"), "CIP"), block(seq, "B", uses(phase("B1"), "LINE"), phase("B2", "sync L"))),
			"shared equipment out of order: B1 waits for LINE, which another batch may have, and until then A keeps CIP, which"},
		"before a line where a branch waits for the other": {block(par, "R", uses(phase("A", "sync L"), "CIP"), block(seq, "B", phase("B2", "sync L"), uses(phase("B1"), "LINE"))), ""},
		"by a message": {block(par, "R", uses(phase("A", "receive T"), "CIP"), uses(phase("B", "send T"), "LINE")),
			"shared equipment out of order: B waits for LINE"},
		"in branches that do not wait for each other": {block(par, "R", uses(phase("A"), "CIP"), uses(phase("B"), "LINE")), ""},
		"by a pump that is reserved for who waits": {block(par, "R", owned(uses(phase("A"), "PUMP"), "CIP"), uses(phase("B"), "LINE", "PUMP")),
			"shared equipment out of order: B waits for LINE, which another batch may have, and until then A0 keeps CIP"},
		"by a pump that both branches get first": {block(par, "R", uses(phase("A"), "PUMP", "CIP"), uses(phase("B"), "LINE", "PUMP")), ""},
	} {
		p := Check(of(c.root), &Options{Shared: order})
		require.Equal(t, c.want == "", p.Verdict == Sound, "%s: %s", name, p.Verdict)
		if c.want != "" {
			require.Len(t, p.Findings, 1, name)
			require.Contains(t, p.Findings[0].Text, c.want, name)
			require.Equal(t, OutOfOrder, p.Findings[0].Kind)
			require.NotEmpty(t, p.Findings[0].Stuck)
		}
	}
}

func TestRandomRecipesKeepWhatTheyKeepWithoutAnyReduction(t *testing.T) {
	recipes := 6_000
	if os.Getenv("BATCHKIT_LONG") != "" {
		recipes = 50_000
	}
	r := rand.New(rand.NewPCG(2, 0))
	verdicts := map[bool]int{}
	for i := range recipes {
		root := grow(r, "R", 3)
		opt := &Options{States: 20_000, Shared: []string{"P", "Q"}, Owners: map[string]int{"O": 2}}
		p := Check(of(root), opt)
		if opt.Shared = nil; Check(of(root), opt).Verdict != Sound || len(p.Findings) == 0 && r.IntN(4) > 0 || p.Verdict == NotProved {
			continue
		}
		opt.Shared = []string{"P", "Q"}
		want, ok := naive(of(root), opt, 20_000, MaxMessages, slices.Index(compile(of(root), nil, opt).names[things], "P"))
		if !ok {
			continue
		}
		verdicts[want.keeps]++
		require.Equal(t, !want.keeps, p.Verdict == Sound, "recipe %d: %s", i, dump(root))
	}
	t.Log(verdicts)
	require.NotZero(t, verdicts[true])
}

func TestOnlyThoseAreNamedWhoKeepEachOther(t *testing.T) {
	for want, root := range map[string]*recipe.Element{
		`deadlock: A waits at line "L" for B; B waits at line "M" for A; let the branches come to lines and messages in the same order`: block(par,
			"R", phase("C", "sync L"), phase("A", "sync L", "sync M"), phase("B", "sync M", "sync L")),
		`circular wait: A1 waits for Q, which B holds; B1 waits for P, which A holds; name all of it in the uses of one element around, ` +
			`so that it is got at once, or get it in the same order in both`: block(par, "R", phase("C", "sync L"),
			uses(block(seq, "A", uses(phase("A1", "sync L"), "Q")), "P"), uses(block(seq, "B", uses(phase("B1"), "P")), "Q")),
		`message that cannot come: B waits for message "T", which nobody sends; send it on each way that leads here, before it is waited for ` +
			`and as often as it is received`: block(par, "R", phase("A", "sync L"), phase("B", "receive T", "sync L")),
	} {
		p := Check(of(root), nil)
		require.Len(t, p.Findings, 1)
		require.Equal(t, want, p.Findings[0].Text)
	}
}

func TestAProofThatIsCutShortTellsWhatItHasFound(t *testing.T) {
	for seed := range uint64(300) {
		root := grow(rand.New(rand.NewPCG(seed, 1)), "R", 3)
		whole := check(of(root), nil, 1)
		for limit := 1; limit < 30; limit++ {
			p := check(of(root), &Options{States: limit}, 1)
			require.LessOrEqual(t, len(p.Findings), max(len(whole.Findings), 1), "seed %d, limit %d", seed, limit)
			for _, f := range p.Findings {
				require.True(t, len(f.Trace) > 0 || f.Kind == Unreachable, "seed %d, limit %d", seed, limit)
			}
		}
	}
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
	x := &explorer{limit: DefaultStates, memory: 1 << 20, withheld: nothing}
	x.net = compile(of(root), nil, &Options{})
	p := x.explore()
	require.Equal(t, NotProved, p.Verdict)
	require.Less(t, p.States, 10_000)
}

func TestALimitOfStatesHoldsForAllSharedEquipmentTogether(t *testing.T) {
	root := block(par, "R")
	var shared []string
	for i := range 3 {
		c := block(seq, fmt.Sprintf("B%d", i))
		for k := range 8 {
			shared = append(shared, fmt.Sprintf("E%d_%d", k, i))
			c.Children = append(c.Children, uses(phase(fmt.Sprintf("P%d_%d", i, k)), shared[len(shared)-1]), uses(phase(fmt.Sprintf("A%d_%d", i, k)), "AIR"))
		}
		root.Children = append(root.Children, c)
	}
	alone := Check(of(root), nil)
	require.Equal(t, Sound, alone.Verdict)
	whole := Check(of(root), &Options{Shared: shared})
	require.Equal(t, Sound, whole.Verdict)
	require.Greater(t, whole.States, 5*alone.States)
	require.Equal(t, Sound, Check(of(root), &Options{Shared: shared, States: whole.States}).Verdict)
	for _, limit := range []int{alone.States, 2 * alone.States, whole.States - 1} {
		p := Check(of(root), &Options{Shared: shared, States: limit})
		require.Equal(t, NotProved, p.Verdict, "limit %d", limit)
		require.LessOrEqual(t, p.States, limit+len(root.Children), "limit %d", limit)
	}
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
