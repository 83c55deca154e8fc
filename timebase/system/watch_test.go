// The claims of the watcher, in bubbles of time, with references that say what the test wants.

package system

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

// spoken is a reference that says what it is told to.
type spoken struct {
	clock timebase.Clock
	mu    sync.Mutex
	say   timebase.Reading // Good, Offset, Bound, Why
	quiet int64            // since when nothing is heard; 0: it is heard now
	err   error
	hang  chan struct{} // until it is closed, no answer comes, whatever ctx says
	slow  time.Duration
	reads int
}

func (s *spoken) Read(ctx context.Context) (timebase.Reading, error) {
	s.mu.Lock()
	r, err, hang, slow := s.say, s.err, s.hang, s.slow
	s.reads++
	r.Mono, r.UTC = look(s.clock)
	if r.Heard = r.Mono; s.quiet != 0 {
		r.Heard = s.quiet
	}
	s.mu.Unlock()
	if hang != nil {
		<-hang
	}
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		err = ctx.Err()
	}
	return r, err
}

func (s *spoken) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *spoken) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// scene is a watcher that runs in a bubble in which it is 2027.
type scene struct {
	*Watch
	told  []timebase.Change
	rang  atomic.Int64
	steps chan func()
	end   func() error
}

// inScene runs a test in a bubble.
func inScene(t *testing.T, body func(t *testing.T, c timebase.Clock)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour) // a bubble begins in the year 2000
		body(t, NewClock(1))
	})
}

func watch(t *testing.T, c timebase.Clock, refs ...Watching) *scene {
	t.Helper()
	s := &scene{steps: make(chan func(), 1)}
	w, err := NewWatch(c, refs, &WatchOptions{Told: func(c timebase.Change) { s.told = append(s.told, c) }})
	require.NoError(t, err)
	w.steps = func(ctx context.Context, told func()) error {
		s.steps <- told
		<-ctx.Done()
		return ctx.Err()
	}
	s.Watch = w
	w.Notify(func() { s.rang.Add(1) })
	s.run(t)
	return s
}

// run has the watcher run until end is called, or the test is over.
func (s *scene) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.end = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = s.end() })
}

// after lets time pass, to just behind a second, and observes.
func (s *scene) after(d time.Duration) timebase.Observation {
	time.Sleep(d)
	synctest.Wait()
	return s.Observe()
}

// of makes a reference that is good.
func of(c timebase.Clock, name string, kind timebase.Kind) (*spoken, Watching) {
	s := &spoken{clock: c, say: timebase.Reading{Good: true, Offset: -40_000, Bound: 100_000}}
	return s, Watching{Ref: timebase.Ref{Name: name, Kind: kind, MaxAge: int64(10 * time.Second)}, From: s}
}

func TestAReferenceIsShownOnceItWasGoodForLongEnoughAndNobodyHasToAsk(t *testing.T) {
	inScene(t, func(t *testing.T, c timebase.Clock) {
		_, ntp := of(c, "chrony", timebase.NTP)
		s := watch(t, c, ntp)
		o := s.after(time.Second)
		require.Equal(t, timebase.Unset, o.Sync, "one good reading is no evidence yet")
		rang := s.rang.Load()
		o = s.after(5 * time.Second)
		require.Equal(t, timebase.NTPSync, o.Sync)
		require.Equal(t, "chrony", o.Source)
		require.EqualValues(t, -40_000, o.Offset)
		require.Equal(t, o.UTC, time.Now().UnixNano())
		require.Equal(t, o.Mono, c.Now())
		require.GreaterOrEqual(t, o.Bound, int64(140_000))
		require.Less(t, o.Bound, int64(340_000))
		require.Greater(t, s.rang.Load(), rang, "who waits for it is told")
		require.Equal(t, timebase.Raised, s.told[0].Reason)
	})
}

func TestAReferenceThatHangsKeepsNoOtherWaiting(t *testing.T) {
	inScene(t, func(t *testing.T, c timebase.Clock) {
		stuck, one := of(c, "stuck", timebase.PTP)
		late, two := of(c, "late", timebase.NTP)
		live, three := of(c, "live", timebase.NTP)
		stuck.hang, late.slow = make(chan struct{}), time.Hour
		s := watch(t, c, one, two, three)
		o := s.after(20*time.Second + time.Millisecond)
		require.Equal(t, "live", o.Source)
		require.Equal(t, timebase.NTPSync, o.Sync)
		require.Equal(t, 1, stuck.count(), "it is not read while it is read")
		require.Equal(t, 11, late.count(), "a reading ends after two seconds")
		require.Equal(t, 21, live.count(), "once a second")
		close(stuck.hang)
	})
}

func TestAReferenceThatStopsToAnswerIsLost(t *testing.T) {
	inScene(t, func(t *testing.T, c timebase.Clock) {
		for name, change := range map[string]func(*spoken){
			"an error":       func(r *spoken) { r.err = errors.New("no such daemon") },
			"no answer":      func(r *spoken) { r.slow = time.Hour },
			"silence":        func(r *spoken) { r.quiet = c.Now() },
			"its own word":   func(r *spoken) { r.say.Good, r.say.Why = false, "no source is selected" },
			"a hanging call": func(r *spoken) { r.hang = make(chan struct{}) },
		} {
			r, w := of(c, "chrony", timebase.NTP)
			s := watch(t, c, w)
			require.Equal(t, timebase.NTPSync, s.after(10*time.Second).Sync, name)
			r.set(func() { change(r) })
			o := s.after(15 * time.Second)
			require.Equal(t, timebase.Holdover, o.Sync, name)
			require.NotEmpty(t, o.Reason.String(), name)
			if r.hang != nil {
				close(r.hang)
			}
			require.ErrorIs(t, s.end(), context.Canceled)
		}
	})
}

