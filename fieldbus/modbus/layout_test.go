// Layouts: what is read together, and where a block that was refused is cut.

package modbus

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
)

// text gives the chunks of a layout as table first+count.
func (l *layout) text() string {
	var all []string
	for _, s := range l.chunks {
		all = append(all, fmt.Sprintf("%v %d+%d", s.table, s.first, s.count))
	}
	return strings.Join(all, ", ")
}

// in makes places of so many registers or coils.
func in(table Table, count int, addresses ...int) (places []*place) {
	for _, a := range addresses {
		places = append(places, &place{table: table, first: a, count: count, bit: -1})
	}
	return places
}

// loose are the rules of a device that bears all.
func loose(hole int) *rules { return &rules{registers: MaxRead, bits: MaxCoils, hole: hole} }

func TestNeighboursAreReadTogetherAsFarAsTheRulesAllow(t *testing.T) {
	for _, x := range []struct {
		name   string
		places []*place
		rules  *rules
		want   string
	}{
		{"one", in(Coil, 1, 7), loose(0), "coil 7+1"},
		{"none", nil, loose(0), ""},
		{"in any order", in(Holding, 1, 3, 1, 2), loose(0), "holding 1+3"},
		{"over a hole", in(Holding, 2, 0, 10), loose(8), "holding 0+12"},
		{"not over a wider one", in(Holding, 2, 0, 10), loose(7), "holding 0+2, holding 10+2"},
		{"coils over a hole sixteen times as wide", in(Coil, 1, 0, 17, 34), loose(1), "coil 0+35"},
		{"not over a wider one", in(Discrete, 1, 0, 18), loose(1), "discrete 0+1, discrete 18+1"},
		{"within the limit of an exchange", in(Input, 1, 0, 124), loose(125), "input 0+125"},
		{"not beyond it", in(Input, 1, 0, 125), loose(125), "input 0+1, input 125+1"},
		{"not beyond that of the device", in(Input, 1, 0, 1, 2, 3), &rules{registers: 3}, "input 0+3, input 3+1"},
		{"nor that of its bits", in(Coil, 1, 0, 1, 2, 3), &rules{registers: 9, bits: 2}, "coil 0+2, coil 2+2"},
		{"no value in two blocks", in(Holding, 4, 0, 122), loose(125), "holding 0+4, holding 122+4"},
		{"places that overlap", append(in(Holding, 4, 10), in(Holding, 1, 11, 12, 14)...), loose(0), "holding 10+5"},
		{"each table on its own", append(in(Input, 1, 1), append(in(Coil, 1, 1), in(Holding, 1, 1)...)...), loose(99),
			"coil 1+1, holding 1+1, input 1+1"},
		{"the ends of the table", in(Coil, 1, 0, 65_535), loose(125), "coil 0+1, coil 65535+1"},
		{"not over what is absent", in(Input, 1, 0, 9, 12), &rules{registers: 125, hole: 125, gaps: []gap{{Input, 3, 4}}}, "input 0+1, input 9+4"},
		{"over what is absent elsewhere", in(Input, 1, 0, 9), &rules{registers: 125, hole: 125, gaps: []gap{{Holding, 3, 4}, {Input, 10, 11}}},
			"input 0+10"},
		{"not over a cut", in(Input, 1, 4, 5, 6), &rules{registers: 125, gaps: []gap{{Input, 6, 6}}}, "input 4+2, input 6+1"},
	} {
		require.Equal(t, x.want, newLayout(x.places, x.rules).text(), x.name)
	}
}

func TestWhatIsWriteOnlyIsNotRead(t *testing.T) {
	places := in(Holding, 1, 1, 2, 3)
	places[1].access = fieldbus.WriteOnly
	require.Equal(t, "holding 1+1, holding 3+1", newLayout(places, loose(0)).text())
	require.Equal(t, "holding 1+3", newLayout(places, loose(1)).text(), "as a hole it is one like any other")
}

func TestARefusedBlockIsCutAtItsWidestHoleAndElseInTheMiddle(t *testing.T) {
	places, r := in(Holding, 1, 0, 1, 5, 6, 20, 21, 22, 23), loose(125)
	var steps []string
	for i := 0; i < len(newLayout(places, r).chunks); {
		l := newLayout(places, r)
		g, ok := l.widest(&l.chunks[i])
		if !ok {
			i++
			continue
		}
		r.gaps = append(r.gaps, g)
		steps = append(steps, newLayout(places, r).text())
	}
	require.Equal(t, []string{
		"holding 0+7, holding 20+4",
		"holding 0+2, holding 5+2, holding 20+4",
		"holding 0+1, holding 1+1, holding 5+2, holding 20+4",
	}, steps[:3])
	require.Len(t, steps, 7)
}

func TestBitsOfOneRegisterAreNeverCut(t *testing.T) {
	l := newLayout(in(Holding, 1, 4, 4, 4), loose(0))
	_, ok := l.widest(&l.chunks[0])
	require.False(t, ok)
	l = newLayout(in(Holding, 1, 4, 4, 5, 5), loose(0))
	g, ok := l.widest(&l.chunks[0])
	require.True(t, ok)
	require.Equal(t, gap{Holding, 5, 5}, g)
}

func TestEveryLayoutReadsEveryPlaceWholeOnceWithinLimitsAndOverNoGap(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 2))
	for range 100 {
		var places []*place
		for range 1 + rng.IntN(200) {
			table := Table(1 + rng.IntN(4))
			count := 1
			if table == Holding || table == Input {
				count = 1 << rng.IntN(3)
			}
			places = append(places, in(table, count, rng.IntN(1+rng.IntN(65_532)))...)
		}
		r := &rules{registers: 4 + rng.IntN(MaxRead-3), bits: 1 + rng.IntN(MaxCoils), hole: rng.IntN(MaxRead + 1)}
		l := newLayout(places, r)
		for range rng.IntN(9) {
			if g, ok := l.widest(&l.chunks[rng.IntN(len(l.chunks))]); ok {
				require.NotContains(t, r.gaps, g, "seed %d: a cut is made once", seed)
				r.gaps = append(r.gaps, g)
				l = newLayout(places, r)
			}
		}
		wholeOnce(t, l, r, seed)
	}
}

func wholeOnce(t *testing.T, l *layout, r *rules, seed uint64) {
	t.Helper()
	seen := 0
	for _, s := range l.chunks {
		require.Equal(t, seen, s.from, "seed %d", seed)
		seen = s.to
		limit := map[Table]int{Coil: r.bits, Discrete: r.bits, Holding: r.registers, Input: r.registers}[s.table]
		require.LessOrEqual(t, s.count, limit, "seed %d", seed)
		for _, i := range l.order[s.from:s.to] {
			p := l.places[i]
			require.Equal(t, s.table, p.table, "seed %d", seed)
			require.GreaterOrEqual(t, p.first, s.first, "seed %d", seed)
			require.LessOrEqual(t, p.end(), s.end(), "seed %d", seed)
		}
		for _, g := range r.gaps {
			last := l.places[l.order[s.to-1]].first
			require.False(t, g.table == s.table && s.first < g.to && last >= g.to, "seed %d: over gap %v: %v", seed, g, s)
		}
	}
	require.Equal(t, len(l.places), seen, "seed %d", seed)
}
