// Tests of answers to prompts: which fit what is wanted, and what is said of those that do not.

package recipe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

// prompts reads actions that are prompts, each written as a value of the key.
func prompts(t *testing.T, values ...string) (list []Action) {
	src := strings.Replace(frame, "HEADER\n", "formula: [{name: charge, value: 120.00 kg, min: 50 kg, max: 250 kg}]\n", 1) +
		"    - {id: ASK, level: phase, timeout: 1 h, actions: [{prompt: " + strings.Join(values, "}, {prompt: ") + "}]}\n"
	r, err := Parse("recipe.yaml", []byte(src))
	require.NoError(t, err)
	return r.Root.Children[1].Actions
}

func TestAnAnswerFitsWhatIsWantedOrIsToldWhatIs(t *testing.T) {
	const number = "{text: a, answer: number, min: 1 kg, max: 5 kg, resolution: 0.01 kg}"
	for _, c := range []struct{ prompt, answer, why string }{
		{"a", "", ""},
		{"a", "whatever", ""},
		{"{text: a, answer: confirm}", "yes", ""},
		{"{text: a, answer: confirm}", "no", "only yes confirms it; hold the batch where it cannot be confirmed"},
		{"{text: a, answer: confirm}", "Yes", "only yes confirms it; hold the batch where it cannot be confirmed"},
		{number, "1 kg", ""},
		{number, "5.00 kg", ""},
		{number, "2500 g", ""},
		{number, "2.5", `a number from 1 kg to 5 kg in steps of 0.01 kg is wanted, with its unit, such as "1 kg"`},
		{number, "2,5 kg", `a number from 1 kg to 5 kg in steps of 0.01 kg is wanted, with its unit, such as "1 kg"`},
		{number, "2.5 L", `a number from 1 kg to 5 kg in steps of 0.01 kg is wanted, with its unit, such as "1 kg"`},
		{number, "", `a number from 1 kg to 5 kg in steps of 0.01 kg is wanted, with its unit, such as "1 kg"`},
		{number, "0.99 kg", "0.99 kg is outside the limits; a number from 1 kg to 5 kg in steps of 0.01 kg is wanted"},
		{number, "5001 g", "5001 g is outside the limits; a number from 1 kg to 5 kg in steps of 0.01 kg is wanted"},
		{number, "9223372036854775807 t", "9223372036854775807 t is outside the limits; a number from 1 kg to 5 kg in steps of 0.01 kg is wanted"},
		{number, "2505 g", "2505 g is no whole number of 0.01 kg; a number from 1 kg to 5 kg in steps of 0.01 kg is wanted"},
		{"{text: a, answer: number, min: -3, max: 3}", "0.001", ""},
		{"{text: a, answer: number, min: -3, max: 3}", "3.5", "3.5 is outside the limits; a number from -3 to 3 is wanted"},
		{"{text: a, answer: choice, choices: [left, right side]}", "right side", ""},
		{"{text: a, answer: choice, choices: [left, right side]}", "right", "one of left, right side is wanted"},
		{"{text: a, answer: text, max_length: 3}", "äöü", ""},
		{"{text: a, answer: text, max_length: 3}", "abcd", "a text of at most 3 characters is wanted; it has 4"},
		{"{text: a, answer: text, max_length: 3}", " ", "a text of at most 3 characters is wanted; it has 1"},
	} {
		q, why := prompts(t, c.prompt)[0].Answer.Check(c.answer)
		require.Equal(t, c.why, why, "%s: %q", c.prompt, c.answer)
		if why == "" && strings.Contains(c.prompt, "number") {
			require.Equal(t, c.answer, q.String())
		}
	}
}

