// The claims of the package, in memory and in a bubble where no process has to die.

package wire

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase/system"
	"github.com/stretchr/testify/require"
)

func TestThePortOfARunnerKeepsTheContractOfAPort(t *testing.T) {
	for name, n := range map[string]api.Network{"in memory": &api.Memory{}, "on a socket": api.Sockets(t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, n, nil)
			clock := system.NewClock(1)
			p := Dial(n, Options{Batch: "B-1", Channels: all, Outputs: outputsOf("U1", "U2"), Clock: clock})
			defer p.Close()
			p.Grant([]string{"U1", "U2"}, 7)
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
			defer cancel()
			report, err := haltest.Port(ctx, p, &haltest.PortOptions{Clock: clock, Channels: all, First: 20 * time.Second, Settle: 20 * time.Second,
				Outputs: []haltest.PortOutput{{Channel: "do/1"}, {Channel: "ao/1", Form: tag.Int, Values: [2]uint64{200, 300}}},
				Loops:   [][2]string{{"do/1", "di/1"}}})
			require.NoError(t, err)
			t.Log(report)
			require.Empty(t, r.records(record.KindRunnerLost))
		})
	}
}

func TestARunnerWithoutTheEquipmentDrivesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		u := r.newRunner("B-1", outputsOf("U1", "U2"))
		require.ErrorIs(t, u.write("do/1", 1), tag.ErrRefused)
		u.p.Grant([]string{"U1"}, 1)
		require.NoError(t, u.write("do/1", 1))
		require.ErrorIs(t, u.write("do/3", 1), tag.ErrRefused, "that is another unit's")
		u.p.Release([]string{"U1"})
		require.ErrorIs(t, u.write("do/1", 0), tag.ErrRefused)
		r.reads("do/1", 1)
	})
}

func TestALowerTokenIsRefusedAndRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		old, young := r.newRunner("B-1", outputsOf("U1")), r.newRunner("B-2", outputsOf("U1"))
		old.p.Grant([]string{"U1"}, 5)
		require.NoError(t, old.write("do/1", 1))
		young.p.Grant([]string{"U1"}, 6)
		require.NoError(t, young.write("do/1", 0))
		require.ErrorIs(t, old.write("do/1", 1), tag.ErrRefused)
		for range 20 {
			require.ErrorIs(t, old.write("do/1", 1), tag.ErrRefused)
		}
		r.reads("do/1", 0)
		time.Sleep(3 * time.Second)
		list := r.records(record.KindWireRefused)
		require.Len(t, list, 2, "one at once, and one for those that came within a second")
		require.Equal(t, "B-1", list[0].Text(record.ObjectID))
		require.Equal(t, "do/1", list[0].Text(record.PhysicalChannel))
		require.EqualValues(t, 5, list[0].Count(record.TokenOffered))
		require.EqualValues(t, 6, list[0].Count(record.Token))
		require.Equal(t, "B-2", list[0].Text(record.ResourceOwner))
		require.EqualValues(t, 20, list[1].Count(record.Coalesced))
	})
}

func TestAnEqualTokenOfAnotherBatchIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		a, b := r.newRunner("B-1", outputsOf("U1")), r.newRunner("B-2", outputsOf("U1"))
		a.p.Grant([]string{"U1"}, 5)
		require.NoError(t, a.write("do/1", 1))
		b.p.Grant([]string{"U1"}, 5)
		require.ErrorIs(t, b.write("do/1", 0), tag.ErrRefused)
		r.reads("do/1", 1)
		require.Len(t, r.records(record.KindWireRefused), 1)
	})
}

func TestAChannelOfOtherEquipmentIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		u := r.newRunner("B-1", []Output{{Channel: "do/3", Equipment: "U1"}, {Channel: "do/8", Equipment: "U1"}})
		u.p.Grant([]string{"U1"}, 5)
		require.ErrorContains(t, u.write("do/3", 1), "by the equipment model it is a channel of U2")
		require.ErrorContains(t, u.write("do/8", 1), "no equipment with that channel")
		require.Len(t, r.records(record.KindWireRefused), 2)
	})
}

