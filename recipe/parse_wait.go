// This file reads what elements wait for, how long they may, and what a phase does on its way out of Running.

package recipe

import (
	"strconv"

	"github.com/batchkit/batchkit/internal/strictyaml"
)

const maxUses = 64 // common equipment of one element

// gates reads what an element needs to begin and to end.
func (r *reader) gates(f *strictyaml.Fields, e *Element) {
	n, _ := f.Opt("entry")
	e.Entry = r.condition(n)
	n, _ = f.Opt("exit")
	e.Exit = r.condition(n)
	n, ok := f.Opt("uses")
	if !ok {
		return
	}
	list := n.List(maxUses)
	if n.Kind() == strictyaml.List && len(list) == 0 {
		n.Errorf("uses: the list is empty; name what %q needs for itself, or remove it", e.ID)
	}
	seen := map[string]int{}
	for _, item := range list {
		name := item.Ident()
		item.Once(seen, name, "equipment")
		for _, around := range r.path {
			for _, held := range around.Uses {
				if held == name && name != "" {
					item.Errorf("%s is held by %q already, which %q stands in; remove it here, or there", name, around.ID, e.ID)
				}
			}
		}
		if name != "" {
			e.Uses = append(e.Uses, name)
		}
	}
}

// around is the innermost element of a kind that what is being read stands in; nil where there is none.
func (r *reader) around(b Block) *Element {
	for i := len(r.path) - 1; i >= 0; i-- {
		if r.path[i].Block == b {
			return r.path[i]
		}
	}
	return nil
}

// waits is the key that makes an element wait for something other than its actions, and its place; "" where none does.
func (e *Element) waits() (key string, n strictyaml.Node) {
	for _, keys := range [...][]string{{"uses"}, {"entry"}, {"select"}, {"repeat", "until"}, {"exit"}} {
		if n := e.At(keys...); n.Kind() != strictyaml.Absent {
			return keys[len(keys)-1], n
		}
	}
	if e.Time != nil && e.Time.Otherwise == TimeConfirm {
		return "time", e.At("time")
	}
	return "", strictyaml.Node{}
}

// timing reads how long an element may take and what follows when it takes longer.
func (r *reader) timing(f *strictyaml.Fields, e *Element, phase, block bool) {
	timeout, limited := f.Opt("timeout")
	reaction, reacts := f.Opt("on_timeout")
	key, at := e.waits()
	switch {
	case block && limited && key == "":
		timeout.Errorf("%q is %s, whose timeout limits its own entry, exit, uses, select or until, and it has none; give the phases in it a timeout",
			e.ID, withArticle(e.Level))
		return
	case !limited && reacts:
		reaction.Errorf("on_timeout of %q says what follows a timeout, and there is no timeout", e.ID)
		return
	}
	e.Timeout = r.time(timeout)
	if reacts {
		r.reaction(reaction, e)
	}
	if limited || !phase && !block {
		return
	}
	for i := range e.Actions {
		if a := &e.Actions[i]; phase && a.Kind.Waits() {
			e.Node.Errorf("phase %q: key \"timeout\" is missing; the %s in line %d may take for ever", e.ID, a.Kind, a.Node.Pos().Line)
			return
		}
	}
	if key != "" {
		e.Node.Errorf("%s %q: key \"timeout\" is missing; its %s in line %d may take for ever", e.Level, e.ID, key, at.Pos().Line)
	}
}

// reaction reads what follows a timeout: a word, or how often it is tried again and the word for what follows then.
func (r *reader) reaction(n strictyaml.Node, e *Element) {
	if n.Kind() == strictyaml.Mapping {
		f := n.Map()
		retry := f.Req("retry")
		e.Retry = int(retry.Int(1, MaxRetry))
		n = f.Req("then")
		f.Done()
		for i := range e.Actions {
			switch a := &e.Actions[i]; {
			case a.Kind == OpenWindow:
				retry.Errorf("phase %q meters (line %d), and what it has charged cannot be charged again; it has no retry", e.ID, a.Node.Pos().Line)
			case a.Kind >= Sync:
				retry.Errorf("phase %q has a %s (line %d), and its partners may have gone on since; it has no retry", e.ID, a.Kind,
					a.Node.Pos().Line)
			default:
				continue
			}
			break
		}
	}
	for word := n.OneOf(Hold.String(), Abort.String(), HardAbort.String()); word != "" && e.OnTimeout.String() != word; {
		e.OnTimeout++
	}
}

// TimeoutWords says what follows a timeout of the element, such as "hold" or "retry 2 times, then abort".
func (e *Element) TimeoutWords() string {
	if e.Retry == 0 {
		return e.OnTimeout.String()
	}
	times := " times"
	if e.Retry == 1 {
		times = " time"
	}
	return "retry " + strconv.Itoa(e.Retry) + times + ", then " + e.OnTimeout.String()
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
		a := &e.Actions[i]
		switch {
		case e.Recovery != RecoverRepeat:
		case a.Kind == OpenWindow:
			a.Node.Errorf("phase %q meters, and what it has charged cannot be charged again; its recovery can be hold, resume, abort or restart", e.ID)
		case a.Kind >= Sync:
			a.Node.Errorf("phase %q has a %s, and its partners may have gone on since; its recovery can be hold, resume, abort or restart", e.ID, a.Kind)
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

// logic reads what a phase does in its transient states.
func (r *reader) logic(f *strictyaml.Fields, e *Element, block bool) {
	for t := OnHold; t < LogicEnd; t++ {
		n, ok := f.Opt(t.String())
		switch {
		case !ok:
			continue
		case block:
			n.Errorf("%s belongs to a phase; %q is %s", t, e.ID, withArticle(e.Level))
			continue
		}
		l := &e.Logic[t]
		f := n.Map()
		timeout := f.Req("timeout")
		l.Timeout = r.time(timeout)
		l.Actions = r.actionList(e, f.Req("actions"), t.String())
		f.Done()
		limit := r.nominal(&l.Timeout)
		left, err := limit.Nanoseconds()
		for i := range l.Actions {
			a := &l.Actions[i]
			q := r.nominal(&a.For)
			ns, bad := q.Nanoseconds()
			if a.Kind != Delay || err != nil || bad != nil {
				continue
			}
			if left -= ns; left < 0 {
				a.Node.Errorf("%s of %q is over after %s, before this delay is; give it a longer timeout", t, e.ID, limit)
				break
			}
		}
	}
}
