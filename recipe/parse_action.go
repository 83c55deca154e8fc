// This file reads the actions of a phase.

package recipe

import (
	"errors"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Limits of what one action may hold.
const (
	maxSettings = 256
)

// action reads one action of a phase; logic is the key of the logic that it stands in, "" for what the phase does in Running.
func (r *reader) action(n strictyaml.Node, phase *Element, logic string) Action {
	a := Action{Node: n}
	f := n.Map()
	var found []string
	var value strictyaml.Node
	for k := Set; k <= Receive; k++ {
		if v, ok := f.Opt(k.String()); ok {
			a.Kind, value = k, v
			found = append(found, k.String())
		}
	}
	f.Done()
	if len(found) != 1 {
		if len(found) > 1 {
			n.Errorf("an action is one key, here are %s; put a dash before each", strings.Join(found, ", "))
		} else if n.Kind() == strictyaml.Mapping && len(n.Entries(strictyaml.MaxNodes)) == 0 {
			n.Errorf("an action is one key, such as set, wait or delay; here is none")
		}
		return a
	}
	if logic != "" && a.Kind > Delay && a.Kind != Mark {
		n.Errorf("%s does no %s; the logic of %q can set, wait, delay and mark", logic, a.Kind, phase.ID)
		return a
	}
	r.fill(&a, value, phase)
	return a
}

// fill reads the value of an action whose kind is known.
func (r *reader) fill(a *Action, value strictyaml.Node, phase *Element) {
	switch a.Kind {
	case Set:
		a.Settings = r.settings(value, "an output", cond.IsName)
	case Wait:
		a.Cond = r.condition(value)
	case Delay:
		a.For = r.time(value)
	case OpenWindow:
		r.openWindow(a, value, phase)
	case CloseWindow:
		r.closeWindow(a, value, phase)
	case WaitTotal:
		r.waitTotal(a, value, phase)
	case Jog:
		r.jog(a, value, phase)
	case VerifyStable:
		f := value.Map()
		a.Tag = tagName(f.Req("tag"))
		a.Within = r.amount(f.Req("within"), "within", 1)
		a.For = r.time(f.Req("for"))
		f.Done()
	case Mark:
		a.Text = value.Str()
	case Prompt:
		r.prompt(a, value)
	case Request:
		f := value.Map()
		a.Type = f.Req("type").Ident()
		if with, ok := f.Opt("with"); ok {
			a.Settings = r.settings(with, "a parameter", isWord)
		}
		f.Done()
	case Sync, Send, Receive:
		a.Line = value.Ident()
		r.meets = append(r.meets, meeting{a.Kind, a.Line, value, phase, slices.Clone(r.path)})
	}
}

// settings reads names with their values, of which there is one at least.
func (r *reader) settings(n strictyaml.Node, what string, isName func(string) bool) []Setting {
	entries := n.Entries(maxSettings)
	if n.Kind() == strictyaml.Mapping && len(entries) == 0 {
		n.Errorf("nothing stands here; write the name of %s and its value", what)
	}
	var settings []Setting
	for _, entry := range entries {
		name := entry.Key.Str()
		if name != "" && !isName(name) {
			entry.Key.Errorf("%q is not the name of %s", name, what)
		}
		settings = append(settings, Setting{Name: name, Value: r.setting(entry.Value), Node: entry.Key})
	}
	return settings
}

// setting reads a value: a quantity, the name of a parameter, or a word.
func (r *reader) setting(n strictyaml.Node) Amount {
	text := n.Str()
	switch {
	case text == "" || text[0] == '$':
		return r.amount(n, "", 0)
	case isWord(text):
		return Amount{Word: text, Node: n}
	case strings.ContainsAny(text[:1], "+-.0123456789"):
		return r.amount(n, "", 0)
	}
	n.Errorf("%q is not a value; write a quantity such as 60 Cel, a word such as open, or a parameter such as $target", text)
	return Amount{Node: n}
}

// amount reads a quantity or the name of a parameter; key names it in messages. least is the least sign it may have: 1 above
// zero, 0 with a key for zero or above, and without a key any.
func (r *reader) amount(n strictyaml.Node, key string, least int) Amount {
	a := Amount{Node: n}
	text := n.Str()
	if name, ok := strings.CutPrefix(text, "$"); ok {
		a.Param = r.param(n, name)
	} else {
		a.Quantity, _ = quantityOf(n)
	}
	q := r.nominal(&a)
	switch {
	case q.Unit == "" || key == "":
	case least > 0 && q.Coef <= 0:
		n.Errorf("%s %q is not above zero", key, q)
	case q.Coef < 0:
		n.Errorf("%s %q is below zero", key, q)
	}
	return a
}

// param checks the name of a parameter; "" where there is none.
func (r *reader) param(n strictyaml.Node, name string) string {
	params := r.recipe.Params
	var names []string
	for i := range params {
		if params[i].Name == name && name != "" {
			return name
		}
		if params[i].Name != "" {
			names = append(names, "$"+params[i].Name)
		}
	}
	if len(names) == 0 {
		n.Errorf("no parameter %q: the recipe has no formula", name)
		return ""
	}
	n.OneOf(names...)
	return ""
}

// has says which parameters there are.
func (r *reader) has() string {
	var names []string
	for i := range r.recipe.Params {
		if name := r.recipe.Params[i].Name; name != "" {
			names = append(names, "$"+name)
		}
	}
	if len(names) == 0 {
		return "the recipe has no formula"
	}
	return "the formula has " + strings.Join(names, ", ")
}

// nominal is the quantity of an amount at the nominal batch size; the zero Quantity where it is refused.
func (r *reader) nominal(a *Amount) quantity.Quantity {
	for i := range r.recipe.Params {
		if p := &r.recipe.Params[i]; a.Param != "" && p.Name == a.Param {
			return p.Value
		}
	}
	return a.Quantity
}

// time reads a time above zero.
func (r *reader) time(n strictyaml.Node) Amount {
	a := r.amount(n, "", 0)
	q := r.nominal(&a)
	if q.Unit == "" {
		return a
	}
	ns, err := q.Nanoseconds()
	switch {
	case !q.Unit.Compatible("s"):
		n.Errorf("%q is not a time; write one such as 5 s or 2 min", q)
	case err != nil || ns <= 0 || ns > MaxTime:
		n.Errorf("%q must be a time above zero, in whole nanoseconds, of 366 d at most", q)
	}
	return a
}

// condition reads the text of a condition; nil where it is refused.
func (r *reader) condition(n strictyaml.Node) *cond.Expr {
	text := n.Str()
	if text == "" {
		return nil
	}
	e, err := cond.Parse(text)
	var at *cond.SyntaxError
	if errors.As(err, &at) {
		n.Errorf("condition, column %d: %s", at.Column, at.Msg)
		return nil
	}
	if err == nil {
		r.conds = append(r.conds, written{n, e})
	}
	for _, ref := range e.Params() {
		if !slices.ContainsFunc(r.recipe.Params, func(p Param) bool { return p.Name == ref.Name }) {
			n.Errorf("condition, column %d: no parameter %q; %s", ref.Column, ref.Name, r.has())
		}
	}
	return e
}

// tagName reads the name of a tag or meter.
func tagName(n strictyaml.Node) string {
	name := n.Str()
	if name != "" && !cond.IsName(name) {
		n.Errorf("%q is not a name as I/O maps have it: words of letters, digits and _ joined by points", name)
		return ""
	}
	return name
}
