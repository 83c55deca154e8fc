// This file reads the elements of a procedure.

package recipe

import (
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
)

// element reads an element, which stands inside depth-1 others; parent is the innermost of them, nil at the root.
func (r *reader) element(n strictyaml.Node, parent *Element, depth int) *Element {
	e := &Element{Node: n}
	r.elements++
	switch {
	case r.elements == MaxElements+1:
		n.Errorf("the recipe has more than %d elements", MaxElements)
		return e
	case r.elements > MaxElements:
		return e
	case depth > MaxDepth:
		n.Errorf("more than %d elements inside each other", MaxDepth)
		return e
	}
	f := n.Map()
	id := f.Req("id")
	e.ID = id.Ident()
	id.Once(r.ids, e.ID, "element")
	level := f.Req("level")
	word := level.OneOf(levels()...)
	e.Level = levelOf(word)
	if word == "" && parent != nil {
		e.Level = parent.Level
	}
	// An element whose level is refused may hold anything.
	phase, block := word == Phase.String(), word != "" && word != Phase.String()
	if parent != nil && parent.Level < Phase && word != "" && e.Level < parent.Level {
		level.Errorf("%s %q stands in %s %q; its level may not be above that", e.Level, e.ID, parent.Level, parent.ID)
	}
	r.all = append(r.all, e)
	r.chosen(f, e, parent)
	r.gates(f, e)
	r.timeRule(f, e, block)
	r.path = append(r.path, e)
	r.body(f, e, phase, block, depth)
	r.path = r.path[:len(r.path)-1]
	r.timing(f, e, phase, block)
	r.recovers(f, e, block)
	r.logic(f, e, block)
	r.equipmentPhase(f, e, block)
	f.Done()
	return e
}

func levels() []string {
	return []string{Procedure.String(), UnitProcedure.String(), Operation.String(), Phase.String()}
}

// levelOf is the level with a name, Procedure for what is none.
func levelOf(word string) Level {
	for l := range Phase + 1 {
		if l.String() == word {
			return l
		}
	}
	return Procedure
}

// body reads what stands in an element: the one block that it is, or the actions of a phase.
func (r *reader) body(f *strictyaml.Fields, e *Element, phase, block bool, depth int) {
	var found []string
	for _, key := range [...]string{"sequence", "parallel", "select", "repeat", "actions"} {
		value, ok := f.Opt(key)
		if !ok {
			continue
		}
		found = append(found, key)
		switch {
		case key == "actions" && block:
			value.Errorf("actions belong to a phase; %q is %s with sequence, parallel, select or repeat", e.ID, withArticle(e.Level))
		case key != "actions" && phase:
			value.Errorf("%q is a phase, and a phase has actions; a block is a procedure, unit_procedure or operation", e.ID)
		}
		switch key {
		case "actions":
			e.Actions = r.actionList(e, value, "")
			r.closed(e)
		case "repeat":
			e.Block = Repeat
			r.repeat(e, value, depth)
		default:
			e.Block = map[string]Block{"sequence": Sequence, "parallel": Parallel, "select": Select}[key]
			r.children(e, key, value, depth)
		}
	}
	if e.Block == Select {
		r.alternatives(e)
	}
	switch {
	case len(found) > 1:
		e.Node.Errorf("element %q has %s; it can have one of them", e.ID, strings.Join(found, " and "))
	case len(found) == 0 && phase:
		e.Node.Errorf("phase %q: key \"actions\" is missing", e.ID)
	case len(found) == 0 && block:
		e.Node.Errorf("element %q: key \"sequence\", \"parallel\", \"select\" or \"repeat\" is missing", e.ID)
	}
}

// withArticle is the level as it stands in a sentence.
func withArticle(l Level) string {
	if l == Operation {
		return "an operation"
	}
	return "a " + l.String()
}

