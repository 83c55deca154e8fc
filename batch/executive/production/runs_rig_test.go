// What the tests of unit runs stand on: an engine with a board and batches that do as they are told.

package production

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// said is a stream of what is said, whose newest word of each key is told to who comes later.
type said[T any] struct {
	mu    sync.Mutex
	order []string
	last  map[string]T
	heard []func(v T) error
	lost  chan error
}

// say tells all who listen.
func (s *said[T]) say(t *testing.T, key string, v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[string]T{}
	}
	if _, known := s.last[key]; !known {
		s.order = append(s.order, key)
	}
	s.last[key] = v
	for _, h := range s.heard {
		require.NoError(t, h(v))
	}
}

// listen tells all that is so, and then what is said, until ctx ends or the stream is lost.
func (s *said[T]) listen(ctx context.Context, begin func(all []T) error, heard func(v T) error) error {
	s.mu.Lock()
	var all []T
	for _, key := range s.order {
		all = append(all, s.last[key])
	}
	lost := make(chan error, 1)
	err := begin(all)
	if err == nil {
		s.heard, s.lost = []func(v T) error{heard}, lost
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case err = <-lost:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = nil
	return err
}

// lose ends the stream.
func (s *said[T]) lose(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		s.lost <- errors.New(why)
		s.lost = nil
	}
}

// saidBoard is a board.
type saidBoard struct{ said[api.Value] }

func (b *saidBoard) Values(ctx context.Context, heard func(v *api.Value) error) error {
	return b.listen(ctx, func(all []api.Value) error {
		for i := range all {
			if err := heard(&all[i]); err != nil {
				return err
			}
		}
		return nil
	}, func(v api.Value) error { return heard(&v) })
}

// saidBatches are the batches of a manager, of whom nobody orders any.
type saidBatches struct{ said[api.Batch] }

var errNoOrders = &api.Error{Status: 409, Message: "no orders are taken"}

func (b *saidBatches) Create(context.Context, *api.Create) (api.Batch, error) {
	return api.Batch{}, errNoOrders
}
func (b *saidBatches) Tell(context.Context, string, *api.Command) error    { return errNoOrders }
func (b *saidBatches) Remove(context.Context, string, *api.Removal) error  { return errNoOrders }
func (b *saidBatches) Restart(context.Context, string, *api.Restart) error { return errNoOrders }
func (b *saidBatches) Watch(ctx context.Context, heard func([]api.Batch, bool) error) error {
	return b.listen(ctx, func(all []api.Batch) error { return heard(all, true) }, func(v api.Batch) error { return heard([]api.Batch{v}, false) })
}

// saidPlant knows a model.
type saidPlant struct {
	mu    sync.Mutex
	model *api.Model
}

// set has it be another one.
func (p *saidPlant) set(model *api.Model) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.model = model
}

func (p *saidPlant) Model(context.Context) (*api.Model, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.model, nil
}

func (p *saidPlant) Has(context.Context, string) (bool, error)      { return true, nil }
func (p *saidPlant) Holdings(context.Context) (api.Holdings, error) { return nil, nil }

// runRig is an engine that tracks unit runs.
type runRig struct {
	t       *testing.T
	dir     string
	board   saidBoard
	batches saidBatches
	plant   saidPlant
	net     api.Network // whose I/O process is the board; nil: board is
	defs    []Definition
	e       *Engine
	storage journal.Storage // of its ledger; nil: the system's
	end     func()          // as at a clean stop
}

// inRunBubble runs fn with an engine in a bubble, in a year that a wall clock may show.
func inRunBubble(t *testing.T, fn func(t *testing.T, r *runRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour)
		r := &runRig{t: t, dir: t.TempDir(), plant: saidPlant{model: cell()}, defs: definitions(t)}
		r.start()
		fn(t, r)
		r.end()
	})
}

// start starts the engine, as it comes up again in its directory.
func (r *runRig) start() {
	r.t.Helper()
	var err error
	board := Board(&r.board)
	if r.net != nil {
		board = NewBoard(r.net)
	}
	r.e, err = Open(r.dir, "board-1", &Needs{Batches: &r.batches, Products: Recorded{}, Resources: &r.plant,
		Runs: &RunNeeds{Definitions: r.defs, Units: &r.plant, Board: board}}, &Options{Leave: true})
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { require.NoError(r.t, r.e.Run(ctx)) })
	e := r.e
	r.end = func() {
		if e != nil {
			cancel()
			wg.Wait()
			require.NoError(r.t, e.Close())
			e = nil
		}
	}
	r.t.Cleanup(func() { r.end() })
	synctest.Wait()
	life, waits := r.e.Life()
	require.Equal(r.t, Up, life, waits)
}

// cut is a cut of power: an engine comes up on what was on the disk at that moment.
func (r *runRig) cut() {
	r.t.Helper()
	dir := r.t.TempDir()
	require.NoError(r.t, os.CopyFS(filepath.Join(dir, "production"), os.DirFS(filepath.Join(r.dir, "production"))))
	r.end()
	r.dir = dir
	r.start()
}

// value has the board show a value.
func (r *runRig) value(channel, value string) { r.quality(channel, value, "GOOD") }

func (r *runRig) quality(channel, value, quality string) {
	r.board.say(r.t, channel, api.Value{Channel: channel, Form: "int", Value: value, Quality: quality})
	synctest.Wait()
}

// batch has a batch have equipment.
func (r *runRig) batch(id string, life api.Life, state string, equipment ...string) {
	r.batches.say(r.t, id, api.Batch{ID: id, Life: life, State: state, Recipe: "P", Unit: "R101", Equipment: equipment})
	synctest.Wait()
}

// records are those of some kinds that are on record.
func (r *runRig) records(kinds ...record.Kind) (list []*record.Record) {
	r.t.Helper()
	_, err := journal.Scan(filepath.Join(r.dir, "production"), func(_ uint64, body []byte, _ journal.Chain) error {
		rec, err := record.Parse(body)
		for _, k := range kinds {
			if err == nil && rec.Kind == k {
				list = append(list, rec)
			}
		}
		return err
	}, &journal.Options{Storage: r.storage})
	require.NoError(r.t, err)
	return list
}

// notices are the texts of notices of a word.
func (r *runRig) notices(word string) (list []string) {
	for _, rec := range r.records(record.KindUnitRunNotice) {
		if rec.Text(record.Result) == word {
			list = append(list, rec.Text(record.LogicalTag)+" "+rec.Text(record.Value)+": "+rec.Text(record.Detail))
		}
	}
	return list
}

// states are the states that runs have gone through, in order: run, state, identifier.
func (r *runRig) states() (list []string) {
	for _, rec := range r.records(record.KindUnitRun) {
		list = append(list, rec.Text(record.RunID)+" "+rec.Text(record.RunState)+" "+rec.Text(record.MainIdent))
	}
	return list
}

// tell orders something of a run.
func (r *runRig) tell(run, command string) error {
	err := r.e.UnitRuns().Tell(run, &api.RunCommand{Command: command, Order: api.Order{Operator: "anna", Role: "planner", Reason: "as it goes"}})
	synctest.Wait()
	return err
}

// state is the state of a run.
func (r *runRig) state(run string) string {
	v, err := r.e.UnitRuns().Run(run)
	require.NoError(r.t, err)
	return v.State
}
