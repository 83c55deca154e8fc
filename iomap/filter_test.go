// Claims about filters of numbers and edges of switches, held against references that remember everything.

package iomap_test

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

// The tags of inputMap.
const (
	peak   tag.ID = iota // median of 5
	slow                 // exponential
	bounds               // a number that is BAD outside of -100 to 100
	start                // rising edge
	stop                 // falling edge, inverted wire
	plain                // number without anything
)

const constant, pulseTime = 2000 * ms, 300 * ms

// inputMap has a tag with each kind of filter and trigger.
var inputMap = &iomap.Map{Tags: []iomap.Tag{
	peak: {Name: "PT", Channel: "ai/1", Type: iomap.Number, Form: tag.Int, Scale: linear(3, 1, 7, 1), StaleAfter: old,
		Filter: iomap.Filter{Type: iomap.MedianFilter, Samples: 5}},
	slow: {Name: "TT", Channel: "ai/2", Type: iomap.Number, Form: tag.Int, Scale: linear(1, 1, 0, 1), StaleAfter: old,
		Filter: iomap.Filter{Type: iomap.ExponentialFilter, Time: constant}},
	bounds: {Name: "LT", Channel: "ai/3", Type: iomap.Number, Form: tag.Int, Scale: linear(1, 1, 0, 1), StaleAfter: old, Valid: true,
		Min: -100, Max: 100},
	start: {Name: "PB1", Channel: "di/1", StaleAfter: old, Debounce: rest, Trigger: iomap.Rising, Pulse: pulseTime},
	stop:  {Name: "PB2", Channel: "di/2", StaleAfter: old, Debounce: rest, Trigger: iomap.Falling, Pulse: pulseTime, Invert: true},
	plain: {Name: "FT", Channel: "ai/4", Type: iomap.Number, Form: tag.Int, Scale: linear(1, 1, 0, 1), StaleAfter: old},
}}

// input is a machine of inputMap with its clock.
type input struct {
	*iomap.Machine
	at int64
	fx []iomap.Effect // of the last until
}

func newInput() *input { return &input{Machine: iomap.NewMachine(inputMap)} }

func (r *input) until(at int64) {
	r.fx = r.fx[:0]
	for r.Wake() <= at {
		r.at = r.Wake()
		r.fx = r.Step(r.at, &iomap.Event{Kind: iomap.Tick}, r.fx)
	}
	r.at = at
}

// give gives a GOOD sample that was true ageMS before.
func (r *input) give(at int64, id tag.ID, x, ageMS int64) []iomap.Effect {
	r.until(at)
	return r.Step(at, &iomap.Event{Kind: iomap.Sample, Tag: id, Form: inputMap.Tags[id].Form, Bits: uint64(x), Quality: tag.Good, AgeMS: ageMS}, nil)
}

func (r *input) bad(at int64, id tag.ID) {
	r.until(at)
	r.Step(at, &iomap.Event{Kind: iomap.Sample, Tag: id, Form: inputMap.Tags[id].Form}, nil)
}

func (r *input) value(id tag.ID) int64 { v, _ := r.Read(id, r.at); return v }

func TestAMedianIsThatOfTheNewestOddNumberOfReadings(t *testing.T) {
	for seed := range uint64(200) {
		d := rand.New(rand.NewPCG(seed, 11))
		r := newInput()
		var since []int64 // readings since the filter began
		last := int64(-1)
		for range 40 {
			at := r.at + d.Int64N(200*ms) + 1
			if d.IntN(12) == 0 {
				at += 2 * old
			}
			if d.IntN(12) == 0 {
				r.bad(at, peak)
				since = nil
				continue
			}
			if last >= 0 && at-last > old {
				since = nil // it was STALE
			}
			x := d.Int64N(1000) - 500
			if d.IntN(5) == 0 {
				x *= 1_000_000
			}
			since, last = append(since, 3*x+7), at
			r.give(at, peak, x, 0)
			newest := since[max(0, len(since)-5):]
			if len(newest)%2 == 0 {
				newest = newest[1:]
			}
			want := slices.Sorted(slices.Values(newest))[len(newest)/2]
			require.Equal(t, want, r.value(peak), "seed %d, of %v", seed, newest)
			raw, q := r.Unfiltered(peak, r.at)
			require.Equal(t, tag.Good, q)
			require.Equal(t, 3*x+7, raw, "totals are made of what was read")
		}
	}
}

// lowPass is the reference in fractions: it remembers the exact value.
type lowPass struct{ y *big.Rat }

