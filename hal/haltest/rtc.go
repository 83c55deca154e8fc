// The suite of a clock that outlives the supply.

package haltest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// RTCOptions are the options of RTC.
type RTCOptions struct {
	Device string        // name in reports; "" is "rtc"
	Clock  Clock         // nil: the process's
	Power  PowerSwitch   // of the board; nil: that the clock outlives it is not checked
	Over   time.Duration // for how long its rate is measured; 0: 4 s
	UTC    func() int64  // ns since 1970; what the clock is set to in the end if its time was not valid. Nil: 2000-01-01, which nobody believes
}

// CellSwitch is a PowerSwitch that can take the clock's cell out. Discharge is called while the power is off, and returns when the chip
// has forgotten its time.
type CellSwitch interface {
	PowerSwitch
	Discharge(ctx context.Context) error
}

// RTC holds a clock chip against hal.RTC. It sets other times for a few seconds, and then what the clock would have shown. A clock whose
// time was not valid cannot be left as it was: it is set to what the options say.
func RTC(ctx context.Context, dev hal.RTC, o *RTCOptions) (Report, error) {
	if o == nil {
		o = &RTCOptions{}
	}
	s, err := begin(ctx, "RTC", named(o.Device, "rtc"), o.Clock)
	if err != nil {
		return Report{}, err
	}
	c := &chip{suite: s, dev: dev, opt: *o}
	if c.opt.Over == 0 {
		c.opt.Over = 4 * time.Second
	}
	if c.opt.Over < 2*time.Second {
		c.opt.Over = 2 * time.Second
	}
	c.shows()
	if !c.known {
		s.skip("everything that sets the clock", "a chip that tells its time or that it has lost it: else it could not be set back")
		return s.end()
	}
	c.refuses()
	c.takes()
	c.runs()
	c.outlives()
	c.dies()
	c.setBack()
	return s.end()
}

// chip is a run of RTC.
type chip struct {
	*suite
	dev      hal.RTC
	opt      RTCOptions
	known    bool  // it has told its time, or that it has none
	original int64 // what it showed at since; 0: its time was not valid
	since    int64
}

const (
	firstYear = 946_684_800_000_000_000   // 2000-01-01
	endYear   = 4_102_444_800_000_000_000 // 2100-01-01
	oneSecond = int64(time.Second)
)

func stamp(utc int64) string { return time.Unix(0, utc).UTC().Format("2006-01-02 15:04:05.999999999") }

// reads returns a time that may be believed to be one.
func (c *chip) reads() (int64, error) {
	utc, err := c.dev.Read()
	switch {
	case err == nil && (utc < firstYear || utc >= endYear):
		return 0, fmt.Errorf("its Read gave %s and no error, which no chip can hold", stamp(utc))
	case err != nil && utc != 0:
		return 0, fmt.Errorf("its Read gave %s beside the error %w", stamp(utc), err)
	case err != nil:
		return 0, fmt.Errorf("its Read: %w", err)
	}
	return utc, nil
}

// shows reads it for the first time.
func (c *chip) shows() {
	var took []int64
	c.check("Read gives a time from 2000 to 2099, or 0 and an error", "hand the chip's oscillator-stopped flag on as hal.ErrTimeLost", func() error {
		_, err := c.dev.Read()
		c.known = err == nil || errors.Is(err, hal.ErrTimeLost)
		for range 8 {
			var utc int64
			c.since = c.clock.Now()
			ns, err := c.timed(func() (err error) { utc, err = c.reads(); return err })
			if errors.Is(err, hal.ErrTimeLost) {
				c.original = 0
				return nil
			}
			if err != nil {
				return err
			}
			c.original, took = utc, append(took, ns)
		}
		return nil
	})
	c.figure("read_ns", &took)
}

// refuses tries years that no chip can hold.
func (c *chip) refuses() {
	c.check("a time outside 2000 to 2099 is refused, and leaves the clock as it is", "check the year before the chip is written", func() error {
		before, lost := c.dev.Read()
		for _, utc := range []int64{0, firstYear - oneSecond, endYear, -oneSecond} {
			if err := c.dev.Set(utc); err == nil {
				return fmt.Errorf("its Set to %s gave no error", stamp(utc))
			}
		}
		after, err := c.dev.Read()
		if (lost == nil) != (err == nil) || after < before || after > before+5*oneSecond {
			return fmt.Errorf("it showed %s (%v), and then %s (%v)", stamp(before), lost, stamp(after), err)
		}
		return nil
	})
}

// near holds what is shown against set plus what has passed since.
func (c *chip) near(set, at int64) error {
	utc, err := c.reads()
	if err != nil {
		return err
	}
	passed := c.clock.Now() - at
	if low, high := set-oneSecond, set+passed+oneSecond; utc < low || utc > high {
		return fmt.Errorf("%s, %d ms after it was set to %s", stamp(utc), passed/1_000_000, stamp(set))
	}
	return nil
}

// takes sets times whose next second is not just one more.
func (c *chip) takes() {
	c.check("Set makes its time valid, and the clock goes on from it through the end of a month, of a leap February and of a year",
		"look at month and year registers, which count from 0 or 1", func() error {
			for _, t := range []time.Time{
				time.Date(2028, 2, 28, 23, 59, 58, 700_000_000, time.UTC), time.Date(2028, 2, 29, 23, 59, 58, 0, time.UTC),
				time.Date(2026, 12, 31, 23, 59, 58, 0, time.UTC), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
				time.Date(2099, 12, 31, 23, 59, 50, 999_999_999, time.UTC),
			} {
				at := c.clock.Now()
				if err := c.dev.Set(t.UnixNano()); err != nil {
					return fmt.Errorf("its Set to %s: %w", stamp(t.UnixNano()), err)
				}
				if err := c.near(t.UnixNano(), at); err != nil {
					return err
				}
				if err := c.wait(2200 * time.Millisecond); err != nil {
					return err
				}
				if err := c.near(t.UnixNano(), at); err != nil {
					return err
				}
			}
			return nil
		})
}

