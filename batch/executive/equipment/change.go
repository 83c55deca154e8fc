// Changes of a model: all of one or nothing, and in words what is different.

package equipment

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Change adds, changes, retires or brings back items, all or none.
type Change struct {
	Base   uint64   `json:"base"`             // equipment_model_version that it was made for; another one is refused
	Put    []Item   `json:"put,omitempty"`    // items that are new, or as they are from now on
	Retire []string `json:"retire,omitempty"` // items that no batch gets any more
	Return []string `json:"return,omitempty"` // retired items that are in use again, as they were or as put says
}

// ErrVersion is in the error about a change that was made for another version than there is: look at the model anew, and make the change for that.
var ErrVersion = errors.New("equipment: the model has another version")

// Apply gives the model after a change, one version on. The model itself stays as it is. The error says all that is wrong; then nothing changes.
// An item keeps its level and its parent, since its place in the one order goes by them: what moves is retired, and comes back under another id.
func (m *Model) Apply(c *Change) (*Model, error) {
	if c.Base != m.Version {
		return nil, fmt.Errorf("%w: the change was made for %d and it is %d; read it anew, and make the change for that", ErrVersion, c.Base, m.Version)
	}
	if n := len(c.Put) + len(c.Retire) + len(c.Return); n == 0 || n > MaxItems {
		return nil, fmt.Errorf("equipment: the change names %d items; name 1 to %d, under put, retire or return", n, MaxItems)
	}
	a := &applying{items: slices.Clone(m.Items), named: map[string]string{}}
	for _, id := range c.Return {
		a.back(id)
	}
	for i := range c.Put {
		a.put(c.Put[i])
	}
	for _, id := range c.Retire {
		a.retire(id)
	}
	if a.faults != nil {
		return nil, errors.Join(a.faults...)
	}
	if err := join(a.items); err != nil {
		return nil, err
	}
	next := build(m.Version+1, a.items)
	if next.digest == m.digest {
		return nil, errors.New("equipment: the change leaves everything as it is; there is nothing to do")
	}
	return next, nil
}

// applying is a change that is being made on a copy.
type applying struct {
	items  []Item
	named  map[string]string // by id: under which of put, retire and return
	faults []error
}

func (a *applying) fault(format string, args ...any) {
	a.faults = append(a.faults, fmt.Errorf("equipment: "+format, args...))
}

// find gives an item that the change names under what; nil where there is none. An id stands once, but in return and put.
func (a *applying) find(id, what string) *Item {
	if before := a.named[id]; before != "" && (before != "return" || what != "put") {
		a.fault("%.80s stands under %s and %s; name it once", id, before, what)
	}
	a.named[id] = what
	for i := range a.items {
		if a.items[i].ID == id {
			return &a.items[i]
		}
	}
	return nil
}

func (a *applying) back(id string) {
	switch e := a.find(id, "return"); {
	case e == nil:
		a.fault("return: there was never a %.80q; put it", id)
	case !e.Retired:
		a.fault("return: %s is in use", id)
	default:
		e.Retired = false
	}
}

func (a *applying) put(item Item) {
	if item.Retired {
		a.fault("put: %.80s is put as retired; name it under retire", item.ID)
	}
	e := a.find(item.ID, "put")
	switch {
	case e == nil:
		a.items = append(a.items, item)
		return
	case e.Retired:
		a.fault("put: %s was retired; name it under return, too, if it is to be in use again, or give what is new an id of its own", item.ID)
	case e.Level != item.Level || e.Parent != item.Parent:
		a.fault("put: %s would move from %s in %q to %.40s in %.80q, and its place in the order with it; retire it, and add what it becomes under another id",
			item.ID, e.Level, e.Parent, item.Level, item.Parent)
	}
	*e = item
}

func (a *applying) retire(id string) {
	switch e := a.find(id, "retire"); {
	case e == nil:
		a.fault("retire: there is no %.80q", id)
	case e.Retired:
		a.fault("retire: %s is retired already", id)
	default:
		e.Retired = true
	}
}

// Changed lists the ids of the items that differ between two models, those of new in its order first.
func Changed(old, new *Model) (ids []string) {
	for i := range new.Items {
		was, _ := old.Item(new.Items[i].ID)
		if was == nil || Text(was) != Text(&new.Items[i]) {
			ids = append(ids, new.Items[i].ID)
		}
	}
	for i := range old.Items {
		if is, _ := new.Item(old.Items[i].ID); is == nil {
			ids = append(ids, old.Items[i].ID)
		}
	}
	return ids
}

// Text is an item as a record has it, in JSON on one line; "none" for nil.
func Text(e *Item) string {
	if e == nil {
		return "none"
	}
	data, _ := json.Marshal(e)
	return string(data)
}

// Diff says in words what differs between two models: which item, what of it, old and new.
func Diff(old, new *Model) (list []string) {
	for _, id := range Changed(old, new) {
		was, _ := old.Item(id)
		is, _ := new.Item(id)
		switch {
		case is == nil:
			list = append(list, id+": is gone")
			continue
		case was == nil:
			list = append(list, id+": new, "+strings.TrimSpace(is.Level+" "+in(is.Parent)))
			was = &Item{ID: id, Level: is.Level, Parent: is.Parent, Retired: is.Retired}
		case is.Retired && !was.Retired:
			list = append(list, id+": retired")
		case was.Retired && !is.Retired:
			list = append(list, id+": in use again")
		}
		list = append(list, parts(was, is)...)
	}
	return list
}

func in(parent string) string {
	if parent == "" {
		return ""
	}
	return "in " + parent
}

// parts says which parts of an item differ.
func parts(was, is *Item) (list []string) {
	say := func(what, old, new string) {
		if old != new {
			list = append(list, is.ID+": "+what+": "+orNone(old)+" -> "+orNone(new))
		}
	}
	say("level", was.Level, is.Level)
	say("parent", was.Parent, is.Parent)
	say("class", was.Class, is.Class)
	say("priority", strconv.FormatInt(was.Priority, 10), strconv.FormatInt(is.Priority, 10))
	both(was.Capabilities, is.Capabilities, func(key, old, new string) { say("capability "+key, old, new) })
	say("owners", strconv.Itoa(was.Owners), strconv.Itoa(is.Owners))
	say("channels", strings.Join(was.Channels, ", "), strings.Join(is.Channels, ", "))
	both(was.Safe, is.Safe, func(key, old, new string) { say("safe value of "+key, old, new) })
	say("map", was.Map, is.Map)
	say("node", was.Node, is.Node)
	return list
}

// both calls fn for every key that one of two mappings has, in order.
func both(old, new map[string]string, fn func(key, old, new string)) {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(old)), maps.Keys(new))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		fn(key, old[key], new[key])
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
