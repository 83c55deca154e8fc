// Docs: packages, files and exported names say what they are.

package tidy

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// checkPackageComment wants a package comment in exactly one file that is not a test. Where there are several, the one
// that begins as package comments do is taken for it.
func (c *checker) checkPackageComment(u *unit) {
	files := slices.DeleteFunc(slices.Clone(u.sources), func(s *source) bool { return s.test })
	if len(files) == 0 {
		return
	}
	documented := slices.DeleteFunc(slices.Clone(files), func(s *source) bool { return !says(s.ast.Doc) })
	if len(documented) == 0 {
		c.addAt(files[0], files[0].ast.Package, ruleDoc, "package %s has no package comment", u.dir)
		return
	}
	main := max(0, slices.IndexFunc(documented, func(s *source) bool {
		first, _, _ := strings.Cut(s.ast.Doc.Text(), " ")
		return first == "Package" || first == "Command"
	}))
	for i, s := range documented {
		if i != main {
			c.addAt(s, s.ast.Package, ruleDoc, "comment on the package clause is a second package comment of %s, "+
				"beside that in %s; an empty line would part it", u.dir, documented[main].path)
		}
	}
}

// checkHeader wants every file that was written by hand to open with a comment; build tags may precede it.
func (c *checker) checkHeader(s *source) {
	if ast.IsGenerated(s.ast) {
		return
	}
	for _, group := range s.ast.Comments {
		if group.Pos() > s.ast.Package {
			break
		}
		if says(group) {
			return
		}
	}
	c.add(s.path, 1, ruleDoc, "file does not begin with a comment that says what lives in it")
}

// says tells whether a comment holds any words beside directives.
func says(group *ast.CommentGroup) bool {
	if group == nil {
		return false
	}
	text := strings.TrimSpace(group.Text())
	return text != "" && !strings.HasPrefix(text, "+build ")
}

// checkExportedDocs wants a doc comment on every exported name.
func (c *checker) checkExportedDocs(s *source) {
	for _, d := range s.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if isExportedFunc(d) && !says(d.Doc) {
				c.addAt(s, d.Pos(), ruleDoc, "exported %s has no doc comment", funcName(d))
			}
		case *ast.GenDecl:
			c.checkGroupDocs(s, d)
		}
	}
}

// checkGroupDocs looks at one declaration of types, constants or variables. A comment on a group of constants or
// variables covers them all, and one behind a name in a group covers that name; a type in a group needs its own.
func (c *checker) checkGroupDocs(s *source, d *ast.GenDecl) {
	alone := !d.Lparen.IsValid()
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && !says(spec.Doc) && !(alone && says(d.Doc)) {
				c.addAt(s, spec.Pos(), ruleDoc, "exported type %s has no doc comment", spec.Name.Name)
			}
		case *ast.ValueSpec:
			if says(d.Doc) || says(spec.Doc) || !alone && says(spec.Comment) {
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() {
					c.addAt(s, name.Pos(), ruleDoc, "exported %s %s has no doc comment", d.Tok, name.Name)
				}
			}
		}
	}
}

// isExportedFunc tells whether a function, or a method of an exported type, can be called from outside.
func isExportedFunc(d *ast.FuncDecl) bool {
	return d.Name.IsExported() && (d.Recv == nil || token.IsExported(receiver(d)))
}

// funcName gives a function's name, with its type where it is a method.
func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	return receiver(d) + "." + d.Name.Name
}

// receiver gives the name of a method's type, without pointer and type parameters.
func receiver(d *ast.FuncDecl) string {
	if len(d.Recv.List) == 0 {
		return ""
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
