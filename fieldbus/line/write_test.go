// The claims of writes and heartbeats: what is let through, what is said of it, and when it goes.

package line

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

func TestAWriteWaitsForTheExchangeUnderWayAndGoesBeforeTheNextRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pl := &planner{plc: newPLC("a:502"), plan: [][]int{{0}, {1}, {2}}}
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: pl})
		pl.set(func() { pl.paths["a:502"].delay = 10 * time.Millisecond })
		st.pass(1010 * time.Millisecond) // within the first of three reads
		at := st.clock.Now()
		require.NoError(t, st.write("a/valve", 1, false))
		require.Equal(t, 30*ms, st.clock.Now()-at, "the rest of the read, and its own time")
		st.pass(50 * time.Millisecond)
		n := len(pl.reads())
		require.Equal(t, [][]string{{"level"}, {"valve"}, {"dose"}}, pl.reads()[n-4:n-1])
		require.Equal(t, st.of("a/valve")[10].At, at+30*ms, "the next read brings it back")
		st.end()
	})
}

func TestAWriteIsBlockedWhereThePlantIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, nil)
		st.pass(950 * time.Millisecond)
		require.ErrorIs(t, st.write("a/level", 1, true), fieldbus.ErrRefused, "read only, safe or not")
		err := st.line.Write(t.Context(), tag.Write{ID: 7, Channel: "b/level"})
		require.ErrorIs(t, err, fieldbus.ErrRefused)
		require.ErrorContains(t, err, `channel "b/level"`)
		err = st.line.Write(t.Context(), tag.Write{ID: 8, Channel: "a/valve", Deadline: st.clock.Now() - 1})
		require.ErrorContains(t, err, "deadline over by 1ns")
		require.ErrorIs(t, err, fieldbus.ErrRefused, "it was never sent")
		p.set(func() { p.refused["valve"] = true })
		st.pass(100 * time.Millisecond)
		err = st.write("a/valve", 1, false)
		require.ErrorIs(t, err, fieldbus.ErrRefused)
		require.ErrorContains(t, err, "the point is BAD, and was good 150ms ago")
		require.Empty(t, p.writes())
		p.set(func() { p.refused["valve"] = false })
		st.pass(100 * time.Millisecond)
		require.NoError(t, st.write("a/valve", 1, false))
		st.pass(35 * time.Millisecond)
		require.NoError(t, st.write("a/horn", 1, false), "it cannot be read; its device has answered not long ago")
		told := st.kind(fieldbus.WriteTold)
		require.Len(t, told, 3, "each that was blocked")
		require.Equal(t, fieldbus.Event{
			Kind: fieldbus.WriteTold, At: told[2].At, Device: "a", Channel: "a/valve", New: fieldbus.Up, WriteID: 2,
			Status: fieldbus.StatusDeviceFailure, Age: told[2].Age, Limit: 250 * ms, Outcome: fieldbus.OutcomeRefused,
			Cause: "write refused: the point is BAD, and was good 150ms ago",
		}, told[2])
		st.end()
	})
}

func TestAStalePointTakesSafeWritesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &slave{plc: newPLC("a:502")}, &slave{plc: newPLC("b:502")}
		st := tell(t, mapOf("a", "b"), nil, Attached{Device: "a", Driver: a}, Attached{Device: "b", Driver: b})
		st.pass(990 * time.Millisecond)
		b.set(func() { b.hangs = true }) // the line is taken by b for seconds, and what is known of a grows old
		st.pass(time.Second)
		b.set(func() { b.hangs = false })
		try := func(point string, safe bool) chan error {
			done := make(chan error, 1)
			go func() {
				done <- st.line.Write(t.Context(), tag.Write{ID: 1, Channel: "a/" + point, Form: st.line.byName["a/"+point].point.Type.Form(), Bits: 0, Safe: safe})
			}()
			return done
		}
		control := try("valve", false)
		synctest.Wait()
		horn := try("horn", false)
		synctest.Wait()
		safe := try("valve", true)
		st.pass(15 * time.Second)
		require.ErrorContains(t, <-control, "the point is STALE")
		require.ErrorContains(t, <-horn, "the device has said nothing for")
		require.NoError(t, <-safe)
		require.Equal(t, []string{"valve=0"}, a.writes())
		st.end()
	})
}

