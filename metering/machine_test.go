// Claims about metering windows: totals against math/big, quality, refusals, digests.

package metering_test

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

// factor is num/den counts of a total for each count of the source.
func factor(num, den int64) quantity.Ratio {
	k, err := quantity.NewRatio(num, den)
	if err != nil {
		panic(err)
	}
	return k
}

// single is a machine with one window over one meter.
func single(bits uint8, k quantity.Ratio) *metering.Machine {
	return metering.NewMachine([]metering.Meter{{Bits: bits, K: k}}, []metering.Window{{}})
}

// opened is a machine of one 32-bit meter whose window was opened at 10 ns with a reading of raw.
func opened(raw int64) *metering.Machine {
	m := single(32, factor(1, 1))
	m.Step(10, &metering.Event{Kind: metering.Open, Raw: raw, RawAt: 9, Quality: tag.Good}, nil)
	return m
}

func reading(raw int64) *metering.Event {
	return &metering.Event{Kind: metering.Reading, Raw: raw, Quality: tag.Good}
}

// rounded is v rounded half to even; ok is false where it does not fit 64 bits.
func rounded(v *big.Rat) (n int64, ok bool) {
	twice := new(big.Int).Lsh(v.Num(), 1)
	den := new(big.Int).Lsh(v.Denom(), 1)
	q, rem := new(big.Int).DivMod(twice.Add(twice, v.Denom()), den, new(big.Int)) // floor(v + 1/2)
	if rem.Sign() == 0 && q.Bit(0) == 1 {
		q.Sub(q, big.NewInt(1))
	}
	return q.Int64(), q.IsInt64()
}

func TestTotalsAreThoseOfExactArithmetic(t *testing.T) {
	const seed, profiles = 20260105, 2000
	d := rand.New(rand.NewPCG(seed, 1))
	rolled, fitted := 0, 0
	for n := range profiles {
		bits := []uint8{16, 32, 64}[d.IntN(3)]
		k := factor(d.Int64N(1<<d.IntN(40))+1, d.Int64N(1<<d.IntN(40))+1)
		m := single(bits, k)
		mod := new(big.Int).Lsh(big.NewInt(1), uint(bits))
		start := new(big.Int).SetUint64(d.Uint64() >> (64 - bits))
		if d.IntN(2) == 0 { // near the end of the counter's range
			start.Sub(mod, big.NewInt(d.Int64N(1000)+1))
		}
		raw := func(count *big.Int) int64 { return int64(new(big.Int).Mod(count, mod).Uint64()) }
		count := new(big.Int).Set(start)
		m.Step(1, &metering.Event{Kind: metering.Open, Raw: raw(start), RawAt: 1, Quality: tag.Good}, nil)
		most := int64(1)<<(bits-1) - 1 // the greatest increment that is not taken for a reset
		worst := tag.Good
		for i := range d.IntN(40) {
			inc := d.Int64N(most >> d.IntN(int(bits)-1))
			if d.IntN(20) == 0 {
				inc = most
			}
			count.Add(count, big.NewInt(inc))
			if d.IntN(8) == 0 { // what is read along the way but not GOOD changes nothing
				q := tag.Quality(d.IntN(2))
				worst = min(worst, q)
				m.Step(int64(i), &metering.Event{Kind: metering.Reading, Raw: d.Int64(), Quality: q}, nil)
			}
			m.Step(int64(i), reading(raw(count)), nil)
		}
		flowed := count.Sub(count, start)
		if new(big.Int).Add(start, flowed).Cmp(mod) >= 0 {
			rolled++
		}
		want, fits := rounded(new(big.Rat).Mul(new(big.Rat).SetInt(flowed), big.NewRat(k.Num(), k.Den())))
		total := m.Total(0)
		if !fits || !flowed.IsInt64() {
			require.Equal(t, tag.Bad, total.Quality, "seed %d, profile %d: a total that does not fit is not GOOD", seed, n)
			continue
		}
		fitted++
		require.Equal(t, want, total.Value, "seed %d, profile %d: %s pulses of %d bits by %s", seed, n, flowed, bits, k)
		require.Equal(t, flowed.Int64(), total.Raw, "seed %d, profile %d", seed, n)
		require.Equal(t, worst, total.Quality, "seed %d, profile %d", seed, n)
	}
	require.Greater(t, rolled, profiles/4, "profiles that rolled over")
	require.Greater(t, fitted, profiles/2, "profiles whose totals fit")
}

