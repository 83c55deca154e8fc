// Messages between batches: what one sends to a group another takes, once; and who meets waits until all have come (ISA-88, synchronisation).

package arbiter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// MaxSaid is how many message actions of a batch are remembered once they are done: what is said again after so many others is new.
const MaxSaid = 1024

// group is who may send to whom. It ends with its last partner.
type group struct {
	name     string
	partners []string // in order
	gone     []parted // who was a partner and is none, the newest last
	mail     []mail   // that nobody has taken, the oldest first
	waits    []wait   // the oldest first
}

type parted struct {
	Batch  string `json:"batch"`
	Reason string `json:"reason"`
}

type mail struct {
	From    string `json:"from"`
	Message string `json:"message,omitempty"`
}

// wait is a message action that waits.
type wait struct {
	Kind     OpKind `json:"op"` // Take or Meet
	Batch    string `json:"batch"`
	Key      string `json:"key"`
	Message  string `json:"message,omitempty"`
	Partners int    `json:"partners,omitempty"`
}

// said is a message action that is done.
type said struct {
	Kind    OpKind `json:"op"`
	Key     string `json:"key"`
	Group   string `json:"group"`
	Message string `json:"message,omitempty"`
	From    string `json:"from,omitempty"`
}

func (s *said) effect(batch string) Effect {
	kind := Delivered
	if s.Kind == Post {
		kind = Sent
	}
	return Effect{Kind: kind, Batch: batch, Key: s.Key, Message: s.Message, From: s.From}
}

// remember keeps a message action that is done.
func (p *party) remember(s said) {
	if p.said = append(p.said, s); len(p.said) > MaxSaid {
		p.said = slices.Delete(p.said, 0, 1)
	}
}

// group finds a group; where it is not there, where it would stand.
func (b *Book) group(name string) (*group, int) {
	i, ok := slices.BinarySearchFunc(b.groups, name, func(g *group, name string) int { return cmp.Compare(g.name, name) })
	if !ok {
		return nil, i
	}
	return b.groups[i], i
}

// has tells whether a batch is a partner.
func (g *group) has(batch string) bool {
	if g == nil {
		return false
	}
	_, ok := slices.BinarySearch(g.partners, batch)
	return ok
}

// waiting finds what a batch waits for by its key.
func (g *group) waiting(batch, key string) int {
	return slices.IndexFunc(g.waits, func(w wait) bool { return w.Batch == batch && w.Key == key })
}

func (b *Book) knownMessage(p *party, op *Op, fx []Effect) ([]Effect, bool) {
	g, _ := b.group(op.Group)
	reason := ""
	switch op.Kind {
	case Quit:
		return fx, p == nil || len(p.groups) == 0 || op.Group != "" && !g.has(op.Batch)
	case Forget:
		return fx, !g.has(op.Batch) || g.waiting(op.Batch, op.Key) < 0
	case Join:
		if g.has(op.Batch) {
			return fx, true
		}
		if reason = b.room(p); reason == "" && g == nil && len(b.groups) >= MaxGroups {
			reason = fmt.Sprintf("there are %d groups; remove batches that have ended", MaxGroups)
		} else if g != nil && len(g.partners) >= MaxPartners {
			reason = fmt.Sprintf("group %s has %d partners; use another group", op.Group, MaxPartners)
		}
	default:
		return b.knownAction(p, g, op, fx)
	}
	if reason != "" {
		return append(fx, refusal(op, reason)), true
	}
	return fx, false
}

