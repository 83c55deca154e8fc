// Claims about units: the table, compound codes, and what errors suggest.

package quantity

import (
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// codes lists the table for other tests.
func codes() []string {
	var all []string
	for _, u := range units {
		all = append(all, u.code)
	}
	return all
}

func TestCodesOfTheTableAreDistinctAndReduced(t *testing.T) {
	all := codes()
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(all))), len(all))
	for _, u := range units {
		require.NotContains(t, u.code, "/")
		require.Equal(t, uint64(1), gcd(u.num, u.den), u.code)
	}
}

func TestEveryPairOfCodesIsACompoundWhoseFactorFits(t *testing.T) {
	for _, a := range units {
		for _, b := range units {
			u, err := ParseUnit(a.code + "/" + b.code)
			require.NoError(t, err)
			require.True(t, u.Compatible(u))
			hiNum, _ := bits.Mul64(a.num, b.den)
			hiDen, _ := bits.Mul64(a.den, b.num)
			require.Zero(t, hiNum|hiDen, u)
		}
	}
}

func TestUnitsAreCompatibleWithinADimensionOnly(t *testing.T) {
	groups := [][]Unit{
		{"kg", "g", "mg", "t"},
		{"m3", "L", "mL", "uL"},
		{"ns", "us", "ms", "s", "min", "h", "d"},
		{"Cel"}, {"K"},
		{"Pa", "kPa", "bar", "mbar", "J/m3"},
		{"Hz", "kHz", "/min", "/s", "1/h"},
		{"mol", "mmol"}, {"A", "mA"}, {"V", "mV", "W/A"}, {"W", "kW", "J/s", "kWh/h"}, {"kWh", "J"},
		{"mm", "cm", "m"},
		{"%", "1", "g/kg", "L/m3"},
		{"{pulse}"},
		{"kg/min", "kg/h", "g/s", "t/d"},
		{"L/min", "L/h", "m3/h", "mL/min"},
		{"kg/L", "kg/m3", "g/mL"},
		{"{pulse}/kg", "{pulse}/g"}, {"{pulse}/L"}, {"kg/{pulse}", "g/{pulse}"}, {"L/{pulse}", "mL/{pulse}"}, {"{pulse}/s", "{pulse}/min"},
		{"mS/cm", "uS/cm"}, {"{NTU}"}, {"[pH]"}, {"Cel/min"}, {"K/min"}, {"mol/L"},
	}
	for i, us := range groups {
		for j, vs := range groups {
			for _, u := range us {
				for _, v := range vs {
					require.Equal(t, i == j, u.Compatible(v), "%s and %s", u, v)
				}
			}
		}
	}
	require.False(t, Unit("rpm").Compatible("rpm"), "unknown units are compatible with nothing")
	require.False(t, Unit("").Compatible(""))
}

func TestUnitErrorsNameTheClosestCode(t *testing.T) {
	for code, want := range map[string]string{
		"kgs": "kg", "Kg": "kg", "KG": "kg", "l": "L", "ml": "mL", "l/h": "L/h", "kg/hr": "kg/h", "kg/sec": "kg/s", "µL": "uL", "μs": "us",
		"rpm": "/min", "RPM": "/min", "/minute": "/min", "C": "Cel", "°C": "Cel", "degC": "Cel", "hz": "Hz", "mBar": "mbar", "pH": "[pH]",
		"NTU": "{NTU}", "pulses/l": "{pulse}/L", "pulse/kg": "{pulse}/kg", "kwh": "kWh", "m³/h": "m3/h", "tonne": "t", "Percent": "%",
		"uS/CM": "uS/cm", "mols": "mol", "kPA": "kPa",
	} {
		u, err := ParseUnit(code)
		require.EqualError(t, err, `quantity: unit "`+code+`": not known; the closest known is "`+want+`"`)
		require.Empty(t, u)
	}
	_, err := ParseUnit("")
	require.EqualError(t, err, `quantity: unit "": empty; a plain number has unit "1"`)
	_, err = ParseUnit("kg/m/s")
	require.EqualError(t, err, `quantity: unit "kg/m/s": more than one slash; write at most one`)
}

func FuzzParseUnit(f *testing.F) {
	for _, s := range append(codes(), "kg/h", "/", "//", "/min", "kg/", "rpm", "°C/\xff", strings.Repeat("k", 99)) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, code string) {
		u, err := ParseUnit(code)
		if err == nil {
			require.Equal(t, code, string(u))
			return
		}
		require.Empty(t, u)
		require.True(t, isUnit(closest(code)) || strings.Count(code, "/") > 1, "a suggestion is a known code")
	})
}
