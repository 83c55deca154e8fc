// Tests of why on packages that the runner has made of the demo.

package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/sequencer"
)

// record finds the number of the first record that query prints for some words.
func numberOf(t *testing.T, dir string, words ...string) string {
	t.Helper()
	code, out, errs := command(append([]string{"query", dir}, words...)...)
	require.Equal(t, exitOK, code, errs)
	require.NotEmpty(t, out, "%v", words)
	number, _, _ := strings.Cut(out, "\t")
	return number
}

func TestWhySaysWhatStoppedADemoInWhichSomethingWentWrong(t *testing.T) {
	for name, c := range map[string]struct {
		fault []string
		what  func(dir string) string
	}{
		"silent": {[]string{"silent", "ctr/1", "2s"}, func(dir string) string { return numberOf(t, dir, "batch_state=Holding") }},
		"refuse": {[]string{"refuse", "do/1", "60s"}, func(dir string) string { return numberOf(t, dir, "kind=batch_end") }},
		"estop":  {[]string{"estop", "1s"}, func(dir string) string { return numberOf(t, dir, "batch_state=Holding") }},
		"whole":  {nil, func(dir string) string { return numberOf(t, dir, "step_id=HEAT", "action_state=end", "command=wait") }},
		"held":   {[]string{"silent", "ctr/1", "2s"}, func(string) string { return "CHARGE_A" }},
	} {
		dir := demoRun(t, 2, c.fault...)
		code, out, errs := command("why", dir, c.what(dir))
		require.Equal(t, exitOK, code, errs)
		golden.Check(t, "testdata/why_"+name+".golden", []byte(out))
	}
}

func TestWhyOfWhatIsNotThereSaysWhatThereIs(t *testing.T) {
	dir := demoRun(t, 1)
	code, _, errs := command("why", dir, "100000")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "there is no record 100000; there are records 1 to ")
	require.Contains(t, errs, "evidence query "+dir)
	code, _, errs = command("why", dir, "HEATT")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, `the recipe has no step "HEATT"; its steps: BLEND, PREPARE, CHARGE, CHARGE_A, CHARGE_B and `)
	code, _, errs = command("why", t.TempDir(), "1")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "no evidence package")
	code, _, errs = command("why", dir, "HEAT", "STIR")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "evidence why DIR [NUMBER|STEP]")
}

// guarded runs a batch with interlocks. The scale is BAD from 5 s on, so a trip holds the batch; then it is told what is due at each time.
func guarded(t *testing.T, do map[int64]runner.Command) (dir string) {
	t.Helper()
	plan, err := batch.Load(os.DirFS("../../batch/batchtest/testdata/scenarios"), "charge.yaml", "map_guards.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: 1})
	require.NoError(t, err)
	plant := sim.NewPlant(1)
	f, err := sim.ParseFault("bad", []string{"ai/5", "60s"})
	require.NoError(t, err)
	f.At = 5_000_000_000
	require.NoError(t, plant.Fault(f))
	opt := &runner.Options{Virtual: &runner.Virtual{}}
	for _, s := range slices.Sorted(maps.Keys(do)) {
		opt.Schedule = append(opt.Schedule, runner.Scheduled{At: s * 1_000_000_000, Do: func(r *runner.Runner) { require.NoError(t, r.Tell(do[s])) }})
	}
	dir = filepath.Join(t.TempDir(), "B-0001")
	if _, err = runner.Run(context.Background(), b, runner.Rig{Port: plant, Dir: dir}, opt); err != nil {
		require.ErrorIs(t, err, runner.ErrNobody)
	}
	return dir
}

// inShort is the first line of an explanation.
func inShort(t *testing.T, dir string, what ...string) string {
	t.Helper()
	code, out, errs := command(append([]string{"why", dir}, what...)...)
	require.Equal(t, exitOK, code, errs)
	line, _, _ := strings.Cut(out, "\n")
	return line
}

func TestWhyOfTheProcedureOrABlockSaysWhyTheBatchWasHeldOrAborted(t *testing.T) {
	dir := demoRun(t, 2, "silent", "ctr/1", "2s")
	const lost = "FC101 is STALE, it was GOOD; its value was 0.500 s old (4.450 s after the start)"
	require.Equal(t, "BLEND: the batch is Held: "+lost, inShort(t, dir))
	require.Equal(t, inShort(t, dir), inShort(t, dir, "BLEND"))
	require.Equal(t, "CHARGE: CHARGE_B is Held: "+lost, inShort(t, dir, "CHARGE"))
	require.Contains(t, inShort(t, dir, "PREPARE"), "PREPARE is Complete: ")
	require.Equal(t, "REACT has not begun", inShort(t, dir, "REACT"))

	dir = guarded(t, map[int64]runner.Command{
		7: {Command: sequencer.Manual, Operator: "op1", Reason: "by hand"},
		9: {Command: sequencer.HardAbort, Operator: "op9", Reason: "fire"},
	})
	require.Equal(t, "RINSE: the batch is Aborted: op9 ordered hard_abort: fire (9.000 s after the start)", inShort(t, dir))
	require.Equal(t, "RINSE is in manual; it was in automatic: op1 ordered manual: by hand (7.000 s after the start)",
		inShort(t, dir, numberOf(t, dir, "kind=mode_change")))
}

func TestWhyOfATripSaysThatItsValueIsNotGood(t *testing.T) {
	dir := guarded(t, nil)
	code, out, errs := command("why", dir)
	require.Equal(t, exitOK, code, errs)
	golden.Check(t, "testdata/why_trip.golden", []byte(out))
	require.NotContains(t, out, "just before: alarm", "an alarm tells, and is no cause")
}
