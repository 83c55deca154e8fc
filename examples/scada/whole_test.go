// The whole: a controller, its window and a SCADA client that is not ours, as processes.

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/store/storetest"
	"github.com/batchkit/batchkit/fieldbus/opcua"
	"github.com/batchkit/batchkit/journal/record"
)

// Variables of the environment: one makes the test binary the command, one says where the controller is built.
const (
	asCommand = "BATCHKIT_TEST_SCADA"
	asPlace   = "BATCHKIT_TEST_SCADA_DIR"
)

// patience is for how long tests wait for what comes soon.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	if addr := os.Getenv(asAttacker); addr != "" {
		attack(addr)
	}
	dir, err := os.MkdirTemp("", "scada")
	if err == nil {
		err = os.Setenv(asPlace, dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// program is a process and what it has said so far.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	mu   sync.Mutex
	said bytes.Buffer
	over chan struct{}
}

// Write implements io.Writer, for what the process says.
func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

func (p *program) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// begin starts a program, which is killed with the test.
func begin(t *testing.T, env []string, name string, args ...string) *program {
	t.Helper()
	return start(t, env, exec.Command(name, args...))
}

func start(t *testing.T, env []string, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, cmd: cmd, over: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	var err error
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() { defer close(p.over); _ = p.cmd.Wait() }()
	t.Cleanup(p.kill)
	return p
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.over
}

// find waits until the process has said what fits, and gives the groups of that.
func (p *program) find(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	p.until(func() bool { found = re.FindStringSubmatch(p.text()); return found != nil }, "it has not said %s", pattern)
	return found
}

// until waits for what comes soon.
func (p *program) until(is func() bool, words ...any) {
	p.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			require.Fail(p.t, fmt.Sprintf(words[0].(string), words[1:]...), "%s", p.text())
		}
	}
}

// place makes the directory of a controller. The plant that it leaves there ends with the test.
func place(t *testing.T) (out string) {
	t.Helper()
	out = filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.Mkdir(out, 0o750))
	t.Cleanup(func() {
		var at struct{ Pid int }
		text, err := os.ReadFile(filepath.Join(out, "plant", "addr"))
		if err != nil || json.Unmarshal(bytes.TrimRight(text, "\x00"), &at) != nil || at.Pid <= 0 {
			return
		}
		if p, err := os.FindProcess(at.Pid); err == nil {
			_ = p.Kill()
		}
	})
	return out
}

// window starts a window.
func window(t *testing.T, out string, args ...string) (p *program, endpoint, post string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p = begin(t, []string{asCommand + "=1"}, self, append([]string{"-from", out, "-silence", "2s"}, args...)...)
	endpoint = p.find(`(opc\.tcp://\S+)  shows`)[1]
	return p, endpoint, p.find(`controller -trend (\S+)`)[1]
}

// built is the controller, built once, in a directory that TestMain has made.
var built = sync.OnceValues(func() (string, error) {
	name := filepath.Join(os.Getenv(asPlace), "controller")
	if said, err := exec.Command("go", "build", "-o", name, "../controller").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return name, nil
})

func controller(t *testing.T) string {
	t.Helper()
	name, err := built()
	require.NoError(t, err)
	return name
}

// judge is a client by node-opcua.
type judge struct {
	*program
	all []seen // that were parsed
	at  int    // of the text, behind the last of them
}

// seen is what the judge says in a line.
type seen struct {
	Event  map[string]string `json:"event"`
	Read   string            `json:"read"`
	Value  string            `json:"value"`
	Status string            `json:"status"`
	Source string            `json:"source"`
	Server string            `json:"server"`
	Failed string            `json:"failed"`
}

// nodeOPCUA starts a judge, or skips the test where it cannot be.
func nodeOPCUA(t *testing.T, endpoint string) *judge {
	t.Helper()
	p := node(t, endpoint, t.TempDir())
	p.find(`"ready":\d`)
	return &judge{program: p}
}

// node starts the script of a judge, with a home that goes with the test.
func node(t *testing.T, endpoint, home string, user ...string) *program {
	t.Helper()
	env := []string{"NODE_PATH=" + modules(t), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home}
	return begin(t, env, "node", append([]string{"testdata/judge.js", endpoint, home}, user...)...)
}

// modules is where node-opcua lies.
func modules(t *testing.T) string {
	t.Helper()
	const want = "install nodejs (20.19 or later) and npm, then: npm install -g node-opcua@2.182.2"
	root, err := exec.Command("node", "-p", `const v = process.versions.node.split("."); if (v[0] < 20 || v[0] == 20 && v[1] < 19) process.exit(1);
		require("child_process").execSync("npm root -g").toString()`).Output()
	if err != nil {
		t.Skip(want)
	}
	dir := strings.TrimSpace(string(root))
	if _, err := os.Stat(filepath.Join(dir, "node-opcua")); err != nil {
		t.Skip(want)
	}
	return dir
}

