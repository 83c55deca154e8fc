// The store says of unit runs what the tracker knows: the records leave nothing out, and none is set aside.

package production

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
	"github.com/batchkit/batchkit/journal/record"
)

// wild has an engine told this and that, much of which it refuses.
func (s *runStory) wild(rnd *rand.Rand, steps int) {
	u := s.e.UnitRuns()
	o := api.Order{Operator: "anna", Role: "planner"}
	unit := func() string { return fmt.Sprintf("U%04d", rnd.IntN(2)) }
	run := func() string { return fmt.Sprintf("R-%06d", 1+rnd.IntN(8)) }
	lot := func() string { return fmt.Sprintf("M-%06d", 1+rnd.IntN(12)) }
	for range steps {
		switch rnd.IntN(9) {
		case 0:
			_, _ = u.Create(&api.RunCreate{Order: o, Unit: unit(), Definition: []string{"P", "Q"}[rnd.IntN(2)], Process: []string{"", "B-9"}[rnd.IntN(2)], Start: rnd.IntN(2) == 0})
		case 1, 2, 3:
			_ = u.Tell(run(), &api.RunCommand{Order: o, Command: []string{"start", "pause", "resume", "ready", "finish", "cancel"}[rnd.IntN(6)]})
		case 4, 5:
			m := &api.MaterialOrder{Order: o, Command: []string{"arrive", "move", "exit", "regenerate", "register"}[rnd.IntN(5)], Material: lot(), Unit: unit(), Test: rnd.IntN(9) == 0}
			if m.Command == "exit" || m.Command == "register" {
				m.Unit = ""
			}
			if m.Test = m.Test && m.Command == "arrive"; m.Command == "arrive" && rnd.IntN(2) == 0 {
				m.Material = ""
			}
			_, _ = u.Material(m)
		case 6:
			_, _ = u.Material(&api.MaterialOrder{Order: o, Command: []string{"split", "merge"}[rnd.IntN(2)], Material: lot(), Others: []string{lot()}})
		default:
			require.NoError(s.t, s.second())
		}
	}
	require.NoError(s.t, s.e.floor.keeper.flush())
}

func TestTheStoreSaysOfUnitRunsWhatTheTrackerKnows(t *testing.T) {
	seeds := 4
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds = 100
	}
	defs, err := ParseRuns("runs.yaml", []byte("schema_version: 1\nrun_definitions:\n  - {run_definition: P, class: C, post_processing: true, follow: {batches: true, at_abort: cancel}, "+
		"capture: {period: 1 s, tags: [{logical_tag: WT301, physical_channel: \"{{unit}}/ai/5\"}]}}\n  - {run_definition: Q, class: C, auto_create: true, test: true}\n"))
	require.NoError(t, err)
	for seed := range seeds {
		s := &runStory{t: t, disk: journaltest.NewDisk(), clock: &stepped{}, defs: defs,
			plant: saidPlant{model: &api.Model{Items: []api.Equipment{{ID: "U0000", Level: "unit", Class: "C", Owners: 1}, {ID: "U0001", Level: "unit", Class: "C", Owners: 1}}}}}
		s.clock.now.Store(1)
		require.NoError(t, s.open())
		s.wild(rand.New(rand.NewPCG(uint64(seed), 14)), 300)
		s.compare(filepath.Join(t.TempDir(), "plant.db"), seed)
		require.NoError(t, s.e.Close())
	}
}

// compare feeds a store with the ledger, and holds its rows against the tracker.
func (s *runStory) compare(where string, seed int) {
	ctx := s.t.Context()
	keptAnywhere(s.t, "production", "", &journal.Options{Storage: s.disk})
	p, err := store.OpenPlant(ctx, where, nil)
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, p.Close()) }()
	var all []*record.Record
	values := 0
	found, err := journal.Scan("production", func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(slices.Clone(body))
		if all = append(all, r); err == nil && r.Kind == record.KindUnitRunData {
			values += len(r.Texts(record.RunData))
		}
		return err
	}, &journal.Options{Storage: s.disk})
	require.NoError(s.t, err)
	require.NoError(s.t, p.Apply(ctx, found.JournalID, journal.Chain{}, all))
	asides, _, err := p.Asides(ctx, store.Filter{Limit: store.MaxRows})
	require.NoError(s.t, err)
	for _, a := range asides {
		require.Fail(s.t, "set aside", "seed %d: record %d: %s: %s", seed, a.Seq, a.Reason, a.Body)
	}
	runs, _, err := p.Runs(ctx, store.Filter{Limit: store.MaxRows})
	require.NoError(s.t, err)
	var stored, known []string
	for _, r := range runs {
		stored = append(stored, fmt.Sprint(r.ID, r.Definition, r.Unit, r.State, r.Status, r.MainIdent, r.Process, stamp(r.Created), stamp(r.Started), stamp(r.Ended), r.Test))
	}
	for _, r := range s.e.UnitRuns().List(RunFilter{}) {
		known = append(known, fmt.Sprint(r.ID, r.Definition, r.Unit, r.State, r.Code, r.Ident, r.Process, r.Created, r.Started, r.Ended, r.Test))
	}
	require.Equal(s.t, known, stored, "seed %d", seed)
	materials, _, err := p.Materials(ctx, store.Filter{Limit: store.MaxRows})
	require.NoError(s.t, err)
	stored, known = nil, nil
	for _, m := range materials {
		stored = append(stored, strings.TrimSpace(fmt.Sprint(m.ID, " ", m.Life, " ", m.Test, " ", m.Unit)))
	}
	for _, m := range s.e.UnitRuns().Materials(RunFilter{}) {
		known = append(known, strings.TrimSpace(fmt.Sprint(m.ID, " ", m.Life, " ", m.Test, " ", m.Unit)))
	}
	slices.Sort(stored)
	slices.Sort(known)
	require.Equal(s.t, known, stored, "seed %d", seed)
	got, after := 0, ""
	for {
		list, next, err := p.Values(ctx, store.Filter{After: after, Limit: store.MaxRows})
		require.NoError(s.t, err)
		if got += len(list); next == "" {
			break
		}
		after = next
	}
	require.Equal(s.t, values, got)
	require.Positive(s.t, values)
}