// edge waits for the next change of what is shown, and returns what was shown then, and between which times it changed: however busy
// the machine is, it did.
func (c *chip) edge() (utc, after, before int64, err error) {
	after = c.clock.Now()
	end := after + 3*oneSecond
	first, err := c.reads()
	for err == nil && after < end {
		if err = c.wait(5 * time.Millisecond); err != nil {
			break
		}
		at := c.clock.Now()
		if utc, err = c.reads(); err != nil || utc != first {
			return utc, after, c.clock.Now(), err
		}
		after = at
	}
	if err == nil {
		err = fmt.Errorf("it stood at %s for 3 s", stamp(first))
	}
	return 0, 0, 0, err
}

// maxDrift is what a clock may gain or lose before it is a fault, parts per million: a crystal far from its temperature has 200.
const maxDrift = 500

// runs measures its rate between two changes of the second.
func (c *chip) runs() {
	var drift []int64
	c.check("the clock runs forward, by a second in each second", "look at the crystal, its load, and the registers' order of reading", func() error {
		if err := c.dev.Set(time.Date(2030, 6, 15, 12, 0, 0, 0, time.UTC).UnixNano()); err != nil {
			return fmt.Errorf("its Set: %w", err)
		}
		begin, from, fromAt, err := c.edge()
		if err != nil {
			return err
		}
		last := begin
		for c.clock.Now() < from+int64(c.opt.Over)-oneSecond {
			utc, err := c.reads()
			if err != nil {
				return err
			}
			if utc < last {
				return fmt.Errorf("it showed %s, and then %s", stamp(last), stamp(utc))
			}
			last = utc
			if err := c.wait(50 * time.Millisecond); err != nil {
				return err
			}
		}
		end, to, toAt, err := c.edge()
		if err != nil {
			return err
		}
		shown, passed := end-begin, toAt-fromAt
		drift = append(drift, (shown-passed)/(passed/1_000_000))
		slack := passed/1_000_000*maxDrift + int64(5*time.Millisecond)
		if shown < to-fromAt-slack || shown > toAt-from+slack {
			return fmt.Errorf("%d ms were shown while %d ms passed", shown/1_000_000, passed/1_000_000)
		}
		return nil
	})
	c.figure("drift_ppm", &drift)
}

// outlives takes the power away for a while.
func (c *chip) outlives() {
	const promise = "the clock runs on while the board is off"
	if c.opt.Power == nil {
		c.skip(promise, "a PowerSwitch")
		return
	}
	c.check(promise, "look at the cell; a chip without one has to say hal.ErrTimeLost", func() error {
		set, at := time.Date(2031, 3, 1, 8, 0, 0, 0, time.UTC).UnixNano(), c.clock.Now()
		if err := c.dev.Set(set); err != nil {
			return fmt.Errorf("its Set: %w", err)
		}
		if err := c.off(func(context.Context) error { return c.wait(3 * time.Second) }); err != nil {
			return err
		}
		if err := c.near(set, at); err != nil {
			if errors.Is(err, hal.ErrTimeLost) {
				return fmt.Errorf("an honest loss, but a loss: %w", err)
			}
			return err
		}
		if utc, err := c.reads(); err != nil || utc < set+2*oneSecond {
			return fmt.Errorf("%s (%v), 3 s after it was set to %s and power went: it stood still", stamp(utc), err, stamp(set))
		}
		return nil
	})
}

// off does something while the power is off.
func (c *chip) off(work func(ctx context.Context) error) error {
	if err := c.opt.Power.PowerOff(c.ctx); err != nil {
		return fmt.Errorf("PowerOff: %w", err)
	}
	err := work(c.ctx)
	if on := c.opt.Power.PowerOn(c.ctx); on != nil {
		return fmt.Errorf("PowerOn: %w", on)
	}
	return err
}

// dies takes the cell out.
func (c *chip) dies() {
	const promise = "while the time is not valid Read gives 0 and an error that wraps hal.ErrTimeLost, and Set makes it valid"
	power, ok := c.opt.Power.(CellSwitch)
	if !ok {
		c.skip(promise, "a PowerSwitch that can Discharge the cell")
		return
	}
	c.check(promise, "read the chip's oscillator-stopped or low-voltage flag with each time", func() error {
		if err := c.off(power.Discharge); err != nil {
			return err
		}
		utc, err := c.dev.Read()
		if utc != 0 || !errors.Is(err, hal.ErrTimeLost) {
			return fmt.Errorf("after its cell died Read gave %s, %v: a guess", stamp(utc), err)
		}
		set, at := time.Date(2032, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano(), c.clock.Now()
		if err := c.dev.Set(set); err != nil {
			return fmt.Errorf("its Set: %w", err)
		}
		return c.near(set, at)
	})
}

// setBack gives the clock what it would have shown.
func (c *chip) setBack() {
	back := c.original + c.clock.Now() - c.since
	if c.original == 0 {
		back = firstYear
		if c.opt.UTC != nil {
			back = c.opt.UTC()
		}
	}
	c.restore("the clock is set back", "set it by hand: it shows a time of this suite", func() error { return c.dev.Set(back) })
}
