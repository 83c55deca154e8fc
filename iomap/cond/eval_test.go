// This file tests evaluation: all operators over all values, against a naive tree, on malformed input, and without allocation.

package cond

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

// image holds values by tag; a tag that it does not hold is BAD.
type image []struct {
	value int64
	q     tag.Quality
}

func (m image) Read(id tag.ID, at int64) (int64, tag.Quality) {
	if int(id) >= len(m) || at < 0 {
		return 0, tag.Bad
	}
	return m[id].value, m[id].q
}

// of makes an image in which the switch of each tag has one truth value.
func of(truths ...Truth) image {
	m := make(image, len(truths))
	for i, t := range truths {
		m[i].q = [...]tag.Quality{Bad: tag.Bad, Stale: tag.Stale, False: tag.Good, True: tag.Good}[t]
		if t != False {
			m[i].value = 1 // a stale or bad tag holds what would be true
		}
	}
	return m
}

var all = []Truth{Bad, Stale, False, True}

func on(id tag.ID) Node { return Node{Op: Eq, Size: 1, Tag: id, Value: 1} }

func TestTheTruthTablesOfTwo(t *testing.T) {
	// Rows and columns: bad, stale, false, true.
	and := [4][4]Truth{{Bad, Bad, False, Bad}, {Bad, Stale, False, Stale}, {False, False, False, False}, {Bad, Stale, False, True}}
	or := [4][4]Truth{{Bad, Bad, Bad, True}, {Bad, Stale, Stale, True}, {Bad, Stale, False, True}, {True, True, True, True}}
	for _, a := range all {
		for _, b := range all {
			require.Equal(t, and[a][b], Cond{{Op: And, Size: 3}, on(0), on(1)}.Eval(of(a, b), 0, nil), "%s and %s", a, b)
			require.Equal(t, or[a][b], Cond{{Op: Or, Size: 3}, on(0), on(1)}.Eval(of(a, b), 0, nil), "%s or %s", a, b)
		}
		not := [4]Truth{Bad: Bad, Stale: Stale, False: True, True: False}
		require.Equal(t, not[a], Cond{{Op: Not, Size: 2}, on(0)}.Eval(of(a), 0, nil), "not %s", a)
	}
}

func TestOfThreeTheStrongestWinsWhereverItStands(t *testing.T) {
	rank := map[Op][]Truth{And: {True, Stale, Bad, False}, Or: {False, Stale, Bad, True}}
	for op, order := range rank {
		for i := range 64 {
			in := []Truth{all[i&3], all[i>>2&3], all[i>>4&3]}
			want := order[0]
			for _, o := range order {
				if in[0] == o || in[1] == o || in[2] == o {
					want = o
				}
			}
			c := Cond{{Op: op, Size: 4}, on(0), on(1), on(2)}
			require.Equal(t, want, c.Eval(of(in...), 0, nil), "%s %v", op, in)
			leaf := c.Decisive(of(in...), 0, nil)
			require.Equal(t, want, in[leaf-1], "%s %v", op, in)
			for before := range leaf - 1 {
				require.NotEqual(t, want, in[before], "%s %v: an earlier leaf decides", op, in)
			}
		}
	}
}

func TestComparisons(t *testing.T) {
	for _, c := range []struct {
		op   Op
		want [3]bool // of 4, 5 and 6 with 5
	}{
		{Eq, [3]bool{false, true, false}}, {Ne, [3]bool{true, false, true}},
		{Lt, [3]bool{true, false, false}}, {Le, [3]bool{true, true, false}},
		{Gt, [3]bool{false, false, true}}, {Ge, [3]bool{false, true, true}},
	} {
		for i, want := range c.want {
			for q, truth := range map[tag.Quality]Truth{tag.Bad: Bad, tag.Stale: Stale, tag.Good: False, 77: Bad} {
				if truth == False && want {
					truth = True
				}
				img := image{{int64(4 + i), q}}
				require.Equal(t, truth, Cond{{Op: c.op, Size: 1, Value: 5}}.Eval(img, 0, nil), "%d %s 5, %s", 4+i, c.op, q)
			}
		}
	}
	require.Equal(t, Bad, Cond{on(0)}.Eval(of(True), -1, nil), "the time reaches the image")
}

func TestDecisiveNamesTheFirstComparisonOnTheDecidingBranches(t *testing.T) {
	e, err := Parse("T101.level >= 40 L and not (door_open or TT101 < 5 Cel)")
	require.NoError(t, err)
	c, errs := e.Bind(plant{}, nil)
	require.Nil(t, errs)
	for _, k := range []struct {
		level, door, temp int64
		truth             Truth
		why               string
	}{
		{399, 0, 600, False, "T101.level >= 40 L"},
		{400, 1, 600, False, "door_open"},
		{400, 0, 499, False, "TT101 < 5 Cel"},
		{400, 0, 500, True, "T101.level >= 40 L"},
	} {
		img := image{{k.level, tag.Good}, {k.door, tag.Good}, {k.temp, tag.Good}}
		require.Equal(t, k.truth, c.Eval(img, 0, nil))
		require.Equal(t, k.why, e.Part(c.Decisive(img, 0, nil)))
	}
	img := image{{400, tag.Good}, {0, tag.Good}, {0, tag.Stale}}
	require.Equal(t, Stale, c.Eval(img, 0, nil))
	require.Equal(t, "TT101 < 5 Cel", e.Part(c.Decisive(img, 0, nil)))
}

