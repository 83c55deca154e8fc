// The rig of these tests: a manager in memory, with runners, a runtime server and an I/O process that do as they are told.

package executive

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/host"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// memLog is a log in memory. Before is asked first, with its number; after is what the caller is told where it was written.
type memLog struct {
	mu     sync.Mutex
	ops    [][]byte
	before func(seq uint64) error
	after  func(seq uint64) error
}

func (l *memLog) Append(_ context.Context, seq uint64, op []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.before != nil {
		if err := l.before(seq); err != nil {
			return err
		}
	}
	if seq != uint64(len(l.ops))+1 {
		return arbiter.ErrConflict
	}
	l.ops = append(l.ops, slices.Clone(op))
	if l.after != nil {
		return l.after(seq)
	}
	return nil
}

func (l *memLog) Read(_ context.Context, from uint64, do func(seq uint64, op []byte) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := from; i <= uint64(len(l.ops)); i++ {
		if len(l.ops[i-1]) == 0 {
			continue
		}
		if err := do(i, l.ops[i-1]); err != nil {
			return err
		}
	}
	return nil
}

func (l *memLog) Trim(_ context.Context, seq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range seq - 1 {
		l.ops[i] = nil
	}
	return nil
}

// fake is a runner that says what it is told to say.
type fake struct {
	b       api.Batch
	warm    bool
	ended   chan struct{}
	ctx     context.Context
	stop    context.CancelFunc
	frozen  bool
	stays   bool // it refuses to go
	hangs   bool // it takes the removal, and does not go
	orders  []api.Command
	removal *api.Removal
}

// site is all that there is beside the manager.
type site struct {
	t       *testing.T
	dir     string
	net     *api.Memory
	log     *memLog
	bubble  bool // all of it is in a bubble of synctest
	mu      sync.Mutex
	fakes   map[string]*fake
	spawned []string
	fences  []api.Fence
	floors  []api.Floors
	unit    string   // that the I/O process has; "": U1
	open    []string // what the I/O process does not confirm
	ioDown  bool
	loads   api.Life // what a runner comes up as; "": Ready
	silent  bool     // runners that are spawned do not come up
	model   api.Model
	tokens  uint64                 // of U1
	taker   string                 // who has U1 at the wire
	boot    string                 // of the I/O process
	secret  uint64                 // a token that the I/O process tells of only to a fence that is below it
	step    func(what string) bool // before and after each step that the manager takes outside: whether it lives
	looked  func()                 // as the I/O process is asked what it has
	all     sync.WaitGroup
	ctx     context.Context
}

func inOurTime(t *testing.T, fn func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour)
		ctx, cancel := context.WithCancel(context.Background())
		s := &site{t: t, dir: t.TempDir(), net: &api.Memory{}, log: &memLog{}, bubble: true, fakes: map[string]*fake{}, ctx: ctx, step: func(string) bool { return true }}
		s.model = api.Model{Version: 1, Rights: api.LocalRights(), Items: []api.Equipment{{ID: "U1", Level: "unit", Owners: 1}, {ID: "U2", Level: "unit", Owners: 1}}}
		s.serve(api.Runtime, s.runtime())
		s.serve(api.IO, s.io())
		defer time.Sleep(time.Minute) // connections that nobody uses end
		defer s.all.Wait()
		defer cancel()
		fn(s)
	})
}

func (s *site) serve(name string, h http.Handler) {
	l, err := s.net.Listen(name)
	require.NoError(s.t, err)
	s.all.Go(func() { _ = api.Serve(s.ctx, l, h) })
}

func (s *site) runtime() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/model", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		api.Reply(w, &s.model, nil)
	})
	return mux
}

func (s *site) io() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/wire", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		looked := s.looked
		s.mu.Unlock()
		if looked != nil {
			looked()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		api.Reply(w, &api.Wire{Equipment: []api.WireEquipment{{ID: or(s.unit, "U1"), Token: s.tokens, Batch: s.taker}}}, nil)
	})
	mux.HandleFunc("GET /v1/self", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		api.Reply(w, &api.Self{Role: api.IO, Boot: s.boot, Version: "1"}, nil)
	})
	mux.HandleFunc("POST /v1/floors", func(w http.ResponseWriter, r *http.Request) {
		var f api.Floors
		err := api.Take(w, r, &f)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.floors = append(s.floors, f)
		s.tokens = max(s.tokens, f.Tokens[or(s.unit, "U1")])
		api.Reply(w, nil, err)
	})
	mux.HandleFunc("POST /v1/fences", func(w http.ResponseWriter, r *http.Request) {
		var f api.Fence
		err := api.Take(w, r, &f)
		lives := s.step("fence")
		s.mu.Lock()
		if s.ioDown || !lives {
			err = &api.Error{Status: http.StatusServiceUnavailable, Message: "away"}
		}
		if err == nil {
			s.fences = append(s.fences, f)
		}
		out := api.Fenced{Unconfirmed: s.open}
		if f.Token < s.secret {
			out = api.Fenced{Greater: s.secret}
		}
		s.mu.Unlock()
		s.step("fenced")
		api.Reply(w, &out, err)
	})
	return mux
}