func (l *lowPass) take(x, since int64) {
	if l.y == nil {
		l.y = new(big.Rat).SetInt64(x)
		return
	}
	way := new(big.Rat).Sub(new(big.Rat).SetInt64(x), l.y)
	l.y = new(big.Rat).Add(l.y, way.Mul(way, big.NewRat(max(since, 0), max(since, 0)+constant)))
	// Cut to 2^-200, so that fractions stay short; what that changes is far below what is compared.
	scale := new(big.Int).Lsh(big.NewInt(1), 200)
	num := new(big.Int).Div(new(big.Int).Mul(l.y.Num(), scale), l.y.Denom())
	l.y = new(big.Rat).SetFrac(num, scale)
}

func TestALowPassIsThatOfExactFractions(t *testing.T) {
	for seed := range uint64(100) {
		d := rand.New(rand.NewPCG(seed, 12))
		r := newInput()
		var exact lowPass
		var before int64
		for n := range 200 {
			at := r.at + d.Int64N(200*ms) + 1
			age := int64(0)
			if d.IntN(4) == 0 {
				age = d.Int64N(200)
			}
			x := d.Int64N(2000) - 1000
			switch d.IntN(20) {
			case 0:
				x = math.MaxInt64
			case 1:
				x = math.MinInt64
			case 2:
				x = d.Int64()
			}
			r.give(at, slow, x, age)
			_, then := r.Source(slow)
			exact.take(x, then-before)
			before = then
			off := new(big.Rat).Sub(exact.y, new(big.Rat).SetInt64(r.value(slow)))
			require.LessOrEqual(t, off.Abs(off).Cmp(new(big.Rat).SetFrac64(1_000_001, 2_000_000)), 0, "seed %d, reading %d: %s", seed, n, off.FloatString(9))
			got, _ := r.Unfiltered(slow, r.at)
			require.Equal(t, x, got)
		}
	}
}

func TestALowPassArrivesAndNeverGoesBeyond(t *testing.T) {
	for _, c := range []struct{ from, to, period int64 }{{0, 1000, 10 * ms}, {1000, -3, 10 * ms}, {0, 1, ms}, {-5, 1 << 40, 100 * ms}, {7, 7, ms}} {
		r := newInput()
		r.give(ms, slow, c.from, 0)
		last := c.from
		reached := int64(-1)
		for n := range int64(400_000) {
			r.give(r.at+c.period, slow, c.to, 0)
			v := r.value(slow)
			require.True(t, min(last, c.to) <= v && v <= max(last, c.to), "%v: from %d to %d", c, last, v)
			if last = v; v == c.to {
				reached = n
				break
			}
		}
		require.GreaterOrEqual(t, reached, int64(0), "%v: it never arrives", c)
	}
}

func TestAStepIsPassedOnAsATimeConstantSays(t *testing.T) {
	r := newInput()
	r.give(ms, slow, 0, 0)
	for r.at < ms+constant {
		r.give(r.at+10*ms, slow, 100_000, 0)
	}
	require.InDelta(t, 63_212, r.value(slow), 200, "63 %% after one time constant")
	for r.at < ms+3*constant {
		r.give(r.at+10*ms, slow, 100_000, 0)
	}
	require.InDelta(t, 95_021, r.value(slow), 200)
}

func TestAFilterBeginsAnewBehindAValueThatIsNotGood(t *testing.T) {
	r := newInput()
	for _, id := range []tag.ID{peak, slow} {
		for range 5 {
			r.give(r.at+10*ms, id, 1000, 0)
		}
		r.bad(r.at+10*ms, id)
		r.give(r.at+10*ms, id, 1, 0)
		got, _ := r.Unfiltered(id, r.at)
		require.Equal(t, got, r.value(id), "the first value behind BAD is taken at once")
		r.give(r.at+old+2*ms, id, 5, 0)
		got, _ = r.Unfiltered(id, r.at)
		require.Equal(t, got, r.value(id), "and that behind STALE")
	}
}

func TestANumberOutsideOfWhatItCanBeIsBad(t *testing.T) {
	r := newInput()
	for _, c := range []struct {
		x int64
		q tag.Quality
	}{{-101, tag.Bad}, {-100, tag.Good}, {100, tag.Good}, {101, tag.Bad}} {
		r.give(r.at+ms, bounds, c.x, 0)
		_, q := r.Read(bounds, r.at)
		require.Equal(t, c.q, q, c.x)
	}
	v, _ := r.Read(bounds, r.at)
	require.EqualValues(t, 100, v, "the value in force stays what it was")
}

