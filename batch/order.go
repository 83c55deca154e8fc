// What people tell a batch, beside the commands that the sequencer answers: orders, and answers to prompts.

package batch

import (
	"fmt"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// order takes in a command or an order: what concerns no element is answered here, all else by the sequencer.
func (m *Machine) order(ev *Event, fx []Effect) []Effect {
	if ev.Refusal != "" {
		return m.answer(ev, ev.Refusal, fx)
	}
	switch ev.Command {
	case sequencer.Change:
		return m.changes(ev, fx)
	case sequencer.Comment:
		return m.answer(ev, m.remark(ev), fx)
	case sequencer.Acknowledge, sequencer.ResetInterlock:
		return m.guarded(ev, fx)
	case sequencer.ResetSafeState:
		return m.resetSafe(ev, fx)
	case sequencer.ConfirmTime:
		return m.confirmTime(ev, fx)
	case sequencer.Start:
		if m.timeless() && m.State() == sequencer.Idle && m.elem(ev.Step) == 0 {
			return m.answer(ev, noTime, fx)
		}
	case sequencer.HistorianTotal:
		return m.entered(ev, fx)
	case sequencer.OverrideGrant, sequencer.OverrideSet, sequencer.OverrideClear, sequencer.OverrideRevoke:
		return m.overrideOrder(ev, fx)
	}
	m.tell(sequencer.Event{Kind: sequencer.Told, Command: ev.Command, Elem: m.elem(ev.Step), Target: m.elem(ev.Target)})
	return fx
}

// remark says what stands against a comment: the record of the order is the comment, and nothing else comes of it.
func (m *Machine) remark(ev *Event) string {
	switch {
	case m.st.Ended:
		return batchOver
	case m.elem(ev.Step) < 0:
		return fmt.Sprintf("the recipe has no element %+q", ev.Step)
	}
	return ""
}

const batchOver = "the batch has ended, and takes no order"

// answered holds an answer against what its prompt wants. One that does not fit is refused, and the prompt goes on waiting.
func (m *Machine) answered(ev *Event, fx []Effect) []Effect {
	if p, i, ok := m.seq.Asked(ev.ID); ok {
		a := m.form.prog.actions[i].answer
		q, why := a.Check(ev.Value)
		var next form
		if why == "" && a.Into != "" {
			next, why = m.b.change(&m.form, a.Into, q)
		}
		if why != "" {
			return m.answer(ev, why, fx)
		}
		if a.Into != "" && !same(m.form.formula, next.formula, a.Into) {
			fx = m.adopt(&next, a.Into, ev, fmt.Sprintf("answer to prompt %d", ev.ID), m.refs.Actions[p], fx)
		}
	}
	m.tell(sequencer.Event{Kind: sequencer.Answered, ID: ev.ID})
	return fx
}

// answer records that an order or an answer was accepted, or, with what stands against it, refused.
func (m *Machine) answer(ev *Event, why string, fx []Effect) []Effect {
	if why == "" {
		return m.result(ev, sequencer.Accepted, "", fx)
	}
	return m.result(ev, sequencer.Refused, why, fx)
}

func (m *Machine) result(ev *Event, r sequencer.Result, detail string, fx []Effect) []Effect {
	m.begin(record.KindCommandResult)
	if ev.Kind == Answered {
		m.body.Text(record.Command, "answer")
		m.body.Int(record.PromptID, int64(ev.ID))
	} else {
		m.body.Text(record.Command, ev.Command.String())
	}
	m.body.Text(record.Result, r.String())
	m.body.Text(record.BatchState, m.seq.State(0).String())
	if detail != "" {
		m.body.Text(record.Detail, Clean(detail))
	}
	m.causes(m.input)
	return m.put(fx)
}

// wanted writes what answer a prompt wants; of any words there is nothing to write.
func (m *Machine) wanted(a *recipe.Answer) {
	b := &m.body
	if a.Kind != recipe.AnswerAny {
		b.Text(record.Answer, a.Kind.String())
	}
	switch a.Kind {
	case recipe.AnswerNumber:
		b.Text(record.Unit, string(a.Min.Unit))
		b.Decimal(record.MinValue, a.Min.Coef, a.Min.Scale)
		b.Decimal(record.MaxValue, a.Max.Coef, a.Max.Scale)
		if a.Resolution.Unit != "" {
			b.Decimal(record.Resolution, a.Resolution.Coef, a.Resolution.Scale)
		}
		if a.Into != "" {
			b.Text(record.Parameter, a.Into)
		}
	case recipe.AnswerChoice:
		b.Texts(record.Choices, a.Choices)
	case recipe.AnswerText:
		b.Int(record.MaxLength, int64(a.MaxLength))
	}
}

// ReadAnswer reads what answer a prompt wants from its record.
func ReadAnswer(r *record.Record) (a recipe.Answer) {
	for k := recipe.AnswerConfirm; k <= recipe.AnswerText; k++ {
		if k.String() == r.Text(record.Answer) {
			a.Kind = k
		}
	}
	number := func(k record.Key) (q quantity.Quantity) {
		if coef, scale, err := quantity.ParseDecimal(r.Text(k)); err == nil {
			q = quantity.Quantity{Coef: coef, Scale: scale, Unit: quantity.Unit(r.Text(record.Unit))}
		}
		return q
	}
	a.Min, a.Max, a.Resolution = number(record.MinValue), number(record.MaxValue), number(record.Resolution)
	a.Choices, a.MaxLength, a.Into = r.Texts(record.Choices), int(r.Int(record.MaxLength)), r.Text(record.Parameter)
	return a
}
