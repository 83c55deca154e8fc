// Checkpoints lead to where the whole journal leads, and the medium is on record.

package runner

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

func TestABatchComesUpFromACheckpointAsFromItsWholeJournal(t *testing.T) {
	plan := demoPlan(t, "recovery: hold", "recovery: resume")
	runs := uint64(40)
	if os.Getenv("BATCHKIT_LONG") != "" {
		runs = 1000
	}
	cuts, from, taken := 0, 0, 0
	for seed := uint64(1); seed <= runs; seed++ {
		tr, boots, used := cut(t, plan, seed, 2*second)
		cuts += boots
		from += used
		for _, body := range tr.bodies {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			if rec.Kind == record.KindCheckpointTaken {
				taken++
				require.Equal(t, "ok 2000 ms", rec.Text(record.Result)+" "+rec.Text(record.CheckpointPeriod))
				require.Less(t, rec.Count(record.CheckpointLastSeq), rec.Seq())
			}
		}
	}
	t.Logf("%d batches, %d cuts, %d checkpoints, %d lives that came up from one", runs, cuts, taken, from)
	require.Greater(t, from, cuts/2)
}

// cutRun is a batch that was cut short after half a minute, with checkpoints.
func cutRun(t *testing.T) (*batch.Batch, *memory, *journal.Recovery) {
	b, disk := demoBatch(t, 7), newMemory()
	m := &mortal{trace: newTrace(t, 7), period: 2 * second, birth: 1, death: 30 * second}
	virtual := &Virtual{Sync: true, Durable: func(_ int64, seq uint64) { m.durable = seq }}
	func() {
		defer func() { require.Equal(t, any(errCut), recover()) }()
		_, _ = Run(context.Background(), b, Rig{Port: m, Dir: "memory", Clock: born{at: 1}}, &Options{Virtual: virtual, Storage: disk,
			CheckpointPeriod: 2 * second, Record: m.record, Ask: func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }})
	}()
	rec, err := journal.Scan("memory/journal", nil, &journal.Options{Storage: disk})
	require.NoError(t, err)
	return b, disk, rec
}

func risen(t *testing.T, b *batch.Batch, disk *memory, rec *journal.Recovery) *past {
	r, err := New(b, Rig{Port: sim.NewPlant(7), Dir: "memory"}, &Options{Virtual: &Virtual{}, Storage: disk, CheckpointPeriod: 2 * second})
	require.NoError(t, err)
	require.NoError(t, r.openSlots("memory/journal", nil))
	p, err := r.recover("memory/journal", rec)
	require.NoError(t, err)
	full, err := r.follow("memory/journal", rec, nil)
	require.NoError(t, err)
	require.Equal(t, full.replay.Machine.Snapshot(nil), p.replay.Machine.Snapshot(nil))
	return p
}

func TestACheckpointForWhichTheJournalDoesNotSpeakIsPassedOver(t *testing.T) {
	b, disk, rec := cutRun(t)
	slots, saved, faults, err := journal.OpenCheckpoints("memory/journal", b.JournalID, 0, &journal.Options{Storage: disk})
	require.NoError(t, err)
	require.Empty(t, faults)
	require.Len(t, saved, journal.DefaultCheckpoints)
	require.Contains(t, risen(t, b, disk, rec).words, "follows from checkpoint 14 after record")

	// One that no record names: it is newer, whole, and after a record of this journal.
	_, err = slots.Write(saved[1].Head, saved[0].Payload)
	require.NoError(t, err)
	require.Contains(t, risen(t, b, disk, rec).words, "follows from checkpoint 14 after record")

	// Those that are spoilt are passed over with the reason, newest first.
	for n, want := range []string{"checkpoint 13", "checkpoint 12", "records 1 to"} {
		name := ""
		for _, slot := range []string{"1", "2", "3", "4"} {
			at := filepath.Join("memory", "journal", "checkpoints", slot)
			if string(disk.files[at][512:512+len(saved[n].Payload)]) == string(saved[n].Payload) && disk.files[at][16] == byte(saved[n].Generation) {
				name = at
			}
		}
		if name == "" { // overwritten above
			continue
		}
		data := slices.Clone(disk.files[name])
		data[700] ^= 1
		disk.put(name, data)
		p := risen(t, b, disk, rec)
		require.Contains(t, p.words, want)
		require.Contains(t, p.words, "is passed over: its digest is wrong")
	}
}

