// What was found, in the words and lines of the recipe.

package sound

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/recipe"
)

// judge looks at a state from which nothing goes on.
func (x *explorer) judge(e *entry) {
	s := &e.s
	switch {
	case s.over:
	case s.at[0] != done:
		x.stuck(e)
	default:
		for t, n := range s.posted {
			if n > 0 {
				x.find(Leftover, x.sender(t), e.node)
			}
		}
	}
}

// sender finds an instruction that posts a message.
func (x *explorer) sender(tag int) *instr {
	for br := range x.net.branches {
		code := x.net.branches[br].code
		if i := slices.IndexFunc(code, func(i instr) bool { return i.op == send && i.n == tag }); i >= 0 {
			return &code[i]
		}
	}
	return nil
}

// stuck tells that branches wait and none can go on.
func (x *explorer) stuck(e *entry) {
	var at []*instr
	var where []int
	for br := range e.s.at {
		if i := x.instr(&e.s, br); i != nil && i.op != fork {
			at, where = append(at, i), append(where, br)
		}
	}
	same := func(o op) bool {
		return !slices.ContainsFunc(at, func(i *instr) bool { return i.op != o || o != acquire && i.n != at[0].n })
	}
	kind := Deadlock
	switch {
	case same(acquire):
		kind = CircularWait
	case same(sync):
		kind = NoMeeting
	case same(receive):
		kind = NoMessage
	}
	f := x.find(kind, at[0], e.node)
	if f == nil {
		return
	}
	for k, i := range at {
		f.Stuck = append(f.Stuck, x.describe(i, x.waits(&e.s, where[k], i)))
	}
	for _, m := range f.Stuck {
		f.Text += "; " + m.Text
	}
	f.Text += remedy[kind]
}

// remedy is what to do.
var remedy = [...]string{
	Deadlock:     "; change the order in which they wait, so that one of them can go on",
	CircularWait: "; let both take the same equipment first, or take all of it at once in the element around",
	NoMeeting:    "; every branch of a line must come to it on each of its ways, as often as the others",
	NoMessage:    "; let it be sent on each way that leads here, as often as it is received",
	Leftover:     "; receive it, or do not send it",
	TooMany:      "; receive them sooner, or send fewer",
	Unreachable:  "; remove it, or give it a way that leads there",
	Never:        "; what waits for it ends by time-out only",
}

// waits says what a branch waits for, and why that does not come.
func (x *explorer) waits(s *state, br int, i *instr) string {
	switch i.op {
	case sync:
		var missing []string
		for _, top := range x.net.groups[i.n] {
			if top != br && !x.net.within(br, top) && !x.at(s, top, i.n) {
				missing = append(missing, x.net.branches[top].elem.ID)
			}
		}
		if len(missing) == 0 {
			return fmt.Sprintf("waits at line %q, where nobody else comes", x.net.names[lines][i.n])
		}
		return fmt.Sprintf("waits at line %q for %s", x.net.names[lines][i.n], strings.Join(missing, ", "))
	case receive:
		return fmt.Sprintf("waits for message %q, which nobody sends any more", x.net.names[tags][i.n])
	}
	if i.op == choose {
		return "has no alternative that can be taken"
	}
	var held []string
	for _, t := range i.set {
		if o := s.owner[t]; o >= 0 {
			held = append(held, fmt.Sprintf("%s, which %s holds", x.net.names[things][t], x.net.branches[o].elem.ID))
		}
	}
	return "waits for " + strings.Join(held, ", and ")
}

// at tells whether a branch, or one below it, is at a line.
func (x *explorer) at(s *state, top, line int) bool {
	return slices.ContainsFunc(x.net.users[lines][line], func(u int) bool {
		i := x.instr(s, u)
		return x.net.within(u, top) && i != nil && i.op == sync && i.n == line
	})
}

// find adds a finding, unless there is one of its kind at its place; then it returns nil.
func (x *explorer) find(kind Kind, i *instr, node int32) *Finding {
	id := told{kind, i.elem}
	if x.told[id] {
		return nil
	}
	x.told[id] = true
	m := x.describe(i, "")
	f := Finding{Kind: kind, Node: m.Node, Text: kind.String()}
	switch kind {
	case Leftover, TooMany:
		f.Text = fmt.Sprintf("%s: %s in line %d sends %q%s", kind, i.elem.ID, m.Node.Pos().Line, x.net.names[tags][i.n], remedy[kind])
	}
	f.Trace = x.trace(node)
	x.proof.Findings = append(x.proof.Findings, f)
	return &x.proof.Findings[len(x.proof.Findings)-1]
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
			list = append(list, x.describe(i, text))
		}
	}
	defer func(spent int) { x.steps = spent }(x.steps)
	x.steps = 0
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
		if i.op == acquire {
			return "takes " + strings.Join(list, ", ")
		}
		return "gives back " + strings.Join(list, ", ")
	case choose:
		return "takes " + i.ways[way].ID
	case round:
		return [...]string{"goes round again", "goes on"}[way]
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

// unreachable finds the elements that no run has come to.
func (x *explorer) unreachable() {
	for _, e := range x.net.elems {
		if x.visited[e] || x.hidden(e) {
			continue
		}
		x.proof.Findings = append(x.proof.Findings, Finding{Kind: Unreachable, Node: e.Node,
			Text: fmt.Sprintf("%s: no run comes to %s %q%s", Unreachable, e.Level, e.ID, remedy[Unreachable])})
	}
}

// hidden tells whether an element stands in one that was told already.
func (x *explorer) hidden(e *recipe.Element) bool {
	return slices.ContainsFunc(x.net.elems, func(up *recipe.Element) bool { return !x.visited[up] && slices.Contains(up.Children, e) })
}
