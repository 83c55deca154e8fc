// Outbound: what connects here in the place of another board is carried there.

package gate

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// carry takes connections to a board until ctx ends.
func (g *Gate) carry(ctx context.Context, n api.Network, node string, l net.Listener) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if c != nil {
				c.Close()
			}
			return
		case err != nil:
			g.lines.say(fmt.Sprintf("gate: connections to %s: %s", node, err))
			pause(ctx, 100*time.Millisecond)
			continue
		}
		whose := "to " + node
		if !g.keep(c, whose) {
			c.Close()
			g.lines.say(fmt.Sprintf("gate: %d connections go to %s, which is all that are carried", MaxPerNode, node))
			continue
		}
		wg.Go(func() {
			defer g.drop(c, whose)
			p := api.PeerAt(c)
			far, err := g.reach(ctx, node, who(p, keeps(n, p)))
			if err != nil {
				refuse(c, fmt.Sprintf("gate: board %s cannot be reached: %s", node, err))
				return
			}
			defer far.Close()
			defer context.AfterFunc(ctx, func() { far.Close() })()
			join(c, far)
		})
	}
}

// keeps tells whether a peer of this board is one whom its executive belongs to.
func keeps(n api.Network, p api.Peer) bool {
	d, sockets := n.(api.Sockets)
	return !sockets || p.Keeps(string(d)) == nil
}

// reach connects to a board, whose certificate must say that it is that board, and tells it who asks.
func (g *Gate) reach(ctx context.Context, node string, first []byte) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, shakeTime)
	defer cancel()
	m, err := g.files.now()
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", g.opt.Peers[node])
	if err != nil {
		return nil, err
	}
	alert(raw)
	c := tls.Client(raw, m.client(node))
	if err = c.HandshakeContext(ctx); err == nil {
		deadline, _ := ctx.Deadline()
		_ = c.SetDeadline(deadline)
		err = introduce(c, first)
		_ = c.SetDeadline(time.Time{})
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

// introduce says who asks, and hears whether he is taken.
func introduce(c net.Conn, first []byte) error {
	if _, err := c.Write(first); err != nil {
		return err
	}
	line, err := readLine(c, maxYes)
	if err == nil && line != yes {
		err = fmt.Errorf("it was refused there: %q", line)
	}
	return err
}

// join carries each way until one of the two ends, or nothing went either way for idleTime.
func join(a, b net.Conn) {
	touch := func() {
		until := time.Now().Add(idleTime)
		_, _ = a.SetReadDeadline(until), b.SetReadDeadline(until)
	}
	touch()
	carry := func(to, from net.Conn) {
		defer to.Close()
		defer from.Close()
		buf := make([]byte, 8<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				touch()
				if _, err := to.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { carry(a, b) })
	carry(b, a)
	wg.Wait()
}

// refuse answers the request that a connection begins with, so that whoever asks learns why.
func refuse(c net.Conn, why string) {
	_ = c.SetDeadline(time.Now().Add(shakeTime))
	req, err := http.ReadRequest(bufio.NewReader(io.LimitReader(c, api.MaxBody+(64<<10))))
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	if err != nil {
		return
	}
	data, err := json.Marshal(&api.Error{Status: http.StatusServiceUnavailable, Message: why})
	resp := http.Response{StatusCode: http.StatusServiceUnavailable, ProtoMajor: 1, ProtoMinor: 1, Request: req, Close: true,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(data)), Body: io.NopCloser(strings.NewReader(string(data)))}
	_ = errors.Join(err, resp.Write(c))
}
