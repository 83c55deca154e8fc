// Recipes that say as much as they may: every record fits its body, and every step the journal's buffer.

package batch

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

func TestARecipeThatSaysAsMuchAsItMaySaysItInStepsThatFit(t *testing.T) {
	const mapping = "mapping: IO\nversion: \"1\"\nschema_version: 1\ndevice_id: C\nequipment_id: T1\ntags:\n" +
		"  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}\n" +
		"  - {logical_tag: ZS1, physical_channel: di/1, direction: in, type: switch, words: [closed, open], stale_after: 99 d}\n"
	long := strings.Repeat(" or elapsed(9 h)", 200)
	alternatives := ""
	for i := range 30 {
		alternatives += fmt.Sprintf("        - {id: A%d, level: phase, when: \"ZS1 == open and elapsed(%d h)%s\", actions: [{mark: x}]}\n", i, i+1, long)
	}
	many := ""
	for i := range 1900 {
		many += fmt.Sprintf("    - {id: P%d, level: phase, timeout: 1 s, entry: ZS1 == closed, actions: [{wait: ZS1 == closed}]}\n", i)
	}
	for name, c := range map[string]struct {
		blocks string
		ends   sequencer.State
	}{
		"alternatives whose conditions are longer than a record": {"    - id: S\n      level: operation\n      timeout: 10 s\n      select:\n" +
			alternatives, sequencer.Held},
		"a long condition that a repeat still waits for": {"    - id: L\n      level: operation\n      timeout: 10 s\n      repeat:\n" +
			"        at_most: 1\n        until: \"ZS1 == open" + long + "\"\n        sequence: [{id: P, level: phase, actions: [{mark: x}]}]\n", sequencer.Held},
		"markers": {"    - id: M\n      level: phase\n      actions:\n" + strings.Repeat("        - mark: \""+strings.Repeat("x", 60)+"\"\n", 9_000),
			sequencer.Complete},
		"phases that wait for nothing": {many, sequencer.Complete},
	} {
		recipe := "recipe: R\nversion: \"1\"\nschema_version: 1\ntitle: T\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\n" +
			"procedure:\n  id: ALL\n  level: procedure\n  sequence:\n" + c.blocks
		plan, err := Load(fstest.MapFS{"map.yaml": {Data: []byte(mapping)}, "recipe.yaml": {Data: []byte(recipe)}}, "recipe.yaml", "map.yaml", nil)
		require.NoError(t, err, name)
		b, err := plan.Bind("B-1", "", Unapproved, nil)
		require.NoError(t, err, name)
		m, most := play(b)
		require.Equal(t, c.ends, m.State(), name)
		require.Less(t, most, MaxBurst/2, name)
		t.Logf("%s: %d bytes in one step", name, most)
	}
}

// play starts a batch whose inputs are all off and gives it its ticks for a minute; most is the most that one step has said.
func play(b *Batch) (m *Machine, most int) {
	m = b.Start()
	now, seq := int64(1), uint64(1)
	step := func(ev Event) {
		ev.Seq = seq
		seq++
		burst := 0
		for _, e := range m.Step(now, &ev, nil) {
			if e.Kind == Record {
				burst, seq = burst+len(e.Body)+32, e.Seq+1
			}
			if len(e.Body) > record.MaxBody {
				burst = MaxBurst
			}
		}
		most = max(most, burst)
	}
	seen := timebase.Observation{Mono: 1, UTC: 1_767_225_600_000_000_000, Sync: timebase.NTPSync, Source: "ntp", Bound: 5}
	step(Event{Kind: Created, Epoch: 1, Observation: seen})
	boot := Event{Kind: Boot, Epoch: 1, Observation: seen}
	for i := range b.Plan.Map.Tags {
		boot.Readback = append(boot.Readback, Reading{Tag: tag.ID(i), Form: tag.Bool, Quality: tag.Good})
	}
	step(boot)
	step(Event{Kind: Told, Command: sequencer.Start, Operator: "op1"})
	for now = m.Wake(); now < 60_000_000_000; now = m.Wake() {
		step(Event{Kind: Tick})
	}
	return m, most
}

func TestATimeThatIsScaledBeyondAllMeasureIsRefused(t *testing.T) {
	const mapping = "mapping: IO\nversion: \"1\"\nschema_version: 1\ndevice_id: C\nequipment_id: T1\ntags:\n" +
		"  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}\n"
	const recipe = "recipe: R\nversion: \"1\"\nschema_version: 1\ntitle: T\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 900 kg}\n" +
		"formula: [{name: long, value: 300 d, scaling: linear}]\n" +
		"procedure:\n  id: ALL\n  level: procedure\n  sequence: [{id: P, level: phase, actions: [{delay: $long}]}]\n"
	plan, err := Load(fstest.MapFS{"map.yaml": {Data: []byte(mapping)}, "recipe.yaml": {Data: []byte(recipe)}}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	for size, ok := range map[string]bool{"1 kg": true, "300 kg": false, "900 kg": false} { // 900 times it are more than 64 bits of ns
		b, err := plan.Bind("B-1", size, Unapproved, nil)
		if require.Equal(t, ok, err == nil, size); ok {
			require.Positive(t, b.Budget())
			continue
		}
		require.ErrorContains(t, err, "of 366 d at most, is wanted, not")
	}
}
