// The order of reads under random loads, in virtual time.

package fieldbus

import (
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// schedJudge holds one run against what is promised.
type schedJudge struct {
	t                  *testing.T
	seed               uint64
	s                  *Schedule
	groups             []Group
	due                []int64 // by a reckoning of its own
	reads              []int64
	known              bool // each read takes what was declared
	grid               int64
	busy               int64 // of telemetry
	largest            int64
	teleFrom, teleUpto int64 // the last telemetry read
	worst              int64
}

// control gives when control falls due next, or fell due.
func (j *schedJudge) control() int64 {
	next := int64(1) << 62
	for i, g := range j.groups {
		if g.Plane == Control {
			next = min(next, j.due[i])
		}
	}
	return next
}

func (j *schedJudge) see(g int, from, to, late int64) {
	grp := j.groups[g]
	if from < j.due[g] {
		j.t.Fatalf("seed %d: group %d read at %d, due at %d", j.seed, g, from, j.due[g])
	}
	if late != to-j.due[g] {
		j.t.Fatalf("seed %d: group %d late by %d, not %d", j.seed, g, late, to-j.due[g])
	}
	if grp.Plane == Telemetry {
		if c := j.control(); c <= from || j.known && c < to {
			j.t.Fatalf("seed %d: telemetry from %d to %d, control is due at %d", j.seed, from, to, c)
		}
		j.busy, j.largest, j.teleFrom, j.teleUpto = j.busy+to-from, max(j.largest, to-from), from, to
	} else {
		for i, other := range j.groups {
			if other.Plane == Control && j.due[i] <= from && j.due[i]+other.Every < j.due[g]+grp.Every {
				j.t.Fatalf("seed %d: group %d goes before %d, which has to be done sooner", j.seed, g, i)
			}
		}
		if j.due[g] <= j.teleFrom && j.teleUpto <= from {
			j.t.Fatalf("seed %d: telemetry began at %d, when group %d was due since %d", j.seed, j.teleFrom, g, j.due[g])
		}
		j.worst = max(j.worst, late)
	}
	j.reads[g]++
	j.due[g] = j.grid + ((to-j.grid)/grp.Every+1)*grp.Every
}

// newSchedJudge makes a run of random groups; what control asks for is a part of the line's time, in percent.
func newSchedJudge(t *testing.T, seed uint64, rng *rand.Rand, load int64) *schedJudge {
	j := &schedJudge{t: t, seed: seed, known: rng.IntN(2) == 0, grid: rng.Int64N(1000), teleFrom: -1, teleUpto: -1}
	n := 1 + rng.IntN(6)
	for range n {
		every := []int64{50, 100, 100, 200, 250, 1000}[rng.IntN(6)] * msec
		j.groups = append(j.groups, Group{Every: every, Cost: 1 + every*load/100/int64(n)*(50+rng.Int64N(51))/100})
	}
	for range rng.IntN(5) {
		j.groups = append(j.groups, Group{Plane: Telemetry, Every: (10 + rng.Int64N(2000)) * msec, Cost: 1 + rng.Int64N(30*msec)})
	}
	j.due, j.reads = make([]int64, len(j.groups)), make([]int64, len(j.groups))
	for i := range j.due {
		j.due[i] = j.grid
	}
	j.s = NewSchedule(j.groups)
	if !j.known {
		blind := append([]Group(nil), j.groups...)
		for i := range blind {
			blind[i].Cost = 0
		}
		j.s = NewSchedule(blind)
	}
	return j
}

func TestControlIsKeptUnderRandomLoads(t *testing.T) {
	seeds := uint64(2000)
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds = 20_000
	}
	control, telemetry, tight := int64(0), int64(0), 0
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 20))
		j := newSchedJudge(t, seed, rng, 10+rng.Int64N(80))
		share := 1 + rng.IntN(100)
		j.s.Share(share)
		end := schedRun(j.s, j.grid, j.grid+20_000*msec, func(g int) int64 {
			if j.known {
				return j.groups[g].Cost
			}
			return 1 + rng.Int64N(j.groups[g].Cost)
		}, j.see)
		busy := NewSchedule(j.groups).Budget()
		if j.worst > busy {
			t.Fatalf("seed %d: control was late by %d, the bound is %d", seed, j.worst, busy)
		}
		if j.worst > busy/2 {
			tight++
		}
		if most := (end-j.grid)*int64(share)/100 + j.largest; j.busy > most {
			t.Fatalf("seed %d: telemetry had %d of %d, %d %% are allowed", seed, j.busy, end-j.grid, share)
		}
		lacked := uint64(0)
		for i, g := range j.groups {
			// Every place of the grid was read, or left out, or is due and not yet late.
			if places := (end-j.grid)/g.Every + 1; g.Plane == Control {
				control += j.reads[i]
			} else {
				left := places - j.reads[i]
				if j.due[i] <= end {
					left--
				} else if j.due[i] > j.grid+(places-1)*g.Every { // the next place is to come
					left = places - j.reads[i]
				}
				lacked += uint64(left)
				telemetry += j.reads[i]
			}
		}
		require.Equal(t, lacked, j.s.Starved(end), "seed %d", seed)
	}
	require.Positive(t, tight, "the bound is not idle")
	t.Logf("%d runs, %d reads of control, %d of telemetry; in %d runs control came to more than half of its bound", seeds, control, telemetry, tight)
	require.Greater(t, control, 100*int64(seeds))
	require.Greater(t, telemetry, 10*int64(seeds))
}

func BenchmarkScheduleNextDone(b *testing.B) {
	var groups []Group
	for i := range 64 {
		groups = append(groups, Group{Plane: Plane(i % 2), Every: int64(100+i) * msec, Cost: msec})
	}
	s, at := NewSchedule(groups), int64(0)
	b.ReportAllocs()
	for b.Loop() {
		g, when := s.Next(at)
		if g >= 0 {
			s.Done(g, at, at+msec)
			when = at + msec
		}
		at = when
	}
}

func TestTheOrderOfReadsAllocatesNothing(t *testing.T) {
	s, at := NewSchedule([]Group{{Every: 100}, {Plane: Telemetry, Every: 30}}), int64(0)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if g, _ := s.Next(at); g >= 0 {
			s.Done(g, at, at+5)
		}
		s.Scan(1, at%20 == 0, at)
		s.Starved(at)
		s.Budget()
		at += 5
	}))
}
