// Whom a change concerns, and whether an I/O map may be used on a model.

package equipment

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Impact is what a change touches.
type Impact struct {
	Version uint64   `json:"equipment_model_version"` // after it
	Changes []string `json:"changes"`                 // in words: what, old, new
	Batches []string `json:"batches,omitempty"`       // that are bound to something of it, and keep what they are bound to
	Recipes []string `json:"recipes,omitempty"`       // that can no longer run on a unit, or now can
	Scope   string   `json:"impact_scope"`            // all that in one line
}

// maxTouched is how many lines each list of an Impact has at most.
const maxTouched = 1 << 16

// Check implements the Body of package api.
func (i *Impact) Check() error {
	if n := max(len(i.Changes), len(i.Batches), len(i.Recipes)); n > maxTouched {
		return fmt.Errorf("an impact of %d lines; at most %d are taken", n, maxTouched)
	}
	return nil
}

// Bound is what a batch is bound to.
type Bound struct {
	Batch     string
	Unit      string
	Equipment []string // that its map names
	Model     uint64   // equipment_model_version that it was bound to
}

// Runs says on which units a recipe can run.
type Runs struct {
	Recipe string
	Units  []string
}

// Touched says whom the step from one model to another concerns: batches that are bound to an item that differs, or to the unit that it lies in,
// and recipes that can run on other units than before.
func Touched(old, new *Model, bound []Bound, before, after []Runs) Impact {
	ids := Changed(old, new)
	i := Impact{Version: new.Version, Changes: Diff(old, new)}
	for _, b := range bound {
		if slices.ContainsFunc(ids, func(id string) bool { return b.to(old, id) || b.to(new, id) }) {
			i.Batches = append(i.Batches, b.Batch)
		}
	}
	for _, r := range before {
		i.Recipes = append(i.Recipes, gone(r, after, "no longer on")...)
	}
	for _, r := range after {
		i.Recipes = append(i.Recipes, gone(r, before, "now on")...)
	}
	i.Scope = "equipment: " + short(ids) + "; batches that keep what they are bound to: " + short(i.Batches) + "; recipes: " + short(i.Recipes)
	return i
}

// to tells whether a batch is bound to an item, or to the unit that it lies in.
func (b *Bound) to(m *Model, id string) bool {
	return slices.Contains(b.Equipment, id) || b.Unit != "" && slices.Contains(m.Path(id), b.Unit)
}

// Keeps says what of the step from one model to another is to wait for batches that are bound, nil where nothing: they would no longer have what
// they are bound to, since an output of it would be nobody's or another's, or have another safe value, or nobody could get it any more. To retire
// is no such thing: who has it keeps it.
func Keeps(old, new *Model, bound []Bound) error {
	var list []error
	for i := range old.Items {
		why := taken(old, new, &old.Items[i])
		if why == "" {
			continue
		}
		for k := range bound {
			if bound[k].to(old, old.Items[i].ID) {
				list = append(list, fmt.Errorf("equipment: %s: %s, and %s is bound to it; remove that batch first, or leave this out", old.Items[i].ID, why, bound[k].Batch))
			}
		}
	}
	return errors.Join(list...)
}

// Takes tells whether the step from one model to another is one that Keeps may refuse.
func Takes(old, new *Model) bool {
	return slices.ContainsFunc(old.Items, func(e Item) bool { return taken(old, new, &e) != "" })
}

// taken says what the step from one model to another takes from an item; "" where nothing.
func taken(old, new *Model, was *Item) string {
	is, _ := new.Item(was.ID)
	if is == nil || was.Owners > 0 && is.Owners == 0 {
		return "nobody could get it any more"
	}
	if was.Node != is.Node {
		return "it would lie on another board"
	}
	for _, c := range was.Channels {
		before, o := old.Owner(c), new.Owner(c)
		switch {
		case !slices.Contains(is.Channels, c):
			return "output " + c + " would no longer be its"
		case o != nil && o.ID != was.ID && (before == nil || before.ID != o.ID):
			return "output " + c + " would be that of " + o.ID
		case is.Safe[c] != was.Safe[c]:
			return "output " + c + " would have another safe value"
		}
	}
	return ""
}

// gone says on which units r can run and others cannot.
func gone(r Runs, others []Runs, what string) (list []string) {
	var units []string
	if k := slices.IndexFunc(others, func(o Runs) bool { return o.Recipe == r.Recipe }); k >= 0 {
		units = others[k].Units
	}
	for _, u := range r.Units {
		if !slices.Contains(units, u) {
			list = append(list, r.Recipe+" "+what+" "+u)
		}
	}
	return list
}

// short lists at most twenty names.
func short(list []string) string {
	switch {
	case len(list) == 0:
		return "none"
	case len(list) > 20:
		return fmt.Sprintf("%s and %d more", strings.Join(list[:20], ", "), len(list)-20)
	}
	return strings.Join(list, ", ")
}

// Wiring is what an I/O map says of equipment that batches share.
type Wiring struct {
	Map       string   // name of the file
	Unit      string   // equipment_id that it says it is of
	Resources []string // equipment ids, in the order of the map
	Outputs   []Output
}

// Output is an output of an I/O map.
type Output struct {
	Channel   string
	Equipment string // that it belongs to; "" where the map does not say
	Safe      uint64 // its safe value on the wire
}

// Fits tells whether batches on a unit may be bound to a map, or all that speaks against it: a map that says it is of another unit, equipment that the
// model has not, or in another order, and outputs that belong to other equipment or to none, or have another safe value in the model.
func (m *Model) Fits(unit string, w *Wiring) error {
	var list []error
	say := func(format string, args ...any) {
		list = append(list, fmt.Errorf("equipment: "+w.Map+": "+format, args...))
	}
	if w.Unit != unit {
		say("it has equipment_id: %s, and the model names it as the map of %s; write equipment_id: %s in it, or give %s a map of its own", orNone(w.Unit), unit, unit, unit)
	}
	last := -1
	for _, id := range w.Resources {
		e, place := m.Item(id)
		switch {
		case e == nil:
			say("the model has no %.80q; add it to the model, or name in equipment_id of the resource what is meant", id)
		case e.Retired:
			say("%s is retired; bring it back, or take it out of the map", id)
		case e.Owners == 0:
			say("%s is not arbitrated, and the map has batches share it; write owners: 1 in the model", id)
		case place < last:
			say("%s stands behind %s, and in the model before it; give the resources the order of the model, since equipment is got in that", id, m.Items[last].ID)
		default:
			last = place
		}
	}
	for _, o := range w.Outputs {
		e := m.Owner(o.Channel)
		switch {
		case e == nil && o.Equipment == "":
			say("output %s belongs to nothing, and nobody could write it; add it to the channels of an item of the model, and say resource: in the map", o.Channel)
		case e == nil:
			say("output %s belongs to %s, and in the model to nothing; add it to the channels of %s there", o.Channel, o.Equipment, o.Equipment)
		case o.Equipment != e.ID:
			say("output %s belongs to %s in the model, and in the map to %s; say resource: in the map, or change the model", o.Channel, e.ID, orNone(o.Equipment))
		default:
			if bits, _ := Raw(e.Safe[o.Channel]); bits != o.Safe {
				say("output %s has the safe value %s in the model, and on the wire of the map 0x%x; write the same in both", o.Channel, e.Safe[o.Channel], o.Safe)
			}
		}
	}
	return errors.Join(list...)
}
