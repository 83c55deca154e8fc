// Runners and managers as processes: started, adopted, killed, frozen.

package executive

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/host"
	"github.com/batchkit/batchkit/batch/store"
)

// TestMain is the manager or a runner where the test has started itself as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 {
		switch os.Args[1] {
		case "manager":
			ended(managerMain(os.Args[2]))
		case "runner":
			ended(runnerMain(os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

func ended(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(0)
}

// managerMain is a manager until it is killed.
func managerMain(dir string) error {
	log, err := store.OpenSQLite(filepath.Join(dir, "manager.db"), nil)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	m, err := New(dir, api.Sockets(filepath.Join(dir, "run")), log, Processes{Argv: []string{self, "runner"}}, nil)
	if err != nil {
		return err
	}
	return m.Run(context.Background())
}

// runnerMain is a runner with nothing in it.
func runnerMain(dir string) error {
	fmt.Println("here is a runner")
	o, err := host.ReadOrder(dir)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	b := api.Batch{ID: o.Batch, Life: api.Ready, State: "Idle", Recipe: o.Recipe}
	if o.Warm {
		b.Life, b.State = api.Active, "Held"
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/batches/{id}", func(w http.ResponseWriter, _ *http.Request) { api.Reply(w, &b, nil) })
	mux.HandleFunc("POST /v1/batches/{id}/commands", func(w http.ResponseWriter, r *http.Request) {
		var c api.Command
		err := api.Take(w, r, &c)
		api.Reply(w, &api.Accepted{Batch: b.ID, As: c.Operator}, err)
	})
	mux.HandleFunc("POST /v1/batches/{id}/removal", func(w http.ResponseWriter, r *http.Request) {
		time.AfterFunc(10*time.Millisecond, stop)
		api.Reply(w, &api.Accepted{Batch: b.ID}, nil)
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		s := api.NewStream(w)
		data, _ := json.Marshal(&b)
		for err := s.Send("batch", "", data); err == nil && r.Context().Err() == nil; err = s.Beat() {
			pause(r.Context(), 300*time.Millisecond)
		}
	})
	l, err := api.Sockets(filepath.Join(dir, "..", "..", "run")).Listen(o.Batch)
	if err != nil {
		return err
	}
	defer l.Close()
	return api.Serve(ctx, l, mux)
}

// board is a directory with a runtime server and an I/O process of this process, and a manager in one of its own.
type board struct {
	t   testing.TB
	dir string
	net api.Sockets
	cmd *exec.Cmd
	c   *api.Client
	s   *site
}

func onBoard(t testing.TB, fn func(b *board)) {
	dir, err := os.MkdirTemp("", "b")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "run"), 0o700))
	ctx, cancel := context.WithCancel(context.Background())
	b := &board{t: t, dir: dir, net: api.Sockets(filepath.Join(dir, "run")), s: &site{step: func(string) bool { return true }}}
	b.c = b.net.Dial(api.Manager)
	defer b.c.Close()
	b.s.model = api.Model{Version: 1, Rights: api.LocalRights(), Items: []api.Equipment{{ID: "U1", Level: "unit", Owners: 1}}}
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for name, h := range map[string]http.Handler{api.Runtime: b.s.runtime(), api.IO: b.s.io()} {
		l, err := b.net.Listen(name)
		require.NoError(t, err)
		group.Go(func() { _ = api.Serve(ctx, l, h) })
	}
	defer func() {
		if b.cmd != nil {
			b.kill()
		}
		list, _ := os.ReadDir(filepath.Join(dir, "batches"))
		for _, e := range list {
			if far, err := b.net.Dial(e.Name()).Far(ctx); err == nil {
				_ = syscall.Kill(far.PID, syscall.SIGKILL)
			}
		}
	}()
	b.up()
	fn(b)
}

// up starts the manager; the writing end of a pipe is left open to it by mistake.
func (b *board) up(inherited ...*os.File) {
	b.t.Helper()
	self, err := os.Executable()
	require.NoError(b.t, err)
	b.cmd = exec.Command(self, "manager", b.dir)
	b.cmd.Stderr, b.cmd.ExtraFiles = os.Stderr, inherited
	require.NoError(b.t, b.cmd.Start())
	b.until(func() bool { return b.c.Call(context.Background(), http.MethodGet, "/v1/self", nil, nil) == nil })
	var no error
	b.until(func() bool { // until it knows who may do what
		no = post(b.c, "/v1/equipment/none/release", &api.Order{})
		var e *api.Error
		return no == nil || asError(no, &e) && e.Status == http.StatusConflict
	})
}

func asError(err error, e **api.Error) (ok bool) {
	*e, ok = err.(*api.Error)
	return ok
}

func (b *board) kill() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
	b.cmd = nil
}

