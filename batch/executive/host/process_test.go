//go:build linux

// Runners that are processes: one that is killed, one to which somebody lies, and what an idle one costs.

package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/wire"
	"github.com/batchkit/batchkit/journal/record"
)

// childEnv says what a child process of the tests does.
const childEnv = "BATCHKIT_HOST_CHILD"

// TestMain is a runner, or a liar, where childEnv says so.
func TestMain(m *testing.M) {
	what, arg, _ := strings.Cut(os.Getenv(childEnv), "=")
	switch what {
	case "run":
		o, err := ReadOrder(arg)
		if err == nil {
			err = Run(context.Background(), arg, o, api.Sockets(filepath.Join(arg, "../../run")), &Options{Trim: true})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "lie":
		c := api.Dial(arg)
		err := c.Call(context.Background(), "POST", "/v1/batches/B-0001/commands",
			&api.Command{Command: "start", Order: api.Order{Operator: "boss", Role: "supervisor"}}, nil)
		var refused *api.Error
		if errors.As(err, &refused) && refused.Status == http.StatusForbidden {
			os.Exit(0)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// cell is the processes around runners that are processes.
type cell struct {
	*site
	top string
	run *exec.Cmd
}

func newCell(t *testing.T) *cell {
	if testing.Short() {
		t.Skip("it starts processes")
	}
	top, err := os.MkdirTemp("", "host")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(top) })
	require.NoError(t, os.MkdirAll(filepath.Join(top, "run"), 0o750))
	ctx, cancel := context.WithCancel(context.Background())
	c := &cell{top: top, site: &site{t: t, dir: filepath.Join(top, "batches", "B-0001"), office: newOffice(), board: &board{}, ctx: ctx,
		order: Order{Batch: "B-0001", JournalID: "J-1", Recipe: "FILL", Unit: "UNIT-1", Operator: "op1"}}}
	t.Cleanup(func() { cancel(); c.wg.Wait() })
	bound := &api.Binding{Recipe: "FILL", Version: "1.0", Unit: "UNIT-1", Model: 3, Main: "recipe.yaml", Map: "map.yaml", Unapproved: true,
		Rights: api.LocalRights(), Files: map[string][]byte{"recipe.yaml": []byte(testRecipe), "map.yaml": []byte(testMap)}}
	c.bound = bound
	registry := http.NewServeMux()
	registry.HandleFunc("GET /v1/bindings", func(w http.ResponseWriter, _ *http.Request) { api.Reply(w, bound, nil) })
	c.listen(api.Runtime, registry)
	c.listen(api.Manager, c.office.handler())
	l, err := ledger.Open(filepath.Join(top, "device"), "io", "device", nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	io, err := wire.New(c.board, l, &wire.ServerOptions{Dir: filepath.Join(top, "device")})
	require.NoError(t, err)
	io.SetModel([]api.Equipment{{ID: "CELL-LINE-1", Level: "equipment_module", Owners: 1, Channels: []string{"do/1"}, Safe: map[string]string{"do/1": "0"}}})
	c.wg.Go(func() { _ = io.Run(ctx) })
	c.listen(api.IO, io.Handler())
	return c
}

func (c *cell) listen(name string, h http.Handler) {
	l, err := api.Sockets(filepath.Join(c.top, "run")).Listen(name)
	require.NoError(c.t, err)
	c.wg.Go(func() { _ = api.Serve(c.ctx, l, h) })
}

// start starts the runner as a process.
func (c *cell) start() {
	c.t.Helper()
	require.NoError(c.t, WriteOrder(c.dir, c.order))
	self, err := os.Executable()
	require.NoError(c.t, err)
	c.run = exec.Command(self)
	c.run.Env = append(os.Environ(), childEnv+"=run="+c.dir)
	c.run.Stderr = os.Stderr
	require.NoError(c.t, c.run.Start())
	c.t.Cleanup(func() { _ = c.run.Process.Kill(); _ = c.run.Wait() })
}

// is waits until the batch is as is says.
func (c *cell) is(is func(b api.Batch) bool) (b api.Batch) {
	c.t.Helper()
	client := c.client()
	defer client.Close()
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		b = api.Batch{}
		if client.Call(c.ctx, "GET", "/v1/batches/B-0001", nil, &b) == nil && is(b) {
			return b
		}
	}
	require.Fail(c.t, "it never was", "%+v", b)
	return b
}

func (c *cell) client() *api.Client {
	return api.Sockets(filepath.Join(c.top, "run")).Dial("B-0001")
}

func (c *cell) orders(what string, in api.Body) {
	c.t.Helper()
	client := c.client()
	defer client.Close()
	require.NoError(c.t, client.Call(c.ctx, "POST", "/v1/batches/B-0001/"+what, in, nil))
}

func TestARunnerThatIsKilledLeavesItsOutputsSafeAndComesUpHeld(t *testing.T) {
	c := newCell(t)
	c.start()
	b := c.is(func(b api.Batch) bool { return b.Life == api.Ready })
	require.Equal(t, c.run.Process.Pid, b.PID)
	c.orders("commands", &api.Command{Command: "start"})
	c.is(func(api.Batch) bool { return c.board.output() != 0 })
	require.NoError(t, c.run.Process.Kill())
	_ = c.run.Wait()
	require.Eventually(t, func() bool { return c.board.output() == 0 }, 10*time.Second, 10*time.Millisecond)

	c.order.Warm, c.order.WarmBy, c.order.Reason = true, "op2", "seen to"
	c.start()
	b = c.is(func(b api.Batch) bool { return b.State == "Held" })
	require.Zero(t, c.board.output())
	c.orders("commands", &api.Command{Command: "restart", Order: api.Order{Reason: "go on"}})
	b = c.is(func(b api.Batch) bool { return len(b.Prompts) > 0 })
	require.NotZero(t, c.board.opened)
	c.orders("answers", &api.PromptAnswer{Prompt: b.Prompts[0].ID, Value: "ok"})
	c.is(func(b api.Batch) bool { return b.Life == api.Ended && b.State == "Complete" })
	c.orders("removal", &api.Removal{})
	require.NoError(t, c.run.Wait(), "a runner that was removed exits well")
}

func TestWhoLiesOnTheSocketOfARunnerIsRefusedAndOnRecord(t *testing.T) {
	c := newCell(t)
	c.start()
	c.is(func(b api.Batch) bool { return b.Life == api.Ready })
	self, err := os.Executable()
	require.NoError(t, err)
	liar := exec.Command(self)
	liar.Env = append(os.Environ(), childEnv+"=lie="+filepath.Join(c.top, "run", "B-0001.sock"))
	out, err := liar.CombinedOutput()
	require.NoError(t, err, string(out))
	// This process is the one at the manager's socket, and is believed.
	c.orders("commands", &api.Command{Command: "comment", Order: api.Order{Operator: "op7", Role: "operator", Reason: "said by the manager"}})
	require.Eventually(t, func() bool { return len(c.records("evidence/journal", record.KindCommand)) == 2 }, 10*time.Second, 20*time.Millisecond)
	said := c.records("evidence/journal", record.KindCommand)
	require.Equal(t, "boss as supervisor", said[0].Text(record.ClaimedActor))
	require.Equal(t, "local:"+strconv.Itoa(os.Getuid()), said[0].Text(record.OperatorID))
	require.Equal(t, "op7", said[1].Text(record.OperatorID))
	c.orders("removal", &api.Removal{})
	require.NoError(t, c.run.Wait())
}

func TestAnIdleRunnerTakesLittleMemory(t *testing.T) {
	c := newCell(t)
	c.start()
	c.is(func(b api.Batch) bool { return b.Life == api.Ready })
	time.Sleep(3 * time.Second)
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.run.Process.Pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		for _, name := range []string{"Rss:", "Pss:", "Pss_Anon:", "Private_Dirty:"} {
			if strings.HasPrefix(line, name) {
				t.Log(strings.Join(strings.Fields(line), " "))
			}
		}
	}
	c.orders("removal", &api.Removal{})
	require.NoError(t, c.run.Wait())
}
