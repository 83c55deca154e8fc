// The I/O process: what it knows, and what it answers.

package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// Limits of a server.
const (
	MaxRunners = 2048 // connections at a time
	maxLanes   = 64
)

// Silence is how long nothing may be heard over a connection between two boards, unless the options say otherwise: at both ends it is broken then.
const Silence = 2500 * time.Millisecond

// ServerOptions are the options of New. Nil is the same as the zero value.
type ServerOptions struct {
	Dir   string         // where tokens and the newest model are kept; "": the working directory
	Clock timebase.Clock // the one that the times of the port's values are on; nil: the system's
	// Network is where the runtime server is asked for the equipment model, each two seconds while Run runs. Nil: SetModel gives it.
	Network api.Network
	// Lanes has the lane of a channel, 0 where it is not named, 63 at most. Writes of one lane are carried out one after the other, those of
	// different lanes beside each other: for a port that takes that, such as a runner.Join, whose parts are lanes.
	Lanes map[string]int
	// Allow tells whether a request of this board may fence, or tell floors; an error is the reason why not. Nil: only this process and its own user may.
	Allow func(r *http.Request) error
	// Node is the name of this board among several; "": it is the only one, and takes nobody of another. With a name, the batches of this board have
	// ids that begin with it and a dot, and runners of other boards are taken from when the floors were told, in this life of the process.
	Node string
	// Silence is how long nothing may be heard of a runner of another board, which says something each second, until it counts as lost: that cable
	// may be cut, and no connection ends by that. Zero: Silence.
	Silence time.Duration
	// Grace is how long after the end of its connection a runner counts as lost, unless it has come back. Zero: at once, since on one board a
	// connection ends when the process does.
	Grace time.Duration
	// Return is how long after a start the runners may take to come back that had equipment when the I/O process ended; 0: 5 s.
	Return       time.Duration
	Watchdog     hal.Watchdog  // nil: there is none
	WatchdogTime time.Duration // 0: 10 s
}

// Server is an I/O process. Its methods may be called from any goroutine.
type Server struct {
	port   tag.Port
	ledger *ledger.Ledger
	opt    ServerOptions
	clock  timebase.Clock
	boot   string
	since  string
	lanes  []*lane
	kept   refusals

	lookers chan struct{} // who watch values

	asking chan struct{} // has room for one: whoever asks the runtime server for the model
	asked  int64         // when that was over last; of whoever asks
	asks   atomic.Uint64 // that were begun

	disk   sync.Mutex // held while who has what is changed, which waits for the disk; before mu
	tokens *tokens

	mu       sync.Mutex
	idle     sync.Cond // a write has ended
	life     context.Context
	tasks    sync.WaitGroup // of life
	values   map[string]*value
	model    uint64
	given    []api.Equipment          // by the model
	items    map[string]api.Equipment // by the model, and by what batches were bound to that have it
	channels map[string]string        // equipment of a channel; "" where two have it
	owners   map[string]*holding
	told     map[string]Output // what runners have said of outputs, by channel
	sessions map[*session]bool
	floored  bool   // the floors were told
	counted  uint64 // the greatest token that was given, by what was told with them
	numbers  uint64 // sessions that there were
	lost     string // why the port was lost last
	broken   error  // evidence can no longer be kept
	alarm    chan struct{}
	writes   uint32
	seen     uint64 // values and losses of the port: that the watch goes on
	appends  int    // appends to the ledger under way
	appended uint64 // appends that have ended
}

// holding is who has a piece of equipment, and by which connection.
type holding struct {
	owner
	session *session // nil: it is not connected
	away    bool     // it had the equipment when the I/O process began, and has not been heard of since
}

// value is a channel of the port.
type value struct {
	raw  tag.Raw // At is on the server's clock
	good bool    // it was GOOD at some time
	subs map[*session]uint16
}

