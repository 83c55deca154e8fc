// The engine with a real manager, real runners and a simulated board: that it finds its batches again, whatever went down.

package production_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/production"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// bench is a cell with an engine, either of which may go down.
type bench struct {
	t    *testing.T
	ctx  context.Context
	dir  string
	net  *api.Memory
	log  *store.Memory
	made *shelf
	rows production.Store
	end  func() // of the cell
	stop func() // of the engine
	c    *api.Client
}

func newBench(t *testing.T) *bench {
	t.Parallel() // a cell lives in the real time, and mostly waits
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	b := &bench{t: t, ctx: ctx, dir: t.TempDir(), net: &api.Memory{}, log: store.NewMemory(), made: &shelf{}}
	b.c = b.net.Dial(api.Production)
	t.Cleanup(b.c.Close)
	b.cell()
	return b
}

func (b *bench) cell() {
	b.t.Helper()
	end, err := cell(b.ctx, b.dir, b.net, b.log)
	require.NoError(b.t, err)
	b.end = end
}

// engine starts an engine; one that leaves goes without a word.
func (b *bench) engine(leaves bool) {
	b.t.Helper()
	x := production.NewExecutive(b.net)
	needs := &production.Needs{Batches: x, Resources: x, Products: b.made, Store: b.rows, Recipes: map[string]production.RecipeProvider{"": &production.Catalog{
		Of: x, Said: map[string]production.Provided{"STEEP": {Product: "TEA"}}}}}
	e, err := production.Open(b.dir, "CELL-1", needs, &production.Options{Leave: leaves, StopBy: 20 * time.Second})
	require.NoError(b.t, err)
	socket, err := b.net.Listen(api.Production)
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(b.ctx)
	var group sync.WaitGroup
	for _, run := range []func(context.Context) error{x.Run, e.Run, func(ctx context.Context) error { return api.Serve(ctx, socket, e.Handler(x.Rights)) }} {
		group.Go(func() {
			if err := run(ctx); err != nil {
				b.t.Error(err)
			}
		})
	}
	b.stop = func() {
		cancel()
		group.Wait()
		require.NoError(b.t, e.Close())
	}
}

// stage waits until a process stands somewhere.
func (b *bench) stage(id, want string) {
	b.t.Helper()
	var p api.ProcessView
	for p.State != want {
		_ = b.c.Call(b.ctx, http.MethodGet, "/v1/processes/"+id, nil, &p)
		require.NoError(b.t, b.ctx.Err(), "%+v", p)
		time.Sleep(20 * time.Millisecond)
	}
}

// add puts a job into the list as soon as the engine takes it.
func (b *bench) add(recipe string, amount int64) string {
	b.t.Helper()
	var a api.JobsAccepted
	for {
		err := b.c.Call(b.ctx, http.MethodPost, "/v1/jobs", &api.AddJobs{Jobs: []api.JobOrder{{Recipe: recipe, Amount: amount}}}, &a)
		if err == nil {
			return a.Jobs[0]
		}
		require.NoError(b.t, b.ctx.Err(), "%v", err)
		time.Sleep(20 * time.Millisecond)
	}
}

// done waits for the end of the list and makes sure of what has to be so: so many batches complete, each with evidence that is whole, and each once.
func (b *bench) done(job string, n int) {
	b.t.Helper()
	_, err := jobsIn(b.ctx, b.c, func(list api.Jobs) bool { return len(list) == 0 })
	require.NoError(b.t, err)
	b.stop()
	b.end()
	dirs, err := filepath.Glob(filepath.Join(b.dir, "batches", "*"))
	require.NoError(b.t, err)
	whole := 0
	for _, dir := range dirs {
		if r, err := evidence.Verify(filepath.Join(dir, "evidence")); err == nil && r.OK() {
			whole++
		}
	}
	require.GreaterOrEqual(b.t, whole, n)
	require.Len(b.t, b.made.list, n)
	for i := range n {
		require.Equal(b.t, job, b.made.list[i].Job)
	}
	c, err := production.Check(b.dir, "", nil)
	require.NoError(b.t, err)
	require.True(b.t, c.OK(), "%+v", c)
}

