// State: no init, no package variable that changes, no exported variable but sentinel errors.

package tidy

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// checkInit finds init functions.
func (c *checker) checkInit(s *source) {
	for _, d := range s.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			c.addAt(s, fn.Pos(), ruleState, "init function: work is done when it is asked for")
		}
	}
}

// checkExportedVars finds exported package variables other than sentinel errors.
func (c *checker) checkExportedVars(s *source) {
	for _, d := range s.ast.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if name.IsExported() && !strings.HasPrefix(name.Name, "Err") {
					c.addAt(s, name.Pos(), ruleState, "exported variable %s: anyone could change it", name.Name)
				}
			}
		}
	}
}

// checkChanges finds package variables that are changed, tests included: by assignment to them, to their elements,
// fields or what they point at, or by ++ and --.
func (c *checker) checkChanges(u *unit, info *types.Info) {
	for _, s := range u.sources {
		ast.Inspect(s.ast, func(n ast.Node) bool {
			for _, e := range targets(n) {
				if v := changed(e, info); v != nil {
					c.addAt(s, e.Pos(), ruleState, "package variable %s is changed", v.Name())
				}
			}
			return true
		})
	}
}

// targets gives the expressions that a statement changes.
func targets(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok != token.ASSIGN {
			return nil
		}
		if n.Value == nil {
			return []ast.Expr{n.Key}
		}
		return []ast.Expr{n.Key, n.Value}
	}
	return nil
}

// changed gives the package variable that an assignment to an expression changes, or nil.
func changed(e ast.Expr, info *types.Info) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.SelectorExpr:
			if v := packageVar(info.Uses[x.Sel]); v != nil {
				return v
			}
			e = x.X
		case *ast.Ident:
			return packageVar(info.Uses[x])
		default:
			return nil
		}
	}
}
