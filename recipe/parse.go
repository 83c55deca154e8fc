// This file holds Parse: the header, batch size and formula of a recipe file.

package recipe

import (
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Parse reads a recipe file, YAML or its subset JSON; file is the name that errors show. What is wrong is returned all at
// once, each error with line, column and the line itself; then the Recipe is nil.
//
// The header has recipe (the ID), version, schema_version: 1, title and batch_size (nominal, min, max). formula lists the
// parameters: name, value at the nominal batch size, or $other to have the value of another one, min and max of the scaled value
// (may be left out), scaling (none, linear or quadratic, by default none). An amount anywhere below may be written as $name. Limits
// are held against every permitted batch size. equipment lists what is asked for by class: name, class and needs; name.TT is then a
// tag like any other.
//
// procedure is one element, and elements hold elements: id, level (procedure, unit_procedure, operation or phase, none above
// that of the block around it; a level between may be left out), and one of these:
//
//	sequence: [elements]    one after the other
//	parallel: [elements]    all at once
//	select: [elements]      the first whose when is true; one with otherwise: true, the last, is taken where none is
//	repeat: {until: "TT301 >= 58 Cel", at_most: 5, on_limit: hold, sequence: [elements]}
//	actions: [actions]      of a phase
//
// A select and a repeat wait for a condition that is STALE or BAD, and for a stable or elapsed in it that has yet to have its time.
//
// Any element may have entry and exit, the conditions to begin and to end, and uses, the shared equipment that it holds meanwhile.
// A phase has timeout and on_timeout (hold, the default, or abort); it must have a timeout where an action, entry, exit or uses
// waits. A block has them for waits of its own, each of which may take that long: entry, exit, uses, select and until.
// recovery, in the header for all phases or in a phase for itself, says what follows when the controller comes up again in
// its middle: hold (the default), resume, repeat, abort or restart. on_hold, on_restart, on_stop and on_abort give a phase logic of
// its own: {timeout: 30 s, actions: [...]} with set, delay, wait and mark. equipment_phase names what phases that follow each
// other hand over.
//
// An action is one key with its value:
//
//	set: {XV101: open, TIC301.sp: 60 Cel}         outputs take values, done when the device has confirmed all
//	wait: "TT301 >= 58 Cel"                       wait for a condition
//	delay: 5 s                                    let a time pass
//	open_window: {window: A, meter: FQ101, target: $a, tolerance: 0.5 kg}
//	wait_total: {window: A, short_by: 2 kg}       wait until the total is that short of the target, or at it
//	close_window: A                               in the phase that opened it, exactly once
//	verify_stable: {tag: FT101, within: 0.1 kg/min, for: 1 s}
//	mark: text                                    put a line into the log
//	prompt: text                                  ask the operator and wait
//	request: {type: titrate, with: {volume: 5 mL}}
//	sync: LINE                                    meet the phases of other branches that name the line
//	send: TAG                                     post a message
//	receive: TAG                                  wait for a message and take it
func Parse(file string, src []byte) (*Recipe, error) {
	r := read(file, src)
	if err := r.recipe.Doc.Err(); err != nil {
		return nil, err
	}
	return r.recipe, nil
}

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

// once reports a text that has been there before, and remembers its line otherwise.
func once(seen map[string]int, n strictyaml.Node, text, what string) {
	if text == "" {
		return
	}
	if line, ok := seen[text]; ok {
		n.Errorf("%s %q stands twice; the first is in line %d", what, text, line)
		return
	}
	seen[text] = n.Pos().Line
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
