// Package equipment is the equipment model of an executive: which sites, cells, units and modules there are (the physical model of ISA-88), whose
// each output is, and which version of all that a batch was bound to.
//
// Start with [Parse], which reads a model file, or with [Fold], which has the model of the equipment_change records of a journal. A [Model] is a
// value that never changes: [Model.Apply] gives the next one, whole, or refuses. [Diff] says in words what is different, [Touched] whom that
// concerns, and [Model.Fits] whether an I/O map may be used on it.
//
// The rule that must not be broken: an output belongs to one piece of equipment in use, and equipment has one order in which it is got, that of
// its path; no change moves what is there to another place in it.
//
// Of several boards each has a model of its own, and says with [Item.Node] which of it lies on another board. Such an item is there to be asked for and
// to be written through its board; what counts of it, how many may have it and what is safe, is what the model of its own board says. It is a hint here.
//
// The package reads no file and decides for no batch: who is bound keeps what he was bound to.
package equipment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// Limits of a model.
const (
	MaxItems    = 1024
	MaxChannels = 256       // of one item
	MaxOwners   = 64        // batches that may have one item at a time
	MaxItem     = 12 << 10  // bytes of one item as JSON
	MaxModel    = 512 << 10 // bytes of all items as JSON
	MaxText     = 200       // bytes of a capability, a channel or a value
	MaxNodes    = 64        // boards on which items lie
	MaxNode     = 16        // bytes of the name of a board: the number of a batch is to have room behind it
)

// Item is one element of the equipment hierarchy (ISA-88 physical model).
type Item struct {
	ID           string            `json:"equipment_id"`
	Level        string            `json:"level"` // site, area, process_cell, unit, equipment_module, control_module
	Parent       string            `json:"parent,omitempty"`
	Class        string            `json:"class,omitempty"`
	Priority     int64             `json:"priority,omitempty"` // of several units that a recipe can run on, that with the least is taken, and of these the first in order
	Capabilities map[string]string `json:"capabilities,omitempty"`
	Owners       int               `json:"owners,omitempty"`   // how many batches may have it at a time, 1 for what has outputs; 0: it is not arbitrated
	Channels     []string          `json:"channels,omitempty"` // outputs that are its: only who has it writes them
	Safe         map[string]string `json:"safe,omitempty"`     // by channel: the value on the wire that is safe, as Raw reads it, such as 0
	Map          string            `json:"map,omitempty"`      // of a unit: name of its I/O map, from where the model lies
	Retired      bool              `json:"retired,omitempty"`  // no batch gets it any more
	Node         string            `json:"node,omitempty"`     // of several boards: which one has its wires; "": this one. Its channels begin with NODE:
}

// levels from the top down.
var levels = [...]string{"site", "area", "process_cell", "unit", "equipment_module", "control_module"}

// Model is one version of an equipment model. It is never changed; the slices and maps of its items are read-only.
type Model struct {
	Version uint64 // equipment_model_version: 1 for the first
	Items   []Item // in path order, retired ones among them
	digest  string
}

// build makes a model of items that were checked.
func build(version uint64, items []Item) *Model {
	m := &Model{Version: version, Items: ordered(items)}
	data, _ := json.Marshal(m.Items)
	sum := sha256.Sum256(data)
	m.digest = hex.EncodeToString(sum[:])
	return m
}

// ordered returns items in the order of their paths: parents before what lies in them, and what lies side by side by id.
func ordered(items []Item) []Item {
	out := slices.Clone(items)
	paths := map[string][]string{}
	for i := range out {
		paths[out[i].ID] = pathOf(items, out[i].ID)
	}
	slices.SortFunc(out, func(a, b Item) int { return slices.Compare(paths[a.ID], paths[b.ID]) })
	return out
}

// pathOf lists the ids from the root down to id.
func pathOf(items []Item, id string) (path []string) {
	for range levels {
		i := slices.IndexFunc(items, func(e Item) bool { return e.ID == id })
		if i < 0 {
			break
		}
		path = append(path, id)
		id = items[i].Parent
	}
	slices.Reverse(path)
	return path
}

// Digest is the SHA-256 of the items in their order as JSON, 64 lower-case hex digits. Two models with the same items have the same.
func (m *Model) Digest() string { return m.digest }

// Item finds an item by its id, and its place in the one order; nil and -1 where the model has none.
func (m *Model) Item(id string) (item *Item, place int) {
	for i := range m.Items {
		if m.Items[i].ID == id {
			return &m.Items[i], i
		}
	}
	return nil, -1
}

// Path lists the ids from the root down to id; nil where the model has no such item.
func (m *Model) Path(id string) []string { return pathOf(m.Items, id) }

// Owner is the item in use that an output belongs to; nil where there is none.
func (m *Model) Owner(channel string) *Item {
	for i := range m.Items {
		if e := &m.Items[i]; !e.Retired && slices.Contains(e.Channels, channel) {
			return e
		}
	}
	return nil
}

// Nodes lists the other boards on which items lie, retired ones too, in order.
func (m *Model) Nodes() []string { return nodes(m.Items) }

func nodes(items []Item) (list []string) {
	for i := range items {
		if n := items[i].Node; n != "" {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Split tells which of several boards has a channel, and what it is called there: "n2:S901/do/1" is S901/do/1 of n2, where n2 is among nodes. Any
// other channel is one of this board, whose node is "".
func Split(channel string, nodes []string) (node, there string) {
	if node, there, is := strings.Cut(channel, ":"); is && there != "" && slices.Contains(nodes, node) {
		return node, there
	}
	return "", channel
}

// Units lists the units in use on this board, in the order in which one is chosen where nobody names one: by priority, and then in path order.
func (m *Model) Units() (list []*Item) {
	for i := range m.Items {
		if e := &m.Items[i]; e.Level == "unit" && !e.Retired && e.Node == "" {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b *Item) int {
		switch {
		case a.Priority < b.Priority:
			return -1
		case a.Priority > b.Priority:
			return 1
		}
		return 0
	})
	return list
}
