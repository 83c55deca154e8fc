// The hub and the forwarder, each a process of its own, killed in the middle of it.

package hub_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/store/storetest"
	"github.com/batchkit/batchkit/journal/export"
)

const roleEnv = "BATCHKIT_HUB_TEST_ROLE"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "hub":
		err = hubRole(os.Args[1], os.Args[2])
	case "forward":
		err = forwardRole(os.Args[1], os.Args[2])
	default:
		err = errors.New("no such role")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func hubRole(addr, dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	h, err := hub.Open(dir, nil)
	if err != nil {
		return err
	}
	defer h.Close()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return api.Serve(ctx, l, hub.Handler(h, hub.Anybody))
}

func forwardRole(addr, dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, err := hub.NewClient("http://"+addr, &hub.ClientOptions{Node: "n1"})
	if err != nil {
		return err
	}
	x, err := export.New("hub", c, export.Source{Dir: dir + "/journal"}, dir+"/cursor", clock,
		&export.Options{Batch: 4 << 10, Poll: 50 * time.Millisecond, Least: 20 * time.Millisecond, Most: 50 * time.Millisecond})
	if err != nil {
		return err
	}
	return x.Run(ctx)
}

// start starts this test again in a role.
func start(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), roleEnv+"="+role)
	c.Stderr = os.Stderr
	require.NoError(t, c.Start())
	t.Cleanup(func() { kill(c) })
	return c
}

// kill ends a process at once, if it has not ended.
func kill(c *exec.Cmd) {
	if c.ProcessState == nil {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
}

func TestKillingHubAndForwarderLosesNothingAndDoublesNothing(t *testing.T) {
	records, kills := 8_000, 8
	if os.Getenv("BATCHKIT_LONG") != "" {
		records, kills = 60_000, 60
	}
	e := newEdge(t, "J1")
	e.write(records, 100)
	require.NoError(t, e.w.Close())
	want := e.lines()
	at, err := storetest.FreePort() // the hub is started at it again and again
	require.NoError(t, err)
	addr := at.String()
	dir := t.TempDir()
	server, client := start(t, "hub", addr, dir), start(t, "forward", addr, e.dir)
	name := dir + "/journals/J1.tsv"
	reached := func(size int64) func() bool {
		return func() bool {
			info, err := os.Stat(name)
			return err == nil && info.Size() >= size
		}
	}
	for n := range kills {
		require.Eventually(t, reached(int64(len(want)*(n+1)/(kills+2))), time.Minute, time.Millisecond)
		if n%2 == 0 {
			kill(server)
			server = start(t, "hub", addr, dir)
		} else {
			kill(client)
			client = start(t, "forward", addr, e.dir)
		}
	}
	require.Eventually(t, reached(int64(len(want))), time.Minute, 10*time.Millisecond)
	kill(client)
	kill(server)
	require.Equal(t, want, read(t, name))
	h := open(t, dir, nil)
	s := status(t, h, "J1")
	require.Equal(t, []uint64{uint64(records), 0, 0}, []uint64{s.Held, s.Gaps, s.Forks})
	_, last, err := h.Verify(t.Context(), "J1")
	require.NoError(t, err)
	require.Equal(t, e.w.Head(), last)
	index := read(t, dir+"/journals/J1.idx")
	require.NoError(t, h.Close())
	h = open(t, dir, &hub.Options{Rebuild: true})
	require.NoError(t, h.Close())
	require.Equal(t, index, read(t, dir+"/journals/J1.idx"), "the index that was cut off eight times is that of an uncut one")
}
