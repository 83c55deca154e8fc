// This file tests what Parse refuses, where it says so, and how errors are printed and bounded.

package strictyaml_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/strictyaml"
)

// faults returns "line:column: message" of every error.
func faults(t testing.TB, doc *strictyaml.Doc) []string {
	t.Helper()
	err := doc.Err()
	if err == nil {
		return nil
	}
	var all *strictyaml.Errors
	require.ErrorAs(t, err, &all)
	var out []string
	for _, e := range all.List() {
		out = append(out, fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Msg))
	}
	return out
}

const (
	alias  = "aliases (*name) are not accepted; write the value out"
	anchor = "anchors (&name) are not accepted; write the value out where it is needed"
	tag    = "tags (!name) are not accepted; remove the tag"
	merge  = "merge keys (<<) are not accepted; write the keys out"
	folded = "unquoted text goes on in the next line; quote it, or use > or |, or correct the indent"
	second = "a second document begins here; a file holds one document"
)

func noValue(key string) string {
	return fmt.Sprintf("%q has no value; write one, or remove the key (text \"null\" needs quotes)", key)
}

func TestWhatADecoderWouldLetPassIsRefusedWhereItStands(t *testing.T) {
	for source, want := range map[string][]string{
		"a: 1\nb:\n  c: 2\n  c: 3\n":                   {`4:3: key "c" is repeated; it stands first in line 3`},
		"1: x\n\"1\": y\n":                             {`2:1: key "1" is repeated; it stands first in line 1`},
		`{"a": 1, "a": 2}`:                             {`1:10: key "a" is repeated; it stands first in line 1`},
		"a:\nb: ~\nc: null\nd: Null\ne: 1\n":           {"1:1: " + noValue("a"), "2:4: " + noValue("b"), "3:4: " + noValue("c"), "4:4: " + noValue("d")},
		"{a, b: 1}":                                    {"1:2: " + noValue("a")},
		"a: [1, null]\nb:\n- \n- 2\n":                  {`1:8: list item is empty; write the value, or remove the item`, `3:2: list item is empty; write the value, or remove the item`},
		"~: 1\n? \n: 2\n":                              {"1:1: key is empty or null; write a key, or quote it", "2:2: key is empty or null; write a key, or quote it"},
		"a: &x {b: 1}\nc: *x\nd: {<<: *x}\n":           {"1:4: " + anchor, "2:4: " + alias, "3:5: " + merge, "3:9: " + alias},
		"a: 1\nb: *x\n":                                {"2:4: " + alias},
		"a: !!str 3\nb: !x {c: 1}\nd: ! 4\ne: ! 'x'\n": {"1:4: " + tag, "2:4: " + tag, "3:4: " + tag, "4:4: " + tag},
		"<<: {a: 1}\n":                                 {"1:1: " + merge},
		"? [a]\n: 1\n{b: 1}: 2\n":                      {"1:3: key is a list; a key must be text", "3:1: key is a mapping; a key must be text"},
		"a: b\n  c\n":                                  {"1:4: " + folded},
		"- é [x\n  y\n":                                {"1:3: " + folded},
		"a: 1\n---\nb: 2\n---\nc: 3\n":                 {"2:1: " + second},
		"a: 1\n---\n":                                  {"2:1: " + second},
		"%YAML 1.1\n---\na: 1\n":                       {"1:1: directives are not accepted; remove this line"},
		"# c\n%TAG ! x\n---\na: 1\n":                   {"2:1: directives are not accepted; remove this line"},
		"":                                             {"1:1: document is empty"},
		"# nothing\n\n":                                {"1:1: document is empty"},
		"---\n":                                        {"2:1: document is empty"},
		"\n~\n":                                        {"2:1: document is empty"},
		"a: b\tc\nd: ~\n":                              {"1:5: tab; use spaces", "2:4: " + noValue("d")},
		"a:\n\tb: ~\n\tc: ~\n":                         {"2:1: tab; use spaces", "3:1: tab; use spaces"},
		"a: é\xff\xfe\nb: \xff\n":                      {"1:5: byte 0xff is not UTF-8; save the file as UTF-8", "2:4: byte 0xff is not UTF-8; save the file as UTF-8"},
		"\xff\xfea\x00":                                {"1:1: document is UTF-16; save it as UTF-8"},
		"a: \x07\n":                                    {"1:4: character U+0007 is not allowed"},
		"a: x\rb: y\n":                                 {"1:5: character U+000D is not allowed"},
		"a: x\u2028b: y\n":                             {"1:5: character U+2028 is not allowed"},
		"a: x\u202ey\n":                                {"1:5: character U+202E is not allowed"},
		"a: \"\\0\"\nb: \"\\u202e\"\n":                 {"1:4: character U+0000, written as an escape, is not allowed", "2:4: character U+202E, written as an escape, is not allowed"},
	} {
		require.Equal(t, want, faults(t, strictyaml.Parse("f", []byte(source), nil)), "%q", source)
	}
}

