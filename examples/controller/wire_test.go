// Devices that are absent, answer nonsense, are late, or go away in mid-dose.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/bustest"
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase/system"
)

// dose is a recipe that charges from line A through the coarse valve, in about 14 s, and nothing else.
const dose = `recipe: DOSE
version: "1"
schema_version: 1
title: Charge A
batch_size: {nominal: 120 kg, min: 100 kg, max: 400 kg}
procedure:
  id: DOSE
  level: phase
  timeout: 10 min
  recovery: hold
  actions:
    - open_window: {window: A, meter: FQ101, target: 120.00 kg, tolerance: 1.00 kg}
    - set: {XV101: open}
    - wait_total: {window: A, short_by: 2.00 kg}
    - set: {XV101: closed}
    - wait: "FT101 < 1.00 kg/min and ZS101 == closed"
    - verify_stable: {tag: FT101, within: 1.00 kg/min, for: 1 s}
    - close_window: A
`

// place is a directory in which nothing depends on the working directory: the test may run beside others. It holds the recipes
// dose.yaml and bell.yaml. Plants below it end with the test.
func place(t *testing.T) (dir string) {
	t.Helper()
	t.Parallel()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "dose.yaml"), dose)
	write(t, filepath.Join(dir, "bell.yaml"), bell)
	t.Cleanup(func() {
		plants, err := filepath.Glob(filepath.Join(dir, "*", "plant"))
		require.NoError(t, err)
		for _, p := range plants {
			_ = endPlant(context.Background(), p)
		}
	})
	return dir
}

// restartsUntil is a fault script in which an operator restarts whatever is held, every two seconds, and aborts the batch at a time.
// That stands twice: a run that has ended, and hears nothing more from a dead device, ends only with what comes next.
func restartsUntil(t *testing.T, dir string, abort int) (file string) {
	t.Helper()
	var b strings.Builder
	for at := 2; at < abort; at += 2 {
		fmt.Fprintf(&b, "at %ds command restart op1 \"looked at the tank\"\n", at)
	}
	fmt.Fprintf(&b, "at %ds command abort op1 \"no use\"\nat %ds command abort op1 \"no use\"\n", abort, abort+12)
	file = filepath.Join(dir, fmt.Sprintf("abort%d", abort))
	write(t, file, b.String())
	return file
}

// never is an abort that a batch is over before.
const never = 300

// flowed waits until 2 kg of A have flowed in the plant of a directory, as only a dose can make them.
func flowed(t *testing.T, plant string) (at address) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(forLong); ; <-tick.C {
		require.True(t, time.Now().Before(deadline), "no dose began")
		at, living := findPlant(plant)
		if !living || at.Address == "" {
			continue
		}
		if kg, err := truth(at); err == nil && kg[0] > 2_000_000 {
			return at
		}
	}
}

// truth asks a plant what truly went through its meters, in mg.
func truth(at address) (mg [2]int64, err error) {
	c, err := modbus.Dial(context.Background(), at.Address, nil)
	if err != nil {
		return mg, err
	}
	defer c.Close()
	var words [8]uint16
	err = c.ReadInput(context.Background(), 0, regTruth, words[:])
	for i, w := range words {
		mg[i/4] = mg[i/4]<<16 | int64(w)
	}
	return [2]int64{mg[0] / 1000, mg[1] / 1000}, err
}

// whole wants evidence that verifies, and that comes out the same when it is executed again.
func whole(t *testing.T, dir, said string) (*evidence.Report, []*record.Record) {
	t.Helper()
	report, err := evidence.Verify(dir)
	require.NoError(t, err, said)
	require.True(t, report.OK(), "%s\n%s", report.Verdict(), said)
	replay, err := evidence.Replay(dir)
	require.NoError(t, err, said)
	require.Nil(t, replay.Divergence, said)
	return report, records(t, dir)
}