// Spawn implements Spawner.
func (s *site) Spawn(batch, dir string) (Process, error) {
	if !s.step("spawn") {
		return nil, errDead
	}
	o, err := host.ReadOrder(dir)
	if err != nil {
		return nil, err
	}
	if old := s.fake(batch); old != nil {
		select {
		case <-old.ended:
		default:
			return nil, errors.New("another runner of the batch lives")
		}
	}
	s.mu.Lock()
	s.spawned = append(s.spawned, batch)
	f := &fake{ended: make(chan struct{}), warm: o.Warm, b: api.Batch{ID: batch, Life: or(s.loads, api.Ready), Recipe: o.Recipe, Unit: o.Unit, State: "Idle"}}
	if o.Warm && s.fakes[batch] != nil {
		f.b.Life, f.b.State = api.Active, "Held"
	}
	if f.b.Life == api.LoadFailed {
		f.b.Reason = "the recipe has an error"
	}
	s.fakes[batch] = f
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(s.ctx)
	f.ctx, f.stop = ctx, cancel
	l, err := s.net.Listen(batch)
	if err != nil {
		return nil, err
	}
	if s.silent {
		l.Close()
	}
	s.all.Go(func() {
		defer close(f.ended)
		if s.silent {
			<-ctx.Done()
			return
		}
		_ = api.Serve(ctx, l, s.runner(f))
		l.Close()
	})
	s.step("spawned")
	return &fakeProcess{s, f}, nil
}

// Adopt implements Spawner.
func (s *site) Adopt(batch string, _ int) (Process, error) {
	if f := s.fake(batch); f != nil {
		return &fakeProcess{s, f}, nil
	}
	return nil, errors.New("not known")
}

type fakeProcess struct {
	s *site
	f *fake
}

