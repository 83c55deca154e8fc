// This file tests scaling: exact values, rounding, limits, and the messages for batch sizes that are refused.

package recipe

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

// one makes a recipe with one parameter.
func one(nominal, value string, scaling Scaling) *Recipe {
	return &Recipe{Nominal: q(nominal), Min: quantity.Quantity{Coef: 1, Unit: q(nominal).Unit}, Max: quantity.Quantity{Coef: 1 << 60, Unit: q(nominal).Unit},
		Params: []Param{{Name: "p", Value: q(value), Scaling: scaling}}}
}

func TestAValueFollowsTheBatchSize(t *testing.T) {
	for _, c := range []struct {
		nominal, size, value string
		scaling              Scaling
		want                 string
	}{
		{"10 kg", "15 kg", "13", Linear, "19.5"},
		{"10 kg", "12 kg", "13", Quadratic, "18.72"},
		{"10 kg", "1 kg", "1", Linear, "0.1"},
		{"10 kg", "15 kg", "13", Fixed, "13"},
		{"10 kg", "10000 g", "13.00 L", Linear, "13.00 L"},
		{"200 kg", "0.3 t", "120.00 kg", Linear, "180.00 kg"},
		{"200 kg", "100 kg", "-4.00 Cel", Linear, "-2.00 Cel"},
		{"3 kg", "1 kg", "100 kg", Linear, "33.333333 kg"},
		{"3 kg", "2 kg", "100.0 kg", Linear, "66.6666667 kg"},
		{"8 kg", "1 kg", "0.001 kg", Linear, "0.000125 kg"},
		{"2000000 kg", "1 kg", "0.000000000001 kg", Linear, "0.000000000000 kg"},
		{"2000000 kg", "1 kg", "0.000000000003 kg", Linear, "0.000000000000 kg"},
		{"2 kg", "1 kg", "0.000000000003 kg", Linear, "0.000000000002 kg"},
		{"2 kg", "1 kg", "0.000000000001 kg", Linear, "0.000000000000 kg"},
		{"3 kg", "1 kg", "9000000000000001.00 kg", Linear, "3000000000000000.333 kg"},
	} {
		f, err := one(c.nominal, c.value, c.scaling).Resolve(q(c.size))
		require.NoError(t, err, c)
		require.Equal(t, Formula{{"p", q(c.want)}}, f, c)
	}
}

func TestScalingIsTheRoundedExactValue(t *testing.T) {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, 0))
	for i := range 20000 {
		r := &Recipe{Nominal: quantity.Quantity{Coef: 1 + rnd.Int64N(1000), Unit: "kg"}, Min: q("1 kg"), Max: q("1000 kg")}
		size := quantity.Quantity{Coef: 1000 + rnd.Int64N(998_000), Scale: 3, Unit: "kg"}
		p := Param{Name: "p", Scaling: Linear + Scaling(rnd.IntN(2)),
			Value: quantity.Quantity{Coef: rnd.Int64N(2_000_001) - 1_000_000, Scale: uint8(rnd.IntN(8)), Unit: "L"}}
		r.Params = []Param{p}
		f, err := r.Resolve(size)
		require.NoError(t, err)
		got := f[0].Quantity
		require.True(t, got.Scale >= p.Value.Scale && got.Scale <= min(p.Value.Scale+moreDecimals, quantity.MaxScale))

		exact := new(big.Rat).SetFrac64(p.Value.Coef, pow10(p.Value.Scale))
		factor := new(big.Rat).SetFrac64(size.Coef, 1000*r.Nominal.Coef)
		exact.Mul(exact, factor)
		if p.Scaling == Quadratic {
			exact.Mul(exact, factor)
		}
		off := new(big.Rat).Sub(exact, new(big.Rat).SetFrac64(got.Coef, pow10(got.Scale)))
		half := new(big.Rat).SetFrac64(1, 2*pow10(min(p.Value.Scale+moreDecimals, quantity.MaxScale)))
		require.LessOrEqual(t, off.Abs(off).Cmp(half), 0, "seed %d, case %d: %s of %s at %s: %s", seed, i, p.Value, r.Nominal, size, got)
		require.False(t, got.Scale > p.Value.Scale && got.Coef%10 == 0, "no needless decimals")
	}
}

func pow10(n uint8) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
}