func TestAMalformedConditionIsBad(t *testing.T) {
	long := Cond{{Op: And, Size: MaxNodes + 1}}
	for range MaxNodes {
		long = append(long, on(0))
	}
	for name, c := range map[string]Cond{
		"empty":                   {},
		"no operator":             {{Size: 1}},
		"unknown operator":        {{Op: Elapsed + 1, Size: 1}},
		"no size":                 {{Op: Eq}},
		"comparison with a child": {{Op: Eq, Size: 2}, on(0)},
		"and of nothing":          {{Op: And, Size: 1}},
		"not of two":              {{Op: Not, Size: 3}, on(0), on(0)},
		"operator without size":   {{Op: And}, on(0)},
		"child leaves its parent": {{Op: Or, Size: 4}, {Op: And, Size: 2}, {Op: Or, Size: 3}, on(0), on(0)},
		"size beyond the end":     {{Op: And, Size: 65535}, on(0)},
		"more than the tree":      {on(0), on(0)},
		"none of two":             {{Op: Of, Size: 3}, on(0), on(0)},
		"three of two":            {{Op: Of, Size: 3, Value: 3}, on(0), on(0)},
		"of nothing":              {{Op: Of, Size: 1, Value: 1}},
		"stable without memory":   {{Op: Stable, Size: 1, Time: 1}},
		"elapsed without memory":  {{Op: Or, Size: 3}, on(0), {Op: Elapsed, Size: 1, Time: 1}},
		"bad after true":          {{Op: Or, Size: 3}, on(0), {Op: Eq, Size: 9}},
		"too long":                long,
	} {
		require.Equal(t, Bad, c.Eval(of(True), 0, nil), name)
		require.Equal(t, -1, c.Decisive(of(True), 0, nil), name)
	}
	require.Equal(t, Bad, Cond{on(0)}.Eval(nil, 0, nil))
	require.Equal(t, True, Cond{on(0)}.Eval(of(True), 0, nil))
}

// tree is the naive form of a condition.
type tree struct {
	below []tree
	node  Node
}

func (n *tree) flat(c Cond) Cond {
	at := len(c)
	c = append(c, n.node)
	for i := range n.below {
		c = n.below[i].flat(c)
	}
	c[at].Size = uint16(len(c) - at)
	return c
}

// eval evaluates by the words of the definition; leaf gives the truths of the leaves in their order.
func (n *tree) eval(leaf func(n *Node) Truth) Truth {
	var in []Truth
	for i := range n.below {
		in = append(in, n.below[i].eval(leaf))
	}
	switch n.node.Op {
	case Or:
		return naiveOr(in)
	case And:
		return naiveAnd(in)
	case Not:
		return [...]Truth{Bad: Bad, Stale: Stale, False: True, True: False}[in[0]]
	case Of:
		return naiveOf(int(n.node.Value), in, nil)
	}
	return leaf(&n.node)
}

func naiveOr(in []Truth) Truth { return first(in, True, Bad, Stale, False) }

func naiveAnd(in []Truth) Truth { return first(in, False, Bad, Stale, True) }

func first(in []Truth, order ...Truth) Truth {
	for _, t := range order {
		if slices.Contains(in, t) {
			return t
		}
	}
	panic("no operand")
}

// naiveOf is an "or" of the "and" of every choice of k.
func naiveOf(k int, in, chosen []Truth) Truth {
	switch {
	case k == 0:
		return naiveAnd(chosen)
	case k > len(in):
		return False // there is no such choice
	}
	with := naiveOf(k-1, in[1:], append(slices.Clone(chosen), in[0]))
	return naiveOr([]Truth{with, naiveOf(k, in[1:], chosen)})
}

// grow makes a random tree with comparisons of six tags, and functions where they are wanted.
func grow(r *rand.Rand, depth int, functions bool) tree {
	leaf := Node{Op: Eq + Op(r.IntN(6)), Size: 1, Tag: tag.ID(r.IntN(6)), Value: int64(r.IntN(3))}
	if depth == 0 || r.IntN(4) == 0 {
		switch kind := r.IntN(4); {
		case functions && kind == 0:
			leaf.Op, leaf.Time = Stable, 1+r.Int64N(20)
		case functions && kind == 1:
			leaf = Node{Op: Elapsed, Size: 1, Time: 1 + r.Int64N(60)}
		}
		return tree{node: leaf}
	}
	n := tree{node: Node{Op: Or + Op(r.IntN(4))}}
	for range 1 + r.IntN(4) {
		n.below = append(n.below, grow(r, depth-1, functions))
		if n.node.Op == Not {
			break
		}
	}
	if n.node.Op == Of {
		n.node.Value = 1 + r.Int64N(int64(len(n.below)))
	}
	return n
}

