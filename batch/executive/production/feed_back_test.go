// Tests of the feed: a ledger that was put back, or begun anew, is not taken for the one that the store was made of; and what a store was fed with while
// production went on is what it is made of anew, row for row, in both databases.

package production

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// managers writes n records into the ledger of a manager.
func managers(t *testing.T, dir string, n int) (id string) {
	t.Helper()
	m, err := ledger.Open(filepath.Join(dir, "manager"), "CELL-1", "manager", nil)
	require.NoError(t, err)
	for range n {
		_, err := m.Append(func(b *record.Body) {
			b.Begin(record.KindBatchLife)
			for k, v := range map[record.Key]string{record.ObjectID: "B-1", record.LifeState: "Ready", record.OldValue: "Loading", record.Command: "heard Ready", record.Actor: "x", record.Result: "done"} {
				b.Text(k, v)
			}
		})
		require.NoError(t, err)
	}
	id = m.ID()
	require.NoError(t, m.Close())
	return id
}

// feeder is an engine of which only the feed is looked at.
func feeder(t *testing.T, dir string, s Store) *Engine {
	t.Helper()
	e, err := Open(dir, "board-1", &Needs{Batches: &saidBatches{}, Products: Recorded{}, Resources: &saidPlant{}, Store: s}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// deeds writes some records of the engine itself.
func deeds(t *testing.T, e *Engine, n int) {
	t.Helper()
	for range n {
		require.NoError(t, e.did(&deed{Did: didFail, Detail: "something"}, person{}))
	}
}

func TestALedgerThatWasPutBackIsToldAndOneBegunAnewIsFed(t *testing.T) {
	ctx, dir, kept := t.Context(), t.TempDir(), t.TempDir()
	p, err := store.OpenPlant(ctx, filepath.Join(dir, "plant.db"), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	ledgers := []string{"production", "manager"}
	copyTo := func(from, to string) {
		for _, name := range ledgers {
			require.NoError(t, os.RemoveAll(filepath.Join(to, name)))
			require.NoError(t, os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(from, name))))
		}
	}
	sources := func() []*source {
		return []*source{{dir: filepath.Join(dir, "production"), own: true}, {dir: filepath.Join(dir, "manager")}}
	}
	managers(t, dir, 5)
	e := feeder(t, dir, p)
	deeds(t, e, 5)
	require.NoError(t, e.Close())
	copyTo(dir, kept)

	managers(t, dir, 5)
	e = feeder(t, dir, p)
	deeds(t, e, 5)
	list := sources()
	for _, s := range list {
		require.NoError(t, e.feedOne(ctx, s))
	}
	require.NoError(t, e.Close())

	copyTo(kept, dir) // shorter than what the store has; as long, and another one; longer
	for _, n := range []int{0, 5, 7} {
		copyTo(kept, dir)
		managers(t, dir, n)
		e = feeder(t, dir, p)
		deeds(t, e, n)
		for _, s := range append(sources(), list...) {
			err := e.feedOne(ctx, s)
			require.ErrorContains(t, err, "make the store anew", "%s with %d", s.dir, n)
		}
		require.NoError(t, e.Close())
	}

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "manager")))
	id := managers(t, dir, 3)
	require.NoError(t, e.feedOne(ctx, list[1]), "a ledger that was begun anew is another one")
	at, err := p.At(ctx, id)
	require.NoError(t, err)
	require.EqualValues(t, 3, at.N)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "manager"))) // while its name is known
	id = managers(t, dir, 2)
	_ = e.feedOne(ctx, list[1]) // it finds out
	require.NoError(t, e.feedOne(ctx, list[1]))
	at, err = p.At(ctx, id)
	require.NoError(t, err)
	require.EqualValues(t, 2, at.N)
}

// recordsOf are all records of a ledger.
func recordsOf(t *testing.T, dir string) (id string, all []*record.Record) {
	t.Helper()
	found, err := journal.Scan(dir, func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(bytes.Clone(body))
		all = append(all, r)
		return err
	}, nil)
	require.NoError(t, err)
	return found.JournalID, all
}

