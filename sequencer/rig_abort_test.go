// What the watch of a rig checks of retries, aborts, the request for a trip, and equipment that is another's.

package sequencer

import (
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
)

// setters finds the outputs that one phase alone sets.
func (w *watch) setters() {
	w.alone = slices.Repeat([]int{-1}, len(w.out))
	many := make([]bool, len(w.out))
	for e := range w.w.Elems {
		p := &w.w.Elems[e]
		owner := e
		if p.Logic {
			owner = p.Parent
		}
		for _, a := range w.w.Actions[p.First : p.First+p.Count] {
			for k := a.First; a.Sets() && k < a.First+a.Count; k++ {
				o := w.w.Sets[k].Output
				many[o] = many[o] || w.alone[o] >= 0 && w.alone[o] != owner
				w.alone[o] = owner
			}
		}
	}
	for o := range many {
		if many[o] {
			w.alone[o] = -1
		}
	}
}

// safe is the safe value of an output, which is another for the one that requests a trip once it does.
func (w *watch) safe(o int) int64 {
	if t := w.w.Trip; t != nil && t.Output == o && w.trip != NoTrip {
		return t.Value
	}
	if w.drops(o) {
		return w.policy(o).Value
	}
	return w.w.Outputs[o].Safe
}

// retried checks that a phase begins anew with nothing left of what it did.
func (w *watch) retried(e *Effect) error {
	p := &w.w.Elems[e.Elem]
	if e.From != e.To || e.To != Running && e.To != Pausing || e.Tries > p.Retry {
		return fmt.Errorf("element %d: no such retry", e.Elem)
	}
	for o, s := range w.out {
		if w.alone[o] == e.Elem && !p.Waits && s.touched && (s.value != w.safe(o) || s.busy || !s.known) {
			return fmt.Errorf("element %d begins anew, and output %d is %d, known %t, busy %t", e.Elem, o, s.value, s.known, s.busy)
		}
		w.out[o].touched = s.touched && w.alone[o] != e.Elem
	}
	return nil
}

// abort checks what is told of an abort before it takes place, and of the request for a trip.
func (w *watch) abort(e *Effect) error {
	switch e.Kind {
	case Found:
		if w.found[e.Elem] = true; !w.w.Elems[e.Elem].Logic && e.From != w.state[e.Elem] {
			return fmt.Errorf("element %d is found in %s, it was %s", e.Elem, e.From, w.state[e.Elem])
		}
	case Diagnosed:
		end := w.w.Elems[e.Elem].End
		w.below = append(w.below, [2]int{e.Elem, end})
		w.hard = w.hard || e.Command == HardAbort && (w.interlocked() || w.judges)
		for p := e.Elem; p < end; p++ {
			if s := w.state[p]; w.w.Elems[p].Phase && s != Idle && !s.Terminal() && !w.found[p] {
				return fmt.Errorf("phase %d is %s, and the diagnosis lacks it", p, s)
			}
		}
	case TripChanged:
		t := w.w.Trip
		w.hard = w.hard || w.stands || w.interlocked() // it read back already
		if t == nil || !w.hard || e.Trip <= w.trip || e.Output != t.Output || e.Value != t.Value {
			return fmt.Errorf("the trip was %s", w.trip)
		}
		w.trip = e.Trip
	}
	return nil
}

// aborted checks that after a hard abort every output has its safe value at once, a trip is requested, and no logic runs.
func (w *watch) aborted(m *Machine) error {
	if !w.hard {
		return nil
	}
	for o, s := range w.out {
		if s.value != w.safe(o) {
			return fmt.Errorf("output %d is %d after a hard abort", o, s.value)
		}
	}
	for e := range w.w.Elems {
		if s := m.State(e); w.w.Elems[e].Phase && (m.busy(e) != 0 || s != Idle && s != Complete && s != Aborting && s != Aborted) {
			return fmt.Errorf("phase %d is %s after a hard abort, its logic %d runs", e, s, m.busy(e))
		}
	}
	if w.w.Trip != nil && w.trip == NoTrip {
		return fmt.Errorf("a hard abort, and no trip is requested")
	}
	return nil
}

// request finds before a step whether a request for a trip stands of which nothing is known, or may stand because it cannot be read.
func (w *watch) request(at int64, ev *Event) {
	t := w.w.Trip
	if w.stands = false; t == nil || w.trip != NoTrip || w.ended {
		return
	}
	s := &w.out[t.Output]
	v, q := w.plant.Read(w.w.Outputs[t.Output].Tag, at)
	if w.unread = w.unread || ev.Kind == Boot && w.batch != Idle && s.known && !s.busy; w.unread && q == tag.Good {
		w.unread, w.stands = false, v == t.Value
		s.known = v == s.value
	}
}

// kept checks that no request for a trip that stands or may stand is taken back.
func (w *watch) kept(fx []Effect) error {
	for i := range fx {
		if e := &fx[i]; e.Kind == Write && (w.unread || w.stands) && w.trip == NoTrip && e.Output == w.w.Trip.Output {
			return fmt.Errorf("a request for a trip that may stand is taken back")
		}
	}
	if w.stands && w.trip == NoTrip {
		return fmt.Errorf("a request for a trip stands, and is not made")
	}
	if w.unread = w.unread && w.trip == NoTrip; w.unread {
		w.out[w.w.Trip.Output].known = false
	}
	return nil
}

// owners checks that who has lost equipment to another one does nothing any more.
func (w *watch) owners(m *Machine) error {
	for b := range w.w.Elems {
		if !w.w.Elems[b].Bracket || !w.w.Elems[b+1].Phase || State(m.el[b].State) != Running || State(m.el[b+1].State) != Complete {
			continue
		}
		a := &w.w.Actions[w.w.Elems[b+1].First]
		for i := a.First; a.Kind == recipe.Acquire && i < a.First+a.Count; i++ {
			r := w.w.Uses[i]
			if m.has(b, r) {
				continue
			}
			for e := b; e < w.w.Elems[b].End; e++ {
				s := m.State(e)
				held := w.robbed(b) && (s == Holding || s == Held) // until a person stops or aborts it
				if w.w.Elems[e].Phase && s != Idle && s != Complete && !fallen(s) && !held || m.busy(e) != 0 {
					return fmt.Errorf("phase %d is %s, and resource %d of bracket %d is another's", e, s, r, b)
				}
			}
			for o := range m.out {
				if n := int(m.out[o].Owner); n >= b && n < w.w.Elems[b].End && w.out[o].value != w.safe(o) {
					return fmt.Errorf("output %d is %d, and resource %d of bracket %d is another's", o, w.out[o].value, r, b)
				}
			}
		}
	}
	return nil
}
