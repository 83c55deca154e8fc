// Claims about scaling raw device values, integers and IEEE bit patterns, against math/big.

package quantity

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

// double is the value of a binary64 pattern; nil if it is not finite.
func double(pattern uint64) *big.Rat { return new(big.Rat).SetFloat64(math.Float64frombits(pattern)) }

// single is the value of a binary32 pattern by way of its exact decimal text; nil if it is not finite.
func single(pattern uint32) *big.Rat {
	r, ok := new(big.Rat).SetString(fmt.Sprintf("%.149f", math.Float32frombits(pattern)))
	if !ok {
		return nil
	}
	return r
}

// mapped is raw x gain + offset for math/big.
func mapped(l Linear, raw *big.Rat) *big.Rat {
	v := new(big.Rat).Mul(raw, ratOf(l.Gain))
	return v.Add(v, ratOf(l.Offset))
}

// linear draws a scaling; every other one has no offset, or one that is a tie between two counts.
func (d dice) linear() Linear {
	switch d.IntN(4) {
	case 0:
		return Linear{Gain: d.ratio()}
	case 1:
		half, _ := makeRatio(d.IntN(2) == 0, uint64(d.Int64N(1<<d.UintN(62)))|1, 2)
		return Linear{Gain: d.ratio(), Offset: half}
	}
	return Linear{Gain: d.ratio(), Offset: d.ratio()}
}

// pattern draws a binary64 pattern: any bits, an edge of the format, or a number of a size devices send.
func (d dice) pattern() uint64 {
	const sign = 1 << 63
	edges := [...]uint64{
		0, sign, 1, sign | 1, 1<<52 - 1, 1 << 52, sign | 1<<52, 0x7fe<<52 | (1<<52 - 1), 0x7ff << 52, sign | 0x7ff<<52, 0x7ff<<52 | 1, 0x7ff8 << 48,
	}
	switch d.IntN(4) {
	case 0:
		return d.Uint64()
	case 1:
		return edges[d.IntN(len(edges))]
	case 2:
		short := uint64(d.UintN(64)) << 46 // a few significant bits, so that ties come up
		return d.Uint64()&sign | (1023+uint64(d.IntN(140))-70)<<52 | short
	}
	return d.Uint64()&(sign|1<<52-1) | (1023+uint64(d.IntN(400))-200)<<52
}

func TestIntegersAreScaledAsByBig(t *testing.T) {
	d := newDice()
	for range 100_000 {
		l, raw := d.linear(), d.int64()
		n, ok := l.Counts(raw)
		sameRounded(t, mapped(l, new(big.Rat).SetInt64(raw)), n, ok, "%v of %d: got %d %t", l, raw)
	}
}

func TestDoublesAreScaledAsByBig(t *testing.T) {
	d := newDice()
	fitted := 0
	for range 100_000 {
		l, pattern := d.linear(), d.pattern()
		n, ok := l.CountsFloat64(pattern)
		raw := double(pattern)
		if raw == nil {
			require.False(t, ok, "not finite: %#x", pattern)
			continue
		}
		sameRounded(t, mapped(l, raw), n, ok, "%v of %#x: got %d %t", l, pattern)
		if ok && n != 0 {
			fitted++
		}
	}
	require.Greater(t, fitted, 20_000, "most draws must not be refusals")
}

func TestSinglesAreScaledAsByBig(t *testing.T) {
	d := newDice()
	for range 20_000 {
		l := d.linear()
		pattern := d.Uint32()
		if d.IntN(2) == 0 {
			pattern = pattern&(1<<31|1<<23-1) | uint32(127+d.IntN(80)-40)<<23
		}
		n, ok := l.CountsFloat32(pattern)
		raw := single(pattern)
		if raw == nil {
			require.False(t, ok, "not finite: %#x", pattern)
			continue
		}
		sameRounded(t, mapped(l, raw), n, ok, "%v of %#x: got %d %t", l, pattern)
	}
	for _, pattern := range []uint32{0, 1 << 31, 1, 1<<31 | 1, 1<<23 - 1, 1 << 23, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001} {
		for range 200 {
			l := d.linear()
			n, ok := l.CountsFloat32(pattern)
			if raw := single(pattern); raw != nil {
				sameRounded(t, mapped(l, raw), n, ok, "%v of %#x: got %d %t", l, pattern)
			} else {
				require.False(t, ok)
			}
		}
	}
}

func TestTiesAreDecidedByTheSmallestFloat(t *testing.T) {
	half, err := ParseRatio("0.5")
	require.NoError(t, err)
	unit := Ratio{num: 1}
	const plus, minus = 1, 1<<63 | 1 // the subnormals next to zero
	for _, c := range []struct {
		l       Linear
		pattern uint64
		want    int64
	}{
		{Linear{unit, half}, 0, 0}, {Linear{unit, half}, plus, 1}, {Linear{unit, half}, minus, 0},
		{Linear{unit, Ratio{3, 1}}, 0, 2}, {Linear{unit, Ratio{3, 1}}, plus, 2}, {Linear{unit, Ratio{3, 1}}, minus, 1},
		{Linear{unit, Ratio{-1, 1}}, 0, 0}, {Linear{unit, Ratio{-1, 1}}, plus, 0}, {Linear{unit, Ratio{-1, 1}}, minus, -1},
		{Linear{Ratio{1, 1<<63 - 2}, half}, plus, 1}, {Linear{Ratio{-1 << 63, 0}, half}, plus, 0},
		{Linear{unit, Ratio{1<<62 + 1, 1<<63 - 2}}, plus, 1}, {Linear{unit, Ratio{1<<62 - 1, 1<<63 - 2}}, plus, 0},
		{Linear{Gain: unit}, math.Float64bits(0.5), 0}, {Linear{Gain: unit}, math.Float64bits(1.5), 2}, {Linear{Gain: unit}, math.Float64bits(-2.5), -2},
		{Linear{Gain: unit}, math.Float64bits(0.49999999999999994), 0}, {Linear{Gain: Ratio{100, 0}}, math.Float64bits(0.145), 14},
	} {
		n, ok := c.l.CountsFloat64(c.pattern)
		require.True(t, ok)
		require.Equal(t, c.want, n, "%v of %#x", c.l, c.pattern)
		sameRounded(t, mapped(c.l, double(c.pattern)), n, ok, "%v of %#x: got %d %t", c.l, c.pattern)
	}
}

