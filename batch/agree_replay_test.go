// The replay of a proof's trace in the engine: only what the trace names goes on, and what the finding says must come about.

package batch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/recipe/sound"
	"github.com/batchkit/batchkit/sequencer"
)

// replay drives the engine along the trace of a finding and returns what the engine does otherwise than the finding says.
func replay(b *Batch, f *sound.Finding) error {
	r := &retold{stage: newStage(b), want: map[done]int{}}
	for i := 0; i < len(f.Trace); {
		n := 1
		for a := r.line(&f.Trace[i]); a != "" && i+n < len(f.Trace) && r.line(&f.Trace[i+n]) == a; n++ {
		}
		if err := r.drive(f.Trace[i : i+n]); err != nil {
			return fmt.Errorf("move %d, %s: %w", i+1, f.Trace[i].Text, err)
		}
		i += n
	}
	if f.Kind == sound.TooMany {
		return r.overflow(f)
	}
	if err := r.drain(); err != nil {
		return err
	}
	if f.Kind == sound.Leftover {
		if left := slices.ContainsFunc(r.posted, func(n int) bool { return n > 0 }); !r.ended || !left {
			return fmt.Errorf("ended %t, messages left %v: %s", r.ended, r.posted, r)
		}
		return nil
	}
	return r.stuck(f)
}

// retold is a stage on which a trace is played.
type retold struct {
	*stage
	want map[done]int // how often the trace says that it has come about
}

// line is the line at which a move meets, "" for another move.
func (r *retold) line(m *sound.Move) string {
	if m.Action >= 0 && m.Element.Actions[m.Action].Kind == recipe.Sync {
		return m.Element.Actions[m.Action].Line
	}
	return ""
}

// find returns the element of the program with that id that is no bracket, and the bracket around it or -1.
func (s *stage) find(id string) (elem, bracket int) {
	elem, bracket = -1, -1
	for i := range s.b.prog.elems {
		switch {
		case s.b.prog.elems[i].id != id:
		case s.p.Elems[i].Bracket:
			bracket = i
		default:
			elem = i
		}
	}
	return elem, bracket
}

// target is what a move is in the engine, and which way it goes there.
func (r *retold) target(m *sound.Move) (d done, way int) {
	id := m.Element.ID
	elem, bracket := r.find(id)
	first := func(id string) done {
		p, _ := r.find(id)
		return done{p, "act", r.p.Elems[p].First}
	}
	verb := strings.TrimPrefix(m.Text, id+" ")
	switch {
	case m.Action >= 0:
		return done{elem, "act", r.p.Elems[elem].First + m.Action}, 0
	case strings.HasPrefix(verb, "gets "):
		return first(id + ".uses"), 0
	case strings.HasPrefix(verb, "gives back "):
		last := bracket + 1
		for r.p.Elems[last].End < r.p.Elems[bracket].End {
			last = r.p.Elems[last].End
		}
		return done{last, "is over", 0}, 0
	case strings.HasPrefix(verb, "chooses "):
		way = slices.IndexFunc(m.Element.Children, func(c *recipe.Element) bool { return c.ID == strings.TrimPrefix(verb, "chooses ") })
		return first(id + ".select"), way
	case strings.Contains(verb, "goes round again"):
		return done{elem, "round", 0}, 0
	case verb == "goes on":
		return done{elem, "ends", 0}, 1
	}
	return done{elem, "begins", 0}, 0
}

// drive lets go on what must for some moves that come about together, until they have.
func (r *retold) drive(moves []sound.Move) error {
	var targets []done
	ways := map[int]int{} // by phase that chooses or asks
	for i := range moves {
		d, way := r.target(&moves[i])
		r.want[d]++
		targets = append(targets, d)
		for _, key := range []string{".select", ".until"} {
			if p, _ := r.find(moves[i].Element.ID + key); p >= 0 {
				ways[p] = way
			}
		}
	}
	for range 100_000 {
		r.confirm()
		if !slices.ContainsFunc(targets, func(d done) bool { return r.happened[d] < r.want[d] }) {
			return nil
		}
		if strings.Contains(r.full, "is still false") && strings.Contains(moves[0].Text, "by a restart") {
			r.restart()
		}
		if len(r.late) > 0 || r.full != "" || !r.nudge(targets, ways) {
			return fmt.Errorf("the engine does not come there: %s %s", r, r.full)
		}
	}
	return fmt.Errorf("the engine goes on without end: %s", r)
}

