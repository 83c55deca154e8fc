// The claims of a line: what it refuses, what it emits and when, how its Watch ends, what it shows.

package line

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

// one is a story of one device a.
func one(t *testing.T, change func(m *fieldbus.TagMap, p *plc)) (*story, *plc) {
	t.Helper()
	m, p := mapOf("a"), newPLC("a:502")
	if change != nil {
		change(m, p)
	}
	return tell(t, m, nil, Attached{Device: "a", Driver: p}), p
}

// of gives what was emitted of a channel since it was asked last.
func (st *story) of(channel string) (raws []tag.Raw) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, r := range st.raws {
		if r.Channel == channel {
			raws = append(raws, r)
		}
	}
	st.raws = nil
	return raws
}

// all gives what was emitted.
func (st *story) all() []tag.Raw {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.raws)
}

// kind gives the events of a kind.
func (st *story) kind(k fieldbus.EventKind) (list []fieldbus.Event) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, e := range st.events {
		if e.Kind == k {
			list = append(list, e)
		}
	}
	return list
}

func TestALineSaysAllThatIsWrongWithWhatItIsMadeOf(t *testing.T) {
	m := mapOf("a", "b", "c")
	m.Devices[1].Endpoints = nil
	m.Devices[2].Identify = &meter.Points[7]
	m.Tags = m.Tags[:5]
	m.Tags = append(m.Tags, m.Tags[0], fieldbus.Tag{Channel: "a/x", Point: 99})
	p := newPLC()
	_, err := New(m, []Attached{
		{Device: "a", Driver: p}, {Device: "a", Driver: p}, {Device: "b", Driver: p}, {Device: "c", Driver: mute{p}}, {Device: "d", Driver: p},
		{Device: "b", Endpoints: []string{"x"}},
	}, nil)
	for _, want := range []string{
		`device "a" is attached twice`, `device "b": has 0 endpoints; name 1 to 8`, `"c" is to be identified by "type", and its driver reads no text`,
		`device "d" is not in tag map "plant"`, `device "b": it wants a driver`, `channel "a/level" is there twice`, `channel "a/x": its class or point`,
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = New(m, nil, nil)
	require.ErrorContains(t, err, "1 to 247 devices are wanted, not 0")
	_, err = New(mapOf("a"), []Attached{{Device: "a", Driver: &planner{plc: p, plan: [][]int{{0, 1}, {1}}}}}, nil)
	require.ErrorContains(t, err, "the driver's plan does not have each point once")
	_, err = New(mapOf("a"), []Attached{{Device: "a", Driver: &planner{plc: p, plan: [][]int{{0, 1}}}}}, nil)
	require.ErrorContains(t, err, "the driver's plan does not have each point once")
}

// mute is a driver that reads no text.
type mute struct{ Device }

// planner is a driver with a plan of its own.
type planner struct {
	*plc
	plan [][]int // of three points
}

func (p *planner) Plan(points []*fieldbus.Point) [][]int {
	if len(points) == 1 {
		return [][]int{{0}}
	}
	return p.plan
}

func TestEveryChannelIsEmittedOnceAllWasReadAndThenEachTimeWithTheTimeAtWhichItWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, nil)
		p.set(func() { p.paths["a:502"].delay = 10 * time.Millisecond })
		require.Empty(t, st.all(), "nothing is said before it is known")
		v, err := st.line.Value("a/level")
		require.NoError(t, err)
		require.Equal(t, fieldbus.StatusWaiting, v.Status)
		st.pass(399 * time.Millisecond)
		all := st.all()
		names := map[string]int{}
		for _, r := range all[:5] {
			names[r.Channel]++
		}
		require.Len(t, names, 5, "the first five values are one of each channel")
		var level []tag.Raw
		for _, r := range all {
			if r.Channel == "a/level" {
				level = append(level, r)
			}
		}
		begun := []int64{4, 100, 200, 300}
		require.Len(t, level, len(begun))
		for i, r := range level {
			require.Equal(t, tag.Raw{Channel: "a/level", Form: tag.Int, Bits: 5, Quality: tag.Good, At: begun[i]*ms + 1}, r)
		}
		st.end()
	})
}

