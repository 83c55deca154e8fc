// Resources of a map: what a recipe may name, in which order, and what is recorded of a request to an arbiter.

package batch

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

const resources = "resources: [{resource_id: PUMP_7}, {resource_id: LINE_1, between_batches: true}, {resource_id: CIP, between_batches: true}, {resource_id: WATER, owners: 2}]\n"

// using loads a recipe whose procedure is given, on a map with a list of resources.
func using(procedure string) (*Plan, error) {
	mapping := "mapping: IO\nversion: \"1\"\nschema_version: 1\ndevice_id: C\nequipment_id: T1\ntags:\n" +
		"  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}\n" + resources
	recipe := "recipe: R\nversion: \"1\"\nschema_version: 1\ntitle: T\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\nrecovery: resume\nprocedure:\n" + procedure
	return Load(fstest.MapFS{"map.yaml": {Data: []byte(mapping)}, "recipe.yaml": {Data: []byte(recipe)}}, "recipe.yaml", "map.yaml", nil)
}

func TestARecipeUsesOnlyWhatItsMapListsAndOnlyInItsOrder(t *testing.T) {
	for name, c := range map[string]struct{ procedure, want string }{
		"unknown": {"  {id: P, level: procedure, uses: [PUMP_8], timeout: 1 min, sequence: [{id: A, level: phase, actions: [{mark: x}]}]}\n",
			`recipe.yaml:8:36: no resource "PUMP_8" in the I/O map IO; did you mean "PUMP_7"?; its resources: PUMP_7, LINE_1, CIP, WATER`},
		"downward": {"  {id: P, level: procedure, uses: [CIP], timeout: 1 min, sequence: [\n    {id: A, level: phase, uses: [PUMP_7, LINE_1], timeout: 1 min, actions: [{mark: x}]}]}\n",
			"recipe.yaml:9:42: A asks for LINE_1, which batches share, while P holds CIP (line 8), which stands behind it in the resources of the I/O map; " +
				"name both in the uses of P, so that they are got at once"},
		"by a line": {"  {id: P, level: procedure, parallel: [\n    {id: A, level: phase, uses: [CIP], timeout: 1 min, actions: [{sync: L}]},\n" +
			"    {id: B, level: operation, sequence: [{id: B1, level: phase, uses: [LINE_1], timeout: 1 min, actions: [{mark: x}]}, {id: B2, level: phase, timeout: 1 min, actions: [{sync: L}]}]}]}\n",
			"common equipment out of order: B1 (line 10) waits for LINE_1, which another batch may have, and until then A (line 9) keeps CIP"},
		"three of two": {"  {id: P, level: procedure, uses: [WATER], timeout: 1 min, parallel: [\n    {id: A, level: phase, uses: [PUMP_7], timeout: 1 min, actions: [{sync: L}]},\n" +
			"    {id: B, level: phase, uses: [PUMP_7], timeout: 1 min, actions: [{sync: L}]}]}\n", "deadlock"},
	} {
		_, err := using(c.procedure)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := using("  {id: P, level: procedure, uses: [LINE_1], timeout: 1 min, parallel: [\n    {id: A, level: phase, uses: [CIP, WATER], timeout: 1 min, actions: [{sync: L}]},\n" +
		"    {id: B, level: phase, uses: [WATER], timeout: 1 min, actions: [{sync: L}]}]}\n")
	require.NoError(t, err, "upward, and two of two")
}

// shell is the least that a machine needs: it numbers what happens and keeps the records.
type shell struct {
	t      *testing.T
	m      *Machine
	at     int64
	bodies [][]byte
	fx     []Effect // all that are no records
}

func (s *shell) take(at int64, ev Event) {
	s.at, ev.Seq = at, uint64(len(s.bodies))+1
	body, err := s.m.AppendInput(nil, at, &ev)
	require.NoError(s.t, err)
	s.bodies = append(s.bodies, body)
	for _, e := range s.m.Step(at, &ev, nil) {
		if e.Kind == Record {
			s.bodies = append(s.bodies, append([]byte(nil), e.Body...))
		} else {
			s.fx = append(s.fx, e)
		}
	}
}

func TestWhatAnArbiterIsAskedAndSaysIsRecordedAndReplaysFromAnyRecord(t *testing.T) {
	plan, err := using("  {id: P, level: procedure, sequence: [{id: A, level: phase, uses: [CIP, WATER, LINE_1], timeout: 1 min, actions: [{prompt: x}]}, " +
		"{id: B, level: phase, timeout: 1 min, actions: [{prompt: y}]}]}\n")
	require.NoError(t, err)
	b, err := plan.Bind("B-1", "", Unapproved, nil)
	require.NoError(t, err)
	const second = 1_000_000_000
	s := &shell{t: t, m: b.Start()}
	seen := timebase.Observation{Mono: second, UTC: 1_800_000_000_000_000_000, Sync: timebase.RTCOnly, Source: "test", Bound: 1}
	s.take(second, Event{Kind: Created, Epoch: 1, Observation: seen})
	for i := range plan.Files {
		s.take(second, Event{Kind: Bound, File: i})
	}
	s.take(second, Event{Kind: Boot, Epoch: 1, Observation: seen})
	s.take(second, Event{Kind: Done, ID: 1, OK: true, At: second})
	s.take(2*second, Event{Kind: Told, Command: sequencer.Start, Operator: "op", Role: "operator", Reason: "start"})
	s.take(3*second, Event{Kind: ResourceQueue, ID: 1, Place: 2, Owner: "B-7/" + strings.Repeat("\u00e9", 100), Since: seen.UTC})
	s.take(4*second, Event{Kind: ResourceRefused, ID: 1, Detail: strings.Repeat("no ", 60)})
	s.take(5*second, Event{Kind: ResourceGranted, ID: 1, Token: 1<<64 - 1})
	s.take(6*second, Event{Kind: Told, Command: sequencer.Restart, Operator: "op", Role: "operator", Reason: "again"})
	seen.Mono, seen.UTC = 0, seen.UTC+60*second
	s.take(0, Event{Kind: Boot, Epoch: 2, Observation: seen, Recovery: "CLEAN", LossMS: -1, Last: uint64(len(s.bodies))})
	s.take(second, Event{Kind: Done, ID: 2, OK: true, At: second})
	s.take(2*second, Event{Kind: ResourceQueue, ID: 2, Place: 1})
	s.take(3*second, Event{Kind: ResourceGranted, ID: 2, Token: 8})
	s.take(4*second, Event{Kind: Answered, ID: 3, Value: "ok", Operator: "op", Role: "operator"})
	s.take(5*second, Event{Kind: ResourceGranted, ID: 2})
	s.take(6*second, Event{Kind: Told, Command: sequencer.Abort, Operator: "op", Role: "operator", Reason: "enough"})
	var asked []string
	for _, e := range s.fx {
		if e.Kind == RequestResource || e.Kind == ReleaseResource {
			asked = append(asked, fmt.Sprint(map[EffectKind]string{RequestResource: "ask", ReleaseResource: "give back"}[e.Kind], " ", e.ID, e.Step, e.Params))
		}
	}
	require.Equal(t, []string{"ask 1A.uses[LINE_1 CIP]", "give back 1[]", "ask 2A.uses[LINE_1 CIP]", "ask 2A.uses[LINE_1 CIP]",
		"give back 2A.uses[LINE_1 CIP]", "give back 2[]"}, asked)
	s.replays(b)
}

// replays checks that the records replay from the first one, and from a checkpoint behind any of them.
func (s *shell) replays(b *Batch) {
	full := b.Replay()
	for i, body := range s.bodies {
		rec, err := record.Parse(body)
		require.NoError(s.t, err)
		require.NoError(s.t, full.Record(rec))
		if len(full.Lacking()) > 0 || !full.booted || full.Machine.Ended() {
			continue
		}
		r, err := b.ReplayFrom(full.Machine.Checkpoint(nil, full.at), full.seq)
		require.NoError(s.t, err)
		for _, body := range s.bodies[i+1:] {
			rec, err := record.Parse(body)
			require.NoError(s.t, err)
			require.NoError(s.t, r.Record(rec), "from record %d", i+1)
		}
		require.NoError(s.t, r.End())
	}
	require.NoError(s.t, full.End())
}
