// What operators tell a batch, from the loop to the package: parameters that are changed, answers, comments.

package runner

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// attended runs a batch on the simulated plant in virtual time with operators, replays it from every record on and with a machine
// restored before every record, verifies its package, and returns its records.
func attended(t *testing.T, b *batch.Batch, ask func(r *Runner, p Prompt), schedule ...Scheduled) (list []*record.Record, res Result) {
	t.Helper()
	var bodies [][]byte
	dir := filepath.Join(t.TempDir(), b.ID)
	res, err := Run(t.Context(), b, Rig{Port: sim.NewPlant(b.Seed), Dir: dir}, &Options{Virtual: &Virtual{Sync: true, UTC: virtualUTC}, Ask: ask,
		Schedule: schedule, Record: func(_ record.Kind, body []byte) { bodies = append(bodies, slices.Clone(body)) }})
	require.NoError(t, err)
	replay := b.Replay()
	for _, body := range bodies {
		r, err := record.Parse(body)
		require.NoError(t, err)
		list = append(list, r)
		next := b.Start()
		require.NoError(t, next.Restore(replay.Machine.Snapshot(nil)))
		replay.Machine = next
		require.NoError(t, replay.Record(r))
	}
	require.NoError(t, replay.End())
	report, err := evidence.Verify(dir)
	require.NoError(t, err)
	require.True(t, report.OK(), "%v", report)
	again, err := evidence.Rebind(dir)
	require.NoError(t, err)
	replay = again.Replay()
	for i, r := range list {
		require.NoError(t, replay.Record(r))
		if len(replay.Lacking()) > 0 || i < 5 || replay.Machine.Ended() {
			continue
		}
		// A resume here comes to the same end.
		from, err := again.ReplayFrom(replay.Machine.Checkpoint(nil, int64(r.Count(record.TsMonoNS))), r.Seq())
		if err == nil && i%7 == 0 {
			for _, r := range list[i+1:] {
				require.NoError(t, from.Record(r), "from record %d", i+1)
			}
			require.NoError(t, from.End())
		}
		require.NoError(t, err)
	}
	require.NoError(t, replay.End())
	return list, res
}

// ordered gives a command at a time.
func ordered(at int64, c Command) Scheduled {
	c.Operator, c.Role, c.Reason = "op1", "shift_lead", "as ordered"
	return Scheduled{At: at, Do: func(r *Runner) { _ = r.Tell(c) }}
}

// told are the lines of what people did, and what became of it.
func told(list []*record.Record) string {
	var out strings.Builder
	for _, r := range list {
		text, line := r.Text, ""
		switch r.Kind {
		case record.KindCommand:
			line = fmt.Sprintf("%s (%s) orders %s %s %s: %s", text(record.OperatorID), text(record.OperatorRole), text(record.Command),
				text(record.Parameter), text(record.Value), text(record.ChangeReason))
		case record.KindCommandResult:
			line = fmt.Sprintf("  %s: %s %s", text(record.Command), text(record.Result), text(record.Detail))
		case record.KindParameterChange:
			line = fmt.Sprintf("  %s was %s and is %s %s, by %s (%s): %s; it touches %s; cause %v", text(record.Parameter), text(record.OldValue),
				text(record.NewValue), text(record.Unit), text(record.Actor), text(record.OperatorRole), text(record.ChangeReason),
				text(record.ImpactScope), r.Counts(record.Cause))
		case record.KindPrompt:
			line = fmt.Sprintf("prompt %d of %s: %s [%s %s %s %s %s %v %d %s]", r.Int(record.PromptID), text(record.StepID), text(record.Message),
				text(record.Answer), text(record.MinValue), text(record.MaxValue), text(record.Resolution), text(record.Unit),
				r.Texts(record.Choices), r.Int(record.MaxLength), text(record.Parameter))
		case record.KindPromptAnswer:
			line = fmt.Sprintf("%s (%s) answers %d: %s", text(record.OperatorID), text(record.OperatorRole), r.Int(record.PromptID), text(record.Value))
		case record.KindWindowStart:
			line = fmt.Sprintf("window %s opens for %s %s", text(record.MeterWindowID), text(record.Target), text(record.Unit))
		case record.KindWindowStop:
			line = fmt.Sprintf("window %s closes: target %s, tolerance %s, %s", text(record.MeterWindowID), text(record.Target),
				text(record.Tolerance), text(record.Result))
		case record.KindOutputWrite:
			if text(record.LogicalTag) == "TIC301.sp" {
				line = fmt.Sprintf("TIC301.sp = %s Cel", text(record.Value))
			}
		case record.KindActionState:
			if text(record.ActionState) == "start" && (text(record.StepID) == "SOAK" || text(record.StepID) == "HEAT") {
				line = fmt.Sprintf("%s waits: %s", text(record.ActionID), text(record.WaitReason))
			} else if text(record.StepID) == "SOAK" {
				line = fmt.Sprintf("%s ends after %s ms", text(record.ActionID), text(record.ElapsedMS))
			}
		case record.KindBatchState:
			line = "batch is " + text(record.BatchState)
		}
		if line != "" {
			fmt.Fprintf(&out, "%4d %7.3f  %s\n", r.Seq(), float64(r.Count(record.TsMonoNS))/1e9, line)
		}
	}
	return out.String()
}

