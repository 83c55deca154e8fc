// Claims: who gets equipment, and in what order.

package arbiter

import (
	"cmp"
	"fmt"
	"slices"
)

// claim finds a claim that stands; nil where there is none.
func (p *party) claim(id uint32) *claim {
	if p == nil {
		return nil
	}
	if i, ok := slices.BinarySearchFunc(p.claims, id, func(c *claim, id uint32) int { return cmp.Compare(c.id, id) }); ok {
		return p.claims[i]
	}
	return nil
}

// over tells whether a claim of a step has ended, if it does not stand.
func (p *party) over(step string, id uint32) bool {
	if p == nil {
		return false
	}
	i, ok := p.endedAt(step)
	return id <= p.floor || ok && id <= p.ended[i].ID
}

func (p *party) endedAt(step string) (int, bool) {
	return slices.BinarySearchFunc(p.ended, step, func(l last, step string) int { return cmp.Compare(l.Step, step) })
}

// end remembers that a claim of a step has ended.
func (p *party) end(step string, id uint32) {
	i, ok := p.endedAt(step)
	if !ok {
		p.ended = slices.Insert(p.ended, i, last{step, 0})
	}
	p.ended[i].ID = max(p.ended[i].ID, id)
	if len(p.ended) > maxEnded {
		least := 0
		for i := range p.ended {
			if p.ended[i].ID < p.ended[least].ID {
				least = i
			}
		}
		p.floor = max(p.floor, p.ended[least].ID)
		p.ended = slices.Delete(p.ended, least, least+1)
	}
}

// ending are the claims that end where a step gives back one: that, and all that it asked for before. Without a step it is that alone.
func (p *party) ending(step string, id uint32) []*claim {
	var all []*claim
	for _, c := range p.claims {
		if c.id == id || step != "" && c.step == step && c.id < id {
			all = append(all, c)
		}
	}
	return all
}

// has tells whether a claim was granted and still has something of a set; nil is any.
func (c *claim) has(set []string) bool {
	return c.token > 0 && slices.ContainsFunc(c.items, func(it *item) bool { return it != nil && (len(set) == 0 || slices.Contains(set, it.id)) })
}

// stands appends what a claim has come to.
func (c *claim) stands(fx []Effect) []Effect {
	e := Effect{Kind: Queued, Batch: c.batch, ID: c.id, Step: c.step, Equipment: c.set}
	if c.token == 0 {
		e.Place, e.Owner, e.Since = c.told.Place, c.told.Owner, c.told.Since
		return append(fx, e)
	}
	e.Kind, e.Token, e.Since, e.Equipment = Granted, c.token, c.since, c.kept()
	fx = append(fx, e)
	for i, reason := range c.lost {
		if c.items[i] == nil {
			fx = append(fx, Effect{Kind: Refused, Batch: c.batch, ID: c.id, Step: c.step, Equipment: c.set[i : i+1], Reason: reason})
		}
	}
	return fx
}

// kept is what a claim has, or waits for: all but what a person has taken.
func (c *claim) kept() []string {
	if c.lost == nil {
		return c.set
	}
	var all []string
	for i, it := range c.items {
		if it != nil {
			all = append(all, c.set[i])
		}
	}
	return all
}

func (b *Book) knownRequest(p *party, op *Op, fx []Effect) ([]Effect, bool) {
	if c := p.claim(op.ID); c != nil {
		if !slices.Equal(c.set, op.Equipment) || c.step != op.Step {
			return append(fx, refusal(op, fmt.Sprintf("claim %d is that of step %s for %q; ask with a number of its own", c.id, c.step, c.set))), true
		}
		if len(p.ending(op.Step, op.ID)) > 1 {
			return fx, false
		}
		return c.stands(fx), true
	}
	reason := b.room(p)
	switch {
	case reason != "":
	case p.over(op.Step, op.ID):
		reason = fmt.Sprintf("claim %d was given back, taken or refused; ask with a new number", op.ID)
	case p != nil && len(p.claims) >= MaxClaims:
		reason = fmt.Sprintf("%d claims of this batch stand; give some back", MaxClaims)
	default:
		for _, id := range op.Equipment {
			if reason = b.unfit(id); reason != "" {
				break
			}
		}
	}
	if reason == "" {
		return fx, false
	}
	return append(fx, refusal(op, reason)), true
}

// unfit says why nobody gets a piece of equipment, "" where that is not so.
func (b *Book) unfit(id string) string {
	it := b.items[id]
	switch {
	case it == nil:
		return id + " is not known as equipment that batches share; add it to the equipment model, with owners"
	case it.retired:
		return id + " is retired; use another one, or have the equipment model changed"
	case it.owners == 0:
		return id + " is not arbitrated; give it owners in the equipment model"
	}
	return ""
}

// request takes in a claim, after the end of all that its step asked for before.
func (b *Book) request(op *Op, fx []Effect) []Effect {
	p := b.party(op.Batch)
	var freed []*item
	for _, old := range p.ending(op.Step, op.ID) {
		if old.id != op.ID {
			freed, fx = b.endClaim(p, old, freed, fx)
		}
	}
	c := p.claim(op.ID)
	if c == nil {
		b.turn++
		c = &claim{batch: op.Batch, id: op.ID, step: op.Step, set: slices.Clone(op.Equipment), prio: op.Priority, rank: op.Priority, turn: b.turn, since: op.At}
		for _, id := range c.set {
			c.items = append(c.items, b.items[id])
		}
		i, _ := slices.BinarySearchFunc(p.claims, c.id, func(c *claim, id uint32) int { return cmp.Compare(c.id, id) })
		p.claims = slices.Insert(p.claims, i, c)
		if len(freed) == 0 && c.free() {
			return b.grant(c, fx)
		}
		b.enqueue(c)
	} else {
		fx = c.stands(fx)
	}
	if fx = b.serve(freed, fx); c.token == 0 && c.free() {
		b.dequeue(c)
		fx = b.grant(c, fx)
	}
	return fx
}

