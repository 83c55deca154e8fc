// What was found, in the words and lines of the recipe.

package sound

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/recipe"
)

// judge looks at a state from which nothing goes on.
func (x *explorer) judge(e *entry) {
	s := &e.s
	switch {
	case x.withheld != nothing:
		x.judgeKept(e)
	case s.over:
	case s.at[0] != done:
		x.stuck(e)
	default:
		for t, n := range s.posted {
			if n > 0 {
				x.find(Leftover, x.senders(t)[0], e.node, fmt.Sprintf(": the recipe ends, and %d of message %q from %s is left",
					n, x.net.names[tags][t], x.from(t)))
			}
		}
	}
}

// senders are the instructions that post a message, the last of a branch first.
func (x *explorer) senders(tag int) (list []*instr) {
	for br := range x.net.branches {
		code := x.net.branches[br].code
		for k := range slices.Backward(code) {
			if code[k].op == send && code[k].n == tag {
				list = append(list, &code[k])
			}
		}
	}
	return list
}

// shown is how many of several are named.
const shown = 3

// from names who sends a message.
func (x *explorer) from(tag int) string {
	list := x.senders(tag)
	var names []string
	for _, i := range list[:min(len(list), shown)] {
		names = append(names, x.place(i))
	}
	slices.Reverse(names)
	if n := len(list) - shown; n > 0 {
		names = append(names, fmt.Sprintf("%d more", n))
	}
	return and(names, "or")
}

// place names the element of an instruction and its line.
func (x *explorer) place(i *instr) string { return i.elem.ID + inLine(x.describe(i, "").Node) }

// inLine is the line of a place; "" in a recipe that was made without a file.
func inLine(n strictyaml.Node) string {
	if line := n.Pos().Line; line > 0 {
		return fmt.Sprintf(" (line %d)", line)
	}
	return ""
}

// stuck tells that branches wait and none can go on.
func (x *explorer) stuck(e *entry) {
	var waiting []int
	for br := range e.s.at {
		if i := x.instr(&e.s, br); i != nil && i.op == choose {
			return // none of its alternatives is ever taken: each was told
		} else if i != nil && i.op != fork {
			waiting = append(waiting, br)
		}
	}
	text, join := "", ": "
	var at []*instr
	for _, br := range x.blame(&e.s, waiting) {
		i := x.instr(&e.s, br)
		at = append(at, i)
		text += join + x.place(i) + " " + x.waits(&e.s, br, i)
		join = "; "
	}
	kind, advice := kindOf(at)
	f := x.find(kind, at[0], e.node, text+advice)
	if f == nil {
		return
	}
	for _, br := range waiting {
		i := x.instr(&e.s, br)
		f.Stuck = append(f.Stuck, x.describe(i, x.waits(&e.s, br, i)))
	}
}

// kindOf says what kind of standstill it is, and what to do, from what is waited for.
func kindOf(at []*instr) (kind Kind, advice string) {
	same := func(o op) bool {
		return !slices.ContainsFunc(at, func(i *instr) bool { return i.op != o || o != acquire && i.n != at[0].n })
	}
	switch {
	case same(acquire):
		return CircularWait, "; name all of it in the uses of one element around, so that it is got at once, or get it in the same order in both"
	case same(sync):
		return NoMeeting, "; let each branch come to the line whatever it has chosen, and as often as the others"
	case same(receive):
		return NoMessage, "; send it on each way that leads here, before it is waited for and as often as it is received"
	case slices.ContainsFunc(at, func(i *instr) bool { return i.op == acquire }):
		return Deadlock, "; give equipment back before waiting for another branch, or let that one need it earlier"
	}
	return Deadlock, "; let the branches come to lines and messages in the same order"
}

// waits says what a branch waits for, and why that does not come.
func (x *explorer) waits(s *state, br int, i *instr) string {
	switch i.op {
	case sync:
		var missing []string
		for _, top := range x.net.groups[i.n] {
			if top != br && !x.net.within(br, top) && !x.at(s, top, i.n) {
				missing = append(missing, x.party(top, i.n))
			}
		}
		if len(missing) == 0 {
			return fmt.Sprintf("waits at line %q, where nobody else comes", x.net.names[lines][i.n])
		}
		return fmt.Sprintf("waits at line %q for %s", x.net.names[lines][i.n], and(missing, "and"))
	case receive:
		if len(x.senders(i.n)) == 0 {
			return fmt.Sprintf("waits for message %q, which nobody sends", x.net.names[tags][i.n])
		}
		return fmt.Sprintf("waits for message %q from %s", x.net.names[tags][i.n], x.from(i.n))
	}
	var held []string
	for _, t := range i.set {
		list := x.owners(s, t)
		if t == x.withheld {
			held = append(held, x.net.names[things][t]+", which another batch may have")
			continue
		}
		if slices.Contains(list, -1) || slices.Contains(list, int32(br)) {
			continue
		}
		var who []string
		for _, o := range slices.Backward(list) {
			who = append(who, x.holder(s, int(o), t))
		}
		verb := "hold"
		if who = slices.Compact(who); len(who) == 1 {
			verb = "holds"
		}
		held = append(held, fmt.Sprintf("%s, which %s %s", x.net.names[things][t], and(who, "and"), verb))
	}
	return "waits for " + and(held, "and for")
}

