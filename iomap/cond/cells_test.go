// This file tests what stable and elapsed remember: against histories that are looked through anew for every answer, through
// holds and snapshots, and at the ends of the number range.

package cond

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

func bound(t *testing.T, text string) Cond {
	t.Helper()
	e, err := Parse(text)
	require.NoError(t, err)
	c, errs := e.Bind(plant{}, nil)
	require.Nil(t, errs)
	return c
}

// begun returns the Cells of a condition that began at a time.
func begun(c Cond, at int64) []Cell {
	mem := make([]Cell, c.Cells())
	c.Begin(at, mem)
	return mem
}

const sec = int64(1e9)

func TestStableIsTrueWhenTheTagHasKeptWithinItsBandForTheTime(t *testing.T) {
	c := bound(t, "stable(TT101, 0.20 Cel, 30 s)")
	mem := begun(c, 5*sec)
	for _, k := range []struct {
		at, value int64
		q         tag.Quality
		want      Truth
		wake      int64
		why       string
	}{
		{5, 500, tag.Good, False, 35, "it was first seen now"},
		{20, 520, tag.Good, False, 35, "the whole band is used"},
		{34, 500, tag.Good, False, 35, "a second is missing"},
		{35, 510, tag.Good, True, timebase.Never / sec, "30 s within 0.20 Cel"},
		{36, 521, tag.Good, False, 66, "out of the band begins anew"},
		{60, 520, tag.Stale, Stale, timebase.Never / sec, "a stale value is neither"},
		{61, 520, tag.Good, False, 91, "and begins anew"},
		{70, 520, tag.Bad, Bad, timebase.Never / sec, "so does a bad one"},
		{71, 520, tag.Good, False, 101, ""},
		{65, 520, tag.Good, False, 101, "time that goes backwards is no time"},
		{101, 520, tag.Good, True, timebase.Never / sec, ""},
	} {
		img := image{2: {k.value, k.q}}
		require.Equal(t, k.want, c.Eval(img, k.at*sec, mem), "at %d s: %s", k.at, k.why)
		require.Equal(t, k.wake, c.Wake(k.at*sec, mem)/sec, "at %d s: %s", k.at, k.why)
	}
}

func TestElapsedCountsFromBeginAndStandsWhileHeld(t *testing.T) {
	c := bound(t, "elapsed(1 min)")
	mem := begun(c, -10*sec)
	eval := func(at int64) Truth { return c.Eval(image{}, at*sec, mem) }
	require.Equal(t, False, c.Eval(image{}, 50*sec-1, mem))
	require.Equal(t, 50*sec, c.Wake(0, mem))
	c.Suspend(40*sec, mem)
	c.Suspend(45*sec, mem) // it is suspended already
	require.Equal(t, False, eval(1000))
	require.Equal(t, timebase.Never, c.Wake(1000*sec, mem))
	c.Resume(2000*sec, mem)
	c.Resume(2005*sec, mem) // it goes on already
	require.Equal(t, False, eval(2009))
	require.Equal(t, 2010*sec, c.Wake(2009*sec, mem))
	require.Equal(t, True, eval(2010))
	require.Equal(t, timebase.Never, c.Wake(2010*sec, mem))
	c.Begin(3000*sec, mem)
	require.Equal(t, False, eval(3059))
	require.Equal(t, False, eval(2000), "time that goes backwards is no time")
	require.Equal(t, True, eval(3060))
	c.Suspend(3060*sec, mem)
	require.Equal(t, True, eval(0), "what had elapsed stays so")
}

func TestWhatWasNeverBegunIsBad(t *testing.T) {
	for _, text := range []string{"stable(TT101, 0.20 Cel, 30 s)", "elapsed(30 s)"} {
		c := bound(t, text)
		for _, mem := range [][]Cell{nil, {}, {{}}, {{State: 99}}} {
			require.Equal(t, Bad, c.Eval(image{2: {1, tag.Good}}, 100*sec, mem), text)
		}
		mem := make([]Cell, 1)
		c.Suspend(5, mem)
		c.Resume(6, mem)
		require.Equal(t, []Cell{{}}, mem)
	}
}

func TestMemoryBeyondItsOwnIsLeftAlone(t *testing.T) {
	c := bound(t, "elapsed(30 s) and stable(TT101, 0.20 Cel, 30 s)")
	other := Cell{1, 2, 3, 4}
	mem := []Cell{{}, {}, other}
	c.Begin(1, mem)
	c.Eval(image{2: {1, tag.Good}}, 2, mem)
	c.Suspend(3, mem)
	c.Resume(4, mem)
	require.Equal(t, other, mem[2])
	short := []Cell{{}}
	c.Begin(1, short)
	require.Equal(t, []Cell{{}}, short)
	require.Equal(t, timebase.Never, c.Wake(1, short))
}

