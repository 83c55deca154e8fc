// Controllers that are killed, boards that lose their power, and what becomes of their batches.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// phases are those of the demo, in the order in which they end; the two charges end in either order.
var phases = []string{"PREPARE", "CHARGE_A", "CHARGE_B", "STIR", "HEAT", "SOAK", "SAMPLE", "DISCHARGE"}

// restarts is a fault script in which an operator restarts whatever a busy machine has held, every two seconds, for ten minutes of
// the plant.
func restarts(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for at := 2; at < 600; at += 2 {
		fmt.Fprintf(&b, "at %ds command restart op1 \"looked at the tank\"\n", at)
	}
	write(t, "restarts", b.String())
	return "restarts"
}

// process starts the command in a process of its own.
func process(t *testing.T, args ...string) (cmd *exec.Cmd, said *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	said = &bytes.Buffer{}
	cmd = exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.Stdout, cmd.Stderr = said, said
	require.NoError(t, cmd.Start())
	return cmd, said
}

// delivered asks the plant what truly went through its meters, in kg to 0.000001.
func delivered(t *testing.T) (kg [2]int64) {
	t.Helper()
	at, living := findPlant("out/plant")
	require.True(t, living, "the plant outlives its controllers")
	c, err := modbus.Dial(context.Background(), at.Address, nil)
	require.NoError(t, err)
	defer c.Close()
	var words [8]uint16
	require.NoError(t, c.ReadInput(context.Background(), 0, regTruth, words[:]))
	for i, w := range words {
		kg[i/4] = kg[i/4]<<16 | int64(w)
	}
	return [2]int64{kg[0] / 1000, kg[1] / 1000}
}

// judge holds the evidence of a batch that has come to its end against itself and against the plant, and returns its records.
func judge(t *testing.T, id, said string) []*record.Record {
	t.Helper()
	dir := filepath.Join("out", id)
	report, err := evidence.Verify(dir)
	require.NoError(t, err, said)
	require.True(t, report.OK(), "%s\n%s", report.Verdict(), said)
	replay, err := evidence.Replay(dir)
	require.NoError(t, err, said)
	require.Nil(t, replay.Divergence, said)
	all := records(t, dir)
	require.Equal(t, "Complete", report.State, said)
	truth := delivered(t)
	for _, r := range of(all, record.KindWindowStop) {
		kg := truth[strings.Index("AB", r.Text(record.MeterWindowID))]
		total := int64(r.Count(record.RawState)) * 10_000
		require.Less(t, max(total-kg, kg-total), int64(10_000), "window %s: total and the plant's own, in mg: %d, %d\n%s",
			r.Text(record.MeterWindowID), total, kg, said)
	}
	var ends []string
	for _, r := range of(all, record.KindStepState) {
		if r.Text(record.StepState) == "end" && slices.Contains(phases, r.Text(record.StepID)) {
			ends = append(ends, r.Text(record.StepID))
		}
	}
	if len(ends) > 2 && ends[1] == "CHARGE_B" {
		ends[1], ends[2] = ends[2], ends[1]
	}
	require.Equal(t, phases, ends, "every phase ends once, in the order of the recipe\n%s", said)
	return all
}

// count is how often something is done: few times, or as often as an issue wants it.
func count(few, long int) int {
	if os.Getenv("BATCHKIT_LONG") != "" {
		return long
	}
	return few
}

func TestAControllerThatIsKilledAtAnyMomentIsFollowedByOneThatGoesOn(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	args := []string{"-speed", "10", "-faults", restarts(t)}
	kills, recoveries, lost := 0, 0, 0
	for batch := 1; kills < count(3, 200); batch++ {
		rng := rand.New(rand.NewPCG(uint64(batch), 1))
		id := fmt.Sprintf("B-%04d", batch)
		said := fmt.Sprintf("batch %d\n", batch)
		for life := rng.IntN(4) + 1; life > 0; life-- {
			cmd, text := process(t, args...)
			timer := time.AfterFunc(time.Duration(rng.Int64N(int64(4500*time.Millisecond))), func() { _ = cmd.Process.Kill() })
			err := cmd.Wait()
			timer.Stop()
			said += text.String() + "--- killed ---\n"
			if err == nil || cmd.ProcessState.Exited() {
				break // it was over before that
			}
			if kills++; evidence.Packed(filepath.Join("out", id)) {
				break // killed with its work done: the next life would be that of the next batch
			}
		}
		if !evidence.Packed(filepath.Join("out", id)) {
			cmd, text := process(t, args...)
			err := cmd.Wait()
			said += text.String()
			require.NoError(t, err, said)
			require.Contains(t, text.String(), "batch "+id+": ", "a batch that was cut short goes on under its name\n%s", said)
		}
		for _, r := range of(judge(t, id, said), record.KindRecovery) {
			recoveries++
			lost = max(lost, int(r.Int(record.LossIntervalS)))
		}
	}
	t.Logf("%d kills, %d recoveries, every batch complete and whole", kills, recoveries)
}

