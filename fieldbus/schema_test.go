// Claims about the JSON Schemas: they take what the parsers take, and know every key and no other.

package fieldbus_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// schema compiles one, which holds it against draft 2020-12.
func schema(t *testing.T, src []byte, name string) *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	id := "https://batchkit.github.io/fieldbus/" + name
	require.NoError(t, c.AddResource(id, doc))
	s, err := c.Compile(id)
	require.NoError(t, err)
	require.Equal(t, 2020, s.DraftVersion)
	return s
}

// both are the two files' schemas, and what their parsers say of a source; the profiles of a map are not read.
func both(t *testing.T) map[string]struct {
	s     *jsonschema.Schema
	parse func(src []byte) error
} {
	type one = struct {
		s     *jsonschema.Schema
		parse func(src []byte) error
	}
	return map[string]one{
		"profile": {schema(t, fieldbus.ProfileSchema(), "profile.schema.json"), func(src []byte) error {
			_, err := fieldbus.ParseProfile("p", src)
			return err
		}},
		"tag_map": {schema(t, fieldbus.TagMapSchema(), "tagmap.schema.json"), func(src []byte) error {
			_, err := fieldbus.ParseTagMap("m", src, nil)
			return err
		}},
	}
}

// seen is a file as a schema sees it. Each scalar is a text.
func seen(n strictyaml.Node) any {
	const many = 1 << 20
	switch n.Kind() {
	case strictyaml.List:
		list := []any{}
		for _, item := range n.List(many) {
			list = append(list, seen(item))
		}
		return list
	case strictyaml.Mapping:
		fields := map[string]any{}
		for _, e := range n.Entries(many) {
			fields[e.Key.Str()] = seen(e.Value)
		}
		return fields
	}
	return n.Str()
}

func TestTheSchemasTakeEveryFileInTheTreeThatTheParsersTake(t *testing.T) {
	for kind, one := range both(t) {
		taken := 0
		require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".yaml" {
				return err
			}
			src, err := os.ReadFile(path)
			if err == nil && one.parse(src) == nil {
				require.NoError(t, one.s.Validate(seen(strictyaml.Parse("f", src, nil).Root())), path)
				taken++
			}
			return err
		}))
		require.GreaterOrEqual(t, taken, 3, kind)
	}
}

// TestTheSchemasKnowTheKeysOfTheParsers holds the keys of the schemas against those that a parser lists where one is not known.
func TestTheSchemasKnowTheKeysOfTheParsers(t *testing.T) {
	allowed := regexp.MustCompile(`unknown key "nobody"; allowed: ([a-z_, ]+)`)
	kinds := both(t)
	known := func(kind, src string, of *jsonschema.Schema) {
		t.Helper()
		for of.Ref != nil {
			of = of.Ref
		}
		m := allowed.FindStringSubmatch(kinds[kind].parse([]byte(src)).Error())
		require.NotNil(t, m, src)
		var keys []string
		for key, p := range of.Properties {
			keys = append(keys, key)
			require.NotEmpty(t, p.Title, key)
		}
		require.ElementsMatch(t, keys, strings.Split(m[1], ", "))
	}
	p, m := kinds["profile"].s, kinds["tag_map"].s
	item := func(list string) *jsonschema.Schema { return m.Properties[list].Items2020.Ref }
	known("profile", "nobody: 1\n", p)
	known("profile", "limits: {nobody: 1}\n", p.Properties["limits"])
	known("profile", "points: [{nobody: 1}]\n", p.Properties["points"].Items2020)
	known("profile", "points: [{type: int16, scaling: {nobody: 1}}]\n", p.Properties["points"].Items2020.Ref.Properties["scaling"])
	known("tag_map", "nobody: 1\n", m)
	for list := range strings.FieldsSeq("devices classes tags") {
		known("tag_map", list+": [{nobody: 1}]\n", item(list))
	}
	for key := range strings.FieldsSeq("heartbeat identify") {
		known("tag_map", "devices: [{"+key+": {nobody: 1}}]\n", item("devices").Properties[key])
	}
}

func TestTheSchemasRefuseWhatIsWrongInForm(t *testing.T) {
	for _, c := range []struct{ kind, file, old, text string }{
		{"profile", "plc.yaml", "protocol: modbus\n", ""}, {"profile", "plc.yaml", "type: uint16", "type: word"}, {"profile", "plc.yaml", "access: rw", "access: wr"},
		{"profile", "plc.yaml", "schema_version: 1", "schema_version: 2"}, {"profile", "plc.yaml", "scaling: {gain: 0.1 Cel}", "scaling: 0.1 Cel"},
		{"tag_map", "bus.yaml", "plane: control", "plane: fast"}, {"tag_map", "bus.yaml", "profiles: [plc.yaml]", "profiles: plc.yaml"},
		{"tag_map", "bus.yaml", "class: fast, stale", "poll: fast, stale"}, {"tag_map", "bus.yaml", "profiles: [plc.yaml]", "profiles: []"},
	} {
		good, err := os.ReadFile(demo + "/" + c.file)
		require.NoError(t, err)
		src := []byte(strings.Replace(string(good), c.old, c.text, 1))
		require.NotEqual(t, good, src, c.old)
		one := both(t)[c.kind]
		require.NoError(t, one.parse(good))
		require.Error(t, one.parse(src), c.text)
		require.Error(t, one.s.Validate(seen(strictyaml.Parse("f", src, nil).Root())), c.text)
	}
}
