// The search: states of the skeleton, breadth first, so that a trace has as few choices as can be.

package sound

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/batchkit/batchkit/recipe"
)

// Places of a branch that are no instruction.
const (
	idle = -1
	done = -2
)

// state is where everything stands.
type state struct {
	at     []int32 // by branch: its instruction, idle or done
	forked []bool  // by branch: its fork has begun, or it has reserved what it asks for and waits for what is withheld
	posted []uint8 // by tag
	owner  []int32 // by place of equipment: the branch that holds it, -1 if none; of each equipment in descending order
	rounds []int32 // by loop
	over   bool    // a repeat has used up its rounds and the batch is aborted, or a message is too many
}

// key identifies a state. It is a hash: a million states take 16 bytes each, and two have the same one never.
type key [16]byte

// node is a state that was reached.
type node struct {
	parent int32
	move   int32 // which of the moves of its parent
}

// explorer searches a net.
type explorer struct {
	net      *net
	params   []recipe.Param
	limit    int // of states, those of the explorations before among them
	before   int // states of the explorations before
	most     int // messages of one tag that can wait
	memory   int // bytes
	withheld int // equipment that another batch has and keeps, or nothing
	steps    int // moves without a choice, those of the explorations before among them
	size     int // about the bytes of one state in the queue
	seen     map[key]bool
	nodes    []node
	queue    []entry
	visited  map[*recipe.Element]bool
	proof    Proof
	told     map[told]bool
}

type entry struct {
	s    state
	node int32
}

type told struct {
	kind Kind
	elem *recipe.Element
	n    int // line or tag
}

// explore searches until everything was seen or the limit is reached.
func (x *explorer) explore() *Proof {
	x.search()
	switch {
	case len(x.proof.Findings) > 0:
		x.proof.Verdict = Unsound
	case !x.spent():
		if x.unreachable(); len(x.proof.Findings) == 0 {
			x.proof.Verdict = Sound
		} else {
			x.proof.Verdict = Unsound
		}
	}
	return &x.proof
}

// search looks at all states, as far as the limit allows.
func (x *explorer) search() {
	x.seen, x.visited, x.told = map[key]bool{}, map[*recipe.Element]bool{}, map[told]bool{}
	s := x.start()
	tooMany := x.settle(&s, nil)
	if x.enter(&s, -1, 0); tooMany != nil {
		x.tooMany(tooMany, 0)
	}
	for len(x.queue) > 0 && !x.spent() {
		e := x.queue[0]
		x.queue[0] = entry{} // its state is not kept by what is left of the queue
		x.queue = x.queue[1:]
		moves := x.moves(&e.s)
		if len(moves) == 0 {
			x.judge(&e)
		}
		for i, m := range moves {
			next := e.s.clone()
			x.apply(&next, m, nil)
			tooMany := x.settle(&next, nil)
			n := x.enter(&next, e.node, int32(i))
			if tooMany != nil && n >= 0 {
				x.tooMany(tooMany, n)
			}
		}
	}
	x.proof.States = len(x.nodes)
}

// spent tells whether a limit is reached. Rounds of a fixed number make no states, so what they do is bounded, too.
func (x *explorer) spent() bool {
	return x.before+len(x.nodes) > x.limit || x.steps > stepsPerState*x.limit || len(x.queue)*x.size > x.memory
}

// stepsPerState bounds the moves without a choice.
const stepsPerState = 100

func (x *explorer) start() state {
	n := x.net
	s := state{at: make([]int32, len(n.branches)), forked: make([]bool, len(n.branches)), posted: make([]uint8, len(n.names[tags])),
		owner: make([]int32, n.slot[len(n.names[things])]), rounds: make([]int32, len(n.loops))}
	for i := range s.at {
		s.at[i] = idle
	}
	for i := range s.owner {
		s.owner[i] = -1
	}
	x.size = 256 + 5*len(s.at) + len(s.posted) + 4*len(s.owner) + 4*len(s.rounds)
	s.at[0] = 0
	return s
}