// lines are all that the judge has said.
func (j *judge) lines() []seen {
	text := j.text()
	for {
		line, _, whole := strings.Cut(text[j.at:], "\n")
		if !whole {
			return j.all
		}
		j.at += len(line) + 1
		var s seen
		if json.Unmarshal([]byte(line), &s) == nil {
			require.Empty(j.t, s.Failed)
			j.all = append(j.all, s)
		}
	}
}

// read asks for a variable.
func (j *judge) read(path string) seen {
	j.t.Helper()
	before := len(j.lines())
	_, err := io.WriteString(j.in, path+"\n")
	require.NoError(j.t, err)
	var got seen
	j.until(func() bool {
		for _, s := range j.lines()[before:] {
			if s.Read == path {
				got = s
				return true
			}
		}
		return false
	}, "%s is not answered", path)
	return got
}

// wants reads a variable again and again until it is as wanted.
func (j *judge) wants(path, value, status string) seen {
	j.t.Helper()
	var got seen
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if got = j.read(path); (value == "" || got.Value == value) && got.Status == status {
			return got
		}
		require.True(j.t, time.Now().Before(end), "%s: %q %s is wanted, and there is %+v", path, value, status, got)
	}
}

// events are those of a batch, in the order in which they came.
func (j *judge) events(batch string) (list []map[string]string) {
	for _, s := range j.lines() {
		if s.Event["BatchId"] == batch {
			list = append(list, s.Event)
		}
	}
	return list
}

// rows are the records of a package, with their links, but those of inputs.
func rows(t *testing.T, dir string) (seqs []string, byHash map[string]*record.Record) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "events.tsv"))
	require.NoError(t, err)
	byHash = map[string]*record.Record{}
	for line := range strings.Lines(string(text)) {
		column := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		r, err := record.Parse([]byte(column[3]))
		require.NoError(t, err)
		if r.Kind != record.KindInputBlock {
			seqs, byHash[column[2]] = append(seqs, column[0]), r
		}
	}
	return seqs, byHash
}

// cut is a record as an event has it: 4 KiB at most, and dots where more stood.
func cut(body []byte) string {
	if len(body) <= 4096 {
		return string(body)
	}
	return strings.ToValidUTF8(string(body[:4093]), "") + "..."
}

func TestASCADAClientSeesABatchRunWithItsTagsTotalsAndEveryRecord(t *testing.T) {
	modules(t)
	out := place(t)
	w, endpoint, post := window(t, out, "-listen", "127.0.0.1:0", "-trend", "127.0.0.1:0")
	j := nodeOPCUA(t, endpoint)
	run := begin(t, nil, controller(t), "-speed", "8", "-out", out, "-trend", post, "-faults", restarts(t))
	j.wants("Batches/B-0001/State", "Running", "Good")
	j.wants("Tags/WT301/Quality", "GOOD", "Good")
	weight := j.wants("Tags/WT301/Value", "", "Good")
	require.NotEmpty(t, weight.Source)
	require.NotEmpty(t, weight.Server)
	j.wants("Batches/B-0001/State", "Complete", "Good")
	<-run.over
	dir := filepath.Join(out, "B-0001")
	report, err := evidence.Verify(dir)
	require.NoError(t, err, run.text())
	require.True(t, report.OK(), "%s\n%s", report.Verdict(), run.text())

	seqs, byHash := rows(t, dir)
	j.until(func() bool { return len(j.events("B-0001")) >= len(seqs) }, "%d events are wanted", len(seqs))
	got := j.events("B-0001")
	require.Len(t, got, len(seqs))
	previous := "0"
	for i, e := range got {
		require.Equal(t, seqs[i], e["EventSeq"], "in order, none left out, none twice")
		require.Equal(t, previous, e["PreviousSeq"])
		previous = e["EventSeq"]
		r := byHash[e["HashCurr"]]
		require.NotNil(t, r, "hash_curr is a link of the journal: %v", e)
		require.Equal(t, strconv.FormatUint(r.Seq(), 10), e["EventSeq"])
		require.Equal(t, [...]string{"B-0001", "1.0", r.Kind.String(), r.Text(record.StepID), cut(r.Body)},
			[...]string{e["BatchId"], e["RecipeVersion"], e["Kind"], e["StepId"], e["Record"]})
	}
	for _, r := range byHash {
		if r.Kind == record.KindWindowStop {
			j.wants("Batches/B-0001/Totals/"+r.Text(record.MeterWindowID)+"/TotalText", r.Text(record.TotalizedValue), "Good")
		}
	}
	j.wants("Batches/B-0001/RecipeVersion", "1.0", "Good")
	j.wants("Batches/B-0001/TagMapVersion", "1.0", "Good")
	j.wants("Device/Links/PLC-301/WatchdogState", "", "UncertainLastUsableValue") // nobody watches it any more
	w.find("B-0001 Complete")
	interrupt(t, w)
}

