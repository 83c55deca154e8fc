// Batches as large as they may be, and disks that are full or slow when they end.

package runner

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// wide makes a batch of so many outputs, inputs, and phases that run at one time for half an hour.
func wide(t *testing.T, outputs, inputs, phases int, stale string) *batch.Batch {
	t.Helper()
	var m, r strings.Builder
	m.WriteString("mapping: WIDE-IO\nversion: \"1\"\nschema_version: 1\ndevice_id: CTRL-01\nequipment_id: T1\ntags:\n")
	for i := range outputs {
		fmt.Fprintf(&m, "  - {logical_tag: XV%020d, physical_channel: do/%d, direction: out, type: switch, words: [closed, open], safe_value: closed}\n", i, i)
	}
	for i := range inputs {
		fmt.Fprintf(&m, "  - {logical_tag: ZS%020d, physical_channel: di/%d, direction: in, type: switch, words: [closed, open], stale_after: %s}\n", i, i, stale)
	}
	r.WriteString("recipe: WIDE\nversion: \"1\"\nschema_version: 1\ntitle: Wide\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\n" +
		"procedure:\n  id: ALL\n  level: procedure\n  parallel:\n")
	for i := range phases {
		var set []string
		for o := i; o < outputs; o += phases {
			set = append(set, fmt.Sprintf("XV%020d: open", o))
		}
		fmt.Fprintf(&r, "    - id: P%020d\n      level: phase\n      timeout: 31 min\n      actions:\n        - set: {%s}\n        - delay: 30 min\n", i, strings.Join(set, ", "))
	}
	plan, err := batch.Load(fstest.MapFS{"map.yaml": {Data: []byte(m.String())}, "recipe.yaml": {Data: []byte(r.String())}}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-1", "", batch.Unapproved, &batch.BindOptions{Operator: "op1"})
	require.NoError(t, err)
	return b
}

// flat is a port whose inputs are all off and come once in every ns, and whose writes are confirmed at once.
type flat struct {
	clock  timebase.Clock
	inputs int
	every  int64
}

func (f flat) Watch(ctx context.Context, emit func(tag.Raw)) error {
	for {
		for i := range f.inputs {
			emit(tag.Raw{Channel: fmt.Sprintf("di/%d", i), Form: tag.Bool, Quality: tag.Good})
		}
		if f.clock.Wait(ctx, f.clock.Now()+f.every) != nil {
			return ctx.Err()
		}
	}
}

func (f flat) Write(context.Context, tag.Write) error { return nil }

// ride runs a batch on a flat port with inputs every so many ns, and returns what came of it and what is on the disk.
func ride(t *testing.T, b *batch.Batch, every int64, schedule []Scheduled, prepare func(d *disk)) (Result, *disk, error) {
	t.Helper()
	clock := system.NewClock(1)
	d := &disk{memory: newMemory(), safe: newMemory(), clock: clock}
	prepare(d)
	now, inputs := int64(0), 0
	for i := range b.Plan.Map.Tags {
		if !b.Plan.Map.Tags[i].Output {
			inputs++
		}
	}
	rig := Rig{Port: flat{clock, inputs, every}, Dir: "memory", Clock: clock, Wall: wallFunc(func() timebase.Observation {
		now = clock.Now()
		return seeded{virtualUTC, &now}.Observe()
	})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	late := clock.Alarm(cancel)
	late.Set(7200 * second)
	defer late.Stop()
	res, err := Run(ctx, b, rig, &Options{Storage: d, Schedule: schedule})
	return res, d, err
}

func TestADiskThatBecomesFullHasRoomForTheAbortOfTheLargestBatch(t *testing.T) {
	for _, size := range [][3]int{{batch.MaxOutputs, 256, batch.MaxPhases}, {128, 128, 128}, {2, 700, 1}} {
		inOurTime(t, func(t *testing.T) {
			b := wide(t, size[0], size[1], size[2], "3 s")
			res, d, err := ride(t, b, 200_000_000, nil, func(d *disk) { d.room = 20 * second })
			require.NoError(t, err, "%v", size)
			require.Equal(t, sequencer.Aborted, res.State, "%v", size)
			bodies, found := d.scan(t)
			require.Equal(t, journal.Clean, found.Outcome)
			last, err := record.Parse(bodies[len(bodies)-1])
			require.NoError(t, err)
			require.Equal(t, record.KindBatchEnd, last.Kind, "%v", size)
		})
	}
}

func TestNotesThatFoundNoRoomUntilTheEndFollowTheLastDecision(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		b := wide(t, 2, 700, 1, "3 s")
		abort := []Scheduled{{At: 80 * second, Do: func(r *Runner) {
			require.NoError(t, r.Tell(Command{Command: sequencer.Abort, Operator: "op1", Reason: "test"}))
		}}}
		res, d, err := ride(t, b, 50_000_000, abort, func(d *disk) { d.stall = span{20 * second, 90 * second} })
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		require.Greater(t, res.LossWindow, int64(batch.BlockAge)+69*second, "inputs waited for the disk")
		bodies, _ := d.scan(t)
		last, err := record.Parse(bodies[len(bodies)-1])
		require.NoError(t, err)
		require.Equal(t, record.KindMeasures, last.Kind)
		require.Greater(t, last.Count(record.Coalesced), uint64(10))
		require.Regexp(t, `^(69|70)\d{3}\.\d{3}$`, last.Text(record.StorageCommitTimeMS))
		before, err := record.Parse(bodies[len(bodies)-2])
		require.NoError(t, err)
		require.Equal(t, record.KindBatchEnd, before.Kind)
		replayed(t, b, &trace{bodies: bodies})
	})
}

