// What an abort keeps is bounded, and no recipe sets what requests a trip.

package batch

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// tripPlan loads the files of the runner's tests of aborts, with a text replaced in the recipe and tags added to the map.
func tripPlan(t *testing.T, old, new string, tags string) (*Plan, error) {
	files := fstest.MapFS{}
	for _, name := range []string{"recipe.yaml", "map.yaml"} {
		data, err := os.ReadFile("runner/testdata/abort/" + name)
		require.NoError(t, err)
		text := strings.Replace(string(data), old, new, 1)
		if name == "map.yaml" {
			text = strings.Replace(text, "trip_request:", tags+"trip_request:", 1)
		}
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Load(files, "recipe.yaml", "map.yaml", nil)
}

func TestNoRecipeSetsWhatRequestsATrip(t *testing.T) {
	_, err := tripPlan(t, "set: {XV301: open}", "set: {ES_REQ: on}", "")
	require.ErrorContains(t, err, "recipe.yaml:16:50: ES_REQ is the trip_request of the I/O map TANKS; only a hard abort sets it")
}

// aborted gives the records of a batch that is aborted as soon as it has begun.
func aborted(t *testing.T, p *Plan, orders ...Event) (list []*record.Record, sizes int) {
	b, err := p.Bind("B-1", "", Unapproved, nil)
	require.NoError(t, err)
	m, seq := b.Start(), uint64(0)
	boot := Event{Kind: Boot, Epoch: 1, Observation: timebase.Observation{Mono: 1, UTC: 1_750_000_000_000_000_000, Sync: timebase.RTCOnly, Source: "seed", Bound: 1}}
	for i := range p.Map.Tags {
		boot.Readback = append(boot.Readback, Reading{Tag: tag.ID(i), Form: p.Map.Tags[i].Form, Quality: tag.Good})
	}
	events := append([]Event{boot, {Kind: Told, Command: sequencer.Start}}, orders...)
	for i := range events {
		events[i].Seq = seq + 1
		seq++
		for _, e := range m.Step(1, &events[i], nil) {
			if e.Kind == Record {
				seq = e.Seq
				sizes += len(e.Body)
				r, err := record.Parse(e.Body)
				require.NoError(t, err)
				list = append(list, r)
			}
		}
	}
	return list, sizes
}

func diagnoses(list []*record.Record) (of []*record.Record) {
	for _, r := range list {
		if r.Kind == record.KindDiagnostics {
			of = append(of, r)
		}
	}
	return of
}

func TestWhatDoesNotFitADiagnosisIsCounted(t *testing.T) {
	var tags strings.Builder
	for i := range 520 {
		fmt.Fprintf(&tags, "  - {logical_tag: %s, physical_channel: di/%d, direction: in, type: switch, words: [%s, on], stale_after: 3 s}\n",
			fmt.Sprintf("S%03d_%s", i, strings.Repeat("x", 45)), i+100, strings.Repeat("o", 40))
	}
	p, err := tripPlan(t, "", "", tags.String())
	require.NoError(t, err)
	list, size := aborted(t, p, Event{Kind: Told, Command: sequencer.HardAbort})
	found := diagnoses(list)
	require.Len(t, found, 1)
	kept := len(found[0].Texts(record.Values))
	require.EqualValues(t, len(p.Map.Tags)-kept, found[0].Int(record.Omitted))
	require.Greater(t, kept, 250)
	require.Less(t, len(found[0].Body), maxFound+maxValues+4096)
	require.Less(t, len(found[0].Body), record.MaxBody)
	require.Less(t, size, MaxBurst)
	require.Equal(t, "CHARGE Running, CHARGE/1 for 0 ms: outputs confirmed", found[0].Texts(record.ActiveSteps)[0])
}

func TestEachAbortIsDiagnosedOnce(t *testing.T) {
	p, err := tripPlan(t, "", "", "")
	require.NoError(t, err)
	list, _ := aborted(t, p, Event{Kind: Told, Command: sequencer.Abort, Step: "CHARGE"}, Event{Kind: Told, Command: sequencer.Abort},
		Event{Kind: Told, Command: sequencer.Abort}, Event{Kind: Told, Command: sequencer.HardAbort})
	found := diagnoses(list)
	require.Len(t, found, 2)
	require.Equal(t, "CHARGE", found[0].Text(record.StepID))
	require.Equal(t, []string{"CHARGE Running, CHARGE/1 for 0 ms: outputs confirmed"}, found[0].Texts(record.ActiveSteps))
	require.False(t, found[1].Has(record.StepID))
	require.Len(t, found[1].Texts(record.ActiveSteps), 3, "the branch that is aborted already, its logic, and the other one")
	require.Len(t, found[1].Texts(record.Values), len(p.Map.Tags))
}
