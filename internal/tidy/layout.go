// Layout: what lies in the root, how directories are called, and whether README.md shows code that compiles.

package tidy

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// checkTop finds what may not lie in the root.
func (c *checker) checkTop() {
	const ignore = ".gitignore"
	data, err := os.ReadFile(filepath.Join(c.root, ignore))
	if err != nil && !os.IsNotExist(err) {
		c.add(ignore, 0, ruleTop, "cannot be read: %v", err)
	}
	for _, name := range c.top {
		passed := strings.HasPrefix(name, ".") || slices.Contains(topLevel, name) ||
			slices.Contains(c.dirs, name) && ignoresDir(string(data), name)
		if !passed {
			c.add(name, 0, ruleTop, "not among the names of the module's top level")
		}
	}
}

// ignoresDir tells whether the text of a .gitignore names a directory of the root, by name and not by pattern.
func ignoresDir(text, name string) bool {
	for line := range strings.Lines(text) {
		if strings.TrimPrefix(strings.TrimSpace(line), "/") == name+"/" {
			return true
		}
	}
	return false
}

// checkDirs finds directories whose names say nothing.
func (c *checker) checkDirs() {
	for _, dir := range c.dirs {
		if base := path.Base(dir); slices.Contains(drawers, base) {
			c.add(dir, 0, ruleName, "%s says nothing about what lies in it", base)
		}
	}
}

// checkReadme wants every Go block of README.md to stand, but for indentation, in a Go file of the module.
func (c *checker) checkReadme() {
	const name = "README.md"
	data, err := os.ReadFile(filepath.Join(c.root, name))
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		c.add(name, 0, ruleReadme, "cannot be read: %v", err)
		return
	}
	blocks := goBlocks(string(data))
	if len(blocks) == 0 {
		return
	}
	var code []string
	for _, s := range c.sources {
		if s.ast != nil {
			code = append(code, flatten(s.text))
		}
	}
	for _, b := range blocks {
		want := flatten(b.text)
		switch {
		case !b.closed:
			c.add(name, b.line, ruleReadme, "Go block is not closed")
		case !slices.ContainsFunc(code, func(text string) bool { return strings.Contains(text, want) }):
			c.add(name, b.line, ruleReadme, "Go block does not stand in any Go file of the module")
		}
	}
}

// block is a fenced block of Go code in a Markdown text.
type block struct {
	line   int // of its opening fence
	text   string
	closed bool
}

// goBlocks gives the fenced blocks of a Markdown text that are marked as Go.
func goBlocks(text string) []block {
	var all []block
	var cur block
	fence, isGo, n := "", false, 0
	for line := range strings.Lines(text) {
		n++
		mark, info := cutFence(line)
		switch {
		case fence == "" && mark != "":
			fence, isGo, cur = mark, slices.Contains([]string{"go", "golang"}, info), block{line: n}
		case fence != "" && strings.HasPrefix(mark, fence) && info == "":
			cur.closed = true
			if isGo {
				all = append(all, cur)
			}
			fence = ""
		default:
			cur.text += line
		}
	}
	if fence != "" && isGo {
		all = append(all, cur)
	}
	return all
}

// cutFence gives the fence that a line of Markdown begins with, and the first word behind it; "" where there is none.
func cutFence(line string) (fence, info string) {
	line = strings.TrimSpace(line)
	for _, mark := range []string{"`", "~"} {
		rest := strings.TrimLeft(line, mark)
		// Backticks again behind a run of them make it code within a line, not a fence.
		if n := len(line) - len(rest); n >= 3 && !(mark == "`" && strings.Contains(rest, mark)) {
			info, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
			return line[:n], info
		}
	}
	return "", ""
}

// flatten takes the indentation off every line, and frames the text so that only whole lines of it can match.
func flatten(text string) string {
	var b strings.Builder
	b.WriteByte('\n')
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString(strings.TrimSpace(line))
		b.WriteByte('\n')
	}
	return b.String()
}