func TestASyntaxErrorIsReportedWhereItShows(t *testing.T) {
	for source, want := range map[string]string{
		"a: 1\nb: 2\n c: 3\nd: 4\n":                  "3:3: not valid YAML: wrong indent, or text with",
		"a: b: c\n":                                  "1:5: not valid YAML: wrong indent, or text with",
		"a: 流量: 3\n":                                 "1:6: not valid YAML: wrong indent, or text with",
		"a:\n  b: 2\n c: 3\nd: 4\n":                  "3:2: not valid YAML: wrong indent, a list item among keys",
		"a: \"x\" y\n":                               "1:8: not valid YAML: wrong indent, a list item among keys, or text after a closing quote",
		"- a\nb: c\n":                                "2:1: not valid YAML: wrong indent, or a key among list items",
		"a: 1\ngarbage\nb: 2\n":                      "2:1: not valid YAML: a key without a colon",
		"a: 1\nb: [1, 2\nc: 3\nd: 4\n":               "3:2: not valid YAML: a comma is missing, or the list is not closed by ]",
		"a: {b: 1]\n":                                "1:9: not valid YAML: a comma is missing, or the mapping is not closed by }",
		"{\n \"a\": 1,\n \"b\": [2]\n \"c\": 3\n}\n": "4:2: not valid YAML: a comma is missing",
		"x: {a: \"1\", b: \"2}\n":                    "1:16: not valid YAML: the quote that opens here is not closed",
		"a: [1,,2]\n":                                "1:7: not valid YAML: a value is missing here",
		"a: 1\nb: \"x\nc: 3\n":                       "2:4: not valid YAML: the quote that opens here is not closed",
		"a: @x\n":                                    "1:4: not valid YAML: text that begins with this character must be quoted",
		"a: \"\\q\"\n":                               "1:5: not valid YAML: found unknown escape character",
		"a: \"\\ud83d\\ude00\"\n":                    "1:7: not valid YAML: write the character itself",
		"{a: 1}}\n":                                  "1:7: not valid YAML: text after the end of the document",
		"a: - b\n":                                   "1:4: not valid YAML: a list begins on the line after its key",
		"a: 1\r\nb: c: d\r\n":                        "2:5: not valid YAML: wrong indent, or text with",
		strings.Repeat("[", 20000):                   "1:10001: not valid YAML: exceeded max depth",
		strings.Repeat("a: [x]\n", 5000) + "b: [\n":  "5002:1: not valid YAML: a value is missing here",
	} {
		got := faults(t, strictyaml.Parse("f", []byte(source), nil))
		require.NotEmpty(t, got, "%.60q", source)
		require.True(t, strings.HasPrefix(got[len(got)-1], want), "%.60q: %s", source, got)
	}
}

func TestLimitsAreErrorsWithAPositionAndNothingIsLeftToWalk(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + "1" + strings.Repeat("]", n) }
	require.NoError(t, strictyaml.Parse("f", []byte(deep(strictyaml.MaxDepth)), nil).Err())
	require.Equal(t, []string{"1:65: more than 64 mappings and lists inside each other"},
		faults(t, strictyaml.Parse("f", []byte(deep(strictyaml.MaxDepth+1)), nil)))

	long := func(n int) []byte { return []byte("- x" + strings.Repeat("\n- x", n-1)) }
	require.NoError(t, strictyaml.Parse("f", long(strictyaml.MaxNodes-1), nil).Err())
	doc := strictyaml.Parse("f", long(strictyaml.MaxNodes), nil)
	require.Equal(t, []string{"100000:3: document has more than 100000 values"}, faults(t, doc))
	require.Equal(t, strictyaml.Absent, doc.Root().Kind())

	require.NoError(t, strictyaml.Parse("f", []byte("a: 12345"), &strictyaml.Options{MaxBytes: 8}).Err())
	doc = strictyaml.Parse("f", []byte("a: 123456"), &strictyaml.Options{MaxBytes: 8})
	require.Equal(t, []string{"1:1: document is 9 bytes, more than the limit of 8"}, faults(t, doc))
	require.Equal(t, strictyaml.Absent, doc.Root().Kind())
	doc = strictyaml.Parse("f", make([]byte, strictyaml.DefaultMaxBytes+1), nil)
	require.Equal(t, []string{"1:1: document is 1048577 bytes, more than the limit of 1048576"}, faults(t, doc))
}

