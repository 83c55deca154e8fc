// The suites of a watchdog and of the warning before the supply fails.

package haltest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// WatchdogOptions are the options of Watchdog.
type WatchdogOptions struct {
	Device    string        // name in reports; "" is "watchdog"
	Timeout   time.Duration // that it is armed with; 0: 10 s
	AllowBite bool          // the board may be reset: where nobody is on the Bench, that ends the suite, and with it the process
	Bench     Biter         // sees from outside whether the board was reset; nil: how long the time-out really is is not checked
	Clock     Clock         // nil: the process's
}

// Biter is a fixture that outlives the reset of a board: a simulation, or a second controller on the reset line.
type Biter interface {
	Bitten(ctx context.Context) (bool, error) // whether the board was reset since it came up
	PowerOn(ctx context.Context) error        // lets it come up, so that its watchdog may be used anew
}

// Watchdog holds a watchdog against hal.Watchdog. It arms it, feeds it for as long as the suite lasts, and stops it in the end. One that
// cannot be stopped stays armed: whoever calls has to go on feeding it.
func Watchdog(ctx context.Context, w hal.Watchdog, o *WatchdogOptions) (Report, error) {
	if o == nil {
		o = &WatchdogOptions{}
	}
	s, err := begin(ctx, "Watchdog", named(o.Device, "watchdog"), o.Clock)
	if err != nil {
		return Report{}, err
	}
	d := &dog{suite: s, w: w, opt: *o}
	if o.Timeout == 0 {
		d.opt.Timeout = 10 * time.Second
	}
	d.arms()
	d.fed()
	d.stops()
	const promise = "an armed watchdog bites when the time-out that it has given is over, and not before"
	switch {
	case !o.AllowBite || o.Bench == nil:
		s.skip(promise, "AllowBite, and a Bench that sees a reset from outside")
	default:
		d.bites(promise)
	}
	return s.end()
}

// dog is a run of Watchdog.
type dog struct {
	*suite
	w      hal.Watchdog
	opt    WatchdogOptions
	actual time.Duration
}

// bitten asks the bench, where there is one.
func (d *dog) bitten() (bool, error) {
	if d.opt.Bench == nil {
		return false, nil
	}
	return d.opt.Bench.Bitten(d.ctx)
}

// arm arms it, and holds the answer against what was asked for.
func (d *dog) arm() error {
	actual, err := d.w.Arm(d.opt.Timeout)
	if err != nil {
		return fmt.Errorf("its Arm with %s: %w", d.opt.Timeout, err)
	}
	if d.actual = actual; actual <= 0 || actual > d.opt.Timeout {
		return fmt.Errorf("its Arm with %s gave %s", d.opt.Timeout, actual)
	}
	return nil
}

// arms tries time-outs.
func (d *dog) arms() {
	d.check("Arm refuses a time-out that it cannot keep, and leaves the watchdog as it was", "compare with the limits of the part first",
		func() error {
			for _, timeout := range []time.Duration{0, -time.Second, 1} {
				if actual, err := d.w.Arm(timeout); err == nil {
					return fmt.Errorf("its Arm with %d ns gave %s and no error", timeout, actual)
				}
			}
			return nil
		})
	d.check("Arm gives the time-out that it really has, which is never longer than asked for", "read it back from the hardware", func() error {
		if err := d.arm(); err != nil {
			return err
		}
		d.figure("timeout_ns", &[]int64{int64(d.actual)})
		return d.w.Feed()
	})
}

// fed feeds it for longer than it waits.
func (d *dog) fed() {
	if d.actual == 0 {
		d.skip("Feed starts the time anew", "a time-out that Arm takes; give the options another")
		return
	}
	var took []int64
	d.check("Feed starts the time anew", "look whether the feed reaches the part, and whether it has a window", func() error {
		for range 5 {
			if err := d.wait(d.actual / 2); err != nil {
				return err
			}
			if bitten, err := d.bitten(); err != nil || bitten {
				if bitten {
					err = errors.Join(err, d.opt.Bench.PowerOn(d.ctx))
				}
				return fmt.Errorf("fed every %s, with a time-out of %s, it has bitten: %t, %v", d.actual/2, d.actual, bitten, err)
			}
			ns, err := d.timed(d.w.Feed)
			if err != nil {
				return fmt.Errorf("its Feed: %w", err)
			}
			took = append(took, ns)
		}
		return nil
	})
	d.figure("feed_ns", &took)
}

// stops disarms it, and waits.
func (d *dog) stops() {
	if d.actual == 0 {
		return
	}
	const promise, remedy = "Disarm stops it, or returns an error that wraps hal.ErrStays", "read the state back; see nowayout and the magic close"
	if d.over() {
		d.skip(promise, "more time: ctx had ended before it was its turn")
		d.restore("the watchdog is stopped though the suite was called off", "stop it or feed it, or the board is reset", d.w.Disarm)
		return
	}
	stays := false
	d.check(promise, remedy, func() error {
		err := d.w.Disarm()
		if stays = errors.Is(err, hal.ErrStays); err != nil && !stays {
			return fmt.Errorf("its Disarm: %w", err)
		}
		if stays || d.opt.Bench == nil {
			return nil
		}
		if err := d.wait(2 * d.actual); err != nil {
			return err
		}
		bitten, err := d.bitten()
		if bitten {
			err = errors.Join(err, d.opt.Bench.PowerOn(d.ctx))
			return fmt.Errorf("its Disarm gave no error, and within %s it has bitten; %v", 2*d.actual, err)
		}
		return err
	})
	switch {
	case stays:
		d.restore("one that stays can be fed on", "feed it, or the board is reset", d.w.Feed)
		d.skip("the watchdog is as it was", "a part that can be stopped: go on feeding this one")
	case d.opt.Bench == nil:
		d.skip("one that was stopped does not bite", "a Bench that sees a reset from outside; watch the board for "+(2*d.actual).String())
	}
}

