// A log that is out of reach: what is held stays usable, lists are answered, who asks for more waits and is told why; and nothing is lost or doubled.

package executive

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// took is how long something takes by the clock of the bubble.
func took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

func TestALogThatIsAwayKeepsNobodyFromWhatTheManagerKnows(t *testing.T) {
	for _, w := range []way{hangs, fails, deaf} {
		inPlant(t, 2, func(all []*node) {
			n1 := all[0]
			for _, id := range []string{"n1.A", "n1.B", "n1.C"} {
				n1.readies(id)
			}
			n1.asks("n1.A", 1, "U1")
			heard := n1.hears("n1.B")
			n1.far.set(w)
			var group sync.WaitGroup
			stop := false
			for _, id := range []string{"n1.B", "n1.C"} { // they ask until they are heard
				group.Go(func() {
					for !stop {
						if post(n1.c, "/v1/claims", &api.Claim{Batch: id, ID: 1, Step: "S", Equipment: []string{"U1", "U2"}}) == nil {
							return
						}
						time.Sleep(2 * time.Second)
					}
				})
			}
			for range 60 {
				time.Sleep(time.Second)
				require.Zero(t, took(func() {
					require.Equal(t, "n1.A", n1.owner(n1.c, "U1").Batch)
					n1.is(n1.c, "n1.A", api.Ready)
					require.NoError(t, n1.c.Call(n1.ctx, http.MethodGet, "/v1/self", nil, nil))
				}))
			}
			require.LessOrEqual(t, took(func() { n1.asks("n1.A", 1, "U1") }), logLimit+time.Second, "what it has it has, and is told so")
			require.NotEmpty(t, n1.nodes().Log)
			list := heard()
			require.NotEmpty(t, list)
			for _, r := range list {
				require.Equal(t, api.Ruling{Kind: "queued", ID: 1, Equipment: []string{"U1", "U2"}, Place: 1, Owner: noLog, Reason: r.Reason}, r)
				require.NotEmpty(t, r.Reason)
			}
			n1.far.set(open)
			time.Sleep(20 * time.Second)
			require.Empty(t, n1.nodes().Log)
			stop = true
			group.Wait()
			n1.gives("n1.A", 1)
			list = heard()
			last := list[len(list)-1]
			require.True(t, last.Kind == "granted" || last.Kind == "queued" && last.Owner == "n1.C", "%+v", last)
			require.Equal(t, all[1].owner(all[1].c, "U2"), n1.owner(n1.c, "U2"))
			require.Len(t, n1.owner(n1.c, "U1").Waiting, 1, "each is there once")
			witnesses(t, all)
		})
	}
}

func TestManyWhoAskALogThatIsAwayWaitForItOnceAllTogether(t *testing.T) {
	inPlant(t, 1, func(all []*node) {
		n1 := all[0]
		n1.far.set(hangs)
		var group sync.WaitGroup
		began := time.Now()
		for i := range 50 {
			group.Go(func() {
				_, err := n1.m.desk.do(arbiter.Op{Kind: arbiter.Request, Batch: "n1.X", ID: uint32(i + 1), Equipment: []string{"U1"}}, nil)
				require.Equal(t, http.StatusServiceUnavailable, status(t, err))
			})
		}
		group.Wait()
		require.LessOrEqual(t, time.Since(began), 2*logLimit+2*time.Second, "not ten seconds for each of fifty")
		n1.far.set(open)
	})
}

func TestWhatTheLogHasAndNobodyWasToldOfCountsOnce(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.readies("n1.A")
		n2.readies("n2.A")
		n2.far.set(unknown)
		for i := range uint32(10) {
			n2.asks("n2.A", i+1, "U1")
			n1.asks("n1.A", i+1, "U1")
			n2.gives("n2.A", i+1)
			n1.gives("n1.A", i+1)
		}
		n1.asks("n1.A", 50, "U2")
		require.NoError(t, post(n2.c, "/v1/equipment/U2/release", &api.Order{Reason: "stuck"}), "it was taken, and once")
		n2.far.set(open)
		witnesses(t, all)
		granted := slices.DeleteFunc(n1.owners(), func(s string) bool { return !slices.Contains([]byte(s), 'g') })
		require.Len(t, granted, 21)
	})
}

