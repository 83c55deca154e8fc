// This file holds the errors of a document: their places, their bounds, and how they are printed with the source line and a caret.

package strictyaml

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
)

// MaxErrors is how many errors of one document are kept; the rest is counted.
const MaxErrors = 100

// shownRunes bounds the part of a source line that Error.Error prints, so that a document on one long line stays readable.
const shownRunes = 120

// Pos is a place in a source file. Line and Column count from 1; Column counts characters (runes), not bytes.
// A column one past the end of the line means the end of the line. The zero Pos is no place.
type Pos struct {
	File         string
	Line, Column int
}

// String returns file:line:column.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Error is one thing that is wrong, and where.
type Error struct {
	Pos
	Msg    string // what is wrong and what to do; one line
	Source string // the whole source line as it stands in the file, without its line end
}

// Error returns "file:line:column: message", the source line, and a line with a caret under the column. Of a long source line only
// the part around the column is shown; characters that cannot be printed are shown as U+FFFD.
func (e *Error) Error() string {
	line := []rune(e.Source)
	caret := min(max(e.Column-1, 0), len(line))
	before, after := "", ""
	if start := caret - shownRunes*2/3; start > 0 && len(line) > shownRunes {
		line, caret, before = line[start:], caret-start, "..."
	}
	if len(line) > shownRunes {
		line, after = line[:shownRunes], "..."
	}
	var shown, under strings.Builder
	under.WriteString(strings.Repeat(" ", len(before)))
	for i, r := range line {
		if r != '\t' && !unicode.IsPrint(r) || refused(r) {
			r = unicode.ReplacementChar
		}
		shown.WriteRune(r)
		if i < caret {
			under.WriteString(blank(r))
		}
	}
	return fmt.Sprintf("%s: %s\n    %s%s%s\n    %s^", e.Pos, e.Msg, before, shown.String(), after, under.String())
}

// blank returns white space as wide as r is on a terminal.
func blank(r rune) string {
	switch {
	case r == '\t':
		return "\t"
	case unicode.In(r, unicode.Mn, unicode.Me):
		return ""
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul),
		r >= 0x3000 && r <= 0x303f, r >= 0xff01 && r <= 0xff60:
		return "  "
	}
	return " "
}

// Errors is every error of one document, by line and column. It is what [Doc.Err] returns; reach it with errors.As.
type Errors struct {
	list []Error
	more int
}

// Error returns all messages, one after the other, and how many were left out, if any.
func (e *Errors) Error() string {
	parts := make([]string, 0, len(e.list)+1)
	for i := range e.list {
		parts = append(parts, e.list[i].Error())
	}
	if e.more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", e.more))
	}
	return strings.Join(parts, "\n")
}

// List returns the first MaxErrors errors, sorted by line and column. The caller owns the slice.
func (e *Errors) List() []Error { return append([]Error(nil), e.list...) }

// More returns how many errors List leaves out.
func (e *Errors) More() int { return e.more }

// add keeps err if it is among the first MaxErrors by place, and counts it otherwise. The same message at the same place is one error.
func (e *Errors) add(err Error) {
	i := sort.Search(len(e.list), func(i int) bool {
		at := e.list[i]
		return at.Line > err.Line || at.Line == err.Line && at.Column > err.Column
	})
	for j := i - 1; j >= 0 && e.list[j].Pos == err.Pos; j-- {
		if e.list[j].Msg == err.Msg {
			return
		}
	}
	if len(e.list) < MaxErrors {
		e.list = append(e.list, Error{})
	} else {
		e.more++
		if i == MaxErrors {
			return
		}
	}
	copy(e.list[i+1:], e.list[i:])
	e.list[i] = err
}
