// What a user reads of a recipe that is not sound, and whether the engine does what he reads.

package batch

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe/sound"
	"github.com/batchkit/batchkit/sequencer"
)

const unsound = "../recipe/testdata/unsound/"

func TestWhatAUserReadsOfARecipeThatIsNotSound(t *testing.T) {
	files, err := filepath.Glob(unsound + "*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 16)
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

func TestWhatIsNeverTrueIsNeverTrueInTheEngine(t *testing.T) {
	for file, c := range map[string]struct{ id, what string }{
		"entry_contradicts_itself": {"DRAIN.entry", "ends"}, "wait_contradicts_itself": {"COOL", "ends"}, "until_never_true": {"WARM", "ends"},
		"alternative_never_taken": {"FROZEN", "begins"}, "otherwise_never_taken": {"ASK", "begins"},
	} {
		plan, err := Load(os.DirFS(unsound), file+".yaml", "map/map.yaml", &LoadOptions{Bound: true})
		require.NoError(t, err)
		b, err := plan.Bind("B", "", Unapproved, nil)
		require.NoError(t, err)
		for seed := range uint64(50) {
			r := rand.New(rand.NewPCG(seed, 0))
			s := (&stage{b: b, p: b.prog.seq, at: 1, happened: map[done]int{}}).start()
			elem, _ := s.find(c.id)
			for !s.ended && s.full == "" && len(s.late) == 0 {
				for i := range s.b.Plan.Map.Tags { // whatever the plant shows
					switch m := &s.b.Plan.Map.Tags[i]; {
					case !m.Output && m.Type == iomap.Switch:
						s.value[i] = r.Int64N(2)
					case !m.Output:
						s.value[i] = r.Int64N(1000)
					}
				}
				s.step(sequencer.Event{Kind: sequencer.Input})
				s.confirm()
				s.tick()
			}
			require.Zero(t, s.happened[done{elem, c.what, 0}], "%s, seed %d", file, seed)
			timeOut := len(s.late) > 0 || strings.Contains(s.full, "is still false at the end of round 20")
			require.True(t, timeOut || c.what == "begins", "%s, seed %d: %s %s", file, seed, s, s.full)
		}
	}
}

// proof proves a plan that was loaded as bound.
func proof(p *Plan) *sound.Proof {
	formula, err := p.Recipe.Resolve(p.Recipe.Nominal)
	if err != nil {
		panic(err)
	}
	c := compiler{plan: p, formula: formula, report: func(noder, string, ...any) {}}
	c.compile()
	return sound.Check(p.Recipe, &sound.Options{Guards: guards{&c}, Owners: owners(p.Map), BetweenBatches: common(p.Map)})
}
