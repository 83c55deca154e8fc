// What must have come of a trial.

package batchtest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// WantState wants the batch to have come to a state, such as "Complete" or "Held".
func (r *Trial) WantState(state string) {
	r.t.Helper()
	r.check(r.done("WantState").wantState(state))
}

// WantTotal wants the total of a metering window to be a quantity, such as "120.00 kg", within another one.
func (r *Trial) WantTotal(window, total, within string) {
	r.t.Helper()
	r.check(r.done("WantTotal").wantTotal(window, total, within))
}

// WantRecord wants a record of a kind, such as "timeout", with all of some fields: key=value, with the keys of records. A value that
// ends in * is one that begins so.
func (r *Trial) WantRecord(kind string, fields ...string) {
	r.t.Helper()
	r.check(r.done("WantRecord").wantRecord(true, kind, fields))
}

// WantNoRecord wants that there is none.
func (r *Trial) WantNoRecord(kind string, fields ...string) {
	r.t.Helper()
	r.check(r.done("WantNoRecord").wantRecord(false, kind, fields))
}

func (r *Trial) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Errorf("batchtest: %v", err)
	}
}

func (p *passage) wantState(state string) error {
	known := false
	for s := sequencer.Idle; s <= sequencer.Aborted; s++ {
		known = known || s.String() == state
	}
	if !known {
		return fmt.Errorf("there is no state %q", state)
	}
	if got := p.state(); got != state {
		how := map[string]string{"rests": " and nothing more was to happen", "limit": " when the time was up"}[p.ended]
		return fmt.Errorf("the batch is %s%s, want %s%s", got, how, state, p.why())
	}
	return nil
}