func TestASlaveThatIsNotTheOneOfTheMapTakesNoWriteAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mapOf("a", "b")
		m.Devices[1].Identify, m.Devices[1].Identity = &meter.Points[7], "FT-100"
		a, b := &slave{plc: newPLC("a:502")}, &slave{plc: newPLC("b:502")}
		b.text = "PT-7"
		st := tell(t, m, nil, Attached{Device: "a", Driver: a}, Attached{Device: "b", Driver: b})
		st.pass(time.Second)
		require.Equal(t, fieldbus.Demoted, st.line.State()[1].Link)
		err := st.write("b/valve", 0, true)
		require.ErrorIs(t, err, fieldbus.ErrRefused)
		require.ErrorContains(t, err, "the device has not said yet who it is")
		require.Empty(t, b.writes())
		require.NoError(t, st.write("a/valve", 1, false))
		st.end()
	})
}

func TestAWriteWhoseTurnComesTooLateIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, nil)
		st.pass(950 * time.Millisecond)
		p.set(func() { p.hangs = true })
		st.pass(100 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		at := st.clock.Now()
		err := st.line.Write(ctx, tag.Write{Channel: "a/valve", Form: tag.Bool, Bits: 1})
		require.ErrorContains(t, err, "not begun: the line was busy")
		require.ErrorIs(t, err, fieldbus.ErrRefused, "it was never sent")
		require.NotErrorIs(t, err, fieldbus.ErrUnknown)
		require.Equal(t, 300*ms, st.clock.Now()-at)
		st.end()
	})
}

func TestAWriteThatIsCalledOffBeforeItBeginsIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, nil)
		st.pass(1050 * time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 { // the line is free, and select takes either
			err := st.line.Write(ctx, tag.Write{ID: 1, Channel: "a/valve", Form: tag.Bool, Bits: 1})
			require.ErrorContains(t, err, "not begun: ")
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, fieldbus.ErrRefused, "it was never sent")
			require.NotErrorIs(t, err, fieldbus.ErrUnknown)
		}
		require.Empty(t, p.writes())
		told := st.kind(fieldbus.WriteTold)
		require.Len(t, told, 20)
		require.Equal(t, fieldbus.OutcomeRefused, told[0].Outcome)
		st.end()
	})
}

func TestWhatAnUnknownWriteMayUndoYetIsNotSaidToBeConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &slave{plc: newPLC("a:502")}
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: p})
		st.pass(1050 * time.Millisecond)
		lose := func(v uint64) {
			p.set(func() { p.paths["a:502"].silent = true })
			require.ErrorIs(t, st.write("a/dose", v, false), fieldbus.ErrUnknown)
			p.set(func() { p.paths["a:502"].silent = false })
		}
		lose(8)
		require.NoError(t, st.write("a/dose", 0, true), "it reads 0, and may become 8 yet")
		require.Equal(t, []string{"dose=0"}, p.writes())
		st.pass(3 * time.Second)
		lose(8)
		st.pass(3 * time.Second)
		lose(0)
		require.NoError(t, st.write("a/dose", 0, true), "it was read back meanwhile, and may become 8 all the same")
		require.Equal(t, []string{"dose=0", "dose=0"}, p.writes())
		st.pass(3 * time.Second)
		lose(0)
		require.NoError(t, st.write("a/dose", 0, true), "nothing else is under way")
		require.Len(t, p.writes(), 2)
		st.end()
	})
}

