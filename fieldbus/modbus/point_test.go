// Points and plans: values from registers and back, and which blocks are read.

package modbus

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

func TestRegistersBecomeValuesBigEndFirst(t *testing.T) {
	words := []uint16{0xFFFE, 0x0102, 0x0304, 0x0506}
	for _, x := range []struct {
		p    Point
		want uint64
	}{
		{Point{Form: tag.Int}, 0xFFFE},
		{Point{Form: tag.Int, Signed: true}, ^uint64(1)},
		{Point{Form: tag.Int, Words: 2}, 0xFFFE_0102},
		{Point{Form: tag.Int, Words: 2, Signed: true}, 0xFFFF_FFFF_FFFE_0102},
		{Point{Form: tag.Int, Words: 4}, 0xFFFE_0102_0304_0506},
		{Point{Form: tag.Int, Words: 4, Signed: true}, 0xFFFE_0102_0304_0506},
		{Point{Form: tag.Float32, Words: 2}, 0xFFFE_0102},
		{Point{Form: tag.Float64, Words: 4}, 0xFFFE_0102_0304_0506},
	} {
		bits, ok := x.p.value(words)
		require.True(t, ok)
		require.Equal(t, x.want, bits, "%+v", x.p)
		x.p.Table = Holding
		var buf [4]uint16
		back, err := x.p.registers(&tag.Write{Form: x.p.Form, Bits: bits}, &buf)
		require.NoError(t, err)
		require.Equal(t, words[:x.p.words()], back, "and back: %+v", x.p)
	}
}

func TestARegisterThatIsReadAsABoolIsZeroOrOne(t *testing.T) {
	p := Point{Form: tag.Bool}
	for word, want := range map[uint16]bool{0: true, 1: true, 2: false, 0xFF00: false, 0xFFFF: false} {
		_, ok := p.value([]uint16{word})
		require.Equal(t, want, ok, "%x", word)
	}
}

func TestAValueThatThePointCannotHoldIsNotWritten(t *testing.T) {
	limits := []struct {
		p           Point
		least, most int64
	}{
		{Point{Table: Coil, Form: tag.Bool}, 0, 1},
		{Point{Table: Holding, Form: tag.Bool}, 0, 1},
		{Point{Table: Holding, Form: tag.Int}, 0, 65_535},
		{Point{Table: Holding, Form: tag.Int, Signed: true}, -32_768, 32_767},
		{Point{Table: Holding, Form: tag.Int, Words: 2}, 0, 1<<32 - 1},
		{Point{Table: Holding, Form: tag.Int, Words: 2, Signed: true}, -1 << 31, 1<<31 - 1},
		{Point{Table: Holding, Form: tag.Float32, Words: 2}, 0, 1<<32 - 1},
	}
	var buf [4]uint16
	for _, x := range limits {
		for v, want := range map[int64]bool{x.least: true, x.most: true, x.least - 1: false, x.most + 1: false} {
			_, err := x.p.registers(&tag.Write{Form: x.p.Form, Bits: uint64(v)}, &buf)
			require.Equal(t, want, err == nil, "%+v: %d: %v", x.p, v, err)
		}
	}
	p := Point{Table: Holding, Form: tag.Float32, Words: 2}
	_, err := p.registers(&tag.Write{Form: tag.Int, Bits: 1}, &buf)
	require.ErrorContains(t, err, "value of form int for a point of form float32")
	p = Point{Table: Input, Form: tag.Int}
	_, err = p.registers(&tag.Write{Form: tag.Int, Bits: 1}, &buf)
	require.ErrorContains(t, err, "read-only")
}

func TestAPortRefusesAllThatCannotBeAtOnce(t *testing.T) {
	fine := Point{Channel: "a", Table: Holding, Address: 65_535, Form: tag.Int}
	for _, x := range []struct {
		points []Point
		o      *PortOptions
		want   string
	}{
		{nil, nil, `modbus: port "x": 0 points: must be 1 to 65535`},
		{make([]Point, MaxPoints+1), nil, "65536 points"},
		{[]Point{fine}, &PortOptions{Period: -1}, "must not be negative"},
		{[]Point{fine}, &PortOptions{Timeout: -time.Second}, "must not be negative"},
		{[]Point{fine, fine}, nil, `modbus: port "x": point 2, channel "a": channel has another point already`},
		{[]Point{{Table: Coil}}, nil, "channel has no name"},
		{[]Point{{Channel: "b"}}, nil, "table(0) is none of coil, holding and input"},
		{[]Point{{Channel: "b", Table: 5}}, nil, "table(5) is none"},
		{[]Point{{Channel: "b", Table: Holding, Form: tag.Int, Words: 3}}, nil, "3 words: must be 1, 2 or 4"},
		{[]Point{{Channel: "b", Table: Holding, Form: tag.Int, Words: -1}}, nil, "-1 words"},
		{[]Point{{Channel: "b", Table: Coil, Form: tag.Int}}, nil, "form int does not lie in 1 words of table coil"},
		{[]Point{{Channel: "b", Table: Input, Form: tag.Bool, Words: 2}}, nil, "form bool does not lie in 2 words"},
		{[]Point{{Channel: "b", Table: Input, Form: tag.Float32, Words: 4}}, nil, "form float32 does not lie in 4 words"},
		{[]Point{{Channel: "b", Table: Input, Form: tag.Float64, Words: 2}}, nil, "form float64 does not lie in 2 words"},
		{[]Point{{Channel: "b", Table: Input, Form: 9}}, nil, "form form(9) does not lie"},
		{[]Point{{Channel: "b", Table: Input, Form: tag.Float32, Words: 2, Signed: true}}, nil, "not signed"},
		{[]Point{{Channel: "b", Table: Input, Form: tag.Int, Words: 2, Address: 65_535}}, nil, "the last address is 65535"},
	} {
		_, err := NewPort("x", x.points, x.o)
		require.ErrorContains(t, err, x.want)
	}
	_, err := NewPort("x", []Point{{Channel: "b"}, {}}, &PortOptions{Period: -1})
	require.Equal(t, 3, len(strings.Split(err.Error(), "\n")), "%v", err)
}

