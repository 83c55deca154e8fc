// Claims about the JSON Schema of maps: it takes what Parse takes, and knows every key and no other.

package iomap_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

const schemaID = "https://batchkit.github.io/iomap/map.schema.json"

// mapSchema compiles the schema, which holds it against draft 2020-12.
func mapSchema(t *testing.T) *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(iomap.JSONSchema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource(schemaID, doc))
	s, err := c.Compile(schemaID)
	require.NoError(t, err)
	require.Equal(t, 2020, s.DraftVersion)
	return s
}

// seen is a map as the schema sees it. Each scalar is a text; the schema takes numbers and truth values besides.
func seen(src []byte) any { return plainOf(strictyaml.Parse("map.yaml", src, nil).Root()) }

func plainOf(n strictyaml.Node) any {
	const many = 1 << 20
	switch n.Kind() {
	case strictyaml.List:
		list := []any{}
		for _, item := range n.List(many) {
			list = append(list, plainOf(item))
		}
		return list
	case strictyaml.Mapping:
		fields := map[string]any{}
		for _, e := range n.Entries(many) {
			fields[e.Key.Str()] = plainOf(e.Value)
		}
		return fields
	}
	return n.Str()
}

func TestTheSchemaTakesEveryMapInTheTree(t *testing.T) {
	s := mapSchema(t)
	taken := 0
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if _, err := iomap.Parse(path, src); err == nil {
			require.NoError(t, s.Validate(seen(src)), path)
			taken++
		}
		return nil
	}))
	require.GreaterOrEqual(t, taken, 8)
	require.NoError(t, s.Validate(seen([]byte(goodMap))))
}

// TestTheSchemaKnowsTheKeysOfTheParser holds the keys of the schema against those that Parse lists where one is not known.
func TestTheSchemaKnowsTheKeysOfTheParser(t *testing.T) {
	s := mapSchema(t)
	allowed := regexp.MustCompile(`unknown key "nobody"; allowed: ([a-z_, ]+)`)
	known := func(src string, of *jsonschema.Schema) {
		t.Helper()
		for of.Ref != nil {
			of = of.Ref
		}
		_, err := iomap.Parse("map.yaml", []byte(src))
		require.Error(t, err)
		m := allowed.FindStringSubmatch(err.Error())
		require.NotNil(t, m, err.Error())
		var keys []string
		for key, p := range of.Properties {
			for p.Ref != nil && p.Title == "" {
				p = p.Ref
			}
			require.NotEmpty(t, p.Title, key)
			keys = append(keys, key)
		}
		for _, key := range strings.Split(m[1], ", ") {
			require.Contains(t, keys, key, "Parse knows it, and the schema does not")
		}
	}
	item := func(list string) *jsonschema.Schema { return s.Properties[list].Items2020 }
	known("nobody: 1\n", s)
	known("tags: [{nobody: 1}]\n", item("tags"))
	known("tags: [{logical_tag: T, type: number, direction: in, filter: {nobody: 1}}]\n", item("tags").Ref.Properties["filter"])
	for list := range strings.FieldsSeq("meters units interlocks alarms resources") {
		known(list+": [{nobody: 1}]\n", item(list))
	}
	known("trip_request: {nobody: 1}\n", s.Properties["trip_request"])
	known("time: {nobody: 1}\n", s.Properties["time"])
	require.True(t, slices.Contains(s.Required, "tags"))
}

func TestTheSchemaRefusesWhatIsWrongInForm(t *testing.T) {
	s := mapSchema(t)
	for _, c := range []struct{ old, text string }{
		{"direction: out", "direction: output"}, {"type: switch", "type: bool"}, {"logical_tag:", "logical_tags:"}, {"schema_version: 1", "schema_version: 2"},
		{"words: [closed, open]", "words: [closed]"}, {"equipment_id: T301\n", ""}, {"polarity: inverted", "polarity: {inverted: true}"},
	} {
		src := strings.Replace(goodMap, c.old, c.text, 1)
		require.NotEqual(t, goodMap, src, c.old)
		_, err := iomap.Parse("map.yaml", []byte(src))
		require.Error(t, err, c.text)
		require.Error(t, s.Validate(seen([]byte(src))), c.text)
	}
}
