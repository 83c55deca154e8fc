// This file tests Format: recipes of the tree are in canonical form, comments stay in place, and nothing that is said changes.

package recipe

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/stretchr/testify/require"
)

// bare is a recipe without the places in its file, for comparison; conditions are their texts.
func bare(t *testing.T, r *Recipe) string {
	t.Helper()
	var out strings.Builder
	var show func(v reflect.Value)
	show = func(v reflect.Value) {
		switch {
		case v.Type() == reflect.TypeFor[strictyaml.Node]() || v.Type() == reflect.TypeFor[*strictyaml.Doc]():
		case v.Type() == reflect.TypeFor[*cond.Expr]():
			if !v.IsNil() {
				out.WriteString(v.Interface().(*cond.Expr).String())
			}
			out.WriteByte(';')
		case v.Kind() == reflect.Pointer && v.IsNil():
			out.WriteByte(';')
		case v.Kind() == reflect.Pointer:
			show(v.Elem())
		case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
			out.WriteByte('[')
			for i := range v.Len() {
				show(v.Index(i))
			}
			out.WriteByte(']')
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				out.WriteString(v.Type().Field(i).Name + ":")
				show(v.Field(i))
			}
		case v.CanUint():
			fmt.Fprintf(&out, "%d;", v.Uint())
		case v.CanInt():
			fmt.Fprintf(&out, "%d;", v.Int())
		default:
			require.Equal(t, reflect.String, v.Kind(), v.Type())
			fmt.Fprintf(&out, "%q;", v.String())
		}
	}
	show(reflect.ValueOf(r))
	return out.String()
}

// recipesOfTheTree are the recipe files of the module but those that are wrong or without form on purpose.
func recipesOfTheTree(t testing.TB) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		path = filepath.ToSlash(path)
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" || strings.Contains(path, "wrong") || strings.Contains(path, "testdata/form") {
			return err
		}
		src, err := os.ReadFile(path)
		if err == nil && (strings.HasPrefix(string(src), "recipe:") || strings.Contains(string(src), "\nrecipe:")) {
			files = append(files, path)
		}
		return err
	}))
	return files
}

func TestTheRecipesOfTheTreeAreInCanonicalForm(t *testing.T) {
	files := recipesOfTheTree(t)
	require.GreaterOrEqual(t, len(files), 7)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		out, err := Format(file, src)
		require.NoError(t, err)
		require.Equal(t, string(src), string(out), file)
	}
}

func TestARecipeWithoutFormSaysTheSameInForm(t *testing.T) {
	files, err := filepath.Glob("testdata/form/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		out, err := Format(file, src)
		require.NoError(t, err)
		golden.Check(t, strings.TrimSuffix(file, ".yaml")+".golden", out)
		require.Equal(t, bare(t, parse(t, string(src))), bare(t, parse(t, string(out))))
		again, err := Format(file, out)
		require.NoError(t, err)
		require.Equal(t, string(out), string(again))
	}
}

func TestFormatRefusesWhatParseRefuses(t *testing.T) {
	src := []byte("recipe: A B\n")
	_, want := Parse("recipe.yaml", src)
	out, err := Format("recipe.yaml", src)
	require.Nil(t, out)
	require.EqualError(t, err, want.Error())
}
