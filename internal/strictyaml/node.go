// This file holds Node: the readers of scalars and lists that a schema is written with.

package strictyaml

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of scalars, in characters.
const (
	MaxText  = 4096 // of Str
	MaxIdent = 64   // of Ident
)

// Node is one place in a [Doc]. It is a small value to be passed and kept by copy. The zero Node is absent: its readers return zero
// values and report nothing. Readers report what they refuse in the Doc and return the zero value; the same report is made once
// however often the reader is called.
type Node struct {
	doc *Doc
	at  *node
}

// Kind returns what stands here, for schemas that accept more than one kind.
func (n Node) Kind() Kind {
	if n.at == nil {
		return Absent
	}
	return n.at.kind
}

// Pos returns the place of the first character of the node. For a mapping whose keys stand on lines of their own that is its first
// key. An absent node has the zero Pos.
func (n Node) Pos() Pos {
	if n.at == nil {
		return Pos{}
	}
	return Pos{n.doc.file, n.at.line, n.at.column}
}

// Errorf adds an error at this node to the Doc, for what a schema finds out after reading. The message says what is wrong and what to
// do. It does nothing at an absent node: what is missing or refused is reported already.
func (n Node) Errorf(format string, args ...any) {
	if n.Kind() != Absent {
		n.doc.fault(n.at.line, n.at.column, fmt.Sprintf(format, args...))
	}
}

// is reports whether the node is of kind want, with an error if it is of another kind but Absent.
func (n Node) is(want Kind) bool {
	kind := n.Kind()
	if kind != want && kind != Absent {
		n.Errorf("%s must be %s, is %s", n.at.name(), want, kind)
	}
	return kind == want
}

// List returns the items of a list of at most limit items, in order; of a longer one it reports the length and returns none. An empty
// list is not an error.
func (n Node) List(limit int) []Node {
	if !n.is(List) || !n.fits(limit) {
		return nil
	}
	items := make([]Node, len(n.at.items))
	for i, item := range n.at.items {
		items[i] = Node{n.doc, item}
	}
	return items
}

// Entry is one key of a mapping whose keys are names given by the author of the document.
type Entry struct {
	Key, Value Node
}

// Entries returns the keys and values of a mapping of at most limit keys, in the order of the document; of a larger one it reports
// the number and returns none. Keys differ from each other; read each with Key.Ident or Key.Str. For keys that a schema knows, use Map.
func (n Node) Entries(limit int) []Entry {
	if !n.is(Mapping) || !n.fits(limit) {
		return nil
	}
	entries := make([]Entry, len(n.at.keys))
	for i, key := range n.at.keys {
		entries[i] = Entry{Node{n.doc, key}, Node{n.doc, n.at.items[i]}}
	}
	return entries
}

func (n Node) fits(limit int) bool {
	if len(n.at.items) <= limit {
		return true
	}
	n.Errorf("%s has %d entries, more than the limit of %d", n.at.name(), len(n.at.items), limit)
	return false
}

// Str returns the text of a scalar of 1 to MaxText characters, at least one of them not white space. Quoted text and text after | or >
// is returned with its escapes and line folding resolved; unquoted text is returned as it stands in the source, whatever a decoder
// would make of it: 3.10, 010, 1e3, true, on, 2026-01-02 are these very characters. Unquoted null and ~ are refused everywhere.
func (n Node) Str() string {
	if !n.is(Scalar) {
		return ""
	}
	switch size := utf8.RuneCountInString(n.at.text); {
	case strings.IndexFunc(n.at.text, func(r rune) bool { return !unicode.IsSpace(r) }) < 0:
		n.Errorf("%s must not be empty", n.at.name())
		return ""
	case size > MaxText:
		n.Errorf("%s is %d characters, more than the limit of %d", n.at.name(), size, MaxText)
		return ""
	}
	return n.at.text
}

var identPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// Ident returns the text of a scalar that is a name: 1 to MaxIdent ASCII letters, digits, "_", "." and "-", beginning with a letter or
// a digit. Like Str it returns unquoted text as it stands.
func (n Node) Ident() string {
	if !n.is(Scalar) {
		return ""
	}
	if len(n.at.text) > MaxIdent || !identPattern.MatchString(n.at.text) {
		n.Errorf("%s must be a name of 1 to %d letters, digits, _ . - that begins with a letter or a digit, is %s",
			n.at.name(), MaxIdent, quote(n.at.text))
		return ""
	}
	return n.at.text
}

