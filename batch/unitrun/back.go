// Moving back: what a cancel for restart and a regeneration do with material. Both compensate, and delete nothing.

package unitrun

import (
	"fmt"
	"slices"
)

// MaxNamed is how many materials that keep a run from being canceled are named each; the rest is counted.
const MaxNamed = 64

// cancel cancels a run for restart: every material that belongs to it goes back to where it came from, or it is refused whole.
func (t *Tracker) cancel(r *run, tag string, fx []Effect) []Effect {
	if why := r.kept(); why != "" {
		e := r.refused(Cancel, why)
		e.Tag = tag
		return append(fx, e)
	}
	begin, n := len(fx), 0
	for i := range r.links {
		why := t.stuck(&r.links[i])
		if why == "" {
			continue
		}
		if n++; n == 1 {
			fx = append(fx, Effect{})
		}
		if n <= MaxNamed {
			e := r.refused(Cancel, why)
			e.Material, e.Tag = r.links[i].id, tag
			fx = append(fx, e)
		}
	}
	if n > 0 {
		fx[begin] = r.refused(Cancel, fmt.Sprintf("%s of %d cannot go back, and so none does: see each; undo what was done with them, or make the run ready",
			count(n, "material"), len(r.links)))
		fx[begin].Tag = tag
		return fx
	}
	active := r.state == Active
	if fx = r.change(Canceled, Cancel, fx); active {
		fx = r.captureOff(fx)
	}
	links := slices.Clone(r.links)
	t.release(r)
	for _, l := range links {
		if i := l.m.place(l.visit); !l.m.trace[i].Invalid {
			fx = t.back(l.m, l.m.before(i), r.id(), Cancel, fx)
		}
	}
	return fx
}

// kept says why nobody knows all materials of a run.
func (r *run) kept() string {
	if r.short {
		return fmt.Sprintf("it has had more than %d materials, and not all are known; make the run ready", MaxLinks)
	}
	return ""
}

// place finds a visit in a trace, -1 where it is not remembered.
func (m *material) place(no uint32) int {
	return slices.IndexFunc(m.trace, func(v Visit) bool { return v.No == no })
}

// stuck says why a material of a run cannot go back. A visit that is invalid was taken back already, and nothing is left to do.
func (t *Tracker) stuck(l *link) string {
	i := l.m.place(l.visit)
	switch {
	case i < 0:
		return "it has moved on, and where it was is too long ago"
	case l.m.trace[i].Invalid:
		return ""
	case l.m.life == MaterialExited && len(l.m.children) > 0 && l.m.here().No == l.visit:
		return "it has exited, or has gone into " + l.m.children[len(l.m.children)-1]
	case l.m.life == MaterialExited:
		return "it has exited"
	case l.m.here().No != l.visit:
		return "it has moved on, and " + l.m.where()
	case l.splits != l.m.splits:
		return "it was split, the last time into " + l.m.children[len(l.m.children)-1]
	case l.m.before(i) < 0:
		return "it came to be here, and there is no place that it came from"
	}
	if from := l.m.trace[l.m.before(i)].Unit; from != "" && t.unitOf[from] == nil {
		return "it came from unit " + from + ", which is there no more"
	}
	return ""
}

// back takes a material back to place to of its trace: what came behind it is invalid, and that visit goes on.
func (t *Tracker) back(m *material, to int, run string, do EventKind, fx []Effect) []Effect {
	from := ""
	if m.unit != nil {
		from = m.unit.id
	}
	m.take()
	if m.life == MaterialExited && len(m.runs) == 0 {
		t.gone = slices.DeleteFunc(t.gone, func(n *material) bool { return n == m })
	}
	place := &m.trace[to]
	place.Left, m.life = 0, MaterialCreated
	fx = append(fx, Effect{Kind: MovedBack, Run: run, Material: m.id, From: from, Unit: place.Unit, Visit: place.No, Test: m.test})
	for i := to + 1; i < len(m.trace); i++ {
		if v := &m.trace[i]; !v.Invalid {
			v.Invalid = true
			fx = append(fx, Effect{Kind: TraceInvalid, Run: run, Material: m.id, From: v.Unit, Visit: v.No, Test: m.test})
		}
	}
	if u := t.unitOf[place.Unit]; u != nil {
		fx = t.put(m, u, do, fx)
	}
	return fx
}

// regenerate takes a material up again at a unit where it was: all that is on record of it since then is invalid, and so is that others were made of
// it since it came there. Those stay where they are.
func (t *Tracker) regenerate(e *Event, fx []Effect) []Effect {
	m, u := t.mats[e.Material], t.unitOf[e.Unit]
	switch {
	case m == nil:
		return append(fx, refusal(e, "it is not known; let it arrive"))
	case u == nil:
		return append(fx, refusal(e, "no such unit is known; configure it first"))
	case m.life == MaterialExited && t.room(1) != "":
		return append(fx, refusal(e, t.room(1)))
	}
	to := len(m.trace)
	if m.life != MaterialExited {
		to = m.before(to)
	}
	for to = m.before(to); to >= 0 && m.trace[to].Unit != u.id; {
		to = m.before(to)
	}
	if to < 0 {
		return append(fx, refusal(e, "it was not there before; it "+m.where()+": name a unit on the way that it came"))
	}
	since := m.trace[to].No
	fx = t.back(m, to, "", Regenerate, fx)
	for _, id := range m.children {
		c := t.mats[id]
		if c == nil {
			continue
		}
		for i := range c.parents {
			if l := &c.parents[i]; l.Of == m.id && l.Visit >= since && !l.Invalid {
				l.Invalid = true
				void := c.effect(LineInvalid)
				void.Other = m.id
				fx = append(fx, void)
			}
		}
	}
	return fx
}
