// This file fuzzes Parse and Format.

package recipe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

// FuzzParse holds any source against panics and errors without a place, and what is accepted against the promises of a Recipe, of
// Format and of the JSON Schema.
func FuzzParse(f *testing.F) {
	f.Add([]byte(goodRecipe))
	files, err := filepath.Glob("testdata/*/*.yaml")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range append(files, "../examples/controller/demo/recipe.yaml") {
		src, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(src)
	}
	s := schema(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := Parse("recipe.yaml", src)
		require.Equal(t, err == nil, r != nil)
		if err != nil {
			var errs *strictyaml.Errors
			require.ErrorAs(t, err, &errs)
			for _, e := range errs.List() {
				require.True(t, e.Line > 0 && e.Column > 0 && e.Msg != "" && !strings.Contains(e.Msg, "\n"), e)
			}
			return
		}
		require.NoError(t, s.Validate(treeOf(src).value()), "the schema refuses a recipe")
		out, err := Format("recipe.yaml", src)
		require.NoError(t, err)
		formed, err := Parse("recipe.yaml", out)
		require.NoError(t, err)
		require.Equal(t, bare(t, r), bare(t, formed), "format changes what a recipe says")
		again, err := Format("recipe.yaml", out)
		require.NoError(t, err)
		require.Equal(t, string(out), string(again), "a text in form changes its form")
		for _, size := range []quantity.Quantity{r.Min, r.Nominal, r.Max} {
			formula, err := r.Resolve(size)
			require.NoError(t, err, "a permitted batch size resolves")
			for i := range r.Params {
				require.GreaterOrEqual(t, formula[i].Quantity.Scale, r.Params[i].Value.Scale)
			}
		}
		var walk func(e *Element)
		walk = func(e *Element) {
			require.NotEmpty(t, e.ID)
			require.Equal(t, e.Level == Phase, len(e.Actions) > 0)
			require.Equal(t, e.Level != Phase, len(e.Children) > 0)
			for i := range e.Actions {
				a := &e.Actions[i]
				require.True(t, a.Kind >= Set && a.Kind <= Receive)
				require.True(t, !a.Kind.Waits() || e.Timeout.Given())
				require.Equal(t, a.Kind == Wait, a.Cond != nil)
			}
			key, _ := e.waits()
			require.True(t, key == "" || e.Timeout.Given())
			require.Equal(t, e.Block == Repeat, e.Loop.AtMost > 0)
			for l := OnHold; l < LogicEnd; l++ {
				require.Equal(t, e.Logic[l].Timeout.Given(), e.Logic[l].Actions != nil)
			}
			for _, c := range e.Children {
				require.GreaterOrEqual(t, c.Level, e.Level)
				walk(c)
			}
		}
		walk(r.Root)
	})
}