func TestARequestForWhatAnotherNodeHasJustStockedIsNotRefused(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.down()
		m, err := n1.new() // and nobody follows
		require.NoError(t, err)
		require.NoError(t, n2.m.stock(&api.Model{Items: []api.Equipment{{ID: "NEW", Owners: 1}}}))
		fx, err := m.desk.do(wants("n1.A", 1, "NEW"), nil)
		require.NoError(t, err)
		require.Equal(t, arbiter.Granted, fx[0].Kind)
		fx, err = m.desk.do(wants("n1.A", 2, "NEVER"), nil)
		require.NoError(t, err)
		require.Equal(t, arbiter.Refused, fx[0].Kind)
		require.NoError(t, m.Close())
	})
}

func TestAManagerComesUpWhenItsLogIsThereAndWritesNothingBefore(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.readies("n1.A")
		n1.asks("n1.A", 1, "U1")
		n1.down()
		head := func() (n int) {
			n1.far.set(open)
			for range n1.owners() {
				n++
			}
			return n
		}
		before := head()
		for _, w := range []way{hangs, fails} {
			n1.far.set(w)
			_, err := n1.new()
			require.ErrorIs(t, err, ErrAway)
			require.ErrorContains(t, err, "the log of the arbiter: it is out of reach")
		}
		require.Equal(t, before, head())
		n2.readies("n2.A")
		n2.asks("n2.A", 1, "U1")
		n1.up()
		require.Equal(t, "n1.A", n1.owner(n1.c, "U1").Batch)
		n1.gives("n1.A", 1)
		time.Sleep(time.Second)
		require.Equal(t, "n2.A", n1.owner(n1.c, "U1").Batch)
		witnesses(t, all)
	})
}

func TestABatchWithPartnersIsStartedWhenTheyCanBeTold(t *testing.T) {
	inPlant(t, 1, func(all []*node) {
		n1 := all[0]
		n1.far.set(fails)
		require.NoError(t, post(n1.c, "/v1/batches", &api.Create{ID: "n1.A", Recipe: "R", Groups: map[string]string{"peer": "X"}}))
		time.Sleep(2 * time.Minute)
		b := n1.is(n1.c, "n1.A", api.Loading)
		require.Contains(t, b.Reason, "no route to the log")
		require.Empty(t, n1.spawned)
		n1.far.set(open)
		b = n1.is(n1.c, "n1.A", api.Ready)
		require.Empty(t, b.Reason)
		require.Len(t, n1.spawned, 1)
	})
}

// stale is a log whose reads lag behind what others have appended, as those of a replica may.
type stale struct {
	arbiter.Follower
	mu   sync.Mutex
	lags bool
}

func (l *stale) Read(ctx context.Context, from uint64, do func(seq uint64, op []byte) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lags {
		l.lags = false
		return nil
	}
	return l.Follower.Read(ctx, from, do)
}

func TestWhatAPersonTakesIsWhatStandsInTheLogWhenItIsTaken(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.readies("n1.A")
		n1.readies("n1.B")
		n1.asks("n1.A", 1, "U2")
		n1.asks("n1.B", 1, "U2")
		time.Sleep(time.Second)
		n2.step = func(what string) bool {
			if what == "fence" { // n1.A gives it back just now, and n1.B gets it above the fence; and the manager that takes it has not heard of it
				n2.step = func(string) bool { return true }
				n2.m.desk.hand <- struct{}{}
				n2.m.desk.log = &stale{Follower: n2.far, lags: true}
				n2.m.desk.exit()
				n1.gives("n1.A", 1)
			}
			return true
		}
		err := post(n2.c, "/v1/equipment/U2/release", &api.Order{Reason: "stuck"})
		require.Equal(t, http.StatusConflict, status(t, err))
		require.ErrorContains(t, err, "it changed hands meanwhile")
		require.Equal(t, "n1.B", n1.owner(n1.c, "U2").Batch)
	})
}
