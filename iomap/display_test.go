// Tests of units in a map: what people are shown, and what does not go together.

package iomap_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/metering/quantity"
)

func TestPeopleAreShownTheDisplayRoundedHalfToEven(t *testing.T) {
	for _, row := range []struct {
		display iomap.Display
		counts  int64
		res     string
		want    string
	}{
		{iomap.Display{}, 12345, "0.01 kg", "123.45 kg"},
		{iomap.Display{Unit: "kg", Decimals: 0}, 12350, "0.01 kg", "124 kg"},
		{iomap.Display{Unit: "kg", Decimals: 0}, 12250, "0.01 kg", "122 kg"},
		{iomap.Display{Unit: "kg", Decimals: 1}, -12345, "0.01 kg", "-123.4 kg"},
		{iomap.Display{Unit: "t", Decimals: 3}, 12345, "0.01 kg", "0.123 t"},
		{iomap.Display{Unit: "g", Decimals: 2}, 1, "0.01 kg", "10.00 g"},
		{iomap.Display{Unit: "kg/h", Decimals: 1}, 60, "0.01 kg/min", "36.0 kg/h"},
		{iomap.Display{Unit: "ug", Decimals: 1}, 60, "0.01 kg", "0.60 kg"},                // what is no unit hides nothing
		{iomap.Display{Unit: "mg", Decimals: 6}, 1 << 60, "1 t", "1152921504606846976 t"}, // nor what does not fit
	} {
		text, ok := row.display.Text(row.counts, q(row.res))
		require.True(t, ok)
		require.Equal(t, row.want, text)
	}
	_, ok := iomap.Display{}.Text(1<<62, q("5 kg"))
	require.False(t, ok)
}

func TestADisplayIsTheNearestDecimalOfTheExactValue(t *testing.T) {
	units := []quantity.Unit{"kg", "g", "mg", "t"}
	size := map[quantity.Unit]*big.Rat{"kg": big.NewRat(1, 1), "g": big.NewRat(1, 1000), "mg": big.NewRat(1, 1_000_000), "t": big.NewRat(1000, 1)}
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 8))
		from := quantity.Quantity{Coef: rng.Int64N(1<<40) - 1<<39, Scale: uint8(rng.IntN(7)), Unit: units[rng.IntN(4)]}
		d := iomap.Display{Unit: units[rng.IntN(4)], Decimals: uint8(rng.IntN(iomap.MaxDecimals + 1))}
		shown := d.Of(from)
		exact := func(q quantity.Quantity) *big.Rat {
			v := new(big.Rat).SetFrac(big.NewInt(q.Coef), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(q.Scale)), nil))
			return v.Mul(v, size[q.Unit])
		}
		if (d != iomap.Display{Unit: shown.Unit, Decimals: shown.Scale}) {
			counts := new(big.Rat).Quo(exact(from), exact(quantity.Quantity{Coef: 1, Scale: d.Decimals, Unit: d.Unit}))
			require.Equal(t, from, shown, "seed %d", seed)
			require.Positive(t, counts.Abs(counts).Cmp(new(big.Rat).SetUint64(1<<63-1)), "seed %d: %s fits in %v", seed, from, d)
			continue
		}
		off := new(big.Rat).Sub(exact(shown), exact(from))
		half := exact(quantity.Quantity{Coef: 5, Scale: d.Decimals + 1, Unit: d.Unit})
		require.LessOrEqual(t, off.Abs(off).Cmp(half), 0, "seed %d: %s shown as %s", seed, from, shown)
		if off.Cmp(half) == 0 {
			require.Zero(t, shown.Coef%2, "seed %d: a half goes to the even digit: %s shown as %s", seed, from, shown)
		}
	}
}

func TestDisplaysAreReadOfTagsAndMeters(t *testing.T) {
	m := parse(t, strings.NewReplacer("gain: 1 Cel, stale", "gain: 1 Cel, display: {unit: Cel, decimals: 1}, stale",
		"tolerance: 0.05 kg", "tolerance: 0.05 kg, display: {unit: t, decimals: 3}").Replace(goodMap))
	require.Equal(t, iomap.Display{Unit: "Cel", Decimals: 1}, m.Tags[5].Display)
	require.Equal(t, iomap.Display{Unit: "t", Decimals: 3}, m.Meters[0].Display)
	require.Equal(t, iomap.Display{}, m.Meters[1].Display)
}

