// Writes that hang, equipment that changes hands meanwhile, and evidence that cannot be kept.

package wire

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/journaltest"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/stretchr/testify/require"
)

// hangs is a port of which some outputs do not answer.
type hangs struct {
	tag.Port
	lost  chan error // ends the Watch
	under atomic.Int64
	most  atomic.Int64 // writes that were under way at a time

	mu   sync.Mutex
	hung map[string]bool
	slow time.Duration
	all  []tag.Write
}

func (h *hangs) hang(channel string, is bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hung[channel] = is
}

func (h *hangs) Write(ctx context.Context, w tag.Write) error {
	n := h.under.Add(1)
	defer h.under.Add(-1)
	h.most.Store(max(h.most.Load(), n))
	h.mu.Lock()
	hung, slow := h.hung[w.Channel], h.slow
	h.all = append(h.all, w)
	h.mu.Unlock()
	if hung {
		<-ctx.Done()
		return errors.Join(tag.ErrUnknown, ctx.Err())
	}
	time.Sleep(slow)
	return h.Port.Write(ctx, w)
}

func (h *hangs) Watch(ctx context.Context, emit func(tag.Raw)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case err := <-h.lost:
			cancel(err)
		case <-ctx.Done():
		}
	})
	defer wg.Wait()
	defer cancel(nil)
	if err := h.Port.Watch(ctx, emit); err != nil {
		return err
	}
	if why := context.Cause(ctx); why != context.Canceled {
		return why
	}
	return nil
}

// newHangs puts such a port before the plant of a rig, which is started anew.
func newHangs(t *testing.T, change func(o *ServerOptions)) (*rig, *hangs) {
	t.Helper()
	r := newRig(t, &api.Memory{}, nil)
	r.end()
	h := &hangs{Port: r.plant, hung: map[string]bool{}, lost: make(chan error)}
	r.plant = h
	r.start(change)
	return r, h
}

func TestAnOutputThatHangsKeepsOthersWaitingForATimeOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, nil)
		h.hang("do/1", true)
		a, b := r.newRunner("B-1", outputsOf("U1")), r.newRunner("B-2", outputsOf("PUMP"))
		a.p.Grant([]string{"U1"}, 1)
		b.p.Grant([]string{"PUMP"}, 2)
		var wg sync.WaitGroup
		wg.Go(func() { require.ErrorIs(t, a.write("do/1", 1), tag.ErrUnknown) })
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			return b.p.Write(ctx, tag.Write{ID: 1, Channel: "do/6", Bits: 1})
		}())
		wg.Wait()
		require.EqualValues(t, 1, h.most.Load(), "a port is written by one at a time")
	})
}

func TestAClaimThatIsLateEndsNoWriteOfWhoCameAfter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, nil)
		a, b := r.newRunner("B-1", outputsOf("U1")), r.newRunner("B-2", outputsOf("U1"))
		a.p.Grant([]string{"U1"}, 1)
		require.NoError(t, a.write("do/1", 1))
		r.s.mu.Lock()
		late := r.s.owners["U1"].session
		r.s.mu.Unlock()
		b.p.Grant([]string{"U1"}, 2)
		h.slow = 100 * time.Millisecond
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(t, b.write("do/1", 0)) })
		time.Sleep(50 * time.Millisecond)
		r.s.clear("U1", late) // it has made its claim, and its goroutine comes to this only now
		wg.Wait()
	})
}

func TestLanesDoNotWaitForEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, func(o *ServerOptions) { o.Lanes = map[string]int{"do/6": 1} })
		h.hang("do/1", true)
		a, b := r.newRunner("B-1", outputsOf("U1")), r.newRunner("B-2", outputsOf("PUMP"))
		a.p.Grant([]string{"U1"}, 1)
		b.p.Grant([]string{"PUMP"}, 2)
		var wg sync.WaitGroup
		wg.Go(func() { require.ErrorIs(t, a.write("do/1", 1), tag.ErrUnknown) })
		time.Sleep(100 * time.Millisecond)
		begun := r.clock.Now()
		require.NoError(t, b.write("do/6", 1))
		require.Less(t, r.clock.Now()-begun, int64(100*time.Millisecond))
		wg.Wait()
	})
}

func TestAFenceCutsShortWhatIsUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, nil)
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 1)
		require.NoError(t, u.write("do/2", 1))
		h.hang("do/1", true)
		var wg sync.WaitGroup
		wg.Go(func() { require.Error(t, u.write("do/1", 1)) })
		time.Sleep(100 * time.Millisecond)
		begun := r.clock.Now()
		out := r.fence(2, true, "U1")
		took := r.clock.Now() - begun
		wg.Wait()
		require.Equal(t, []string{"do/2=0"}, out.Confirmed)
		require.Len(t, out.Unconfirmed, 1)
		require.Contains(t, out.Unconfirmed[0], "do/1: ")
		require.InDelta(t, int64(safeTime), took, 3e9, "it was tried for ten seconds")
		rec := r.records(record.KindFence)[0]
		require.Equal(t, "unconfirmed", rec.Text(record.Result))
		require.Contains(t, rec.Text(record.Detail), "do/1: ")
	})
}

func TestARunnerIsLostThoughOneOfItsOutputsHangs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, nil)
		u := r.newRunner("B-1", outputsOf("U1", "U2"))
		u.p.Grant([]string{"U1", "U2"}, 1)
		for _, c := range []string{"do/1", "do/2", "do/3"} {
			require.NoError(t, u.write(c, 1))
		}
		h.hang("do/1", true)
		begun := r.clock.Now()
		u.die()
		r.reads("do/2", 0)
		r.reads("do/3", 0)
		require.Less(t, r.clock.Now()-begun, int64(4*time.Second), "those that answer do not wait for the one that hangs")
		h.hang("do/1", false)
		r.until("a record", func() bool { return len(r.records(record.KindRunnerLost)) == 1 })
		require.Equal(t, "safe", r.records(record.KindRunnerLost)[0].Text(record.Result))
	})
}

func TestAWriteThatIsCalledOffDoesNotArriveLater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, nil)
		a, b := r.newRunner("B-1", outputsOf("U1")), r.newRunner("B-2", outputsOf("PUMP"))
		a.p.Grant([]string{"U1"}, 1)
		b.p.Grant([]string{"PUMP"}, 2)
		require.NoError(t, a.write("do/1", 0))
		h.hang("do/6", true)
		var wg sync.WaitGroup
		wg.Go(func() { require.Error(t, b.write("do/6", 1)) })
		time.Sleep(100 * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, a.p.Write(ctx, tag.Write{ID: 99, Channel: "do/1", Bits: 1}), tag.ErrUnknown)
		wg.Wait()
		time.Sleep(time.Second)
		r.reads("do/1", 0)
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, w := range h.all {
			require.NotEqualValues(t, 99, w.ID)
		}
	})
}

func TestWhoComesBackIsNotOverwrittenByWhatWasDoneForHisLoss(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, nil)
		h.slow = 7 * time.Millisecond
		u := r.newRunner("B-1", outputsOf("U1", "U2"))
		for round := range 30 {
			u.p.Grant([]string{"U1", "U2"}, 1)
			for _, c := range []string{"do/1", "do/2", "do/3"} {
				r.until("a write", func() bool { return u.write(c, 1) == nil })
			}
			u.die()
			time.Sleep(time.Duration(round) * 2 * time.Millisecond)
			u = r.newRunner("B-1", outputsOf("U1", "U2"))
			u.p.Grant([]string{"U1", "U2"}, 1)
			for _, c := range []string{"do/1", "do/2", "do/3"} {
				require.NoError(t, u.write(c, 1))
			}
			time.Sleep(1500 * time.Millisecond)
			for _, c := range []string{"do/1", "do/2", "do/3"} {
				raw, _ := u.value(c)
				require.EqualValues(t, 1, raw.Bits, "%s in round %d", c, round)
			}
		}
	})
}

