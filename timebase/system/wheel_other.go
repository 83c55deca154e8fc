//go:build !linux

// Timers of systems that have none by file descriptor.

package system

import (
	"errors"
	"fmt"
)

func newTimer(bool) (timer, error) {
	return nil, fmt.Errorf("system: timer of a clock: %w", errors.ErrUnsupported)
}
