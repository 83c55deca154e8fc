// Servers and logs for the tests.

package bus

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
)

// patience is how long a test waits for what has to come: it says nothing of how fast it is.
const patience = 60 * time.Second

// TestMain has more tests go on at a time than there are processors: what they do is wait, for elections, and for what is down. Not
// with the race detector, under which they compute.
func TestMain(m *testing.M) {
	flag.Parse()
	most := "6"
	if b, ok := debug.ReadBuildInfo(); ok && slices.Contains(b.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		most = "2"
	}
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) { // nobody has said how many
		_ = f.Value.Set(most)
	}
	m.Run()
}

// within is a ctx that a test ends with.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// free is an address at which nobody listens, and that nobody else is given: it may be used later, or its server may be down for a while.
func free(t testing.TB) string {
	t.Helper()
	at, err := storetest.FreePort()
	require.NoError(t, err)
	return at.String()
}

// alone is the options of a server that is by itself.
func alone(t testing.TB) *ServerOptions {
	return &ServerOptions{Node: "s1", Listen: "127.0.0.1:0", Dir: t.TempDir(), MaxStore: 2 << 30, MaxMemory: 64 << 20}
}

// runServer runs a server until the test ends, or stop is called.
func runServer(t testing.TB, o *ServerOptions) (s *Server, stop func()) {
	s, err := NewServer(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("server: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	require.NoError(t, s.Ready(within(t, patience)))
	return s, stop
}

// three runs a cluster of three servers in this process.
func three(t testing.TB) (urls []string) {
	var routes []string
	for range 3 {
		routes = append(routes, free(t))
	}
	for i := range 3 {
		o := alone(t)
		o.Node, o.Cluster, o.Routes = fmt.Sprintf("s%d", i+1), routes[i], routes
		s, _ := runServer(t, o)
		urls = append(urls, s.ClientURL())
	}
	return urls
}

// connect connects until the test ends.
func connect(t testing.TB, o *Options) *Conn {
	c, err := Connect(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.NoError(t, c.Ready(within(t, patience)))
	return c
}

// openLog opens a log, again while the servers have none that leads.
func openLog(t testing.TB, c *Conn, name string, copy arbiter.Log) *Log {
	ctx := within(t, patience)
	for {
		l, err := OpenLog(ctx, c, name, copy)
		if err == nil {
			t.Cleanup(func() { l.Close() })
			return l
		}
		require.NoError(t, ctx.Err(), "%v", err)
		require.NotErrorIs(t, err, store.ErrDamaged)
		require.NoError(t, pause(ctx, 5))
	}
}

// sqlite is a copy in a file.
func sqlite(t testing.TB) *store.SQLite {
	s, err := store.OpenSQLite(filepath.Join(t.TempDir(), "copy.db"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// opOf is an operation of a test.
func opOf(n uint64) []byte { return fmt.Appendf(nil, "operation %d", n) }

// readAll is all operations of a log.
func readAll(t testing.TB, l arbiter.Log) (ops []string) {
	require.NoError(t, l.Read(within(t, patience), 1, func(seq uint64, op []byte) error {
		if len(op) > 100 {
			op = op[:100]
		}
		ops = append(ops, fmt.Sprintf("%d:%s", seq, op))
		return nil
	}))
	return ops
}

// fill appends operations from one number to another.
func fill(t testing.TB, l arbiter.Log, from, to uint64) {
	for n := from; n <= to; n++ {
		require.NoError(t, l.Append(within(t, patience), n, opOf(n)))
	}
}
