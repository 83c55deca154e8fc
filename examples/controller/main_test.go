// Tests of the command as a newcomer runs it: the demo, its flags, and what it prints and leaves.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/journal/record"
)

func TestTheDemoEndsWithTotalsReconciliationVerdictAndThePlaceOfTheEvidence(t *testing.T) {
	workplace(t)
	o := done(t, "-virtual")
	for _, want := range []string{
		"batch B-0001: BLEND-AB 1.0, 200 kg, on T301; evidence in out",
		"recipe      BLEND-AB 1.0, approval BUILTIN-DEMO by builtin",
		"batch    B-0001 is Complete\n",
		" kg, target 120.00, delta ", "tolerance 0.30: PASS\n",
		"reconciliation with the meter's own total, ", " kg: PASS; historian: none\n",
		"outputs  all at their safe values\n",
		": verified, 12 checks hold; no anchor, no signature\n",
		"\nevidence out",
		"evidence verify out", "evidence replay out",
	} {
		require.Contains(t, o.out, want)
	}
	require.Equal(t, 2, strings.Count(o.out, "\ntotal "), "two liquids, two totals")
	report, err := evidence.Verify("out/B-0001")
	require.NoError(t, err)
	require.True(t, report.OK())
	replay, err := evidence.Replay("out/B-0001")
	require.NoError(t, err)
	require.Nil(t, replay.Divergence)
	require.False(t, replay.Cut)
}

func TestAVirtualBatchTakesLessThanASecond(t *testing.T) {
	workplace(t)
	best := time.Hour
	for n := 0; n < 20 && best >= time.Second; n++ { // the machine may be busy with something else
		begin := time.Now()
		done(t, "-virtual")
		best = min(best, time.Since(begin))
	}
	require.Less(t, best, time.Second)
}

func TestBatchesAreNumberedInTheOrderInWhichTheyAreRun(t *testing.T) {
	workplace(t)
	for n := 1; n <= 3; n++ {
		o := done(t, "-virtual")
		require.Contains(t, o.out, fmt.Sprintf("batch    B-%04d is Complete", n))
	}
	require.Contains(t, done(t, "-virtual", "-batch", "B-0005").out, "batch    B-0005 is Complete")
	require.Contains(t, done(t, "-virtual").out, "batch    B-0006 is Complete", "a number that was left out is not given to a later batch")
}

func TestEqualSeedsLeaveEqualBytesAndOthersDoNot(t *testing.T) {
	workplace(t)
	for _, run := range [][2]string{{"a", "7"}, {"b", "7"}, {"c", "8"}} {
		done(t, "-virtual", "-out", run[0], "-seed", run[1])
	}
	files := func(out string) map[string]string {
		all := map[string]string{}
		for name, digest := range listing(t, out+"/B-0001") {
			all[strings.TrimPrefix(name, out)] = digest
		}
		return all
	}
	require.Equal(t, files("a"), files("b"))
	require.Equal(t, slices.Sorted(maps.Keys(files("a"))), slices.Sorted(maps.Keys(files("c"))))
	require.NotEqual(t, files("a")["/B-0001/events.tsv"], files("c")["/B-0001/events.tsv"])
}

func TestOperatorSizeAndSeedStandInTheRecords(t *testing.T) {
	workplace(t)
	o := done(t, "-virtual", "-operator", "ines", "-size", "250 kg", "-seed", "12")
	require.Contains(t, o.out, "BLEND-AB 1.0, 250 kg, on T301")
	require.Contains(t, o.out, " kg, target 150.00, ", "120 kg of A in 200 kg are 150 kg in 250 kg")
	all := records(t, "out/B-0001")
	for _, r := range all {
		if r.Kind != record.KindPromptAnswer { // the demo's own answer is that of an operator named auto
			require.Equal(t, "ines", r.Text(record.OperatorID))
		}
		require.False(t, r.Has(record.Unapproved), "approved, and so not marked")
	}
	require.Equal(t, "250 kg", all[0].Text(record.BatchSize))
	require.EqualValues(t, 12, all[0].Count(record.Seed))
}

