// What ends or changes claims beside those who made them: persons, the manager, and the equipment model.

package arbiter

import (
	"cmp"
	"fmt"
	"slices"
)

// leave ends all that a batch has.
func (b *Book) leave(op *Op, fx []Effect) []Effect {
	p := b.parties[op.Batch]
	var freed []*item
	for _, c := range slices.Clone(p.claims) {
		freed, fx = b.endClaim(p, c, freed, fx)
	}
	fx = b.quit(p, "", cmp.Or(op.Reason, "removed"), fx)
	delete(b.parties, p.batch)
	b.list = slices.DeleteFunc(b.list, func(q *party) bool { return q == p })
	return b.serve(freed, fx)
}

// raise gives each grant of a batch a new token.
func (b *Book) raise(op *Op, fx []Effect) []Effect {
	for _, c := range b.parties[op.Batch].claims {
		if !c.has(op.Equipment) {
			continue
		}
		b.token++
		c.token = b.token
		for _, it := range c.items {
			if it != nil {
				it.token = b.token
			}
		}
		fx = append(fx, Effect{Kind: Raised, Batch: c.batch, ID: c.id, Step: c.step, Equipment: c.kept(), Token: c.token, Reason: op.Reason})
		fx = c.stands(fx)
	}
	return fx
}

func (b *Book) knownForce(op *Op, fx []Effect) ([]Effect, bool) {
	for _, id := range op.Equipment {
		it := b.items[id]
		switch {
		case it == nil:
			return append(fx, refusal(op, id+" is not known as equipment that batches share; name another")), true
		case !slices.ContainsFunc(it.held, op.from):
			return append(fx, refusal(op, "nobody has "+id+" whom it could be taken from; look at who has it")), true
		}
	}
	return fx, false
}

// from tells whether a Force takes from who has a claim.
func (o *Op) from(c *claim) bool { return o.Batch == "" || o.Batch == c.batch }

// force takes equipment from who has it, or, with Batch, from that one. What else a claim has it keeps: its batch may still have
// material in it. One of which all was taken has ended.
func (b *Book) force(op *Op, fx []Effect) []Effect {
	b.token++
	var freed []*item
	for _, id := range op.Equipment {
		it := b.items[id]
		it.token = b.token
		freed = append(freed, it)
		for _, c := range slices.Clone(it.held) {
			if op.from(c) {
				fx = b.take(c, it, op, fx)
			}
		}
	}
	return b.serve(freed, fx)
}

// take takes one piece from a claim.
func (b *Book) take(c *claim, it *item, op *Op, fx []Effect) []Effect {
	i := slices.Index(c.items, it)
	if c.lost == nil {
		c.lost = make([]string, len(c.items))
	}
	c.items[i] = nil
	c.lost[i] = clip(fmt.Sprintf("%s was taken from it by %s: %s", it.id, op.Actor, cmp.Or(op.Reason, "no reason was given")))
	b.vacate(it, c)
	fx = append(fx,
		Effect{Kind: Raised, Batch: c.batch, ID: c.id, Step: c.step, Equipment: c.set[i : i+1], Token: b.token, Reason: op.Reason},
		Effect{Kind: Refused, Batch: c.batch, ID: c.id, Step: c.step, Equipment: c.set[i : i+1], Reason: c.lost[i]})
	if !c.has(nil) {
		b.parties[c.batch].forget(c)
	}
	return fx
}

func (b *Book) knownReorder(p *party, op *Op, fx []Effect) ([]Effect, bool) {
	c := p.claim(op.ID)
	switch {
	case c == nil:
		return append(fx, refusal(op, fmt.Sprintf("claim %d is not known; look at who waits", op.ID))), true
	case c.token > 0:
		return append(fx, refusal(op, fmt.Sprintf("claim %d was granted; it waits no more", op.ID))), true
	case min(op.Place, int64(len(b.rivals(c)))+1) == c.place:
		return c.stands(fx), true
	}
	return fx, false
}

// rivals are the other claims that wait for something of what one waits for, in order.
func (b *Book) rivals(c *claim) []*claim {
	b.mark++
	c.marked = b.mark
	var all []*claim
	for _, it := range c.items {
		for _, d := range it.wanted {
			if d.marked != b.mark {
				d.marked = b.mark
				all = append(all, d)
			}
		}
	}
	slices.SortFunc(all, inOrder)
	return all
}

// reorder puts a claim before who has its new place among those who wait for some of the same, or behind the last. It gets that one's
// rank; the order of all others stays.
func (b *Book) reorder(op *Op) {
	c := b.parties[op.Batch].claim(op.ID)
	others := b.rivals(c)
	b.dequeue(c)
	var all []*claim
	for _, p := range b.list {
		for _, d := range p.claims {
			if d.token == 0 && d != c {
				all = append(all, d)
			}
		}
	}
	slices.SortFunc(all, inOrder)
	i := min(int(min(op.Place, MaxBatches*MaxClaims))-1, len(others))
	if i < len(others) {
		c.rank = others[i].rank
		i = slices.Index(all, others[i])
	} else {
		c.rank = others[i-1].rank
		i = slices.Index(all, others[i-1]) + 1
	}
	for _, d := range slices.Insert(all, i, c) {
		b.turn++
		d.turn = b.turn
	}
	b.enqueue(c)
}

func (b *Book) knownStock(op *Op, fx []Effect) ([]Effect, bool) {
	same, more := true, 0
	for _, id := range op.Equipment {
		switch it := b.items[id]; {
		case it != nil:
			same = same && it.owners == op.Owners && it.retired == op.Retired
		case op.Owners > 0:
			same = false
			more++
		}
	}
	if len(b.items)+more > MaxEquipment {
		return append(fx, refusal(op, fmt.Sprintf("the book would have more than %d pieces of equipment; take some out with owners 0", MaxEquipment))), true
	}
	return fx, same
}

// stock says how many may have each piece. Who has one keeps it; who waits for one that nobody gets any more is refused.
func (b *Book) stock(op *Op, fx []Effect) []Effect {
	var freed []*item
	for _, id := range op.Equipment {
		it := b.items[id]
		if it == nil && op.Owners == 0 {
			continue
		}
		if it == nil {
			it = &item{id: id}
			b.items[id] = it
			i, _ := slices.BinarySearchFunc(b.order, id, func(it *item, id string) int { return cmp.Compare(it.id, id) })
			b.order = slices.Insert(b.order, i, it)
		}
		it.owners, it.retired = op.Owners, op.Retired
		if reason := b.unfit(id); reason != "" {
			for _, c := range slices.Clone(it.wanted) {
				b.dequeue(c)
				b.parties[c.batch].forget(c)
				fx = append(fx, Effect{Kind: Refused, Batch: c.batch, ID: c.id, Step: c.step, Equipment: c.set, Reason: clip(reason)})
			}
		}
		b.vacate(it, nil)
		freed = append(freed, it)
	}
	return b.serve(freed, fx)
}
