// Tests of verdicts: T2, the bound of each filter to the nanosecond, and a second implementation that knows no events.

package cond

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/timebase"
)

const ms = int64(1_000_000)

// line is a raw truth that is scanned: what a filter sees of it are its values at the times of a scan.
type line struct {
	edges []int64 // times at which it changes; it begins false
}

func (l *line) at(t int64) (raw bool) {
	for _, e := range l.edges {
		if e <= t {
			raw = !raw
		}
	}
	return raw
}

// randomFilter is a filter whose debounce is longer than a pulse of 50 ms can look to a scan of 9 ms, with or without a vote.
func randomFilter(r *rand.Rand) (f Filter) {
	f.On, f.Off = (60+r.Int64N(200))*ms+r.Int64N(ms), (60+r.Int64N(200))*ms+r.Int64N(ms)
	if r.IntN(2) == 0 {
		f.Window = 1 + r.Int64N(MaxVotes*min(f.On, f.Off))
		f.Need = 1 + r.Int64N(f.Window)
	}
	return f
}

// scan steps a verdict with a line from a time to another, a period apart, and at the deadlines of its own where ticks are taken. It
// returns when the verdict first became true, timebase.Never where it did not, as seen at a step.
func scan(f *Filter, v *Verdict, l *line, from, to, period int64, ticks bool) (rose int64) {
	rose = timebase.Never
	step := func(at int64, raw bool) {
		if f.Step(at, raw, v) {
			rose = min(rose, at)
		}
	}
	for at := from; at < to; at += period {
		for due := f.Wake(v); ticks && due < at; due = f.Wake(v) {
			step(due, v.Raw)
		}
		step(at, l.at(at))
	}
	return rose
}

func TestChatterOf10To50MsNeverTripsAndSustainedViolationAlwaysDoesWithinItsTime(t *testing.T) {
	kinds := map[bool]int{}
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 2))
		f := randomFilter(r)
		var l line
		now := (1 + r.Int64N(50)) * ms
		for now < 3000*ms { // pulses of 10 to 50 ms, with gaps that a scan sees
			pulse := 10*ms + r.Int64N(40*ms+1)
			l.edges = append(l.edges, now, now+pulse)
			now += pulse + 9*ms + r.Int64N(60*ms)
		}
		period := 1 + r.Int64N(9*ms) // of the scan
		if r.IntN(2) == 0 {
			period = ms + r.Int64N(8*ms)
		}
		ticks := r.IntN(3) > 0
		var v, fresh Verdict
		f.Begin(0, false, &v)
		f.Begin(0, false, &fresh)
		require.Equal(t, timebase.Never, scan(&f, &v, &l, 0, now, period, ticks), "seed %d: chatter trips", seed)
		require.False(t, v.Debounced || v.True, "seed %d", seed)
		// Violated for good from now on, after chatter and after nothing; the scan sees it with its next look.
		l = line{edges: []int64{now}}
		first := (now + period - 1) / period * period
		for _, v := range []*Verdict{&v, &fresh} {
			rose := scan(&f, v, &l, first-period, first+f.On+f.Window+2*period, period, ticks)
			due := first + f.On + f.Need
			if ticks {
				require.Equal(t, due, rose, "seed %d: %+v: the time is exact", seed, f)
			}
			require.GreaterOrEqual(t, rose, due, "seed %d: %+v trips too soon", seed, f)
			require.Less(t, rose, due+period, "seed %d: %+v trips too late", seed, f)
			require.LessOrEqual(t, due, first+f.On+f.Window, "seed %d: the declared time", seed)
		}
		kinds[f.Window > 0]++
	}
	require.Greater(t, kinds[true], 300)
	require.Greater(t, kinds[false], 300)
}

// slow comes to the verdict of a filter by looking at every unit of time: all that was raw, and all that was debounced. Rose tells
// when it became true, at a time at which it became false again, too.
func slow(f *Filter, raw []bool) (verdict, rose []bool) {
	debounced, rose := make([]bool, len(raw)), make([]bool, len(raw))
	state, other := false, int64(0)
	for t := range raw {
		// At time t the raw truth is raw[t]; it has rested since the last change before or at t.
		if t > 0 && raw[t] != raw[t-1] {
			other = int64(t)
		}
		before := t > 0 && raw[t-1] != state && int64(t)-lastChange(raw, t-1) >= rested(f, raw[t-1])
		if before {
			state = raw[t-1]
			rose[t] = state && f.Window == 0
		}
		if raw[t] != state && int64(t)-other >= rested(f, raw[t]) {
			state = raw[t]
			rose[t] = rose[t] || state && f.Window == 0
		}
		debounced[t] = state
	}
	verdict = make([]bool, len(raw))
	for t := range raw {
		if verdict[t] = debounced[t]; f.Window == 0 {
			continue
		}
		sum := int64(0)
		for k := t - int(f.Window); k < t; k++ { // debounced[k] holds from k to k+1
			if k >= 0 && debounced[k] {
				sum++
			}
		}
		verdict[t] = sum >= f.Need
		rose[t] = verdict[t] && !verdict[t-1]
	}
	return verdict, rose
}