func TestJSONIsOneObjectWithStableKeysAndNothingElse(t *testing.T) {
	page := here(t, "summary_keys.golden")
	workplace(t)
	o := done(t, "-virtual", "-json")
	dec := json.NewDecoder(strings.NewReader(o.out))
	var whole map[string]any
	require.NoError(t, dec.Decode(&whole))
	_, err := dec.Token()
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "Complete", whole["batch_state"])
	require.Equal(t, true, whole["verified"])
	require.Empty(t, whole["unsafe_outputs"])
	require.Len(t, whole["windows"], 2)

	write(t, "stop", "at 16s command abort op1 \"smell of burning\"\n")
	o = controller("-virtual", "-json", "-faults", "stop")
	require.Equal(t, exitFailed, o.code)
	var aborted map[string]any
	require.NoError(t, json.Unmarshal([]byte(o.out), &aborted))
	require.Equal(t, "Aborted", aborted["batch_state"])
	require.Equal(t, keys("", whole), keys("", aborted), "the keys are the same, whatever a batch comes to")

	golden.Check(t, page, []byte(strings.Join(keys("", whole), "\n")+"\n"))
}

// keys gives every key of a JSON value with the way to it.
func keys(path string, v any) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			all = append(all, keys(path+"."+k, v[k])...)
		}
	case []any:
		if len(v) == 0 {
			return []string{path + "[]"}
		}
		all = append(all, keys(path+"[]", v[0])...)
	default:
		all = []string{path}
	}
	return all
}

func TestABatchThatIsNotApprovedSaysSoInEveryRecord(t *testing.T) {
	workplace(t)
	edit(t, "recipe.yaml", "version: \"1.0\"", "version: \"1.1\"")
	o := done(t, "-virtual", "-unapproved", "-recipe", "recipe.yaml", "-json")
	require.Contains(t, o.out, `"unapproved":true`)
	o = done(t, "-virtual", "-unapproved", "-recipe", "recipe.yaml")
	require.Contains(t, o.out, "recipe      BLEND-AB 1.1, NOT APPROVED\n")
	for _, r := range records(t, "out/B-0002") {
		require.True(t, r.Bool(record.Unapproved), "record %d", r.Seq())
	}
	require.NoDirExists(t, "out/device", "what asks for no approval needs no device journal")
}

func TestFaultsHappenAndOperatorsActWhenTheScriptSays(t *testing.T) {
	workplace(t)
	write(t, "script", "at 5s  silent ctr/1 3s                   # the meter of line A\nat 12s command restart op1 \"meter is back\"\n")
	o := done(t, "-virtual", "-faults", "script")
	require.Contains(t, o.out, "FC101 is STALE (it was GOOD)")
	require.Contains(t, o.out, "  12.000 s  op1 orders restart, because: meter is back: accepted")
	require.Contains(t, o.out, "tolerance 0.30: NOT_GOOD\n", "no total is proven whose samples are missing")
	given := of(records(t, "out/B-0001"), record.KindCommand)
	last := given[len(given)-1]
	require.Equal(t, [3]string{"restart", "op1", "meter is back"},
		[3]string{last.Text(record.Command), last.Text(record.OperatorID), last.Text(record.ChangeReason)})

	write(t, "script", "at 5s  silent ctr/1 3s\n")
	o = controller("-virtual", "-faults", "script")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.out, "batch    B-0002 is Held\n")
	require.Contains(t, o.out, "outputs  all at their safe values\n")
	require.Contains(t, o.err, "waits for an operator and none is scheduled: it is Held, and wants restart; a fault script can give what is wanted, behind what it has:\n"+
		"  at 12s command restart op1 \"why\"\n")
}

func TestAScriptTakesABatchInHand(t *testing.T) {
	workplace(t)
	write(t, "script", "at 1s command manual op1 \"by hand\" BLEND\nat 2s command go_to op1 \"no\" BLEND BLEND\nat 60s command automatic op1 \"enough\"\n")
	o := done(t, "-virtual", "-faults", "script")
	require.Contains(t, o.out, "manual (it was automatic)")
	require.Contains(t, o.out, "op1 orders go_to BLEND to BLEND, because: no: refused (")
}

