// What the tests of this package run a batch on: a manager, a runtime server and a board in this process.

package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

const testMap = `# One valve and a level; the line is shared.
mapping: CELL-IO
version: "1.0"
schema_version: 1
device_id: CTRL-01
equipment_id: UNIT-1
resources: [{resource_id: LINE_1, equipment_id: CELL-LINE-1, between_batches: true}]
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, resource: LINE_1, type: switch, words: [closed, open], safe_value: closed, stale_after: 5 s}
  - {logical_tag: LT1, physical_channel: ai/1, direction: in, type: number, form: int, resolution: 1 L, gain: 1 L, stale_after: 5 s}
`

const testRecipe = `# Fill by the line that batches share, then ask.
recipe: FILL
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
      uses: [LINE_1]
      timeout: 1 h
      actions:
        - set: {XV1: open}
        - delay: 5 s
        - set: {XV1: closed}
    - id: ASK
      level: phase
      timeout: 1 h
      actions:
        - prompt: is it full
`

// board is a port with one output and one input, told every 100 ms.
type board struct {
	mu     sync.Mutex
	out    uint64
	opened int      // how often the output was written open
	told   []string // of grants
}

func (b *board) Watch(ctx context.Context, emit func(tag.Raw)) error {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		b.mu.Lock()
		out := b.out
		b.mu.Unlock()
		emit(tag.Raw{Channel: "do/1", Form: tag.Bool, Bits: out, Quality: tag.Good})
		emit(tag.Raw{Channel: "ai/1", Form: tag.Int, Bits: 7, Quality: tag.Good})
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *board) Write(_ context.Context, w tag.Write) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.out = w.Bits; w.Bits != 0 {
		b.opened++
	}
	return nil
}

func (b *board) Grant(e []string, token uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, fmt.Sprintf("grant %v %d", e, token))
}

func (b *board) Release(e []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, fmt.Sprintf("release %v", e))
}

func (b *board) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, "goodbye")
	return nil
}

func (b *board) Drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, "dropped")
}

func (b *board) said() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.told)
}

func (b *board) output() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out
}

// office is a manager as far as a runner sees one: a book of claims and messages, first come first served.
type office struct {
	mu      sync.Mutex
	token   uint64
	granted map[uint32]uint64
	asked   []string // what was asked, in order
	posted  map[string]api.Message
	over    string       // why a claim that is asked for again has ended
	ruled   []api.Ruling // all that was said
	news    chan struct{}
}

func newOffice() *office {
	return &office{granted: map[uint32]uint64{}, posted: map[string]api.Message{}, news: make(chan struct{})}
}

// tell says a ruling to all that listen.
func (o *office) tell(r api.Ruling) {
	o.ruled = append(o.ruled, r)
	close(o.news)
	o.news = make(chan struct{})
}

func (o *office) handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /v1/claims", func(w http.ResponseWriter, r *http.Request) {
		var c api.Claim
		err := api.Take(w, r, &c)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asked = append(o.asked, fmt.Sprintf("claim %d %s %v", c.ID, c.Step, c.Equipment))
		if o.over != "" {
			o.tell(api.Ruling{Kind: "refused", ID: c.ID, Equipment: c.Equipment, Reason: o.over})
		} else if o.granted[c.ID] == 0 {
			o.token++
			o.granted[c.ID] = o.token
			o.tell(api.Ruling{Kind: "granted", ID: c.ID, Equipment: c.Equipment, Token: o.token})
		}
		api.Reply(w, &api.Accepted{}, err)
	})
	m.HandleFunc("POST /v1/releases", func(w http.ResponseWriter, r *http.Request) {
		var c api.Claim
		err := api.Take(w, r, &c)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asked = append(o.asked, fmt.Sprintf("release %d %s", c.ID, c.Step))
		api.Reply(w, &api.Accepted{}, err)
	})
	m.HandleFunc("POST /v1/messages", func(w http.ResponseWriter, r *http.Request) {
		var c api.Message
		err := api.Take(w, r, &c)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asked = append(o.asked, fmt.Sprintf("%s %s %s %d %s", c.Do, c.Group, c.Message, c.Partners, c.Key))
		if _, known := o.posted[c.Key]; !known && c.Do != "forget" {
			o.posted[c.Key] = c
		}
		api.Reply(w, &api.Accepted{}, err)
	})
	m.HandleFunc("GET /v1/rulings", func(w http.ResponseWriter, r *http.Request) {
		s := api.NewStream(w)
		beat := time.NewTicker(time.Second)
		defer beat.Stop()
		for at := 0; ; {
			o.mu.Lock()
			news, list := o.news, slices.Clone(o.ruled[at:])
			o.mu.Unlock()
			for i := range list {
				data, _ := json.Marshal(&list[i])
				if s.Send("ruling", "", data) != nil {
					return
				}
			}
			at += len(list)
			select {
			case <-news:
			case <-beat.C:
				if s.Beat() != nil {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	})
	return m
}

func (o *office) heard() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked)
}

// site is one runner and all around it.
type site struct {
	t      *testing.T
	dir    string
	net    *api.Memory
	office *office
	board  *board
	bound  *api.Binding // nil: the runtime server refuses
	clock  timebase.Clock
	order  Order
	opt    Options
	ctx    context.Context
	wg     sync.WaitGroup
	err    error
	ended  chan struct{}
	quit   context.CancelFunc // of the runner
}

