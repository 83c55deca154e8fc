// What the order of reads promises, by example.

package fieldbus

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// schedRun lets a line read what the schedule says until a time, each group for what took gives.
func schedRun(s *Schedule, from, until int64, took func(group int) int64, see func(group int, from, to, late int64)) (now int64) {
	for now = from; now < until; {
		g, when := s.Next(now)
		if g < 0 {
			now = min(when, until)
			continue
		}
		to := now + took(g)
		late := s.Done(g, now, to)
		if see != nil {
			see(g, now, to, late)
		}
		now = max(to, now+1)
	}
	return now
}

func TestControlStaysOnItsGridWhateverAReadTakes(t *testing.T) {
	s := NewSchedule([]Group{{Every: 100}, {Every: 250}})
	n, starts := 0, [2][]int64{}
	schedRun(s, 1000, 3000, func(int) int64 { n++; return int64(3 + n%7) }, func(g int, from, _, _ int64) { starts[g] = append(starts[g], from) })
	require.Len(t, starts[0], 20)
	require.Len(t, starts[1], 8)
	for i, at := range starts[0] {
		require.InDelta(t, 1000+100*i, at, 10, "no drift")
	}
}

func TestTheControlGroupThatHasToBeDoneSoonestGoesFirst(t *testing.T) {
	s := NewSchedule([]Group{{Every: 500}, {Every: 100}, {Every: 300}})
	var order []int
	schedRun(s, 0, 40, func(int) int64 { return 10 }, func(g int, _, _, _ int64) { order = append(order, g) })
	require.Equal(t, []int{1, 2, 0}, order)
}

func TestALateGroupIsNotReadTwiceToCatchUp(t *testing.T) {
	s := NewSchedule([]Group{{Every: 100}})
	require.Equal(t, int64(350), s.Done(first(s, 0), 0, 350), "late: from when it was due until it was done")
	g, when := s.Next(350)
	require.Equal(t, [2]int64{-1, 400}, [2]int64{int64(g), when})
	require.Equal(t, int64(60), s.Done(first(s, 400), 450, 460))
	_, when = s.Next(460)
	require.Equal(t, int64(500), when)
}

// first gives the group that is read now.
func first(s *Schedule, at int64) int {
	g, _ := s.Next(at)
	return g
}

func TestTelemetryDoesNotBeginWhereControlFallsDueBeforeItIsDone(t *testing.T) {
	s := NewSchedule([]Group{{Every: 100, Cost: 30}, {Plane: Telemetry, Every: 50, Cost: 40}})
	s.Share(100)
	require.Zero(t, first(s, 0))
	s.Done(0, 0, 30)
	require.Equal(t, 1, first(s, 30))
	s.Done(1, 30, 70)
	g, when := s.Next(70)
	require.Equal(t, [2]int64{-1, 100}, [2]int64{int64(g), when}, "done at 110 it would be")
	require.Zero(t, first(s, 100))
}

func TestTelemetryKeepsToItsShareOfTheLine(t *testing.T) {
	for _, share := range []int{1, 10, 50, 90, 100} {
		s := NewSchedule([]Group{{Plane: Telemetry, Every: 1}, {Plane: Telemetry, Every: 3}})
		s.Share(share)
		var used, largest int64
		end := schedRun(s, 0, 100_000_000, func(g int) int64 { return int64(10_000 + 50_000*g) }, func(_ int, from, to, _ int64) {
			used, largest = used+to-from, max(largest, to-from)
		})
		require.LessOrEqual(t, used, end*int64(share)/100+largest)
		require.GreaterOrEqual(t, used, end*int64(share)/100-2*largest, "and it gets it")
	}
}

func TestTelemetryThatFindsNoTimeIsCounted(t *testing.T) {
	s := NewSchedule([]Group{{Every: 100, Cost: 80}, {Plane: Telemetry, Every: 1000, Cost: 50}, {Plane: Telemetry, Every: 500, Cost: 10}})
	schedRun(s, 0, 10_000, func(g int) int64 { return []int64{80, 50, 10}[g] }, func(g int, _, _, _ int64) { require.NotEqual(t, 1, g) })
	require.Equal(t, uint64(9), s.Starved(9_999))
	require.Equal(t, uint64(10), s.Starved(10_000))
	s.Scan(1, false, 10_000)
	s.Scan(2, false, 10_000)
	require.Equal(t, uint64(10), s.Starved(20_000), "what is out of the scan is not starved")
	s.Scan(1, true, 20_000)
	require.Equal(t, uint64(10), s.Starved(20_999))
	s.Plan([]Group{{Every: 100}}, 22_500)
	require.Equal(t, uint64(12), s.Starved(30_000), "it never goes back")
}

func TestOneTimeOutDoesNotShutTelemetryOutForEver(t *testing.T) {
	s := NewSchedule([]Group{{Every: 100 * msec}, {Plane: Telemetry, Every: 60_000 * msec}})
	n, last, hindered := 0, int64(0), int64(0)
	schedRun(s, 0, 600_000*msec, func(g int) int64 {
		if g == 0 {
			return 10 * msec
		}
		if n++; n == 2 {
			return 1000 * msec
		}
		return 20 * msec
	}, func(g int, from, _, late int64) {
		if g == 1 {
			last = from
		} else if n != 2 {
			hindered = max(hindered, late-10*msec)
		}
	})
	require.Equal(t, 10, n, "it is read again, 40 s after the time at most")
	require.Greater(t, last, 540_000*msec)
	require.Zero(t, hindered, "and control does not wait for it")
}

