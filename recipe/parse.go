// This file reads a recipe file: the header and the batch size.

package recipe

import (
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/metering/quantity"
)

// read reads a recipe as far as it can be read; what is wrong is in its Doc.
func read(file string, src []byte) *reader {
	doc := strictyaml.Parse(file, src, nil)
	r := &reader{recipe: &Recipe{Doc: doc}, ids: map[string]int{}, windows: map[string]*window{}}
	f := doc.Root().Map()
	r.recipe.ID = f.Req("recipe").Ident()
	r.recipe.Version = f.Req("version").Ident()
	f.Req("schema_version").Int(Schema, Schema)
	r.recipe.Title = f.Req("title").Str()
	r.batchSize(f.Req("batch_size"))
	if n, ok := f.Opt("formula"); ok {
		r.formula(n)
	}
	if n, ok := f.Opt("equipment"); ok {
		r.units(n)
	}
	if n, ok := f.Opt("recovery"); ok {
		r.recovery = r.rule(n)
	}
	if n, ok := f.Opt("failure_level"); ok {
		r.recipe.FailureLevel = levelOf(n.OneOf(levels()...))
	}
	r.recipe.Root = r.element(f.Req("procedure"), nil, 1)
	f.Done()
	r.steps()
	r.lines()
	r.messages()
	r.handovers()
	return r
}

// reader fills a Recipe. What is wrong is in it too, as far as it could be read, so that one mistake is told once.
type reader struct {
	recipe   *Recipe
	sized    bool               // the batch sizes were read and fit each other
	ids      map[string]int     // line of an element
	windows  map[string]*window // by name
	elements int
	actions  int
	recovery Recovery   // of phases that have no rule of their own
	all      []*Element // that have been read, in the order of the file
	path     []*Element // elements that what is being read stands in, from the root
	meets    []meeting  // sync, send and receive actions, in the order of the file
	conds    []written  // conditions, in the order in which they were read
	owners   []owner    // phases that name an equipment phase, in the order of the file
}

// batchSize reads the sizes for which the recipe is written.
func (r *reader) batchSize(n strictyaml.Node) {
	f := n.Map()
	read := func(key string, into *quantity.Quantity) (strictyaml.Node, bool) {
		at := f.Req(key)
		q, ok := quantityOf(at)
		if ok && q.Coef <= 0 {
			at.Errorf("batch size %q is not above zero", q)
			return at, false
		}
		*into = q
		return at, ok
	}
	_, okNominal := read("nominal", &r.recipe.Nominal)
	low, okLow := read("min", &r.recipe.Min)
	high, okHigh := read("max", &r.recipe.Max)
	f.Done()
	if !okNominal {
		return
	}
	okLow = okLow && r.ordered(low, "min", r.recipe.Min, "above", 1)
	okHigh = okHigh && r.ordered(high, "max", r.recipe.Max, "below", -1)
	r.sized = okLow && okHigh
}

// ordered holds a limit of the batch size against the nominal size.
func (r *reader) ordered(n strictyaml.Node, key string, q quantity.Quantity, relation string, wrong int) bool {
	c, err := q.Cmp(r.recipe.Nominal)
	switch {
	case err != nil:
		n.Errorf("%s %q and nominal %q measure different things", key, q, r.recipe.Nominal)
	case c == wrong:
		n.Errorf("%s %q is %s nominal %q", key, q, relation, r.recipe.Nominal)
	default:
		if _, err := q.Per(r.recipe.Nominal); err != nil {
			n.Errorf("%s %q over nominal %q needs more than 64 bits; write fewer digits", key, q, r.recipe.Nominal)
			return false
		}
		return true
	}
	return false
}

// quantityOf reads a number with its unit; ok is false where nothing stands there or it is refused.
func quantityOf(n strictyaml.Node) (q quantity.Quantity, ok bool) {
	text := n.Str()
	if text == "" {
		return quantity.Quantity{}, false
	}
	q, err := quantity.Parse(text)
	if err != nil {
		n.Errorf("%s", strings.TrimPrefix(err.Error(), "quantity: "))
		return quantity.Quantity{}, false
	}
	return q, true
}

// isWord tells whether s is a name without points.
func isWord(s string) bool { return cond.IsName(s) && !strings.Contains(s, ".") }
