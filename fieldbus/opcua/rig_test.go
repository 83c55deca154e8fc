// The rig of the tests: a node-opcua server of their own, and devices that reach it.

package opcua

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
)

// peer is a node-opcua server.
type peer struct {
	port int
	id   *Identity
	root string
	env  []string

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
}

func (p *peer) endpoint() string { return fmt.Sprintf("opc.tcp://127.0.0.1:%d/plant", p.port) }

// needsNode skips a test where node-opcua is not installed, and gives where its modules lie.
func needsNode(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("node", "-p", `const v = process.versions.node.split("."); if (v[0] < 20 || v[0] == 20 && v[1] < 19) process.exit(1);
		require("child_process").execSync("npm root -g").toString()`).Output()
	root := strings.TrimSpace(string(out))
	if err == nil {
		_, err = os.Stat(filepath.Join(root, "node-opcua"))
	}
	if err != nil {
		t.Skip("no node-opcua: install nodejs (20.19 or later) and npm, then: npm install -g node-opcua@2.182.2")
	}
	return root
}

// freePort gives a port that nobody listens on. It is below those that systems give to whoever asks for any: the server listens on it a
// while later, and until then another test could be given one of those.
func freePort(t testing.TB) int {
	for range 100 {
		port := 10_000 + rand.IntN(22_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
	require.Fail(t, "no port is free")
	return 0
}

// startPeer starts a server, and ends it with the test.
func startPeer(t testing.TB, env ...string) *peer {
	t.Helper()
	p := newPeer(t, t.TempDir(), env...)
	p.start(t)
	t.Cleanup(p.kill)
	return p
}

// newPeer makes a server that is not started. It has a certificate of ours, by which it is trusted.
func newPeer(t testing.TB, root string, env ...string) *peer {
	t.Helper()
	p := &peer{port: freePort(t), root: root, env: append(env, "NODE_PATH="+needsNode(t))}
	id, err := NewIdentity("plant", "urn:batchkit:plant", []string{"plant.example"}, time.Now(), time.Now().Add(1000*time.Hour))
	require.NoError(t, err)
	require.NoError(t, id.Save(filepath.Join(root, "cert.pem"), filepath.Join(root, "key.pem")))
	p.id = id
	return p
}

func (p *peer) start(t testing.TB) {
	t.Helper()
	cmd := exec.Command("node", "testdata/server.js", fmt.Sprint(p.port), p.root)
	cmd.Env = append(os.Environ(), append(p.env, "HOME="+p.root, "XDG_CONFIG_HOME="+p.root, "XDG_DATA_HOME="+p.root)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p.mu.Lock()
	p.cmd, p.stdin = cmd, stdin
	p.mu.Unlock()
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
	}
	require.Equal(t, "ready", lines.Text(), "the server did not come up")
	go func() { _, _ = io.Copy(io.Discard, out) }()
}

// kill ends the server as a power cut does.
func (p *peer) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// space is the namespace of the server's variables.
const space = "nsu=urn:batchkit:test;s="

// plantProfile has what the server has, and Ghost, which it does not have.
func plantProfile(settings ...fieldbus.Setting) *fieldbus.Profile {
	p := &fieldbus.Profile{ID: "plant", Version: "1", Protocol: Protocol, Settings: settings}
	for _, pt := range []fieldbus.Point{
		{Name: "Valve", Type: fieldbus.Bool, Access: fieldbus.ReadWrite}, {Name: "Setpoint", Type: fieldbus.Int16, Access: fieldbus.ReadWrite},
		{Name: "Total", Type: fieldbus.Int64, Access: fieldbus.ReadWrite}, {Name: "Rate", Type: fieldbus.Float64, Access: fieldbus.ReadWrite},
		{Name: "Level", Type: fieldbus.Float32}, {Name: "Flow", Type: fieldbus.Uint32}, {Name: "Door", Type: fieldbus.Bool},
		{Name: "Word", Type: fieldbus.Uint16}, {Name: "Deep", Type: fieldbus.Int32}, {Name: "Small", Type: fieldbus.Uint16},
		{Name: "Big", Type: fieldbus.Uint64}, {Name: "Maker", Type: fieldbus.String, Length: 8}, {Name: "Doubt", Type: fieldbus.Float64},
		{Name: "Broken", Type: fieldbus.Float64}, {Name: "Forced", Type: fieldbus.Float64}, {Name: "Old", Type: fieldbus.Float64},
		{Name: "None", Type: fieldbus.Float64}, {Name: "List", Type: fieldbus.Float64}, {Name: "Refuses", Type: fieldbus.Int16, Access: fieldbus.ReadWrite},
		{Name: "Unsure", Type: fieldbus.Int16, Access: fieldbus.ReadWrite}, {Name: "Now", Type: fieldbus.Int64}, {Name: "Ghost", Type: fieldbus.Int16},
	} {
		pt.At, pt.Index = space+pt.Name, len(p.Points)
		p.Points = append(p.Points, pt)
	}
	for i := range 120 {
		p.Points = append(p.Points, fieldbus.Point{Name: fmt.Sprintf("V%d", i), At: fmt.Sprintf("%sV%d", space, i), Type: fieldbus.Float64, Index: len(p.Points)})
	}
	return p
}

// named gives points of a profile.
func named(p *fieldbus.Profile, names ...string) (points []*fieldbus.Point) {
	for _, n := range names {
		points = append(points, p.Find(n))
	}
	return points
}

// steady are points that nobody changes and that are GOOD.
var steady = []string{"Valve", "Setpoint", "Total", "Rate", "Level", "Flow", "Door", "Word", "Deep", "Small"}

// device makes a device of a profile.
func device(t testing.TB, p *fieldbus.Profile, o *DeviceOptions) *Device {
	t.Helper()
	if p.Limits.Response == 0 {
		p.Limits.Response = int64(20 * time.Second) // for machines that are busy
	}
	d, err := NewDevice(&fieldbus.Device{Name: "plant", Profile: p}, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// us is who the tests are; made once, since it takes a while.
var us = sync.OnceValues(func() (*Identity, error) {
	return NewIdentity("tests", "urn:batchkit:tests", []string{"localhost", "127.0.0.1"}, time.Now(), time.Now().Add(1000*time.Hour))
})

// trusting gives options by which a server is believed.
func trusting(t testing.TB, p *peer, policy Policy) *DeviceOptions {
	t.Helper()
	id, err := us()
	require.NoError(t, err)
	ders := [][]byte{p.id.Certificate}
	if shared.peer != nil {
		ders = append(ders, shared.peer.id.Certificate)
	}
	trust, err := NewTrust(ders...)
	require.NoError(t, err)
	return &DeviceOptions{Policy: policy, Identity: id, Trust: trust}
}

// common is one server for the tests that do it no harm, started by the first that wants it.
type common struct {
	once sync.Once
	peer *peer
}

var shared common

func (c *common) get(t testing.TB) *peer {
	t.Helper()
	needsNode(t)
	c.once.Do(func() {
		root, err := os.MkdirTemp("", "opcua")
		require.NoError(t, err)
		p := newPeer(t, root)
		p.start(t)
		c.peer = p
	})
	require.NotNil(t, c.peer, "the server did not come up for the test before")
	return c.peer
}

// plant gives the common server.
func plant(t testing.TB) *peer {
	t.Helper()
	return shared.get(t)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.peer != nil {
		shared.peer.kill()
		_ = os.RemoveAll(shared.peer.root)
	}
	os.Exit(code)
}

// wire is a relay in front of a server, which can be made silent and cut.
type wire struct {
	listener net.Listener
	server   string
	mu       sync.Mutex
	gate     sync.RWMutex // held while it is silent
	conns    map[net.Conn]bool
}

// wired puts a wire in front of a server.
func wired(t testing.TB, p *peer) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{listener: l, server: fmt.Sprintf("127.0.0.1:%d", p.port), conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close(); w.cut() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			at := w.server
			w.mu.Unlock()
			server, err := net.Dial("tcp", at)
			if err != nil {
				_ = client.Close()
				continue
			}
			w.mu.Lock()
			w.conns[client], w.conns[server] = true, true
			w.mu.Unlock()
			go w.pass(server, client, false)
			go w.pass(client, server, true)
		}
	}()
	return w
}

// pass passes on what comes, back while the wire is not silent.
func (w *wire) pass(to, from net.Conn, back bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if back {
			w.gate.RLock()
		}
		_, err = to.Write(b[:n])
		if back {
			w.gate.RUnlock()
		}
		if err != nil {
			return
		}
	}
}

func (w *wire) silent(silent bool) {
	if silent {
		w.gate.Lock()
	} else {
		w.gate.Unlock()
	}
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
}

// turn leads it to another server.
func (w *wire) turn(p *peer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server = fmt.Sprintf("127.0.0.1:%d", p.port)
}

func (w *wire) endpoint() string { return "opc.tcp://" + w.listener.Addr().String() + "/plant" }
