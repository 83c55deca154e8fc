// An example that a reader of the documentation sees.

package sound_test

import (
	"fmt"

	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/recipe/sound"
)

// Two branches take the same equipment in opposite order.
func Example() {
	phase := func(id string, uses ...string) *recipe.Element {
		return &recipe.Element{ID: id, Level: recipe.Phase, Uses: uses}
	}
	block := func(b recipe.Block, id string, uses []string, children ...*recipe.Element) *recipe.Element {
		return &recipe.Element{ID: id, Level: recipe.Operation, Block: b, Uses: uses, Children: children}
	}
	r := &recipe.Recipe{Root: block(recipe.Parallel, "MAKE", nil,
		block(recipe.Sequence, "FILL", []string{"PUMP"}, phase("RINSE", "HOSE")),
		block(recipe.Sequence, "CLEAN", []string{"HOSE"}, phase("DRAIN", "PUMP")))}

	p := sound.Check(r, nil)
	fmt.Println(p.Verdict)
	for _, f := range p.Findings {
		fmt.Println(f.Kind)
		for _, m := range f.Trace {
			fmt.Println(" ", m.Text)
		}
		for _, m := range f.Stuck {
			fmt.Println("  now", m.Text)
		}
	}
	// Output:
	// UNSOUND
	// circular wait
	//   MAKE begins
	//   FILL gets PUMP
	//   FILL begins
	//   CLEAN gets HOSE
	//   CLEAN begins
	//   now RINSE waits for HOSE, which CLEAN holds
	//   now DRAIN waits for PUMP, which FILL holds
}
