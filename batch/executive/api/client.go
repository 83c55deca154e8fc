// The side that asks.

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// Client asks one process of the executive. Its methods may be called from any goroutine, and block until the answer is there or ctx ends.
type Client struct {
	http *http.Client
	name string
	dial func(ctx context.Context) (net.Conn, error)
}

// Dial returns a client of the socket at path. Nothing is connected before the first call.
func Dial(path string) *Client { return dial(path, nil) }

// dial is Dial of one who is to be whom trust takes; where the kernel does not say who listens, he is.
func dial(path string, trust func(Peer) error) *Client {
	var d net.Dialer
	return NewClient(path, func(ctx context.Context) (net.Conn, error) {
		c, err := d.DialContext(ctx, "unix", path)
		if err != nil || trust == nil {
			return c, err
		}
		if p, ok := peerOf(c); ok {
			if err := trust(p); err != nil {
				return nil, errors.Join(err, c.Close())
			}
		}
		return c, nil
	})
}

// NewClient returns a client of what dial connects to, such as a server of this process; name is what errors call it.
func NewClient(name string, dial func(ctx context.Context) (net.Conn, error)) *Client {
	return &Client{name: name, dial: dial, http: &http.Client{Transport: &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     30 * time.Second,
		DisableCompression:  true,

		MaxResponseHeaderBytes: 16 << 10,
	}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Far tells who listens at the far end, by the word of the kernel: on a connection of its own, which is closed again. An error says that nobody
// does, or that the kernel does not say who.
func (c *Client) Far(ctx context.Context) (Peer, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return Peer{UID: -1, PID: -1}, fmt.Errorf("api: %s: %w", c.name, err)
	}
	defer conn.Close()
	p, ok := peerOf(conn)
	if _, unix := conn.(*net.UnixConn); !unix {
		p, ok = Peer{UID: os.Getuid(), PID: os.Getpid()}, true // within this process
	}
	if !ok {
		return Peer{UID: -1, PID: -1}, fmt.Errorf("api: %s: the system does not say who listens there", c.name)
	}
	return p, nil
}

// Close closes connections that no call uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call sends in, nil for nothing, and reads the answer into out, nil where it does not matter. What is refused is an *Error. After any other
// error nobody knows whether the request was carried out. It blocks until the answer is there or ctx ends, and where ctx has no deadline for
// MaxWait at most.
func (c *Client) Call(ctx context.Context, method, path string, in, out Body) error {
	if _, bounded := ctx.Deadline(); !bounded {
		limited, cancel := context.WithTimeout(ctx, MaxWait)
		defer cancel()
		ctx = limited
	}
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("api: %s: %w", c.name, err)
	case len(data) > MaxAnswer:
		return fmt.Errorf("api: %s %s: the answer of %s has more than %d bytes", method, path, c.name, MaxAnswer)
	case out == nil:
		return nil
	}
	if err = json.Unmarshal(data, out); err == nil {
		err = out.Check()
	}
	if err != nil {
		return fmt.Errorf("api: %s %s: answer of %s: %w", method, path, c.name, err)
	}
	return nil
}

// send sends a request; any status but success is an *Error.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://executive"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("api: %s: %w", c.name, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	e := &Error{Status: resp.StatusCode}
	if json.Unmarshal(data, e) != nil || e.Message == "" {
		e.Message = fmt.Sprintf("api: %s %s: %s answered %s", method, path, c.name, resp.Status)
	}
	e.Status = resp.StatusCode
	return nil, e
}

// Events reads the server-sent events of path until ctx ends, the stream does, or do returns an error, which it then returns. Do is called with
// event "" for each sign of life that is no event. Where nothing came for quiet, the stream is given up; the time that do takes does not
// count. An event has MaxBody bytes at most.
func (c *Client) Events(ctx context.Context, path string, quiet time.Duration, do func(event, id string, data []byte) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(quiet, func() { cancel(errSilent) })
	defer silent.Stop()
	say := func(err error) error {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("api: GET %s: stream of %s: %w", path, c.name, err)
	}
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return say(cause)
		}
		return err
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		return say(fmt.Errorf("it is %.80q and no event stream", kind))
	}
	in := newSSE(resp.Body, func() { silent.Reset(quiet) })
	for {
		event, id, data, err := in.next()
		if err != nil {
			return say(err)
		}
		silent.Stop()
		if err := do(event, id, data); err != nil {
			return err
		}
		silent.Reset(quiet)
	}
}

// errSilent ends a stream of which nothing is heard.
var errSilent = errors.New("nothing was heard for too long")
