// This file changes recipes that are right at every place and holds what the JSON Schema says of them against what Parse says.

package recipe

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// spellings are put in the place of every scalar; those in quotes and those without are two.
var spellings = []string{"5 s", "1.5 h", "0.05 min", "100 us", "5 1/Hz", "3 J/W", "-5", "0", "0.0", "1", "12.500", "10000", "1e3", "0x1F", ".5", "+5", "010",
	"120.00 kg", "-5 Cel", "0 kg", "5 /min", "1 kg/1", "95 %", "4 {pulse}", "7.0 [pH]", "5kg", "5  kg", "5 kg ", "1,5 kg", "0.0000000000001 kg",
	"true", "false", "True", "on", "open", "and", "a.b", "A-1", "_a", "-", "$soak", "$nope", "$", "$a.b", "a b", " ", "none", "hold", "phase", "operation",
	"TT301 >= 58 Cel", "é", "1.", "2 of (a, b)", ".inf"}

// shapes are put in the place of every value.
func shapes() []*tree {
	scalar := &tree{kind: strictyaml.Scalar, text: "x"}
	return []*tree{{kind: strictyaml.Absent}, scalar, {kind: strictyaml.List}, {kind: strictyaml.List, items: []*tree{scalar}},
		{kind: strictyaml.Mapping}, {kind: strictyaml.Mapping, keys: []string{"x"}, items: []*tree{scalar}}}
}

// mutator changes a recipe place by place and takes each change back.
type mutator struct {
	t      *testing.T
	schema *jsonschema.Schema
	root   *tree
	keys   map[string]*tree // every key of the language, with a value that it has somewhere

	every                   int
	seen                    map[string]bool
	changes, taken, refused int            // by both
	parserOnly              map[string]int // reasons of Parse where the schema takes
}

// check holds the tree as it is now against both; only one of every many changes is, so that the test is short. place is the same for
// places at which a change means the same, which are tried once.
func (m *mutator) check(place, what string) {
	if m.seen[place+what] {
		return
	}
	m.seen[place+what] = true
	if m.changes++; m.changes%m.every != 0 {
		return
	}
	src := m.root.source()
	_, err := Parse("recipe.yaml", []byte(src))
	invalid := m.schema.Validate(m.root.value())
	switch {
	case err == nil && invalid != nil:
		m.t.Fatalf("%s %s: Parse takes, and the schema refuses\n%s\n%v", place, what, src, invalid)
	case err == nil:
		m.taken++
	case invalid != nil:
		m.refused++
	default:
		var errs *strictyaml.Errors
		require.True(m.t, errors.As(err, &errs))
		m.parserOnly[reason(errs.List()[0].Msg)]++
	}
}

var (
	shown = regexp.MustCompile(`"(\\.|[^"\\])*"(\.\.\.)?|\$[A-Za-z_0-9]+(, \$[A-Za-z_0-9]+)*|\b(unit_procedure|procedure|operation|phase)\b|` +
		`(is in|max|min) [^ ,"]+|-?[0-9][0-9.]*`)
	advice = regexp.MustCompile(`(; |: ).*`)
)

// reason is a message without what it speaks of.
func reason(msg string) string {
	msg = shown.ReplaceAllString(msg, "_")
	if len(msg) > 20 {
		msg = msg[:20] + advice.ReplaceAllString(msg[20:], "")
	}
	return msg
}

// everywhere changes a value and all in it. keys are those that lead to it.
func (m *mutator) everywhere(at *tree, keys ...string) {
	was := *at
	place := strings.Join(keys[max(0, len(keys)-3):], "/")
	for _, shape := range shapes() {
		*at = *shape
		m.check(place, " becomes "+shape.source())
	}
	*at = was
	switch at.kind {
	case strictyaml.Scalar:
		for _, text := range append([]string{was.text + "x", was.text[1:]}, spellings...) {
			for _, at.plain = range []bool{true, false} {
				at.text = text
				m.check(place, fmt.Sprintf(" becomes %s, plain=%v", text, at.plain))
			}
		}
		*at = was
	case strictyaml.List:
		at.items = append(slices.Clone(was.items), was.items[0])
		m.check(place, " with its first twice")
		at.items = was.items[1:]
		m.check(place, " without its first")
		*at = was
	case strictyaml.Mapping:
		m.mapping(at, place)
	}
	for i, item := range at.items {
		switch {
		case at.kind == strictyaml.List:
			m.everywhere(item, keys...)
		case len(keys) > 0 && slices.Contains([]string{"set", "with", "needs"}, keys[len(keys)-1]):
			m.everywhere(item, append(slices.Clone(keys), "*")...)
		default:
			m.everywhere(item, append(slices.Clone(keys), at.keys[i])...)
		}
	}
}

// mapping drops, renames and adds keys.
func (m *mutator) mapping(at *tree, place string) {
	was := *at
	place += fmt.Sprint(slices.Sorted(slices.Values(was.keys)))
	for i, key := range was.keys {
		if key == "level" {
			place += was.items[i].text
		}
	}
	for i, key := range was.keys {
		at.keys, at.items = slices.Delete(slices.Clone(was.keys), i, i+1), slices.Delete(slices.Clone(was.items), i, i+1)
		m.check(place, " without "+key)
		at.keys, at.items = slices.Clone(was.keys), was.items
		for _, name := range []string{key + "x", "a.b", "and", "a-b", "5"} {
			at.keys[i] = name
			m.check(place, " with "+name+" for "+key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m.keys)) {
		if !slices.Contains(was.keys, key) {
			at.keys, at.items = append(slices.Clone(was.keys), key), append(slices.Clone(was.items), m.keys[key])
			m.check(place, " with "+key)
		}
	}
	*at = was
}

// collect gives every key of a tree with a value.
func (t *tree) collect(keys map[string]*tree) {
	for i, item := range t.items {
		if t.kind == strictyaml.Mapping {
			if keys[t.keys[i]] == nil && len(item.source()) < 200 {
				keys[t.keys[i]] = treeOf([]byte(item.source())) // not item itself, which will be changed
			}
		}
		item.collect(keys)
	}
}

// TestWhatTheSchemaRefusesTheParserRefuses changes recipes at every place. It is the other way round, too: what Parse takes the schema
// takes.
func TestWhatTheSchemaRefusesTheParserRefuses(t *testing.T) {
	files, err := filepath.Glob("testdata/right/*.yaml")
	require.NoError(t, err)
	m := &mutator{t: t, schema: schema(t), keys: map[string]*tree{}, parserOnly: map[string]int{}, seen: map[string]bool{}, every: 61}
	if os.Getenv("BATCHKIT_LONG") != "" {
		m.every = 1
	}
	roots := []*tree{treeOf([]byte(goodRecipe))}
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		roots = append(roots, treeOf(src))
	}
	for _, root := range roots {
		root.collect(m.keys)
	}
	for _, root := range roots {
		m.root = root
		m.everywhere(root)
	}
	only := 0
	for _, n := range m.parserOnly {
		only += n
	}
	require.Greater(t, m.taken*m.every, 1000)
	reasons := slices.Sorted(maps.Keys(m.parserOnly))
	slices.SortStableFunc(reasons, func(a, b string) int { return m.parserOnly[b] - m.parserOnly[a] })
	t.Logf("one of %d of %d changes: both take %d, both refuse %d, only the parser refuses %d:", m.every, m.changes, m.taken, m.refused, only)
	for _, why := range reasons {
		t.Logf("%6d  %s", m.parserOnly[why], why)
	}
}
