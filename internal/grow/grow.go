// Package grow makes random recipes over all constructs of the language, and random edits of them, for tests.
//
// Start with [Grower]. The rule that must not be broken: equal sources of chance give equal recipes, so that a seed names one. It knows
// no plant and no engine; what grows need not be sound, and not even be a recipe that the parser takes.
package grow

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/batchkit/batchkit/recipe"
)

// Element is an element of a random recipe; the one that Recipe returns is the procedure.
type Element struct {
	id    string
	block recipe.Block // NoBlock: a phase
	kids  []*Element
	does  []deed
	uses  []string
	equip string
	most  int
	asks  bool   // of a repeat: it has an until
	limit string // of a repeat that asks
	entry bool
	exit  bool
	logic string // key of a logic, "" for none
	time  string // its time-out, "" for one that never comes
	late  string // what follows it, "" for the default
	rule  string // what follows a boot, "" for the default
	unit  bool   // it is a unit procedure

	lively bool   // of the procedure: it has parameters
	fails  string // of the procedure: its failure level, "" for the default
}

// deed is an action of a phase.
type deed struct{ verb, name string }

// once tells whether a phase that does it cannot be tried again.
func (d deed) once() bool {
	return slices.Contains([]string{"meter", "sync", "send", "receive"}, d.verb)
}

// Grower makes random recipes, each of them once.
type Grower struct {
	*rand.Rand
	Lively               bool // time-outs that come, recovery and failure rules, parameters, typed prompts, and metering by Meters meters
	n, outs, lines, tags int
	budget               int
	greed                int  // one element of so many uses a thing
	mute                 bool // branches contend for equipment only
	long                 bool // a repeat of many rounds is there
}

var shared = []string{"PUMP", "HOSE", "DRYER"}

// Recipe returns a random recipe.
func (g *Grower) Recipe() *Element {
	g.budget, g.greed = 4+g.IntN(14), []int{3, 7, 7, 20}[g.IntN(4)]
	if g.mute = g.IntN(3) == 0; g.mute {
		g.greed = 2
	}
	root := g.grow(0, nil)
	for n := g.IntN(3); n > 0 && !g.mute; n-- {
		g.message(root)
	}
	if g.Lively {
		g.enliven(root)
	}
	return root
}

// enliven lets phases meter, run out of time, and have rules of their own for a boot.
func (g *Grower) enliven(root *Element) {
	root.lively = true
	root.fails = []string{"", "", "unit_procedure", "operation", "phase"}[g.IntN(5)]
	for _, c := range root.kids {
		c.unit = c.block != 0 && root.fails == "unit_procedure" && root.uses == nil
	}
	meters := 0
	for _, p := range root.phases(nil, false) {
		if meters < Meters && g.IntN(3) == 0 {
			meters++
			g.insert(p, deed{"meter", g.feed(meters)})
		}
	}
	root.walk(func(e *Element) {
		if g.IntN(3) == 0 {
			e.time = fmt.Sprintf("%d s", 2+g.IntN(30))
			late := []string{"", "", "abort", "hard_abort", "{retry: 1, then: hold}", "{retry: 2, then: abort}"}
			if slices.ContainsFunc(e.does, deed.once) {
				late = late[:4]
			}
			e.late = late[g.IntN(len(late))]
		}
		for i := range e.does {
			if d := &e.does[i]; d.verb == "prompt" {
				d.name = g.prompt()
			}
		}
		if e.block == 0 {
			e.rule = []string{"", "hold", "resume", "resume", "resume", "abort", "restart"}[g.IntN(7)]
		}
	})
}

// feed names a meter and, where there is one left, the output by which its window jogs.
func (g *Grower) feed(meter int) string {
	if g.outs == outputs {
		return fmt.Sprint(meter)
	}
	g.outs++
	return fmt.Sprintf("%d XV%d", meter, g.outs)
}

func (g *Grower) id() string {
	g.n++
	return fmt.Sprintf("E%d", g.n)
}

func (g *Grower) grow(depth int, held []string) *Element {
	e := &Element{id: g.id(), entry: g.IntN(12) == 0, exit: g.IntN(12) == 0}
	for _, i := range g.Perm(len(shared)) {
		if u := shared[i]; g.IntN(g.greed) == 0 && !slices.Contains(held, u) && (!g.mute || depth > 0 && e.uses == nil) {
			e.uses = append(e.uses, u)
		}
	}
	held = slices.Concat(held, e.uses)
	g.budget--
	if depth > 0 && (depth == 3 || g.budget <= 0 || g.IntN(2) == 0) {
		g.phase(e)
		return e
	}
	e.block = []recipe.Block{recipe.Sequence, recipe.Parallel, recipe.Parallel, recipe.Select, recipe.Repeat}[g.IntN(5)]
	for range 1 + g.IntN(3) + min(int(e.block)-1, 1) {
		e.kids = append(e.kids, g.grow(depth+1, held))
	}
	switch e.block {
	case recipe.Repeat:
		e.most, e.asks = 1+g.IntN(3), g.IntN(2) == 0
		e.limit = []string{"", "hold", "abort", "continue"}[g.IntN(4)]
		if g.IntN(40) == 0 && !g.long { // one of them: two inside each other run for days
			g.long, e.most, e.asks = true, 256+g.IntN(9), false
		}
	case recipe.Parallel:
		for n := g.IntN(3); n > 0 && !g.mute; n-- {
			g.line(e)
		}
	case recipe.Sequence:
		g.handOver(e)
	}
	return e
}