func TestACheckpointThatDoesNotLeadToItsJournalIsPassedOverForTheWholeJournal(t *testing.T) {
	b, disk, rec := cutRun(t)
	r, err := New(b, Rig{Port: sim.NewPlant(7), Dir: "memory"}, &Options{Virtual: &Virtual{}, Storage: disk, CheckpointPeriod: 2 * second})
	require.NoError(t, err)
	require.NoError(t, r.openSlots("memory/journal", nil))
	for i := range r.saved {
		s := &r.saved[i]
		for _, state := range [][]byte{nil, s.Payload[:20], append(slices.Clone(s.Payload), 0), make([]byte, len(s.Payload)), r.saved[3-i/2].Payload} {
			s.Payload = state
			p, err := r.recover("memory/journal", rec)
			require.NoError(t, err)
			full, err := r.follow("memory/journal", rec, nil)
			require.NoError(t, err)
			require.Equal(t, full.replay.Machine.Snapshot(nil), p.replay.Machine.Snapshot(nil))
		}
	}
}

func TestWithoutAPeriodNoSlotIsWrittenOrRead(t *testing.T) {
	b, disk, rec := cutRun(t)
	r, err := New(b, Rig{Port: sim.NewPlant(7), Dir: "memory"}, &Options{Virtual: &Virtual{}, Storage: disk})
	require.NoError(t, err)
	require.NoError(t, r.openSlots("memory/journal", nil))
	p, err := r.recover("memory/journal", rec)
	require.NoError(t, err)
	require.Contains(t, p.words, "follows from records 1 to")
	for _, wrong := range []int64{-1, 1, second - 1} {
		_, err = New(b, Rig{Port: sim.NewPlant(7), Dir: "memory"}, &Options{Virtual: &Virtual{}, CheckpointPeriod: wrong})
		require.ErrorContains(t, err, "0 or 1 s at least are wanted")
	}
}

func TestADiskThatTakesNoCheckpointIsOnRecordAndTheBatchGoesOn(t *testing.T) {
	inBubble(t, func(s *site) {
		s.opt.CheckpointPeriod = 10 * second
		s.disk.deny = "checkpoints"
		res := s.complete()
		require.NotEmpty(t, res.Windows)
		notes := s.of(record.KindCheckpointTaken)
		require.NotEmpty(t, notes)
		for _, r := range notes {
			require.Equal(t, "failed", r.Text(record.Result))
			require.Contains(t, r.Text(record.Detail), "journal: checkpoint slot")
			require.False(t, r.Has(record.Digest))
		}
	})
}

func TestTheMediumIsOnRecordWhenABatchBeginsAndEveryHourAndDoesNotGetBetterWithinIt(t *testing.T) {
	inBubble(t, func(s *site) {
		asked := 0
		s.rig.Health = func() hal.StorageHealth {
			if asked++; asked > 1 {
				panic("no driver")
			}
			h := hal.NewStorageHealth("mmcblk0 cid 15")
			h.JudgeWear(70, "worn")
			return h
		}
		s.tell(5*second, sequencer.Hold)
		s.tell(3700*second, sequencer.Abort)
		s.limit = 4000 * second
		res, err := s.run()
		require.NoError(t, err)
		notes := s.of(record.KindStorageHealth)
		require.Len(t, notes, 3, "the last one when all is over")
		for i, want := range [][]string{{"WATCH: worn"}, {"UNKNOWN: Rig.Health: panic: no driver",
			"WATCH: it was so before; a medium does not get better until a record says that it was replaced"}} {
			h := hal.Told(notes[i])
			require.Equal(t, hal.HealthWatch, h.State)
			require.Equal(t, want, h.Reasons)
		}
		require.Equal(t, hal.HealthWatch, res.Medium.State)
		require.Equal(t, s.list[len(s.list)-1], notes[2])
		first, last := notes[0], notes[2]
		require.Equal(t, "mmcblk0 cid 15", first.Text(record.Medium))
		require.Less(t, first.Count(record.PayloadBytes), last.Count(record.PayloadBytes))
		require.Less(t, first.Count(record.Flushes), last.Count(record.Flushes))
		require.Less(t, last.Count(record.JournalBytes), res.Written.Written)
		payload := 0
		for _, body := range s.bodies {
			payload += len(body)
		}
		require.Equal(t, uint64(payload), res.Written.Payload)
		t.Logf("an hour: %+v, amplification %s", res.Written, last.Text(record.WriteAmplification))
	})
}

