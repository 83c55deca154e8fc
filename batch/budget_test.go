// The evidence budget is above what batches take, and follows from what their recipe allows.

package batch

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestABudgetFollowsTimeOutsDelaysAndBranches(t *testing.T) {
	const mapping = "mapping: IO\nversion: \"1\"\nschema_version: 1\ndevice_id: C\nequipment_id: T1\ntags:\n" +
		"  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}\n" +
		"  - {logical_tag: ZS1, physical_channel: di/1, direction: in, type: switch, words: [closed, open], stale_after: 2 s}\n"
	budget := func(block string, phases ...string) int64 {
		r := "recipe: R\nversion: \"1\"\nschema_version: 1\ntitle: T\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\n" +
			"procedure:\n  id: ALL\n  level: procedure\n  " + block + ":\n"
		for i, p := range phases {
			if !strings.Contains(p, "level: operation") {
				p = "      level: phase\n" + p
			}
			r += fmt.Sprintf("    - id: P%d\n%s", i, p)
		}
		plan, err := Load(fstest.MapFS{"map.yaml": {Data: []byte(mapping)}, "recipe.yaml": {Data: []byte(r)}}, "recipe.yaml", "map.yaml", nil)
		require.NoError(t, err)
		b, err := plan.Bind("B-1", "", Unapproved, nil)
		require.NoError(t, err)
		return b.Budget() - 5*int64(len(r)+len(mapping)+perBatch) - 3*least
	}
	delay := "      actions:\n        - delay: 1000 s\n"
	wait := "      timeout: 600 s\n      actions:\n        - wait: ZS1\n"
	const rate = perSecond + perBlock + readings*perReading/2
	require.EqualValues(t, 5*(perAction+1000*rate), budget("sequence", delay))
	require.EqualValues(t, 5*(perAction+600*rate), budget("sequence", wait))
	require.EqualValues(t, 5*(2*perAction+1600*rate), budget("sequence", delay, wait))
	require.EqualValues(t, 5*(2*perAction+1000*rate), budget("parallel", delay, wait))
	require.Equal(t, int64(5*(perAction+1_000_000*rate)), budget("sequence", strings.Replace(delay, "1000 s", "1000000 s", 1)))

	// A repeat takes all its rounds, with the look whether it is over; a select takes the longest alternative.
	block := "      level: operation\n      timeout: 100 s\n      "
	repeat := block + "repeat:\n        until: ZS1\n        at_most: 7\n        sequence:\n          - {id: Q, level: phase, actions: [{delay: 50 s}]}\n"
	require.EqualValues(t, 5*(14*perAction+7*150*rate), budget("sequence", repeat))
	choose := block + "select:\n        - {id: Q1, level: phase, when: ZS1, actions: [{delay: 50 s}]}\n" +
		"        - {id: Q2, level: phase, otherwise: true, actions: [{delay: 20 s}, {delay: 20 s}]}\n"
	require.EqualValues(t, 5*(3*perAction+150*rate), budget("sequence", choose))
	again := strings.Replace(choose, "100 s\n", "100 s\n      on_timeout: {retry: 9, then: hold}\n", 1)
	require.EqualValues(t, 5*(12*perAction+1050*rate), budget("sequence", again), "it may wait for an alternative ten times")
	logic := strings.Replace(wait, "      actions", "      on_hold: {timeout: 9 s, actions: [{delay: 5 s}]}\n      actions", 1)
	require.EqualValues(t, 5*(2*perAction+600*rate), budget("sequence", logic))
}
