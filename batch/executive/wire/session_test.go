// What a runner that does not read, or is not whom it says, gets.

package wire

import (
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/stretchr/testify/require"
)

// modelServer is a runtime server with one unit, which is named after the version.
func modelServer(version *atomic.Uint64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		v := version.Load()
		api.Reply(w, &api.Model{Version: v, Items: []api.Equipment{{ID: fmt.Sprint("V", v), Level: "unit", Channels: []string{"do/7"}}}}, nil)
	})
}

func (r *rig) equipmentOf(channel string) string {
	e, _ := r.s.equipmentOf(channel)
	return e
}

// queueOf is a connection on which nothing is read, of a switch and a number.
func queueOf() *session {
	return &session{wake: make(chan struct{}, 1), place: []int{-1, -1}, last: make([]lastValue, 2)}
}

func TestNumbersThatWaitAreReplacedAndEdgesAreNot(t *testing.T) {
	c := queueOf()
	for i := range 100 {
		c.push(1, tag.Raw{Form: tag.Int, Bits: uint64(i), Quality: tag.Good, At: int64(i)})
		c.push(0, tag.Raw{Bits: uint64(i / 10 % 2), Quality: tag.Good, At: int64(i)})
	}
	var edges []int64
	numbers := 0
	for _, p := range c.pend {
		if p.channel == 1 {
			numbers++
			require.EqualValues(t, 99, p.raw.Bits)
		} else if p.edge {
			edges = append(edges, p.raw.At)
		}
	}
	require.Equal(t, 1, numbers)
	require.Equal(t, []int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, edges, "each with the time at which it moved")
	require.Less(t, len(c.pend), 22)
}

func TestASwitchOfWhichEdgesWereLostIsBad(t *testing.T) {
	c := queueOf()
	for i := range 10 * maxEdges {
		c.push(0, tag.Raw{Bits: uint64(i % 2), Quality: tag.Good, At: int64(i)})
	}
	require.LessOrEqual(t, len(c.pend), maxEdges+len(c.place))
	newest := c.pend[len(c.pend)-1].raw
	require.Equal(t, tag.Bad, newest.Quality)
	require.EqualValues(t, 10*maxEdges-1, newest.At)
	c.push(0, tag.Raw{Bits: 1, Quality: tag.Good, At: 20 * maxEdges})
	require.Equal(t, tag.Bad, c.pend[len(c.pend)-1].raw.Quality, "nothing may rest on it until the next value after all that waits")
	c.pend, c.place = c.pend[:0], []int{-1, -1}
	c.push(0, tag.Raw{Bits: 1, Quality: tag.Good, At: 21 * maxEdges})
	require.Equal(t, tag.Good, c.pend[0].raw.Quality)
}

func TestARunnerThatDoesNotReadKeepsNobodyWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		client := r.n.Dial(api.IO)
		conn, err := client.Upgrade(t.Context(), path, protocol, &hello{Batch: "B-0", Channels: all, Outputs: outputsOf("PUMP")})
		require.NoError(t, err)
		defer conn.Close()
		for _, f := range []frame{{kind: kTime, at: 1}, {kind: kGrant, token: 1, text: "PUMP"}, {kind: kWrite, seq: 1, bits: 1, token: 1}} {
			_, err = conn.Write(f.append(nil))
			require.NoError(t, err)
		}
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 2)
		for i := range 600 {
			require.NoError(t, u.write("do/1", uint64(i%2)))
			time.Sleep(time.Second)
		}
		r.reads("do/6", 1) // frozen and not fenced: nothing happens
		require.Empty(t, r.records(record.KindRunnerLost))
		r.s.mu.Lock()
		for c := range r.s.sessions {
			c.mu.Lock()
			require.LessOrEqual(t, len(c.pend), maxEdges+len(c.place))
			c.mu.Unlock()
		}
		r.s.mu.Unlock()
	})
}

func TestWhatIsNoFrameEndsTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		for _, bad := range [][]byte{{0, 0}, {255, 255, 1}, {0, 1, 99}, {0, 1, byte(kWrite)}, (&frame{kind: kValue, quality: tag.Good}).append(nil),
			(&frame{kind: kWrite, seq: 1, channel: 9, token: 1}).append(nil)} {
			client := r.n.Dial(api.IO)
			conn, err := client.Upgrade(t.Context(), path, protocol, &hello{Batch: "B-0", Outputs: outputsOf("PUMP")})
			require.NoError(t, err)
			_, _ = conn.Write(bad)
			n, err := conn.Read(make([]byte, 1))
			require.Error(t, err, "%d bytes after %x", n, bad)
			conn.Close()
		}
	})
}

func TestAHelloThatIsOutOfBoundsIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		twice := []Output{{Channel: "do/1"}, {Channel: "do/1"}}
		for _, h := range []*hello{{}, {Batch: "B", Channels: make([]string, maxNames+1)}, {Batch: "B", Channels: []string{"a", "a"}},
			{Batch: "B", Outputs: twice}, {Batch: "B", Outputs: []Output{{Channel: "x", Form: tag.Float32}}}} {
			_, err := r.n.Dial(api.IO).Upgrade(t.Context(), path, protocol, h)
			var refusal *api.Error
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, http.StatusBadRequest, refusal.Status)
		}
		err := r.call(http.MethodPost, path, &hello{Batch: "B"}, nil)
		require.ErrorContains(t, err, protocol)
	})
}

func TestWhoMayNotFenceIsRefusedAndRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		r.end()
		r.start(func(o *ServerOptions) {
			o.Allow = func(*http.Request) error { return fmt.Errorf("that is no manager") }
		})
		err := r.call(http.MethodPost, "/v1/fences", &api.Fence{Equipment: []string{"U1"}, Token: 3, Batch: "B-1"}, nil)
		require.ErrorContains(t, err, "that is no manager")
		rec := r.records(record.KindAccessRefused)
		require.Len(t, rec, 1)
		require.Equal(t, "fence", rec[0].Text(record.Command))
		require.Empty(t, r.records(record.KindFence))
	})
}

func TestABatchThatHasEquipmentIsTheUserThatItWas(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 1)
		require.NoError(t, u.write("do/1", 1))
		r.s.mu.Lock()
		r.s.owners["U1"].UID = os.Getuid() + 1 // as if another user had had it
		r.s.mu.Unlock()
		_, err := r.n.Dial(api.IO).Upgrade(t.Context(), path, protocol, &hello{Batch: "B-1"})
		require.ErrorContains(t, err, "B-1 has U1 as user")
		require.Len(t, r.records(record.KindAccessRefused), 1)
	})
}

func TestALaterConnectionOfABatchTakesItsEquipment(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		old := r.newRunner("B-1", outputsOf("U1"))
		old.p.Grant([]string{"U1"}, 1)
		require.NoError(t, old.write("do/1", 1))
		young := r.newRunner("B-1", outputsOf("U1"))
		young.p.Grant([]string{"U1"}, 1)
		require.NoError(t, young.write("do/1", 1))
		require.ErrorContains(t, old.write("do/1", 0), "a later connection")
		old.die()
		time.Sleep(2 * time.Second)
		r.reads("do/1", 1)
		require.Empty(t, r.records(record.KindRunnerLost), "it had nothing any more")
	})
}

func TestTheHeadOfABatchIsAnchored(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		var n atomic.Uint64
		u := r.runnerWith(Options{Batch: "B-1", Channels: all, Head: func() (string, journal.Chain) {
			return "batch-1", journal.Chain{N: n.Add(10), Link: journal.Hash{byte(n.Load())}}
		}})
		time.Sleep(150 * time.Second)
		u.end()
		require.NoError(t, u.p.Close())
		r.until("the last", func() bool { return len(r.records(record.KindHeadAnchored)) == 3 })
		list := r.records(record.KindHeadAnchored)
		require.EqualValues(t, 30, list[2].Count(record.HeadSize))
		require.Equal(t, journal.Hash{30}.String(), list[2].Text(record.HeadLink))
		require.Equal(t, "batch-1", list[0].Text(record.AnchoredJournalID))
	})
}
