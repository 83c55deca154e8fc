// The book: the state that the operations of a log come to, and what each of them does to it.

package arbiter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Book is the state of an arbiter. Make it with [NewBook], and Step it through a log from its first operation on. Its methods do not
// block; one goroutine at a time may call them.
type Book struct {
	next    uint64
	token   uint64 // greatest that was given
	turn    uint64 // greatest place in a line that was given: claims that came earlier have a smaller one
	items   map[string]*item
	order   []*item // by ID
	parties map[string]*party
	list    []*party   // by batch
	groups  []*group   // by name
	marks   []NodeMark // by node
	mark    uint64     // of the last walk over claims
	now     int64      // At of the operation under way
	touched []*item    // in the operation under way: who waits for them may have another place or owner
}

// item is one piece of equipment.
type item struct {
	id      string
	owners  int
	retired bool
	token   uint64   // greatest that was given for it
	held    []*claim // who has it, by turn
	wanted  []*claim // who waits for it, in order
}

// full tells whether nobody more can have a piece now.
func (it *item) full() bool { return it.retired || len(it.held) >= it.owners }

// claim is what one batch has asked for and not given back.
type claim struct {
	batch  string
	id     uint32
	step   string
	set    []string // as it was asked for
	items  []*item  // of each; nil where a person has taken it
	lost   []string // reason by place in set, where one was taken
	prio   int64    // as it was asked for
	rank   int64    // it stands before all of less rank; a person may have changed it
	turn   uint64   // place among those of one rank; of a claim that was granted, among those
	token  uint64   // 0: it waits
	since  int64    // when it was granted, or began to wait
	place  int64
	told   Effect // Place, Owner and Since that were said last
	marked uint64
}

// before tells whether a claim is served before another one.
func (c *claim) before(d *claim) bool { return c.rank > d.rank || c.rank == d.rank && c.turn < d.turn }

// inOrder compares claims that wait.
func inOrder(c, d *claim) int {
	return cmp.Or(cmp.Compare(d.rank, c.rank), cmp.Compare(c.turn, d.turn))
}

// free tells whether all that a claim asks for can be had.
func (c *claim) free() bool { return !slices.ContainsFunc(c.items, (*item).full) }

// party is what a book knows of one batch.
type party struct {
	batch  string
	claims []*claim // by ID
	ended  []last   // by step
	floor  uint32   // all claims up to it have ended, but those that stand
	groups []*group // by name
	waits  int
	said   []said // message actions that are done, the oldest first
}

// last is the greatest claim of a step that has ended.
type last struct {
	Step string `json:"step"`
	ID   uint32 `json:"claim"`
}

// maxEnded is how many steps of a batch are remembered one by one; a recipe has no more.
const maxEnded = 2048

// NewBook returns the book before the first operation of a log. It knows of no equipment: a Stock says what there is.
func NewBook() *Book {
	return &Book{next: 1, items: map[string]*item{}, parties: map[string]*party{}}
}

// Next is the number under which the next operation is appended to the log.
func (b *Book) Next() uint64 { return b.next }

// Token is the greatest token that was given.
func (b *Book) Token() uint64 { return b.token }

// Step takes in the operation that stands in the log under seq, appends what it came to to fx, and returns that. It is total: what cannot
// be done becomes a Refused, and what was said before gives the same answer again. An operation under another number than Next is
// refused and not counted, but that a Whole may be the first under any number.
func (b *Book) Step(seq uint64, op *Op, fx []Effect) []Effect {
	if op.Kind == Whole {
		return b.restore(seq, op, fx)
	}
	if seq != b.next {
		return append(fx, refusal(op, fmt.Sprintf("operation %d of the log was given where %d is next; read the log from there", seq, b.next)))
	}
	fx, done := b.Known(op, fx)
	b.next++
	if done {
		return fx
	}
	b.now, b.touched = op.At, b.touched[:0]
	switch op.Kind {
	case Request:
		fx = b.request(op, fx)
	case Release:
		fx = b.release(op, fx)
	case Leave:
		fx = b.leave(op, fx)
	case Raise:
		fx = b.raise(op, fx)
	case Force:
		fx = b.force(op, fx)
	case Reorder:
		b.reorder(op)
	case Floor:
		b.token = op.Token
	case Stock:
		fx = b.stock(op, fx)
	case Mark:
		b.note(op)
	default:
		fx = b.message(op, fx)
	}
	return b.news(fx)
}

