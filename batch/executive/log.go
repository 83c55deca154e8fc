// The log of the arbiter, which may be far away, and which the managers of other nodes write to as well.

package executive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// ErrAway: the log of the arbiter cannot be read now. New gives it before it has changed anything; ask again until the log is there.
var ErrAway = errors.New("it is out of reach")

// readLimit is how long the log may take to be read for the first time.
const readLimit = 2 * time.Minute

// maxWholes is how many books that stand in the log are remembered until it is trimmed up to them.
const maxWholes = 64

// begin reads the log, and holds it against what is on record. What it decided and is not on record comes on record now.
func (d *desk) begin(ctx context.Context) error {
	d.hand <- struct{}{}
	defer d.exit()
	_, err := d.readOn(ctx, nil)
	if next := d.next(); err == nil && next <= d.account.last { // what would be done under these numbers would not come on record
		err = fmt.Errorf("it ends with operation %d, and the ledger has what became of operation %d: it is not the one that belongs to this ledger, or its end was taken away; "+
			"put the right one there", next-1, d.account.last)
	}
	if err == nil {
		err = d.account.backward(d.node, d.marks())
	}
	if err != nil {
		return err
	}
	if _, err := d.led.AppendAll(append(d.account.admit(d.led.ID(), d.next()-1), d.begun(d.account)...)...); err != nil {
		return err
	}
	d.last = max(d.last, d.account.last)
	d.account = nil
	return d.pen.write()
}

// enter takes the hand. Once somebody has waited long for the log in vain, nobody waits for the call of another, and for a while nobody calls it.
func (d *desk) enter() error {
	select {
	case d.hand <- struct{}{}:
	default:
		if err := d.out(true); err != nil {
			return err
		}
		d.hand <- struct{}{}
	}
	err := d.out(false)
	if err != nil {
		d.exit()
	}
	return err
}

func (d *desk) exit() { <-d.hand }

// out tells why the log is not to be called now; busy: somebody is calling it.
func (d *desk) out(busy bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away != nil && !d.shut.IsZero() && (busy || time.Now().Before(d.shut)) {
		return d.away
	}
	return nil
}

// reach tells why the log is out of reach, as far as is known.
func (d *desk) reach() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.away
}

// heard is told what became of a call of the log that was begun then. One that has failed at once may be made again at once.
func (d *desk) heard(err error, began time.Time) {
	d.mu.Lock()
	was := d.away
	d.away, d.shut = err, time.Time{}
	if took := time.Since(began); err != nil && took >= again/10 {
		d.shut = time.Now().Add(min(took, again))
	}
	d.mu.Unlock()
	if (was == nil) != (err == nil) {
		d.bump()
	}
}

// follow takes in what others append, as soon as it is there, until ctx ends; and does what is owed when a log that was away is back.
func (d *desk) follow(ctx context.Context) {
	f, follows := d.log.(arbiter.Follower)
	for ctx.Err() == nil {
		next := d.next()
		switch {
		case d.reach() != nil:
			pause(ctx, again)
		case follows:
			wait, cancel := context.WithTimeout(ctx, logLimit)
			err := f.Wait(wait, next)
			cancel()
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				pause(ctx, again)
			} else if err == nil && d.next() > next { // it was this manager that appended it
				continue
			}
		default:
			pause(ctx, 5*again)
			if d.reach() == nil && !d.owes() {
				continue
			}
		}
		if took, err := d.look(ctx, next); err == nil && !took {
			pause(ctx, 5*soon)
		}
		d.pay()
	}
}