// guarded wants that no gate is passed from where the meter of an open window is not GOOD to the restart that is accepted after
// it: nothing begins or ends, and no output leaves its safe value. It returns how often that was so.
func guarded(t *testing.T, all []*record.Record) (times int) {
	t.Helper()
	open, rest := map[string]bool{}, false
	for _, r := range all {
		meter, says := r.Text(record.LogicalTag), fmt.Sprintf("record %d", r.Seq())
		switch r.Kind {
		case record.KindWindowStart:
			require.False(t, rest, says)
			open[meter] = true
		case record.KindWindowStop:
			require.True(t, !rest || r.Text(record.Result) == "INCOMPLETE", says)
			delete(open, meter)
		case record.KindQualityChange:
			if open[meter] && r.Text(record.Quality) != "GOOD" && !rest {
				rest = true
				times++
			}
		case record.KindCommandResult:
			rest = rest && (r.Text(record.Command) != "restart" || r.Text(record.Result) != "accepted")
		case record.KindOutputWrite:
			require.True(t, !rest || r.Bool(record.SafeDirection), says)
		case record.KindStepState:
			if rest {
				require.Contains(t, []string{"Holding", "Held", "Aborting", "Aborted"}, r.Text(record.PhaseState), says)
			}
		case record.KindActionState, record.KindMarker, record.KindPrompt:
			require.False(t, rest, says)
		}
	}
	return times
}

// texts gives what the records of a kind say under a key, in their order.
func texts(all []*record.Record, kind record.Kind, key record.Key) (says []string) {
	for _, r := range of(all, kind) {
		says = append(says, r.Text(key))
	}
	return says
}

// pretend takes the place of the plant below out: its lock is held and its file says that it listens at addr.
func pretend(t *testing.T, out, addr string, speed int) {
	t.Helper()
	dir := filepath.Join(out, "plant")
	require.NoError(t, os.MkdirAll(dir, 0o750))
	lock, err := lockFile(filepath.Join(dir, fileLock))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lock.Close()) })
	at, err := json.Marshal(address{Address: addr, Pid: os.Getpid(), Seed: 1, Speed: speed})
	require.NoError(t, err)
	write(t, filepath.Join(dir, fileAddr), string(at))
}

// fake listens and gives each connection that it accepts to answer, with the first request. Without answer nobody listens.
func fake(t *testing.T, answer func(c net.Conn, request []byte)) (addr string, met *atomic.Int64) {
	t.Helper()
	met = &atomic.Int64{}
	if answer == nil {
		return "127.0.0.1:1", met // a port that was free a moment ago may be that of the next who listens
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			met.Add(1)
			request := make([]byte, 12) // of a coil that is written
			if _, err := io.ReadFull(c, request); err == nil {
				answer(c, request)
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), met
}

// say answers with what it makes of a request, and waits until the client leaves.
func say(reply func(request []byte) []byte) func(net.Conn, []byte) {
	return func(c net.Conn, request []byte) {
		_, _ = c.Write(reply(request))
		_, _ = io.Copy(io.Discard, c)
	}
}

// told and mute are how the words begin about a plant that was told to end and did not, and about one that cannot be told.
const (
	told = "controller: the plant in PLANT, process PID at ADDR, was told to end and did not: "
	mute = "controller: a plant lives in PLANT, and PLANT/addr does not say where it listens; end its process, or give another -out\n"
)

// strangers are what a controller may find where its plant should be.
var strangers = []struct {
	name, says string
	answer     func(net.Conn, []byte)
	file       string // that stands in place of an address; "none" for no file
}{
	{"nobody listens", told + "modbus: device \"ADDR\": no connection: ", nil, ""},
	{"it hangs up", told + "modbus: device \"ADDR\": unit 0: write coil at address 98: outcome of the write unknown: ", func(net.Conn, []byte) {}, ""},
	{"text", "not the answer to this request: transaction ", say(func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }), ""},
	{"another transaction", "not the answer to this request: transaction ", say(func(q []byte) []byte { q[1]++; return q }), ""},
	{"another coil", "not the answer to this request: echo of address ", say(func(q []byte) []byte { q[9]++; return q }), ""},
	{"an exception", "exception 1 (illegal function); ", say(func(q []byte) []byte { return append(q[:4:4], 0, 3, q[6], q[7]|0x80, 1) }), ""},
	{"half an answer", "no answer within 2s: ", say(func(q []byte) []byte { return q[:6] }), ""},
	{"silence", "no answer within 2s: ", say(func([]byte) []byte { return nil }), ""},
	{"a promise", told + "it said that it would; end that process, or give another -out\n", say(func(q []byte) []byte { return q }), ""},
	{"no file", mute, nil, "none"},
	{"zeros", mute, nil, strings.Repeat("\x00", 100)},
	{"half a file", mute, nil, `{"address":"127.0.`},
}