func TestEvalEqualsANaiveTree(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 20000 {
		n := grow(r, 4, false)
		c := n.flat(nil)
		if len(c) > MaxNodes {
			continue
		}
		img := make(image, 5) // the sixth tag is unknown
		for j := range img {
			img[j].value, img[j].q = int64(r.IntN(3)), tag.Quality(r.IntN(3))
		}
		want := n.eval(func(n *Node) Truth { return Cond{*n}.Eval(img, 0, nil) })
		require.Equal(t, want, c.Eval(img, 0, nil), "seed %d, condition %d: %v", seed, i, c)
		leaf := c.Decisive(img, 0, nil)
		require.GreaterOrEqual(t, c[leaf].Op, Eq)
	}
}

func TestNOfCountsWhatIsTrueAndWhatCanNoLongerBe(t *testing.T) {
	for n := 1; n <= 4; n++ {
		for k := 1; k <= n; k++ {
			c := Cond{{Op: Of, Size: uint16(n + 1), Value: int64(k)}}
			for i := range n {
				c = append(c, on(tag.ID(i)))
			}
			for code := range 1 << (2 * n) {
				var in []Truth
				count := map[Truth]int{}
				for i := range n {
					in = append(in, all[code>>(2*i)&3])
					count[in[i]]++
				}
				want := Stale
				switch {
				case count[True] >= k:
					want = True
				case n-count[False] < k:
					want = False
				case count[Bad] > 0:
					want = Bad
				}
				require.Equal(t, want, c.Eval(of(in...), 0, nil), "%d of %v", k, in)
				require.Equal(t, want, naiveOf(k, in, nil), "an or of all choices is the same: %d of %v", k, in)
				require.Equal(t, 1+slices.Index(in, want), c.Decisive(of(in...), 0, nil), "%d of %v", k, in)
			}
		}
	}
}

// FuzzEval holds evaluation against panics and endless loops on any nodes, with any memory.
func FuzzEval(f *testing.F) {
	f.Add([]byte{1, 3, 4, 1, 4, 1}, int64(0), int64(1), byte(2))
	f.Add([]byte{3, 2, 5, 1}, int64(-1), int64(1), byte(0))
	f.Add([]byte{4, 4, 11, 1, 12, 1, 5, 1}, int64(1<<63-1), int64(-1<<63), byte(3))
	f.Fuzz(func(t *testing.T, b []byte, at, since int64, state byte) {
		var c Cond
		for i := 0; i+1 < len(b); i += 2 {
			c = append(c, Node{Op: Op(b[i] % 14), Size: uint16(b[i+1]), Tag: tag.ID(i % 5), Value: int64(i % 3), Time: since + int64(i)})
		}
		img := of(True, False, Stale, Bad)
		mem := make([]Cell, c.Cells())
		for i := range mem {
			mem[i] = Cell{since, at, at ^ since, state}
		}
		for range 2 {
			before := slices.Clone(mem)
			leaf := c.Decisive(img, at, mem)
			c.Ripens(img, at, mem)
			require.Equal(t, before, mem)
			truth := c.Eval(img, at, mem)
			require.LessOrEqual(t, truth, True)
			require.True(t, leaf < len(c) && (leaf >= 0 || truth == Bad))
			require.GreaterOrEqual(t, c.Wake(at, mem), at)
			c.Suspend(at, mem)
			c.Resume(since, mem)
			c.Begin(since, mem)
		}
	})
}

func TestEvaluationDoesNotAllocate(t *testing.T) {
	var img Image = of(True, False, Stale)
	c := Cond{{Op: Or, Size: 8}, on(1), {Op: And, Size: 6}, on(0), {Op: Not, Size: 2}, on(2), {Op: Stable, Size: 1, Time: 5},
		{Op: Elapsed, Size: 1, Time: 9}}
	mem := make([]Cell, c.Cells())
	require.Zero(t, testing.AllocsPerRun(100, func() {
		c.Begin(0, mem)
		_, _ = c.Eval(img, 0, mem), c.Decisive(img, 0, mem)
		c.Suspend(1, mem)
		c.Resume(2, mem)
		_ = c.Wake(2, mem)
	}))
}

func ExampleParse() {
	e, err := Parse("T101.level >= 40 L and not (door_open or TT101 < 5 Cel)")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, _ := e.Bind(plant{}, nil)
	now := image{{412, tag.Good}, {0, tag.Good}, {480, tag.Good}} // 41.2 L, closed, 4.80 Cel
	fmt.Println(c.Eval(now, 0, nil), "because of", e.Part(c.Decisive(now, 0, nil)))
	// Output:
	// false because of TT101 < 5 Cel
}