// bites lets it bite.
func (d *dog) bites(promise string) {
	slack := 200 * time.Millisecond
	var took []int64
	d.check(promise, "read the time-out back from the hardware, and measure it", func() error {
		if err := d.arm(); err != nil {
			return err
		}
		begin, slack := d.clock.Now(), slack+d.actual/20
		for {
			bitten, err := d.bitten()
			passed := time.Duration(d.clock.Now() - begin)
			switch {
			case err != nil:
				return fmt.Errorf("the bench: %w", err)
			case bitten:
				took = append(took, int64(passed))
				if err := d.opt.Bench.PowerOn(d.ctx); err != nil {
					return fmt.Errorf("the bench: PowerOn: %w", err)
				}
				if passed < d.actual-slack {
					return fmt.Errorf("it has bitten after %s; Arm had given %s", passed.Round(time.Millisecond), d.actual)
				}
				return nil
			case passed > d.actual+slack:
				return errors.Join(fmt.Errorf("it has not bitten after %s; Arm had given %s", passed.Round(time.Millisecond), d.actual), d.w.Disarm())
			}
			if err := d.wait(20 * time.Millisecond); err != nil {
				return err
			}
		}
	})
	d.figure("bite_ns", &took)
}

// PowerOptions are the options of Power.
type PowerOptions struct {
	Device string       // name in reports; "" is "power"
	Supply SupplySwitch // of the rail that is watched; nil: nothing that needs a failure is checked
	Clock  Clock        // nil: the process's
}

// SupplySwitch switches the supply in front of the place where it is watched. The board must get it back within its hold-up.
type SupplySwitch interface {
	Supply(ctx context.Context, on bool) error
}

// Power holds an early warning against hal.Power.
func Power(ctx context.Context, p hal.Power, o *PowerOptions) (Report, error) {
	if o == nil {
		o = &PowerOptions{}
	}
	s, err := begin(ctx, "Power", named(o.Device, "power"), o.Clock)
	if err != nil {
		return Report{}, err
	}
	var holdup time.Duration
	s.check("Holdup is more than 0 and does not change", "measure it: from the warning to the reset, with all outputs on", func() error {
		if holdup = p.Holdup(); holdup <= 0 || holdup != p.Holdup() {
			return fmt.Errorf("%s, then %s", holdup, p.Holdup())
		}
		return nil
	})
	s.figure("holdup_ns", &[]int64{int64(holdup)})
	s.check("Watch first tells how the supply is now, returns nil when ctx ends, and can be called again", "emit the level before the first edge",
		func() error {
			for range 2 {
				w := watchPower(s, p)
				first, ok := w.next()
				err := w.stop()
				if !ok || first.Failing {
					return fmt.Errorf("of a supply that is there it told %t (failing: %t)", ok, first.Failing)
				}
				if err != nil {
					return fmt.Errorf("its Watch: %w", err)
				}
			}
			return nil
		})
	const promise = "Watch warns when the supply fails, in time, and tells when it is back"
	if o.Supply == nil {
		s.skip(promise, "a SupplySwitch")
		return s.end()
	}
	var took []int64
	s.check(promise, "look at comparator, polarity and the line's edges", func() error {
		w := watchPower(s, p)
		defer func() { _ = w.stop() }()
		w.next()
		for range 3 {
			for _, on := range []bool{false, true} {
				begin := s.clock.Now()
				if err := o.Supply.Supply(ctx, on); err != nil {
					return fmt.Errorf("the switch: %w", err)
				}
				e, ok := w.next()
				took = append(took, s.clock.Now()-begin)
				if !on && took[len(took)-1] >= int64(holdup) {
					ok = false
				}
				if !ok || e.Failing == on {
					back := o.Supply.Supply(ctx, true)
					return errors.Join(fmt.Errorf("%d ms after the supply was switched (on: %t) it has told: %t (failing: %t); the hold-up is %s",
						took[len(took)-1]/1_000_000, on, ok, e.Failing, holdup), back)
				}
			}
		}
		return nil
	})
	s.figure("warning_ns", &took)
	return s.end()
}

// supplyWatch is one Watch that runs beside the suite.
type supplyWatch struct {
	events chan hal.PowerEvent
	done   chan error
	cancel context.CancelFunc
}

func watchPower(s *suite, p hal.Power) *supplyWatch {
	ctx, cancel := context.WithCancel(s.ctx)
	w := &supplyWatch{events: make(chan hal.PowerEvent, 64), done: make(chan error, 1), cancel: cancel}
	go func() {
		w.done <- p.Watch(ctx, func(e hal.PowerEvent) {
			select {
			case w.events <- e:
			default:
			}
		})
	}()
	return w
}

func (w *supplyWatch) next() (hal.PowerEvent, bool) {
	select {
	case e := <-w.events:
		return e, true
	case <-time.After(grace):
		return hal.PowerEvent{}, false
	}
}

func (w *supplyWatch) stop() error {
	w.cancel()
	select {
	case err := <-w.done:
		return err
	case <-time.After(grace):
		return fmt.Errorf("its Watch did not return within %s of the end of its ctx", grace)
	}
}
