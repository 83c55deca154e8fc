// The servers that connections and browsing are tested against: node-opcua's, with an address space of each kind.

package opcua

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// plant is a server that runs: where, and the file of its certificate.
type plant struct{ endpoint, certificate string }

// served starts testdata/browse.js with a number of variables in one folder, and ends it with the test.
func served(t testing.TB, count int) plant {
	t.Helper()
	node, err := exec.LookPath("node")
	roots, err2 := exec.Command("npm", "root", "-g").Output()
	root := strings.TrimSpace(string(roots))
	if _, err3 := os.Stat(filepath.Join(root, "node-opcua")); err != nil || err2 != nil || err3 != nil {
		t.Skip("node-opcua is not here; install nodejs and npm, then: npm install -g node-opcua@2.182.2")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	home := t.TempDir()
	cmd := exec.Command(node, filepath.Join("testdata", "browse.js"), strconv.Itoa(port), filepath.Join(home, "pki"), strconv.Itoa(count))
	cmd.Env = append(os.Environ(), "NODE_PATH="+root, "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	ready := make(chan string, 1)
	go func() {
		defer close(ready)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if name, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				ready <- name
			}
		}
	}()
	select {
	case name, ok := <-ready:
		require.True(t, ok, "the server has ended")
		return plant{"opc.tcp://127.0.0.1:" + strconv.Itoa(port) + "/plant", name}
	case <-time.After(60 * time.Second):
		t.Fatal("the server does not begin to serve")
		return plant{}
	}
}

// known gives options that trust the server of a plant, by a policy.
func (p plant) known(t testing.TB, policy Policy) *DeviceOptions {
	t.Helper()
	der, err := derOf(p.certificate)
	require.NoError(t, err)
	trust, err := NewTrust(der)
	require.NoError(t, err)
	return &DeviceOptions{Policy: policy, Identity: ourIdentity(), Trust: trust}
}

// ourIdentity is who the tests are.
var ourIdentity = sync.OnceValue(func() *Identity {
	id, err := NewIdentity("test", "urn:batchkit:test:client", []string{"localhost"}, time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		panic(err)
	}
	return id
})
