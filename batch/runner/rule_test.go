// What each recovery rule makes of a batch whose controller has died.

package runner

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// recovered is what a batch came to that was cut short once.
type recovered struct {
	*trace
	after []string         // states of the batch since it came up again
	steps []*record.Record // step_state since then
}

// cutOnce runs the demo with another text in its recipe until its controller dies, has it come up a second later, and runs it to
// its end. Death is a time of the run, or, where it is 0, a second into the phase SOAK.
func cutOnce(t *testing.T, death int64, replace ...string) (r recovered) {
	t.Helper()
	r.trace = newTrace(t, 1)
	b, err := demoPlan(t, replace...).Bind("B-0002", "", batch.Unapproved, &batch.BindOptions{Seed: 1})
	require.NoError(t, err)
	disk, rng := newMemory(), rand.New(rand.NewPCG(1, 1))
	m := &mortal{trace: r.trace, death: death}
	if death == 0 {
		m.death = soaking(t, b) + second
	}
	require.ErrorIs(t, m.live(t, b, disk, rng), errCut)
	m.offset, m.death = m.now+second, 1<<62
	r.plant.Advance(m.offset, func(tag.Raw) {})
	r.plant.Boot(m.offset + 1) // all of its values are read again
	require.NoError(t, m.live(t, b, disk, rng))
	again := false
	for _, body := range r.bodies {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		switch again = again || rec.Kind == record.KindRecovery; {
		case again && rec.Kind == record.KindBatchState:
			r.after = append(r.after, rec.Text(record.BatchState))
		case again && rec.Kind == record.KindStepState:
			r.steps = append(r.steps, rec)
		}
	}
	return r
}

// soaking returns when the phase SOAK begins.
func soaking(t *testing.T, b *batch.Batch) (at int64) {
	t.Helper()
	tr := newTrace(t, 1)
	m := &mortal{trace: tr, death: 1 << 62}
	require.NoError(t, m.live(t, b, newMemory(), rand.New(rand.NewPCG(1, 1))))
	for _, body := range tr.bodies {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		if rec.Kind == record.KindStepState && rec.Text(record.StepID) == "SOAK" && at == 0 {
			at = int64(rec.Count(record.TsMonoNS))
		}
	}
	require.NotZero(t, at)
	return at
}

func TestTheRecoveryRuleSaysHowABatchGoesOn(t *testing.T) {
	for rule, want := range map[string][]string{
		"resume":  {"Complete"},
		"hold":    {"Holding", "Held", "Restarting", "Running", "Complete"},
		"abort":   {"Aborting", "Aborted"},
		"restart": {"Aborting", "Aborted"},
	} {
		t.Run(rule, func(t *testing.T) {
			r := cutOnce(t, 6*second, "recovery: hold", "recovery: "+rule)
			require.Equal(t, want, r.after)
			require.Equal(t, rule == "restart", r.result.Again, "only restart asks for a new batch")
		})
	}
}

func TestAPhaseThatIsToBeRepeatedBeginsAnew(t *testing.T) {
	r := cutOnce(t, 0, "- id: SOAK\n          level: phase\n", "- id: SOAK\n          level: phase\n          recovery: repeat\n")
	require.Equal(t, []string{"Complete"}, r.after)
	require.Equal(t, []string{"SOAK", sequencer.EdgeRetry.String(), "recovery"},
		[]string{r.steps[0].Text(record.StepID), r.steps[0].Text(record.StepState), r.steps[0].Text(record.Detail)})
	require.GreaterOrEqual(t, int64(r.steps[1].Count(record.TsMonoNS)-r.steps[0].Count(record.TsMonoNS)), 5*second, "the whole hold time again")
}

func TestABatchThatTakesTheOthersPlaceNamesIt(t *testing.T) {
	plan := demoPlan(t)
	b, err := plan.Bind("B-0003", "", batch.Unapproved, &batch.BindOptions{RestartOf: "B-0002"})
	require.NoError(t, err)
	s := newSite(t, 1)
	s.b = b
	s.opt.Virtual = &Virtual{}
	s.rig = Rig{Port: s.plant, Dir: "memory"}
	_, err = s.run()
	require.True(t, err == nil || errors.Is(err, ErrNobody), "%v", err)
	require.Equal(t, "B-0002", s.of(record.KindBatchCreated)[0].Text(record.RestartOf))
	for _, name := range []string{"B-0003", "../x", "a b"} {
		_, err := plan.Bind("B-0003", "", batch.Unapproved, &batch.BindOptions{RestartOf: name})
		require.ErrorContains(t, err, "the id of another batch is wanted")
	}
}
