// Server: what listens, and what it lets in.

// Package server shows values and events to OPC UA clients: SCADA, HMIs, historians.
//
// Start with NewSpace, which holds what is shown, and Serve.
//
// The rule that must not be broken: nothing that a client sends changes anything but its own sessions and subscriptions, or takes more
// than the limits say.
//
// Codec and cryptography are those of github.com/gopcua/opcua, which decodes only what was walked through before; its server is not used,
// since requests of one client can end it or hold it up for all. Who has no session is heard for as long as Limits.Handshake says, in short messages. Where too many come, those who
// have none yet give way, those with the most connections first. Discovery is answered without security, as the protocol wants it,
// whatever the policies are.
//
// Of namespace 0 there are the nodes that clients ask for, and not the 5,000 of the standard nodeset. Missing are, each refused as
// BadServiceUnsupported: HistoryRead and HistoryUpdate, Call and so all methods, QueryFirst and QueryNext, the services that add and delete
// nodes, SetTriggering, and TransferSubscriptions, since subscriptions end with their session. Refused are index ranges, percent deadbands,
// aggregates, and conditions on events other than one OfType. Events are no conditions: there is nothing to acknowledge.
//
// What a client does not fetch is bounded: a queue holds 1,000 values or events, the queues of a session 2 MiB, its messages that were not
// acknowledged 64 of a subscription and 1 MiB. What falls out is told, as an overflow bit or an EventQueueOverflowEventType.
package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// Options of a Server; nil means all zero.
type Options struct {
	Name     string          // application name; "": batchkit
	Hosts    []string        // under which clients reach it, beside the address that it listens on
	Policies []opcua.Policy  // that clients may choose of; none: opcua.None alone
	Identity *opcua.Identity // needed by every policy but None, and by Login
	Trust    *opcua.Trust    // clients that are believed; needed by every policy but None
	// Login tells whether a user may come in; nil: nobody is asked for a name. With it nobody comes in without one. A password is taken
	// only if it is encrypted, be the connection or not. It is called by one goroutine at a time, others wait, and so does Close; a
	// wrong password is answered late, and the third one costs the connection.
	Login func(user, password string) bool
	// Refused is told who was not let in, and why: of connections, sessions and users. It is called by one goroutine at a time, and ten
	// times a second at most; Stats counts them all. It must come back at once, and must not call Close. Nil: nobody is told.
	Refused func(client string, why error)
	// Write takes a value that a client writes, of a variable that was made writable, and is for simulators: what a client is proves no
	// person. Nil: every write is refused. It is called by one goroutine at a time, and ctx ends after 10 s or with Close. What is to be
	// seen it gives to Space.Set itself. An error that is a ua.StatusCode is what the client is told, any other one BadDeviceFailure.
	Write  func(ctx context.Context, node Node, value Value) error
	Limits Limits
}

// Limits of a Server; zeros stand for the defaults in brackets.
type Limits struct {
	Connections   int           // (32)
	Sessions      int           // (32); a connection may have a quarter of them, and one at least
	Subscriptions int           // of a session (8)
	Items         int           // monitored, of a session (4096)
	Interval      time.Duration // shortest publishing and sampling interval (100 ms)
	Message       int           // bytes of a request or a response (1 MiB), 64 KiB to 64 MiB
	Handshake     time.Duration // from connecting to an active session, and for one message (10 s)
	Idle          time.Duration // longest session time-out that is granted (5 min)
}

// Limits of Limits, and of what Refused is told in a second.
const (
	maxTold    = 10
	minMessage = 64 << 10
	maxMessage = 64 << 20
)

// Server is an OPC UA server. It is safe for any number of goroutines.
type Server struct {
	space   *Space
	o       Options // with its limits filled in
	started time.Time
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	table   map[uint16]service // of sessions that are active, by the type of the request
	l       net.Listener
	running sync.WaitGroup
	rsa     chan struct{} // held by who computes with the key and is a stranger: one core at most is busy with those
	known   chan struct{} // held by who does, and has proven who he is
	large   chan struct{} // held while a large request is decoded and served

	refused, requests atomic.Uint64
	lastID            atomic.Uint32 // of channels, tokens and sessions

	login sync.Mutex // held while Login is called

	telling sync.Mutex // held while Refused is called
	told    [maxTold]time.Time

	mu       sync.Mutex
	closed   bool
	conns    map[*conn]bool
	dying    int                 // connections that gave way and have not ended yet
	sessions map[string]*session // by authentication token
}

// Serve listens on an address such as "127.0.0.1:4840" until Close.
func Serve(addr string, space *Space, o *Options) (*Server, error) {
	s, err := newServer(space, o)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("opcua: server: %w", err)
	}
	s.start(l)
	return s, nil
}