// unitMap is a map with one tag of each sort and a meter in line 13.
const unitMap = `mapping: U
version: "1"
schema_version: 1
device_id: C
equipment_id: T
tags:
  - {logical_tag: FC, physical_channel: c, direction: in, type: counter, unit: "{pulse}", stale_after: 1 s}
  - {logical_tag: FT, physical_channel: f, direction: in, type: number, form: int, resolution: 0.01 kg/min, gain: 1 kg/min, stale_after: 1 s}
  - {logical_tag: FV, physical_channel: v, direction: in, type: number, form: int, resolution: 0.01 L/min, gain: 1 L/min, stale_after: 1 s}
  - {logical_tag: WT, physical_channel: w, direction: in, type: number, form: int, resolution: 0.01 kg, gain: 1 kg, stale_after: 1 s}
  - {logical_tag: TT, physical_channel: t, direction: in, type: number, form: int, resolution: 0.01 Cel, gain: 1 Cel, stale_after: 1 s}
meters:
  - {meter: M, %s}
`

func TestUnitsThatDoNotGoTogetherAreRefusedWithTheLine(t *testing.T) {
	const flow = "method: flow, integration: rectangle, source: "
	const weight = "method: weight, direction: gain, source: WT, "
	for _, row := range []struct{ meter, want string }{
		{"source: FC, bits: 32, resolution: 0.01 kg", "counter FC counts {pulse}, the meter kg: name the file with its K-factor in key \"calibration\" of the map"},
		{flow + "FT, resolution: 0.01 L", "FT is in kg/min, the meter in L: that needs a density; name the file with it in key \"calibration\" of the map"},
		{flow + "FV, resolution: 0.01 kg", "FV is in L/min, the meter in kg: that needs a density; name the file with it in key \"calibration\" of the map"},
		{flow + "WT, resolution: 0.01 kg", "WT is in kg, which over time makes no kg; they measure different things"},
		{flow + "TT, resolution: 0.01 kg", "TT is in Cel, which over time makes no kg; they measure different things"},
		{flow + "FT, resolution: 0.01 kg, low_cutoff: 0.1 kg", "\"0.1 kg\" in counts of \"0.01 kg/min\": the units measure different things"},
		{"method: weight, direction: gain, source: FT, resolution: 0.01 kg", "FT is in kg/min, which makes no kg; they measure different things"},
		{weight + "resolution: 0.01 L", "WT is in kg, the meter in L: that needs a density; name the file with it in key \"calibration\" of the map"},
		{weight + "resolution: 0.01 kg, tare: {most: 5 L}", "\"5 L\" in counts of \"0.01 kg\": the units measure different things"},
		{weight + "resolution: 0.01 kg, stable: {within: 5 Cel, for: 1 s}", "\"5 Cel\" in counts of \"0.01 kg\": the units measure different things"},
		{weight + "resolution: 0.01 kg, totalizer: TT, tolerance: 1 kg", "totalizer TT is in Cel, the meter in kg; they measure different things"},
		{weight + "resolution: 0.01 kg, historian: FT, tolerance: 1 kg", "historian FT is in kg/min, the meter in kg; they measure different things"},
		{weight + "resolution: 0.01 kg, historian: WT, tolerance: 1 L", "\"1 L\" in counts of \"0.01 kg\": the units measure different things"},
		{weight + "resolution: 0.01 kg, sample_period: 1 kg", "\"1 kg\" is not a time; write one such as 20 ms or 3 s"},
		{weight + "resolution: 0.01 kg, display: {unit: L, decimals: 1}", "it is measured in kg, which cannot be shown in L; they measure different things"},
		{weight + "resolution: 0.01 kg, display: {unit: kg, decimals: 7}", "7"},
		{weight + "resolution: 0.01 kg, display: {unit: kgs, decimals: 1}", "unit \"kgs\": not known; the closest known is \"kg\""},
		{weight + "resolution: 0.01 kg, display: {unit: kg}", "decimals"},
	} {
		_, err := iomap.Parse("map.yaml", fmt.Appendf(nil, unitMap, row.meter))
		require.Error(t, err, row.meter)
		require.Contains(t, err.Error(), row.want, row.meter)
		require.Contains(t, err.Error(), "map.yaml:13:", row.meter)
		require.Equal(t, 1, strings.Count(err.Error(), "map.yaml:"), "%s: %v", row.meter, err)
	}
}
