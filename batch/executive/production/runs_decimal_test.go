// Claims about values as decimals.

package production

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/metering/quantity"
)

func TestAValueIsAPlainDecimalAndIsRoundedHalfToEvenOnce(t *testing.T) {
	for _, c := range []struct {
		text   string
		places int
		want   string
	}{
		{"0", exact, "0"}, {"-0", exact, "0"}, {"0e2", exact, "0"}, {"0e+40", 2, "0.00"}, {"12", exact, "12"}, {"-1", 2, "-1.00"}, {"0.1", exact, "0.1"}, {"1e-05", exact, "0.00001"},
		{"1.5e+21", exact, "1500000000000000000000"}, {"-2.5", 0, "-2"}, {"2.5", 0, "2"}, {"3.5", 0, "4"}, {"2.51", 0, "3"}, {"9.995", 2, "10.00"},
		{"9.985", 2, "9.98"}, {"99.996", 2, "100.00"}, {"0.004", 2, "0.00"}, {"-0.004", 2, "0.00"}, {"0.005", 2, "0.00"}, {"0.015", 2, "0.02"},
		{"0.5", 0, "0"}, {"1e-40", 3, "0.000"}, {"1e-40", exact, ""}, {"1e+40", exact, ""}, {"007.50", 1, "7.5"},
		{"NaN", exact, ""}, {"+Inf", exact, ""}, {"", exact, ""}, {".5", exact, ""}, {"-", exact, ""}, {"1e", exact, ""}, {"1e999", 2, ""}, {"1 2", exact, ""}, {"--1", exact, ""},
	} {
		got, ok := decimal(c.text, quantity.Quantity{}, c.places)
		require.Equal(t, c.want, got, "%s to %d places", c.text, c.places)
		require.Equal(t, c.want != "", ok, "%s", c.text)
	}
}

func TestAGainIsExact(t *testing.T) {
	gain, err := quantity.Parse("0.01 kg")
	require.NoError(t, err)
	minus, err := quantity.Parse("-0.5 kg")
	require.NoError(t, err)
	for _, c := range []struct {
		text   string
		gain   quantity.Quantity
		places int
		want   string
	}{{"12345", gain, exact, "123.45"}, {"12345", gain, 1, "123.4"}, {"12355", gain, 1, "123.6"}, {"-7", minus, exact, "3.5"}, {"0", minus, exact, "0.0"}, {"7", minus, 0, "-4"},
		{"1e-05", gain, exact, "0.0000001"}} {
		got, ok := decimal(c.text, c.gain, c.places)
		require.True(t, ok)
		require.Equal(t, c.want, got)
	}
}

func TestARoundedValueIsNeverFurtherThanHalfAPlace(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 14))
	for range 5000 {
		f := (rnd.Float64() - 0.5) * math.Pow(10, float64(rnd.IntN(18)-6))
		text := strconv.FormatFloat(f, 'g', -1, 64)
		was, _ := new(big.Rat).SetString(text)
		places := rnd.IntN(maxPlaces + 1)
		for _, p := range []int{places, exact} {
			got, ok := decimal(text, quantity.Quantity{}, p)
			require.True(t, ok, text)
			is, ok := new(big.Rat).SetString(got)
			require.True(t, ok, got)
			off := new(big.Rat).Sub(is, was)
			if p == exact {
				require.Zero(t, off.Sign(), "%s is %s", text, got)
				continue
			}
			half, _ := new(big.Rat).SetString("0.5e-" + strconv.Itoa(p))
			require.LessOrEqual(t, off.Abs(off).Cmp(half), 0, "%s to %d places is %s", text, p, got)
			if _, part, has := strings.Cut(got, "."); has {
				require.Len(t, part, p)
			}
		}
	}
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"0.1", "-1e-05", "NaN", "1e+40", "99.995"} {
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, text string, places int) {
		if places > maxPlaces || places < exact {
			return
		}
		got, ok := decimal(text, quantity.Quantity{}, places)
		if !ok {
			return
		}
		again, ok := decimal(got, quantity.Quantity{}, places)
		require.True(t, ok)
		require.Equal(t, got, again)
		require.LessOrEqual(t, len(got), maxDigits+2)
	})
}