func TestATotalIsRoundedOnceWhenItIsRead(t *testing.T) {
	m := single(32, factor(1, 3))
	m.Step(1, &metering.Event{Kind: metering.Open, Quality: tag.Good}, nil)
	for i, want := range []int64{0, 1, 1, 1, 2, 2, 2, 3, 3, 3} { // thirds: 1/3, 2/3, 1, 4/3 ...
		m.Step(int64(i), reading(int64(i+1)), nil)
		require.Equal(t, want, m.Total(0).Value, "after %d pulses", i+1)
	}
	m = single(32, factor(1, 2))
	m.Step(1, &metering.Event{Kind: metering.Open, Quality: tag.Good}, nil)
	for i, want := range []int64{0, 1, 2, 2, 2} { // halves go to the even neighbour
		m.Step(int64(i), reading(int64(i+1)), nil)
		require.Equal(t, want, m.Total(0).Value, "after %d pulses", i+1)
	}
}

func TestACounterThatWentBackIsMarkedAndNotAdded(t *testing.T) {
	for _, c := range []struct {
		claim     string
		bits      uint8
		from, to  int64
		increment int64 // -1: refused
	}{
		{"no flow", 32, 1000, 1000, 0},
		{"rollover of 16 bits", 16, 65_535, 0, 1},
		{"rollover of 32 bits", 32, 1<<32 - 10, 5, 15},
		{"rollover of 32 bits, read as signed", 32, -10, 5, 15},
		{"half-way of 32 bits, read as signed", 32, 1<<31 - 1, -1 << 31, 1},
		{"rollover of 64 bits", 64, -3, 4, 7},
		{"half-way of 64 bits", 64, 1<<63 - 1, -1 << 63, 1},
		{"back by one", 32, 1000, 999, -1},
		{"reset to zero", 32, 1000, 0, -1},
		{"reset from the lower half of the range", 16, 32_000, 5, -1},
		{"reset from the upper half, which no counter alone can tell from a rollover", 16, 40_000, 5, 25_541},
		{"the most that 16 bits can tell", 16, 0, 1<<15 - 1, 1<<15 - 1},
		{"half of 16 bits", 16, 0, 1 << 15, -1},
		{"the most that 32 bits can tell", 32, 5, 1<<31 + 4, 1<<31 - 1},
		{"half of 32 bits", 32, 5, 1<<31 + 5, -1},
		{"the most that 64 bits can tell", 64, -1, 1<<63 - 2, 1<<63 - 1},
		{"half of 64 bits", 64, 0, -1 << 63, -1},
		{"64 bits back by one", 64, 0, -1, -1},
	} {
		m := single(c.bits, factor(1, 1))
		m.Step(1, &metering.Event{Kind: metering.Open, Raw: c.from - 100, Quality: tag.Good}, nil)
		m.Step(2, reading(c.from), nil)
		m.Step(3, reading(c.to), nil)
		m.Step(4, reading(c.to+7), nil)
		total := m.Total(0)
		if c.increment < 0 {
			require.Equal(t, []int64{107, int64(tag.Bad)}, []int64{total.Raw, int64(total.Quality)}, c.claim)
			require.Equal(t, tag.Good, total.Source, "the source itself is GOOD: %s", c.claim)
			continue
		}
		if c.increment+107 < 0 {
			require.Equal(t, tag.Bad, total.Quality, "the sum does not fit: %s", c.claim)
			continue
		}
		require.Equal(t, []int64{107 + c.increment, int64(tag.Good)}, []int64{total.Raw, int64(total.Quality)}, c.claim)
	}
}