func TestAParameterThatIsChangedWhileHeldHoldsForTheRestOfTheBatch(t *testing.T) {
	change := func(at int64, name, value string) Scheduled {
		return ordered(at, Command{Command: sequencer.Change, Name: name, Value: value})
	}
	hold, restart := Command{Command: sequencer.Hold}, Command{Command: sequencer.Restart}
	b := demoBatch(t, 3)
	list, res := attended(t, b, func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "op2", "laboratory") },
		change(3*second, "charge_a", "110 kg"), // not held
		ordered(4*second, hold),
		change(6*second, "charge_a", "110.00 kg"),
		change(6*second, "charge_a", "0.11 t"), // the same
		change(6*second, "charge_a", "300 kg"),
		change(6*second, "charge_a", "110 L"),
		change(6*second, "charge_a", "110"),
		change(6*second, "charge_a", "lots"),
		change(6*second, "charge_c", "110 kg"),
		change(6*second, "charge_a", "110.005 kg"), // no whole counts of the meter
		change(6*second, "hold_time", "0 s"),
		ordered(6*second, Command{Command: sequencer.Change, Name: "charge_a", Value: "110 kg", Step: "CHARGE_A"}),
		ordered(6*second, Command{Command: sequencer.Comment}),
		ordered(6*second, Command{Command: sequencer.Comment, Step: "CHARGE_B"}),
		ordered(6*second, Command{Command: sequencer.Comment, Step: "CHARGE_C"}),
		ordered(6*second, Command{Command: sequencer.Acknowledge, Name: "LOW"}),
		ordered(6*second, Command{Command: sequencer.ResetInterlock, Name: "LID"}),
		ordered(7*second, restart),
		ordered(25*second, hold),
		change(26*second, "temperature", "75.0 Cel"),
		change(26*second, "temperature", "59.95 Cel"), // no whole counts of the set point
		change(26*second, "hold_time", "8 s"),
		ordered(27*second, restart))
	require.Equal(t, sequencer.Complete, res.State)
	golden.Check(t, "testdata/operator/change.golden", []byte(told(list)))
	require.Equal(t, "110.00", res.Windows[slices.IndexFunc(res.Windows, func(w Window) bool { return w.ID == "A" })].Target)
	fresh, _ := b.Plan.Recipe.Resolve(b.Size)
	was, _ := fresh.Lookup("charge_a")
	require.Equal(t, "120.00 kg", was.String())
}

func TestAnswersOfAllKindsAreTakenOrRefusedAndTheNumberBecomesTheParameter(t *testing.T) {
	plan := demoPlan(t, "        - mark: tank empty and shut\n", `        - prompt: {text: Connect the hose., answer: confirm}
        - prompt: {text: Choose a filter., answer: choice, choices: [left, right]}
        - prompt: {text: Number the lot., answer: text, max_length: 6}
        - prompt: {text: Weigh A., answer: number, min: 60 kg, max: 200.00 kg, resolution: 0.05 kg, into: charge_a}
        - prompt: {text: Choose the heat., answer: number, min: 40 Cel, max: 80 Cel, into: temperature}
`, "timeout: 20 s", "timeout: 60 s")
	b, err := plan.Bind("B-0002", "", batch.Unapproved, &batch.BindOptions{Seed: 4})
	require.NoError(t, err)
	tries := map[string][]string{"Connect the hose.": {"no", "yes"}, "Choose a filter.": {"middle", "right"}, "Number the lot.": {"L-12345", "L-1234"},
		"Weigh A.": {"100", "250 kg", "100.01 kg", "100.05 kg"}, "Choose the heat.": {"62.05 Cel", "62.0 Cel"}}
	list, res := attended(t, b, func(r *Runner, p Prompt) {
		for _, text := range append(tries[p.Text], "late") {
			_ = r.Answer(p.ID, text, "op2", "operator")
		}
	})
	require.Equal(t, sequencer.Complete, res.State)
	golden.Check(t, "testdata/operator/answers.golden", []byte(told(list)))
	require.Equal(t, "100.05", res.Windows[slices.IndexFunc(res.Windows, func(w Window) bool { return w.ID == "A" })].Target)
}

