// Check: the suite of a driver, for any protocol; what it is given, and the order of its promises.

package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Options of Check.
type Options struct {
	Device   string            // name in reports; "" is "device"
	Endpoint string            // where it is reached
	Foreign  string            // an endpoint of another protocol; "" is "none://nowhere"
	Points   []*fieldbus.Point // that can be read, and are GOOD
	Steady   bool              // nobody but the suite changes them meanwhile: values are compared
	Outputs  []Output          // that may be driven; nil: nothing is written
	Absent   *fieldbus.Point   // of the profile, and one that the device does not have; nil: what comes of it is not checked
	Text     *fieldbus.Point   // a String; nil: Texter is not checked
	Is       string            // what it reads
	Silent   func(silent bool) // makes the device take requests and answer none of them, until it is to answer again, late ones too
	Cut      func()            // ends the connection from the far side
	Within   time.Duration     // for how long a call may go on when its ctx has ended, or the device was closed; 0: 250 ms
}

// Output is a point that the suite may drive: be sure of what hangs on it. It can be read, too.
type Output struct {
	Point  *fieldbus.Point
	Values [2]uint64 // that are written in turn; the first is the one that is safe, and left behind. Zero, both: 0 and 1
}

// defaultWithin is what a Within of 0 stands for; drivers do better, and machines are busy.
const defaultWithin = 250 * time.Millisecond

// Check holds a driver against line.Device, and against line.Planner, Prover, Debtor and Texter where it is those. Ctx must have a deadline.
// Nobody else may use the device meanwhile. It leaves the outputs at the first of their values, and the device closed.
//
// It returns every promise that was kept, every one that was broken with what was seen and what to look at, and what it had nothing
// to check with.
func Check(ctx context.Context, d line.Device, o *Options) (haltest.Report, error) {
	if o == nil {
		o = &Options{}
	}
	c := &checked{ctx: ctx, d: d, opt: *o, outputs: slices.Clone(o.Outputs)}
	if c.opt.Device == "" {
		c.opt.Device = "device"
	}
	if c.opt.Foreign == "" {
		c.opt.Foreign = "none://nowhere"
	}
	if c.opt.Within == 0 {
		c.opt.Within = defaultWithin
	}
	for i := range c.outputs {
		if c.outputs[i].Values == [2]uint64{} {
			c.outputs[i].Values[1] = 1
		}
	}
	var err error
	if c.Suite, err = haltest.NewSuite(ctx, "line.Device", c.opt.Device); err != nil {
		return haltest.Report{}, err
	}
	c.closedAtFirst()
	c.foreign()
	if c.opens("Open connects by the endpoint") {
		c.plans()
		c.reads()
		c.groups()
		c.absent()
		c.proves()
		c.texts()
		c.writes()
		c.refuses()
		c.ends()
		c.silent()
		c.cut()
		c.closes()
		c.safe()
	}
	return c.End()
}

// checked is a run of Check.
type checked struct {
	*haltest.Suite
	ctx     context.Context
	d       line.Device
	opt     Options
	outputs []Output
	steady  []fieldbus.Reading // what Points read at first
}

// goesOn tells whether a session goes on after an error.
func goesOn(err error) bool {
	for _, e := range []error{fieldbus.ErrPoint, fieldbus.ErrRefused, fieldbus.ErrPlan, fieldbus.ErrDoubt} {
		if errors.Is(err, e) {
			return true
		}
	}
	return err == nil
}

// poison is what no driver leaves in a reading that it fills.
var poison = fieldbus.Reading{Form: 0xFF, Bits: 0xDEAD_BEEF_DEAD_BEEF, Quality: tag.Stale, Status: 0xFFFF_FFFF}

// maxPlans is how often a driver may say that a plan is over before it has found one.
const maxPlans = 64

// read reads points, anew for as long as the driver wants another plan.
func (c *checked) read(ctx context.Context, points []*fieldbus.Point) ([]fieldbus.Reading, error) {
	out := make([]fieldbus.Reading, len(points))
	for range maxPlans {
		for i := range out {
			out[i] = poison
		}
		err := c.d.Read(ctx, points, out)
		if !errors.Is(err, fieldbus.ErrPlan) {
			return out, err
		}
		if p, ok := c.d.(line.Planner); ok {
			p.Plan(points)
		}
	}
	return nil, fmt.Errorf("a Read wanted another plan %d times", maxPlans)
}

// sound tells what is wrong about a reading, whatever its value.
func sound(p *fieldbus.Point, r fieldbus.Reading) error {
	switch {
	case r == poison:
		return fmt.Errorf("nothing was read of %q: its place is as it was", p.Name)
	case r.Form != p.Type.Form():
		return fmt.Errorf("%q has form %v, and its type makes it %v", p.Name, r.Form, p.Type.Form())
	case r.Quality != tag.Good && r.Quality != tag.Bad:
		return fmt.Errorf("%q has quality %v; a driver says GOOD or BAD", p.Name, r.Quality)
	case r.Age < 0:
		return fmt.Errorf("%q is %d ns old: an age is 0 or more", p.Name, r.Age)
	case r.Quality == tag.Good && r.Status != fieldbus.StatusGood:
		return fmt.Errorf("%q is GOOD with status %#x", p.Name, uint32(r.Status))
	case r.Quality == tag.Bad && r.Status>>31 == 0:
		return fmt.Errorf("%q is BAD with status %#x, which does not say why", p.Name, uint32(r.Status))
	}
	return nil
}

// all reads all points, which must be GOOD and, where they are steady, what they were.
func (c *checked) all() error {
	out, err := c.read(c.ctx, c.opt.Points)
	if err != nil {
		return err
	}
	for i, p := range c.opt.Points {
		if err := sound(p, out[i]); err != nil {
			return err
		}
		if out[i].Quality != tag.Good {
			return fmt.Errorf("%q is BAD, status %#x", p.Name, uint32(out[i].Status))
		}
		if c.opt.Steady && c.steady != nil && !same(out[i], c.steady[i]) && !c.driven(p) {
			return fmt.Errorf("%q reads %#x, and it was %#x", p.Name, out[i].Bits, c.steady[i].Bits)
		}
	}
	if c.steady == nil {
		c.steady = out
	}
	return nil
}

// same tells whether two readings are one value, however old.
func same(a, b fieldbus.Reading) bool {
	a.Age, b.Age = 0, 0
	return a == b
}

// driven tells whether the suite itself changes a point.
func (c *checked) driven(p *fieldbus.Point) bool {
	return slices.ContainsFunc(c.outputs, func(o Output) bool { return o.Point.Name == p.Name })
}

// reopen begins a new session.
func (c *checked) reopen() error {
	if err := c.d.Close(); err != nil {
		return fmt.Errorf("closing it: %w", err)
	}
	if err := c.d.Open(c.ctx, c.opt.Endpoint); err != nil {
		return fmt.Errorf("opening it: %w", err)
	}
	return nil
}

// late is an error if a call took longer than it may.
func (c *checked) late(what string, took time.Duration) error {
	if took > c.opt.Within {
		return fmt.Errorf("%s took %v; %v is the limit", what, took, c.opt.Within)
	}
	return nil
}