func TestAPackageWithCheckpointsBesideItsJournalVerifies(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "B-0001")
	res, err := Run(context.Background(), demoBatch(t, 7), Rig{Port: sim.NewPlant(7), Dir: dir}, &Options{Virtual: &Virtual{},
		CheckpointPeriod: 5 * second, Ask: func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }})
	require.NoError(t, err)
	require.Equal(t, sequencer.Complete, res.State)
	report, err := evidence.Verify(dir)
	require.NoError(t, err)
	require.True(t, report.OK())
	require.Equal(t, []string{"journal/checkpoints/1", "journal/checkpoints/2", "journal/checkpoints/3", "journal/checkpoints/4"}, report.Other,
		"they are no part of the package, and need not be kept with it")
}

func TestACheckpointLiesOnTheChipWhereThereIsRoomForItAndElseInAFile(t *testing.T) {
	for state, want := range map[int]string{8 << 10: "chip", 1 << 10: "file"} {
		b, err := demoPlan(t, "recovery: hold", "recovery: resume").Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: 7})
		require.NoError(t, err)
		disk, cells := newMemory(), journaltest.NewCells(128<<10)
		require.NoError(t, journal.FormatChip(cells, 2, state, ""))
		tr := newTrace(t, 7)
		life := func(birth, death int64) {
			m := &mortal{trace: tr, period: 2 * second, birth: birth, now: birth, death: death}
			m.reload(disk)
			chip, err := journal.OpenChip(cells, "")
			require.NoError(t, err)
			defer func() { require.Contains(t, []any{errCut, nil}, recover()) }()
			virtual := &Virtual{Sync: true, Durable: func(_ int64, seq uint64) { m.durable = seq }}
			restart := []Scheduled{{At: 2 * second, Do: func(r *Runner) {
				_ = r.Tell(Command{Command: sequencer.Restart, Operator: "op1", Reason: "test"})
			}}}
			_, err = Run(context.Background(), b, Rig{Port: m, Dir: "memory", Clock: born{at: birth}, FRAM: chip}, &Options{Virtual: virtual,
				Storage: disk, CheckpointPeriod: 2 * second, Record: m.record, Schedule: restart,
				Ask: func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }})
			require.NoError(t, err)
		}
		life(1, 30*second)
		life(30*second, 38*second)
		taken, words, generation := 0, "", uint64(0)
		_, err = journal.Scan("memory/journal", func(_ uint64, body []byte, _ journal.Chain) error {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			switch rec.Kind {
			case record.KindCheckpointTaken:
				require.Equal(t, "ok", rec.Text(record.Result))
				require.Regexp(t, "^"+want+" [1-4]$", rec.Text(record.CheckpointSlot))
				require.Greater(t, rec.Count(record.CheckpointID), generation)
				generation = rec.Count(record.CheckpointID)
				taken++
			case record.KindRecovery:
				words = rec.Text(record.RecoveryPath)
			}
			return nil
		}, &journal.Options{Storage: disk})
		require.NoError(t, err)
		require.Greater(t, taken, 15)
		require.Contains(t, words, "follows from checkpoint 14 after record", want)
		files := 0
		for name := range disk.files {
			if filepath.Base(filepath.Dir(name)) == "checkpoints" {
				files++
			}
		}
		require.Equal(t, map[string]int{"chip": 0, "file": journal.DefaultCheckpoints}[want], files)
	}
}