func TestAnAnswerReachesWhatRunsBesideItAtOnceAndWhatIsHeldOnRestart(t *testing.T) {
	plan := demoPlan(t, "        - id: CHARGE_B\n", `        - id: WEIGH
          level: phase
          timeout: 60 s
          actions:
            - prompt: {text: Weigh A., answer: number, min: 60.0 kg, max: 200.0 kg, into: charge_a}
            - prompt: {text: Weigh B., answer: number, min: 30.0 kg, max: 170.0 kg, into: charge_b}

        - id: CHARGE_B
`)
	b, err := plan.Bind("B-0004", "", batch.Unapproved, &batch.BindOptions{Seed: 6})
	require.NoError(t, err)
	says := func(at int64, id uint32, text string) Scheduled {
		return Scheduled{At: at, Do: func(r *Runner) { _ = r.Answer(id, text, "op2", "operator") }}
	}
	list, res := attended(t, b, func(r *Runner, p Prompt) {
		if p.Step == "SAMPLE" {
			_ = r.Answer(p.ID, "ok", "op2", "laboratory")
		}
	}, says(3*second, 1, "90.00 kg"), ordered(4*second, Command{Command: sequencer.Hold}), says(5*second, 2, "60.00 kg"),
		ordered(6*second, Command{Command: sequencer.Restart}))
	require.Equal(t, sequencer.Complete, res.State)
	golden.Check(t, "testdata/operator/beside.golden", []byte(told(list)))
}

func TestAPromptTellsWhatItWants(t *testing.T) {
	plan := demoPlan(t, "        - mark: tank empty and shut\n", "        - prompt: {text: Choose a filter., answer: choice, choices: [left, right]}\n")
	b, err := plan.Bind("B-0003", "", batch.Unapproved, &batch.BindOptions{Seed: 5})
	require.NoError(t, err)
	var asked []Prompt
	attended(t, b, func(r *Runner, p Prompt) {
		asked = append(asked, p)
		_ = r.Answer(p.ID, "left", "op2", "operator")
	})
	require.Len(t, asked, 2)
	require.Equal(t, recipe.Answer{Kind: recipe.AnswerChoice, Choices: []string{"left", "right"}}, asked[0].Answer)
	require.Equal(t, recipe.Answer{}, asked[1].Answer)
}

func TestWhatIsTooLongForARecordIsNotCutBehindAnybodysBack(t *testing.T) {
	r, err := New(demoBatch(t, 1), Rig{Port: sim.NewPlant(1), Dir: "unused"}, nil)
	require.NoError(t, err)
	long := strings.Repeat("x", batch.MaxDetail+1)
	require.EqualError(t, r.Answer(1, long, "op1", ""), "runner: an answer of 201 bytes; a record takes 200")
	require.NoError(t, r.Answer(1, long[1:], "op1", ""))
	require.EqualError(t, r.Tell(Command{Command: sequencer.Comment, Operator: "op1", Reason: long}),
		"runner: a comment of 201 bytes; a record takes 200, so make several")
	require.NoError(t, r.Tell(Command{Command: sequencer.Comment, Operator: "op1", Reason: long[1:]}))

	is := Command{Command: sequencer.Change, Name: "charge_a", Value: "1 kg", Operator: "op1", Reason: "weaker lot"}
	require.NoError(t, r.Tell(is))
	for name, set := range map[string]func(*Command, string){
		"step": func(c *Command, s string) { c.Step = s }, "target": func(c *Command, s string) { c.Target = s },
		"name": func(c *Command, s string) { c.Name = s }, "value": func(c *Command, s string) { c.Value = s },
		"operator": func(c *Command, s string) { c.Operator = s }, "role": func(c *Command, s string) { c.Role = s },
	} {
		for text, bytes := range map[string]int{long: 201, "\xff": 1, "1." + strings.Repeat("0", 193) + "1 kg/h": 201, strings.Repeat("\xffx", 70): 140} {
			c := is
			set(&c, text)
			require.EqualError(t, r.Tell(c), fmt.Sprintf("runner: command change: %s of %d bytes; a record takes 200, of UTF-8", name, bytes))
		}
		c := is
		set(&c, long[1:])
		require.NoError(t, r.Tell(c))
	}
	require.EqualError(t, r.Answer(1, "yes", long, ""), "runner: answer: operator of 201 bytes; a record takes 200, of UTF-8")
	require.EqualError(t, r.Answer(1, "\xff", "op1", ""), "runner: answer: value of 1 bytes; a record takes 200, of UTF-8")
}

