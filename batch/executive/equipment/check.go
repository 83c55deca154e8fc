// What must hold of a model, wherever it comes from.

package equipment

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checker holds items against the rules. Report is told which item, under which key, what is wrong and what to do.
type checker struct {
	items  []Item
	place  map[string]int // by id
	nodes  []string       // other boards on which items lie
	owner  map[string]int // by channel: the item in use that has it
	report func(i int, key, text string)
}

// check reports all that is wrong with items.
func check(items []Item, report func(i int, key, text string)) {
	c := checker{items: items, place: map[string]int{}, owner: map[string]int{}, report: report}
	if len(items) == 0 || len(items) > MaxItems {
		report(-1, "equipment", fmt.Sprintf("there are %d items; a model has 1 to %d", len(items), MaxItems))
		return
	}
	for i := range items {
		id := items[i].ID
		first, twice := c.place[id]
		switch {
		case !isName(id):
			report(i, "equipment_id", fmt.Sprintf("%.80q is no name; use 1 to 64 letters, digits, _ . - that begin with a letter or a digit", id))
		case twice:
			report(i, "equipment_id", fmt.Sprintf("%s stands twice, in place %d already; give each element an id of its own", id, first+1))
		default:
			c.place[id] = i
		}
	}
	if c.nodes = nodes(items); len(c.nodes) > MaxNodes {
		report(-1, "equipment", fmt.Sprintf("items lie on %d other boards; at most %d are taken", len(c.nodes), MaxNodes))
	}
	size := 0
	for i := range items {
		data, _ := json.Marshal(&items[i])
		if size += len(data); len(data) > MaxItem {
			report(i, "equipment_id", fmt.Sprintf("%s has %d bytes as JSON; at most %d are taken: divide it", items[i].ID, len(data), MaxItem))
			continue
		}
		c.item(i)
		c.above(i)
		c.channels(i)
	}
	if size > MaxModel {
		report(-1, "equipment", fmt.Sprintf("the model has %d bytes as JSON; at most %d are taken", size, MaxModel))
	}
}

// item looks at an item by itself.
func (c *checker) item(i int) {
	e := &c.items[i]
	say := func(key, format string, args ...any) { c.report(i, key, e.ID+": "+fmt.Sprintf(format, args...)) }
	if !slices.Contains(levels[:], e.Level) {
		say("level", "%.40q is no level; there are %s", e.Level, strings.Join(levels[:], ", "))
	}
	if e.Class != "" && !isName(e.Class) {
		say("class", "%.80q is no name of a class; use letters, digits, _ . -", e.Class)
	}
	if e.Priority < 0 || e.Priority > 1_000_000 {
		say("priority", "%d is out of bounds; write 0 to 1000000", e.Priority)
	}
	if e.Owners < 0 || e.Owners > MaxOwners {
		say("owners", "%d batches cannot have it at a time; write 1 to %d, or 0 for what is not arbitrated", e.Owners, MaxOwners)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Capabilities)) {
		if !isName(name) || !isText(e.Capabilities[name]) {
			say("capabilities", "%.80q has no name or value that can be taken; a name is letters, digits, _ . -, a value 1 to %d printable bytes", name, MaxText)
		}
	}
	if e.Node != "" && !IsNode(e.Node) {
		say("node", "%.80q is no name of a board; use 1 to 16 letters, digits, _ - that begin with a letter or a digit, such as n2", e.Node)
	}
	switch {
	case e.Node != "" && e.Map != "":
		say("map", "it lies on board %.80s, and the model there names its I/O map; remove it here", e.Node)
	case e.Node != "":
	case e.Level == "unit" && e.Map == "" && !e.Retired:
		say("map", "a unit names its I/O map; add a line such as map: maps/%s.yaml", e.ID)
	case e.Level != "unit" && e.Map != "":
		say("map", "only a unit names an I/O map; remove it")
	case e.Map != "" && !isFile(e.Map):
		say("map", "%.80q is not the name of a file beside or below the model; write it with slashes and without ..", e.Map)
	}
}

