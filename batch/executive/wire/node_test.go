// Claims about several boards: who of another one may write here, that tokens never go backwards, and that silence is a loss.

package wire

import (
	"context"
	"net"
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

// boards is the I/O process of n2, which n1 reaches under the name that it has there.
type boards struct {
	*rig
	mu   sync.Mutex
	peer api.Peer // who asks, of n1
	stop func()   // it ends, and nobody of n1 reaches it any more
}

func newBoards(t *testing.T) *boards {
	b := &boards{rig: newRig(t, &api.Memory{}, func(o *ServerOptions) { o.Node = "n2" }), peer: api.Peer{UID: -1, PID: -1, Node: "n1", There: 1000, Keeper: true}}
	b.open()
	return b
}

// open lets n1 reach it.
func (b *boards) open() {
	b.t.Helper()
	l, err := b.n.Listen(api.Remote("n2", api.IO))
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = api.ServeWith(ctx, l, b.s.Handler(), &api.ServeOptions{Peer: func(net.Conn) api.Peer {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.peer
		}})
	})
	b.stop = func() { b.end(); cancel(); wg.Wait() }
	b.t.Cleanup(func() { b.stop() })
}

// as has others than before ask.
func (b *boards) as(change func(p *api.Peer)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.peer)
}

// again starts it anew, in the directory that it has.
func (b *boards) again() {
	b.stop()
	b.start(func(o *ServerOptions) { o.Node = "n2" })
	b.open()
}

func (b *boards) floors(tokens map[string]uint64) (out api.Fenced) {
	b.t.Helper()
	require.NoError(b.t, b.call(http.MethodPost, "/v1/floors", &api.Floors{Tokens: tokens}, &out))
	return out
}

// remote is a runner of n1.
func (b *boards) remote(batch string, outputs []Output) *runner {
	return b.runnerWith(Options{Batch: batch, Node: "n2", Channels: all, Outputs: outputs})
}

func TestARunnerOfAnotherBoardIsTakenWhenTheFloorsWereTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBoards(t)
		local := b.newRunner("n2.B-1", outputsOf("PUMP"))
		local.p.Grant([]string{"PUMP"}, 3)
		require.NoError(t, local.write("do/6", 1), "a batch of this board does not wait")
		far := b.remote("n1.B-1", outputsOf("U1"))
		far.p.Grant([]string{"U1"}, 7)
		err := far.write("do/1", 1)
		require.ErrorIs(t, err, tag.ErrRefused)
		require.ErrorContains(t, err, "its manager has not told it yet which tokens were given")
		require.NoError(t, b.call(http.MethodPost, "/v1/floors", &api.Floors{Tokens: map[string]uint64{"PUMP": 3}, More: true}, &api.Fenced{}))
		require.ErrorContains(t, far.write("do/1", 1), "its manager has not told it yet", "not all of them")
		b.floors(map[string]uint64{"U1": 7})
		require.NoError(t, far.write("do/1", 1))
		require.NoError(t, local.write("do/6", 0))
		require.Empty(t, local.losses())

		b.again()
		require.ErrorContains(t, far.write("do/1", 0), "its manager has not told it yet", "in each life of the process")
		b.floors(nil)
		require.NoError(t, far.write("do/1", 0))
	})
}

