// Signatures: no empty interface and no functional options in what a package exports.

package tidy

import (
	"go/ast"
	"slices"
	"strings"
)

// signature is a function type that callers from outside see.
type signature struct {
	name string // as it is reported
	base string // the bare name of a method, "" otherwise
	typ  *ast.FuncType
}

// checkSignatures looks at every exported signature of a file.
func (c *checker) checkSignatures(s *source) {
	inside := slices.Contains(strings.Split(s.dir, "/"), "internal")
	for _, sig := range exportedSignatures(s.ast) {
		if !inside && !slices.Contains(stdMethods, sig.base) && takesAnything(sig) {
			c.addAt(s, sig.typ.Pos(), ruleAPI, "signature of %s holds an empty interface", sig.name)
		}
		if hasOptionList(sig.typ) {
			c.addAt(s, sig.typ.Pos(), ruleAPI, "%s takes functional options", sig.name)
		}
	}
	for _, spec := range exportedTypes(s.ast) {
		if _, ok := spec.Type.(*ast.FuncType); ok && strings.HasSuffix(spec.Name.Name, "Option") {
			c.addAt(s, spec.Pos(), ruleAPI, "type %s is a functional option", spec.Name.Name)
		}
	}
}

// exportedSignatures gives the functions and methods that a file exports, and the function types in its exported types.
func exportedSignatures(f *ast.File) []signature {
	var all []signature
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || !isExportedFunc(fn) {
			continue
		}
		sig := signature{name: funcName(fn), typ: fn.Type}
		if fn.Recv != nil {
			sig.base = fn.Name.Name
		}
		all = append(all, sig)
	}
	for _, spec := range exportedTypes(f) {
		all = append(all, signaturesIn(spec)...)
	}
	return all
}

// signaturesIn gives the function types within a type, as far as they can be reached from outside.
func signaturesIn(spec *ast.TypeSpec) []signature {
	var all []signature
	if fn, ok := spec.Type.(*ast.FuncType); ok {
		return []signature{{name: spec.Name.Name, typ: fn}}
	}
	ast.Inspect(spec.Type, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok {
			return true
		}
		for _, name := range field.Names {
			if fn, ok := field.Type.(*ast.FuncType); ok && name.IsExported() {
				all = append(all, signature{name: spec.Name.Name + "." + name.Name, base: name.Name, typ: fn})
			}
		}
		return len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported)
	})
	return all
}

// exportedTypes gives the exported type declarations of a file.
func exportedTypes(f *ast.File) []*ast.TypeSpec {
	var all []*ast.TypeSpec
	for _, d := range f.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range group.Specs {
			if t, ok := spec.(*ast.TypeSpec); ok && t.Name.IsExported() {
				all = append(all, t)
			}
		}
	}
	return all
}

// takesAnything tells whether an empty interface stands among parameters or results; as a constraint it is welcome, and
// so it is as the arguments of a format.
func takesAnything(sig signature) bool {
	var fields []*ast.Field
	for _, list := range []*ast.FieldList{sig.typ.Params, sig.typ.Results} {
		if list != nil {
			fields = append(fields, list.List...)
		}
	}
	if n := len(sig.typ.Params.List); formats(sig) {
		fields = slices.Delete(fields, n-1, n)
	}
	found := false
	for _, field := range fields {
		ast.Inspect(field.Type, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				found = found || n.Name == "any"
			case *ast.InterfaceType:
				found = found || len(n.Methods.List) == 0
			}
			return !found
		})
	}
	return found
}

// formats tells whether a function takes a format and its arguments, as fmt.Printf does: its name ends in f, and its last
// parameters are called format and hold ...any.
func formats(sig signature) bool {
	params := sig.typ.Params.List
	if !strings.HasSuffix(sig.name, "f") || len(params) < 2 {
		return false
	}
	before := params[len(params)-2].Names
	rest, ok := params[len(params)-1].Type.(*ast.Ellipsis)
	if !ok || len(before) == 0 || before[len(before)-1].Name != "format" {
		return false
	}
	elem, ok := rest.Elt.(*ast.Ident)
	return ok && elem.Name == "any"
}

// hasOptionList tells whether the last parameter is a list of options.
func hasOptionList(fn *ast.FuncType) bool {
	if len(fn.Params.List) == 0 {
		return false
	}
	rest, ok := fn.Params.List[len(fn.Params.List)-1].Type.(*ast.Ellipsis)
	if !ok {
		return false
	}
	name := ""
	switch e := rest.Elt.(type) {
	case *ast.Ident:
		name = e.Name
	case *ast.SelectorExpr:
		name = e.Sel.Name
	}
	return strings.HasSuffix(name, "Option")
}
