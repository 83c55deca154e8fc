// What somebody who approves a map wants to know of it together with a recipe, although both can be read and fit.

package batch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// Check is what [iomap.Check] finds in the plan's map, and what is found where the recipe meets it at its nominal size: a wait that its
// time-out always outruns, a gate on a value that can never be fresh, an interlock of which the recipe drives no output, an input that
// neither uses. Names and units that do not fit are no findings: Load refuses them. It changes nothing.
func (p *Plan) Check(opt *iomap.CheckOptions) ([]iomap.Finding, error) {
	formula, err := p.Recipe.Resolve(p.Recipe.Nominal)
	if err != nil {
		return nil, err
	}
	c := compiler{plan: p, formula: formula, report: func(noder, string, ...any) {}} // Load has reported what there is
	r := meeting{m: p.Map, prog: c.compile(), out: iomap.Check(p.Map, opt), used: make([]bool, len(p.Map.Tags)), opt: p.polled(opt)}
	for e := range r.prog.seq.Elems {
		r.element(e)
	}
	for i := range r.prog.seq.Choices {
		r.mark(r.prog.seq.Choices[i].Cond)
	}
	if p.TagMap != nil {
		r.out = append(r.out, fieldbus.Check(p.TagMap, p.Map, func(id tag.ID) bool { return r.used[id] })...)
	}
	r.ofMap()
	for i := range p.Map.Interlocks {
		r.interlock(&p.Map.Interlocks[i], p.Recipe.ID)
	}
	r.unused(p.Recipe.ID)
	return r.out, nil
}

// polled is what a check is told, and how often the buses read a tag.
func (p *Plan) polled(opt *iomap.CheckOptions) *iomap.CheckOptions {
	if p.TagMap == nil {
		return opt
	}
	return &iomap.CheckOptions{Period: func(id tag.ID) int64 {
		for i := range p.TagMap.Tags {
			if t := &p.TagMap.Tags[i]; t.Channel == p.Map.Tags[id].Channel {
				return p.TagMap.Classes[t.Class].Every
			}
		}
		if opt == nil || opt.Period == nil {
			return 0
		}
		return opt.Period(id)
	}}
}

// meeting collects what is found where a recipe meets a map.
type meeting struct {
	m    *iomap.Map
	prog *program
	opt  *iomap.CheckOptions
	used []bool // by tag: map or recipe go by it, or set it
	out  []iomap.Finding
}

func (r *meeting) find(s iomap.Severity, where, do, format string, args ...any) {
	r.out = append(r.out, iomap.Finding{Severity: s, Where: where, Text: fmt.Sprintf(format, args...), Do: do})
}

func (r *meeting) use(ids ...tag.ID) {
	for _, id := range ids {
		if int(id) < len(r.used) {
			r.used[id] = true
		}
	}
}

// mark notes the tags of a condition.
func (r *meeting) mark(c cond.Cond) {
	for i := range c {
		if c[i].Op >= cond.Eq && c[i].Op != cond.Elapsed {
			r.use(c[i].Tag)
		}
	}
}

// ofMap notes what the map itself goes by.
func (r *meeting) ofMap() {
	for i := range r.m.Meters {
		m := &r.m.Meters[i]
		r.use(m.Source, m.Second.Source, m.Totalizer, m.Identity, m.Historian)
	}
	for i := range r.m.Interlocks {
		r.use(r.m.Interlocks[i].Used...)
	}
	for i := range r.m.Alarms {
		r.use(r.m.Alarms[i].Used...)
		r.use(r.m.Alarms[i].Of)
	}
	for i := range r.m.Tags {
		r.use(r.m.Tags[i].Faults.Depends...)
	}
	for i := range r.m.Overrides {
		r.use(r.m.Overrides[i].Used...)
	}
	if t := r.m.Trip; t != nil {
		r.use(t.Tag)
		r.mark(t.Confirm)
	}
}