// release ends claims, and has those served who wait for what is free now.
func (b *Book) release(op *Op, fx []Effect) []Effect {
	p := b.parties[op.Batch]
	var freed []*item
	for _, c := range p.ending(op.Step, op.ID) {
		freed, fx = b.endClaim(p, c, freed, fx)
	}
	if op.Step != "" {
		p.end(op.Step, op.ID)
	}
	return b.serve(freed, fx)
}

// endClaim ends a claim and adds what is free after it.
func (b *Book) endClaim(p *party, c *claim, freed []*item, fx []Effect) ([]*item, []Effect) {
	fx = append(fx, Effect{Kind: Released, Batch: c.batch, ID: c.id, Step: c.step, Equipment: c.kept(), Token: c.token})
	if c.token == 0 {
		b.dequeue(c)
	}
	for _, it := range c.items {
		if it != nil && c.token > 0 {
			b.vacate(it, c)
			freed = append(freed, it)
		}
	}
	p.forget(c)
	return freed, fx
}

// forget drops a claim that has ended.
func (p *party) forget(c *claim) {
	p.end(c.step, c.id)
	p.claims = slices.DeleteFunc(p.claims, func(d *claim) bool { return d == c })
}

// vacate takes a piece from who has it. One that is arbitrated no more is forgotten after its last owner.
func (b *Book) vacate(it *item, c *claim) {
	it.held = slices.DeleteFunc(it.held, func(d *claim) bool { return d == c })
	b.touched = append(b.touched, it)
	if it.owners == 0 && len(it.held) == 0 {
		delete(b.items, it.id)
		b.order = slices.DeleteFunc(b.order, func(d *item) bool { return d == it })
	}
}

// serve grants, in order, what waits for something of what was freed and can be had now as a whole. Who waits for nothing of it could not
// be granted before and cannot now; so it ends as soon as nothing of it is left.
func (b *Book) serve(freed []*item, fx []Effect) []Effect {
	at := make([]int, len(freed))
	for {
		var c *claim
		for i, it := range freed {
			if !it.full() && at[i] < len(it.wanted) && (c == nil || it.wanted[at[i]].before(c)) {
				c = it.wanted[at[i]]
			}
		}
		if c == nil {
			return fx
		}
		if c.free() {
			b.dequeue(c) // who stands behind it moves up to where at points
			fx = b.grant(c, fx)
			continue
		}
		for i, it := range freed {
			if at[i] < len(it.wanted) && it.wanted[at[i]] == c {
				at[i]++
			}
		}
	}
}

// grant gives a claim all that it asked for.
func (b *Book) grant(c *claim, fx []Effect) []Effect {
	b.token++
	b.turn++
	c.token, c.turn, c.since, c.place, c.told = b.token, b.turn, b.now, 0, Effect{}
	for _, it := range c.items {
		it.token = c.token
		it.held = append(it.held, c)
		b.touched = append(b.touched, it)
	}
	return c.stands(fx)
}

// enqueue puts a claim into the line of each piece that it asks for: its place is counted over all who wait for something of that.
func (b *Book) enqueue(c *claim) {
	c.place = 1
	b.mark++
	for _, it := range c.items {
		i, _ := slices.BinarySearchFunc(it.wanted, c, inOrder)
		for k, d := range it.wanted {
			switch {
			case d.marked == b.mark:
			case k < i:
				c.place++
			default:
				d.place++
			}
			d.marked = b.mark
		}
		it.wanted = slices.Insert(it.wanted, i, c)
		c.marked = b.mark
		b.touched = append(b.touched, it)
	}
}

// dequeue takes a claim out of all lines.
func (b *Book) dequeue(c *claim) {
	b.mark++
	for _, it := range c.items {
		i, ok := slices.BinarySearchFunc(it.wanted, c, inOrder)
		if !ok {
			continue // it stands in no line
		}
		for _, d := range it.wanted[i+1:] {
			if d.marked != b.mark {
				d.marked = b.mark
				d.place--
			}
		}
		it.wanted = slices.Delete(it.wanted, i, i+1)
		b.touched = append(b.touched, it)
	}
}

// news tells those who wait and have another place, or wait for another owner, than they were told.
func (b *Book) news(fx []Effect) []Effect {
	b.mark++
	var all []*claim
	for _, it := range b.touched {
		for _, c := range it.wanted {
			if c.marked != b.mark {
				c.marked = b.mark
				if owner, since := c.owner(); c.told.Place != c.place || c.told.Owner != owner || c.told.Since != since {
					c.told = Effect{Place: c.place, Owner: owner, Since: since}
					all = append(all, c)
				}
			}
		}
	}
	b.touched = b.touched[:0]
	slices.SortFunc(all, inOrder)
	for _, c := range all {
		fx = c.stands(fx)
	}
	return fx
}

// owner is who has the first of what a claim waits for, and since when.
func (c *claim) owner() (batch string, since int64) {
	for _, it := range c.items {
		if it.full() && len(it.held) > 0 {
			return it.held[0].batch, it.held[0].since
		}
	}
	return "", 0
}
