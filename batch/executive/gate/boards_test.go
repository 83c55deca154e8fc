// Two boards with real gates, I/O processes and runners, and a cable between them that is cut.

package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/host"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/wire"
	"github.com/batchkit/batchkit/iomap/tag"
)

const plantMap = `mapping: CELL-IO
version: "1.0"
schema_version: 1
device_id: CTRL-01
equipment_id: UNIT-1
resources:
  - {resource_id: LINE_1, equipment_id: CELL-LINE-1, between_batches: true}
  - {resource_id: LINE_2, equipment_id: CELL-LINE-2, between_batches: true}
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, resource: LINE_1, type: switch, words: [closed, open], safe_value: closed, stale_after: 5 s}
  - {logical_tag: XV2, physical_channel: "n2:do/1", direction: out, resource: LINE_2, type: switch, words: [closed, open], safe_value: closed, stale_after: 5 s}
`

const plantRecipe = `recipe: FILL
version: "1.0"
schema_version: 1
title: Fill
recovery: resume
batch_size: {nominal: 20 kg, min: 10 kg, max: 50 kg}
procedure:
  id: FILL
  level: operation
  sequence:
    - id: CHARGE
      level: phase
      uses: [LINE]
      timeout: 10 h
      actions:
        - set: {VALVE: open}
        - delay: TIME s
        - set: {VALVE: closed}
`

// valve is a board with one output.
type valve struct {
	mu  sync.Mutex
	out uint64
}

func (v *valve) is() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.out
}

func (v *valve) Watch(ctx context.Context, emit func(tag.Raw)) error {
	for ctx.Err() == nil {
		emit(tag.Raw{Channel: "do/1", Form: tag.Bool, Bits: v.is(), Quality: tag.Good})
		pause(ctx, 50*time.Millisecond)
	}
	return nil
}

func (v *valve) Write(_ context.Context, w tag.Write) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.out = w.Bits
	return nil
}

// relay is the cable: while it is cut, what it takes it swallows, and nobody is told.
type relay struct {
	l  net.Listener
	to string

	mu  sync.Mutex
	cut bool
}

func newRelay(t *testing.T) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{l: l}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				far, err := net.Dial("tcp", r.to)
				if err != nil {
					return
				}
				defer far.Close()
				defer context.AfterFunc(ctx, func() { c.Close(); far.Close() })()
				wg.Go(func() { r.pass(c, far) })
				r.pass(far, c)
			})
		}
	})
	return r
}

