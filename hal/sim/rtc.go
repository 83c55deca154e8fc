// The simulated clock chip: whole seconds, drift, and a cell that may be dead.

package sim

import (
	"fmt"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// RTC is the clock chip of a Board and implements hal.RTC. It runs on while the power is off, unless its cell is dead.
type RTC struct {
	board *Board
	base  int64 // UTC, ns, at board time since
	since int64
	drift int64 // ppm
	dead  bool
	lost  bool
	mute  int64 // until when it does not answer
}

var _ hal.RTC = (*RTC)(nil)

// Read implements hal.RTC.
func (r *RTC) Read() (utc int64, err error) {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	if err := r.ready(); err != nil {
		return 0, err
	}
	if r.lost {
		return 0, fmt.Errorf("sim: clock chip %q: %w", "rtc", hal.ErrTimeLost)
	}
	utc = r.exact()
	return utc - utc%int64(time.Second), nil
}

// exact is the time that the chip has, with the part of a second that it does not show.
func (r *RTC) exact() int64 {
	elapsed := r.board.now - r.since
	return r.base + elapsed + elapsed/1_000_000*r.drift
}

// rate lets it gain so much more from now on.
func (r *RTC) rate(ppm int64) {
	r.base, r.since, r.drift = r.exact(), r.board.now, r.drift+ppm
}

// ready returns the error of a chip that does not answer.
func (r *RTC) ready() error {
	if r.board.now < r.mute {
		return fmt.Errorf("sim: clock chip %q: no answer on the bus", "rtc")
	}
	return r.board.ready("clock chip", "rtc", false)
}

// Set implements hal.RTC.
func (r *RTC) Set(utc int64) error {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	if err := r.ready(); err != nil {
		return err
	}
	if y := time.Unix(0, utc).UTC().Year(); y < 2000 || y > 2099 {
		return fmt.Errorf("sim: clock chip %q: year %d: the chip holds 2000 to 2099", "rtc", y)
	}
	r.base, r.since, r.lost = utc-utc%int64(time.Second), r.board.now, false
	return nil
}
