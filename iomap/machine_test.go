// Claims about the running map: what comes in and what is read, debounce, age and quality.

package iomap_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

const (
	ms   = int64(1_000_000)
	rest = 30 * ms  // debounce of the limit switches
	old  = 500 * ms // age above which inputs are stale
)

// The tags of plantMap.
const (
	valve tag.ID = iota // output, inverted, without a limit of age
	limit               // input with debounce
	door                // inverted input with debounce
	level               // number
	pulse               // counter
	power               // switch without debounce
)

// plantMap has a tag of each sort.
var plantMap = &iomap.Map{Tags: []iomap.Tag{
	valve: {Name: "XV101", Channel: "do/1", Output: true, Invert: true},
	limit: {Name: "ZS101", Channel: "di/1", StaleAfter: old, Debounce: rest},
	door:  {Name: "ZS102", Channel: "di/2", StaleAfter: old, Debounce: rest, Invert: true},
	level: {Name: "LT101", Channel: "ai/1", Type: iomap.Number, Form: tag.Float32, Scale: linear(100, 1, -5, 1), StaleAfter: old},
	pulse: {Name: "FC101", Channel: "ctr/1", Type: iomap.Counter, Form: tag.Int, StaleAfter: old},
	power: {Name: "JS101", Channel: "di/3", StaleAfter: old},
}}

// rig is a machine with its clock: every tick is given at its own deadline, as a shell does.
type rig struct {
	*iomap.Machine
	at int64
	fx []iomap.Effect
}

func newRig(m *iomap.Map) *rig { return &rig{Machine: iomap.NewMachine(m)} }

// until gives all ticks up to a time and returns their effects; nothing else happens before it.
func (r *rig) until(at int64) []iomap.Effect {
	r.fx = r.fx[:0]
	for r.Wake() <= at {
		r.at = r.Wake()
		r.fx = r.Step(r.at, &iomap.Event{Kind: iomap.Tick}, r.fx)
	}
	r.at = at
	return r.fx
}

// give gives a sample at a time, after the ticks that are due, and returns its effects.
func (r *rig) give(at int64, id tag.ID, bits uint64) []iomap.Effect {
	r.until(at)
	return r.Step(at, &iomap.Event{Kind: iomap.Sample, Tag: id, Form: plantMap.Tags[id].Form, Bits: bits, Quality: tag.Good}, nil)
}

// bad gives a sample that its source disowns.
func (r *rig) bad(at int64, id tag.ID) []iomap.Effect {
	r.until(at)
	return r.Step(at, &iomap.Event{Kind: iomap.Sample, Tag: id, Form: plantMap.Tags[id].Form, Bits: 1}, nil)
}

// is holds what is read of a tag now against what it should be.
func (r *rig) is(t *testing.T, id tag.ID, value int64, q tag.Quality, claim string, args ...any) {
	t.Helper()
	gotValue, gotQ := r.Read(id, r.at)
	if gotValue != value || gotQ != q {
		require.Fail(t, fmt.Sprintf(claim, args...), "%s at %d ns is %d %s, want %d %s", plantMap.Tags[id].Name, r.at, gotValue, gotQ, value, q)
	}
}

// changed is the effect of a quality that changed.
func changed(id tag.ID, from, to tag.Quality, ageMS int64) iomap.Effect {
	return iomap.Effect{Kind: iomap.QualityChanged, Tag: id, From: from, To: to, AgeMS: ageMS}
}

// fresh is the effect of a scaled value that is new.
func fresh(id tag.ID) iomap.Effect { return iomap.Effect{Kind: iomap.Changed, Tag: id} }

func TestWhatWasNeverSeenIsBad(t *testing.T) {
	r := newRig(plantMap)
	for id := range tag.ID(len(plantMap.Tags)) {
		r.is(t, id, 0, tag.Bad, "before any sample")
	}
	require.Equal(t, timebase.Never, r.Wake())
	_, q := r.Read(tag.None, 1)
	require.Equal(t, tag.Bad, q)
	require.Empty(t, r.Step(1, &iomap.Event{Kind: iomap.Sample, Tag: tag.None, Quality: tag.Good}, nil))
	require.Empty(t, r.Step(2, &iomap.Event{Kind: 77, Tag: limit, Quality: tag.Good}, nil))
	require.Empty(t, r.Step(timebase.Never, &iomap.Event{Kind: iomap.Tick}, nil))
}

