// A batch that somebody takes into his own hands: every order on record, replayed, and cut short at any time.

package runner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// order schedules an order.
func order(at int64, c sequencer.Command, step, target string) Scheduled {
	return Scheduled{at, func(r *Runner) {
		_ = r.Tell(Command{Command: c, Step: step, Target: target, Operator: "op1", Role: "shift lead", Reason: "test"})
	}}
}

// directed are the lines of what persons ordered and what became of it, and of what waited for them.
func directed(list []*record.Record) string {
	var out strings.Builder
	for _, r := range list {
		line := ""
		switch text := r.Text; r.Kind {
		case record.KindCommand:
			line = fmt.Sprintf("%s (%s): %s %s %s", text(record.OperatorID), text(record.OperatorRole), text(record.Command), text(record.StepID),
				text(record.TargetStepID))
		case record.KindCommandResult:
			line = "  " + text(record.Result) + " " + text(record.Detail)
		case record.KindModeChange:
			line = fmt.Sprintf("  %s is %s, was %s", text(record.StepID), text(record.Mode), text(record.OldValue))
		case record.KindActionState:
			if strings.HasSuffix(text(record.StepID), ".step") || text(record.ActionState) == "ready" || text(record.Detail) != "" {
				line = fmt.Sprintf("  %s %s %s%s, caused by %v", text(record.ActionID), text(record.ActionState), text(record.WaitReason),
					text(record.Detail), r.Counts(record.Cause))
			}
		case record.KindStepState:
			line = fmt.Sprintf("  %s %s %s %s", text(record.StepID), text(record.StepState), text(record.PhaseState), text(record.Detail))
		}
		if line != "" {
			fmt.Fprintf(&out, "%4d %7.3f  %s\n", r.Seq(), float64(r.Count(record.TsMonoNS))/1e9, strings.TrimRight(line, " "))
		}
	}
	return out.String()
}

// byHand is a schedule with every order.
func byHand() []Scheduled {
	return []Scheduled{
		order(1*second, sequencer.SemiAutomatic, "", ""),
		order(1*second, sequencer.SemiAutomatic, "MAIN", ""),
		order(6*second, sequencer.Release, "TOPUP", ""),
		order(7*second, sequencer.Manual, "TOPUP", ""),
		order(8*second, sequencer.Force, "DOSE", ""),
		order(9*second, sequencer.GoTo, "TOPUP", "DOSE"),
		order(11*second, sequencer.Hold, "", ""),
		order(13*second, sequencer.Restart, "", ""),
		order(14*second, sequencer.Force, "DOSE", ""),
		order(15*second, sequencer.Force, "TOPUP.until", ""),
		order(16*second, sequencer.GoTo, "MAIN", "STIR"),
		order(20*second, sequencer.GoTo, "MAIN", "BOTH"),
		order(29*second, sequencer.Release, "", ""),
		order(30*second, sequencer.GoTo, "MAIN", "BOTH"),
		order(31*second, sequencer.GoTo, "MAIN", "ROUTE"),
		order(32*second, sequencer.GoTo, "MAIN", "STIR_ON"),
		order(40*second, sequencer.Automatic, "", ""),
	}
}

func TestABatchThatIsTakenInHandIsOnRecordAndReplays(t *testing.T) {
	b := speak(t, "400 L")
	list, res := live(t, b, byHand()...)
	golden.Check(t, "testdata/language/by_hand.golden", []byte(directed(list)))
	require.Equal(t, sequencer.Complete, res.State)
	replay := b.Replay()
	for i, r := range list { // from every record on
		require.NoError(t, replay.Record(r))
		if len(replay.Lacking()) > 0 || r.Kind.Spec().Grade == record.Note || r.Seq() < 8 || i%7 > 0 {
			continue
		}
		rest, err := b.ReplayFrom(replay.Machine.Checkpoint(nil, int64(r.Count(record.TsMonoNS))), r.Seq())
		require.NoError(t, err)
		for _, later := range list[i+1:] {
			require.NoError(t, rest.Record(later), "from record %d", r.Seq())
		}
		require.NoError(t, rest.End())
	}
}

func TestAVirtualRunThatWaitsBetweenTwoStepsAndNobodyComesEnds(t *testing.T) {
	b := speak(t, "400 L")
	_, err := Run(t.Context(), b, Rig{Port: &tanks{}, Dir: t.TempDir() + "/B-1"}, &Options{Virtual: &Virtual{},
		Schedule: []Scheduled{order(1*second, sequencer.Manual, "", ""), order(2*second, sequencer.Automatic, "TOPUP", "")}})
	require.ErrorIs(t, err, ErrNobody)
}

func TestAFailureTakesHoldOfWhatLiesAtItsLevel(t *testing.T) {
	for level, holds := range map[string]string{"procedure": "TOPUP.until LEFT THIRD.uses", "operation": "TOPUP.until LEFT THIRD.uses",
		"phase": "TOPUP.until LEFT"} {
		b := speak(t, "400 L", "recovery: resume", "recovery: resume\nfailure_level: "+level, "- id: LEFT\n          level: phase\n          timeout: 60 s",
			"- id: LEFT\n          level: phase\n          timeout: 4 s")
		var orders []Scheduled
		for at := 5 * second; at < 60*second; at += 5 * second {
			orders = append(orders, order(at, sequencer.Restart, "", ""))
		}
		list, res := live(t, b, orders...)
		require.Equal(t, sequencer.Complete, res.State)
		held := ""
		for _, r := range list {
			if r.Kind == record.KindStepState && r.Text(record.PhaseState) == sequencer.Holding.String() {
				held += " " + r.Text(record.StepID)
			}
		}
		require.Equal(t, " "+holds, held, level)
	}
}

func TestABatchThatIsTakenInHandOutlivesCutsAtAnyTime(t *testing.T) {
	lives := 0
	for life := second / 2; life < 30*second; life += 2_930_000_000 {
		b := speak(t, "400 L")
		disk := newMemory()
		orders := byHand()
		for at := 5 * second; at < 300*second; at += 5 * second {
			orders = append(orders, order(at, sequencer.Restart, "", ""), order(at+second, sequencer.Release, "", ""), order(at+2*second, sequencer.Release, "", ""))
		}
		res, n := outliveWith(t, b, disk, life, orders, nil, nil)
		lives += n
		require.True(t, res.State.Terminal(), "a life of %d ns", life)
		replay := b.Replay()
		_, err := journal.Scan("memory/journal", func(_ uint64, body []byte, _ journal.Chain) error {
			r, err := record.Parse(body)
			require.NoError(t, err)
			return replay.Record(r)
		}, &journal.Options{Storage: disk})
		require.NoError(t, err, "a life of %d ns", life)
		require.NoError(t, replay.End())
	}
	require.Greater(t, lives, 20)
}
