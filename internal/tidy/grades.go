// Grades: what pure code may not hold, and who may start a goroutine.

package tidy

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
)

// checkGoroutines finds goroutines started in a package that may start none: by a go statement, or by the methods and
// functions that the standard library offers for it. What a context calls when it ends is none: nothing runs until then.
func (c *checker) checkGoroutines(s *source) {
	g := gradeOf(s.dir)
	if g == starting {
		return
	}
	ast.Inspect(s.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			c.addAt(s, n.Pos(), ruleGrade, "go statement in %s package %s", g, s.dir)
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				break
			}
			of, _ := sel.X.(*ast.Ident)
			name, whenEnded := sel.Sel.Name, of != nil && of.Name == "context"
			if name == "Go" && len(n.Args) == 1 || name == "AfterFunc" && !whenEnded {
				c.addAt(s, n.Pos(), ruleGrade, "call of %s starts a goroutine in %s package %s", name, g, s.dir)
			}
		}
		return true
	})
}

// checkPurity finds what a pure package may not hold; its tests are free.
func (c *checker) checkPurity(u *unit, info *types.Info) {
	for _, s := range u.sources {
		if s.test {
			continue
		}
		c.checkPureImports(s)
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if n == nil {
				return true
			}
			if what := impurityOf(n); what != "" {
				c.addAt(s, n.Pos(), ruleGrade, "%s in pure package %s", what, s.dir)
			}
			switch n := n.(type) {
			case *ast.SelectorExpr:
				c.checkPureName(s, n, info)
			case *ast.RangeStmt:
				if rangesMap(n, info) {
					c.addAt(s, n.Pos(), ruleGrade, "range over a map in pure package %s: its order is random", s.dir)
				}
			}
			return true
		})
	}
}

// checkPureImports finds imports that pure code may not have.
func (c *checker) checkPureImports(s *source) {
	for _, spec := range s.ast.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		closed := slices.ContainsFunc(impure, func(i impurity) bool {
			return beneath(path, i.path) && !slices.Contains(i.except, s.dir)
		})
		if closed {
			c.addAt(s, spec.Pos(), ruleGrade, "import of %s in pure package %s", path, s.dir)
		}
		hides := spec.Name != nil && spec.Name.Name == "."
		if hides && slices.ContainsFunc(pureNames, func(r nameRow) bool { return r.path == path }) {
			c.addAt(s, spec.Pos(), ruleGrade, "dot import of %s in pure package %s hides which names are used", path, s.dir)
		}
	}
}

// impurityOf says what a node is that pure code may not hold, or nothing.
func impurityOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.ChanType:
		return "channel type"
	case *ast.SendStmt:
		return "channel send"
	case *ast.SelectStmt:
		return "select"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "channel receive"
		}
	case *ast.BasicLit:
		if n.Kind == token.FLOAT || n.Kind == token.IMAG {
			return "float literal " + n.Value
		}
	case *ast.Ident:
		if slices.Contains(floatTypes, n.Name) {
			return n.Name
		}
	}
	return ""
}

// checkPureName finds names of a standard package of which pure code may use only some.
func (c *checker) checkPureName(s *source, sel *ast.SelectorExpr, info *types.Info) {
	path := importedPath(info, sel.X)
	if path != "" && !pureName(s.dir, path, sel.Sel.Name) {
		c.addAt(s, sel.Pos(), ruleGrade, "%s.%s in pure package %s", path, sel.Sel.Name, s.dir)
	}
}

// rangesMap tells whether a loop runs over a map, or over an iterator straight from package maps. It sees the types that
// the module declares; a map that another module returns stays unseen.
func rangesMap(loop *ast.RangeStmt, info *types.Info) bool {
	if t := info.TypeOf(loop.X); t != nil {
		if _, ok := t.Underlying().(*types.Map); ok {
			return true
		}
	}
	call, ok := ast.Unparen(loop.X).(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && importedPath(info, sel.X) == "maps" && slices.Contains([]string{"All", "Keys", "Values"}, sel.Sel.Name)
}