// New makes the I/O process of a port. The tokens in Dir are read; a file of them that is damaged is refused, one whose end is torn is not.
// The ledger is the caller's to close, after Run has returned.
func New(port tag.Port, l *ledger.Ledger, opt *ServerOptions) (*Server, error) {
	if port == nil || l == nil {
		return nil, errors.New("wire: a port and a ledger are wanted")
	}
	s := &Server{port: port, ledger: l, boot: strconv.FormatInt(time.Now().UnixNano(), 36), since: time.Now().UTC().Format(time.RFC3339),
		values: map[string]*value{}, items: map[string]api.Equipment{}, channels: map[string]string{}, owners: map[string]*holding{},
		told: map[string]Output{}, sessions: map[*session]bool{}, alarm: make(chan struct{}, 1), lookers: make(chan struct{}, maxLookers),
		asking: make(chan struct{}, 1)}
	if opt != nil {
		s.opt = *opt
	}
	s.idle.L = &s.mu
	if s.clock = s.opt.Clock; s.clock == nil {
		s.clock = system.NewClock(1)
	}
	if s.opt.Return == 0 {
		s.opt.Return = 5 * time.Second
	}
	if s.opt.Silence == 0 {
		s.opt.Silence = Silence
	}
	if s.opt.Node != "" {
		if err := api.CheckNode(s.opt.Node); err != nil {
			return nil, fmt.Errorf("wire: %w", err)
		}
	}
	if s.opt.WatchdogTime == 0 {
		s.opt.WatchdogTime = 10 * time.Second
	}
	if s.opt.Allow == nil {
		s.opt.Allow = ownUser
	}
	most := 0
	for c, n := range s.opt.Lanes {
		if n < 0 || n >= maxLanes {
			return nil, fmt.Errorf("wire: lane %d of channel %q: it is 0 to %d", n, c, maxLanes-1)
		}
		most = max(most, n)
	}
	for range most + 1 {
		s.lanes = append(s.lanes, newLane())
	}
	if err := os.MkdirAll(s.dir(), 0o700); err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	var err error
	if s.tokens, err = openTokens(s.dir()); err != nil {
		return nil, err
	}
	s.recall()
	s.readModel()
	return s, nil
}

func (s *Server) dir() string {
	if s.opt.Dir == "" {
		return "."
	}
	return s.opt.Dir
}

// ownUser lets those fence who are the same user, or this process.
func ownUser(r *http.Request) error {
	if p := api.PeerOf(r); p.UID < 0 || p.UID != os.Getuid() {
		return errors.New("only the user of the I/O process may fence")
	}
	return nil
}

// Handler answers /v1/self, /v1/wire, /v1/values, /v1/port, /v1/fences and /v1/floors.
func (s *Server) Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /v1/self", func(w http.ResponseWriter, _ *http.Request) {
		api.Reply(w, &api.Self{Role: api.IO, PID: os.Getpid(), UID: os.Getuid(), Boot: s.boot, Since: s.since, Version: "1"}, nil)
	})
	m.HandleFunc("GET /v1/wire", func(w http.ResponseWriter, _ *http.Request) { api.Reply(w, s.wire(), nil) })
	m.HandleFunc("GET /v1/values", s.serveValues)
	m.HandleFunc("POST /v1/fences", s.serveFence)
	m.HandleFunc("POST /v1/floors", s.serveFloors)
	m.HandleFunc("POST "+path, s.servePort)
	return m
}

// wire is what there is.
func (s *Server) wire() *api.Wire {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &api.Wire{Equipment: []api.WireEquipment{}, Lost: s.lost, Floors: s.floored}
	ids := slices.AppendSeq(slices.Collect(maps.Keys(s.items)), maps.Keys(s.owners))
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		it := s.items[id]
		if len(it.Channels) == 0 && s.owners[id] == nil {
			continue
		}
		e := api.WireEquipment{ID: id, Channels: slices.Clone(it.Channels), Safe: s.allSafe(it.Channels)}
		if o := s.owners[id]; o != nil {
			e.Token, e.Batch = o.Token, o.Batch
		}
		w.Equipment = append(w.Equipment, e)
	}
	for c := range s.sessions {
		w.Runners = append(w.Runners, c.hello.Batch)
	}
	slices.Sort(w.Runners)
	w.Runners = slices.Compact(w.Runners)
	return w
}