// items reads a list that may not be empty.
func items(e *Element, key string, list strictyaml.Node) []strictyaml.Node {
	items := list.List(MaxActions)
	if list.Kind() == strictyaml.List && len(items) == 0 {
		list.Errorf("%s: the list is empty; write what %q does, or remove it", key, e.ID)
	}
	return items
}

// actionList reads the actions of a phase, or of its logic under the key logic.
func (r *reader) actionList(e *Element, list strictyaml.Node, logic string) (actions []Action) {
	for _, item := range items(e, "actions", list) {
		r.actions++
		if r.actions == MaxActions+1 {
			item.Errorf("the recipe has more than %d actions", MaxActions)
		}
		if r.actions <= MaxActions {
			actions = append(actions, r.action(item, e, logic))
		}
	}
	return actions
}

// children reads the elements of a block.
func (r *reader) children(e *Element, key string, list strictyaml.Node, depth int) {
	for _, item := range items(e, key, list) {
		e.Children = append(e.Children, r.element(item, e, depth+1))
	}
}

// repeat reads a loop.
func (r *reader) repeat(e *Element, n strictyaml.Node, depth int) {
	f := n.Map()
	until, asks := f.Opt("until")
	e.Loop.Until = r.condition(until)
	e.Loop.AtMost = int(f.Req("at_most").Int(1, MaxRounds))
	limit, reacts := f.Opt("on_limit")
	if reacts {
		word := limit.OneOf(LimitHold.String(), LimitAbort.String(), LimitContinue.String())
		e.Loop.OnLimit = map[string]Limit{"abort": LimitAbort, "continue": LimitContinue}[word]
		if !asks {
			limit.Errorf("on_limit of %q says what follows when until stays false, and there is no until", e.ID)
		}
	}
	r.children(e, "sequence", f.Req("sequence"), depth)
	f.Done()
}

// chosen reads when an element of a select is taken.
func (r *reader) chosen(f *strictyaml.Fields, e *Element, parent *Element) {
	when, whens := f.Opt("when")
	other, others := f.Opt("otherwise")
	if e.When = r.condition(when); others && other.Str() == "false" {
		other.Errorf("otherwise is true or not there; give %q a when", e.ID)
	} else {
		other.Bool()
	}
	switch in := parent != nil && parent.Block == Select; {
	case !in && whens:
		when.Errorf("when belongs to an element of a select; what %q waits for before it begins is its entry", e.ID)
	case !in && others:
		other.Errorf("otherwise belongs to the last element of a select, and %q is in none", e.ID)
	case whens && others:
		other.Errorf("%q has when and otherwise; it can have one of them", e.ID)
	case in && !whens && !others:
		e.Node.Errorf("%q stands in select %q: key \"when\" is missing; the last may have otherwise: true", e.ID, parent.ID)
	}
}

// alternatives holds the elements of a select against each other.
func (r *reader) alternatives(e *Element) {
	seen := map[string]*Element{}
	for i, c := range e.Children {
		if other := c.At("otherwise"); other.Kind() != strictyaml.Absent {
			switch {
			case i < len(e.Children)-1:
				other.Errorf("%q is taken when nothing else is, so it must be the last of %q", c.ID, e.ID)
			case i == 0:
				other.Errorf("%q is all that %q can choose; add elements with when before it, or make it a sequence", c.ID, e.ID)
			}
		}
		if c.When == nil {
			continue
		}
		text := c.When.String()
		if first := seen[text]; first != nil {
			c.At("when").Errorf("%q is never taken: %q in line %d has the same condition", c.ID, first.ID, first.At("when").Pos().Line)
			continue
		}
		seen[text] = c
	}
}

// At returns what stands under a key of the element, or under keys inside each other, as in At("repeat", "until"); the absent
// Node where nothing does. It is for errors that are found out later.
func (e *Element) At(keys ...string) strictyaml.Node {
	n := e.Node
	for _, key := range keys {
		if n.Kind() != strictyaml.Mapping {
			return strictyaml.Node{}
		}
		n, _ = n.Map().Opt(key)
	}
	return n
}
