// Claims about 128-bit sums and about product by quotient.

package quantity

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMulDivAgreesWithBig(t *testing.T) {
	d := newDice()
	for range 100_000 {
		a, b, c := d.int64(), d.int64(), d.int64()
		got, ok := MulDivRound(a, b, c)
		q, rem, okFloor := MulDivFloor(a, b, c)
		if c <= 0 {
			require.False(t, ok || okFloor)
			continue
		}
		product := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		sameRounded(t, new(big.Rat).SetFrac(product, big.NewInt(c)), got, ok, "%d*%d/%d: got %d %t", a, b, c)
		sameFloor(t, product, c, q, rem, okFloor)
	}
}

// sameFloor requires the floor and remainder of math/big.
func sameFloor(t *testing.T, v *big.Int, den, q, rem int64, ok bool) {
	t.Helper()
	wantQ, wantRem := new(big.Int).DivMod(v, big.NewInt(den), new(big.Int))
	if !wantQ.IsInt64() {
		wantQ, wantRem = new(big.Int), new(big.Int)
	}
	if wantQ.Int64() != q || wantRem.Int64() != rem || ok != new(big.Int).Div(v, big.NewInt(den)).IsInt64() {
		require.Fail(t, "floor differs from math/big", "seed %d: %s / %d: %d rem %d %t", seed, v, den, q, rem, ok)
	}
}

func TestHalvesGoToTheEvenNeighbour(t *testing.T) {
	for _, c := range []struct{ a, b, c, want int64 }{
		{1, 1, 2, 0}, {3, 1, 2, 2}, {5, 1, 2, 2}, {-1, 1, 2, 0}, {-3, 1, 2, -2}, {-5, 1, 2, -2}, {7, 1, 4, 2}, {5, 1, 4, 1},
		{1<<63 - 1, 1<<63 - 1, 1<<63 - 1, 1<<63 - 1}, {-1 << 63, 1, 1, -1 << 63}, {-1 << 63, 1<<63 - 1, 1<<63 - 1, -1 << 63},
		{1<<63 - 1, 3, 6, 1 << 62}, {1<<63 - 3, 3, 6, 1<<62 - 2},
	} {
		got, ok := MulDivRound(c.a, c.b, c.c)
		require.True(t, ok)
		require.Equal(t, c.want, got, "%d*%d/%d", c.a, c.b, c.c)
	}
	_, ok := MulDivRound(-1<<63, -1, 1)
	require.False(t, ok)
	_, ok = MulDivRound(1<<63-1, 2, 1)
	require.False(t, ok)
}

func TestSumsAgreeWithBig(t *testing.T) {
	d := newDice()
	var a Acc
	want := new(big.Int)
	for i := range 50_000 {
		if i%50 == 0 {
			a = Acc{Hi: d.int64(), Lo: uint64(d.int64())}
			want = sum128(a)
		}
		x, y := d.int64(), d.int64()
		before, next := a, new(big.Int)
		var ok bool
		switch d.IntN(4) {
		case 0:
			next.Add(want, big.NewInt(x))
			ok = a.Add(x)
		case 1:
			next.Add(want, next.Mul(big.NewInt(x), big.NewInt(y)))
			ok = a.AddMul(x, y)
		case 2:
			b := Acc{Hi: x, Lo: uint64(y)}
			require.Equal(t, want.Cmp(sum128(b)), a.Cmp(b), "seed %d", seed)
			next.Sub(want, sum128(b))
			if a, ok = a.Sub(b); !ok {
				require.Zero(t, a)
				a = before
			}
		case 3:
			next.Neg(want)
			if a, ok = a.Neg(); !ok {
				require.Zero(t, a)
				a = before
			}
		}
		require.Equal(t, fits128(next), ok, "seed %d: step %d", seed, i)
		if ok {
			want = next
		}
		require.Zero(t, want.Cmp(sum128(a)), "seed %d: step %d: a refused step changes nothing", seed, i)
	}
}

func TestReadingASumAgreesWithBig(t *testing.T) {
	d := newDice()
	for range 50_000 {
		var a Acc
		if d.IntN(3) == 0 {
			a = Acc{Hi: d.int64(), Lo: uint64(d.int64())}
		} else {
			a.AddMul(d.int64(), d.int64())
			a.Add(d.int64())
		}
		v := sum128(a)
		n, ok := a.Int64()
		sameRounded(t, new(big.Rat).SetInt(v), n, ok, "%s: got %d %t", v)

		den := d.positive()
		n, ok = a.DivRound(den)
		sameRounded(t, new(big.Rat).SetFrac(v, big.NewInt(den)), n, ok, "%s/%d: got %d %t", v, den)
		q, rem, ok := a.DivFloor(den)
		sameFloor(t, v, den, q, rem, ok)

		r := d.ratio()
		n, ok = a.ScaleRound(r)
		scaled := ratOf(r)
		sameRounded(t, scaled.Mul(scaled, new(big.Rat).SetInt(v)), n, ok, "%s*%s: got %d %t", v, r)
	}
}

