// Units of recipe, map and calibration that do not go together are refused when they are read, with the line and what to do.

package batch

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const dimMap = `mapping: IO
version: "1"
schema_version: 1
device_id: C
equipment_id: T1
calibration: cal.yaml
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}
  - {logical_tag: FC1, physical_channel: ctr/1, direction: in, type: counter, unit: "{pulse}", stale_after: 1 s}
  - {logical_tag: SP1, physical_channel: ao/1, direction: out, type: number, form: int, resolution: 0.1 Cel, gain: 0.1 Cel, min: 0 Cel, max: 90 Cel, safe_value: 20 Cel}
meters:
  - {meter: FQ1, source: FC1, bits: 32, resolution: 0.01 kg}
`

const dimRecipe = `recipe: R
version: "1"
schema_version: 1
title: T
batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}
procedure:
  id: P
  level: phase
  timeout: 1 min
  actions:
    - set: {SP1: 40.0 Cel}
    - open_window: {window: A, meter: FQ1, target: 10.00 kg, tolerance: 0.10 kg}
    - set: {XV1: open}
    - wait_total: {window: A, short_by: 0.05 kg}
    - set: {XV1: closed}
    - close_window: A
`

const dimCalibration = `calibration: CAL
version: "1"
schema_version: 1
factors:
  - {meter: FQ1, k_factor: "100 {pulse}/kg"}
`

func TestUnitsOfRecipeMapAndCalibrationThatDoNotGoTogetherAreRefused(t *testing.T) {
	const density = "; mass and volume need a density between them: give the meter a resolution in the unit that is wanted here, and its entry in " +
		"the calibration a density, such as density: 0.998 kg/L"
	flow := []string{`type: counter, unit: "{pulse}"`, "type: number, form: int, resolution: 0.01 L/min, gain: 0.01 L/min", "bits: 32", "method: flow, integration: rectangle"}
	litres := []string{"10.00 kg", "10.00 L", "0.10 kg", "0.10 L", "0.05 kg", "0.05 L"}
	for _, row := range []struct {
		edits       []string
		where, want string
	}{
		{litres, "recipe.yaml:12:", `"10.00 L" in counts of "0.01 kg": the units measure different things` + density},
		{litres, "recipe.yaml:12:", `"0.10 L" in counts of "0.01 kg": the units measure different things` + density},
		{litres, "recipe.yaml:14:", `"0.05 L" in counts of "0.01 kg": the units measure different things` + density},
		{[]string{"tolerance: 0.10 kg", "tolerance: 100 mL"}, "recipe.yaml:12:", `tolerance "100 mL" and the target, which is in kg, measure different things` + "\n"},
		{[]string{"short_by: 0.05 kg", "short_by: 0.05 L"}, "recipe.yaml:14:", `short_by "0.05 L" and the target, which is in kg, measure different things` + "\n"},
		{[]string{"target: 10.00 kg", "target: 10.005 kg"}, "recipe.yaml:12:", `"10.005 kg" in counts of "0.01 kg": not a whole number of counts` + "\n"},
		{[]string{"SP1: 40.0 Cel", "SP1: 40.0 K"}, "recipe.yaml:11:", `SP1 is set in Cel, and "40.0 K" measures something else` + "\n"},
		{[]string{"resolution: 0.01 kg}", "resolution: 0.01 L}"}, "recipe.yaml:12:", `"10.00 kg" in counts of "0.01 L": the units measure different things` + density},
		{[]string{`"100 {pulse}/kg"`, `"100 {pulse}/L"`}, "recipe.yaml:12:", "meter FQ1 cannot be used: "},
		{[]string{`"100 {pulse}/kg"`, `"100 Hz/kg"`}, "recipe.yaml:12:", "meter FQ1 cannot be used: "},
		{append(flow[:len(flow):len(flow)], `k_factor: "100 {pulse}/kg"`, `k_factor: "1.0025"`), "recipe.yaml:12:",
			"a mass against a volume needs a density; write one in the calibration, such as density: 0.998 kg/L"},
		{append(flow[:len(flow):len(flow)], `k_factor: "100 {pulse}/kg"`, `linear: {gain: "1.0025", offset: 0.05 kg/min}, density: 0.998 kg/h`), "cal.yaml:5:", "0.998 kg/h"},
	} {
		edit := func(s string) []byte { return []byte(strings.NewReplacer(row.edits...).Replace(s)) }
		_, err := Load(fstest.MapFS{"map.yaml": {Data: edit(dimMap)}, "recipe.yaml": {Data: edit(dimRecipe)}, "cal.yaml": {Data: edit(dimCalibration)}},
			"recipe.yaml", "map.yaml", nil)
		require.Error(t, err, row.edits)
		require.Contains(t, err.Error(), row.where, row.edits)
		require.Contains(t, err.Error()+"\n", row.want, row.edits)
	}
	for _, good := range [][]string{nil, append(flow, `k_factor: "100 {pulse}/kg"`, `k_factor: "1.0025", density: 0.998 kg/L`)} {
		edit := func(s string) []byte { return []byte(strings.NewReplacer(good...).Replace(s)) }
		_, err := Load(fstest.MapFS{"map.yaml": {Data: edit(dimMap)}, "recipe.yaml": {Data: edit(dimRecipe)}, "cal.yaml": {Data: edit(dimCalibration)}},
			"recipe.yaml", "map.yaml", nil)
		require.NoError(t, err)
	}
}
