// Random recipe texts over all constructs, and random edits of them.

package batch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/recipe"
)

// gene is an element of a random recipe.
type gene struct {
	id    string
	block recipe.Block // NoBlock: a phase
	kids  []*gene
	does  []deed
	uses  []string
	equip string
	most  int
	asks  bool   // of a repeat: it has an until
	limit string // of a repeat that asks
	entry bool
	exit  bool
	logic string // key of a logic, "" for none
}

// deed is an action of a phase.
type deed struct{ verb, name string }

// grower makes random recipes.
type grower struct {
	*rand.Rand
	n, outs, lines, tags int
	budget               int
	greed                int  // one element of so many uses a thing
	mute                 bool // branches contend for equipment only
	long                 bool // a repeat of many rounds is there
}

var shared = []string{"PUMP", "HOSE", "DRYER"}

func (g *grower) recipe() *gene {
	g.budget, g.greed = 4+g.IntN(14), []int{3, 7, 7, 20}[g.IntN(4)]
	if g.mute = g.IntN(3) == 0; g.mute {
		g.greed = 2
	}
	root := g.grow(0, nil)
	for n := g.IntN(3); n > 0 && !g.mute; n-- {
		g.message(root)
	}
	return root
}

func (g *grower) id() string {
	g.n++
	return fmt.Sprintf("E%d", g.n)
}

