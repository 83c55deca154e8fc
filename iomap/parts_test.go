// Outputs that are parts of what batches share.

package iomap_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap"
)

const partsMap = `mapping: IO
version: "1"
schema_version: 1
device_id: C
equipment_id: T1
tags:
  - {logical_tag: LS1, physical_channel: di/1, direction: in, type: switch, stale_after: 1 s}
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, safe_value: off, stale_after: 1 s, resource: REACTOR}
  - {logical_tag: XV2, physical_channel: do/2, direction: out, type: switch, safe_value: off, stale_after: 1 s}
interlocks: [{interlock_id: IL-1, kind: permissive, when: LS1 == on, debounce: 100 ms, gates: [XV1, XV2]}]
resources: [{resource_id: PUMP}, {resource_id: REACTOR, between_batches: true, equipment_id: R-301}]
`

func TestAnOutputSaysOfWhichEquipmentItIsAPart(t *testing.T) {
	m := parse(t, partsMap)
	require.Equal(t, []int{0, 2, 0}, []int{m.Tags[0].Resource, m.Tags[1].Resource, m.Tags[2].Resource})
	require.Equal(t, "R-301", m.Resources[m.Tags[1].Resource-1].Equipment)

	other := parse(t, strings.NewReplacer(", resource: REACTOR", "", ", equipment_id: R-301", "").Replace(partsMap))
	var words []string
	for _, c := range iomap.Diff(m, other) {
		words = append(words, fmt.Sprint(c))
	}
	text := strings.Join(words, "\n")
	require.Contains(t, text, "XV1")
	require.Contains(t, text, "resource")
	require.Contains(t, text, "equipment_id")
	require.Empty(t, iomap.Diff(m, parse(t, partsMap)))

	var notes []string
	for _, f := range iomap.Check(m, nil) {
		if strings.Contains(f.Text, "REACTOR") {
			notes = append(notes, f.String())
		}
	}
	require.Equal(t, []string{"note: XV1: it is a part of REACTOR, and interlock IL-1 gates it only in the batch that holds that; " +
		"let the PLC, or what it is wired to, keep it safe while nobody has it"}, notes)
}