func TestAFaultScriptOrdersAHardAbort(t *testing.T) {
	workplace(t)
	write(t, "script", "at 5s  command hard_abort op1 \"smoke\"\n")
	o := controller("-virtual", "-faults", "script")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.out, "   5.000 s  op1 orders hard_abort, because: smoke: accepted")
	require.Contains(t, o.out, "batch    B-0001 is Aborted\n")
	require.Contains(t, o.out, "outputs  all at their safe values\n")
	found := of(records(t, "out/B-0001"), record.KindDiagnostics)
	require.Len(t, found, 1)
	require.Equal(t, "hard_abort", found[0].Text(record.Command))
	require.Len(t, found[0].Texts(record.Values), 23, "every tag of the demo")
}

func TestSpeedRunsClockAndPlantFaster(t *testing.T) {
	workplace(t)
	write(t, "bell.yaml", strings.Replace(bell, "100 ms", "12 s", 1))
	begin := time.Now()
	// No faster, or a machine that is busy for a moment has a write fail and the batch held; then it is restarted.
	o := live(context.Background(), strings.NewReader(""), func(string) {}, "-speed", "4", "-unapproved", "-recipe", "bell.yaml", "-faults", restarts(t))
	require.Equal(t, exitOK, o.code, o)
	require.Less(t, time.Since(begin), 12*time.Second)
	all := records(t, "out/B-0001")
	require.Greater(t, all[len(all)-1].Count(record.TsMonoNS), uint64(12*time.Second))
}

func TestAnInterruptAbortsTheBatchAndLeavesItsEvidence(t *testing.T) {
	workplace(t)
	ctx, interrupt := context.WithCancel(context.Background())
	o := live(ctx, strings.NewReader(""), func(text string) {
		if strings.Contains(text, "XV101: open") {
			interrupt()
		}
	})
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.out, "batch    B-0001 is Aborted\n")
	require.Contains(t, o.out, "outputs  all at their safe values\n")
	report, err := evidence.Verify("out/B-0001")
	require.NoError(t, err)
	require.True(t, report.OK(), report.Verdict())
}

// typist types a line before anybody asked, and one when somebody has.
type typist struct {
	lines []string
	early chan struct{} // closed once the first line was read and what was to be done with it is done
	asked chan struct{}
}

// Read gives one line at a time.
func (p *typist) Read(b []byte) (int, error) {
	switch len(p.lines) {
	case 0:
		return 0, io.EOF
	case 1:
		close(p.early)
		<-p.asked
	}
	line := p.lines[0]
	p.lines = p.lines[1:]
	return copy(b, line), nil
}

func TestAPromptIsAnsweredByWhatIsTypedAfterItWasAsked(t *testing.T) {
	workplace(t)
	write(t, "bell.yaml", bell)
	hands := &typist{[]string{"a stray line\n", "coming\n"}, make(chan struct{}), make(chan struct{})}
	o := live(context.Background(), hands, func(text string) {
		<-hands.early
		if strings.Contains(text, "answer, then Enter: ") {
			close(hands.asked)
		}
	}, "-prompt", "-unapproved", "-recipe", "bell.yaml", "-operator", "ines")
	require.Equal(t, exitOK, o.code, o)
	require.Contains(t, o.out, "RING       asks: Is anybody there?\n")
	answers := of(records(t, "out/B-0001"), record.KindPromptAnswer)
	require.Len(t, answers, 1)
	require.Equal(t, [2]string{"coming", "ines"}, [2]string{answers[0].Text(record.Value), answers[0].Text(record.OperatorID)})
}

func TestAPromptThatNobodyCanAnswerSaysHowToGetOut(t *testing.T) {
	workplace(t)
	write(t, "bell.yaml", bell)
	ctx, interrupt := context.WithCancel(context.Background())
	closed := &typist{[]string{}, nil, nil}
	o := live(ctx, closed, func(text string) {
		if strings.Contains(text, "Ctrl-C aborts") || strings.Contains(text, "then Enter") {
			interrupt()
		}
	}, "-prompt", "-unapproved", "-recipe", "bell.yaml")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.out, "nobody can answer, standard input has ended: Ctrl-C aborts the batch\n")
}
