// Links that fail for real: a device behind a pair of network interfaces between two namespaces of the kernel, which are taken down,
// while its server is stopped, killed and started again, and a wire between them delays, stalls and cuts.

package modbus_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/modbus/server"
)

// Environment of this test program where it is one of the two ends, and the addresses of those.
const (
	roleEnv = "BATCHKIT_BUS_ROLE"
	seedEnv = "BATCHKIT_BUS_SEED"
	nearIP  = "10.77.0.1"
	farIP   = "10.77.0.2"
	farAt   = farIP + ":1502"
)

// apart gives the command that runs another in a network namespace of its own, or skips.
func apart(t *testing.T) []string {
	t.Helper()
	for tool, of := range map[string]string{"unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine: install %s", tool, of)
		}
	}
	for _, how := range [][]string{{"unshare", "-n"}, {"unshare", "-rn"}} {
		if exec.Command(how[0], append(how[1:], "ip", "link", "add", "near", "type", "veth", "peer", "name", "far")...).Run() == nil {
			return how
		}
	}
	t.Skip("this kernel gives us no network namespaces")
	return nil
}

func TestOverLinksThatFailNothingOldPassesAndNothingIsWrittenBlindly(t *testing.T) {
	t.Parallel()
	how := apart(t)
	seeds := 20
	if testing.Short() {
		seeds = 4
	}
	first := uint64(time.Now().UnixNano())
	if given := os.Getenv(seedEnv); given != "" {
		var err error
		first, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
		seeds = 1
	}
	var group sync.WaitGroup
	for i := range seeds {
		group.Go(func() { // they wait for the most part
			cmd := exec.Command(how[0], append(how[1:], os.Args[0], "-test.run=^TestTheNearEndOfALinkThatFails$", "-test.v", "-test.timeout=5m")...)
			cmd.Env = append(os.Environ(), roleEnv+"=near", fmt.Sprintf("%s=%d", seedEnv, first+uint64(i)))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("again: %s=%d go test -run %s: %v\n%s", seedEnv, first+uint64(i), t.Name(), err, out)
				return
			}
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, "seed ") {
					t.Log(strings.TrimSpace(line))
				}
			}
		})
	}
	group.Wait()
}

// clockwork is the device: input registers 0 to 3 are the time at which they are read, and each write is told on standard output before
// it is done.
type clockwork struct{ *server.Memory }

func (c clockwork) Read(r server.Request, out []uint16) error {
	if r.Table == server.Input && r.Address == 0 && len(out) >= 4 {
		now := uint64(time.Now().UnixNano())
		for i := range 4 {
			out[i] = uint16(now >> (48 - 16*i))
		}
		return nil
	}
	return c.Memory.Read(r, out)
}

func (c clockwork) Write(r server.Request, values []uint16) error {
	if _, err := fmt.Println(values[0]); err != nil {
		return err
	}
	return c.Memory.Write(r, values)
}

// TestTheFarEndOfALinkThatFails is the server, in its namespace.
func TestTheFarEndOfALinkThatFails(t *testing.T) {
	if os.Getenv(roleEnv) != "far" {
		t.Skip("is one end of another test")
	}
	_, err := server.Serve("0.0.0.0:1502", clockwork{server.NewMemory()})
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the near end is gone
}

// far is the namespace of the device and the process of its server.
type far struct {
	t      *testing.T
	holder *exec.Cmd // keeps the namespace
	server *exec.Cmd
	mu     sync.Mutex
	wrote  map[uint64]int // values that arrived, and how often
	reads  sync.WaitGroup
}

// ip runs ip, in the namespace of a process or in ours.
func ip(t *testing.T, pid int, words ...string) {
	t.Helper()
	if pid != 0 {
		words = append([]string{"nsenter", "-t", strconv.Itoa(pid), "-n", "ip"}, words...)
	} else {
		words = append([]string{"ip"}, words...)
	}
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	require.NoError(t, err, "%v: %s", words, out)
}