func TestAWriteIsNotBegunWhenWhatMustPrecedeItHasOutlastedItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &slave{plc: newPLC("a:502")}
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: p})
		st.pass(1050 * time.Millisecond)
		p.set(func() { p.paths["a:502"].silent = true })
		require.ErrorIs(t, st.write("a/dose", 8, false), fieldbus.ErrUnknown)
		p.set(func() { p.paths["a:502"].silent, p.paths["a:502"].delay = false, 20*time.Millisecond })
		err := st.line.Write(t.Context(), tag.Write{ID: 9, Channel: "a/dose", Form: tag.Int, Safe: true, Deadline: st.clock.Now() + 350*ms})
		require.ErrorContains(t, err, "not begun: deadline over by")
		require.ErrorIs(t, err, fieldbus.ErrRefused)
		require.Empty(t, p.writes())
		st.end()
	})
}

func TestAWriteThatHangsIsEndedByTheLineWhereNobodyElseDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, func(m *fieldbus.TagMap, _ *plc) {
			m.Devices[0].Identify, m.Devices[0].Identity = &meter.Points[7], "FT-100"
			m.Classes[0].Every = 20 * s
			for i := range m.Tags {
				m.Tags[i].StaleAfter = 60 * s
			}
		})
		st.pass(2500 * time.Millisecond)
		p.begun = func(string, uint64) { p.set(func() { p.hangs = true }) }
		at := st.clock.Now()
		err := st.line.Write(context.WithoutCancel(t.Context()), tag.Write{ID: 1, Channel: "a/valve", Form: tag.Bool, Bits: 1})
		require.ErrorIs(t, err, fieldbus.ErrUnknown)
		require.Less(t, st.clock.Now()-at, 8*s)
		st.end()
	})
}

func TestWhatTheDeviceRefusesLeavesTheLinkAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, nil)
		st.pass(950 * time.Millisecond)
		p.set(func() { p.refused["horn"] = true })
		require.ErrorIs(t, st.write("a/horn", 1, false), fieldbus.ErrRefused)
		require.Equal(t, fieldbus.Up, st.line.State()[0].Link)
		require.Equal(t, fieldbus.OutcomeRefused, st.kind(fieldbus.WriteTold)[0].Outcome)
		st.end()
	})
}

func TestAHeartbeatIsWrittenEachBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, func(m *fieldbus.TagMap, _ *plc) { m.Devices[0].Heartbeat, m.Devices[0].Beat = &meter.Points[2], s })
		st.pass(3500 * time.Millisecond)
		require.Equal(t, []string{"dose=1", "dose=2", "dose=3"}, p.writes())
		p.set(func() { p.refused["dose"] = true })
		st.pass(time.Second)
		require.NotEqual(t, fieldbus.Up, st.line.State()[0].Link)
		require.ErrorContains(t, errorOf(st), "heartbeat dose: write refused")
		st.end()
	})
}

func TestAHeartbeatIsNotWhatMakesAnotherDeviceTheOneOfTheMap(t *testing.T) {
	for _, beat := range []int{5, 2} { // read, written
		synctest.Test(t, func(t *testing.T) {
			m := mapOf("a", "b")
			m.Devices[0].Identify, m.Devices[0].Identity = &meter.Points[7], "FT-100"
			m.Devices[0].Heartbeat, m.Devices[0].Beat = &meter.Points[beat], s
			a, b := newPLC("a:502"), newPLC("b:502")
			a.beats = true
			st := tell(t, m, nil, Attached{Device: "a", Driver: a}, Attached{Device: "b", Driver: b})
			st.pass(1950 * time.Millisecond)
			b.set(func() { b.hangs = true }) // the line is taken by b for seconds
			st.pass(time.Second)
			b.set(func() { b.hangs = false })
			a.set(func() { a.text, a.words["level"], a.written = "PT-7", 77, nil }) // and a is replaced
			st.pass(14 * time.Second)
			for _, r := range st.of("a/level") {
				require.NotEqual(t, uint64(77), r.Bits, "it is of another device")
			}
			require.Empty(t, a.writes(), "another device takes no heartbeat")
			require.Equal(t, fieldbus.Demoted, st.line.State()[0].Link)
			st.end()
		})
	}
}

