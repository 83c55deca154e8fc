// The desk: what is asked of the arbiter goes through it, one operation after the other, into the log and then into the book.

package executive

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/ledger"
)

// logLimit is how long the log of the arbiter may take for one call.
const logLimit = 10 * time.Second

// desk has two locks, since the log may be far away and be long in answering. Who calls it has the hand, and nobody else moves the book on; mu guards
// what is looked at, and is held for no call of the log. The hand is taken before mu, mu before the manager's, and neither with that held.
type desk struct {
	hand   chan struct{} // has room for one: who calls the log
	log    arbiter.Log
	led    *ledger.Ledger
	node   string        // "": the log is this manager's alone
	given  func() uint32 // numbers that it has given to batches
	seen   func(string)  // is told of each batch that the log names, while it is read first
	whole  int           // after so many operations the book is put into the log
	bump   func()
	pen    pen
	sure   bool     // the book is at the end of the log, as far as is known
	took   bool     // an operation was taken in since this was set to false
	read   bool     // the log was read on since then
	since  int      // operations since the last Whole
	last   uint64   // the last operation that came to something that goes on record
	wholes []uint64 // numbers of the last of them, from which on the log is not trimmed yet

	account *account // what was on record at the start, until the log is read

	life  string          // who speaks for this node in the log: another one at each start
	lives map[string]bool // those that are on record, this one among them
	spoke bool            // the log knows this one
	other string          // who speaks for this node as well, and is none of them

	debts sync.Mutex // who tells the book of what is owed; taken before the hand

	mu      sync.Mutex
	book    *arbiter.Book
	streams map[string]*rulings
	away    error                   // why the log is out of reach; nil: it has answered
	shut    time.Time               // until when nobody asks it, since the last who did waited long; zero: it is quick to say no
	owed    map[string]func() error // by batch, what the book is to be told when the log is back
}

func newDesk(log arbiter.Log, led *ledger.Ledger, a *account, whole int, bump func()) *desk {
	return &desk{hand: make(chan struct{}, 1), book: arbiter.NewBook(), log: log, led: led, account: a, whole: whole, streams: map[string]*rulings{}, bump: bump,
		given: func() uint32 { return 0 }, seen: func(string) {}, owed: map[string]func() error{}, pen: pen{led: led, hand: make(chan struct{}, 1)}}
}

// do carries an operation out: it is durable in the log, then told to whom it concerns, and on record when do returns. What a person has ordered is on
// record before it is told. Allow, where it is given, is asked before each try with the desk held, so that what it looks at stands in the log before
// the operation and nothing comes between. What would change nothing is answered without the log. An error is an *api.Error, but for one of allow.
func (d *desk) do(op arbiter.Op, allow func() error) ([]arbiter.Effect, error) {
	fx, changed, err := d.locked(op, allow)
	if changed {
		d.bump()
		err = cmp.Or(err, unwritten(d.pen.write())) // whoever comes meanwhile is not kept waiting by it
	}
	return fx, err
}

// unwritten is what is answered when the ledger takes nothing more.
func unwritten(err error) error {
	if err == nil {
		return nil
	}
	return &api.Error{Status: http.StatusServiceUnavailable, Message: "executive: no equipment is given any more: " + short(err.Error())}
}

// unreached is what is answered when the log does.
func unreached(err error) error {
	return &api.Error{Status: http.StatusServiceUnavailable, Message: "executive: the log of the arbiter: " + short(err.Error())}
}

func (d *desk) locked(op arbiter.Op, allow func() error) (fx []arbiter.Effect, changed bool, err error) {
	if err := d.enter(); err != nil {
		return d.stands(&op, unreached(err))
	}
	defer d.exit()
	ctx, cancel := context.WithTimeout(context.Background(), logLimit)
	defer cancel()
	op.At, d.took, d.read = d.led.UTC(), false, false
	data, err := op.Append(nil)
	if err != nil {
		return nil, false, &api.Error{Status: http.StatusBadRequest, Message: err.Error()}
	}
	fx, err = d.append(ctx, data, &op, allow)
	var said *api.Error
	if err == nil && d.took {
		d.tidy(ctx)
	} else if err != nil && !errors.As(err, &said) && !errors.Is(err, errAsked) {
		fx, _, err = d.stands(&op, unreached(err))
	}
	return fx, d.took, err
}

// stands answers a request from the book, where the log does not answer: what was granted once is in the log. Of anything else nobody knows.
func (d *desk) stands(op *arbiter.Op, err error) ([]arbiter.Effect, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	its := func(f arbiter.Effect) bool { return f.ID == op.ID && f.Key == "" }
	if op.Kind == arbiter.Request && slices.ContainsFunc(d.book.Of(op.Batch, nil), its) {
		if fx, known := d.book.Known(op, nil); known {
			d.tell(fx)
			return fx, false, nil
		}
	}
	return nil, false, err
}

// errAsked marks what allow has refused.
var errAsked = errors.New("it was not allowed")

// refusedByAllow is an error of allow.
type refusedByAllow struct{ error }

func (r refusedByAllow) Is(err error) bool { return err == errAsked }
func (r refusedByAllow) Unwrap() error     { return r.error }