func TestALevelThatIsOnAtABootIsNoEdge(t *testing.T) {
	r := newInput()
	r.give(ms, start, 1, 0)
	for r.at < 400*ms {
		r.give(r.at+20*ms, start, 1, 0)
		require.Zero(t, r.value(start))
	}
	r.give(500*ms, start, 0, 0)
	r.until(540 * ms)
	require.Zero(t, r.value(start), "a falling edge is none here")
	r.give(600*ms, start, 1, 0)
	r.until(600*ms + rest - 1)
	require.Zero(t, r.value(start), "it has not rested")
	r.until(600*ms + rest)
	require.EqualValues(t, 1, r.value(start))
	require.Equal(t, []iomap.Effect{{Kind: iomap.Triggered, Tag: start}, {Kind: iomap.Changed, Tag: start}}, r.fx)
	r.until(600*ms + rest + pulseTime - 1)
	require.EqualValues(t, 1, r.value(start))
	r.until(600*ms + rest + pulseTime)
	require.Zero(t, r.value(start), "the pulse is over, and the level is still on")
}

func TestAnEdgeThatNobodyHasSeenIsNone(t *testing.T) {
	for _, c := range []struct {
		claim string
		gap   func(r *input)
	}{
		{"behind BAD", func(r *input) { r.bad(200*ms, start) }},
		{"behind STALE", func(r *input) { r.until(100*ms + 2*old) }},
	} {
		r := newInput()
		r.give(ms, start, 0, 0)
		r.give(100*ms, start, 0, 0)
		c.gap(r)
		r.give(r.at+ms, start, 1, 0)
		r.give(r.at+ms, start, 0, 0) // it bounces as it comes back
		r.give(r.at+ms, start, 1, 0)
		r.until(r.at + 2*rest)
		require.Zero(t, r.value(start), c.claim)
		r.give(r.at+ms, start, 0, 0)
		r.until(r.at + 2*rest)
		r.give(r.at+ms, start, 1, 0)
		r.until(r.at + rest)
		require.EqualValues(t, 1, r.value(start), "%s: the next one counts", c.claim)
	}
}

func TestABadValueEndsAPulse(t *testing.T) {
	r := newInput()
	r.give(ms, start, 0, 0)
	r.until(100 * ms)
	r.give(101*ms, start, 1, 0)
	r.until(200 * ms)
	require.EqualValues(t, 1, r.value(start))
	r.bad(201*ms, start)
	require.Zero(t, r.value(start))
	r.until(r.at + 3*old)
	require.Equal(t, timebase.Never, r.Wake(), "nothing of it is due any more")
}

// edges is the reference: it looks through the whole history of raw levels for every answer.
func edges(t *testing.T, seed uint64) {
	d := rand.New(rand.NewPCG(seed, 13))
	r := newInput()
	type sample struct{ at, level int64 }
	for _, c := range []struct {
		id   tag.ID
		edge int64 // the level behind the edge that counts
	}{{start, 1}, {stop, 0}} {
		var history []sample
		raw := d.Int64N(2)
		for range 60 {
			at := r.at + d.Int64N(2*rest) + 1
			if d.IntN(2) == 0 {
				raw ^= 1
			}
			wire := raw
			if inputMap.Tags[c.id].Invert {
				wire ^= 1
			}
			r.give(at, c.id, wire, 0)
			history = append(history, sample{at, raw})
			r.until(at + d.Int64N(rest))
			// The level after debounce through time: it becomes what has stood for rest.
			level, known, on := int64(0), false, int64(-1)
			for i := 0; i < len(history); {
				k := i
				for k < len(history) && history[k].level == history[i].level {
					k++
				}
				end := r.at
				if k < len(history) {
					end = history[k].at
				}
				if due := history[i].at + rest; due <= end {
					if known && level != history[i].level && history[i].level == c.edge {
						on = due
					}
					level, known = history[i].level, true
				}
				i = k
			}
			want := int64(0)
			if on >= 0 && r.at < on+pulseTime {
				want = 1
			}
			require.Equal(t, want, r.value(c.id), "seed %d, %s, at %d", seed, inputMap.Tags[c.id].Name, r.at)
		}
	}
}

func TestEdgesAreThoseOfTheWholeHistory(t *testing.T) {
	for seed := range uint64(500) {
		edges(t, seed)
	}
}