func TestABoardWhosePowerIsCutBootsAndItsBatchGoesOn(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	for n := 1; n <= count(1, 50); n++ {
		rng := rand.New(rand.NewPCG(uint64(n), 2))
		after := time.Duration(rng.Int64N(int64(3500*time.Millisecond))) + time.Millisecond
		cmd, said := process(t, "-speed", "10", "-faults", restarts(t), "-powercut", after.String())
		err := cmd.Wait()
		require.NoError(t, err, "cut after %s\n%s", after, said)
		if id := fmt.Sprintf("B-%04d", n); evidence.Packed(filepath.Join("out", id)) {
			judge(t, id, fmt.Sprintf("cut after %s\n%s", after, said))
		}
	}
}

func TestABatchThatWasCutShortIsContinuedOnlyAsItIsBound(t *testing.T) {
	workplace(t)
	cmd, said := process(t, "-speed", "10")
	waitForRecord(t, "out/B-0001", "step_state")
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), said)
	before := listing(t, "out/B-0001")
	edit(t, "recipe.yaml", "title: Blend", "title: Another blend")
	for _, c := range []struct{ args, says string }{
		{"-recipe recipe.yaml", "is bound to recipe BLEND-AB 1.0 as it was; leave out -recipe to continue it"},
		{"-size 250kg", "is bound to size 200 kg; leave out -size"},
		{"-operator ines", "is bound to operator demo; leave out -operator"},
		{"-seed 9", "is bound to seed 1; leave out -seed"},
		{"-virtual -batch B-0001", "virtual time cannot continue it: its plant is gone"},
	} {
		o := controller(strings.Fields(c.args)...)
		require.Equal(t, exitFailed, o.code, o)
		require.Contains(t, o.err, c.says)
		require.Equal(t, before, listing(t, "out/B-0001"))
	}
	data, err := os.ReadFile("out/B-0001/files/recipe.yaml")
	require.NoError(t, err)
	write(t, "out/B-0001/files/recipe.yaml", strings.Replace(string(data), "60 s", "61 s", 1))
	o := controller("-speed", "10")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "batch B-0001 was cut short: it cannot be continued: ")
	require.Contains(t, o.err, "\nthe outputs of map T301-IO were driven to their safe values\n")
	at, _ := findPlant("out/plant")
	c, err := modbus.Dial(context.Background(), at.Address, nil)
	require.NoError(t, err)
	defer c.Close()
	var coils [8]bool
	require.NoError(t, c.ReadCoils(context.Background(), 0, 0, coils[:]))
	require.Equal(t, [8]bool{}, coils, "nothing goes on that nobody controls")
	require.Contains(t, o.err, "has no file with the digest of the recipe BLEND-AB 1.0")
}

func TestAPlantThatALivingControllerUsesIsRefusedToOthers(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	cmd, said := process(t, "-speed", "5", "-batch", "ONE", "-faults", restarts(t)) // so that it lives for seconds yet on a busy machine
	waitForRecord(t, "out/ONE", "step_state")
	for _, id := range []string{"ONE", "TWO"} {
		o := controller("-speed", "5", "-batch", id)
		require.Equal(t, exitFailed, o.code)
		require.Contains(t, o.err, "is in use by a controller that lives; wait for its end, or give another -out")
		require.NoDirExists(t, "out/TWO")
	}
	require.NoError(t, cmd.Wait(), said)
	judge(t, "ONE", said.String())
}

