// What the wire says of who has equipment, against the book: what nobody gave is taken back, and what the wire has forgotten it is told again.

package executive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/roster"
	"github.com/batchkit/batchkit/journal/record"
)

// guard holds what the I/O process has against the book.
type guard struct {
	m       *Manager
	boot    string            // the life of the I/O process in which it knows again what was given
	told    string            // the one in which it was told the floors, and the digest of the model that said what lies here
	counted uint64            // the greatest token that was given then
	strange map[string]uint64 // equipment that had been taken when it was looked at last, and the token: by a batch that may not have said yet what it has
}

// tellAfter is after how many tokens, given at whatever board, the floors are told again: the I/O process takes what is 1<<20 above all that it knows for
// invented.
const tellAfter = 1 << 16

// followWire has tokens go on above all that the I/O process has seen, and guards what is given, whenever it answers, until ctx ends.
func (m *Manager) followWire(ctx context.Context) {
	g := guard{m: m, strange: map[string]uint64{}}
	for ctx.Err() == nil {
		wait := again
		if err := g.look(ctx); err == nil {
			wait = m.opt.Quiet
		}
		pause(ctx, wait)
	}
}

// look asks the I/O process of a node what it has, and has tokens go on above that.
func (m *Manager) look(ctx context.Context, node string) (*api.Wire, error) {
	ctx, cancel := context.WithTimeout(ctx, m.opt.Quiet)
	defer cancel()
	w := &api.Wire{}
	if err := m.wireOf(node).Call(ctx, http.MethodGet, "/v1/wire", nil, w); err != nil {
		return nil, err
	}
	var most uint64
	for i := range w.Equipment {
		most = max(most, w.Equipment[i].Token)
	}
	if most <= m.desk.token() {
		return w, nil
	}
	_, err := m.desk.do(arbiter.Op{Kind: arbiter.Floor, Token: most}, nil)
	return w, err
}

// look looks once. The book is read after the I/O process: it may be newer, and the I/O process never is. What was taken is taken back when it is seen
// a second time; what a new life of the I/O process knows too little of is fenced.
func (g *guard) look(ctx context.Context) error {
	m := g.m
	ask, cancel := context.WithTimeout(ctx, m.opt.Quiet)
	defer cancel()
	var self api.Self
	if err := m.wire.Call(ask, http.MethodGet, "/v1/self", nil, &self); err != nil {
		return err
	}
	if m.opt.Node != "" {
		if err := g.tell(ctx, self.Boot); err != nil {
			return err
		}
	}
	w, err := m.look(ctx, "")
	if err != nil {
		return err
	}
	going, strange := m.going(), map[string]uint64{}
	for i := range w.Equipment {
		e := &w.Equipment[i]
		had := m.desk.holding(e.ID)
		if len(had) == 0 || slices.ContainsFunc(had, func(h arbiter.Holding) bool { return going[h.Batch] }) {
			continue // whoever keeps that batch fences it
		}
		its := e.Batch != "" && slices.ContainsFunc(had, func(h arbiter.Holding) bool { return h.Batch == e.Batch })
		switch {
		case its:
		case e.Token > had[0].Token && e.Batch != "":
			if strange[e.ID] = e.Token; g.strange[e.ID] == e.Token && m.desk.reach() == nil { // else it may be another node that has raised it
				err = errors.Join(err, m.takeBack(e, had))
			}
		case e.Token < had[0].Token && self.Boot != g.boot:
			err = errors.Join(err, m.putUp(&api.Fence{Equipment: []string{e.ID}, Token: had[0].Token, Batch: or(e.Batch, or(had[0].Batch, "none")),
				Order: api.Order{Operator: manager.actor, Reason: "the I/O process was started, and knows of no token as new as the last that was given"}}))
		}
	}
	if g.strange = strange; err == nil {
		g.boot = self.Boot
	}
	return err
}

// tell tells the floors where that is due.
func (g *guard) tell(ctx context.Context, boot string) error {
	m := g.m
	m.mu.Lock()
	life := boot + " " + m.digest
	m.mu.Unlock()
	token := m.desk.token()
	if life == g.told && token < g.counted+tellAfter {
		return nil
	}
	digest, err := m.tellFloors(ctx)
	if err != nil {
		return err
	}
	g.told, g.counted = boot+" "+digest, token
	return nil
}

// going names the batches that are fenced by their keepers.
func (m *Manager) going() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	going := map[string]bool{}
	for _, e := range m.order {
		if e.state == roster.Clearing || e.state == roster.Restarting {
			going[e.id] = true
		}
	}
	return going
}

// takeBack fences equipment off from a batch that has it at the wire under a token that it was not given. Who has it by the book gets a token above
// that, and the outputs go to their safe values until it writes.
func (m *Manager) takeBack(e *api.WireEquipment, had []arbiter.Holding) error {
	why := short(fmt.Sprintf("equipment %s was taken at the wire by %s under token %d, which nobody gave", e.ID, e.Batch, e.Token))
	_, err := m.led.Append(func(b *record.Body) {
		b.Begin(record.KindFence)
		b.Texts(record.ResourceID, []string{e.ID})
		b.Count(record.Token, e.Token)
		b.Text(record.ObjectID, e.Batch)
		b.Text(record.Actor, manager.actor)
		b.Text(record.Detail, why)
		b.Text(record.Result, "ordered")
	})
	if err != nil {
		return err
	}
	same := func() error { // another manager may have done it, or given a greater token
		if now := m.desk.book.Holding(e.ID); len(now) == 0 || now[0].Token >= e.Token {
			return errors.New("its token is greater by now")
		}
		return nil
	}
	token := m.desk.token() + 1
	op := arbiter.Op{Kind: arbiter.Floor, Token: token}
	for i := range had {
		if had[i].Batch != "" {
			op = arbiter.Op{Kind: arbiter.Raise, Batch: had[i].Batch, Equipment: []string{e.ID}, Reason: why}
		}
		if _, err := m.desk.do(op, same); err != nil {
			return err
		}
		same = nil
	}
	if now := m.desk.holding(e.ID); len(now) > 0 && now[0].Batch != "" {
		token = now[0].Token
	}
	return m.putUp(&api.Fence{Equipment: []string{e.ID}, Token: token, Batch: e.Batch, Safe: true, Order: api.Order{Operator: manager.actor, Reason: why}})
}

// putUp puts up a fence for what the book says. That a greater token is there already, or no output, is as good.
func (m *Manager) putUp(f *api.Fence) error {
	var answer api.Fenced
	err := m.fenceAt("", f, &answer)
	var no *api.Error
	if errors.Is(err, errPast) || errors.As(err, &no) && no.Status == http.StatusNotFound {
		return nil
	}
	return err
}
