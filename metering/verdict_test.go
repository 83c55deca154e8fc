// Claims about counters that roll over, are reset or replaced in the middle of a window, and about what else speaks against a
// total.

package metering_test

import (
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/stretchr/testify/require"
)

// bench is a machine of one meter and window, and what it has noted.
type bench struct {
	*metering.Machine
	noted []metering.Effect
}

func newBench(meter metering.Meter, target int64) *bench {
	if meter.K.Num() == 0 {
		meter.K = factor(1, 1)
	}
	return &bench{Machine: metering.NewMachine([]metering.Meter{meter}, []metering.Window{{Target: target}})}
}

func (b *bench) step(ms int64, ev metering.Event) []metering.Effect {
	fx := b.Step(ms*1_000_000, &ev, nil)
	for _, e := range fx {
		if e.Kind == metering.Noted {
			b.noted = append(b.noted, e)
		}
	}
	return fx
}

func (b *bench) read(ms int64, role metering.Role, raw int64) {
	b.step(ms, metering.Event{Kind: metering.Reading, Role: role, Raw: raw, RawAt: ms * 1_000_000, Quality: tag.Good})
}

func (b *bench) open(ms, raw int64) []metering.Effect {
	return b.step(ms, metering.Event{Kind: metering.Open, Raw: raw, RawAt: ms * 1_000_000, Quality: tag.Good})
}

func (b *bench) close(ms int64) metering.Total {
	b.step(ms, metering.Event{Kind: metering.Close})
	return b.Total(0)
}

// notes are the notes without the windows.
func (b *bench) notes() (out []metering.Note) {
	for _, e := range b.noted {
		out = append(out, e.Note)
	}
	return out
}

func TestATotalizerRollsOverOrIsResetOrIsReplaced(t *testing.T) {
	rolled, reset, replaced := metering.RolledOver, metering.WasReset, metering.WasReplaced
	plain := metering.Meter{Method: metering.Totalizer}
	lap := metering.Meter{Method: metering.Totalizer, Modulus: 1_000_000}
	most := metering.Meter{Method: metering.Totalizer, Most: 1_000}
	both := metering.Meter{Method: metering.Totalizer, Modulus: 1_000_000, Most: 1_000}
	pulses := metering.Meter{Method: metering.Pulses, Bits: 32, Most: 1_000}
	for _, c := range []struct {
		claim    string
		meter    metering.Meter
		from, to int64
		identity int64 // 7: the same device as before
		note     metering.Note
		counts   int64
	}{
		{"it counts on", plain, 500, 700, 7, 0, 200},
		{"it may jump where no rate is told", plain, 500, 1 << 40, 7, 0, 1<<40 - 500},
		{"it is less: it was reset", plain, 999_900, 100, 7, reset, 0},
		{"it begins anew at its modulus", lap, 999_900, 100, 7, rolled, 200},
		{"from the lower half it was reset", lap, 400_000, 100, 7, reset, 0},
		{"to the upper half it was reset", lap, 999_900, 600_000, 7, reset, 0},
		{"half is upper", lap, 500_000, 499_999, 7, rolled, 999_999},
		{"it counts on as fast as it can", both, 500, 2_500, 7, 0, 2_000},
		{"one more than in a second and a second's slack", both, 500, 2_501, 7, replaced, 0},
		{"it rolls over as fast as it can", both, 999_000, 1_000, 7, rolled, 2_000},
		{"it is less, and could have come from 0", both, 999_000, 1_001, 7, reset, 0},
		{"it is less, and could not", both, 999_000, 500_000, 7, replaced, 0},
		{"without modulus there is no rolling over", most, 999_000, 1_000, 7, reset, 0},
		{"below 0 is another one", most, 999_000, -1, 7, replaced, 0},
		{"out of the range of its modulus it does not roll over", both, 1_000_500, 1_000, 7, reset, 0},
		{"another identity is another device, however well it fits", both, 500, 700, 8, replaced, 0},
		{"another identity is another device, though it looks like a rollover", both, 999_900, 100, 8, replaced, 0},
		{"another identity is another device, though it looks like a reset", both, 999_900, 5, 8, replaced, 0},
		{"pulses roll over at their width", pulses, 1<<32 - 10, 10, 7, rolled, 20},
		{"pulses from 0 were reset", pulses, 1 << 31, 10, 7, reset, 0},
		{"pulses that jump are others'", pulses, 100, 10_000, 7, replaced, 0},
	} {
		b := newBench(c.meter, 0)
		b.read(0, metering.Identity, 7)
		b.read(0, metering.Main, c.from-100)
		b.open(500, c.from-100)
		b.read(1_000, metering.Main, c.from)
		b.read(1_900, metering.Identity, c.identity)
		b.read(2_000, metering.Main, c.to)
		b.read(3_000, metering.Main, c.to+7)
		total := b.close(3_500)
		require.Equal(t, c.counts+107, total.Value, c.claim)
		require.Equal(t, total.Value, total.Raw, c.claim)
		switch {
		case c.note == metering.NoNote:
			require.Empty(t, b.noted, c.claim)
		case c.identity != 7:
			require.Equal(t, []metering.Effect{{Kind: metering.Noted, Note: replaced, Role: metering.Identity, From: 7, To: 8}}, b.noted, c.claim)
		default:
			require.Equal(t, []metering.Effect{{Kind: metering.Noted, Note: c.note, From: c.from, To: c.to}}, b.noted, c.claim)
		}
		want := tag.Good
		if c.note == reset || c.note == replaced {
			want = tag.Bad
		}
		require.Equal(t, want, total.Quality, c.claim)
	}
}