// party names who of a branch comes to a line.
func (x *explorer) party(top, line int) string {
	for _, u := range x.net.users[lines][line] {
		code := x.net.branches[u].code
		if k := slices.IndexFunc(code, func(i instr) bool { return i.op == sync && i.n == line }); k >= 0 && x.net.within(u, top) {
			return x.place(&code[k])
		}
	}
	return x.net.branches[top].elem.ID
}

// holder names the element of a branch that holds equipment.
func (x *explorer) holder(s *state, br, thing int) string {
	b := &x.net.branches[br]
	for k := min(int(s.at[br]), len(b.code)) - 1; k >= 0; k-- {
		if i := &b.code[k]; i.op == acquire && slices.Contains(i.set, thing) {
			return x.place(i)
		}
	}
	return b.elem.ID
}

// at tells whether a branch, or one below it, is at a line.
func (x *explorer) at(s *state, top, line int) bool {
	return slices.ContainsFunc(x.net.users[lines][line], func(u int) bool {
		i := x.instr(s, u)
		return x.net.within(u, top) && i != nil && i.op == sync && i.n == line
	})
}

// find adds a finding, unless there is one of its kind at its place; then it returns nil. A line or a message that cannot come is
// told once, whoever waits for it.
func (x *explorer) find(kind Kind, i *instr, node int32, text string) *Finding {
	id := told{kind: kind, elem: i.elem}
	if kind == NoMeeting || kind == NoMessage || kind == Leftover {
		id = told{kind: kind, n: i.n}
	}
	if x.told[id] {
		return nil
	}
	x.told[id] = true
	if kind == Leftover {
		text += "; receive each, or do not send it"
	}
	f := Finding{Kind: kind, Node: x.describe(i, "").Node, Text: kind.String() + text, Trace: x.trace(node)}
	x.proof.Findings = append(x.proof.Findings, f)
	return &x.proof.Findings[len(x.proof.Findings)-1]
}

// tooMany tells that one message too many is sent.
func (x *explorer) tooMany(i *instr, node int32) {
	if x.withheld != nothing {
		return // that is another proof's to tell
	}
	x.find(TooMany, i, node, fmt.Sprintf(": %s sends %q while %d of it wait to be received, which is the most; receive them sooner, or send fewer",
		x.place(i), x.net.names[tags][i.n], x.most))
}

// trace makes the moves that lead to a state again, from the start, and tells them.
func (x *explorer) trace(n int32) (list []Move) {
	var ways []int32
	for ; x.nodes[n].parent >= 0; n = x.nodes[n].parent {
		ways = append(ways, x.nodes[n].move)
	}
	slices.Reverse(ways)
	tell := func(_ int, i *instr, way int) {
		if text := x.words(i, way); text != "" {
			m := x.describe(i, text)
			if m.passing = i.op == begin || i.op == visit; i.op == choose {
				m.Node = i.ways[way].Node
			}
			list = append(list, m)
		}
	}
	defer func(steps, limit int) { x.steps, x.limit = steps, limit }(x.steps, x.limit)
	x.steps, x.limit = 0, 1<<24 // what was explored within the limit is told, also where this was its end
	s := x.start()
	x.settle(&s, tell)
	for _, w := range ways {
		x.apply(&s, x.moves(&s)[w], tell)
		x.settle(&s, tell)
	}
	return list
}

// words say what an instruction does; nothing for one that a reader need not follow.
func (x *explorer) words(i *instr, way int) string {
	n := x.net
	switch i.op {
	case begin:
		return "begins"
	case visit:
		return "runs"
	case sync:
		return fmt.Sprintf("meets the others at line %q", n.names[lines][i.n])
	case send:
		return fmt.Sprintf("sends %q", n.names[tags][i.n])
	case receive:
		return fmt.Sprintf("receives %q", n.names[tags][i.n])
	case acquire, release:
		var list []string
		for _, t := range i.set {
			list = append(list, n.names[things][t])
		}
		if slices.Contains(i.set, x.withheld) {
			return "asks for " + strings.Join(list, ", ")
		}
		if i.op == acquire {
			return "gets " + strings.Join(list, ", ")
		}
		return "gives back " + strings.Join(list, ", ")
	case choose:
		return "chooses " + i.ways[way].ID
	case round:
		return [...]string{"goes round again", "goes on", "holds, and goes round again by a restart"}[way]
	}
	return ""
}

// describe makes a move of an instruction.
func (x *explorer) describe(i *instr, text string) Move {
	m := Move{Element: i.elem, Action: i.action, Node: i.elem.Node}
	if i.action >= 0 {
		m.Node = i.elem.Actions[i.action].Node
	}
	if m.Text = text; text != "" {
		m.Text = fmt.Sprintf("%s %s", i.elem.ID, text)
	}
	return m
}

// unreachable finds the elements that no run has come to, but for alternatives that were told already.
func (x *explorer) unreachable() {
	for _, e := range x.net.elems {
		if x.visited[e] || x.net.impossible[e] || x.hidden(e) {
			continue
		}
		x.proof.Findings = append(x.proof.Findings, Finding{Kind: Unreachable, Node: e.Node,
			Text: fmt.Sprintf("%s: no run comes to %s %q; remove it, or give it a way that leads there", Unreachable, e.Level, e.ID)})
	}
}

// hidden tells whether an element stands in one that was told already.
func (x *explorer) hidden(e *recipe.Element) bool {
	return slices.ContainsFunc(x.net.elems, func(up *recipe.Element) bool { return !x.visited[up] && slices.Contains(up.Children, e) })
}
