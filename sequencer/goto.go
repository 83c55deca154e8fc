// What a person lets go on, chooses and forces where the mode is not automatic.

package sequencer

import "github.com/batchkit/batchkit/recipe"

// What B of a transition says where a person has decided.
const (
	released = 1 // of a step: what follows by itself
	led      = 3 // of a step or until: C of the block comes next
)

// byHand says in C of a select's transition that a person has chosen.
const byHand = 1

// waitsForRelease tells whether a phase waits for a person to let it go on. It looks again at what the phase waits for.
func (m *Machine) waitsForRelease(at int64, p int) bool {
	s := &m.el[p]
	if state := State(s.State); !s.Waiting || state != Running && state != Pausing {
		return false
	}
	if kind := m.current(p).Kind; kind == recipe.Step {
		return !m.over(at, p)
	}
	return m.asksRelease(p) && !m.over(at, p) && s.A != 0
}

// letGo answers release.
func (m *Machine) letGo(at int64, ev *Event, answer Effect, fx []Effect) []Effect {
	p, n := 0, 0
	m.each(ev.Elem, func(q int) {
		if m.waitsForRelease(at, q) {
			p, n = q, n+1
			answer.Who.add(q)
		}
	})
	switch {
	case n == 0:
		answer.Result, answer.Reason = Refused, "nothing in it waits for release"
	case n > 1:
		answer.Result, answer.Reason = Refused, "more than one waits for release; name one"
	}
	if fx = append(fx, answer); n != 1 {
		return fx
	}
	fx[len(fx)-1].Who = Who{}
	m.take(p, m.el[p].A)
	return m.endAction(at, p, "released", fx)
}

// take makes a verdict that a transition has come to the one that holds.
func (m *Machine) take(p int, verdict int64) {
	s := &m.el[p]
	switch s.A = 0; m.current(p).Kind {
	case recipe.Step:
		s.B = released
	case recipe.Choose:
		s.B = verdict
	case recipe.Until:
		if s.B = verdict; verdict == limited {
			s.B, s.C = goOn, limited
		}
	}
}

// chooses answers go_to.
func (m *Machine) chooses(at int64, ev *Event, answer Effect, fx []Effect) []Effect {
	b := m.body(ev.Elem)
	p, why := m.fork(b, &answer.Who)
	child := ev.Target >= 0 && ev.Target < len(m.el) && m.p.Elems[ev.Target].Parent == b && ev.Target < m.last(b) && !m.isUntil(ev.Target) &&
		(m.p.Elems[b].Block != recipe.Select || ev.Target > b+1)
	switch {
	case why != "":
	case !child:
		why = "what comes next is to be an element directly in it"
	default:
		why = m.already(b, ev.Target, &answer.Who)
	}
	if answer.Reason = why; why != "" {
		answer.Result = Refused
		return append(fx, answer)
	}
	fx = append(fx, answer)
	s := &m.el[p]
	switch a := m.current(p); {
	case a.Kind == recipe.Choose:
		for i := range a.Count {
			if m.p.Choices[a.First+i].Elem == ev.Target {
				s.A, s.B, s.C = 0, int64(i)+1, byHand
			}
		}
	case a.Kind == recipe.Step && m.next(p) == ev.Target:
		s.B = released
	default:
		s.A, s.B, m.el[b].C = 0, led, int64(ev.Target)
	}
	return m.endAction(at, p, "go_to", fx)
}

// fork finds the transition of a block at which a person may choose what comes next, or says why there is none.
func (m *Machine) fork(b int, who *Who) (p int, why string) {
	switch {
	case !m.isBlock(b):
		return 0, "a phase has nothing to go to; name the block around it"
	case m.p.Elems[b].Block == recipe.Parallel:
		return 0, "all in a parallel block runs at once; go_to is for a sequence, a repeat or a select"
	case Mode(m.el[b].Mode) != ManualMode:
		return 0, "not in manual; command manual to it first"
	}
	runs := false
	m.each(b, func(q int) {
		switch s := &m.el[q]; {
		case m.p.Elems[q].Parent != b || !m.isStep(q) && !m.isUntil(q) && !(m.p.Elems[b].Block == recipe.Select && q == b+1):
			runs = true
			who.add(q)
		case State(s.State) == Running && s.Waiting && s.B == 0:
			p = q
		}
	})
	switch state := m.state(b); {
	case runs:
		return 0, "something in it still runs; wait for its end, or force what it waits for"
	case p != 0:
		return p, ""
	default:
		return 0, rests[state]
	}
}

// rests says why what is in a state, and does not wait, takes no order, and what would help.
var rests = [stateCount]string{Idle: "it has not begun", Running: "it waits for nothing", Complete: "it has ended",
	Pausing: "it is being paused; resume it first", Paused: "it is paused; resume it first", Holding: "it is being held; restart it first",
	Held: "it is held; restart it first", Restarting: "it restarts; wait until it runs", Stopping: "it is being stopped",
	Stopped: "it was stopped", Aborting: "it is being aborted", Aborted: "it was aborted"}

