// A link that is cut again and again while records are forwarded over it, and processes that are killed.

package hub_test

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

// What a cut does.
const (
	resets = iota // connections are reset, new ones too
	drops         // they are closed in the middle of what they carry, new ones too
	hole          // nothing comes through, and nobody is told; what was under way comes late
	deaf          // what is sent comes through, and no answer comes back
	ofCuts        // how many
)

// link is a way between two sides that can be cut.
type link struct {
	l  net.Listener
	to string

	mu     sync.Mutex
	conns  map[net.Conn]bool
	kind   int
	down   bool
	armed  bool
	budget int           // bytes that still come through before an armed cut
	length time.Duration // of it
	up     chan struct{} // closed when it is up
	ups    []time.Time   // when it came up
}

func newLink(t *testing.T, to string) *link {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	k := &link{l: l, to: to, conns: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				k.carry(c)
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		k.mu.Lock()
		for c := range k.conns {
			c.Close()
		}
		k.mu.Unlock()
		wg.Wait()
	})
	return k
}

// carry is one connection.
func (k *link) carry(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", k.to)
	if err != nil {
		return
	}
	defer far.Close()
	k.mu.Lock()
	if k.down && k.kind <= drops {
		k.mu.Unlock()
		return
	}
	k.conns[near], k.conns[far] = true, true
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		delete(k.conns, near)
		delete(k.conns, far)
		k.mu.Unlock()
	}()
	done := make(chan bool, 2)
	pump := func(from, to net.Conn, answers bool) {
		defer func() { to.Close(); from.Close(); done <- true }()
		buf := make([]byte, 2048)
		for {
			n, err := from.Read(buf)
			if err != nil || !k.pass(n, answers) {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	go pump(near, far, false)
	go pump(far, near, true)
	<-done
	<-done
}

// pass lets bytes through, or holds them up as long as they do not come through.
func (k *link) pass(n int, answers bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.budget -= n; k.armed && k.budget < 0 {
		k.cut()
	}
	for k.down && (k.kind == hole || k.kind == deaf && answers) {
		up := k.up
		k.mu.Unlock()
		<-up
		k.mu.Lock()
	}
	return !k.down || k.kind == deaf
}

func (k *link) cut() {
	k.armed, k.down, k.up = false, true, make(chan struct{})
	if k.kind <= drops {
		for c := range k.conns {
			if t, ok := c.(*net.TCPConn); ok && k.kind == resets {
				_ = t.SetLinger(0)
			}
			c.Close()
		}
	}
	time.AfterFunc(k.length, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.down = false
		k.ups = append(k.ups, time.Now())
		close(k.up)
	})
}

// arm has it cut when so many more bytes have come through.
func (k *link) arm(kind, bytes int, length time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kind, k.budget, k.length, k.armed = kind, bytes, length, true
}

// watched is a sink that tells what it has acknowledged.
type watched struct {
	*hub.Client
	acked func(at journal.Chain)
}

func (w *watched) Take(ctx context.Context, id string, rows []export.Row) (journal.Chain, error) {
	at, err := w.Client.Take(ctx, id, rows)
	if err == nil {
		w.acked(at)
	}
	return at, err
}

// serve serves a hub until the test ends, and gives its address.
func serve(t testing.TB, h *hub.Hub) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, l, hub.Handler(h, hub.Anybody)) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return l.Addr().String()
}

func TestOverALinkThatIsCutTwentyTimesNothingIsLostAndNothingDoubled(t *testing.T) {
	const cuts = 20
	total, longest := 10_000, 300
	if os.Getenv("BATCHKIT_LONG") != "" {
		total, longest = 100_000, 2_000
	}
	e := newEdge(t, "J1")
	e.write(total, 100)
	h := open(t, t.TempDir(), nil)
	k := newLink(t, serve(t, h))
	c, err := hub.NewClient("http://"+k.l.Addr().String(), &hub.ClientOptions{Node: "n1"})
	require.NoError(t, err)
	defer c.Close()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 2))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var acks []time.Time
	made := 0
	sink := &watched{c, func(at journal.Chain) {
		acks = append(acks, time.Now())
		if made < cuts && int(at.N) > total*(made+1)/(cuts+2) && !k.isArmed() {
			k.arm(made%ofCuts, rng.IntN(100_000*total/100_000+10_000), time.Duration(50+rng.IntN(longest))*time.Millisecond)
			made++
		}
		if int(at.N) == total {
			cancel()
		}
	}}
	x, err := export.New("hub", sink, e.source(), e.dir+"/cursor", clock,
		&export.Options{Batch: 32 << 10, Poll: 50 * time.Millisecond, Least: 100 * time.Millisecond, Most: 200 * time.Millisecond})
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, x.Run(ctx))
	took := time.Since(began)
	require.NoError(t, x.CatchUp(t.Context()))

	require.Equal(t, e.lines(), file(t, h, "J1"), "seed %d", seed)
	first, last, err := h.Verify(t.Context(), "J1")
	require.NoError(t, err)
	require.Equal(t, uint64(1), first)
	require.Equal(t, e.w.Head(), last)
	require.Equal(t, last, x.Status().Acked)
	s := status(t, h, "J1")
	require.Equal(t, []uint64{uint64(total), 0, 0, 0, 0}, []uint64{s.Held, s.Behind, s.Gaps, s.Forks, s.Missing})
	require.Equal(t, cuts, made)
	require.Len(t, k.ups, cuts, "seed %d: every cut was made, and passed", seed)
	var back []time.Duration
	for _, up := range k.ups {
		i := slices.IndexFunc(acks, func(at time.Time) bool { return at.After(up) })
		if i >= 0 {
			back = append(back, acks[i].Sub(up).Round(time.Millisecond))
		}
	}
	slices.Sort(back)
	require.Len(t, back, cuts)
	t.Logf("%d records in %s over %d cuts; from the link being back to the next row acknowledged: median %s, longest %s; all %v",
		total, took.Round(time.Millisecond), cuts, back[len(back)/2], back[len(back)-1], back)
}

func (k *link) isArmed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.armed || k.down
}
