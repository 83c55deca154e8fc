// What batches are bound to: bytes that were read and checked, or a reason why not.

package registry_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/batch/executive/registry"
)

// bind asks for a binding.
func (g *rig) bind(recipe, unit string) (*api.Binding, error) {
	var b api.Binding
	err := g.c.Call(g.t.Context(), "GET", "/v1/bindings?"+url.Values{"recipe": {recipe}, "unit": {unit}}.Encode(), nil, &b)
	return &b, err
}

func TestABindingHasAllThatABatchIsLoadedFrom(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		files := cell()
		g := serve(t, t.TempDir(), files, nil)
		b, err := g.bind("RINSE", "R101")
		require.NoError(t, err)
		require.Equal(t, "recipes/rinse.yaml", b.Main)
		require.Equal(t, "maps/R101.yaml", b.Map)
		require.Equal(t, "1.0", b.Version)
		require.EqualValues(t, 1, b.Model)
		require.True(t, b.Unapproved)
		require.Equal(t, api.LocalRights(), b.Rights)
		require.Len(t, b.Files, 2)
		there := fstest.MapFS{}
		for name, data := range b.Files {
			require.Equal(t, files[name].Data, data)
			put(there, name, string(data))
		}
		plan, err := batch.Load(there, b.Main, b.Map, &batch.LoadOptions{Bound: true})
		require.NoError(t, err)
		_, err = plan.Bind("B-1", "", batch.Unapproved, nil)
		require.NoError(t, err)

		put(files, "recipes/rinse.yaml", "broken")
		again, err := g.bind("RINSE", "R101")
		require.NoError(t, err)
		require.Equal(t, b, again, "what was checked is what is bound")
		g.end()
	})
}

func TestWithoutAUnitTheFirstByPriorityIsTaken(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		g := serve(t, t.TempDir(), cell(), nil)
		b, err := g.bind("RINSE", "")
		require.NoError(t, err)
		require.Equal(t, "R102", b.Unit)
		_, err = g.change(&api.ModelChange{Order: api.Order{Reason: "cleaning"}, Change: equipment.Change{Base: 1, Retire: []string{"R102"}}}, "")
		require.NoError(t, err)
		b, err = g.bind("RINSE", "")
		require.NoError(t, err)
		require.Equal(t, "R101", b.Unit)
		require.EqualValues(t, 2, b.Model)
		_, err = g.bind("RINSE", "R102")
		require.Equal(t, http.StatusConflict, status(t, err))
		_, err = g.bind("RINSE", "S901")
		require.ErrorContains(t, err, "S901 is no unit in use, but of level equipment_module")
		_, err = g.bind("RINSE", "X")
		require.Equal(t, http.StatusNotFound, status(t, err))
		_, err = g.bind("NONE", "R101")
		require.Equal(t, http.StatusNotFound, status(t, err))
		g.end()
	})
}

func TestAUnitThatAChangeAddsIsThereWithItsMap(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		files := cell()
		g := serve(t, t.TempDir(), files, nil)
		put(files, "maps/R103.yaml", mapOf("R103"))
		i, err := g.change(&api.ModelChange{Order: api.Order{Reason: "built"}, Change: equipment.Change{Base: 1, Put: []equipment.Item{{ID: "R103", Level: "unit",
			Parent: "CELL", Owners: 1, Channels: []string{"R103/do/1"}, Safe: map[string]string{"R103/do/1": "0"}, Map: "maps/R103.yaml"}}}}, "")
		require.NoError(t, err)
		require.Equal(t, []string{"RINSE now on R103"}, i.Recipes)
		require.Empty(t, i.Batches)
		b, err := g.bind("RINSE", "R103")
		require.NoError(t, err)
		require.Contains(t, b.Files, "maps/R103.yaml")
		g.end()
	})
}

