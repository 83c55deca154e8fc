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
	code, _, errs := command("check", demo+"calibration.yaml")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "no recipe or map among the files")
	code, _, errs = command("check", "main.go")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "main.go is no recipe, map or calibration")
}

func TestAMapIsCheckedAlone(t *testing.T) {
	src, err := os.ReadFile(demo + "map.yaml")
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "map.yaml")
	for _, beside := range []string{"calibration.yaml", "bus.yaml", "plc.yaml"} {
		text, err := os.ReadFile(demo + beside)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(name), beside), text, 0o644))
	}
	write := func(more string) { require.NoError(t, os.WriteFile(name, []byte(string(src)+more), 0o644)) }
	write(`interlocks:
  - {interlock_id: IL-DRY, kind: trip, when: "LT301 < 20 L", debounce: 200 ms, vote_window: 2 s, vote: 60 %, latch: until_reset, gates: [HS301], reaction: hold}
  - {interlock_id: IL-READY, kind: permissive, when: "SS301 == stopped", debounce: 100 ms, gates: []}
alarms:
  - {alarm_id: TAH301, message: the tank is hot, priority: high, when: "TT301 > 55 Cel", delay: 1 s, off_delay: 2 s}
  - {alarm_id: DRY, message: heating off, priority: low, fault: interlock, of: IL-DRY}
  - {alarm_id: LATE, message: late, priority: low, fault: timeout}
resources: [{resource_id: PUMP_7}, {resource_id: STEAM, owners: 2}, {resource_id: LINE_1, between_batches: true}]
`)
	code, out, errs := command("check", name)
	require.Equal(t, exitOK, code, errs)
	for _, want := range []string{
		"FQ101  pulses  of FC101  in steps of 0.01 kg  k_factor 100 {pulse}/kg\n",
		"IL-DRY    trip        LT301 < 20 L      200ms, 60 % of 2s  gates HS301  then hold, until reset\n",
		"IL-READY  permissive  SS301 == stopped  100ms              gates the start\n",
		"TAH301  high  TT301 > 55 Cel       after 1s, gone after 2s  the tank is hot\n",
		"DRY     low   interlock of IL-DRY  after 0s, gone after 0s  heating off\n",
		"LATE    low   timeout of any", "STEAM   2 owners\n", "LINE_1  between batches\n"} {
		require.Contains(t, out, want)
	}
	write("resources: [{resource_id: LINE_1, shared: true}]\n")
	code, _, errs = command("check", name)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, `no key "shared"; write owners: 2`)
	code, _, errs = command("diff", name, name)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, `no key "shared"`, "a map is compared as it is read")
}

func TestTheSchemaOfRecipesIsPrintedForEditors(t *testing.T) {
	code, out, errs := command("check", "-map-schema")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, `"title": "Batchkit I/O map"`)
	code, out, errs = command("check", "-schema")
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

func TestAMapAloneIsHeldAgainstTheCalibrationThatItNames(t *testing.T) {
	src, err := os.ReadFile(demo + "map.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	name := filepath.Join(dir, "map.yaml")
	require.NoError(t, os.WriteFile(name, src, 0o644))
	code, _, errs := command("check", name)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "map.yaml: its calibration: open ")
	for factors, want := range map[string]string{
		`[{meter: FQ101, k_factor: "100 {pulse}/kg"}]`: `map.yaml: meter FQ201 cannot be used: metering: meter "FQ201": no factor from {pulse} to counts of "0.01 kg"`,
		`[{meter: FQ101, k_factor: 100 kg}, {meter: FQ201, k_factor: "100 {pulse}/kg"}]`: `map.yaml: meter FQ101 cannot be used: metering: ` +
			`calibration "CAL", meter "FQ101": k_factor "100 kg" makes no kg of {pulse}; write it in {pulse}/kg: `,
		"[{meter: FQ101, density: 0.998 kg/L}]": "calibration.yaml:4:11: an entry has one of k_factor, linear and polyline; where a density alone is " +
			"known, write k_factor: 1 beside it",
	} {
		cal := "calibration: CAL\nversion: \"1\"\nschema_version: 1\nfactors: " + factors + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "calibration.yaml"), []byte(cal), 0o644))
		code, _, errs = command("check", name)
		require.Equal(t, exitFound, code, factors)
		require.Contains(t, errs, want)
	}
}
