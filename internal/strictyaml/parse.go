// Package strictyaml reads one YAML or JSON document so that a caller can walk it with its own schema, and collects every error with
// its file, line, column and source line.
//
// Start with [Parse]: it returns a [Doc] whatever the source holds. Walk from [Doc.Root] through [Node.Map], [Node.List] and the
// scalar readers, then ask [Doc.Err]. A node that is absent or wrong gives zero values and no second error, so a walk never has to
// stop at the first one.
//
// The rule that must not be broken: a scalar is its source text. 3.10 stays 3.10, on stays on, and nothing is null, merged,
// aliased, tagged or repeated; what a decoder would quietly turn into something else is an error here. Nothing read from a Doc may be
// used before Doc.Err has returned nil.
//
// It does not decode into structs, evaluate, resolve numbers other than whole ones, or read files. A syntax error, a tab in an indent
// or an undecodable character leaves nothing to walk: what a schema would find shows once that is mended.
package strictyaml

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a document. What is above them is an error with a position.
const (
	DefaultMaxBytes = 1 << 20 // bytes of source, unless Options says otherwise
	MaxDepth        = 64      // mappings and lists inside each other; the root is the first
	MaxNodes        = 100_000 // mappings, lists, keys and scalars together
)

// Options of [Parse]. Nil is the same as the zero value.
type Options struct {
	MaxBytes int // limit of the source in bytes; zero or less means DefaultMaxBytes
}

// Doc is one parsed document with the errors found in it so far. It is not safe for concurrent use.
type Doc struct {
	file  string
	lines []string // the source without line ends, as it stands in the file
	src   string
	width []int // characters of each line
	root  *node
	errs  Errors
}

// Parse reads src, which file names in errors, and always returns a Doc. src is UTF-8, with or without a byte order mark, with
// lines ended by LF or CRLF; it is copied.
func Parse(file string, src []byte, opts *Options) *Doc {
	limit := DefaultMaxBytes
	if opts != nil && opts.MaxBytes > 0 {
		limit = opts.MaxBytes
	}
	d := &Doc{file: file, src: string(src)}
	if len(src) > limit {
		d.setLines("")
		d.fault(1, 1, fmt.Sprintf("document is %d bytes, more than the limit of %d", len(src), limit))
		return d
	}
	text := string(bytes.TrimPrefix(src, []byte("\ufeff")))
	d.setLines(text)
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		d.fault(1, 1, "document is UTF-16; save it as UTF-8")
		return d
	}
	clean, ok := d.scan(text)
	if !ok {
		return d
	}
	first, second, bad := decode(clean)
	if bad != nil {
		d.fault(bad.line, bad.column, bad.msg)
	}
	if second != nil {
		d.fault(second.Line, second.Column, "a second document begins here; a file holds one document")
	}
	switch {
	case first != nil:
		b := builder{doc: d, at: cursor{lines: strings.Split(clean, "\n")}}
		d.root = b.build(first)
	case bad == nil:
		d.fault(1, 1, "document is empty")
	}
	return d
}

// Root returns the top node of the document; it is absent if the source could not be read.
func (d *Doc) Root() Node { return Node{d, d.root} }

// Err returns nil, or an *[Errors] with everything found wrong so far, by Parse, by the walk and by [Node.Errorf]. It may be called
// again; what an earlier call returned does not change.
func (d *Doc) Err() error {
	if len(d.errs.list) == 0 {
		return nil
	}
	return &Errors{list: d.errs.List(), more: d.errs.more}
}

func (d *Doc) setLines(text string) {
	d.lines = strings.Split(text, "\n")
	d.width = make([]int, len(d.lines))
	for i, line := range d.lines {
		d.lines[i] = strings.TrimSuffix(line, "\r")
		d.width[i] = utf8.RuneCountInString(d.lines[i])
	}
}

// fault records an error at the nearest place inside the file.
func (d *Doc) fault(line, column int, msg string) {
	line = min(max(line, 1), len(d.lines))
	column = min(max(column, 1), d.width[line-1]+1)
	d.errs.add(Error{Pos: Pos{d.file, line, column}, Msg: msg, Source: d.lines[line-1]})
}

// scan reports the first refused character of each line, and directives. It returns the text with tabs as spaces, which keeps every
// column, and whether that text is worth parsing: a tab in the indentation or an undecodable character makes later errors guesses.
func (d *Doc) scan(text string) (string, bool) {
	ok, prolog := true, true
	for i, line := range d.lines {
		indent, reported := true, false
		column := 0
		for at, r := range line {
			column++
			if r != ' ' && r != '\t' {
				indent = false
			}
			msg := ""
			switch {
			case r == utf8.RuneError && strings.HasPrefix(line[at:], "\ufffd"):
			case r == utf8.RuneError:
				msg = fmt.Sprintf("byte 0x%02x is not UTF-8; save the file as UTF-8", line[at])
			case r == '\t':
				msg = "tab; use spaces"
			case refused(r):
				msg = fmt.Sprintf("character %U is not allowed", r)
			}
			if msg == "" {
				continue
			}
			ok = ok && r == '\t' && !indent
			if !reported {
				d.fault(i+1, column, msg)
				reported = true
			}
		}
		if prolog && strings.HasPrefix(line, "%") {
			d.fault(i+1, 1, "directives are not accepted; remove this line")
			ok = false
		}
		bare := strings.TrimSpace(line)
		prolog = prolog && (bare == "" || bare[0] == '#' || bare[0] == '%')
	}
	return strings.ReplaceAll(text, "\t", " "), ok
}

// refused tells whether r may not stand in a document or come out of an escape: controls, line ends other than LF and CRLF (they
// would shift line numbers), marks that reorder what a reader sees, and non-characters.
func refused(r rune) bool {
	switch {
	case r == '\t' || r == '\n':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return r == 0xfeff || r == 0xfffe || r == 0xffff
}