func TestADeviceThatIsAbsentOrAnswersNonsenseIsNamedAndNoBatchIsBegun(t *testing.T) {
	if aside(t) {
		return
	}
	dir := place(t)
	said, before := make([]outcome, len(strangers)), make([]map[string]string, len(strangers))
	plant, addr := make([]string, len(strangers)), make([]string, len(strangers))
	var all sync.WaitGroup
	for i := range strangers { // they take seconds, and so all at once
		x, out := &strangers[i], filepath.Join(dir, fmt.Sprint(i))
		plant[i] = filepath.Join(out, "plant")
		addr[i], _ = fake(t, x.answer)
		pretend(t, out, addr[i], 1)
		write(t, filepath.Join(plant[i], fileUser), "")
		switch file := filepath.Join(plant[i], fileAddr); x.file {
		case "":
		case "none":
			require.NoError(t, os.Remove(file))
		default:
			write(t, file, x.file)
		}
		before[i] = listing(t, plant[i])
		all.Go(func() { said[i] = controller("-out", out) })
	}
	all.Wait()
	const silent = "no answer within 2s: "
	for i, x := range strangers {
		if !strings.Contains(x.says, silent) && strings.Contains(said[i].err, silent) { // its answer was late on a busy machine: it is asked once more
			said[i] = controller("-out", filepath.Dir(plant[i]))
		}
		t.Run(x.name, func(t *testing.T) {
			words := strings.NewReplacer("PLANT/addr", filepath.Join(plant[i], fileAddr), "PLANT", plant[i], "PID", fmt.Sprint(os.Getpid()), "ADDR", addr[i])
			require.Equal(t, exitFailed, said[i].code, said[i])
			require.Empty(t, said[i].out)
			require.Contains(t, said[i].err, words.Replace(x.says))
			require.True(t, strings.HasSuffix(said[i].err, ", or give another -out\n"), said[i])
			require.NoDirExists(t, filepath.Join(filepath.Dir(plant[i]), "B-0001"))
			require.Equal(t, before[i], listing(t, plant[i]))
		})
	}
}

// dies runs a dose whose plant is killed in the middle of it, and which an operator aborts then.
func dies(t *testing.T, out, script string) (said string, code int) {
	t.Helper()
	cmd, text := process(t, "-out", out, "-speed", "10", "-unapproved", "-recipe", filepath.Join(filepath.Dir(script), "dose.yaml"), "-faults", script)
	at := flowed(t, filepath.Join(out, "plant"))
	p, err := os.FindProcess(at.Pid)
	require.NoError(t, err)
	require.NoError(t, p.Kill())
	_ = cmd.Wait()
	return text.String(), cmd.ProcessState.ExitCode()
}

