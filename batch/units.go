// Units by class: which unit of the map meets a requirement of the recipe, and why that one.

package batch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
)

// Equipment finds what names of a recipe stand for on a map: its tags and meters, and those of the units that meet the recipe's
// requirements, such as reactor.TT.
type Equipment struct {
	m     *iomap.Map
	picks []pick // by requirement, in the order of the recipe
}

// pick is what a requirement came to.
type pick struct {
	need   *recipe.Unit
	unit   *iomap.Unit // nil where none meets it
	passed []string    // units of the class that do not, each with the reason, in the order in which they were looked at
}

// ChooseEquipment meets the requirements of a recipe in their order, each with the unit of its class that has all it needs and is not
// taken: the one with the least priority number, and of these the first by name. The same files and formula give the same units.
func ChooseEquipment(r *recipe.Recipe, f recipe.Formula, m *iomap.Map) *Equipment {
	order := make([]*iomap.Unit, len(m.Units))
	for i := range order {
		order[i] = &m.Units[i]
	}
	slices.SortFunc(order, func(a, b *iomap.Unit) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Name, b.Name))
	})
	e := &Equipment{m: m}
	for i := range r.Units {
		p := pick{need: &r.Units[i]}
		for _, u := range order {
			if u.Class != p.need.Class {
				continue
			}
			why := e.taken(u)
			if why == "" {
				why = unfit(u, p.need, f)
			}
			if why == "" {
				p.unit = u
				break
			}
			p.passed = append(p.passed, u.Name+" "+why)
		}
		e.picks = append(e.picks, p)
	}
	return e
}

// Reasons says for each requirement which unit meets it and which were passed over, as records have it (equipment_bound).
func (e *Equipment) Reasons() (list []string) {
	for i := range e.picks {
		p := &e.picks[i]
		if p.unit == nil {
			continue
		}
		text := fmt.Sprintf("%s=%s: class %s, priority %d", p.need.Name, p.unit.Name, p.need.Class, p.unit.Priority)
		for _, why := range p.passed {
			text += "; " + why
		}
		list = append(list, Clean(text))
	}
	return list
}

// Tag finds a tag by the name that the recipe uses.
func (e *Equipment) Tag(name string) (tag.ID, bool) {
	if p, alias := e.pick(name); p != nil {
		if p.unit != nil {
			for i := range p.unit.Tags {
				if p.unit.Tags[i].Name == alias {
					return p.unit.Tags[i].Tag, true
				}
			}
		}
		return tag.None, false
	}
	return e.m.Lookup(name)
}

// Meter finds a meter by the name that the recipe uses; nil where there is none.
func (e *Equipment) Meter(name string) *iomap.Meter {
	if p, alias := e.pick(name); p != nil {
		if p.unit != nil {
			for i := range p.unit.Meters {
				if p.unit.Meters[i].Name == alias {
					return &e.m.Meters[p.unit.Meters[i].Meter]
				}
			}
		}
		return nil
	}
	for i := range e.m.Meters {
		if e.m.Meters[i].Name == name {
			return &e.m.Meters[i]
		}
	}
	return nil
}

// pick splits a name such as reactor.TT into the requirement and the unit's own name; nil where it is no such name.
func (e *Equipment) pick(name string) (p *pick, alias string) {
	head, alias, _ := strings.Cut(name, ".")
	i := slices.IndexFunc(e.picks, func(p pick) bool { return p.need.Name == head })
	if i < 0 {
		return nil, ""
	}
	return &e.picks[i], alias
}

// taken says who has a unit already, "" where nobody does.
func (e *Equipment) taken(u *iomap.Unit) string {
	for i := range e.picks {
		if e.picks[i].unit == u {
			return "is taken by " + e.picks[i].need.Name
		}
	}
	return ""
}

// unfit says why a unit does not meet a requirement, "" where it does.
func unfit(u *iomap.Unit, need *recipe.Unit, f recipe.Formula) string {
	for i := range need.Needs {
		s := &need.Needs[i]
		k := slices.IndexFunc(u.Capabilities, func(a iomap.Capability) bool { return a.Name == s.Name })
		if k < 0 {
			return "has no " + s.Name
		}
		has := &u.Capabilities[k]
		want, isQuantity := f.Amount(&s.Value)
		switch {
		case !isQuantity && s.Value.Word == has.Word && has.Word != "":
		case !isQuantity:
			return fmt.Sprintf("has %s %s, not %s", s.Name, has, s.Value.Word)
		case has.Word != "":
			return fmt.Sprintf("has %s %s, not %s", s.Name, has, want)
		default:
			if less, err := has.Quantity.Cmp(want); err != nil {
				return fmt.Sprintf("has %s %s, which is nothing like %s", s.Name, has, want)
			} else if less < 0 {
				return fmt.Sprintf("has %s %s, less than %s", s.Name, has, want)
			}
		}
	}
	return ""
}

// choose meets the requirements of the recipe and reports those that no unit meets.
func (c *compiler) choose() {
	c.out.equipment = ChooseEquipment(c.plan.Recipe, c.formula, c.plan.Map)
	for i := range c.out.equipment.picks {
		p := &c.out.equipment.picks[i]
		for k := range c.plan.Map.Tags {
			if other := c.plan.Map.Tags[k].Name; strings.HasPrefix(other, p.need.Name+".") {
				c.report(p.need.Node, "%s: the I/O map has a tag %s, which could not be told from one of the unit; choose another name", p.need.Name, other)
				break
			}
		}
		switch {
		case p.unit != nil:
		case p.passed == nil:
			c.report(p.need.Node, "%s: the I/O map %s has no unit of class %s%s", p.need.Name, c.plan.Map.ID, p.need.Class, classes(c.plan.Map))
		default:
			c.report(p.need.Node, "%s: no unit of class %s can be used: %s", p.need.Name, p.need.Class, strings.Join(p.passed, "; "))
		}
	}
}

// keep holds the units that the batch has against the requirements of the recipe, which name parameters.
func (c *compiler) keep() {
	c.out.equipment = c.chosen
	for i := range c.chosen.picks {
		if p := &c.chosen.picks[i]; p.unit != nil {
			if why := unfit(p.unit, p.need, c.formula); why != "" {
				c.report(p.need.Node, "%s: unit %s, which the batch has, %s", p.need.Name, p.unit.Name, why)
			}
		}
	}
}

// classes says which classes a map has.
func classes(m *iomap.Map) string {
	var list []string
	for i := range m.Units {
		list = append(list, m.Units[i].Class)
	}
	if list == nil {
		return "; it has no units"
	}
	slices.Sort(list)
	return "; its classes: " + strings.Join(slices.Compact(list), ", ")
}
