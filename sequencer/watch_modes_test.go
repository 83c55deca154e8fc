// What the watch knows of orders and modes, and of what may follow what in them.

package sequencer

import (
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/recipe"
)

// blockOf is the block whose mode holds for an element; -1: none.
func (w *watch) blockOf(e int) int {
	for p := w.w.Elems; e >= 0; e = p[e].Parent {
		if p[e].Bracket && !p[p[e].Body].Phase {
			return p[e].Body
		}
		if !p[e].Phase && !p[e].Logic && !p[e].Bracket {
			return e
		}
	}
	return -1
}

func (w *watch) modeOf(e int) Mode {
	if b := w.blockOf(e); b >= 0 {
		return w.mode[b]
	}
	return AutomaticMode
}

// scope is what a failure of an element takes hold of, found from the root down.
func (w *watch) scope(e int) int {
	path := []int{}
	for ; e >= 0; e = w.w.Elems[e].Parent {
		path = append(path, e)
	}
	slices.Reverse(path)
	from := 0
	for i, b := range path {
		p := &w.w.Elems[b]
		inner := i > 0 && (p.Logic || w.w.Elems[path[i-1]].Bracket)
		if i > 0 && !inner && w.w.Elems[path[i-1]].Level < w.w.FailureLevel {
			from = i
		}
		body := b
		if p.Bracket {
			body = p.Body
		}
		if q := &w.w.Elems[body]; !inner && !q.Phase && !q.Logic && w.mode[body] == ManualMode {
			from = i
		}
	}
	return path[from]
}

// turned takes in that a block has another mode.
func (w *watch) turned(e *Effect) error {
	p := &w.w.Elems[e.Elem]
	if p.Phase || p.Logic || p.Bracket || Mode(e.Old) != w.mode[e.Elem] || e.Old == e.Value {
		return fmt.Errorf("element %d was %s", e.Elem, w.mode[e.Elem])
	}
	w.mode[e.Elem] = Mode(e.Value)
	return nil
}

// lets checks that what waits for release ends by itself in automatic only, and that only in manual somebody chooses and forces.
func (w *watch) lets(e *Effect) error {
	p := &w.w.Elems[e.Elem]
	gate := false
	switch kind := w.w.Actions[e.Action].Kind; kind {
	case recipe.Choose, recipe.Until:
		gate = true
	case recipe.Wait:
		gate = p.Parent >= 0 && w.w.Elems[p.Parent].Bracket && w.w.Elems[p.Parent].Body != e.Elem
	case recipe.Step:
		gate = w.modeOf(e.Elem) == ManualMode
	}
	mode := w.modeOf(e.Elem)
	if e.Kind == ActionReady && mode == AutomaticMode {
		return fmt.Errorf("element %d waits for release in automatic", e.Elem)
	}
	if e.Kind == ActionReady {
		return nil
	}
	if k := w.w.Actions[e.Action].Kind; (k == recipe.Jog || k == recipe.Time) && e.Reason != "forced" {
		return nil // they say how they end
	}
	if ok := map[string]bool{"": !gate || mode == AutomaticMode, "released": mode != AutomaticMode, "go_to": mode == ManualMode,
		"forced": mode == ManualMode}[e.Reason]; !ok {
		return fmt.Errorf("action %d ends in %s, %q", e.Action, mode, e.Reason)
	}
	return nil
}

// timedOut takes in a time-out. Logic that is late concerns its phase alone, but for that of a restart.
func (w *watch) timedOut(e *Effect) error {
	p := &w.w.Elems[e.Elem]
	if !p.Logic && e.Command != NoCommand || p.Logic && w.w.Elems[p.Parent].Logics[recipe.OnRestart] == e.Elem {
		f := failure{w.scope(e.Elem), -1}
		if e.Command == HardAbort {
			f.scope = 0
		}
		w.failed = append(w.failed, f)
	}
	w.hard = w.hard || e.Command == HardAbort
	if e.Tries > p.Retry || e.Command == NoCommand && e.Tries == 0 || e.Command != NoCommand && e.Tries < p.Retry {
		return fmt.Errorf("element %d runs out of time for try %d of %d, reaction %s", e.Elem, e.Tries, p.Retry, e.Command)
	}
	return nil
}