func TestAPlantThatDiesInMidDoseLeavesABatchThatIsHeldAndOutputsThatAreNamed(t *testing.T) {
	if aside(t) {
		return
	}
	dir := place(t)
	script := restartsUntil(t, dir, 20)
	var out, said string
	var code int
	var report *evidence.Report
	var all []*record.Record
	for n := 1; len(of(all, record.KindOutputFault)) == 0 || seenLate(all); n++ {
		require.LessOrEqual(t, n, 3, "the machine is too busy: the batch was held before the plant was killed, or saw late that it was\n%s", said)
		out = filepath.Join(dir, fmt.Sprint(n))
		said, code = dies(t, out, script)
		report, all = whole(t, filepath.Join(out, "B-0001"), said)
	}
	require.Equal(t, exitFailed, code, said)
	require.GreaterOrEqual(t, guarded(t, all), 1, said)
	states := texts(all, record.KindBatchState, record.BatchState)
	require.Equal(t, []string{"Running", "Holding", "Held", "Aborting", "Aborted"}, states[max(len(states)-5, 0):], said)
	require.Contains(t, said, ": refused (meter not GOOD)\n")
	require.Contains(t, report.Verdict(), "OUTPUTS NOT CONFIRMED SAFE when the run ended: XV101")
	for _, r := range of(all, record.KindQualityChange) {
		if r.Text(record.LogicalTag) == "FC101" && r.Text(record.OldValue) == "GOOD" {
			t.Logf("killed: FC101 is %s, %d ms after its last value", r.Text(record.Quality), r.Int(record.AgeMS))
		}
	}
	for _, r := range of(all, record.KindWriteDone) {
		if r.Text(record.Result) == "unknown" {
			detail, outcome := r.Text(record.Detail), r.Text(record.Outcome)
			require.Contains(t, []string{fieldbus.OutcomeRefused, fieldbus.OutcomeUnknown}, outcome, detail)
			require.Regexp(t, "modbus: |not begun: the line was busy: ", detail) // the abort may come while a read waits
			if strings.Contains(detail, "not begun: ") {
				require.Equal(t, fieldbus.OutcomeRefused, outcome, detail)
			}
		}
	}
	end := of(all, record.KindBatchEnd)[0]
	require.Equal(t, "outputs_not_confirmed", end.Text(record.Result))
	require.Equal(t, []string{"XV101"}, end.Texts(record.Values), "the others were confirmed to be safe when it still answered")
	require.Equal(t, []string{"INCOMPLETE"}, texts(all, record.KindWindowStop, record.Result))
	require.Contains(t, said, "\noutputs  NOT at their safe values: "+strings.Join(outputs(t), ", ")+"\n", "nobody answers for any")
	require.Contains(t, said, "\nrunner: outputs are not confirmed to be safe: XV101; see to them by hand\n")
	_, living := findPlant(filepath.Join(out, "plant"))
	require.False(t, living, "no other plant took its place")
}

// seenLate tells whether the count of meter A was no longer GOOD only later than half a second of the batch after its last value.
func seenLate(all []*record.Record) bool {
	return slices.ContainsFunc(of(all, record.KindQualityChange), func(r *record.Record) bool {
		return r.Text(record.LogicalTag) == "FC101" && r.Text(record.OldValue) == "GOOD" && r.Int(record.AgeMS) > 500
	})
}

// outputs names the outputs of the demo.
func outputs(t *testing.T) (names []string) {
	t.Helper()
	plan, err := load(hostFS{}, "", "")
	require.NoError(t, err)
	for i := range plan.Map.Tags {
		if plan.Map.Tags[i].Output {
			names = append(names, plan.Map.Tags[i].Name)
		}
	}
	return names
}

// cutShort begins a dose below dir, and kills controller and plant in the middle of it.
func cutShort(t *testing.T, dir string) (out, said string) {
	t.Helper()
	out = filepath.Join(dir, "out")
	cmd, text := process(t, "-out", out, "-speed", "10", "-unapproved", "-recipe", filepath.Join(dir, "dose.yaml"),
		"-faults", restartsUntil(t, dir, never))
	at := flowed(t, filepath.Join(out, "plant"))
	p, err := os.FindProcess(at.Pid)
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	require.NoError(t, p.Kill())
	_ = cmd.Wait()
	for deadline := time.Now().Add(forLong); ; time.Sleep(5 * time.Millisecond) {
		if _, living := findPlant(filepath.Join(out, "plant")); !living {
			return out, text.String()
		}
		require.True(t, time.Now().Before(deadline), "the plant does not die")
	}
}

func TestABatchThatIsContinuedWithoutItsDeviceIsHeldAndItsOutputsAreNamed(t *testing.T) {
	dir := place(t)
	out, before := cutShort(t, dir)
	addr, _ := fake(t, nil)
	pretend(t, out, addr, 100)
	o := controller("-out", out, "-speed", "100", "-faults", restartsUntil(t, dir, 2))
	require.Equal(t, exitFailed, o.code, o)
	_, all := whole(t, filepath.Join(out, "B-0001"), before+o.String())
	guarded(t, all)
	require.Len(t, of(all, record.KindRecovery), 1)
	states := texts(all, record.KindBatchState, record.BatchState)
	require.Contains(t, states, "Holding", o)
	require.Equal(t, "Aborted", states[len(states)-1], o)
	require.Equal(t, outputs(t), of(all, record.KindBatchEnd)[0].Texts(record.Values))
	require.Contains(t, o.err, "runner: outputs are not confirmed to be safe: XV101, ")
}

