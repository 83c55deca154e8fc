// What a user reads of a recipe that is not sound, and whether the engine does what he reads.

package batch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/recipe/sound"
)

const unsound = "../recipe/testdata/unsound/"

func TestWhatAUserReadsOfARecipeThatIsNotSound(t *testing.T) {
	files, err := filepath.Glob(unsound + "*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 17)
	for _, file := range files {
		_, err := Load(os.DirFS(unsound), filepath.Base(file), "map/map.yaml", nil)
		require.Error(t, err, file)
		golden.Check(t, strings.TrimSuffix(file, ".yaml")+".golden", []byte(err.Error()+"\n"))
	}
}

func TestWhatAUserReadsComesAboutInTheEngine(t *testing.T) {
	files, err := filepath.Glob(unsound + "*.yaml")
	require.NoError(t, err)
	played := 0
	for _, file := range files {
		plan, err := Load(os.DirFS(unsound), filepath.Base(file), "map/map.yaml", &LoadOptions{Bound: true})
		if filepath.Base(file) == "line_in_repeat.yaml" { // the parser knows that one
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		b, err := plan.Bind("B", "", Unapproved, nil)
		require.NoError(t, err)
		p := proof(plan)
		require.Equal(t, sound.Unsound, p.Verdict, file)
		for i := range p.Findings {
			if f := &p.Findings[i]; f.Trace != nil {
				require.NoError(t, replay(b, f), "%s: %s", file, f.Text)
				played++
			}
		}
	}
	require.GreaterOrEqual(t, played, 11)
}

// proof proves a plan that was loaded as bound.
func proof(p *Plan) *sound.Proof {
	formula, err := p.Recipe.Resolve(p.Recipe.Nominal)
	if err != nil {
		panic(err)
	}
	c := compiler{plan: p, formula: formula, report: func(noder, string, ...any) {}}
	c.compile()
	return sound.Check(p.Recipe, &sound.Options{Guards: guards{&c}})
}