// errorOf gives why the device is down.
func errorOf(st *story) error { return downError(st.line.State()[0].Down) }

type downError string

func (e downError) Error() string { return string(e) }

func TestAHeartbeatThatStandsStillTakesTheLinkDownUntilItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, func(m *fieldbus.TagMap, p *plc) {
			m.Devices[0].Heartbeat, m.Devices[0].Beat, p.beats = &meter.Points[5], s, true
		})
		st.pass(10 * time.Second)
		require.Equal(t, fieldbus.Up, st.line.State()[0].Link)
		st.note("the program of the device stops; it answers as ever")
		p.set(func() { p.beats = false })
		st.pass(20 * time.Second)
		require.NotEqual(t, fieldbus.Up, st.line.State()[0].Link)
		require.ErrorContains(t, errorOf(st), "stands still at")
		st.note("it goes on")
		p.set(func() { p.beats = true })
		st.pass(40 * time.Second)
		require.Equal(t, fieldbus.Up, st.line.State()[0].Link)
		st.end()
		st.check("heartbeat")
	})
}

func TestAPlanIsMadeAnewWhenTheDriverAsksForItAndNotWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pl := &planner{plc: newPLC("a:502"), plan: [][]int{{0, 1, 2}}}
		pl.plans = 1
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: pl})
		pl.set(func() { pl.plan = [][]int{{0}, {1, 2}} })
		st.pass(time.Second)
		require.Equal(t, fieldbus.Up, st.line.State()[0].Link)
		require.Equal(t, [][]string{{"level", "valve", "dose"}, {"level"}, {"valve", "dose"}}, pl.reads()[:3])
		pl.set(func() { pl.plan = [][]int{{0, 1, 2}} })
		pl.set(func() { pl.plans = 1 })
		st.pass(time.Second)
		require.Equal(t, fieldbus.Up, st.line.State()[0].Link)
		pl.set(func() { pl.plans = 1e6 })
		st.pass(3 * time.Second)
		require.ErrorContains(t, errorOf(st), "plans without end")
		pl.set(func() { pl.plan = [][]int{{0, 0, 2}} })
		st.pass(30 * time.Second)
		require.ErrorContains(t, errorOf(st), "does not have each point once")
		st.end()
	})
}

func TestTheLatencyOfControlIsToldEachHalfMinuteAndAtOnceWhenItsBudgetIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, p := one(t, nil)
		st.pass(40 * time.Second)
		told := st.kind(fieldbus.Measured)
		require.Len(t, told, 1)
		require.Equal(t, fieldbus.Event{Kind: fieldbus.Measured, At: 30*s + 1, Device: "a", Took: 4 * ms, Limit: 50 * ms,
			Count: 299}, told[0])
		p.set(func() { p.paths["a:502"].delay = 30 * time.Millisecond })
		st.pass(time.Second)
		told = st.kind(fieldbus.Measured)
		require.Len(t, told, 2, "once")
		require.Equal(t, []int64{60 * ms, 1}, []int64{told[1].Took, told[1].Over})
		st.pass(30 * time.Second)
		told = st.kind(fieldbus.Measured)
		require.Len(t, told, 3)
		require.Greater(t, told[2].Over, int64(150))
		st.end()
	})
}

func TestThePauseAfterConnectingIsKeptAndTheLineIsFreeMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := *meter
		slow.Limits.ConnectPause = s
		m := mapOf("a", "b")
		m.Devices[0].Profile = &slow
		a, b := newPLC("a:502"), newPLC("b:502")
		st := tell(t, m, nil, Attached{Device: "a", Driver: a}, Attached{Device: "b", Driver: b})
		st.pass(990 * time.Millisecond)
		require.Empty(t, a.reads())
		require.Len(t, b.reads(), 11)
		st.pass(100 * time.Millisecond)
		require.NotEmpty(t, a.reads())
		st.end()
	})
}