func TestOverAnEpochNoTimeIsKnownAndHalfTheRangeDecides(t *testing.T) {
	b := newBench(metering.Meter{Method: metering.Totalizer, Modulus: 1_000_000, Most: 10, Period: 100_000_000}, 0)
	b.open(1_000, 900_000)
	b.read(1_100, metering.Main, 900_010)
	b.step(50, metering.Event{Kind: metering.Cut})
	b.read(60, metering.Main, 950_000) // far more than Most
	b.read(70, metering.Main, 950_005)
	total := b.close(80)
	require.Equal(t, metering.Total{Value: 50_005, Raw: 50_005, StartAt: 1_000_000_000, EndAt: 80_000_000, Samples: 5, Source: tag.Good,
		Quality: tag.Stale, Period: factor(55_000_000, 1), Gaps: 1, GapTime: 10_000_000, Cuts: 1, FlowAtEnd: true, EdgeFlow: 500}, total)
	require.Equal(t, []metering.Note{metering.GapBegan, metering.GapEnded}, b.notes())
}

func TestTwoCountersOfOneFlowMustAgree(t *testing.T) {
	b := newBench(metering.Meter{Bits: 32, Second: metering.Pair{Has: true, Bits: 16, Within: 5}}, 0)
	b.read(0, metering.Other, 65_530)
	b.open(10, 100)
	b.read(20, metering.Other, 4) // 10 on, over its end
	b.read(21, metering.Main, 110)
	require.Equal(t, []metering.Note{metering.RolledOver, metering.ChannelsDiffer}, b.notes(), "10 against 0 in between")
	require.Equal(t, []int64{10, 10, int64(tag.Bad)}, []int64{b.Total(0).Raw, b.Total(0).Other, int64(b.Total(0).Quality)})

	b = newBench(metering.Meter{Bits: 32, Second: metering.Pair{Has: true, Bits: 16, Within: 5}}, 0)
	b.read(0, metering.Other, 0)
	b.open(10, 100)
	for i := range int64(20) { // the second one loses one in four
		b.read(20+10*i, metering.Main, 100+4*i)
		b.read(21+10*i, metering.Other, 3*i)
	}
	require.Equal(t, []metering.Effect{{Kind: metering.Noted, Note: metering.ChannelsDiffer, Role: metering.Other, From: 12, To: 6}}, b.noted,
		"once, and not before they are further apart than 5")
	require.Equal(t, tag.Bad, b.Total(0).Quality)
}

