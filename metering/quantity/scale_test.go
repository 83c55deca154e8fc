// Claims about sums that are scaled by a ratio and a divisor at once.

package quantity_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

func TestASumIsScaledByARatioAndADivisorWithOneRounding(t *testing.T) {
	const seed = 20261202
	d := rand.New(rand.NewPCG(seed, 1))
	fitted := 0
	for n := range 20_000 {
		a := quantity.Acc{Hi: int64(d.Uint64()) >> d.IntN(64), Lo: d.Uint64()}
		r, err := quantity.NewRatio(d.Int64()>>d.IntN(63), d.Int64()>>d.IntN(60)+1)
		require.NoError(t, err)
		per := d.Int64()>>d.IntN(60) + 1
		num := new(big.Int).Lsh(big.NewInt(a.Hi), 64)
		num.Add(num, new(big.Int).SetUint64(a.Lo)).Mul(num, big.NewInt(r.Num()))
		den := new(big.Int).Mul(big.NewInt(r.Den()), big.NewInt(per))
		want, rest := new(big.Int).DivMod(num, den, new(big.Int))
		if c := rest.Lsh(rest, 1).Cmp(den); c > 0 || c == 0 && want.Bit(0) == 1 {
			want.Add(want, big.NewInt(1))
		}
		got, ok := a.ScaleRoundBy(r, per)
		require.Equal(t, want.IsInt64(), ok, "seed %d, %d: %+v by %s / %d", seed, n, a, r, per)
		if ok {
			fitted++
			require.Equal(t, want.Int64(), got, "seed %d, %d: %+v by %s / %d", seed, n, a, r, per)
		}
	}
	require.Greater(t, fitted, 5_000)
	_, ok := quantity.Acc{Lo: 1}.ScaleRoundBy(quantity.Ratio{}, 0)
	require.False(t, ok, "no divisor")
}
