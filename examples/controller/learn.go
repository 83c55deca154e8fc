// What batches have learnt of what runs in, kept in the device journal: the newest of each recipe, meter and window is handed to the next
// batch.

package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
)

// learns tells whether a recipe has a window that learns.
func learns(e *recipe.Element) bool {
	return slices.ContainsFunc(e.Actions, func(a recipe.Action) bool { return a.Learn.Given() }) || slices.ContainsFunc(e.Children, learns)
}

// akin tells whether both are of one recipe, meter and window.
func akin(a, b *batch.InFlight) bool {
	return a.Recipe == b.Recipe && a.Meter == b.Meter && a.Window == b.Window
}

// told takes in what a record of the device journal says of it.
func (d *device) told(r *record.Record) {
	switch r.Kind {
	case record.KindHeadAnchored:
		d.heads = append(d.heads, r.Text(record.AnchoredJournalID))
	case record.KindInFlightKept:
		for _, words := range r.Texts(record.InFlight) {
			if i, ok := batch.ReadInFlight(r.Text(record.ObjectID), words); ok {
				d.know(i)
			}
		}
	}
}

// know puts what is newer in the place of what is known.
func (d *device) know(i batch.InFlight) (was *batch.InFlight) {
	for k := range d.known {
		if old := d.known[k]; akin(&old, &i) {
			d.known[k] = i
			return &old
		}
	}
	d.known = append(d.known, i)
	return nil
}

// learn keeps what a batch has learnt, once.
func (d *device) learn(list []batch.InFlight) error {
	if err := d.hold(); err != nil {
		return err
	}
	for _, i := range list {
		if slices.ContainsFunc(d.known, func(k batch.InFlight) bool { return akin(&k, &i) && k.Batch == i.Batch && k.Seq >= i.Seq }) {
			continue
		}
		was := d.know(i)
		if _, err := d.Append(func(b *record.Body) {
			b.Begin(record.KindInFlightKept)
			b.Text(record.Actor, "controller")
			b.Text(record.ChangeReason, fmt.Sprintf("learnt in batch %s, record %d", i.Batch, i.Seq))
			b.Text(record.ImpactScope, fmt.Sprintf("recipe %s, window %s, meter %s", i.Recipe, i.Window, i.Meter))
			b.Text(record.ObjectID, i.Recipe)
			b.Texts(record.InFlight, []string{i.String()})
			b.Text(record.NewValue, i.Value.String())
			b.Text(record.ToVersion, fmt.Sprint(i.Version))
			if was == nil {
				b.Text(record.OldValue, "none")
				return
			}
			b.Text(record.OldValue, was.Value.String())
			b.Text(record.FromVersion, fmt.Sprint(was.Version))
		}); err != nil {
			return err
		}
	}
	return nil
}

// learnt keeps what a batch has learnt in the device journal, which it begins where there is none. Where it fails it says so on stderr:
// the next batch then works with what was known before.
func learnt(f *flags, b *batch.Batch, list []batch.InFlight, stderr io.Writer) {
	if len(list) == 0 {
		return
	}
	d, err := f.device(b.Plan.Map.Device, io.Discard)
	if err == nil {
		err = d.learn(list)
	}
	if err != nil {
		fmt.Fprintf(stderr, "controller: what batch %s has learnt is not kept: %v\n", b.ID, err)
	}
}

// history gives what earlier batches have learnt for a plan. The controller may have died between the end of the newest batch and what
// was to be kept of it; then that is made good first, from the records of that batch.
func history(f *flags, plan *batch.Plan, stderr io.Writer) (list []batch.InFlight, err error) {
	if !learns(plan.Recipe.Root) {
		return nil, nil
	}
	d, err := f.device(plan.Map.Device, stderr)
	if err != nil {
		return nil, err
	}
	if _, newest := batches(f.out); newest != "" {
		if b, err := evidence.Rebind(filepath.Join(f.out, newest)); err == nil && !slices.Contains(d.heads, b.JournalID) {
			learnt(f, b, relearnt(b, filepath.Join(f.out, newest)), stderr)
		}
	}
	for _, i := range d.known {
		if i.Recipe == plan.Recipe.ID {
			list = append(list, i)
		}
	}
	return list, nil
}

// relearnt finds in the records of a batch what it has learnt; nothing where they cannot be read.
func relearnt(b *batch.Batch, dir string) []batch.InFlight {
	r := b.Replay()
	_, err := journal.Scan(filepath.Join(dir, "journal"), func(_ uint64, body []byte, _ journal.Chain) error {
		rec, err := record.Parse(body)
		if err == nil {
			err = r.Record(rec)
		}
		return err
	}, nil)
	if err != nil {
		return nil
	}
	return r.Machine.Learnt()
}

// bindKnown binds a batch with what was learnt. What the limits of the recipe do not allow any more is left out, and said.
func bindKnown(plan *batch.Plan, id, size string, rel batch.Release, bound *batch.BindOptions, stderr io.Writer) (*batch.Batch, error) {
	for {
		b, err := plan.Bind(id, size, rel, bound)
		var outside *batch.InFlightError
		if !errors.As(err, &outside) {
			return b, err
		}
		fmt.Fprintf(stderr, "controller: window %s begins anew with the first value of recipe %s: what batch %s has learnt, %s, is outside its limits: %s\n",
			outside.Window, outside.Recipe, outside.Batch, outside.Value, outside.Why)
		bound.InFlight = slices.DeleteFunc(bound.InFlight, func(i batch.InFlight) bool { return i == outside.InFlight })
	}
}