func TestHalfOfATargetIsThatOfTheTargetInForce(t *testing.T) {
	b := newBench(metering.Meter{Bits: 32, Device: metering.Check{Has: true}}, 1_000)
	b.read(0, metering.Device, 0)
	b.open(10, 0)
	b.read(100, metering.Main, 400)
	b.Adopt([]metering.Window{{Target: 1_600}})
	for at := int64(2); at < 12; at++ {
		b.read(at*100, metering.Device, at*200-10)
		b.read(at*100+1, metering.Main, at*200)
	}
	total := b.Total(0)
	require.Equal(t, []int64{800, 790}, []int64{total.Half, total.DeviceHalf})
	b.Adopt([]metering.Window{{Target: 3_000}})
	b.read(1_300, metering.Main, 2_500)
	require.EqualValues(t, 800, b.Total(0).Half, "what was half then stays")
}

func TestTheDevicesOwnTotalIsFollowedBeside(t *testing.T) {
	meter := metering.Meter{Bits: 32, Device: metering.Check{Has: true, Modulus: 10_000, Most: 1_000}}
	b := newBench(meter, 1_000)
	b.read(0, metering.Device, 9_900)
	b.open(10, 0)
	b.read(900, metering.Device, 9_990)
	b.read(1_000, metering.Main, 499)
	b.read(1_900, metering.Device, 400)
	b.read(2_000, metering.Main, 510)
	b.read(2_100, metering.Device, 405)
	total := b.Total(0)
	require.Equal(t, []int64{505, int64(tag.Good), 500, 510}, []int64{total.Device, int64(total.DeviceQuality), total.DeviceHalf, total.Half})
	require.True(t, total.DeviceRolled)
	b.step(2_200, metering.Event{Kind: metering.Quality, Role: metering.Device, Quality: tag.Stale})
	require.Equal(t, tag.Stale, b.Total(0).DeviceQuality)
	b.read(2_300, metering.Device, 3)
	total = b.close(2_400)
	require.Equal(t, []int64{505, int64(tag.Bad)}, []int64{total.Device, int64(total.DeviceQuality)}, "what was reset cannot be told")
	require.Equal(t, tag.Good, total.Quality, "the window does not rest on it")
	require.Equal(t, []metering.Effect{{Kind: metering.Noted, Note: metering.RolledOver, Role: metering.Device, From: 9_990, To: 400},
		{Kind: metering.Noted, Note: metering.WasReset, Role: metering.Device, From: 405, To: 3}}, b.noted)

	b = newBench(meter, 1_000)
	b.open(10, 0)
	b.read(20, metering.Device, 100)
	b.read(30, metering.Device, 130)
	require.Equal(t, tag.Bad, b.Total(0).DeviceQuality, "nobody knows where it stood when the window opened")
}

