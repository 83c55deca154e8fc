// Tests of dry runs: the whole batch, and not one output is driven.

package runner

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// sacred is a plant that is the plant of others: whoever writes to it has failed.
type sacred struct {
	*sim.Plant
	t *testing.T
}

func (s sacred) Write(context.Context, tag.Write) error {
	s.t.Error("a dry run has written to the port")
	return nil
}

func (s sacred) Apply(now int64, w tag.Write) (int64, error) {
	s.t.Error("a dry run has written to the port")
	return now, nil
}

func dryBatch(t testing.TB) *batch.Batch {
	b, err := demoPlan(t).Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: 1, DryRun: true})
	require.NoError(t, err)
	return b
}

func yes(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "op1", "operator") }

func TestADryRunArmsNoWatchdog(t *testing.T) {
	r, err := New(dryBatch(t), Rig{Port: sim.NewPlant(1), Dir: t.TempDir(), Watchdog: &dogOf{}}, &Options{Virtual: &Virtual{}})
	require.NoError(t, err)
	require.Nil(t, r.rig.Watchdog, "it would reset a board whose outputs others drive")
}

func TestADryRunOnAModelGoesThroughTheWholeBatchAndThePortIsNeverWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "B-1")
	res, err := Run(t.Context(), dryBatch(t), Rig{Port: sacred{sim.NewPlant(1), t}, Model: sim.NewPlant(1), Dir: dir},
		&Options{Virtual: &Virtual{}, Ask: yes, Record: func(_ record.Kind, body []byte) {
			require.True(t, bytes.Contains(body, []byte(`"dry_run":true`)), "%s", body)
		}})
	require.NoError(t, err)
	require.Equal(t, sequencer.Complete, res.State)
	require.True(t, res.DryRun)
	require.Nil(t, res.Learnt, "what did not flow teaches nothing")

	list, err := evidence.DryRun(dir)
	require.NoError(t, err)
	require.Greater(t, len(list), 10)
	var csv bytes.Buffer
	require.NoError(t, evidence.WriteDryRun(&csv, list))
	t.Log(csv.String())
	require.Contains(t, csv.String(), "event_seq,epoch,ts_mono_ns,ts_utc,logical_tag,physical_channel,old_value,would_be,unit,step_id,action_id,why\n")
	require.Contains(t, csv.String(), ",XV101,do/1,closed,open,,CHARGE_A,CHARGE_A/2,\n")

	rep, err := evidence.Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.Contains(t, rep.Verdict(), "A DRY RUN: no output was driven")
	require.Contains(t, rep.NotProven[0], "it was a dry run")
	again, err := evidence.Replay(dir)
	require.NoError(t, err)
	require.Nil(t, again.Divergence)
	require.True(t, again.DryRun)
	part := filepath.Join(t.TempDir(), "extract")
	_, err = evidence.Export(dir, part, nil)
	require.NoError(t, err)
	rep, err = evidence.Verify(part)
	require.NoError(t, err)
	require.True(t, rep.OK() && rep.Extract)
	require.Contains(t, rep.Verdict(), "A DRY RUN: no output was driven")
}

func TestADryRunThatOnlyWatchesReadsBackWhatItWouldHaveAndDrivesNothingAtItsAbortEither(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "B-1")
	res, err := Run(t.Context(), dryBatch(t), Rig{Port: sacred{sim.NewPlant(1), t}, Dir: dir},
		&Options{Virtual: &Virtual{}, Ask: yes, Schedule: []Scheduled{order(5*second, sequencer.Hold, "", ""), order(8*second, sequencer.Restart, "", ""),
			order(20*second, sequencer.Abort, "", "")}})
	require.NoError(t, err)
	require.Equal(t, sequencer.Aborted, res.State)
	list, err := evidence.DryRun(dir)
	require.NoError(t, err)
	met := map[string]bool{}
	for i := range list {
		met[list[i].Output+" "+list[i].Value+" "+list[i].Why] = true
	}
	require.True(t, met["XV101 open "] && met["XV101 closed hold"] && met["XV101 open restart"], "%v", met)
}

