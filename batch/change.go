// The formula in force: a parameter may take another value while the batch is held, or by the answer to a prompt.

package batch

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// form is the formula that is in force, and the program that was made of it: all in it has the same number as in the batch's own.
type form struct {
	formula recipe.Formula
	prog    *program
	own     []own // by parameter of the recipe
}

// own is the value that a parameter was given in this batch, in the unit that the recipe gives it. It is flat and of fixed size.
type own struct {
	Given bool
	Scale uint8
	Coef  int64
}

// bound is what a batch begins with.
func (b *Batch) bound() form { return form{b.formula, b.prog, make([]own, len(b.formula))} }

// form makes a program of a formula. Why says what stands against it, "" where nothing does; its words go into a record.
func (b *Batch) form(f recipe.Formula, given []own) (_ form, why string) {
	c := compiler{plan: b.Plan, formula: f, chosen: b.Equipment, inFlight: b.InFlight, report: func(n noder, format string, args ...any) {
		if why == "" {
			why = fmt.Sprintf("the recipe cannot run with it, line %d, column %d: %s", n.Pos().Line, n.Pos().Column, fmt.Sprintf(format, args...))
		}
	}}
	prog := c.compile()
	return form{f, prog, given}, why
}

// change is f with another value of a parameter, and f itself where it has that value, however it is written. Why says what stands
// against it and what to do.
func (b *Batch) change(f *form, name string, q quantity.Quantity) (next form, why string) {
	formula, err := b.Plan.Recipe.Change(f.formula, name, q)
	if err != nil {
		return next, err.Error()
	}
	if same(f.formula, formula, name) { // to compile is what takes time
		return *f, ""
	}
	given := slices.Clone(f.own)
	for i := range formula {
		if is := formula[i].Quantity; formula[i].Name == name {
			given[i] = own{true, is.Scale, is.Coef}
		}
	}
	if next, why = b.form(formula, given); why == "" {
		why = b.vain(f.prog, next.prog)
	}
	return next, why
}

// maxPairs is how many pairs of an alternative and one before it are looked at in one change, since the loop waits for that; what stands
// behind them is taken for possible.
const maxPairs = 4096

// vain finds a wait that no values of the tags end any more, where some did before, or an alternative that none lead to.
func (b *Batch) vain(before, after *program) string {
	ranges, pairs := guards{&compiler{plan: b.Plan}}, maxPairs
	for i := range after.seq.Actions {
		is, was := after.seq.Actions[i].Cond, before.seq.Actions[i].Cond
		if a := &after.seq.Actions[i]; a.Kind == recipe.Choose {
			from, to := a.First, a.First+a.Count
			if why := untaken(before.seq.Choices[from:to], after.seq.Choices[from:to], ranges, &pairs); why != "" {
				return why
			}
		}
		if slices.Equal(is, was) || cond.Possible([]cond.Cond{is}, nil, ranges) || !cond.Possible([]cond.Cond{was}, nil, ranges) {
			continue
		}
		return fmt.Sprintf("%s would wait in vain: no values of the tags make %s true with it", after.actions[i].id, after.seq.Actions[i].Reason)
	}
	return ""
}

// untaken finds an alternative of a select that is never taken any more.
func untaken(before, after []sequencer.Choice, ranges cond.Ranges, pairs *int) string {
	var was, is []cond.Cond // those before it
	changed := false
	taken := func(c cond.Cond, others []cond.Cond) bool {
		if c == nil {
			return cond.Possible(nil, others, ranges)
		}
		return cond.Possible([]cond.Cond{c}, others, ranges)
	}
	for k := range after {
		c := &after[k]
		if changed = changed || !slices.Equal(c.Cond, before[k].Cond); changed {
			*pairs -= k + 1
		}
		if changed && *pairs >= 0 && !taken(c.Cond, is) && taken(before[k].Cond, was) {
			id, asks, _ := strings.Cut(c.Text, ": ")
			switch {
			case c.Cond == nil:
				return fmt.Sprintf("%s would never be taken: whatever the tags are, one of the conditions before it is true with it", id)
			case !taken(c.Cond, nil):
				return fmt.Sprintf("%s would never be taken: no values of the tags make %s true with it", id, asks)
			}
			return fmt.Sprintf("%s would never be taken: one of the conditions before it is true whenever %s is, with it", id, asks)
		}
		was, is = append(was, before[k].Cond), append(is, c.Cond)
	}
	return ""
}

