// Breaches of state and signatures.

package tidy

// halX is a tree of changes with one more file in package hal.
func halX(body string) map[string]string { return one("hal/x.go", "hal", body) }

var stateBreaches = []breach{
	{"an init function", halX("func init() {}\n"),
		[]string{"hal/x.go:5: state: init function: work is done when it is asked for"}},
	{"an init function in a test", one("hal/x_test.go", "hal", "func init() {}\n"),
		[]string{"hal/x_test.go:5: state: init function: work is done when it is asked for"}},
	{"an exported variable that is no sentinel", halX("// Table is read by all.\nvar Table = 1\n"),
		[]string{"hal/x.go:6: state: exported variable Table: anyone could change it"}},
	{"an assignment", halX("var a int\n\nfunc f() { a = 1 }\n"),
		[]string{"hal/x.go:7: state: package variable a is changed"}},
	{"an assignment with an operation", halX("var a int\n\nfunc f() { a += 1 }\n"),
		[]string{"hal/x.go:7: state: package variable a is changed"}},
	{"a count up", halX("var a int\n\nfunc f() { a++ }\n"),
		[]string{"hal/x.go:7: state: package variable a is changed"}},
	{"an element", halX("var a = map[string][]int{}\n\nfunc f() { a[\"b\"][1] = 1 }\n"),
		[]string{"hal/x.go:7: state: package variable a is changed"}},
	{"a field", halX("var a struct{ b struct{ c int } }\n\nfunc f() { a.b.c-- }\n"),
		[]string{"hal/x.go:7: state: package variable a is changed"}},
	{"what it points at", halX("var a = new(int)\n\nfunc f() { (*a) = 1 }\n"),
		[]string{"hal/x.go:7: state: package variable a is changed"}},
	{"a loop", halX("var a, b int\n\nfunc f() {\n\tfor a, b = range []int{1} {\n\t}\n}\n"),
		[]string{"hal/x.go:8: state: package variable a is changed", "hal/x.go:8: state: package variable b is changed"}},
	{"a test in another file", map[string]string{
		"hal/x.go":      "// Holds a.\n\npackage hal\n\nvar a int\n",
		"hal/x_test.go": "// Changes a.\n\npackage hal\n\nfunc f() { a = 1 }\n"},
		[]string{"hal/x_test.go:5: state: package variable a is changed"}},
	{"a variable of a test", one("hal/x_test.go", "hal", "var a int\n\nfunc f() { a = 1 }\n"),
		[]string{"hal/x_test.go:7: state: package variable a is changed"}},
	{"another package of the house, from its external test", map[string]string{
		"recipe/x_test.go": "// Changes it.\n\npackage recipe_test\n\nimport \"github.com/batchkit/batchkit/recipe\"\n\n" +
			"func f() { recipe.ErrNone = nil }\n"},
		[]string{"recipe/x_test.go:7: state: package variable ErrNone is changed"}},
	{"a variable that hides the package's is not it", halX("var a int\n\nfunc f() {\n\ta := a\n\ta++\n}\n"), nil},
}

var signatureBreaches = []breach{
	{"a parameter", halX("// Put takes it.\nfunc Put(v any) {}\n"),
		[]string{"hal/x.go:6: api: signature of Put holds an empty interface"}},
	{"a variadic parameter", halX("// Put takes it.\nfunc Put(v ...interface{}) {}\n"),
		[]string{"hal/x.go:6: api: signature of Put holds an empty interface"}},
	{"a result, deep inside", halX("// Get gives it.\nfunc Get() map[string][]any { return nil }\n"),
		[]string{"hal/x.go:6: api: signature of Get holds an empty interface"}},
	{"a method", halX("// A is one.\ntype A int\n\n// Put takes it.\nfunc (*A) Put(v any) {}\n"),
		[]string{"hal/x.go:9: api: signature of A.Put holds an empty interface"}},
	{"a method of an interface", halX("// A is one.\ntype A interface {\n\tPut(v any)\n\tScan(v any) error\n}\n"),
		[]string{"hal/x.go:7: api: signature of A.Put holds an empty interface"}},
	{"a field that holds a function", halX("// A is one.\ntype A struct {\n\tPut func(v any)\n\thid func(v any)\n}\n"),
		[]string{"hal/x.go:7: api: signature of A.Put holds an empty interface"}},
	{"a function type", halX("// Put takes it.\ntype Put func(v any)\n"),
		[]string{"hal/x.go:6: api: signature of Put holds an empty interface"}},
	{"arguments of a format whose name does not say so", halX("// Fail fails.\nfunc Fail(format string, args ...any) {}\n"),
		[]string{"hal/x.go:6: api: signature of Fail holds an empty interface"}},
	{"a name that says format, without one", halX("// Half takes all.\nfunc Half(name string, args ...any) {}\n"),
		[]string{"hal/x.go:6: api: signature of Half holds an empty interface"}},
	{"another parameter beside a format", halX("// Failf fails.\nfunc Failf(v any, format string, args ...any) {}\n"),
		[]string{"hal/x.go:6: api: signature of Failf holds an empty interface"}},
	{"a function that only shares its name with a method of the standard library", halX("// As is none.\nfunc As(v any) {}\n"),
		[]string{"hal/x.go:6: api: signature of As holds an empty interface"}},
	{"a type of functional options", halX("// OpenOption sets one.\ntype OpenOption func(*int)\n"),
		[]string{"hal/x.go:6: api: type OpenOption is a functional option"}},
	{"a list of functional options",
		halX("type openOption interface{ set() }\n\n// Open opens.\nfunc Open(name string, o ...openOption) {}\n"),
		[]string{"hal/x.go:8: api: Open takes functional options"}},
	{"a list of functional options from elsewhere",
		halX("import \"io\"\n\n// Open opens.\nfunc Open(o ...io.Option) {}\n"),
		[]string{"hal/x.go:8: api: Open takes functional options"}},
}
