// Tests of packages of batches in which a parameter was changed: targets are those of the value that was in force.

package evidence

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// changed makes a package of a batch in whose first window, while it was held, the charge was changed twice.
func changed(t *testing.T) (dir string) {
	dir = t.TempDir()
	b := tinyBatch(t, "B-0001", approved{})
	r := begin(t, dir, b)
	r.rounds(0, 4)
	r.tell(sequencer.Hold)
	r.until(r.now + 100*ms)
	require.Equal(t, sequencer.Held, r.m.State())
	for _, value := range []string{"1.20 kg", "1300 g", "7 L"} {
		r.step(batch.Event{Kind: batch.Told, Command: sequencer.Change, Name: "charge", Value: value, Operator: "o.shift", Role: "operator", Reason: "weaker lot"})
	}
	r.rounds(4, 300)
	r.end()
	require.True(t, honest(t, dir, b).Ended)
	return dir
}

func TestAPackageHoldsTargetsAgainstTheValueThatWasInForce(t *testing.T) {
	dir := changed(t)
	require.Equal(t, []string{"1.30", "0.30"}, stops(t, dir, record.Target))
	require.Equal(t, []string{"PASS", "NOT_GOOD"}, stops(t, dir, record.Result))
	for _, c := range []struct {
		name  string
		edit  func(uint64, []byte) []byte
		check string
		at    string
		says  string
	}{
		{"the value before", with("parameter_change", 2, "old_value", "1.10"), "records", "parameter_change/2",
			`parameter charge: old_value is "1.10", by the recipe and the records before it is "1.20"`},
		{"the first value", with("parameter_change", 1, "old_value", "2.00"), "records", "parameter_change/1", `it is "1.00"`},
		{"the new value", with("parameter_change", 2, "new_value", "1.4"), "totals", "window_stop/1", `delta is "0.05", recomputed it is "-0.05"`},
		{"the unit", with("parameter_change", 1, "unit", "L"), "records", "parameter_change/1", `parameter charge is in kg, and "1.20 L" measures something else`},
		{"the parameter", with("parameter_change", 1, "parameter", "price"), "records", "parameter_change/1", `no parameter "price"; the formula has charge`},
		{"a value that is none", with("parameter_change", 1, "new_value", "much"), "records", "parameter_change/1", "parameter charge"},
		{"the target of the window", with("window_stop", 1, "target", "1.20"), "totals", "window_stop/1", `target is "1.20", recomputed it is "1.30"`},
		{"the target when it opened", with("window_start", 1, "target", "1.30"), "totals", "window_start/1", `by recipe and mapping it is "1.00"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failed(t, forge(t, dir, c.edit), c.check)
			require.Equal(t, place(t, dir, c.at), got.Seq, got.String())
			require.Contains(t, got.String(), c.says)
		})
	}
}

// answered makes a package of a batch in which the answer to the first prompt became the charge.
func answered(t *testing.T) (dir string) {
	plan := altered(t, "recipe.yaml", "        - open_window: {window: A,",
		"        - prompt: {text: Weigh it., answer: number, min: 0.50 kg, max: 2.00 kg, into: charge}\n        - open_window: {window: A,")
	dir = t.TempDir()
	b := bound(t, plan, "B-0001", approved{})
	r := begin(t, dir, b)
	r.rounds(0, 1)
	require.NotZero(t, r.ask)
	for _, value := range []string{"3 kg", "1250 g"} {
		r.step(batch.Event{Kind: batch.Answered, ID: r.ask, Value: value, Operator: "o.night", Role: "operator"})
	}
	r.ask = 0
	r.rounds(1, 300)
	r.end()
	require.True(t, honest(t, dir, b).Ended)
	return dir
}

func TestAChangeIsHeldAgainstTheOrderOrTheAnswerThatLedToIt(t *testing.T) {
	ordered, said := changed(t), answered(t)
	change := func(nth int, key string, value any) func(uint64, []byte) []byte {
		return with("parameter_change", nth, key, value)
	}
	causes := func(t *testing.T, dir string, at ...string) (list []string) {
		for _, p := range at {
			list = append(list, strconv.FormatUint(place(t, dir, p), 10))
		}
		return list
	}
	for _, c := range []struct {
		name, dir string
		edit      func(uint64, []byte) []byte
		at        string
		says      string
	}{
		{"another value, and all that follows from it", ordered, both(change(2, "new_value", "1.25"), both(with("window_stop", 1, "target", "1.25"),
			with("window_stop", 1, "delta", "0.10"))), "parameter_change/2", `which asks for it, it is "1.3"`},
		{"who has ordered it", ordered, change(1, "actor", "nobody"), "parameter_change/1", `actor is "nobody", by record`},
		{"the role of who has", ordered, change(2, "operator_role", "qa"), "parameter_change/2", `operator_role is "qa", by record`},
		{"the reason", ordered, change(2, "change_reason", "none"), "parameter_change/2", `change_reason is "none", by record`},
		{"an order of something else", ordered, with("command", 3, "command", "comment"), "parameter_change/1", "no order and no answer stands before it"},
		{"an order of another parameter", ordered, with("command", 4, "parameter", "price"), "parameter_change/2", `parameter is "charge", in the order it is "price"`},
		{"another order", ordered, with("command", 3, "value", "1.25 kg"), "parameter_change/1", `new_value is "1.20", by record`},
		{"an order that is no quantity", ordered, with("command", 3, "value", "much"), "parameter_change/1", "quantity"},
		{"an order that was refused", ordered, with("command_result", 3, "result", "refused"), "parameter_change/1", "which is to be accepted"},
		{"another cause", ordered, change(1, "cause", causes(t, ordered, "command/2")), "parameter_change/1", "and the order before it, which is to be accepted, is record"},
		{"another value than the answer", said, both(change(1, "new_value", "1.5"), both(with("window_start", 1, "target", "1.50"),
			with("window_stop", 1, "target", "1.50"))), "parameter_change/1", `new_value is "1.5", by record`},
		{"another answer", said, with("prompt_answer", 2, "value", "1.5 kg"), "parameter_change/1", `it is "1.5"`},
		{"an answer that does not fit", said, with("prompt_answer", 2, "value", "5 kg"), "parameter_change/1", "does not fit: 5 kg is outside the limits"},
		{"who has answered", said, with("prompt_answer", 2, "operator_id", "o.day"), "parameter_change/1", `actor is "o.night", by record`},
		{"an answer to another prompt", said, with("prompt_answer", 2, "prompt_id", 7), "parameter_change/1", "no parameter takes"},
		{"a prompt for words", said, fields("prompt", 1, func(f map[string]any) { delete(f, "parameter") }), "parameter_change/1", "no parameter takes"},
		{"no prompt among its causes", said, change(1, "cause", causes(t, said, "prompt_answer/2")), "parameter_change/1", "its causes are ["},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failed(t, forge(t, c.dir, c.edit), "records")
			require.Equal(t, place(t, c.dir, c.at), got.Seq, got.String())
			require.Contains(t, got.String(), c.says)
		})
	}
}

func TestAReplayRefusesAChangeThatTheEngineDidNotMake(t *testing.T) {
	dir := changed(t)
	for _, edit := range []func(uint64, []byte) []byte{with("command", 3, "value", "1.25 kg"), with("command", 3, "parameter", "price"),
		with("parameter_change", 1, "impact_scope", "nothing uses it"), with("parameter_change", 2, "actor", "nobody"),
		with("command_result", 5, "detail", "no")} {
		rep, err := Replay(forge(t, dir, edit))
		require.NoError(t, err)
		require.NotNil(t, rep.Divergence)
	}
}
