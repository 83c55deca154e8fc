// This file tests Parse: what a good map becomes, and the exact messages that a wrong one gives.

package iomap_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

const goodMap = `
mapping: T301-IO
version: 1.10
schema_version: 1
device_id: CTRL-01
equipment_id: T301
calibration: cal/meters.yaml
tags:
  - {logical_tag: XV101, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}
  - {logical_tag: XV102, physical_channel: do/2, direction: out, type: switch, polarity: inverted, safe_value: on, stale_after: 3 s}
  - {logical_tag: ZS101, physical_channel: di/1, direction: in, type: switch, polarity: normal, stale_after: 3 s, debounce: 30 ms}
  - {logical_tag: FC101, physical_channel: ctr/1, direction: in, type: counter, unit: "{pulse}", stale_after: 500 ms}
  - {logical_tag: FT101.total, physical_channel: 4x0012, direction: in, type: number, form: int, resolution: 10 g, gain: 0.01 kg, stale_after: 500 ms}
  - {logical_tag: TT301, physical_channel: ai/4, direction: in, type: number, form: float32, resolution: 0.01 Cel, gain: 1 Cel, stale_after: 2 s}
  - {logical_tag: PT301, physical_channel: ai/5, direction: in, type: number, form: float64, resolution: 1 mbar, gain: -0.5 mbar, offset: 1 bar, stale_after: 2 s}
  - {logical_tag: SIC301.sp, physical_channel: ao/1, direction: out, type: number, form: int, resolution: 1 /min, gain: 0.5 /min, offset: -10 /min, min: 0 /min, max: 300 /min, safe_value: 0 /min}
meters:
  - {meter: FQ101, source: FC101, bits: 32, totalizer: FT101.total, resolution: 0.01 kg, tolerance: 0.05 kg}
  - {meter: FQ102, source: FC101, bits: 16, resolution: "1 {pulse}"}
`

func parse(t *testing.T, src string) *iomap.Map {
	t.Helper()
	m, err := iomap.Parse("map.yaml", []byte(src))
	require.NoError(t, err)
	return m
}

func q(s string) quantity.Quantity {
	v, err := quantity.Parse(s)
	if err != nil {
		panic(err)
	}
	return v
}

func ratio(num, den int64) quantity.Ratio {
	r, err := quantity.NewRatio(num, den)
	if err != nil {
		panic(err)
	}
	return r
}

// defaults are the faults of an output of which a map says nothing.
func defaults(safe int64) (f iomap.Faults) {
	for c := iomap.InputInvalid; c < iomap.FaultClasses; c++ {
		f.Policy[c] = iomap.DefaultFault(c)
		f.Policy[c].Value = safe
	}
	return f
}

func TestAMapIsReadAsItStands(t *testing.T) {
	m := parse(t, goodMap)
	require.Equal(t, []string{"T301-IO", "1.10", "CTRL-01", "T301", "cal/meters.yaml"},
		[]string{m.ID, m.Version, m.Device, m.Equipment, m.Calibration})
	const ms = 1_000_000
	onOff := [2]string{"off", "on"}
	gain := func(g, o quantity.Ratio) quantity.Linear { return quantity.Linear{Gain: g, Offset: o} }
	require.Equal(t, []iomap.Tag{
		{Name: "XV101", Channel: "do/1", Output: true, Words: [2]string{"closed", "open"}, Faults: defaults(0)},
		{Name: "XV102", Channel: "do/2", Output: true, Words: onOff, Invert: true, Safe: 1, StaleAfter: 3000 * ms, Faults: defaults(1)},
		{Name: "ZS101", Channel: "di/1", Words: onOff, StaleAfter: 3000 * ms, Debounce: 30 * ms},
		{Name: "FC101", Channel: "ctr/1", Type: iomap.Counter, Form: tag.Int, Unit: "{pulse}", StaleAfter: 500 * ms},
		{Name: "FT101.total", Channel: "4x0012", Type: iomap.Number, Form: tag.Int, Unit: "g", StaleAfter: 500 * ms,
			Resolution: q("10 g"), Gain: q("0.01 kg"), Offset: q("0 g"), Scale: gain(ratio(1, 1), ratio(0, 1))},
		{Name: "TT301", Channel: "ai/4", Type: iomap.Number, Form: tag.Float32, Unit: "Cel", StaleAfter: 2000 * ms,
			Resolution: q("0.01 Cel"), Gain: q("1 Cel"), Offset: q("0 Cel"), Scale: gain(ratio(100, 1), ratio(0, 1))},
		{Name: "PT301", Channel: "ai/5", Type: iomap.Number, Form: tag.Float64, Unit: "mbar", StaleAfter: 2000 * ms,
			Resolution: q("1 mbar"), Gain: q("-0.5 mbar"), Offset: q("1 bar"), Scale: gain(ratio(-1, 2), ratio(1000, 1))},
		{Name: "SIC301.sp", Channel: "ao/1", Type: iomap.Number, Output: true, Form: tag.Int, Unit: "/min", Max: 300,
			Resolution: q("1 /min"), Gain: q("0.5 /min"), Offset: q("-10 /min"), Scale: gain(ratio(1, 2), ratio(-10, 1)), Faults: defaults(0)},
	}, m.Tags)
	require.Equal(t, []iomap.Meter{
		{Name: "FQ101", Source: 3, Bits: 32, Totalizer: 4, Resolution: q("0.01 kg"), Tolerance: q("0.05 kg"), Identity: tag.None,
			Historian: tag.None, Second: iomap.Second{Source: tag.None}},
		{Name: "FQ102", Source: 3, Bits: 16, Totalizer: tag.None, Resolution: q("1 {pulse}"), Identity: tag.None, Historian: tag.None,
			Second: iomap.Second{Source: tag.None}},
	}, m.Meters)
}

