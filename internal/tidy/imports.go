// Floors and modules: who may import what.

package tidy

import (
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

// checkFloors finds packages that the table of floors does not know.
func (c *checker) checkFloors() {
	seen := map[string]bool{}
	for _, s := range c.sources {
		if !seen[s.dir] && floorOf(s.dir) < 0 {
			c.add(s.dir, 0, ruleFloor, "package %s stands on no floor", s.dir)
		}
		seen[s.dir] = true
	}
}

// checkImports holds every import of a file against the tables.
func (c *checker) checkImports(s *source) {
	for _, spec := range s.ast.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		rule, problem := ruleModule, ""
		if to, ok := c.inModule(path); ok {
			rule, problem = ruleFloor, edgeProblem(s, to)
		} else if !isStandard(path) {
			problem = moduleProblem(s, path)
		}
		if problem != "" {
			c.addAt(s, spec.Pos(), rule, "%s imports %s: %s", s.dir, path, problem)
		}
	}
}

// isStandard tells standard library paths by their first element, which holds no dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return path != "C" && !strings.Contains(first, ".")
}

// edgeProblem says why a file may not import a package of the house, or nothing.
func edgeProblem(s *source, to string) string {
	from, target := floorOf(s.dir), floorOf(to)
	switch {
	case target < 0:
		return "it stands on no floor"
	case from < 0, hasNamedEdge(s.dir, to):
		return "" // what stands on no floor is reported as such, once
	case s.test:
		return testEdgeProblem(s, from, target, to)
	}
	for _, r := range reserved {
		if r.path == to && from < floorNamed(r.from) {
			return "it is reserved for floor " + r.from + " and above"
		}
	}
	switch {
	case target < from:
		return ""
	case target == from:
		return "floor " + floors[from].name + " is its own, and no edge between them is named"
	default:
		return "floor " + floors[target].name + " is above floor " + floors[from].name
	}
}

// testEdgeProblem says why a test file may not import a package of the house, or nothing.
func testEdgeProblem(s *source, from, target int, to string) string {
	if target <= from || slices.Contains(testOnly, to) || s.external && declaresExample(s.ast) {
		return ""
	}
	return "a test on floor " + floors[from].name + " may not reach up to floor " + floors[target].name
}

// declaresExample tells whether a file holds a testable example.
func declaresExample(f *ast.File) bool {
	return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Example")
	})
}

// moduleProblem says why a file may not import a third-party package, or nothing.
func moduleProblem(s *source, path string) string {
	for _, m := range modules {
		if !beneath(path, m.prefix) {
			continue
		}
		if s.test && m.tests || matchesAny(m.in, s.dir) {
			return ""
		}
		where := strings.Join(m.in, ", ")
		if m.tests {
			where = strings.TrimPrefix(where+", tests", ", ")
		}
		return "allowed only in " + where
	}
	return "not in the table of modules"
}
