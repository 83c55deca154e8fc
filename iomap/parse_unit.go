// This file reads the units of a map file: equipment that recipes ask for by class.

package iomap

import (
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Most of what one unit may have.
const (
	maxCapabilities = 64
	maxAliases      = 1024
	maxPriority     = 1_000_000
)

func (r *reader) units(n strictyaml.Node) {
	seen := map[string]int{}
	for _, item := range n.List(MaxUnits) {
		r.m.Units = append(r.m.Units, r.unit(item, seen))
	}
}

// unit reads one entry of units.
func (r *reader) unit(n strictyaml.Node, seen map[string]int) (u Unit) {
	f := n.Map()
	name := f.Req("unit")
	u.Name = name.Ident()
	name.Once(seen, u.Name, "unit")
	u.Class = f.Req("class").Ident()
	u.Priority = f.Req("priority").Int(1, maxPriority)
	if n, ok := f.Opt("capabilities"); ok {
		for _, e := range n.Entries(maxCapabilities) {
			u.Capabilities = append(u.Capabilities, capability(e))
		}
	}
	if n, ok := f.Opt("tags"); ok {
		for _, e := range n.Entries(maxAliases) {
			a := UnitTag{Name: aliasOf(e.Key), Tag: r.anyTag(e.Value)}
			u.Tags = append(u.Tags, a)
		}
	}
	if n, ok := f.Opt("meters"); ok {
		for _, e := range n.Entries(MaxMeters) {
			u.Meters = append(u.Meters, UnitMeter{Name: aliasOf(e.Key), Meter: r.anyMeter(e.Value)})
		}
	}
	f.Done()
	return u
}

// capability reads what a unit has: a quantity, or a word.
func capability(e strictyaml.Entry) Capability {
	c := Capability{Name: e.Key.Str()}
	if !isWord(c.Name) {
		e.Key.Errorf("%q is not the name of a capability; it must be letters, digits and _, beginning with a letter", c.Name)
	}
	text := e.Value.Str()
	switch {
	case text == "":
	case strings.ContainsAny(text[:1], "+-.0123456789"):
		c.Quantity, _ = quantityOf(e.Value)
	case isWord(text):
		c.Word = text
	default:
		e.Value.Errorf("%q is no capability; write a quantity such as 800 L, or a word such as glass", text)
	}
	return c
}

// aliasOf reads the name that a recipe gives to a tag or meter of the unit, behind the unit's own.
func aliasOf(n strictyaml.Node) string {
	name := n.Str()
	if !isWord(name) {
		n.Errorf("%q is not a name; it must be letters, digits and _, beginning with a letter", name)
	}
	return name
}

// anyTag reads the name of a tag of this map.
func (r *reader) anyTag(n strictyaml.Node) tag.ID { return r.tagOf(n, false) }

// tagOf reads the name of a tag; where there is none it lists all that might be meant: outputs, if only one can be.
func (r *reader) tagOf(n strictyaml.Node, output bool) tag.ID {
	name := n.Str()
	if name == "" {
		return tag.None
	}
	if id, ok := r.m.Lookup(name); ok {
		return id
	}
	var names []string
	for i := range r.m.Tags {
		if r.m.Tags[i].Name != "" && (r.m.Tags[i].Output || !output) {
			names = append(names, r.m.Tags[i].Name)
		}
	}
	unknown(n, name, map[bool]string{false: "tag", true: "output"}[output], names)
	return tag.None
}

// anyMeter reads the name of a meter of this map and returns its place.
func (r *reader) anyMeter(n strictyaml.Node) int {
	name := n.Str()
	var names []string
	for i := range r.m.Meters {
		if r.m.Meters[i].Name == name {
			return i
		}
		if r.m.Meters[i].Name != "" {
			names = append(names, r.m.Meters[i].Name)
		}
	}
	if name != "" {
		unknown(n, name, "meter", names)
	}
	return 0
}

// unknown reports a name that is none of those that there are.
func unknown(n strictyaml.Node, name, what string, names []string) {
	if len(names) == 0 {
		n.Errorf("no %s %q, and no %s at all, in this map", what, name, what)
		return
	}
	n.OneOf(names...)
}
