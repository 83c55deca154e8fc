// The plant as a process of its own, which no death of the I/O process stops, and the line to it: a Unix socket with a JSON value in each line.

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// telegram is a line: a value or an answer from the plant, a write to it.
type telegram struct {
	Raw   *tag.Raw   `json:"raw,omitempty"`
	Write *tag.Write `json:"write,omitempty"` // its ID counts the writes of the line, its Deadline is the time in ns that is left
	Done  uint32     `json:"done,omitempty"`  // ID of the write that is answered
	Error string     `json:"error,omitempty"`
}

// hungUp is how long a client of the plant may read nothing.
const hungUp = time.Second

// servePlant shows a port at a socket until ctx ends, to one client at a time: who comes later, and says so by an empty line, takes the place of
// who was there, whose writes are over before the first value of the new one.
func servePlant(ctx context.Context, path string, port tag.Port, clock timebase.Clock) error {
	l, err := api.Listen(path)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	end, done := context.CancelFunc(func() {}), make(chan struct{})
	close(done)
	for {
		c, err := l.Accept()
		if err == nil && !greets(c) {
			c.Close()
			continue
		}
		end()
		<-done
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		var run context.Context
		run, end = context.WithCancel(ctx)
		done = make(chan struct{})
		go func(done chan struct{}) {
			defer close(done)
			serveLine(run, c, port, clock)
		}(done)
	}
}

// greets tells whether a client has something to say, and did not only look whether somebody listens.
func greets(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(hungUp))
	n, _ := c.Read(make([]byte, 1))
	return n == 1 && c.SetReadDeadline(time.Time{}) == nil
}

// serveLine serves one client until it is gone or ctx ends.
func serveLine(ctx context.Context, c net.Conn, port tag.Port, clock timebase.Clock) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	var mu sync.Mutex
	out := json.NewEncoder(c)
	send := func(t telegram) {
		mu.Lock()
		defer mu.Unlock()
		_ = c.SetWriteDeadline(time.Now().Add(hungUp))
		if out.Encode(t) != nil {
			cancel()
		}
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer cancel()
		_ = port.Watch(ctx, func(r tag.Raw) {
			r.At = 0 // clocks of two processes have nothing in common: it is true when it arrives
			send(telegram{Raw: &r})
		})
	}()
	for in := json.NewDecoder(bufio.NewReader(c)); ; {
		var t telegram
		if in.Decode(&t) != nil || t.Write == nil {
			break
		}
		w, id := *t.Write, t.Write.ID
		left, stop := context.WithTimeout(ctx, time.Duration(w.Deadline))
		w.Deadline += clock.Now()
		answer := telegram{Done: id}
		if err := port.Write(left, w); err != nil {
			answer.Error = err.Error()
		}
		stop()
		send(answer)
	}
	cancel()
	<-watched
}

// line is a port at the other end of such a socket.
type line struct {
	path  string
	clock timebase.Clock

	mu      sync.Mutex
	conn    net.Conn // nil: there is no Watch, or the plant is not there
	count   uint32
	answers chan telegram
}

// Watch implements tag.Port.
func (l *line) Watch(ctx context.Context, emit func(tag.Raw)) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", l.path)
	if err != nil {
		return fmt.Errorf("executive: plant: %w", err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if _, err := c.Write([]byte("\n")); err != nil {
		return fmt.Errorf("executive: plant: %w", err)
	}
	answers := make(chan telegram, 16)
	l.mu.Lock()
	l.conn, l.answers = c, answers
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conn = nil
		close(answers)
	}()
	for in := json.NewDecoder(bufio.NewReader(c)); ; {
		var t telegram
		if err := in.Decode(&t); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return fmt.Errorf("executive: plant: %w", err)
		}
		switch {
		case t.Raw != nil:
			emit(*t.Raw)
		case t.Done != 0:
			select {
			case answers <- t:
			default: // nobody waits for those before it either
			}
		}
	}
}

// Write implements tag.Port.
func (l *line) Write(ctx context.Context, w tag.Write) error {
	l.mu.Lock()
	c, answers := l.conn, l.answers
	l.count++
	w.ID, w.Deadline = l.count, w.Deadline-l.clock.Now()
	l.mu.Unlock()
	switch {
	case c == nil:
		return fmt.Errorf("executive: the plant is not there: %w", tag.ErrRefused)
	case w.Deadline <= 0:
		return fmt.Errorf("executive: the time of the write is over: %w", tag.ErrRefused)
	}
	data, err := json.Marshal(telegram{Write: &w})
	if err != nil {
		return err
	}
	if _, err := c.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("executive: plant: %w: %w", err, tag.ErrUnknown)
	}
	for {
		select {
		case t, ok := <-answers:
			switch {
			case !ok:
				return fmt.Errorf("executive: the plant has gone: %w", tag.ErrUnknown)
			case t.Done != w.ID: // of one that nobody waits for any more
			case t.Error != "":
				return errors.New(t.Error)
			default:
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("executive: plant: no answer: %w: %w", ctx.Err(), tag.ErrUnknown)
		}
	}
}
