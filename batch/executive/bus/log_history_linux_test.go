// Histories of the log in a stream under faults, held against the model of a log.

package bus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
)

// linearizable holds a history against the model: every call has come to what a single log would have answered at one moment
// between its begin and its end.
func linearizable(t *testing.T, h *storetest.History) {
	t.Helper()
	model := porcupine.Model{
		Init: func() any { return storetest.State{} },
		Step: func(state, in, _ any) (bool, any) {
			call := in.(storetest.Call)
			next, legal := storetest.Step(state.(storetest.State), &call)
			return legal, next
		},
	}
	var all []porcupine.Operation
	for _, c := range h.Calls {
		all = append(all, porcupine.Operation{ClientId: c.Client, Input: c, Call: c.Begun, Return: c.Ended})
	}
	require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(model, all, time.Minute), h)
}

// path is the way of one client to the servers: a relay before each, cut and made deaf together.
type path struct {
	c    *Conn
	deaf []*atomic.Bool
	cuts []func()
}

func newPath(t *testing.T, n int, urls []string) *path {
	k := &path{}
	var all []string
	for i := range urls {
		at, deaf, cut := relay(t, strings.TrimPrefix(urls[(n+i)%len(urls)], "nats://"))
		all, k.deaf, k.cuts = append(all, "nats://"+at), append(k.deaf, deaf), append(k.cuts, cut)
	}
	k.c = connect(t, &Options{URL: strings.Join(all, ","), Node: fmt.Sprintf("n%d", n)})
	return k
}

func (k *path) cut() {
	for _, cut := range k.cuts {
		cut()
	}
}

func (k *path) hear(deaf bool) {
	for _, d := range k.deaf {
		d.Store(deaf)
	}
}

// counted is a log that counts what it has appended.
type counted struct {
	*Log
	n *atomic.Int64
}

func (c counted) Append(ctx context.Context, seq uint64, op []byte) error {
	err := c.Log.Append(ctx, seq, op)
	if err == nil {
		c.n.Add(1)
	}
	return err
}

// disturbed is servers and clients under faults.
type disturbed struct {
	f      *fleet
	done   atomic.Int64 // appends of all
	was    int64        // at the last fault
	watch  *Conn
	paths  []*path
	stream string
	faults [5]int
	dead   time.Duration // most that a server is stopped, in which others may have another leader
}

func sleepUpTo(dice *rand.Rand, most time.Duration) {
	time.Sleep(time.Millisecond + time.Duration(dice.Int64N(int64(most))))
}

// victim is the leader of the stream, as often as not, else any server.
func (d *disturbed) victim(ctx context.Context, dice *rand.Rand) *member {
	any := d.f.list[dice.IntN(len(d.f.list))]
	if dice.IntN(3) == 0 {
		return any
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	name, err := d.watch.Leader(ctx, d.stream)
	for _, m := range d.f.list {
		if err == nil && m.opt.Node == name {
			return m
		}
	}
	return any
}

// fault makes one and repairs it.
func (d *disturbed) fault(ctx context.Context, dice *rand.Rand) error {
	sleepUpTo(dice, 800*time.Millisecond)
	for end := time.Now().Add(4 * time.Second); d.done.Load() < d.was+3 && time.Now().Before(end); { // a slow machine gets something done, too
		time.Sleep(5 * time.Millisecond)
	}
	d.was = d.done.Load()
	n := dice.IntN(len(d.faults))
	d.faults[n]++
	one := d.paths[dice.IntN(len(d.paths))]
	switch n {
	case 0:
		m := d.victim(ctx, dice)
		m.kill()
		sleepUpTo(dice, 100*time.Millisecond)
		m.start()
	case 1:
		m := d.victim(ctx, dice)
		m.signal(syscall.SIGSTOP)
		sleepUpTo(dice, d.dead)
		m.signal(syscall.SIGCONT)
	case 2: // who is given up by all, and goes on then
		m := d.victim(ctx, dice)
		m.signal(syscall.SIGSTOP)
		for _, l := range d.paths {
			l.cut()
		}
		sleepUpTo(dice, d.dead/2)
		m.signal(syscall.SIGCONT)
	case 3:
		one.cut()
	case 4: // what it asked was carried out, and it does not hear of it
		one.hear(true)
		sleepUpTo(dice, 500*time.Millisecond)
		one.cut()
		one.hear(false)
	}
	return nil
}

func TestAHistoryOfTheLogInAStreamUnderFaultsIsLinearizable(t *testing.T) {
	t.Parallel()
	seeds, seed := 1, uint64(time.Now().UnixNano())%1e6
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds = 10
	}
	for _, at := range []struct {
		name      string
		n         int
		dead, For time.Duration
	}{{"R1", 1, time.Second, 4 * time.Second}, {"R3", 3, 6 * time.Second, 8 * time.Second}} {
		t.Run(at.name, func(t *testing.T) {
			t.Parallel()
			d := &disturbed{f: newFleetOf(t, at.n), dead: at.dead}
			const clients = 4
			for n := range clients {
				d.paths = append(d.paths, newPath(t, n, d.f.urls))
			}
			d.watch = connect(t, &Options{URL: strings.Join(d.f.urls, ","), Node: "w"})
			last := connect(t, &Options{URL: strings.Join(d.f.urls, ","), Node: "last"})
			unknown := 0
			for n := range uint64(seeds) {
				name := fmt.Sprint("seed", n)
				d.stream = "ARB_" + name
				openLog(t, d.watch, name, nil).Close()
				trial := &storetest.Trial{Seed: seed + n, Clients: clients, For: at.For, Least: 10, Limit: 2500 * time.Millisecond, Pause: 20 * time.Millisecond,
					Open: func(ctx context.Context, client int) (arbiter.Log, error) {
						c := last // who reads all in the end
						if client < clients {
							c = d.paths[client].c
						}
						var mine arbiter.Log
						if client%2 == 0 {
							mine = store.NewMemory()
						}
						l, err := OpenLog(ctx, c, name, mine)
						if err != nil {
							return nil, err
						}
						return counted{l, &d.done}, nil
					}, Fault: d.fault}
				d.was = d.done.Load()
				h, err := trial.Run(t.Context())
				t.Logf("seed %d: %v", seed+n, h)
				for why, times := range h.Reasons {
					t.Logf("%d times: %s", times, why)
				}
				require.NoError(t, err)
				linearizable(t, h)
				require.Zero(t, h.Stale())
				require.GreaterOrEqual(t, h.Appended, trial.Least)
				require.Positive(t, h.Read)
				unknown += h.Applied
			}
			t.Logf("killed %d, stopped %d, stopped and cut %d, cut %d, deaf and cut %d", d.faults[0], d.faults[1], d.faults[2], d.faults[3], d.faults[4])
			if seeds > 1 {
				require.Positive(t, unknown, "no append of unknown outcome was in the log")
				require.Positive(t, min(d.faults[0], d.faults[1], d.faults[2], d.faults[3], d.faults[4]))
			}
		})
	}
}
