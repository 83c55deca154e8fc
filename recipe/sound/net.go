// The skeleton of a recipe: what its branches do to each other, and nothing else.

package sound

import (
	"slices"

	"github.com/batchkit/batchkit/recipe"
)

// op is what an instruction of a branch does.
type op uint8

const (
	visit   op = iota + 1 // an element, with all below it, that does nothing to other branches
	begin                 // an element begins
	sync                  // waits for the other branches of a line
	send                  // posts a message
	receive               // waits for a message
	acquire               // waits for equipment
	release               // gives it back
	choose                // goes to one of its targets
	round                 // back to the body of a repeat, or on behind it
	jump                  // goes to its target
	fork                  // begins branches and waits for them
)

// instr is one instruction.
type instr struct {
	op     op
	elem   *recipe.Element
	action int               // number in elem.Actions, -1 where it is none
	n      int               // line, tag or loop
	to     []int             // choose, round (back, on), jump: places; fork: branches
	set    []int             // acquire, release: equipment
	ways   []*recipe.Element // choose: the alternatives
}

// branch is a sequence of instructions. Branch 0 is the recipe; every other one is a branch of a parallel block.
type branch struct {
	code   []instr
	parent int
	elem   *recipe.Element // where it begins
}

// loop is a repeat whose number of rounds is part of the state, or free.
type loop struct {
	fixed  bool // it has no condition
	counts bool
	most   int
	limit  recipe.Limit
}

// net is the skeleton of a recipe.
type net struct {
	branches []branch
	names    [3][]string // of lines, tags and equipment
	users    [3][][]int  // by line, tag (who receives it) and equipment: the branches that have it, ascending
	posts    []int       // by tag: how many messages are sent at most, as far as the rounds tell
	times    int         // while it is built: rounds of the repeats around, multiplied
	groups   [][]int     // by line: the branches of the block in which it is met, ascending; each must come with all below it
	twice    []string    // equipment that is used inside an element which holds it
	slot     []int       // by equipment: its first place in state.owner, one for each that may hold it; one more at the end
	common   []string    // equipment that batches share, in their order
	order    []int       // by equipment: its place in common, from 1 on; 0: no batch shares it
	loops    []loop
	elems    []*recipe.Element // in the order of the recipe

	impossible map[*recipe.Element]bool // alternatives that are never taken
}

const (
	lines = iota
	tags
	things
)

// compile makes the skeleton of a recipe: once to learn who uses what, and then without what only one branch uses.
func compile(r *recipe.Recipe, impossible map[*recipe.Element]bool, opt *Options) *net {
	known := &net{impossible: impossible, common: opt.BetweenBatches}
	known.build(r, nil)
	n := &net{impossible: impossible, common: opt.BetweenBatches}
	n.build(r, known)
	for line := range n.names[lines] {
		n.groups = append(n.groups, n.group(line))
	}
	n.slot = []int{0}
	for i, name := range n.names[things] {
		n.slot = append(n.slot, n.slot[i]+max(opt.Owners[name], 1))
		n.order = append(n.order, slices.Index(n.common, name)+1)
	}
	return n
}

func (n *net) build(r *recipe.Recipe, known *net) {
	n.branches, n.times = []branch{{parent: -1, elem: r.Root}}, 1
	n.element(r.Root, 0, nil, known)
}

// number finds or enters a name, and notes that a branch has it.
func (n *net) number(list int, name string, br int) int {
	i := slices.Index(n.names[list], name)
	if i < 0 {
		i = len(n.names[list])
		n.names[list] = append(n.names[list], name)
		n.users[list] = append(n.users[list], nil)
		if list == tags {
			n.posts = append(n.posts, 0)
		}
	}
	if br >= 0 && !slices.Contains(n.users[list][i], br) {
		n.users[list][i] = append(n.users[list][i], br)
		slices.Sort(n.users[list][i])
	}
	return i
}

// shared tells whether branches, or batches, can contend for equipment: several use it, or one uses what it holds already.
func (n *net) shared(name string) bool {
	i := slices.Index(n.names[things], name)
	return slices.Contains(n.common, name) || len(n.users[things][i]) > 1 || slices.Contains(n.twice, name)
}

// quiet tells whether an element and all below it do nothing to other branches.
func (n *net) quiet(e *recipe.Element) bool {
	if n == nil || slices.ContainsFunc(e.Uses, n.shared) {
		return false
	}
	for i := range e.Actions {
		if e.Actions[i].Line != "" {
			return false
		}
	}
	return !slices.ContainsFunc(e.Children, func(c *recipe.Element) bool { return !n.quiet(c) })
}

func (n *net) emit(br int, i instr) int {
	n.branches[br].code = append(n.branches[br].code, i)
	return len(n.branches[br].code) - 1
}

