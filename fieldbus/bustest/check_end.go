// The promises about how calls and sessions end.

package bustest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
)

// ends reads with a ctx that has ended.
func (c *checked) ends() {
	if len(c.opt.Points) == 0 {
		return
	}
	c.Check("a Read whose ctx has ended is an error, at once, and the next session is in order", "look at ctx before the exchange, and during it", func() error {
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		begin := c.Now()
		_, err := c.read(ctx, c.opt.Points)
		if err == nil {
			return errors.New("it gave nil")
		}
		if err := c.late("it", c.Now()-begin); err != nil {
			return err
		}
		if err := c.reopen(); err != nil {
			return err
		}
		return c.all()
	})
}

// silent looks at what a device that does not answer does to its driver.
func (c *checked) silent() {
	const (
		cancelled = "a Read that waits for an answer returns when its ctx ends"
		closed    = "Close ends a Read that waits for an answer"
		late      = "an answer that comes late is never taken for another"
	)
	if c.opt.Silent == nil || len(c.opt.Points) == 0 {
		for _, promise := range []string{cancelled, closed, late, "a Write that was sent and not answered wraps fieldbus.ErrUnknown"} {
			c.Skip(promise, "Silent: a device that can be made not to answer, and Points")
		}
		return
	}
	c.Check(cancelled, "wait in short laps, or let the end of ctx end the wait", func() error {
		return c.waits(func(end func()) { c.After(c.opt.Within/5, end) }, func() {})
	})
	c.Check(closed, "close what the Read waits on", func() error {
		var failed error
		done := make(chan struct{})
		err := c.waits(func(func()) {
			c.After(c.opt.Within/5, func() { failed = c.d.Close(); close(done) })
		}, func() { <-done })
		return errors.Join(err, failed)
	})
	if !c.opt.Steady {
		c.Skip(late, "Points that are Steady")
		c.unknown()
		return
	}
	c.Check(late, "after a request that was not answered, end the session or have the device prove what it answers to", func() error {
		ctx, cancel := context.WithTimeout(c.ctx, c.opt.Within/5)
		c.opt.Silent(true)
		_, err := c.read(ctx, c.opt.Points[:1])
		cancel()
		c.opt.Silent(false)
		switch {
		case err == nil:
			return errors.New("a Read of a device that did not answer gave nil")
		case errors.Is(err, fieldbus.ErrDoubt) && !c.owes():
			return fmt.Errorf("a Read gave %q, which says that a reply is owed, and nothing proves by this endpoint when it was paid", err)
		}
		if !goesOn(err) {
			err = c.reopen()
		}
		for range rounds {
			if err = c.again(); err != nil {
				return err
			}
		}
		return err
	})
	c.unknown()
}

// owes tells whether the line would have the device prove what it answers to.
func (c *checked) owes() bool {
	if d, ok := c.d.(line.Debtor); ok {
		return d.Owes(c.opt.Endpoint)
	}
	_, ok := c.d.(line.Prover)
	return ok
}

// again reads all points, and gives a driver that is in doubt time to end it.
func (c *checked) again() error {
	err := c.all()
	for n := 0; errors.Is(err, fieldbus.ErrDoubt) && n < rounds; n++ {
		if p, ok := c.d.(interface{ Prove(context.Context) error }); ok {
			_ = p.Prove(c.ctx) // the read tells
		}
		err = c.all()
	}
	if err != nil && !goesOn(err) {
		return fmt.Errorf("afterwards: %w", err)
	}
	return err
}

// waits has a Read wait for an answer while begin sees to it that it ends, within the limit, which includes the fifth of it that begin
// waits.
func (c *checked) waits(begin func(end func()), after func()) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	c.opt.Silent(true)
	begin(cancel)
	from := c.Now()
	_, err := c.read(ctx, c.opt.Points)
	took := c.Now() - from
	after()
	c.opt.Silent(false)
	if err == nil {
		return errors.New("it gave nil though the device did not answer")
	}
	if err := c.late("the Read", took); err != nil {
		return err
	}
	if err := c.reopen(); err != nil {
		return err
	}
	return c.again()
}

// cut ends the connection from the far side.
func (c *checked) cut() {
	const promise = "a Read on a connection that was lost is an error that ends the session, and a new one is in order"
	if c.opt.Cut == nil || len(c.opt.Points) == 0 {
		c.Skip(promise, "Cut: something that ends the connection from the far side, and Points")
		return
	}
	c.Check(promise, "tell a line that fails from a device that refuses", func() error {
		c.opt.Cut()
		var err error
		for range rounds { // the loss may be on its way
			if _, err = c.read(c.ctx, c.opt.Points); err != nil {
				break
			}
			time.Sleep(c.opt.Within / rounds)
		}
		if goesOn(err) {
			return fmt.Errorf("a Read gave %v", err)
		}
		if err := c.reopen(); err != nil {
			return err
		}
		return c.all()
	})
}

// closes closes the device, twice.
func (c *checked) closes() {
	c.Check("Close can be called twice, nothing is read or written behind it, and Open begins anew", "keep nothing of the session before", func() error {
		for range 2 {
			if err := c.d.Close(); err != nil {
				return err
			}
		}
		if err := c.nothing(); err != nil {
			return err
		}
		if err := c.d.Open(c.ctx, c.opt.Endpoint); err != nil {
			return err
		}
		return c.all()
	})
}
