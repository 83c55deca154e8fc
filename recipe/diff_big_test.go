// This file holds what is read and compared against a recipe of the size that plants have at most.

package recipe

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bigRecipe has about 2,000 steps in 6 branches that meet at 20 lines.
func bigRecipe() string {
	var s strings.Builder
	s.WriteString("recipe: BIG\nversion: \"1\"\nschema_version: 1\ntitle: big\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\n" +
		"procedure:\n  id: P\n  level: procedure\n  parallel:\n")
	for b := range 6 {
		fmt.Fprintf(&s, "    - id: B%d\n      level: unit_procedure\n      sequence:\n", b)
		for i := range 330 {
			meet := ""
			if i%16 == 0 && i/16 < 20 {
				meet = fmt.Sprintf("{sync: L%d}, ", i/16)
			}
			fmt.Fprintf(&s, "        - {id: S%d_%d, level: phase, timeout: 1 min, actions: [%s{set: {XV%d: open}}, {wait: \"TT1 >= 5 Cel\"}]}\n",
				b, i, meet, b)
		}
	}
	return s.String()
}

func TestABigRecipeIsReadAndCompared(t *testing.T) {
	a, b := parse(t, bigRecipe()), parse(t, bigRecipe())
	require.Empty(t, Diff(a, b))
	slices.Reverse(b.Root.Children[5].Children)
	require.Len(t, Diff(a, b), 329, "of an order that is turned one step stays")
}

func BenchmarkParse(b *testing.B) {
	src := []byte(bigRecipe())
	for b.Loop() {
		if _, err := Parse("recipe.yaml", src); err != nil {
			b.Fatal(err)
		}
	}
}