func (p *fakeProcess) PID() int { return os.Getpid() }
func (p *fakeProcess) Wait(ctx context.Context) error {
	select {
	case <-p.f.ended:
		return errors.New("its process has ended: signal: killed")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *fakeProcess) Kill() error {
	if !p.s.step("kill") {
		return errDead
	}
	p.f.stop()
	<-p.f.ended
	p.s.step("killed")
	return nil
}

func (s *site) fake(batch string) *fake {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fakes[batch]
}

// thaw waits until a fake is not frozen.
func (s *site) thaw(f *fake) {
	for {
		s.mu.Lock()
		frozen := f.frozen
		s.mu.Unlock()
		if !frozen || f.ctx.Err() != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// runner serves a fake.
func (s *site) runner(f *fake) http.Handler {
	mux := http.NewServeMux()
	thaw := func() { s.thaw(f) }
	mux.HandleFunc("GET /v1/batches/{id}", func(w http.ResponseWriter, _ *http.Request) {
		thaw()
		s.mu.Lock()
		defer s.mu.Unlock()
		api.Reply(w, &f.b, nil)
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		out := api.NewStream(w)
		for last := ""; r.Context().Err() == nil; {
			thaw()
			if f.ctx.Err() != nil {
				return
			}
			s.mu.Lock()
			data, _ := json.Marshal(&f.b)
			s.mu.Unlock()
			var err error
			if string(data) != last {
				last, err = string(data), out.Send("batch", "", data)
			} else {
				err = out.Beat()
			}
			if err != nil {
				return
			}
			pause(r.Context(), 400*time.Millisecond)
		}
	})
	mux.HandleFunc("POST /v1/batches/{id}/commands", func(w http.ResponseWriter, r *http.Request) {
		thaw()
		var c api.Command
		err := api.Take(w, r, &c)
		s.mu.Lock()
		f.orders = append(f.orders, c)
		switch {
		case f.b.Life == api.Ended || f.b.Life == api.LoadFailed:
			err = &api.Error{Status: http.StatusConflict, Message: "not now"}
		case c.Command == "start":
			f.b.Life, f.b.State = api.Active, "Running"
		case c.Command == "abort":
			f.b.Life, f.b.State = api.Ended, "Aborted"
		}
		s.mu.Unlock()
		api.Reply(w, &api.Accepted{Batch: f.b.ID, As: c.Operator}, err)
	})
	mux.HandleFunc("POST /v1/batches/{id}/removal", func(w http.ResponseWriter, r *http.Request) {
		thaw()
		var o api.Removal
		err := api.Take(w, r, &o)
		s.mu.Lock()
		defer s.mu.Unlock()
		if f.stays {
			err = &api.Error{Status: http.StatusConflict, Message: "it is under way"}
		} else if f.removal = &o; !f.hangs {
			time.AfterFunc(50*time.Millisecond, f.stop)
		}
		api.Reply(w, &api.Accepted{Batch: f.b.ID}, err)
	})
	return mux
}

// with runs fn while a manager runs, and then ends it as a kill would: the runners go on.
func (s *site) with(fn func(m *Manager, c *api.Client)) {
	s.t.Helper()
	m, err := New(s.dir, s.net, s.log, s, &Options{Device: "test"})
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	s.all.Go(func() { done <- m.Run(ctx) })
	c := s.net.Dial(api.Manager)
	s.until(func() bool {
		m.mu.Lock()
		known := m.model != nil
		m.mu.Unlock()
		return known && c.Call(s.ctx, http.MethodGet, "/v1/self", nil, nil) == nil
	})
	fn(m, c)
	cancel()
	require.NoError(s.t, <-done)
	c.Close()
	require.NoError(s.t, m.Close())
}

// until waits until something is so, for two minutes at most: in a bubble until nobody has anything left to do in that instant, too.
func (s *site) until(is func() bool) {
	s.t.Helper()
	for range 12_000 {
		if s.rest(); is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.Fail(s.t, "it does not come to be so")
}

func (s *site) rest() {
	if s.bubble {
		synctest.Wait()
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func post(c *api.Client, path string, in api.Body) error {
	return c.Call(context.Background(), http.MethodPost, path, in, nil)
}

// is waits until a batch has a life.
func (s *site) is(c *api.Client, id string, life api.Life) (b api.Batch) {
	s.t.Helper()
	for range 12_000 {
		s.rest()
		b = api.Batch{}
		require.NoError(s.t, c.Call(s.ctx, http.MethodGet, "/v1/batches/"+id, nil, &b))
		if b.Life == life {
			return b
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.Equal(s.t, life, b.Life, b.Reason)
	return b
}

// made creates a batch and waits until it is Ready.
func (s *site) made(c *api.Client, id string) {
	s.t.Helper()
	require.NoError(s.t, post(c, "/v1/batches", &api.Create{ID: id, Recipe: "R", Unit: "U1"}))
	s.is(c, id, api.Ready)
}

// has has the runner of a batch ask for equipment.
func (s *site) has(c *api.Client, id string, claim uint32, equipment ...string) {
	s.t.Helper()
	require.NoError(s.t, post(c, "/v1/claims", &api.Claim{Batch: id, ID: claim, Step: "S", Equipment: equipment}))
}

// owner tells who has equipment.
func (s *site) owner(c *api.Client, equipment string) api.Holding {
	s.t.Helper()
	var list api.Holdings
	require.NoError(s.t, c.Call(s.ctx, http.MethodGet, "/v1/equipment", nil, &list))
	for _, h := range list {
		if h.Equipment == equipment {
			return h
		}
	}
	return api.Holding{}
}

// set changes a fake.
func (s *site) set(id string, do func(f *fake)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s.fakes[id])
}

// records reads the ledger of the manager: what each batch_life and access_refused says.
func (s *site) records() (lives []string) {
	s.t.Helper()
	_, err := journal.Scan(filepath.Join(s.dir, "manager"), func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		switch {
		case err != nil:
			return err
		case r.Kind == record.KindBatchLife:
			lives = append(lives, r.Text(record.ObjectID)+" "+r.Text(record.Command)+": "+r.Text(record.OldValue)+" "+r.Text(record.LifeState)+" "+r.Text(record.Result))
		case r.Kind == record.KindAccessRefused:
			lives = append(lives, "access "+r.Text(record.Actor)+" "+r.Text(record.ClaimedActor)+" "+r.Text(record.Command))
		case r.Kind == record.KindEquipmentOwner:
			lives = append(lives, "owner "+r.Text(record.ObjectID)+" "+r.Text(record.Detail)+" "+r.Texts(record.ResourceID)[0])
		}
		return nil
	}, &journal.Options{})
	require.NoError(s.t, err)
	return lives
}