// knownAction is Known of a Post, a Take or a Meet.
func (b *Book) knownAction(p *party, g *group, op *Op, fx []Effect) ([]Effect, bool) {
	refused := func(format string, v ...any) ([]Effect, bool) {
		return append(fx, refusal(op, fmt.Sprintf(format, v...))), true
	}
	if p != nil {
		if i := slices.IndexFunc(p.said, func(s said) bool { return s.Key == op.Key }); i >= 0 {
			s := &p.said[i]
			if s.Kind != op.Kind || s.Group != op.Group || op.Kind != Take && s.Message != op.Message {
				return refused("key %s is that of a %s of %q in group %s; give each action a key of its own", op.Key, s.Kind, s.Message, s.Group)
			}
			return append(fx, s.effect(op.Batch)), true
		}
		for _, q := range p.groups {
			if i := q.waiting(op.Batch, op.Key); i >= 0 {
				if q != g || q.waits[i] != waitOf(op) {
					return refused("key %s waits as a %s in group %s; give each action a key of its own", op.Key, q.waits[i].Kind, q.name)
				}
				return fx, true
			}
		}
	}
	switch {
	case !g.has(op.Batch):
		return refused("it is no partner of group %s; let it join first", op.Group)
	case op.Kind == Post:
		if len(g.mail) >= MaxMessages && g.taker(op) < 0 {
			return refused("%d messages of group %s wait; take some first", MaxMessages, op.Group)
		}
		return fx, false
	case op.Kind == Take && g.next(op) >= 0 || op.Kind == Meet && g.meet(op) != nil:
		return fx, false
	case p.waits >= MaxWaits:
		return refused("it waits for %d messages; forget some", MaxWaits)
	}
	for _, w := range g.waits {
		if op.Kind == Meet && w.Kind == Meet && w.Message == op.Message && w.Partners != op.Partners {
			return refused("%s waits at %s of group %s for %d partners, not %d; agree on one number", w.Batch, w.Message, op.Group, w.Partners, op.Partners)
		}
	}
	w := waitOf(op)
	if reason := g.hopeless(&w); reason != "" {
		return append(fx, Effect{Kind: Unanswered, Batch: op.Batch, Key: op.Key, Message: op.Message, Reason: reason}), true
	}
	return fx, false
}

func waitOf(op *Op) wait {
	w := wait{Kind: op.Kind, Batch: op.Batch, Key: op.Key, Message: op.Message}
	if op.Kind == Meet {
		w.Partners = op.Partners
	}
	return w
}

// taker finds who has waited longest for what a batch sends.
func (g *group) taker(op *Op) int {
	return slices.IndexFunc(g.waits, func(w wait) bool {
		return w.Kind == Take && w.Batch != op.Batch && (w.Message == "" || w.Message == op.Message)
	})
}

// next finds the oldest message that a batch may take.
func (g *group) next(op *Op) int {
	return slices.IndexFunc(g.mail, func(m mail) bool { return m.From != op.Batch && (op.Message == "" || op.Message == m.Message) })
}

// meet gives those with whom a batch meets, one wait of each, if with it all have come.
func (g *group) meet(op *Op) []wait {
	var all []wait
	for _, w := range g.waits {
		same := w.Kind == Meet && w.Message == op.Message && w.Partners == op.Partners && w.Batch != op.Batch
		if same && !slices.ContainsFunc(all, func(v wait) bool { return v.Batch == w.Batch }) {
			if all = append(all, w); len(all) == op.Partners-1 {
				return all
			}
		}
	}
	return nil
}

// hopeless says why what waits cannot be answered: a partner has left, and without it too few are there. A partner that never came may
// be late, and is waited for.
func (g *group) hopeless(w *wait) string {
	need := 2
	if w.Kind == Meet {
		need = w.Partners
	}
	if len(g.gone) == 0 || len(g.partners) >= need {
		return ""
	}
	last := g.gone[len(g.gone)-1]
	return clip(last.Batch + ": " + last.Reason)
}

// message is Step of what is about messages.
func (b *Book) message(op *Op, fx []Effect) []Effect {
	if op.Kind == Join {
		b.join(op)
		return fx
	}
	p := b.parties[op.Batch]
	g, _ := b.group(op.Group)
	switch op.Kind {
	case Quit:
		return b.quit(p, op.Group, cmp.Or(op.Reason, "left"), fx)
	case Forget:
		w := b.drop(g, g.waiting(op.Batch, op.Key))
		return append(fx, Effect{Kind: Released, Batch: op.Batch, Key: op.Key, Message: w.Message, Reason: g.instead(&w)})
	case Post:
		fx = append(fx, b.done(op.Batch, said{Kind: Post, Key: op.Key, Group: g.name, Message: op.Message}))
		i := g.taker(op)
		if i < 0 {
			g.mail = append(g.mail, mail{From: op.Batch, Message: op.Message})
			return fx
		}
		w := b.drop(g, i)
		return append(fx, b.done(w.Batch, said{Kind: Take, Key: w.Key, Group: g.name, Message: op.Message, From: op.Batch}))
	case Take:
		if i := g.next(op); i >= 0 {
			m := g.mail[i]
			g.mail = slices.Delete(g.mail, i, i+1)
			return append(fx, b.done(op.Batch, said{Kind: Take, Key: op.Key, Group: g.name, Message: m.Message, From: m.From}))
		}
	case Meet:
		if all := g.meet(op); all != nil {
			return b.met(g, append(all, waitOf(op)), fx)
		}
	}
	g.waits = append(g.waits, waitOf(op))
	p.waits++
	return fx
}