// already says why what would run again may not. What lies behind the target in its block follows it, and would run again too.
func (m *Machine) already(b, target int, who *Who) (why string) {
	for e := target; e < m.last(b); e++ {
		p := &m.p.Elems[e]
		if !p.Phase || State(m.el[e].State) == Idle {
			continue
		}
		for i := p.First; i < p.First+p.Count; i++ {
			again := ""
			switch m.p.Actions[i].Kind {
			case recipe.OpenWindow:
				again = "a metering window would open again that has its total already; go to what lies behind it"
			case recipe.Sync, recipe.Send, recipe.Receive:
				again = "others would be met again that have gone on since; go to what lies behind it"
			}
			if again != "" {
				why = again
				who.add(e)
				break
			}
		}
	}
	return why
}

// leads tells whether a transition has ended because a person has chosen what comes next in its block.
func (m *Machine) leads(e int) bool {
	return m.el[e].B == led && (m.isStep(e) || m.isUntil(e)) && m.el[m.p.Elems[e].Parent].C != 0
}

// jumped tells whether a phase, or the bracket around it, is where go_to has led in its block. What hands its equipment phase to it has
// not ended just before.
func (m *Machine) jumped(p int) bool {
	b := m.p.Elems[p].Parent
	if b >= 0 && m.p.Elems[b].Bracket {
		p, b = b, m.p.Elems[b].Parent
	}
	return b >= 0 && m.p.Elems[b].Step > 0 && int(m.el[b].C) == p
}

// goTo makes what a person has chosen, and all behind it in its block, as if it had never run. What was handed over to another than
// that goes to its safe value.
func (m *Machine) goTo(at int64, e, to int, fx []Effect) []Effect {
	b := m.p.Elems[e].Parent
	if from := int(m.el[b].B); m.isStep(e) {
		fx = m.unhand(at, e, from, fx)
	}
	for c := to; c < m.last(b); c++ {
		m.remake(c, elem{})
	}
	tell := Effect{From: Running, To: Running, Edge: EdgeGoTo}
	tell.Who.add(to)
	return m.changed(b, fx, tell)
}

// unhand drives to their safe values what an equipment phase has left on for the one behind the element from, which does not follow it.
func (m *Machine) unhand(at int64, step, from int, fx []Effect) []Effect {
	if !m.p.Elems[m.body(from)].Hands {
		return fx
	}
	b := m.p.Elems[step].Parent
	first := from
	for c := b + 1; c < from; c = m.p.Elems[c].End { // the chain begins behind the last one that hands nothing over
		if p := m.body(c); !m.p.Elems[p].Hands {
			first = from
		} else if first == from {
			first = c
		}
	}
	for o := range m.out {
		if s := &m.out[o]; int(s.Owner) == step && m.sets(first, m.p.Elems[from].End, o) {
			s.Kept = false
			fx = m.writeSafe(at, o, "equipment phase not handed over", fx)
		}
	}
	return fx
}

// sets tells whether a phase among some elements sets an output.
func (m *Machine) sets(from, to, o int) bool {
	for e := from; e < to; e++ {
		if m.p.Elems[e].Phase && m.names(e, o) {
			return true
		}
	}
	return false
}

// unforced says why what an action waits for cannot be forced; "" where it can be.
var unforced = [...]string{
	recipe.Set:        "only the device can confirm an output",
	recipe.Prompt:     "answer the prompt",
	recipe.Request:    "only who carries the action out can say how it ended",
	recipe.Sync:       "others wait at this line; force what keeps those who are missing",
	recipe.Send:       "there is no room for the message until one is received",
	recipe.Receive:    "the message would come later, to nobody; force what keeps its sender",
	recipe.Choose:     "say with go_to which element comes next",
	recipe.Acquire:    "equipment that others hold is not free by force; bring them to their end",
	recipe.Step:       "release it, or say with go_to which element comes next",
	recipe.OpenWindow: "only the meter can open its window",
	recipe.Jog:        "it ends by itself after its last jog; hold, stop or abort brings its outputs to rest",
	recipe.Time:       "answer the prompt",
}

// forces answers force.
func (m *Machine) forces(at int64, ev *Event, answer Effect, fx []Effect) []Effect {
	p := ev.Elem
	if m.p.Elems[p].Bracket { // what is active of the element itself
		for c := p + 1; c < m.p.Elems[ev.Elem].End; c = m.p.Elems[c].End {
			if s := State(m.el[c].State); m.p.Elems[c].Phase && s != Idle && !s.Terminal() {
				p = c
			}
		}
	}
	s := &m.el[p]
	state := State(s.State)
	switch {
	case m.Mode(p) != ManualMode:
		answer.Reason = "not in manual; command manual to the block around it first"
	case !m.p.Elems[p].Phase:
		answer.Reason = "name the phase or transition that waits"
	case state != Running && (state != Pausing || !s.Waiting):
		answer.Reason = rests[state]
	case s.Anew:
		answer.Reason = "it begins anew once its outputs are safe"
	case !s.Waiting:
		answer.Reason = rests[Running]
	default:
		answer.Reason = unforced[min(m.current(p).Kind, recipe.Step)]
	}
	if answer.Reason != "" {
		answer.Result = Refused
		return append(fx, answer)
	}
	if m.current(p).Kind == recipe.Until {
		s.B = goOn
	}
	return m.endAction(at, p, "forced", append(fx, answer))
}
