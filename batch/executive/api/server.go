// The side that answers: HTTP on a listener, and who has asked.

package api

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

// Peer is who has connected, by the word of the kernel: the process that has called connect.
type Peer struct {
	UID, PID int
	Node     string // of another board, by its certificate; UID and PID are -1 then
	There    int    // of another board: the user of the process that has asked there, by the word of that board; -1: it does not say
	Keeper   bool   // of another board: that user is one whom its executive belongs to, by the word of that board
}

// Actor is under whom a peer is on record who names nobody: local:UID, node:NAME for another board, or local:? where the kernel does not say.
func (p Peer) Actor() string {
	if p.Node != "" {
		return "node:" + p.Node
	}
	if p.UID < 0 {
		return "local:?"
	}
	return "local:" + strconv.Itoa(p.UID)
}

type peerKey struct{}

// PeerOf tells who sent a request that came by Serve; UID and PID are -1 where the kernel does not say.
func PeerOf(r *http.Request) Peer {
	if p, ok := r.Context().Value(peerKey{}).(Peer); ok {
		return p
	}
	return Peer{UID: -1, PID: -1}
}

// PeerAt tells who is at the far end of a connection, by the word of the kernel; one that is no socket of the system is within this process.
func PeerAt(c net.Conn) Peer {
	if _, unix := c.(*net.UnixConn); !unix {
		return Peer{UID: os.Getuid(), PID: os.Getpid()} // a connection within this process
	}
	if p, ok := peerOf(c); ok {
		return p
	}
	return Peer{UID: -1, PID: -1}
}

// ServeOptions are the options of ServeWith. Nil is the same as the zero value.
type ServeOptions struct {
	Connections int                   // at a time, those that an upgrade took over among them; 0: MaxConnections. One more is closed with status 503
	Peer        func(c net.Conn) Peer // tells who is at the far end of a connection of the listener; nil: PeerAt
	Streams     int                   // event streams at a time; 0: MaxStreams. One more is refused with status 503
	Told        func(err error)       // is told of a handler that panicked, and of what the server cannot do; any goroutine may call it. nil: nobody is
}

// Serve serves as ServeWith does, without options.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	return ServeWith(ctx, l, h, nil)
}

// ServeWith answers on l until ctx ends, closes l, and returns when every handler has. Event streams end with ctx; an upgraded connection is
// its handler's to end. A handler that panics ends its request and nothing else. A request has 5 s to send its head, and 10 s for its body.
func ServeWith(ctx context.Context, l net.Listener, h http.Handler, opt *ServeOptions) error {
	if opt == nil {
		opt = &ServeOptions{}
	}
	v := &server{h: h, opt: *opt, fresh: map[net.Conn]bool{}}
	if v.opt.Connections <= 0 {
		v.opt.Connections = MaxConnections
	}
	if v.opt.Streams <= 0 {
		v.opt.Streams = MaxStreams
	}
	if v.opt.Peer == nil {
		v.opt.Peer = PeerAt
	}
	s := &http.Server{
		Handler:           v,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(v, "", 0),
		ConnState:         v.state,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if l, ok := c.(*counted); ok {
				c = l.Conn
			}
			return context.WithValue(ctx, peerKey{}, v.opt.Peer(c))
		},
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(&gate{Listener: l, free: make(chan struct{}, v.opt.Connections)}) }()
	select {
	case err := <-done: // nobody can connect any more
		err = errors.Join(fmt.Errorf("api: %s: %w", l.Addr(), err), s.Close())
		v.running.Wait()
		return err
	case <-ctx.Done():
	}
	v.end()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := s.Shutdown(end)
	if errors.Is(err, context.DeadlineExceeded) { // a client does not read its answer
		err = s.Close()
	}
	<-done
	v.running.Wait()
	return err
}

// server is what stands between net/http and the handler.
type server struct {
	h       http.Handler
	opt     ServeOptions
	running sync.WaitGroup

	mu      sync.Mutex
	ending  bool
	fresh   map[net.Conn]bool // connections on which nothing was asked yet: they are closed when it ends
	streams int
}

// ServeHTTP implements http.Handler.
func (v *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.running.Add(1)
	defer v.running.Done()
	a := &answer{ResponseWriter: w, v: v}
	defer a.end()
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p != http.ErrAbortHandler { //nolint:errorlint // it is a value
			v.tell(fmt.Errorf("api: %s %s: the handler panicked: %v\n%s", r.Method, r.URL.Path, p, debug.Stack()))
		}
		if a.begun || p == http.ErrAbortHandler {
			panic(http.ErrAbortHandler)
		}
		Reply(a, nil, &Error{http.StatusInternalServerError, "api: " + r.Method + " " + r.URL.Path +
			": this request met a fault of the program, and nobody knows how far it went; look before you ask again"})
	}()
	if r.Body != nil && r.Body != http.NoBody {
		ctl := http.NewResponseController(w)
		_ = ctl.SetReadDeadline(time.Now().Add(10 * time.Second))
		r.Body = &timely{ReadCloser: r.Body, ctl: ctl}
	}
	v.h.ServeHTTP(a, r)
}

// Write implements io.Writer for what net/http has to say.
func (v *server) Write(p []byte) (int, error) {
	v.tell(fmt.Errorf("api: %s", p))
	return len(p), nil
}

func (v *server) tell(err error) {
	if v.opt.Told != nil {
		v.opt.Told(err)
	}
}

// state follows the connections on which nothing was asked yet.
func (v *server) state(c net.Conn, s http.ConnState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case s != http.StateNew:
		delete(v.fresh, c)
	case v.ending:
		c.Close()
	default:
		v.fresh[c] = true
	}
}

func (v *server) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ending = true
	for c := range v.fresh {
		c.Close()
	}
}