func TestAScaleMustBeStableAndItsTareWithinItsLimit(t *testing.T) {
	meter := metering.Meter{Method: metering.Weight, Within: 4, Settled: 1_000_000_000,
		Tare: metering.Tare{Limited: true, Most: 500, Stable: true}}
	refused := func(raw int64, why string) []metering.Effect {
		return []metering.Effect{{Kind: metering.Refused, From: raw, Why: why}}
	}
	b := newBench(meter, 0)
	b.read(0, metering.Main, 100)
	require.Equal(t, refused(100, metering.WhyUnstable), b.open(999, 100))
	b.read(1_000, metering.Main, 104)
	b.read(1_100, metering.Main, 99) // five apart: it begins anew
	require.Equal(t, refused(99, metering.WhyUnstable), b.open(2_099, 99))
	b.step(2_100, metering.Event{Kind: metering.Quality, Quality: tag.Stale})
	b.read(2_110, metering.Main, 501)
	require.Equal(t, refused(501, metering.WhyUnstable), b.open(3_109, 501))
	require.Equal(t, refused(501, metering.WhyTare), b.open(3_110, 501))
	b.read(3_200, metering.Main, 500)
	require.Equal(t, []metering.Effect{{Kind: metering.Opened}}, b.open(3_200, 500))
	require.False(t, b.Total(0).FlowAtStart)
	b.read(3_300, metering.Main, 600)
	b.read(4_300, metering.Main, 602)
	b.read(4_400, metering.Main, 2_000)
	total := b.close(4_500)
	require.Equal(t, []metering.Note{metering.BecameUnstable, metering.BecameStable, metering.BecameUnstable}, b.notes())
	require.Equal(t, []int64{1_500, 1_500, 500}, []int64{total.Value, total.Raw, total.Tare})
	require.True(t, total.FlowAtEnd && total.Quality == tag.Good)
}

func TestWhatFlowsWhileHeldIsInTheTotal(t *testing.T) {
	b := newBench(metering.Meter{Bits: 32}, 0)
	b.open(0, 0)
	b.read(100, metering.Main, 10)
	b.step(150, metering.Event{Kind: metering.Paused, On: true})
	b.step(160, metering.Event{Kind: metering.Paused, On: true})
	b.read(200, metering.Main, 15)
	b.step(250, metering.Event{Kind: metering.Stepped})
	b.step(350, metering.Event{Kind: metering.Paused})
	b.read(400, metering.Main, 20)
	b.step(450, metering.Event{Kind: metering.Paused, On: true})
	total := b.close(460)
	require.Equal(t, []metering.Note{metering.WasHeld, metering.TimeStepped, metering.WentOn, metering.WasHeld}, b.notes())
	require.Equal(t, []int64{20, 210_000_000, 1, 4, int64(tag.Good)},
		[]int64{total.Value, total.HeldTime, total.Steps, total.Samples, int64(total.Quality)})
}

func TestFlowAtTheEdgesIsTold(t *testing.T) {
	flow := metering.Meter{Method: metering.Flow, Cutoff: 5, K: factor(1, 1_000_000_000)}
	pulses := metering.Meter{Bits: 32, K: factor(1, 10)}
	for _, c := range []struct {
		claim      string
		meter      metering.Meter
		before     [2]int64 // readings at 0 and 100 ms; the window opens at open
		open       int64
		last       int64 // reading at open + 500 ms; it closes at close
		close      int64
		start, end bool
		edge       int64
	}{
		{"a flow", flow, [2]int64{5, 5}, 200, 7, 800, true, true, 7},
		{"a flow below the cutoff is none", flow, [2]int64{5, 4}, 200, -4, 800, false, false, 0},
		{"pulses within the last second, 50 in 1.5 s", pulses, [2]int64{5, 6}, 1_100, 56, 2_600, true, true, 3},
		{"pulses before it", pulses, [2]int64{5, 6}, 1_101, 7, 2_602, false, false, 0},
		{"no pulses", pulses, [2]int64{6, 6}, 200, 6, 1_000, false, false, 0},
	} {
		b := newBench(c.meter, 0)
		b.read(0, metering.Main, c.before[0])
		b.read(100, metering.Main, c.before[1])
		b.step(c.open, metering.Event{Kind: metering.Open, Raw: c.before[1], RawAt: 100_000_000, Quality: tag.Good})
		b.read(c.open+500, metering.Main, c.last)
		b.read(c.open+510, metering.Main, c.last)
		total := b.close(c.close)
		require.Equal(t, c.start, total.FlowAtStart, c.claim)
		require.Equal(t, c.end, total.FlowAtEnd, c.claim)
		require.Equal(t, c.edge, total.EdgeFlow, c.claim)
	}
}

