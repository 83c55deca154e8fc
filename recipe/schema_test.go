// This file holds the JSON Schema against Parse: recipes of the tree, and the places of errors in wrong ones.

package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"github.com/stretchr/testify/require"
)

const schemaID = "https://batchkit.github.io/recipe/recipe.schema.json"

// schema compiles the schema, which holds it against draft 2020-12.
func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSONSchema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource(schemaID, doc))
	s, err := c.Compile(schemaID)
	require.NoError(t, err)
	require.Equal(t, 2020, s.DraftVersion)
	return s
}

func TestTheSchemaTakesEveryRecipeInTheTree(t *testing.T) {
	s := schema(t)
	taken := 0
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if _, err := Parse(path, src); err == nil {
			require.NoError(t, s.Validate(treeOf(src).value()), path)
			require.NoError(t, s.Validate(treeOf([]byte(treeOf(src).source())).value()), path)
			taken++
		}
		return nil
	}))
	require.GreaterOrEqual(t, taken, 12)
	require.NoError(t, s.Validate(treeOf([]byte(goodRecipe)).value()))
}

func TestTheSchemaKnowsTheLimitsOfTheParser(t *testing.T) {
	for _, limit := range []string{
		fmt.Sprintf(`"maxItems": %d,%s"items": {"$ref": "#/$defs/parameter"}`, MaxParams, "\n      "),
		fmt.Sprintf(`"maxItems": %d,%s"items": {"$ref": "#/$defs/unit"}`, MaxUnits, "\n      "),
		fmt.Sprintf(`"maxItems": %d,%s"items": {"$ref": "#/$defs/action"}`, MaxActions, "\n          "),
		fmt.Sprintf(`"maxItems": %d, "items": {"$ref": "#/$defs/step"}`, MaxElements),
		fmt.Sprintf(`"maxLength": %d,%s"minimum": 0,`, strictyaml.MaxIdent, "\n      "),
		fmt.Sprintf(`"maximum": %d}`, MaxRounds),
		fmt.Sprintf(`"maxItems": %d,%s"items": {"$ref": "#/$defs/text"}`, MaxChoices, "\n          "),
		fmt.Sprintf(`"minimum": 1, "maximum": %d}`, MaxAnswer),
		fmt.Sprintf(`"maximum": %d}`, MaxRetry),
		fmt.Sprintf(`"minimum": 1, "maximum": %d}`, MaxJogs),
		fmt.Sprintf(`"const": %d`, Schema),
		`"$id": "` + schemaID + `"`,
	} {
		require.Contains(t, string(JSONSchema()), limit)
	}
}

// TestTheSchemaSeesWhatIsWrongInForm holds the places of the schema's errors against those of Parse. What only Parse tells stands in
// testdata/schema.golden, file by file, or tells at another place.
func TestTheSchemaSeesWhatIsWrongInForm(t *testing.T) {
	s := schema(t)
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	require.NoError(t, err)
	var unseen strings.Builder
	all, seen := 0, 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		_, err = Parse(filepath.Base(file), src)
		var errs *strictyaml.Errors
		require.ErrorAs(t, err, &errs)
		tr := treeOf(src)
		places := tr.places(s.Validate(tr.value()))
		if len(places) == 0 {
			fmt.Fprintf(&unseen, "%s is right in form\n", filepath.Base(file))
		}
		for _, e := range errs.List() {
			all++
			if places[[2]int{e.Line, e.Column}] {
				seen++
				continue
			}
			fmt.Fprintf(&unseen, "%s:%d:%d: %s\n", filepath.Base(file), e.Line, e.Column, e.Msg)
		}
	}
	t.Logf("of %d errors in %d wrong recipes the schema sees %d", all, len(files), seen)
	golden.Check(t, "testdata/schema.golden", []byte(unseen.String()))
}

// places gives line and column of all that a validation has found.
func (t *tree) places(err error) map[[2]int]bool {
	found := map[[2]int]bool{}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return found
	}
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if k, ok := e.ErrorKind.(*kind.PropertyNames); ok { // the validator does not know where
			t.named(k.Property, found)
			return
		}
		at := t
		for _, key := range e.InstanceLocation {
			i := slices.Index(at.keys, key)
			if at.kind == strictyaml.List {
				i, _ = strconv.Atoi(key)
			}
			at = at.items[i]
		}
		var keys []string
		switch k := e.ErrorKind.(type) {
		case *kind.AdditionalProperties:
			keys = k.Properties
		default:
			if len(e.Causes) == 0 {
				found[[2]int{at.at.Line, at.at.Column}] = true
			}
		}
		for _, key := range keys {
			if i := slices.Index(at.keys, key); i >= 0 {
				found[[2]int{at.keyAt[i].Line, at.keyAt[i].Column}] = true
			}
		}
		for _, cause := range e.Causes {
			if keys == nil {
				walk(cause)
			}
		}
	}
	walk(invalid)
	return found
}

// named adds the places of all keys of a name.
func (t *tree) named(name string, found map[[2]int]bool) {
	for i, item := range t.items {
		if t.kind == strictyaml.Mapping && t.keys[i] == name {
			found[[2]int{t.keyAt[i].Line, t.keyAt[i].Column}] = true
		}
		item.named(name, found)
	}
}

// TestTheSchemaExplainsEveryKey: what an editor shows beside a key helps who writes a recipe.
func TestTheSchemaExplainsEveryKey(t *testing.T) {
	s := schema(t)
	seen := map[*jsonschema.Schema]bool{}
	keys := map[string]bool{}
	var walk func(s *jsonschema.Schema)
	walk = func(s *jsonschema.Schema) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		if s.AdditionalProperties == false {
			for key, p := range s.Properties {
				keys[key] = true
				for p.Ref != nil && p.Title == "" {
					p = p.Ref
				}
				require.NotEmpty(t, p.Title, "%s of %s", key, s.Location)
			}
		}
		for _, p := range s.Properties {
			walk(p)
		}
		walk(s.Items2020)
		walk(s.Ref)
		for _, p := range s.AllOf {
			walk(p)
		}
	}
	walk(s)
	require.GreaterOrEqual(t, len(keys), 60, "%q", slices.Sorted(maps.Keys(keys)))
}