// changes gives a parameter another value, or says why not.
func (m *Machine) changes(ev *Event, fx []Effect) []Effect {
	why := ""
	switch {
	case m.st.Ended:
		why = batchOver
	case ev.Step != "":
		why = "a parameter is that of the whole recipe; leave the element out"
	case !m.seq.Held():
		why = "a parameter is changed while the batch is Held and all that is under way with it; hold it first"
	}
	q, err := quantity.Parse(ev.Value)
	if why == "" && err != nil {
		why = fmt.Sprintf("%+q is no quantity; write a number, a space and the unit", ev.Value)
	}
	var next form
	if why == "" {
		next, why = m.b.change(&m.form, ev.Name, q)
	}
	if why != "" {
		return m.answer(ev, why, fx)
	}
	if same(m.form.formula, next.formula, ev.Name) {
		return m.result(ev, sequencer.NoOp, "it has that value", fx)
	}
	fx = m.adopt(&next, ev.Name, ev, ev.Reason, 0, m.answer(ev, "", fx))
	m.tell(sequencer.Event{Kind: sequencer.Input})
	return fx
}

// same tells whether a parameter keeps its value, however it is written.
func same(before, after recipe.Formula, name string) bool {
	was, _ := before.Lookup(name)
	is, _ := after.Lookup(name)
	c, err := was.Cmp(is)
	return err == nil && c == 0
}

// adopt puts another formula in force and records it; prompt is the record of the prompt that asked for it, 0 where none did. The
// sequencer must be told something after that.
func (m *Machine) adopt(next *form, name string, ev *Event, reason string, prompt uint64, fx []Effect) []Effect {
	was, _ := m.form.formula.Lookup(name)
	is, _ := next.formula.Lookup(name)
	scope := m.scope(name) // as all stands now
	m.form = *next
	m.seq.Adopt(m.now, &m.form.prog.seq)
	m.met.Adopt(m.form.prog.windows)
	m.begin(record.KindParameterChange)
	m.body.Text(record.Parameter, name)
	m.body.Decimal(record.OldValue, was.Coef, was.Scale)
	m.body.Decimal(record.NewValue, is.Coef, is.Scale)
	m.body.Text(record.Unit, string(is.Unit))
	m.body.Text(record.Actor, ev.Operator)
	m.body.Text(record.OperatorRole, ev.Role)
	m.body.Text(record.ChangeReason, reason)
	m.body.Text(record.ImpactScope, scope)
	m.causes(m.input, prompt)
	return m.put(fx)
}

// maxScope is how many bytes of an impact are told.
const maxScope = 4096

// scope says what a parameter touches: the parameters that have its value, and the elements that use it, each with its state.
func (m *Machine) scope(name string) string {
	r := m.b.Plan.Recipe
	var words []string
	for _, p := range r.Follow(name) {
		words = append(words, "$"+p)
	}
	for _, id := range r.Uses(name) {
		words = append(words, id+" ("+m.stateOf(id).String()+")")
	}
	if words == nil {
		return "nothing uses it"
	}
	return joined(words, ", ", maxScope)
}

// stateOf is the state of an element, which a bracket around it does not hide.
func (m *Machine) stateOf(id string) sequencer.State {
	for e := len(m.form.prog.elems) - 1; e >= 0; e-- {
		if m.form.prog.elems[e].id == id {
			return m.seq.State(e)
		}
	}
	return sequencer.Idle
}

// joined joins words up to so many bytes and says how many there are besides.
func joined(words []string, sep string, most int) string {
	n, size := 0, 0
	for n < len(words) && size+len(words[n]) <= most {
		size += len(words[n]) + len(sep)
		n++
	}
	text := strings.Join(words[:n], sep)
	if n < len(words) {
		text += fmt.Sprintf("%sand %d more", sep, len(words)-n)
	}
	return text
}

// Phases names what is under way, as STEP=state, parted by semicolons: the phases that have begun and not ended, in the order of the
// recipe. Beyond 4 kB it says only how many there are besides.
func (m *Machine) Phases() string {
	var words []string
	for e := range m.form.prog.elems {
		if s := m.seq.State(e); m.form.prog.seq.Elems[e].Phase && s != sequencer.Idle && !s.Terminal() {
			words = append(words, m.form.prog.elems[e].id+"="+s.String())
		}
	}
	return joined(words, "; ", maxScope)
}

// restoreForm puts back the values that parameters were given, as a snapshot has them, and the program that follows from them.
func (m *Machine) restoreForm(src []byte) ([]byte, error) {
	given := make([]own, len(m.form.own))
	n, err := binary.Decode(src, binary.LittleEndian, given)
	if err != nil {
		return nil, errSnapshot
	}
	f, changed := m.b.formula, false
	for i, o := range given {
		if !o.Given {
			continue
		}
		q := quantity.Quantity{Coef: o.Coef, Scale: o.Scale, Unit: f[i].Quantity.Unit}
		if f, err = m.b.Plan.Recipe.Change(f, f[i].Name, q); err != nil || o.Scale > quantity.MaxScale {
			return nil, errSnapshot
		}
		changed = true
	}
	m.form = m.b.bound()
	if changed {
		var why string
		if m.form, why = m.b.form(f, given); why != "" {
			return nil, errSnapshot
		}
	}
	m.seq = sequencer.New(&m.form.prog.seq, image{m})
	m.met.Adopt(m.form.prog.windows)
	return src[n:], nil
}
