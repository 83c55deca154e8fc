// This file reads the formula of a recipe, and the equipment that it asks for.

package recipe

import (
	"slices"
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
)

// MaxUnits is how many units a recipe may ask for by class.
const MaxUnits = 64

// places are the parts of a parameter that can be blamed once all parameters are known.
type places struct {
	value, min, max, scaling strictyaml.Node
}

// formula reads the parameters. Their values are held against their limits when every one is known, since one may have that of another.
func (r *reader) formula(n strictyaml.Node) {
	seen := map[string]int{}
	var at []places
	for _, item := range n.List(MaxParams) {
		f := item.Map()
		p := Param{Node: item}
		name := f.Req("name")
		if p.Name = name.Str(); p.Name != "" && !isWord(p.Name) {
			name.Errorf("%q is not the name of a parameter; it must be letters, digits and _, beginning with a letter", p.Name)
			p.Name = ""
		}
		name.Once(seen, p.Name, "parameter")
		var pl places
		pl.value = f.Req("value")
		if ref, ok := strings.CutPrefix(pl.value.Str(), "$"); ok {
			if p.Ref = ref; ref == "" {
				pl.value.Errorf("$ names no parameter; write the name of another one behind it, or a quantity")
			}
		} else {
			p.Value, _ = quantityOf(pl.value)
		}
		pl.min, _ = f.Opt("min")
		pl.max, _ = f.Opt("max")
		p.Min, _ = quantityOf(pl.min)
		p.Max, _ = quantityOf(pl.max)
		pl.scaling, _ = f.Opt("scaling")
		p.Scaling = map[string]Scaling{"linear": Linear, "quadratic": Quadratic}[pl.scaling.OneOf("none", "linear", "quadratic")]
		if p.Ref != "" {
			pl.scaling.Errorf("parameter %q has the value of $%s, scaled as that is; remove scaling", p.Name, p.Ref)
		}
		f.Done()
		r.recipe.Params = append(r.recipe.Params, p)
		at = append(at, pl)
	}
	r.refer(at)
	for i := range r.recipe.Params {
		r.limits(&r.recipe.Params[i], &at[i])
	}
}

// refer gives the parameters that have the value of another one that value.
func (r *reader) refer(at []places) {
	params := r.recipe.Params
	circle := make([]bool, len(params))
	for i := range params {
		path, next := []int{i}, i
		for params[next].Ref != "" {
			if r.param(at[next].value, params[next].Ref) == "" {
				next = -1
				break
			}
			ref := params[next].Ref
			next = slices.IndexFunc(params, func(p Param) bool { return p.Name == ref })
			if slices.Contains(path, next) {
				if next == i && !circle[i] {
					r.circle(at[i].value, path)
					for _, k := range path {
						circle[k] = true
					}
				}
				next = -1
				break
			}
			path = append(path, next)
		}
		if p := &params[i]; p.Ref != "" && next >= 0 {
			p.Value, p.Scaling = params[next].Value, params[next].Scaling
		}
	}
}

// circle reports parameters that have the value of each other.
func (r *reader) circle(n strictyaml.Node, path []int) {
	text := ""
	for _, k := range path {
		text += "$" + r.recipe.Params[k].Name + " -> "
	}
	first := r.recipe.Params[path[0]].Name
	n.Errorf("parameter %q has its own value: %s$%s; write a value in one of them", first, text, first)
}

// limits holds a parameter against its limits.
func (r *reader) limits(p *Param, at *places) {
	for _, l := range []struct {
		key string
		n   strictyaml.Node
		q   *quantity.Quantity
	}{{"min", at.min, &p.Min}, {"max", at.max, &p.Max}} {
		if l.q.Unit != "" && p.Value.Unit != "" && !l.q.Unit.Compatible(p.Value.Unit) {
			l.n.Errorf("%s %q and value %q measure different things", l.key, *l.q, p.Value)
			*l.q = quantity.Quantity{}
		}
	}
	if p.Value.Unit != "" {
		r.checkRange(p, at.value)
	}
}

// units reads the equipment that the recipe asks for by class.
func (r *reader) units(n strictyaml.Node) {
	seen := map[string]int{}
	for _, item := range n.List(MaxUnits) {
		f := item.Map()
		u := Unit{Node: item}
		name := f.Req("name")
		if u.Name = name.Str(); u.Name != "" && !isWord(u.Name) {
			name.Errorf("%q cannot be the name of a unit here; it must be letters, digits and _, beginning with a letter", u.Name)
			u.Name = ""
		}
		name.Once(seen, u.Name, "unit")
		u.Class = f.Req("class").Ident()
		if needs, ok := f.Opt("needs"); ok {
			u.Needs = r.settings(needs, "a capability", isWord)
		}
		f.Done()
		r.recipe.Units = append(r.recipe.Units, u)
	}
}

// checkRange holds the value of a parameter against its limits, at the nominal batch size and at both ends of the permitted
// ones: between them a scaled value only rises or only falls.
func (r *reader) checkRange(p *Param, value strictyaml.Node) {
	if p.Min.Unit != "" && p.Max.Unit != "" {
		if c, err := p.Min.Cmp(p.Max); err == nil && c > 0 {
			p.Node.Errorf("parameter %q: min %q is above max %q", p.Name, p.Min, p.Max)
			return
		}
	}
	if why := p.outside(p.Value); why != "" {
		value.Errorf("parameter %q: %s", p.Name, why)
		return
	}
	if !r.sized {
		return
	}
	for _, size := range [...]quantity.Quantity{r.recipe.Min, r.recipe.Max} {
		ratio, err := size.Per(r.recipe.Nominal)
		if err != nil {
			continue
		}
		q, ok := p.scaled(ratio)
		if !ok {
			value.Errorf("parameter %q at batch size %q does not fit 64 bits", p.Name, size)
		} else if why := p.outside(q); why != "" {
			value.Errorf("parameter %q at batch size %q: %s; narrow the batch size or widen the limits", p.Name, size, why)
		}
	}
}