// inBubble runs a test in a bubble of synctest, in a year that can be.
func inBubble(t *testing.T, fn func(s *site)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		s := &site{t: t, dir: dir, net: &api.Memory{}, office: newOffice(), board: &board{}, clock: system.NewClock(1), ctx: ctx,
			order: Order{Batch: "B-0001", JournalID: "J-1", Recipe: "FILL", Unit: "UNIT-1", Operator: "op1"},
			bound: &api.Binding{Recipe: "FILL", Version: "1.0", Unit: "UNIT-1", Model: 3, Main: "recipe.yaml", Map: "maps/map.yaml", Unapproved: true,
				Rights: api.Rights{Local: map[string]string{"*": "operator"}, Roles: map[string][]string{"operator": {api.All}}},
				Files:  map[string][]byte{"recipe.yaml": []byte(testRecipe), "maps/map.yaml": []byte(testMap)}}}
		s.opt = Options{Clock: s.clock, Wall: s, Port: func(*batch.Batch) (tag.Port, error) { return s.board, nil }, BootID: "boot-1"}
		defer s.wg.Wait()
		defer cancel()
		fn(s)
	})
}

// Observe makes the site a wall clock.
func (s *site) Observe() timebase.Observation {
	now := s.clock.Now()
	return timebase.Observation{Mono: now, UTC: 1_767_225_600_000_000_000 + now, Sync: timebase.RTCOnly, Source: "seed", Bound: 1}
}

// serve has somebody answer under a name until stop is called.
func (s *site) serve(name string, h http.Handler) (stop func()) {
	l, err := s.net.Listen(name)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan struct{})
	s.wg.Go(func() {
		defer close(done)
		_ = api.Serve(ctx, l, h)
		_ = l.Close()
	})
	return func() { cancel(); <-done }
}

func (s *site) manager() (stop func()) { return s.serve(api.Manager, s.office.handler()) }

func (s *site) runtime() (stop func()) {
	m := http.NewServeMux()
	m.HandleFunc("GET /v1/bindings", func(w http.ResponseWriter, _ *http.Request) {
		if s.bound == nil {
			api.Reply(w, nil, &api.Error{Status: 404, Message: "registry: there is no such recipe"})
			return
		}
		api.Reply(w, s.bound, nil)
	})
	return s.serve(api.Runtime, m)
}

// begin starts the runner.
func (s *site) begin() {
	s.ended = make(chan struct{})
	ended := s.ended
	ctx, quit := context.WithCancel(s.ctx)
	s.quit = quit
	s.wg.Go(func() {
		defer close(ended)
		s.err = Run(ctx, s.dir, s.order, s.net, &s.opt)
	})
	synctest.Wait()
}

// batch is what the runner shows.
func (s *site) batch() (b api.Batch) {
	s.t.Helper()
	c := s.net.Dial(s.order.Batch)
	defer c.Close()
	require.NoError(s.t, c.Call(s.ctx, "GET", "/v1/batches/"+s.order.Batch, nil, &b))
	return b
}

// until waits until the batch is as is says.
func (s *site) until(is func(b api.Batch) bool) api.Batch {
	s.t.Helper()
	for range 2400 {
		if b := s.batch(); is(b) {
			return b
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.Fail(s.t, "it never was", "%+v", s.batch())
	return api.Batch{}
}

func (s *site) lives(l api.Life) api.Batch {
	s.t.Helper()
	return s.until(func(b api.Batch) bool { return b.Life == l })
}

// post orders something; the status of a refusal is returned, 0 of none.
func (s *site) post(what string, in api.Body) (status int, words string) {
	s.t.Helper()
	c := s.net.Dial(s.order.Batch)
	defer c.Close()
	err := c.Call(s.ctx, "POST", "/v1/batches/"+s.order.Batch+"/"+what, in, nil)
	var refused *api.Error
	if errors.As(err, &refused) {
		return refused.Status, refused.Message
	}
	require.NoError(s.t, err)
	return 0, ""
}

func (s *site) tell(command string) (status int, words string) {
	s.t.Helper()
	return s.post("commands", &api.Command{Command: command, Order: api.Order{Reason: "test"}})
}

// removed removes the batch and waits until its runner has gone.
func (s *site) removed() {
	s.t.Helper()
	status, words := s.post("removal", &api.Removal{Order: api.Order{Reason: "test"}})
	require.Zero(s.t, status, words)
	<-s.ended
	require.NoError(s.t, s.err)
}

// records are those of a journal below the directory of the batch.
func (s *site) records(dir string, kinds ...record.Kind) (list []*record.Record) {
	s.t.Helper()
	_, err := journal.Scan(filepath.Join(s.dir, dir), func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(slices.Clone(body))
		if err == nil && slices.Contains(kinds, r.Kind) {
			list = append(list, r)
		}
		return err
	}, nil)
	require.NoError(s.t, err)
	return list
}

// replace replaces pairs of texts in a bound file.
func (s *site) replace(file string, pairs ...string) {
	s.bound.Files[file] = []byte(strings.NewReplacer(pairs...).Replace(string(s.bound.Files[file])))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
