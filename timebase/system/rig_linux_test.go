// Real daemons for tests: chronyd that keeps no clock, and ptp4l between two network namespaces.

package system

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

// need skips a test that wants programs which are not here.
func need(t *testing.T, install string, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not here: install %s", p, install)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, to run daemons with sockets of their own")
	}
}

// daemon runs a program until stop is called, or the test is over; what it said is shown where the test has failed.
func daemon(t *testing.T, name string, args ...string) (stop func()) {
	t.Helper()
	var said strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s %s:\n%s", name, strings.Join(args, " "), said.String())
		}
	})
	t.Cleanup(stop)
	return stop
}

// command runs a program to its end.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s:\n%s", name, strings.Join(args, " "), out)
	return string(out)
}

// written writes a configuration and returns its path.
func written(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// shortDir makes a directory whose name leaves room for the name of a socket, as chronyd wants its own.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "bk")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o750))
	return dir
}

// freePort finds a UDP port of loopback that nobody uses. It is below those that the kernel gives to whoever asks for any: a daemon takes
// it a while later, and until then another test could be given one of those.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(22_000)
		if c, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			require.NoError(t, c.Close())
			return port
		}
	}
	require.Fail(t, "no port is free")
	return 0
}

// ntpServer runs a chronyd that serves the time of this machine.
func ntpServer(t *testing.T, dir string, port int) (stop func()) {
	t.Helper()
	conf := written(t, dir, "server.conf", fmt.Sprintf(`port %d
bindaddress 127.0.0.1
local stratum 8
allow 127.0.0.1
cmdport 0
bindcmdaddress %s/server.sock
pidfile %s/server.pid
`, port, dir, dir))
	_ = os.Remove(dir + "/server.pid") // of one that was killed
	return daemon(t, "chronyd", "-x", "-d", "-u", "root", "-f", conf)
}

// ntpClient runs a chronyd that follows a server on loopback with two polls a second, and keeps no clock. It answers at the address
// and at the path of a socket.
func ntpClient(t *testing.T, dir string, server int) (address, socket string) {
	t.Helper()
	port := freePort(t)
	address, socket = fmt.Sprintf("127.0.0.1:%d", port), dir+"/client.sock"
	conf := written(t, dir, "client.conf", fmt.Sprintf(`server 127.0.0.1 port %d minpoll -1 maxpoll -1 iburst
port 0
cmdport %d
bindcmdaddress 127.0.0.1
bindcmdaddress %s
pidfile %s/client.pid
`, server, port, socket, dir))
	daemon(t, "chronyd", "-x", "-d", "-u", "root", "-f", conf)
	return address, socket
}

// ptpRig is two network namespaces with a wire between them.
type ptpRig struct {
	dir    string
	master string // namespaces
	slave  string
}

func newPTPRig(t *testing.T) *ptpRig {
	t.Helper()
	id := fmt.Sprintf("%d%d", os.Getpid()%100_000, lines.Add(1))
	r := &ptpRig{dir: shortDir(t), master: "bkm" + id, slave: "bks" + id}
	for i, ns := range []string{r.master, r.slave} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil && i == 0 {
			t.Skipf("needs root that may make network namespaces: %s", out)
		}
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	}
	one, two := "vm"+id, "vs"+id
	command(t, "ip", "link", "add", one, "netns", r.master, "type", "veth", "peer", "name", two, "netns", r.slave)
	for i, end := range [][2]string{{r.master, one}, {r.slave, two}} {
		command(t, "ip", "-n", end[0], "link", "set", end[1], "name", "wire0")
		command(t, "ip", "-n", end[0], "addr", "add", fmt.Sprintf("10.99.0.%d/24", i+1), "dev", "wire0")
		command(t, "ip", "-n", end[0], "link", "set", "wire0", "up")
	}
	return r
}

// ptp runs a ptp4l in a namespace, without the right to set a clock: it follows its master and says so, and the clock stays.
func (r *ptpRig) ptp(t *testing.T, ns, more string) (socket string, stop func()) {
	t.Helper()
	socket = filepath.Join(r.dir, ns)
	conf := written(t, r.dir, ns+".conf", `[global]
time_stamping software
network_transport UDPv4
logAnnounceInterval -2
logSyncInterval -3
logMinDelayReqInterval -3
announceReceiptTimeout 3
first_step_threshold 0
pi_proportional_const 0.7
pi_integral_const 0.3
uds_address `+socket+"\n"+more)
	return socket, daemon(t, "ip", "netns", "exec", ns, "setpriv", "--bounding-set", "-sys_time", "ptp4l", "-f", conf, "-i", "wire0", "-m")
}

// follow runs a watcher of references and returns it.
func follow(t *testing.T, c timebase.Clock, refs []Watching) *Watch {
	t.Helper()
	w, err := NewWatch(c, refs, &WatchOptions{Told: func(c timebase.Change) {
		bounded(t, &c.To)
		t.Logf("%6.2f s  %s -> %s %s: %s %s, offset %d us, bound %d us", float64(c.To.Mono)/1e9, c.From.Sync, c.To.Sync, c.To.Source,
			c.Reason, c.Why, c.To.Offset/1000, c.To.Bound/1000)
	}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

// becomes waits until a source shows a state, and returns what it shows then.
func becomes(t *testing.T, w timebase.Source, sync timebase.Sync) (o timebase.Observation) {
	t.Helper()
	return comes(t, w, func(o *timebase.Observation) bool { return o.Sync == sync }, sync.String())
}

// comes waits until a source shows what is wanted, and returns it.
func comes(t *testing.T, w timebase.Source, want func(o *timebase.Observation) bool, what string) (o timebase.Observation) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		o = w.Observe()
		bounded(t, &o)
		if want(&o) {
			return o
		}
		require.True(t, time.Now().Before(end), "%s: %+v", what, o)
	}
}

// bounded says where an observation that is synchronised gives less for its greatest error than the offset that was measured: on a machine
// that stalls that is far off, and the bound says so.
func bounded(t *testing.T, o *timebase.Observation) {
	t.Helper()
	if o.Sync > timebase.Holdover && o.Bound <= max(o.Offset, -o.Offset) {
		t.Errorf("%s with an offset of %d ns and a bound of %d ns", o.Sync, o.Offset, o.Bound)
	}
}

// reads reads a reference until it says what is wanted.
func reads(t *testing.T, ref timebase.Reference, want func(r *timebase.Reading) bool) timebase.Reading {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		r, err := ref.Read(t.Context())
		if err == nil && want(&r) {
			return r
		}
		require.True(t, time.Now().Before(end), "%+v, %v", r, err)
	}
}
