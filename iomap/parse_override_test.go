// Tests of the overrides of a map file.

package iomap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const overrideMap = `
mapping: m
version: "1"
schema_version: 1
device_id: d
equipment_id: e
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, form: bool, words: [closed, open], safe_value: closed, stale_after: 1 s}
  - {logical_tag: REQ, physical_channel: do/2, direction: out, type: switch, form: bool, words: [rest, trip], safe_value: rest, stale_after: 1 s}
  - {logical_tag: LT1, physical_channel: ai/1, direction: in, type: number, form: int, resolution: 0.1 L, gain: 0.1 L, stale_after: 1 s}
  - {logical_tag: ES1, physical_channel: di/1, direction: in, type: switch, form: bool, stale_after: 1 s}
  - {logical_tag: FC1, physical_channel: ctr/1, direction: in, type: counter, form: int, unit: "{pulse}", stale_after: 1 s}
trip_request: {tag: REQ, value: trip, confirm: "ES1 == on", within: 1 s}
overrides:
`

func TestAnOverrideOfAMapSaysWhoMayHaveWhatWhenAndForHowLong(t *testing.T) {
	m, err := Parse("map.yaml", []byte(overrideMap+`
  - {override_id: OV-1, tags: [XV1, LT1], roles: [maintenance, lead], held: true, when: "LT1 < 80 L", limit: 15 min, over_boot: continues}
  - {override_id: OV-2, tags: [XV1], roles: [lead], limit: 24 h}
`))
	require.NoError(t, err)
	require.Len(t, m.Overrides, 2)
	o := &m.Overrides[0]
	require.Equal(t, []string{"maintenance", "lead"}, o.Roles)
	require.Equal(t, "LT1 < 80 L", o.Text)
	require.True(t, o.Held && o.OverBoot)
	require.Equal(t, int64(900_000_000_000), o.Limit)
	require.Len(t, o.Tags, 2)
	require.False(t, m.Overrides[1].OverBoot || m.Overrides[1].Held)
	require.Equal(t, 1, m.Override("OV-2"))
	require.Equal(t, -1, m.Override("OV-3"))
}

func TestAnOverrideThatWouldBeWrongIsRefusedWithItsLine(t *testing.T) {
	for entry, want := range map[string]string{
		`{override_id: A, tags: [FC1], roles: [r], limit: 1 min}`:                                "is a counter; what has flowed cannot be forced",
		`{override_id: A, tags: [REQ], roles: [r], limit: 1 min}`:                                "nobody may have it",
		`{override_id: A, tags: [ES1], roles: [r], limit: 1 min}`:                                "nobody may pretend that",
		`{override_id: A, tags: [XV1, XV1], roles: [r], limit: 1 min}`:                           "stands twice in tags",
		`{override_id: A, tags: [], roles: [r], limit: 1 min}`:                                   "names no tag",
		`{override_id: A, tags: [XV1], roles: [], limit: 1 min}`:                                 "names no role",
		`{override_id: A, tags: [XV1], roles: [r, r], limit: 1 min}`:                             "stands twice",
		`{override_id: A, tags: [XV1], roles: [r], limit: 25 h}`:                                 "whole milliseconds from 1 s to 24 h",
		`{override_id: A, tags: [XV1], roles: [r], limit: 1 min, when: "stable(LT1, 1 L, 1 s)"}`: "leave stable out",
		`{override_id: A, tags: [XV1], roles: [r], limit: 1 min, when: "elapsed(1 s)"}`:          "elapsed counts from where a step begins",
		`{override_id: A, tags: [XV9], roles: [r], limit: 1 min}`:                                "XV9",
		`{override_id: A, tags: [XV1], roles: [r], limit: 1 min, over_boot: maybe}`:              "must be one of ends, continues",
		`{override_id: A, tags: [XV1], roles: [r]}`:                                              "limit",
	} {
		_, err := Parse("map.yaml", []byte(overrideMap+"  - "+entry+"\n"))
		require.ErrorContains(t, err, want, entry)
		require.ErrorContains(t, err, "map.yaml:", entry)
	}
	var many strings.Builder
	for i := range MaxOverrides {
		fmt.Fprintf(&many, "  - {override_id: A%d, tags: [XV1, LT1], roles: [r], limit: 1 min}\n", i)
	}
	_, err := Parse("map.yaml", []byte(overrideMap+many.String()))
	require.NoError(t, err)
	_, err = Parse("map.yaml", []byte(overrideMap+many.String()[:strings.LastIndex(strings.TrimRight(many.String(), "\n"), "\n")]+"\n  - {override_id: B, tags: [XV1, LT1, REQ], roles: [r], limit: 1 min}\n"))
	require.Error(t, err)
}