// shift has people drive two runs by hand on real disks: material that moves, is split, merged and moved back, values, and what is refused.
func shift(t *testing.T, e *Engine, many int) {
	t.Helper()
	ctx, u, o := t.Context(), e.UnitRuns(), api.Order{Operator: "anna", Role: "planner", Reason: "a <shift>, \"ä\\\"|"}
	require.NoError(t, e.beginRuns(ctx))
	e.life = Up
	require.NoError(t, e.catchUpRuns())
	tell := func(run string, commands ...string) {
		for _, c := range commands {
			require.NoError(t, u.Tell(run, &api.RunCommand{Order: o, Command: c}), "%s %s", run, c)
		}
	}
	put := func(command, unit, id string, others ...string) {
		_, err := u.Material(&api.MaterialOrder{Order: o, Command: command, Material: id, Unit: unit, Others: others})
		require.NoError(t, err, "%s %s", command, id)
	}
	sampled := func() {
		e.floor.keeper.caps.tick(e.clock.Now()+int64(time.Hour), e.utc(), "")
		require.NoError(t, e.floor.keeper.flush())
	}
	for n := range many {
		put("arrive", "U0000", fmt.Sprintf("LOT-%d", n))
	}
	one, err := u.Create(&api.RunCreate{Order: o, Unit: "U0000", Definition: "P", Ident: "'; DROP TABLE plant_run; -- ä\U0001F600", Start: true})
	require.NoError(t, err)
	two, err := u.Create(&api.RunCreate{Order: o, Unit: "U0001", Definition: "P", Process: "B-9", Start: true})
	require.NoError(t, err)
	sampled()
	tell(two, "pause")
	for n := range many {
		put("move", "U0001", fmt.Sprintf("LOT-%d", n))
	}
	tell(two, "resume")
	sampled()
	require.Error(t, u.Tell(one, &api.RunCommand{Order: o, Command: "cancel"}), "its material has moved on")
	tell(two, "cancel")
	tell(one, "pause", "resume")
	put("split", "", "LOT-0", "HALF-1", "HALF-2")
	put("merge", "", "WHOLE", "HALF-1", "HALF-2")
	put("exit", "", "WHOLE")
	put("move", "U0001", "LOT-1")
	put("regenerate", "U0000", "LOT-1")
	sampled()
	tell(one, "ready", "finish")
	require.Error(t, u.Tell(one, &api.RunCommand{Order: o, Command: "start"}))
}

// fedAndAnew runs a shift while a store is fed, and holds its rows against those that it has when it is made anew.
func fedAndAnew(t *testing.T, where string, many int) (rows []string) {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	p, err := store.OpenPlant(ctx, where, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	managers(t, dir, 4)
	defs, err := ParseRuns("runs.yaml", []byte("schema_version: 1\nrun_definitions:\n  - {run_definition: P, class: C, post_processing: true, "+
		"capture: {period: 100 ms, tags: [{logical_tag: WT301, physical_channel: \"{{unit}}/ai/5\"}, {logical_tag: FT101, physical_channel: x}]}}\n"))
	require.NoError(t, err)
	plant := &saidPlant{model: &api.Model{Items: []api.Equipment{{ID: "U0000", Level: "unit", Class: "C", Owners: 1}, {ID: "U0001", Level: "unit", Class: "C", Owners: 1}}}}
	e, err := Open(dir, "board-1", &Needs{Batches: &saidBatches{}, Products: Recorded{}, Resources: plant, Store: p, Runs: &RunNeeds{Definitions: defs, Units: plant}}, &Options{ID: "production-fed"})
	require.NoError(t, err)
	fed, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); e.feed(fed) }()
	shift(t, e, many)
	stop()
	<-done
	for _, s := range []*source{{dir: filepath.Join(dir, "production"), own: true}, {dir: filepath.Join(dir, "manager")}} {
		require.NoError(t, e.feedOne(ctx, s))
	}
	require.NoError(t, e.Close())
	all := func() (list []string) {
		require.NoError(t, p.Rows(ctx, func(table string, row []string) error {
			list = append(list, table+" "+strings.Join(row, "|"))
			return nil
		}))
		return list
	}
	live := all()
	asides, _, err := p.Asides(ctx, store.Filter{})
	require.NoError(t, err)
	require.Empty(t, asides)
	for _, name := range []string{"production", "manager"} {
		id, records := recordsOf(t, filepath.Join(dir, name))
		require.NoError(t, p.Rebuild(ctx, id, func(add func([]*record.Record) error) error { return add(records) }))
	}
	require.Equal(t, live, all())
	seen := map[string]int{}
	for _, row := range live {
		table, _, _ := strings.Cut(row, " ")
		seen[table]++
	}
	for _, table := range []string{"plant_run", "plant_material", "plant_move", "plant_link", "plant_line", "plant_value", "plant_batch", "plant_journal"} {
		require.Positive(t, seen[table], table)
	}
	require.Equal(t, many+3, seen["plant_material"])
	came, err := Check(dir, "", nil)
	require.NoError(t, err)
	require.True(t, came.OK(), came.Differs)
	return live
}

