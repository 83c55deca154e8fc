// Stories: what a line says when its links fail, each as a file to be read.

package line

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

func TestACableIsPulledAndPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPLC("a:502")
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: p})
		st.pass(time.Second)
		st.note("the cable is pulled")
		p.set(func() { p.paths["a:502"].cut = true })
		st.pass(5 * time.Second)
		require.ErrorIs(t, st.write("a/valve", 1, false), fieldbus.ErrRefused)
		require.ErrorIs(t, st.write("a/valve", 0, true), fieldbus.ErrRefused)
		st.note("the cable is put back; the level has changed")
		p.set(func() { p.paths["a:502"].cut, p.words["level"] = false, 9 })
		st.pass(5 * time.Second)
		require.NoError(t, st.write("a/valve", 1, false))
		st.pass(time.Second)
		st.end()
		st.check("cable")
	})
}

func TestALinkThatFlapsIsConnectedAgainEachTimeAndGoodOnlyAfterItsTagsWereRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPLC("a:502")
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: p})
		for i := range 4 {
			st.pass(time.Duration(300+170*i) * time.Millisecond)
			st.note("down")
			p.set(func() { p.paths["a:502"].cut = true })
			st.pass(time.Duration(90+60*i) * time.Millisecond)
			st.note("up")
			p.set(func() { p.paths["a:502"].cut = false })
		}
		st.pass(3 * time.Second)
		st.end()
		st.check("flapping")
	})
}

func TestALinkThatIsHalfOpenIsNoticedByTheFirstReadAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPLC("a:502")
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: p})
		st.pass(450 * time.Millisecond)
		st.note("nothing comes back any more")
		p.set(func() { p.paths["a:502"].silent = true })
		st.pass(251 * time.Millisecond)
		st.note("a write to a point that is stale, while the line waits")
		require.ErrorIs(t, st.write("a/dose", 3, false), fieldbus.ErrRefused)
		st.pass(3 * time.Second)
		p.set(func() { p.paths["a:502"].silent = false })
		st.note("it is whole again")
		st.pass(3 * time.Second)
		st.end()
		st.check("half_open")
	})
}

func TestASlaveThatIsSilentLeavesTheScanAndDoesNotSlowTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &slave{plc: newPLC("a:502")}, &slave{plc: newPLC("b:502")}
		for _, p := range []*slave{a, b} {
			p.paths[map[*slave]string{a: "a:502", b: "b:502"}[p]].delay = 5 * time.Millisecond
		}
		st := tell(t, mapOf("a", "b"), nil, Attached{Device: "a", Driver: a}, Attached{Device: "b", Driver: b})
		st.pass(time.Second)
		st.note("b is switched off")
		b.set(func() { b.paths["b:502"].silent = true })
		st.pass(20 * time.Second)
		st.note("b is switched on")
		b.set(func() { b.paths["b:502"].silent = false })
		st.pass(15 * time.Second)
		before, gap := int64(0), int64(0)
		for _, r := range st.all() {
			if r.Channel == "a/level" && r.Quality == tag.Good {
				if before != 0 {
					gap = max(gap, r.At-before)
				}
				before = r.At
			}
		}
		require.Less(t, gap, 500*ms, "a waits for one time-out of b, and never for two in a row")
		st.end()
		st.check("silent_slave")
	})
}

func TestAWriteOfUnknownOutcomeIsReadBackBeforeTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &slave{plc: newPLC("a:502")}
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: p})
		st.pass(1050 * time.Millisecond)
		lose := func(v uint64) {
			st.note("the answer to the next write comes too late")
			p.set(func() { p.paths["a:502"].delay = 200 * time.Millisecond })
			require.ErrorIs(t, st.write("a/dose", v, false), fieldbus.ErrUnknown)
			p.set(func() { p.paths["a:502"].delay = 20 * time.Millisecond })
			require.ErrorIs(t, st.write("a/dose", v, false), fieldbus.ErrRefused, "nor is it written again in doubt")
		}
		lose(7)
		require.NoError(t, st.write("a/dose", 7, true), "towards the safe side it is tried in doubt, too; it is there, and not sent again")
		require.Equal(t, []string{"dose=7"}, p.writes())
		st.pass(3 * time.Second)
		lose(8)
		require.NoError(t, st.write("a/dose", 0, true), "another value is written when the point was read back")
		require.Equal(t, []string{"dose=7", "dose=8", "dose=0"}, p.writes())
		st.pass(3 * time.Second)
		lose(9)
		st.note("the next poll reads it back")
		st.pass(3 * time.Second)
		require.NoError(t, st.write("a/dose", 10, false))
		st.end()
		st.check("unknown_write")
	})
}

