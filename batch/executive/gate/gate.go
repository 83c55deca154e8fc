// Package gate carries connections between the I/O processes of several boards: over TCP, by TLS 1.3 with certificates at both ends.
//
// Start with [New] and [Gate.Run], in the I/O process of each board. Inbound, the I/O process's own handler answers, and api.PeerOf says which board
// has asked. Outbound, the gate listens here in the place of each other board, under api.Remote(node, api.IO): whatever connects there is carried to
// that board as it is. No bus is between: a bus that is dead disturbs no batch.
//
// Who a board is, its certificate says: one signed by the plant's CA, for client and server, whose one URI is urn:batchkit:node:NAME. [Authority]
// makes such for tests, examples and a first installation. The files are read again when they have changed, within a second; what is connected
// goes on. The file of the CA may have several, the old and the new, while a plant changes over.
//
//	openssl req -new -key n1.key -subj /CN=n1 -addext "subjectAltName=URI:urn:batchkit:node:n1" -addext "extendedKeyUsage=clientAuth,serverAuth"
//
// The rule that must not be broken: a board is who its certificate says, and its word is believed of its own batches and users only. What is let
// through is four requests, and what they may do is for the I/O process to say, which knows by api.Peer that another board asks.
//
// The gate knows nothing of batches, keeps nothing, and resends nothing: what was under way when a cable was cut is lost with its connection. That
// is noticed within three seconds by TCP where the other board is gone, and by the frames of package wire where only silence is left.
package gate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// Limits of a gate.
const (
	MaxPerNode    = 512             // connections of one board, each way
	maxHandshakes = 64              // at a time; who comes then waits in the system's queue
	shakeTime     = 3 * time.Second // that a connection may take to be made, and a board to say who it is
	idleTime      = 90 * time.Second
)

// Options are what a gate is.
type Options struct {
	Node          string            // this board, as its certificate says
	Listen        string            // host:port, such as :7443
	CA, Cert, Key string            // files, PEM: certificates of the plant's CA, certificate and key of this board
	Peers         map[string]string // host:port of each other board by its name; one that is not named here is refused
	Tell          func(line string) // is told who was refused, and of certificates; any goroutine may call it, it must not block. Nil: nobody is
}

// Gate is the gate of a board.
type Gate struct {
	opt   Options
	l     net.Listener
	files *files
	lines lines

	mu     sync.Mutex
	ended  bool
	open   map[net.Conn]bool // all that Run has to close
	counts map[string]int    // connections of a board, those to it under "to NODE"
}

// New reads the certificates and listens. The error says what is wrong with them, or that nobody can listen there.
func New(opt Options) (*Gate, error) {
	if err := api.CheckNode(opt.Node); err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	if len(opt.Peers) >= api.MaxNodes {
		return nil, fmt.Errorf("gate: %d other boards; at most %d are taken", len(opt.Peers), api.MaxNodes-1)
	}
	for _, node := range slices.Sorted(maps.Keys(opt.Peers)) {
		_, _, err := net.SplitHostPort(opt.Peers[node])
		if err = errors.Join(api.CheckNode(node), err); err != nil {
			return nil, fmt.Errorf("gate: peer %.64q: %w", node, err)
		}
		if node == opt.Node {
			return nil, fmt.Errorf("gate: peer %s is this board itself; leave it out", node)
		}
	}
	g := &Gate{opt: opt, open: map[net.Conn]bool{}, counts: map[string]int{}}
	g.lines.tell = opt.Tell
	g.files = &files{opt: &g.opt, tell: g.lines.say}
	if _, err := g.files.now(); err != nil {
		return nil, err
	}
	var err error
	if g.l, err = net.Listen("tcp", opt.Listen); err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	return g, nil
}

// Addr is where the gate listens.
func (g *Gate) Addr() net.Addr { return g.l.Addr() }

// Close ends a gate that does not Run.
func (g *Gate) Close() error { return g.l.Close() }

// Run answers other boards by h, and carries what connects to them in n, until ctx ends; then it closes every connection, and returns when all that
// it has started has ended. An error says that it could not listen in the place of another board, or no longer for others.
func (g *Gate) Run(ctx context.Context, n api.Network, h http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer g.l.Close()
	out := map[string]net.Listener{}
	for node := range g.opt.Peers {
		l, err := n.Listen(api.Remote(node, api.IO))
		if err != nil {
			for _, l := range out {
				err = errors.Join(err, l.Close())
			}
			return fmt.Errorf("gate: in the place of %s: %w", node, err)
		}
		out[node] = l
	}
	defer context.AfterFunc(ctx, func() { g.end(out) })()
	d := &door{conns: make(chan *inbound), done: make(chan struct{}), addr: g.l.Addr()}
	var wg sync.WaitGroup
	failed := make(chan error, 2)
	wg.Go(func() {
		failed <- g.accept(ctx, d)
		cancel()
	})
	wg.Go(func() {
		failed <- api.ServeWith(ctx, d, through(h, g.lines.say), &api.ServeOptions{Connections: MaxPerNode * len(g.opt.Peers), Peer: peerOf,
			Told: func(err error) { g.lines.say(err.Error()) }})
		cancel()
	})
	for node, l := range out {
		wg.Go(func() { g.carry(ctx, n, node, l) })
	}
	wg.Wait()
	return errors.Join(<-failed, <-failed)
}

// end closes all that is open, and whatever is opened later.
func (g *Gate) end(out map[string]net.Listener) {
	g.l.Close()
	for _, l := range out {
		l.Close()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	for c := range g.open {
		c.Close()
	}
}

// keep has a connection closed at the end, and counts it as one of whose; it is false where there are as many as may be.
func (g *Gate) keep(c net.Conn, whose string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended || g.counts[whose] >= MaxPerNode {
		return false
	}
	g.open[c] = true
	g.counts[whose]++
	return true
}

// drop closes a connection that was kept.
func (g *Gate) drop(c net.Conn, whose string) {
	c.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[c] {
		delete(g.open, c)
		g.counts[whose]--
	}
}

// burst is how many lines are told at once, and one more each second: who knocks on and on fills no ledger.
const burst = 16

// lines tells lines, and counts those that were too many.
type lines struct {
	tell func(string)
	mu   sync.Mutex
	last time.Time // of the last that was told
	used int       // of burst
	more int
}

func (l *lines) say(line string) {
	if l.tell == nil {
		return
	}
	l.mu.Lock()
	now := time.Now()
	if l.used = max(0, l.used-int(min(now.Sub(l.last)/time.Second, burst))); l.used >= burst {
		l.more++
		l.mu.Unlock()
		return
	}
	if l.more > 0 {
		line = fmt.Sprintf("%s (and %d more lines since the last)", line, l.more)
	}
	l.last, l.more, l.used = now, 0, l.used+1
	l.mu.Unlock()
	l.tell(line)
}