// text gives the blocks of a plan as table first+count.
func (p *plan) text() string {
	var all []string
	for _, b := range p.blocks {
		all = append(all, fmt.Sprintf("%v %d+%d", b.table, b.first, b.count))
	}
	return strings.Join(all, ", ")
}

func at(table Table, words int, addresses ...uint16) (points []Point) {
	for _, a := range addresses {
		points = append(points, Point{Table: table, Address: a, Words: words})
	}
	return points
}

func TestNeighboursAreReadTogether(t *testing.T) {
	for _, x := range []struct {
		name   string
		points []Point
		gap    int
		want   string
	}{
		{"one", at(Coil, 1, 7), 0, "coil 7+1"},
		{"in any order", at(Holding, 1, 3, 1, 2), 0, "holding 1+3"},
		{"over a gap", at(Holding, 2, 0, 10), 8, "holding 0+12"},
		{"not over a wider one", at(Holding, 2, 0, 10), 7, "holding 0+2, holding 10+2"},
		{"coils over a gap sixteen times as wide", at(Coil, 1, 0, 17, 34), 1, "coil 0+35"},
		{"not over a wider one", at(Coil, 1, 0, 18), 1, "coil 0+1, coil 18+1"},
		{"within the limit of an exchange", at(Input, 1, 0, 124), 125, "input 0+125"},
		{"not beyond it", at(Input, 1, 0, 125), 125, "input 0+1, input 125+1"},
		{"no value in two blocks", at(Holding, 4, 0, 122), 125, "holding 0+4, holding 122+4"},
		{"points that overlap", append(at(Holding, 4, 10), at(Holding, 1, 11, 12, 14)...), 0, "holding 10+5"},
		{"each table on its own", append(at(Input, 1, 1), append(at(Coil, 1, 1), at(Holding, 1, 1)...)...), 99,
			"coil 1+1, holding 1+1, input 1+1"},
		{"the ends of the table", at(Coil, 1, 0, 65_535), 125, "coil 0+1, coil 65535+1"},
	} {
		require.Equal(t, x.want, newPlan(x.points, x.gap).text(), x.name)
	}
}

func TestABlockIsCutAtItsWidestHoleAndElseInTheMiddle(t *testing.T) {
	p := newPlan(at(Holding, 1, 0, 1, 5, 6, 20, 21, 22, 23), 125)
	var steps []string
	for i := 0; i < len(p.blocks); {
		if !p.split(i) {
			i++
			continue
		}
		steps = append(steps, p.text())
	}
	require.Equal(t, []string{
		"holding 0+7, holding 20+4",
		"holding 0+2, holding 5+2, holding 20+4",
		"holding 0+1, holding 1+1, holding 5+2, holding 20+4",
	}, steps[:3])
	require.Len(t, p.blocks, 8)
}

func TestEveryPlanReadsEveryPointWholeOnceAndWithinLimits(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 2))
	for range 300 {
		var points []Point
		for range 1 + rng.IntN(200) {
			table := []Table{Coil, Holding, Input}[rng.IntN(3)]
			words := 1
			if table != Coil {
				words = 1 << rng.IntN(3)
			}
			points = append(points, at(table, words, uint16(rng.IntN(1+rng.IntN(65_532))))...)
		}
		p := newPlan(points, rng.IntN(MaxRead+1))
		for range rng.IntN(5) {
			p.split(rng.IntN(len(p.blocks)))
		}
		seen := 0
		for _, b := range p.blocks {
			require.Equal(t, seen, b.from, "seed %d", seed)
			seen = b.to
			limit := map[Table]int{Coil: MaxCoils, Holding: MaxRead, Input: MaxRead}[b.table]
			require.LessOrEqual(t, b.count, limit, "seed %d", seed)
			for _, pt := range p.points[b.from:b.to] {
				require.Equal(t, b.table, pt.Table, "seed %d", seed)
				require.GreaterOrEqual(t, pt.Address, b.first, "seed %d", seed)
				require.LessOrEqual(t, int(pt.Address)+pt.words(), int(b.first)+b.count, "seed %d", seed)
			}
		}
		require.Equal(t, len(points), seen, "seed %d", seed)
	}
}
