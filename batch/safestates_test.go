// Safe states of outputs in faults, as records: each class, what is said at once, and that it can be decided again.

package batch

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// faultDesk runs a batch that sets all outputs of a map on, and waits.
func faultDesk(t *testing.T, outputs int, says string) *desk {
	mapping := "mapping: IO\nversion: \"1\"\nschema_version: 1\ndevice_id: C\nequipment_id: T1\ntags:\n" +
		"  - {logical_tag: TT1, physical_channel: ai/1, direction: in, type: number, form: int, resolution: 1 Cel, gain: 1 Cel, stale_after: 1 s}\n"
	sets := ""
	for i := range outputs {
		mapping += fmt.Sprintf("  - {logical_tag: Y%d, physical_channel: do/%d, direction: out, type: switch, safe_value: \"off\", %s}\n", i, i, says)
		sets += fmt.Sprintf("        - set: {Y%d: \"on\"}\n", i)
	}
	recipe := "recipe: R\nversion: \"1\"\nschema_version: 1\ntitle: T\nrecovery: resume\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\n" +
		"procedure:\n  id: ALL\n  level: procedure\n  sequence:\n    - id: P\n      level: phase\n      timeout: 900 s\n      actions:\n" + sets +
		"        - delay: 600 s\n"
	plan, err := Load(fstest.MapFS{"map.yaml": {Data: []byte(mapping)}, "recipe.yaml": {Data: []byte(recipe)}}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-1", "", Unapproved, nil)
	require.NoError(t, err)
	d := newDesk(t, b)
	d.boot()
	d.take(Event{Kind: Told, Command: sequencer.Start, Operator: "op1", Role: "operator", Reason: "start"})
	d.to(d.now + int64(outputs+1)*100*msec)
	require.Equal(t, sequencer.Running, d.m.State())
	return d
}

// sample gives the one input a value.
func (d *desk) sample(form tag.Form, q tag.Quality) {
	d.take(Event{Kind: Sample, Tag: 0, Form: form, Bits: 20, Quality: q})
}

// states are what safe_state records say of the first output, and holds that all can be decided again, from a snapshot too.
func (d *desk) states() (list []string) {
	d.seal()
	again := d.b.Replay()
	for _, body := range d.list {
		rec, err := record.Parse(body)
		require.NoError(d.t, err)
		require.NoError(d.t, again.Record(rec))
		if rec.Kind == record.KindSafeState && rec.Text(record.LogicalTag) == "Y0" {
			list = append(list, rec.Text(record.FaultClass)+" "+rec.Text(record.RecoverPolicy)+" "+rec.Text(record.SafeState)+" "+rec.Text(record.Result))
		}
	}
	twin := d.b.Start()
	require.NoError(d.t, twin.Restore(d.m.Snapshot(nil)))
	require.Equal(d.t, d.m.Snapshot(nil), twin.Snapshot(nil))
	require.Equal(d.t, d.m.troubles, twin.troubles, "what follows from the state is found again")
	return list
}

func TestAValueThatIsRefusedHereIsAFaultOfItsOwnClass(t *testing.T) {
	d := faultDesk(t, 1, "depends_on: [TT1], on_fault: {input_invalid: {state: drop, recover: auto}, sensor_bad: {state: latch, value: \"on\"}}")
	d.sample(tag.Float32, tag.Good)
	require.Equal(t, []string{"input_invalid drop off entered"}, d.states())
	v, _ := d.m.seq.Commanded(0)
	require.Zero(t, v)
	require.Equal(t, sequencer.Running, d.m.State(), "what recovers by itself holds nobody")
	d.to(d.now + 300*msec) // scans are good
	require.Equal(t, []string{"input_invalid drop off entered", "input_invalid drop off returned"}, d.states())
	v, _ = d.m.seq.Commanded(0)
	require.EqualValues(t, 1, v)
	d.to(d.now + 5000*msec)
	d.sample(tag.Int, tag.Bad)
	require.Equal(t, "sensor_bad latch on entered", d.states()[2], "the class has a value of its own")
	require.Contains(t, []sequencer.State{sequencer.Holding, sequencer.Held}, d.m.State())
	d.to(d.now + 300*msec)
	require.Equal(t, "sensor_bad latch on waits_for_reset", d.states()[3])
	require.Equal(t, []string{"reset_safe_state Y0", "restart"}, d.m.Wanted())
}

func TestAFaultOfEachStartIsFoundAtTheBoot(t *testing.T) {
	for cause, want := range map[hal.ResetCause]string{hal.ResetProcess: "runner_lost", hal.ResetWatchdog: "watchdog", hal.ResetPower: "power_loss",
		hal.ResetOrdered: "power_loss", hal.ResetUnknown: "power_loss"} {
		d := faultDesk(t, 1, "stale_after: 99 d")
		ev := Event{Kind: Boot, Epoch: 2, Observation: d.seen(), LossMS: -1, Recovery: "test", Last: uint64(len(d.list)), Reset: cause.String(), BootID: "b"}
		for i := range d.b.Plan.Map.Tags { // as commanded, so that the recipe alone would go on
			ev.Readback = append(ev.Readback, Reading{Tag: tag.ID(i), Form: d.b.Plan.Map.Tags[i].Form, Bits: 1, Quality: tag.Good})
		}
		d.epoch, d.due, d.scan, d.now = 2, nil, 200*msec, msec
		d.take(ev)
		require.Equal(t, []string{want + " drop off waits_for_restart"}, d.states(), cause)
		require.Equal(t, sequencer.Holding, d.m.State(), cause)
	}
}

func TestNobodyIsHeldByAStartOfWhichNobodyTellsTheCause(t *testing.T) {
	d := faultDesk(t, 1, "stale_after: 99 d")
	d.boot()
	require.Empty(t, d.states())
}

func TestAllOutputsThatFailAtOnceSaySoInAStepThatFits(t *testing.T) {
	d := faultDesk(t, MaxOutputs, "depends_on: [TT1], on_fault: {sensor_bad: {state: latch, value: \"off\"}}")
	d.most = 0
	d.sample(tag.Int, tag.Bad)
	t.Logf("%d bytes in one step", d.most)
	require.Less(t, d.most, MaxBurst)
	require.Equal(t, MaxOutputs, strings.Count(d.shown.String(), "safe_state:"))
}

func TestAFaultThatFlapsIsToldLessAndLessOften(t *testing.T) {
	d := faultDesk(t, 1, "depends_on: [TT1], on_fault: {sensor_bad: {state: drop, recover: auto}}")
	for range 1200 { // 2 min
		d.sample(tag.Int, tag.Bad)
		d.to(d.now + 50*msec)
		d.sample(tag.Int, tag.Good)
		d.to(d.now + 50*msec)
	}
	require.Less(t, len(d.states()), 12)
	d.to(d.now + 70_000*msec)
	list := d.states()
	require.Equal(t, "sensor_bad drop off returned", list[len(list)-1])
}
