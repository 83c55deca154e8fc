// What is said of orders, changes and answers that are refused stands in decisions, and a replay compares it.

package batch

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// odd is text that a person may type, some of which not every build of Go takes for printable.
const odd = "\u00fc \u00ad \u1c89 \U0001fae9 \x01 \"\\"

const oddMap = `mapping: IO
version: "1"
schema_version: 1
device_id: C
equipment_id: T1
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed}
  - {logical_tag: TT, physical_channel: ai/1, direction: in, type: number, form: int, resolution: 0.1 Cel, gain: 0.1 Cel, stale_after: 60 s}
`

const oddRecipe = `recipe: R
version: "1"
schema_version: 1
title: T
batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}
formula:
  - {name: low, value: 20 Cel, min: 0 Cel, max: 100 Cel}
  - {name: high, value: 50 Cel, min: 0 Cel, max: 100 Cel}
  - {name: same, value: $high}
  - {name: top, value: 60 Cel}
  - {name: limit, value: 10 s}
  - {name: cold, value: 0 Cel}
  - {name: done, value: 20 Cel}
  - {name: soak, value: 1 h}
procedure:
  id: P
  level: procedure
  sequence:
    - {id: ASK, level: phase, timeout: $limit, actions: [{prompt: {text: a, answer: text, max_length: 20}}, {prompt: b}]}
    - id: ROUTE
      level: operation
      timeout: 1 min
      select:
        - {id: HOT, level: phase, when: TT > $top and TT < 200 Cel, timeout: 1 min, actions: [{prompt: x}]}
        - {id: WARM, level: phase, when: TT > $high and TT < 200 Cel, timeout: 1 min, actions: [{prompt: x}]}
        - {id: BAND, level: phase, when: TT >= $low and TT <= $high or TT < $cold, timeout: 1 min, actions: [{prompt: x}]}
        - {id: COLD, level: phase, otherwise: true, timeout: 1 min, actions: [{prompt: x}]}
    - id: ROUNDS
      level: operation
      timeout: 1 min
      repeat: {at_most: 5, until: TT > $done and TT <= 90 Cel, sequence: [{id: R, level: phase, timeout: $soak, actions: [{prompt: x}]}]}
`

