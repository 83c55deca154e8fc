// Activations: which version of an object is in use, the record that makes it so, and the way back from the record.

package library

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal/record"
)

// ErrInactive says that no version of an object was ever activated.
var ErrInactive = errors.New("library: no version is active")

// Active is the version of a governed object that is in use.
type Active struct {
	Kind       string
	ID         string
	Version    string
	Digest     string // SHA-256 of the file, 64 lower-case hex digits
	ApprovalID string // of the approval of this version
	Generation uint64 // activations of this object, this one included
	Before     string // version that was active before, to which a rollback leads; "" where none was

	Slot       Slot   // that names it
	SlotDigest string // SHA-256 of the slot file
	Seq        uint64 // record that activated it
}

// Activation asks for one version of one object to be used from now on. All fields are required but the last two.
type Activation struct {
	Kind        string // recipe, mapping, calibration, tag_map or device_profile
	ID          string
	Version     string // one that is published, and in effect
	Actor       string // who does it
	Reason      string // why, in the actor's words (change_reason, and rollback_reason of a rollback)
	ImpactScope string // which batches or equipment it touches; "none" where it touches none

	// Rollback says that this version was active before another was. What is a rollback and is not called so is refused, and
	// the other way about: nobody goes back by mistake.
	Rollback bool
	Now      int64 // time of day, ns UTC; 0 where it is not known: a version in effect only for a time is then refused
}

// object tells governed objects apart.
type object struct{ kind, id string }

// Active returns the version of an object that its journal says is active; ok is false where none ever was. Whether it may still
// be used, and whether its files are whole, is for [Store.Active] to say.
func (l *Library) Active(kind, id string) (a Active, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	a, ok = l.active[object{kind, id}]
	return a, ok
}

// Actives returns what is active of every object, in the order of kinds and IDs.
func (l *Library) Actives() []Active {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.SortedFunc(maps.Values(l.active), func(a, b Active) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID))
	})
}

// activate gives what is active and what would be after a, without the digest of the slot, or says why a is refused. The version
// must be known; whether it is approved was asked before.
func (l *Library) activate(a *Activation, e *Entry) (was, next Active, err error) {
	was, _ = l.Active(a.Kind, a.ID)
	back := e.Activated && was.Version != a.Version
	switch {
	case back && !a.Rollback:
		err = errors.New("this version was active before; to activate it again is a rollback, say so")
	case !back && a.Rollback && was.Version == a.Version:
		err = errors.New("this version is active; there is nothing to roll back")
	case !back && a.Rollback:
		err = errors.New("this version was never active; a rollback leads back to one that was")
	default:
		err = checkTexts([]text{{"actor", a.Actor, whoSays}, {"change_reason", a.Reason, whySays},
			{"impact_scope", a.ImpactScope, scopeSays}})
	}
	return was, Active{Kind: e.Kind, ID: e.ID, Version: e.Version, Digest: e.Digest, ApprovalID: e.ApprovalID,
		Generation: was.Generation + 1, Before: was.Version, Slot: was.Slot.other()}, err
}

// commitActive takes in what a durable record made of an object.
func (l *Library) commitActive(a Active, seq uint64) error {
	if seq <= l.seq {
		return fmt.Errorf("library: record %d: it comes after record %d; numbers of one journal ascend", seq, l.seq)
	}
	e := l.find(name{a.Kind, a.ID, a.Version})
	a.Seq, e.Activated = seq, true
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active == nil {
		l.active = make(map[object]Active)
	}
	l.active[object{a.Kind, a.ID}] = a
	l.entries[l.index[name{a.Kind, a.ID, a.Version}]] = e
	l.seq = seq
	return nil
}

// fillActive begins a body and gives it the fields of an activation.
func fillActive(b *record.Body, a *Activation, was, next *Active, by string) {
	b.Begin(record.KindObjectActivated)
	b.Text(record.ObjectKind, next.Kind)
	b.Text(record.ObjectID, next.ID)
	b.Text(record.OldValue, oldValue(was))
	if was.Generation != 0 {
		b.Text(record.FromVersion, was.Version)
	}
	b.Text(record.ToVersion, next.Version)
	b.Text(record.NewValue, next.Digest)
	b.Text(record.ActiveSlot, next.Slot.String())
	b.Text(record.Digest, next.SlotDigest)
	b.Text(record.ApprovalID, next.ApprovalID)
	b.Text(record.ApprovedBy, by)
	b.Text(record.Actor, a.Actor)
	b.Text(record.ChangeReason, a.Reason)
	b.Text(record.ImpactScope, a.ImpactScope)
	if a.Rollback {
		b.Text(record.RollbackReason, a.Reason)
	}
}

// oldValue is what stands in a record for what was active before.
func oldValue(was *Active) string {
	if was.Generation == 0 {
		return StateNone.String()
	}
	return was.Digest
}

// toldActive reads an activation from a record and holds it against what the records before it have left. Whether the version was
// in effect at that time is not asked again: the record says that it was activated.
func (l *Library) toldActive(rec *record.Record) (Active, error) {
	a := Activation{Kind: rec.Text(record.ObjectKind), ID: rec.Text(record.ObjectID), Version: rec.Text(record.ToVersion),
		Actor: rec.Text(record.Actor), Reason: rec.Text(record.ChangeReason), ImpactScope: rec.Text(record.ImpactScope),
		Rollback: rec.Has(record.RollbackReason)}
	n := name{a.Kind, a.ID, a.Version}
	e := l.find(n)
	if e.State != StatePublished {
		return Active{}, fmt.Errorf("%s: activated, but it is %s", n, e.State)
	}
	was, next, err := l.activate(&a, &e)
	if err != nil {
		return Active{}, fmt.Errorf("%s: activated: %w", n, err)
	}
	next.SlotDigest = rec.Text(record.Digest)
	for _, one := range [...]struct {
		key  record.Key
		want string
	}{
		{record.FromVersion, was.Version}, {record.OldValue, oldValue(&was)}, {record.NewValue, next.Digest},
		{record.ActiveSlot, next.Slot.String()}, {record.ApprovalID, e.ApprovalID}, {record.ApprovedBy, e.ApprovedBy},
		{record.Digest, digestOf(slotBytes(&next))},
	} {
		if got := rec.Text(one.key); got != one.want {
			return Active{}, fmt.Errorf("%s: activated: %s is %q, but it must be %q", n, one.key, got, one.want)
		}
	}
	if back := rec.Text(record.RollbackReason); a.Rollback && back != a.Reason {
		return Active{}, fmt.Errorf("%s: activated: rollback_reason is %q, but change_reason is %q", n, back, a.Reason)
	}
	return next, nil
}
