// Names of a recipe in the map: tags and meters, those of units that were chosen by class, and what was likely meant.

package batch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
)

// unit is the unit of the map that a name such as reactor.TT belongs to; nil where it is no such name, or there is no such unit.
func (c *compiler) unit(name string) (u *iomap.Unit, alias string) {
	p, alias := c.out.equipment.pick(name)
	if p == nil {
		return nil, ""
	}
	return p.unit, alias
}

// unmet tells whether a name is one of a requirement that no unit meets. That is told once, at the requirement.
func (c *compiler) unmet(name string) bool {
	p, _ := c.out.equipment.pick(name)
	return p != nil && p.unit == nil
}

// noTag reports that the map has no tag of a name.
func (c *compiler) noTag(n noder, name string) {
	if !c.unmet(name) {
		c.report(n, "no tag %q in %s%s", name, c.where(name), c.similar(name))
	}
}

// where says in which file a name was looked for.
func (c *compiler) where(name string) string {
	if u, _ := c.unit(name); u != nil {
		return "unit " + u.Name + " of the I/O map " + c.plan.Map.ID
	}
	return "the I/O map " + c.plan.Map.ID
}

// cond binds a condition of the recipe; what is wrong is reported at n.
func (c *compiler) cond(e *cond.Expr, n noder) cond.Cond {
	if e == nil {
		return nil
	}
	bound, errs := e.Bind(c, c.formula)
	tags := e.Tags()
	for _, err := range errs {
		i := slices.IndexFunc(tags, func(r cond.Ref) bool { return r.Column == err.Column })
		missing := false
		if i >= 0 {
			_, there := c.out.equipment.Tag(tags[i].Name)
			missing = !there
		}
		switch {
		case !missing:
			c.report(n, "condition, column %d: %s", err.Column, err.Msg)
		case !c.unmet(tags[i].Name):
			c.report(n, "condition, column %d: %s%s", err.Column, err.Msg, c.similar(tags[i].Name))
		}
	}
	return bound
}

// CondTag finds a tag for a condition.
func (c *compiler) CondTag(name string) (t cond.Tag, ok bool) {
	id, ok := c.out.equipment.Tag(name)
	if !ok {
		return t, false
	}
	m := &c.plan.Map.Tags[id]
	return cond.Tag{ID: id, Switch: m.Type == iomap.Switch, Words: m.Words, Resolution: m.Resolution}, true
}

// similar returns "; did you mean ...?" with the tag that is most likely meant by a name that the map has not: the same but for
// case, or else with the fewest of its characters other, two at most. It returns nothing where there is none.
func (c *compiler) similar(name string) string {
	names := make([]string, 0, len(c.plan.Map.Tags))
	for i := range c.plan.Map.Tags {
		names = append(names, c.plan.Map.Tags[i].Name)
	}
	if u, alias := c.unit(name); u != nil {
		names = names[:0]
		for i := range u.Tags {
			names = append(names, strings.TrimSuffix(name, alias)+u.Tags[i].Name)
		}
	}
	return nearest(name, names)
}

// nearest returns "; did you mean ...?" with the one of some names that is most likely meant by another; nothing where there is none.
func nearest(name string, names []string) string {
	best, least := "", 3
	for _, other := range names {
		short := min(len(name), len(other))
		differ := max(len(name), len(other)) - short
		for k := range short {
			if name[k] != other[k] && !(k > 0 && name[k] == other[k-1] && name[k-1] == other[k]) {
				differ++
			}
		}
		if strings.EqualFold(name, other) {
			differ = 0
		}
		if differ < min(least, short) {
			best, least = other, differ
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