func TestTheEndsOfTheNumberRangeAreNoPlaceToWrapAround(t *testing.T) {
	band := Cond{{Op: Stable, Size: 1, Value: math.MaxInt64, Time: 1}}
	mem := begun(band, 0)
	require.Equal(t, False, band.Eval(image{{math.MinInt64, tag.Good}}, 1, mem))
	require.Equal(t, False, band.Eval(image{{math.MaxInt64, tag.Good}}, 9, mem), "their distance is more than any band")
	require.Equal(t, True, band.Eval(image{{0, tag.Good}}, 10, mem))

	long := Cond{{Op: Elapsed, Size: 1, Time: math.MaxInt64}}
	mem = begun(long, math.MinInt64)
	require.Equal(t, int64(-1), long.Wake(math.MinInt64, mem))
	require.Equal(t, False, long.Eval(of(), -2, mem))
	require.Equal(t, True, long.Eval(of(), -1, mem))
	long.Begin(1, mem)
	require.Equal(t, timebase.Never, long.Wake(1, mem))
}

// history is what an oracle knows: everything.
type history struct {
	begin int64
	pause [][2]int64 // suspended from, to; the last may be open, to Never
	seen  []moment
}

type moment struct {
	at  int64
	img image
}

func (h *history) held() bool {
	return len(h.pause) > 0 && h.pause[len(h.pause)-1][1] == timebase.Never
}

// leaf answers for one leaf at a time, by looking through all that was.
func (h *history) leaf(n *Node, at int64) Truth {
	now := h.seen[len(h.seen)-1].img
	switch n.Op {
	case Elapsed:
		ran := at - h.begin
		for _, p := range h.pause {
			ran -= min(p[1], at) - p[0]
		}
		return truth(ran >= n.Time)
	case Stable:
		_, q := now.Read(n.Tag, at)
		if q != tag.Good {
			return known(q)
		}
		return truth(!h.held() && h.kept(n, at) >= n.Time)
	}
	return Cond{*n}.Eval(now, at, nil)
}

// kept is for how long a tag has kept within a band: it looks for the moments at which it must have begun anew.
func (h *history) kept(n *Node, at int64) int64 {
	from := h.begin
	if len(h.pause) > 0 {
		from = h.pause[len(h.pause)-1][1]
	}
	since := timebase.Never
	var values []int64
	for _, m := range h.seen {
		v, q := m.img.Read(n.Tag, m.at)
		switch {
		case m.at < from:
			continue
		case q != tag.Good:
			values, since = nil, timebase.Never
			continue
		case values == nil, slices.Max(append(values, v))-slices.Min(append(values, v)) > n.Value:
			values, since = nil, m.at
		}
		values = append(values, v)
	}
	if since == timebase.Never {
		return 0
	}
	return at - since
}

// through is what a restart makes of memory.
func through(t *testing.T, mem []Cell) []Cell {
	t.Helper()
	back := make([]Cell, len(mem))
	_, err := binary.Decode(raw(t, mem), binary.LittleEndian, back)
	require.NoError(t, err)
	return back
}

// run is one condition on its way through random times, images, holds and restarts.
type run struct {
	t    *testing.T
	r    *rand.Rand
	n    tree
	c    Cond
	h    history
	img  image
	at   int64
	mem  []Cell // asked, copied and held as it comes
	calm []Cell // asked once for each image, never copied
}

func (x *run) step() {
	x.at += 1 + x.r.Int64N(8)
	switch x.r.IntN(8) {
	case 0:
		if !x.h.held() {
			x.h.pause = append(x.h.pause, [2]int64{x.at, timebase.Never})
			x.c.Suspend(x.at, x.mem)
			x.c.Suspend(x.at, x.calm)
		}
	case 1:
		if x.h.held() {
			x.h.pause[len(x.h.pause)-1][1] = x.at
			x.c.Resume(x.at, x.mem)
			x.c.Resume(x.at, x.calm)
		}
	case 2:
		x.mem = through(x.t, x.mem)
	default:
		x.img = slices.Clone(x.img)
		for i := range x.img {
			switch x.r.IntN(12) {
			case 0:
				x.img[i].q = tag.Quality(x.r.IntN(3))
			case 1, 2, 3:
				x.img[i].value, x.img[i].q = int64(x.r.IntN(4)), tag.Good
			}
		}
	}
	x.h.seen = append(x.h.seen, moment{x.at, x.img})
}

func (x *run) want(at int64) Truth {
	return x.n.eval(func(n *Node) Truth { return x.h.leaf(n, at) })
}

