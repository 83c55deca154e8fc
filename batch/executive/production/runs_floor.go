// Unit runs and the engine: where they hear of board, units and batches, and how they are kept up.

package production

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// RunNeeds are what unit runs need.
type RunNeeds struct {
	Definitions []Definition // as ParseRuns has read them
	Units       Units
	Board       Board // nil: there are no signals, and what is captured reads BAD
}

// Units knows which units there are.
type Units interface {
	// Model gives the equipment model as it is known now, and waits for a while for one that was never heard. It is asked again and
	// again.
	Model(ctx context.Context) (*api.Model, error)
}

// Board tells of the values of a board.
type Board interface {
	// Values calls heard with the value of each channel, and with each that changes after that. It blocks until ctx ends, or nothing
	// is heard any more, or heard returns an error.
	Values(ctx context.Context, heard func(v *api.Value) error) error
}

// NewBoard returns the board of a network: the values of its I/O process.
func NewBoard(n api.Network) Board { return &ioBoard{n} }

type ioBoard struct{ net api.Network }

// Values implements Board.
func (b *ioBoard) Values(ctx context.Context, heard func(v *api.Value) error) error {
	c := b.net.Dial(api.IO)
	defer c.Close()
	return c.Events(ctx, "/v1/values", quiet, func(event, _ string, data []byte) error {
		if event != "value" {
			return nil
		}
		var v api.Value
		err := json.Unmarshal(data, &v)
		if err == nil {
			err = v.Check()
		}
		if err != nil {
			return fmt.Errorf("production: the I/O process tells of a value: %w", err)
		}
		return heard(&v)
	})
}

// Model implements Units.
func (x *Executive) Model(ctx context.Context) (*api.Model, error) { return x.known(ctx) }

// runFloor is what the unit runs have beside the fold.
type runFloor struct {
	keeper  *runKeeper
	holders holders
}

// holders knows who has which equipment, and keeps the changes that nobody has seen to. Its lock is taken last.
type holders struct {
	mu    sync.Mutex
	has   map[string]string   // by equipment: the batch
	lists map[string][]string // by batch: what it has, by what it said last
	fine  map[string]bool     // by batch that is there: it was not aborted
	queue []holding
	poke  chan struct{}
}

// holding is one change of who has what.
type holding struct {
	equipment, batch string // "": nobody has it
	fine             bool   // whoever had it before was not aborted
}

// maxHoldings is how many changes wait. Of more, those in between are left out: a batch that had its unit so shortly has no run.
const maxHoldings = 4096

// hear takes in how a batch stands.
func (h *holders) hear(b *api.Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var now []string
	if b.Life != api.Ended && b.Life != api.Removed && b.Life != api.LoadFailed {
		now = lastOf(b.Equipment, api.MaxNames)
	}
	fine := ended(b)
	for _, e := range h.lists[b.ID] {
		if h.has[e] == b.ID && !slices.Contains(now, e) {
			delete(h.has, e)
			h.put(holding{e, "", fine})
		}
	}
	for _, e := range now {
		if was := h.has[e]; was != b.ID {
			h.has[e] = b.ID
			h.put(holding{e, b.ID, was == "" || h.fine[was]})
		}
	}
	if delete(h.lists, b.ID); len(now) > 0 {
		h.lists[b.ID] = slices.Clone(now)
	}
	if delete(h.fine, b.ID); b.Life != api.Removed {
		h.fine[b.ID] = fine
	}
}

// put keeps a change.
func (h *holders) put(c holding) {
	if len(h.queue) >= maxHoldings {
		h.queue = slices.DeleteFunc(h.queue, func(o holding) bool { return o.equipment == c.equipment })
	}
	h.queue = append(h.queue, c)
	poke(h.poke)
}

// take gives the changes that nobody has seen to and, with whole, who has what behind them.
func (h *holders) take(whole bool) (list []holding, has map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list = h.queue
	if h.queue = nil; whole {
		has = maps.Clone(h.has)
	}
	return list, has
}

// aborted tells whether a batch is there and was aborted, stopped or lost.
func (h *holders) aborted(batch string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	fine, there := h.fine[batch]
	return there && !fine
}

// initRuns readies the unit runs of an engine; it refuses those that cannot know their units.
func (e *Engine) initRuns() error {
	e.floor.holders = holders{has: map[string]string{}, lists: map[string][]string{}, fine: map[string]bool{}, poke: make(chan struct{}, 1)}
	if e.needs.Runs == nil {
		return nil
	}
	if e.needs.Runs.Units == nil {
		return errors.New("production: unit runs cannot be without the units that there are; give Units in Needs.Runs")
	}
	e.floor.keeper = newRunKeeper(e, e.clock, e.needs.Runs.Definitions)
	return nil
}

// runParts are those that unit runs wait for.
func runParts(n *Needs) []Ready { return append(ready(n.Runs.Units), ready(n.Runs.Board)...) }