func TestTelemetryThatTakesLongerThanThePausesOfControlIsReadSeldomAndControlWaitsForOneReadAtMost(t *testing.T) {
	s := NewSchedule([]Group{{Every: 100 * msec}, {Plane: Telemetry, Every: 1000 * msec}})
	reads, waited := 0, 0
	schedRun(s, 0, 3_600_000*msec, func(g int) int64 { return []int64{10 * msec, 150 * msec}[g] }, func(g int, _, _, late int64) {
		if g == 1 {
			reads++
		} else if late > 10*msec {
			waited++
			require.LessOrEqual(t, late, 160*msec)
		}
	})
	require.Equal(t, reads, waited)
	require.Greater(t, reads, 300)
	require.LessOrEqual(t, reads, 361, "once in 10 s")
	require.Greater(t, s.Starved(3_600_000*msec), uint64(3000))
}

func TestBudgetIsTheLongestTelemetryReadAndControlBehindIt(t *testing.T) {
	s := NewSchedule([]Group{{Every: 1000, Cost: 26}, {Plane: Telemetry, Every: 9, Cost: 52}, {Plane: Telemetry, Every: 9, Cost: 301}})
	require.Equal(t, int64(327), s.Budget())
	s = NewSchedule([]Group{{Every: 100, Cost: 30}, {Every: 200, Cost: 60}, {Plane: Telemetry, Every: 9, Cost: 20}})
	require.Equal(t, int64(140), s.Budget(), "20, 30 and 60, and the first once more, which falls due meanwhile")
	s = NewSchedule([]Group{{Every: 100, Cost: 60}, {Every: 200, Cost: 100}})
	require.Equal(t, int64(math.MaxInt64), s.Budget(), "more than the line has")
	s = NewSchedule([]Group{{Every: 100}})
	require.Zero(t, s.Budget(), "nothing is known")
	s.Done(first(s, 0), 0, 40)
	require.Equal(t, int64(40), s.Budget(), "what it took is learnt")
	require.Zero(t, NewSchedule(nil).Budget())
}

func TestADeviceOutOfTheScanIsNotReadAndComesBackOnTheGrid(t *testing.T) {
	s := NewSchedule([]Group{{Every: 100}, {Every: 100}, {Plane: Telemetry, Every: 1000}})
	require.Zero(t, first(s, 7))
	s.Scan(0, false, 7)
	s.Scan(2, false, 7)
	require.Equal(t, 1, first(s, 7))
	s.Done(1, 7, 10)
	_, when := s.Next(10)
	require.Equal(t, int64(107), when)
	s.Scan(0, true, 350)
	require.Equal(t, 1, first(s, 350))
	require.Equal(t, int64(244), s.Done(1, 350, 351), "group 1 was due since 107")
	_, when = s.Next(351)
	require.Equal(t, int64(407), when)
	s.Scan(2, true, 360)
	require.Equal(t, 2, first(s, 360), "telemetry is due at once")
}

func TestAReadThatWasNotAskedForMovesTheGroupOn(t *testing.T) {
	s := NewSchedule([]Group{{Every: 100}})
	s.Done(first(s, 0), 0, 5)
	require.Zero(t, s.Done(0, 50, 60), "a sync reads control before it is due: it is not late")
	_, when := s.Next(60)
	require.Equal(t, int64(100), when)
}

func TestOddGroupsAndNumbersDoNoHarm(t *testing.T) {
	s := NewSchedule([]Group{{Every: 0, Cost: -5}, {Every: math.MinInt64}, {Plane: Telemetry, Every: math.MaxInt64, Cost: math.MaxInt64}, {Plane: 77, Every: 1}})
	s.Share(-3)
	for at := int64(0); at < 100; at++ {
		if g, when := s.Next(at); g >= 0 {
			s.Done(g, at, math.MaxInt64/4)
		} else {
			require.Greater(t, when, at)
		}
	}
	for _, g := range []int{-1, 4, math.MaxInt, math.MinInt} {
		require.Zero(t, s.Done(g, 0, 1))
		s.Scan(g, false, 0)
	}
	require.Equal(t, int64(math.MaxInt64), s.Budget())
	g, when := NewSchedule(nil).Next(5)
	require.Equal(t, [2]int64{-1, math.MaxInt64}, [2]int64{int64(g), when})
}

func TestTelemetryThatIsJustDoneBeforeControlFallsDueMayBegin(t *testing.T) {
	s := NewSchedule([]Group{{Every: 100}, {Plane: Telemetry, Every: 1000, Cost: 60}})
	s.Done(first(s, 0), 0, 40)
	require.Equal(t, 1, first(s, 40))
	require.Equal(t, -1, first(s, 41))
}

func TestTheTelemetryGroupThatHasToBeDoneSoonestGoesFirst(t *testing.T) {
	s := NewSchedule([]Group{{Plane: Telemetry, Every: 500}, {Plane: Telemetry, Every: 100}, {Plane: Telemetry, Every: 300}})
	s.Share(100)
	var order []int
	schedRun(s, 0, 30, func(int) int64 { return 10 }, func(g int, _, _, _ int64) { order = append(order, g) })
	require.Equal(t, []int{1, 2, 0}, order)
}

func TestACostIsLearntAtOnceAndForgottenSlowly(t *testing.T) {
	s := NewSchedule([]Group{{Every: 10_000, Cost: 50}})
	at := int64(0)
	cost := func(took int64) int64 {
		s.Done(first(s, at), at, at+took)
		at += 10_000
		return s.Budget()
	}
	require.Equal(t, int64(1600), cost(1600))
	require.Equal(t, int64(1500), cost(0))
	last := int64(1500)
	for last > 50 {
		now := cost(0)
		require.Less(t, now, last)
		require.GreaterOrEqual(t, now, last-last/16-1)
		last = now
	}
	require.Equal(t, int64(50), cost(0), "never below what is declared")
}
