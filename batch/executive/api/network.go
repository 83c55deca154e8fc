// Where the processes of one executive find each other: sockets in a directory, or, in one process, in memory.

package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// The names of those who are there once. A runner has the name of its batch.
const (
	Manager    = "manager"
	Runtime    = "runtime"
	IO         = "io"
	Bus        = "bus"
	Production = "production"
)

// Remote is the name under which a process of another node listens here: whoever carries connections to that node listens in its place. Names does not
// list it.
func Remote(node, name string) string { return node + ":" + name }

// ErrNobody: nobody listens there, in memory; at a socket the system says so in its own words.
var ErrNobody = errors.New("nobody listens")

// Network is where processes listen by name.
type Network interface {
	Listen(name string) (net.Listener, error)
	Dial(name string) *Client
	Names() ([]string, error) // who may listen, in order; one that died may be among them
	Forget(name string) error // takes away what one that died has left; one that listens is left alone, which is an error
}

// Sockets is a Network of one board: the socket of name is dir/name.sock.
type Sockets string

// Listen implements Network.
func (d Sockets) Listen(name string) (net.Listener, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("api: listening: %w", err)
	}
	return Listen(d.path(name))
}

// Dial implements Network. Manager, runtime server, I/O process and production are those whom the directory belongs to, root or this user: another user who listens
// in their place, such as a runner while they are away, is asked nothing and told nothing.
func (d Sockets) Dial(name string) *Client {
	switch _, far, _ := strings.Cut(name, ":"); cmp.Or(far, name) {
	case Manager, Runtime, IO, Bus, Production:
		return dial(d.path(name), func(p Peer) error { return p.Keeps(string(d)) })
	}
	return Dial(d.path(name))
}

// Names implements Network.
func (d Sockets) Names() (names []string, err error) {
	list, err := os.ReadDir(string(d))
	for _, e := range list {
		if name, ok := strings.CutSuffix(e.Name(), ".sock"); ok && e.Type()&os.ModeSocket != 0 && ident("name", name) == nil {
			names = append(names, name)
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		err = nil // nobody has listened yet
	}
	return names, err
}

// Forget implements Network.
func (d Sockets) Forget(name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("api: forgetting: %w", err)
	}
	return forget(d.path(name))
}

func (d Sockets) path(name string) string { return filepath.Join(string(d), name+".sock") }

// Memory is a Network within one process. The zero value is empty.
type Memory struct {
	mu   sync.Mutex
	list map[string]*pipes
}

// Listen implements Network.
func (m *Memory) Listen(name string) (net.Listener, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("api: listening: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.list[name] != nil {
		return nil, fmt.Errorf("api: %s listens already; end it first", name)
	}
	if m.list == nil {
		m.list = map[string]*pipes{}
	}
	p := &pipes{in: make(chan net.Conn), done: make(chan struct{}), name: name}
	p.leave = func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.list, name)
	}
	m.list[name] = p
	return p, nil
}

// Dial implements Network.
func (m *Memory) Dial(name string) *Client {
	return NewClient(name, func(ctx context.Context) (net.Conn, error) {
		m.mu.Lock()
		p := m.list[name]
		m.mu.Unlock()
		if p == nil {
			return nil, fmt.Errorf("api: %s: %w", name, ErrNobody)
		}
		here, there := net.Pipe()
		select {
		case p.in <- there:
			return here, nil
		case <-p.done:
			return nil, fmt.Errorf("api: %s: %w any more", name, ErrNobody)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

// Forget implements Network. Nothing is left in memory of one that closed its listener.
func (m *Memory) Forget(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.list[name] != nil {
		return fmt.Errorf("api: %s listens still; end it first", name)
	}
	return nil
}

// Names implements Network.
func (m *Memory) Names() (names []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.list {
		if ident("name", name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// pipes is a listener of connections within the process.
type pipes struct {
	in    chan net.Conn
	done  chan struct{}
	once  sync.Once
	name  string
	leave func()
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.in:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done); p.leave() })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: p.name, Net: "unix"} }
