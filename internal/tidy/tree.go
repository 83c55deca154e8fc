// Reading the module: its directories, its Go files, and the packages they make up.

package tidy

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// tree is the module as it lies on disk.
type tree struct {
	root    string
	module  string // module path, from go.mod
	fset    *token.FileSet
	top     []string // names in the root
	dirs    []string // directories below the root, slash paths
	sources []*source
}

// source is one Go file.
type source struct {
	path     string // slash path from the root
	dir      string // its package, as a path from the root; "." for the root
	text     string
	test     bool // named _test.go
	external bool // a test file of package foo_test
	ast      *ast.File
	bad      string // why it does not parse, when ast is nil
	badLine  int
}

// unit is the files of one directory that are compiled together: a package with its tests, or its external tests.
type unit struct {
	dir      string
	external bool
	sources  []*source
}

// readTree reads and parses every Go file below root.
func readTree(root string) (*tree, error) {
	mod, err := modulePath(root)
	if err != nil {
		return nil, err
	}
	t := &tree{root: root, module: mod, fset: token.NewFileSet()}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		return t.visit(filepath.ToSlash(rel), name, d)
	})
	if err != nil {
		return nil, fmt.Errorf("tidy: root %q: %w", root, err)
	}
	return t, nil
}

// modulePath takes the module's path from the go.mod in root.
func modulePath(root string) (string, error) {
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("tidy: root %q: %w", root, err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "module" {
			return strings.Trim(f[1], `"`), nil
		}
	}
	return "", fmt.Errorf("tidy: root %q: go.mod names no module", root)
}

// visit takes in one entry of the walk.
func (t *tree) visit(rel, name string, d fs.DirEntry) error {
	if !strings.Contains(rel, "/") {
		t.top = append(t.top, rel)
	}
	if d.IsDir() {
		base := d.Name()
		if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" {
			return filepath.SkipDir
		}
		t.dirs = append(t.dirs, rel)
		return nil
	}
	// The go command passes over such files too: editors leave them for a moment while they save.
	hidden := strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")
	if hidden || !d.Type().IsRegular() || !strings.HasSuffix(rel, ".go") {
		return nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	t.sources = append(t.sources, t.parse(rel, string(data)))
	return nil
}

// parse makes a source of a file's text; one that does not parse has no syntax tree.
func (t *tree) parse(rel, text string) *source {
	s := &source{path: rel, dir: path.Dir(rel), text: text, test: strings.HasSuffix(rel, "_test.go")}
	file, err := parser.ParseFile(t.fset, rel, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		s.bad, s.badLine = err.Error(), 1
		if list := (scanner.ErrorList)(nil); errors.As(err, &list) && len(list) > 0 {
			s.bad, s.badLine = list[0].Msg, list[0].Pos.Line
		}
		return s
	}
	s.ast = file
	s.external = s.test && strings.HasSuffix(file.Name.Name, "_test")
	return s
}

// line gives the line of a position in its file.
func (t *tree) line(pos token.Pos) int {
	return t.fset.PositionFor(pos, false).Line
}

// inModule gives the path of a package of this module from the root; false for any other import path.
func (t *tree) inModule(importPath string) (string, bool) {
	if importPath == t.module {
		return ".", true
	}
	return strings.CutPrefix(importPath, t.module+"/")
}

// units groups the files that parse into what is compiled together, in the order of the walk.
func (t *tree) units() []*unit {
	type key struct{ dir, name string }
	index := map[key]*unit{}
	var all []*unit
	for _, s := range t.sources {
		if s.ast == nil {
			continue
		}
		k := key{s.dir, s.ast.Name.Name}
		if index[k] == nil {
			index[k] = &unit{dir: s.dir, external: s.external}
			all = append(all, index[k])
		}
		index[k].sources = append(index[k].sources, s)
	}
	return all
}
