// What an inspector tries: devices that come back late, starts after which little is left, and runners that write on and on.

package wire

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/stretchr/testify/require"
)

// unmodelled are the outputs of U1 with safe values that only the map of the batch knows; one is to be held.
func unmodelled() []Output {
	return []Output{{Channel: "do/1", Equipment: "U1", Safe: 1}, {Channel: "do/2", Equipment: "U1", Hold: true}}
}

func TestADeviceThatComesBackLateIsMadeSafeThen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, nil)
		u, b := r.newRunner("B-1", outputsOf("U1")), r.newRunner("B-2", outputsOf("PUMP"))
		u.p.Grant([]string{"U1"}, 1)
		b.p.Grant([]string{"PUMP"}, 2)
		require.NoError(t, u.write("do/1", 1))
		h.hang("do/1", true)
		u.die()
		r.until("a record", func() bool { return len(r.records(record.KindRunnerLost)) == 1 })
		require.Equal(t, "unconfirmed", r.records(record.KindRunnerLost)[0].Text(record.Result))
		time.Sleep(5 * time.Minute)
		for range 20 {
			require.NoError(t, b.write("do/6", 1), "nobody waits long for an output that hangs")
			time.Sleep(time.Second)
		}
		h.hang("do/1", false)
		begun := r.clock.Now()
		r.reads("do/1", 0)
		require.Less(t, r.clock.Now()-begun, int64(30*time.Second))
		r.until("another record", func() bool { return len(r.records(record.KindRunnerLost)) == 2 })
		rec := r.records(record.KindRunnerLost)[1]
		require.Equal(t, "safe", rec.Text(record.Result))
		require.Contains(t, rec.Texts(record.Values), "do/1=0")
	})
}

func TestADeviceThatComesBackLateIsLeftToWhoHasItThen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, nil)
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 1)
		require.NoError(t, u.write("do/1", 1))
		h.hang("do/1", true)
		u.die()
		time.Sleep(time.Minute)
		next := r.newRunner("B-2", outputsOf("U1"))
		next.p.Grant([]string{"U1"}, 2)
		h.hang("do/1", false)
		require.NoError(t, next.write("do/1", 1))
		time.Sleep(time.Minute)
		r.reads("do/1", 1)
		require.Len(t, r.records(record.KindRunnerLost), 1, "it was there after the start, and is lost once")
	})
}

func TestWhatARunnerSaidOfItsOutputsOutlivesTheIOProcess(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		r.items = []api.Equipment{{ID: "U1", Owners: 1, Channels: []string{"do/1", "do/2"}}, {ID: "U2", Owners: 1}}
		r.s.SetModel(r.items)
		u := r.newRunner("B-1", unmodelled())
		u.p.Grant([]string{"U1"}, 5)
		require.NoError(t, u.write("do/1", 0))
		require.NoError(t, u.write("do/2", 1))
		r.end()
		u.die()
		r.items = []api.Equipment{{ID: "U1", Owners: 1, Channels: []string{"do/2"}}, {ID: "U2", Owners: 1, Channels: []string{"do/1"}}}
		r.start(nil) // the batch is bound to what it was
		r.reads("do/1", 1)
		r.reads("do/2", 1)
		r.until("a record", func() bool { return len(r.records(record.KindRunnerLost)) == 1 })
		rec := r.records(record.KindRunnerLost)[0]
		require.Equal(t, "safe", rec.Text(record.Result))
		require.Equal(t, []string{"do/1=1"}, rec.Texts(record.Values))
		require.NotEmpty(t, r.fence(6, true, "U1").Confirmed)
		next := r.newRunner("B-2", []Output{{Channel: "do/1", Equipment: "U2"}})
		next.p.Grant([]string{"U2"}, 7)
		require.NoError(t, next.write("do/1", 0), "it was given back")
	})
}

func TestEquipmentOfWhichNothingIsKnownIsNotCalledSafe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 5)
		require.NoError(t, u.write("do/1", 1))
		u.end()
		r.end()
		tk, err := openTokens(r.dir)
		require.NoError(t, err)
		require.NoError(t, tk.put(owner{"GONE", 9, "B-9", -1, nil})) // as written by one who kept no outputs
		require.NoError(t, tk.close())
		r.start(nil)
		r.until("a record", func() bool { return len(r.records(record.KindRunnerLost)) == 2 })
		for _, rec := range r.records(record.KindRunnerLost) {
			if rec.Text(record.ObjectID) == "B-9" {
				require.Equal(t, "unconfirmed", rec.Text(record.Result))
				require.Contains(t, rec.Text(record.Detail), "GONE")
			}
		}
	})
}

