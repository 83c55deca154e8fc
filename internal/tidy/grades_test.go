// Breaches of the grades: goroutines where none may start, and what pure code may not hold.

package tidy

// grows is what Check says of a line of recipe/x.go, which is pure.
func grows(line, what string) string {
	return "recipe/x.go:" + line + ": grade: " + what + " in pure package recipe"
}

// recipeX is a tree of changes with one more file in a pure package.
func recipeX(body string) map[string]string { return one("recipe/x.go", "recipe", body) }

var goroutineBreaches = []breach{
	{"a go statement in a pure package", recipeX("func f() { go f() }\n"),
		[]string{grows("5", "go statement")}},
	{"a go statement in a blocking package", one("journal/x.go", "journal", "func f() {\n\tgo f()\n}\n"),
		[]string{"journal/x.go:6: grade: go statement in blocking package journal"}},
	{"a go statement in a package beneath a blocking one", one("fieldbus/modbus/server/x.go", "server", "func f() { go f() }\n"),
		[]string{"fieldbus/modbus/server/x.go:5: grade: go statement in blocking package fieldbus/modbus/server"}},
	{"a go statement in a package without a listed grade", one("internal/golden/x.go", "golden", "func f() { go f() }\n"),
		[]string{"internal/golden/x.go:5: grade: go statement in blocking package internal/golden"}},
	{"a wait group starts the goroutine", one("journal/x.go", "journal",
		"import \"sync\"\n\nfunc f(wg *sync.WaitGroup) { wg.Go(func() {}) }\n"),
		[]string{"journal/x.go:7: grade: call of Go starts a goroutine in blocking package journal"}},
	{"a timer starts the goroutine", one("journal/x.go", "journal",
		"import \"time\"\n\nfunc f() { time.AfterFunc(1, f) }\n"),
		[]string{"journal/x.go:7: grade: call of AfterFunc starts a goroutine in blocking package journal"}},
}

var purityBreaches = []breach{
	{"a channel type", recipeX("type c chan int\n"), []string{grows("5", "channel type")}},
	{"a send", recipeX("func f[C ~int](c C) { c <- 1 }\n"), []string{grows("5", "channel send")}},
	{"a receive", recipeX("func f[C ~int](c C) { <-c }\n"), []string{grows("5", "channel receive")}},
	{"a select", recipeX("func f() { select {} }\n"), []string{grows("5", "select")}},
	{"a float type", recipeX("type a float64\n\ntype b []float32\n"),
		[]string{grows("5", "float64"), grows("7", "float32")}},
	{"a complex type", recipeX("type a complex128\n"), []string{grows("5", "complex128")}},
	{"a float literal", recipeX("const a, b = 0.5, 1e3\n"),
		[]string{grows("5", "float literal 0.5"), grows("5", "float literal 1e3")}},
	{"an imaginary literal", recipeX("const a = 2i\n"), []string{grows("5", "float literal 2i")}},
	{"files, locks, networks and logs", recipeX("import (\n\t_ \"os\"\n\t_ \"os/exec\"\n\t_ \"sync/atomic\"\n\t_ \"net\"\n" +
		"\t_ \"log/slog\"\n\t_ \"io/ioutil\"\n\t_ \"path/filepath\"\n)\n"),
		[]string{grows("6", "import of os"), grows("7", "import of os/exec"), grows("8", "import of sync/atomic"),
			grows("9", "import of net"), grows("10", "import of log/slog"), grows("11", "import of io/ioutil"),
			grows("12", "import of path/filepath")}},
	{"randomness", recipeX("import (\n\t_ \"math/rand/v2\"\n\t_ \"crypto/rand\"\n)\n"),
		[]string{grows("6", "import of math/rand/v2"), grows("7", "import of crypto/rand")}},
	{"a context outside the packages that declare contracts", recipeX("import _ \"context\"\n"),
		[]string{grows("5", "import of context")}},
	{"a file system where nothing is loaded", one("iomap/x.go", "iomap", "import _ \"io/fs\"\n"),
		[]string{"iomap/x.go:5: grade: import of io/fs in pure package iomap"}},
	{"the wall clock, under another name", recipeX("import t \"time\"\n\nvar a = t.Now\n\nvar b t.Time\n\nvar c t.Duration\n"),
		[]string{grows("7", "time.Now"), grows("9", "time.Time")}},
	{"formatting of time outside timebase", recipeX("import \"time\"\n\nvar a = time.Unix(1, 0)\n"),
		[]string{grows("7", "time.Unix")}},
	{"the wall clock within timebase", one("timebase/x.go", "timebase", "import \"time\"\n\nfunc f() { time.Sleep(1) }\n"),
		[]string{"timebase/x.go:7: grade: time.Sleep in pure package timebase"}},
	{"floats by way of package math", recipeX("import \"math\"\n\nvar a = int(math.Sqrt(2))\n"),
		[]string{grows("7", "math.Sqrt")}},
	{"a dot import that hides the clock", recipeX("import . \"time\"\n\nvar a = Now()\n"),
		[]string{"recipe/x.go:5: grade: dot import of time in pure package recipe hides which names are used"}},
	{"a name within what the types do not show", recipeX("import (\n\t\"strings\"\n\t\"time\"\n)\n\n" +
		"var a = strings.Map(strings.X{K: time.Now()}, func() { _ = time.Now() })\n"),
		[]string{grows("10", "time.Now"), grows("10", "time.Now")}},
	{"another package in the same directory", map[string]string{
		"recipe/gen.go": "//go:build ignore\n\n// Command gen makes recipes.\npackage main\n\ntype a float64\n"},
		[]string{"recipe/gen.go:6: grade: float64 in pure package recipe"}},
}