// done keeps a message action that is done, and says so.
func (b *Book) done(batch string, s said) Effect {
	b.parties[batch].remember(s)
	return s.effect(batch)
}

// drop takes out what waits.
func (b *Book) drop(g *group, i int) wait {
	w := g.waits[i]
	g.waits = slices.Delete(g.waits, i, i+1)
	b.parties[w.Batch].waits--
	return w
}

// met answers all who have come, in one step.
func (b *Book) met(g *group, all []wait, fx []Effect) []Effect {
	for i, w := range all {
		var others []string
		for k := range all {
			if k != i {
				others = append(others, all[k].Batch)
			}
		}
		if k := g.waiting(w.Batch, w.Key); k >= 0 {
			b.drop(g, k)
		}
		fx = append(fx, b.done(w.Batch, said{Kind: Meet, Key: w.Key, Group: g.name, Message: w.Message, From: clip(strings.Join(others, ", "))}))
	}
	return fx
}

// instead says at what a batch waited in vain, and what there was instead.
func (g *group) instead(w *wait) string {
	words := fmt.Sprintf("it waited for %q", w.Message)
	for _, m := range g.mail {
		if w.Kind == Take && m.From != w.Batch {
			words += fmt.Sprintf("; %s has sent %q", m.From, m.Message)
		}
	}
	for _, v := range g.waits {
		if w.Kind == Meet && v.Kind == Meet && v.Batch != w.Batch {
			words += fmt.Sprintf("; %s waits for %q", v.Batch, v.Message)
		}
	}
	return clip(words)
}

// join makes a batch a partner.
func (b *Book) join(op *Op) {
	p := b.party(op.Batch)
	g, i := b.group(op.Group)
	if g == nil {
		g = &group{name: op.Group}
		b.groups = slices.Insert(b.groups, i, g)
	}
	i, _ = slices.BinarySearch(g.partners, op.Batch)
	g.partners = slices.Insert(g.partners, i, op.Batch)
	g.gone = slices.DeleteFunc(g.gone, func(d parted) bool { return d.Batch == op.Batch })
	i, _ = slices.BinarySearchFunc(p.groups, g.name, func(g *group, name string) int { return cmp.Compare(g.name, name) })
	p.groups = slices.Insert(p.groups, i, g)
}

// quit ends what a batch is a partner of, and releases who can only be answered by it. What it has sent stays until it is taken.
func (b *Book) quit(p *party, name, reason string, fx []Effect) []Effect {
	for _, g := range slices.Clone(p.groups) {
		if name != "" && g.name != name {
			continue
		}
		g.partners = slices.DeleteFunc(g.partners, func(batch string) bool { return batch == p.batch })
		p.groups = slices.DeleteFunc(p.groups, func(q *group) bool { return q == g })
		if g.gone = append(g.gone, parted{p.batch, reason}); len(g.gone) > MaxPartners {
			g.gone = slices.Delete(g.gone, 0, 1)
		}
		for i := 0; i < len(g.waits); {
			w := g.waits[i]
			why := g.hopeless(&w)
			if w.Batch == p.batch {
				why = reason
			}
			if why == "" {
				i++
				continue
			}
			b.drop(g, i)
			fx = append(fx, Effect{Kind: Unanswered, Batch: w.Batch, Key: w.Key, Message: w.Message, Reason: why})
		}
		if len(g.partners) == 0 {
			b.groups = slices.DeleteFunc(b.groups, func(q *group) bool { return q == g })
		}
	}
	return fx
}