func (s *state) clone() state {
	return state{at: slices.Clone(s.at), forked: slices.Clone(s.forked), posted: slices.Clone(s.posted), owner: slices.Clone(s.owner),
		rounds: slices.Clone(s.rounds), over: s.over}
}

func (s *state) key() (k key) {
	var b []byte
	for i := range s.at {
		b = binary.LittleEndian.AppendUint32(b, uint32(s.at[i]))
		if s.forked[i] {
			b = append(b, 1)
		}
	}
	b = append(b, s.posted...)
	for _, v := range s.owner {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	for _, v := range s.rounds {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	if s.over {
		b = append(b, 1)
	}
	sum := sha256.Sum256(b)
	copy(k[:], sum[:])
	return k
}

// enter adds a state that was not seen before and returns its node; -1 for one that was.
func (x *explorer) enter(s *state, parent, move int32) int32 {
	k := s.key()
	if x.seen[k] {
		return -1
	}
	x.seen[k] = true
	n := int32(len(x.nodes))
	x.nodes = append(x.nodes, node{parent, move})
	x.queue = append(x.queue, entry{*s, n})
	return n
}

// move is one way to go on: a branch, and which of its ways.
type move struct{ branch, way int }

// instr returns the instruction at which a branch stands; nil where it stands at none.
func (x *explorer) instr(s *state, br int) *instr {
	if s.over || s.at[br] < 0 || int(s.at[br]) == len(x.net.branches[br].code) {
		return nil
	}
	return &x.net.branches[br].code[s.at[br]]
}

// moves returns the ways to go on from a state that is settled. A choice concerns no other branch: where there is one, it is enough to
// look at its ways alone.
func (x *explorer) moves(s *state) (list []move) {
	for br := range s.at {
		if i := x.instr(s, br); i != nil && (i.op == choose || i.op == round) {
			for way := range i.to {
				list = append(list, move{br, way})
			}
			return list
		}
	}
	for br := range s.at {
		if i := x.instr(s, br); i != nil && (i.op == acquire && !s.forked[br] && x.free(s, i.set) || i.op == receive && s.posted[i.n] > 0) {
			list = append(list, move{br, 0})
		}
	}
	return list
}

// owners are those who hold equipment, and -1 for each place that is free, in descending order: which place is whose says nothing.
func (x *explorer) owners(s *state, t int) []int32 { return s.owner[x.net.slot[t]:x.net.slot[t+1]] }

func (x *explorer) free(s *state, set []int) bool {
	return !slices.ContainsFunc(set, func(t int) bool { return !slices.Contains(x.owners(s, t), -1) })
}

// own exchanges one owner of equipment for another, -1 for none.
func (x *explorer) own(s *state, set []int, from, to int) {
	for _, t := range set {
		list := x.owners(s, t)
		list[slices.Index(list, int32(from))] = int32(to)
		slices.SortFunc(list, func(a, b int32) int { return cmp.Compare(b, a) })
	}
}

// teller is told of each move, if not nil.
type teller func(br int, i *instr, way int)

// apply makes one move.
func (x *explorer) apply(s *state, m move, tell teller) {
	i := x.instr(s, m.branch)
	if tell != nil && i.op == round && m.way == 0 && x.last(s, i) {
		tell(m.branch, i, granted)
	} else if tell != nil {
		tell(m.branch, i, m.way)
	}
	switch i.op {
	case choose:
		s.at[m.branch] = int32(i.to[m.way])
		return
	case round:
		x.round(s, m.branch, i, m.way)
		return
	case acquire:
		x.own(s, i.set, -1, m.branch)
		if slices.Contains(i.set, x.withheld) {
			s.forked[m.branch] = true // it is reserved, and the rest does not come
			return
		}
	case receive:
		s.posted[i.n]--
	}
	s.at[m.branch]++
}

// granted is the way of a repeat that has used up its rounds, after the hold for that.
const granted = 2

// last tells whether a repeat is in the last of its rounds.
func (x *explorer) last(s *state, i *instr) bool {
	l := &x.net.loops[i.n]
	return l.counts && int(s.rounds[i.n])+1 >= l.most
}

// round goes back to the body of a repeat, or on. Where the rounds are used up, a restart after the hold grants one more.
func (x *explorer) round(s *state, br int, i *instr, way int) {
	l := &x.net.loops[i.n]
	switch {
	case way == 0 && x.last(s, i) && l.limit == recipe.LimitAbort:
		s.over = true
		return
	case way == 0:
		if l.counts && !x.last(s, i) {
			s.rounds[i.n]++
		}
		s.at[br] = int32(i.to[0])
		return
	}
	s.rounds[i.n] = 0
	s.at[br] = int32(i.to[1])
}

// settle lets all branches go as far as they can without a choice, and tells an instruction that posts one message too many.
func (x *explorer) settle(s *state, tell teller) (tooMany *instr) {
	for again := true; again && !s.over; {
		again = false
		for br := range s.at {
			for i := x.instr(s, br); i != nil; i = x.instr(s, br) {
				if x.steps++; x.spent() {
					return nil
				}
				if i.op == send && int(s.posted[i.n]) == x.most {
					tooMany = i
					s.over = true
					break
				}
				if !x.eager(s, br, i, tell) {
					break
				}
				again = true
			}
			if s.at[br] >= 0 && int(s.at[br]) == len(x.net.branches[br].code) {
				s.at[br], again = done, true
			}
		}
	}
	return tooMany
}

// eager carries out an instruction that concerns no other branch, or that all branches agree on.
func (x *explorer) eager(s *state, br int, i *instr, tell teller) bool {
	n := x.net
	switch i.op {
	case visit:
		x.visit(i.elem)
	case begin:
		x.visited[i.elem] = true
	case jump:
		s.at[br] = int32(i.to[0])
		return true
	case send:
		s.posted[i.n]++
	case receive:
		if len(n.users[tags][i.n]) > 1 || n.posts[i.n] > x.most || s.posted[i.n] == 0 {
			return false // who comes first matters, or whether he comes in time
		}
		s.posted[i.n]--
	case release:
		x.own(s, i.set, br, -1)
	case round:
		l := &n.loops[i.n]
		last := x.last(s, i)
		switch {
		case l.fixed && !last:
			x.round(s, br, i, 0)
		case l.fixed, last && l.limit == recipe.LimitContinue:
			x.round(s, br, i, 1)
		default:
			return false
		}
		return true
	case fork:
		return x.fork(s, br, i)
	case sync:
		return x.meet(s, i.n, tell)
	default:
		return false
	}
	if tell != nil {
		tell(br, i, 0)
	}
	s.at[br]++
	return true
}

// fork begins the branches of a parallel block, and goes on when all have ended.
func (x *explorer) fork(s *state, br int, i *instr) bool {
	if !s.forked[br] {
		s.forked[br] = true
		for _, to := range i.to {
			s.at[to] = 0
		}
		return true
	}
	if slices.ContainsFunc(i.to, func(to int) bool { return s.at[to] != done }) {
		return false
	}
	for _, to := range i.to {
		s.at[to] = idle
	}
	s.forked[br] = false
	s.at[br]++
	return true
}

// meet lets the branches of a line go on once all are at it.
func (x *explorer) meet(s *state, line int, tell teller) bool {
	group := x.net.groups[line]
	var at []int
	for _, top := range group {
		n := len(at)
		for _, u := range x.net.users[lines][line] {
			if i := x.instr(s, u); x.net.within(u, top) && i != nil && i.op == sync && i.n == line {
				at = append(at, u)
			}
		}
		if len(at) == n {
			return false
		}
	}
	for _, u := range at {
		if tell != nil {
			tell(u, x.instr(s, u), 0)
		}
		s.at[u]++
	}
	return len(at) > 0
}

func (x *explorer) visit(e *recipe.Element) {
	if x.visited[e] {
		return
	}
	x.visited[e] = true
	for _, c := range e.Children {
		if !x.net.impossible[c] {
			x.visit(c)
		}
	}
}