// newServer checks options and fills in what was left open.
func newServer(space *Space, o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Server{
		space: space, o: *o, started: time.Now(), rsa: make(chan struct{}, 1), known: make(chan struct{}, 1), large: make(chan struct{}, 2),
		conns: map[*conn]bool{}, sessions: map[string]*session{},
	}
	if space == nil {
		return nil, errors.New("opcua: server: there is no space; make one with NewSpace")
	}
	if s.o.Name == "" {
		s.o.Name = "batchkit"
	}
	if len(s.o.Policies) == 0 {
		s.o.Policies = []opcua.Policy{opcua.None}
	}
	for _, p := range s.o.Policies {
		if p.String() == "" {
			return nil, fmt.Errorf("opcua: server: policy %d: there is none", p)
		}
		if p != opcua.None && (s.o.Identity == nil || s.o.Trust == nil) {
			return nil, fmt.Errorf("opcua: server: policy %s: wants an Identity, and a Trust that lists its clients", p)
		}
	}
	if s.o.Login != nil && s.o.Identity == nil {
		return nil, errors.New("opcua: server: Login wants an Identity, for whose key passwords are encrypted")
	}
	l := &s.o.Limits
	for _, n := range []struct {
		what     string
		v        *int
		def      int
		min, max int
	}{
		{"Connections", &l.Connections, 32, 1, 4096}, {"Sessions", &l.Sessions, 32, 1, 4096},
		{"Subscriptions", &l.Subscriptions, 8, 1, 1024}, {"Items", &l.Items, 4096, 1, 1 << 20},
		{"Message", &l.Message, 1 << 20, minMessage, maxMessage},
	} {
		if *n.v == 0 {
			*n.v = n.def
		}
		if *n.v < n.min || *n.v > n.max {
			return nil, fmt.Errorf("opcua: server: Limits.%s %d: must be %d to %d", n.what, *n.v, n.min, n.max)
		}
	}
	for _, d := range []struct {
		what     string
		v        *time.Duration
		def, min time.Duration
	}{
		{"Interval", &l.Interval, 100 * time.Millisecond, time.Millisecond},
		{"Handshake", &l.Handshake, 10 * time.Second, 10 * time.Millisecond},
		{"Idle", &l.Idle, 5 * time.Minute, 10 * time.Millisecond},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
		if *d.v < d.min || *d.v > 24*time.Hour {
			return nil, fmt.Errorf("opcua: server: Limits.%s %s: must be %s to 24h", d.what, *d.v, d.min)
		}
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.table = map[uint16]service{ua.ServiceTypeID(&ua.CancelRequest{}): cancel}
	maps.Copy(s.table, s.services())
	return s, nil
}

// start begins to serve what comes in at l.
func (s *Server) start(l net.Listener) {
	s.l = l
	s.running.Go(s.accept)
	s.running.Go(s.tidy)
}

// refuse counts a refusal, and tells of it.
func (s *Server) refuse(client string, why error) {
	s.refused.Add(1)
	if s.o.Refused == nil {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	now := time.Now()
	if now.Sub(s.told[0]) < time.Second {
		return
	}
	copy(s.told[:], s.told[1:])
	s.told[maxTold-1] = now
	s.o.Refused(client, why)
}

// withheld is a refusal whose client is told the status alone.
type withheld struct {
	status ua.StatusCode
	why    error
}

func (w withheld) Error() string { return w.why.Error() }
func (w withheld) Unwrap() error { return w.status }

// Addr gives the address that it listens on, with its port.
func (s *Server) Addr() string { return s.l.Addr().String() }

// Stats tells how it stands.
func (s *Server) Stats() Stats {
	st := Stats{Refused: s.refused.Load(), Requests: s.requests.Load()}
	s.mu.Lock()
	all := make([]*session, 0, len(s.sessions))
	for _, sess := range s.sessions {
		all = append(all, sess)
	}
	st.Connections, st.Sessions = len(s.conns), len(all)
	s.mu.Unlock()
	for _, sess := range all {
		subs, items := sess.subs.count()
		st.Subscriptions += subs
		st.Items += items
	}
	return st
}

// Close ends all connections and waits until everything that the server started has ended.
func (s *Server) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	s.stop()
	var err error
	if !again {
		err = s.l.Close()
	}
	for _, c := range s.allConns() {
		c.kill(nil)
	}
	s.running.Wait()
	for _, sess := range s.allSessions() {
		s.end(sess)
	}
	return err
}

// Stats are numbers of a Server.
type Stats struct {
	Connections, Sessions, Subscriptions, Items int    // now
	Refused                                     uint64 // requests, sessions and connections that were refused
	Requests                                    uint64 // that were read, refused ones among them
}