func TestABadReadingIsASampleWithoutANumberAndTheCounterBridgesIt(t *testing.T) {
	m := opened(100)
	m.Step(20, &metering.Event{Kind: metering.Reading, Raw: 110, RawAt: 20, Quality: tag.Good}, nil)
	m.Step(30, &metering.Event{Kind: metering.Reading, Raw: 9_999, RawAt: 30, Quality: tag.Bad}, nil)
	total := m.Total(0)
	require.Equal(t, metering.Total{Open: true, Value: 10, Raw: 10, StartAt: 10, Samples: 3, Source: tag.Bad, Quality: tag.Bad,
		Period: factor(11, 1), Gaps: 1}, total)
	m.Step(40, &metering.Event{Kind: metering.Reading, Raw: 150, RawAt: 40, Quality: tag.Good}, nil)
	m.Step(41, &metering.Event{Kind: metering.Close}, nil)
	require.Equal(t, metering.Total{Value: 50, Raw: 50, StartAt: 10, EndAt: 41, Samples: 4, Source: tag.Good, Quality: tag.Bad,
		Period: factor(31, 2), Gaps: 1, GapTime: 10, FlowAtEnd: true, EdgeFlow: 2_000_000_000}, m.Total(0))
	require.Equal(t, sha256.Sum256([]byte("9\t100\tGOOD\n20\t110\tGOOD\n30\t\tBAD\n40\t150\tGOOD\n")), m.Digest(0))
}

func TestAStaleSourceMarksTheWindowForGood(t *testing.T) {
	m := opened(100)
	quality := func(at int64, q tag.Quality) []metering.Effect {
		return m.Step(at, &metering.Event{Kind: metering.Quality, Quality: q}, nil)
	}
	source := func(source, window tag.Quality, claim string) {
		t.Helper()
		require.Equal(t, []tag.Quality{source, window}, []tag.Quality{m.Total(0).Source, m.Total(0).Quality}, claim)
	}
	source(tag.Good, tag.Good, "opened")
	require.Equal(t, []metering.Effect{{Kind: metering.Noted, Note: metering.GapBegan}, {Kind: metering.Moved}}, quality(20, tag.Stale))
	source(tag.Stale, tag.Stale, "stale")
	m.Step(30, reading(120), nil)
	source(tag.Good, tag.Stale, "a reading restores the source only")
	quality(40, tag.Bad)
	source(tag.Bad, tag.Bad, "lost")
	quality(50, tag.Stale)
	source(tag.Stale, tag.Bad, "the worst stays")
	quality(60, tag.Good)
	source(tag.Good, tag.Bad, "so does it when the source is GOOD again")
	m.Step(65, &metering.Event{Kind: metering.Reading, Raw: 1, Quality: tag.Stale}, nil)
	source(tag.Stale, tag.Bad, "a reading that was too old on arrival")
	require.EqualValues(t, 20, m.Total(0).Raw, "which is not added")
	require.EqualValues(t, 6, m.Total(0).Samples, "a change to a quality that is not GOOD is a line, one to GOOD is none")
	m.Step(70, &metering.Event{Kind: metering.Close}, nil)
	require.Empty(t, quality(80, tag.Good))
	source(tag.Stale, tag.Bad, "after the end nothing changes")
}

