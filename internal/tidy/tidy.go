// Package tidy checks that the whole module keeps the order of the house.
//
// Start with Check: it reads every Go file under a root and returns what is out of order. The order itself is the
// tables of house.go: floors and the edges between packages, third-party modules, grades, sizes, names. The rules are
//
//	parse   every Go file parses
//	floor   imports go down, or along a named edge; every package stands on a floor
//	module  third-party packages only where the table names them
//	grade   pure packages stay pure; only starting packages start goroutines
//	doc     packages, files and exported names say what they are
//	size    files and functions fit the reader
//	state   no init, no package variable that changes, no exported variable but sentinel errors
//	api     no empty interface in exported signatures, no functional options
//	name    no directory that is a drawer
//	top     the module's top level holds only what the table names
//	readme  code in README.md stands in a Go file of the module
//	text    no marks of unfinished work
//
// The rule that must not be broken: a table is changed by decision, with its reason beside it, never to make a test pass.
//
// Tidy works on syntax, and on types as far as the module's own source shows them; it does not load the standard
// library or third-party packages, does not compile, does not format, and changes nothing.
package tidy

import (
	"cmp"
	"fmt"
	"go/token"
	"slices"
)

// The rules, as they appear in Violation.Rule.
const (
	ruleParse  = "parse"
	ruleFloor  = "floor"
	ruleModule = "module"
	ruleGrade  = "grade"
	ruleDoc    = "doc"
	ruleSize   = "size"
	ruleState  = "state"
	ruleAPI    = "api"
	ruleName   = "name"
	ruleTop    = "top"
	ruleReadme = "readme"
	ruleText   = "text"
)

// Violation is one place that is out of order.
type Violation struct {
	File string // path from the root, with slashes; a directory where no single file is at fault
	Line int    // counted from 1; 0 where no single line is at fault
	Rule string // one of the words listed in the package comment
	Text string // what is wrong
}

// String gives the violation as file:line: rule: text, without the line where it is 0.
func (v Violation) String() string {
	if v.Line == 0 {
		return fmt.Sprintf("%s: %s: %s", v.File, v.Rule, v.Text)
	}
	return fmt.Sprintf("%s:%d: %s: %s", v.File, v.Line, v.Rule, v.Text)
}

// Check reads the module whose go.mod lies in root and returns its violations, sorted by file, line, rule and text;
// none for a tidy module. Directories that the go command passes over (testdata, names that begin with a dot or an
// underscore) are passed over. The error is non-nil only where the tree could not be read or root holds no go.mod.
func Check(root string) ([]Violation, error) {
	t, err := readTree(root)
	if err != nil {
		return nil, err
	}
	c := &checker{tree: t}
	c.checkTop()
	c.checkDirs()
	c.checkReadme()
	c.checkFloors()
	for _, s := range t.sources {
		c.checkFile(s)
	}
	r := newResolver(t)
	for _, u := range t.units() {
		c.checkUnit(u, r)
	}
	slices.SortFunc(c.found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Text, b.Text))
	})
	return c.found, nil
}

// checker holds the tree under inspection and what was found in it so far.
type checker struct {
	*tree
	found []Violation
}

// add notes a violation at a line of a file or directory.
func (c *checker) add(file string, line int, rule, format string, args ...any) {
	c.found = append(c.found, Violation{File: file, Line: line, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

// addAt notes a violation at a position in a parsed file.
func (c *checker) addAt(s *source, pos token.Pos, rule, format string, args ...any) {
	c.add(s.path, c.line(pos), rule, format, args...)
}

// checkFile applies the rules that need nothing but the file.
func (c *checker) checkFile(s *source) {
	c.checkText(s)
	c.checkFileSize(s)
	if s.ast == nil {
		c.add(s.path, s.badLine, ruleParse, "%s", s.bad)
		return
	}
	c.checkImports(s)
	c.checkFuncSizes(s)
	c.checkHeader(s)
	c.checkInit(s)
	if s.test {
		return
	}
	c.checkGoroutines(s)
	c.checkExportedDocs(s)
	c.checkExportedVars(s)
	c.checkSignatures(s)
}

// checkUnit applies the rules that need all files of a package together.
func (c *checker) checkUnit(u *unit, r *resolver) {
	if !u.external {
		c.checkPackageComment(u)
	}
	info := r.resolve(u)
	c.checkChanges(u, info)
	if !u.external && gradeOf(u.dir) == pure {
		c.checkPurity(u, info)
	}
}
