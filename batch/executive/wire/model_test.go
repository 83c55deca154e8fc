// The model changes while batches run.

package wire

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

func TestABatchKeepsTheChannelsThatItWasBoundTo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		u, other := r.newRunner("B-1", outputsOf("U1")), r.newRunner("B-2", []Output{{Channel: "do/1", Equipment: "U2"}})
		u.p.Grant([]string{"U1"}, 1)
		other.p.Grant([]string{"U2"}, 2)
		require.NoError(t, u.write("do/1", 1))
		moved := model()
		moved[0].Channels, moved[0].Safe, moved[0].Retired = []string{"do/2"}, map[string]string{"do/2": "0"}, true
		moved[1].Channels = append(slices.Clone(moved[1].Channels), "do/1")
		moved[1].Safe["do/1"] = "0"
		r.s.SetModel(moved)
		require.NoError(t, u.write("do/2", 1), "what is retired is its all the same")
		require.NoError(t, u.write("do/1", 1), "and so is what has moved")
		require.ErrorIs(t, other.write("do/1", 0), tag.ErrRefused)
		r.s.SetModel(moved[1:])
		require.NoError(t, u.write("do/1", 1), "and so is what has left the model")
		require.ElementsMatch(t, []string{"do/1=0", "do/2=0"}, r.fence(7, true, "U1").Confirmed)
		require.NoError(t, other.write("do/1", 1), "it was given back")
	})
}

func TestAChannelOfTwoIsNobodys(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		two := model()
		two[1].Channels = append(slices.Clone(two[1].Channels), "do/1")
		r.s.SetModel(two)
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 1)
		require.ErrorContains(t, u.write("do/1", 1), "a channel of two")
		two[1].Retired = true
		r.s.SetModel(two)
		require.NoError(t, u.write("do/1", 1))
	})
}

func TestTheModelIsFollowedAndKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := &api.Memory{}
		r := newRig(t, n, nil)
		r.end()
		listener, err := n.Listen(api.Runtime)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		var version atomic.Uint64
		version.Store(1)
		var wg sync.WaitGroup
		wg.Go(func() { _ = api.Serve(ctx, listener, modelServer(&version)) })
		r.start(func(o *ServerOptions) { o.Network = n })
		r.until("the first", func() bool { return r.equipmentOf("do/7") == "V1" })
		u := r.newRunner("B-1", []Output{{Channel: "do/7", Equipment: "V2"}})
		u.p.Grant([]string{"V2"}, 1)
		version.Store(2)
		require.NoError(t, u.write("do/7", 1), "it is asked for at once where it is wanted")
		u.end()
		require.NoError(t, u.p.Close())
		version.Store(3)
		r.until("the third", func() bool { return r.equipmentOf("do/7") == "V3" })
		cancel()
		wg.Wait()
		r.end()
		l, err := ledger.Open(filepath.Join(r.dir, "other"), "board-1", "device", &ledger.Options{Clock: r.clock})
		require.NoError(t, err)
		defer l.Close()
		s, err := New(r.plant, l, &ServerOptions{Dir: r.dir, Clock: r.clock})
		require.NoError(t, err)
		require.Equal(t, "V3", s.channels["do/7"], "with the runtime server down")
		require.NoError(t, s.tokens.close())
	})
}

func TestAWriteThatWantsANewerModelWaitsForIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := &api.Memory{}
		r := newRig(t, n, nil)
		r.end()
		listener, err := n.Listen(api.Runtime)
		require.NoError(t, err)
		var version, asked atomic.Uint64
		version.Store(1)
		slow := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked.Add(1)
			time.Sleep(50 * time.Millisecond)
			modelServer(&version).ServeHTTP(w, req)
		})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		wg.Go(func() { _ = api.Serve(ctx, listener, slow) })
		r.start(func(o *ServerOptions) { o.Network = n })
		r.until("the first", func() bool { return r.equipmentOf("do/7") == "V1" })

		// It is changed when it was asked for a moment ago, and all batches of what is new write at once.
		version.Store(2)
		before := asked.Load()
		var runners []*runner
		for i := range 8 {
			u := r.newRunner(fmt.Sprint("B-", i), []Output{{Channel: "do/7", Equipment: "V2"}})
			u.p.Grant([]string{"V2"}, uint64(i+1))
			runners = append(runners, u)
		}
		said := make([]error, len(runners))
		var writes sync.WaitGroup
		for i, u := range runners {
			writes.Go(func() { said[i] = u.write("do/7", 1) })
		}
		writes.Wait()
		for _, err := range said {
			if err != nil {
				require.NotContains(t, err.Error(), "by the equipment model", "the model of before counts no more")
			}
		}
		require.NoError(t, said[len(said)-1], "it has the newest token")
		require.Equal(t, before+1, asked.Load(), "one answer serves all")
	})
}