func TestADiskThatWasPutBackLetsNoTokenGoBackwards(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBoards(t)
		b.floors(nil)
		old := b.remote("n1.B-1", outputsOf("U1"))
		old.p.Grant([]string{"U1"}, 7)
		require.NoError(t, old.write("do/1", 1))
		before, err := os.ReadFile(filepath.Join(b.dir, "tokens"))
		require.NoError(t, err)
		b.fence(8, true, "U1")
		next := b.remote("n3.B-1", outputsOf("U1"))
		next.p.Grant([]string{"U1"}, 9)
		b.as(func(p *api.Peer) { p.Node = "n3" })
		require.NoError(t, next.write("do/2", 1))
		next.die()
		b.stop()

		require.NoError(t, os.WriteFile(filepath.Join(b.dir, "tokens"), before, 0o600))
		b.as(func(p *api.Peer) { p.Node = "n1" })
		b.start(func(o *ServerOptions) { o.Node = "n2" })
		b.open()
		require.ErrorIs(t, old.write("do/1", 1), tag.ErrRefused, "it is not connected yet")
		out := b.floors(map[string]uint64{"U1": 9})
		require.ElementsMatch(t, []string{"do/1=0", "do/2=0"}, out.Confirmed, "who had it by the old disk is fenced")
		require.ErrorContains(t, old.write("do/1", 1), "its token 7 is no longer the newest of U1, which is 9")
		b.reads("do/1", 0)
		require.Zero(t, b.floors(map[string]uint64{"U1": 9}), "the same floors again change nothing")
		require.Zero(t, b.floors(map[string]uint64{"U1": 4}), "and lower ones neither")

		b.again() // they were on disk before the answer
		b.floors(nil)
		require.ErrorContains(t, old.write("do/1", 1), "its token 7 is no longer the newest of U1, which is 9")
		b.stop()
		fences := b.records(record.KindFence)
		last := fences[len(fences)-1]
		require.Equal(t, "floor: the arbiter has given token 9, and the newest known here was 7", last.Text(record.ChangeReason))
		require.Equal(t, "n1.B-1", last.Text(record.ObjectID))
		require.Equal(t, "safe", last.Text(record.Result))
	})
}

func TestFloorsDisturbNobodyWhoseTokenIsTheNewest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBoards(t)
		b.floors(nil)
		local, far := b.newRunner("n2.B-1", outputsOf("U2")), b.remote("n1.B-1", outputsOf("U1"))
		local.p.Grant([]string{"U2"}, 5)
		far.p.Grant([]string{"U1"}, 6)
		require.NoError(t, local.write("do/3", 1))
		require.NoError(t, far.write("do/1", 1))
		require.Zero(t, b.floors(map[string]uint64{"U1": 6, "U2": 5, "PUMP": 2, "ELSEWHERE": 4}))
		time.Sleep(time.Second)
		b.reads("do/3", 1)
		b.reads("do/1", 1)
		require.NoError(t, local.write("ao/1", 300))
		require.NoError(t, far.write("do/2", 1))
	})
}

func TestOneTokenIsOfOneBatch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBoards(t)
		b.floors(nil)
		first := b.remote("n1.B-1", outputsOf("U1"))
		first.p.Grant([]string{"U1"}, 7)
		require.NoError(t, first.write("do/1", 1))
		for _, batch := range []string{"n1.B-2", "n2.B-1"} {
			other := b.remote(batch, outputsOf("U1"))
			if batch == "n2.B-1" {
				other = b.newRunner(batch, outputsOf("U1"))
			}
			other.p.Grant([]string{"U1"}, 7)
			require.ErrorContains(t, other.write("do/1", 0), "token 7 of U1 is that of n1.B-1", batch)
		}
		require.NoError(t, first.write("do/2", 1))
	})
}

func TestABatchConnectsFromItsOwnBoardAndAsTheUserThatItWas(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBoards(t)
		b.floors(nil)
		first := b.remote("n1.B-1", outputsOf("U1"))
		first.p.Grant([]string{"U1"}, 7)
		require.NoError(t, first.write("do/1", 1))
		for _, c := range []struct {
			peer  api.Peer
			node  string
			batch string
			want  string
		}{
			{b.peer, "n2", "n3.B-1", "it is no batch of board n1, from which it comes"},
			{b.peer, "n2", "n12.B-1", "it is no batch of board n1, from which it comes"},
			{b.peer, "n2", "n2.B-1", "it is no batch of board n1, from which it comes"},
			{b.peer, "", "n1.B-1", "it is no batch of this board, n2"},
			{b.peer, "", "B-1", "it is no batch of this board, n2"},
			{api.Peer{UID: -1, Node: "n2"}, "n2", "n2.B-1", "this is board n2"},
			{api.Peer{UID: -1, Node: "n1", There: 1001}, "n2", "n1.B-1", "n1.B-1 has U1 as user 1000, and asks as user 1001"},
		} {
			b.as(func(p *api.Peer) { *p = c.peer })
			u := b.runnerWith(Options{Batch: c.batch, Node: c.node, Channels: all, Outputs: outputsOf("U1")})
			u.p.Grant([]string{"U1"}, 7)
			require.ErrorContains(t, u.write("do/1", 0), c.want)
			u.end()
		}
		time.Sleep(2 * time.Second)
		b.stop()
		require.NotEmpty(t, b.records(record.KindAccessRefused))
		require.Equal(t, "node:n1", b.records(record.KindAccessRefused)[0].Text(record.Actor))
	})
}

