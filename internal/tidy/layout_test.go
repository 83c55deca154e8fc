// Breaches of the layout: the root, directory names, and the code in README.md.

package tidy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var layoutBreaches = []breach{
	{"a directory in the root that is not in the table", map[string]string{"cmd/readme.txt": "x\n"},
		[]string{"cmd: top: not among the names of the module's top level"}},
	{"a file in the root that is not in the table", map[string]string{"Makefile": "all:\n"},
		[]string{"Makefile: top: not among the names of the module's top level"}},
	{"a file in the root with the name of a directory that is ignored", map[string]string{"bin": "x\n", ".gitignore": "out/\nbin/\n"},
		[]string{"bin: top: not among the names of the module's top level"}},
	{"a directory in the root that is ignored by a pattern, or not as a directory",
		map[string]string{"cmd/a.txt": "x\n", "bin/a.txt": "x\n", ".gitignore": "c*/\nbin\n#out/\n/tmp/\n", "tmp/a.txt": "x\n"},
		[]string{"bin: top: not among the names of the module's top level", "cmd: top: not among the names of the module's top level",
			"out: top: not among the names of the module's top level"}},
	{"a directory that is a drawer", map[string]string{"internal/golden/util/notes.txt": "x\n"},
		[]string{"internal/golden/util: name: util says nothing about what lies in it"}},
	{"a name that only holds a drawer's passes", map[string]string{"internal/golden/commonsense/notes.txt": "x\n"}, nil},
}

// readme is a tree of changes with another README.md, whose fences are written as three quotes.
func readme(text string) map[string]string {
	return map[string]string{"README.md": strings.ReplaceAll(text, "'''", "```")}
}

// strange is what Check says of a block on a line of README.md.
func strange(line string) []string {
	return []string{"README.md:" + line + ": readme: Go block does not stand in any Go file of the module"}
}

var readmeBreaches = []breach{
	{"code that stands nowhere", readme("# House\n\n'''go\nrecipe.Store()\n'''\n"), strange("3")},
	{"lines that do not follow each other", readme("'''go\nrecipe.Load()\nrecipe.Load()\n'''\n"), strange("1")},
	{"a part of a line", readme("'''go\nrecipe.Lo\n'''\n"), strange("1")},
	{"the second of two blocks, in a list", readme("1. a\n\n   '''go\n   recipe.Load()\n   '''\n\n2. b\n\n   '''go\n   b()\n   '''\n"),
		strange("9")},
	{"a block in tildes, after code in a line", readme("'''go''' it\n\n~~~ go\na()\n'''\n~~~\n"), strange("3")},
	{"a block that is not closed", readme("'''go\nrecipe.Load()\n"),
		[]string{"README.md:1: readme: Go block is not closed"}},
	{"a block of no or another language passes", readme("'''\nx\n'''\n\n'''yaml\ny: 1\n'''\n"), nil},
}

func TestAMissingReadmeIsNoViolation(t *testing.T) {
	c := &checker{tree: &tree{root: t.TempDir()}}
	c.checkReadme()
	require.Empty(t, c.found)
}

func FuzzGoBlocks(f *testing.F) {
	f.Add("```go\na\n```\n")
	f.Add("~~~~ golang x\n```\n~~~\n~~~~~")
	f.Add(" ```go")
	f.Add("```a`\n```\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		for _, b := range goBlocks(text) {
			require.Greater(t, b.line, last, "blocks come in order")
			require.LessOrEqual(t, b.line, strings.Count(text, "\n")+1)
			require.Contains(t, text, b.text)
			last = b.line
		}
	})
}