func (r *relay) pass(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if r.isCut() {
			if err != nil {
				return
			}
			continue
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

func (r *relay) isCut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cut
}

func (r *relay) set(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
}

// plant is two boards and the cable from n1 to n2.
type plant struct {
	t        *testing.T
	ctx      context.Context
	wg       sync.WaitGroup
	n1, n2   api.Sockets
	v1, v2   *valve
	cable    *relay
	gate2    *told
	mu       sync.Mutex
	bindings map[string]*api.Binding // by recipe
	token    uint64
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	if testing.Short() {
		t.Skip("it runs in real time")
	}
	certs, top := t.TempDir(), t.TempDir()
	ca, err := OpenAuthority(certs)
	require.NoError(t, err)
	for _, node := range []string{"n1", "n2"} {
		require.NoError(t, ca.Issue(node, time.Hour))
		require.NoError(t, os.MkdirAll(filepath.Join(top, node), 0o750))
	}
	p := &plant{t: t, n1: api.Sockets(filepath.Join(top, "n1")), n2: api.Sockets(filepath.Join(top, "n2")), v1: &valve{}, v2: &valve{}, cable: newRelay(t),
		gate2: &told{}, bindings: map[string]*api.Binding{}}
	ctx, cancel := context.WithCancel(context.Background())
	p.ctx = ctx
	t.Cleanup(func() { cancel(); p.wg.Wait() })
	at := free(t, 2)
	p.cable.to = at[1]
	p.board("n1", p.n1, p.v1, "CELL-LINE-1", options(certs, "n1", at[0], map[string]string{"n2": p.cable.l.Addr().String()}))
	o := options(certs, "n2", at[1], map[string]string{"n1": at[0]})
	o.Tell = p.gate2.say
	p.board("n2", p.n2, p.v2, "CELL-LINE-2", o)
	p.serve(api.Manager, p.office())
	runtime := http.NewServeMux()
	runtime.HandleFunc("GET /v1/bindings", func(w http.ResponseWriter, r *http.Request) {
		api.Reply(w, p.bindings[r.URL.Query().Get("recipe")], nil)
	})
	p.serve(api.Runtime, runtime)
	return p
}

func (p *plant) serve(name string, h http.Handler) {
	l, err := p.n1.Listen(name)
	require.NoError(p.t, err)
	p.wg.Go(func() { _ = api.Serve(p.ctx, l, h) })
}

// board starts the I/O process of a board, with its gate.
func (p *plant) board(node string, n api.Sockets, v *valve, line string, o Options) {
	p.t.Helper()
	dir := p.t.TempDir()
	l, err := ledger.Open(filepath.Join(dir, "ledger"), node, "device", nil)
	require.NoError(p.t, err)
	io, err := wire.New(v, l, &wire.ServerOptions{Dir: dir, Node: node})
	require.NoError(p.t, err)
	io.SetModel([]api.Equipment{{ID: line, Level: "equipment_module", Owners: 1, Channels: []string{"do/1"}, Safe: map[string]string{"do/1": "0"}}})
	g, err := New(o)
	require.NoError(p.t, err)
	listener, err := n.Listen(api.IO)
	require.NoError(p.t, err)
	p.wg.Go(func() { _ = io.Run(p.ctx); _ = l.Close() })
	p.wg.Go(func() { _ = api.Serve(p.ctx, listener, io.Handler()) })
	p.wg.Go(func() { _ = g.Run(p.ctx, n, io.Handler()) })
	c := n.Dial(api.IO)
	defer c.Close()
	require.Eventually(p.t, func() bool { return c.Call(p.ctx, "POST", "/v1/floors", &api.Floors{}, nil) == nil }, 10*time.Second, 10*time.Millisecond)
}

// office is a manager that grants whatever is asked for.
func (p *plant) office() http.Handler {
	m := http.NewServeMux()
	granted, news := map[string]api.Ruling{}, make(chan struct{})
	m.HandleFunc("POST /v1/claims", func(w http.ResponseWriter, r *http.Request) {
		var c api.Claim
		err := api.Take(w, r, &c)
		p.mu.Lock()
		defer p.mu.Unlock()
		if _, had := granted[c.Batch]; !had {
			p.token++
			granted[c.Batch] = api.Ruling{Kind: "granted", ID: c.ID, Equipment: c.Equipment, Token: p.token}
			close(news)
			news = make(chan struct{})
		}
		api.Reply(w, &api.Accepted{}, err)
	})
	m.HandleFunc("POST /v1/releases", func(w http.ResponseWriter, r *http.Request) {
		var c api.Claim
		api.Reply(w, &api.Accepted{}, api.Take(w, r, &c))
	})
	m.HandleFunc("GET /v1/rulings", func(w http.ResponseWriter, r *http.Request) {
		s := api.NewStream(w)
		for told := false; s.Beat() == nil && r.Context().Err() == nil; {
			p.mu.Lock()
			is, has := granted[r.URL.Query().Get("batch")]
			next := news
			p.mu.Unlock()
			if has && !told {
				told = true
				data, _ := json.Marshal(&is)
				_ = s.Send("ruling", "", data)
			}
			select {
			case <-next:
			case <-time.After(time.Second):
			case <-r.Context().Done():
			}
		}
	})
	return m
}

// start starts a batch on n1 that opens a valve for some seconds.
func (p *plant) start(id, line, valve string, seconds int) {
	p.t.Helper()
	text := strings.NewReplacer("FILL", id[3:], "LINE", line, "VALVE", valve, "TIME", fmt.Sprint(seconds)).Replace(plantRecipe)
	p.bindings[id[3:]] = &api.Binding{Recipe: id[3:], Version: "1.0", Unit: "UNIT-1", Model: 3, Main: "recipe.yaml", Map: "map.yaml", Unapproved: true, Nodes: []string{"n2"},
		Rights: api.LocalRights(), Files: map[string][]byte{"recipe.yaml": []byte(text), "map.yaml": []byte(plantMap)}}
	dir := p.t.TempDir()
	p.wg.Go(func() {
		_ = host.Run(p.ctx, dir, host.Order{Batch: id, JournalID: "J-" + id, Recipe: id[3:], Unit: "UNIT-1", Operator: "op1"}, p.n1, nil)
	})
	p.is(id, func(b api.Batch) bool { return b.Life == api.Ready })
	require.NoError(p.t, p.tell(id, "start"))
}

func (p *plant) tell(id, command string) error {
	c := p.n1.Dial(id)
	defer c.Close()
	return c.Call(p.ctx, "POST", "/v1/batches/"+id+"/commands", &api.Command{Command: command, Order: api.Order{Reason: "test"}}, nil)
}

// is waits until a batch is as is says.
func (p *plant) is(id string, is func(b api.Batch) bool) (b api.Batch) {
	p.t.Helper()
	c := p.n1.Dial(id)
	defer c.Close()
	for until := time.Now().Add(40 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		b = api.Batch{}
		if c.Call(p.ctx, "GET", "/v1/batches/"+id, nil, &b) == nil && is(b) {
			return b
		}
	}
	require.Fail(p.t, "it never was", "%+v", b)
	return b
}

func (p *plant) opens(v *valve, to uint64) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return v.is() == to }, 20*time.Second, 10*time.Millisecond)
}