func TestAFenceOfAnotherBoardIsOnRecordUnderItsName(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBoards(t)
		c := b.n.Dial(api.Remote("n2", api.IO))
		defer c.Close()
		fence := func(token uint64) error {
			return c.Call(context.Background(), http.MethodPost, "/v1/fences", &api.Fence{Equipment: []string{"U1"}, Token: token, Batch: "n1.B-1",
				Order: api.Order{Operator: "op1", Reason: "it is stuck"}}, &api.Fenced{})
		}
		require.ErrorContains(t, fence(4), "its manager has not told it yet")
		b.floors(map[string]uint64{"U1": 3})
		require.NoError(t, fence(4))
		require.ErrorContains(t, fence(1<<40), "no arbiter has given it", "it would leave none above it")
		require.ErrorContains(t, c.Call(context.Background(), http.MethodPost, "/v1/floors", &api.Floors{}, &api.Fenced{}), "only the manager of this board tells them")
		c.Close()
		b.as(func(p *api.Peer) { p.Keeper = false })
		require.ErrorContains(t, fence(5), "user 1000 of n1 is none whom the executive there belongs to")
		b.stop()
		list := b.records(record.KindFence)
		require.Equal(t, "node:n1 for op1", list[len(list)-1].Text(record.Actor))
		list = b.records(record.KindAccessRefused)
		require.Contains(t, list[0].Text(record.Detail), "no arbiter has given it")
		require.Equal(t, "node:n1", list[0].Text(record.Actor))
	})
}

func TestAFenceThatEndsHalfwayIsOnRecordForWhatItHasFenced(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBoards(t)
		b.floors(nil)
		far := b.remote("n1.B-1", outputsOf("U1"))
		far.p.Grant([]string{"U1"}, 7)
		require.NoError(t, far.write("do/1", 1))
		c := b.n.Dial(api.Remote("n2", api.IO))
		defer c.Close()
		err := c.Call(context.Background(), http.MethodPost, "/v1/fences", &api.Fence{Equipment: []string{"U1", "NOPE"}, Token: 8, Batch: "n1.B-1", Safe: true}, &api.Fenced{})
		require.ErrorContains(t, err, `the equipment model has no "NOPE"`)
		require.ErrorIs(t, far.write("do/1", 1), tag.ErrRefused)
		b.reads("do/1", 0)
		list := b.records(record.KindFence)
		require.Len(t, list, 1, "who had it is refused, so that is on record")
		require.Equal(t, []string{"U1"}, list[0].Texts(record.ResourceID))
		require.Equal(t, "node:n1", list[0].Text(record.Actor))
		require.Equal(t, "safe", list[0].Text(record.Result))
	})
}

func TestTokensThatOtherBoardsHaveCountedAreNotTakenForInvented(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBoards(t)
		b.floors(map[string]uint64{"U1": 7})
		next := uint64(5 * maxJump) // nobody has asked for U1 while the plant has counted there
		far := b.remote("n1.B-1", outputsOf("U1"))
		far.p.Grant([]string{"U1"}, next)
		require.ErrorContains(t, far.write("do/1", 1), "no arbiter has given it")
		require.NoError(t, b.call(http.MethodPost, "/v1/floors", &api.Floors{Tokens: map[string]uint64{"U1": 7}, Token: next - 1}, &api.Fenced{}))
		require.NoError(t, far.write("do/1", 1))
		far.p.Grant([]string{"U1"}, next+2*maxJump)
		require.ErrorContains(t, far.write("do/1", 0), "no arbiter has given it", "what is far above that still is")
	})
}

