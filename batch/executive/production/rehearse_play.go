// How the time of a rehearsal goes on.

package production

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/batchkit/batchkit/timebase"
)

// ErrRests says that a rehearsal has come to rest before its list was done: what is left waits for a person, and nothing more is
// planned.
var ErrRests = errors.New("production: the rehearsal rests")

// planned is something that is to happen at a time of the day.
type planned struct {
	at int64
	do func() error
}

// play gives turns until nothing is left to do, or all rests. After each turn, and whatever is planned, settle is called, which
// gives when it is to be called again.
func (c *cast) play(ctx context.Context, plan []planned, settle func() (due int64, err error)) error {
	slices.SortStableFunc(plan, func(a, b planned) int { return cmp.Compare(a.at, b.at) })
	due, err := settle()
	for ; err == nil; due, err = settle() {
		t := c.turns.next()
		at := due
		if t != nil {
			at = min(at, t.at, c.floor.next(), c.sample)
		}
		if len(plan) > 0 {
			at = min(at, plan[0].at)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case len(plan) == 0 && due == timebase.Never && t == nil:
			return nil
		case len(plan) == 0 && due == timebase.Never && !c.turns.busy():
			return fmt.Errorf("%w: what is left waits for a person: %s", ErrRests, c.left())
		case at > c.limit:
			return fmt.Errorf("production: the rehearsal is not over after %v: %s", time.Duration(c.limit), c.left())
		}
		c.turns.now = max(c.turns.now, at)
		c.floor.advance()
		switch t = c.turns.next(); {
		case len(plan) > 0 && plan[0].at <= c.turns.now:
			next := plan[0]
			plan = plan[1:]
			if err := next.do(); err != nil {
				return err
			}
		case t != nil && t.at <= c.turns.now:
			c.turns.give(t, c.turns.now)
		}
	}
	return err
}

// closing is how long the batches that are left have to come to their end.
const closing = int64(time.Hour)

// end has all batches that are left be aborted, and returns when all have ended.
func (c *cast) end(stop context.CancelFunc) {
	stop()
	for _, t := range c.turns.list {
		t.rouse()
	}
	for t := c.turns.next(); t != nil; t = c.turns.next() {
		c.turns.now = max(c.turns.now, min(t.at, c.floor.next(), c.turns.now+closing))
		c.floor.advance()
		c.turns.give(c.turns.next(), c.turns.now)
	}
	c.turns.work.Wait()
}

// stampAt is a time of a rehearsal as answers have it.
func stampAt(now int64) string {
	return time.Unix(0, dayBegins+now).UTC().Format("2006-01-02T15:04:05.000Z")
}
