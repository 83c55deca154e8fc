// What became of a batch that is there no more, by the ledger of the manager.

package production

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// past is what the ledger of the manager says of the processes that are not over. A batch may have run to its end and been removed by a person while nobody
// of production looked, so that the manager tells of it no more; its ledger does.
type past struct {
	at    journal.Chain
	state map[string]string // by process: how its batch stood when it was on record last
}

// gone is a batch that is not there any more: Removed, and as it stood last, where the ledger of the manager says so. It is called with mu held. An error says
// that the ledger is there and cannot be read: what became of the batch is not known, and nobody may guess, or it would be run twice.
func (e *Engine) gone(p *process) (*api.Batch, error) {
	b := &api.Batch{ID: p.id, Life: api.Removed, Recipe: p.recipe}
	err := e.past.read(filepath.Join(e.dir, "manager"), e.fold.procs)
	if err != nil && e.past.at != (journal.Chain{}) { // it may be another one than before, or its beginning is gone
		e.past = past{}
		err = e.past.read(filepath.Join(e.dir, "manager"), e.fold.procs)
	}
	if err != nil {
		return nil, fmt.Errorf("production: batch %s is not there, and what became of it is not known: %w", p.id, err)
	}
	b.State = e.past.state[p.id]
	return b, nil
}

// read reads on in a ledger.
func (a *past) read(dir string, procs map[string]*process) error {
	switch name, _, _, err := journal.Begin(dir, nil); {
	case errors.Is(err, fs.ErrNotExist) || err == nil && name == "":
		return nil // no manager has written there
	case err != nil:
		return err
	}
	for id := range a.state {
		if p := procs[id]; p == nil || over(p.stage) {
			delete(a.state, id)
		}
	}
	if a.state == nil {
		a.state = map[string]string{}
	}
	end, err := journal.Settle(dir, &journal.Options{After: a.at})
	if err != nil {
		return err
	}
	at := a.at
	found, err := journal.Scan(dir, func(seq uint64, body []byte, c journal.Chain) error {
		if seq > end.N {
			return errEnough
		}
		at = c
		r, err := record.Parse(body)
		if err != nil || r.Kind != record.KindBatchLife || r.Text(record.Result) != "done" {
			return err
		}
		if p := procs[r.Text(record.ObjectID)]; p != nil && !over(p.stage) {
			if state := r.Text(record.BatchState); state != "" {
				a.state[p.id] = state
			}
		}
		return nil
	}, &journal.Options{After: a.at})
	switch {
	case err != nil && !errors.Is(err, errEnough):
		return err
	case at.N < end.N || err == nil && found.Outcome == journal.Damaged:
		return fmt.Errorf("the ledger in %s is %s behind record %d: %s", dir, found.Outcome, at.N, found.Reason)
	}
	a.at = at
	return nil
}
