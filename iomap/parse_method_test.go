// Claims about what a map says of its meters: each method with its keys.

package iomap_test

import (
	"strings"
	"testing"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/stretchr/testify/require"
)

// methodTags are tags of sources for each method.
const methodTags = `  - {logical_tag: FC101, physical_channel: ctr/1, direction: in, type: counter, unit: "{pulse}", stale_after: 2 s}
  - {logical_tag: FC102, physical_channel: ctr/2, direction: in, type: counter, unit: "{pulse}", stale_after: 2 s}
  - {logical_tag: FT201.total, physical_channel: tot/2, direction: in, type: number, form: int, resolution: 0.01 kg, gain: 0.01 kg, stale_after: 2 s}
  - {logical_tag: FT201.serial, physical_channel: id/2, direction: in, type: number, form: int, resolution: "1", gain: "1", stale_after: 2 s}
  - {logical_tag: FT301, physical_channel: flow/3, direction: in, type: number, form: float32, resolution: 0.01 kg/min, gain: 1 kg/min, stale_after: 2 s}
  - {logical_tag: WT301, physical_channel: scale/3, direction: in, type: number, form: int, resolution: 0.02 kg, gain: 0.02 kg, stale_after: 2 s}
`

// withMeters is a map of these tags with meters.
func withMeters(meters string) string {
	return strings.Replace(guardTags, "tags:\n", "calibration: cal.yaml\ntags:\n", 1) + methodTags + "meters:\n" + meters
}

func TestEachMethodIsReadWithItsKeys(t *testing.T) {
	m := parse(t, withMeters(`
  - {meter: P, source: FC101, bits: 16, most: 2000 Hz, low_cutoff: 0.5 Hz, second: {source: FC102, bits: 32, within: "20 {pulse}"}, resolution: 0.01 kg,
     sample_period: 100 ms, filter: {type: none}}
  - {meter: N, method: totalizer, source: FT201.total, modulus: 1000000 kg, most: 15.001 kg/s, identity: FT201.serial, resolution: 0.001 kg}
  - {meter: C, method: totalizer, source: FC101, modulus: "65536 {pulse}", most: "7 {pulse}/s", resolution: 0.01 kg}
  - {meter: F, method: flow, source: FT301, integration: trapezoid, low_cutoff: 0.05 kg/min, filter: {type: device, delay: 200 ms},
     historian: external, tolerance: 0.10 kg, resolution: 0.01 kg}
  - {meter: V, method: flow, source: FT301, integration: rectangle, totalizer: FT201.total, totalizer_modulus: 10000 kg, tolerance: 0.10 kg, resolution: 0.01 kg}
  - {meter: W, method: weight, source: WT301, direction: loss, stable: {within: 0.20 kg, for: 2 s}, tare: {most: 5 kg, stable: true},
     filter: {type: median, samples: 5}, historian: FT201.total, tolerance: 1 kg, resolution: 0.01 kg}
`))
	id := func(name string) tag.ID {
		id, ok := m.Lookup(name)
		require.True(t, ok, name)
		return id
	}
	const ms = 1_000_000
	none := iomap.Second{Source: tag.None}
	require.Equal(t, []iomap.Meter{
		{Name: "P", Source: id("FC101"), Bits: 16, Most: 2000, Cutoff: 2000 * ms, Second: iomap.Second{Source: id("FC102"), Bits: 32, Within: 20},
			Resolution: q("0.01 kg"), Totalizer: tag.None, Identity: tag.None, Historian: tag.None, Period: 100 * ms},
		{Name: "N", Method: metering.Totalizer, Source: id("FT201.total"), Modulus: 100_000_000, Most: 1501, Second: none,
			Resolution: q("0.001 kg"), Totalizer: tag.None, Identity: id("FT201.serial"), Historian: tag.None},
		{Name: "C", Method: metering.Totalizer, Source: id("FC101"), Modulus: 65536, Most: 7, Second: none,
			Resolution: q("0.01 kg"), Totalizer: tag.None, Identity: tag.None, Historian: tag.None},
		{Name: "F", Method: metering.Flow, Source: id("FT301"), Trapezoid: true, Cutoff: 5, Second: none, Resolution: q("0.01 kg"),
			Tolerance: q("0.10 kg"), Totalizer: tag.None, Identity: tag.None, Historian: tag.None, External: true,
			Filter: iomap.Filter{Type: iomap.DeviceFilter, Delay: 200 * ms}},
		{Name: "V", Method: metering.Flow, Source: id("FT301"), Second: none, Resolution: q("0.01 kg"), Tolerance: q("0.10 kg"),
			Totalizer: id("FT201.total"), TotalizerModulus: 1_000_000, Identity: tag.None, Historian: tag.None},
		{Name: "W", Method: metering.Weight, Source: id("WT301"), Loss: true, Within: 10, Settled: 2000 * ms,
			Tare:   metering.Tare{Limited: true, Most: 250, Stable: true},
			Filter: iomap.Filter{Type: iomap.MedianFilter, Samples: 5}, Second: none, Resolution: q("0.01 kg"), Tolerance: q("1 kg"),
			Totalizer: tag.None, Identity: tag.None, Historian: id("FT201.total")},
	}, m.Meters)
}
