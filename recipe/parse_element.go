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
	once(r.ids, id, e.ID, "element")
	level := f.Req("level")
	word := level.OneOf(Procedure.String(), UnitProcedure.String(), Operation.String(), Phase.String())
	for word != "" && e.Level.String() != word {
		e.Level++
	}
	if word == "" && parent != nil {
		e.Level = parent.Level
	}
	// An element whose level is refused may hold anything.
	phase, block := word == Phase.String(), word != "" && word != Phase.String()
	if parent != nil && parent.Level < Phase && word != "" && e.Level <= parent.Level {
		level.Errorf("%s %q stands in %s %q; its level must be below that", e.Level, e.ID, parent.Level, parent.ID)
	}
	var found []string
	for _, key := range [...]string{"sequence", "parallel", "actions"} {
		list, ok := f.Opt(key)
		if !ok {
			continue
		}
		found = append(found, key)
		switch {
		case key == "actions" && block:
			list.Errorf("actions belong to a phase; %q is %s with sequence or parallel", e.ID, withArticle(e.Level))
		case key != "actions" && phase:
			list.Errorf("%q is a phase, and a phase has actions; a block is a procedure, unit_procedure or operation", e.ID)
		}
		r.content(e, key, list, depth)
	}
	r.timing(f, e, block)
	r.recovers(f, e, block)
	f.Done()
	switch {
	case len(found) > 1:
		n.Errorf("element %q has %s; it can have one of them", e.ID, strings.Join(found, " and "))
	case len(found) == 0 && phase:
		n.Errorf("phase %q: key \"actions\" is missing", e.ID)
	case len(found) == 0 && block:
		n.Errorf("element %q: key \"sequence\" or \"parallel\" is missing", e.ID)
	}
	return e
}

// withArticle is the level as it stands in a sentence.
func withArticle(l Level) string {
	if l == Operation {
		return "an operation"
	}
	return "a " + l.String()
}

// content reads the elements of a block or the actions of a phase.
func (r *reader) content(e *Element, key string, list strictyaml.Node, depth int) {
	items := list.List(MaxActions)
	if list.Kind() == strictyaml.List && len(items) == 0 {
		list.Errorf("%s: the list is empty; write what %q does, or remove it", key, e.ID)
	}
	if key == "actions" {
		for _, item := range items {
			r.actions++
			if r.actions == MaxActions+1 {
				item.Errorf("the recipe has more than %d actions", MaxActions)
			}
			if r.actions <= MaxActions {
				e.Actions = append(e.Actions, r.action(item, e))
			}
		}
		r.closed(e)
		return
	}
	e.Block = map[string]Block{"sequence": Sequence, "parallel": Parallel}[key]
	for _, item := range items {
		e.Children = append(e.Children, r.element(item, e, depth+1))
	}
}

// recovers reads what follows when the controller comes up again in the middle of a phase.
func (r *reader) recovers(f *strictyaml.Fields, e *Element, block bool) {
	e.Recovery = r.recovery
	n, own := f.Opt("recovery")
	if block && own {
		n.Errorf("a recovery rule belongs to a phase or to the header; %q is %s", e.ID, withArticle(e.Level))
		return
	}
	if own {
		e.Recovery = r.rule(n)
	}
	for i := range e.Actions {
		if a := &e.Actions[i]; e.Recovery == RecoverRepeat && a.Kind == OpenWindow {
			a.Node.Errorf("phase %q meters, and what it has charged cannot be charged again; its recovery can be hold, resume, abort or restart", e.ID)
		}
	}
}

func (r *reader) rule(n strictyaml.Node) Recovery {
	word := n.OneOf(RecoverHold.String(), RecoverResume.String(), RecoverRepeat.String(), RecoverAbort.String(), RecoverRestart.String())
	for rule := RecoverHold; rule <= RecoverRestart; rule++ {
		if rule.String() == word {
			return rule
		}
	}
	return RecoverHold
}

// timing reads how long a phase may take and what follows when it takes longer.
func (r *reader) timing(f *strictyaml.Fields, e *Element, block bool) {
	timeout, limited := f.Opt("timeout")
	reaction, reacts := f.Opt("on_timeout")
	switch {
	case block && limited:
		timeout.Errorf("a timeout belongs to a phase; %q is %s", e.ID, withArticle(e.Level))
		return
	case !limited && reacts:
		reaction.Errorf("on_timeout of %q says what follows a timeout, and there is no timeout", e.ID)
		return
	}
	e.Timeout = r.time(timeout)
	if reacts && reaction.OneOf(Hold.String(), Abort.String()) == Abort.String() {
		e.OnTimeout = Abort
	}
	if limited || block {
		return
	}
	for i := range e.Actions {
		if a := &e.Actions[i]; a.Kind.Waits() {
			e.Node.Errorf("phase %q: key \"timeout\" is missing; the %s in line %d may take for ever", e.ID, a.Kind, a.Node.Pos().Line)
			return
		}
	}
}
