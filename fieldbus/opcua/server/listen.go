// Listening: who may connect, who gives way, and what has had its time.

package server

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gopcua/opcua/ua"
)

// young is the age from which on a connection without a session gives way to a new one, though its client has no more of them than others.
const young = time.Second

// accept takes connections until the listener is closed.
func (s *Server) accept() {
	for {
		nc, err := s.l.Accept()
		if err != nil {
			if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			select { // such as no file descriptors: they come back
			case <-s.ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		c := newConn(s, nc)
		if !s.admit(c) {
			s.refuse(c.host, fmt.Errorf("opcua: server: there are %d connections already: %w", s.o.Limits.Connections, ua.StatusBadTCPServerTooBusy))
			// The kernel has room for one short message; nobody waits for a client that is not let in.
			_ = nc.SetWriteDeadline(time.Now().Add(time.Millisecond))
			_, _ = nc.Write(errorMessage(ua.StatusBadTCPServerTooBusy, "too many connections"))
			_ = nc.Close()
			continue
		}
		s.running.Go(c.run)
	}
}

// admit takes a connection in, if need be in place of one that has no session.
func (s *Server) admit(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if len(s.conns) >= s.o.Limits.Connections {
		victim := s.victim(c)
		// Those that give way may take a while to end; there are never more than twice as many.
		if victim == nil || s.dying >= s.o.Limits.Connections {
			return false
		}
		delete(s.conns, victim)
		s.dying++
		victim.kill(fmt.Errorf("it had no session and gave way to another: %w", ua.StatusBadTCPServerTooBusy))
	}
	s.conns[c] = true
	return true
}

// victim gives the connection that gives way to c: the oldest without a session of the client with most of them. mu is held.
func (s *Server) victim(c *conn) *conn {
	loose := map[string]int{}
	for o := range s.conns {
		if o.active.Load() == 0 {
			loose[o.host]++
		}
	}
	var v *conn
	for o := range s.conns {
		switch {
		case o.active.Load() > 0:
		case v == nil || loose[o.host] > loose[v.host], loose[o.host] == loose[v.host] && o.began.Before(v.began):
			v = o
		}
	}
	if v == nil || loose[v.host] <= loose[c.host]+1 && time.Since(v.began) < young {
		return nil
	}
	return v
}

// forget takes a connection out that has ended. Its sessions wait for another one, but for those that were never activated.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	if s.conns[c] {
		delete(s.conns, c)
	} else {
		s.dying--
	}
	var gone []*session
	for _, sess := range s.sessions {
		if !sess.conn.CompareAndSwap(c, nil) {
			continue
		}
		if sess.forgo(); !sess.active {
			gone = append(gone, sess)
		}
	}
	s.mu.Unlock()
	for _, sess := range gone {
		s.end(sess)
	}
}

// tidy ends what has had its time, until the server is closed.
func (s *Server) tidy() {
	tick := time.NewTicker(min(s.o.Limits.Handshake/4, s.o.Limits.Idle/4, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			for _, sess := range s.allSessions() {
				if s.overdue(sess, now) {
					s.refused.Add(1)
					s.end(sess)
				}
			}
			for _, c := range s.allConns() {
				if c.overdue(now) {
					c.kill(fmt.Errorf("no session for %s, or a channel that was not renewed: %w", s.o.Limits.Handshake, ua.StatusBadTimeout))
				}
			}
		}
	}
}

// overdue tells whether a session was not activated, or not used, for too long.
func (s *Server) overdue(sess *session, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !sess.active {
		return now.Sub(sess.used) >= s.o.Limits.Handshake
	}
	return now.Sub(sess.used) >= sess.timeout
}

func (s *Server) allConns() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

func (s *Server) allSessions() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*session, 0, len(s.sessions))
	for _, sess := range s.sessions {
		all = append(all, sess)
	}
	return all
}