func TestPromptsThatWantOtherAnswersHaveOtherWords(t *testing.T) {
	said := map[string]bool{}
	all := prompts(t, "a", "{text: a, answer: confirm}", "{text: a, answer: number, min: 60 kg, max: 200 kg}",
		"{text: a, answer: number, min: 60 kg, max: 200 kg, resolution: 1 kg}", "{text: a, answer: number, min: 60 kg, max: 200 kg, into: charge}",
		"{text: a, answer: choice, choices: [a, b]}", "{text: a, answer: choice, choices: [a, c]}", "{text: a, answer: text, max_length: 3}",
		"{text: a, answer: text, max_length: 4}")
	for i := range all {
		said[all[i].String()] = true
	}
	require.Len(t, said, len(all))
	require.Equal(t, `ask the operator "a"`, all[0].String())
	require.Equal(t, `ask the operator "a" for a number from 60 kg to 200 kg, which becomes $charge`, all[4].String())
}

func TestAChangedFormulaHoldsItsLimitsAndThoseOfWhatFollows(t *testing.T) {
	src := strings.Replace(frame, "HEADER\n", "formula: [{name: charge, value: 120.00 kg, min: 50 kg, max: 250 kg, scaling: linear},"+
		" {name: level, value: $charge, max: 400 kg}, {name: third, value: $level}, {name: hot, value: 60 Cel}, {name: soak, value: 5 min}]\n", 1) +
		`    - {id: A, level: phase, timeout: $soak, actions: [{wait: "WT >= $third"}, {set: {TIC: $hot}}]}` + "\n" +
		`    - {id: B, level: phase, timeout: 1 h, actions: [{open_window: {window: W, meter: M, target: $charge, tolerance: 1 kg}}, {close_window: W}]}` + "\n"
	r, err := Parse("recipe.yaml", []byte(src))
	require.NoError(t, err)
	f, err := r.Resolve(r.Max)
	require.NoError(t, err)
	for _, c := range []struct{ name, value, why string }{
		{"charge", "250 kg", ""},
		{"charge", "251 kg", "parameter charge: 251 kg is above its max 250 kg"},
		{"charge", "49.99 kg", "parameter charge: 49.99 kg is below its min 50 kg"},
		{"charge", "0.1 t", ""},
		{"charge", "100 L", `parameter charge is in kg, and "100 L" measures something else`},
		{"level", "100 kg", "parameter level has the value of $charge; change that"},
		{"third", "100 kg", "parameter third has the value of $level; change that"},
		{"cold", "5 Cel", `no parameter "cold"; the formula has charge, level, third, hot, soak`},
		{"hot", "70 K", `parameter hot is in Cel, and "70 K" measures something else`},
		{"soak", "90 s", ""},
		{"soak", "100 s", `"100 s" does not come out in min; write it so`},
	} {
		before := quantities(t, c.value)
		next, err := r.Change(f, c.name, before)
		if c.why != "" {
			require.EqualError(t, err, c.why)
			continue
		}
		require.NoError(t, err)
		got, _ := next.Lookup(c.name)
		was, _ := f.Lookup(c.name)
		require.Equal(t, was.Unit, got.Unit)
		equal, err := got.Cmp(before)
		require.NoError(t, err)
		require.Zero(t, equal)
		if c.name == "charge" {
			third, _ := next.Lookup("third")
			require.Equal(t, got, third)
		}
	}
	was, _ := f.Lookup("charge")
	require.Equal(t, "240.00 kg", was.String(), "the formula itself stays as it is")
	require.Equal(t, []string{"A", "B"}, r.Uses("charge"))
	require.Equal(t, []string{"level", "third"}, r.Follow("charge"))
	require.Equal(t, []string{"A"}, r.Uses("soak"))
	require.Equal(t, []string{"A"}, r.Uses("hot"))
}

func TestEveryKindOfAnswerIsWantedByARecipeThatIsRight(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("testdata", "right", "weigh.yaml"))
	require.NoError(t, err)
	r, err := Parse("weigh.yaml", src)
	require.NoError(t, err)
	seen := map[AnswerKind]bool{}
	for _, e := range r.Root.Children {
		for i := range e.Actions {
			if e.Actions[i].Kind == Prompt {
				seen[e.Actions[i].Answer.Kind] = true
			}
		}
	}
	require.Len(t, seen, int(answerKinds))
}

func quantities(t *testing.T, text string) quantity.Quantity {
	q, err := quantity.Parse(text)
	require.NoError(t, err)
	return q
}
