// A rehearsal: a day's list worked off in virtual time, by the same decisions as on the floor.

package production

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/registry"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/timebase"
)

// Rig is what a rehearsal runs on.
type Rig struct {
	Dir    string                   // where all that it leaves goes: it is empty, or not there
	Device string                   // device_id of its records
	Files  fs.FS                    // what the runtime server reads: equipment.yaml, recipes, maps
	Plant  runner.Simulation        // the whole floor, which nobody else uses
	Runs   []Definition             // of unit runs (ParseRuns)
	Do     map[string]runner.Action // OEM actions by type
}

// RehearsalOptions are the options of Rehearse. Nil is the same as the zero value.
type RehearsalOptions struct {
	Seed  uint64        // of journals' ids and of what the batches simulate: the same day with the same seed leaves the same bytes
	Limit time.Duration // for how long the day may go on; 0: seven days
	// Tell is told what clients of production are told (JobManagement.Watch), at ns of the day: the event and what it carries, or
	// the id of what is gone.
	Tell     func(at int64, event, gone string, body api.Body)
	Products ProductManagement // is told of the articles; nil: Recorded
}

// Rehearsal is what a day has come to.
type Rehearsal struct {
	Took    time.Duration     // of the day
	Jobs    map[string]string // ids of the jobs, by how the day calls them
	Batches []Rehearsed       // in the order in which they were created
	Left    api.Jobs          // that are in the list still: each waits for a person
	Ledger  string            // directory of the ledger
}

// Rehearsed is one batch of a rehearsal.
type Rehearsed struct {
	Batch        api.Batch // as it ended
	Began, Ended int64     // ns of the day
}

// maxDay is how long a day may be.
const maxDay = int64(7 * 24 * time.Hour)

// Rehearse works a day off in virtual time, and returns when nothing is left in the list and all that was planned was given. Each
// batch is a runner of its own with its own evidence, all share one plant, one book of equipment and one time, and the list is the
// engine's: the ledger that it leaves is checked by Check as any other. Nothing waits for the real time, and nothing runs beside
// it, so the same rig, day and seed leave the same bytes.
//
// An error that is ErrRests says that what is left waits for a person, and whom; the Rehearsal is given all the same, its batches
// aborted.
func Rehearse(ctx context.Context, day *Day, rig Rig, opt *RehearsalOptions) (*Rehearsal, error) {
	o := RehearsalOptions{}
	if opt != nil {
		o = *opt
	}
	r := &rehearsal{day: day, opt: o, turns: newTurns(1), ids: map[string]string{}}
	runs, stop := context.WithCancel(ctx)
	defer stop()
	if err := r.open(runs, &rig); err != nil {
		return nil, err
	}
	err := r.cast.play(ctx, r.plan(), r.settle)
	took, left := r.turns.now, r.engine.Jobs().List()
	r.cast.end(stop)
	err = errors.Join(err, r.close())
	res := &Rehearsal{Took: time.Duration(took), Jobs: r.ids, Left: left, Ledger: filepath.Join(rig.Dir, "production")}
	for _, b := range r.cast.all {
		res.Batches = append(res.Batches, Rehearsed{b.shown(), b.began, b.ended})
	}
	return res, err
}

// rehearsal is one under way.
type rehearsal struct {
	day    *Day
	opt    RehearsalOptions
	turns  *turns
	cast   *cast
	engine *Engine
	ids    map[string]string // of jobs, by their names
	watch  *watcher
	told   uint64 // what has changed up to here was told
}

// open opens the runtime server, the floor and the engine, and has the list boot.
func (r *rehearsal) open(ctx context.Context, rig *Rig) error {
	for _, name := range []string{"production", "batches", "runtime"} {
		if _, err := os.Lstat(filepath.Join(rig.Dir, name)); err == nil {
			return fmt.Errorf("production: rehearsal: there is a %s in %s already; give an empty directory", name, rig.Dir)
		}
	}
	records := &ledger.Options{Clock: r.turns, Wall: r.turns}
	runtime, err := registry.Open(rig.Dir, rig.Device, rig.Files, &api.Memory{}, &registry.Options{Actions: api.Actions(), Ledger: records})
	if err != nil {
		return err
	}
	floor, err := newFloor(r.turns, rig.Plant, runtime.Model())
	if err != nil {
		return errors.Join(err, runtime.Close())
	}
	r.cast = &cast{turns: r.turns, floor: floor, runtime: runtime, rig: rig, seed: r.opt.Seed, ctx: ctx, plans: map[[2]string]*batch.Plan{}, byID: map[string]*virtualBatch{},
		limit: maxDay}
	if r.opt.Limit > 0 {
		r.cast.limit = min(maxDay, int64(r.opt.Limit))
	}
	needs := &Needs{Batches: r.cast, Products: r.opt.Products, Resources: floor, Recipes: map[string]RecipeProvider{"": &Catalog{Of: known{runtime}, Said: r.day.Said()}}}
	if len(rig.Runs) > 0 {
		needs.Runs = &RunNeeds{Definitions: rig.Runs, Units: rehearsedUnits{runtime}}
	}
	if needs.Products == nil {
		needs.Products = Recorded{}
	}
	r.engine, err = Open(rig.Dir, rig.Device, needs, &Options{Clock: r.turns, Wall: r.turns, ID: fmt.Sprintf("production-%d", r.opt.Seed), Keep: -1, Kept: -1})
	if err != nil {
		return errors.Join(err, runtime.Close())
	}
	r.watch = &watcher{e: r.engine, jobs: map[string]bool{}, processes: map[string]bool{}}
	if err = r.engine.boot(nil); err == nil {
		err = r.bootRuns(ctx)
	}
	if err == nil {
		err = r.engine.configure(r.day.Rules, planner)
	}
	if err != nil {
		return errors.Join(err, r.close())
	}
	return nil
}