// oddBatch binds that recipe on that map.
func oddBatch(t testing.TB) *Batch {
	p, err := Load(fstest.MapFS{"map.yaml": {Data: []byte(oddMap)}, "recipe.yaml": {Data: []byte(oddRecipe)}}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := p.Bind("B-1", "", Unapproved, nil)
	require.NoError(t, err)
	return b
}

// refusals tells a batch a number of things and returns what it says of each.
func refusals(t *testing.T, events ...Event) (said []string) {
	m, seq := oddBatch(t).Start(), uint64(0)
	known := timebase.Observation{Mono: 1, UTC: 1_750_000_000_000_000_000, Sync: timebase.RTCOnly, Source: "seed"}
	for _, ev := range append([]Event{{Kind: Boot, Epoch: 1, Observation: known, Readback: []Reading{{Form: tag.Bool, Quality: tag.Good}}}, {Kind: Told, Command: sequencer.Start},
		{Kind: Told, Command: sequencer.Hold}, {Kind: Tick}}, events...) {
		seq++
		ev.Seq, ev.Operator, ev.Role, ev.Reason = seq, "o", "r", "x"
		for _, e := range m.Step(int64(seq), &ev, nil) {
			if e.Kind != Record {
				continue
			}
			seq = e.Seq
			rec, err := record.Parse(e.Body)
			require.NoError(t, err)
			if rec.Kind == record.KindCommandResult {
				said = append(said, fmt.Sprintf("%s: %s: %s", rec.Text(record.Command), rec.Text(record.Result), rec.Text(record.Detail)))
			}
		}
	}
	return said[2:]
}

func TestWhatIsSaidOfARefusalIsThatOfTheEngineNumber(t *testing.T) {
	lines := []string{fmt.Sprintf("engine %d: what is worded anew here makes another", Engine)}
	order := func(c sequencer.Command, step, name, value string) Event {
		return Event{Kind: Told, Command: c, Step: step, Name: name, Value: value}
	}
	change := func(name, value string) Event { return order(sequencer.Change, "", name, value) }
	answer := func(id uint32, value string) Event { return Event{Kind: Answered, ID: id, Value: value} }
	lines = append(lines, refusals(t, order(sequencer.Comment, odd, "", ""), order(sequencer.Hold, odd, "", ""), order(sequencer.Acknowledge, "", odd, ""),
		order(sequencer.ResetInterlock, "", odd, ""), order(sequencer.Change, "ASK", "low", "1 Cel"), change("low", odd), change(odd, "1 Cel"),
		change("low", "\u00a01 Cel"), change("low", "1 \u00b0C"), change("same", "1 Cel"), change("low", "1 kg"), change("low", "1"), change("low", "101 Cel"),
		change("high", "-1 Cel"), change("low", "20.05 Cel"), change("soak", "1 s"), change("limit", "0 s"), change("limit", "1 h"), change("limit", "3600 s"),
		answer(9, odd), answer(1, odd+odd), answer(1, "\u00a0\u3000 "), answer(1, odd), answer(1, odd))...)
	lines = append(lines, refusals(t, change("low", "70 Cel"), change("top", "40 Cel"), change("high", "10 Cel"), change("high", "60 Cel"), change("top", "300 Cel"),
		change("cold", "20 Cel"), change("done", "90 Cel"), change("cold", "-5 Cel"))...)
	lines = append(lines, refusals(t, order(sequencer.Restart, "", "", ""), change("low", "1 Cel"))...)

	for _, c := range []struct {
		a    recipe.Answer
		text string
	}{
		{recipe.Answer{Kind: recipe.AnswerConfirm}, odd},
		{recipe.Answer{Kind: recipe.AnswerNumber, Min: amount(t, "1 kg"), Max: amount(t, "5 kg"), Resolution: amount(t, "0.1 kg")}, odd},
		{recipe.Answer{Kind: recipe.AnswerNumber, Min: amount(t, "1 kg"), Max: amount(t, "5 kg"), Resolution: amount(t, "0.1 kg")}, "6 kg"},
		{recipe.Answer{Kind: recipe.AnswerNumber, Min: amount(t, "1 kg"), Max: amount(t, "5 kg"), Resolution: amount(t, "0.1 kg")}, "1.05 kg"},
		{recipe.Answer{Kind: recipe.AnswerChoice, Choices: []string{"left", "right"}}, odd},
		{recipe.Answer{Kind: recipe.AnswerText, MaxLength: 4}, odd},
	} {
		_, why := c.a.Check(c.text)
		lines = append(lines, "answer: "+why)
	}
	band := edited(t, demo, "", "TT301 >= 58.00 Cel", "TT301 >= 58.00 Cel and TT301 < $temperature")
	tanks := edited(t, words, "200 L")
	for _, c := range []struct {
		b           *Batch
		name, value string
	}{
		{band, "temperature", "50 Cel"}, {band, "coarse_short", "-1 kg"}, {band, "tolerance", "-1 kg"}, {band, "tolerance", "0.005 kg"},
		{band, "tolerance", "9223372036854775807 kg"}, {band, "hold_time", "0 s"}, {tanks, "full", "30.05 L"}, {tanks, "volume", "301 L"},
	} {
		begun := c.b.bound()
		_, why := c.b.change(&begun, c.name, amount(t, c.value))
		lines = append(lines, Clean(why))
	}
	for _, line := range lines {
		require.NotContains(t, line, "\u1c89")
		require.Regexp(t, `^[ -~]*$`, line, "what somebody has typed is quoted in ASCII")
	}
	golden.Check(t, "testdata/refusals.golden", []byte(strings.Join(lines, "\n")+"\n"))
}

func TestAChangeToTheValueThatIsInForceIsNotCompiled(t *testing.T) {
	b := oddBatch(t)
	f := b.bound()
	for _, value := range []string{"10 s", "10.00 s", "10000 ms"} {
		next, why := b.change(&f, "limit", amount(t, value))
		require.Empty(t, why)
		require.Same(t, f.prog, next.prog)
	}
	next, why := b.change(&f, "limit", amount(t, "11 s"))
	require.Empty(t, why)
	require.NotSame(t, f.prog, next.prog)
}