func TestAWindowOpensOnceAndOnlyOverAGoodSource(t *testing.T) {
	m := single(32, factor(1, 1))
	step := func(at int64, kind metering.EventKind, q tag.Quality) []metering.Effect {
		return m.Step(at, &metering.Event{Kind: kind, Raw: at, Quality: q}, nil)
	}
	one := func(kind metering.EffectKind) []metering.Effect { return []metering.Effect{{Kind: kind}} }
	refused := func(raw int64, why string) []metering.Effect {
		return []metering.Effect{{Kind: metering.Refused, From: raw, Why: why}}
	}
	require.Empty(t, step(1, metering.Reading, tag.Good), "not open")
	require.Empty(t, step(2, metering.Close, tag.Good), "not open")
	require.Equal(t, refused(3, metering.WhyNotGood), step(3, metering.Open, tag.Bad))
	require.Equal(t, refused(4, metering.WhyNotGood), step(4, metering.Open, tag.Stale))
	require.Equal(t, metering.Total{}, m.Total(0), "a window that was refused shows nothing")
	require.Equal(t, one(metering.Opened), step(5, metering.Open, tag.Good))
	require.Equal(t, refused(6, metering.WhyUsed), step(6, metering.Open, tag.Good), "open already")
	require.Equal(t, one(metering.Moved), step(7, metering.Reading, tag.Good))
	require.Equal(t, one(metering.Closed), step(8, metering.Close, tag.Good))
	closed, digest := m.Total(0), m.Digest(0)
	require.Equal(t, metering.Total{Value: 2, Raw: 2, StartAt: 5, EndAt: 8, Samples: 2, Source: tag.Good, Quality: tag.Good,
		FlowAtEnd: true}, closed)
	require.Empty(t, step(9, metering.Close, tag.Good), "closed already")
	require.Empty(t, step(10, metering.Reading, tag.Good), "closed")
	require.Equal(t, refused(11, metering.WhyUsed), step(11, metering.Open, tag.Good), "used already")
	require.Empty(t, step(12, 77, tag.Good), "no event")
	require.Equal(t, closed, m.Total(0))
	require.Equal(t, digest, m.Digest(0))
}

func TestAReadingGoesToEveryOpenWindowOfItsMeter(t *testing.T) {
	meters := []metering.Meter{{Bits: 32, K: factor(1, 1)}, {Bits: 32, K: factor(10, 1)}}
	m := metering.NewMachine(meters, []metering.Window{{Meter: 0}, {Meter: 1}, {Meter: 0}, {Meter: 0}})
	for _, w := range []int{0, 1, 2} {
		m.Step(1, &metering.Event{Kind: metering.Open, Window: w, Quality: tag.Good}, nil)
	}
	moved := func(windows ...int) (fx []metering.Effect) {
		for _, w := range windows {
			fx = append(fx, metering.Effect{Kind: metering.Moved, Window: w})
		}
		return fx
	}
	require.Equal(t, moved(0, 2), m.Step(2, &metering.Event{Kind: metering.Reading, Meter: 0, Raw: 3, Quality: tag.Good}, nil))
	require.Equal(t, moved(1), m.Step(3, &metering.Event{Kind: metering.Reading, Meter: 1, Raw: 4, Quality: tag.Good}, nil))
	require.Empty(t, m.Step(4, &metering.Event{Kind: metering.Reading, Meter: 2, Raw: 5, Quality: tag.Good}, nil), "no such meter")
	require.Equal(t, []int64{3, 40, 3, 0}, []int64{m.Total(0).Value, m.Total(1).Value, m.Total(2).Value, m.Total(3).Value})
}

func TestTotalsThatDoNotFitAreBad(t *testing.T) {
	large := single(64, factor(1<<62, 1))
	large.Step(1, &metering.Event{Kind: metering.Open, Quality: tag.Good}, nil)
	large.Step(2, reading(1), nil)
	require.Equal(t, tag.Good, large.Total(0).Quality)
	large.Step(3, reading(2), nil)
	require.Equal(t, tag.Bad, large.Total(0).Quality, "the value does not fit")

	many := single(64, factor(1, 1<<40))
	many.Step(1, &metering.Event{Kind: metering.Open, Quality: tag.Good}, nil)
	many.Step(2, reading(1<<62), nil)
	require.Equal(t, tag.Good, many.Total(0).Quality)
	many.Step(3, reading(-1<<63), nil)
	require.Equal(t, tag.Bad, many.Total(0).Quality, "the count of the source does not fit")
}

