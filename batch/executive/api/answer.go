// What a server bounds: connections, streams, and how long a body may take.

package api

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// answer is the answer to one request.
type answer struct {
	http.ResponseWriter
	v        *server
	begun    bool // something of it may have been sent
	streamed bool
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	a.begun = true
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (a *answer) Flush() {
	a.begun = true
	_ = http.NewResponseController(a.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	a.begun = a.begun || err == nil
	return c, rw, err
}

// stream takes one of the server's streams, if there is one.
func (a *answer) stream() bool {
	a.v.mu.Lock()
	defer a.v.mu.Unlock()
	if a.v.streams >= a.v.opt.Streams {
		return false
	}
	a.v.streams++
	a.streamed = true
	return true
}

func (a *answer) end() {
	a.v.mu.Lock()
	defer a.v.mu.Unlock()
	if a.streamed {
		a.v.streams--
	}
}

// timely is a body that has until a deadline; who has it whole may take his time with the answer.
type timely struct {
	io.ReadCloser
	ctl *http.ResponseController
}

func (t *timely) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = t.ctl.SetReadDeadline(time.Time{})
	}
	return n, err
}

// gate lets only so many connections in at a time.
type gate struct {
	net.Listener
	free chan struct{}
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case g.free <- struct{}{}:
			return &counted{Conn: c, free: g.free}, nil
		default:
		}
		if _, unix := c.(*net.UnixConn); unix { // a pipe would wait for its reader
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(c, full)
		}
		c.Close()
	}
}

// full is what one connection too many is told.
const full = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 122\r\n\r\n" +
	`{"status":503,"error":"api: as many connections are open as this server has; close those that you do not use, ask again"}` + "\n"

// counted is a connection that was let in.
type counted struct {
	net.Conn
	free chan struct{}
	once sync.Once
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.once.Do(func() { <-c.free })
	return c.Conn.Close()
}
