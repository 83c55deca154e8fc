// This file turns the decoder's nodes into the document's own, and refuses what a strict document may not hold.

package strictyaml

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	aliasMessage = "aliases (*name) are not accepted; write the value out"
	quotedRunes  = 40 // how much of a text is quoted in a message
)

// Kind is what a [Node] is.
type Kind uint8

// The kinds of nodes.
const (
	Absent  Kind = iota // not there, or wrong in a way that is already reported
	Scalar              // text, number, true or false
	List                // a list of nodes
	Mapping             // keys with values
)

// String returns the word used in messages.
func (k Kind) String() string {
	switch k {
	case Scalar:
		return "a single value"
	case List:
		return "a list"
	case Mapping:
		return "a mapping"
	}
	return "nothing"
}

// node is one place of the tree. Its Kind is Absent when what stands there was refused.
type node struct {
	kind         Kind
	plain        bool // a scalar without quotes, | or >
	flow         bool // a list or mapping in brackets
	line, column int
	text         string  // of a scalar
	items        []*node // of a list; of a mapping its values
	keys         []*node // of a mapping, one for each item
	label        *node   // the key of a value; for an item of a list, that list; nil at the root and for keys
	index        int     // number of an item in its list, from 1; 0 for others
}

// name says in messages which node this is.
func (n *node) name() string {
	switch {
	case n.label == nil:
		return "document"
	case n.index > 0:
		return fmt.Sprintf("item %d of %s", n.index, n.label.name())
	case n.label == n:
		return "key " + quote(n.text)
	}
	return quote(n.label.text)
}

// quote returns s in quotes, shortened if it is long.
func quote(s string) string {
	for i, count := 0, 0; i < len(s); count++ {
		if count == quotedRunes {
			return strconv.Quote(s[:i]) + "..."
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return strconv.Quote(s)
}

// cursor finds source text by line and column. Nodes come in the order of the source, so going on from the last place keeps a
// document on one long line linear.
type cursor struct {
	lines                []string
	line, column, offset int
}

// rest returns the source from a place to the end of its line.
func (c *cursor) rest(line, column int) string {
	if line < 1 || line > len(c.lines) {
		return ""
	}
	if line != c.line || column < c.column {
		c.line, c.column, c.offset = line, 1, 0
	}
	text := c.lines[line-1]
	for c.column < column && c.offset < len(text) {
		_, size := utf8.DecodeRuneInString(text[c.offset:])
		c.offset += size
		c.column++
	}
	return text[c.offset:]
}

type builder struct {
	doc   *Doc
	at    cursor
	count int
	full  bool // the node limit was reported
}

// build returns the tree of a document node, or nil if it is too large to walk.
func (b *builder) build(doc *yaml.Node) *node {
	top := doc.Content[0]
	root := b.node(top, 1)
	if isNull(top) {
		b.fault(root, "document is empty")
	}
	if b.full {
		return nil
	}
	return root
}

// node converts y, which stands inside depth-1 mappings and lists.
func (b *builder) node(y *yaml.Node, depth int) *node {
	n := &node{line: y.Line, column: y.Column}
	b.count++
	if b.count > MaxNodes {
		if !b.full {
			b.fault(n, "document has more than %d values", MaxNodes)
		}
		b.full = true
		return n
	}
	rest := b.at.rest(n.line, n.column)
	tagged := y.Style&yaml.TaggedStyle != 0 || strings.HasPrefix(rest, "!")
	switch {
	case y.Kind == yaml.AliasNode:
		b.fault(n, aliasMessage)
		return n
	case y.Anchor != "":
		b.fault(n, "anchors (&name) are not accepted; write the value out where it is needed")
	case tagged:
		b.fault(n, "tags (!name) are not accepted; remove the tag")
	}
	if y.Kind == yaml.ScalarNode {
		if !tagged {
			b.scalar(n, y, rest)
		}
		return n
	}
	if depth > MaxDepth {
		b.fault(n, "more than %d mappings and lists inside each other", MaxDepth)
		return n
	}
	n.flow = y.Style&yaml.FlowStyle != 0
	if y.Kind == yaml.MappingNode {
		b.mapping(n, y, depth)
		return n
	}
	n.kind = List
	for i, child := range y.Content {
		item := b.node(child, depth+1)
		if b.full {
			return n
		}
		item.label, item.index = n, i+1
		n.items = append(n.items, item)
		if isNull(child) {
			b.fault(item, "list item is empty; write the value, or remove the item")
		}
	}
	return n
}

func isNull(y *yaml.Node) bool {
	return y.Kind == yaml.ScalarNode && y.Tag == "!!null" && y.Style == 0
}

// scalar fills in a scalar that may stand in a document. Null is left Absent for the caller to report.
func (b *builder) scalar(n *node, y *yaml.Node, rest string) {
	for _, r := range y.Value {
		if refused(r) {
			b.fault(n, "character %U, written as an escape, is not allowed", r)
			return
		}
	}
	n.plain = y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	// A plain scalar of one line is its source; one that is not was folded from several.
	if n.plain && y.Anchor == "" && !strings.HasPrefix(rest, y.Value) {
		b.fault(n, "unquoted text goes on in the next line; quote it, or use > or |, or correct the indent")
		return
	}
	if !isNull(y) {
		n.kind, n.text = Scalar, y.Value
	}
}

// mapping fills in the keys that can be used and reports the others; the values of refused keys are still looked through.
func (b *builder) mapping(n *node, y *yaml.Node, depth int) {
	n.kind = Mapping
	first := make(map[string]int, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		yk, yv := y.Content[i], y.Content[i+1]
		key := b.node(yk, depth+1)
		value := b.node(yv, depth+1)
		if b.full {
			return
		}
		key.label, value.label = key, key
		if isNull(yv) {
			b.emptyValue(key, value, yv)
		}
		line, repeated := first[key.text]
		switch {
		case isNull(yk):
			b.fault(key, "key is empty or null; write a key, or quote it")
		case key.kind == Absent:
			// Reported where it was refused.
		case key.kind != Scalar:
			b.fault(key, "key is %s; a key must be text", key.kind)
		case key.plain && key.text == "<<":
			b.fault(key, "merge keys (<<) are not accepted; write the keys out")
		case repeated:
			b.fault(key, "key %s is repeated; it stands first in line %d", quote(key.text), line)
		default:
			first[key.text] = key.line
			n.keys = append(n.keys, key)
			n.items = append(n.items, value)
		}
	}
}

// emptyValue reports a null at the null if it is written, and at its key if it is not.
func (b *builder) emptyValue(key, value *node, y *yaml.Node) {
	at := value
	if y.Value == "" {
		at = key
	}
	b.fault(at, "%s has no value; write one, or remove the key (text %q needs quotes)", quote(key.text), "null")
}

func (b *builder) fault(n *node, format string, args ...any) {
	b.doc.fault(n.line, n.column, fmt.Sprintf(format, args...))
}