// interrupt has a window end as Ctrl-C does.
func interrupt(t *testing.T, w *program) {
	t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return // a system without it
	}
	select {
	case <-w.over:
		require.Equal(t, 0, w.cmd.ProcessState.ExitCode(), w.text())
	case <-time.After(patience):
		require.Fail(t, "it does not end", w.text())
	}
}

func TestAControllerThatDiesIsShownAsSilentAndAWindowThatDiesIsNotMissed(t *testing.T) {
	modules(t)
	out := place(t)
	first, endpoint, post := window(t, out, "-listen", free(t), "-trend", free(t)) // another one listens there later
	// A machine that is too busy to bring values in time has the batch held, window or not: that a batch is the same whatever becomes of
	// the values that it sends is a claim of examples/controller, in virtual time.
	run := begin(t, nil, controller(t), "-speed", "2", "-out", out, "-trend", post)
	first.find(`B-0001 \w+: [^;]*; tags 23, GOOD 23`)
	first.kill()
	listen, values := strings.TrimPrefix(endpoint, "opc.tcp://"), strings.TrimSuffix(strings.TrimPrefix(post, "http://"), "/")
	second, _, _ := window(t, out, "-listen", listen, "-trend", values)
	second.find(`B-0001 \w+: [^;]*; tags 23, GOOD 23`)
	run.kill()
	second.find(`B-0001 \w+: [^;]*; tags 23, GOOD 0`)
	j := nodeOPCUA(t, endpoint)
	j.wants("Tags/WT301/Value", "", "UncertainLastUsableValue")
	j.wants("Tags/WT301/Quality", "STALE", "Good")
	j.wants("Batches/B-0001/State", "", "UncertainLastUsableValue")
	from, err := strconv.ParseUint(j.wants("Batches/B-0001/EventsFrom", "", "UncertainLastUsableValue").Value, 10, 64)
	require.NoError(t, err)
	require.Greater(t, from, uint64(1), "what was there when it came is told by no event")
	again := begin(t, nil, controller(t), "-speed", "10", "-out", out, "-trend", post, "-faults", restarts(t))
	<-again.over
	report, err := evidence.Verify(filepath.Join(out, "B-0001"))
	require.NoError(t, err, again.text())
	require.True(t, report.OK(), again.text())
	require.Equal(t, "Complete", report.State, again.text())
	j.wants("Batches/B-0001/State", "Complete", "Good")
	for _, e := range j.events("B-0001") {
		seq, err := strconv.ParseUint(e["EventSeq"], 10, 64)
		require.NoError(t, err)
		require.GreaterOrEqual(t, seq, from)
	}
}

func TestAnEncryptedWindowLetsInWhoIsKnownAndNobodyElse(t *testing.T) {
	modules(t)
	home, dir := t.TempDir(), t.TempDir()
	id, err := opcua.NewIdentity("judge", "urn:test:judge", []string{"localhost"}, time.Now(), time.Now().AddDate(0, 0, 1))
	require.NoError(t, err)
	require.NoError(t, id.Save(filepath.Join(home, "client.pem"), filepath.Join(home, "client.key")))
	trust, users := filepath.Join(dir, "clients"), file(t, must(newUser("anna", "correct horse")))
	require.NoError(t, os.Mkdir(trust, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(trust, "judge.der"), id.Certificate, 0o600))
	w, endpoint, _ := window(t, dir, "-listen", "127.0.0.1:0", "-trend", "127.0.0.1:0", "-cert", filepath.Join(dir, "c.pem"), "-key", filepath.Join(dir, "k.pem"),
		"-trust", trust, "-users", users)
	known, liar := node(t, endpoint, home, "anna", "correct horse"), node(t, endpoint, home, "anna", "wrong horse")
	known.find(`"ready":\d`)
	liar.find(`"failed":`)
	w.find("policies: basic256sha256, aes128-sha256-rsaoaep, aes256-sha256-rsapss")
}

// free is an address at which nobody listens, and which no system gives to somebody else.
func free(t *testing.T) string {
	t.Helper()
	at, err := storetest.FreePort()
	require.NoError(t, err)
	return at.String()
}

// restarts is a fault script in which an operator restarts whatever is held, every two seconds, for ten minutes of the plant.
func restarts(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for at := 2; at < 600; at += 2 {
		fmt.Fprintf(&b, "at %ds command restart op1 \"looked at the tank\"\n", at)
	}
	return file(t, b.String())
}