func TestEvidenceStaysWithinItsBudget(t *testing.T) {
	for _, c := range []struct {
		inputs int
		stale  string
		every  int64
	}{{1, "60 s", 10 * second}, {20, "10 s", 650_000_000}, {200, "3 s", 200_000_000}} {
		inOurTime(t, func(t *testing.T) {
			b := wide(t, 2, c.inputs, 1, c.stale)
			res, d, err := ride(t, b, c.every, nil, func(*disk) {})
			require.NoError(t, err)
			require.Equal(t, sequencer.Complete, res.State)
			_, found := d.scan(t)
			used := int64(found.Segment-1)*int64(b.Segment()) + found.Offset
			t.Logf("%d inputs: %d bytes of journal, budget %d", c.inputs, used, b.Budget())
			require.Less(t, 5*used, b.Budget())
			require.Less(t, b.Budget(), 4*(5*used+3*int64(b.Segment())), "the budget is no wild guess")
		})
	}
}

func TestABatchMaySealItsInputsSeldomerAndSaysSo(t *testing.T) {
	b := demoBatch(t, 1)
	b, err := b.Plan.Bind("B-1", "", batch.Unapproved, &batch.BindOptions{Seed: 1, BlockAge: 10_000_000_000})
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "B-1")
	res, err := Run(context.Background(), b, Rig{Port: sim.NewPlant(1), Dir: dir}, &Options{Virtual: &Virtual{}, Ask: func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }})
	require.NoError(t, err)
	require.Equal(t, sequencer.Complete, res.State)
	require.GreaterOrEqual(t, res.LossWindow, int64(10_000_000_000))
	again, err := evidence.Rebind(dir)
	require.NoError(t, err)
	require.Equal(t, int64(10_000_000_000), again.BlockAge)
	report, err := evidence.Verify(dir)
	require.NoError(t, err)
	require.True(t, report.OK())
	for _, age := range []int64{1, 99_000_000, 1_000_000_001, 601_000_000_000, -5} {
		_, err := b.Plan.Bind("B-1", "", batch.Unapproved, &batch.BindOptions{BlockAge: age})
		require.ErrorContains(t, err, "100 ms to 10 min", age)
	}
}