// newFar makes the two interfaces and starts the server.
func newFar(t *testing.T) *far {
	f := &far{t: t, holder: exec.Command("unshare", "-n", "sh", "-c", "echo; exec cat"), wrote: map[uint64]int{}}
	out, err := f.holder.StdoutPipe()
	require.NoError(t, err)
	_, err = f.holder.StdinPipe() // ends with us, and the holder with it
	require.NoError(t, err)
	require.NoError(t, f.holder.Start())
	t.Cleanup(func() { _ = f.holder.Process.Kill(); _ = f.holder.Wait() })
	_, err = out.Read(make([]byte, 1)) // it is in its namespace
	require.NoError(t, err)
	ip(t, 0, "link", "set", "lo", "up")
	ip(t, 0, "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", strconv.Itoa(f.holder.Process.Pid))
	ip(t, 0, "addr", "add", nearIP+"/24", "dev", "near")
	ip(t, 0, "link", "set", "near", "up")
	ip(t, f.holder.Process.Pid, "addr", "add", farIP+"/24", "dev", "far")
	ip(t, f.holder.Process.Pid, "link", "set", "far", "up")
	f.start()
	t.Cleanup(func() { f.kill() })
	return f
}

// start starts the server, and takes note of what is written.
func (f *far) start() {
	f.server = exec.Command("nsenter", "-t", strconv.Itoa(f.holder.Process.Pid), "-n", os.Args[0], "-test.run=^TestTheFarEndOfALinkThatFails$")
	f.server.Env = append(os.Environ(), roleEnv+"=far")
	out, err := f.server.StdoutPipe()
	require.NoError(f.t, err)
	_, err = f.server.StdinPipe()
	require.NoError(f.t, err)
	require.NoError(f.t, f.server.Start())
	f.reads.Go(func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			if v, err := strconv.ParseUint(s.Text(), 10, 16); err == nil {
				f.mu.Lock()
				f.wrote[v]++
				f.mu.Unlock()
			}
		}
	})
}

// kill ends the server, and reads what it still had to say.
func (f *far) kill() {
	_ = f.server.Process.Kill()
	f.reads.Wait()
	_ = f.server.Wait()
}

// cable is a wire that passes bytes on: late, in stalls, or not at all.
type cable struct {
	l     net.Listener
	mu    sync.Mutex
	delay time.Duration
	still time.Time // until which nothing passes
	conns []net.Conn
	group sync.WaitGroup
}

func newCable(t *testing.T) *cable {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cable{l: l}
	c.group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.group.Go(func() { c.join(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); c.cut(); c.group.Wait() })
	return c
}

// join passes on what comes over one connection, both ways.
func (c *cable) join(client net.Conn) {
	c.keep(client)
	defer client.Close()
	server, err := net.DialTimeout("tcp", farAt, time.Second)
	if err != nil {
		return
	}
	c.keep(server)
	defer server.Close()
	done := make(chan struct{})
	pass := func(to, from net.Conn) {
		defer func() { _, _ = to.Close(), from.Close() }()
		buf := make([]byte, 4096)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			c.mu.Lock()
			wait := max(c.delay, time.Until(c.still))
			c.mu.Unlock()
			time.Sleep(wait)
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	go func() { defer close(done); pass(server, client) }()
	pass(client, server)
	<-done
}

func (c *cable) keep(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
}

func (c *cable) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// cut closes what is connected.
func (c *cable) cut() {
	c.set(func() {
		for _, conn := range c.conns {
			_ = conn.Close()
		}
		c.conns = nil
	})
}

// trouble does one thing to the link, for a while, and undoes it. Some of it takes the cable.
func trouble(t *testing.T, rng *rand.Rand, f *far, c *cable, cabled bool) string {
	d := time.Duration(20+rng.IntN(600)) * time.Millisecond
	kinds := 7
	if !cabled {
		kinds = 4
	}
	switch rng.IntN(kinds) {
	case 0, 1:
		ip(t, 0, "link", "set", "near", "down")
		time.Sleep(d)
		ip(t, 0, "link", "set", "near", "up")
		return "flap"
	case 2:
		require.NoError(t, f.server.Process.Signal(syscall.SIGSTOP))
		time.Sleep(d)
		require.NoError(t, f.server.Process.Signal(syscall.SIGCONT))
		return "half open"
	case 3:
		f.kill()
		time.Sleep(d / 2)
		f.start()
		return "kill"
	case 4:
		c.set(func() { c.delay = time.Duration(rng.IntN(120)) * time.Millisecond })
		time.Sleep(d)
		c.set(func() { c.delay = 0 })
		return "delay"
	case 5:
		c.set(func() { c.still = time.Now().Add(d) })
		return "stall"
	default:
		c.cut()
		return "cut"
	}
}