func (b *board) until(is func() bool) {
	b.t.Helper()
	for range 6000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	require.Fail(b.t, "it does not come to be so")
}

func (b *board) is(id string, life api.Life) (v api.Batch) {
	b.t.Helper()
	b.until(func() bool {
		v = api.Batch{}
		err := b.c.Call(context.Background(), http.MethodGet, "/v1/batches/"+id, nil, &v)
		return err == nil && v.Life == life && (v.PID > 0 || life == api.Removed || life == api.Lost)
	})
	return v
}

func (b *board) made(id string) int {
	b.t.Helper()
	require.NoError(b.t, post(b.c, "/v1/batches", &api.Create{ID: id, Recipe: "R"}))
	return b.is(id, api.Ready).PID
}

func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	var state byte
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == ')' {
			state = text[i+2]
			break
		}
	}
	return state != 'Z' && state != 'X'
}

func TestARunnerIsAProcessInASessionOfItsOwnThatInheritsNothing(t *testing.T) {
	onBoard(t, func(b *board) {
		b.kill()
		r, w, err := os.Pipe()
		require.NoError(t, err)
		b.up(w)
		require.NoError(t, w.Close())
		pid := b.made("A")
		sid, _, e := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
		require.Zero(t, e)
		require.Equal(t, pid, int(sid))
		text, err := os.ReadFile(filepath.Join(b.dir, "batches", "A", "log"))
		require.NoError(t, err)
		require.Equal(t, "here is a runner\n", string(text))
		b.kill()
		require.True(t, alive(pid))
		_, err = r.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "the runner does not keep open what the manager had inherited")
		require.NoError(t, r.Close())
	})
}

func TestAManagerProcessThatIsKilledLeavesRunnersAloneAndTheNextOneAdoptsThem(t *testing.T) {
	onBoard(t, func(b *board) {
		a, c, d := b.made("A"), b.made("C"), b.made("D")
		b.kill()
		require.True(t, alive(a) && alive(c) && alive(d))
		require.NoError(t, syscall.Kill(d, syscall.SIGKILL))
		b.up()
		require.Equal(t, a, b.is("A", api.Ready).PID)
		require.Equal(t, c, b.is("C", api.Ready).PID)
		b.is("D", api.Lost)
		require.NoError(t, syscall.Kill(c, syscall.SIGKILL))
		require.Equal(t, "its process has ended", b.is("C", api.Lost).Reason, "one that was adopted, too")
		require.NoError(t, post(b.c, "/v1/batches/A/removal", &api.Removal{}))
		b.is("A", api.Removed)
		require.False(t, alive(a))
		require.NoError(t, post(b.c, "/v1/batches/C/restart", &api.Restart{}))
		require.Equal(t, "Held", b.is("C", api.Active).State)
	})
}

func TestAFrozenRunnerProcessIsLostAndComesBackOrIsEndedByForce(t *testing.T) {
	onBoard(t, func(b *board) {
		a, c := b.made("A"), b.made("C")
		for _, pid := range []int{a, c} {
			require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
		}
		require.Contains(t, b.is("A", api.Lost).Reason, "it does not answer since")
		b.is("C", api.Lost)
		require.NoError(t, syscall.Kill(c, syscall.SIGCONT))
		require.Equal(t, c, b.is("C", api.Ready).PID)
		require.NoError(t, post(b.c, "/v1/batches/A/removal", &api.Removal{Force: true}))
		b.is("A", api.Removed)
		require.False(t, alive(a))
	})
}

func TestAManagerThatWasFrozenHoldsNobodyForLost(t *testing.T) {
	onBoard(t, func(b *board) {
		b.made("A")
		require.NoError(t, b.cmd.Process.Signal(syscall.SIGSTOP))
		time.Sleep(6 * time.Second) // more than its Quiet
		require.NoError(t, b.cmd.Process.Signal(syscall.SIGCONT))
		time.Sleep(4 * time.Second) // more than a runner may take to answer
		b.is("A", api.Ready)
		b.kill()
		for _, r := range (&site{t: t, dir: b.dir}).records() {
			require.NotContains(t, r, "silent")
		}
	})
}