// mapRange is what Check says of a line of recipe/x.go that ranges over a map.
func mapRange(line string) []string {
	return []string{grows(line, "range over a map") + ": its order is random"}
}

var mapRangeBreaches = []breach{
	{"a variable of the package", recipeX("func f() {\n\tfor range words {\n\t}\n}\n"), mapRange("6")},
	{"a parameter", recipeX("func f(m map[string]int) {\n\tfor k := range m {\n\t\t_ = k\n\t}\n}\n"), mapRange("6")},
	{"make", recipeX("func f() {\n\tm := make(map[int]int)\n\tfor range m {\n\t}\n}\n"), mapRange("7")},
	{"a literal", recipeX("func f() {\n\tfor range map[int]int{1: 1} {\n\t}\n}\n"), mapRange("6")},
	{"a struct field", recipeX("type s struct{ m map[int]int }\n\nfunc (x *s) f() {\n\tfor range x.m {\n\t}\n}\n"), mapRange("8")},
	{"a named type", recipeX("type m map[int]int\n\nfunc (x m) f() {\n\tfor range x {\n\t}\n}\n"), mapRange("8")},
	{"what a function returns", recipeX("func g() map[int]int { return nil }\n\nfunc f() {\n\tfor range g() {\n\t}\n}\n"),
		mapRange("8")},
	{"values of types of the standard library", recipeX("import \"time\"\n\nvar m map[string]time.Duration\n\n" +
		"func f() {\n\tfor range m {\n\t}\n}\n"), mapRange("10")},
	{"an iterator of package maps", recipeX("import \"maps\"\n\nfunc f() {\n\tfor range maps.Keys(words) {\n\t}\n}\n"), mapRange("8")},
	{"a field of a type of another package of the house", map[string]string{
		"metering/quantity/x.go": "// Units.\n\npackage quantity\n\n// Units of things.\ntype Units struct{ All map[string]int }\n",
		"recipe/x.go": "// What lives here.\n\npackage recipe\n\nimport \"github.com/batchkit/batchkit/metering/quantity\"\n\n" +
			"func f(u *quantity.Units) {\n\tfor range u.All {\n\t}\n}\n"},
		mapRange("8")},
}
