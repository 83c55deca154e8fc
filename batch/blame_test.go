// What records name as having led to something, and what tags showed: never more than is so.

package batch

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// blaming binds a batch of one phase that uses what batches share and opens a valve, which an interlock on a level gates.
func blaming(t *testing.T, alarms string) *desk {
	mapping := `
mapping: IO
version: "1"
schema_version: 1
device_id: C
equipment_id: T1
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}
  - {logical_tag: XV2, physical_channel: do/2, direction: out, type: switch, words: [closed, open], safe_value: closed}
  - {logical_tag: LT1, physical_channel: ai/1, direction: in, type: number, form: int, resolution: 5 L, gain: 5 L, stale_after: 1 h}
  - {logical_tag: LT2, physical_channel: ai/2, direction: in, type: number, form: int, resolution: 5 L, gain: 5 L, stale_after: 1 h}
resources: [{resource_id: CIP, shared: true}]
interlocks:
  - {interlock_id: LOW, kind: trip, when: "LT1 < 10 L or LT2 > 100 L", debounce: 20 ms, latch: auto, gates: [XV1], reaction: hold}
` + alarms
	recipe := `
recipe: R
version: "1"
schema_version: 1
title: T
batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}
recovery: resume
procedure:
  id: P
  level: procedure
  parallel:
    - {id: A, level: phase, uses: [CIP], timeout: 1 min, actions: [{set: {XV1: open}}, {prompt: x}]}
    - {id: B, level: phase, timeout: 1 min, actions: [{set: {XV2: open}}, {prompt: y}]}
`
	plan, err := Load(fstest.MapFS{"map.yaml": {Data: []byte(mapping)}, "recipe.yaml": {Data: []byte(recipe)}}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-1", "", Unapproved, nil)
	require.NoError(t, err)
	d := newDesk(t, b)
	copy(d.value, []int64{0, 0, 4, 0})
	d.boot()
	d.to(500 * msec)
	return d
}

// set gives an input a value, for as long as the interlock asks.
func (d *desk) set(name string, v int64) {
	id, ok := d.b.Plan.Map.Lookup(name)
	require.True(d.t, ok)
	d.value[id] = v
	d.send(id)
	d.to(d.now + 20*msec)
}

func (d *desk) told(c sequencer.Command) {
	d.take(Event{Kind: Told, Command: c, Operator: "op1", Role: "operator", Reason: "r"})
}

// records are those of a kind from a place in the journal on.
func (d *desk) records(from int, k record.Kind) (list []*record.Record) {
	for _, body := range d.list[from:] {
		r, err := record.Parse(body)
		require.NoError(d.t, err)
		if r.Kind == k {
			list = append(list, r)
		}
	}
	return list
}

func TestARefusalInTheWordsOfAnInterlockNamesNoFalseCause(t *testing.T) {
	d := blaming(t, "")
	text := d.b.prog.seq.Interlocks[0].Text
	d.set("LT1", 0)
	d.set("LT1", 4)
	verdicts := d.records(0, record.KindInterlock)
	require.Len(t, verdicts, 2, "tripped and cleared")
	of := func(r *record.Record) bool {
		return slices.ContainsFunc(verdicts, func(v *record.Record) bool { return slices.Contains(r.Counts(record.Cause), v.Seq()) })
	}
	d.told(sequencer.Start)
	d.to(800 * msec)

	from := len(d.list)
	d.take(Event{Kind: ResourceRefused, ID: 1, Detail: text})
	steps, writes := d.records(from, record.KindStepState), d.records(from, record.KindOutputWrite)
	require.NotEmpty(t, steps)
	require.NotEmpty(t, writes)
	for _, r := range append(steps, writes...) {
		if r.Kind == record.KindOutputWrite {
			require.Equal(t, text, r.Text(record.SafeStateReason))
		}
		require.False(t, of(r), "%s", r.Body)
	}

	d.to(1200 * msec)
	d.told(sequencer.Restart)
	d.to(1500 * msec)
	d.take(Event{Kind: ResourceGranted, ID: 3})
	d.to(1800 * msec)
	from = len(d.list)
	d.set("LT1", 1)
	verdicts = d.records(from, record.KindInterlock)
	require.Len(t, verdicts, 1)
	steps, writes = d.records(from, record.KindStepState), d.records(from, record.KindOutputWrite)
	require.NotEmpty(t, steps)
	require.Len(t, writes, 2)
	for _, r := range append(steps, writes...) {
		require.True(t, of(r), "%s", r.Body)
	}
	from = len(d.list)
	d.to(2200 * msec)
	d.told(sequencer.Restart)
	answer := d.records(from, record.KindCommandResult)
	require.Len(t, answer, 1)
	require.True(t, of(answer[0]), "%s", answer[0].Body)
	require.Equal(t, text+"; LT1=5 L GOOD age 0 ms, LT2=0 L GOOD age 0 ms", answer[0].Text(record.Detail))
	d.seal()
	replays(t, d)
}

func TestAValueThatDoesNotFitItsDecimalsIsNotRecordedInCounts(t *testing.T) {
	d := blaming(t, "")
	from := len(d.list)
	d.set("LT2", 1<<62)
	verdicts := d.records(from, record.KindInterlock)
	require.Len(t, verdicts, 1)
	require.Equal(t, []string{"LT1=20 L GOOD age 120 ms", "LT2=" + record.Overflow + " GOOD age 20 ms"}, verdicts[0].Texts(record.Values))
	d.told(sequencer.Start)
	d.told(sequencer.Abort)
	found := diagnoses(d.records(from, record.KindDiagnostics))
	require.Len(t, found, 1)
	require.Contains(t, found[0].Texts(record.Values), "LT2="+record.Overflow+" GOOD age 20 ms", "one form, whoever tells it")
	d.seal()
	replays(t, d)
}

func TestAFaultOfOneOutputRaisesTheAlarmsOfItAndOfAnyUntilItIsOver(t *testing.T) {
	d := blaming(t, "alarms:\n  - {alarm_id: ANY, message: m, priority: low, fault: output_fault}\n"+
		"  - {alarm_id: ONE, message: m, priority: low, fault: output_fault, of: XV1}\n"+
		"  - {alarm_id: TWO, message: m, priority: low, fault: output_fault, of: XV2}\n"+
		"  - {alarm_id: LATE, message: m, priority: low, fault: timeout}\n")
	one, _ := d.b.Plan.Map.Lookup("XV1")
	two, _ := d.b.Plan.Map.Lookup("XV2")
	edges := func(from int) (list []string) {
		for _, r := range d.records(from, record.KindAlarm) {
			list = append(list, r.Text(record.AlarmID)+" "+r.Text(record.AlarmState))
		}
		return list
	}
	d.off[one], d.off[two] = true, true
	d.told(sequencer.Start)
	d.to(700 * msec)
	d.take(Event{Kind: ResourceGranted, ID: 1})
	d.to(2600 * msec)
	require.Equal(t, []string{"ANY raised", "TWO raised"}, edges(0))
	require.Equal(t, 1, d.m.refs.faulty)
	from := len(d.list)
	d.to(5000 * msec)
	require.Equal(t, []string{"ONE raised"}, edges(from))
	require.Equal(t, 2, d.m.refs.faulty)
	d.off[two] = false
	from = len(d.list)
	d.to(15000 * msec)
	require.Equal(t, []string{"TWO cleared"}, edges(from), "any lasts")
	d.off[one] = false
	from = len(d.list)
	d.to(30000 * msec)
	require.ElementsMatch(t, []string{"ANY cleared", "ONE cleared"}, edges(from))
	require.Zero(t, d.m.refs.faulty)
	d.told(sequencer.Restart)
	from = len(d.list)
	d.to(130000 * msec)
	require.Equal(t, []string{"LATE raised"}, edges(from))
	require.Positive(t, d.m.refs.late)
	d.seal()
	replays(t, d)
}

func TestAStateThatCountsAFaultTwiceIsRefused(t *testing.T) {
	d := blaming(t, "alarms: [{alarm_id: ANY, message: m, priority: low, fault: output_fault}]\n")
	require.NoError(t, d.b.Start().Restore(d.m.Snapshot(nil)))
	d.m.refs.Faulty[1] = 2
	require.ErrorIs(t, d.b.Start().Restore(d.m.Snapshot(nil)), errSnapshot)
}