func (g *Grower) phase(e *Element) {
	for range 1 + g.IntN(3) {
		d := deed{verb: []string{"mark", "wait", "delay", "set", "prompt", "verify_stable"}[g.IntN(6)]}
		if d.verb == "set" {
			if g.outs == outputs {
				continue
			}
			g.outs++
			d.name = fmt.Sprintf("XV%d", g.outs)
		}
		e.does = append(e.does, d)
	}
	if len(e.does) == 0 {
		e.does = []deed{{verb: "mark"}}
	}
	if g.IntN(8) == 0 {
		e.logic = []string{"on_hold", "on_restart", "on_abort"}[g.IntN(3)]
	}
}

// handOver lets two phases in a row have one equipment phase.
func (g *Grower) handOver(e *Element) {
	if len(e.kids) < 2 || g.IntN(2) == 0 {
		return
	}
	i := g.IntN(len(e.kids) - 1)
	a, b := e.kids[i], e.kids[i+1]
	if a.block == 0 && b.block == 0 && a.uses == nil && b.uses == nil {
		a.equip = "Q" + a.id
		b.equip = a.equip
	}
}

// insert puts a deed into a phase.
func (g *Grower) insert(p *Element, d deed) {
	p.does = slices.Insert(p.does, g.IntN(len(p.does)+1), d)
}

// line lets branches of a parallel block meet.
func (g *Grower) line(e *Element) {
	g.lines++
	for _, c := range e.kids {
		if list := c.phases(nil, false); len(list) > 0 && g.IntN(6) > 0 {
			g.insert(list[g.IntN(len(list))], deed{"sync", fmt.Sprintf("L%d", g.lines)})
		}
	}
}

// message lets a phase send what another one receives, once or oftener.
func (g *Grower) message(root *Element) {
	list := root.phases(nil, g.IntN(3) == 0)
	if len(list) < 2 {
		return
	}
	g.tags++
	name := fmt.Sprintf("M%d", g.tags)
	for n := 1 + g.IntN(3)/2; n > 0; n-- {
		i, k := g.IntN(len(list)), g.IntN(len(list))
		if g.IntN(4) > 0 { // so that many recipes are sound
			i, k = min(i, k), max(i, k)
		}
		g.insert(list[i], deed{"send", name})
		g.insert(list[k], deed{"receive", name})
	}
}

// phases are the phases below an element; those in repeats only if all.
func (e *Element) phases(list []*Element, all bool) []*Element {
	if e.block == 0 {
		return append(list, e)
	}
	if e.block == recipe.Repeat && !all {
		return list
	}
	for _, c := range e.kids {
		list = c.phases(list, all)
	}
	return list
}

func (e *Element) walk(fn func(e *Element)) {
	fn(e)
	for _, c := range e.kids {
		c.walk(fn)
	}
}

// Clone returns a copy that can be edited by itself.
func (e *Element) Clone() *Element {
	c := *e
	c.does, c.uses, c.kids = slices.Clone(e.does), slices.Clone(e.uses), nil
	for _, k := range e.kids {
		c.kids = append(c.kids, k.Clone())
	}
	return &c
}

// Edit changes a recipe in one place: an action or an element is taken away, moved, doubled or exchanged for another.
func (g *Grower) Edit(root *Element) {
	var blocks, phases []*Element
	root.walk(func(e *Element) {
		if e.block != 0 {
			blocks = append(blocks, e)
		} else if len(e.does) > 0 {
			phases = append(phases, e)
		}
	})
	if len(phases) > 0 && g.IntN(3) > 0 {
		p, q := phases[g.IntN(len(phases))], phases[g.IntN(len(phases))]
		i := g.IntN(len(p.does))
		if k := slices.IndexFunc(p.does, func(d deed) bool { return d.name != "" && d.verb != "set" }); k >= 0 && g.IntN(4) > 0 {
			i = k
		}
		d := p.does[i]
		switch g.IntN(4) {
		case 0:
			p.does = slices.Delete(p.does, i, i+1)
		case 1:
			p.does = slices.Delete(p.does, i, i+1)
			g.insert(q, d)
		case 2:
			g.insert(q, d)
		case 3:
			k := g.IntN(len(q.does))
			p.does[i], q.does[k] = q.does[k], d
		}
		return
	}
	b, c := blocks[g.IntN(len(blocks))], blocks[g.IntN(len(blocks))]
	i, k := g.IntN(len(b.kids)), g.IntN(len(c.kids))
	e := b.kids[i]
	switch g.IntN(5) {
	case 0:
		if len(b.kids) > 1 {
			b.kids = slices.Delete(b.kids, i, i+1)
		}
	case 1: // moved within its block: what is moved into itself would be lost
		if len(b.kids) > 1 {
			b.kids = slices.Delete(b.kids, i, i+1)
			b.kids = slices.Insert(b.kids, g.IntN(len(b.kids)+1), e)
		}
	case 2:
		e = e.Clone()
		e.walk(func(e *Element) { e.id, e.most = g.id(), min(e.most, 3) })
		c.kids = slices.Insert(c.kids, k, e)
	case 3:
		j := g.IntN(len(b.kids))
		b.kids[i], b.kids[j] = b.kids[j], b.kids[i]
	case 4:
		u := shared[g.IntN(len(shared))]
		if at := slices.Index(e.uses, u); at >= 0 {
			e.uses = slices.Delete(e.uses, at, at+1)
		} else {
			e.uses = append(e.uses, u)
		}
	}
}
