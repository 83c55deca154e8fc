// Claims about counts of a resolution, comparison and quotients.

package quantity

import (
	"errors"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

// must parses a quantity that the test knows to be right.
func must(t *testing.T, s string) Quantity {
	t.Helper()
	q, err := Parse(s)
	require.NoError(t, err)
	return q
}

func TestCountsAreExactAcrossUnits(t *testing.T) {
	for _, c := range []struct {
		q, res string
		want   int64
	}{
		{"120.00 kg", "0.01 kg", 12_000}, {"0.120 t", "0.01 kg", 12_000}, {"120000 g", "0.01 kg", 12_000}, {"-5 g", "0.005 kg", -1},
		{"61.70 kg", "0.05 kg", 1_234}, {"0 kg", "1 mg", 0}, {"1 m3", "0.5 mL", 2_000_000}, {"1.2 bar", "1 mbar", 1_200},
		{"36 kg/h", "0.1 g/s", 100}, {"60 /min", "0.1 Hz", 10}, {"1 kWh", "1 J", 3_600_000}, {"50 %", "0.1", 5}, {"1 g/mL", "1 kg/m3", 1_000},
		{"21.5 Cel", "0.1 Cel", 215}, {"1413 uS/cm", "0.001 mS/cm", 1_413}, {"1 {pulse}/g", "1 {pulse}/kg", 1_000},
		{"-9223372036854775808 kg", "1 kg", -1 << 63}, {"9223372036854775807 kg", "1 kg", 1<<63 - 1},
	} {
		got, err := must(t, c.q).Counts(must(t, c.res))
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%s in %s", c.q, c.res)
	}
}

func TestCountsTellTheRefusalsApart(t *testing.T) {
	for _, c := range []struct {
		q, res, message string
		is              error
	}{
		{"1.005 kg", "0.01 kg", `quantity: "1.005 kg" in counts of "0.01 kg": not a whole number of counts`, ErrInexact},
		{"1 h", "7 s", `not a whole number`, ErrInexact},
		{"9223372036854775807 kg", "0.1 kg", `in counts of "0.1 kg": does not fit 64 bits`, ErrOverflow},
		{"9223372036854775807 d", "0.000000000001 ns", `does not fit 64 bits`, ErrOverflow},
		{"1 kg", "1 L", `quantity: "1 kg" in counts of "1 L": the units measure different things`, ErrDimension},
		{"1 {pulse}", "1 %", `different things`, ErrDimension},
		{"1 K", "1 Cel", `different things`, ErrDimension},
		{"1 kg", "0 kg", `the resolution is not above zero`, nil},
		{"1 kg", "-1 kg", `the resolution is not above zero`, nil},
	} {
		n, err := must(t, c.q).Counts(must(t, c.res))
		require.ErrorContains(t, err, c.message)
		require.Zero(t, n)
		for _, s := range []error{ErrInexact, ErrOverflow, ErrDimension} {
			require.Equal(t, c.is == s, errors.Is(err, s), c.q)
		}
		if c.is != ErrInexact {
			_, err = must(t, c.q).CountsRound(must(t, c.res))
			require.ErrorContains(t, err, c.message)
		}
	}
}

func TestWhatIsNoQuantityIsRefusedEverywhere(t *testing.T) {
	kg := Quantity{1, 0, "kg"}
	for bad, message := range map[Quantity]string{
		{}:            `unit "": empty`,
		{1, 0, "kgs"}: `unit "kgs": not known; the closest known is "kg"`,
		{1, 13, "kg"}: `scale 13: at most 12 decimals are kept`,
	} {
		_, err := bad.Counts(kg)
		require.ErrorContains(t, err, message)
		_, err = bad.CountsRound(kg)
		require.ErrorContains(t, err, message)
		_, err = bad.Nanoseconds()
		require.ErrorContains(t, err, message)
		_, err = bad.Cmp(kg)
		require.ErrorContains(t, err, message)
		_, err = kg.Cmp(bad)
		require.ErrorContains(t, err, message)
		_, err = bad.Per(kg)
		require.ErrorContains(t, err, message)
		bad.Coef = 1
		_, err = kg.Counts(bad)
		require.ErrorContains(t, err, message)
		_, err = kg.Per(bad)
		require.ErrorContains(t, err, message)
		_, ok := FromCounts(1, bad)
		require.False(t, ok)
	}
}

func TestCountsAndCmpAgreeWithBig(t *testing.T) {
	d := newDice()
	families := [][]Unit{
		{"kg", "g", "mg", "t"}, {"ns", "ms", "s", "h", "d"}, {"m3/h", "mL/min", "uL/ns", "L/d"}, {"kWh/uL", "J/m3", "Pa"}, {"kWh/ns", "W"},
	}
	for range 30_000 {
		family := families[d.IntN(len(families))]
		q, res := d.quantity(family...), d.quantity(family...)
		a, b := ratOfQuantity(q), ratOfQuantity(res)
		order, err := q.Cmp(res)
		require.NoError(t, err)
		if order != a.Cmp(b) {
			require.Fail(t, "order differs from math/big", "seed %d: %s and %s", seed, q, res)
		}
		if res.Coef <= 0 {
			continue
		}
		want := a.Quo(a, b)
		n, err := q.CountsRound(res)
		sameRounded(t, want, n, err == nil, "%s in %s: got %d %t", q, res)
		n, err = q.Counts(res)
		switch {
		case !want.IsInt():
			require.ErrorIs(t, err, ErrInexact, "seed %d: %s in %s", seed, q, res)
		case !want.Num().IsInt64():
			require.ErrorIs(t, err, ErrOverflow, "seed %d: %s in %s", seed, q, res)
		default:
			require.NoError(t, err, "seed %d: %s in %s", seed, q, res)
			require.Equal(t, want.Num().Int64(), n, "seed %d: %s in %s", seed, q, res)
		}
	}
}

func TestFromCountsKeepsTheDecimalsOfTheResolution(t *testing.T) {
	q, ok := FromCounts(1_234, must(t, "0.05 kg"))
	require.True(t, ok)
	require.Equal(t, "61.70 kg", q.String())

	_, ok = FromCounts(1<<62, must(t, "0.02 kg"))
	require.False(t, ok, "the coefficient does not fit")
	_, ok = FromCounts(1, Quantity{0, 0, "kg"})
	require.False(t, ok, "a resolution is above zero")

	d := newDice()
	for range 5_000 {
		n, res := d.int64(), d.quantity("kg", "L/min")
		if q, ok := FromCounts(n, res); ok {
			back, err := q.Counts(res)
			require.NoError(t, err, "seed %d", seed)
			require.Equal(t, n, back, "seed %d", seed)
		}
	}
}

func TestTimesAreWholeNanoseconds(t *testing.T) {
	for text, want := range map[string]int64{
		"1.5 s": 1_500_000_000, "500 ms": 500_000_000, "2 h": 7_200_000_000_000, "5 min": 300_000_000_000, "1 d": 86_400_000_000_000,
		"0.25 us": 250, "-1 ns": -1, "0 s": 0,
	} {
		n, err := must(t, text).Nanoseconds()
		require.NoError(t, err)
		require.Equal(t, want, n, text)
	}
	_, err := must(t, "0.5 ns").Nanoseconds()
	require.ErrorIs(t, err, ErrInexact)
	_, err = must(t, "106752 d").Nanoseconds()
	require.ErrorIs(t, err, ErrOverflow)
	_, err = must(t, "1 kg").Nanoseconds()
	require.EqualError(t, err, `quantity: "1 kg" in counts of "1 ns": the units measure different things`)
}

func TestAmountsCompareAcrossUnitsAndDecimals(t *testing.T) {
	for _, c := range []struct {
		q, p string
		want int
	}{
		{"0.1 t", "100.00 kg", 0}, {"99.9 kg", "0.1 t", -1}, {"-1 g", "-1 kg", 1}, {"-1 kg", "1 mg", -1}, {"0 kg", "0.00 t", 0}, {"0 kg", "-1 mg", 1},
		{"9223372036854775807 t", "9223372036854775807 mg", 1}, {"1 min", "60000000000 ns", 0}, {"1 h", "3600.000000000001 s", -1},
	} {
		got, err := must(t, c.q).Cmp(must(t, c.p))
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%s and %s", c.q, c.p)
	}
	_, err := must(t, "1 kg").Cmp(must(t, "1 L"))
	require.ErrorIs(t, err, ErrDimension)
}

func TestQuotientsOfPhysicsComeOutRight(t *testing.T) {
	for _, c := range []struct {
		num, den []string
		want     string
	}{
		{[]string{"1 V", "1 A"}, []string{"1 W"}, "1"},
		{[]string{"1 W", "1 h"}, []string{"1 kWh"}, "1/1000"},
		{[]string{"1 Pa", "1 m3"}, []string{"1 J"}, "1"},
		{[]string{"1 bar", "1 L"}, []string{"1 kWh"}, "1/36000"},
		{[]string{"1 mS/cm", "1 V", "1 cm"}, []string{"1 mA"}, "1"},
		{[]string{"1 kHz", "1 min"}, nil, "60000"},
		{[]string{"1 kg/L", "1 m3"}, []string{"1 t"}, "1"},
		{[]string{"0.01 kg/h", "1 ns"}, []string{"0.001 kg"}, "1/360000000000"},
		{[]string{"1 {pulse}"}, []string{"1500 {pulse}/kg", "0.001 kg"}, "2/3"},
		{[]string{"0.4 g/{pulse}", "1 {pulse}"}, []string{"0.001 kg"}, "2/5"},
		{[]string{"-3 kg"}, []string{"-6 kg"}, "1/2"},
		{[]string{"9223372036854775807 t", "9223372036854775807 d", "0 %"}, []string{"1 kg", "1 s"}, "0"},
		{nil, nil, "1"},
	} {
		var num, den []Quantity
		for _, s := range c.num {
			num = append(num, must(t, s))
		}
		for _, s := range c.den {
			den = append(den, must(t, s))
		}
		r, err := Quotient(num, den)
		require.NoError(t, err)
		require.Equal(t, c.want, r.String(), "%s over %s", c.num, c.den)
	}
}

func TestQuotientRefusesWhatIsNoRatio(t *testing.T) {
	kg, l, none := must(t, "1 kg"), must(t, "1 L"), must(t, "0 kg")
	_, err := Quotient([]Quantity{kg, l}, []Quantity{kg})
	require.ErrorIs(t, err, ErrDimension)
	require.EqualError(t, err, `quantity: "1 kg" by "1 L" over "1 kg": the units measure different things`)
	_, err = kg.Per(none)
	require.EqualError(t, err, `quantity: "1 kg" over "0 kg": a divisor is zero`)
	_, err = Quotient([]Quantity{kg}, nil)
	require.EqualError(t, err, `quantity: "1 kg" over "1": the units measure different things`)
	_, err = must(t, "9223372036854775807 t").Per(must(t, "1 mg"))
	require.ErrorIs(t, err, ErrOverflow)
	_, err = must(t, "1 mg").Per(must(t, "9223372036854775807 t"))
	require.ErrorIs(t, err, ErrOverflow)
}

func TestPerAgreesWithBig(t *testing.T) {
	d := newDice()
	for range 20_000 {
		q, p := d.quantity("kg", "g", "mg", "t"), d.quantity("kg", "g", "mg", "t")
		if p.Coef == 0 {
			continue
		}
		want := new(big.Rat).Quo(ratOfQuantity(q), ratOfQuantity(p))
		r, err := q.Per(p)
		if !want.Num().IsInt64() || !want.Denom().IsInt64() {
			require.ErrorIs(t, err, ErrOverflow, "seed %d: %s per %s", seed, q, p)
			continue
		}
		require.NoError(t, err, "seed %d: %s per %s", seed, q, p)
		require.Zero(t, want.Cmp(ratOf(r)), "seed %d: %s per %s", seed, q, p)
	}
}

func TestConversionDoesNotAllocate(t *testing.T) {
	q, res := must(t, "36.00 kg/h"), must(t, "0.01 g/s")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, err1 := q.Counts(res)
		_, err2 := q.CountsRound(res)
		_, err3 := q.Cmp(res)
		_, err4 := q.Per(res)
		_, ok := FromCounts(77, res)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil || !ok {
			panic("refused")
		}
	}))
}