// why tells the last reasons on record.
func (p *passage) why() (text string) {
	var words []string
	for _, rec := range slices.Backward(p.recs) {
		why := ""
		switch rec.Kind {
		case record.KindStepState, record.KindOutputFault, record.KindCommandResult:
			why = rec.Text(record.Detail)
		case record.KindTimeout:
			why = "time-out: " + rec.Text(record.TimeoutReason)
		}
		if why = strings.TrimSpace(rec.Text(record.StepID) + " " + why); why != rec.Text(record.StepID) && !slices.Contains(words, why) {
			words = append(words, why)
		}
		if len(words) == 3 {
			break
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "; the last reasons on record: " + strings.Join(words, "; ")
}

func (p *passage) wantTotal(window, total, within string) error {
	want, err := quantity.Parse(total)
	if err != nil {
		return fmt.Errorf("total %q: %w", total, err)
	}
	tolerance, err := quantity.Parse(within)
	if err != nil {
		return fmt.Errorf("within %q: %w", within, err)
	}
	var windows []string
	for _, rec := range p.recs {
		if rec.Kind != record.KindWindowStop {
			continue
		}
		if rec.Text(record.MeterWindowID) != window {
			windows = append(windows, rec.Text(record.MeterWindowID))
			continue
		}
		text := rec.Text(record.TotalizedValue) + " " + rec.Text(record.Unit)
		got, err := quantity.Parse(text)
		if err != nil {
			return fmt.Errorf("window %s: total %q: %w", window, text, err)
		}
		if off, err := apart(got, want, tolerance); err != nil || off {
			return fmt.Errorf("window %s: total %s (%s), want %s within %s%s", window, text, rec.Text(record.Result), total, within, because(err))
		}
		return nil
	}
	return fmt.Errorf("window %s was not closed; closed were [%s]%s", window, strings.Join(windows, ", "), p.why())
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// apart tells whether two quantities are further apart than a third one.
func apart(a, b, within quantity.Quantity) (bool, error) {
	if a.Unit != b.Unit || a.Unit != within.Unit {
		return false, fmt.Errorf("the units differ: %s, %s, %s", a.Unit, b.Unit, within.Unit)
	}
	scale := max(a.Scale, b.Scale, within.Scale)
	at := func(q quantity.Quantity) *big.Int {
		v := big.NewInt(10)
		v.Exp(v, big.NewInt(int64(scale-q.Scale)), nil)
		return v.Mul(v, big.NewInt(q.Coef))
	}
	return new(big.Int).Sub(at(a), at(b)).CmpAbs(at(within)) > 0, nil
}

func (p *passage) wantRecord(want bool, kind string, fields []string) error {
	if err := known(kind, fields); err != nil {
		return err
	}
	text := strings.Join(append([]string{kind}, fields...), " ")
	var others []string
	for _, rec := range p.recs {
		if rec.Kind.String() != kind {
			continue
		}
		have := values(rec)
		switch fits := !slices.ContainsFunc(fields, func(f string) bool { return !have.fits(f) }); {
		case fits && want:
			return nil
		case fits:
			return fmt.Errorf("there is a record %s, and none is wanted: %s", text, rec.Body)
		case len(others) < 5:
			others = append(others, have.line(rec))
		}
	}
	switch {
	case !want:
		return nil
	case len(others) == 0:
		return fmt.Errorf("there is no record %s, and none of that kind", text)
	}
	return fmt.Errorf("there is no record %s; of that kind there are\n  %s", text, strings.Join(others, "\n  "))
}

// known refuses kinds and fields that no record has.
func known(kind string, fields []string) error {
	k, ok := record.ParseKind(kind)
	if !ok {
		return fmt.Errorf("there is no kind of record %q; there are %s", kind, kinds())
	}
	spec := k.Spec()
	may := slices.Concat(spec.Must, spec.May, record.Common())
	for _, f := range fields {
		name, _, ok := strings.Cut(f, "=")
		if key, is := record.ParseKey(name); !ok || !is || !slices.Contains(may, key) {
			var own []string
			for _, key := range slices.Concat(spec.Must, spec.May) {
				own = append(own, key.String())
			}
			return fmt.Errorf("record %s: %q: want key=value; its own keys are %s", kind, f, strings.Join(own, ", "))
		}
	}
	return nil
}

func kinds() string {
	var names []string
	record.Kinds(func(k record.Kind, _ record.Spec) { names = append(names, k.String()) })
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// fieldValues are the fields of a record as text.
type fieldValues map[string]string

func values(rec *record.Record) fieldValues {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(rec.Body, &fields); err != nil {
		panic(err) // a record is JSON
	}
	out := fieldValues{}
	for k, v := range fields {
		var text string
		var list []string
		switch {
		case json.Unmarshal(v, &text) == nil:
			out[k] = text
		case json.Unmarshal(v, &list) == nil:
			out[k] = strings.Join(list, ",")
		default:
			out[k] = string(v)
		}
	}
	return out
}

func (v fieldValues) fits(field string) bool {
	name, want, _ := strings.Cut(field, "=")
	got, has := v[name]
	if begin, open := strings.CutSuffix(want, "*"); open {
		return has && strings.HasPrefix(got, begin)
	}
	return has && got == want
}

// line shows what a record says beside what all records say.
func (v fieldValues) line(rec *record.Record) string {
	spec := rec.Kind.Spec()
	words := []string{rec.Kind.String()}
	if id := rec.Text(record.StepID); id != "" {
		words = append(words, "step_id="+id)
	}
	keys := slices.Concat(spec.Must, spec.May)
	for _, k := range keys {
		if text, ok := v[k.String()]; ok && k != record.Cause && k != record.StepID {
			words = append(words, k.String()+"="+text)
		}
	}
	return strings.Join(words, " ")
}

// knows tells whether the recipe has a step, or a transition, of that name.
func (r *Trial) knows(step string) bool {
	stem, what, around := strings.Cut(step, ".")
	names := r.names(r.b.Plan.Recipe.Root)
	return slices.Contains(names, step) ||
		around && slices.Contains(names, stem) && slices.Contains([]string{"entry", "exit", "uses", "select", "until", "step"}, what)
}

func (r *Trial) steps() string { return strings.Join(r.names(r.b.Plan.Recipe.Root), ", ") }

func (r *Trial) names(e *recipe.Element) []string {
	list := []string{e.ID}
	for _, c := range e.Children {
		list = append(list, r.names(c)...)
	}
	return list
}

// branchOf gives each element the branch in which it is: the element of a parallel block that it is, or below which it is, or the
// procedure. Within a branch nothing runs at once.
func (r *Trial) branchOf() map[string]string {
	of := map[string]string{}
	var walk func(e *recipe.Element, branch string)
	walk = func(e *recipe.Element, branch string) {
		of[e.ID] = branch
		for _, c := range e.Children {
			if e.Block == recipe.Parallel {
				walk(c, c.ID)
			} else {
				walk(c, branch)
			}
		}
	}
	walk(r.b.Plan.Recipe.Root, r.b.Plan.Recipe.Root.ID)
	return of
}
