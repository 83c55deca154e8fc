// Tests of who has asked, by the word of the kernel.

//go:build linux

package api

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const asChild = "BATCHKIT_API_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(asChild); path != "" {
		os.Exit(child(path))
	}
	if path := os.Getenv(asImpostor); path != "" {
		os.Exit(impostor(path))
	}
	os.Exit(m.Run())
}

// child asks who it is and prints what it is told.
func child(path string) int {
	conn, err := net.Dial("unix", path)
	if err != nil {
		println(err.Error())
		return 1
	}
	_, _ = io.WriteString(conn, "GET /who HTTP/1.0\r\nX-Operator: root\r\n\r\n")
	_, _ = io.Copy(os.Stdout, conn)
	return 0
}

const asImpostor = "BATCHKIT_API_IMPOSTOR"

// impostor listens at path until its input ends.
func impostor(path string) int {
	l, err := net.Listen("unix", path)
	if err != nil {
		println(err.Error())
		return 1
	}
	go func() { _ = http.Serve(l, http.HandlerFunc(who)) }() //nolint:gosec // of a test
	println("listens")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// who answers with the peer.
func who(w http.ResponseWriter, r *http.Request) {
	data, _ := json.Marshal(PeerOf(r))
	_, _ = w.Write(data)
}

func TestTheKernelSaysWhoHasConnected(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	path, _ := served(t, http.HandlerFunc(who), nil)
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	require.NoError(t, os.Chmod(path, 0o666))
	exe := filepath.Join(filepath.Dir(path), "child")
	data, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(exe, data, 0o755))
	for _, uid := range []uint32{0, 65534} {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), asChild+"="+path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Contains(t, string(out), `{"UID":`+strconv.Itoa(int(uid))+`,"PID":`+strconv.Itoa(cmd.Process.Pid)+`,"Node":""`)
	}
	require.NoError(t, os.Chmod(path, 0o660))
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), asChild+"="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	require.Error(t, cmd.Run(), "who is not of the group gets no connection")
}

func TestWhoListensInThePlaceOfTheManagerAndIsAnotherUserIsNotBelieved(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	dir, err := os.MkdirTemp("", "run") // a path that others may go
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o1777)) // where runners make their sockets, and none takes away that of another
	exe := filepath.Join(dir, "impostor")
	data, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(exe, data, 0o755))
	for _, name := range []string{Manager, Runtime, IO, "B-0001"} {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), asImpostor+"="+filepath.Join(dir, name+".sock"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		tie, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = io.ReadFull(out, make([]byte, len("listens")))
		require.NoError(t, err)
		c := Sockets(dir).Dial(name)
		far, err := c.Far(t.Context())
		said := c.Call(t.Context(), "GET", "/who", nil, nil)
		if name == "B-0001" { // a runner may be any user; the manager knows which
			require.NoError(t, err)
			require.Equal(t, Peer{UID: 65534, PID: cmd.Process.Pid}, far)
			require.NoError(t, said)
			require.ErrorContains(t, far.Keeps(dir), "user 65534 listens")
			require.NoError(t, os.Chown(dir, 65534, 0))
			require.NoError(t, far.Keeps(dir))
		} else {
			require.ErrorContains(t, err, "user 65534 listens")
			require.ErrorContains(t, said, "end that process")
		}
		c.Close()
		require.NoError(t, tie.Close())
		require.NoError(t, cmd.Wait())
	}
}

func TestWhoIsNotKnownIsNobody(t *testing.T) {
	p := PeerOf(&http.Request{})
	require.Equal(t, Peer{UID: -1, PID: -1}, p)
	require.Equal(t, "local:?", p.Actor())
	require.Equal(t, "local:1000", Peer{UID: 1000}.Actor())
}
