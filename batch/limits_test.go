// The limits of one batch: what is beyond them is refused, and what is not fits.

package batch

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// wide makes a plan of so many outputs, inputs, and phases that run at one time, all names as long as can be.
func wide(outputs, inputs, phases int) (*Plan, error) {
	var m, r strings.Builder
	m.WriteString("mapping: WIDE-IO\nversion: \"1\"\nschema_version: 1\ndevice_id: CTRL-01\nequipment_id: T1\ntags:\n")
	name := func(kind string, n int) string { return fmt.Sprintf("%s%060d", kind, n) }
	for i := range outputs {
		fmt.Fprintf(&m, "  - {logical_tag: %s, physical_channel: do/%d, direction: out, type: switch, words: [closed, open], safe_value: closed}\n", name("XV", i), i)
	}
	for i := range inputs {
		fmt.Fprintf(&m, "  - {logical_tag: %s, physical_channel: di/%d, direction: in, type: switch, words: [closed, open], stale_after: 3 s}\n", name("ZS", i), i)
	}
	r.WriteString("recipe: WIDE\nversion: \"1\"\nschema_version: 1\ntitle: Wide\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\nprocedure:\n  id: ALL\n  level: procedure\n  parallel:\n")
	for i := range phases {
		fmt.Fprintf(&r, "    - id: %s\n      level: phase\n      timeout: 1 h\n      actions:\n        - set: {", name("P", i))
		for o := i; o < outputs; o += phases {
			fmt.Fprintf(&r, "%s: open, ", name("XV", o))
		}
		r.WriteString("}\n        - delay: 30 min\n")
	}
	return Load(fstest.MapFS{"map.yaml": {Data: []byte(m.String())}, "recipe.yaml": {Data: []byte(strings.ReplaceAll(r.String(), ", }", "}"))}},
		"recipe.yaml", "map.yaml", nil)
}

func TestWhatIsBeyondTheLimitsOfABatchIsRefused(t *testing.T) {
	_, err := wide(MaxOutputs+1, 0, 2)
	require.EqualError(t, err, "batch: map.yaml: it has 257 outputs; one batch drives 256 at most; give each unit a map of its own")
	_, err = wide(1, 1000, 1)
	require.ErrorContains(t, err, "batch: map.yaml: the read-back of its 1001 tags takes up to 1")
	require.ErrorContains(t, err, "and a record holds 65536; use fewer tags or shorter names")
	_, err = wide(MaxPhases+1, 0, MaxPhases+1)
	require.EqualError(t, err, "batch: recipe.yaml: 129 of its phases may run at one time; 128 is the most")
}

func TestWhatIsWithinTheLimitsFitsARecordAndABurst(t *testing.T) {
	plan, err := wide(MaxOutputs, 280, MaxPhases)
	require.NoError(t, err)
	b, err := plan.Bind("B-"+strings.Repeat("0", 38), "", Unapproved, &BindOptions{Operator: strings.Repeat("o", 40)})
	require.NoError(t, err)
	m, now, seq, most := b.Start(), int64(1), uint64(1), 0
	var writes []Event
	step := func(ev Event) {
		ev.Seq = seq
		if !ev.Kind.Packed() {
			_, err := m.AppendInput(nil, now, &ev)
			require.NoError(t, err)
		}
		seq++
		burst := 0
		for _, e := range m.Step(now, &ev, nil) {
			switch e.Kind {
			case Record:
				burst, seq = burst+len(e.Body)+32, e.Seq+1
			case Write:
				writes = append(writes, Event{Kind: Done, ID: e.Write.ID, OK: true})
			}
		}
		most, now = max(most, burst), now+1_000_000
	}
	seen := timebase.Observation{Mono: 1, UTC: 1_767_225_600_000_000_000, Sync: timebase.NTPSync, Source: "ntp", Bound: 5}
	step(Event{Kind: Created, Epoch: 1, Observation: seen})
	for i := range plan.Files {
		step(Event{Kind: Bound, File: i})
	}
	boot := Event{Kind: Boot, Epoch: 1, Observation: seen}
	for i := range plan.Map.Tags {
		boot.Readback = append(boot.Readback, Reading{Tag: tag.ID(i), Form: tag.Bool, Bits: 1<<64 - 1, Quality: tag.Good})
	}
	step(boot)
	told := func(c sequencer.Command) {
		step(Event{Kind: Told, Command: c, Operator: strings.Repeat("o", 40), Role: "operator", Reason: "a test"})
	}
	for _, c := range []sequencer.Command{sequencer.Start, sequencer.Hold, sequencer.Restart, sequencer.Abort} {
		told(c)
		for len(writes) > 0 {
			ev := writes[0]
			writes = writes[1:]
			step(ev)
		}
	}
	require.Less(t, most, MaxBurst)
	t.Logf("the most that one step says at these limits: %d bytes", most)
}

func TestWhoAnswersForABatchIsNamedOrAUserOfTheBoardOrOfTheBus(t *testing.T) {
	plan, err := wide(1, 0, 1)
	require.NoError(t, err)
	for _, who := range []string{"", "anna", "local:1000", "local:?", "nats:anna", "nats:n-1_a"} {
		b, err := plan.Bind("B-1", "", Unapproved, &BindOptions{Operator: who})
		require.NoError(t, err, who)
		require.Equal(t, cmp.Or(who, "local"), b.Operator)
	}
	for _, who := range []string{"nats:", "nats:?", "nats:local:1000", "nats:nats:anna", "mqtt:anna", "local:nats:anna", "a b"} {
		_, err := plan.Bind("B-1", "", Unapproved, &BindOptions{Operator: who})
		require.ErrorContains(t, err, "are wanted, the first a letter or digit", who)
	}
}