// append puts an operation into the log, and takes it into the book. Where nobody knows whether it is in the log, and where another one came first, the
// log is read on before anything is decided. The log knows who speaks for this node before anything else is said there.
func (d *desk) append(ctx context.Context, data []byte, op *arbiter.Op, allow func() error) ([]arbiter.Effect, error) {
	const tries = 16
	var last error
	for range tries {
		if !d.sure {
			if fx, err := d.readOn(ctx, data); err != nil || fx.found {
				return fx.list, err
			}
		}
		if op.Kind != arbiter.Mark && d.node != "" && !d.spoke {
			if err := d.mark(ctx); err != nil {
				return nil, err
			}
		}
		fx, known, err := d.asks(op, allow)
		if _, more := d.log.(arbiter.Follower); known && more && !d.read && refusal(fx) != nil {
			d.sure = false // others may have made it possible
			continue
		}
		if known || err != nil {
			d.mu.Lock()
			d.tell(fx)
			d.mu.Unlock()
			return fx, err
		}
		if err := unwritten(d.pen.dry()); err != nil { // it would be as after a cut, and nobody would know
			return nil, err
		}
		fx, err = d.once(ctx, data, op)
		switch {
		case err == nil:
			return fx, nil
		case !errors.Is(err, arbiter.ErrConflict) && !errors.Is(err, arbiter.ErrUnknown):
			return nil, err
		}
		last = err
	}
	return nil, fmt.Errorf("it was tried %d times: %w", tries, last)
}

// asks asks whether an operation is allowed, and whether the book knows it already.
func (d *desk) asks(op *arbiter.Op, allow func() error) ([]arbiter.Effect, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if allow != nil {
		if err := allow(); err != nil {
			return nil, false, refusedByAllow{err}
		}
	}
	fx, known := d.book.Known(op, nil)
	return fx, known, nil
}

// once tries to put an operation into the log.
func (d *desk) once(ctx context.Context, data []byte, op *arbiter.Op) ([]arbiter.Effect, error) {
	seq, began := d.next(), time.Now()
	err := d.log.Append(ctx, seq, data)
	switch {
	case err == nil:
		d.heard(nil, began)
		return d.take(seq, op)
	case errors.Is(err, arbiter.ErrConflict):
		d.sure = false
	default:
		d.sure = d.sure && !errors.Is(err, arbiter.ErrUnknown)
		d.heard(err, began)
	}
	return nil, err
}

// found is what an operation came to that was looked for in the log.
type found struct {
	list  []arbiter.Effect
	found bool
}

// readOn takes in what stands in the log behind the book. Of these, the last that reads as data is what it gives.
func (d *desk) readOn(ctx context.Context, data []byte) (is found, err error) {
	began, inner := time.Now(), error(nil)
	d.read = true
	err = d.log.Read(ctx, d.next(), func(seq uint64, line []byte) error {
		op, err := arbiter.ParseOp(line)
		if err != nil {
			inner = fmt.Errorf("operation %d: %w", seq, err)
			return inner
		}
		fx, err := d.take(seq, &op)
		if data != nil && bytes.Equal(line, data) {
			is = found{fx, true}
		}
		inner = err
		return err
	})
	if err != nil && inner == nil {
		err = fmt.Errorf("%w: %w", ErrAway, err)
	}
	d.sure = err == nil
	d.heard(err, began)
	return is, err
}

// take takes an operation that is durable into the book, has put on record what it came to, and tells those whom it concerns.
func (d *desk) take(seq uint64, op *arbiter.Op) ([]arbiter.Effect, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := d.book.Next()
	over := op.Kind == arbiter.Whole && (seq > next || seq == 1)
	if over && d.account == nil && d.node != "" && next > 1 {
		return nil, fmt.Errorf("operations %d to %d were let go from the log, and node %s has not on record what they came to: was it struck out, "+
			"or does a copy of its disk speak for it? It gives nothing more; start its manager again, and it says what is to be done", next, seq-1, d.node)
	}
	if err := d.superseded(seq, op); err != nil {
		return nil, err
	}
	fx := d.book.Step(seq, op, nil)
	if d.book.Next() <= seq {
		d.sure = false
		return nil, fmt.Errorf("operation %d of the log does not follow on what was read", seq)
	}
	d.took = true
	if d.since++; op.Kind == arbiter.Whole && len(fx) == 0 {
		d.since, d.wholes = 0, append(d.wholes, seq)
		if len(d.wholes) > maxWholes {
			d.wholes = d.wholes[1:]
		}
	}
	list := deeds(op, fx)
	said := len(list) > 0
	if d.account != nil {
		d.seen(op.Batch)
		var err error
		if list, err = d.account.hold(seq, op, fx, over, d.book); err != nil {
			return nil, err
		}
	}
	if said || len(list) > 0 {
		d.last = seq
	}
	d.pen.note(records(seq, list))
	if op.Actor != "" && d.account == nil {
		if err := d.pen.write(); err != nil {
			return nil, err
		}
	}
	d.tell(fx)
	return fx, nil
}

// tell tells runners what concerns them. What is told twice means the same. It is called with mu held.
func (d *desk) tell(fx []arbiter.Effect) {
	for i := range fx {
		if s := d.streams[fx[i].Batch]; s != nil {
			s.put(&fx[i])
		}
	}
}
