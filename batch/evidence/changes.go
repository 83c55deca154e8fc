// Parameters that are changed: each change is held against the recipe, and against the order or the answer that led to it.

package evidence

import (
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// orders is what may change a parameter: the last input, where it is a change that was ordered or an answer, and the prompts whose
// answer a parameter takes.
type orders struct {
	last     *record.Record // command or prompt_answer; nil where the last input was neither, or has changed one already
	accepted bool           // of a command: its command_result says so
	prompts  map[int64]*record.Record
}

func (o *orders) add(rec *record.Record) {
	if rec.Kind.Spec().Grade == record.Input {
		o.last, o.accepted = nil, false
	}
	switch rec.Kind {
	case record.KindCommand:
		if rec.Text(record.Command) == sequencer.Change.String() {
			o.last = rec
		}
	case record.KindPromptAnswer:
		o.last = rec
	case record.KindCommandResult:
		o.accepted = o.accepted || o.last != nil && caused(rec, o.last) && rec.Text(record.Command) == o.last.Text(record.Command) &&
			rec.Text(record.Result) == sequencer.Accepted.String()
	case record.KindPrompt:
		if !rec.Has(record.Parameter) {
			return
		}
		if o.prompts == nil {
			o.prompts = map[int64]*record.Record{}
		}
		o.prompts[rec.Int(record.PromptID)] = rec
	}
}

// caused tells whether a record names others as its causes, these and no more.
func caused(rec *record.Record, by ...*record.Record) bool {
	causes := rec.Counts(record.Cause)
	if len(causes) != len(by) {
		return false
	}
	for i := range by {
		if causes[i] != by[i].Seq() {
			return false
		}
	}
	return true
}

// value is the value that the last input gives a parameter, and the reason that the change of it has. It is good for one change.
func (o *orders) value(rec *record.Record) (q quantity.Quantity, reason string, err error) {
	by, accepted := o.last, o.accepted
	o.last, o.accepted = nil, false
	switch {
	case by == nil:
		return q, "", errors.New("no order and no answer stands before it")
	case by.Kind == record.KindCommand && (!accepted || !caused(rec, by)):
		return q, "", fmt.Errorf("its causes are %v, and the order before it, which is to be accepted, is record %d", rec.Counts(record.Cause), by.Seq())
	case by.Kind == record.KindCommand:
		q, err = quantity.Parse(by.Text(record.Value))
		return q, by.Text(record.ChangeReason), errors.Join(err, differs(rec, "in the order", said{record.Parameter, by.Text(record.Parameter)}))
	}
	id := by.Int(record.PromptID)
	prompt := o.prompts[id]
	if prompt == nil || !caused(rec, by, prompt) {
		return q, "", fmt.Errorf("its causes are %v; the answer before it is record %d, to prompt %d, whose answer it does not name or no parameter takes",
			rec.Counts(record.Cause), by.Seq(), id)
	}
	a := batch.ReadAnswer(prompt)
	q, why := a.Check(by.Text(record.Value))
	if why != "" {
		return q, "", fmt.Errorf("the answer in record %d does not fit: %s", by.Seq(), why)
	}
	return q, fmt.Sprintf("answer to prompt %d", id), differs(rec, "in the prompt", said{record.Parameter, a.Into})
}

// changes takes in another value of a parameter, which is in force from here on.
func (r *records) changes(n uint64, rec *record.Record) {
	by := r.orders.last
	ordered, reason, unordered := r.orders.value(rec)
	formula, _, err := r.resolve()
	if err != nil {
		return // that is told elsewhere
	}
	if r.changed != nil {
		formula = r.changed
	}
	name := rec.Text(record.Parameter)
	coef, scale, err := quantity.ParseDecimal(rec.Text(record.NewValue))
	var next recipe.Formula
	if err == nil {
		next, err = r.rec.Change(formula, name, quantity.Quantity{Coef: coef, Scale: scale, Unit: quantity.Unit(rec.Text(record.Unit))})
	}
	if was, _ := formula.Lookup(name); err == nil {
		err = differs(rec, "by the recipe and the records before", said{record.Unit, string(was.Unit)}, said{record.OldValue, decimal(was)})
	}
	if err != nil {
		r.breach("records", n, "parameter %.64s: %v", name, err)
		return
	}
	if r.changed = next; r.replay {
		return
	}
	if err = unordered; err == nil {
		next, err = r.rec.Change(formula, name, ordered)
	}
	if is, _ := next.Lookup(name); err == nil {
		err = differs(rec, fmt.Sprintf("by record %d, which asks for it,", by.Seq()), said{record.NewValue, decimal(is)},
			said{record.Actor, by.Text(record.OperatorID)}, said{record.OperatorRole, by.Text(record.OperatorRole)},
			said{record.ChangeReason, reason})
	}
	if err != nil {
		r.breach("records", n, "parameter %.64s: %v", name, err)
	}
}

// decimal is a number as records spell it.
func decimal(q quantity.Quantity) string { return string(quantity.AppendDecimal(nil, q.Coef, q.Scale)) }
