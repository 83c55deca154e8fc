// Runs that follow the batches: a unit that a batch has got has a run of it, until the batch gives it back.

package production

import (
	"errors"
	"maps"
	"slices"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/sequencer"
)

// ended tells whether the run of a batch that gives its unit back has ended as it should: the batch was neither aborted nor
// stopped, and is not lost.
func ended(b *api.Batch) bool {
	switch b.Life {
	case api.Lost, api.Removing, api.Removed, api.LoadFailed:
		return false
	}
	switch b.State {
	case sequencer.Aborting.String(), sequencer.Aborted.String(), sequencer.Stopping.String(), sequencer.Stopped.String():
		return false
	}
	return true
}

// follows has runs follow all that has changed of who has what, in order. With whole, those of all units follow who has them now, whatever was
// heard before: whole says of a batch that was not seen to give a unit back whether it ended as it should.
func (k *runKeeper) follows(h *holders, whole func(batch string) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	list, has := h.take(whole != nil) // with mu held: nobody overtakes
	var errs []error
	for _, c := range list {
		for _, key := range k.units[c.equipment] {
			errs = append(errs, k.follow(key, c.batch, c.fine))
		}
	}
	if whole == nil {
		return errors.Join(errs...)
	}
	for _, unit := range slices.Sorted(maps.Keys(k.units)) {
		for _, key := range k.units[unit] {
			run, _ := k.tracked(key)
			errs = append(errs, k.follow(key, has[unit], run.Process == "" || whole(run.Process)))
		}
	}
	return errors.Join(errs...)
}

// tracked gives the run that a slot has, and whether it was created to follow a batch; the zero run where it has none.
func (k *runKeeper) tracked(key slotKey) (run unitrun.Run, follows bool) {
	k.e.lookRuns(func(r *runs) {
		if s, ok := r.tracker.Stand(key.unit, key.definition); ok && s.Run != "" {
			run, _ = r.tracker.Run(s.Run)
			follows = r.follow[s.Run]
		}
	})
	return run, follows
}

// follow has the run of one slot follow batch, "" where nobody has the unit; fine says that whoever had it before was not
// aborted. What is so already is left as it is, so it may be said again. An error says that it could not be put on record; what
// is refused is on record, and is left so. A run that somebody else has created is left to them, also where it names a batch: no
// run follows as long as it is there.
func (k *runKeeper) follow(key slotKey, batch string, fine bool) error {
	run, follows := k.tracked(key)
	if run.ID != "" && run.Process == batch {
		if run.State != unitrun.Created || !follows {
			return nil
		}
		_, err := k.tell(&unitrun.Event{Kind: unitrun.Start, Run: run.ID, Actor: selfActor, Reason: "batch " + batch + " has unit " + key.unit}) // a cut came between
		return err
	}
	if follows {
		ev := unitrun.Event{Kind: unitrun.MakeReady, Run: run.ID, Actor: selfActor, Reason: "batch " + run.Process + " has given back unit " + key.unit}
		switch info := k.slots[key]; {
		case run.State == unitrun.Created:
			ev.Kind = unitrun.Cancel
		case !fine && info != nil && info.cancel:
			ev.Kind, ev.Reason = unitrun.Cancel, ev.Reason+", and was aborted, stopped or lost before"
		}
		fx, err := k.tell(&ev)
		if err == nil && ev.Kind == unitrun.Cancel && run.State != unitrun.Created && refusal(fx) != nil { // such as material that has moved on
			_, err = k.tell(&unitrun.Event{Kind: unitrun.MakeReady, Run: run.ID, Actor: selfActor, Reason: "it cannot be canceled for restart, and its unit is given back"})
		}
		if err != nil {
			return err
		}
	}
	if follows {
		run = unitrun.Run{}
	}
	info := k.slots[key]
	if batch == "" || info == nil || info.refused == batch+"/"+run.ID {
		return nil // it is on record already
	}
	refused, err := k.begin(key, batch)
	if refused {
		info.refused = batch + "/" + run.ID
	}
	return err
}

// begin has a run of a batch, unless that is refused.
func (k *runKeeper) begin(key slotKey, batch string) (refused bool, err error) {
	ev := unitrun.Event{Kind: unitrun.Create, Unit: key.unit, Definition: key.definition, Process: batch, Actor: selfActor, Reason: "batch " + batch + " has unit " + key.unit}
	if k.slots[key].ident == "" {
		ev.Ident = batch
	}
	fx, err := k.tell(&ev)
	if err != nil || refusal(fx) != nil {
		return err == nil, err
	}
	_, err = k.tell(&unitrun.Event{Kind: unitrun.Start, Run: fx[0].Run, Actor: ev.Actor, Reason: ev.Reason})
	return false, err
}
