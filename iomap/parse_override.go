// This file reads the overrides of a map file.

package iomap

import (
	"slices"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
)

const minOverride = 1_000_000_000 // 1 s

func (r *reader) overrides(n strictyaml.Node) {
	seen, tags := map[string]int{}, 0
	for _, item := range n.List(MaxOverrides) {
		o := r.override(item, seen)
		if tags += len(o.Tags); tags > MaxOverrideTags && tags-len(o.Tags) <= MaxOverrideTags {
			item.Errorf("the overrides name %d tags up to here; %d are the most", tags, MaxOverrideTags)
		}
		r.m.Overrides = append(r.m.Overrides, o)
	}
}

// override reads one entry of overrides.
func (r *reader) override(n strictyaml.Node, seen map[string]int) (o Override) {
	f := n.Map()
	id := f.Req("override_id")
	o.ID = id.Ident()
	id.Once(seen, o.ID, "override_id")
	tags := f.Req("tags")
	items := tags.List(MaxOverrideTags)
	if tags.Kind() == strictyaml.List && len(items) == 0 {
		tags.Errorf("override %q names no tag; say what may be overridden", o.ID)
	}
	for _, item := range items {
		o.Tags = r.overridden(item, o.Tags)
	}
	roles := f.Req("roles")
	named := roles.List(MaxRoles)
	if roles.Kind() == strictyaml.List && len(named) == 0 {
		roles.Errorf("override %q names no role; say who may have it", o.ID)
	}
	for _, item := range named {
		role := item.Ident()
		if role != "" && slices.Contains(o.Roles, role) {
			item.Errorf("role %q stands twice", role)
		}
		o.Roles = append(o.Roles, role)
	}
	if held, ok := f.Opt("held"); ok {
		o.Held = held.Bool()
	}
	if when, ok := f.Opt("when"); ok {
		o.When, o.Text, o.Used = r.when(when)
		if slices.ContainsFunc(o.When, func(n cond.Node) bool { return n.Op == cond.Stable }) {
			when.Errorf("an override asks how things are and not how they have been; leave stable out")
		}
	}
	limit := f.Req("limit")
	if o.Limit = timeOf(limit); o.Limit != 0 && (o.Limit < minOverride || o.Limit > MaxOverrideTime || o.Limit%millisecond != 0) {
		limit.Errorf("limit is %q; it must be whole milliseconds from 1 s to 24 h", limit.Str())
	}
	if over, ok := f.Opt("over_boot"); ok {
		o.OverBoot = over.OneOf("ends", "continues") == "continues"
	}
	f.Done()
	return o
}

// overridden adds a tag to those that may be overridden.
func (r *reader) overridden(n strictyaml.Node, tags []tag.ID) []tag.ID {
	id := r.tagOf(n, false)
	if id == tag.None || !r.known[id] {
		return tags
	}
	t := &r.m.Tags[id]
	switch {
	case slices.Contains(tags, id):
		n.Errorf("%q stands twice in tags", t.Name)
	case t.Type == Counter:
		n.Errorf("%q is a counter; what has flowed cannot be forced", t.Name)
	case r.m.Trip != nil && r.m.Trip.Tag == id:
		n.Errorf("%q requests a trip of the safety chain; nobody may have it", t.Name)
	case r.m.Trip != nil && slices.ContainsFunc(r.m.Trip.Confirm, func(n cond.Node) bool { return n.Op >= cond.Eq && n.Tag == id }):
		n.Errorf("%q confirms a trip of the safety chain; nobody may pretend that", t.Name)
	default:
		return append(tags, id)
	}
	return tags
}

// Override finds an override by its id; -1 where there is none.
func (m *Map) Override(id string) int {
	return slices.IndexFunc(m.Overrides, func(o Override) bool { return o.ID == id })
}