func TestTheSmallestProductsTipOnlyOffsetsWithinTheirReach(t *testing.T) {
	const allOnes = 1<<52 - 1
	for _, below := range []int64{1<<62 - 1, 1 << 62} { // the closest that an offset comes to one half from either side
		l := Linear{Gain: Ratio{-1 << 63, 0}, Offset: Ratio{below, 1<<63 - 2}}
		for exp := uint64(1); exp < 1023; exp++ {
			for _, sign := range []uint64{0, 1 << 63} {
				n, ok := l.CountsFloat64(sign | exp<<52 | allOnes)
				sameRounded(t, mapped(l, double(sign|exp<<52|allOnes)), n, ok, "%v at exponent %d: got %d %t", l, exp)
			}
		}
	}
}

func TestHugeFloatsCountIfGainOrOffsetBringThemBack(t *testing.T) {
	l := Linear{Gain: Ratio{1, 1<<63 - 2}, Offset: Ratio{-1 << 63, 0}}
	twoTo := func(n uint64) uint64 { return (1023 + n) << 52 }
	for _, n := range []uint64{0, 62, 63, 64, 100, 120, 125, 126, 127, 128, 129, 130, 200, 1023} {
		for _, sign := range []uint64{0, 1 << 63} {
			got, ok := l.CountsFloat64(sign | twoTo(n))
			sameRounded(t, mapped(l, double(sign|twoTo(n))), got, ok, "2^%d: got %d %t", n)
		}
	}
	n, ok := Linear{}.CountsFloat64(twoTo(1023))
	require.True(t, ok, "with gain 0 every finite value is the offset")
	require.Zero(t, n)
}

func TestAScalingAndItsInverseUndoEachOther(t *testing.T) {
	kg := must(t, "0.001 kg")
	gain, err := must(t, "0.25 kg").Per(kg)
	require.NoError(t, err)
	offset, err := must(t, "-20 kg").Per(kg)
	require.NoError(t, err)
	l := Linear{Gain: gain, Offset: offset}
	back, ok := l.Inverse()
	require.True(t, ok)
	for raw := int64(-1_000); raw <= 1_000; raw++ {
		counts, ok := l.Counts(raw)
		require.True(t, ok)
		again, ok := back.Counts(counts)
		require.True(t, ok)
		require.Equal(t, raw, again)
	}
	twice, ok := back.Inverse()
	require.True(t, ok)
	require.Equal(t, l, twice)

	for _, none := range []Linear{
		{}, {Offset: Ratio{num: 5}}, {Gain: Ratio{num: -1 << 63}}, {Gain: Ratio{num: 1, denLess1: 1<<62 - 1}, Offset: Ratio{num: 1 << 40}},
		{Gain: Ratio{num: 1}, Offset: Ratio{num: -1 << 63}},
	} {
		_, ok := none.Inverse()
		require.False(t, ok, "%v", none)
	}
}

func TestScalingDoesNotAllocate(t *testing.T) {
	l := Linear{Gain: Ratio{-1 << 63, 1<<63 - 2}, Offset: Ratio{1<<63 - 1, 1<<62 - 4}}
	small := Linear{Gain: Ratio{num: 5}}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, ok1 := l.Counts(-12345)
		_, ok2 := small.Counts(-12345)
		_, ok3 := l.CountsFloat32(0x42f6e979)
		_, ok4 := l.CountsFloat64(1)
		if !ok1 || !ok2 || !ok3 || !ok4 {
			panic("refused")
		}
	}))
}

func FuzzCountsFloat64(f *testing.F) {
	f.Add(uint64(1), int64(1), int64(1), int64(1), int64(2))
	f.Add(math.Float64bits(20.5), int64(-1<<63), int64(3), int64(1<<63-1), int64(7))
	f.Fuzz(func(t *testing.T, pattern uint64, gn, gd, on, od int64) {
		gain, errGain := NewRatio(gn, gd)
		offset, errOffset := NewRatio(on, od)
		if errGain != nil || errOffset != nil {
			return
		}
		l := Linear{Gain: gain, Offset: offset}
		n, ok := l.CountsFloat64(pattern)
		if raw := double(pattern); raw != nil {
			sameRounded(t, mapped(l, raw), n, ok, "%v of %#x: got %d %t", l, pattern)
		} else {
			require.False(t, ok)
		}
	})
}

func BenchmarkCountsFloat64(b *testing.B) {
	l := Linear{Gain: Ratio{1000, 0}, Offset: Ratio{-20_000, 0}}
	pattern := math.Float64bits(123.456)
	for b.Loop() {
		l.CountsFloat64(pattern)
	}
}

func BenchmarkCountsInteger(b *testing.B) {
	l := Linear{Gain: Ratio{5, 3}, Offset: Ratio{-20_000, 0}}
	for b.Loop() {
		l.Counts(27_648)
	}
}
