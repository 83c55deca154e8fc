// One process of node-opcua for all tests that want it, since it takes long to start.

package server

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// nodeTime is how long a script may take.
const nodeTime = 2 * time.Minute

// others is the process; the zero value is not started.
type others struct {
	mu   sync.Mutex // held while a script runs
	home string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
}

var theOthers others

func TestMain(m *testing.M) {
	code := m.Run()
	theOthers.end()
	os.Exit(code)
}

// node runs a script of testdata with node-opcua, and gives the lines of JSON that it tells.
func node(t *testing.T, script string, want map[string]any) (lines []map[string]any) {
	t.Helper()
	root := nodeModules(t)
	o := &theOthers
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cmd == nil {
		o.start(t, root)
	}
	process := o.cmd.Process
	stop := time.AfterFunc(nodeTime, func() { _ = process.Kill() })
	defer stop.Stop()
	_, err := o.in.Write(append(must(json.Marshal(map[string]any{"script": script, "want": want})), '\n'))
	require.NoError(t, err)
	for o.out.Scan() {
		var line map[string]any
		switch {
		case json.Unmarshal(o.out.Bytes(), &line) != nil:
		case line["done"] == true:
			return lines
		default:
			lines = append(lines, line)
		}
	}
	o.end()
	require.Fail(t, "node-opcua has ended, or was ended since it took too long", "%s told %v", script, lines)
	return nil
}

func (o *others) start(t *testing.T, root string) {
	t.Helper()
	home, err := os.MkdirTemp("", "node")
	require.NoError(t, err)
	o.home, o.cmd = home, exec.Command("node", filepath.Join("testdata", "node.js"))
	o.cmd.Env = append(os.Environ(), "NODE_PATH="+root, "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home)
	o.cmd.Stderr = os.Stderr
	o.in, err = o.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := o.cmd.StdoutPipe()
	require.NoError(t, err)
	o.out = bufio.NewScanner(out)
	require.NoError(t, o.cmd.Start())
}

// end ends the process; the next script gets another one.
func (o *others) end() {
	if o.cmd == nil {
		return
	}
	_ = o.cmd.Process.Kill()
	_ = o.cmd.Wait()
	_ = os.RemoveAll(o.home)
	o.cmd = nil
}

var modules = sync.OnceValues(func() (string, error) {
	root, err := exec.Command("node", "-p", `const v = process.versions.node.split("."); if (v[0] < 20 || v[0] == 20 && v[1] < 19) process.exit(1);
		require("child_process").execSync("npm root -g").toString()`).Output()
	if err == nil {
		_, err = os.Stat(filepath.Join(strings.TrimSpace(string(root)), "node-opcua"))
	}
	return strings.TrimSpace(string(root)), err
})

// nodeModules tells where node-opcua is; where it is not, the test is skipped.
func nodeModules(t *testing.T) string {
	t.Helper()
	root, err := modules()
	if err != nil {
		t.Skip("node-opcua is not here: install nodejs (20.19 or later) and npm, then: npm install -g node-opcua@2.182.2")
	}
	return root
}
