// What brings the simulated board down and up again: its supply with an early warning, its watchdog, and why it came up.

package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/timebase"
)

// Limits of the simulated watchdog: its time-outs are whole seconds.
const (
	LeastTimeout    = time.Second
	GreatestTimeout = 60 * time.Second
)

// Watchdog is the watchdog of a Board and implements hal.Watchdog. When it bites the board is in reset, where its devices are as
// without power, until Boot.
type Watchdog struct {
	board   *Board
	stays   bool
	closed  bool
	timeout int64 // ns; 0: not armed
	due     int64 // when it bites
}

var _ hal.Watchdog = (*Watchdog)(nil)

// Arm implements hal.Watchdog.
func (w *Watchdog) Arm(timeout time.Duration) (actual time.Duration, err error) {
	w.board.mu.Lock()
	defer w.board.mu.Unlock()
	if err := w.board.ready("watchdog", "watchdog", w.closed); err != nil {
		return 0, err
	}
	actual = min(timeout.Truncate(time.Second), GreatestTimeout)
	if actual < LeastTimeout {
		return 0, fmt.Errorf("sim: watchdog %q: time-out %s: it has whole seconds, from %s to %s", "watchdog", timeout, LeastTimeout, GreatestTimeout)
	}
	w.timeout = int64(actual)
	w.due = w.board.now + w.timeout
	return actual, nil
}

// Feed implements hal.Watchdog.
func (w *Watchdog) Feed() error {
	w.board.mu.Lock()
	defer w.board.mu.Unlock()
	if err := w.board.ready("watchdog", "watchdog", w.closed); err != nil {
		return err
	}
	w.due = w.board.now + w.timeout
	return nil
}

// Disarm implements hal.Watchdog.
func (w *Watchdog) Disarm() error {
	w.board.mu.Lock()
	defer w.board.mu.Unlock()
	if err := w.board.ready("watchdog", "watchdog", w.closed); err != nil {
		return err
	}
	if w.stays && w.timeout > 0 {
		return fmt.Errorf("sim: watchdog %q: %w", "watchdog", hal.ErrStays)
	}
	w.timeout = 0
	return nil
}

// Close implements hal.Watchdog. After a Boot it is open again.
func (w *Watchdog) Close() error {
	w.board.mu.Lock()
	defer w.board.mu.Unlock()
	w.closed = true
	return nil
}

// Power is the early warning of a Board and implements hal.Power.
type Power struct {
	board    *Board
	holdup   time.Duration
	failing  bool
	down     int64 // when what is stored is used up; timebase.Never while the supply is there
	events   []hal.PowerEvent
	wake     chan struct{}
	watching bool
	closed   bool
}

var _ hal.Power = (*Power)(nil)

// Holdup implements hal.Power.
func (p *Power) Holdup() time.Duration { return p.holdup }

// Watch implements hal.Power. Where the board goes down it ends with hal.ErrPowerLost.
func (p *Power) Watch(ctx context.Context, emit func(hal.PowerEvent)) error {
	if err := p.claim(); err != nil {
		return err
	}
	defer func() {
		p.board.mu.Lock()
		defer p.board.mu.Unlock()
		p.watching = false
	}()
	for {
		events, err := p.take()
		for _, e := range events {
			emit(e)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		}
	}
}

func (p *Power) claim() error {
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	if p.watching {
		return fmt.Errorf("sim: power %q: it has a Watch already", "power")
	}
	p.watching = true
	p.events = []hal.PowerEvent{{Mono: p.board.now, Failing: p.failing}}
	return p.board.ready("power", "power", p.closed)
}

func (p *Power) take() (events []hal.PowerEvent, err error) {
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	events, p.events = p.events, nil
	return events, p.board.ready("power", "power", p.closed)
}

// Close implements hal.Power.
func (p *Power) Close() error {
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	p.closed = true
	signal(p.wake)
	return nil
}

// supply lets it fail or come back now; the caller holds the board.
func (p *Power) supply(on bool) {
	if p.failing == !on {
		return
	}
	p.failing, p.down = !on, timebase.Never
	if !on {
		p.down = p.board.now + int64(p.holdup)
	}
	if p.watching && !p.board.off {
		p.events = append(p.events, hal.PowerEvent{Mono: p.board.now, Failing: p.failing})
		signal(p.wake)
	}
}

// Watchdog returns the board's watchdog.
func (b *Board) Watchdog() *Watchdog { return &b.dog }

// Power returns the board's early warning.
func (b *Board) Power() *Power { return &b.power }

// BrownOut lets the supply fail at now, for so long: there is an early warning, and the board lives on its hold-up. Where that is
// shorter, power goes when it is used up, as in PowerCut, and the board stays off until Boot, which brings the supply back too.
func (b *Board) BrownOut(now int64, lasting time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.brownOut(lasting)
}

func (b *Board) brownOut(lasting time.Duration) {
	b.power.supply(false)
	b.back = b.now + int64(lasting)
}

// Reset tells why the board came up last.
func (b *Board) Reset() hal.ResetCause {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause
}

// Now is the board's time, ns. With Wait the board is a clock for whoever holds its devices against their contracts.
func (b *Board) Now() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// Wait moves the board's time to until, unless ctx has ended.
func (b *Board) Wait(ctx context.Context, until int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.Advance(until)
	return nil
}

// PowerOff is PowerCut at the board's time, for who tests it from outside.
func (b *Board) PowerOff(context.Context) error {
	b.PowerCut(b.Now())
	return nil
}

// PowerOn is Boot at the board's time, for who tests it from outside.
func (b *Board) PowerOn(context.Context) error {
	b.Boot(b.Now())
	return nil
}

// Discharge empties the cell of the clock chip while the power is off, for who tests it from outside.
func (b *Board) Discharge(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.off {
		return fmt.Errorf("sim: clock chip %q: its cell is of no matter while the power is on", "rtc")
	}
	b.rtc.lost = true
	return nil
}

// Bitten tells whether the board is in reset because its watchdog has bitten, for who tests it from outside.
func (b *Board) Bitten(context.Context) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.off && b.why == hal.ResetWatchdog, nil
}

// Supply lets the supply fail, or brings it back, at the board's time, for who tests it from outside.
func (b *Board) Supply(_ context.Context, on bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.power.supply(on)
	b.back = timebase.Never
	return nil
}
