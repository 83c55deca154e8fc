// Claims about exact ratios.

package quantity

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRatiosAreReadReducedAndWrittenBack(t *testing.T) {
	for text, want := range map[string]string{
		"1": "1", "0": "0", "0.00": "0", "1.0025": "401/400", "-0.5": "-1/2", "1000/3": "1000/3", "10/4": "5/2", "-6/3": "-2", "0/7": "0",
		"-9223372036854775808": "-9223372036854775808", "1/9223372036854775807": "1/9223372036854775807",
	} {
		r, err := ParseRatio(text)
		require.NoError(t, err)
		require.Equal(t, want, r.String())
		back, err := ParseRatio(r.String())
		require.NoError(t, err)
		require.Equal(t, r, back)
		same, err := NewRatio(r.Num(), r.Den())
		require.NoError(t, err)
		require.True(t, same == r)
	}
}

func TestRatioErrorsSayWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":        `quantity: ratio "": no number`,
		"1,5":     `comma in the number`,
		"1/0":     `quantity: ratio "1/0": the denominator is not above zero`,
		"1/-2":    `the denominator is not above zero`,
		"1/":      `no number`,
		"/2":      `no number`,
		"1/2/3":   `not a decimal number`,
		"1.5/2":   `decimals in a fraction`,
		"1/2.0":   `decimals in a fraction`,
		"1e3":     `exponent`,
		"1 / 2":   `not a decimal number`,
		"1/1e400": `exponent`,

		"9223372036854775808": `does not fit 64 bits`,
	} {
		r, err := ParseRatio(text)
		require.ErrorContains(t, err, want, text)
		require.Zero(t, r)
	}
	_, err := NewRatio(1, 0)
	require.EqualError(t, err, `quantity: ratio 1/0: the denominator is not above zero`)
}

func TestRatioArithmeticAgreesWithBig(t *testing.T) {
	d := newDice()
	for range 50_000 {
		r, s, v := d.ratio(), d.ratio(), d.int64()
		require.Zero(t, new(big.Rat).SetFrac64(r.num, r.Den()).Num().Cmp(big.NewInt(r.Num())), "seed %d: %s is reduced", seed, r)

		want := ratOf(r)
		want.Mul(want, ratOf(s))
		p, ok := r.Mul(s)
		require.Equal(t, want.Num().IsInt64() && want.Denom().IsInt64(), ok, "seed %d: %s * %s", seed, r, s)
		if ok {
			require.Zero(t, want.Cmp(ratOf(p)), "seed %d: %s * %s", seed, r, s)
		}
		if inv, ok := r.Inv(); ok {
			one, ok := r.Mul(inv)
			require.True(t, ok && one == Ratio{num: 1}, "seed %d: %s", seed, r)
		} else {
			require.True(t, r.Num() == 0 || r.Num() == -1<<63, "seed %d: %s", seed, r)
		}
		n, ok := r.Apply(v)
		applied := ratOf(r)
		sameRounded(t, applied.Mul(applied, new(big.Rat).SetInt64(v)), n, ok, "%s of %d: got %d %t", r, v)
	}
}

func TestTheZeroRatioIsZero(t *testing.T) {
	var zero Ratio
	require.Equal(t, "0", zero.String())
	require.Equal(t, int64(1), zero.Den())
	n, ok := zero.Apply(1<<63 - 1)
	require.True(t, ok)
	require.Zero(t, n)
	_, ok = zero.Inv()
	require.False(t, ok)
	parsed, err := ParseRatio("0.000")
	require.NoError(t, err)
	require.True(t, parsed == zero)
}

func TestRatiosDoNotAllocate(t *testing.T) {
	r, s := Ratio{num: -1 << 63, denLess1: 6}, Ratio{num: 49, denLess1: 1<<40 - 1}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		p, ok := r.Mul(s)
		_, okInv := s.Inv()
		_, okApply := p.Apply(3)
		if !ok || !okInv || !okApply {
			panic("refused")
		}
	}))
}

func FuzzParseRatio(f *testing.F) {
	for _, s := range []string{"1", "-0.5", "10/4", "1/0", "1.5/2", "-9223372036854775808/9223372036854775807", "/", "1/2/3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRatio(s)
		if err != nil {
			require.Zero(t, r)
			return
		}
		want, ok := new(big.Rat).SetString(s)
		require.True(t, ok)
		require.Zero(t, want.Cmp(ratOf(r)))
		require.Equal(t, want.Num().Int64(), r.Num())
		back, err := ParseRatio(r.String())
		require.NoError(t, err)
		require.Equal(t, r, back)
	})
}
