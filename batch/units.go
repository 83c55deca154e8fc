// Units by class: which unit of the map meets a requirement of the recipe, and why that one.

package batch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
)

// choose meets the requirements of the recipe in their order, each with the unit of its class that has all it needs and is not
// taken: the one with the least priority number, and of these the first by name. Why goes into the records of the batch.
func (c *compiler) choose() {
	c.units = map[string]*iomap.Unit{}
	order := make([]*iomap.Unit, len(c.plan.Map.Units))
	for i := range order {
		order[i] = &c.plan.Map.Units[i]
	}
	slices.SortFunc(order, func(a, b *iomap.Unit) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Name, b.Name))
	})
	taken := map[*iomap.Unit]string{}
	for i := range c.plan.Recipe.Units {
		need := &c.plan.Recipe.Units[i]
		for k := range c.plan.Map.Tags {
			if other := c.plan.Map.Tags[k].Name; strings.HasPrefix(other, need.Name+".") {
				c.report(need.Node, "%s: the I/O map has a tag %s, which could not be told from one of the unit; choose another name", need.Name, other)
				break
			}
		}
		var passed []string
		c.units[need.Name] = nil
		for _, u := range order {
			if u.Class != need.Class {
				continue
			}
			if why := c.unfit(u, need, taken[u]); why != "" {
				passed = append(passed, u.Name+" "+why)
				continue
			}
			c.units[need.Name], taken[u] = u, need.Name
			c.out.chosen = append(c.out.chosen, reason(need, u, passed))
			break
		}
		switch {
		case c.units[need.Name] != nil:
		case passed == nil:
			c.report(need.Node, "%s: the I/O map %s has no unit of class %s%s", need.Name, c.plan.Map.ID, need.Class, classes(c.plan.Map))
		default:
			c.report(need.Node, "%s: no unit of class %s can be used: %s", need.Name, need.Class, strings.Join(passed, "; "))
		}
	}
}

// reason says which unit meets a requirement and which were passed over.
func reason(need *recipe.Unit, u *iomap.Unit, passed []string) string {
	text := fmt.Sprintf("%s=%s: class %s, priority %d", need.Name, u.Name, need.Class, u.Priority)
	for _, p := range passed {
		text += "; " + p
	}
	return Clean(text)
}

// unfit says why a unit does not meet a requirement, "" where it does.
func (c *compiler) unfit(u *iomap.Unit, need *recipe.Unit, taken string) string {
	if taken != "" {
		return "is taken by " + taken
	}
	for i := range need.Needs {
		s := &need.Needs[i]
		k := slices.IndexFunc(u.Capabilities, func(a iomap.Capability) bool { return a.Name == s.Name })
		if k < 0 {
			return "has no " + s.Name
		}
		has := &u.Capabilities[k]
		if s.Value.Word != "" || has.Word != "" {
			if s.Value.Word != has.Word {
				return fmt.Sprintf("has %s %s, not %s", s.Name, has, word(c, &s.Value))
			}
			continue
		}
		want := c.amount(&s.Value)
		if less, err := has.Quantity.Cmp(want); err != nil {
			return fmt.Sprintf("has %s %s, which is nothing like %s", s.Name, has, want)
		} else if less < 0 {
			return fmt.Sprintf("has %s %s, less than %s", s.Name, has, want)
		}
	}
	return ""
}

func word(c *compiler, a *recipe.Amount) string {
	if a.Word != "" {
		return a.Word
	}
	return c.amount(a).String()
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
