// This file holds Diff: the difference of two versions of a recipe, in words.

package recipe

import (
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Diff says in sentences what becomes other when recipe b takes the place of recipe a: header, parameters, equipment, then the
// elements that are gone, new, moved or changed, in the order of b's file. Elements and parameters are known by their names, so
// one that was renamed is gone and new. Comments, layout and how a quantity's parameter is spelled in a file are no difference; that an
// amount has other decimals is one. No sentence: a and b say the same.
func Diff(a, b *Recipe) []string {
	d := differ{stays: map[string]map[string]bool{}}
	d.becomes("Recipe", a.ID, b.ID)
	d.becomes("Version", a.Version, b.Version)
	d.becomes("Title", quote(a.Title), quote(b.Title))
	d.becomes("Batch size, nominal", a.Nominal.String(), b.Nominal.String())
	d.becomes("Batch size, least", a.Min.String(), b.Min.String())
	d.becomes("Batch size, greatest", a.Max.String(), b.Max.String())
	d.becomes("Failure level", a.FailureLevel.String(), b.FailureLevel.String())
	d.params(a.Params, b.Params)
	d.units(a.Units, b.Units)
	d.before, d.after = map[string]place{}, map[string]place{}
	index(d.before, a.Root, nil, 0)
	index(d.after, b.Root, nil, 0)
	d.gone(a.Root)
	d.element(b.Root)
	return d.out
}

// differ collects sentences.
type differ struct {
	out           []string
	before, after map[string]place           // elements by id
	stays         map[string]map[string]bool // by block: its elements that did not move
	fresh         bool                       // what is told of is new, so that nothing was before it
}

// place is an element and where it stands.
type place struct {
	e, parent *Element
	n         int // among the elements of parent
}

func index(into map[string]place, e, parent *Element, n int) {
	into[e.ID] = place{e, parent, n}
	for i, c := range e.Children {
		index(into, c, e, i)
	}
}

func (d *differ) say(format string, args ...any) {
	d.out = append(d.out, fmt.Sprintf(format, args...)+".")
}

// becomes says that something has another value; none is said of what is not there.
func (d *differ) becomes(what, a, b string) {
	if d.fresh && b != "" {
		d.say("%s: %s", what, b)
	} else if a != b {
		d.say("%s: was %s, is now %s", what, orNone(a), orNone(b))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func quantityWords(q quantity.Quantity) string {
	if q.Unit == "" {
		return ""
	}
	return q.String()
}

func condWords(e *cond.Expr) string {
	if e == nil {
		return ""
	}
	return e.String()
}

// inQuotes is a text in quotes; "" stays "".
func inQuotes(text string) string {
	if text == "" {
		return ""
	}
	return `"` + text + `"`
}

// valueWords is the value of a parameter, and how it scales.
func (p *Param) valueWords() string {
	switch {
	case p.Ref != "":
		return "$" + p.Ref
	case p.Scaling == Fixed:
		return p.Value.String()
	}
	return p.Value.String() + " (" + p.Scaling.String() + ")"
}

func (d *differ) params(a, b []Param) {
	name := func(p Param) string { return p.Name }
	for i := range a {
		if p := &a[i]; find(b, p.Name, name) == nil {
			d.say("Parameter $%s is removed; it was %s", p.Name, p.valueWords())
		}
	}
	for i := range b {
		p := &b[i]
		was := find(a, p.Name, name)
		if was == nil {
			text := p.valueWords()
			if p.Min.Unit != "" {
				text += ", least " + p.Min.String()
			}
			if p.Max.Unit != "" {
				text += ", greatest " + p.Max.String()
			}
			d.say("Parameter $%s is new: %s", p.Name, text)
			continue
		}
		d.becomes("Parameter $"+p.Name, was.valueWords(), p.valueWords())
		d.becomes("Parameter $"+p.Name+", least", quantityWords(was.Min), quantityWords(p.Min))
		d.becomes("Parameter $"+p.Name+", greatest", quantityWords(was.Max), quantityWords(p.Max))
	}
	if !slices.Equal(orderOf(a, b, name), orderOf(b, a, name)) {
		d.say("The parameters stand in another order")
	}
}

func (d *differ) units(a, b []Unit) {
	name := func(u Unit) string { return u.Name }
	for i := range a {
		if u := &a[i]; find(b, u.Name, name) == nil {
			d.say("Equipment %s is removed; it was a unit of class %s", u.Name, u.Class)
		}
	}
	for i := range b {
		u := &b[i]
		was := find(a, u.Name, name)
		if was == nil {
			needs := ""
			if len(u.Needs) > 0 {
				needs = " with " + settingWords(u.Needs, " ")
			}
			d.say("Equipment %s is new: a unit of class %s%s", u.Name, u.Class, needs)
			continue
		}
		d.becomes("Equipment "+u.Name+", class", was.Class, u.Class)
		d.becomes("Equipment "+u.Name+", needs", settingWords(was.Needs, " "), settingWords(u.Needs, " "))
	}
	if !slices.Equal(orderOf(a, b, name), orderOf(b, a, name)) {
		d.say("The equipment is chosen in another order")
	}
}

// find returns the element of a list that has a name; nil where none does.
func find[T any](list []T, name string, of func(T) string) *T {
	i := slices.IndexFunc(list, func(t T) bool { return of(t) == name })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// orderOf is a list of names without those that the other has not.
func orderOf[T any](list, other []T, name func(T) string) (names []string) {
	for _, t := range list {
		if find(other, name(t), name) != nil {
			names = append(names, name(t))
		}
	}
	return names
}
