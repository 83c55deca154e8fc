// A recipe as large as they may be is compiled in little time.

package batch

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/recipe/sound"
)

// large is a recipe of 2,000 elements in six branches that meet at twenty lines.
func large() fstest.MapFS {
	var m, r strings.Builder
	m.WriteString("mapping: IO\nversion: \"1\"\nschema_version: 1\ndevice_id: C\nequipment_id: T1\ntags:\n")
	for i := range 6 {
		fmt.Fprintf(&m, "  - {logical_tag: XV%d, physical_channel: do/%d, direction: out, type: switch, words: [closed, open], safe_value: closed}\n", i, i)
		fmt.Fprintf(&m, "  - {logical_tag: ZS%d, physical_channel: di/%d, direction: in, type: switch, words: [closed, open], stale_after: 2 s}\n", i, i)
	}
	r.WriteString("recipe: LARGE\nversion: \"1\"\nschema_version: 1\ntitle: T\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\n" +
		"procedure:\n  id: ALL\n  level: procedure\n  parallel:\n")
	for b := range 6 {
		fmt.Fprintf(&r, "    - id: B%d\n      level: operation\n      sequence:\n", b)
		for p := range 332 {
			fmt.Fprintf(&r, "        - {id: P%d_%d, level: phase, timeout: 60 s, entry: ZS%d, actions: [{set: {XV%d: open}}, {wait: ZS%d}", b, p, b, b, b)
			if p%16 == 0 && p < 320 {
				fmt.Fprintf(&r, ", {sync: L%d}", p/16)
			}
			r.WriteString("]}\n")
		}
	}
	return fstest.MapFS{"map.yaml": {Data: []byte(m.String())}, "recipe.yaml": {Data: []byte(r.String())}}
}

func TestARecipeAsLargeAsTheyMayBeIsBound(t *testing.T) {
	plan, err := Load(large(), "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-1", "", Unapproved, nil)
	require.NoError(t, err)
	p := &b.prog.seq
	require.Len(t, p.Lines, 20)
	require.Len(t, p.Elems, 1+6*2+6*332*3)
	for _, l := range p.Lines {
		require.Equal(t, 6, l.Count)
	}
}

func BenchmarkBind(b *testing.B) {
	plan, err := Load(large(), "recipe.yaml", "map.yaml", nil)
	require.NoError(b, err)
	for b.Loop() {
		_, err := plan.Bind("B-1", "", Unapproved, nil)
		require.NoError(b, err)
	}
}

// BenchmarkProof reads a recipe of 2,000 elements with its map, and proves it.
// BenchmarkChange is what a change costs the loop: the recipe of the demo, one of 2,000 elements that all use the parameter, and one with
// as many alternatives as fit.
func BenchmarkChange(b *testing.B) {
	alternatives := func() fstest.MapFS {
		var r strings.Builder
		r.WriteString(oddRecipe[:strings.Index(oddRecipe, "procedure:")] + "procedure:\n  id: P\n  level: procedure\n  timeout: 1 min\n  select:\n")
		for i := range 1500 {
			fmt.Fprintf(&r, "    - {id: A%d, level: phase, when: TT > $low and TT == %d.0 Cel, timeout: 1 min, actions: [{prompt: x}]}\n", i, i+2000)
		}
		return fstest.MapFS{"map.yaml": {Data: []byte(oddMap)}, "recipe.yaml": {Data: []byte(r.String())}}
	}
	used := large()
	used["recipe.yaml"].Data = []byte(strings.NewReplacer("procedure:\n", "formula: [{name: limit, value: 60 s}]\nprocedure:\n",
		"timeout: 60 s", "timeout: $limit").Replace(string(used["recipe.yaml"].Data)))
	for _, c := range []struct {
		name, parameter, value string
		b                      *Batch
	}{
		{"demo", "temperature", "61 Cel", edited(b, demo, "")},
		{"large", "limit", "61 s", load(b, used)},
		{"alternatives", "low", "21 Cel", load(b, alternatives())},
	} {
		b.Run(c.name, func(b *testing.B) {
			f, q := c.b.bound(), amount(b, c.value)
			for b.Loop() {
				_, why := c.b.change(&f, c.parameter, q)
				require.Empty(b, why)
			}
		})
	}
}

// load binds the recipe of some files.
func load(t testing.TB, files fstest.MapFS) *Batch {
	plan, err := Load(files, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-1", "", Unapproved, nil)
	require.NoError(t, err)
	return b
}

func BenchmarkProof(b *testing.B) {
	files := large()
	for b.Loop() {
		plan, err := Load(files, "recipe.yaml", "map.yaml", nil)
		require.NoError(b, err)
		require.Equal(b, sound.Sound, plan.Proof.Verdict)
	}
}
