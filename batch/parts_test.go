// Outputs that are parts of what batches share, commands that were refused before they came in, and the equipment model.

package batch

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

const partsMap = `mapping: IO
version: "1"
schema_version: 1
device_id: C
equipment_id: T1
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed, stale_after: 1 h, resource: UNIT}
  - {logical_tag: XV2, physical_channel: do/2, direction: out, type: switch, words: [closed, open], safe_value: closed, stale_after: 1 h}
resources: [{resource_id: PUMP_7}, {resource_id: UNIT, between_batches: true}]
overrides: [{override_id: OV, tags: [XV1], roles: [maintenance], limit: 1 h}]
`

// parted loads a recipe whose procedure is given, on a map with a part of UNIT.
func parted(procedure string) (*Plan, error) {
	recipe := "recipe: R\nversion: \"1\"\nschema_version: 1\ntitle: T\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\nrecovery: resume\nprocedure:\n" + procedure
	return Load(fstest.MapFS{"map.yaml": {Data: []byte(partsMap)}, "recipe.yaml": {Data: []byte(recipe)}}, "recipe.yaml", "map.yaml", nil)
}

func TestAPartOfWhatIsSharedIsSetOnlyWhereThatIsUsed(t *testing.T) {
	for name, c := range map[string]struct{ procedure, want string }{
		"never used": {"  {id: P, level: procedure, sequence: [{id: A, level: phase, timeout: 1 min, actions: [{set: {XV2: open}}, {set: {XV1: open}}]}]}\n",
			"recipe.yaml:8:115: XV1 is a part of UNIT, which neither A nor an element around it uses; name it in the uses of one of them"},
		"used elsewhere": {"  {id: P, level: procedure, sequence: [\n    {id: A, level: phase, uses: [UNIT], timeout: 1 min, actions: [{set: {XV1: open}}]},\n" +
			"    {id: B, level: phase, uses: [PUMP_7], timeout: 1 min, actions: [{set: {XV1: closed}}]}]}\n",
			"recipe.yaml:10:76: XV1 is a part of UNIT, which neither B"},
		"in logic": {"  {id: P, level: procedure, sequence: [\n    {id: A, level: phase, timeout: 1 min, actions: [{prompt: x}], on_abort: {timeout: 1 min, actions: [{set: {XV1: closed}}]}}]}\n",
			"XV1 is a part of UNIT, which neither A.on_abort nor"},
	} {
		_, err := parted(c.procedure)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := parted("  {id: P, level: procedure, uses: [UNIT], timeout: 1 min, sequence: [{id: A, level: phase, timeout: 1 min, actions: [{set: {XV1: open}}]}]}\n")
	require.NoError(t, err)
}

const second = 1_000_000_000

// begun is a batch that has booted, and whose output XV1 reads open: somebody else has it.
func begun(t *testing.T, plan *Plan, opt *BindOptions) (*shell, *Batch) {
	b, err := plan.Bind("B-1", "", Unapproved, opt)
	require.NoError(t, err)
	s := &shell{t: t, m: b.Start()}
	seen := timebase.Observation{Mono: second, UTC: 1_800_000_000_000_000_000, Sync: timebase.RTCOnly, Source: "test", Bound: 1}
	s.take(second, Event{Kind: Created, Epoch: 1, Observation: seen})
	for i := range plan.Files {
		s.take(second, Event{Kind: Bound, File: i})
	}
	s.boot(1, 1)
	return s, b
}

// boot comes up and reads XV1 and XV2 back.
func (s *shell) boot(epoch uint32, xv1 uint64) {
	ev := Event{Kind: Boot, Epoch: epoch, Observation: timebase.Observation{Mono: second, UTC: 1_800_000_000_000_000_000 + int64(len(s.bodies))*second,
		Sync: timebase.RTCOnly, Source: "test", Bound: 1}}
	ev.Readback = []Reading{{Tag: 0, Form: tag.Bool, Bits: xv1, Quality: tag.Good}, {Tag: 1, Form: tag.Bool, Quality: tag.Good}}
	if epoch > 1 {
		ev.Recovery, ev.LossMS, ev.Last = "CLEAN", -1, uint64(len(s.bodies))
	}
	s.take(second, ev)
}

func (s *shell) tell(at int64, c sequencer.Command, name, value string) {
	s.take(at, Event{Kind: Told, Command: c, Name: name, Value: value, Operator: "op", Role: "maintenance", Reason: "test"})
}

// wrote returns the records of writes since record n, each as tag=value and its reason or its phase.
func (s *shell) wrote(n int) (list []string) {
	for _, body := range s.bodies[n:] {
		if r, err := record.Parse(body); err == nil && r.Kind == record.KindOutputWrite {
			list = append(list, r.Text(record.LogicalTag)+"="+r.Text(record.Value)+" "+r.Text(record.SafeStateReason)+r.Text(record.ActionID))
		}
	}
	return list
}

// last is the last record of a kind.
func (s *shell) last(k record.Kind) *record.Record {
	for i := len(s.bodies) - 1; i >= 0; i-- {
		if r, err := record.Parse(s.bodies[i]); err == nil && r.Kind == k {
			return r
		}
	}
	s.t.Fatalf("no %v", k)
	return nil
}

func TestABatchLeavesAPartAloneUntilItHasTheUnitAndGivesItBackSafe(t *testing.T) {
	plan, err := parted("  {id: P, level: procedure, sequence: [{id: A, level: phase, uses: [UNIT], timeout: 1 h, actions: [{set: {XV1: open}}, {prompt: x}]}, " +
		"{id: B, level: phase, timeout: 1 min, actions: [{prompt: y}]}]}\n")
	require.NoError(t, err)
	s, b := begun(t, plan, nil)
	require.Empty(t, s.wrote(0), "it reads open, and is another's")
	require.True(t, s.m.Foreign(0))
	require.False(t, s.m.Foreign(1))

	s.tell(2*second, sequencer.OverrideGrant, "OV", "10 min")
	s.tell(2*second, sequencer.OverrideSet, "XV1", "open")
	require.Contains(t, s.last(record.KindCommandResult).Text(record.Detail), sequencer.NotHeld)
	s.tell(3*second, sequencer.Start, "", "")
	s.boot(2, 1)
	require.Equal(t, sequencer.Running, s.m.State(), "nor does it hold for it after a boot")
	require.Empty(t, s.wrote(0))

	s.take(4*second, Event{Kind: ResourceGranted, ID: 1, Token: 5})
	require.False(t, s.m.Foreign(0))
	require.Equal(t, []string{"XV1=closed equipment got"}, s.wrote(0), "who had it has left it open: that is put right first")
	n := len(s.bodies)
	s.take(5*second, Event{Kind: Done, ID: 1, OK: true, At: 5 * second})
	require.Equal(t, []string{"XV1=open A/1"}, s.wrote(n))
	s.take(6*second, Event{Kind: Done, ID: 2, OK: true, At: 6 * second})

	n, fx := len(s.bodies), len(s.fx)
	s.take(7*second, Event{Kind: ResourceGranted, ID: 1, Token: 9})
	require.Equal(t, "9", s.last(record.KindResourceGranted).Text(record.Token))
	require.Equal(t, "no_op it was granted already", s.last(record.KindCommandResult).Text(record.Result)+" "+s.last(record.KindCommandResult).Text(record.Detail))
	require.Len(t, s.bodies, n+2, "a newer token is a record and its answer, and nothing else comes of it")
	require.Len(t, s.fx, fx)

	n = len(s.bodies)
	s.take(8*second, Event{Kind: Answered, ID: uint32(s.last(record.KindPrompt).Int(record.PromptID)), Value: "ok", Operator: "op", Role: "operator"})
	require.Equal(t, []string{"XV1=closed equipment is given back"}, s.wrote(n))
	require.False(t, s.m.Foreign(0), "it is the batch's until its device has confirmed")
	require.NotContains(t, s.said(), ReleaseResource)
	s.take(9*second, Event{Kind: Done, ID: 3, OK: true, At: 9 * second})
	require.Contains(t, s.said(), ReleaseResource)
	require.True(t, s.m.Foreign(0))

	n = len(s.bodies)
	for at := int64(20); at < 30; at += 5 { // another has it, and opens it
		s.take(at*second, Event{Kind: PowerWarned, Holdup: second})
		s.take(at*second+1, Event{Kind: PowerWarned, OK: true})
	}
	s.boot(3, 1)
	s.tell(40*second, sequencer.Abort, "", "")
	require.Empty(t, s.wrote(n))
	end := s.last(record.KindBatchEnd)
	require.Equal(t, "outputs_safe", end.Text(record.Result), "of its own")
	s.replays(b)
}

// TestWhatAPersonHasTakenIsForeignAtOnceAndTheBatchIsHeldWithItUntilItIsAborted takes UNIT while its valve is being opened.
func TestWhatAPersonHasTakenIsForeignAtOnceAndTheBatchIsHeldWithItUntilItIsAborted(t *testing.T) {
	plan, err := parted("  {id: P, level: procedure, sequence: [{id: A, level: phase, uses: [UNIT], timeout: 1 h, actions: [{set: {XV1: open}}, {prompt: x}], " +
		"on_hold: {timeout: 1 min, actions: [{set: {XV1: open}}]}}]}\n")
	require.NoError(t, err)
	for _, confirmed := range []bool{false, true} {
		s, b := begun(t, plan, nil)
		s.tell(3*second, sequencer.Start, "", "")
		s.take(4*second, Event{Kind: ResourceGranted, ID: 1, Token: 5})
		s.take(5*second, Event{Kind: Done, ID: 1, OK: true, At: 5 * second})
		if confirmed {
			s.take(6*second, Event{Kind: Done, ID: 2, OK: true, At: 6 * second})
		}
		n := len(s.bodies)
		s.take(7*second, Event{Kind: ResourceRefused, ID: 1, OK: true, Detail: "UNIT was taken from it by anna: stuck"})
		require.True(t, s.m.Foreign(0))
		require.Equal(t, "ended", s.last(record.KindResourceRefused).Text(record.Result))
		require.Equal(t, "released UNIT was taken from it by anna: stuck", s.last(record.KindResourceRelease).Text(record.Result)+" "+s.last(record.KindResourceRelease).Text(record.Detail))
		require.Contains(t, s.said(), ReleaseResource)
		require.Equal(t, sequencer.Held, s.m.State())
		if !confirmed {
			s.take(8*second, Event{Kind: Done, ID: 2, At: 8 * second, Outcome: "REFUSED"})
		}
		s.tell(9*second, sequencer.Restart, "", "")
		require.Contains(t, s.last(record.KindCommandResult).Text(record.Detail), "was taken from it")
		s.boot(2, 1)
		require.Equal(t, sequencer.Held, s.m.State())
		s.tell(10*second, sequencer.Abort, "", "")
		require.Empty(t, s.wrote(n))
		require.Equal(t, sequencer.Aborted, s.m.State())
		require.Equal(t, "outputs_safe", s.last(record.KindBatchEnd).Text(record.Result), "of its own")
		s.replays(b)
	}
}

// said lists the kinds of all effects that are no records.
func (s *shell) said() (list []EffectKind) {
	for i := range s.fx {
		list = append(list, s.fx[i].Kind)
	}
	return list
}

func TestACommandThatWasRefusedBeforeItCameInChangesNothingInAnyStateAndReplays(t *testing.T) {
	plan, err := parted("  {id: P, level: procedure, sequence: [{id: A, level: phase, timeout: 1 h, actions: [{prompt: x}]}]}\n")
	require.NoError(t, err)
	s, b := begun(t, plan, &BindOptions{EquipmentModel: 17})
	require.Equal(t, uint64(17), s.last(record.KindBatchCreated).Count(record.EquipmentModelVersion))
	at := int64(2)
	forged := func(c sequencer.Command, result string) {
		at++
		was, fx, n := s.m.State(), len(s.fx), len(s.bodies)
		s.take(at*second, Event{Kind: Told, Command: c, Operator: "local:1000", Role: "operator", Reason: "none", Refusal: "local:1000 is no edge", Claimed: "anna"})
		cmd := s.last(record.KindCommand)
		require.Equal(t, "local:1000 anna local:1000 is no edge", strings.Join([]string{cmd.Text(record.OperatorID), cmd.Text(record.ClaimedActor), cmd.Text(record.Refusal)}, " "))
		said := s.last(record.KindCommandResult)
		require.Equal(t, result, fmt.Sprint(said.Text(record.Result), " ", said.Text(record.Detail), " ", said.Text(record.Command)))
		require.Equal(t, was, s.m.State())
		require.Len(t, s.fx, fx)
		require.Len(t, s.bodies, n+2)
	}
	for c := sequencer.Start; c.String() != ""; c++ {
		forged(c, "refused local:1000 is no edge "+c.String())
	}
	s.tell(100*second, sequencer.Start, "", "")
	at = 100
	for c := sequencer.Start; c.String() != ""; c++ {
		forged(c, "refused local:1000 is no edge "+c.String())
	}
	require.Equal(t, sequencer.Running, s.m.State())
	s.tell(200*second, sequencer.Abort, "", "")
	require.Equal(t, sequencer.Aborted, s.m.State())
	s.replays(b)
}
