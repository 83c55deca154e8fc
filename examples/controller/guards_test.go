// Interlocks and alarms in the controller: what a person sees of them, and how a script acknowledges and resets.

package main

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
)

// interlocked are interlocks and alarms for the demo's map.
const interlocked = `
interlocks:
  - interlock_id: IL-HEAT-DRY
    kind: trip
    when: "LT301 < 10.0 L and HS301 == on"
    debounce: 100 ms
    vote_window: 1 s
    vote: 50 %
    latch: until_reset
    gates: [HS301]
    reaction: hold
  - {interlock_id: IL-DRAIN, kind: permissive, when: "SS301 == stopped", debounce: 100 ms, gates: [XV301]}
alarms:
  - {alarm_id: TAH301, message: Temperature high, priority: high, when: "TT301 > 40.00 Cel", off_delay: 1 s}
  - {alarm_id: LAL301, message: The heater fell dry, priority: urgent, fault: interlock, of: IL-HEAT-DRY}
`

func TestAnInterlockAndItsAlarmAreSeenAcknowledgedAndReset(t *testing.T) {
	workplace(t)
	src, err := os.ReadFile("map.yaml")
	require.NoError(t, err)
	write(t, "map.yaml", string(src)+interlocked)
	write(t, "script", `at 21s silent ai/3 4s
at 24s command acknowledge op1 "I look after it" LAL301
at 24.5s command restart op1 "too early"
at 26s command reset_interlock op1 "the level is back" IL-HEAT-DRY
at 27s command restart op1 "go on"
`)
	o := controller("-virtual", "-unapproved", "-recipe", "recipe.yaml", "-map", "map.yaml", "-faults", "script")
	require.Equal(t, exitOK, o.code, o)
	require.Contains(t, o.out, "trip IL-HEAT-DRY tripped, it blocks: LT301 < 10.0 L and HS301 == on [LT301=")
	require.Contains(t, o.out, "ALARM LAL301 raised (urgent priority): The heater fell dry")
	require.Contains(t, o.out, "op1 orders restart, because: too early: refused (interlock IL-HEAT-DRY blocks: LT301 < 10.0 L and HS301 == on; ")
	require.Contains(t, o.out, "op1 orders acknowledge LAL301, because: I look after it: accepted\n")
	require.Contains(t, o.out, "op1 orders reset_interlock IL-HEAT-DRY, because: the level is back: accepted\n")
	require.Contains(t, o.out, "trip IL-HEAT-DRY reset, it permits")
	require.Contains(t, o.out, "ALARM LAL301 acknowledged (urgent priority)")
	require.Contains(t, o.out, "DISCHARGE  waits: permissive IL-DRAIN wants: SS301 == stopped; SS301=stopped GOOD")
	all := records(t, "out/B-0001")
	trips := of(all, record.KindInterlock)
	trip := trips[slices.IndexFunc(trips, func(r *record.Record) bool { return r.Text(record.Result) == "tripped" })]
	require.Equal(t, "STALE", trip.Text(record.Quality))
	require.EqualValues(t, 1000, trip.Int(record.VoteWindowMS))
	require.Equal(t, "outputs_safe", of(all, record.KindBatchEnd)[0].Text(record.Result))
}
