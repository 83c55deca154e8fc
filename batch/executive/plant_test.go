// The rig of several boards: managers that share one log, each with its own directory, network, runners, runtime server and I/O process.

package executive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// way is how one node reaches the log.
type way int

const (
	open    way = iota
	hangs       // nothing comes back
	fails       // it says so at once
	unknown     // what is appended is there, and nobody is told; what is read is told
	deaf        // what is appended is there, and nothing comes back
)

// farLog is the log as one node sees it.
type farLog struct {
	*store.Memory
	mu   sync.Mutex
	way  way
	then func() // what happens elsewhere just before the next Append; once
}

var errCable = errors.New("no route to the log")

func (l *farLog) set(w way) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.way = w
}

// goes is what becomes of a call.
func (l *farLog) goes(ctx context.Context) error {
	l.mu.Lock()
	w := l.way
	l.mu.Unlock()
	switch w {
	case hangs, deaf:
		<-ctx.Done()
		return ctx.Err()
	case fails:
		return errCable
	}
	return nil
}

func (l *farLog) Append(ctx context.Context, seq uint64, op []byte) error {
	l.mu.Lock()
	w, then := l.way, l.then
	l.then = nil
	l.mu.Unlock()
	if then != nil {
		then()
	}
	if w == unknown || w == deaf {
		if err := l.Memory.Append(ctx, seq, op); err != nil {
			return err
		}
	}
	if err := l.goes(ctx); err != nil {
		return fmt.Errorf("%w: %w", arbiter.ErrUnknown, err)
	}
	if w == unknown {
		return arbiter.ErrUnknown
	}
	return l.Memory.Append(ctx, seq, op)
}

func (l *farLog) Read(ctx context.Context, from uint64, do func(seq uint64, op []byte) error) error {
	if err := l.goes(ctx); err != nil {
		return err
	}
	return l.Memory.Read(ctx, from, do)
}

func (l *farLog) Wait(ctx context.Context, seq uint64) error {
	if err := l.goes(ctx); err != nil {
		return err
	}
	return l.Memory.Wait(ctx, seq)
}

// node is one board.
type node struct {
	*site
	name   string
	far    *farLog
	real   arbiter.Log // nil: far
	whole  int
	why    string // PutBack
	trades uint32
	m      *Manager
	c      *api.Client
	stop   context.CancelFunc
	done   chan error
}

// inPlant has nodes n1 and on, with units U1 and on, one at each.
func inPlant(t *testing.T, n int, fn func(all []*node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour)
		ctx, cancel := context.WithCancel(context.Background())
		all := boards(ctx, t, n)
		defer time.Sleep(time.Minute)
		defer func() {
			for _, b := range all {
				b.all.Wait()
			}
		}()
		defer cancel()
		for _, b := range all {
			b.bubble = true
			b.up()
		}
		fn(all)
		for _, b := range all {
			b.down()
		}
	})
}

// boards are nodes whose managers are not up yet.
func boards(ctx context.Context, t *testing.T, n int) (all []*node) {
	mem := store.NewMemory()
	for i := range n {
		s := &site{t: t, dir: t.TempDir(), net: &api.Memory{}, log: &memLog{}, fakes: map[string]*fake{}, ctx: ctx, step: func(string) bool { return true },
			boot: "1", unit: fmt.Sprint("U", i+1)}
		s.model = api.Model{Version: 1, Rights: api.LocalRights()}
		for k := range n {
			it := api.Equipment{ID: fmt.Sprint("U", k+1), Level: "unit", Owners: 1}
			if k != i { // what another model says of it does not count
				it.Node, it.Owners = fmt.Sprint("n", k+1), 5
			}
			s.model.Items = append(s.model.Items, it)
		}
		s.serve(api.Runtime, s.runtime())
		s.serve(api.IO, s.io())
		all = append(all, &node{site: s, name: fmt.Sprint("n", i+1), far: &farLog{Memory: mem}})
	}
	for _, b := range all {
		for _, to := range all {
			if b != to {
				b.serve(api.Remote(to.name, api.IO), to.io())
			}
		}
	}
	return all
}

func (b *node) new() (*Manager, error) {
	log := arbiter.Log(b.far)
	if b.real != nil {
		log = b.real
	}
	return New(b.dir, b.net, log, b.site, &Options{Device: "test", Node: b.name, Whole: b.whole, PutBack: b.why})
}

