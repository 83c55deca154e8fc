// This file reads the resources of a map file: equipment that elements of a recipe hold.

package iomap

import "github.com/batchkit/batchkit/internal/strictyaml"

// MaxOwners is how many elements of one batch may hold a resource at one time.
const MaxOwners = 64

func (r *reader) resources(n strictyaml.Node) {
	seen := map[string]int{}
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
		f.Not("shared", "write owners: 2 for equipment that two elements may have at a time, or between_batches: true for what batches share and one "+
			"has at a time")
		f.Done()
		r.m.Resources = append(r.m.Resources, e)
	}
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
