// The suite of a digital output.

package haltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// OutputOptions are the options of Output.
type OutputOptions struct {
	Device string        // name in reports; "" is "output"
	Loop   hal.InputLine // sees the line; nil: it is believed what Get says
	Settle time.Duration // from the output to the level at Loop; 0: 1 ms
	Power  PowerSwitch   // of the board; nil: what Get says after a cut is not checked
	Clock  Clock         // nil: the process's
	Close  bool          // close the line in the end, and check that
}

// Output holds a line against hal.OutputLine. It drives the line both ways, and leaves it as it was: be sure of what hangs on it.
func Output(ctx context.Context, out hal.OutputLine, o *OutputOptions) (Report, error) {
	if o == nil {
		o = &OutputOptions{}
	}
	s, err := begin(ctx, "Output", named(o.Device, "output"), o.Clock)
	if err != nil {
		return Report{}, err
	}
	l := &output{suite: s, out: out, opt: *o}
	if o.Settle == 0 {
		l.opt.Settle = time.Millisecond
	}
	if l.opt.Loop == nil {
		s.skip("the line is at the level that was set", "a loop to an input")
	}
	l.follows()
	l.drops()
	if l.known {
		s.restore("the line is set back", "set it by hand", func() error { return out.Set(l.before) })
	}
	if o.Close {
		l.closes()
	}
	return s.end()
}

// output is a run of Output.
type output struct {
	*suite
	out    hal.OutputLine
	opt    OutputOptions
	before bool
	known  bool // how it was before: else it was not driven
}

// is holds what Get and the loop say against what is wanted.
func (l *output) is(want bool, when string) error {
	high, err := l.out.Get()
	if err != nil || high != want {
		return fmt.Errorf("its Get gave %t, %v %s, and not %t", high, err, when, want)
	}
	if l.opt.Loop == nil {
		return nil
	}
	if seen, err := l.opt.Loop.Get(); err != nil || seen != want {
		return fmt.Errorf("its Get gave %t %s, and the loop sees %t (%v)", high, when, seen, err)
	}
	return nil
}

// follows sets it both ways.
func (l *output) follows() {
	var set, get []int64
	l.check("Set drives the line, and Get returns what it drives", "read the line back from the driver", func() error {
		var err error
		if l.before, err = l.out.Get(); err != nil {
			return fmt.Errorf("its Get: %w", err)
		}
		l.known = true
		high := l.before
		for range 20 {
			high = !high
			ns, err := l.timed(func() error { return l.out.Set(high) })
			if err != nil {
				return fmt.Errorf("its Set to %t: %w", high, err)
			}
			set = append(set, ns)
			if err := l.wait(l.opt.Settle); err != nil {
				return err
			}
			ns, err = l.timed(func() error { _, err := l.out.Get(); return err })
			if err != nil {
				return fmt.Errorf("its Get: %w", err)
			}
			get = append(get, ns)
			if err := l.is(high, fmt.Sprintf("after Set to %t", high)); err != nil {
				return err
			}
		}
		return nil
	})
	l.figure("set_ns", &set)
	l.figure("get_ns", &get)
}

// drops takes the power away while the line is high.
func (l *output) drops() {
	const promise = "after a power cut Get returns the level that the hardware fell back to, and not the last one set"
	if l.opt.Power == nil || l.opt.Loop == nil {
		l.skip(promise, "a PowerSwitch and a loop to an input")
		return
	}
	if !l.known {
		l.skip(promise, "a line that tells its level")
		return
	}
	l.check(promise, "read the line back from the driver, and remember nothing", func() error {
		for _, high := range []bool{true, false} {
			if err := l.out.Set(high); err != nil {
				return fmt.Errorf("its Set: %w", err)
			}
			if err := l.opt.Power.PowerOff(l.ctx); err != nil {
				return fmt.Errorf("PowerOff: %w", err)
			}
			if err := l.opt.Power.PowerOn(l.ctx); err != nil {
				return fmt.Errorf("PowerOn: %w", err)
			}
			if err := l.wait(l.opt.Settle); err != nil {
				return err
			}
			seen, err := l.opt.Loop.Get()
			if err != nil {
				return fmt.Errorf("the loop: %w", err)
			}
			if err := l.is(seen, fmt.Sprintf("after a cut, before which it was set to %t,", high)); err != nil {
				return err
			}
		}
		return nil
	})
}

// closes closes it for good.
func (l *output) closes() {
	l.check("what is asked of a closed line is an error that wraps os.ErrClosed", "keep a flag", func() error {
		if err := l.out.Close(); err != nil {
			return fmt.Errorf("its Close: %w", err)
		}
		if err := l.out.Set(true); !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("its Set: %v", err)
		}
		if _, err := l.out.Get(); !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("its Get: %v", err)
		}
		return nil
	})
}