func TestAPlantStateThatDoesNotFitIsRefusedAndLeftAsItIs(t *testing.T) {
	workplace(t)
	cmd, _ := process(t, "-speed", "10")
	waitForRecord(t, "out/B-0001", "step_state")
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.NoError(t, endPlant(context.Background(), "out/plant"))
	state := "sim plant 1 of another kind\n"
	write(t, "out/plant/state", state)
	o := controller("-speed", "10")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "sim: plant: state refused")
	require.Contains(t, o.err, "its state is left as it is")
	data, err := os.ReadFile("out/plant/state")
	require.NoError(t, err)
	require.Equal(t, state, string(data))
}

func TestTheBatchInPlaceOfAnAbortedOneNamesItAndFindsItsPlant(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	edit(t, "recipe.yaml", "recovery: hold", "recovery: restart")
	edit(t, "recipe.yaml", "recovery: hold", "recovery: restart")
	edit(t, "recipe.yaml", "WT301 < 1.00 kg", "WT301 < 400 kg") // what the other batch has charged is no hindrance
	cmd, said := process(t, "-speed", "10", "-unapproved", "-recipe", "recipe.yaml", "-faults", restarts(t))
	waitForRecord(t, "out/B-0001", "window_start")
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), said)
	cmd, said = process(t, "-speed", "10", "-unapproved", "-json", "-faults", restarts(t))
	require.NoError(t, cmd.Wait(), said)
	var s summary
	require.NoError(t, json.Unmarshal(said.Bytes(), &s))
	require.Equal(t, [3]string{"B-0002", "B-0001", "Complete"}, [3]string{s.Batch, s.RestartOf, s.State})
	require.Equal(t, "B-0001", of(records(t, "out/B-0002"), record.KindBatchCreated)[0].Text(record.RestartOf))
	for _, id := range []string{"B-0001", "B-0002"} {
		report, err := evidence.Verify("out/" + id)
		require.NoError(t, err)
		require.True(t, report.OK(), report.Verdict())
	}
}

// waitForRecord waits until another process has written a record of a kind to the first segment of a batch's journal, for as long
// as that may take on a busy machine.
func waitForRecord(t *testing.T, dir, kind string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(forLong); ; <-tick.C {
		there := false // what is not committed yet may be set aside after a kill
		_, _ = journal.Scan(filepath.Join(dir, "journal"), func(_ uint64, body []byte, _ journal.Chain) error {
			there = there || bytes.Contains(body, []byte(`"event_type":"`+kind+`"`))
			return nil
		}, nil) // it may not be there yet
		if there {
			return
		}
		require.True(t, time.Now().Before(deadline), "no record %s came", kind)
	}
}

func TestAPlantThatDiedWithItsControllerIsBackASecondAgoAndTheTotalSaysSo(t *testing.T) {
	if aside(t) {
		return
	}
	dir := place(t)
	out, before := cutShort(t, dir)
	o := controller("-out", out, "-speed", "10", "-faults", restartsUntil(t, dir, never))
	require.Equal(t, exitOK, o.code, o)
	_, all := whole(t, filepath.Join(out, "B-0001"), before+o.String())
	guarded(t, all)
	require.Equal(t, []string{"NOT_GOOD"}, texts(all, record.KindWindowStop, record.Result))
	require.NotEqual(t, "PASS", of(all, record.KindReconcile)[0].Text(record.ReconcileStatus))
	want := "missing samples"
	if wentBack(t, filepath.Join(out, "B-0001", "samples", "A.tsv")) { // what the controller had read last was younger than what the plant had kept
		want = "rollover"
	}
	require.Equal(t, want, of(all, record.KindReconcile)[0].Text(record.Hint))
}

// wentBack tells whether a count of a window's samples is less than the one before it.
func wentBack(t *testing.T, name string) bool {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	last := uint64(0)
	for line := range strings.Lines(string(data)) {
		f := strings.Split(line, "\t")
		require.Len(t, f, 3)
		if f[1] == "" {
			continue // a cut, or no value
		}
		n, err := strconv.ParseUint(f[1], 10, 64)
		require.NoError(t, err)
		if n < last {
			return true
		}
		last = n
	}
	return false
}