// ask holds both memories against the oracle, at the time of the step and at times up to the next one, where nothing happens.
func (x *run) ask() {
	fail := "condition %v at %d"
	leaf := x.c.Decisive(x.img, x.at, x.mem)
	require.Equal(x.t, x.want(x.at), x.c.Eval(x.img, x.at, x.mem), fail, x.c, x.at)
	require.Equal(x.t, x.want(x.at), x.c.Eval(x.img, x.at, x.calm), fail, x.c, x.at)
	require.Equal(x.t, leaf, x.c.Decisive(x.img, x.at, x.calm), "who decides is no matter of when it is asked")
	require.GreaterOrEqual(x.t, x.c[leaf].Op, Eq)
	now, wake := x.want(x.at), x.c.Wake(x.at, x.mem)
	require.Greater(x.t, wake, x.at)
	for later := x.at + 1; later < x.at+10; later++ {
		asked := slices.Clone(x.mem)
		require.Equal(x.t, x.want(later), x.c.Eval(x.img, later, asked), fail, x.c, later)
		require.Equal(x.t, x.mem, asked, "to ask once more with the same image changes nothing")
		if later < wake {
			require.Equal(x.t, now, x.want(later), "before Wake time alone changes nothing")
		}
	}
}

func TestWhatIsRememberedEqualsALookThroughAllThatWas(t *testing.T) {
	const seed = 2
	r := rand.New(rand.NewPCG(seed, 0))
	truths := map[Truth]int{}
	for i := range 500 {
		x := run{t: t, r: r, n: grow(r, 2, true), img: of(False, True, True, False, Stale), at: r.Int64N(100)}
		if x.c = x.n.flat(nil); x.c.Cells() == 0 {
			continue
		}
		for k := range x.img {
			x.img[k].value = int64(r.IntN(4))
		}
		x.h = history{begin: x.at, seen: []moment{{x.at, x.img}}}
		x.mem, x.calm = begun(x.c, x.at), begun(x.c, x.at)
		x.ask()
		for range 25 {
			x.step()
			x.ask()
			truths[x.want(x.at)]++
			require.True(t, bytes.Equal(raw(t, x.mem), raw(t, x.calm)), "seed %d, condition %d", seed, i)
		}
	}
	for _, truth := range all {
		require.Greater(t, truths[truth], 200, "the random conditions are often %s", truth)
	}
}

func raw(t *testing.T, mem []Cell) []byte {
	t.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, mem)
	require.NoError(t, err)
	return b
}

func TestAHoldShiftsElapsedAndMakesStableBeginAnew(t *testing.T) {
	const seed = 3
	r := rand.New(rand.NewPCG(seed, 0))
	steady := image{{1, tag.Good}}
	for range 300 {
		start, ran, hold, time := r.Int64N(100), r.Int64N(50), r.Int64N(50), 1+r.Int64N(60)
		clock, band := Cond{{Op: Elapsed, Size: 1, Time: time}}, Cond{{Op: Stable, Size: 1, Time: time}}
		heldClock, uncut := begun(clock, start), begun(clock, start)
		heldBand := begun(band, start)
		band.Eval(steady, start, heldBand)
		clock.Suspend(start+ran, heldClock)
		band.Suspend(start+ran, heldBand)
		for at := start + ran; at < start+ran+hold; at++ {
			require.Equal(t, clock.Eval(steady, start+ran, uncut), clock.Eval(steady, at, heldClock), "the clock stands")
			require.Equal(t, False, band.Eval(steady, at, heldBand), "nothing is stable while it is held")
		}
		clock.Resume(start+ran+hold, heldClock)
		band.Resume(start+ran+hold, heldBand)
		anew := begun(band, start+ran+hold)
		for at := start + ran; at < start+ran+100; at++ {
			require.Equal(t, clock.Eval(steady, at, uncut), clock.Eval(steady, at+hold, heldClock), "seed %d", seed)
			require.Equal(t, band.Eval(steady, at+hold, anew), band.Eval(steady, at+hold, heldBand), "seed %d", seed)
		}
	}
}

func TestWhatDoesNotRipenStaysFalseWhileNothingChangesAndWhatDoesIsDecidedInTheEnd(t *testing.T) {
	const seed = 5
	r := rand.New(rand.NewPCG(seed, 0))
	seen := map[bool]int{}
	for i := range 20_000 {
		n := grow(r, 3, true)
		c := n.flat(nil)
		if len(c) > MaxNodes || c.Cells() == 0 {
			continue
		}
		img := make(image, 6)
		for j := range img {
			img[j].value, img[j].q = int64(r.IntN(3)), tag.Good
		}
		mem := make([]Cell, c.Cells())
		c.Begin(0, mem)
		at, ripens, ever := int64(0), false, false
		for first := true; ; first = false {
			truth := c.Eval(img, at, mem)
			if first && truth == True {
				break
			}
			before := slices.Clone(mem)
			now := truth == False && c.Ripens(img, at, mem)
			require.Equal(t, before, mem)
			if first {
				ripens = now
			}
			ever = ever || truth == True
			if at = c.Wake(at, mem); at == timebase.Never {
				require.False(t, now, "seed %d, condition %d: %v", seed, i, c)
				break
			}
		}
		require.False(t, ever && !ripens, "seed %d, condition %d: %v", seed, i, c)
		seen[ripens]++
	}
	require.Greater(t, min(seen[true], seen[false]), 1000, "%v", seen)
}
