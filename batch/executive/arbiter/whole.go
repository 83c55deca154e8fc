// The whole book as one operation, so that a log need not be kept from its beginning.

package arbiter

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// state is a book, in the order in which it is written.
type state struct {
	Token   uint64       `json:"token"`
	Turn    uint64       `json:"turn"`
	Items   []itemState  `json:"equipment,omitempty"`
	Parties []partyState `json:"batches,omitempty"`
	Groups  []groupState `json:"groups,omitempty"`
	Marks   []NodeMark   `json:"nodes,omitempty"`
}

type itemState struct {
	ID      string `json:"id"`
	Owners  int    `json:"owners"`
	Retired bool   `json:"retired,omitempty"`
	Token   uint64 `json:"token,omitempty"`
}

type partyState struct {
	Batch  string       `json:"batch"`
	Claims []claimState `json:"claims,omitempty"`
	Ended  []last       `json:"ended,omitempty"`
	Floor  uint32       `json:"floor,omitempty"`
	Said   []said       `json:"said,omitempty"`
}

type claimState struct {
	ID    uint32      `json:"claim"`
	Step  string      `json:"step,omitempty"`
	Set   []string    `json:"equipment"`
	Lost  []lostState `json:"lost,omitempty"`
	Prio  int64       `json:"priority,omitempty"`
	Rank  int64       `json:"rank,omitempty"`
	Turn  uint64      `json:"turn"`
	Token uint64      `json:"token,omitempty"`
	Since int64       `json:"since,omitempty"`
}

type lostState struct {
	At     int    `json:"at"` // in the set
	Reason string `json:"reason"`
}

type groupState struct {
	Name     string   `json:"group"`
	Partners []string `json:"partners"`
	Gone     []parted `json:"gone,omitempty"`
	Mail     []mail   `json:"mail,omitempty"`
	Waits    []wait   `json:"waits,omitempty"`
}

// Whole is the operation that holds the book, by the clock of who asks. Once it stands in the log under Next, what is before it may be
// trimmed. A book whose operation would have more than MaxOp bytes is refused by Append.
func (b *Book) Whole(at int64) (Op, error) {
	text, err := json.Marshal(b.state())
	if err != nil {
		return Op{}, fmt.Errorf("arbiter: the book cannot be written: %w", err)
	}
	return Op{Kind: Whole, At: at, State: text}, nil
}

func (b *Book) state() *state {
	s := &state{Token: b.token, Turn: b.turn, Marks: b.marks}
	for _, it := range b.order {
		s.Items = append(s.Items, itemState{it.id, it.owners, it.retired, it.token})
	}
	for _, p := range b.list {
		q := partyState{Batch: p.batch, Ended: p.ended, Floor: p.floor, Said: p.said}
		for _, c := range p.claims {
			d := claimState{ID: c.id, Step: c.step, Set: c.set, Prio: c.prio, Rank: c.rank, Turn: c.turn, Token: c.token, Since: c.since}
			for i, it := range c.items {
				if it == nil {
					d.Lost = append(d.Lost, lostState{i, c.lost[i]})
				}
			}
			q.Claims = append(q.Claims, d)
		}
		s.Parties = append(s.Parties, q)
	}
	for _, g := range b.groups {
		s.Groups = append(s.Groups, groupState{g.name, g.partners, g.gone, g.mail, g.waits})
	}
	return s
}

// restore takes in a Whole: as the first operation, or beyond the next where a log was trimmed meanwhile, it is the book; as the next it
// has to be the same as the book is already.
func (b *Book) restore(seq uint64, op *Op, fx []Effect) []Effect {
	fresh := b.next == 1 && len(b.order) == 0
	switch {
	case seq < b.next || seq == 0:
		return append(fx, refusal(op, fmt.Sprintf("operation %d of the log was given where %d is next; read the log from there", seq, b.next)))
	case op.check() != nil:
		return append(fx, refusal(op, op.check().Error()))
	case seq == b.next && !fresh:
		b.next++
		if mine, err := json.Marshal(b.state()); err != nil || !bytes.Equal(mine, op.State) {
			return append(fx, refusal(op, "it is another book than the log has led to; leave what stands before it in the log"))
		}
		return fx
	}
	read := NewBook()
	if err := read.load(op.State); err != nil {
		return append(fx, refusal(op, "the book cannot be read: "+err.Error()))
	}
	if !soundMarks(read.marks, seq) {
		return append(fx, refusal(op, "the book cannot be read: its marks of nodes are not in order"))
	}
	*b = *read
	b.next = seq + 1
	return fx
}

// load reads a book that was written, and nothing else.
func (b *Book) load(text []byte) error {
	var s state
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return err
	}
	b.token, b.turn, b.marks = s.Token, s.Turn, s.Marks
	for _, i := range s.Items {
		if b.items[i.ID] != nil {
			return fmt.Errorf("equipment %s stands twice", i.ID)
		}
		b.items[i.ID] = &item{id: i.ID, owners: i.Owners, retired: i.Retired, token: i.Token}
		b.order = append(b.order, b.items[i.ID])
	}
	var claims []*claim
	for i := range s.Parties {
		q := &s.Parties[i]
		if b.parties[q.Batch] != nil {
			return fmt.Errorf("batch %s stands twice", q.Batch)
		}
		p := &party{batch: q.Batch, ended: q.Ended, floor: q.Floor, said: q.Said}
		for k := range q.Claims {
			c, err := b.loadClaim(q.Batch, &q.Claims[k])
			if err != nil {
				return err
			}
			p.claims = append(p.claims, c)
		}
		claims = append(claims, p.claims...)
		b.parties[p.batch] = p
		b.list = append(b.list, p)
	}
	b.line(claims)
	if err := b.loadGroups(s.Groups); err != nil {
		return err
	}
	return b.sound(text)
}