func TestLimitsBelongToWhatTheyLimit(t *testing.T) {
	slow := metering.Meter{Bits: 32, Cutoff: 100_000_000}
	curved := metering.Meter{Bits: 32, Curve: metering.Curve{X: []int64{10_000, 100_000}, A: []int64{1}, B: []int64{0}}} // 10 Hz to 100 Hz
	flow := metering.Meter{Method: metering.Flow, K: factor(1, 100_000_000), Cutoff: 3,
		Curve: metering.Curve{X: []int64{5, 10}, A: []int64{1}, B: []int64{0}}}
	for _, c := range []struct {
		claim   string
		meter   metering.Meter
		at, raw int64 // of the second reading; the first is 0, read at 0
		value   int64 // at 100 ms after it
		outside bool
	}{
		{"pulses as far apart as the cutoff count", slow, 100, 1, 1, false},
		{"pulses further apart do not", slow, 101, 1, 0, false},
		{"the lowest frequency is known", curved, 100, 1, 1, false},
		{"a lower one is not", curved, 101, 1, 0, true},
		{"the highest frequency is known", curved, 100, 10, 10, false},
		{"a higher one is not", curved, 99, 10, 0, true},
		{"so is an increment in no time", curved, 0, 1, 0, true},
		{"the lowest flow is known", flow, 100, 5, 5, false},
		{"a lower one is not", flow, 100, 4, 0, true},
		{"the cutoff is a flow, and not known", flow, 100, 3, 0, true},
		{"what is below the cutoff is none", flow, 100, 2, 0, false},
		{"the highest flow is known", flow, 100, 10, 10, false},
		{"a higher one is not", flow, 100, 11, 0, true},
	} {
		b := newBench(c.meter, 0)
		b.open(0, 0)
		b.read(c.at, metering.Main, c.raw)
		b.read(c.at+100, metering.Main, c.raw)
		total := b.close(c.at + 100)
		require.Equal(t, c.value, total.Value, c.claim)
		if !c.outside {
			require.Empty(t, b.noted, c.claim)
			require.Equal(t, tag.Good, total.Quality, c.claim)
			continue
		}
		require.Equal(t, []metering.Effect{{Kind: metering.Noted, Note: metering.OutOfRange, To: c.raw}}, b.noted, "once: %s", c.claim)
		require.Equal(t, tag.Bad, total.Quality, c.claim)
	}
	apart := newBench(slow, 0)
	apart.open(0, 0)
	apart.read(101, metering.Main, 1)
	apart.read(111, metering.Main, 3)
	total := apart.close(120)
	require.Equal(t, []int64{2, 3, 1}, []int64{total.Value, total.Raw, total.Apart}, "what is left out is counted apart")
}

func TestReadingsThatDoNotComeBeforeTheEndAreMissing(t *testing.T) {
	for tail, want := range map[int64]int64{99: 0, 150: 0, 151: 1, 160: 1, 249: 1, 250: 1, 251: 2, 1_000: 9} {
		m := metering.NewMachine([]metering.Meter{{Method: metering.Flow, K: factor(1, 1), Period: 100}}, []metering.Window{{}})
		m.Step(10, &metering.Event{Kind: metering.Reading, Raw: 1, RawAt: 10, Quality: tag.Good}, nil)
		m.Step(10, &metering.Event{Kind: metering.Open, Raw: 1, RawAt: 10, Quality: tag.Good}, nil)
		m.Step(110, &metering.Event{Kind: metering.Reading, Raw: 1, RawAt: 110, Quality: tag.Good}, nil)
		m.Step(110+tail, &metering.Event{Kind: metering.Close}, nil)
		require.Equal(t, want, m.Total(0).Missing, "%d ns before the end", tail)
		require.Equal(t, int64(0), m.Total(0).Late)
		require.Equal(t, tail, m.Tail(0))
	}
}