func TestWhatTheReferenceShowsIsRead(t *testing.T) {
	src, err := os.ReadFile("parse.go")
	require.NoError(t, err)
	text := strings.Replace(guardTags, "tags:\n", "calibration: cal.yaml\ntags:\n", 1) + methodTags
	for _, name := range []string{"HS301", "XV301", "ES_REQ"} {
		text += "  - {logical_tag: " + name + ", physical_channel: do/" + name + ", direction: out, type: switch, safe_value: off, stale_after: 2 s}\n"
	}
	for name, words := range map[string]string{"SS301": "[stopped, running]", "ES301": "[healthy, tripped]"} {
		text += "  - {logical_tag: " + name + ", physical_channel: di/" + name + ", direction: in, type: switch, words: " + words + ", stale_after: 2 s}\n"
	}
	for name, unit := range map[string]string{"LT301": "L", "TT301": "Cel"} {
		text += "  - {logical_tag: " + name + ", physical_channel: ai/" + name + ", direction: in, type: number, form: int, resolution: 1 " + unit +
			", gain: 1 " + unit + ", stale_after: 2 s}\n"
	}
	shown := false
	for _, line := range strings.Split(string(src), "\n") {
		code, ok := strings.CutPrefix(line, "//\t")
		shown = ok && (shown || regexp.MustCompile(`^(meters|interlocks|alarms|resources|trip_request):`).MatchString(code))
		if shown {
			text += code + "\n"
		}
	}
	m := parse(t, text)
	require.Equal(t, []int{4, 3, 3, 4}, []int{len(m.Meters), len(m.Interlocks), len(m.Alarms), len(m.Resources)})
	require.NotNil(t, m.Trip)
}

func TestResourcesAreReadInTheirOrder(t *testing.T) {
	require.Nil(t, parse(t, goodMap).Resources)
	m := parse(t, goodMap+"resources:\n  - {resource_id: PUMP_7}\n  - {resource_id: COOLING_WATER, owners: 3}\n"+
		"  - {resource_id: TRANSFER_LINE, between_batches: true, equipment_id: L-12}\n  - {resource_id: HOSE, owners: 64, between_batches: false}\n")
	require.Equal(t, []iomap.Resource{{Name: "PUMP_7", Owners: 1, Equipment: "PUMP_7"},
		{Name: "COOLING_WATER", Owners: 3, Equipment: "COOLING_WATER"}, {Name: "TRANSFER_LINE", Owners: 1, BetweenBatches: true, Equipment: "L-12"},
		{Name: "HOSE", Owners: 64, Equipment: "HOSE"}}, m.Resources)
	place, ok := m.Resource("TRANSFER_LINE")
	require.True(t, ok && place == 2)
	_, ok = m.Resource("PUMP")
	require.False(t, ok)
	_, err := iomap.Parse("map.yaml", []byte(goodMap+"resources: []\n"))
	require.ErrorContains(t, err, "resources: the list is empty")
}

func TestEveryErrorOfAWrongMapIsToldAtOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 10)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		m, err := iomap.Parse(filepath.Base(file), src)
		require.Nil(t, m, file)
		require.Error(t, err, file)
		golden.Check(t, strings.TrimSuffix(file, ".yaml")+".golden", []byte(err.Error()+"\n"))
	}
}

func TestAMapAnswersConditions(t *testing.T) {
	m := parse(t, goodMap)
	e, err := cond.Parse("XV101 == open and TT301 >= 58.5 Cel and not ZS101")
	require.NoError(t, err)
	c, errs := e.Bind(m, nil)
	require.Empty(t, errs)
	require.Equal(t, cond.Node{Op: cond.Ge, Size: 1, Tag: 5, Value: 5850}, c[2])

	e, err = cond.Parse("FC101 > 5 {pulse} or ZS999 or SIC301.sp > 10 /min")
	require.NoError(t, err)
	_, errs = e.Bind(m, nil)
	require.Equal(t, []cond.SyntaxError{{Column: 9, Msg: `tag "FC101" cannot be compared`},
		{Column: 22, Msg: `no tag "ZS999" in the I/O map`}}, errs)
}