func TestWhatIsWrongIsSetAsideAndNamedAndHarmsNoOther(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		files := cell()
		put(files, "recipes/broken.yaml", strings.Replace(recipeYAML, "recipe: RINSE", "recipe: BROKEN\ncolour: red", 1))
		put(files, "recipes/twice-a.yaml", strings.Replace(recipeYAML, "recipe: RINSE", "recipe: TWICE", 1))
		put(files, "recipes/twice-b.yaml", strings.Replace(recipeYAML, "recipe: RINSE", "recipe: TWICE", 1))
		put(files, "recipes/valve.yaml", strings.ReplaceAll(strings.Replace(recipeYAML, "recipe: RINSE", "recipe: VALVE", 1), "XV1", "XV77"))
		put(files, "recipes/notes.txt", "no recipe")
		put(files, "maps/R102.yaml", mapOf("R101"))
		g := serve(t, t.TempDir(), files, nil)
		b, err := g.bind("RINSE", "")
		require.NoError(t, err)
		require.Equal(t, "R101", b.Unit)
		text := strings.Join(g.told, "\n")
		for _, want := range []string{
			`recipes/broken.yaml:2:1: document: unknown key "colour"`,
			"recipes/twice-a.yaml: recipe TWICE is in recipes/twice-b.yaml, too",
			"recipes/twice-b.yaml: recipe TWICE is in recipes/twice-a.yaml, too",
			"VALVE cannot run on R101: recipes/valve.yaml:",
			"RINSE cannot run on R102: equipment: maps/R102.yaml: it has equipment_id: R101, and the model names it as the map of R102",
		} {
			require.Contains(t, text, want)
		}
		require.Equal(t, g.told, g.s.Model().Aside)
		require.Len(t, g.s.Model().Recipes, 2)
		_, err = g.bind("VALVE", "R101")
		require.ErrorContains(t, err, "XV77")
		_, err = g.bind("VALVE", "")
		require.ErrorContains(t, err, "can run on no unit")
		g.end()
	})
}

func TestAMapThatDoesNotAgreeWithTheModelIsRefusedWithWhatToDo(t *testing.T) {
	own := `  - {resource_id: OWN, equipment_id: "UNIT", between_batches: true}` + "\n"
	for name, c := range map[string]struct{ old, new, want string }{
		"no such equipment":  {"equipment_id: S901", "equipment_id: S902", `the model has no "S902"`},
		"another order":      {own, "", "R101 stands behind S901, and in the model before it"},
		"another value":      {"direction: out, type: switch, words: [closed, open], safe_value: closed", "direction: out, type: switch, words: [closed, open], safe_value: open", "has the safe value 0 in the model, and on the wire of the map 0x1"},
		"nobody's output":    {`"UNIT/do/1"`, `"UNIT/do/9"`, "output R101/do/9 belongs to R101, and in the model to nothing"},
		"no resource":        {`"UNIT/do/1", resource: OWN,`, `"UNIT/do/1",`, "output R101/do/1 belongs to R101 in the model, and in the map to none"},
		"another's resource": {`S901/do/1, resource: SKID,`, `S901/do/1, resource: OWN,`, "output S901/do/1 belongs to S901 in the model, and in the map to R101"},
	} {
		t.Run(name, func(t *testing.T) {
			inOurTime(t, func(t *testing.T) {
				files, text := cell(), strings.Replace(mapYAML, c.old, c.new, 1)
				if name == "another order" {
					text = strings.Replace(text, "tags:\n", own+"tags:\n", 1)
				}
				put(files, "maps/R101.yaml", strings.ReplaceAll(text, "UNIT", "R101"))
				g := serve(t, t.TempDir(), files, nil)
				_, err := g.bind("RINSE", "R101")
				require.Equal(t, http.StatusConflict, status(t, err))
				require.ErrorContains(t, err, c.want)
				_, err = g.bind("RINSE", "R102")
				require.NoError(t, err)
				g.end()
			})
		})
	}
}

// release approves of all but one file.
type release string

func (r release) Approved(kind, id, version, digest string) (batch.Approval, error) {
	if string(r) == id {
		return batch.Approval{}, errors.New("it is a draft; publish it")
	}
	return batch.Approval{ID: "A-" + id, By: "qa", EffectiveFrom: 5}, nil
}

func TestABindingCarriesTheApprovalsOfItsFilesOrIsRefused(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		g := serve(t, t.TempDir(), cell(), &registry.Options{Release: release("R102-IO")})
		b, err := g.bind("RINSE", "R101")
		require.NoError(t, err)
		require.False(t, b.Unapproved)
		require.Len(t, b.Approvals, 2)
		require.Equal(t, "A-RINSE", b.Approvals[0].Approval)
		require.Equal(t, "mapping", b.Approvals[1].Kind)
		require.Equal(t, "qa", b.Approvals[1].By)
		require.Len(t, b.Approvals[1].Digest, 64)
		_, err = g.bind("RINSE", "R102")
		require.Equal(t, http.StatusConflict, status(t, err))
		require.ErrorContains(t, err, "it is a draft; publish it")
		g.end()
	})
}