// debtor is a slave that owes by some endpoints.
type debtor struct {
	*slave
	by map[string]bool
}

func (d debtor) Owes(endpoint string) bool { return d.by[endpoint] }

func TestADeviceThatOwesByNoneOfItsEndpointsIsNeverInDoubt(t *testing.T) {
	for _, c := range []struct {
		by     map[string]bool
		states []fieldbus.LinkState
	}{
		{nil, []fieldbus.LinkState{fieldbus.Connecting, fieldbus.Syncing, fieldbus.Up}},
		{map[string]bool{"b:502": true}, []fieldbus.LinkState{fieldbus.Connecting, fieldbus.Doubt, fieldbus.Syncing, fieldbus.Up}},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := debtor{&slave{plc: newPLC("a:502", "b:502")}, c.by}
			st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: d, Endpoints: []string{"a:502", "b:502"}})
			st.pass(time.Second)
			var states []fieldbus.LinkState
			for _, e := range st.kind(fieldbus.LinkChanged) {
				states = append(states, e.New)
			}
			require.Equal(t, c.states, states)
			st.end()
		})
	}
}

func TestASessionWithADoubtThatNobodyCanEndIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPLC("a:502")
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: p})
		st.pass(time.Second)
		p.set(func() {
			p.refuse = func([]*fieldbus.Point) error { p.refuse = nil; return fieldbus.ErrDoubt }
		})
		st.pass(time.Second)
		var states []fieldbus.LinkState
		for _, e := range st.kind(fieldbus.LinkChanged)[3:] {
			states = append(states, e.New)
		}
		require.Equal(t, []fieldbus.LinkState{fieldbus.Down, fieldbus.Connecting, fieldbus.Syncing, fieldbus.Up}, states)
		st.end()
	})
}

func TestAnotherDeviceAtTheSameAddressIsNeverBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mapOf("a")
		m.Devices[0].Identify, m.Devices[0].Identity = &meter.Points[7], "FT-100"
		p := newPLC("a:502")
		p.text = "PT-7"
		st := tell(t, m, nil, Attached{Device: "a", Driver: p})
		st.pass(time.Second)
		require.ErrorIs(t, st.write("a/valve", 1, true), fieldbus.ErrRefused, "not even to the safe side: it is not our valve")
		v, err := st.line.Value("a/level")
		require.NoError(t, err)
		require.Equal(t, fieldbus.StatusConfigurationError, v.Status)
		st.note("the right one is put in")
		p.set(func() { p.text = "FT-100 \x00\x00" })
		st.pass(10 * time.Second)
		require.Equal(t, fieldbus.Up, st.line.State()[0].Link)
		st.end()
		st.check("wrong_device")
	})
}

func TestASecondPathIsTakenAndKeptWhileABatchHoldsTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPLC("a:502", "b:502")
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: p, Endpoints: []string{"a:502", "b:502"}})
		st.pass(time.Second)
		st.note("a batch begins; the first path is cut")
		st.line.Hold(true)
		p.set(func() { p.paths["a:502"].cut = true })
		st.pass(3 * time.Second)
		st.note("the first path is whole again")
		p.set(func() { p.paths["a:502"].cut = false })
		st.pass(30 * time.Second)
		require.Equal(t, "b:502", st.line.State()[0].Path)
		st.note("the batch has ended")
		st.line.Hold(false)
		st.pass(3 * time.Second)
		require.Equal(t, "a:502", st.line.State()[0].Path)
		st.end()
		st.check("second_path")
	})
}

func TestADriverThatForgetsItsTimeoutIsEndedByTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPLC("a:502")
		st := tell(t, mapOf("a"), nil, Attached{Device: "a", Driver: p})
		st.pass(time.Second)
		p.set(func() { p.hangs = true })
		st.note("the driver hangs")
		st.pass(8 * time.Second)
		p.set(func() { p.hangs = false })
		st.note("it does not any more")
		st.pass(40 * time.Second)
		require.Equal(t, fieldbus.Up, st.line.State()[0].Link)
		st.end()
		st.check("driver_hangs")
	})
}