// element adds the instructions of an element to a branch; held is the equipment that is held around it.
func (n *net) element(e *recipe.Element, br int, held []string, known *net) {
	n.elems = append(n.elems, e)
	if known != nil && known.quiet(e) {
		n.emit(br, instr{op: visit, elem: e, action: -1})
		n.below(e)
		return
	}
	var set []int
	for _, u := range e.Uses {
		if known == nil || known.shared(u) {
			set = append(set, n.number(things, u, br))
		}
		if slices.Contains(held, u) {
			n.twice = append(n.twice, u)
		}
	}
	if len(set) > 0 {
		n.emit(br, instr{op: acquire, elem: e, action: -1, set: set})
	}
	n.emit(br, instr{op: begin, elem: e, action: -1})
	n.content(e, br, append(slices.Clip(held), e.Uses...), known)
	if len(set) > 0 {
		n.emit(br, instr{op: release, elem: e, action: -1, set: set})
	}
}

// below enters the elements below one that is passed as a whole.
func (n *net) below(e *recipe.Element) {
	for _, c := range e.Children {
		n.elems = append(n.elems, c)
		n.below(c)
	}
}

// content adds what an element does between its beginning and its end.
func (n *net) content(e *recipe.Element, br int, held []string, known *net) {
	switch e.Block {
	case recipe.Parallel:
		at := n.emit(br, instr{op: fork, elem: e, action: -1})
		for _, c := range e.Children {
			n.branches = append(n.branches, branch{parent: br, elem: c})
			n.branches[br].code[at].to = append(n.branches[br].code[at].to, len(n.branches)-1)
			n.element(c, len(n.branches)-1, held, known)
		}
	case recipe.Select:
		n.alternatives(e, br, held, known)
	case recipe.Repeat:
		n.repeat(e, br, held, known)
	default:
		for i := range e.Actions {
			n.action(e, i, br)
		}
		for _, c := range e.Children {
			n.element(c, br, held, known)
		}
	}
}

func (n *net) alternatives(e *recipe.Element, br int, held []string, known *net) {
	at := n.emit(br, instr{op: choose, elem: e, action: -1})
	var ends []int
	for _, c := range e.Children {
		if !n.impossible[c] {
			n.branches[br].code[at].to = append(n.branches[br].code[at].to, len(n.branches[br].code))
			n.branches[br].code[at].ways = append(n.branches[br].code[at].ways, c)
		}
		n.element(c, br, held, known)
		ends = append(ends, n.emit(br, instr{op: jump, elem: c, action: -1}))
	}
	for _, i := range ends {
		n.branches[br].code[i].to = []int{len(n.branches[br].code)}
	}
}

func (n *net) repeat(e *recipe.Element, br int, held []string, known *net) {
	k := len(n.loops)
	l := loop{fixed: e.Loop.Until == nil, most: e.Loop.AtMost, limit: e.Loop.OnLimit}
	l.counts = l.fixed || n.talks(e)
	n.loops = append(n.loops, l)
	back := len(n.branches[br].code)
	around := n.times
	n.times = min(around*max(e.Loop.AtMost, 1), 1<<20)
	for _, c := range e.Children {
		n.element(c, br, held, known)
	}
	n.times = around
	at := n.emit(br, instr{op: round, elem: e, action: -1, n: k})
	n.branches[br].code[at].to = []int{back, at + 1}
}

// talks tells whether messages are sent or received below an element.
func (n *net) talks(e *recipe.Element) bool {
	for i := range e.Actions {
		if k := e.Actions[i].Kind; k == recipe.Send || k == recipe.Receive {
			return true
		}
	}
	return slices.ContainsFunc(e.Children, n.talks)
}

func (n *net) action(e *recipe.Element, i, br int) {
	a := &e.Actions[i]
	switch a.Kind {
	case recipe.Sync:
		n.emit(br, instr{op: sync, elem: e, action: i, n: n.number(lines, a.Line, br)})
	case recipe.Send:
		n.emit(br, instr{op: send, elem: e, action: i, n: n.number(tags, a.Line, -1)})
		n.posts[n.number(tags, a.Line, -1)] += n.times
	case recipe.Receive:
		n.emit(br, instr{op: receive, elem: e, action: i, n: n.number(tags, a.Line, br)})
	}
}

// group finds the block in which a line is met, the innermost one around all branches that name it, and returns its branches that do
// so, each by itself or by one below it. A line that only one branch names is met by nobody.
func (n *net) group(line int) (list []int) {
	users := n.users[lines][line]
	if len(users) < 2 {
		return nil
	}
	common := n.path(users[0])
	for _, u := range users[1:] {
		path, k := n.path(u), 0
		for k < min(len(path), len(common)) && path[k] == common[k] {
			k++
		}
		common = common[:k]
	}
	for _, u := range users {
		path := n.path(u)
		if len(path) == len(common) {
			return nil // it forks the others, and cannot be at the line while it waits for them
		}
		if top := path[len(common)]; !slices.Contains(list, top) {
			list = append(list, top)
		}
	}
	slices.Sort(list)
	return list
}

// path returns the branches from the recipe down to br.
func (n *net) path(br int) (list []int) {
	for ; br >= 0; br = n.branches[br].parent {
		list = append(list, br)
	}
	slices.Reverse(list)
	return list
}

// within tells whether br is a branch, or below it.
func (n *net) within(br, top int) bool {
	for ; br >= 0; br = n.branches[br].parent {
		if br == top {
			return true
		}
	}
	return false
}
