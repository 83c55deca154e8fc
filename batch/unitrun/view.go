// What a tracker knows, for who asks.

package unitrun

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Run is a run as it stands.
type Run struct {
	ID         string
	Unit       string
	Definition string
	Ident      string
	Process    string
	State      State
	Created    int64 // UTC in ns since 1970; 0: not known
	Started    int64 // 0: never, or not known
	Ended      int64
	Test       bool
	Post       bool     // it needs post-processing
	Materials  []string // that belong to it, or did when its slot was freed
}

// Stand is how a slot stands.
type Stand struct {
	Unit    string
	Slot    Slot
	State   State  // Idle, or that of Run
	Run     string // "" where it is Idle
	Leaving bool   // it is taken away once its run has ended
}

// Material is a material as it stands.
type Material struct {
	ID       string
	Life     Life
	Unit     string // where it is; "": at none
	Test     bool
	Trace    []Visit  // in the order in which they came; those that are valid are the way that it came
	Parents  []Line   // what it was made of
	Children []string // what was made of it
	Runs     []string // tracked ones that it belongs to
}

func (r *run) view() Run {
	v := Run{ID: r.id(), Unit: r.unit, Definition: r.definition, Ident: r.ident, Process: r.process, State: r.state, Created: r.created,
		Started: r.started, Ended: r.finally, Test: r.test, Post: r.post}
	for i := range r.links {
		v.Materials = append(v.Materials, r.links[i].id)
	}
	return v
}

// Run gives a run that is tracked, waits to be finished, or is remembered.
func (t *Tracker) Run(id string) (r Run, ok bool) {
	if r := t.find(id); r != nil {
		return r.view(), true
	}
	return Run{}, false
}

// Runs are at most limit runs behind the one called after, the oldest first; "" begins at the first that is remembered.
func (t *Tracker) Runs(after string, limit int) []Run {
	digits, _ := strings.CutPrefix(after, "R-")
	n, err := strconv.ParseUint(digits, 10, 64)
	i, there := 0, false
	if err == nil {
		i, there = t.place(n)
	}
	if there {
		i++
	}
	var all []Run
	for ; i < len(t.runs) && len(all) < limit; i++ {
		all = append(all, t.runs[i].view())
	}
	return all
}

// Capturing tells whether values of a run are to be captured, which, and how often. A Sample of them is taken then, and not otherwise.
func (t *Tracker) Capturing(id string) (tags []string, periodMS int64) {
	if r := t.find(id); r != nil && r.state == Active && r.opt.Capture != nil {
		return slices.Clone(r.opt.Capture.Tags), r.opt.Capture.PeriodMS
	}
	return nil, 0
}

// Stands are the slots, by unit and definition.
func (t *Tracker) Stands() []Stand {
	all := make([]Stand, 0, t.slots)
	for _, u := range t.units {
		for _, s := range u.slots {
			all = append(all, s.view())
		}
	}
	return all
}

// Stand gives one slot.
func (t *Tracker) Stand(unit, definition string) (s Stand, ok bool) {
	if u := t.unitOf[unit]; u != nil && u.slot(definition) != nil {
		return u.slot(definition).view(), true
	}
	return Stand{}, false
}

func (s *slot) view() Stand {
	v := Stand{Unit: s.unit.id, Slot: *s.opt.clone(), State: Idle, Leaving: s.leaving}
	if s.run != nil {
		v.State, v.Run = s.run.state, s.run.id()
	}
	return v
}

// Config is the whole configuration, in order of names.
func (t *Tracker) Config() Config {
	var c Config
	for _, d := range t.defs {
		c.Definitions = append(c.Definitions, Definition{Name: d.Name, Classes: slices.Clone(d.Classes)})
	}
	for _, u := range t.units {
		n := Unit{ID: u.id, Classes: slices.Clone(u.classes)}
		for _, s := range u.slots {
			if !s.leaving {
				n.Slots = append(n.Slots, *s.opt.clone())
			}
		}
		c.Units = append(c.Units, n)
	}
	return c
}

// Material gives a material that is known, or has exited and is remembered.
func (t *Tracker) Material(id string) (m Material, ok bool) {
	if m := t.mats[id]; m != nil {
		return m.view(), true
	}
	return Material{}, false
}

// Materials are at most limit materials behind the one called after, in the order in which they came to be known; "" begins at the first.
func (t *Tracker) Materials(after string, limit int) []Material {
	i := 0
	if m := t.mats[after]; m != nil {
		i, _ = slices.BinarySearchFunc(t.list, m.serial+1, func(m *material, n uint64) int { return cmp.Compare(m.serial, n) })
	}
	var all []Material
	for ; i < len(t.list) && len(all) < limit; i++ {
		all = append(all, t.list[i].view())
	}
	return all
}

// Inside are the materials in a unit, in the order in which they came.
func (t *Tracker) Inside(unit string) []string {
	var all []string
	if u := t.unitOf[unit]; u != nil {
		for _, m := range u.inside {
			all = append(all, m.id)
		}
	}
	return all
}

func (m *material) view() Material {
	v := Material{ID: m.id, Life: m.life, Test: m.test, Trace: slices.Clone(m.trace), Parents: slices.Clone(m.parents), Children: slices.Clone(m.children)}
	if m.unit != nil {
		v.Unit = m.unit.id
	}
	all := slices.Clone(m.runs)
	slices.SortFunc(all, func(r, q *run) int { return cmp.Compare(r.number, q.number) })
	for _, r := range all {
		v.Runs = append(v.Runs, r.id())
	}
	return v
}
