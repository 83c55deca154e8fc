// Tests of what interlocks and alarms of a map file become, and of how many there may be.

package iomap_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

func TestInterlocksAndAlarmsAreReadAsTheyStand(t *testing.T) {
	m := parse(t, guardTags+`
interlocks:
  - interlock_id: IL-DRY
    kind: trip
    when: "LT1 < 10 L  and (ZS1 == open or LT1 < 5 L)"
    debounce: 100 ms
    vote_window: 333 ms
    vote: 60 %
    latch: until_reset
    gates: [XV2, XV1]
    reaction: hold
  - {interlock_id: ESTOP, kind: safety_trip, when: ZS1, debounce: 10 ms, gates: [], reaction: hard_abort}
  - {interlock_id: READY, kind: permissive, when: "stable(LT1, 1 L, 3 s)", debounce: 1 s, gates: [XV1]}
alarms:
  - {alarm_id: LAH, message: Level high, priority: high, when: "LT1 > 90 L", delay: 2 s, off_delay: 500 ms}
  - {alarm_id: DRY, message: Dry, priority: urgent, fault: interlock, of: IL-DRY}
  - {alarm_id: XV, message: Valve, priority: low, fault: output_fault, of: XV1}
  - {alarm_id: Q, message: Value, priority: medium, fault: quality}
`)
	require.Len(t, m.Interlocks, 3)
	i := m.Interlocks[0]
	require.Equal(t, "LT1 < 10 L and (ZS1 == open or LT1 < 5 L)", i.Text)
	require.Equal(t, []tag.ID{lt1, zs1}, i.Used)
	require.Equal(t, cond.Filter{On: 100 * ms, Off: 100 * ms, Window: 333 * ms, Need: 199_800_000}, i.Filter)
	require.Equal(t, []tag.ID{xv2, xv1}, i.Gates)
	require.True(t, i.Latch && i.Kind == iomap.TripKind && i.Reaction == iomap.ReactHold && i.Vote == 60)
	require.Equal(t, []string{"safety_trip", "hard_abort"}, []string{m.Interlocks[1].Kind.String(), m.Interlocks[1].Reaction.String()})
	require.Equal(t, []string{"permissive", "none"}, []string{m.Interlocks[2].Kind.String(), m.Interlocks[2].Reaction.String()})
	a := m.Alarms[0]
	require.Equal(t, []string{"LAH", "Level high", "high", "LT1 > 90 L"}, []string{a.ID, a.Message, a.Priority, a.Text})
	require.Equal(t, cond.Filter{On: 2000 * ms, Off: 500 * ms}, a.Filter)
	require.Equal(t, 0, m.Alarms[1].Interlock)
	require.Equal(t, xv1, m.Alarms[2].Of)
	require.Equal(t, tag.None, m.Alarms[3].Of)
	require.Equal(t, "quality", m.Alarms[3].Fault.String())
}

func TestTheNumberAndTheWordsOfGuardsAreBounded(t *testing.T) {
	list := func(head, entry string, n int) string {
		var src strings.Builder
		src.WriteString(guardTags + head + ":\n")
		for i := range n {
			fmt.Fprintf(&src, entry+"\n", i)
		}
		return src.String()
	}
	refused := func(src, why string) {
		t.Helper()
		_, err := iomap.Parse("map.yaml", []byte(src))
		require.ErrorContains(t, err, why)
	}
	const il = "  - {interlock_id: I%d, kind: permissive, when: ZS1, debounce: 100 ms, gates: [XV1]}"
	require.Len(t, parse(t, list("interlocks", il, iomap.MaxInterlocks)).Interlocks, iomap.MaxInterlocks)
	refused(list("interlocks", il, iomap.MaxInterlocks+1), `"interlocks" has 65 entries, more than the limit of 64`)
	const al = "  - {alarm_id: I%d, message: m, priority: low, when: ZS1}"
	require.Len(t, parse(t, list("alarms", al, iomap.MaxAlarms)).Alarms, iomap.MaxAlarms)
	refused(list("alarms", al, iomap.MaxAlarms+1), `"alarms" has 129 entries, more than the limit of 128`)
	long := "ZS1" + strings.Repeat(" or LT1 > 10 L", 15)
	refused(list("alarms", "  - {alarm_id: I%d, message: m, priority: low, when: "+long+"}", 1), "200 are the most")
	many := guardTags
	names := []string{}
	for i := range iomap.MaxUsed + 1 {
		names = append(names, fmt.Sprintf("T%d", i))
		many += fmt.Sprintf("  - {logical_tag: T%d, physical_channel: di/9%d, direction: in, type: switch, stale_after: 2 s}\n", i, i)
	}
	refused(many+"alarms: [{alarm_id: A, message: m, priority: low, when: "+strings.Join(names, " and ")+"}]", "names 9 tags; 8 are the most")
}
