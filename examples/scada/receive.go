// Where values come in: HTTP on loopback or a Unix socket, with limits on whoever is there.

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// unixScheme begins the address of a Unix socket.
const unixScheme = "unix:"

// Limits of the receiver. A controller has one connection.
const (
	maxPosters = 8
	postTime   = 10 * time.Second
	idleTime   = time.Minute
	closeTime  = 2 * time.Second
	maxHeader  = 8 << 10
)

// receiver listens for values.
type receiver struct {
	at, url string
	server  *http.Server
	done    chan struct{}
}

// receive listens at an address until close.
func receive(addr string, h http.Handler) (*receiver, error) {
	r := &receiver{done: make(chan struct{})}
	network, where := "tcp", addr
	if path, ok := strings.CutPrefix(addr, unixScheme); ok {
		network, where = "unix", path
		if err := clearSocket(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen(network, where)
	if err == nil && network == "unix" {
		err = os.Chmod(where, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("scada: -trend %s: %w; give HOST:PORT such as 127.0.0.1:4841, or unix:FILE, where nobody listens", addr, err)
	}
	if r.at, r.url = l.Addr().String(), "http://"+l.Addr().String()+"/"; network == "unix" {
		r.at, r.url = addr, addr
	}
	r.server = &http.Server{Handler: h, ReadTimeout: postTime, WriteTimeout: postTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader}
	go func() {
		defer close(r.done)
		_ = r.server.Serve(&few{Listener: l, room: make(chan struct{}, maxPosters)})
	}()
	return r, nil
}

// clearSocket removes a socket that a process left behind which has died. What is no socket, or is listened at, stays.
func clearSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("scada: -trend unix:%s: is there, and no socket; give another name", path)
	}
	if c, err := net.DialTimeout("unix", path, closeTime); err == nil {
		_ = c.Close()
		return fmt.Errorf("scada: -trend unix:%s: another process listens there; end it, or give another name", path)
	}
	return os.Remove(path)
}

// close ends it, and waits until it has.
func (r *receiver) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := r.server.Shutdown(ctx)
	if err != nil {
		err = r.server.Close()
	}
	<-r.done
	return err
}

// few is a listener that has so many connections at a time, and closes others at once.
type few struct {
	net.Listener
	room chan struct{}
}

// Accept implements net.Listener.
func (l *few) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.room <- struct{}{}:
			return &counted{Conn: c, room: l.room}, nil
		default:
			_ = c.Close()
		}
	}
}

// counted is a connection that gives its room back once.
type counted struct {
	net.Conn
	room chan struct{}
	once sync.Once
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.once.Do(func() { <-c.room })
	return c.Conn.Close()
}