// takeRun has the unit runs take an event: it, and what it came to, is on record when takeRun returns. The effects are good until
// the next call.
func (e *Engine) takeRun(ev *unitrun.Event) (fx []unitrun.Effect, err error) {
	line, err := ev.Append(nil)
	if err != nil {
		return nil, &api.Error{Status: http.StatusBadRequest, Message: "production: " + err.Error()}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	in := input{kind: forRuns, line: line, actor: ev.Actor, role: ev.Role, reason: ev.Reason, run: ev.Run, process: ev.Process, material: ev.Material}
	err = e.commit(&in, func(at timebase.Stamp) (fills []fill) {
		fills, fx = e.fold.stepRun(at, ev)
		return fills
	})
	e.touch()
	return fx, err
}

// keepData puts values on record that were captured.
func (e *Engine) keepData(fills []func(b *record.Body)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.broken != nil {
		return e.broken
	}
	if _, err := e.led.AppendAll(fills...); err != nil {
		return e.breaks(err)
	}
	poke(e.grown)
	return nil
}

// lookRuns has somebody look at what is folded, and keep nothing of it.
func (e *Engine) lookRuns(look func(r *runs)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	look(&e.fold.runs)
}

// utc is the time of day, ns since 1970; 0: not known.
func (e *Engine) utc() int64 { return e.led.UTC() }

// keepRuns has the unit runs follow signals and batches and capture data until ctx ends, or evidence can no longer be kept.
func (e *Engine) keepRuns(ctx context.Context, booted <-chan struct{}) {
	k := e.floor.keeper
	if k == nil {
		return
	}
	err := e.beginRuns(ctx)
	if err == nil {
		select {
		case <-booted:
			err = e.catchUpRuns()
		case <-ctx.Done():
			return
		}
	}
	if err != nil {
		return // the ledger is broken: the engine ends
	}
	defer func() { _ = k.flush() }() // what cannot be put on record is told at the next start
	var group sync.WaitGroup
	defer group.Wait()
	if e.needs.Runs.Board != nil {
		group.Go(func() { k.listen(ctx, e.needs.Runs.Board) })
	}
	group.Go(func() { e.watchUnits(ctx) })
	group.Go(func() {
		for ctx.Err() == nil {
			next, err := k.tick()
			if err != nil {
				return
			}
			_ = k.clock.Wait(ctx, min(next, k.clock.Now()+minPeriod)) // a run that begins meanwhile is seen to in time
		}
	})
	for {
		select {
		case <-e.floor.holders.poke:
		case <-ctx.Done():
			return
		}
		if k.follows(&e.floor.holders, nil) != nil {
			return
		}
	}
}

// beginRuns takes the unit runs up: what is captured goes on, and units are as the file says. What is not goes on as it was, and
// is tried again.
func (e *Engine) beginRuns(ctx context.Context) error {
	if e.floor.keeper == nil {
		return nil
	}
	if err := e.floor.keeper.boot(); err != nil {
		return err
	}
	_ = e.configureRuns(ctx)
	return e.brokenBy()
}

// catchUpRuns has runs follow whoever has their units by now; it is called when the list has booted, so that all batches that are
// there have been heard.
func (e *Engine) catchUpRuns() error {
	if e.floor.keeper == nil {
		return nil
	}
	err := e.floor.keeper.follows(&e.floor.holders, e.finished)
	e.floor.keeper.open(err == nil)
	return err
}

// turnRuns is what keepRuns does again and again, once, on the caller's goroutine, for whoever has the only one: runs follow who
// has their units by now, and values are taken that are due. Next is when it is to be called again at the latest, on the clock.
// Values of the board are given to the keeper's heard.
func (e *Engine) turnRuns() (next int64, err error) {
	if e.floor.keeper == nil {
		return timebase.Never, nil
	}
	if err = e.floor.keeper.follows(&e.floor.holders, nil); err == nil {
		next, err = e.floor.keeper.tick()
	}
	return next, err
}

// configureRuns has units be as file and model say. Where that cannot be, it is on record, once for each reason.
func (e *Engine) configureRuns(ctx context.Context) error {
	model, err := e.needs.Runs.Units.Model(ctx)
	if err == nil {
		err = e.floor.keeper.configure(model)
	}
	if ctx.Err() != nil || e.brokenBy() != nil {
		return err
	}
	return e.floor.keeper.complain(err, func(text string) error {
		return e.did(&deed{Did: didFail, Detail: "unit runs are not as their file says: " + text}, person{})
	})
}

// watchUnits looks again and again whether the model has changed.
func (e *Engine) watchUnits(ctx context.Context) {
	for ctx.Err() == nil {
		e.pause(ctx, 5*time.Second)
		_ = e.configureRuns(ctx)
		_ = e.floor.keeper.follows(&e.floor.holders, e.finished)
	}
}

// finished tells of a batch that nobody saw give its unit back whether it has ended as it should, as far as that is known.
func (e *Engine) finished(batch string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.fold.procs[batch]
	return (p == nil || p.stage != jobs.Failure) && !e.floor.holders.aborted(batch)
}
