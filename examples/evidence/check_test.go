// What a process engineer sees before a recipe is approved.

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const demo = "../controller/demo/"

func TestARecipeIsCheckedOnItsMapAndDrawn(t *testing.T) {
	dir := t.TempDir()
	code, out, errs := command("check", "-svg", dir, demo+"recipe.yaml", demo+"map.yaml", demo+"calibration.yaml")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "$charge_a      120.00 kg  linear   50 kg to 250 kg\n")
	require.Contains(t, out, "    CHARGE_A  phase      60 s, then hold\n")
	require.True(t, strings.HasSuffix(out, "on T301-IO 1.0: SOUND: no run of it gets stuck; proved over 1 state\n"), out)
	svg, err := os.ReadFile(filepath.Join(dir, "BLEND-AB.svg"))
	require.NoError(t, err)
	require.Contains(t, string(svg), "CHARGE_A")
}

func TestWhatIsWrongWithARecipeIsToldBeforeItIsApproved(t *testing.T) {
	src, err := os.ReadFile(demo + "recipe.yaml")
	require.NoError(t, err)
	changed := func(old, new string) string {
		require.Contains(t, string(src), old)
		name := filepath.Join(t.TempDir(), "recipe.yaml")
		require.NoError(t, os.WriteFile(name, []byte(strings.Replace(string(src), old, new, 1)), 0o644))
		return name
	}
	for name, c := range map[string]struct{ file, want string }{
		"a word that no recipe has":  {changed("on_timeout: abort", "on_timeout: explode"), `"explode"`},
		"a tag that the map has not": {changed("SS301 == running and", "SS999 == running and"), `no tag "SS999"`},
		"a line that nobody meets": {changed("            - close_window: A\n", "            - sync: A\n            - close_window: A\n"),
			`line "A"`},
		"a condition that cannot be": {changed("SS301 == running and LT301 >= 20.0 L", "LT301 < 1.0 L and LT301 >= 20.0 L"),
			"never true"},
	} {
		code, _, errs := command("check", c.file, demo+"map.yaml")
		require.Equal(t, exitFound, code, name)
		require.Contains(t, errs, c.want, name)
	}
	code, _, errs := command("check", demo+"map.yaml")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "no recipe among the files")
	code, _, errs = command("check", "main.go")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "main.go is no recipe, map or calibration")
}

func TestTheSchemaOfRecipesIsPrintedForEditors(t *testing.T) {
	code, out, errs := command("check", "-schema")
	require.Equal(t, exitOK, code, errs)
	require.True(t, json.Valid([]byte(out)))
	require.Contains(t, out, "https://json-schema.org/draft/2020-12/schema")
}

func TestTwoVersionsAreComparedAndOneIsFormatted(t *testing.T) {
	code, out, errs := command("diff", demo+"recipe.yaml", demo+"recipe.yaml")
	require.Equal(t, exitOK, code, errs)
	require.Equal(t, "no difference\n", out)
	code, out, errs = command("format", demo+"recipe.yaml")
	require.Equal(t, exitOK, code, errs)
	src, err := os.ReadFile(demo + "recipe.yaml")
	require.NoError(t, err)
	require.Equal(t, string(src), out)
}
