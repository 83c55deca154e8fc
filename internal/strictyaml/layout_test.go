// This file tests Layout: what is canonical and what stays as it was written.

package strictyaml

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALayoutIsCanonical(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"a document in form", "a:\n  - b: c   # d\n    e: f\n\n  # g\n  - h\n", "a:\n  - b: c   # d\n    e: f\n\n  # g\n  - h\n"},
		{"lists beside their key", "a:\n- b\n- c:\n  - d\n", "a:\n  - b\n  - c:\n      - d\n"},
		{"wide indents", "a:\n    b:\n        c: d\n    e: f\n", "a:\n  b:\n    c: d\n  e: f\n"},
		{"spaces after a dash", "a:\n  -   b: c\n      d: e\n  -  - f\n     -   g\n", "a:\n  - b: c\n    d: e\n  - - f\n    - g\n"},
		{"a dash alone", "a:\n -\n   b: c\n", "a:\n  -\n    b: c\n"},
		{"blank lines and line ends", "\n\na: b  \r\n\r\n\r\nc: d\n\n", "a: b\n\nc: d\n"},
		{"no end of the last line", "a: b", "a: b\n"},
		{"a byte order mark", "\ufeffa: b\n", "a: b\n"},
		{"flows", "a:\n    b: {c: [d,\n           e],  # f\n        g: h}\n", "a:\n  b: {c: [d,\n         e],  # f\n      g: h}\n"},
		{"a flow below its key", "a:\n    b:\n      {c: d}\n", "a:\n  b:\n    {c: d}\n"},
		{"texts", "a:\n    b: |\n      one\n\n\n        # two  \n    c: d\n", "a:\n  b: |\n    one\n\n\n      # two  \n  c: d\n"},
		{"quotes of several lines", "a:\n    b: \"one\n      # two\n\n\n      three\" # four\n    c: 'it''s\n      # so'\n",
			"a:\n  b: \"one\n    # two\n\n\n    three\" # four\n  c: 'it''s\n    # so'\n"},
		{"comments in line with what is before, and after, and neither", "a:\n    b:\n    - c\n    # d\n  # e\n    f: g\n# h\ni: j\n    # k\n",
			"a:\n  b:\n    - c\n  # d\n  # e\n  f: g\n# h\ni: j\n# k\n"},
		{"JSON", "{\"a\": {\n    \"b\": [1,\n  2]}}\n", "{\"a\": {\n    \"b\": [1,\n  2]}}\n"},
	} {
		d := Parse("x.yaml", []byte(c.src), nil)
		require.NoError(t, d.Err(), c.name)
		require.Equal(t, c.want, string(d.Layout()), c.name)
		require.Equal(t, c.want, d.layout(), "%s: not because nothing could be done", c.name)
		require.Equal(t, c.want, string(Parse("x.yaml", []byte(c.want), nil).Layout()), c.name)
	}
}

func TestWhatHasNoFormStaysAsItWasWritten(t *testing.T) {
	for _, src := range []string{"a: [\n", "a: b\na: c\n", ""} {
		require.Equal(t, src, string(Parse("x.yaml", []byte(src), nil).Layout()))
	}
}

// FuzzLayout holds every layout against what it may not change.
func FuzzLayout(f *testing.F) {
	files, err := filepath.Glob("../../*/testdata/*/*.yaml")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(src)
	}
	f.Add([]byte("a:\n    - b: |2\n          c\n    -   - {d: e,\n f: 'g'}\n # h\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		d := Parse("x.yaml", src, nil)
		out := d.Layout()
		if d.Err() != nil {
			require.Equal(t, string(src), string(out))
			return
		}
		again := Parse("x.yaml", out, nil)
		require.NoError(t, again.Err())
		require.True(t, same(d.root, again.root))
		require.Equal(t, string(out), string(again.Layout()))
	})
}