func (b *Book) loadClaim(batch string, s *claimState) (*claim, error) {
	c := &claim{batch: batch, id: s.ID, step: s.Step, set: s.Set, prio: s.Prio, rank: s.Rank, turn: s.Turn, token: s.Token, since: s.Since}
	for range s.Set {
		c.items = append(c.items, nil)
	}
	for _, l := range s.Lost {
		if l.At < 0 || l.At >= len(s.Set) || c.token == 0 {
			return nil, fmt.Errorf("claim %d of %s lacks what it does not have", c.id, batch)
		}
		if c.lost == nil {
			c.lost = make([]string, len(s.Set))
		}
		c.lost[l.At] = l.Reason
	}
	gone := func(i int) bool { return slices.ContainsFunc(s.Lost, func(l lostState) bool { return l.At == i }) }
	for i, id := range s.Set {
		if gone(i) {
			continue
		}
		if c.items[i] = b.items[id]; c.items[i] == nil || slices.Contains(s.Set[:i], id) {
			return nil, fmt.Errorf("claim %d of %s has %s, which is not there or named twice", c.id, batch, id)
		}
	}
	return c, nil
}

// line puts claims into the lines in which they stand.
func (b *Book) line(claims []*claim) {
	granted := slices.DeleteFunc(slices.Clone(claims), func(c *claim) bool { return c.token == 0 })
	slices.SortFunc(granted, func(c, d *claim) int { return cmp.Compare(c.turn, d.turn) })
	for _, c := range granted {
		for _, it := range c.items {
			if it != nil {
				it.held = append(it.held, c)
			}
		}
	}
	waiting := slices.DeleteFunc(slices.Clone(claims), func(c *claim) bool { return c.token > 0 })
	slices.SortFunc(waiting, inOrder)
	for _, c := range waiting {
		b.enqueue(c)
	}
	b.news(nil)
}

func (b *Book) loadGroups(all []groupState) error {
	for _, s := range all {
		g := &group{s.Name, s.Partners, s.Gone, s.Mail, s.Waits}
		b.groups = append(b.groups, g)
		for _, batch := range g.partners {
			p := b.parties[batch]
			if p == nil {
				return fmt.Errorf("group %s has a partner %s that is no batch", g.name, batch)
			}
			p.groups = append(p.groups, g)
		}
		for _, w := range g.waits {
			if !g.has(w.Batch) || w.Kind != Take && w.Kind != Meet {
				return fmt.Errorf("%s waits in group %s, of which it is no partner", w.Batch, g.name)
			}
			b.parties[w.Batch].waits++
		}
	}
	return nil
}

// sound refuses a book that no log leads to, as far as what a book relies on is concerned.
func (b *Book) sound(text []byte) error {
	if again, err := json.Marshal(b.state()); err != nil || !bytes.Equal(again, text) {
		return errors.New("it is not written as a book is")
	}
	strictly := func(i, before string) int { // the same twice is no order either
		if before < i {
			return 1
		}
		return -1
	}
	ok := b.token <= MaxToken<<1 && b.turn <= MaxToken<<1 &&
		slices.IsSortedFunc(b.order, func(i, k *item) int { return strictly(i.id, k.id) }) &&
		slices.IsSortedFunc(b.list, func(i, k *party) int { return strictly(i.batch, k.batch) }) &&
		slices.IsSortedFunc(b.groups, func(i, k *group) int { return strictly(i.name, k.name) })
	for _, g := range b.groups {
		ok = ok && len(g.partners) > 0 && slices.IsSortedFunc(g.partners, strictly)
	}
	for _, it := range b.order {
		ok = ok && it.owners >= 0 && it.owners <= MaxOwners && it.token <= b.token && (it.owners > 0 || len(it.held) > 0)
	}
	for _, p := range b.list {
		ok = ok && p.sound(b)
	}
	if !ok {
		return errors.New("it is not in order")
	}
	return nil
}

// sound tells whether a batch has only what a book gives.
func (p *party) sound(b *Book) bool {
	for i, c := range p.claims {
		ok := c.id > 0 && len(c.set) > 0 && c.token <= b.token && c.turn <= b.turn && (i == 0 || p.claims[i-1].id < c.id)
		if !ok || c.token > 0 && !c.has(nil) || c.token == 0 && c.free() {
			return false
		}
	}
	for i := range p.ended {
		if i > 0 && p.ended[i-1].Step >= p.ended[i].Step {
			return false
		}
	}
	return true
}

// Read folds a log into a book: it blocks as long as Read of the log does. What it returns is the book, or the first error: of the log, or
// of an operation that cannot be read, with its number.
func Read(ctx context.Context, log Log) (*Book, error) {
	b := NewBook()
	return b, b.Follow(ctx, log, nil)
}

// Follow takes in what the log has and the book has not, and gives what each operation came to; do may be nil.
func (b *Book) Follow(ctx context.Context, log Log, do func(seq uint64, op *Op, fx []Effect)) error {
	return log.Read(ctx, b.next, func(seq uint64, line []byte) error {
		op, err := ParseOp(line)
		if err != nil {
			return fmt.Errorf("operation %d: %w", seq, err)
		}
		fx := b.Step(seq, &op, nil)
		if b.next != seq+1 {
			return fmt.Errorf("operation %d: %w: %s", seq, ErrOp, fx[len(fx)-1].Reason)
		}
		if do != nil {
			do(seq, &op, fx)
		}
		return nil
	})
}
