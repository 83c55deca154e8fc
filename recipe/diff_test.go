// This file tests Diff: what it says of two versions, and that it says something of whatever differs.

package recipe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/stretchr/testify/require"
)

func read2(t *testing.T, file string) *Recipe {
	t.Helper()
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	return parse(t, string(src))
}

func TestTheDifferenceOfTwoVersionsIsToldInWords(t *testing.T) {
	before, after := read2(t, "testdata/diff/old.yaml"), read2(t, "testdata/diff/new.yaml")
	golden.Check(t, "testdata/diff/forward.golden", []byte(strings.Join(Diff(before, after), "\n")+"\n"))
	golden.Check(t, "testdata/diff/back.golden", []byte(strings.Join(Diff(after, before), "\n")+"\n"))
}

func TestVersionsThatSayTheSameHaveNoDifference(t *testing.T) {
	for _, file := range recipesOfTheTree(t) {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		r := parse(t, string(src))
		commented := "# another hand\n" + strings.ReplaceAll(string(src), "\n    - id:", "\n\n    - id:") + "# end\n"
		require.Empty(t, Diff(r, parse(t, commented)), file)
	}
}

// Every line of every recipe is left out, or gets another value, and the difference is told of each that still is a recipe.
func TestNothingThatDiffersIsLeftUntold(t *testing.T) {
	files, err := filepath.Glob("testdata/right/*.yaml")
	require.NoError(t, err)
	told := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		before := parse(t, string(src))
		was := bare(t, before)
		lines := strings.SplitAfter(string(src), "\n")
		for i, line := range lines {
			rest := strings.Join(lines[i+1:], "")
			for _, other := range []string{"", line + line, strings.ReplaceAll(line, "1", "2"), strings.ReplaceAll(line, "0", "5"),
				strings.ReplaceAll(line, "XV", "YV"), strings.ReplaceAll(line, "ST", "SU"), strings.ReplaceAll(line, "hold", "abort"),
				strings.ReplaceAll(line, "abort", "hold"), strings.ReplaceAll(line, "resume", "hold"), strings.ReplaceAll(line, ">", "<")} {
				if other == line {
					continue
				}
				after, err := Parse("recipe.yaml", []byte(strings.Join(lines[:i], "")+other+rest))
				if err != nil || was == bare(t, after) {
					continue
				}
				require.NotEmpty(t, Diff(before, after), "%s:%d: %q", file, i+1, other)
				told++
			}
		}
	}
	require.Greater(t, told, 100)
}