func rested(f *Filter, to bool) int64 {
	if to {
		return f.On
	}
	return f.Off
}

func lastChange(raw []bool, t int) int64 {
	for t > 0 && raw[t] == raw[t-1] {
		t--
	}
	return int64(t)
}

func TestAVerdictIsThatOfAFilterThatLooksAtEveryUnitOfTime(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 3))
		f := Filter{On: r.Int64N(6), Off: r.Int64N(6)}
		if shorter := min(f.On, f.Off); shorter > 0 && r.IntN(3) > 0 {
			f.Window = 1 + r.Int64N(min(MaxVotes*shorter, 40))
			f.Need = 1 + r.Int64N(f.Window)
		}
		raw := make([]bool, 120)
		for i := 1; i < len(raw); i++ {
			if raw[i] = raw[i-1]; r.IntN(1+int(seed%12)) == 0 {
				raw[i] = !raw[i]
			}
		}
		want, rises := slow(&f, raw)
		var every, seldom Verdict
		f.Begin(0, raw[0], &every)
		f.Begin(0, raw[0], &seldom)
		rose, wants := false, false
		for i := range raw {
			at := int64(i)
			f.Step(at, raw[i], &every)
			require.Equal(t, want[i], every.True, "seed %d, %+v, at %d of %v", seed, f, i, raw)
			require.True(t, f.Fits(&every), "seed %d at %d: %+v", seed, i, every)
			require.Greater(t, f.Wake(&every), at, "seed %d", seed)
			wants = wants || i > 0 && rises[i]
			if i > 0 && raw[i] != raw[i-1] || i == len(raw)-1 { // one that is asked at edges alone
				rose = f.Step(at, raw[i], &seldom)
				require.Equal(t, wants, rose, "seed %d, %+v, at %d: it rose meanwhile", seed, f, i)
				require.Equal(t, every, seldom, "seed %d, %+v, at %d", seed, f, i)
				wants = false
			}
		}
	}
}

func TestAVerdictInDoubtIsSettledByRestAlone(t *testing.T) {
	f := Filter{On: 100, Off: 50}
	var v Verdict
	f.Begin(10, true, &v)
	require.True(t, v.Doubt && !v.True && !v.Debounced)
	require.Equal(t, int64(110), f.Wake(&v))
	require.False(t, f.Step(60, false, &v))
	require.True(t, v.Doubt, "it has not been false for its time")
	require.Equal(t, int64(110), f.Wake(&v))
	f.Step(80, true, &v)
	require.Equal(t, int64(180), f.Wake(&v))
	again := v
	require.True(t, f.Step(180, true, &v))
	require.True(t, v.True && !v.Doubt)
	f.Step(100, false, &again)
	f.Step(150, false, &again)
	require.True(t, !again.True && !again.Doubt && f.Wake(&again) == timebase.Never)
	vote := Filter{On: 100, Off: 50, Window: 400, Need: 300}
	vote.Begin(10, true, &v)
	vote.Step(110, true, &v)
	require.True(t, v.Doubt && v.Debounced && !v.True, "what is debounced and not voted yet is still in doubt")
	require.True(t, vote.Step(410, true, &v))
	require.True(t, v.True && !v.Doubt)
}

func FuzzAVerdictOfAnyBytesIsSteppedOrRefused(f *testing.F) {
	f.Add([]byte{}, int64(100), int64(50), int64(400), int64(300))
	f.Fuzz(func(t *testing.T, src []byte, on, off, window, need int64) {
		var v Verdict
		src = append(src, bytes.Repeat([]byte{0}, max(binary.Size(v)-len(src), 0))...)
		_, err := binary.Decode(src, binary.LittleEndian, &v)
		require.NoError(t, err)
		fl := Filter{On: on % (1 << 50), Off: off % (1 << 50), Window: window % (1 << 50), Need: need % (1 << 50)}
		fits := fl.Fits(&v)
		for i, raw := range []bool{true, true, false, true} {
			at := max(v.At, 0)%(1<<60) + int64(i)*on%(1<<50)
			fl.Step(at, raw, &v)
			if fits && v.At >= 0 {
				require.Greater(t, fl.Wake(&v), v.At)
			}
		}
	})
}

func TestAVerdictAllocatesNothing(t *testing.T) {
	f := Filter{On: 10, Off: 10, Window: 300, Need: 200}
	var v Verdict
	at := int64(0)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		at += 7
		f.Step(at, at%3 > 0, &v)
		f.Wake(&v)
	}))
}