func TestABatchSizeThatDoesNotFitIsRefusedWithTheLimits(t *testing.T) {
	r := parse(t, goodRecipe)
	for size, msg := range map[string]string{
		"99.99 kg":               `recipe: batch size "99.99 kg" is below the least; choose 0.1 t to 400 kg`,
		"400.001 kg":             `recipe: batch size "400.001 kg" is above the greatest; choose 0.1 t to 400 kg`,
		"9223372036854775807 kg": `recipe: batch size "9223372036854775807 kg" is above the greatest; choose 0.1 t to 400 kg`,
		"0 kg":                   `recipe: batch size "0 kg" is below the least; choose 0.1 t to 400 kg`,
		"-200 kg":                `recipe: batch size "-200 kg" is below the least; choose 0.1 t to 400 kg`,
		"200 L":                  `recipe: batch size "200 L" does not fit a recipe in kg; choose 0.1 t to 400 kg`,
		"200":                    `recipe: batch size "200" does not fit a recipe in kg; choose 0.1 t to 400 kg`,
	} {
		f, err := r.Resolve(q(size))
		require.EqualError(t, err, msg)
		require.Nil(t, f)
	}
	for _, size := range []string{"100 kg", "0.400 t", "123456.789 g", "300.000000000001 kg"} {
		f, err := r.Resolve(q(size))
		require.NoError(t, err)
		require.Len(t, f, 2)
	}
	_, err := one("9223372.036854775807 s", "1 kg", Linear).Resolve(q("300.123456789123 d"))
	require.EqualError(t, err, `recipe: batch size "300.123456789123 d" over the nominal 9223372.036854775807 s needs more than 64 bits; `+
		`write fewer digits`)
	_, err = r.Resolve(quantity.Quantity{})
	require.Error(t, err)
}

func TestAParameterOutsideItsLimitsIsRefused(t *testing.T) {
	r := one("10 kg", "13 kg", Linear)
	r.Params[0].Min, r.Params[0].Max = q("3 kg"), q("20 kg")
	for size, msg := range map[string]string{
		"2.30 kg":  `recipe: parameter "p" at batch size "2.30 kg": 2.99 kg is below its min 3 kg`,
		"2.31 kg":  "",
		"15.38 kg": "",
		"15.39 kg": `recipe: parameter "p" at batch size "15.39 kg": 20.007 kg is above its max 20 kg`,
	} {
		_, err := r.Resolve(q(size))
		if msg == "" {
			require.NoError(t, err, size)
		} else {
			require.EqualError(t, err, msg)
		}
	}
	_, err := one("1 kg", "900000000000000000 kg", Quadratic).Resolve(q("5 kg"))
	require.EqualError(t, err, `recipe: parameter "p" at batch size "5 kg" does not fit 64 bits`)
}

func TestAFormulaIsLookedUpByNameAndByAmount(t *testing.T) {
	f := Formula{{"a", q("1 kg")}, {"b", q("2 kg")}}
	got, ok := f.Lookup("b")
	require.True(t, ok)
	require.Equal(t, q("2 kg"), got)
	_, ok = f.Lookup("c")
	require.False(t, ok)
	for _, c := range []struct {
		a    Amount
		want quantity.Quantity
	}{
		{Amount{Param: "a"}, q("1 kg")},
		{Amount{Quantity: q("5 s")}, q("5 s")},
		{Amount{Param: "c"}, quantity.Quantity{}},
		{Amount{Word: "open"}, quantity.Quantity{}},
		{Amount{}, quantity.Quantity{}},
	} {
		got, ok := f.Amount(&c.a)
		require.Equal(t, c.want.Unit != "", ok, c)
		require.Equal(t, c.want, got, c)
	}
}

func ExampleRecipe_Resolve() {
	nominal, _ := quantity.Parse("200 kg")
	least, _ := quantity.Parse("100 kg")
	greatest, _ := quantity.Parse("400 kg")
	charge, _ := quantity.Parse("120.00 kg")
	r := &Recipe{Nominal: nominal, Min: least, Max: greatest,
		Params: []Param{{Name: "charge", Value: charge, Scaling: Linear}}}

	size, _ := quantity.Parse("250 kg")
	f, err := r.Resolve(size)
	fmt.Println(f[0].Name, f[0].Quantity, err)
	size, _ = quantity.Parse("500 kg")
	_, err = r.Resolve(size)
	fmt.Println(err)
	// Output:
	// charge 150.00 kg <nil>
	// recipe: batch size "500 kg" is above the greatest; choose 100 kg to 400 kg
}