// up starts the manager of a node.
func (b *node) up() {
	b.t.Helper()
	m, err := b.new()
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(b.ctx)
	b.m, b.stop, b.done, b.c = m, cancel, make(chan error, 1), b.net.Dial(api.Manager)
	b.all.Go(func() { b.done <- m.Run(ctx) })
	b.until(func() bool {
		m.mu.Lock()
		known := m.model != nil
		m.mu.Unlock()
		return known && b.c.Call(b.ctx, http.MethodGet, "/v1/self", nil, nil) == nil
	})
}

// down ends it as a kill would.
func (b *node) down() {
	if b.m == nil {
		return
	}
	b.stop()
	require.NoError(b.t, <-b.done)
	b.c.Close()
	require.NoError(b.t, b.m.Close())
	b.m = nil
}

// nodes are the others, as it says.
func (b *node) nodes() (list api.Nodes) {
	b.t.Helper()
	require.NoError(b.t, b.c.Call(b.ctx, http.MethodGet, "/v1/nodes", nil, &list))
	return list
}

// asks has a batch of this node ask for equipment, for as long as it is refused for a reason that passes.
func (b *node) asks(id string, claim uint32, equipment ...string) {
	b.t.Helper()
	b.has(b.c, id, claim, equipment...)
}

// gives has it give back a claim.
func (b *node) gives(id string, claim uint32) {
	b.t.Helper()
	require.NoError(b.t, post(b.c, "/v1/releases", &api.Claim{Batch: id, ID: claim}))
}

// hears listens to the rulings of a batch; what it gives tells of all so far.
func (b *node) hears(id string) func() []api.Ruling {
	var mu sync.Mutex
	var list []api.Ruling
	b.all.Go(func() {
		for b.ctx.Err() == nil {
			_ = b.net.Dial(api.Manager).Events(b.ctx, "/v1/rulings?batch="+id, 5*time.Second, func(event, _ string, data []byte) error {
				var r api.Ruling
				if event == "ruling" && json.Unmarshal(data, &r) == nil {
					mu.Lock()
					defer mu.Unlock()
					list = append(list, r)
				}
				return nil
			})
			pause(b.ctx, 50*time.Millisecond)
		}
	})
	time.Sleep(100 * time.Millisecond)
	return func() []api.Ruling {
		time.Sleep(100 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		return list
	}
}

// owners are the records of who had what, with the numbers of their operations.
func (b *node) owners() (list []string) {
	b.t.Helper()
	_, err := journal.Scan(filepath.Join(b.dir, "manager"), func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == record.KindEquipmentOwner {
			list = append(list, fmt.Sprint(r.Count(record.ArbiterSeq), " ", r.Text(record.ObjectID), " ", r.Text(record.Detail), " ", r.Texts(record.ResourceID), " ", r.Count(record.Token)))
		}
		return err
	}, &journal.Options{})
	require.NoError(b.t, err)
	return list
}

// witnesses holds that the ledger of each node says the same of who had what, and what the log says as far as it goes back.
func witnesses(t *testing.T, all []*node) {
	t.Helper()
	time.Sleep(15 * time.Second)
	agree(t, all[0].far.Memory, all)
}

// agree holds the ledgers of nodes that have all of a log on record against it.
func agree(t *testing.T, log arbiter.Log, all []*node) {
	t.Helper()
	var want []string
	book, whole := arbiter.NewBook(), uint64(0)
	require.NoError(t, book.Follow(context.Background(), log, func(seq uint64, op *arbiter.Op, fx []arbiter.Effect) {
		if op.Kind == arbiter.Whole && want == nil {
			whole = seq
		}
		for _, d := range deeds(op, fx) {
			want = append(want, fmt.Sprint(seq, " ", d.batch, " ", d.word, " ", d.equipment, " ", d.token))
		}
	}))
	for _, b := range all {
		list := b.owners()
		require.Equal(t, all[0].owners(), list, b.name)
		if whole > 0 {
			require.GreaterOrEqual(t, len(list), len(want))
			list = list[len(list)-len(want):]
		}
		require.Equal(t, want, append([]string(nil), list...), b.name)
	}
}

// copied copies a directory.
func copied(t *testing.T, dir string) string {
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}
