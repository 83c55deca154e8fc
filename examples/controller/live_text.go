// Lines for a terminal: pieces of text with colours, cut to a width in cells, and nothing in them that a terminal obeys.

package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Colours, as a terminal takes them.
const (
	plain   = ""
	bold    = "1"
	dim     = "2"
	red     = "1;31"
	green   = "32"
	yellow  = "33"
	magenta = "35"
	grey    = "90"
	inverse = "7"
)

// span is a piece of a line in one colour.
type span struct{ colour, text string }

// line is one row of the view.
type line []span

// harmless makes text safe for a terminal: what does not print becomes a question mark, marks that stack on others are left out.
func harmless(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = s[i] >= ' ' && s[i] < 0x7f
	}
	if clean {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= ' ' && r < 0x7f:
			return r
		case unicode.In(r, unicode.Mn, unicode.Me):
			return -1
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
}

// cells is the number of columns that a rune takes: two where it may be as wide as that.
func cells(r rune) int {
	switch {
	case r < 0x1100:
		return 1
	case r <= 0x115f, r >= 0x231a && r <= 0x23ff, r >= 0x25fd && r <= 0x27bf, r >= 0x2b1b && r <= 0x2b55, r >= 0x2e80 && r <= 0xa4cf,
		r >= 0xa960 && r <= 0xa97c, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff, r >= 0xfe10 && r <= 0xfe6f,
		r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x16fe0:
		return 2
	}
	return 1
}

// width is the number of columns that harmless text takes.
func width(s string) (n int) {
	for _, r := range s {
		n += cells(r)
	}
	return n
}

// head is the longest beginning of harmless text that fits into a number of columns.
func head(s string, w int) string {
	for i, r := range s {
		if w -= cells(r); w < 0 {
			return s[:i]
		}
	}
	return s
}

// tail is the longest end of harmless text that fits into a number of columns.
func tail(s string, w int) string {
	for over := width(s) - w; over > 0; {
		r, size := utf8.DecodeRuneInString(s)
		s, over = s[size:], over-cells(r)
	}
	return s
}

// cut shortens harmless text to a number of columns; the last of them shows that something is missing.
func cut(s string, w int) string {
	if width(s) <= w || w <= 0 {
		return head(s, w)
	}
	return head(s, w-1) + "~"
}

// pad fills harmless text with blanks to a number of columns, or cuts it to them.
func pad(s string, w int) string {
	s = cut(s, w)
	return s + strings.Repeat(" ", max(w-width(s), 0))
}

// wrap breaks text into at most n lines of w columns, between words where it can.
func wrap(s string, w, n int) (lines []string) {
	s = harmless(s)
	for len(lines) < n-1 && w > 1 && width(s) > w {
		row := head(s, w)
		if i := strings.LastIndexByte(head(s, w+1), ' '); i > 0 {
			row = s[:i]
		}
		lines = append(lines, row)
		s = strings.TrimLeft(s[len(row):], " ")
	}
	return append(lines, cut(s, w))
}

// text gives a line as a terminal is to get it, at most w columns wide. It makes every piece harmless.
func (l line) text(w int, coloured bool) string {
	total := 0
	for _, p := range l {
		total += width(harmless(p.text))
	}
	over := total > w
	if over {
		w--
	}
	var b strings.Builder
	for _, p := range l {
		whole := harmless(p.text)
		piece := head(whole, w)
		w -= width(piece)
		if coloured && p.colour != plain && piece != "" {
			b.WriteString("\x1b[" + p.colour + "m" + piece + "\x1b[0m")
		} else {
			b.WriteString(piece)
		}
		if piece != whole {
			break
		}
	}
	if over && w >= 0 {
		b.WriteByte('~')
	}
	return b.String()
}