func TestARunnerThatIsGoneLeavesItsOutputsSafe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		outputs := outputsOf("U1", "U2")
		outputs[1].Hold = true // do/2
		u, other := r.newRunner("B-1", outputs), r.newRunner("B-2", outputsOf("PUMP"))
		u.p.Grant([]string{"U1", "U2"}, 5)
		other.p.Grant([]string{"PUMP"}, 6)
		for _, c := range []string{"do/1", "do/2", "do/3", "ao/1"} {
			require.NoError(t, u.write(c, 1))
		}
		require.NoError(t, other.write("do/6", 1))
		u.die()
		r.reads("do/1", 0)
		r.reads("do/3", 0)
		r.reads("ao/1", 200)
		r.until("a record", func() bool { return len(r.records(record.KindRunnerLost)) == 1 })
		r.reads("do/2", 1)
		r.reads("do/6", 1)
		rec := r.records(record.KindRunnerLost)[0]
		require.Equal(t, "B-1", rec.Text(record.ObjectID))
		require.Equal(t, "safe", rec.Text(record.Result))
		require.ElementsMatch(t, []string{"do/1=0", "do/3=0", "ao/1=200"}, rec.Texts(record.Values))
	})
}

func TestARunnerThatSaysGoodbyeIsNotLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 5)
		require.NoError(t, u.write("do/1", 1))
		u.end()
		require.NoError(t, u.p.Close())
		time.Sleep(15 * time.Second)
		r.reads("do/1", 1)
		require.Empty(t, r.records(record.KindRunnerLost))
		require.ErrorIs(t, u.write("do/1", 1), tag.ErrRefused, "it is gone")
	})
}

func TestARunnerThatComesBackHasItsEquipment(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 5)
		require.NoError(t, u.write("do/1", 1))
		u.p.link.fail(errClosed)
		r.reads("do/1", 0)
		r.until("it is back", func() bool { return u.write("do/1", 1) == nil })
		r.reads("do/1", 1)
		require.NotEmpty(t, u.losses())
	})
}

func TestAFenceRefusesWhoHadItAndMakesSafe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		u := r.newRunner("B-1", outputsOf("U1", "U2"))
		u.p.Grant([]string{"U1", "U2"}, 5)
		require.NoError(t, u.write("do/1", 1))
		require.NoError(t, u.write("do/3", 1))
		for range 2 {
			out := r.fence(9, true, "U1")
			require.ElementsMatch(t, []string{"do/1=0", "do/2=0"}, out.Confirmed)
			require.Empty(t, out.Unconfirmed)
		}
		require.ErrorIs(t, u.write("do/1", 1), tag.ErrRefused)
		require.NoError(t, u.write("do/3", 1), "that was not fenced")
		r.reads("do/1", 0)
		rec := r.records(record.KindFence)[0]
		require.EqualValues(t, 9, rec.Count(record.Token))
		require.Equal(t, []string{"U1"}, rec.Texts(record.ResourceID))
		require.Equal(t, "safe", rec.Text(record.Result))
		u.p.Grant([]string{"U1"}, 9)
		require.NoError(t, u.write("do/1", 1), "it has the new token")
		require.Equal(t, api.Fenced{Greater: 9}, r.fence(9, true, "U1"), "the token has been taken up: the fence is past")
		require.Equal(t, api.Fenced{Greater: 9}, r.fence(8, true, "U1"))
		r.reads("do/1", 1)
	})
}

func TestTokensOutliveTheIOProcess(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := &api.Memory{}
		r := newRig(t, n, nil)
		old, young := r.newRunner("B-1", outputsOf("U1")), r.newRunner("B-2", outputsOf("U1"))
		old.p.Grant([]string{"U1"}, 5)
		require.NoError(t, old.write("do/1", 1))
		young.p.Grant([]string{"U1"}, 6)
		require.NoError(t, young.write("do/1", 1))
		r.end()
		r.start(nil)
		require.ErrorIs(t, old.write("do/1", 0), tag.ErrRefused)
		require.NoError(t, young.write("do/2", 1))
		time.Sleep(10 * time.Second)
		r.reads("do/1", 1)
		require.Empty(t, r.records(record.KindRunnerLost), "its end was not the loss of a runner")
	})
}

func TestWhoDoesNotComeBackAfterAStartIsLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 5)
		require.NoError(t, u.write("do/1", 1))
		r.end()
		u.die()
		r.start(nil)
		time.Sleep(4 * time.Second)
		r.reads("do/1", 1)
		r.reads("do/1", 0)
		r.until("a record", func() bool { return len(r.records(record.KindRunnerLost)) == 1 })
	})
}

func TestValuesAreAsOldAsTheyAre(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		time.Sleep(time.Hour) // the clock of the runner begins later
		u := r.newRunner("B-1", nil)
		time.Sleep(10*time.Second + time.Millisecond) // between two polls
		synctest.Wait()
		ahead := r.clock.Now() - u.clock.Now()
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		for _, c := range all {
			raw, ok := u.value(c)
			require.True(t, ok, c)
			require.InDelta(t, r.s.values[c].raw.At, raw.At+ahead, 0, c)
		}
	})
}