func TestTheNumberOfTagsIsBounded(t *testing.T) {
	var src strings.Builder
	src.WriteString(goodMap[:strings.Index(goodMap, "  - ")])
	for i := range iomap.MaxTags {
		fmt.Fprintf(&src, "  - {logical_tag: T%d, physical_channel: c%d, direction: in, type: switch, stale_after: 1 s}\n", i, i)
	}
	require.Len(t, parse(t, src.String()).Tags, iomap.MaxTags)
	src.WriteString("  - {}\n")
	_, err := iomap.Parse("map.yaml", []byte(src.String()))
	require.ErrorContains(t, err, `"tags" has 4097 entries, more than the limit of 4096`)
}

func TestDemoMapIsRead(t *testing.T) {
	src, err := os.ReadFile("../examples/controller/demo/map.yaml")
	require.NoError(t, err)
	m := parse(t, string(src))
	require.Len(t, m.Tags, 23)
	require.Len(t, m.Meters, 2)
	for i := range m.Tags {
		require.Positive(t, m.Tags[i].StaleAfter, m.Tags[i].Name)
	}
	id, ok := m.Channel("ai/3")
	require.True(t, ok)
	full, ok := m.Tags[id].Scale.Counts(4095)
	require.True(t, ok)
	require.EqualValues(t, 5000, full, "500.0 L at full scale")
}

func TestATripRequestIsReadAsItStands(t *testing.T) {
	m := parse(t, goodMap+`trip_request: {tag: XV102, value: off, confirm: "ZS101 and elapsed(100 ms)", within: 500 ms}`)
	require.EqualValues(t, 1, m.Trip.Tag)
	require.EqualValues(t, 0, m.Trip.Value, "its safe value is on")
	require.EqualValues(t, 500_000_000, m.Trip.Within)
	require.Equal(t, 1, m.Trip.Confirm.Cells())
	require.Nil(t, parse(t, goodMap).Trip)
}

// FuzzParse holds any source against panics, and what is accepted against the promises of a Map.
func FuzzParse(f *testing.F) {
	f.Add([]byte(goodMap))
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := iomap.Parse("map.yaml", src)
		require.Equal(t, err == nil, m != nil)
		if err != nil {
			return
		}
		for i := range m.Tags {
			tg := &m.Tags[i]
			id, ok := m.Lookup(tg.Name)
			require.True(t, ok && int(id) == i)
			id, ok = m.Channel(tg.Channel)
			require.True(t, ok && int(id) == i)
			require.True(t, tg.Output || tg.StaleAfter > 0)
			require.True(t, !tg.Valid || tg.Min < tg.Max)
			require.True(t, tg.Trigger == iomap.Level || tg.Pulse > 0 && tg.Debounce > 0)
			switch f := &tg.Filter; f.Type {
			case iomap.MedianFilter:
				require.True(t, f.Samples >= 3 && f.Samples <= iomap.MaxMedian && f.Samples%2 == 1)
			case iomap.ExponentialFilter:
				require.Positive(t, f.Time)
			}
			if tg.Type == iomap.Number && tg.Output {
				require.True(t, tg.Min <= tg.Safe && tg.Safe <= tg.Max)
				_, ok := tg.Wire(tg.Safe)
				require.True(t, ok)
			}
		}
		for i := range m.Resources {
			e := &m.Resources[i]
			place, ok := m.Resource(e.Name)
			require.True(t, ok && place == i)
			require.True(t, e.Owners >= 1 && e.Owners <= iomap.MaxOwners && (!e.BetweenBatches || e.Owners == 1))
		}
		if p := m.Trip; p != nil {
			tg := &m.Tags[p.Tag]
			require.True(t, tg.Output && tg.Type == iomap.Switch && tg.StaleAfter > 0 && p.Value == 1-tg.Safe && p.Within > 0)
		}
		for i := range m.Meters {
			mt := &m.Meters[i]
			require.Equal(t, iomap.Counter, m.Tags[mt.Source].Type)
			require.True(t, mt.Totalizer == tag.None || m.Tags[mt.Totalizer].Type == iomap.Number)
		}
	})
}

func ExampleParse() {
	src := []byte(`
mapping: T301-IO
version: "1.0"
schema_version: 1
device_id: CTRL-01
equipment_id: T301
tags:
  - logical_tag: XV101
    physical_channel: do/1
    direction: out
    type: switch
    words: [closed, open]
    safe_value: shut
`)
	_, err := iomap.Parse("map.yaml", src)
	fmt.Println(err)
	// Output:
	// map.yaml:13:17: "shut" is not a value of XV101; it is closed or open
	//         safe_value: shut
	//                     ^
}
