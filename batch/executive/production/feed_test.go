// Tests of the feed: the store has what the ledgers say, whatever fails, and production does not wait for it.

package production

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// rack is a store in memory.
type rack struct {
	mu   sync.Mutex
	at   map[string]journal.Chain
	dirs map[string]string // where the journals lie
	sick error
	deaf bool // it does not answer
}

// At implements Store.
func (r *rack) At(_ context.Context, name string) (journal.Chain, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at[name], r.sick
}

// Apply implements Store.
func (r *rack) Apply(ctx context.Context, name string, from journal.Chain, all []*record.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deaf {
		r.deaf = false
		<-ctx.Done()
		return ctx.Err()
	}
	if r.sick != nil {
		return r.sick
	}
	at := r.at[name]
	if at != from {
		return errors.New("a gap")
	}
	for _, rec := range all {
		if rec.Seq() != at.N+1 {
			return errors.New("a gap within")
		}
		at.N++
	}
	r.at[name] = journal.Chain{N: at.N, Link: r.link(name, at.N)}
	return nil
}

// link looks a link up in the journal itself: a store has it of the next record.
func (r *rack) link(name string, n uint64) (link journal.Hash) {
	_, _ = journal.Scan(r.dirs[name], func(seq uint64, _ []byte, c journal.Chain) error {
		if seq == n {
			link = c.Link
		}
		return nil
	}, nil)
	return link
}

func (r *rack) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sick = err
}

func (r *rack) has(name string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at[name].N
}

func TestTheStoreHasWhatBothLedgersSayAndWhatItMissedIsMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plant{t: t, dir: t.TempDir(), shop: newShop()}
		r := &rack{at: map[string]journal.Chain{}, dirs: map[string]string{}}
		m, err := ledger.Open(filepath.Join(p.dir, "manager"), "CELL-1", "manager", nil)
		require.NoError(t, err)
		r.dirs[m.ID()] = filepath.Join(p.dir, "manager")
		life := func() {
			_, err := m.Append(func(b *record.Body) {
				b.Begin(record.KindBatchLife)
				for k, v := range map[record.Key]string{record.ObjectID: "B-1", record.LifeState: "Ready", record.OldValue: "Loading", record.Command: "heard Ready", record.Actor: "x", record.Result: "done"} {
					b.Text(k, v)
				}
			})
			require.NoError(t, err)
		}
		life()
		needs := p.shop.needs()
		needs.Store = r
		p.open2(needs)
		r.dirs[p.e.led.ID()] = filepath.Join(p.dir, "production")
		p.run()
		p.until("it is up", func() bool { l, _ := p.e.Life(); return l == Up })
		p.until("the manager's ledger is there", func() bool { return r.has(m.ID()) == 1 })
		r.set(errors.New("the database is away"))
		job := p.add("A", 1)
		p.there(job + "-0001")
		p.shop.runs(job + "-0001")
		p.shop.completes(job + "-0001")
		p.gone(job) // nothing waits for the store
		life()
		p.until("it is on record", func() bool { return len(p.deeds(didFeed)) > 0 })
		require.Less(t, r.has(p.e.led.ID()), p.e.led.Head().N)
		r.set(nil)
		p.until("all is made up for", func() bool { return r.has(p.e.led.ID()) == p.e.led.Head().N && r.has(m.ID()) == 2 })
		said := strings.Join(p.deeds(didFeed), "\n")
		require.Equal(t, 1, strings.Count(said, "does not take production"), said)
		require.Equal(t, 1, strings.Count(said, "has production again"), said)
		id, head := p.e.led.ID(), p.e.led.Head().N
		p.down()
		require.GreaterOrEqual(t, r.has(id), head)
		require.NoError(t, m.Close())
		p.checks()
	})
}

func TestAStoreThatDoesNotAnswerIsToldAndAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plant{t: t, dir: t.TempDir(), shop: newShop()}
		r := &rack{at: map[string]journal.Chain{}, dirs: map[string]string{}, deaf: true}
		needs := p.shop.needs()
		needs.Store = r
		p.open2(needs)
		r.dirs[p.e.led.ID()] = filepath.Join(p.dir, "production")
		p.run()
		p.until("it is up", func() bool { l, _ := p.e.Life(); return l == Up })
		time.Sleep(feedMost)
		p.until("it is on record", func() bool { return len(p.deeds(didFeed)) > 0 })
		p.until("all is made up for", func() bool { return r.has(p.e.led.ID()) == p.e.led.Head().N })
		require.Contains(t, p.deeds(didFeed)[0], "deadline")
		p.down()
	})
}
