// This file reads the resources of a map file: equipment that elements of a recipe hold.

package iomap

import (
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/tag"
)

// MaxOwners is how many elements of one batch may hold a resource at one time.
const MaxOwners = 64

func (r *reader) resources(n strictyaml.Node) {
	seen, ids := map[string]int{}, map[string]int{}
	items := n.List(MaxResources)
	if n.Kind() == strictyaml.List && len(items) == 0 {
		n.Errorf("resources: the list is empty, and no recipe could use anything; name what there is, or remove it")
	}
	for _, item := range items {
		f := item.Map()
		name := f.Req("resource_id")
		e := Resource{Name: name.Ident(), Owners: 1}
		name.Once(seen, e.Name, "resource")
		owners, many := f.Opt("owners")
		if many {
			e.Owners = int(max(owners.Int(1, MaxOwners), 1))
		}
		if n, ok := f.Opt("between_batches"); ok {
			e.BetweenBatches = n.Bool()
		}
		if e.BetweenBatches && many {
			owners.Errorf("%s is what batches share, and one of them has it at a time; remove owners, or between_batches", e.Name)
		}
		e.Equipment = e.Name
		id, known := f.Opt("equipment_id")
		if known {
			e.Equipment = id.Ident()
		} else {
			id = name
		}
		switch {
		case e.BetweenBatches:
			id.Once(ids, e.Equipment, "equipment_id")
		case known:
			id.Errorf("%s is not shared with other batches, and its name is all that it needs; remove equipment_id, or write between_batches: true", e.Name)
		}
		f.Not("shared", "write owners: 2 for equipment that two elements may have at a time, or between_batches: true for what batches share and one "+
			"has at a time")
		f.Done()
		r.m.Resources = append(r.m.Resources, e)
	}
}

// part is an output that says of which resource it is a part.
type part struct {
	id   tag.ID
	node strictyaml.Node
}

// parts finds the resources that outputs are parts of.
func (r *reader) parts() {
	for _, p := range r.owned {
		t, name := &r.m.Tags[p.id], p.node.Ident()
		if name == "" {
			continue
		}
		place, ok := r.m.Resource(name)
		switch {
		case !ok:
			p.node.Errorf("%s is a part of %q, and the map has no such resource; name it in resources, with between_batches: true", t.shown(), name)
		case !r.m.Resources[place].BetweenBatches:
			p.node.Errorf("%s is a part of %s, which batches do not share; write between_batches: true there, or remove resource here", t.shown(), name)
		case r.m.Trip != nil && r.m.Trip.Tag == p.id:
			p.node.Errorf("%s requests a trip, which every batch must be able to; remove resource", t.shown())
		default:
			t.Resource = place + 1
		}
	}
}

// part is the name of the resource that a tag is a part of, "" for none.
func (m *Map) part(t *Tag) string {
	if t.Resource <= 0 || t.Resource > len(m.Resources) {
		return ""
	}
	return m.Resources[t.Resource-1].Name
}

// Resource finds a resource by name and gives its place in the one order; ok is false where the map has none of that name.
func (m *Map) Resource(name string) (place int, ok bool) {
	for i := range m.Resources {
		if m.Resources[i].Name == name {
			return i, true
		}
	}
	return -1, false
}
