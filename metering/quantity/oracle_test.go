// What the tests of this package compare with: math/big, and integers that favour the edges of their range.

package quantity

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// seed makes every run draw the same values; failures print it.
const seed = 20240607

// dice draws test values.
type dice struct{ *rand.Rand }

func newDice() dice { return dice{rand.New(rand.NewPCG(seed, 1))} }

// int64 draws from all magnitudes alike, and often an edge or a power of two or ten and its neighbours.
func (d dice) int64() int64 {
	edges := [...]int64{0, 1, -1, 2, -2, 5, 10, 1_000, 1_000_000_007, -1 << 63, 1<<63 - 1, -1<<63 + 1, 1 << 62}
	v := int64(d.Uint64() >> d.UintN(64))
	switch d.IntN(6) {
	case 0:
		return edges[d.IntN(len(edges))]
	case 1:
		return int64(1)<<d.UintN(63) + int64(d.IntN(3)) - 1
	case 2:
		return int64(pow10(uint8(d.UintN(18)))) * int64(d.IntN(19)-9)
	case 3:
		return -v
	}
	return v
}

// positive draws an int64 above zero.
func (d dice) positive() int64 {
	for {
		if v := d.int64(); v > 0 {
			return v
		}
	}
}

// ratio draws a Ratio.
func (d dice) ratio() Ratio {
	r, err := NewRatio(d.int64(), d.positive())
	if err != nil {
		panic(err)
	}
	return r
}

// quantity draws a quantity in one of the units.
func (d dice) quantity(units ...Unit) Quantity {
	return Quantity{Coef: d.int64(), Scale: uint8(d.UintN(MaxScale + 1)), Unit: units[d.IntN(len(units))]}
}

// ratOf is a Ratio for math/big.
func ratOf(r Ratio) *big.Rat { return big.NewRat(r.Num(), r.Den()) }

// ratOfQuantity is the amount in the coherent unit for math/big.
func ratOfQuantity(q Quantity) *big.Rat {
	m, ok := measureOf(q.Unit)
	if !ok {
		panic("unknown unit")
	}
	factor := new(big.Rat).SetFrac(new(big.Int).SetUint64(m.num), new(big.Int).SetUint64(m.den))
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(q.Scale)), nil)
	value := new(big.Rat).SetFrac(big.NewInt(q.Coef), power)
	return value.Mul(value, factor)
}

// halfEven rounds with math/big only.
func halfEven(r *big.Rat) *big.Int {
	q, rem := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	c := rem.Lsh(rem, 1).Cmp(r.Denom())
	if c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

// sameRounded requires that got, ok is want rounded half to even if that fits, and a refusal if not.
func sameRounded(t *testing.T, want *big.Rat, got int64, ok bool, what string, args ...any) {
	t.Helper()
	rounded := halfEven(want)
	args = append([]any{"seed %d: " + what, seed}, args...)
	if !rounded.IsInt64() {
		if ok || got != 0 {
			require.Fail(t, "accepted though too large", args...)
		}
		return
	}
	if !ok || got != rounded.Int64() {
		require.Fail(t, "differs from math/big: want "+rounded.String(), append(args, got, ok)...)
	}
}

// sum128 is an Acc for math/big.
func sum128(a Acc) *big.Int {
	v := new(big.Int).Lsh(big.NewInt(a.Hi), 64)
	return v.Add(v, new(big.Int).SetUint64(a.Lo))
}

// fits128 tells whether v fits an Acc.
func fits128(v *big.Int) bool {
	limit := new(big.Int).Lsh(big.NewInt(1), 127)
	return v.Cmp(limit) < 0 && v.Cmp(limit.Neg(limit)) >= 0
}