func TestRebuiltIsLiveRowForRowInSQLite(t *testing.T) {
	fedAndAnew(t, filepath.Join(t.TempDir(), "plant.db"), 40)
}

func TestAThousandMaterialsOfOneRunAreLinkedAndMovedBackInTheStoreToo(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of writes")
	}
	fedAndAnew(t, filepath.Join(t.TempDir(), "plant.db"), 1000)
}

func TestRebuiltIsLiveRowForRowInPostgreSQL(t *testing.T) {
	p, err := storetest.StartPostgres(t.Context())
	if errors.Is(err, storetest.ErrAbsent) {
		t.Skip(err)
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	fedAndAnew(t, p.Local, 40)
}

// inPieces brings a ledger into a store, some records at a time.
func inPieces(t *testing.T, p *store.Plant, id string, all []*record.Record, piece int) {
	t.Helper()
	var at journal.Chain
	for len(all) > 0 {
		some := all[:min(piece, len(all))]
		require.NoError(t, p.Apply(t.Context(), id, at, some))
		for all = all[len(some):]; len(some) > 0; some = some[1:] {
			at.Add(some[0].Body)
		}
	}
}

func TestADayOfJobsIsTheSameInBothDatabasesLiveAndAnew(t *testing.T) {
	var dir string
	kept := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := &plant{t: t, dir: t.TempDir(), shop: newShop()}
		p.open()
		p.run()
		p.until("it is up", func() bool { l, _ := p.e.Life(); return l == Up })
		first, second := p.add("A", 2), p.add("B", 1)
		for _, id := range []string{first + "-0001", first + "-0002", second + "-0001"} {
			p.there(id)
			p.shop.runs(id)
			p.shop.completes(id)
		}
		p.gone(first)
		p.gone(second)
		p.down()
		dir = filepath.Join(kept, "production")
		require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(p.dir, "production"))))
	})
	id, all := recordsOf(t, dir)
	where := []string{filepath.Join(t.TempDir(), "plant.db")}
	server, err := storetest.StartPostgres(t.Context())
	if err == nil {
		defer func() { require.NoError(t, server.Close()) }()
		where = append(where, server.Local)
	} else {
		require.ErrorIs(t, err, storetest.ErrAbsent)
	}
	var want []string
	for i, at := range where {
		p, err := store.OpenPlant(t.Context(), at, nil)
		require.NoError(t, err)
		rows := func() (list []string) {
			require.NoError(t, p.Rows(t.Context(), func(table string, row []string) error {
				list = append(list, table+" "+strings.Join(row, "|"))
				return nil
			}))
			return list
		}
		inPieces(t, p, id, all, 3+8*i)
		if i == 0 {
			want = rows()
		}
		require.Equal(t, want, rows(), at)
		require.NoError(t, p.Rebuild(t.Context(), id, func(add func([]*record.Record) error) error { return add(all) }))
		require.Equal(t, want, rows(), "anew")
		require.NoError(t, p.Close())
	}
	for _, table := range []string{"plant_job ", "plant_process ", "plant_article ", "plant_slot "} {
		require.Contains(t, strings.Join(want, "\n"), "\n"+table)
	}
	require.NotContains(t, strings.Join(want, "\n"), "plant_aside")
}