func TestARunnerHasTheUserThatIsGivenForItsBatchAndSoHasItsDirectory(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give processes to others")
	}
	top := t.TempDir()
	dir := filepath.Join(top, "batches", "A")
	require.NoError(t, os.Chmod(filepath.Dir(top), 0o711))
	require.NoError(t, os.MkdirAll(dir, 0o750))
	sp := Processes{Argv: []string{"/bin/sh", "-c", "id -u; touch mine; grep CapEff /proc/self/status"},
		UID: func(batch string) (int, int, bool) { return 61234, 61234, batch == "A" }}
	p, err := sp.Spawn("A", dir)
	require.NoError(t, err)
	require.EqualError(t, p.Wait(context.Background()), "its process has ended: exit status 0")
	text, err := os.ReadFile(filepath.Join(dir, "log"))
	require.NoError(t, err)
	require.Equal(t, "61234\nCapEff:\t0000000000000000\n", string(text))
	require.NoError(t, os.Link(filepath.Join(dir, "mine"), filepath.Join(dir, "twice")))
	_, err = sp.Spawn("A", dir)
	require.ErrorContains(t, err, "has 2 names")
}

func TestARunnerLeadsTheManagerNowhereByWhatItHasLaidInItsDirectory(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give processes to others")
	}
	top := t.TempDir()
	dir, other := filepath.Join(top, "batches", "A"), filepath.Join(top, "other")
	require.NoError(t, os.Chmod(filepath.Dir(top), 0o711))
	require.NoError(t, os.MkdirAll(filepath.Join(other, "deep"), 0o700))
	require.NoError(t, host.WriteOrder(dir, host.Order{Batch: "A", Recipe: "R", Operator: "op1"}))
	require.NoError(t, os.WriteFile(filepath.Join(other, "secret"), []byte("kept"), 0o600))
	sp := Processes{Argv: []string{"/bin/true"}, UID: func(string) (int, int, bool) { return 61234, 61234, true }}
	log := filepath.Join(dir, "log")
	require.NoError(t, os.Symlink(filepath.Join(other, "secret"), log))
	require.NoError(t, os.Symlink(other, filepath.Join(dir, "evidence")))
	_, err := sp.Spawn("A", dir)
	require.ErrorIs(t, err, syscall.ELOOP)
	require.NoError(t, os.Remove(log))
	require.NoError(t, syscall.Mkfifo(log, 0o666))
	_, err = sp.Spawn("A", dir)
	require.Error(t, err, "and it was not waited for")
	require.NoError(t, os.Remove(log))
	p, err := sp.Spawn("A", dir)
	require.NoError(t, err)
	require.Error(t, p.Wait(context.Background()))
	for path, uid := range map[string]uint32{other: 0, filepath.Join(other, "secret"): 0, filepath.Join(other, "deep"): 0, dir: 61234, filepath.Join(dir, "order.json"): 0} {
		is, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, uid, is.Sys().(*syscall.Stat_t).Uid, path)
	}
	_, err = host.ReadOwnOrder(dir)
	require.NoError(t, err, "the order is the manager's still")
}

func TestWhatCannotBeStartedSaysWhy(t *testing.T) {
	_, err := Processes{}.Spawn("A", t.TempDir())
	require.ErrorContains(t, err, "give Processes.Argv")
	_, err = Processes{Argv: []string{"/nowhere"}}.Spawn("A", t.TempDir())
	require.ErrorContains(t, err, "/nowhere")
	p, err := Processes{Argv: []string{"/bin/sh", "-c", "sleep 60"}}.Spawn("A", t.TempDir())
	require.NoError(t, err)
	require.NoError(t, p.Kill())
	require.EqualError(t, p.Wait(context.Background()), "its process has ended: signal: killed")
	require.NoError(t, p.Kill(), "one that has ended is no error")
	p, err = Processes{Argv: []string{"/bin/sh", "-c", "sleep 60"}}.Spawn("A", t.TempDir())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, p.Wait(ctx), context.Canceled)
	require.True(t, alive(p.PID()))
	require.NoError(t, p.Kill())
}