func TestACutCableHoldsWhoReachesOverItAndNobodyElse(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.start("n1.NEAR", "LINE_1", "XV1", 12)
	p.opens(p.v1, 1)
	p.start("n1.FAR", "LINE_2", "XV2", 8)
	p.opens(p.v2, 1)

	cut := time.Now()
	p.cable.set(true)
	p.opens(p.v2, 0)
	t.Logf("n2 made safe what it heard no more of after %s", time.Since(cut).Round(10*time.Millisecond))
	p.is("n1.FAR", func(b api.Batch) bool { return strings.HasPrefix(b.State, "H") })
	t.Logf("n1 knew after %s", time.Since(cut).Round(10*time.Millisecond))
	b := p.is("n1.FAR", func(b api.Batch) bool { return b.State == "Held" })
	require.Contains(t, b.Reason, "board n2 is not reached")
	b = p.is("n1.NEAR", func(b api.Batch) bool { return b.Life == api.Ended })
	require.Equal(t, "Complete", b.State, b.Reason)

	p.cable.set(false)
	healed := time.Now()
	p.is("n1.FAR", func(b api.Batch) bool { return !strings.Contains(b.Reason, "n2") })
	t.Logf("n2 was reached again after %s", time.Since(healed).Round(10*time.Millisecond))
	told := false
	require.Eventually(t, func() bool {
		told = p.tell("n1.FAR", "restart") == nil || told // refused where it runs
		return told && p.v2.is() == 1
	}, 20*time.Second, 100*time.Millisecond)
	b = p.is("n1.FAR", func(b api.Batch) bool { return b.Life == api.Ended })
	require.Equal(t, "Complete", b.State, b.Reason)
	require.Zero(t, p.v2.is())

	c := p.n2.Dial(api.IO)
	defer c.Close()
	var w api.Wire
	require.NoError(t, c.Call(t.Context(), "GET", "/v1/wire", nil, &w))
	require.Equal(t, uint64(2), w.Equipment[0].Token)
}