func TestADocumentOnOneLongLineIsReadInTime(t *testing.T) {
	source := "[" + strings.Repeat("é,", 99_990) + "é]"
	doc := strictyaml.Parse("f", []byte(source), nil)
	require.NoError(t, doc.Err())
	items := doc.Root().List(100_000)
	require.Equal(t, 199_982, items[len(items)-1].Pos().Column)
}

func TestAnErrorIsPrintedWithItsLineAndACaret(t *testing.T) {
	for source, want := range map[string]string{
		"a: 1\n  \nkey: ~\n": "dir/f.yaml:3:6: " + noValue("key") + "\n    key: ~\n         ^",
		"é: ~\r\n":           "dir/f.yaml:1:4: " + noValue("é") + "\n    é: ~\n       ^",
		"流量: ~\n":            "dir/f.yaml:1:5: " + noValue("流量") + "\n    流量: ~\n          ^",
		"e\u0301: ~\n":       "dir/f.yaml:1:5: " + noValue("e\u0301") + "\n    e\u0301: ~\n       ^",
		"\ufeffa: ~\n":       "dir/f.yaml:1:4: " + noValue("a") + "\n    a: ~\n       ^",
		"a\t:\t\x1b[2J\n":    "dir/f.yaml:1:2: tab; use spaces\n    a\t:\t\ufffd[2J\n     ^",
	} {
		require.EqualError(t, strictyaml.Parse("dir/f.yaml", []byte(source), nil).Err(), want, "%q", source)
	}
	e := strictyaml.Error{Pos: strictyaml.Pos{File: "f", Line: 1, Column: 3}, Msg: "m", Source: "\t\u202ex"}
	require.Equal(t, "f:1:3: m\n    \t\ufffdx\n    \t ^", e.Error())
}

func TestOfALongLineThePartAroundTheCaretIsShown(t *testing.T) {
	source := "{" + strings.Repeat("a: 1, ", 100) + "end: ~, " + strings.Repeat("b: 2, ", 100) + "}"
	doc := strictyaml.Parse("f", []byte(source), nil)
	var all *strictyaml.Errors
	require.ErrorAs(t, doc.Err(), &all)
	for _, e := range all.List() {
		lines := strings.Split(e.Error(), "\n")
		require.Len(t, lines, 3)
		require.LessOrEqual(t, len(lines[1]), 130)
		caret := len(lines[2]) - 1
		require.Equal(t, source[e.Column-1], lines[1][caret], e.Msg)
		require.Equal(t, source, e.Source)
	}
}

func TestErrorsAreSortedBoundedAndReportedOnce(t *testing.T) {
	doc := strictyaml.Parse("f", []byte(strings.Repeat("- x\n", 250)), nil)
	items := doc.Root().List(250)
	for i := len(items) - 1; i >= 0; i-- {
		items[i].Bool()
		items[i].Bool()
	}
	var all *strictyaml.Errors
	require.ErrorAs(t, doc.Err(), &all)
	require.Len(t, all.List(), strictyaml.MaxErrors)
	for i, e := range all.List() {
		require.Equal(t, i+1, e.Line)
	}
	require.True(t, strings.HasSuffix(all.Error(), fmt.Sprintf("\nand %d more", all.More())))
	require.GreaterOrEqual(t, all.More(), 150)

	doc = strictyaml.Parse("f", []byte("a: x"), nil)
	root := doc.Root()
	require.NoError(t, doc.Err())
	root.Errorf("first")
	before := doc.Err()
	root.Errorf("second %d", 2)
	root.Errorf("first")
	require.Equal(t, []string{"1:1: first", "1:1: second 2"}, faults(t, doc))
	require.EqualError(t, before, "f:1:1: first\n    a: x\n    ^", "what Err returned before does not change")
}

