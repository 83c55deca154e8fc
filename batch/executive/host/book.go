// What is on record of a batch beside its journal: what was refused while that does not run, and its removal.

package host

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/journal/record"
)

// maxBook is how many records one life of the process puts into its ledger: somebody who asks without end fills no disk. What is refused behind
// that is refused all the same.
const maxBook = 10_000

// papers are the ledger of a runner; opened when there is something to put into it.
type papers struct {
	mu  sync.Mutex
	dir string
	o   *Order
	l   *ledger.Ledger
	n   int
}

// add puts a record into the ledger, and returns when it is durable.
func (b *papers) add(fill func(b *record.Body)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n++; b.n > maxBook {
		return nil
	}
	if b.l == nil {
		l, err := ledger.Open(b.dir, b.o.Batch, "runner", nil)
		if err != nil {
			return fmt.Errorf("host: the refusal is not on record: %w", err)
		}
		b.l = l
	}
	_, err := b.l.Append(fill)
	return err
}

// life records what was asked of the life of the batch, and, with why, that it was refused.
func (b *papers) life(actor, role, reason, command, was, is, why string) error {
	return b.add(func(r *record.Body) {
		r.Begin(record.KindBatchLife)
		r.Text(record.Actor, actor)
		r.Text(record.ObjectID, b.o.Batch)
		r.Text(record.LifeState, is)
		r.Text(record.OldValue, was)
		r.Text(record.Command, command)
		result := "accepted"
		if why != "" {
			result = "refused"
			r.Text(record.Detail, batch.Clean(why))
		}
		r.Text(record.Result, result)
		if role != "" {
			r.Text(record.OperatorRole, batch.Clean(role))
		}
		if reason != "" {
			r.Text(record.ChangeReason, batch.Clean(reason))
		}
	})
}

// access records that somebody was refused because of who he is, or said to be.
func (b *papers) access(q *http.Request, actor, role, command, why, claimed string) error {
	return b.add(func(r *record.Body) {
		r.Begin(record.KindAccessRefused)
		r.Text(record.Actor, actor)
		r.Text(record.Command, command)
		r.Text(record.Detail, batch.Clean(why))
		r.Text(record.ObjectID, b.o.Batch)
		if claimed != "" {
			r.Text(record.ClaimedActor, claimed)
		}
		if p := api.PeerOf(q); p.UID >= 0 {
			r.Int(record.PeerUID, int64(p.UID))
		}
		if role != "" {
			r.Text(record.OperatorRole, batch.Clean(role))
		}
	})
}

func (b *papers) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.l != nil {
		_ = b.l.Close() // what it holds is durable
	}
}