func TestChatterShorterThanTheDebounceNeverChangesTheValue(t *testing.T) {
	for seed := range uint64(1000) {
		d := rand.New(rand.NewPCG(seed, 1))
		r := newRig(plantMap)
		for k, id := range []tag.ID{limit, door} {
			rested := uint64(d.IntN(2))
			value := int64(rested) ^ int64(k)
			at := r.at + ms
			r.give(at, id, rested)
			for range 5 {
				at += d.Int64N(300*ms) + 1
				for end := at + 10*ms + d.Int64N(40*ms); at < end; at += d.Int64N(rest) + 1 { // a burst of 10 to 50 ms
					r.give(at, id, rested^1)
					r.is(t, id, value, tag.Good, "seed %d: the value moved with a bounce", seed)
					at += d.Int64N(rest-1) + 1
					r.give(at, id, rested)
					r.is(t, id, value, tag.Good, "seed %d: the value moved after a bounce", seed)
				}
				r.until(at + rest)
				r.is(t, id, value, tag.Good, "seed %d: the value moved after the burst", seed)
				at = r.at
				r.give(at, id, rested)
			}
		}
	}
}

func TestASustainedChangeComesAtExactlyTheDebounce(t *testing.T) {
	for seed := range uint64(1000) {
		d := rand.New(rand.NewPCG(seed, 2))
		r := newRig(plantMap)
		raw := uint64(d.IntN(2))
		r.give(ms, door, raw)
		for range 5 {
			at := r.at + d.Int64N(100*ms) + 1
			raw ^= 1
			for range d.IntN(4) { // it bounces first
				r.give(at, door, raw)
				at += d.Int64N(rest-1) + 1
				r.give(at, door, raw^1)
				at += d.Int64N(50*ms) + 1
			}
			due := at + rest
			for ; at < due; at += d.Int64N(rest) + 1 { // polls that tell the same again do not begin anew
				r.give(at, door, raw)
				r.is(t, door, int64(raw), tag.Good, "seed %d: the value moved before it had rested", seed)
			}
			r.until(due - 1)
			r.is(t, door, int64(raw), tag.Good, "seed %d: the value moved one ns early", seed)
			require.Contains(t, r.until(due), fresh(door), "seed %d", seed)
			r.is(t, door, int64(raw^1), tag.Good, "seed %d: the value did not move in time", seed)
		}
	}
}

func TestAChangeThatHasRestedCountsBeforeTheSampleThatTakesItBack(t *testing.T) {
	for _, late := range []int64{0, 1, 100 * ms} {
		m := iomap.NewMachine(plantMap)
		sample := func(at int64, bits uint64) []iomap.Effect {
			return m.Step(at, &iomap.Event{Kind: iomap.Sample, Tag: limit, Bits: bits, Quality: tag.Good}, nil)
		}
		sample(1, 0)
		sample(10*ms, 1)
		require.Equal(t, []iomap.Effect{fresh(limit), fresh(limit)}, sample(10*ms+rest+late, 0), "no tick was given")
		value, _ := m.Read(limit, 10*ms+rest+late)
		require.EqualValues(t, 1, value)
		require.Equal(t, 10*ms+2*rest+late, m.Wake())
	}
}

func TestTheFirstValueIsTakenAtOnce(t *testing.T) {
	r := newRig(plantMap)
	require.Equal(t, []iomap.Effect{fresh(limit)}, r.give(ms, limit, 1))
	r.is(t, limit, 1, tag.Good, "first value")

	require.Empty(t, r.bad(2*ms, door))
	require.Equal(t, []iomap.Effect{changed(door, tag.Bad, tag.Good, 0), fresh(door)}, r.give(3*ms, door, 0))
	r.is(t, door, 1, tag.Good, "first value after a BAD one: nothing else was ever seen")
}

func TestABadSampleEndsAPendingChange(t *testing.T) {
	r := newRig(plantMap)
	r.give(ms, limit, 0)
	r.give(10*ms, limit, 1)
	require.Equal(t, []iomap.Effect{changed(limit, tag.Good, tag.Bad, 10)}, r.bad(20*ms, limit), "the value in force is 10 ms old")
	require.Empty(t, r.bad(25*ms, limit), "told once")
	require.Empty(t, r.until(45*ms), "the change had not rested when the contact was lost")
	r.is(t, limit, 0, tag.Bad, "lost")
	require.Equal(t, []iomap.Effect{changed(limit, tag.Bad, tag.Good, 0), fresh(limit)}, r.give(50*ms, limit, 1))
	r.until(50*ms + rest - 1)
	r.is(t, limit, 0, tag.Good, "the rest begins anew")
	r.until(50*ms + rest)
	r.is(t, limit, 1, tag.Good, "rested")
}

