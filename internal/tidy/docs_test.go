// Breaches of docs, sizes and words.

package tidy

import "strings"

var docBreaches = []breach{
	{"a package without a package comment", map[string]string{
		"hal/hal.go": "// What lives here.\n\npackage hal\n"},
		[]string{"hal/hal.go:3: doc: package hal has no package comment"}},
	{"a package with two package comments", map[string]string{
		"hal/x.go": "// Package hal again.\npackage hal\n"},
		[]string{"hal/x.go:2: doc: comment on the package clause is a second package comment of hal, " +
			"beside that in hal/hal.go; an empty line would part it"}},
	{"a file whose first comment adjoins the package clause", map[string]string{
		"hal/a.go": "// What lives here.\npackage hal\n"},
		[]string{"hal/a.go:2: doc: comment on the package clause is a second package comment of hal, " +
			"beside that in hal/hal.go; an empty line would part it"}},
	{"a file that begins with code", map[string]string{"hal/x.go": "package hal\n\n// Late.\n"},
		[]string{"hal/x.go:1: doc: file does not begin with a comment that says what lives in it"}},
	{"a test file that begins with code", map[string]string{"hal/x_test.go": "package hal\n"},
		[]string{"hal/x_test.go:1: doc: file does not begin with a comment that says what lives in it"}},
	{"a file with a build tag and no words", map[string]string{"hal/x.go": "//go:build linux\n\npackage hal\n"},
		[]string{"hal/x.go:1: doc: file does not begin with a comment that says what lives in it"}},
	{"an exported function", one("hal/x.go", "hal", "func Open() {}\n"),
		[]string{"hal/x.go:5: doc: exported Open has no doc comment"}},
	{"an exported function with only a directive", one("hal/x.go", "hal", "//go:noinline\nfunc Open() {}\n"),
		[]string{"hal/x.go:6: doc: exported Open has no doc comment"}},
	{"a method of an exported type", one("hal/x.go", "hal",
		"// Line is a wire.\ntype Line[T comparable] struct{}\n\nfunc (l *Line[T]) Set() {}\n"),
		[]string{"hal/x.go:8: doc: exported Line.Set has no doc comment"}},
	{"an exported type", one("hal/x.go", "hal", "type Line int\n"),
		[]string{"hal/x.go:5: doc: exported type Line has no doc comment"}},
	{"an exported type in a group", one("hal/x.go", "hal", "// Wires.\ntype (\n\tLine int\n\thidden int\n)\n"),
		[]string{"hal/x.go:7: doc: exported type Line has no doc comment"}},
	{"an exported constant", one("hal/x.go", "hal", "const Most = 1 // is no doc comment\n"),
		[]string{"hal/x.go:5: doc: exported const Most has no doc comment"}},
	{"an exported constant in a group without a comment", one("hal/x.go", "hal", "const (\n\tMost = 1\n\tfew  = 2\n)\n"),
		[]string{"hal/x.go:6: doc: exported const Most has no doc comment"}},
	{"an exported variable", one("hal/x.go", "hal", "import \"io\"\n\nvar ErrGone = io.EOF\n"),
		[]string{"hal/x.go:7: doc: exported var ErrGone has no doc comment"}},
}

// lined is n lines of a comment.
func lined(n int) string { return strings.Repeat("// Line.\n", n) }

// sized is a function of n lines.
func sized(head string, n int) string { return head + " {\n" + lined(n-2) + "}\n" }

var sizeBreaches = []breach{
	{"a file of one line more than fits", one("hal/x.go", "hal", lined(497)),
		[]string{"hal/x.go:501: size: file has 501 lines, at most 500 fit the reader"}},
	{"a file of as many lines as fit passes", one("hal/x.go", "hal", lined(496)), nil},
	{"a test file of one line more than fits, without its end", one("hal/x_test.go", "hal", lined(496)+"// end"),
		[]string{"hal/x_test.go:501: size: file has 501 lines, at most 500 fit the reader"}},
	{"a function of one line more than fits", one("hal/x.go", "hal", sized("func f()", 71)),
		[]string{"hal/x.go:5: size: f has 71 lines, at most 70 fit a screen"}},
	{"a function of as many lines as fit passes", one("hal/x.go", "hal", "// f is long.\n"+sized("func f()", 70)), nil},
	{"a method in a test of one line more than fits", one("hal/x_test.go", "hal", "type a int\n\n"+sized("func (a) f()", 71)),
		[]string{"hal/x_test.go:7: size: a.f has 71 lines, at most 70 fit a screen"}},
}

var textBreaches = []breach{
	{"unfinished work in a comment", one("hal/x.go", "hal", "// TO"+"DO: more.\n"),
		[]string{"hal/x.go:5: text: TO" + "DO marks unfinished work"}},
	{"unfinished work in a test", one("hal/x_test.go", "hal", "const a = `\nFIX"+"ME`\n"),
		[]string{"hal/x_test.go:6: text: FIX" + "ME marks unfinished work"}},
	{"unfinished work in two words of a line", one("hal/x.go", "hal", "// XX"+"X: FIX"+"ME.\n"),
		[]string{"hal/x.go:5: text: FIX" + "ME marks unfinished work", "hal/x.go:5: text: XX" + "X marks unfinished work"}},
	{"a file that does not parse", one("hal/x.go", "hal", "func {\n"),
		[]string{"hal/x.go:5: parse: expected 'IDENT', found '{'"}},
}