func TestWhatNoBatchCouldBeMadeOfDoesNotComeIntoTheList(t *testing.T) {
	b := newBench(t)
	b.engine(false)
	first := b.add("STEEP", 1)
	for _, c := range []struct {
		order api.JobOrder
		says  string
	}{
		{api.JobOrder{Recipe: "STEEP", Amount: 1, Size: "5000 kg"}, "recipe STEEP is for batches of "},
		{api.JobOrder{Recipe: "STEEP", Amount: 1, Size: "0.001 kg"}, "and not of 0.001 kg"},
		{api.JobOrder{Recipe: "STEEP", Amount: 1, Size: "20 s"}, "and not of 20 s"},
		{api.JobOrder{Recipe: "STEEP", Amount: 1, Size: "much"}, "write it like"},
		{api.JobOrder{Recipe: "STEEP", Amount: 1, Unit: "R77"}, "recipe STEEP does not run on \"R77\"; R1"},
	} {
		err := b.c.Call(b.ctx, http.MethodPost, "/v1/jobs", &api.AddJobs{Jobs: []api.JobOrder{{Recipe: "STEEP", Amount: 1}, c.order}}, &api.JobsAccepted{})
		var no *api.Error
		require.ErrorAs(t, err, &no, c.says)
		require.Equal(t, http.StatusBadRequest, no.Status)
		require.Contains(t, no.Message, "job 2 of 2: ")
		require.Contains(t, no.Message, c.says)
	}
	b.done(first, 1)
}

func TestAnEngineThatGoesFindsItsBatchesAtTheManager(t *testing.T) {
	b := newBench(t)
	b.engine(true)
	job := b.add("STEEP", 2)
	b.stage(job+"-0001", "Running")
	for waits := ""; !strings.Contains(waits, "R1 is had by "+job+"-0001"); time.Sleep(20 * time.Millisecond) {
		require.NoError(t, b.ctx.Err(), "it waits for %q", waits)
		var next api.ProcessView
		if err := b.c.Call(b.ctx, http.MethodGet, "/v1/processes/"+job+"-0002", nil, &next); err == nil && len(next.Activities) > 0 {
			waits = next.Activities[0].Waits
		}
	}
	b.stop()
	b.engine(true)
	b.done(job, 2)
}

func TestACleanStopHasTheBatchesRestAndTheyGoOnWithTheNextEngine(t *testing.T) {
	b := newBench(t)
	b.engine(false)
	job := b.add("STEEP", 1)
	b.stage(job+"-0001", "Running")
	b.stop()
	var held api.Batch
	m := b.net.Dial(api.Manager)
	require.NoError(t, m.Call(b.ctx, http.MethodGet, "/v1/batches/"+job+"-0001", nil, &held))
	require.Equal(t, "Held", held.State)
	m.Close()
	b.engine(false)
	b.done(job, 1)
}

func TestThePlantHasWhatTheLedgersSayAndMadeAnewItHasTheSame(t *testing.T) {
	b := newBench(t)
	plant, err := store.OpenPlant(b.ctx, filepath.Join(b.dir, "plant.db"), nil)
	require.NoError(t, err)
	defer plant.Close()
	b.rows = plant
	b.engine(false)
	job := b.add("STEEP", 2)
	b.stage(job+"-0001", "Running")
	b.stop()
	b.engine(false)
	b.done(job, 2)

	aside, _, err := plant.Asides(b.ctx, store.Filter{})
	require.NoError(t, err)
	require.Empty(t, aside)
	made, _, err := plant.Articles(b.ctx, store.Filter{})
	require.NoError(t, err)
	require.Len(t, made, 2)
	rows := func() (list []string) {
		require.NoError(t, plant.Rows(b.ctx, func(table string, row []string) error {
			list = append(list, fmt.Sprint(table, " ", row))
			return nil
		}))
		return list
	}
	live := rows()
	for _, dir := range []string{"production", "manager"} {
		name, _, _, err := journal.Begin(filepath.Join(b.dir, dir), nil)
		require.NoError(t, err)
		at, err := plant.At(b.ctx, name)
		require.NoError(t, err)
		require.NoError(t, plant.Rebuild(b.ctx, name, func(add func(all []*record.Record) error) error {
			_, err := journal.Scan(filepath.Join(b.dir, dir), func(seq uint64, body []byte, _ journal.Chain) error {
				r, err := record.Parse(bytes.Clone(body))
				if err != nil || seq > at.N { // what the manager wrote after the engine had gone
					return err
				}
				return add([]*record.Record{r})
			}, nil)
			return err
		}))
	}
	require.Equal(t, live, rows())
}
