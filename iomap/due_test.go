// What is due of a map.

package iomap

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
)

func TestWhatIsDueIsToldAndNothingIsChanged(t *testing.T) {
	m, err := Parse("map.yaml", []byte(`
mapping: M
version: "1"
schema_version: 1
device_id: D
equipment_id: E
tags:
  - {logical_tag: S, physical_channel: di/1, direction: in, type: switch, words: ["off", "on"], debounce: 50 ms, stale_after: 1 s}
`))
	require.NoError(t, err)
	k := NewMachine(m)
	due := func(at int64) (list []string) {
		before := k.Snapshot(nil)
		k.Dues(at, func(id tag.ID, what DueKind) { list = append(list, fmt.Sprint(id, what == DueAge)) })
		require.Equal(t, before, k.Snapshot(nil))
		return list
	}
	const ms = int64(1_000_000)
	require.Empty(t, due(10_000*ms), "nothing was seen")
	k.Step(ms, &Event{Kind: Sample, Form: tag.Bool, Quality: tag.Good}, nil)
	k.Step(900*ms, &Event{Kind: Sample, Form: tag.Bool, Bits: 1, Quality: tag.Good}, nil)
	require.Empty(t, due(949*ms))
	require.Equal(t, []string{"0 false"}, due(950*ms))
	require.Equal(t, []string{"0 false"}, due(1500*ms), "the deadline of the older value is over, and a newer one has come")
	require.Equal(t, []string{"0 false", "0 true"}, due(1900*ms+1))
}
