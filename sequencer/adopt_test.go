// Programs of the same form with other constants, for the rig, scenarios and random worlds.

package sequencer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
)

// with is a program of the same form, whose constants are what number makes of numbers and time of times.
func (p *Program) with(number, time func(int64) int64) *Program {
	q := *p
	q.Elems, q.Actions, q.Sets = slices.Clone(p.Elems), slices.Clone(p.Actions), slices.Clone(p.Sets)
	q.Windows, q.Choices = slices.Clone(p.Windows), slices.Clone(p.Choices)
	some := func(t int64) int64 {
		if t > 0 {
			t = time(t)
		}
		return t
	}
	asked := func(c cond.Cond) cond.Cond {
		c = slices.Clone(c)
		for i := range c {
			if c[i].Tag != tag.None && c[i].Op != cond.Of {
				c[i].Value = number(c[i].Value)
			}
			c[i].Time = some(c[i].Time)
		}
		return c
	}
	for i := range q.Elems {
		q.Elems[i].Timeout = some(q.Elems[i].Timeout)
	}
	for i := range q.Actions {
		a := &q.Actions[i]
		a.For, a.Cond = some(a.For), asked(a.Cond)
		if a.Kind == recipe.VerifyStable {
			a.Within = number(a.Within)
		}
	}
	for i := range q.Sets {
		q.Sets[i].Value = number(q.Sets[i].Value)
	}
	for i := range q.Windows {
		q.Windows[i].Target = number(q.Windows[i].Target)
	}
	for i := range q.Choices {
		q.Choices[i].Cond = asked(q.Choices[i].Cond)
	}
	return &q
}

// adopt makes the machine and its twins run by other constants, and steps them. The same constants anew change nothing; others move no
// output, and no deadline into the past or while all is held.
func (r *rig) adopt(at int64, p *Program) error {
	r.now, r.plant.now = at, at
	before := r.m.Snapshot(nil)
	if r.m.Adopt(at, r.p); !bytes.Equal(before, r.m.Snapshot(nil)) {
		return fmt.Errorf("at %s: the constants are the same, and the state is another", seconds(at))
	}
	r.p = p
	was, due := slices.Clone(r.m.out), r.m.Wake()
	for _, m := range []*Machine{r.m, r.twin, r.hop, r.fork, r.whole} {
		m.Adopt(at, p)
	}
	for o, is := range r.m.out {
		if is.Kept && !was[o].Kept && !r.setBy(int(is.By)-1, int(is.Owner)) {
			return fmt.Errorf("at %s: output %d is %+v, and who answers for it is not held after that set", seconds(at), o, is)
		}
		if is.Kept, is.Held = was[o].Kept, was[o].Held; is != was[o] {
			return fmt.Errorf("at %s: output %d was %+v, and other constants make it %+v", seconds(at), o, was[o], is)
		}
	}
	if wake := r.m.Wake(); wake < min(at, due) || r.m.Held() && wake != due {
		return fmt.Errorf("at %s: the deadline was %s, and other constants make it %s", seconds(at), seconds(due), seconds(wake))
	}
	return r.take(at, Event{Kind: Input})
}

// setBy tells whether a phase is held that has come to a set of its own.
func (r *rig) setBy(set, phase int) bool {
	e, s := &r.w.Elems[phase], &r.m.el[phase]
	for i := 0; i < e.Count; i++ {
		if a := &r.w.Actions[e.First+i]; a.Kind == recipe.Set && set >= a.First && set < a.First+a.Count {
			return (State(s.State) == Held || State(s.State) == Holding) && !s.Anew && (i < int(s.PC) || i == int(s.PC) && s.Waiting)
		}
	}
	return false
}

// change makes the machine run by other constants.
func (s *scenario) change(l script.Line) error {
	same := func(v int64) int64 { return v }
	swap := func(was, is int64) func(int64) int64 {
		return func(v int64) int64 {
			if v == was {
				return is
			}
			return v
		}
	}
	number, time := same, same
	if was, err := l.Int(0); err == nil {
		is, err := l.Int(1)
		if err != nil {
			return err
		}
		number = swap(was, is)
	} else {
		was, err := l.Duration(0)
		if err != nil {
			return err
		}
		is, err := l.Duration(1)
		if err != nil {
			return err
		}
		time = swap(was, is)
	}
	fmt.Fprintf(&s.out, "%-10s  %s %s\n", seconds(s.at), l.Verb, strings.Join(l.Args, " "))
	return s.r.adopt(s.at, s.r.p.with(number, time))
}

// change gives the program other constants, a few or all.
func (w *world) change() error {
	often := 1 + w.IntN(4)
	number := func(v int64) int64 {
		if w.IntN(often) == 0 {
			v = int64(w.IntN(9) - 3)
		}
		return v
	}
	time := func(t int64) int64 {
		if w.IntN(often) == 0 {
			t = 1 + w.Int64N(10*second)
		}
		return t
	}
	return w.r.adopt(w.r.now, w.r.p.with(number, time))
}
