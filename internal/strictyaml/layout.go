// This file holds Layout: the source again, with the white space of one canonical form and everything else as it was written.

package strictyaml

import (
	"strings"
)

// Layout returns the source in its canonical form, which says the same: lines end with LF and hold no white space before that, the
// last one ends; no blank line is first or last, or follows another; each mapping and list that is no flow stands two columns to
// the right of the key or dash above it, a list under a key too; one space follows a dash. A comment stays in its place: on a line of
// its own it keeps the column of what it stood in line with. Flows ({...}, [...]), quotes, text after | or >, and the space within
// a line are left as they are. The layout of a layout is itself.
//
// A source that was refused, and one for which this form would say something else (such as one with ? before keys), comes back as it
// was.
func (d *Doc) Layout() []byte {
	if d.Err() != nil || d.root == nil {
		return []byte(d.src)
	}
	once := d.layout()
	again := Parse(d.file, []byte(once), nil)
	if again.Err() != nil || !same(d.root, again.root) || again.layout() != once {
		return []byte(d.src)
	}
	return []byte(once)
}

// same tells whether two trees hold the same.
func same(a, b *node) bool {
	if a.kind != b.kind || a.plain != b.plain || a.text != b.text || len(a.items) != len(b.items) || len(a.keys) != len(b.keys) {
		return false
	}
	for i := range a.keys {
		if !same(a.keys[i], b.keys[i]) {
			return false
		}
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	return true
}

// layouter knows of each line what it is.
type layouter struct {
	lines []string
	at    []int  // by line, from 0: the column, from 0, at which the first key or dash of the line shall stand; -1 for none
	inner []bool // by line: it goes on with a value that began in a line above
}

func (d *Doc) layout() string {
	l := layouter{lines: d.lines, at: make([]int, len(d.lines)), inner: make([]bool, len(d.lines))}
	for i := range l.at {
		l.at[i] = -1
	}
	l.place(d.root, 0, -1)
	return l.text()
}

// indent is the number of spaces before the first other character.
func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// place puts a value at a column; parent is the column at which what it stands under begins in the source.
func (l *layouter) place(n *node, column, parent int) {
	if n.kind == Scalar || n.kind == Absent || n.flow {
		for i, end := n.line, l.end(n, parent); i <= end && i < len(l.lines); i++ {
			l.inner[i] = true
		}
		return
	}
	for i, item := range n.items {
		first := n.column - 1
		line := item.line - 1
		if n.kind == Mapping {
			line = n.keys[i].line - 1
		} else {
			for line > n.line-1 && !(indent(l.lines[line]) == first && strings.HasPrefix(l.lines[line][first:], "-")) {
				line--
			}
		}
		if indent(l.lines[line]) == first {
			l.at[line] = column
		}
		l.place(item, column+2, first)
	}
}

// end is the line, from 0, in which a scalar or flow ends.
func (l *layouter) end(n *node, parent int) int {
	line := n.line - 1
	runes := []rune(l.lines[line])
	if n.column > len(runes) {
		return line
	}
	switch first := runes[n.column-1]; {
	case first == '|' || first == '>':
		end := line
		for i := line + 1; i < len(l.lines); i++ {
			blank := strings.TrimSpace(l.lines[i]) == ""
			if !blank && indent(l.lines[i]) <= parent {
				break
			}
			if !blank {
				end = i
			}
		}
		return end
	case n.plain && n.kind == Scalar:
		return line
	}
	return l.closed(line, n.column-1)
}

// closed is the line in which the quote or bracket at a place is closed.
func (l *layouter) closed(line, column int) int {
	depth, quote, before := 0, rune(0), ','
	for ; line < len(l.lines); line++ {
		space := true
		runes := []rune(l.lines[line])
		for i := column; i < len(runes); i++ {
			r := runes[i]
			switch {
			case quote == '"' && r == '\\':
				i++
			case quote == '\'' && r == '\'' && i+1 < len(runes) && runes[i+1] == '\'':
				i++
			case quote != 0 && r == quote:
				quote, before = 0, 'a'
				if depth == 0 {
					return line
				}
			case quote != 0:
			case r == '#' && space:
				i = len(runes)
			case (r == '"' || r == '\'') && strings.ContainsRune(",:[{", before):
				quote = r
			case r == '[' || r == '{':
				depth++
			case r == ']' || r == '}':
				if depth--; depth == 0 {
					return line
				}
			}
			if space = r == ' '; !space && quote == 0 {
				before = r
			}
		}
		column = 0
	}
	return len(l.lines) - 1
}

// move is a column of the source and where it goes.
type move struct{ from, to int }

// text puts the lines together.
func (l *layouter) text() string {
	var out strings.Builder
	var open []move // columns of what the last line stands in, itself last
	shift := 0
	blank := true // the line before is, or there is none
	for i, line := range l.lines {
		was := indent(line)
		rest := strings.TrimRight(line[was:], " ")
		if l.inner[i] {
			if shift < 0 {
				line = line[min(-shift, was):]
			} else if was < len(line) {
				line = strings.Repeat(" ", shift) + line
			}
			out.WriteString(line + "\n")
			blank = false
			continue
		}
		if rest == "" {
			if !blank && l.more(i) {
				out.WriteByte('\n')
			}
			blank = true
			continue
		}
		blank = false
		to := was
		if l.at[i] >= 0 {
			to = l.at[i]
			shift = to - was
			open, rest = l.opened(open, move{was, to}, rest)
		} else if rest[0] == '#' {
			to = l.beside(open, i, was)
		} else {
			to = max(was+shift, 0)
		}
		out.WriteString(strings.Repeat(" ", to) + rest + "\n")
	}
	return out.String()
}

// more tells whether anything but blank lines follows.
func (l *layouter) more(i int) bool {
	for i++; i < len(l.lines); i++ {
		if strings.TrimSpace(l.lines[i]) != "" {
			return true
		}
	}
	return false
}

// opened notes the columns of a line that begins with keys or dashes, and puts one space after each of its dashes.
func (l *layouter) opened(open []move, first move, rest string) ([]move, string) {
	for len(open) > 0 && open[len(open)-1].from >= first.from {
		open = open[:len(open)-1]
	}
	open = append(open, first)
	dashes := ""
	for strings.HasPrefix(rest, "- ") {
		next := strings.TrimLeft(rest[1:], " ")
		dashes += "- "
		first = move{first.from + len(rest) - len(next), first.to + 2}
		open = append(open, first)
		rest = next
	}
	return open, dashes + rest
}

// beside is where a comment goes that has a line of its own: where the next line goes if they stood in line, or else where what
// it stood in line with went.
func (l *layouter) beside(open []move, i, was int) int {
	next := -1
	for k := i + 1; k < len(l.lines); k++ {
		if l.at[k] >= 0 {
			if next = l.at[k]; indent(l.lines[k]) == was {
				return next
			}
			break
		}
	}
	for k := len(open) - 1; k >= 0; k-- {
		if open[k].from == was {
			return open[k].to
		}
	}
	if next >= 0 {
		return next
	}
	if len(open) > 0 {
		return open[0].to
	}
	return 0
}
