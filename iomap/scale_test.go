// Claims about scaling: forms and values off the wire, and outputs back onto it.

package iomap_test

import (
	"math"
	"testing"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

// linear is gain num/den and offset num/den.
func linear(gain, gainDen, offset, offsetDen int64) quantity.Linear {
	g, err := quantity.NewRatio(gain, gainDen)
	if err != nil {
		panic(err)
	}
	o, err := quantity.NewRatio(offset, offsetDen)
	if err != nil {
		panic(err)
	}
	return quantity.Linear{Gain: g, Offset: o}
}

// single and double are the bits of a float, as they come off a wire.
func single(v float64) uint64 { return uint64(math.Float32bits(float32(v))) }
func double(v float64) uint64 { return math.Float64bits(v) }

func signed(v int64) uint64 { return uint64(v) }

func TestValuesOffTheWireAreScaledOrBad(t *testing.T) {
	lamp, lampInverted := iomap.Tag{}, iomap.Tag{Invert: true}
	counter := iomap.Tag{Type: iomap.Counter, Form: tag.Int}
	number := func(f tag.Form, l quantity.Linear) iomap.Tag { return iomap.Tag{Type: iomap.Number, Form: f, Scale: l} }
	hundredths, quarters := linear(100, 1, 0, 1), linear(1, 4, 10, 1)
	for _, c := range []struct {
		claim string
		tag   iomap.Tag
		bits  uint64
		want  int64
		ok    bool
	}{
		{"off", lamp, 0, 0, true},
		{"on", lamp, 1, 1, true},
		{"only bit 0 of a switch counts", lamp, 0xFE, 0, true},
		{"inverted off", lampInverted, 1, 0, true},
		{"inverted on", lampInverted, 0, 1, true},
		{"only bit 0 of an inverted switch counts", lampInverted, 0xFF, 0, true},
		{"a counter is not scaled", counter, 4_294_967_295, 4_294_967_295, true},
		{"a counter of 64 bits", counter, 1 << 63, -1 << 63, true},
		{"a whole number", number(tag.Int, hundredths), signed(-3), -300, true},
		{"a quarter, rounded half to even down", number(tag.Int, quarters), 2, 10, true},
		{"a quarter, rounded half to even up", number(tag.Int, quarters), 6, 12, true},
		{"a whole number that does not fit", number(tag.Int, hundredths), 1 << 62, 0, false},
		{"a single", number(tag.Float32, hundredths), single(20.5), 2050, true},
		{"a single's upper half is not its own", number(tag.Float32, hundredths), 0xDEAD<<48 | single(20.5), 2050, true},
		{"a single tie", number(tag.Float32, hundredths), single(0.125), 12, true},
		{"minus nothing", number(tag.Float32, hundredths), single(math.Copysign(0, -1)), 0, true},
		{"the smallest single", number(tag.Float32, hundredths), 1, 0, true},
		{"a single that is no number", number(tag.Float32, hundredths), single(math.NaN()), 0, false},
		{"a signalling one", number(tag.Float32, hundredths), 0x7F800001, 0, false},
		{"infinite single", number(tag.Float32, hundredths), single(math.Inf(1)), 0, false},
		{"minus infinite single", number(tag.Float32, hundredths), single(math.Inf(-1)), 0, false},
		{"the largest single", number(tag.Float32, hundredths), single(math.MaxFloat32), 0, false},
		{"a double as exactly as it is, a little above -0.015", number(tag.Float64, hundredths), double(-0.015), -1, true},
		{"a double that is no number", number(tag.Float64, hundredths), double(math.NaN()), 0, false},
		{"infinite double", number(tag.Float64, hundredths), double(math.Inf(1)), 0, false},
		{"minus infinite double", number(tag.Float64, hundredths), double(math.Inf(-1)), 0, false},
		{"the largest double", number(tag.Float64, hundredths), double(math.MaxFloat64), 0, false},
		{"just what fits", number(tag.Float64, linear(1, 1, 0, 1)), double(-1 << 63), -1 << 63, true},
		{"just what does not", number(tag.Float64, linear(1, 1, 0, 1)), double(1 << 63), 0, false},
	} {
		m := iomap.NewMachine(&iomap.Map{Tags: []iomap.Tag{c.tag}})
		fx := m.Step(1, &iomap.Event{Kind: iomap.Sample, Form: c.tag.Form, Bits: c.bits, Quality: tag.Good}, nil)
		value, q := m.Read(0, 1)
		require.Equal(t, c.want, value, c.claim)
		require.Equal(t, c.ok, q == tag.Good, c.claim)
		require.Equal(t, c.ok, len(fx) == 1, c.claim)
	}
}

func TestAFormThatTheTagDoesNotHaveIsBad(t *testing.T) {
	tags := []iomap.Tag{
		{}, {Type: iomap.Counter, Form: tag.Int}, {Type: iomap.Number, Form: tag.Int, Scale: linear(1, 1, 0, 1)},
		{Type: iomap.Number, Form: tag.Float32, Scale: linear(1, 1, 0, 1)}, {Type: iomap.Number, Form: tag.Float64, Scale: linear(1, 1, 0, 1)},
	}
	for _, tg := range tags {
		for _, form := range []tag.Form{tag.Bool, tag.Int, tag.Float32, tag.Float64, 4, 255} {
			m := iomap.NewMachine(&iomap.Map{Tags: []iomap.Tag{tg}})
			m.Step(1, &iomap.Event{Kind: iomap.Sample, Form: tg.Form, Bits: 1, Quality: tag.Good}, nil)
			before, _ := m.Read(0, 1)
			fx := m.Step(2, &iomap.Event{Kind: iomap.Sample, Form: form, Quality: tag.Good}, nil)
			value, q := m.Read(0, 2)
			if form == tg.Form {
				require.Equal(t, tag.Good, q)
				continue
			}
			require.Equal(t, tag.Bad, q, "%s as %s", tg.Form, form)
			require.Equal(t, before, value, "the last value stays, marked BAD")
			require.Equal(t, []iomap.Effect{changed(0, tag.Good, tag.Bad, 0)}, fx)
		}
	}
}

func TestWhatIsWrittenReadsBackAsItWas(t *testing.T) {
	number := func(l quantity.Linear) iomap.Tag {
		return iomap.Tag{Type: iomap.Number, Form: tag.Int, Output: true, Scale: l}
	}
	for _, c := range []struct {
		tag    iomap.Tag
		values []int64
	}{
		{iomap.Tag{Output: true}, []int64{0, 1}},
		{iomap.Tag{Output: true, Invert: true}, []int64{0, 1}},
		{number(linear(1, 1, 0, 1)), []int64{0, 1, -1, 1<<63 - 1, -1 << 63}},
		{number(linear(1, 2, -10, 1)), []int64{0, 300, -10, -11, 12_345}},
		{number(linear(-1, 4095, 7, 1)), []int64{0, 7, -100, 1_000_000}},
	} {
		for _, value := range c.values {
			bits, ok := c.tag.Wire(value)
			require.True(t, ok)
			m := iomap.NewMachine(&iomap.Map{Tags: []iomap.Tag{c.tag}})
			m.Step(1, &iomap.Event{Kind: iomap.Sample, Form: c.tag.Form, Bits: bits, Quality: tag.Good}, nil)
			back, q := m.Read(0, 1)
			require.Equal(t, tag.Good, q)
			require.Equal(t, value, back, "%v by way of %#x", c.tag.Scale, bits)
		}
	}
	inverted := iomap.Tag{Invert: true}
	bits, _ := inverted.Wire(0)
	require.EqualValues(t, 1, bits)
}

func TestWhatDoesNotFitTheWireIsRefused(t *testing.T) {
	for _, c := range []struct {
		claim string
		tag   iomap.Tag
		value int64
	}{
		{"a counter is never written", iomap.Tag{Type: iomap.Counter, Form: tag.Int}, 1},
		{"no gain", iomap.Tag{Type: iomap.Number, Form: tag.Int}, 1},
		{"too large", iomap.Tag{Type: iomap.Number, Form: tag.Int, Scale: linear(1, 2, 0, 1)}, 1 << 62},
		{"too small", iomap.Tag{Type: iomap.Number, Form: tag.Int, Scale: linear(1, 1, 1, 1)}, -1 << 63},
	} {
		_, ok := c.tag.Wire(c.value)
		require.False(t, ok, c.claim)
	}
}
