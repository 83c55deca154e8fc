// The rig of these tests: a server of the bus that really is one, and boards whose manager does as it is told.

package bus

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// stub is a board of which only the manager is there.
type stub struct {
	t    *testing.T
	node string
	net  *api.Memory
	stop func() // ends the manager

	mu     sync.Mutex
	boot   string
	nodes  api.Nodes
	list   []api.Batch // what it says of batches
	gone   []string
	rev    int
	orders []string // METHOD PATH OPERATOR/ROLE
	hold   chan struct{}
	told   []string
}

func newStub(t *testing.T, node string) *stub {
	t.Helper()
	s := &stub{t: t, node: node, net: &api.Memory{}, boot: "boot-1"}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

// start has the manager come up.
func (s *stub) start() {
	s.t.Helper()
	l, err := s.net.Listen(api.Manager)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = api.Serve(ctx, l, s.handler()) })
	s.stop = func() { cancel(); all.Wait() }
}

func (s *stub) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/self", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		api.Reply(w, &api.Self{Role: api.Manager, Boot: s.boot, Version: "1"}, nil)
	})
	mux.HandleFunc("GET /v1/batches", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		list := api.Batches(s.list)
		api.Reply(w, &list, nil)
	})
	mux.HandleFunc("GET /v1/equipment", func(w http.ResponseWriter, _ *http.Request) {
		api.Reply(w, &api.Holdings{{Equipment: "U1", Batch: s.node + ".B-1"}, {Equipment: "U1", Batch: s.node + ".B-2"}}, nil)
	})
	mux.HandleFunc("POST /v1/nodes", func(w http.ResponseWriter, r *http.Request) {
		var n api.Nodes
		err := api.Take(w, r, &n)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.nodes = n
		api.Reply(w, &api.Accepted{}, err)
	})
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("POST /v1/batches/{id}/commands", func(w http.ResponseWriter, r *http.Request) {
		var c api.Command
		err := api.Take(w, r, &c)
		s.mu.Lock()
		hold := s.hold
		s.orders = append(s.orders, r.Method+" "+r.URL.Path+" "+c.Operator+"/"+c.Role+" "+c.Command)
		s.mu.Unlock()
		if hold != nil {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
		if c.Command == "nonsense" {
			err = &api.Error{Status: http.StatusConflict, Message: "no such command"}
		}
		api.Reply(w, &api.Accepted{Batch: r.PathValue("id"), As: c.Operator}, err)
	})
	return mux
}

// events tells of the batches when they have changed.
func (s *stub) events(w http.ResponseWriter, r *http.Request) {
	out := api.NewStream(w)
	for last := -1; r.Context().Err() == nil; {
		s.mu.Lock()
		rev, list, gone := s.rev, slices.Clone(s.list), s.gone
		s.gone = nil
		s.mu.Unlock()
		if rev != last {
			last = rev
			for i := range list {
				data, _ := json.Marshal(&list[i])
				if out.Send("batch", "", data) != nil {
					return
				}
			}
			for _, id := range gone {
				data, _ := json.Marshal(id)
				if out.Send("removed", "", data) != nil {
					return
				}
			}
		}
		if out.Beat() != nil {
			return
		}
		rest(r.Context(), 20*time.Millisecond)
	}
}

// set changes what the manager says.
func (s *stub) set(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	s.rev++
}

// here tells whether the manager was told that a node is here; known: it was told of it.
func (s *stub) here(node string) (here, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes.Nodes {
		if n.Node == node {
			return n.Here, true
		}
	}
	return false, false
}

func (s *stub) ordered() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.orders)
}

func (s *stub) tell(object, result, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, object+" "+result+" "+detail)
}

// told tells whether something was told that begins so.
func (s *stub) heard(begins string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.told, func(v string) bool { return len(v) >= len(begins) && v[:len(begins)] == begins })
}

// served runs a server where nobody needs a key.
func served(t *testing.T, listen string) (url string, stop func()) {
	t.Helper()
	o := alone(t)
	o.Listen = listen
	s, stop := runServer(t, o)
	return s.ClientURL(), stop
}

// connected connects somebody.
func connected(t *testing.T, o *Options) *Conn {
	t.Helper()
	c, err := Connect(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// bridged runs the bridge of a board at a quick pace until the test ends, or end is called.
func bridged(t *testing.T, s *stub, o *Options, opt *BridgeOptions) (b *Bridge, end func()) {
	t.Helper()
	o.Node = s.node
	b, err := NewBridge(connected(t, o), s.net, opt)
	require.NoError(t, err)
	b.renews, b.lives = 100*time.Millisecond, 2*time.Second
	b.nodes.ttl = b.lives
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(end)
	return b, end
}

// soon waits until something is so.
func soon(t *testing.T, is func() bool, what string) {
	t.Helper()
	require.Eventually(t, is, patience, 10*time.Millisecond, what)
}