// look reads on once, and puts on record what it came to; not, where the book has come beyond an operation meanwhile.
func (d *desk) look(ctx context.Context, beyond uint64) (took bool, err error) {
	d.hand <- struct{}{}
	defer d.exit()
	if d.sure && d.next() > beyond {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	d.took = false
	if _, err = d.readOn(ctx, nil); err == nil {
		err = d.pen.write()
	}
	if d.took {
		d.bump()
	}
	if err == nil {
		_ = d.mark(ctx) // or the next time
		d.trim(ctx)
	}
	return d.took, err
}

// fresh reads on where others write to the log as well. An error is an *api.Error.
func (d *desk) fresh() error {
	if _, more := d.log.(arbiter.Follower); !more {
		return nil
	}
	if err := d.out(true); err != nil {
		return unreached(err)
	}
	if _, err := d.look(context.Background(), math.MaxUint64); err != nil {
		return unreached(err)
	}
	return nil
}

// owe has the book told something of a batch now, or when the log is back; what was owed of it before is not.
func (d *desk) owe(batch string, what func() error) {
	d.debts.Lock()
	defer d.debts.Unlock()
	d.settle(batch, what)
}

// settle is called with debts held, so that of two things that are told of a batch the later is told last.
func (d *desk) settle(batch string, what func() error) {
	err := what()
	d.mu.Lock()
	defer d.mu.Unlock()
	if delete(d.owed, batch); err != nil {
		d.owed[batch] = what
	}
}

func (d *desk) owes() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.owed) > 0
}

// pay does what is owed, as far as the log takes it.
func (d *desk) pay() {
	if d.reach() != nil {
		return
	}
	d.mu.Lock()
	names := sorted(d.owed)
	d.mu.Unlock()
	for _, batch := range names {
		d.debts.Lock()
		d.mu.Lock()
		what := d.owed[batch]
		d.mu.Unlock()
		if what != nil {
			d.settle(batch, what)
		}
		d.debts.Unlock()
	}
}

// tidy puts the whole book into the log from time to time, and lets go what stands before and no node needs. What fails is tried again with the next
// operation.
func (d *desk) tidy(ctx context.Context) {
	if d.since >= d.whole {
		d.putWhole(ctx)
	}
	_ = d.mark(ctx) // or the next time
	d.trim(ctx)
}

// putWhole tries once: where another operation comes first, the book is another one.
func (d *desk) putWhole(ctx context.Context) {
	if !d.sure || d.pen.write() != nil { // what goes from the log is on record
		return
	}
	d.mu.Lock()
	op, err := d.book.Whole(d.led.UTC())
	d.mu.Unlock()
	if err != nil {
		return
	}
	if data, err := op.Append(nil); err == nil {
		_, _ = d.once(ctx, data, &op)
	}
}

// mark says how far this node is, where it has not said so yet, and where it would hold up the trimming of the log. In a log that is empty nothing can be
// marked.
func (d *desk) mark(ctx context.Context) error {
	d.mu.Lock()
	op := arbiter.Op{Kind: arbiter.Mark, Batch: d.node, Place: int64(d.book.Next() - 1), Token: d.last, ID: d.given(), Key: d.life, At: d.led.UTC()}
	marks := d.book.Marks()
	d.mu.Unlock()
	i := slices.IndexFunc(marks, func(m arbiter.NodeMark) bool { return m.Node == d.node })
	due := i < 0 || !d.spoke || slices.ContainsFunc(d.wholes, func(seq uint64) bool { return marks[i].Seq+1 < seq })
	if d.node == "" || op.Place == 0 || !due {
		return nil
	}
	if err := unwritten(d.pen.write()); err != nil {
		return err
	}
	data, err := op.Append(nil)
	if err != nil {
		return err
	}
	fx, err := d.append(ctx, data, &op, nil)
	if err == nil {
		err = refusal(fx)
	}
	d.spoke = d.spoke || err == nil
	return err
}

// trim lets go what stands before the newest book in the log that all nodes have come to.
func (d *desk) trim(ctx context.Context) {
	least := uint64(1) << 63
	for _, m := range d.marks() {
		least = min(least, m.Seq)
	}
	for i, seq := range slices.Backward(d.wholes) {
		if seq <= least+1 {
			if d.sure && d.log.Trim(ctx, seq) == nil {
				d.mu.Lock()
				d.wholes = d.wholes[i+1:]
				d.mu.Unlock()
			}
			return
		}
	}
}

// due is the number of the newest book in the log up to which it is not trimmed yet, 0 where there is none.
func (d *desk) due() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.wholes) == 0 {
		return 0
	}
	return d.wholes[len(d.wholes)-1]
}
