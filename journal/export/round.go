// One round of an export: what the sink holds is held against the chain, and what it lacks is sent.

package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/journal"
)

// round is one CatchUp.
type round struct {
	e     *Exporter
	ctx   context.Context
	limit uint64        // the last record that may be sent
	top   uint64        // the last record that is known to be durable
	held  journal.Chain // what the sink holds
	was   journal.Chain // what it held when it was asked
	prev  uint64        // the last record that was read
	rows  []Row
	bytes int
}

// errEnough ends the reading behind the limit.
var errEnough = errors.New("enough")

func (r *round) behind() uint64 { return max(r.top, r.e.cursor.acked.N) - r.e.cursor.acked.N }

// reach finds how far may be sent. Free gives back what keeps Writers out until then.
func (r *round) reach() (free func() error, err error) {
	e, free := r.e, func() error { return nil }
	r.limit = 1<<64 - 1
	switch {
	case e.src.Durable != nil:
		r.limit = e.src.Durable()
		r.top = r.limit
	case e.src.Beside:
		opt := e.reading()
		opt.After = e.settled
		if e.settled, err = journal.Settle(e.src.Dir, opt); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrJournal, err)
		}
		r.limit, r.top = e.settled.N, e.settled.N
	default:
		claim, err := journal.Claim(e.src.Dir, e.reading())
		if err != nil {
			return nil, fmt.Errorf("%w: %w; where a Writer has it, give Source.Durable, and where another process may, Source.Beside", ErrJournal, err)
		}
		free = claim.Close
		r.top = r.last(e.cursor.acked)
	}
	return free, nil
}

func (r *round) run() (err error) {
	e := r.e
	free, err := r.reach()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, free()) }()
	acked := e.cursor.acked
	if a, ok := e.sink.(Announcer); ok {
		a.Announce(e.id, Edge{Durable: max(r.top, acked.N), Acked: acked.N})
	}
	if r.was, err = e.sink.Held(r.ctx, e.id); err != nil {
		return outage{err}
	}
	r.held = r.was
	start := acked
	switch {
	case r.was.N == acked.N && r.was.Link != acked.Link:
		return fmt.Errorf("%w: sink %q holds record %d with another link than it acknowledged", ErrSink, e.name, acked.N)
	case r.was.N < acked.N && !e.opt.Again:
		return outage{fmt.Errorf("sink %q holds records up to %d, and had acknowledged those up to %d; is it the right one, and mounted? "+
			"To have all sent again, say so", e.name, r.was.N, acked.N)}
	case r.was.N < acked.N || acked.N == 0:
		start = r.was
	}
	opt := e.reading()
	opt.After, r.prev = start, start.N
	var mine error // not one of reading
	rec, err := journal.Scan(e.src.Dir, func(seq uint64, body []byte, c journal.Chain) error {
		mine = r.take(seq, body, c)
		return mine
	}, opt)
	if mine != nil {
		err = mine
	}
	if errors.Is(err, errEnough) { // never before what the sink holds was passed
		return r.flush()
	}
	if err != nil {
		return err
	}
	switch {
	case rec.Outcome == journal.Rewritten || rec.Outcome == journal.TailLost:
		cause := ErrCursor
		if start != acked {
			cause = ErrSink
		}
		return fmt.Errorf("%w: sink %q, record %d: %s", cause, e.name, start.N, rec.Reason)
	case rec.Outcome == journal.None || rec.Outcome == journal.Damaged || rec.Outcome == journal.Foreign:
		return errors.Join(fmt.Errorf("%w: it is %s: %s", ErrJournal, rec.Outcome, rec.Reason), r.flush())
	case rec.Head.N < r.was.N:
		return fmt.Errorf("%w: sink %q holds records up to %d, and the journal ends with %d", ErrSink, e.name, r.was.N, rec.Head.N)
	}
	if err := r.settle(); err != nil {
		return err
	}
	return r.flush()
}

// settle moves the cursor to what the sink holds, when that was found in the chain: it was acknowledged, and the cursor lost.
func (r *round) settle() error {
	if r.was.N <= r.e.cursor.acked.N {
		return nil
	}
	return r.e.cursor.set(r.was)
}

// last is the last record of a journal that nobody writes, for the word on how far behind a sink is.
func (r *round) last(after journal.Chain) uint64 {
	opt := r.e.reading()
	opt.After = after
	rec, err := journal.Scan(r.e.src.Dir, nil, opt)
	if err != nil {
		return 0
	}
	return rec.Head.N
}

// take takes in one record of the journal.
func (r *round) take(seq uint64, body []byte, c journal.Chain) error {
	acked := r.e.cursor.acked
	switch {
	case seq != r.prev+1 && (r.prev != 0 || acked.N != 0):
		return fmt.Errorf("%w: sink %q holds records up to %d, and the journal begins with %d", ErrGap, r.e.name, r.prev, seq)
	case seq > r.limit && seq <= r.was.N || c.N == r.was.N && c.Link != r.was.Link:
		return fmt.Errorf("%w: sink %q says that it holds record %d with link %s", ErrSink, r.e.name, r.was.N, r.was.Link)
	case seq > r.limit:
		return errEnough
	case c.N == acked.N && c.Link != acked.Link:
		return fmt.Errorf("%w: record %d has another link than sink %q acknowledged", ErrCursor, c.N, r.e.name)
	}
	if r.prev = seq; seq <= r.was.N {
		return nil
	}
	if err := r.settle(); err != nil {
		return err
	}
	if r.bytes > 0 && r.bytes+len(body) > r.e.opt.Batch {
		if err := r.e.tell(CatchingUp, r.behind(), ""); err != nil {
			return err
		}
		if err := r.flush(); err != nil {
			return err
		}
	}
	r.rows = append(r.rows, Row{Seq: seq, Leaf: journal.Leaf(body), Link: c.Link, Body: bytes.Clone(body)})
	r.bytes += len(body) + longest
	return nil
}

// flush hands the sink the rows that were gathered, and moves the cursor to what it acknowledges.
func (r *round) flush() error {
	for len(r.rows) > 0 {
		if err := r.ctx.Err(); err != nil {
			return outage{err}
		}
		got, err := r.e.sink.Take(r.ctx, r.e.id, r.rows)
		if err != nil {
			return outage{err}
		}
		if got == r.held {
			return outage{fmt.Errorf("sink %q took none of records %d to %d", r.e.name, r.rows[0].Seq, r.rows[len(r.rows)-1].Seq)}
		}
		n := 0
		for n < len(r.rows) && r.rows[n].Seq < got.N {
			n++
		}
		if n == len(r.rows) || r.rows[n].Seq != got.N || r.rows[n].Link != got.Link {
			return fmt.Errorf("%w: it was sent records %d to %d, and acknowledges record %d with link %s",
				ErrSink, r.rows[0].Seq, r.rows[len(r.rows)-1].Seq, got.N, got.Link)
		}
		r.held, r.rows = got, r.rows[n+1:]
		if got.N > r.e.cursor.acked.N {
			if err := r.e.cursor.set(got); err != nil {
				return err
			}
		}
	}
	r.rows, r.bytes = r.rows[:0], 0
	return nil
}
