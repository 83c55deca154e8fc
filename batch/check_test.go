// Claims about what is found where a recipe meets a map.

package batch

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
)

func TestWhatARecipeCannotDoOnItsMapIsFound(t *testing.T) {
	files := fstest.MapFS{"map.yaml": {Data: []byte(`
mapping: M
version: "1"
schema_version: 1
device_id: D
equipment_id: E
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, safe_value: off, stale_after: 3 s}
  - {logical_tag: XV2, physical_channel: do/2, direction: out, type: switch, safe_value: off, stale_after: 3 s}
  - {logical_tag: TT1, physical_channel: ai/1, direction: in, type: number, form: int, resolution: 1 Cel, gain: 1 Cel, stale_after: 3 s, filter: {type: exponential, time_constant: 60 s}}
  - {logical_tag: LT1, physical_channel: ai/2, direction: in, type: number, form: int, resolution: 1 L, gain: 1 L, stale_after: 3 s, min: 0 L, max: 100 L}
  - {logical_tag: SPARE, physical_channel: di/1, direction: in, type: switch, stale_after: 3 s}
interlocks:
  - {interlock_id: IL-2, kind: permissive, when: "LT1 > 5 L", debounce: 5 s, gates: [XV2]}
`)}}
	recipe := func(wait string) string {
		return fmt.Sprintf(`
recipe: R
version: "1"
schema_version: 1
title: R
batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}
procedure:
  id: P
  level: phase
  timeout: 30 s
  actions:
    - set: {XV1: on}
    - wait: %q
    - set: {XV1: off}
`, wait)
	}
	check := func(wait string) string {
		files["recipe.yaml"] = &fstest.MapFile{Data: []byte(recipe(wait))}
		plan, err := Load(files, "recipe.yaml", "map.yaml", nil)
		require.NoError(t, err)
		list, err := plan.Check(&iomap.CheckOptions{Period: func(tag.ID) int64 { return 1_000_000_000 }})
		require.NoError(t, err)
		again, err := plan.Check(nil)
		require.NoError(t, err)
		require.NotEmpty(t, again)
		var text strings.Builder
		for _, f := range list {
			text.WriteString(f.String() + "\n")
		}
		return text.String()
	}
	for wait, want := range map[string]string{
		"TT1 > 50 Cel":                               "wrong: P/2: it waits for TT1, which is late by 1 min, and its time-out is 30 s; ",
		"stable(LT1, 1 L, 30 s)":                     "wrong: P/2: LT1 must be stable for 30 s, and the time-out is 30 s; ",
		"stable(LT1, 1 L, 500 ms)":                   "warning: P/2: LT1 is read every 1 s, and must be stable for 500 ms: one reading is enough for that; ",
		"LT1 > 5 L and elapsed(40 s)":                "wrong: P/2: it waits for 40 s, and its time-out is 30 s; ",
		"LT1 > 5 L and (TT1 > 50 Cel or LT1 > 50 L)": "note: interlock IL-2: R sets no output that it gates; ",
	} {
		require.Contains(t, check(wait), want)
	}
	text := check("LT1 > 5 L")
	require.NotContains(t, text, "P/2")
	require.Contains(t, text, "note: map: R goes by none of TT1, SPARE, nor does the map; ")
	files["recipe.yaml"] = &fstest.MapFile{Data: []byte(recipe("LT1 > 100 L"))}
	_, err := Load(files, "recipe.yaml", "map.yaml", nil)
	require.ErrorContains(t, err, "LT1 > 100 L", "a level above what the tag can be is never reached")
}

func TestTheTableOfSafeStatesIsBoundWhereTheMapSaysSomethingOfFaults(t *testing.T) {
	b := inputBatch(t)
	d := newDesk(t, b)
	require.NotContains(t, string(d.list[2]), "safe_state_table")
	b.Plan.Map.Tags[0].Faults.Depends = []tag.ID{2}
	d = newDesk(t, b)
	require.Contains(t, string(d.list[2]), `"object_kind":"mapping"`)
	require.Contains(t, string(d.list[2]), `"safe_state_table":"`+iomap.SafeStatesDigest(b.Plan.Map)+`"`)
}
