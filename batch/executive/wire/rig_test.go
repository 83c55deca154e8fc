// What the tests stand on: an I/O process over a simulated plant, in memory or on sockets, and the ports of its runners.

package wire

import (
	"context"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
	"github.com/stretchr/testify/require"
)

// model has two units and what stands between them.
func model() []api.Equipment {
	return []api.Equipment{
		{ID: "U1", Level: "unit", Owners: 1, Channels: []string{"do/1", "do/2"}, Safe: map[string]string{"do/1": "0", "do/2": "0"}},
		{ID: "U2", Level: "unit", Owners: 1, Channels: []string{"do/3", "ao/1"}, Safe: map[string]string{"do/3": "0", "ao/1": "200"}},
		{ID: "PUMP", Level: "equipment_module", Owners: 1, Channels: []string{"do/6"}, Safe: map[string]string{"do/6": "false"}},
	}
}

// all are the channels of the plant.
var all = []string{"di/1", "di/2", "di/3", "di/4", "di/5", "ctr/1", "ctr/2", "tot/1", "tot/2", "ai/1", "ai/2", "ai/3", "ai/4", "ai/5",
	"do/1", "do/2", "do/3", "do/4", "do/5", "do/6", "do/7", "do/8", "ao/1"}

// outputsOf are the outputs of the model that belong to equipment.
func outputsOf(equipment ...string) (list []Output) {
	for _, it := range model() {
		for _, e := range equipment {
			for _, c := range it.Channels {
				if it.ID != e {
					continue
				}
				o := Output{Channel: c, Equipment: e}
				if c == "ao/1" {
					o.Form, o.Safe = tag.Int, 200
				}
				list = append(list, o)
			}
		}
	}
	return list
}

// rig is an I/O process that runs.
type rig struct {
	t     *testing.T
	dir   string
	n     api.Network
	clock timebase.Clock
	plant tag.Port
	items []api.Equipment
	s     *Server
	end   func() // it ends, as on a signal
}

// inBubble runs fn in a bubble, in a year that a wall clock may show.
func inBubble(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour)
		fn(t)
	})
}

// newRig starts an I/O process over a plant.
func newRig(t *testing.T, n api.Network, change func(o *ServerOptions)) *rig {
	t.Helper()
	clock := system.NewClock(1)
	r := &rig{t: t, dir: t.TempDir(), n: n, clock: clock, plant: sim.NewPlant(3).On(clock), items: model()}
	r.start(change)
	return r
}

// start starts the I/O process, as it comes up again in its directory.
func (r *rig) start(change func(o *ServerOptions)) {
	r.t.Helper()
	l, err := ledger.Open(filepath.Join(r.dir, "ledger"), "board-1", "device", &ledger.Options{Clock: r.clock})
	require.NoError(r.t, err)
	o := &ServerOptions{Dir: r.dir, Clock: r.clock}
	if change != nil {
		change(o)
	}
	r.s, err = New(r.plant, l, o)
	require.NoError(r.t, err)
	r.s.SetModel(r.items)
	listener, err := r.n.Listen(api.IO)
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.s.Run(ctx) })
	wg.Go(func() { _ = api.Serve(ctx, listener, r.s.Handler()) })
	ended := false
	r.end = func() {
		if !ended {
			ended = true
			cancel()
			wg.Wait()
			_ = l.Close()
		}
	}
	r.t.Cleanup(r.end)
	for !r.runs() {
		time.Sleep(time.Millisecond)
	}
}

func (r *rig) runs() bool {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.s.life != nil
}

// records are those of a kind in the ledger.
func (r *rig) records(kind record.Kind) (list []*record.Record) {
	r.t.Helper()
	_, err := journal.Scan(filepath.Join(r.dir, "ledger"), func(_ uint64, body []byte, _ journal.Chain) error {
		rec, err := record.Parse(body)
		if err == nil && rec.Kind == kind {
			list = append(list, rec)
		}
		return err
	}, &journal.Options{Segment: 72 << 10})
	require.NoError(r.t, err)
	return list
}

// until waits for something to come about.
func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	for i := 0; !is(); i++ {
		require.Less(r.t, i, 2000, what)
		time.Sleep(10 * time.Millisecond)
	}
}

// reads waits until an output reads a value.
func (r *rig) reads(channel string, bits uint64) {
	r.t.Helper()
	r.until(channel, func() bool {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		v := r.s.values[channel]
		return v != nil && v.raw.Quality == tag.Good && v.raw.Bits == bits
	})
}

// call asks the I/O process.
func (r *rig) call(method, path string, in, out api.Body) error {
	c := r.n.Dial(api.IO)
	defer c.Close()
	return c.Call(context.Background(), method, path, in, out)
}

func (r *rig) fence(token uint64, safe bool, equipment ...string) api.Fenced {
	r.t.Helper()
	var out api.Fenced
	require.NoError(r.t, r.call(http.MethodPost, "/v1/fences", &api.Fence{Equipment: equipment, Token: token, Batch: "B-1", Safe: safe,
		Order: api.Order{Reason: "it does not answer"}}, &out))
	return out
}

// runner is the port of a batch, which is watched as a runner does.
type runner struct {
	r     *rig
	p     *Port
	clock timebase.Clock

	mu   sync.Mutex
	got  map[string]tag.Raw
	lost []error
	id   uint32
	end  func() // Watch ends
}

// newRunner connects a batch. Its clock is one of its own.
func (r *rig) newRunner(batch string, outputs []Output) *runner {
	return r.runnerWith(Options{Batch: batch, Channels: all, Outputs: outputs})
}

func (r *rig) runnerWith(o Options) *runner {
	o.Clock = system.NewClock(1)
	u := &runner{r: r, clock: o.Clock, p: Dial(r.n, o), got: map[string]tag.Raw{}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			err := u.p.Watch(ctx, func(raw tag.Raw) {
				u.mu.Lock()
				defer u.mu.Unlock()
				u.got[raw.Channel] = raw
			})
			if ctx.Err() == nil {
				u.mu.Lock()
				u.lost = append(u.lost, err)
				u.mu.Unlock()
			}
			_ = u.clock.Wait(ctx, u.clock.Now()+retryWatch)
		}
	})
	u.end = func() { cancel(); wg.Wait() }
	r.t.Cleanup(func() { u.end(); _ = u.p.Close() })
	return u
}

func (u *runner) value(channel string) (tag.Raw, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	raw, ok := u.got[channel]
	return raw, ok
}

func (u *runner) losses() []error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lost
}

// write writes within two seconds.
func (u *runner) write(channel string, bits uint64) error {
	u.id++
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	w := tag.Write{ID: u.id, Channel: channel, Bits: bits, Deadline: u.clock.Now() + 2_000_000_000}
	if channel == "ao/1" {
		w.Form = tag.Int
	}
	return u.p.Write(ctx, w)
}

// die breaks the connection without a word, as the end of a process does, and never comes back.
func (u *runner) die() {
	u.end()
	u.p.mu.Lock()
	l := u.p.link
	u.p.closed = true
	u.p.mu.Unlock()
	if l != nil {
		l.fail(errClosed)
		l.wg.Wait()
	}
}
