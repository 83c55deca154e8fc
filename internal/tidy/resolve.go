// Names and types as far as the module's own source shows them; all other packages are left unknown.

package tidy

import (
	"errors"
	"go/ast"
	"go/types"
)

// errUnknown makes the type checker treat a package as empty and go on.
var errUnknown = errors.New("tidy: package left unknown")

// resolver type-checks packages of the tree, each at most once as an import.
type resolver struct {
	tree     *tree
	sources  map[string][]*source // by directory: what an importer sees, so no tests and no commands
	packages map[string]*types.Package
}

// newResolver prepares to resolve the packages of a tree.
func newResolver(t *tree) *resolver {
	r := &resolver{tree: t, sources: map[string][]*source{}, packages: map[string]*types.Package{}}
	for _, s := range t.sources {
		if s.ast != nil && !s.test && s.ast.Name.Name != "main" {
			r.sources[s.dir] = append(r.sources[s.dir], s)
		}
	}
	return r
}

// Import gives a package of this module without its function bodies, for types.Importer; any other is unknown.
func (r *resolver) Import(path string) (*types.Package, error) {
	dir, ok := r.tree.inModule(path)
	if !ok || len(r.sources[dir]) == 0 {
		return nil, errUnknown
	}
	p, seen := r.packages[dir]
	if !seen {
		r.packages[dir] = nil // seen again before it is done, it is part of an import cycle
		p = r.check(path, r.sources[dir], nil)
		r.packages[dir] = p
	}
	if p == nil {
		return nil, errUnknown
	}
	return p, nil
}

// resolve gives what the names in a unit stand for.
func (r *resolver) resolve(u *unit) *types.Info {
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{},
		Defs:  map[*ast.Ident]types.Object{},
		Uses:  map[*ast.Ident]types.Object{},
	}
	path := r.tree.module + "/" + u.dir
	if u.external {
		path += "_test"
	}
	r.check(path, u.sources, info)
	return info
}

// check runs the type checker over files, past every error: what it cannot know it leaves out.
func (r *resolver) check(path string, sources []*source, info *types.Info) *types.Package {
	files := make([]*ast.File, len(sources))
	for i, s := range sources {
		files[i] = s.ast
	}
	conf := types.Config{
		Importer:         r,
		IgnoreFuncBodies: info == nil,
		FakeImportC:      true,
		Error:            func(error) {},
	}
	p, _ := conf.Check(path, r.tree.fset, files, info)
	return p
}

// packageVar gives the package-level variable of this module that an object is, or nil.
func packageVar(obj types.Object) *types.Var {
	v, ok := obj.(*types.Var)
	if !ok || v.IsField() || v.Pkg() == nil || v.Parent() != v.Pkg().Scope() {
		return nil
	}
	return v
}

// importedPath gives the path of the package that an expression names, or "".
func importedPath(info *types.Info, e ast.Expr) string {
	id, ok := e.(*ast.Ident)
	if !ok {
		return ""
	}
	name, ok := info.Uses[id].(*types.PkgName)
	if !ok {
		return ""
	}
	return name.Imported().Path()
}
