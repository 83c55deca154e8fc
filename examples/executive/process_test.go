// The whole executive, in processes and in one.

package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// Variables of the environment: one makes the test binary, where it is started again, the program itself, one says which test it is to run, and no other.
const (
	asCommand = "BATCHKIT_EXECUTIVE_AS_COMMAND"
	alone     = "BATCHKIT_EXECUTIVE_ALONE"
)

// abreast is how many tests that stand aside run at a time, unless go test -parallel says otherwise: each has up to twenty processes.
const abreast = "2"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) == "" {
		if err := flag.Set("test.parallel", abreast); err != nil {
			panic(err)
		}
		os.Exit(m.Run())
	}
	runtime.MemProfileRate = 0 // as it is in the program, which has nothing that reads profiles
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// aside runs a test that waits in real time in a process of its own, beside others of its kind: each has a working directory, which
// a process has but one of. It returns true where the test has run elsewhere, and false in the process that is to run it.
func aside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(alone) == t.Name() {
		return false
	}
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), alone+"="+t.Name())
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", said)
	switch text := string(said); {
	case strings.Contains(text, "--- SKIP: "+t.Name()+" "):
		t.Skip(text)
	default:
		require.Contains(t, text, "--- PASS: "+t.Name()+" ", "nothing was run")
		t.Log(text)
	}
	return true
}

// said is what a command prints while it runs.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// verified is the line of a batch whose evidence is whole.
var verified = regexp.MustCompile(`(?m)^B-\d+  .*; verified, .*$`)

func TestTheDemoLeavesTwelveVerifiedPackages(t *testing.T) {
	if aside(t) {
		return
	}
	for name, how := range map[string][]string{"in processes": nil, "in one process": {"-t0"}} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			t.Setenv(asCommand, "1")
			var out, wrong said
			code := run(t.Context(), append([]string{"-plain"}, how...), &out, &wrong)
			require.Equal(t, exitOK, code, out.String()+wrong.String())
			require.Len(t, verified.FindAllString(out.String(), -1), 12, out.String())
			require.Contains(t, out.String(), "12 of 12 batches are complete")
		})
	}
}

// stage is an executive that stays, and commands for it.
type stage struct {
	t          *testing.T
	out, wrong said
	end        context.CancelFunc
	code       chan int
}

func newStage(t *testing.T, flags ...string) *stage {
	t.Chdir(t.TempDir())
	return stageHere(t, flags...)
}

// stageHere is newStage in the working directory.
func stageHere(t *testing.T, flags ...string) *stage {
	t.Setenv(asCommand, "1")
	s := &stage{t: t, code: make(chan int, 1)}
	ctx, end := context.WithCancel(t.Context())
	s.end = end
	go func() { s.code <- run(ctx, append([]string{"up"}, flags...), &s.out, &s.wrong) }()
	s.until("it is up", func() bool { return strings.Contains(s.out.String(), "is up") })
	return s
}

// letAllGo removes all batches: their processes would go on.
func (s *stage) letAllGo() {
	s.t.Helper()
	session := &session{}
	manager := session.network().Dial(api.Manager)
	defer manager.Close()
	require.NoError(s.t, session.letGo(s.t.Context(), manager))
}

// do carries out a command that succeeds, and gives what it prints.
func (s *stage) do(line string) string {
	s.t.Helper()
	code, out := s.try(line)
	require.Equal(s.t, exitOK, code, line+": "+out+s.wrong.String())
	return out
}

// try carries out a command, which may be refused.
func (s *stage) try(line string) (code int, out string) {
	var b said
	code = run(s.t.Context(), strings.Fields(line), &b, &b)
	return code, b.String()
}

// until waits for something, for a minute at most.
func (s *stage) until(what string, yes func() bool) {
	s.t.Helper()
	for range 3000 {
		if yes() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	require.Fail(s.t, what, "%s%s", s.out.String(), s.wrong.String())
}

// batch is what the manager says of a batch.
func (s *stage) batch(id string) (b api.Batch) {
	session := &session{}
	_ = session.ask(s.t.Context(), api.Manager, "GET", "/v1/batches/"+id, nil, &b)
	return b
}

// is waits until a batch stands so.
func (s *stage) is(id string, life api.Life, state string) {
	s.t.Helper()
	s.until(id+" is "+string(life)+" "+state, func() bool {
		b := s.batch(id)
		return b.Life == life && (state == "" || b.State == state)
	})
}

// has waits until a batch that charges was given its unit: it is shown to run before it has asked for one.
func (s *stage) has(id, unit string) {
	s.t.Helper()
	s.until(id+" has "+unit, func() bool { return strings.Contains(s.do("who"), unit+"   "+id+" CHARGE") })
}

// kill ends the process that answers by a name as kill -9 does.
func (s *stage) kill(name string) {
	s.t.Helper()
	var self api.Self
	session := &session{}
	require.NoError(s.t, session.ask(s.t.Context(), name, "GET", "/v1/self", nil, &self))
	p, err := os.FindProcess(self.PID)
	require.NoError(s.t, err)
	require.NoError(s.t, p.Kill())
}

func TestEachProcessMayBeKilledWhileABatchRuns(t *testing.T) {
	if aside(t) {
		return
	}
	s := newStage(t)
	s.do("create -unit R101 -start CHARGE")
	s.is("B-0001", api.Active, "Running")
	s.has("B-0001", "R101")

	// The manager: the batch goes on, and is adopted.
	before := s.batch("B-0001")
	s.kill(api.Manager)
	s.is("B-0001", api.Active, "Running")
	require.Equal(t, before.PID, s.batch("B-0001").PID)

	// The runtime server: what is bound needs it no more, and creates fail until it is back.
	s.kill(api.Runtime)
	s.is("B-0001", api.Ended, "Complete")

	// A runner: the batch is Lost, keeps its unit, and is taken up Held.
	s.do("create -unit R102 -start CHARGE")
	s.is("B-0002", api.Active, "Running")
	s.has("B-0002", "R102") // or it has nothing that could be kept
	s.kill("B-0002")
	s.is("B-0002", api.Lost, "")
	require.Contains(t, s.do("who"), "Lost: it is kept until the batch is removed")
	s.do("restart B-0002 -reason power")
	s.is("B-0002", api.Active, "Held")
	s.do("tell B-0002 restart -reason checked")

	// The I/O process: outputs are kept by the plant, and the batch goes on when it is back.
	s.kill(api.IO)
	s.until("the batch ends, or holds", func() bool {
		b := s.batch("B-0002")
		if b.State == "Held" { // as of a moment ago: it may be told twice
			s.try("tell B-0002 restart -reason checked")
		}
		return b.Life == api.Ended && b.State == "Complete"
	})
	for _, id := range []string{"B-0001", "B-0002"} {
		s.do("remove " + id)
		s.until(id+" is gone", func() bool { return !strings.Contains(s.do("list"), id) || s.batch(id).Life == api.Removed })
	}
	require.NotContains(t, s.do("who"), "B-0", "nothing is left behind")
	for _, name := range []string{api.Manager, api.Runtime, api.IO} {
		require.Contains(t, s.wrong.String(), "the process "+name+" has ended")
	}
	s.end()
	require.Equal(t, exitOK, <-s.code)
}
