// What the tests have: a cable in memory, profiles of testdata, and instruments that are simulated.

package scale_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/scale"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/iomap/tag"
)

// cable is a serial line in memory: hal.RS232 at the near end, say and heard at the far end.
type cable struct {
	mu     sync.Mutex
	buf    []byte
	gone   bool
	closed bool
	wake   chan struct{}
	heard  func(p []byte) // what the near end writes; nil: nobody
}

func newCable(heard func(p []byte)) *cable { return &cable{wake: make(chan struct{}, 1), heard: heard} }

func (c *cable) kick() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// say sends from the far end. A buffer that is full loses what comes, as a tty does.
func (c *cable) say(p []byte) {
	c.mu.Lock()
	c.buf = append(c.buf, p[:min(len(p), 4096-len(c.buf))]...)
	c.mu.Unlock()
	c.kick()
}

// pull takes the adapter out.
func (c *cable) pull() {
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
	c.kick()
}

func (c *cable) Write(p []byte) (int, error) {
	c.mu.Lock()
	gone, closed := c.gone, c.closed
	c.mu.Unlock()
	switch {
	case closed:
		return 0, os.ErrClosed
	case gone:
		return 0, io.ErrUnexpectedEOF
	case c.heard != nil:
		c.heard(append([]byte(nil), p...))
	}
	return len(p), nil
}

func (c *cable) Read(ctx context.Context, p []byte) (int, error) {
	for {
		c.mu.Lock()
		n := copy(p, c.buf)
		c.buf = c.buf[n:]
		gone, closed := c.gone, c.closed
		c.mu.Unlock()
		switch {
		case closed:
			return 0, os.ErrClosed
		case n > 0:
			return n, nil
		case gone:
			return 0, fmt.Errorf("the line has gone: %w", io.ErrUnexpectedEOF)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-c.wake:
		}
	}
}

func (c *cable) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.kick()
	return nil
}

// socket is where cables are plugged in: each Open gives a new one.
type socket struct {
	mu    sync.Mutex
	cable *cable
	heard func(p []byte)
	empty bool // nothing is plugged in
}

func (s *socket) open(context.Context, string) (hal.RS232, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.empty {
		return nil, errors.New("no such device")
	}
	s.cable = newCable(s.heard)
	return s.cable, nil
}

func (s *socket) now() *cable {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cable
}

// say sends on the line that is open, if one is.
func (s *socket) say(p []byte) {
	if c := s.now(); c != nil {
		c.say(p)
	}
}

// profile reads a profile of testdata, with replacements of text, two by two.
func profile(t testing.TB, name string, replace ...string) *fieldbus.Profile {
	t.Helper()
	file := filepath.Join("testdata", "profiles", name+".yaml")
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	text := string(src)
	for i := 0; i+1 < len(replace); i += 2 {
		require.Contains(t, text, replace[i])
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	p, err := fieldbus.ParseProfile(file, []byte(text))
	require.NoError(t, err)
	return p
}

// plugged makes a device of a profile that is plugged into a socket, and opens it.
func plugged(t testing.TB, p *fieldbus.Profile, heard func(p []byte)) (*scale.Device, *socket) {
	t.Helper()
	s := &socket{heard: heard}
	d, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: p}, &scale.DeviceOptions{Open: s.open})
	require.NoError(t, err)
	require.NoError(t, d.Open(t.Context(), "serial:/dev/ttyS1"))
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, s
}

// read reads points by their names.
func read(ctx context.Context, d *scale.Device, p *fieldbus.Profile, names ...string) ([]fieldbus.Reading, error) {
	points := make([]*fieldbus.Point, len(names))
	for i, n := range names {
		points[i] = p.Find(n)
	}
	out := make([]fieldbus.Reading, len(names))
	return out, d.Read(ctx, points, out)
}

func good(v int64) fieldbus.Reading {
	return fieldbus.Reading{Form: tag.Int, Bits: uint64(v), Quality: tag.Good}
}

func bad(s fieldbus.Status) fieldbus.Reading {
	return fieldbus.Reading{Form: tag.Int, Quality: tag.Bad, Status: s}
}

func yes(v bool) fieldbus.Reading {
	r := fieldbus.Reading{Form: tag.Bool, Quality: tag.Good}
	if v {
		r.Bits = 1
	}
	return r
}
