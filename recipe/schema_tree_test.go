// This file makes trees of recipe sources, as an editor sees them, and sources and plain values of trees.

package recipe

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
)

// tree is one value of a YAML source.
type tree struct {
	kind  strictyaml.Kind
	text  string   // of a scalar
	plain bool     // a scalar without quotes, | or >
	keys  []string // of a mapping, one for each item
	items []*tree
	at    strictyaml.Pos
	keyAt []strictyaml.Pos
}

// treeOf reads a source as far as it can be read.
func treeOf(src []byte) *tree {
	text := strings.TrimPrefix(string(src), "\ufeff")
	return branchOf(strictyaml.Parse("", src, nil).Root(), strings.Split(text, "\n"))
}

func branchOf(n strictyaml.Node, lines []string) *tree {
	t := &tree{kind: n.Kind(), at: n.Pos()}
	switch t.kind {
	case strictyaml.Scalar:
		t.text = n.Str()
		before := []rune(lines[t.at.Line-1])[t.at.Column-1:]
		t.plain = len(before) > 0 && !strings.ContainsRune(`"'|>`, before[0])
	case strictyaml.List:
		for _, item := range n.List(strictyaml.MaxNodes) {
			t.items = append(t.items, branchOf(item, lines))
		}
	case strictyaml.Mapping:
		for _, entry := range n.Entries(strictyaml.MaxNodes) {
			t.keys, t.keyAt = append(t.keys, entry.Key.Str()), append(t.keyAt, entry.Key.Pos())
			t.items = append(t.items, branchOf(entry.Value, lines))
		}
	}
	return t
}

var (
	wholeText = regexp.MustCompile(`^[-+]?[0-9]+$`)
	otherText = regexp.MustCompile(`^0o[0-7]+$|^0x[0-9a-fA-F]+$`)
	floatText = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
)

// value is the tree as the core schema of YAML 1.2 has it, which editors use. Numbers without end, which JSON does not know, stay text.
func (t *tree) value() any {
	switch t.kind {
	case strictyaml.List:
		list := make([]any, len(t.items))
		for i, item := range t.items {
			list[i] = item.value()
		}
		return list
	case strictyaml.Mapping:
		object := make(map[string]any, len(t.items))
		for i, item := range t.items {
			object[t.keys[i]] = item.value()
		}
		return object
	case strictyaml.Absent:
		return nil
	}
	switch {
	case !t.plain:
	case t.text == "true" || t.text == "True" || t.text == "TRUE":
		return true
	case t.text == "false" || t.text == "False" || t.text == "FALSE":
		return false
	case wholeText.MatchString(t.text) || floatText.MatchString(t.text):
		v, _ := strconv.ParseFloat(t.text, 64)
		return max(min(v, math.MaxFloat64), -math.MaxFloat64)
	case otherText.MatchString(t.text):
		v, err := strconv.ParseUint(t.text[2:], map[byte]int{'o': 8, 'x': 16}[t.text[1]], 64)
		if err != nil {
			return math.MaxFloat64
		}
		return v
	}
	return t.text
}

// source is the tree as JSON, in which only numbers, true and false stand without quotes.
func (t *tree) source() string {
	var out strings.Builder
	t.write(&out)
	return out.String()
}

func (t *tree) write(out *strings.Builder) {
	open, end := "[", "]"
	switch t.kind {
	case strictyaml.Absent:
		out.WriteString("null")
		return
	case strictyaml.Scalar:
		if _, isText := t.value().(string); isText {
			text, _ := json.Marshal(t.text)
			out.Write(text)
		} else {
			out.WriteString(t.text)
		}
		return
	case strictyaml.Mapping:
		open, end = "{", "}"
	}
	out.WriteString(open)
	for i, item := range t.items {
		if i > 0 {
			out.WriteString(", ")
		}
		if t.kind == strictyaml.Mapping {
			key, _ := json.Marshal(t.keys[i])
			out.Write(key)
			out.WriteString(": ")
		}
		item.write(out)
	}
	out.WriteString(end)
}