// follows checks that a child of a block that is not in automatic begins only where that was granted.
func (w *watch) follows(e *Effect) error {
	p := w.w.Elems
	begins, ends := e.From == Idle && e.To == Running, e.To == Complete
	if begins {
		w.free[e.Elem] = true
	}
	child, b := e.Elem, p[e.Elem].Parent
	if b >= 0 && p[b].Bracket {
		if begins && child != b+1 || ends && p[child].End != p[b].End {
			return nil
		}
		child, b = b, p[b].Parent
	}
	if b < 0 || p[b].Step == 0 || p[child].Logic {
		return nil
	}
	own := child == p[b].Step || p[b].Block == recipe.Repeat && child == p[b].Step-1 && p[child].Phase &&
		w.w.Actions[p[child].First].Kind == recipe.Until
	switch {
	case begins && !own && w.mode[b] != AutomaticMode && !w.free[b]:
		return fmt.Errorf("element %d begins, and nobody has let it", child)
	case begins && !own:
		w.free[b] = false
	case ends && (own || w.mode[b] == AutomaticMode):
		w.free[b] = true
	}
	if child == p[b].Step && ends {
		w.state[child] = Idle
	}
	return nil
}

// again checks that all below a repeat has ended where its next round begins, and that no round is too many.
func (w *watch) again(e *Effect) error {
	p := &w.w.Elems[e.Elem]
	for c := e.Elem + 1; c < p.End; c++ {
		if s := w.state[c]; s != Idle && s != Complete && !w.w.Elems[c].Logic {
			return fmt.Errorf("element %d is %s at the end of a round", c, s)
		}
		w.state[c] = Idle
	}
	if p.Block != recipe.Repeat || e.Round < 2 || e.Round > int64(p.AtMost) && p.OnLimit != recipe.LimitHold {
		return fmt.Errorf("round %d of %d", e.Round, p.AtMost)
	}
	return nil
}

// obeyed checks that nothing below the element of a command goes on as if it had not been given.
func (w *watch) obeyed(ev *Event, m *Machine) error {
	for p := ev.Elem; p < w.w.Elems[ev.Elem].End; p++ {
		if !w.w.Elems[p].Phase {
			continue
		}
		s, c := m.State(p), ev.Command
		if _, open := s.After(c); open && (c == Pause || c == Hold || c == Stop || c == Abort) {
			return fmt.Errorf("%s was %s, and phase %d is %s", c, w.result, p, s)
		}
	}
	return nil
}

// unsafe finds an output of an element that is not commanded to its safe value, or gives -1.
func (w *watch) unsafe(e int) int {
	for o := range w.out {
		if n := int(w.machine.out[o].Owner); n >= e && n < w.w.Elems[e].End && w.out[o].value != w.safe(o) && !w.machine.follows(o) {
			return o
		}
	}
	return -1
}

// led checks that all behind the element to which a person has led has ended or not begun.
func (w *watch) led(e *Effect) error {
	p := &w.w.Elems[e.Elem]
	if w.mode[e.Elem] != ManualMode || e.From != Running || e.To != Running || w.w.Elems[e.Who.Elems[0]].Parent != e.Elem {
		return fmt.Errorf("element %d cannot be led: %+v", e.Elem, e)
	}
	for c := e.Who.Elems[0]; c < p.Step; c++ {
		if s := w.state[c]; s != Idle && s != Complete && !w.w.Elems[c].Logic {
			return fmt.Errorf("element %d is %s and would begin anew", c, s)
		}
		w.state[c] = Idle
	}
	return nil
}

// modes checks the modes of all blocks, and that nothing waits between the children of a block while one of them is active.
func (w *watch) modes(m *Machine) error {
	p := w.w.Elems
	for b := range p {
		if m.Mode(b) != w.modeOf(b) {
			return fmt.Errorf("element %d is in %s, told %s", b, m.Mode(b), w.modeOf(b))
		}
		if up := w.blockOf(max(p[b].Parent, 0)); w.mode[b] == ManualMode && p[b].Parent >= 0 && w.mode[up] != ManualMode {
			return fmt.Errorf("element %d is in manual, and %d around it is in %s", b, up, w.mode[up])
		}
		step := p[b].Step
		if step == 0 {
			continue
		}
		s := State(m.el[step].State)
		if s == Complete {
			return fmt.Errorf("step %d stays Complete", step)
		}
		if s == Idle {
			continue
		}
		for e := b + 1; e < step; e++ {
			if c := State(m.el[e].State); p[e].Phase && c != Idle && c != Complete {
				return fmt.Errorf("element %d is %s while step %d is %s", e, c, step, s)
			}
		}
		if s == Running && m.el[step].Waiting && m.room > 0 && w.mode[b] == AutomaticMode {
			return fmt.Errorf("step %d waits in automatic", step)
		}
	}
	return nil
}
