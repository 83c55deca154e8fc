// The model as a journal has it.

package equipment

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/journal/record"
)

// Void is the recovery_path of a recovery_event that says of a change that was cut off that it is not made.
const Void = "void"

// Fold has the model that the equipment_change records of a journal add up to. The zero value has none. A change is one record for each of its
// items, and is made by the last of them: one that was cut off is void, and the next begins anew.
type Fold struct {
	model *Model
	begun uint64 // version of a change of which records are missing; 0: none
	items []Item
	count int // records of it that there are
}

// Model is the newest model that is whole; nil before the first.
func (f *Fold) Model() *Model { return f.model }

// CutOff tells how many records there are of a change that lacks some, and which version it would have made; 0 and 0 where none is.
func (f *Fold) CutOff() (version uint64, records int) { return f.begun, f.count }

// Steps lists the items of the step from old, nil for the first model, to new: one record each, in this order.
func Steps(old, new *Model) []string {
	if old == nil {
		old = &Model{}
	}
	return Changed(old, new)
}

// Write fills the record of an item of a step: place counts from 0 in Steps of the two. An item that new has not any more has no record: Apply takes
// none away.
func Write(b *record.Body, old, new *Model, steps []string, place int, actor, role, reason, scope string) {
	var was *Item
	if old != nil {
		was, _ = old.Item(steps[place])
	}
	is, _ := new.Item(steps[place])
	b.Begin(record.KindEquipmentChange)
	b.Text(record.Actor, actor)
	if role != "" {
		b.Text(record.OperatorRole, role)
	}
	b.Text(record.ChangeReason, reason)
	b.Text(record.ObjectID, steps[place])
	b.Text(record.OldValue, Text(was))
	b.Text(record.NewValue, Text(is))
	b.Text(record.ImpactScope, scope)
	b.Count(record.EquipmentModelVersion, new.Version)
	b.Text(record.Digest, new.Digest())
	b.Text(record.Detail, fmt.Sprintf("%d of %d", place+1, len(steps)))
}

// Take takes the next record; kinds that say nothing of equipment change nothing. The error says why a record cannot follow those before it.
func (f *Fold) Take(r *record.Record) error {
	switch r.Text(record.EventType) {
	case record.KindEquipmentChange.String():
	case record.KindRecovery.String():
		if r.Text(record.RecoveryPath) == Void {
			*f = Fold{model: f.model}
		}
		return nil
	default:
		return nil
	}
	var place, of int
	detail, version := r.Text(record.Detail), r.Count(record.EquipmentModelVersion)
	if n, err := fmt.Sscanf(detail, "%d of %d", &place, &of); err != nil || n != 2 || detail != fmt.Sprintf("%d of %d", place, of) || place < 1 || place > of || of > MaxItems {
		return fault(r, "detail %.40q is no place in a change", detail)
	}
	was := &Model{}
	if f.model != nil {
		was = f.model
	}
	if place == 1 {
		f.begun, f.count, f.items = version, 0, slices.Clone(was.Items)
	}
	if f.begun != version || version != was.Version+1 || place != f.count+1 {
		return fault(r, "record %d of the change to version %d does not follow version %d and %d records of the change to %d", place, version, was.Version, f.count, f.begun)
	}
	var e Item
	if err := json.Unmarshal([]byte(r.Text(record.NewValue)), &e); err != nil || e.ID != r.Text(record.ObjectID) {
		return fault(r, "new_value is no item %s", r.Text(record.ObjectID))
	}
	old, _ := was.Item(e.ID)
	if Text(old) != r.Text(record.OldValue) {
		return fault(r, "%s was not what old_value says", e.ID)
	}
	if i := slices.IndexFunc(f.items, func(o Item) bool { return o.ID == e.ID }); i >= 0 {
		f.items[i] = e
	} else {
		f.items = append(f.items, e)
	}
	if f.count++; place < of {
		return nil
	}
	if err := join(f.items); err != nil {
		return fault(r, "%w", err)
	}
	next := build(version, f.items)
	if next.digest != r.Text(record.Digest) {
		return fault(r, "the model has the digest %s then, and the record says %.80s", next.digest, r.Text(record.Digest))
	}
	*f = Fold{model: next}
	return nil
}

func fault(r *record.Record, format string, args ...any) error {
	return fmt.Errorf("equipment: record %d: "+format+"; the journal is not one of an equipment model that was kept whole", append([]any{r.Seq()}, args...)...)
}