func TestAChangedParameterOutlivesACutAtAnyTimeAndTheRecoverySaysWhatWasUnderWay(t *testing.T) {
	b, changed, short := demoBatch(t, 7), 0, 0
	for death := 5 * second; death < 33*second; death += 1_710_000_000 {
		disk := newMemory()
		m := &mortal{trace: newTrace(t, 7), period: [...]int64{0, second, 3 * second}[changed%3], death: death, orders: []Scheduled{
			ordered(3*second, Command{Command: sequencer.Hold}),
			ordered(4*second, Command{Command: sequencer.Change, Name: "charge_a", Value: "110.00 kg"}),
			ordered(4*second+1, Command{Command: sequencer.Change, Name: "temperature", Value: "65.0 Cel"})}}
		rng := rand.New(rand.NewPCG(7, uint64(death)))
		require.ErrorIs(t, m.live(t, b, disk, rng), errCut)
		m.offset, m.birth, m.death, m.orders = m.now+second, 1, 1<<62-1, nil
		m.plant.Advance(m.offset, func(tag.Raw) {})
		m.plant.Boot(m.offset + 1)
		require.NoError(t, m.live(t, b, disk, rng))
		require.Equal(t, sequencer.Complete, m.result.State)
		m.trace.reload(disk)
		replayed(t, b, m.trace)
		changes := 0
		for _, body := range m.bodies {
			r, err := record.Parse(body)
			require.NoError(t, err)
			switch r.Kind {
			case record.KindParameterChange:
				changes++
			case record.KindRecovery:
				require.NotEmpty(t, r.Text(record.PhaseState))
				require.Regexp(t, `^\w+=(Running|Held|Holding|Restarting)(; \w+=\w+)*$`, r.Text(record.PhaseState))
				used := strings.Contains(r.Text(record.RecoveryPath), fmt.Sprintf("follows from checkpoint %d ", r.Count(record.CheckpointID)))
				require.Equal(t, r.Has(record.CheckpointID), used, r.Text(record.RecoveryPath))
				if used {
					short++
				}
				parted(t, b, m.bodies, r)
			}
		}
		require.Equal(t, 2, changes, "a life of %d ns", death)
		require.Equal(t, "110.00", m.result.Windows[slices.IndexFunc(m.result.Windows, func(w Window) bool { return w.ID == "A" })].Target)
		changed++
	}
	t.Logf("%d batches were cut, %d came up from a checkpoint", changed, short)
	require.NotZero(t, short)
	require.Less(t, short, changed)
}

// parted tells that a replay refuses a recovery that says that something else was under way.
func parted(t *testing.T, b *batch.Batch, bodies [][]byte, recovery *record.Record) {
	t.Helper()
	replay := b.Replay()
	for _, body := range bodies[:recovery.Seq()-1] {
		r, err := record.Parse(body)
		require.NoError(t, err)
		require.NoError(t, replay.Record(r))
	}
	was := recovery.Text(record.PhaseState)
	edited := bytes.Replace(recovery.Body, []byte(was), []byte("DISCHARGE=Running"), 1)
	r, err := record.Parse(edited)
	require.NoError(t, err)
	if was != "DISCHARGE=Running" {
		var d *batch.Divergence
		require.ErrorAs(t, replay.Record(r), &d)
		require.Equal(t, "phase_state "+was, d.Got)
	}
}
