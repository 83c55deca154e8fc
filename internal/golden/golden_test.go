// This file tests Check: what passes, what fails and how it reads, and what the rewrite switch does.

package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fake stands for the test under test.
type fake struct {
	testing.TB
	errs, logs []string
}

func (f *fake) Helper()      {}
func (f *fake) Name() string { return "TestA/b.c" }
func (f *fake) Errorf(format string, args ...any) {
	f.errs = append(f.errs, fmt.Sprintf(format, args...))
}
func (f *fake) Logf(format string, args ...any) {
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}

// run checks got against a file that holds want and returns what the test would print.
func run(t *testing.T, want, got string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "testdata", "x.golden")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	f := &fake{}
	check(f, path, []byte(got), false)
	if len(f.errs) == 0 {
		return ""
	}
	require.Len(t, f.errs, 1)
	require.Contains(t, f.errs[0], path[len(path)-len("x.golden"):])
	_, shown, _ := strings.Cut(f.errs[0], "\n")
	return strings.TrimPrefix(shown, "(- the file, + what the test produced)\n")
}

func TestTheSameBytesPass(t *testing.T) {
	Check(t, "testdata/example.golden", []byte("batch B-0001\nstep CHARGE_A done\n"))
	require.Empty(t, run(t, "", ""))
	require.Empty(t, run(t, "a\r\n\x00", "a\r\n\x00"))
}

func TestADifferenceIsShownByLineWithItsSurroundings(t *testing.T) {
	want := "1\n2\n3\n4\n5\nold\n7\n8\n9\n10\n11\n12\n13\n14\n15\n"
	got := "1\n2\n3\n4\n5\nnew\nadded\n7\n8\n9\n10\n11\n12\n13\n15\n"
	require.Equal(t, strings.Join([]string{
		"  ...",
		"      3  3",
		"      4  4",
		"      5  5",
		"-     6  old",
		"+     6  new",
		"+     7  added",
		"      8  7",
		"      9  8",
		"     10  9",
		"  ...",
		"     12  11",
		"     13  12",
		"     14  13",
		"-    14  14",
		"     15  15",
		"",
	}, "\n"), run(t, want, got))
}

func TestNothingIsNormalised(t *testing.T) {
	for _, c := range []struct{ want, got, shown string }{
		{"a\n", "a\r\n", "-     1  a\n+     1  \"a\\r\"\n"},
		{"a\n", "a \n", "-     1  a\n+     1  \"a \"\n"},
		{"a\n", "a", "-     1  a\n+     1  \"a\" (no line end)\n"},
		{"a\n", "a\n\n", "      1  a\n+     2  \n"},
		{"a b\n", "a\tb\n", "-     1  a b\n+     1  \"a\\tb\"\n"},
		{"a b\n", "a\u00a0b\n", "-     1  a b\n+     1  \"a\\u00a0b\"\n"},
		{"\xff\n", "\ufffd\n", "-     1  \"\\xff\"\n+     1  \ufffd\n"},
		{"", "x\n", "+     1  x\n"},
		{"x\n", "", "-     1  x\n"},
	} {
		require.Equal(t, c.shown, run(t, c.want, c.got), "%q %q", c.want, c.got)
	}
}

func TestALargeDifferenceIsBounded(t *testing.T) {
	shown := run(t, strings.Repeat("a\n", 5000), strings.Repeat("b\n", 5000))
	require.Equal(t, shownLines+1, strings.Count(shown, "\n"))
	require.True(t, strings.HasSuffix(shown, "  and 9800 more lines\n"))
}

func TestTheDifferenceRebuildsBothSides(t *testing.T) {
	sides := []string{"", "a\n", "a\nb\nc\nd\n", "b\nd\na\n", "a\na\na\n", "x\na\nb\ny\nc\nd\nz", "d\nc\nb\na\n"}
	for _, want := range sides {
		for _, got := range sides {
			var left, right strings.Builder
			for _, e := range compare(lines([]byte(want)), lines([]byte(got))) {
				if e.op != '+' {
					left.WriteString(e.text)
				}
				if e.op != '-' {
					right.WriteString(e.text)
				}
			}
			require.Equal(t, want, left.String())
			require.Equal(t, got, right.String())
		}
	}
}

func TestAFailureTellsHowToAcceptTheOutput(t *testing.T) {
	f := &fake{}
	check(f, filepath.Join(t.TempDir(), "testdata", "none"), []byte("a\n"), false)
	require.Len(t, f.errs, 1)
	require.Contains(t, f.errs[0], `does not exist; to accept what the test produced, run: go test -run "^TestA/b\.c$" -update`)
	require.Contains(t, f.errs[0], "+     1  a\n")
}

func TestTheSwitchWritesTheFileAndItsDirectories(t *testing.T) {
	path := filepath.Join(t.TempDir(), "testdata", "deep", "x.golden")
	f := &fake{}
	check(f, path, []byte("a\r\n"), true)
	require.Empty(t, f.errs)
	require.Len(t, f.logs, 1)
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "a\r\n", string(written))

	check(f, path, []byte("a\r\n"), true)
	require.Len(t, f.logs, 1, "an equal file is not written again")
	check(f, path, []byte("a\r\n"), false)
	require.Empty(t, f.errs)
}

func TestOnlyFilesUnderTestdataAreChecked(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"x.golden", filepath.Join(dir, "x"), "testdata", "testdata/../x", "mytestdata/x"} {
		f := &fake{}
		check(f, path, []byte("a"), true)
		require.Len(t, f.errs, 1, path)
		require.Contains(t, f.errs[0], "not under testdata")
	}
}

func TestAFileThatCannotBeReadOrWrittenFailsTheTest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "testdata")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	f := &fake{}
	check(f, filepath.Join(dir, "sub"), []byte("a"), true)
	require.Len(t, f.errs, 1, "a directory is not a golden file")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	f = &fake{}
	check(f, filepath.Join(dir, "file", "x"), []byte("a"), true)
	require.Len(t, f.errs, 1, "a file is not a directory")
}

func Example() {
	render := func() []byte { return []byte("batch B-0001\nstep CHARGE_A failed\n") }

	// A test calls golden.Check(t, "testdata/example.golden", render()); here the switch is kept off.
	t := &fake{}
	check(t, "testdata/example.golden", render(), false)
	fmt.Println(strings.SplitN(t.errs[0], "\n", 3)[2])
	// Output:
	//       1  batch B-0001
	// -     2  step CHARGE_A done
	// +     2  step CHARGE_A failed
}