func TestASampleIsOneLine(t *testing.T) {
	for want, got := range map[string][]byte{
		"1\t0\tGOOD\n":     metering.AppendSample(nil, 1, 0, tag.Good),
		"5 20\t-7\tGOOD\n": metering.AppendSample([]byte("5 "), 20, -7, tag.Good),
		"30\t\tSTALE\n":    metering.AppendSample(nil, 30, 12, tag.Stale),
		"40\t\tBAD\n":      metering.AppendSample(nil, 40, 12, tag.Bad),
		"-9223372036854775808\t-9223372036854775808\tGOOD\n": metering.AppendSample(nil, -1<<63, -1<<63, tag.Good),
	} {
		require.Equal(t, want, string(got))
	}
}

func TestAReadingDoesNotAllocate(t *testing.T) {
	meters := []metering.Meter{{Bits: 32, K: factor(4, 3)}}
	m := metering.NewMachine(meters, []metering.Window{{}, {}})
	fx := make([]metering.Effect, 0, 16)
	for w := range 2 {
		fx = m.Step(1, &metering.Event{Kind: metering.Open, Window: w, Raw: -1 << 63, RawAt: -1 << 63, Quality: tag.Good}, fx[:0])
	}
	at := int64(1)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		at++
		fx = m.Step(at, &metering.Event{Kind: metering.Reading, Raw: -1<<63 + at, RawAt: -1<<63 + at, Quality: tag.Good}, fx[:0])
		fx = m.Step(at, &metering.Event{Kind: metering.Reading, Raw: at, RawAt: at, Quality: tag.Bad}, fx)
		fx = m.Step(at, &metering.Event{Kind: metering.Quality, Quality: tag.Stale}, fx)
		if len(fx) < 8 || m.Total(1).Value == -1 {
			panic(fmt.Sprint("effects: ", fx))
		}
	}))
}

func TestWhatDoesNotFitIsBadAndNeverWrapped(t *testing.T) {
	const most = 1<<63 - 1
	steep := metering.Curve{A: []int64{most}, B: []int64{most}}
	for _, c := range []struct {
		claim string
		meter metering.Meter
		raw   [3]int64 // the first when it opens, then one every 10^18 ns
		bad   bool
	}{
		{"a flow whose total fits", metering.Meter{Method: metering.Flow, K: factor(1, most)}, [3]int64{most, most, 0}, false},
		{"a flow whose total does not", metering.Meter{Method: metering.Flow, K: factor(5, most)}, [3]int64{most, most, 0}, true},
		{"a flow after its curve", metering.Meter{Method: metering.Flow, K: factor(1, most), Curve: steep}, [3]int64{0, 1, 0}, true},
		{"a trapezoid of two great flows", metering.Meter{Method: metering.Flow, Trapezoid: true, K: factor(1, most)}, [3]int64{most, most, most}, false},
		{"a weight after its curve", metering.Meter{Method: metering.Weight, K: factor(1, 1), Curve: steep}, [3]int64{0, 1, 0}, true},
		{"a weight that has gained more than 64 bits", metering.Meter{Method: metering.Weight, K: factor(1, 4)}, [3]int64{-most, 0, most}, true},
		{"increments after their curve", metering.Meter{Bits: 64, K: factor(1, most), Curve: steep}, [3]int64{0, most, 10}, true},
		{"a totalizer from end to end", metering.Meter{Method: metering.Totalizer, K: factor(1, 4)}, [3]int64{-most, 0, most}, true},
	} {
		m := metering.NewMachine([]metering.Meter{c.meter}, []metering.Window{{}})
		for i, raw := range c.raw {
			ev := metering.Event{Kind: metering.Reading, Raw: raw, RawAt: int64(i) * 1e18, Quality: tag.Good}
			if i == 0 {
				ev.Kind = metering.Open
			}
			m.Step(ev.RawAt, &ev, nil)
		}
		m.Step(2e18, &metering.Event{Kind: metering.Close}, nil)
		total := m.Total(0)
		require.Equal(t, c.bad, total.Quality == tag.Bad, "%s: %+v", c.claim, total)
		require.GreaterOrEqual(t, total.Value, int64(0), c.claim)
	}
}