// Run does the work until ctx ends: it polls the port, carries out writes, and takes care of runners that are lost. It returns when all that
// it has started has ended, every connection included; outputs stay as they are. A watchdog that does not start is its error; it is called once.
func (s *Server) Run(ctx context.Context) error {
	life, end := context.WithCancel(ctx)
	defer end()
	if err := s.arm(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.life != nil {
		s.mu.Unlock()
		return errors.New("wire: Run was called already")
	}
	s.life = life
	s.mu.Unlock()
	defer context.AfterFunc(life, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.idle.Broadcast()
	})()
	s.begin(func() { s.watch(life) })
	for _, l := range s.lanes {
		s.begin(func() { s.drive(life, l) })
	}
	s.begin(func() { s.flush(life) })
	s.begin(func() { s.awaitReturn(life) })
	if s.opt.Network != nil {
		s.begin(func() { s.followModel(life) })
	}
	if s.opt.Watchdog != nil {
		s.begin(func() { s.feed(life) })
	}
	for life.Err() == nil {
		select {
		case <-life.Done():
		case <-s.alarm:
			s.allToSafe(life)
		}
	}
	s.tasks.Wait()
	s.disk.Lock()
	defer s.disk.Unlock()
	return errors.Join(s.disarm(), s.tokens.close())
}

// begin runs what Run waits for; it is false where Run does not run.
func (s *Server) begin(do func()) bool {
	if !s.enter() {
		return false
	}
	go func() {
		defer s.tasks.Done()
		do()
	}()
	return true
}

// enter has Run wait for the caller, who calls tasks.Done at its end; it is false where Run does not run.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil || s.life.Err() != nil {
		return false
	}
	s.tasks.Add(1)
	return true
}

// watch polls the port for all, and again when it was lost: meanwhile every channel is BAD.
func (s *Server) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.look(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("its Watch has returned")
		}
		s.lose(err)
		_ = s.clock.Wait(ctx, s.clock.Now()+retryWatch)
	}
}

// retryWatch is the time in ns after which a port that was lost is watched again.
const retryWatch = 1_000_000_000

// look watches the port until it is lost. One that panics is lost too.
func (s *Server) look(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return s.port.Watch(ctx, s.emit)
}

// emit hands a value to all who watch its channel.
func (s *Server) emit(raw tag.Raw) {
	if raw.At == 0 {
		raw.At = s.clock.Now()
	}
	if raw.Quality != tag.Good || raw.Form > tag.Float64 || raw.At < 0 {
		raw.Quality, raw.Form, raw.At = tag.Bad, min(raw.Form, tag.Float64), max(raw.At, 1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	s.spread(s.value(raw.Channel), raw)
}

// value finds a channel; the caller holds mu.
func (s *Server) value(channel string) *value {
	v := s.values[channel]
	if v == nil {
		v = &value{subs: map[*session]uint16{}}
		s.values[channel] = v
	}
	return v
}

// spread takes in a value; the caller holds mu.
func (s *Server) spread(v *value, raw tag.Raw) {
	v.raw = raw
	v.good = v.good || raw.Quality == tag.Good
	for c, i := range v.subs {
		c.push(i, raw)
	}
}

// lose makes every channel BAD.
func (s *Server) lose(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	s.lost = clip(why.Error())
	now := s.clock.Now()
	for _, v := range s.values {
		if v.raw.Channel != "" {
			raw := v.raw
			raw.Quality, raw.At = tag.Bad, now
			s.spread(v, raw)
		}
	}
}
