// What the tests of evidence share: a server, links that are cut, journals that grow, and a sink that is a directory.

package bus

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// evServer starts a server whose store lies in dir, at a port or a free one.
func evServer(t testing.TB, dir string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, SyncAlways: true, NoSigs: true,
		JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 64 << 20, ServerName: "s1"})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(10*time.Second))
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// hearsay collects what is told.
type hearsay struct {
	mu    sync.Mutex
	lines []string
}

func (k *hearsay) tell(object, result, detail string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lines = append(k.lines, object+" "+result+": "+detail)
}

// has counts the lines that have a text.
func (k *hearsay) has(text string) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.lines {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

func (k *hearsay) all() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.lines, "\n")
}

// evConn connects as a node.
func evConn(t testing.TB, url, node string, k *hearsay) *Conn {
	t.Helper()
	c, err := Connect(context.Background(), &Options{URL: url, Node: node, Tell: k.tell})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// shelf is a directory as a sink that several may use, and that can be made to fail.
type shelf struct {
	mu   sync.Mutex
	dir  *export.Dir
	fail func(id string, rows []export.Row) error // before it takes; nil: never
	took func(id string, at journal.Chain)
	rows int // that it was handed
}

func (s *shelf) Held(ctx context.Context, id string) (journal.Chain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dir.Held(ctx, id)
}

func (s *shelf) Take(ctx context.Context, id string, rows []export.Row) (journal.Chain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(id, rows); err != nil {
			return journal.Chain{}, err
		}
	}
	at, err := s.dir.Take(ctx, id, rows)
	s.rows += len(rows)
	if err == nil && s.took != nil {
		s.took(id, at)
	}
	return at, err
}

// grower is a journal that grows.
type grower struct {
	t   testing.TB
	dir string
	id  string
	w   *journal.Writer
}

func newGrower(t testing.TB, dir, id string) *grower {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o750))
	w, err := journal.Create(dir, journal.Header{JournalID: id}, &journal.Options{Pending: 256 << 10})
	require.NoError(t, err)
	b := &grower{t: t, dir: dir, id: id, w: w}
	t.Cleanup(func() { _ = b.w.Close() })
	return b
}

// grow appends n records of about size bytes and makes them durable.
func (b *grower) grow(n, size int) {
	b.t.Helper()
	for i := range n {
		seq := b.w.Tail().N + 1
		body := fmt.Sprintf(`{"event_seq":"%d","detail":"%s"}`, seq, strings.Repeat("x", size))
		require.NoError(b.t, b.w.Append(seq, []byte(body)))
		if i%64 == 63 || i == n-1 {
			require.NoError(b.t, b.w.Commit())
		}
	}
}

// text is the journal in the form of events.tsv.
func (b *grower) text() string {
	b.t.Helper()
	var out []byte
	_, err := journal.Scan(b.dir, func(seq uint64, body []byte, c journal.Chain) error {
		r := export.Row{Seq: seq, Leaf: journal.Leaf(body), Link: c.Link, Body: body}
		out = r.Append(out)
		return nil
	}, nil)
	require.NoError(b.t, err)
	return string(out)
}

// rowsOf are its rows from a record on.
func (b *grower) rowsOf(from uint64) (rows []export.Row) {
	b.t.Helper()
	_, err := journal.Scan(b.dir, func(seq uint64, body []byte, c journal.Chain) error {
		if seq >= from {
			rows = append(rows, export.Row{Seq: seq, Leaf: journal.Leaf(body), Link: c.Link, Body: append([]byte(nil), body...)})
		}
		return nil
	}, nil)
	require.NoError(b.t, err)
	return rows
}

// has is how far the directory has a journal.
func (s *shelf) has(id string) uint64 {
	at, err := s.Held(context.Background(), id)
	if err != nil {
		return 0
	}
	return at.N
}

// whole holds what a directory has of the journal against it: every line, in order, once.
func (b *grower) whole(dir string) {
	b.t.Helper()
	b.same(dir, b.w.Head())
}

// same is whole for a journal that others write.
func (b *grower) same(dir string, head journal.Chain) {
	b.t.Helper()
	first, last, err := (&export.Dir{Path: dir}).Whole(context.Background(), b.id)
	require.NoError(b.t, err)
	require.Equal(b.t, uint64(1), first)
	require.Equal(b.t, head, last)
	data, err := os.ReadFile(filepath.Join(dir, b.id+".tsv"))
	require.NoError(b.t, err)
	require.True(b.t, string(data) == b.text(), "journal %s is another one there", b.id)
}

// newTestClock is the clock of an exporter.
func newTestClock() timebase.Clock { return system.NewClock(1) }

// running runs something until the test ends, or until what it returns is called.
func running(t testing.TB, run func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	return stop
}

// inTime waits until something holds.
func inTime(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !holds(); time.Sleep(2 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "not within %v: %s", within, what)
	}
}

// cable is a link to a server that can be cut.
type cable struct {
	to string
	l  net.Listener

	mu    sync.Mutex
	cut   bool
	mute  bool // what comes is taken and goes nowhere
	conns map[net.Conn]struct{}
}

func newCable(t testing.TB, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cable{to: to, l: l, conns: map[net.Conn]struct{}{}}
	go c.serve()
	t.Cleanup(func() { _ = l.Close(); c.set(true, false) })
	return c
}

func (c *cable) url() string { return "nats://" + c.l.Addr().String() }

// set cuts the link, or mends it; mute has it swallow what is sent before.
func (c *cable) set(cut, mute bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut, c.mute = cut, mute
	if cut {
		for one := range c.conns {
			_ = one.(*net.TCPConn).SetLinger(0)
			_ = one.Close()
		}
		clear(c.conns)
	}
}

func (c *cable) serve() {
	for {
		in, err := c.l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", c.to)
		c.mu.Lock()
		if err != nil || c.cut {
			c.mu.Unlock()
			_ = in.Close()
			if err == nil {
				_ = out.Close()
			}
			continue
		}
		c.conns[in], c.conns[out] = struct{}{}, struct{}{}
		c.mu.Unlock()
		go c.pipe(in, out)
		go c.pipe(out, in)
	}
}

func (c *cable) pipe(from, to net.Conn) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		c.mu.Lock()
		mute := c.mute
		c.mu.Unlock()
		if n > 0 && !mute {
			if _, bad := to.Write(buf[:n]); bad != nil {
				err = io.EOF
			}
		}
		if err != nil {
			_ = from.Close()
			_ = to.Close()
			c.mu.Lock()
			delete(c.conns, from)
			delete(c.conns, to)
			c.mu.Unlock()
			return
		}
	}
}