// File returns the text of a scalar that names a file beside or below this one, with slashes.
func (n Node) File() string {
	name := n.Str()
	if name != "" && (path.IsAbs(name) || path.Clean(name) != name || name == "." || name == ".." ||
		strings.HasPrefix(name, "../") || strings.ContainsAny(name, "\\:\n")) {
		n.Errorf("%q is not the name of a file beside or below this one; write it with slashes and without ..", name)
		return ""
	}
	return name
}

// Once reports the text of this node, if seen has it already, and keeps its line in seen otherwise. What says what it is, such as
// "tag". An empty text is reported elsewhere.
func (n Node) Once(seen map[string]int, text, what string) {
	if text == "" {
		return
	}
	if line, ok := seen[text]; ok {
		n.Errorf("%s %q stands twice; the first is in line %d", what, text, line)
		return
	}
	seen[text] = n.Pos().Line
}

// OneOf returns the text of a scalar that is one of the allowed words, exactly as listed.
func (n Node) OneOf(allowed ...string) string {
	if !n.is(Scalar) {
		return ""
	}
	for _, word := range allowed {
		if n.at.text == word {
			return word
		}
	}
	n.Errorf("%s must be one of %s, is %s%s", n.at.name(), strings.Join(allowed, ", "), quote(n.at.text),
		didYouMean(n.at.text, allowed))
	return ""
}

// Bool returns the value of an unquoted true or false. Nothing else is a truth value here: not yes, on, True or "true".
func (n Node) Bool() bool {
	if !n.is(Scalar) {
		return false
	}
	if n.at.plain && (n.at.text == "true" || n.at.text == "false") {
		return n.at.text == "true"
	}
	n.Errorf("%s must be true or false, without quotes, is %s", n.at.name(), quote(n.at.text))
	return false
}

// Int returns the value of an unquoted whole number from lowest to highest: decimal digits with an optional minus sign, and no
// leading zero.
func (n Node) Int(lowest, highest int64) int64 {
	if !n.is(Scalar) {
		return 0
	}
	want := fmt.Sprintf("%s must be a whole number from %d to %d", n.at.name(), lowest, highest)
	if why := notWhole(n.at.text, n.at.plain); why != "" {
		n.Errorf("%s, is %s: %s", want, quote(n.at.text), why)
		return 0
	}
	v, err := strconv.ParseInt(n.at.text, 10, 64)
	if err != nil || v < lowest || v > highest {
		n.Errorf("%s, is %s", want, quote(n.at.text))
		return 0
	}
	return v
}

var (
	wholePattern    = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
	otherBase       = regexp.MustCompile(`^[-+]?0[xXoObB]`)
	leadingZero     = regexp.MustCompile(`^-?0[0-9]+$|^-0$`)
	exponentPattern = regexp.MustCompile(`^[-+]?[0-9.]+[eE][-+]?[0-9]+$`)
	fractionPattern = regexp.MustCompile(`^[-+]?([0-9]+\.[0-9]*|\.[0-9]+)$`)
	groupedPattern  = regexp.MustCompile(`^[-+]?[0-9][0-9_,' ]*$`)
)

// notWhole says why text is not a whole number in the one accepted form, or nothing.
func notWhole(text string, plain bool) string {
	switch {
	case wholePattern.MatchString(text) && plain:
		return ""
	case wholePattern.MatchString(text):
		return "remove the quotes"
	case otherBase.MatchString(text):
		return "write it in decimal"
	case leadingZero.MatchString(text):
		return "remove the leading zero, or the sign of zero"
	case exponentPattern.MatchString(text):
		return "write it without exponent"
	case fractionPattern.MatchString(text):
		return "a fraction is not a whole number"
	case strings.HasPrefix(text, "+"):
		return "remove the plus sign"
	case groupedPattern.MatchString(text):
		return "write the digits without separators"
	}
	return "not a number"
}
