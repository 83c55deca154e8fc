// Runners in processes of their own, which die, freeze and thaw, and an I/O process that dies.

package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase/system"
	"github.com/stretchr/testify/require"
)

// childKey is set in a process of a test: what it is, and of what.
const childKey = "BATCHKIT_WIRE_CHILD"

func TestMain(m *testing.M) {
	words := strings.Fields(os.Getenv(childKey))
	switch {
	case len(words) == 0:
		os.Exit(m.Run())
	case words[0] == "runner":
		beRunner(words[1], words[2], words[3])
	case words[0] == "io":
		beIO(words[1], words[2], words[3:]...)
	}
}

// beRunner drives do/1 to 1 without end, and says what it sees: "wrote", "refused", "unknown", and "old" for a GOOD value whose age is above a
// second when it comes, and "young" for one whose time is not above that of the value before it.
func beRunner(dir, batch, token string) {
	n, _ := strconv.ParseUint(token, 10, 64)
	clock := system.NewClock(1)
	p := Dial(api.Sockets(dir), Options{Batch: batch, Channels: all, Outputs: outputsOf("U1"), Clock: clock})
	p.Grant([]string{"U1"}, n)
	go func() {
		for {
			last := map[string]int64{}
			_ = p.Watch(context.Background(), func(raw tag.Raw) {
				if age := clock.Now() - raw.At; raw.Quality == tag.Good && age > 1_500_000_000 {
					fmt.Println("old", raw.Channel)
				}
				if raw.At < last[raw.Channel] {
					fmt.Println("young", raw.Channel)
				}
				last[raw.Channel] = raw.At
			})
			time.Sleep(200 * time.Millisecond)
		}
	}()
	for id := uint32(1); ; id++ {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err := p.Write(ctx, tag.Write{ID: id, Channel: "do/1", Bits: 1, Deadline: clock.Now() + 2_000_000_000})
		cancel()
		switch {
		case err == nil:
			fmt.Println("wrote")
		case errors.Is(err, tag.ErrRefused):
			fmt.Println("refused", err)
		default:
			fmt.Println("unknown", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// beIO is an I/O process over a plant of its own, of one board of several where its name is given.
func beIO(dir, sockets string, node ...string) {
	clock := system.NewClock(1)
	l, err := ledger.Open(filepath.Join(dir, "ledger"), "board-1", "device", nil)
	if err == nil {
		var s *Server
		if s, err = New(sim.NewPlant(3).On(clock), l, &ServerOptions{Dir: dir, Clock: clock, Node: strings.Join(node, "")}); err == nil {
			s.SetModel(model())
			listener, e := api.Sockets(sockets).Listen(api.IO)
			if err = e; err == nil {
				go func() { _ = api.Serve(context.Background(), listener, s.Handler()) }()
				fmt.Println("runs")
				err = s.Run(context.Background())
			}
		}
	}
	fmt.Println("ends", err)
	os.Exit(1)
}

// child is such a process.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	count map[string]*atomic.Int64
}

func newChild(t *testing.T, words ...string) *child {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := &child{t: t, cmd: exec.Command(self), count: map[string]*atomic.Int64{}}
	for _, w := range []string{"wrote", "refused", "unknown", "old", "young", "runs", "ends"} {
		c.count[w] = &atomic.Int64{}
	}
	c.cmd.Env = append(os.Environ(), childKey+"="+strings.Join(words, " "))
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			word, _, _ := strings.Cut(lines.Text(), " ")
			if n := c.count[word]; n != nil {
				n.Add(1)
			}
		}
	}()
	t.Cleanup(func() { c.kill(); <-done })
	return c
}

// kill is kill -9.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

func (c *child) signal(s syscall.Signal) { require.NoError(c.t, c.cmd.Process.Signal(s)) }

// says waits until it has said a word again.
func (c *child) says(word string) {
	c.t.Helper()
	was := c.count[word].Load()
	for i := 0; c.count[word].Load() == was; i++ {
		require.Less(c.t, i, 3000, "it does not say %q", word)
		time.Sleep(10 * time.Millisecond)
	}
}

// runs waits until an I/O process has said that it runs: it says it once, and maybe before anybody waits.
func (c *child) runs() {
	c.t.Helper()
	for i := 0; c.count["runs"].Load() == 0; i++ {
		require.Less(c.t, i, 3000, "it does not say that it runs")
		time.Sleep(10 * time.Millisecond)
	}
}

// sockets is a Network on sockets with a short path.
func sockets(t *testing.T) (string, api.Network) {
	dir, err := os.MkdirTemp("", "wire")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir, api.Sockets(dir)
}

func TestARunnerThatIsKilledLeavesItsOutputsSafe(t *testing.T) {
	dir, n := sockets(t)
	r := newRig(t, n, nil)
	c := newChild(t, "runner", dir, "B-1", "1")
	c.says("wrote")
	r.reads("do/1", 1)
	c.kill()
	r.reads("do/1", 0)
	r.until("a record", func() bool { return len(r.records(record.KindRunnerLost)) == 1 })
	require.Equal(t, "safe", r.records(record.KindRunnerLost)[0].Text(record.Result))
	again := newChild(t, "runner", dir, "B-1", "1")
	again.says("wrote")
	r.reads("do/1", 1)
}

func TestARunnerThatIsFrozenCarriesOnUnlessItIsFenced(t *testing.T) {
	dir, n := sockets(t)
	r := newRig(t, n, nil)
	c := newChild(t, "runner", dir, "B-1", "1")
	c.says("wrote")
	c.signal(syscall.SIGSTOP)
	time.Sleep(4 * time.Second)
	r.reads("do/1", 1)
	require.Empty(t, r.records(record.KindRunnerLost), "nothing happens")
	c.signal(syscall.SIGCONT)
	c.says("wrote") // it may have had that answer before
	c.says("wrote") // this was asked after the thaw, so its answer is behind all that waited
	require.Positive(t, c.count["old"].Load(), "values that waited for it are as old as they are")
	require.Zero(t, c.count["young"].Load(), "and come in their order")

	c.signal(syscall.SIGSTOP)
	out := r.fence(2, true, "U1")
	require.ElementsMatch(t, []string{"do/1=0", "do/2=0"}, out.Confirmed)
	c.signal(syscall.SIGCONT)
	c.says("refused")
	c.says("refused")
	r.reads("do/1", 0)
	r.until("a record", func() bool { return len(r.records(record.KindWireRefused)) > 0 })
	wrote := c.count["wrote"].Load()
	c.says("refused")
	require.Equal(t, wrote, c.count["wrote"].Load())
}

func TestARunnerThatIsRestartedWhileItIsFrozenIsRefusedWhenItThaws(t *testing.T) {
	dir, n := sockets(t)
	r := newRig(t, n, nil)
	old := newChild(t, "runner", dir, "B-1", "1")
	old.says("wrote")
	old.signal(syscall.SIGSTOP)
	r.fence(2, false, "U1")
	young := newChild(t, "runner", dir, "B-1", "2")
	young.says("wrote")
	old.signal(syscall.SIGCONT)
	old.says("refused")
	wrote := old.count["wrote"].Load()
	young.says("wrote")
	old.says("refused")
	old.kill()
	young.says("wrote")
	require.Equal(t, wrote, old.count["wrote"].Load())
	require.Zero(t, young.count["refused"].Load())
	require.Empty(t, r.records(record.KindRunnerLost), "the batch is there")
}

func TestAnIOProcessThatIsKilledKeepsItsTokens(t *testing.T) {
	dir, n := sockets(t)
	home := t.TempDir()
	device := newChild(t, "io", home, dir)
	device.runs()
	old := newChild(t, "runner", dir, "B-1", "1")
	old.says("wrote")
	for token := uint64(2); token < 8; token++ {
		young := newChild(t, "runner", dir, "B-2", fmt.Sprint(token))
		young.says("wrote")
		old.says("refused")
		device.kill()
		device = newChild(t, "io", home, dir)
		device.runs()
		wrote := old.count["wrote"].Load()
		old.says("refused")
		young.says("wrote")
		require.Equal(t, wrote, old.count["wrote"].Load(), "a lower token is refused by whoever comes up")
		var w api.Wire
		client := n.Dial(api.IO)
		require.NoError(t, client.Call(t.Context(), "GET", "/v1/wire", nil, &w))
		client.Close()
		for _, e := range w.Equipment {
			if e.ID == "U1" {
				require.Equal(t, token, e.Token)
				require.Equal(t, "B-2", e.Batch)
			}
		}
		young.kill()
	}
}

func TestFloorsThatWereToldStandAfterAKillAllOrNone(t *testing.T) {
	dir, sockets := t.TempDir(), t.TempDir()
	n := api.Sockets(sockets)
	c := n.Dial(api.IO)
	told := uint64(0) // taken by the I/O process
	for round := range uint64(6) {
		io := newChild(t, "io", dir, sockets, "n2")
		io.runs()
		var w api.Wire
		require.NoError(t, c.Call(t.Context(), "GET", "/v1/wire", nil, &w))
		for _, e := range w.Equipment {
			require.Equal(t, w.Equipment[0].Token, e.Token, "all or none")
			require.GreaterOrEqual(t, e.Token, told, "what was answered is on disk")
		}
		lives := time.Duration(5+3*round) * time.Millisecond
		if round >= 3 && told == 0 { // a slow machine has told nothing in that time
			lives = 2 * time.Second
		}
		killed := time.AfterFunc(lives, func() { _ = io.cmd.Process.Kill() })
		for token := told + 1; ; token++ {
			err := c.Call(t.Context(), "POST", "/v1/floors", &api.Floors{Tokens: map[string]uint64{"U1": token, "U2": token, "PUMP": token}}, &api.Fenced{})
			if no := (*api.Error)(nil); errors.As(err, &no) && no.Status == http.StatusServiceUnavailable {
				continue // it says that it runs before it does
			}
			if err != nil {
				break
			}
			told = token
		}
		killed.Stop()
		io.kill()
	}
	require.NotZero(t, told)
}
