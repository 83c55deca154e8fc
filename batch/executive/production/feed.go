// The store, which is fed with what stands in the ledgers: this one's, and the manager's, which tells of the batches.

package production

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Store keeps what ledgers say, to be asked for: a projection, which can be made again of them at any time. It is fed with durable records only.
type Store interface {
	// At is the last record of a journal that it has, the zero Chain where it has none.
	At(ctx context.Context, name string) (journal.Chain, error)
	// Apply takes the records of a journal that stand behind from, all or, where it returns an error, none.
	Apply(ctx context.Context, name string, from journal.Chain, all []*record.Record) error
}

// Limits of feeding.
const (
	fedAtOnce = 512             // records in one call
	fedBytes  = 4 << 20         // bytes of them
	lookAgain = time.Second     // after which the ledger of the manager is looked at again
	feedLate  = 5 * time.Second // at most between two tries of a store that takes nothing
	feedMost  = 2 * time.Minute // for one call: a store that does not answer by then is out of reach, and that is told
)

// source is one ledger that is fed.
type source struct {
	dir  string
	own  bool   // it is the engine's: what stands in it is durable
	told string // why the store has not got it, as it stands on record; "": it has
	at   journal.Chain
	name string // of the journal; "": the store is to be asked where it is
}

// feed feeds the store with both ledgers until ctx ends. What fails is on record once, and made up for later: nothing waits for it.
func (e *Engine) feed(ctx context.Context) {
	if e.needs.Store == nil {
		return
	}
	list := []*source{{dir: filepath.Join(e.dir, "production"), own: true}, {dir: filepath.Join(e.dir, "manager")}}
	alarm := e.clock.Alarm(func() { poke(e.grown) })
	defer alarm.Stop()
	for wait := soonest; ctx.Err() == nil; {
		failed := false
		for _, s := range list {
			if err := e.feedOne(ctx, s); ctx.Err() == nil {
				failed = e.fedOrNot(s, err) || failed
			}
		}
		if wait = min(2*wait, feedLate); !failed {
			wait = soonest
			alarm.Set(e.clock.Now() + int64(lookAgain))
			select {
			case <-e.grown:
			case <-ctx.Done():
			}
			continue
		}
		e.pause(ctx, wait)
	}
	for _, s := range list { // what came in last
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookAgain)
		_ = e.feedOne(last, s)
		cancel()
	}
}

// fedOrNot puts on record, once, that the store cannot be fed with a ledger, and that it can again.
func (e *Engine) fedOrNot(s *source, err error) (failed bool) {
	why, detail := "", "the store has "+filepath.Base(s.dir)+" again"
	if err != nil {
		why = err.Error()
		detail = "the store does not take " + filepath.Base(s.dir) + ", which is made up for: " + why
	}
	if (why == "") != (s.told == "") && e.did(&deed{Did: didFeed, Detail: detail}, person{}) == nil {
		s.told = why
	}
	return err != nil
}

// errEnough ends a reading.
var errEnough = errors.New("enough for one call")

// feedOne gives the store what of a ledger it has not got. After an error it is found out anew which journal is there, and where the store is.
func (e *Engine) feedOne(ctx context.Context, s *source) error {
	err := e.feedAll(ctx, s)
	if err != nil {
		s.name = ""
	}
	return err
}

func (e *Engine) feedAll(ctx context.Context, s *source) error {
	if s.name == "" {
		name, _, _, err := journal.Begin(s.dir, e.reading(s))
		if errors.Is(err, fs.ErrNotExist) || err == nil && name == "" {
			return nil // nobody has written there yet
		}
		if err == nil {
			s.at, err = e.storeAt(ctx, name)
		}
		if err != nil {
			return err
		}
		s.name = name
	}
	for {
		end, err := e.durable(s)
		if err != nil || end == s.at {
			return err
		}
		if end.N <= s.at.N {
			return e.putBack(s, fmt.Sprintf("it ends with record %d", end.N))
		}
		if err := e.feedSome(ctx, s, end); err != nil {
			return err
		}
	}
}

// storeAt asks the store where it is in a journal.
func (e *Engine) storeAt(ctx context.Context, name string) (journal.Chain, error) {
	ctx, cancel := context.WithTimeout(ctx, feedMost)
	defer cancel()
	return e.needs.Store.At(ctx, name)
}

// putBack says that a ledger is not the one that the store was made of, though it has its name.
func (e *Engine) putBack(s *source, found string) error {
	return fmt.Errorf("production: the store has record %d of the ledger in %s, which has it not, or another one: %s. Put the right ledger there, or make the store anew of "+
		"this one", s.at.N, s.dir, found)
}

// reading is how a ledger is read.
func (e *Engine) reading(s *source) *journal.Options {
	o := &journal.Options{}
	if s.own {
		o.Storage = e.opt.Storage
	}
	return o
}

// durable is up to where a ledger is durable.
func (e *Engine) durable(s *source) (journal.Chain, error) {
	if s.own {
		e.mu.Lock() // nobody has appended what is not durable
		defer e.mu.Unlock()
		return e.led.Head(), e.broken
	}
	o := e.reading(s)
	o.After = s.at
	end, err := journal.Settle(s.dir, o) // another process writes it
	if err != nil {
		if rec, scanned := journal.Scan(s.dir, nil, o); scanned == nil && (rec.Outcome == journal.TailLost || rec.Outcome == journal.Rewritten) {
			return end, e.putBack(s, rec.Reason)
		}
		return end, fmt.Errorf("production: the ledger in %s: %w", s.dir, err)
	}
	return end, nil
}

// feedSome gives the store the next records of a ledger, none behind end.
func (e *Engine) feedSome(ctx context.Context, s *source, end journal.Chain) error {
	var all []*record.Record
	at, size := s.at, 0
	o := e.reading(s)
	o.After = s.at
	found, err := journal.Scan(s.dir, func(seq uint64, body []byte, c journal.Chain) error {
		if seq > end.N || len(all) >= fedAtOnce || size >= fedBytes {
			return errEnough
		}
		r, err := record.Parse(bytes.Clone(body)) // it is kept until the store has it
		if err != nil {
			return fmt.Errorf("production: record %d of the ledger in %s: %w", seq, s.dir, err)
		}
		all, at, size = append(all, r), c, size+len(body)
		return nil
	}, o)
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if len(all) == 0 && (found.Outcome == journal.TailLost || found.Outcome == journal.Rewritten) {
		return e.putBack(s, found.Reason)
	}
	if len(all) == 0 {
		return fmt.Errorf("production: the ledger in %s is %s behind record %d: %s", s.dir, found.Outcome, s.at.N, found.Reason)
	}
	short, cancel := context.WithTimeout(ctx, feedMost)
	defer cancel()
	if err := e.needs.Store.Apply(short, s.name, s.at, all); err != nil {
		return err
	}
	s.at = at
	return nil
}
