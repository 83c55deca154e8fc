// Server: what listens, and what it lets in.

// Package server shows values and events to OPC UA clients: SCADA, HMIs, historians.
//
// Start with NewSpace, which holds what is shown, and Serve.
//
// The rule that must not be broken: nothing that a client sends changes anything but its own sessions and subscriptions, or takes more
// than the limits say.
package server

import (
	"context"
	"errors"
	"time"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// Options of a Server; nil means all zero.
type Options struct {
	Name     string          // application name; "": batchkit
	Hosts    []string        // under which clients reach it, beside the address that it listens on
	Policies []opcua.Policy  // that clients may choose of; none: opcua.None alone
	Identity *opcua.Identity // needed by every policy but None
	Trust    *opcua.Trust    // clients that are believed; needed by every policy but None
	// Login tells whether a user may come in; nil: nobody is asked for a name. With it nobody comes in without one, and a password is
	// taken on an encrypted connection alone.
	Login func(user, password string) bool
	// Write takes a value that a client writes, of a variable that was made writable, and is for simulators: what a client is proves no
	// person. Nil: every write is refused. It is called by one goroutine at a time.
	Write  func(ctx context.Context, node Node, value Value) error
	Limits Limits
}

// Limits of a Server; zeros stand for the defaults in brackets.
type Limits struct {
	Connections   int           // (32)
	Sessions      int           // (32)
	Subscriptions int           // of a session (8)
	Items         int           // monitored, of a session (4096)
	Interval      time.Duration // shortest publishing and sampling interval (100 ms)
	Message       int           // bytes of a request or a response (1 MiB)
	Handshake     time.Duration // from connecting to an active session (10 s)
	Idle          time.Duration // longest session time-out that is granted (5 min)
}

// Server is an OPC UA server. It is safe for any number of goroutines.
type Server struct {
	space   *Space
	o       Options // with its limits filled in
	started time.Time
}

// Serve listens on an address such as "127.0.0.1:4840" until Close.
func Serve(addr string, space *Space, o *Options) (*Server, error) {
	return nil, errors.New("opcua: server: unfinished")
}

// Addr gives the address that it listens on, with its port.
func (s *Server) Addr() string { return "" }

// Stats tells how it stands.
func (s *Server) Stats() Stats { return Stats{} }

// Close ends all connections and waits until everything that the server started has ended.
func (s *Server) Close() error { return nil }

// Stats are numbers of a Server.
type Stats struct {
	Connections, Sessions, Subscriptions, Items int    // now
	Refused                                     uint64 // requests, sessions and connections that were refused
	Requests                                    uint64
}