// above looks at where an item lies.
func (c *checker) above(i int) {
	e := &c.items[i]
	at := slices.Index(levels[:], e.Level)
	if at < 0 {
		return
	}
	up, ok := c.place[e.Parent]
	switch {
	case e.Parent == "" && at > 0:
		c.report(i, "parent", e.ID+": only a site lies in nothing; name its parent")
	case e.Parent == "":
	case at == 0:
		c.report(i, "parent", fmt.Sprintf("%s: a site lies in nothing; remove its parent", e.ID))
	case !ok:
		c.report(i, "parent", fmt.Sprintf("%s: there is no %.80q that it could lie in; add that, or name another parent", e.ID, e.Parent))
	default:
		p := &c.items[up]
		if above := slices.Index(levels[:], p.Level); above >= at {
			c.report(i, "parent", fmt.Sprintf("%s: a %s cannot lie in %s, which is a %s; levels go down: %s", e.ID, e.Level, p.ID, p.Level, strings.Join(levels[:], ", ")))
		}
		if p.Retired && !e.Retired {
			c.report(i, "parent", fmt.Sprintf("%s: it lies in %s, which is retired; retire it with that, or bring that back", e.ID, p.ID))
		}
	}
}

// channels looks at the outputs of an item.
func (c *checker) channels(i int) {
	e := &c.items[i]
	say := func(key, format string, args ...any) { c.report(i, key, e.ID+": "+fmt.Sprintf(format, args...)) }
	if len(e.Channels) > MaxChannels {
		say("channels", "it has %d; at most %d are taken: divide it", len(e.Channels), MaxChannels)
		return
	}
	if len(e.Channels) > 0 && e.Owners != 1 {
		say("owners", "it has outputs, and they are written by who has it; write owners: 1")
	}
	for k, name := range e.Channels {
		if !isText(name) {
			say("channels", "%.80q is no physical channel; use 1 to %d printable bytes", name, MaxText)
		}
		switch node, _ := Split(name, c.nodes); {
		case node == e.Node:
		case e.Node != "":
			say("channels", "%s is no channel of board %.80s, on which it lies; write %.80s:%s", name, e.Node, e.Node, name)
		default:
			say("channels", "%s is a channel of board %s, and it lies on this one; say node: %s, or give the channel another name", name, node, node)
		}
		if slices.Contains(e.Channels[:k], name) {
			say("channels", "%s stands twice; remove one", name)
		}
		if text, ok := e.Safe[name]; !ok {
			say("safe", "%s has no safe value; add one, such as 0", name)
		} else if _, ok := Raw(text); !ok {
			say("safe", "%s: %.40q is no value on the wire; write a whole number, or its 64 bits such as 0x40800000", name, text)
		}
		if other, taken := c.owner[name]; taken && other != i && !e.Retired {
			say("channels", "%s belongs to %s; an output belongs to one item", name, c.items[other].ID)
		}
		if !e.Retired {
			c.owner[name] = i
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Safe)) {
		if !slices.Contains(e.Channels, name) {
			say("safe", "%.80q is not among its channels; add it there, or remove it", name)
		}
	}
}

// join makes an error of what check reports, each on a line of its own; nil where there is nothing.
func join(items []Item) error {
	var list []error
	more := 0
	check(items, func(_ int, _, text string) {
		if list = append(list, errors.New("equipment: "+text)); len(list) > 100 {
			list, more = list[:100], more+1
		}
	})
	if more > 0 {
		list = append(list, fmt.Errorf("equipment: and %d more", more))
	}
	return errors.Join(list...)
}

// Raw reads a value on the wire: a whole number, or 64 bits as 0x and up to 16 hex digits, which is how a float that is not zero is written.
func Raw(text string) (bits uint64, ok bool) {
	if hex, is := strings.CutPrefix(text, "0x"); is {
		bits, err := strconv.ParseUint(hex, 16, 64)
		return bits, err == nil && !strings.ContainsAny(hex, "_+-")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return uint64(n), err == nil && strconv.FormatInt(n, 10) == text
}

// isName tells whether s is a name as files have them: 1 to 64 letters, digits, _ . - that begin with a letter or a digit.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("_.-", rune(c))) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// IsNode tells whether s may be the name of a board: a name without dots, since the ids of its batches begin with it and a dot.
func IsNode(s string) bool { return isName(s) && len(s) <= MaxNode && !strings.Contains(s, ".") }

// isText tells whether s is short and can be printed.
func isText(s string) bool {
	return strings.TrimSpace(s) == s && s != "" && len(s) <= MaxText && utf8.ValidString(s) &&
		strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// isFile tells whether s names a file beside or below another, with slashes.
func isFile(s string) bool {
	if !isText(s) || strings.ContainsAny(s, `\:`) {
		return false
	}
	for _, part := range strings.Split(s, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}