// drawInput makes the next event of a run of inputMap and its time.
func drawInput(d *rand.Rand, m *iomap.Machine, at int64) (int64, iomap.Event) {
	if d.IntN(3) == 0 && m.Wake() < timebase.Never {
		return max(at, m.Wake()), iomap.Event{Kind: iomap.Tick}
	}
	at += d.Int64N(20*ms) + 1
	if d.IntN(20) == 0 {
		at += d.Int64N(2 * old)
	}
	id := tag.ID(d.IntN(len(inputMap.Tags)))
	ev := iomap.Event{Kind: iomap.Sample, Tag: id, Form: inputMap.Tags[id].Form, Bits: uint64(d.IntN(2)), Quality: tag.Good}
	switch d.IntN(8) {
	case 0:
		ev.Quality = tag.Bad
	case 1:
		ev.AgeMS = d.Int64N(700)
	case 2:
		ev.Bits = d.Uint64()
	}
	return at, ev
}

func TestARestoredMachineFiltersAsTheOriginal(t *testing.T) {
	const seed = 20260117
	d := rand.New(rand.NewPCG(seed, 1))
	m := iomap.NewMachine(inputMap)
	var at int64
	var ev iomap.Event
	for n := range 5000 {
		name := fmt.Sprintf("seed %d, event %d", seed, n)
		at, ev = drawInput(d, m, at)
		restored := iomap.NewMachine(inputMap)
		left, err := restored.Restore(append(m.Snapshot(nil), "left"...))
		require.NoError(t, err, name)
		require.Equal(t, "left", string(left), name)
		require.Equal(t, m.Wake(), restored.Wake(), name)
		require.Equal(t, m.Step(at, &ev, nil), restored.Step(at, &ev, nil), name)
		require.True(t, bytes.Equal(m.Snapshot(nil), restored.Snapshot(nil)), name)
		require.Greater(t, m.Wake(), at, name)
		for id := range tag.ID(len(inputMap.Tags)) {
			v, q := m.Read(id, at)
			w, p := restored.Read(id, at)
			require.True(t, v == w && q == p, name)
		}
	}
	for cut := range m.Snapshot(nil) {
		_, err := iomap.NewMachine(inputMap).Restore(m.Snapshot(nil)[:cut])
		require.Error(t, err, "cut to %d bytes", cut)
	}
}

func TestAFilteredStepDoesNotAllocate(t *testing.T) {
	d := rand.New(rand.NewPCG(2, 2))
	m := iomap.NewMachine(inputMap)
	fx := make([]iomap.Effect, 0, 64)
	var at int64
	var ev iomap.Event
	require.Zero(t, testing.AllocsPerRun(2000, func() {
		at, ev = drawInput(d, m, at)
		fx = m.Step(at, &ev, fx[:0])
		m.Unfiltered(ev.Tag, at)
	}))
}

func TestFiltersAndTriggersAreReadAsTheyStand(t *testing.T) {
	m := parse(t, goodMap[:bytes.Index([]byte(goodMap), []byte("meters:"))]+`
  - {logical_tag: T1, physical_channel: ai/11, direction: in, type: number, form: int, resolution: 1 Cel, gain: 1 Cel, stale_after: 1 s, filter: {type: median, samples: 3}, min: -20 Cel, max: 80 Cel}
  - {logical_tag: T2, physical_channel: ai/12, direction: in, type: number, form: int, resolution: 1 Cel, gain: 1 Cel, stale_after: 1 s, filter: {type: exponential, time_constant: 2 s}}
  - {logical_tag: T3, physical_channel: ai/13, direction: in, type: number, form: int, resolution: 1 Cel, gain: 1 Cel, stale_after: 1 s, filter: {type: none}}
  - {logical_tag: B1, physical_channel: di/11, direction: in, type: switch, stale_after: 1 s, debounce: 20 ms, trigger: rising, pulse: 2 s, protocol_binding: "modbus unit 3, coil 17"}
  - {logical_tag: B2, physical_channel: di/12, direction: in, type: switch, stale_after: 1 s, trigger: level}
`)
	n := len(m.Tags) - 5
	require.Equal(t, iomap.Filter{Type: iomap.MedianFilter, Samples: 3}, m.Tags[n].Filter)
	require.True(t, m.Tags[n].Valid && m.Tags[n].Min == -20 && m.Tags[n].Max == 80)
	require.Equal(t, iomap.Filter{Type: iomap.ExponentialFilter, Time: 2000 * ms}, m.Tags[n+1].Filter)
	require.Equal(t, iomap.Filter{}, m.Tags[n+2].Filter)
	require.False(t, m.Tags[n+2].Valid)
	require.Equal(t, iomap.Rising, m.Tags[n+3].Trigger)
	require.Equal(t, 2000*ms, m.Tags[n+3].Pulse)
	require.Equal(t, "modbus unit 3, coil 17", m.Tags[n+3].Binding)
	require.Equal(t, iomap.Level, m.Tags[n+4].Trigger)
}