// muffled is a network whose connections can be made to swallow all that is said, as a cable that is cut does.
type muffled struct {
	api.Network
	mu   sync.Mutex
	mute bool
}

type muffledConn struct {
	net.Conn
	m *muffled
}

func (c *muffledConn) Write(p []byte) (int, error) {
	c.m.mu.Lock()
	mute := c.m.mute
	c.m.mu.Unlock()
	if mute {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// Listen implements api.Network.
func (m *muffled) Listen(name string) (net.Listener, error) {
	l, err := m.Network.Listen(name)
	return &muffledListener{l, m}, err
}

type muffledListener struct {
	net.Listener
	m *muffled
}

func (l *muffledListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &muffledConn{c, l.m}, nil
}

func TestARunnerOfAnotherBoardThatIsSilentIsLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := &muffled{Network: &api.Memory{}}
		b := &boards{rig: newRig(t, m, func(o *ServerOptions) { o.Node = "n2" }), peer: api.Peer{UID: -1, PID: -1, Node: "n1", There: 1000}}
		b.open()
		b.floors(nil)
		far, local := b.remote("n1.B-1", outputsOf("U1")), b.newRunner("n2.B-1", outputsOf("U2"))
		far.p.Grant([]string{"U1"}, 7)
		local.p.Grant([]string{"U2"}, 8)
		require.NoError(t, far.write("do/1", 1))
		require.NoError(t, local.write("do/3", 1))
		time.Sleep(10 * time.Second)
		require.Empty(t, far.losses(), "it says something each second, though nothing happens")

		m.mu.Lock()
		m.mute = true
		m.mu.Unlock()
		begun := time.Now()
		b.until("the far end hears nothing", func() bool { return len(far.losses()) > 0 })
		require.Less(t, time.Since(begun), 3*time.Second)
		require.ErrorContains(t, far.losses()[0], "nothing was heard of n2 for 2.5s")
		m.mu.Lock()
		m.mute = false
		m.mu.Unlock()
		b.until("it is back", func() bool { return far.write("do/1", 1) == nil })
	})
}

func TestSilenceOfAnotherBoardMakesItsOutputsSafe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBoards(t)
		b.floors(nil)
		local := b.newRunner("n2.B-1", outputsOf("U2"))
		local.p.Grant([]string{"U2"}, 8)
		require.NoError(t, local.write("do/3", 1))
		far := b.remote("n1.B-1", outputsOf("U1"))
		far.end()
		far.p.Grant([]string{"U1"}, 7)
		require.NoError(t, far.write("do/1", 1))
		far.p.link.alarm.Stop() // it lives, and says nothing more
		begun := time.Now()
		b.reads("do/1", 0)
		require.Less(t, time.Since(begun), 3*time.Second)
		time.Sleep(time.Second)
		b.reads("do/3", 1)
		require.NoError(t, far.write("do/1", 1), "its token is the newest still: it has it again")
		b.stop()
		lost := b.records(record.KindRunnerLost)
		require.Equal(t, "nothing was heard of it from n1 for 2.5s", lost[0].Text(record.Detail))
	})
}

func TestTheClocksOfTwoBoardsMayDiffer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBoards(t)
		b.floors(nil)
		time.Sleep(3 * time.Hour) // the clock of a runner counts from its own start
		far := b.remote("n1.B-1", outputsOf("U1"))
		far.p.Grant([]string{"U1"}, 7)
		require.NoError(t, far.write("do/1", 1), "its deadline is two seconds ahead on its own clock")
		time.Sleep(time.Second)
		raw, ok := far.value("do/1")
		require.True(t, ok)
		require.Equal(t, tag.Good, raw.Quality)
		require.InDelta(t, far.clock.Now(), raw.At, 1e9)
	})
}
