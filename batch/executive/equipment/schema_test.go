// Claims about the JSON Schema of models: it takes what Parse takes, and knows every key and no other.

package equipment_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/internal/strictyaml"
)

const schemaID = "https://batchkit.github.io/batch/executive/equipment/equipment.schema.json"

// seen is a model as the schema sees it: each scalar is a text.
func seen(n strictyaml.Node) any {
	switch n.Kind() {
	case strictyaml.List:
		list := []any{}
		for _, item := range n.List(1 << 20) {
			list = append(list, seen(item))
		}
		return list
	case strictyaml.Mapping:
		fields := map[string]any{}
		for _, e := range n.Entries(1 << 20) {
			fields[e.Key.Str()] = seen(e.Value)
		}
		return fields
	}
	return n.Str()
}

func TestTheSchemaTakesWhatParseTakesAndKnowsItsKeys(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(equipment.JSONSchema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource(schemaID, doc))
	s, err := c.Compile(schemaID)
	require.NoError(t, err)
	require.Equal(t, 2020, s.DraftVersion)

	src, err := os.ReadFile("testdata/cell.yaml")
	require.NoError(t, err)
	require.NoError(t, s.Validate(seen(strictyaml.Parse("cell.yaml", src, nil).Root())))
	whole := equipment.Item{ID: "U", Level: "unit", Parent: "P", Class: "c", Priority: 1, Capabilities: map[string]string{"a": "b"}, Owners: 1,
		Channels: []string{"x"}, Safe: map[string]string{"x": "0"}, Map: "m.yaml", Retired: true}
	away := equipment.Item{ID: "V", Level: "unit", Parent: "P", Node: "n2"}
	data := modelOf(t, equipment.Item{ID: "P", Level: "site"}, whole, away)
	_, err = equipment.Parse("whole.json", data)
	require.NoError(t, err)
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	require.NoError(t, err)
	require.NoError(t, s.Validate(plain))

	for _, bad := range []string{"equipment_id: P!", "level: sight", "owners: x", "owners: -1", "retired: maybe", "channels: x", "safe: [x]", "colour: red", "parent: ''", "node: n.2"} {
		src := "schema_version: 1\nequipment:\n  - {equipment_id: P, level: site, " + bad + "}\n"
		if key, _, _ := strings.Cut(bad, ":"); key == "equipment_id" || key == "level" {
			src = "schema_version: 1\nequipment:\n  - {" + map[string]string{"equipment_id": "level: site", "level": "equipment_id: P"}[key] + ", " + bad + "}\n"
		}
		require.Error(t, s.Validate(seen(strictyaml.Parse("bad.yaml", []byte(src), nil).Root())), bad)
		_, err := equipment.Parse("bad.yaml", []byte(src))
		require.Error(t, err, bad)
	}

	var schema struct {
		Defs struct {
			Item struct {
				Properties map[string]json.RawMessage `json:"properties"`
			} `json:"item"`
		} `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(equipment.JSONSchema(), &schema))
	var keys, want []string
	for key := range schema.Defs.Item.Properties {
		keys = append(keys, key)
	}
	of := reflect.TypeFor[equipment.Item]()
	for i := range of.NumField() {
		key, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		want = append(want, key)
	}
	slices.Sort(keys)
	slices.Sort(want)
	require.Equal(t, want, keys, "file, schema and API have the same keys")
}
