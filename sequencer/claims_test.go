// What the watch knows of equipment: who may have it, by effects and events alone.

package sequencer

import (
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/recipe"
)

// claim is a request that was made of an arbiter.
type claim struct {
	phase               int // that asks
	granted, over, kept bool
	taken               bool // by somebody else: it is given back however its parts are
}

// granted takes in a grant or a taking, and refused a refusal, which may come after its request was withdrawn in the same step: a deadline
// was before it.
func (w *watch) granted(at int64, ev *Event, fx []Effect) {
	late := func(e Effect) bool { return e.Kind == Answer && e.Result == Refused && e.ID == ev.ID }
	c := w.claims[ev.ID]
	switch {
	case c == nil || c.over:
	case ev.Kind == ResourceGranted && !slices.ContainsFunc(fx, late):
		if !c.granted {
			w.gets(at, c)
		}
		c.granted = true
	case ev.Kind == ResourceRefused && ev.OK && c.granted && !slices.ContainsFunc(fx, late):
		c.taken = true
	}
}

func (w *watch) refused(ev *Event) {
	if c := w.claims[ev.ID]; c != nil && !c.granted && ev.Kind == ResourceRefused {
		c.over = true
	}
}

// claim checks an effect that concerns an arbiter: each request has a number of its own, and is given back once. Only at a boot is
// something told again, and what is granted and not wanted is given back whenever that is.
func (w *watch) claim(e *Effect) error {
	c := w.claims[e.ID]
	switch {
	case e.Kind == RequestResource && c == nil:
		if w.asked++; e.ID != w.asked {
			return fmt.Errorf("number %d, not %d", e.ID, w.asked)
		}
		w.claims[e.ID] = &claim{phase: e.Elem}
		return nil
	case e.Kind == ReleaseResource && e.Elem == 0:
		if e.ID > w.asked || c != nil && !c.over {
			return fmt.Errorf("number %d is wanted, or was never asked for", e.ID)
		}
		return nil
	case c == nil || c.phase != e.Elem:
		return fmt.Errorf("number %d was not asked for by it", e.ID)
	case e.Kind == ReleaseResource && e.Result == Refused:
		if c.kept {
			return fmt.Errorf("number %d is kept twice", e.ID)
		}
		c.kept = true
		return nil
	case e.Kind == ReleaseResource && (!c.over || w.booting):
		if !c.over {
			if err := w.gives(c); err != nil {
				return err
			}
		}
		c.over = true
		return nil
	case e.Kind == RequestResource && !c.over && w.booting, e.Kind == ActionWaits && !c.over && !c.granted:
		return nil
	}
	return fmt.Errorf("number %d: granted %t, over %t", e.ID, c.granted, c.over)
}

// robbed tells whether what a bracket asked for last was taken from it.
func (w *watch) robbed(b int) bool {
	last, taken := uint32(0), false
	for id, c := range w.claims {
		if c.phase == b+1 && id > last {
			last, taken = id, c.taken
		}
	}
	return taken
}

// unclaimed checks that at the end everything is given back, or said to be kept.
func (w *watch) unclaimed() error {
	for id, c := range w.claims {
		if !c.over && !c.kept {
			return fmt.Errorf("number %d is never given back", id)
		}
	}
	return nil
}

// shares checks that no more elements work with a resource than may have it, and none with what an arbiter has not granted it.
func (w *watch) shares() error {
	owners := make([]int, w.w.Resources)
	for b := range w.w.Elems {
		if !w.works(b) {
			continue
		}
		if w.robbed(b) { // others may have what it had
			if e := w.moves(b); e >= 0 {
				return fmt.Errorf("phase %d is %s, and what bracket %d had was taken from it", e, w.state[e], b)
			}
			continue
		}
		a := &w.w.Actions[w.w.Elems[b+1].First]
		for _, r := range w.w.Uses[a.First : a.First+a.Count] {
			if owners[r]++; owners[r] > w.w.Owners[r] {
				return fmt.Errorf("resource %d has %d owners", r, owners[r])
			}
		}
		granted := a.Ask == 0
		for _, c := range w.claims {
			granted = granted || c.phase == b+1 && c.granted && !c.over
		}
		if !granted {
			return fmt.Errorf("bracket %d works with what it was not granted", b)
		}
	}
	return nil
}

// moves finds a phase in a bracket that neither stands still nor is on its way to that; -1: there is none.
func (w *watch) moves(b int) int {
	for e := b + 2; e < w.w.Elems[b].End; e++ {
		if s := w.state[e]; w.w.Elems[e].Phase && !fallen(s) && s != Idle && s != Complete && s != Holding && s != Held {
			return e
		}
	}
	return -1
}

// works tells whether something runs, or is held, in a bracket that has got its equipment. What owners says of those who were stopped
// or aborted is not said here.
func (w *watch) works(b int) bool {
	p := &w.w.Elems[b]
	if !p.Bracket || !w.w.Elems[b+1].Phase || w.w.Actions[w.w.Elems[b+1].First].Kind != recipe.Acquire || w.state[b+1] != Complete {
		return false
	}
	for e := b + 2; e < p.End; e++ {
		if s := w.state[e]; w.w.Elems[e].Phase && s != Idle && !s.Terminal() && !fallen(s) {
			return true
		}
	}
	return false
}
