// The form of a model and of a change as files, YAML or its subset JSON.

package equipment

import (
	"errors"

	"github.com/batchkit/batchkit/internal/strictyaml"
)

// Schema is the version of the form.
const Schema = 1

// Parse reads a model file; file is the name that errors show. What is wrong is returned all at once, each error with line, column and the line
// itself; then the model is nil. Its version is 1. The keys of an item are those of Item:
//
//	schema_version: 1
//	equipment:
//	  - {equipment_id: PLANT, level: site}
//	  - {equipment_id: CELL, level: process_cell, parent: PLANT}
//	  - equipment_id: R101
//	    level: unit
//	    parent: CELL
//	    class: reactor
//	    priority: 1
//	    capabilities: {volume: 500 L}
//	    owners: 1
//	    channels: [R101/do/1, R101/do/2]
//	    safe: {R101/do/1: 0, R101/do/2: 0}
//	    map: maps/r101.yaml
//	  - equipment_id: S901
//	    level: equipment_module
//	    parent: CELL
//	    owners: 1
//	    node: n2
//	    channels: [n2:S901/do/1]
//	    safe: {n2:S901/do/1: 0}
func Parse(file string, src []byte) (*Model, error) {
	doc := strictyaml.Parse(file, src, nil)
	f := doc.Root().Map()
	f.Req("schema_version").Int(Schema, Schema)
	list := f.Req("equipment")
	f.Done()
	items, at := readItems(list)
	if len(items) > 0 || list.Kind() == strictyaml.List {
		told := faults(doc)
		check(items, func(i int, key, text string) {
			if n := at.find(list, i, key); !told[n.Pos()] {
				n.Errorf("%s", text)
			}
		})
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return build(1, items), nil
}

// ParseChange reads a change: base, the version that it was made for, and what of put, retire and return it has. Whether it can be made is for
// Model.Apply to say.
//
//	base: 3
//	put:
//	  - {equipment_id: R104, level: unit, parent: CELL, owners: 1, map: maps/r104.yaml}
//	retire: [R103]
func ParseChange(file string, src []byte) (c Change, err error) {
	doc := strictyaml.Parse(file, src, nil)
	f := doc.Root().Map()
	c.Base = uint64(f.Req("base").Int(1, 1<<53))
	if n, ok := f.Opt("put"); ok {
		c.Put, _ = readItems(n)
	}
	if n, ok := f.Opt("retire"); ok {
		c.Retire = names(n)
	}
	if n, ok := f.Opt("return"); ok {
		c.Return = names(n)
	}
	f.Done()
	if err := doc.Err(); err != nil {
		return Change{}, err
	}
	return c, nil
}

func names(n strictyaml.Node) (list []string) {
	for _, e := range n.List(MaxItems) {
		list = append(list, e.Ident())
	}
	return list
}

// places are where the keys of items stand.
type places []map[string]strictyaml.Node

// find gives where a key of an item stands, the item where it has no such key, and the list where it is of none.
func (p places) find(list strictyaml.Node, i int, key string) strictyaml.Node {
	if i < 0 {
		return list
	}
	if n, ok := p[i][key]; ok {
		return n
	}
	return p[i][""]
}

// faults are the places of what is known to be wrong: what follows from it is not told again.
func faults(doc *strictyaml.Doc) map[strictyaml.Pos]bool {
	out := map[strictyaml.Pos]bool{}
	var errs *strictyaml.Errors
	if errors.As(doc.Err(), &errs) {
		for _, e := range errs.List() {
			out[e.Pos] = true
		}
	}
	return out
}

// readItems reads a list of items, and keeps where each key stands.
func readItems(list strictyaml.Node) (items []Item, at places) {
	for _, n := range list.List(MaxItems) {
		f := n.Map()
		keys := map[string]strictyaml.Node{"": n}
		opt := func(key string) strictyaml.Node {
			v, _ := f.Opt(key)
			if v.Kind() != strictyaml.Absent {
				keys[key] = v
			}
			return v
		}
		var e Item
		keys["equipment_id"], keys["level"] = f.Req("equipment_id"), f.Req("level")
		e.ID, e.Level = keys["equipment_id"].Ident(), keys["level"].OneOf(levels[:]...)
		e.Parent = opt("parent").Ident()
		e.Class = opt("class").Ident()
		e.Priority = opt("priority").Int(0, 1_000_000)
		e.Capabilities = pairs(opt("capabilities"))
		e.Owners = int(opt("owners").Int(0, MaxOwners))
		for _, c := range opt("channels").List(MaxChannels) {
			e.Channels = append(e.Channels, c.Str())
		}
		e.Safe = pairs(opt("safe"))
		e.Map = opt("map").File()
		e.Node = opt("node").Ident()
		if r := opt("retired"); r.Kind() != strictyaml.Absent {
			e.Retired = r.Bool()
		}
		f.Done()
		items, at = append(items, e), append(at, keys)
	}
	return items, at
}

// pairs reads a mapping of names to texts.
func pairs(n strictyaml.Node) map[string]string {
	var out map[string]string
	for _, e := range n.Entries(MaxChannels) {
		if out == nil {
			out = map[string]string{}
		}
		out[e.Key.Str()] = e.Value.Str()
	}
	return out
}