// planner is who orders what stands in a day.
var planner = person{actor: "planner", role: "planner", reason: "the day's list"}

func (r *rehearsal) close() error {
	var last error
	if k := r.engine.floor.keeper; k != nil {
		last = k.flush()
	}
	return errors.Join(last, r.engine.Close(), r.cast.runtime.Close())
}

// plan is what the day orders, and when.
func (r *rehearsal) plan() (list []planned) {
	for i := range r.day.Entries {
		e := &r.day.Entries[i]
		list = append(list, planned{at: max(e.At, r.turns.now), do: func() error { return r.enter(e) }})
	}
	return list
}

// enter gives one entry of the day. What the list refuses is on record, and the day goes on.
func (r *rehearsal) enter(e *DayEntry) error {
	ev := &jobs.Event{Kind: jobs.Add, Job: r.ids[e.Job], Place: e.Place, Orders: e.Orders}
	by := planner
	if e.Command != 0 {
		ev = &jobs.Event{Kind: e.Command, Job: r.ids[e.Job], Steps: off(e.Off)}
		by.reason = e.Reason
	}
	fx, err := r.engine.takeJobs(ev, by)
	listed := 0
	for i := range fx {
		if x := &fx[i]; x.Kind == jobs.Listed && x.JobKind == jobs.Production {
			if listed < len(e.Names) && e.Names[listed] != "" {
				r.ids[e.Names[listed]] = x.Job
			}
			listed++
		}
	}
	var no *api.Error
	if errors.As(err, &no) && no.Status < 500 {
		return nil
	}
	return err
}

// settle has the engine hear what has become of batches and carry out what is due, until nothing is. It gives when something is
// due next.
func (r *rehearsal) settle() (due int64, err error) {
	for {
		if err := r.engine.heard(r.cast.heard(), false); err != nil {
			return timebase.Never, err
		}
		due = r.engine.drain(r.cast.ctx)
		sample, err := r.runs()
		if err != nil {
			return timebase.Never, err
		}
		r.cast.sample = sample
		if r.tell(); len(r.cast.news) > 0 {
			continue
		}
		if due == 0 {
			due = timebase.Never
		}
		return due, r.engine.brokenBy()
	}
}

// tell tells what is new.
func (r *rehearsal) tell() {
	if r.opt.Tell == nil {
		return
	}
	r.engine.mu.Lock()
	var list []news
	if r.engine.rev != r.told {
		list, r.told = r.watch.news(), r.engine.rev
	}
	r.engine.mu.Unlock()
	for _, n := range list {
		switch v := n.body.(type) {
		case string:
			r.opt.Tell(r.turns.now, n.event, v, nil)
		case api.JobSlots:
			r.opt.Tell(r.turns.now, n.event, "", &v)
		case api.Body:
			r.opt.Tell(r.turns.now, n.event, "", v)
		}
	}
}

// known are the recipes of a runtime server.
type known struct{ runtime *registry.Server }

// Recipe implements RecipeProvider.
func (k known) Recipe(_ context.Context, id string) (Provided, error) {
	m := k.runtime.Model()
	if !slices.ContainsFunc(m.Recipes, func(r api.Recipe) bool { return r.ID == id }) {
		return Provided{}, fmt.Errorf("%w: the runtime server has none of that id", ErrNoRecipe)
	}
	return Provided{}, nil
}

// Said is what the day says of recipes, for a Catalog.
func (d *Day) Said() map[string]Provided {
	said := map[string]Provided{}
	for i := range d.Recipes {
		r := &d.Recipes[i]
		said[r.Recipe] = Provided{Product: r.Product, NoResume: r.NoResume, Triggers: slices.Clone(r.Triggers)}
	}
	return said
}

// off are the steps of these types, switched off.
func off(types []string) (list []jobs.Step) {
	for _, t := range types {
		list = append(list, jobs.Step{Type: t, Off: true})
	}
	return list
}

// left says what of a rehearsal is left: its batches that are not over.
func (c *cast) left() string {
	var list []string
	for _, b := range c.all {
		if b.run != nil {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s is %s %s", b.is.ID, b.is.State, b.is.Reason)))
		}
	}
	return strings.Join(list, "; ")
}
