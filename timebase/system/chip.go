// The reference that a clock chip stands for.

package system

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/timebase"
)

// Chip is a reference of kind RTC: a clock chip of the board, or the one of a simulated board. Any number of goroutines may use it.
type Chip struct {
	clock timebase.Clock
	rtc   hal.RTC
}

// NewChip makes a reference to a clock chip. The clock runs at speed 1.
func NewChip(clock timebase.Clock, rtc hal.RTC) *Chip { return &Chip{clock: clock, rtc: rtc} }

// Read implements timebase.Reference; it blocks for the transfer, a few milliseconds. It is good as long as the chip has not lost its
// time, and was heard when it was read. The bound is the second that it does not tell, and the time that the transfer took.
func (c *Chip) Read(ctx context.Context) (timebase.Reading, error) {
	if err := ctx.Err(); err != nil {
		return timebase.Reading{}, err
	}
	before, _ := look(c.clock)
	utc, err := c.rtc.Read()
	r := timebase.Reading{UTC: utc, Bound: int64(time.Second)}
	var wall int64
	r.Mono, wall = look(c.clock)
	r.Heard = r.Mono
	switch {
	case errors.Is(err, hal.ErrTimeLost):
		r.UTC, r.Why = 0, err.Error()
		return r, nil
	case err != nil:
		return timebase.Reading{}, fmt.Errorf("system: clock chip: %w", err)
	}
	r.Good, r.Offset = true, wall-utc
	r.Bound += r.Mono - before
	return r, nil
}