// restart restarts the batch that is held.
func (r *retold) restart() {
	for r.m.State(0) == sequencer.Holding && r.tick() {
		r.confirm()
	}
	r.step(sequencer.Event{Kind: sequencer.Told, Command: sequencer.Restart})
	for r.confirm(); r.m.State(0) == sequencer.Restarting && r.tick(); r.confirm() {
	}
	r.full = ""
}

// nudge lets one phase go on that is on the way to a target.
func (r *retold) nudge(targets []done, ways map[int]int) bool {
	for p := range r.p.Elems {
		if !r.data(p) || !slices.ContainsFunc(targets, func(d done) bool { return r.before(p, d.elem) }) {
			continue
		}
		way, given := ways[p]
		if !given && r.kind(p) == recipe.Until {
			way = 1
		}
		r.throw(p, way)
		return true
	}
	for p := range r.p.Elems {
		if r.timed(p) && slices.ContainsFunc(targets, func(d done) bool { return r.before(p, d.elem) }) {
			return r.tick()
		}
	}
	return false
}

// before tells whether an active phase is on the way to an element, and not in another branch.
func (r *retold) before(p, e int) bool {
	up := e
	for up >= 0 && (p < up || p >= r.p.Elems[up].End) {
		up = r.p.Elems[up].Parent
	}
	return up == e || r.p.Elems[up].Block != recipe.Parallel
}

// drain lets everybody go on as far as they can.
func (r *retold) drain() error {
	all := []done{{elem: 0}}
	for range 100_000 {
		r.confirm()
		if len(r.late) > 0 || r.full != "" {
			return fmt.Errorf("the engine fails: %s %s", r, r.full)
		}
		if r.ended || !r.nudge(all, nil) {
			for r.m.State(0).Terminal() && !r.ended && r.tick() {
				r.confirm()
			}
			return nil
		}
	}
	return fmt.Errorf("the engine goes on without end: %s", r)
}

// stuck holds those who wait against those of a finding, and lets time go on until one runs out of it.
func (r *retold) stuck(f *sound.Finding) error {
	var want, got []string
	for _, m := range f.Stuck {
		id := m.Element.ID + ".uses"
		if m.Action >= 0 {
			id = fmt.Sprintf("%s/%d", m.Element.ID, m.Action+1)
		}
		want = append(want, id)
	}
	for p := range r.p.Elems {
		if k := r.kind(p); k == recipe.Sync || k == recipe.Receive {
			got = append(got, r.b.prog.actions[r.waits[p]-1].id)
		} else if k != 0 {
			got = append(got, r.b.prog.elems[p].id)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		return fmt.Errorf("%v shall wait, and %v do: %s", want, got, r)
	}
	for len(r.late) == 0 {
		if !r.tick() {
			return fmt.Errorf("no time runs out: %s", r)
		}
		r.confirm()
	}
	for _, p := range r.late {
		if id := r.b.prog.elems[p].id; !slices.ContainsFunc(want, func(w string) bool { return w == id || strings.HasPrefix(w, id+"/") }) {
			return fmt.Errorf("%s runs out of time, and not one of %v", id, want)
		}
	}
	for !r.m.State(0).Quiescent() && r.tick() {
		r.confirm()
	}
	if s := r.m.State(0); s != sequencer.Held && s != sequencer.Aborted {
		return fmt.Errorf("after a time-out the batch is %s", s)
	}
	return nil
}

// overflow lets the one go on that sends one message too many.
func (r *retold) overflow(f *sound.Finding) error {
	d := done{elem: -1}
	var walk func(e *recipe.Element)
	walk = func(e *recipe.Element) {
		for i := range e.Actions {
			if e.Actions[i].Node.Pos() == f.Node.Pos() {
				d.elem, _ = r.find(e.ID)
			}
		}
		for _, c := range e.Children {
			walk(c)
		}
	}
	walk(r.b.Plan.Recipe.Root)
	for range 100_000 {
		if r.confirm(); strings.Contains(r.full, "255 wait already") {
			return nil
		}
		if !r.nudge([]done{d}, nil) {
			break
		}
	}
	return fmt.Errorf("no message is too many: %v %s", r.posted, r)
}

// bound makes a batch of a recipe, without its proof, on a map that was read.
func bound(m *iomap.Map, src []byte) (*Batch, error) {
	plan := &Plan{Map: m}
	var err error
	if plan.Recipe, err = recipe.Parse("recipe.yaml", src); err != nil {
		return nil, err
	}
	return plan.Bind("B", "", Unapproved, nil)
}