// element holds what a phase or transition waits for against its time-out.
func (r *meeting) element(n int) {
	e := &r.prog.seq.Elems[n]
	if !e.Phase && !e.Logic {
		return
	}
	for k := e.First; k < e.First+e.Count; k++ {
		a := &r.prog.seq.Actions[k]
		r.mark(a.Cond)
		where := r.prog.actions[k].id
		switch {
		case a.Kind == recipe.VerifyStable:
			r.use(a.Tag)
			r.stable(where, e, a.Tag, a.For)
		case a.Cond != nil && e.Timeout > 0:
			r.waits(where, e, a.Cond)
		}
		if a.Sets() {
			for _, s := range r.prog.seq.Sets[a.First : a.First+a.Count] {
				r.use(r.prog.outputs[s.Output])
			}
		}
	}
}

// waits looks at a condition of which all must be true.
func (r *meeting) waits(where string, e *sequencer.Elem, c cond.Cond) {
	for i := range c {
		if op := c[i].Op; op == cond.Or || op == cond.Not || op == cond.Of {
			return
		}
	}
	for i := range c {
		switch n := &c[i]; n.Op {
		case cond.And:
		case cond.Elapsed:
			if n.Time >= e.Timeout {
				r.find(iomap.Wrong, where, "make the time-out longer", "it waits for %s, and its time-out is %s", lasting(n.Time), lasting(e.Timeout))
			}
		case cond.Stable:
			r.stable(where, e, n.Tag, n.Time)
		default:
			t := &r.m.Tags[n.Tag]
			if late := max(t.Debounce, r.late(n.Tag)); late >= e.Timeout {
				r.find(iomap.Wrong, where, "make the time-out longer, or debounce and filter shorter",
					"it waits for %s, which is late by %s, and its time-out is %s", t.Name, lasting(late), lasting(e.Timeout))
			}
		}
	}
}

func (r *meeting) stable(where string, e *sequencer.Elem, id tag.ID, long int64) {
	if e.Timeout > 0 && long >= e.Timeout {
		r.find(iomap.Wrong, where, "make the time-out longer", "%s must be stable for %s, and the time-out is %s", r.m.Tags[id].Name, lasting(long), lasting(e.Timeout))
	}
	if p := r.period(id); p >= long && p > 0 {
		r.find(iomap.Warning, where, "make that time longer, or read it more often", "%s is read every %s, and must be stable for %s: one reading is enough for that",
			r.m.Tags[id].Name, lasting(p), lasting(long))
	}
}

func (r *meeting) period(id tag.ID) int64 {
	if r.opt == nil || r.opt.Period == nil {
		return 0
	}
	return r.opt.Period(id)
}

// late is by how much a filter is late.
func (r *meeting) late(id tag.ID) int64 {
	switch f := &r.m.Tags[id].Filter; f.Type {
	case iomap.ExponentialFilter:
		return f.Time
	case iomap.MedianFilter:
		return int64(f.Samples/2) * r.period(id)
	}
	return 0
}

// interlock finds one of which the recipe drives nothing.
func (r *meeting) interlock(i *iomap.Interlock, name string) {
	set := func(id tag.ID) bool {
		return slices.ContainsFunc(r.prog.seq.Sets, func(s sequencer.Set) bool { return r.prog.outputs[s.Output] == id })
	}
	if len(i.Gates) > 0 && !slices.ContainsFunc(i.Gates, set) {
		r.find(iomap.Note, "interlock "+i.ID, "make sure that it gates what was meant", "%s sets no output that it gates", name)
	}
}

// unused finds inputs that nobody goes by.
func (r *meeting) unused(name string) {
	var names []string
	for i := range r.m.Tags {
		if t := &r.m.Tags[i]; !t.Output && !r.used[i] {
			names = append(names, t.Name)
		}
	}
	if len(names) > 0 {
		r.find(iomap.Note, "map", "nothing has to be done; it is seen in diagnostics", "%s goes by none of %s, nor does the map", name, strings.Join(names, ", "))
	}
}

// lasting is a time as people read it.
func lasting(ns int64) string {
	for i, unit := range [...]int64{3_600_000_000_000, 60_000_000_000, 1_000_000_000, 1_000_000} {
		if ns >= unit && ns%unit == 0 {
			return fmt.Sprintf("%d %s", ns/unit, [...]string{"h", "min", "s", "ms"}[i])
		}
	}
	return fmt.Sprintf("%d ns", ns)
}
