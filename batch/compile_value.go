// Values of a recipe in the units of the map: what is set, times, quantities, parameters of OEM actions.

package batch

import (
	"errors"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

func (c *compiler) set(s *recipe.Setting) {
	id, ok := c.out.equipment.Tag(s.Name)
	if !ok {
		c.noTag(s.Node, s.Name)
		return
	}
	t := &c.plan.Map.Tags[id]
	if !t.Output {
		c.report(s.Node, "tag %s is an input; only outputs can be set", s.Name)
		return
	}
	if p := c.plan.Map.Trip; p != nil && p.Tag == id {
		c.report(s.Node, "%s is the trip_request of the I/O map %s; only a hard abort sets it", s.Name, c.plan.Map.ID)
		return
	}
	v, ok := c.value(t, &s.Value)
	if !ok {
		return
	}
	for o, out := range c.out.outputs {
		if out == id {
			c.out.seq.Sets = append(c.out.seq.Sets, sequencer.Set{Output: o, Value: v})
			c.setBy = append(c.setBy, s.Node)
		}
	}
}

// value turns what a recipe wants of an output into its scaled value.
func (c *compiler) value(t *iomap.Tag, a *recipe.Amount) (v int64, ok bool) {
	if t.Type == iomap.Switch {
		for v, w := range t.Words {
			if a.Word == w && w != "" {
				return int64(v), true
			}
		}
		c.report(a.Node, "%s takes %s or %s and nothing else", t.Name, t.Words[0], t.Words[1])
		return 0, false
	}
	v, err := c.amount(a).Counts(t.Resolution)
	if errors.Is(err, quantity.ErrDimension) {
		c.report(a.Node, "%s is set in %s, and %q measures something else", t.Name, t.Unit, c.amount(a))
		return 0, false
	}
	if err != nil {
		c.report(a.Node, "%s is set in %s: %s", t.Name, t.Unit, strings.TrimPrefix(err.Error(), "quantity: "))
		return 0, false
	}
	if v < t.Min || v > t.Max {
		lo, _ := quantity.FromCounts(t.Min, t.Resolution)
		hi, _ := quantity.FromCounts(t.Max, t.Resolution)
		c.report(a.Node, "%s is outside the limits of %s, %s to %s", c.amount(a), t.Name, lo, hi)
		return 0, false
	}
	return v, true
}

func (c *compiler) stable(a *recipe.Action, s *sequencer.Action) {
	s.For = c.duration(&a.For)
	s.Reason = a.Tag + " within " + c.amount(&a.Within).String() + " for " + c.amount(&a.For).String()
	id, ok := c.out.equipment.Tag(a.Tag)
	if !ok {
		c.noTag(a.Node, a.Tag)
		return
	}
	if c.plan.Map.Tags[id].Type != iomap.Number {
		c.report(a.Node, "tag %s is no number; only a number can be stable", a.Tag)
		return
	}
	s.Tag = id
	s.Within = c.atLeast(1, "within", &a.Within, c.plan.Map.Tags[id].Resolution)
}

func (c *compiler) request(a *recipe.Action) (*recipe.ActionType, []string) {
	for i := range c.plan.Actions {
		t := &c.plan.Actions[i]
		if t.Name != a.Type {
			continue
		}
		var params []string
		for _, f := range t.Params {
			found := false
			for k := range a.Settings {
				if s := &a.Settings[k]; s.Name == f.Name {
					found = true
					params = append(params, f.Name+"="+c.param(s, f))
				}
			}
			if !found {
				c.report(a.Node, "action %s needs %q", a.Type, f.Name)
			}
		}
		if len(a.Settings) > len(t.Params) {
			c.report(a.Node, "action %s takes %d parameters, %d are given", a.Type, len(t.Params), len(a.Settings))
		}
		return t, params
	}
	c.report(a.Node, "no action type %q is declared to this controller", a.Type)
	return nil, nil
}

func (c *compiler) param(s *recipe.Setting, f recipe.Field) string {
	if f.Unit == "" {
		return s.Value.Word
	}
	q := c.amount(&s.Value)
	if _, err := q.CountsRound(quantity.Quantity{Coef: 1, Scale: quantity.MaxScale, Unit: f.Unit}); err != nil {
		c.report(s.Node, "%s is a quantity in %s: %v", f.Name, f.Unit, err)
	}
	return q.String()
}

// amount returns the quantity that an amount stands for.
func (c *compiler) amount(a *recipe.Amount) quantity.Quantity {
	if a.Param == "" {
		if a.Word != "" {
			c.report(a.Node, "a quantity with its unit is wanted, not %q", a.Word)
		}
		return a.Quantity
	}
	q, ok := c.formula.Lookup(a.Param)
	if !ok {
		c.report(a.Node, "no parameter %q in the formula", a.Param)
	}
	return q
}

func (c *compiler) counts(a *recipe.Amount, res quantity.Quantity) int64 {
	return c.convert(a.Node, c.amount(a), res)
}

// atLeast is counts that may not be below a least number. What a file says was held against that when it was read; a parameter that is
// changed was not.
func (c *compiler) atLeast(least int64, key string, a *recipe.Amount, res quantity.Quantity) int64 {
	v := c.counts(a, res)
	switch q := c.amount(a); {
	case v >= least:
	case least > 0 && q.Coef <= 0:
		c.report(a.Node, "%s %q is not above zero", key, q)
	case q.Coef < 0:
		c.report(a.Node, "%s %q is below zero", key, q)
	}
	return v
}

func (c *compiler) convert(n noder, q, res quantity.Quantity) int64 {
	v, err := q.Counts(res)
	if err != nil {
		c.report(n, "%s%s", strings.TrimPrefix(err.Error(), "quantity: "), density(q.Unit, res.Unit))
	}
	return v
}

// density says what stands between a mass and a volume, or rates of them; "" of other units.
func density(u, v quantity.Unit) string {
	one, perL := []quantity.Quantity{{Coef: 1, Unit: u}}, quantity.Quantity{Coef: 1, Unit: "kg/L"}
	other := quantity.Quantity{Coef: 1, Unit: v}
	_, up := quantity.Quotient(append(one, perL), []quantity.Quantity{other})
	_, down := quantity.Quotient(one, []quantity.Quantity{perL, other})
	if up != nil && down != nil {
		return ""
	}
	return "; mass and volume need a density between them: give the meter a resolution in the unit that is wanted here, and its entry in " +
		"the calibration a density, such as density: 0.998 kg/L"
}

func (c *compiler) duration(a *recipe.Amount) int64 {
	q := c.amount(a)
	ns, err := q.Nanoseconds()
	if err != nil || ns <= 0 || ns > recipe.MaxTime { // a parameter may be scaled to more than the recipe says
		c.report(a.Node, "a time above zero such as 30 s, of 366 d at most, is wanted, not %q", q)
	}
	return ns
}
