// This file holds Change: the formula of a batch with another value of one parameter, and who uses it.

package recipe

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Change is formula f of this recipe with another value of a parameter, and of all that have its value by $name. It is not scaled any
// more: it is the value at f's batch size, and limits are held against it. It may be in any unit that converts, and is kept in that of the
// parameter. f stays as it is. The error says what is wrong and what to do; its words go into records, so what somebody has typed
// is quoted in ASCII: which other characters can be printed is not the same in every build of Go.
func (r *Recipe) Change(f Formula, name string, q quantity.Quantity) (Formula, error) {
	p := find(r.Params, name, func(p Param) string { return p.Name })
	switch {
	case p == nil:
		return nil, fmt.Errorf("no parameter %+q; %s", name, r.parameters())
	case p.Ref != "":
		return nil, fmt.Errorf("parameter %s has the value of $%s; change that", name, p.Ref)
	case !q.Unit.Compatible(p.Value.Unit):
		return nil, fmt.Errorf("parameter %s is in %s, and %+q measures something else", name, unitWords(p.Value.Unit), q)
	}
	q, ok := in(q, p.Value.Unit)
	if !ok {
		return nil, fmt.Errorf("%+q does not come out in %s; write it so", q, unitWords(p.Value.Unit))
	}
	next := slices.Clone(f)
	for i := range r.Params {
		if d := &r.Params[i]; i < len(next) && r.root(d) == name {
			if why := d.outside(q); why != "" {
				return nil, fmt.Errorf("parameter %s: %s", d.Name, why)
			}
			next[i].Quantity = q
		}
	}
	return next, nil
}

// in is a quantity in another unit that it converts to; false where that takes more decimals than there are, or does not fit.
func in(q quantity.Quantity, unit quantity.Unit) (quantity.Quantity, bool) {
	if q.Unit == unit {
		return q, true
	}
	for scale := uint8(0); scale <= quantity.MaxScale; scale++ {
		if n, err := q.Counts(quantity.Quantity{Coef: 1, Scale: scale, Unit: unit}); err == nil {
			return quantity.Quantity{Coef: n, Scale: scale, Unit: unit}, true
		}
	}
	return q, false
}

// root is the parameter that a parameter has its value from in the end, itself where it has one of its own.
func (r *Recipe) root(p *Param) string {
	for p.Ref != "" {
		p = find(r.Params, p.Ref, func(p Param) string { return p.Name })
	}
	return p.Name
}

// parameters says which parameters there are.
func (r *Recipe) parameters() string {
	if len(r.Params) == 0 {
		return "the recipe has no formula"
	}
	var names []string
	for i := range r.Params {
		names = append(names, r.Params[i].Name)
	}
	return "the formula has " + strings.Join(names, ", ")
}

// Follow lists the parameters that have the value of another one by $name, in the order of the file.
func (r *Recipe) Follow(name string) (params []string) {
	for i := range r.Params {
		if p := &r.Params[i]; p.Ref != "" && r.root(p) == name {
			params = append(params, p.Name)
		}
	}
	return params
}

// Uses lists the elements that use a parameter, by themselves or by another one that has its value, in the order of the file.
func (r *Recipe) Uses(name string) (ids []string) {
	names := append(r.Follow(name), name)
	var walk func(e *Element)
	walk = func(e *Element) {
		if e.uses(names) {
			ids = append(ids, e.ID)
		}
		for _, c := range e.Children {
			walk(c)
		}
	}
	walk(r.Root)
	return ids
}

// uses tells whether an element itself uses one of some parameters.
func (e *Element) uses(names []string) bool {
	if slices.Contains(names, e.Timeout.Param) || asks(e.When, names) || asks(e.Entry, names) || asks(e.Exit, names) || asks(e.Loop.Until, names) {
		return true
	}
	if e.Time != nil && slices.Contains(names, e.Time.Within.Param) {
		return true
	}
	for t := range e.Logic {
		if slices.Contains(names, e.Logic[t].Timeout.Param) || slices.ContainsFunc(e.Logic[t].Actions, func(a Action) bool { return a.uses(names) }) {
			return true
		}
	}
	return slices.ContainsFunc(e.Actions, func(a Action) bool { return a.uses(names) })
}

func (a *Action) uses(names []string) bool {
	for _, amount := range [...]*Amount{&a.For, &a.Target, &a.Tolerance, &a.ShortBy, &a.Within, &a.TimeWithin, &a.Cautious, &a.Learn.Min,
		&a.Learn.Max, &a.Settle} {
		if slices.Contains(names, amount.Param) {
			return true
		}
	}
	return asks(a.Cond, names) || slices.ContainsFunc(a.Settings, func(s Setting) bool { return slices.Contains(names, s.Value.Param) })
}

// asks tells whether a condition names one of some parameters.
func asks(c *cond.Expr, names []string) bool {
	return c != nil && slices.ContainsFunc(c.Params(), func(ref cond.Ref) bool { return slices.Contains(names, ref.Name) })
}