// visit reads everything under n with every reader and returns the plain scalars found.
func visit(n strictyaml.Node) []strictyaml.Node {
	var plain []strictyaml.Node
	switch n.Kind() {
	case strictyaml.Scalar:
		plain = append(plain, n)
		n.Ident()
		n.Int(0, 10)
		n.Bool()
		n.OneOf("a", "b")
	case strictyaml.List:
		for _, item := range n.List(strictyaml.MaxNodes) {
			plain = append(plain, visit(item)...)
		}
	case strictyaml.Mapping:
		f := n.Map()
		f.Req("a")
		f.Opt("b")
		f.Done()
		for _, e := range n.Entries(strictyaml.MaxNodes) {
			plain = append(plain, visit(e.Value)...)
		}
	}
	return plain
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"a: 1\nb: [x, 'y', \"z\"]\n", "{\"a\": {\"b\": true}}", "a: &x 1\nb: *x\n<<: !t q\n", "- \n- ~\n- a\n  b\n", "a: |\n  x\nb: >\n  y\n",
		"%YAML 1.1\n---\n...\n---\n", "\ufeffé: 流\r\n# c\n", "a:\tb\xff\x00", "? [a]\n: {b}\n", "a: \"\\u2028\n", "a: [b\n", "\r", "'", "- - - -",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		doc := strictyaml.Parse("f", src, nil)
		if doc.Err() != nil && !strings.Contains(string(src), "\n") {
			require.NotContains(t, doc.Err().Error(), folded)
		}
		accepted := doc.Err() == nil
		lines := strings.Split(strings.TrimPrefix(string(src), "\ufeff"), "\n")
		for _, n := range visit(doc.Root()) {
			if !accepted {
				continue
			}
			// An accepted scalar without quotes is its source, and its position is right.
			at := n.Pos()
			rest := string([]rune(lines[at.Line-1])[at.Column-1:])
			if !strings.ContainsAny(rest[:1], `'"|>`) {
				require.True(t, strings.HasPrefix(rest, n.Str()) || n.Str() == "", "%q at %v in %q", n.Str(), at, src)
			}
		}
		err := doc.Err()
		if err == nil {
			return
		}
		var all *strictyaml.Errors
		require.True(t, errors.As(err, &all))
		require.NotEmpty(t, err.Error())
		for _, e := range all.List() {
			require.True(t, e.Line >= 1 && e.Line <= len(lines), "%v of %q", e.Pos, src)
			source := strings.TrimSuffix(lines[e.Line-1], "\r")
			if len(src) <= strictyaml.DefaultMaxBytes {
				require.Equal(t, source, e.Source)
			}
			require.True(t, e.Column >= 1 && e.Column <= utf8.RuneCountInString(source)+1, "%v of %q", e.Pos, src)
		}
	})
}

func FuzzJSON(f *testing.F) {
	f.Add("a", "x", int64(1), true)
	f.Add("<<", "null", int64(-1<<63), false)
	f.Add("é 流", "a: b # \"c\" \\ \n - ", int64(0), true)
	f.Fuzz(func(t *testing.T, key, text string, number int64, truth bool) {
		source, err := json.Marshal([]map[string][]any{{key: {text, number, truth}}})
		require.NoError(t, err)
		var back []map[string][]any
		require.NoError(t, json.Unmarshal(source, &back))
		doc := strictyaml.Parse("f", source, nil)
		if doc.Err() != nil {
			odd := func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }
			require.True(t, strings.IndexFunc(key+text, odd) >= 0 || len(key) > 150, "%q: %v", source, doc.Err())
			return
		}
		e := doc.Root().List(1)[0].Entries(1)[0]
		values := e.Value.List(3)
		require.Equal(t, number, values[1].Int(-1<<63, 1<<63-1))
		require.Equal(t, truth, values[2].Bool())
		for wantKey, want := range back[0] {
			gotKey, got := e.Key.Str(), values[0].Str()
			require.True(t, gotKey == wantKey || gotKey == "", "%q %q", gotKey, wantKey)
			require.True(t, got == want[0] || got == "", "%q %q", got, want[0])
		}
	})
}
