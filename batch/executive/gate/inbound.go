// Inbound: other boards, who they are, and what is let through.

package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// inbound is a connection of another board.
type inbound struct {
	*tls.Conn
	peer api.Peer
	drop func()
	once sync.Once
}

// Close implements net.Conn.
func (c *inbound) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.drop)
	return err
}

// peerOf tells who is at the far end.
func peerOf(c net.Conn) api.Peer {
	if in, ok := c.(*inbound); ok {
		return in.peer
	}
	return api.Peer{UID: -1, PID: -1}
}

// door is a listener of connections whose board is known.
type door struct {
	conns chan *inbound
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (d *door) Close() error {
	d.once.Do(func() { close(d.done) })
	return nil
}

// Addr implements net.Listener.
func (d *door) Addr() net.Addr { return d.addr }

// accept takes connections until ctx ends, and hands on those of which it knows the board.
func (g *Gate) accept(ctx context.Context, d *door) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	busy := make(chan struct{}, maxHandshakes)
	for {
		select {
		case busy <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		c, err := g.l.Accept()
		if ctx.Err() != nil {
			if c != nil {
				c.Close()
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("gate: %w", err)
		}
		if err != nil { // such as too many open files: it passes
			g.lines.say("gate: " + err.Error())
			<-busy
			pause(ctx, 100*time.Millisecond)
			continue
		}
		wg.Go(func() {
			in, err := g.admit(ctx, c)
			<-busy
			if err != nil {
				c.Close()
				g.lines.say(fmt.Sprintf("gate: %s was refused: %s", c.RemoteAddr(), err))
				return
			}
			select {
			case d.conns <- in:
			case <-d.done:
				in.Close()
			}
		})
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// admit finds out who has connected.
func (g *Gate) admit(ctx context.Context, raw net.Conn) (*inbound, error) {
	ctx, cancel := context.WithTimeout(ctx, shakeTime)
	defer cancel()
	alert(raw)
	m, err := g.files.now()
	if err != nil {
		return nil, err
	}
	c := tls.Server(raw, m.server())
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	node, err := nodeOf(c.ConnectionState().PeerCertificates[0])
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = c.SetDeadline(deadline)
	p, err := readWho(c)
	if err == nil {
		err = g.welcome(raw, node)
	}
	if err != nil {
		_, _ = c.Write([]byte("no: " + err.Error() + "\n"))
		return nil, fmt.Errorf("board %s: %w", node, err)
	}
	p.Node = node
	in := &inbound{Conn: c, peer: p, drop: func() { g.drop(raw, node) }}
	if _, err = c.Write([]byte(yes)); err != nil {
		in.Close()
		return nil, fmt.Errorf("board %s: %w", node, err)
	}
	return in, c.SetDeadline(time.Time{})
}

// welcome takes in a connection of a board, or refuses it.
func (g *Gate) welcome(c net.Conn, node string) error {
	if _, known := g.opt.Peers[node]; !known {
		return fmt.Errorf("%s is none of the peers of %s; add it to them, or take its certificate away", node, g.opt.Node)
	}
	if !g.keep(c, node) {
		return fmt.Errorf("%s takes %d connections of %s, and there are as many", g.opt.Node, MaxPerNode, node)
	}
	return nil
}

// What a connection begins with, each a line: which user asks at the board that it comes from, and whether that board's executive is his; and that he
// was taken, or why not.
const (
	whoForm = "who %d %d\n"
	maxWho  = 32
	yes     = "yes\n"
	maxYes  = 400
)

// readLine reads the line that a connection begins with, and nothing behind it.
func readLine(c io.Reader, most int) (line string, err error) {
	for one := make([]byte, 1); len(line) < most && (line == "" || line[len(line)-1] != '\n'); line += string(one) {
		if _, err := c.Read(one); err != nil {
			return line, err
		}
	}
	return line, nil
}

func who(p api.Peer, keeper bool) []byte {
	k := 0
	if keeper {
		k = 1
	}
	return fmt.Appendf(nil, whoForm, p.UID, k)
}

func readWho(c io.Reader) (p api.Peer, err error) {
	p = api.Peer{UID: -1, PID: -1}
	line, err := readLine(c, maxWho)
	if err != nil {
		return p, err
	}
	k := 0
	if n, err := fmt.Sscanf(line, whoForm, &p.There, &k); n != 2 || err != nil || p.There < -1 || line != string(who(api.Peer{UID: p.There}, k == 1)) {
		return api.Peer{UID: -1, PID: -1}, fmt.Errorf("it does not say who asks, but %.32q; see that both boards have the same version", line)
	}
	p.Keeper = k == 1
	return p, nil
}

// through lets four requests through.
func through(h http.Handler, tell func(string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "GET /v1/self", "GET /v1/wire", "POST /v1/fences", "POST /v1/port":
			h.ServeHTTP(w, r)
			return
		}
		what := fmt.Sprintf("gate: %.16s %.80s of %s: other boards may ask for /v1/self, /v1/wire, /v1/fences and /v1/port", r.Method, r.URL.Path, api.PeerOf(r).Actor())
		tell(what)
		api.Reply(w, nil, &api.Error{Status: http.StatusForbidden, Message: what})
	})
}
