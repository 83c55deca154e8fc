// This file holds the line difference that Check prints.

package golden

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	contextLines = 3       // equal lines shown around a difference
	shownLines   = 200     // lines printed
	tableCells   = 4 << 20 // above this many pairs of lines the changed part is shown whole, not matched line by line
)

// edit is one line of the difference: equal (' '), only in the file ('-') or only in what the test produced ('+').
type edit struct {
	op   byte
	no   int // line number, from 1: in the file for '-', in what the test produced otherwise
	text string
}

// diff returns the differing lines of want and got with some equal lines around them. Lines whose
// difference could not be seen are quoted.
func diff(want, got []byte) string {
	edits := compare(lines(want), lines(got))
	keep := make([]bool, len(edits))
	for i, e := range edits {
		if e.op == ' ' {
			continue
		}
		for j := max(i-contextLines, 0); j <= min(i+contextLines, len(edits)-1); j++ {
			keep[j] = true
		}
	}
	var out strings.Builder
	out.WriteString("(- the file, + what the test produced)\n")
	shown, left := 0, 0
	for i, e := range edits {
		switch {
		case !keep[i]:
			continue
		case shown == shownLines:
			left++
			continue
		case i > 0 && !keep[i-1]:
			out.WriteString("  ...\n")
		}
		fmt.Fprintf(&out, "%c %5d  %s\n", e.op, e.no, visible(e.text))
		shown++
	}
	if left > 0 {
		fmt.Fprintf(&out, "  and %d more lines\n", left)
	}
	return out.String()
}

// lines cuts text after each line feed; what follows the last one is a line without end.
func lines(text []byte) []string {
	all := strings.SplitAfter(string(text), "\n")
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}

// visible returns a line as it is printed, so that two different lines never look the same.
func visible(line string) string {
	text, ended := strings.CutSuffix(line, "\n")
	odd := !ended || strings.HasSuffix(text, " ") || strings.HasPrefix(text, `"`) || !utf8.ValidString(text)
	if odd || strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		text = strconv.Quote(text)
	}
	if !ended {
		text += " (no line end)"
	}
	return text
}

// compare matches the lines of a and b: equal ones at both ends first, a longest common subsequence between them.
func compare(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	endA, endB := len(a)-tail, len(b)-tail
	common := table(a[head:endA], b[head:endB])
	var edits []edit
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		inside := i >= head && j >= head && (i < endA || j < endB)
		switch {
		case !inside || i < endA && j < endB && common != nil && a[i] == b[j]:
			edits = append(edits, edit{' ', j + 1, b[j]})
			i, j = i+1, j+1
		case i < endA && (j == endB || common == nil || common[i-head+1][j-head] >= common[i-head][j-head+1]):
			edits = append(edits, edit{'-', i + 1, a[i]})
			i++
		default:
			edits = append(edits, edit{'+', j + 1, b[j]})
			j++
		}
	}
	return edits
}

// table returns at [i][j] the length of the longest common subsequence of a[i:] and b[j:], or nil if that would be too large.
func table(a, b []string) [][]int32 {
	if len(a) > tableCells/(len(b)+1) {
		return nil
	}
	rows := make([][]int32, len(a)+1)
	for i := range rows {
		rows[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				rows[i][j] = rows[i+1][j+1] + 1
			} else {
				rows[i][j] = max(rows[i+1][j], rows[i][j+1])
			}
		}
	}
	return rows
}