func TestAPortThatIsLostIsBadForAllAndComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, h := newHangs(t, nil)
		u := r.newRunner("B-1", nil)
		time.Sleep(2 * time.Second)
		h.lost <- errors.New("the cable is out")
		time.Sleep(500 * time.Millisecond)
		for _, c := range all {
			raw, ok := u.value(c)
			require.True(t, ok && raw.Quality == tag.Bad, c)
		}
		time.Sleep(3 * time.Second)
		for _, c := range all {
			raw, _ := u.value(c)
			require.Equal(t, tag.Good, raw.Quality, c)
		}
		require.Empty(t, u.losses(), "the connection stands")
		var w api.Wire
		require.NoError(t, r.call("GET", "/v1/wire", nil, &w))
		require.Contains(t, w.Lost, "the cable is out")
		require.Equal(t, []string{"B-1"}, w.Runners)
	})
}

func TestWithoutEvidenceOutputsGoToTheirSafeValuesAndStayThere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		r.end()
		disk := journaltest.NewIll(journaltest.NewDisk(), r.clock)
		l, err := ledger.Open("x", "board-1", "device", &ledger.Options{Clock: r.clock, Storage: disk})
		require.NoError(t, err)
		r.s, err = New(r.plant, l, &ServerOptions{Dir: r.dir, Clock: r.clock})
		require.NoError(t, err)
		r.s.SetModel(model())
		listener, err := r.n.Listen(api.IO)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		wg.Go(func() { _ = r.s.Run(ctx) })
		wg.Go(func() { _ = api.Serve(ctx, listener, r.s.Handler()) })
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 1)
		r.until("a write", func() bool { return u.write("do/1", 1) == nil })
		require.NoError(t, disk.Fault(journaltest.DiskFault{Kind: journaltest.DiskFails, For: time.Hour}))
		r.s.refuseAccess(api.Peer{UID: 7}, "fence", "", "a record that cannot be kept")
		r.reads("do/1", 0)
		require.ErrorContains(t, u.write("do/1", 1), "evidence can no longer be kept")
		require.NoError(t, u.write("do/1", 0), "towards the safe value it is written all the same")
		u.end()
		_ = u.p.Close()
	})
}

// bone is a watchdog.
type bone struct {
	hal.Watchdog
	fed   atomic.Int64
	ended atomic.Bool
}

func (b *bone) Arm(d time.Duration) (time.Duration, error) { return d, nil }
func (b *bone) Feed() error                                { b.fed.Add(1); return nil }
func (b *bone) Disarm() error                              { b.ended.Store(true); return nil }

func TestTheWatchdogIsFedWhileThePortGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dog := &bone{}
		r, h := newHangs(t, func(o *ServerOptions) { o.Watchdog = dog })
		u := r.newRunner("B-1", outputsOf("U1"))
		u.p.Grant([]string{"U1"}, 1)
		time.Sleep(time.Minute)
		require.InDelta(t, 24, dog.fed.Load(), 2)
		_, block := r.plantHangs(h)
		time.Sleep(5 * time.Second)
		was := dog.fed.Load()
		time.Sleep(30 * time.Second)
		require.LessOrEqual(t, dog.fed.Load(), was+1, "a write that has hung for ever, whatever its deadline was")
		close(block)
		time.Sleep(10 * time.Second)
		require.Greater(t, dog.fed.Load(), was+1)
		r.end()
		require.False(t, dog.ended.Load(), "outputs that nobody knows of: U2 was never safe")
		require.Len(t, r.records(record.KindWatchdog), 2)
	})
}

// plantHangs has the worker at the port hang in the port, against its contract.
func (r *rig) plantHangs(h *hangs) (*rig, chan struct{}) {
	block := make(chan struct{})
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.writes++
	r.s.add(&job{limit: 1, ended: make(chan error, 1), write: tag.Write{Channel: "do/8", ID: 4711}})
	h.Port = &stuck{h.Port, block}
	return r, block
}

// stuck is a port that does not look at ctx.
type stuck struct {
	tag.Port
	block chan struct{}
}

func (s *stuck) Write(context.Context, tag.Write) error { <-s.block; return nil }
