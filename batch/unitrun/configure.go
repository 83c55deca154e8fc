// A change of configuration, checked against what goes on and then taken.

package unitrun

import (
	"cmp"
	"fmt"
	"slices"
)

// definition finds a definition, and where it stands or would.
func (t *Tracker) definition(name string) (*Definition, int) {
	i, ok := slices.BinarySearchFunc(t.defs, name, func(d *Definition, name string) int { return cmp.Compare(d.Name, name) })
	if !ok {
		return nil, i
	}
	return t.defs[i], i
}

// configure takes a change whole, or refuses it.
func (t *Tracker) configure(e *Event, fx []Effect) []Effect {
	if err := t.checkConfig(e.Config); err != nil {
		return append(fx, refusal(e, err.Error()))
	}
	for i := range e.Config.Definitions {
		fx = t.setDefinition(&e.Config.Definitions[i], fx)
	}
	for i := range e.Config.Units {
		fx = t.setUnit(&e.Config.Units[i], fx)
	}
	t.wire()
	return fx
}

// checkConfig refuses a change that does not fit what there is.
func (t *Tracker) checkConfig(c *Config) error {
	then := func(name string) *Definition { // as it will be
		for i := range c.Definitions {
			if d := &c.Definitions[i]; d.Name == name {
				if d.Gone {
					return nil
				}
				return d
			}
		}
		d, _ := t.definition(name)
		return d
	}
	units, slots := len(t.units), t.slots
	for i := range c.Units {
		u := &c.Units[i]
		old := t.unitOf[u.ID]
		if old == nil && !u.Gone {
			units++
		}
		slots += len(u.Slots) - old.free()
		if err := old.checkGone(u); err != nil {
			return err
		}
		for k := range u.Slots {
			if err := misfit(u, &u.Slots[k], then(u.Slots[k].Definition)); err != nil {
				return err
			}
		}
	}
	if units > MaxUnits || slots > MaxSlots || len(t.defs)+len(c.Definitions) > MaxDefinitions {
		return fmt.Errorf("there would be more than %d units, %d slots or %d definitions; take some away before", MaxUnits, MaxSlots, MaxDefinitions)
	}
	if len(c.Definitions) == 0 {
		return nil
	}
	for _, u := range t.units {
		if slices.ContainsFunc(c.Units, func(n Unit) bool { return n.ID == u.id }) {
			continue
		}
		for _, s := range u.slots {
			d := then(s.opt.Definition)
			if d == nil {
				return fmt.Errorf("unit %q has runs of definition %q%s; take its slot away first, and let its run end", u.id, s.opt.Definition, s.under())
			}
			if err := misfit(&Unit{ID: u.id, Classes: u.classes}, s.opt, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// free counts the slots of a unit that go where it is not told them again.
func (u *unit) free() (n int) {
	if u == nil {
		return 0
	}
	for _, s := range u.slots {
		if s.run == nil {
			n++
		}
	}
	return n
}

// under says which run is tracked in a slot, and how it stands.
func (s *slot) under() string {
	if s.run == nil {
		return ""
	}
	return fmt.Sprintf(", and %s is %s", s.run.id(), s.run.state)
}

// checkGone refuses to take away a unit in which something is.
func (u *unit) checkGone(then *Unit) error {
	if u == nil || !then.Gone {
		return nil
	}
	if len(u.inside) > 0 {
		return fmt.Errorf("unit %q: %s in it; move it on before the unit is taken away", u.id, count(len(u.inside), "material"))
	}
	for _, s := range u.slots {
		if s.run != nil {
			return fmt.Errorf("unit %q: run %s is %s; end it before the unit is taken away", u.id, s.run.id(), s.run.state)
		}
	}
	return nil
}

// setDefinition takes a definition as it is told.
func (t *Tracker) setDefinition(d *Definition, fx []Effect) []Effect {
	old, i := t.definition(d.Name)
	switch {
	case old == nil && d.Gone, old != nil && !d.Gone && slices.Equal(old.Classes, d.Classes):
		return fx
	case old == nil:
		t.defs = slices.Insert(t.defs, i, nil)
	case d.Gone:
		t.defs = slices.Delete(t.defs, i, i+1)
		return append(fx, Effect{Kind: Configured, Definition: d.Name, Reason: "taken away"})
	}
	t.defs[i] = &Definition{Name: d.Name, Classes: slices.Clone(d.Classes)}
	return append(fx, Effect{Kind: Configured, Definition: d.Name})
}

// setUnit takes a unit as it is told.
func (t *Tracker) setUnit(n *Unit, fx []Effect) []Effect {
	u := t.unitOf[n.ID]
	i, _ := slices.BinarySearchFunc(t.units, n.ID, func(u *unit, id string) int { return cmp.Compare(u.id, id) })
	switch {
	case n.Gone && u == nil:
		return fx
	case n.Gone:
		t.units = slices.Delete(t.units, i, i+1)
		t.slots -= len(u.slots)
		delete(t.unitOf, n.ID)
		return append(fx, Effect{Kind: Configured, Unit: n.ID, Reason: "taken away"})
	case u == nil:
		u = &unit{id: n.ID}
		t.units = slices.Insert(t.units, i, u)
		t.unitOf[n.ID] = u
	case u.same(n):
		return fx
	}
	u.classes = slices.Clone(n.Classes)
	t.slots -= len(u.slots)
	u.set(n.Slots)
	t.slots += len(u.slots)
	return append(fx, Effect{Kind: Configured, Unit: n.ID})
}

// same tells whether a unit is as it is told already.
func (u *unit) same(n *Unit) bool {
	stays := 0
	for _, s := range u.slots {
		if !s.leaving {
			stays++
		}
	}
	if stays != len(n.Slots) || !slices.Equal(u.classes, n.Classes) {
		return false
	}
	for i := range n.Slots {
		if s := u.slot(n.Slots[i].Definition); s == nil || s.leaving || !s.opt.same(&n.Slots[i]) {
			return false
		}
	}
	return true
}

// set gives a unit the slots that it is told, and keeps those whose run goes on.
func (u *unit) set(all []Slot) {
	var slots []*slot
	for i := range all {
		s := u.slot(all[i].Definition)
		if s == nil {
			s = &slot{unit: u}
		}
		if s.leaving = false; s.opt == nil || !s.opt.same(&all[i]) {
			s.opt = all[i].clone()
		}
		slots = append(slots, s)
	}
	for _, s := range u.slots {
		if s.run != nil && !slices.Contains(slots, s) {
			s.leaving = true
			slots = append(slots, s)
		}
	}
	slices.SortFunc(slots, func(a, b *slot) int { return cmp.Compare(a.opt.Definition, b.opt.Definition) })
	u.slots = slots
}

// same tells whether two slots have the same options.
func (s *Slot) same(n *Slot) bool {
	a, b := *s, *n
	a.Capture, b.Capture = nil, nil
	if a != b || (s.Capture == nil) != (n.Capture == nil) {
		return false
	}
	return s.Capture == nil || s.Capture.PeriodMS == n.Capture.PeriodMS && slices.Equal(s.Capture.Tags, n.Capture.Tags)
}

// clone copies the options of a slot.
func (s *Slot) clone() *Slot {
	c := *s
	if s.Capture != nil {
		c.Capture = &Capture{Tags: slices.Clone(s.Capture.Tags), PeriodMS: s.Capture.PeriodMS}
	}
	return &c
}

// wire finds what each tag is a port of. Levels of tags that are none any more are dropped.
func (t *Tracker) wire() {
	clear(t.ports)
	old := t.levels
	t.levels = map[string]level{}
	for _, u := range t.units {
		for _, s := range u.slots {
			if s.leaving {
				continue
			}
			for r, tag := range s.opt.Ports.all() {
				if tag == "" {
					continue
				}
				t.ports[tag] = append(t.ports[tag], port{s, role(r)})
				if l, ok := old[tag]; ok {
					t.levels[tag] = l
				}
			}
		}
	}
}
