// Whether conditions can be true at all: by hand, and against a walk through all values.

package cond

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
)

// small is a plant whose tags have the values 0 to 3; a range of its own has tag 9.
type small struct{}

func (small) Range(id tag.ID) (int64, int64) {
	if id == 9 {
		return math.MinInt64, math.MaxInt64
	}
	return 0, 3
}

func TestWhatCanNeverBeTrueIsTold(t *testing.T) {
	leaf := func(op Op, id tag.ID, v int64) Cond { return Cond{{Op: op, Size: 1, Tag: id, Value: v}} }
	both := func(op Op, a, b Cond) Cond {
		return append(append(Cond{{Op: op, Size: uint16(1 + len(a) + len(b))}}, a...), b...)
	}
	for name, c := range map[string]struct {
		yes, no []Cond
		want    bool
	}{
		"a value within the range":     {[]Cond{leaf(Eq, 0, 3)}, nil, true},
		"a value beyond the range":     {[]Cond{leaf(Gt, 0, 3)}, nil, false},
		"a value below the range":      {[]Cond{leaf(Lt, 0, 0)}, nil, false},
		"far beyond is never equal":    {[]Cond{leaf(Eq, 0, 99)}, nil, false},
		"far beyond is always less":    {nil, []Cond{leaf(Lt, 0, 99)}, false},
		"above and below at once":      {[]Cond{both(And, leaf(Gt, 0, 1), leaf(Lt, 0, 2))}, nil, false},
		"above or below":               {nil, []Cond{both(Or, leaf(Ge, 0, 2), leaf(Lt, 0, 2))}, false},
		"one tag cannot be two":        {[]Cond{leaf(Eq, 1, 2), leaf(Eq, 1, 3)}, nil, false},
		"true, and an earlier false":   {[]Cond{leaf(Ge, 0, 2)}, []Cond{leaf(Ge, 0, 3)}, true},
		"covered by an earlier one":    {[]Cond{leaf(Ge, 0, 3)}, []Cond{leaf(Ge, 0, 2)}, false},
		"the ends of 64 bits":          {[]Cond{leaf(Le, 9, math.MinInt64)}, []Cond{leaf(Gt, 9, math.MaxInt64)}, true},
		"a function may be either":     {[]Cond{{{Op: Elapsed, Size: 1, Time: 1}}}, []Cond{{{Op: Elapsed, Size: 1, Time: 1}}}, true},
		"a malformed one is neither":   {[]Cond{{}}, nil, false},
		"a malformed one is not false": {nil, []Cond{{{Op: And, Size: 1}}}, false},
	} {
		require.Equal(t, c.want, Possible(c.yes, c.no, small{}), name)
	}
}

func TestRandomConditionsArePossibleWhereAWalkThroughAllValuesSaysSo(t *testing.T) {
	seed := uint64(1)
	r := rand.New(rand.NewPCG(seed, 0))
	seen := map[bool]int{}
	for i := range 3000 {
		a, b := grow(r, 3, false), grow(r, 2, false)
		yes, no := a.flat(nil), b.flat(nil)
		if len(yes)+len(no) > 12 {
			continue
		}
		want := false
		for v := range 1 << 12 { // six tags of four values
			img := make(image, 6)
			for k := range img {
				img[k].value, img[k].q = int64(v>>(2*k)&3), tag.Good
			}
			want = want || yes.Eval(img, 0, nil) == True && no.Eval(img, 0, nil) == False
		}
		got := Possible([]Cond{yes}, []Cond{no}, small{})
		require.Equal(t, want, got, "seed %d, condition %d: %v, not %v", seed, i, yes, no)
		seen[got]++
	}
	require.Greater(t, min(seen[true], seen[false]), 100, "%v", seen)
}