func (g *grower) grow(depth int, held []string) *gene {
	e := &gene{id: g.id(), entry: g.IntN(12) == 0, exit: g.IntN(12) == 0}
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

func (g *grower) phase(e *gene) {
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
func (g *grower) handOver(e *gene) {
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
func (g *grower) insert(p *gene, d deed) {
	p.does = slices.Insert(p.does, g.IntN(len(p.does)+1), d)
}

// line lets branches of a parallel block meet.
func (g *grower) line(e *gene) {
	g.lines++
	for _, c := range e.kids {
		if list := c.phases(nil, false); len(list) > 0 && g.IntN(6) > 0 {
			g.insert(list[g.IntN(len(list))], deed{"sync", fmt.Sprintf("L%d", g.lines)})
		}
	}
}

// message lets a phase send what another one receives, once or oftener.
func (g *grower) message(root *gene) {
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
func (e *gene) phases(list []*gene, all bool) []*gene {
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

func (e *gene) walk(fn func(e *gene)) {
	fn(e)
	for _, c := range e.kids {
		c.walk(fn)
	}
}

func (e *gene) clone() *gene {
	c := *e
	c.does, c.uses, c.kids = slices.Clone(e.does), slices.Clone(e.uses), nil
	for _, k := range e.kids {
		c.kids = append(c.kids, k.clone())
	}
	return &c
}

// edit changes a recipe in one place: an action or an element is taken away, moved, doubled or exchanged for another.
func (g *grower) edit(root *gene) {
	var blocks, phases []*gene
	root.walk(func(e *gene) {
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
		e = e.clone()
		e.walk(func(e *gene) { e.id, e.most = g.id(), min(e.most, 3) })
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

const outputs = 12 // of the map

// ioMap is the map of random recipes.
func ioMap() string {
	text := "mapping: IO\nversion: \"1\"\nschema_version: 1\ndevice_id: C\nequipment_id: T1\ntags:\n"
	for i := range outputs {
		text += fmt.Sprintf("  - {logical_tag: XV%d, physical_channel: do/%d, direction: out, type: switch, words: [closed, open], safe_value: closed}\n", i+1, i)
	}
	for i := range 8 {
		text += fmt.Sprintf("  - {logical_tag: LS%d, physical_channel: di/%d, direction: in, type: switch, words: [empty, full], stale_after: 2 s}\n", i, i)
	}
	return text + "  - {logical_tag: TT1, physical_channel: ai/1, direction: in, type: number, form: int, resolution: 0.1 Cel, gain: 0.1 Cel, stale_after: 2 s}\n"
}

// manyOwners is a map on which some of what recipes share has several owners, and some is given by an arbiter.
func manyOwners() string {
	return ioMap() + "resources: [{resource_id: HOSE}, {resource_id: DRYER, shared: true}, {resource_id: PUMP, owners: 2}]\n"
}

// writer writes recipes. Before every action that concerns others, and before equipment is got, stands a wait: so the plant decides
// who comes first.
type writer struct {
	strings.Builder
	n int
}

func (e *gene) text() string {
	w := &writer{}
	w.WriteString("recipe: R\nversion: \"1\"\nschema_version: 1\ntitle: T\nbatch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}\nprocedure: ")
	w.element(e, "")
	return w.String() + "\n"
}

func (w *writer) element(e *gene, when string) {
	w.n++
	level := "operation"
	if w.n == 1 {
		level = "procedure"
	}
	if len(e.uses) > 0 {
		fmt.Fprintf(w, "{id: W%s, level: %s, %ssequence: [{id: G%s, level: phase, timeout: 3000 h, actions: [{wait: LS7}]}, ", e.id, level, when, e.id)
		defer w.WriteString("]}")
		when, level = "", "operation"
	}
	if e.block == 0 {
		level = "phase"
	}
	fmt.Fprintf(w, "{id: %s, level: %s, %s", e.id, level, when)
	if len(e.uses) > 0 {
		fmt.Fprintf(w, "uses: [%s], ", strings.Join(e.uses, ", "))
	}
	if e.entry {
		w.WriteString("entry: LS5, ")
	}
	if e.exit {
		w.WriteString("exit: TT1 >= 20 Cel, ")
	}
	if e.block == 0 || len(e.uses) > 0 || e.entry || e.exit || e.block == recipe.Select || e.block == recipe.Repeat && e.asks {
		w.WriteString("timeout: 3000 h, ")
	}
	if e.equip != "" {
		fmt.Fprintf(w, "equipment_phase: %s, ", e.equip)
	}
	if e.logic != "" && e.block == 0 {
		fmt.Fprintf(w, "%s: {timeout: 30 s, actions: [{delay: 2 s}, {mark: x}]}, ", e.logic)
	}
	w.content(e)
	w.WriteString("}")
}

func (w *writer) content(e *gene) {
	switch e.block {
	case 0:
		w.WriteString("actions: [")
		for i, d := range e.does {
			if i > 0 {
				w.WriteString(", ")
			}
			w.deed(d)
		}
		w.WriteString("]")
		return
	case recipe.Repeat:
		w.WriteString("repeat: {")
		if e.asks {
			w.WriteString("until: LS6, ")
			if e.limit != "" {
				fmt.Fprintf(w, "on_limit: %s, ", e.limit)
			}
		}
		fmt.Fprintf(w, "at_most: %d, sequence: [", e.most)
	default:
		fmt.Fprintf(w, "%s: [", e.block)
	}
	for i, c := range e.kids {
		if i > 0 {
			w.WriteString(", ")
		}
		when := ""
		switch {
		case e.block == recipe.Select && i > 0 && i == len(e.kids)-1:
			when = "otherwise: true, "
		case e.block == recipe.Select:
			when = fmt.Sprintf("when: LS%d, ", i)
		}
		w.element(c, when)
	}
	w.WriteString("]")
	if e.block == recipe.Repeat {
		w.WriteString("}")
	}
}

func (w *writer) deed(d deed) {
	switch d.verb {
	case "wait":
		w.WriteString("{wait: TT1 >= 50 Cel}")
	case "delay":
		w.WriteString("{delay: 3 s}")
	case "set":
		fmt.Fprintf(w, "{set: {%s: open}}", d.name)
	case "mark", "prompt":
		fmt.Fprintf(w, "{%s: x}", d.verb)
	case "verify_stable":
		w.WriteString("{verify_stable: {tag: TT1, within: 1 Cel, for: 2 s}}")
	default:
		fmt.Fprintf(w, "{wait: LS7}, {%s: %s}", d.verb, d.name)
	}
}