func TestARealBatchIsNotReadAsADryRunNorHasItAModel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "B-1")
	_, err := Run(t.Context(), demoBatch(t, 1), Rig{Port: sim.NewPlant(1), Model: sim.NewPlant(1), Dir: dir}, &Options{Virtual: &Virtual{}, Ask: yes})
	require.ErrorContains(t, err, "is no dry run, and the rig has a model")
	_, err = Run(t.Context(), demoBatch(t, 1), Rig{Port: sim.NewPlant(1), Dir: dir}, &Options{Virtual: &Virtual{}, Ask: yes})
	require.NoError(t, err)
	_, err = evidence.DryRun(dir)
	require.ErrorIs(t, err, evidence.ErrNotDry)
}

func TestADryRunDrivesNothingWhereItsEvidenceCannotBeKept(t *testing.T) {
	disk := newMemory()
	_, err := Run(t.Context(), dryBatch(t), Rig{Port: sacred{sim.NewPlant(1), t}, Dir: "x"}, &Options{Virtual: &Virtual{Sync: true}, Ask: yes, Storage: disk,
		Schedule: []Scheduled{{At: 5 * second, Do: func(*Runner) { disk.fail = journal.ErrDiskFull }}}})
	require.ErrorIs(t, err, ErrEvidence)
}

func TestADryRunInRealTimeDrivesNothing(t *testing.T) {
	inBubble(t, func(s *site) {
		s.b = dryBatch(s.t)
		s.rig.Port = sacred{s.plant, s.t}
		dog := &dogOf{clock: s.clock, fails: errors.New("a dry run has armed the watchdog")}
		s.rig.Watchdog = dog
		s.tell(20*second, sequencer.Abort)
		res, err := Run(s.ctx, s.b, s.rig, &s.opt)
		require.NoError(s.t, err)
		require.Equal(s.t, sequencer.Aborted, res.State)
		writes := 0
		for _, rec := range s.list {
			if rec.Kind == record.KindOutputWrite {
				writes++
			}
		}
		require.Greater(s.t, writes, 2)
	})
}

func TestADryRunIsNoContinuationOfABatchNorABatchOfADryRun(t *testing.T) {
	for _, first := range []bool{true, false} {
		disk := newMemory()
		bind := func(dry bool) *batch.Batch {
			b, err := demoPlan(t).Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: 1, DryRun: dry})
			require.NoError(t, err)
			return b
		}
		opt := &Options{Virtual: &Virtual{Sync: true}, Storage: disk, Manual: true}
		_, err := Run(t.Context(), bind(first), Rig{Port: sim.NewPlant(1), Dir: "x"}, opt)
		require.ErrorIs(t, err, ErrNobody)
		_, err = Run(t.Context(), bind(!first), Rig{Port: sacred{sim.NewPlant(1), t}, Dir: "x"}, opt)
		require.ErrorIs(t, err, ErrUsed)
		require.ErrorContains(t, err, "bound to something else than this batch")
	}
}

func TestADryRunCarriesOutNoActionAndAsksNoArbiter(t *testing.T) {
	s := newSite(t, 1)
	s.milled(func(context.Context, Request, func([]string, string)) ([]string, error) {
		t.Error("a dry run has had an action carried out")
		return nil, nil
	})
	b, err := s.b.Plan.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: 1, DryRun: true})
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "B-1")
	res, err := Run(t.Context(), b, Rig{Port: sacred{sim.NewPlant(1), t}, Model: sim.NewPlant(1), Dir: dir}, &Options{Virtual: &Virtual{}})
	require.NoError(t, err)
	require.Equal(t, sequencer.Complete, res.State)
	list, err := evidence.DryRun(dir)
	require.NoError(t, err)
	met := map[string]string{}
	for i := range list {
		met[list[i].Output] += list[i].Value + " "
	}
	require.Equal(t, "[fineness=0.5 mm program=gentle] ", met["mill"])
	require.Equal(t, "running stopped ", met["AG301"])
}

func TestADryRunWhoseJournalCannotBeReadDoesNotSayThatItHasDrivenOutputs(t *testing.T) {
	inBubble(t, func(s *site) {
		s.b = dryBatch(s.t)
		s.rig.Port, s.rig.Model = sacred{s.plant, s.t}, s.plant
		dir := s.onDisk()
		require.NoError(s.t, os.MkdirAll(dir, 0o755))
		require.NoError(s.t, os.WriteFile(filepath.Join(dir, "journal"), []byte("no journal"), 0o600))
		_, err := Run(s.ctx, s.b, s.rig, &s.opt)
		require.ErrorContains(s.t, err, "this is a dry run, which drives nothing")
		require.NotContains(s.t, err.Error(), "were driven")
	})
}