// late runs a dose on a plant behind a wire that keeps the inputs back, each time they are read, for as long as hold says: it is
// told how often the coarse valve was told to open, and how many times the inputs were read since.
func late(t *testing.T, script string, hold func(opened, read int) time.Duration) (res runner.Result, all []*record.Record, at address) {
	t.Helper()
	dir := filepath.Dir(script)
	f := &flags{recipe: filepath.Join(dir, "dose.yaml"), operator: "demo", out: filepath.Join(dir, "out"), unapproved: true, speed: 5, seed: 1}
	j, err := choose(f, io.Discard)
	require.NoError(t, err)
	clock := system.NewClock(f.speed)
	w, err := connect(t.Context(), &plantFlags{dir: filepath.Join(f.out, "plant"), seed: 1, speed: f.speed, fresh: true, linger: lingerFor}, clock)
	require.NoError(t, err)
	defer w.Close()
	opened, read := 0, 0
	relay, err := bustest.NewRelay("127.0.0.1:0", w.at.Address, func(request, reply []byte) ([]byte, error) {
		switch {
		case request[7] == 4:
			read++
			time.Sleep(hold(opened, read))
		case request[7] == 5 && request[9] == 0 && request[10] == 0xFF: // do/1
			opened, read = opened+1, 0
		}
		return reply, nil
	})
	require.NoError(t, err)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- relay.Run(ctx) }()
	defer func() { stop(); require.NoError(t, <-ended) }()
	port, err := portTo(address{Address: relay.Addr()}, &plantFlags{seed: 1}, clock)
	require.NoError(t, err)
	schedule, _, err := faults(script, j.b.Plan.Recipe, sim.NewPlant(1), map[uint32]bool{})
	require.NoError(t, err)
	res, err = runner.Run(ctx, j.b, runner.Rig{Port: port, Dir: j.dir, Clock: clock}, &runner.Options{Schedule: schedule})
	require.NoError(t, err)
	_, all = whole(t, j.dir, "")
	return res, all, w.at
}

func TestADeviceThatStallsInMidDoseHoldsTheBatchAndTheDoseGoesOn(t *testing.T) {
	if aside(t) {
		return
	}
	dir := place(t)
	// Once for less than the time of an exchange, so that the connection stays, and once for more.
	res, all, at := late(t, restartsUntil(t, dir, never), func(opened, read int) time.Duration {
		switch {
		case opened == 1 && read == 8:
			return 300 * time.Millisecond
		case opened == 2 && read == 8:
			return 800 * time.Millisecond
		}
		return 0
	})
	require.Equal(t, "Complete", res.State.String())
	require.GreaterOrEqual(t, guarded(t, all), 2)
	for _, r := range of(all, record.KindQualityChange) {
		if r.Text(record.LogicalTag) == "FC101" && r.Text(record.OldValue) == "GOOD" {
			require.Equal(t, "STALE", r.Text(record.Quality))
			require.EqualValues(t, 500, r.Int(record.AgeMS), "what the map allows")
		}
	}
	require.Contains(t, texts(all, record.KindBatchState, record.BatchState), "Held")
	end := of(all, record.KindWindowStop)[0]
	require.Equal(t, "NOT_GOOD", end.Text(record.Result))
	mg, err := truth(at)
	require.NoError(t, err)
	total := int64(end.Count(record.RawState)) * 10_000
	require.Less(t, max(total-mg[0], mg[0]-total), int64(10_000), "total and the plant's own, in mg: %d, %d", total, mg[0])
	require.Equal(t, "outputs_safe", of(all, record.KindBatchEnd)[0].Text(record.Result))
}

func TestADeviceThatIsAlwaysLatePassesNoGateAndIsMadeSafe(t *testing.T) {
	if aside(t) {
		return
	}
	dir := place(t)
	res, all, _ := late(t, restartsUntil(t, dir, 8), func(opened, _ int) time.Duration {
		if opened > 0 {
			return 180 * time.Millisecond // 900 ms of the batch
		}
		return 0
	})
	require.Equal(t, "Aborted", res.State.String())
	require.GreaterOrEqual(t, guarded(t, all), 1)
	require.Contains(t, texts(all, record.KindBatchState, record.BatchState), "Held")
	require.Equal(t, []string{"INCOMPLETE"}, texts(all, record.KindWindowStop, record.Result))
	require.Equal(t, "outputs_safe", of(all, record.KindBatchEnd)[0].Text(record.Result), "late is not never")
}