// Known tells whether an operation would change nothing, and then appends what Step would: who asks again is answered without the log.
func (b *Book) Known(op *Op, fx []Effect) (_ []Effect, known bool) {
	if err := op.check(); err != nil {
		return append(fx, refusal(op, err.Error())), true
	}
	p := b.parties[op.Batch]
	switch op.Kind {
	case Request:
		return b.knownRequest(p, op, fx)
	case Release:
		return fx, p == nil || len(p.ending(op.Step, op.ID)) == 0 && (op.Step == "" || p.over(op.Step, op.ID))
	case Leave:
		return fx, p == nil
	case Raise:
		return fx, p == nil || !slices.ContainsFunc(p.claims, func(c *claim) bool { return c.has(op.Equipment) })
	case Force:
		return b.knownForce(op, fx)
	case Reorder:
		return b.knownReorder(p, op, fx)
	case Floor:
		return fx, op.Token <= b.token
	case Stock:
		return b.knownStock(op, fx)
	case Mark:
		return b.knownMark(op, fx)
	case Whole:
		return fx, false
	}
	return b.knownMessage(p, op, fx)
}

// refusal answers an operation that changes nothing.
func refusal(op *Op, reason string) Effect {
	return Effect{Kind: Refused, Batch: op.Batch, ID: op.ID, Step: op.Step, Equipment: op.Equipment, Key: op.Key, Reason: clip(reason)}
}

// clip cuts what a book says to what it takes.
func clip(s string) string {
	if len(s) <= MaxText {
		return s
	}
	return strings.ToValidUTF8(s[:MaxText], "")
}

// party finds what is known of a batch, and makes it where it is not there.
func (b *Book) party(batch string) *party {
	p := b.parties[batch]
	if p == nil {
		p = &party{batch: batch}
		b.parties[batch] = p
		i, _ := slices.BinarySearchFunc(b.list, batch, func(p *party, id string) int { return cmp.Compare(p.batch, id) })
		b.list = slices.Insert(b.list, i, p)
	}
	return p
}

// room refuses a batch more than a book takes.
func (b *Book) room(p *party) string {
	if p == nil && len(b.list) >= MaxBatches {
		return fmt.Sprintf("the book has %d batches; remove some that have ended", MaxBatches)
	}
	return ""
}

// Batches are those of which the book has something, in order.
func (b *Book) Batches() []string {
	all := make([]string, len(b.list))
	for i, p := range b.list {
		all[i] = p.batch
	}
	return all
}

// Holdings tells of each piece of equipment who has it, since when, and who waits for it, in the order of their IDs.
func (b *Book) Holdings() []Holding {
	var all []Holding
	for _, it := range b.order {
		all = it.holdings(all)
	}
	return all
}

// Holding is Holdings of one piece; none where it is not known.
func (b *Book) Holding(equipment string) []Holding {
	if it := b.items[equipment]; it != nil {
		return it.holdings(nil)
	}
	return nil
}

func (it *item) holdings(all []Holding) []Holding {
	h := Holding{Equipment: it.id, Owners: it.owners, Retired: it.retired, Token: it.token}
	for _, c := range it.wanted {
		h.Waiting = append(h.Waiting, Waiting{Batch: c.batch, ID: c.id, Step: c.step, Equipment: c.set, Priority: c.prio, Since: c.since})
	}
	if len(it.held) == 0 {
		return append(all, h)
	}
	for _, c := range it.held {
		h.Batch, h.ID, h.Step, h.Since = c.batch, c.id, c.step, c.since
		all = append(all, h)
	}
	return all
}

// Of appends all that stands for a batch: its grants, what of them a person has taken, its places, and the messages that it was
// given. Who comes back is told so what it may have missed.
func (b *Book) Of(batch string, fx []Effect) []Effect {
	p := b.parties[batch]
	if p == nil {
		return fx
	}
	for _, c := range p.claims {
		fx = c.stands(fx)
	}
	for i := range p.said {
		if s := &p.said[i]; s.Kind != Post {
			fx = append(fx, s.effect(batch))
		}
	}
	return fx
}