func TestAFenceThatIsPastIsToldSoAndChangesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		u := r.newRunner("B-1", outputsOf("U1", "U2"))
		u.p.Grant([]string{"U1"}, 9)
		u.p.Grant([]string{"U2"}, 3)
		require.NoError(t, u.write("do/1", 1))
		require.NoError(t, u.write("do/3", 1))
		var out api.Fenced
		require.NoError(t, r.call(http.MethodPost, "/v1/fences", &api.Fence{Equipment: []string{"U1", "U2"}, Token: 8, Batch: "B-1", Safe: true}, &out))
		require.EqualValues(t, 9, out.Greater, "the newest token of U1: nobody may take the answer for a fence")
		r.reads("do/1", 1)
		r.reads("do/3", 0)
		require.Equal(t, []string{"U2"}, r.records(record.KindFence)[0].Texts(record.ResourceID))
	})
}

func TestAWriteThatWaitsWhenItsEquipmentIsFencedIsRefusedAndRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, nil)
		u, b := r.newRunner("B-1", outputsOf("U1")), r.newRunner("B-2", outputsOf("PUMP"))
		u.p.Grant([]string{"U1"}, 1)
		b.p.Grant([]string{"PUMP"}, 2)
		h.hang("do/6", true)
		var wg sync.WaitGroup
		wg.Go(func() { _ = b.write("do/6", 1) })
		time.Sleep(10 * time.Millisecond)
		wg.Go(func() { require.ErrorIs(t, u.write("do/1", 1), tag.ErrRefused) })
		time.Sleep(10 * time.Millisecond)
		r.fence(3, false, "U1")
		wg.Wait()
		list := r.records(record.KindWireRefused)
		require.Len(t, list, 1)
		require.Equal(t, "B-1", list[0].Text(record.ObjectID))
		require.EqualValues(t, 1, list[0].Count(record.TokenOffered))
		require.EqualValues(t, 3, list[0].Count(record.Token))
	})
}

func TestBatchesThatWriteOnAndOnKeepNoSafeWriteWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, nil)
		h.slow = 5 * time.Millisecond
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 1)
		require.NoError(t, u.write("do/1", 1))
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for i, e := range []string{"U2", "PUMP"} { // two, so that one always waits
			b := r.newRunner("B-"+e, outputsOf(e))
			b.p.Grant([]string{e}, uint64(2+i))
			w := tag.Write{Channel: map[string]string{"U2": "do/3", "PUMP": "do/6"}[e], Safe: true}
			wg.Go(func() {
				for ; ctx.Err() == nil; w.ID++ {
					_ = b.p.Write(ctx, w)
				}
			})
		}
		r.s.mu.Lock()
		r.s.lane("do/1").slow["do/1"] = true // as after a write that took long
		r.s.mu.Unlock()
		begun := r.clock.Now()
		u.die()
		r.reads("do/1", 0)
		require.Less(t, r.clock.Now()-begun, int64(2*time.Second))
		cancel()
		wg.Wait()
	})
}

func TestAnOutputOfNoEquipmentIsNobodysAndInputsAreEverybodys(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		outs := []Output{{Channel: "do/8", Equipment: "U1"}, {Channel: "do/7"}, {Channel: "do/5", Equipment: "NONE"}}
		u, b := r.newRunner("B-1", outs), r.newRunner("B-2", nil)
		u.p.Grant([]string{"U1", "", "NONE"}, 1<<40)
		for _, o := range outs {
			require.ErrorIs(t, u.write(o.Channel, 1), tag.ErrRefused)
		}
		for _, v := range []*runner{u, b} {
			for _, c := range []string{"di/1", "ai/1", "do/1"} {
				r.until(c, func() bool { raw, ok := v.value(c); return ok && raw.Quality == tag.Good })
			}
		}
		time.Sleep(2 * time.Second)
		require.NotEmpty(t, r.records(record.KindWireRefused))
		_, err := os.Stat(filepath.Join(r.dir, "tokens"))
		require.NoError(t, err)
	})
}

func TestATokenThatNoArbiterCanHaveGivenIsRefusedAndRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		u, x := r.newRunner("B-1", outputsOf("U1")), r.newRunner("B-9", outputsOf("U1", "U2"))
		u.p.Grant([]string{"U1"}, 5)
		require.NoError(t, u.write("do/1", 1))
		for _, token := range []uint64{5 + maxJump + 1, 1<<60 + 1, 1<<64 - 1} {
			x.p.Grant([]string{"U1"}, token)
			require.ErrorIs(t, x.write("do/1", 0), tag.ErrRefused)
			time.Sleep(2 * time.Second)
			list := r.records(record.KindWireRefused)
			require.Equal(t, token, list[len(list)-1].Count(record.TokenOffered))
			require.Contains(t, list[len(list)-1].Text(record.Detail), "no arbiter has given it")
		}
		r.reads("do/1", 1)
		require.NoError(t, u.write("do/1", 1))
		x.p.Grant([]string{"U2"}, 5+maxJump)
		require.NoError(t, x.write("do/3", 1), "what may have been given is taken")
		r.fence(1<<50, false, "U1") // by who counts
		u.p.Grant([]string{"U1"}, 1<<50+1)
		require.NoError(t, u.write("do/1", 1))
	})
}
