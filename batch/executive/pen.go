// The pen: what became of equipment, on its way from the log of the arbiter to the ledger of the manager.

package executive

import (
	"sync"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/journal/record"
)

// pen writes the records behind the log, in its order. What a cut leaves unwritten is in the log, and the next manager writes it (see desk.begin). Its
// methods may be called from any goroutine, and note under the lock that gives the order.
type pen struct {
	led *ledger.Ledger

	hand chan struct{} // has room for one: whoever writes

	mu     sync.Mutex
	list   []func(b *record.Body) // as many as there are operations whose callers wait in write
	broken error
}

// note takes in what is to be written. It waits for no disk.
func (p *pen) note(list []func(b *record.Body)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, list...)
}

// write returns when all that was noted before is on record; what was noted by several is written at once. An error stays.
func (p *pen) write() error {
	p.hand <- struct{}{} // who is there ends with the disk
	defer func() { <-p.hand }()
	p.mu.Lock()
	list, err := p.list, p.broken
	p.list = nil
	p.mu.Unlock()
	if err != nil || len(list) == 0 {
		return err
	}
	if _, err = p.led.AppendAll(list...); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.broken = err
	}
	return err
}

// dry tells why nothing can be written any more, as far as is known.
func (p *pen) dry() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
}

// records are those of what became of equipment by an operation of the log.
func records(seq uint64, deeds []deed) (list []func(b *record.Body)) {
	for i := range deeds {
		d := &deeds[i]
		list = append(list, func(b *record.Body) {
			b.Begin(record.KindEquipmentOwner)
			b.Text(record.ObjectID, d.batch)
			b.Texts(record.ResourceID, d.equipment)
			b.Count(record.ArbiterSeq, seq)
			b.Text(record.Detail, d.word)
			if d.claim > 0 {
				b.Int(record.RequestID, d.claim)
			}
			if d.token > 0 {
				b.Count(record.Token, d.token)
			}
			if d.place > 0 {
				b.Int(record.QueuePlace, d.place)
			}
			ordered(b, d)
		})
	}
	return list
}

// ordered writes who has ordered something, where that is a person.
func ordered(b *record.Body, d *deed) {
	if d.actor == "" {
		return
	}
	b.Text(record.Actor, d.actor)
	if d.role != "" {
		b.Text(record.OperatorRole, d.role)
	}
	if d.reason != "" {
		b.Text(record.ChangeReason, d.reason)
	}
}

// Words of what became of equipment.
const (
	wordGranted   = "granted"
	wordWithdrawn = "withdrawn" // it has only waited
	wordReleased  = "released"
	wordRaised    = "raised"
	wordTaken     = "taken"
	wordPlaced    = "put to another place"
)

// owned is the word of an effect that goes on record.
func owned(f *arbiter.Effect, op arbiter.OpKind) string {
	switch {
	case f.Kind == arbiter.Granted:
		return wordGranted
	case f.Kind == arbiter.Released && f.Token == 0:
		return wordWithdrawn
	case f.Kind == arbiter.Released:
		return wordReleased
	case f.Kind == arbiter.Raised:
		return wordRaised
	case f.Kind == arbiter.Refused && op == arbiter.Force:
		return wordTaken
	case f.Kind == arbiter.Queued && op == arbiter.Reorder:
		return wordPlaced
	}
	return ""
}
