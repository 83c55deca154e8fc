// The promises about sessions that are in order: opening, plans, reads, points that a device does not have.

package bustest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/iomap/tag"
)

// closedAtFirst uses a device that was never opened.
func (c *checked) closedAtFirst() {
	c.Check("a device that is not open reads and writes nothing, and says so", "keep the connection in one place, and look at it first", func() error {
		if err := c.d.Close(); err != nil {
			return fmt.Errorf("closing it: %w", err)
		}
		return c.nothing()
	})
}

// nothing reads and writes where there is no session.
func (c *checked) nothing() error {
	if len(c.opt.Points) > 0 {
		if _, err := c.read(c.ctx, c.opt.Points); goesOn(err) {
			return fmt.Errorf("a Read gave %v; it must be an error that ends a session", err)
		}
	}
	for _, o := range c.outputs {
		err := c.d.Write(c.ctx, o.Point, o.Point.Type.Form(), o.Values[0])
		if goesOn(err) || errors.Is(err, fieldbus.ErrUnknown) {
			return fmt.Errorf("a Write gave %v; it must be an error that ends a session, and nothing was sent", err)
		}
	}
	return nil
}

// foreign opens what is not of the protocol.
func (c *checked) foreign() {
	c.Check("an endpoint of another protocol is refused with an error that names it", "look at the scheme before connecting", func() error {
		err := c.d.Open(c.ctx, c.opt.Foreign)
		if err == nil {
			return fmt.Errorf("an Open of %q gave nil", c.opt.Foreign)
		}
		if !strings.Contains(err.Error(), c.opt.Foreign) {
			return fmt.Errorf("an Open of %q gave %q, which does not name it", c.opt.Foreign, err)
		}
		return nil
	})
}

// opens opens the device.
func (c *checked) opens(promise string) bool {
	var took []int64
	defer c.Figure("open_ns", &took)
	return c.Check(promise, "look at the endpoint, and at who else is connected", func() error {
		ns, err := c.Timed(func() error { return c.d.Open(c.ctx, c.opt.Endpoint) })
		took = append(took, ns)
		return err
	})
}

// plans asks for plans.
func (c *checked) plans() {
	const promise = "a plan has each point once"
	p, ok := c.d.(line.Planner)
	if !ok {
		c.Skip(promise, "a driver that is a line.Planner; all points of a class are one group")
		return
	}
	c.Check(promise, "make groups of places in the list, and leave out none that cannot be read", func() error {
		reversed := slices.Clone(c.opt.Points)
		slices.Reverse(reversed)
		for _, points := range [][]*fieldbus.Point{c.opt.Points, reversed, c.opt.Points[:len(c.opt.Points)/2], nil} {
			times := make([]int, len(points))
			for _, group := range p.Plan(points) {
				if len(group) == 0 {
					return errors.New("a group is empty")
				}
				for _, i := range group {
					if i < 0 || i >= len(points) {
						return fmt.Errorf("place %d of %d points", i, len(points))
					}
					times[i]++
				}
			}
			for i, n := range times {
				if n != 1 {
					return fmt.Errorf("%q is in the plan %d times", points[i].Name, n)
				}
			}
		}
		return nil
	})
}

// rounds is how often points are read.
const rounds = 20

// reads reads all points.
func (c *checked) reads() {
	if len(c.opt.Points) == 0 {
		c.Skip("Read fills the place of every point", "Points that can be read")
		return
	}
	var took []int64
	c.Check("Read fills the place of every point, with the form of its type, GOOD or BAD, and why", "fill Reading as its comments say", func() error {
		for range rounds {
			ns, err := c.Timed(c.all)
			if err != nil {
				return err
			}
			took = append(took, ns)
		}
		return nil
	})
	c.Figure("read_all_ns", &took)
}

// groups reads the same points in other company.
func (c *checked) groups() {
	const promise = "what is read of a point does not depend on what is read along with it"
	if !c.opt.Steady || len(c.opt.Points) == 0 {
		c.Skip(promise, "Points that are Steady")
		return
	}
	c.Check(promise, "find each value by the address of its own point, not by the order of the list", func() error {
		reads := func(at []int) error {
			var points []*fieldbus.Point
			for _, i := range at {
				points = append(points, c.opt.Points[i])
			}
			out, err := c.read(c.ctx, points)
			if err != nil {
				return err
			}
			for k, i := range at {
				if !same(out[k], c.steady[i]) {
					return fmt.Errorf("%q reads %#x, %v, among %d points, and was %#x, %v", points[k].Name, out[k].Bits, out[k].Quality,
						len(at), c.steady[i].Bits, c.steady[i].Quality)
				}
			}
			return nil
		}
		var reversed, even []int
		for i := range c.opt.Points {
			reversed = append([]int{i}, reversed...)
			if i%2 == 0 {
				even = append(even, i)
			}
			if err := reads([]int{i}); err != nil {
				return err
			}
		}
		return errors.Join(reads(reversed), reads(even))
	})
}

// absent reads a point that the device does not have.
func (c *checked) absent() {
	const promise = "a point that the device refuses is BAD and no error, the others are read, and the session goes on"
	if c.opt.Absent == nil {
		c.Skip(promise, "Absent: a point that the device does not have")
		return
	}
	c.Check(promise, "tell a device's refusal from a line that fails; say fieldbus.ErrPlan where one exchange is to be cut", func() error {
		points := append(slices.Clone(c.opt.Points), c.opt.Absent)
		out, err := c.read(c.ctx, points)
		if err != nil {
			return err
		}
		for i, p := range points {
			if err := sound(p, out[i]); err != nil {
				return err
			}
			if bad := out[i].Quality == tag.Bad; bad != (p == c.opt.Absent) {
				return fmt.Errorf("%q is %v, status %#x", p.Name, out[i].Quality, uint32(out[i].Status))
			}
		}
		return c.all()
	})
}

// proves asks for a proof on a session that is in order.
func (c *checked) proves() {
	p, ok := c.d.(line.Prover)
	if !ok {
		return
	}
	c.Check("Prove returns nil on a session that is in order", "ask for something that only a late answer could be confused with", func() error {
		if err := p.Prove(c.ctx); err != nil {
			return err
		}
		return c.all()
	})
}

// texts reads a text.
func (c *checked) texts() {
	t, ok := c.d.(line.Texter)
	if !ok {
		return
	}
	const promise = "Text reads a String point"
	if c.opt.Text == nil {
		c.Skip(promise, "Text, and what it Is")
		return
	}
	c.Check(promise, "look at address, length and order of bytes; leave out what fills the text up", func() error {
		got, err := t.Text(c.ctx, c.opt.Text)
		if err == nil && got != c.opt.Is {
			err = fmt.Errorf("%q reads %q, and it is %q", c.opt.Text.Name, got, c.opt.Is)
		}
		return err
	})
}
