// This file holds Fields: reading a mapping whose keys the schema knows, and naming the keys it does not.

package strictyaml

import (
	"fmt"
	"slices"
	"strings"
)

// Fields reads the keys of one mapping. Ask for every key with Req or Opt, then call Done once. The keys asked for, in that order,
// are the allowed ones; ask for all of them on every path, or Done calls a key unknown that is merely not wanted there.
type Fields struct {
	node    Node
	allowed []string
	told    []string // keys that were refused already
}

// Map returns the keys of a mapping. If the node is something else that is reported, and every key is absent.
func (n Node) Map() *Fields {
	if !n.is(Mapping) {
		n = Node{}
	}
	return &Fields{node: n}
}

// Req returns the value of a key, and reports the key if it is missing.
func (f *Fields) Req(key string) Node {
	value, ok := f.Opt(key)
	if !ok && f.node.at != nil {
		f.node.Errorf("%s: key %s is missing", f.node.at.name(), quote(key))
	}
	return value
}

// Opt returns the value of a key and whether the key is there. A key whose value was refused by Parse is there; its node is absent.
func (f *Fields) Opt(key string) (Node, bool) {
	if !slices.Contains(f.allowed, key) {
		f.allowed = append(f.allowed, key)
	}
	if f.node.at == nil {
		return Node{}, false
	}
	for i, k := range f.node.at.keys {
		if k.text == key {
			return Node{f.node.doc, f.node.at.items[i]}, true
		}
	}
	return Node{}, false
}

// Not reports a key that may look right and is not, with what to do instead.
func (f *Fields) Not(key, instead string) {
	f.told = append(f.told, key)
	if f.node.at == nil {
		return
	}
	for _, k := range f.node.at.keys {
		if k.text == key {
			Node{f.node.doc, k}.Errorf("%s: no key %s; %s", f.node.at.name(), quote(key), instead)
		}
	}
}

// Done reports each key that was not asked for, with the allowed ones and the one that was probably meant.
func (f *Fields) Done() {
	if f.node.at == nil {
		return
	}
	present := make(map[string]bool, len(f.node.at.keys))
	for _, k := range f.node.at.keys {
		present[k.text] = true
	}
	var free []string
	for _, key := range f.allowed {
		if !present[key] {
			free = append(free, key)
		}
	}
	for _, k := range f.node.at.keys {
		if !slices.Contains(f.allowed, k.text) && !slices.Contains(f.told, k.text) {
			Node{f.node.doc, k}.Errorf("%s: unknown key %s%s; allowed: %s", f.node.at.name(), quote(k.text),
				didYouMean(k.text, free), strings.Join(f.allowed, ", "))
		}
	}
}

// didYouMean returns "; did you mean ...?" with the first of the words closest to text, or nothing if none is close.
func didYouMean(text string, words []string) string {
	best, distance := "", 3
	for _, word := range words {
		if d := editDistance(text, word); d < distance && d < len(word) {
			best, distance = word, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// editDistance counts the insertions, deletions and replacements of bytes that turn a into b; words whose lengths differ by more than
// two are 3 apart at least, which is all the caller asks.
func editDistance(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 {
		return 3
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal, row[j] = row[j], min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
