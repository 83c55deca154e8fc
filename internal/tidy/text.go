// Sizes and words: what can be told from a file's lines.

package tidy

import (
	"go/ast"
	"strings"
)

// checkFileSize finds files that are too long.
func (c *checker) checkFileSize(s *source) {
	lines := strings.Count(s.text, "\n")
	if !strings.HasSuffix(s.text, "\n") {
		lines++
	}
	if lines > maxFileLines {
		c.add(s.path, maxFileLines+1, ruleSize, "file has %d lines, at most %d fit the reader", lines, maxFileLines)
	}
}

// checkFuncSizes finds functions that are too long.
func (c *checker) checkFuncSizes(s *source) {
	for _, d := range s.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		lines := c.line(fn.End()) - c.line(fn.Pos()) + 1
		if lines > maxFuncLines {
			c.addAt(s, fn.Pos(), ruleSize, "%s has %d lines, at most %d fit a screen", funcName(fn), lines, maxFuncLines)
		}
	}
}

// checkText finds marks of unfinished work.
func (c *checker) checkText(s *source) {
	n := 0
	for line := range strings.Lines(s.text) {
		n++
		for _, mark := range marks {
			if strings.Contains(line, mark) {
				c.add(s.path, n, ruleText, "%s marks unfinished work", mark)
			}
		}
	}
}