func TestAgeIsJudgedWhenAValueIsReadAndToldByTheTick(t *testing.T) {
	r := newRig(plantMap)
	r.give(7*ms, level, 0)
	for at, want := range map[int64]tag.Quality{7 * ms: tag.Good, 7*ms + old: tag.Good, 7*ms + old + 1: tag.Stale, 1 << 60: tag.Stale} {
		_, q := r.Read(level, at)
		require.Equal(t, want, q, "at %d, without any tick", at)
	}
	r.give(100*ms, level, 0)
	due := 100*ms + old + 1
	require.Empty(t, r.Step(due-1, &iomap.Event{Kind: iomap.Tick}, nil), "as old as allowed")
	require.Equal(t, due, r.Wake())
	require.Equal(t, []iomap.Effect{changed(level, tag.Good, tag.Stale, 500)}, r.Step(due, &iomap.Event{Kind: iomap.Tick}, nil))
	require.Equal(t, timebase.Never, r.Wake())
	require.Empty(t, r.Step(due+1, &iomap.Event{Kind: iomap.Tick}, nil), "told once")
	require.Equal(t, []iomap.Effect{changed(level, tag.Stale, tag.Good, 0), fresh(level)}, r.give(due+ms, level, 0))

	r.give(due+ms, valve, 0)
	_, q := r.Read(valve, 1<<60)
	require.Equal(t, tag.Good, q, "no limit, no age")
}

func TestAGapIsToldEvenIfNoTickFellIntoIt(t *testing.T) {
	m := iomap.NewMachine(plantMap)
	sample := func(at int64) []iomap.Effect {
		return m.Step(at, &iomap.Event{Kind: iomap.Sample, Tag: power, Bits: 1, Quality: tag.Good}, nil)
	}
	sample(ms)
	require.Equal(t, []iomap.Effect{fresh(power)}, sample(ms+old))
	require.Equal(t, []iomap.Effect{changed(power, tag.Good, tag.Stale, 500), changed(power, tag.Stale, tag.Good, 0), fresh(power)},
		sample(ms+2*old+1))
}

func TestAgeCountsFromWhenAValueWasTrue(t *testing.T) {
	aged := func(m *iomap.Machine, at, ageMS int64) []iomap.Effect {
		return m.Step(at, &iomap.Event{Kind: iomap.Sample, Tag: pulse, Form: tag.Int, Bits: 5, Quality: tag.Good, AgeMS: ageMS}, nil)
	}
	const now = 1000*ms + 7
	for _, c := range []struct {
		claim   string
		age, at int64
		wake    int64
		q       tag.Quality
	}{
		{"new", 0, now, now + old + 1, tag.Good},
		{"aged", 200, now - 200*ms, now - 200*ms + old + 1, tag.Good},
		{"as old as allowed", 500, now - 500*ms, now + 1, tag.Good},
		{"too old on arrival", 501, now - 501*ms, timebase.Never, tag.Stale},
		{"older than the epoch", 1001, 1, timebase.Never, tag.Stale},
		{"an age that no number of ns holds", 1<<63 - 1, 1, timebase.Never, tag.Stale},
		{"from the future", -5, now, now + old + 1, tag.Good},
		{"from beyond all time", -1 << 63, now, now + old + 1, tag.Good},
	} {
		m := iomap.NewMachine(plantMap)
		fx := aged(m, now, c.age)
		_, at := m.Source(pulse)
		_, q := m.Read(pulse, now)
		require.Equal(t, c.at, at, c.claim)
		require.Equal(t, c.q, q, c.claim)
		require.Equal(t, c.wake, m.Wake(), c.claim)
		if q == tag.Stale {
			require.Equal(t, changed(pulse, tag.Bad, tag.Stale, (now-at)/ms), fx[0], "it was never GOOD")
		}
	}
	m := iomap.NewMachine(plantMap)
	aged(m, now, 0)
	aged(m, now+ms, 400) // older than the one before it
	require.Equal(t, now-399*ms+old+1, m.Wake(), "the deadline follows the value in force")
	require.Equal(t, []iomap.Effect{changed(pulse, tag.Good, tag.Stale, 500)}, m.Step(m.Wake(), &iomap.Event{Kind: iomap.Tick}, nil))
}

func TestTheSourceShowsTheValueInForceAndABadSampleIsNone(t *testing.T) {
	r := newRig(plantMap)
	r.give(3*ms, pulse, 41)
	r.bad(4*ms, pulse)
	raw, at := r.Source(pulse)
	require.Equal(t, []int64{41, 3 * ms}, []int64{raw, at})
}