func TestAPTPThatIsGoodIsReadFourTimesASecondAndAChipOnceAMinute(t *testing.T) {
	inScene(t, func(t *testing.T, c timebase.Clock) {
		ptp, one := of(c, "ptp", timebase.PTP)
		board, err := sim.NewBoard(1, &sim.BoardOptions{UTC: time.Now().UnixNano()})
		require.NoError(t, err)
		chip := Watching{Ref: timebase.Ref{Name: "rtc", Kind: timebase.RTC}, From: NewChip(c, board.RTC())}
		s := watch(t, c, one, chip)
		o := s.after(time.Millisecond)
		require.Equal(t, timebase.RTCOnly, o.Sync)
		require.Equal(t, "rtc", o.Source)
		o = s.after(10 * time.Second)
		require.Equal(t, timebase.PTPLocked, o.Sync)
		require.InDelta(t, 40, ptp.count(), 2)
		ptp.set(func() { ptp.say.Good, ptp.say.Why = false, "port 1 is LISTENING" })
		o = s.after(10 * time.Second)
		require.InDelta(t, 50, ptp.count(), 3)
		require.Equal(t, timebase.Holdover, o.Sync)
		require.Equal(t, "port 1 is LISTENING", o.Why)
	})
}

func TestAStepIsLookedAtAsSoonAsTheKernelTellsOfIt(t *testing.T) {
	inScene(t, func(t *testing.T, c timebase.Clock) {
		_, ntp := of(c, "chrony", timebase.NTP)
		s := watch(t, c, ntp)
		require.Equal(t, timebase.NTPSync, s.after(10*time.Second+time.Millisecond).Sync)
		before := s.shown.Load()
		told := <-s.steps
		time.Sleep(300 * time.Millisecond)
		told()
		synctest.Wait()
		require.Equal(t, c.Now(), s.shown.Load().Mono, "looked at in the same moment")
		require.NotEqual(t, before, s.shown.Load())
	})
}

func TestWhatNobodyWatchesIsTakenBack(t *testing.T) {
	inScene(t, func(t *testing.T, c timebase.Clock) {
		_, ntp := of(c, "chrony", timebase.NTP)
		s := watch(t, c, ntp)
		require.Equal(t, timebase.NTPSync, s.after(10*time.Second).Sync)
		require.ErrorIs(t, s.end(), context.Canceled)
		require.Equal(t, timebase.NTPSync, s.after(4*time.Second).Sync)
		o := s.after(2 * time.Second)
		require.Equal(t, timebase.Holdover, o.Sync)
		require.Equal(t, "nobody watches the references", o.Why)
		require.Equal(t, o.UTC, time.Now().UnixNano())
		s.steps = make(chan func(), 1)
		s.run(t)
		require.Equal(t, timebase.NTPSync, s.after(10*time.Second).Sync, "a Watch may be run again")
		require.ErrorContains(t, s.Run(t.Context()), "run a Watch once at a time")
	})
}

func TestNotifyEndsWithStop(t *testing.T) {
	inScene(t, func(t *testing.T, c timebase.Clock) {
		r, ntp := of(c, "chrony", timebase.NTP)
		s := watch(t, c, ntp)
		var rang atomic.Int64
		stop := s.Notify(func() { rang.Add(1) })
		s.after(10 * time.Second)
		require.NotZero(t, rang.Load())
		stop()
		rang.Store(0)
		r.set(func() { r.say.Good = false })
		s.after(10 * time.Second)
		require.Zero(t, rang.Load())
	})
}

func TestABoundIsToldOfOnlyWhereItGrewBeyondWhatWasExpected(t *testing.T) {
	inScene(t, func(t *testing.T, c timebase.Clock) {
		r, ntp := of(c, "chrony", timebase.NTP)
		s := watch(t, c, ntp)
		s.after(10 * time.Second)
		rang := s.rang.Load()
		s.after(10 * time.Minute)
		require.Equal(t, rang, s.rang.Load(), "nothing has changed")
		r.set(func() { r.say.Bound += 1_000_000 })
		s.after(2 * time.Second)
		require.Equal(t, rang+1, s.rang.Load(), "the bound has")
	})
}

func TestObservingAllocatesNothing(t *testing.T) {
	c := NewClock(1)
	w, err := NewWatch(c, []Watching{{Ref: timebase.Ref{Name: "kernel", Kind: timebase.NTP}, From: NewKernel(c)}}, nil)
	require.NoError(t, err)
	var o timebase.Observation
	require.Zero(t, testing.AllocsPerRun(1000, func() { o = w.Observe() }))
	require.NotZero(t, o.Mono)
}

func TestAWatchRefusesWhatItCannotWatch(t *testing.T) {
	c := NewClock(1)
	ref := Watching{Ref: timebase.Ref{Name: "kernel", Kind: timebase.NTP}, From: NewKernel(c)}
	refuse := func(want string, c timebase.Clock, opt *WatchOptions, refs ...Watching) {
		t.Helper()
		_, err := NewWatch(c, refs, opt)
		require.ErrorContains(t, err, want)
	}
	refuse("give that, or watch none", NewClock(2), nil, ref)
	refuse("give that, or watch none", other{}, nil, ref)
	refuse(`"kernel": give what it is read from`, c, nil, Watching{Ref: ref.Ref})
	refuse(`"kernel": give what it is read from`, c, nil, Watching{Ref: ref.Ref, From: ref.From, Every: -1})
	refuse("leave it empty", c, &WatchOptions{Config: timebase.Config{Refs: []timebase.Ref{ref.Ref}}}, ref)
	refuse("0 references", c, nil)
	refuse(`"kernel" stands twice`, c, nil, slices.Repeat([]Watching{ref}, 2)...)
}
