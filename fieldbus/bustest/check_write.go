// The promises about writes.

package bustest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// back reads one output back.
func (c *checked) back(o *Output) (uint64, error) {
	out, err := c.read(c.ctx, []*fieldbus.Point{o.Point})
	if err != nil {
		return 0, fmt.Errorf("read back of %q: %w", o.Point.Name, err)
	}
	if out[0].Quality != tag.Good {
		return 0, fmt.Errorf("read back of %q: it is %v, status %#x", o.Point.Name, out[0].Quality, uint32(out[0].Status))
	}
	return out[0].Bits, nil
}

// is holds what an output reads back against what it must.
func (c *checked) is(o *Output, want uint64, after string) error {
	got, err := c.back(o)
	if err == nil && got != want {
		err = fmt.Errorf("%q reads back %d and not %d, after %s", o.Point.Name, int64(got), int64(want), after)
	}
	return err
}

// writes drives the outputs.
func (c *checked) writes() {
	if len(c.outputs) == 0 {
		c.Skip("a Write that returned nil was carried out, and is read back", "Outputs that may be driven")
		return
	}
	for i := range c.outputs {
		o := &c.outputs[i]
		var took []int64
		c.Check(fmt.Sprintf("a Write of %q that returned nil was carried out, and is read back", o.Point.Name),
			"wait for the device's confirmation; look at type, order of bytes and address", func() error {
				for n := range 6 {
					v := o.Values[(n+1)%2]
					ns, err := c.Timed(func() error { return c.d.Write(c.ctx, o.Point, o.Point.Type.Form(), v) })
					if err != nil {
						return err
					}
					took = append(took, ns)
					if err := c.is(o, v, "a write that was confirmed"); err != nil {
						return err
					}
				}
				return nil
			})
		c.Figure("write_"+o.Point.Name+"_ns", &took)
	}
}

// refuses asks for writes that cannot be.
func (c *checked) refuses() {
	c.Check("a Write that cannot be wraps fieldbus.ErrRefused, changes nothing, and the session goes on",
		"look at access and form before anything is sent", func() error {
			for _, p := range c.opt.Points {
				if p.Access != fieldbus.ReadOnly {
					continue
				}
				if err := c.d.Write(c.ctx, p, p.Type.Form(), 1); !errors.Is(err, fieldbus.ErrRefused) {
					return fmt.Errorf("a Write to %q, which is read-only, gave %v", p.Name, err)
				}
			}
			for i := range c.outputs {
				o := &c.outputs[i]
				wrong := tag.Int
				if o.Point.Type.Form() == tag.Int {
					wrong = tag.Bool
				}
				before, err := c.back(o)
				if err != nil {
					return err
				}
				if err := c.d.Write(c.ctx, o.Point, wrong, o.Values[1]); !errors.Is(err, fieldbus.ErrRefused) {
					return fmt.Errorf("a Write of form %v to %q, whose form is %v, gave %v", wrong, o.Point.Name, o.Point.Type.Form(), err)
				}
				if err := c.is(o, before, "a write that was refused"); err != nil {
					return err
				}
			}
			return c.all()
		})
}

// unknown writes to a device that is silent, and looks what became of it when it answers again.
func (c *checked) unknown() {
	const promise = "a Write that was sent and not answered wraps fieldbus.ErrUnknown"
	if len(c.outputs) == 0 {
		c.Skip(promise, "Outputs that may be driven")
		return
	}
	c.Check(promise, "look at how far the request came before calling it refused or not sent", func() error {
		o := &c.outputs[0]
		if err := c.d.Write(c.ctx, o.Point, o.Point.Type.Form(), o.Values[0]); err != nil {
			return err
		}
		c.opt.Silent(true)
		ctx, cancel := context.WithTimeout(c.ctx, c.opt.Within)
		err := c.d.Write(ctx, o.Point, o.Point.Type.Form(), o.Values[1])
		cancel()
		c.opt.Silent(false)
		if err == nil {
			return errors.New("a Write to a device that did not answer gave nil")
		}
		if err := c.reopen(); err != nil {
			return err
		}
		got, failed := c.back(o)
		if failed != nil {
			return failed
		}
		if got == o.Values[1] && !errors.Is(err, fieldbus.ErrUnknown) {
			return fmt.Errorf("a Write gave %q, which says that nothing was done, and it was done", err)
		}
		return nil
	})
}

// restoring is for how long outputs are brought to their safe values: a connection, and an exchange for each, on whatever line it is.
const restoring = 20 * time.Second

// safe leaves outputs as they are to be left, and the device closed.
func (c *checked) safe() {
	c.Restore("outputs are left at their safe values, and the device is closed", "write them by hand", func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), restoring)
		defer cancel()
		var errs []error
		if len(c.outputs) > 0 {
			_ = c.d.Close() // whatever state it is in
			errs = append(errs, c.d.Open(ctx, c.opt.Endpoint))
		}
		for i := range c.outputs {
			o := &c.outputs[i]
			errs = append(errs, c.d.Write(ctx, o.Point, o.Point.Type.Form(), o.Values[0]))
		}
		return errors.Join(append(errs, c.d.Close())...)
	})
}
