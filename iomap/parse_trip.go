// This file reads the request for a trip of a map file.

package iomap

import (
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
)

// MaxTripTime is the longest time in ns that a request for a trip may be given to come true: what is to make a plant safe is quick,
// and the end of a batch that was aborted hard waits for it.
const MaxTripTime = 5_000_000_000

// trip reads the output that requests a trip of the safety chain.
func (r *reader) trip(n strictyaml.Node) *Trip {
	f := n.Map()
	name, value, within := f.Req("tag"), f.Req("value"), f.Req("within")
	confirm, asks := f.Opt("confirm")
	f.Done()
	p := &Trip{Tag: r.refer(name, Switch), Within: timeOf(within)}
	if p.Within > MaxTripTime {
		within.Errorf("within %q is too long; the safety chain must answer within 5 s", within.Str())
	}
	if asks {
		p.Confirm, p.Text = r.confirm(confirm)
	}
	word := value.Str()
	if p.Tag == tag.None {
		return p
	}
	switch t := &r.m.Tags[p.Tag]; {
	case !t.Output:
		name.Errorf("%s is an input; what requests a trip is an output", t.Name)
	case t.StaleAfter == 0:
		name.Errorf("%s is not read back, and a request for a trip must be seen; give it a stale_after", t.Name)
	case t.Words[0] == "" || word == "":
	case word != t.Words[0] && word != t.Words[1]:
		value.Errorf("%q is not a value of %s; it is %s or %s", word, t.Name, t.Words[0], t.Words[1])
	case word == t.Words[t.Safe]:
		value.Errorf("%s is the safe_value of %s, to which it goes at every hold; the value that requests a trip is the other one", word, t.Name)
	default:
		p.Value = 1 - t.Safe
	}
	return p
}

// confirm reads a condition on the tags of the map, and gives its canonical form, too.
func (r *reader) confirm(n strictyaml.Node) (cond.Cond, string) {
	text := n.Str()
	if text == "" {
		return nil, ""
	}
	e, err := cond.Parse(text)
	if err != nil {
		n.Errorf("condition, %s", strings.TrimPrefix(err.Error(), "cond: "))
		return nil, ""
	}
	for _, ref := range e.Tags() {
		if id, ok := r.m.Lookup(ref.Name); ok && !r.known[id] {
			return nil, "" // it is told already what is wrong with it
		}
	}
	c, errs := e.Bind(r.m, nil)
	for i := range errs {
		n.Errorf("condition, column %d: %s", errs[i].Column, errs[i].Msg)
	}
	return c, e.String()
}