func TestABatchThatHoldsADeviceBeforeItIsConnectedMakesNoValueBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := New(mapOf("a"), []Attached{{Device: "a", Driver: newPLC("a:502")}}, nil)
		require.NoError(t, err)
		l.Hold(true)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, l.Watch(ctx, func(r tag.Raw) {
			if r.Channel == "a/level" {
				require.Equal(t, tag.Good, r.Quality)
				cancel()
			}
		}))
	})
}

func TestADeviceThatCannotBeReachedIsEmittedBadOnceAtItsFirstTryAndAtEveryWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pl := newPLC("a:502")
		pl.set(func() { pl.paths["a:502"].cut = true })
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: pl})
		st.pass(20 * time.Second)
		require.Len(t, st.all(), 5)
		st.end()
	})
}

func TestALostLinkIsEmittedBadOnceAndThenNothingUntilEveryControlTagWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pl := &planner{plc: newPLC("a:502"), plan: [][]int{{0}, {2, 1}}}
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: pl})
		st.pass(950 * time.Millisecond)
		st.of("a/level")
		pl.set(func() { pl.paths["a:502"].cut = true })
		st.pass(10 * time.Second)
		require.Equal(t, []tag.Raw{{Channel: "a/level", Form: tag.Int, At: st.kind(fieldbus.LinkChanged)[3].At}}, st.of("a/level"))
		pl.set(func() { // it is connected, and breaks at the second exchange
			pl.paths["a:502"].cut = false
			pl.refuse = func(points []*fieldbus.Point) error {
				if points[0].Name == "dose" {
					return errors.New("broken pipe")
				}
				return nil
			}
		})
		st.pass(60 * time.Second)
		require.Empty(t, st.of("a/level"), "it was read, and not all was")
		require.ErrorIs(t, st.write("a/valve", 1, false), fieldbus.ErrRefused)
		pl.set(func() { pl.refuse = nil })
		st.pass(40 * time.Second)
		require.Equal(t, tag.Good, st.of("a/level")[0].Quality)
		st.end()
	})
}

func TestAPointThatTheDeviceRefusesIsBadAndTheOthersAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, nil)
		st.pass(time.Second)
		p.set(func() { p.refused["level"] = true })
		st.pass(time.Second)
		v, err := st.line.Value("a/level")
		require.NoError(t, err)
		q, status, age := v.At(st.line.Now())
		require.Equal(t, tag.Bad, q)
		require.Equal(t, fieldbus.StatusDeviceFailure, status)
		require.Greater(t, age, s-110*ms, "since it was good")
		v, err = st.line.Value("a/valve")
		require.NoError(t, err)
		require.Equal(t, tag.Good, v.Raw.Quality)
		require.Equal(t, fieldbus.Up, st.line.State()[0].Link)
		for i := range 600 {
			p.set(func() { p.refused["level"] = i%2 == 1 })
			st.pass(100 * time.Millisecond)
		}
		told, changes := st.kind(fieldbus.PointChanged), int64(0)
		for _, e := range told {
			changes += e.Count
		}
		require.Less(t, len(told), 10, "one that changes all the time is told of ever more seldom")
		require.Greater(t, changes, int64(250), "and how often it has")
		st.end()
	})
}

func TestWatchEndsWithItsContextWhateverItIsDoing(t *testing.T) {
	for name, change := range map[string]func(p *plc){
		"nothing":    func(*plc) {},
		"reading":    func(p *plc) { p.paths["a:502"].silent = true },
		"hanging":    func(p *plc) { p.hangs = true },
		"connecting": func(p *plc) { p.up = nil; p.paths["a:502"].silent = true },
	} {
		synctest.Test(t, func(t *testing.T) {
			st, p := one(t, nil)
			st.pass(time.Second)
			p.set(func() { change(p) })
			st.pass(170 * time.Millisecond)
			at := st.clock.Now()
			st.end()
			require.LessOrEqual(t, st.clock.Now()-at, 5*ms, name)
			require.Equal(t, "nobody watches the line any more", st.line.State()[0].Down, name)
			require.Nil(t, p.up, "%s: it is closed", name)
			last := st.kind(fieldbus.LinkChanged)
			require.Equal(t, fieldbus.Down, last[len(last)-1].New, name)
			require.ErrorIs(t, st.write("a/valve", 1, true), fieldbus.ErrDown, name)

			p.set(func() { p.hangs, p.paths["a:502"].silent = false, false })
			st.of("")
			st.begin()
			st.pass(30 * time.Second)
			require.Equal(t, tag.Bad, st.all()[0].Quality, "%s: a Watch begins with nothing", name)
			require.Equal(t, fieldbus.Up, st.line.State()[0].Link, name)
			require.ErrorContains(t, st.line.Watch(t.Context(), nil), "has a Watch already")
			st.end()
		})
	}
}

func TestWatchEndsAWriteThatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, nil)
		st.pass(time.Second)
		p.set(func() { p.hangs = true })
		done := make(chan error, 1)
		go func() { done <- st.line.Write(t.Context(), tag.Write{ID: 9, Channel: "a/valve", Bits: 1}) }()
		st.pass(20 * time.Millisecond)
		at := st.clock.Now()
		st.end()
		require.LessOrEqual(t, st.clock.Now()-at, 5*ms)
		require.ErrorIs(t, <-done, fieldbus.ErrUnknown)
		require.Equal(t, fieldbus.OutcomeUnknown, st.kind(fieldbus.WriteTold)[0].Outcome)
	})
}

func TestADriverThatPanicsLosesTheWatchAndNotTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, nil)
		st.pass(time.Second)
		st.end()
		p.set(func() { p.refuse = func([]*fieldbus.Point) error { panic("driver") } })
		require.Panics(t, func() { _ = st.line.Watch(t.Context(), st.raw) })
		p.set(func() { p.refuse, p.up = nil, nil })
		st.begin()
		st.pass(5 * time.Second)
		require.Equal(t, fieldbus.Up, st.line.State()[0].Link)
		st.end()
	})
}

func TestWhoeverIsToldMayAskTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, _ := one(t, nil)
		st.pass(450 * time.Millisecond)
		asked := 0
		st.line.Report(func(fieldbus.Event) {
			asked += len(st.line.State()) + len(st.line.Values(nil))
			st.line.Hold(true)
			st.line.Report(func(fieldbus.Event) { asked++ })
		})
		st.end()
		require.Equal(t, 1+5+1, asked)
	})
}

func TestViewsTellTheAgeToTheNanosecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, nil)
		st.pass(950 * time.Millisecond)
		all := st.line.Values(nil)
		require.Len(t, all, 5)
		q, _, age := all[0].At(st.line.Now())
		require.Equal(t, tag.Good, q)
		require.Equal(t, st.line.Now()-(900*ms+1), age)
		q, status, age := all[4].At(st.line.Now())
		require.Equal(t, []any{tag.Bad, fieldbus.StatusWaiting, int64(-1)}, []any{q, status, age}, "one that is never read")
		p.set(func() { p.paths["a:502"].silent = true })
		st.pass(200*time.Millisecond + 1)
		v, err := st.line.Value("a/level")
		require.NoError(t, err)
		q, _, age = v.At(900*ms + 1 + 250*ms)
		require.Equal(t, []any{tag.Good, 250 * ms}, []any{q, age})
		q, status, _ = v.At(900*ms + 1 + 250*ms + 1)
		require.Equal(t, []any{tag.Stale, fieldbus.StatusLastUsable}, []any{q, status}, "it is stale by its age, before the time-out is over")
		_, err = st.line.Value("b/level")
		require.ErrorContains(t, err, "do not have it")
		st.end()
		require.Equal(t, State{Device: "a", Path: "a:502", Down: errUnwatched.Error(), Since: st.clock.Now()}, st.line.State()[0])
	})
}

func TestWithoutAClockOfTheRigValuesCarryNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPLC("a:502")
		l, err := New(mapOf("a"), []Attached{{Device: "a", Driver: p}}, nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, l.Watch(ctx, func(r tag.Raw) { require.Zero(t, r.At) }))
	})
}

// TestOnTheRealClock is one look at the machine's own time.
func TestOnTheRealClock(t *testing.T) {
	p := newPLC("a:502")
	l, err := New(mapOf("a"), []Attached{{Device: "a", Driver: p}}, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done, good := make(chan error, 1), make(chan struct{})
	n := 0
	go func() {
		done <- l.Watch(ctx, func(r tag.Raw) {
			if r.Channel == "a/level" && r.Quality == tag.Good {
				if n++; n == 3 {
					close(good)
				}
			}
		})
	}()
	<-good
	require.NoError(t, l.Write(ctx, tag.Write{ID: 1, Channel: "a/horn", Bits: 1}))
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, []string{"horn=1"}, p.writes())
}
