// This file holds Format: the one canonical text of a recipe.

package recipe

import (
	"bytes"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
)

// written is a condition and where it stands.
type written struct {
	node strictyaml.Node
	expr *cond.Expr
}

// Format returns the canonical text of a recipe file; file is the name that errors show. It says what src says, and Format of
// it is itself. A source that Parse refuses is refused with the same errors.
//
// Canonical are the white space between lines and before them (two columns for each block, no more than one blank line, LF) and
// the conditions, which stand in double quotes with single spaces and no needless parentheses. Comments, the order of keys, what
// stands in one line as {...} and [...], the space before a comment in a line, quantities and all other texts stay as they were
// written, and so does a condition of several lines. Where that form would say something else, all stays as it was written.
func Format(file string, src []byte) ([]byte, error) {
	if err := read(file, src).recipe.Doc.Err(); err != nil {
		return nil, err
	}
	once := formed(src)
	if !bytes.Equal(formed(once), once) {
		return src, nil // it has no form that stays; what was written does
	}
	return once, nil
}

// formed is a recipe with its layout and then its conditions in canonical form.
func formed(src []byte) []byte {
	out := read("", src).recipe.Doc.Layout()
	r := read("", out)
	slices.SortFunc(r.conds, later)
	lines := bytes.Split(out, []byte("\n"))
	for _, c := range r.conds { // from the last to the first, so that places stay true
		at := c.node.Pos()
		lines[at.Line-1] = []byte(quoted(string(lines[at.Line-1]), at.Column, c.node.Str(), c.expr.String()))
	}
	result := bytes.Join(lines, []byte("\n"))
	if !r.reads(result) {
		return out
	}
	return result
}

// later orders by place, the last first.
func later(a, b written) int {
	at, than := a.node.Pos(), b.node.Pos()
	if at.Line != than.Line {
		return than.Line - at.Line
	}
	return than.Column - at.Column
}

// reads tells whether a source is a recipe with the same conditions.
func (r *reader) reads(src []byte) bool {
	other := read("", src)
	if other.recipe.Doc.Err() != nil || len(other.conds) != len(r.conds) {
		return false
	}
	slices.SortFunc(other.conds, later)
	for i := range r.conds {
		if r.conds[i].expr.String() != other.conds[i].expr.String() {
			return false
		}
	}
	return true
}

// quoted puts the canonical text of a condition in the place of the one that begins at a column of a line, if that ends there.
func quoted(line string, column int, text, canonical string) string {
	runes := []rune(line)
	before, rest := string(runes[:column-1]), string(runes[column-1:])
	for _, quote := range [...]string{`"`, "'", ""} {
		if after, ok := strings.CutPrefix(rest, quote+text+quote); ok && !strings.ContainsAny(canonical, `"\`) {
			return before + `"` + canonical + `"` + after
		}
	}
	return line
}
