// Modes: whether what is true goes on by itself, waits for release, or a person says what comes next.

package sequencer

import (
	"strconv"

	"github.com/batchkit/batchkit/recipe"
)

// Mode is the mode of a block. A phase has none of its own: the block around it says what follows it, and the mode of that holds for
// its entry and exit. A time-out runs on while somebody is waited for; between two children of a block there is none.
//
// A command that gives a block a mode gives it to all blocks within it. Manual goes outwards too: the blocks around that block are in manual
// with it, up to the procedure, since what follows it is theirs to say; the blocks beside it stay as they are.
type Mode uint8

// The modes.
const (
	AutomaticMode     Mode = iota // a transition fires when it is true
	SemiAutomaticMode             // it waits for release then; so does, between two children of a sequence or repeat, the next one
	ManualMode                    // the same, and nothing follows a child until a person says what; a sequence does not end by itself
	modeCount
)

// maxModes is how many blocks one command gives another mode at most; each is a record.
const maxModes = 512

var tooManyModes = "more than " + strconv.Itoa(maxModes) + " blocks would change; name one of the blocks in it"

// String gives the name that records and commands use: automatic, semi_automatic or manual.
func (m Mode) String() string {
	return [...]string{"automatic", "semi_automatic", "manual"}[min(m, ManualMode)]
}

// Mode returns the mode that holds for an element: a block's own, else that of the block around it.
func (m *Machine) Mode(e int) Mode {
	if b := m.block(e); b >= 0 {
		return Mode(m.el[b].Mode)
	}
	return AutomaticMode
}

func (m *Machine) isBlock(e int) bool {
	p := &m.p.Elems[e]
	return !p.Phase && !p.Logic && !p.Bracket
}

// block is the block whose mode holds for an element: itself, the one that its transition is of, else the one around it; -1: none.
func (m *Machine) block(e int) int {
	for ; e >= 0; e = m.p.Elems[e].Parent {
		if b := m.body(e); m.isBlock(b) {
			return b
		}
	}
	return -1
}

// body is the element that a bracket stands around; any other is its own.
func (m *Machine) body(e int) int {
	if p := &m.p.Elems[e]; p.Bracket && p.Body > e {
		return p.Body
	}
	return e
}

// manned tells whether an element, or what a bracket stands around, is in manual.
func (m *Machine) manned(e int) bool {
	b := m.body(e)
	return m.isBlock(b) && Mode(m.el[b].Mode) == ManualMode
}

// mode answers the command of a mode, and gives it to the element and all blocks below it; manual to all around it, too.
func (m *Machine) mode(ev *Event, answer Effect, fx []Effect) []Effect {
	e, mode, n := m.body(ev.Elem), Mode(ev.Command-Automatic), 0
	turns := func(b int) bool {
		around := mode == ManualMode && b < e && e < m.p.Elems[b].End
		return (b >= e || around) && m.isBlock(b) && Mode(m.el[b].Mode) != mode
	}
	for b := range m.p.Elems[e].End {
		if turns(b) {
			n++
		}
	}
	switch {
	case !m.isBlock(e):
		answer.Result, answer.Reason = Refused, "a phase has no mode; name the block around it"
	case m.state(0).Terminal():
		answer.Result, answer.Reason = Refused, "the batch is over"
	case n == 0:
		answer.Result, answer.Reason = NoOp, "already in this mode"
	case n > maxModes:
		answer.Result, answer.Reason = Refused, tooManyModes
	}
	fx = append(fx, answer)
	for b := 0; answer.Result == Accepted && b < m.p.Elems[e].End; b++ {
		if turns(b) {
			fx = append(fx, Effect{Kind: ModeChanged, Elem: b, Old: int64(m.el[b].Mode), Value: int64(mode)})
			m.el[b].Mode = uint8(mode)
		}
	}
	return fx
}

// isStep tells whether an element is the transition between the children of the block around it.
func (m *Machine) isStep(e int) bool {
	up := m.p.Elems[e].Parent
	return up >= 0 && m.p.Elems[up].Step == e
}

// isUntil tells whether an element is the transition that asks whether a repeat is over.
func (m *Machine) isUntil(e int) bool {
	p := &m.p.Elems[e]
	return p.Parent >= 0 && m.p.Elems[p.Parent].Block == recipe.Repeat && p.Phase && p.End == m.last(p.Parent) &&
		m.p.Actions[p.First].Kind == recipe.Until
}

// last is one past the last child of a block that is not its step.
func (m *Machine) last(b int) int {
	if p := &m.p.Elems[b]; p.Step > 0 {
		return p.Step
	}
	return m.p.Elems[b].End
}

// halts tells whether a block waits at its step before what follows a child. What has its own transition asks there.
func (m *Machine) halts(e, next int) bool {
	b := m.p.Elems[e].Parent
	if m.p.Elems[b].Step == 0 || m.isStep(e) || m.isUntil(e) || next >= 0 && m.isUntil(next) {
		return false
	}
	mode := Mode(m.el[b].Mode)
	return mode == ManualMode || mode == SemiAutomaticMode && next >= 0
}

// asksRelease tells whether the action of an element is a condition that waits for release where the mode is not automatic.
func (m *Machine) asksRelease(p int) bool {
	e := &m.p.Elems[p]
	switch m.current(p).Kind {
	case recipe.Choose, recipe.Until:
		return true
	case recipe.Wait:
		return e.Parent >= 0 && m.p.Elems[e.Parent].Bracket && m.body(e.Parent) != p
	}
	return false
}

// goes tells whether a phase whose condition has come to a verdict, 0 for none, goes on. Where it is to wait for release, A keeps it.
func (m *Machine) goes(p int, verdict int64) bool {
	s := &m.el[p]
	if s.A = verdict; verdict == 0 {
		return false
	}
	if m.asksRelease(p) && m.Mode(p) != AutomaticMode {
		return false
	}
	s.A = 0
	return true
}

// coming names what comes next where a transition with a verdict is released; nobody where its block, or the element that it is of, ends.
func (m *Machine) coming(p int, verdict int64) (w Who) {
	next, a := over, m.current(p)
	switch {
	case a.Kind == recipe.Choose:
		next = m.p.Choices[a.First+int(min(max(verdict, 1), int64(a.Count)))-1].Elem
	case a.Kind == recipe.Until && verdict == onceMore:
		next = m.p.Elems[p].Parent + 1
	case a.Kind == recipe.Until:
	default:
		next = m.next(p)
	}
	if next > 0 {
		w.add(next)
	}
	return w
}

// Resting tells whether nothing goes on, although the batch has begun and is not over, before a person has given an order: all that is
// active is held or paused, or waits between two steps.
func (m *Machine) Resting() bool {
	for p := m.active.next(0); p >= 0; p = m.active.next(p + 1) {
		s := &m.el[p]
		if state := State(s.State); state != Held && state != Paused && !(state == Running && s.Waiting && m.current(p).Kind == recipe.Step) {
			return false
		}
	}
	return !m.active.empty()
}
