// Tests of the sender: outages, restarts and cuts at random, and where every sample is.

package trend_test

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/journal/journaltest"
	"github.com/batchkit/batchkit/timebase/system"
)

// running is a sender that runs in a bubble.
type running struct {
	*trend.Sender
	ring   *trend.Ring
	cancel context.CancelFunc
	ended  sync.WaitGroup
	err    error
}

func run(t *testing.T, r *trend.Ring, sink trend.Sink, o *trend.SenderOptions) *running {
	t.Helper()
	s, err := trend.NewSender("historian", r, sink, system.NewClock(1), o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	a := &running{Sender: s, ring: r, cancel: cancel}
	a.ended.Go(func() { a.err = s.Run(ctx) })
	return a
}

func (a *running) stop() error {
	a.cancel()
	a.ended.Wait()
	return a.err
}

// story is one seed: lives of a controller, each of which may end with a cut, with a sink that fails.
type story struct {
	t     *testing.T
	rng   *rand.Rand
	d     *journaltest.Disk
	h     *historian
	s     *source
	told  []fieldbus.Event
	shed  uint64 // what the rings have counted as lost or overwritten
	cuts  int
	sizes int
}

func (y *story) options() *trend.SenderOptions {
	return &trend.SenderOptions{Batch: 20, Rate: 100, Most: time.Minute, Seed: y.rng.Uint64(), Report: func(ev fieldbus.Event) { y.told = append(y.told, ev) }}
}

// live lets a controller live for some minutes.
func (y *story) live(cut bool) {
	r := open(y.t, y.d)
	a := run(y.t, r, y.h, y.options())
	for range 100 + y.rng.IntN(400) {
		time.Sleep(time.Duration(y.rng.Int64N(int64(time.Second))))
		for range y.rng.IntN(y.sizes) {
			y.s.give(r)
		}
		if y.rng.IntN(60) == 0 {
			y.h.set(func() { y.h.away = !y.h.away })
		}
		if y.rng.IntN(40) == 0 {
			n := a.Numbers()
			require.Equal(y.t, n.Taken, n.Acknowledged+n.Dropped+n.Buffered)
			require.LessOrEqual(y.t, n.Dropped, n.Taken)
		}
	}
	if !cut {
		require.NoError(y.t, a.stop())
		n := r.Stats()
		y.shed += n.Shed + n.Failed + n.Evicted
		require.NoError(y.t, r.Close())
		return
	}
	y.cuts++
	synctest.Wait() // no call is under way
	y.d.Fault = func(int, string, string) *journaltest.Fault {
		return &journaltest.Fault{Err: journaltest.ErrPower, Power: true}
	}
	_ = a.stop()
	names, sectors := y.d.Pending()
	all := losses(names, sectors, y.rng)
	y.d = y.d.Cut(all[y.rng.IntN(len(all))])
}

func TestThroughOutagesAndCutsNoSampleIsDoubledAndWhatIsLostIsCounted(t *testing.T) {
	seeds := uint64(100)
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds = 2000
	}
	kept, dropped, cuts, told := 0, uint64(0), 0, 0
	for seed := uint64(1); seed <= seeds; seed++ {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			y := &story{t: t, rng: rng, d: journaltest.NewDisk(), h: &historian{rng: rand.New(rand.NewPCG(seed, 3))}, s: newSource(), sizes: 2 + rng.IntN(12)}
			for range 1 + rng.IntN(4) {
				y.live(seed%2 == 0 && rng.IntN(2) == 0)
			}
			y.h.set(func() { y.h.away, y.h.rng = false, nil })
			r := open(t, y.d)
			a := run(t, r, y.h, y.options())
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			n := a.Numbers()
			require.NoError(t, a.stop(), "seed %d", seed)
			require.NoError(t, y.h.wrong, "seed %d", seed)
			require.NoError(t, y.s.honest(y.h.kept), "seed %d", seed)
			require.NoError(t, n.Fault, "seed %d", seed)
			require.Zero(t, n.Buffered, "seed %d", seed)
			require.Equal(t, n.Taken, n.Acknowledged+n.Dropped, "seed %d", seed)
			require.LessOrEqual(t, n.Acknowledged, uint64(len(y.h.kept)), "seed %d", seed)
			if y.cuts == 0 { // nothing is in doubt: what is counted is what is so
				require.Equal(t, y.s.n, n.Taken, "seed %d", seed)
				require.Zero(t, n.Passed, "seed %d", seed)
				require.LessOrEqual(t, uint64(len(y.h.kept))-n.Acknowledged, y.h.unsaid, "seed %d: they were overwritten before they could be repeated", seed)
				require.LessOrEqual(t, n.Dropped, y.shed+r.Stats().Evicted, "seed %d", seed)
			} else {
				require.LessOrEqual(t, n.Taken, y.s.n, "seed %d: what was in memory is lost, and no number that was passed over counts", seed)
				require.LessOrEqual(t, n.Passed, uint64(y.cuts*trend.MaxLoss), "seed %d", seed)
				require.LessOrEqual(t, uint64(len(y.h.kept))-n.Acknowledged, uint64(y.cuts*trend.MaxLoss), "seed %d", seed)
			}
			for _, ev := range y.told {
				require.Equal(t, fieldbus.Backlog, ev.Kind)
				require.Equal(t, ev.Buffered, ev.Acknowledged+ev.Dropped, "seed %d", seed)
				require.GreaterOrEqual(t, ev.Sent, ev.Acknowledged, "seed %d", seed)
			}
			require.NoError(t, r.Close())
			kept += len(y.h.kept)
			dropped += n.Dropped
			cuts += y.cuts
			told += len(y.told)
		})
	}
	t.Logf("%d seeds, %d cuts: %d samples kept, %d dropped, %d catch-ups told", seeds, cuts, kept, dropped, told)
	require.Positive(t, told)
	require.Positive(t, cuts)
}

func TestACatchUpIsToldWithNumbersThatAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s, h := journaltest.NewDisk(), newSource(), &historian{away: true}
		r := open(t, d)
		var told []fieldbus.Event
		a := run(t, r, h, &trend.SenderOptions{Report: func(ev fieldbus.Event) { told = append(told, ev) }})
		for range 1000 { // more than fits the ring
			time.Sleep(time.Second)
			s.give(r)
		}
		synctest.Wait()
		require.Empty(t, told)
		n := a.Numbers()
		require.LessOrEqual(t, r.Stats().Waiting, uint64(1), "what cannot be sent reaches the disk all the same")
		require.ErrorIs(t, n.Fault, errAway)
		require.Zero(t, n.Acknowledged)
		require.Equal(t, n.Dropped, r.Stats().Evicted)
		h.set(func() { h.away = false })
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		require.Len(t, told, 1)
		require.Equal(t, fieldbus.Event{Kind: fieldbus.Backlog, At: told[0].At, Device: "historian", Cause: told[0].Cause, Buffered: 1000,
			Sent: told[0].Sent, Acknowledged: int64(len(h.kept)), Dropped: int64(n.Dropped)}, told[0])
		require.Contains(t, told[0].Cause, `trend: sink "historian": samples 1 to `)
		require.NoError(t, a.stop())
	})
}

func TestACatchUpKeepsToItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newSource(), &historian{}
		r, err := trend.Open("ring", &trend.Options{Storage: journaltest.NewDisk()})
		require.NoError(t, err)
		for range 4000 {
			s.give(r)
		}
		require.NoError(t, r.Flush(0))
		a := run(t, r, h, &trend.SenderOptions{Batch: 100, Rate: 100})
		for second := range 38 {
			time.Sleep(time.Second)
			synctest.Wait()
			h.set(func() { require.LessOrEqual(t, len(h.kept), 100*(second+2)) })
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Len(t, h.kept, 4000)
		require.NoError(t, a.stop())
	})
}

func TestASinkThatIsAwayIsAskedLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newSource(), &historian{away: true}
		r := open(t, journaltest.NewDisk())
		s.give(r)
		a := run(t, r, h, nil)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.Greater(t, h.failed, 24*60/5-1, "five minutes are the longest pause")
		require.Less(t, h.failed, 1500)
		h.set(func() { h.away = false })
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		require.Len(t, h.kept, 1)
		require.NoError(t, a.stop())
	})
}

func TestASlowOrFullDiskHoldsNobodyUp(t *testing.T) {
	for _, f := range []journaltest.DiskFault{
		{Kind: journaltest.DiskSlow, For: 2 * time.Minute, Delay: 20 * time.Second},
		{Kind: journaltest.DiskFull, For: 2 * time.Minute},
		{Kind: journaltest.DiskFails, For: 2 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			clock := system.NewClock(1)
			ill, s, h := journaltest.NewIll(journaltest.NewDisk(), clock), newSource(), &historian{}
			r := open(t, ill)
			a := run(t, r, h, nil)
			for i := range 6000 {
				if i == 1000 {
					require.NoError(t, ill.Fault(f))
				}
				time.Sleep(50 * time.Millisecond)
				before := time.Now()
				s.give(r)
				require.Equal(t, before, time.Now(), "put waits for nothing")
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			n, st := a.Numbers(), r.Stats()
			require.Equal(t, uint64(6000), n.Taken)
			require.Equal(t, uint64(len(h.kept)), n.Acknowledged)
			require.Zero(t, n.Buffered)
			require.LessOrEqual(t, n.Dropped, st.Shed+st.Failed+st.Evicted)
			require.NoError(t, s.honest(h.kept))
			require.Equal(t, uint64(6000), h.kept[len(h.kept)-1].Seq)
			if f.Kind == journaltest.DiskFull {
				require.ErrorContains(t, st.Fault, "no room")
			}
			require.NoError(t, a.stop())
			require.NoError(t, r.Close())
		})
	}
}