func TestASumByAQuotientAgreesWithBig(t *testing.T) {
	d := newDice()
	for range 50_000 {
		a := Acc{Hi: d.int64() >> d.IntN(64), Lo: uint64(d.int64())}
		num, den := d.int64(), d.int64()
		got, ok := a.MulDivRound(num, den)
		if num < 0 || den <= 0 {
			require.False(t, ok)
			continue
		}
		twice := new(big.Int).Mul(sum128(a), big.NewInt(num))
		whole, rest := new(big.Int).DivMod(twice, big.NewInt(den), new(big.Int))
		if c := rest.Lsh(rest, 1).Cmp(big.NewInt(den)); c > 0 || c == 0 && whole.Bit(0) == 1 {
			whole.Add(whole, big.NewInt(1))
		}
		require.Equal(t, fits128(whole), ok, "seed %d: %v*%d/%d", seed, a, num, den)
		if ok {
			require.Zero(t, whole.Cmp(sum128(got)), "seed %d: %v*%d/%d", seed, a, num, den)
		}
	}
	for _, c := range []struct{ a, want Acc }{{Acc{Lo: 1}, Acc{}}, {Acc{Lo: 3}, Acc{Lo: 2}}, {Acc{Hi: -1, Lo: 1<<64 - 3}, Acc{Hi: -1, Lo: 1<<64 - 2}},
		{Acc{Hi: 1, Lo: 1<<64 - 1}, Acc{Hi: 1}}} {
		got, ok := c.a.MulDivRound(1, 2)
		require.True(t, ok)
		require.Equal(t, c.want, got)
	}
	least := Acc{Hi: -1 << 63}
	got, ok := least.MulDivRound(3, 3)
	require.True(t, ok)
	require.Equal(t, least, got)
	_, ok = least.MulDivRound(4, 3)
	require.False(t, ok)
}

func TestDivisionRefusesADivisorNotAboveZero(t *testing.T) {
	for _, den := range []int64{0, -1, -1 << 63} {
		_, ok := Acc{Lo: 5}.DivRound(den)
		require.False(t, ok)
		_, _, ok = Acc{Lo: 5}.DivFloor(den)
		require.False(t, ok)
	}
}

func TestSumsAreOrderedAsNumbers(t *testing.T) {
	ascending := []Acc{{Hi: -1 << 63}, {Hi: -1 << 63, Lo: 1}, {Hi: -1, Lo: 0}, {Hi: -1, Lo: 1<<64 - 1}, {}, {Lo: 1}, {Lo: 1<<64 - 1}, {Hi: 1}, {Hi: 1<<63 - 1}}
	for i, a := range ascending {
		for j, b := range ascending {
			require.Equal(t, sum128(a).Cmp(sum128(b)), a.Cmp(b))
			require.Equal(t, i < j, a.Cmp(b) < 0)
			require.Equal(t, i == j, a.Cmp(b) == 0)
		}
	}
}

func TestTheSmallestSumIsDividedAndComparedRight(t *testing.T) {
	least := Acc{Hi: -1 << 63}
	_, ok := least.Neg()
	require.False(t, ok)
	require.Equal(t, -1, least.Cmp(Acc{}))
	_, ok = least.DivRound(1<<63 - 1)
	require.False(t, ok)
	tiny, err := NewRatio(1, 1<<63-1)
	require.NoError(t, err)
	_, ok = least.ScaleRound(tiny)
	require.False(t, ok, "-2^127 / (2^63-1) is below -2^64")
}

func TestArithmeticDoesNotAllocate(t *testing.T) {
	r, err := NewRatio(-1<<63, 1<<63-1)
	require.NoError(t, err)
	var a Acc
	require.Zero(t, testing.AllocsPerRun(100, func() {
		a.Add(-7)
		a.AddMul(1<<40, -1<<50)
		b, _ := a.Neg()
		c, _ := a.Sub(b)
		if c.Cmp(a) == 0 {
			panic("sums differ")
		}
		_, _ = c.Int64()
		_, _ = c.DivRound(1_000_003)
		_, _, _ = c.DivFloor(1_000_003)
		_, _ = c.ScaleRound(r)
		_, _ = MulDivRound(1<<62, 3, 7)
		_, _, _ = MulDivFloor(1<<62, 3, 7)
	}))
}
