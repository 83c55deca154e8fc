//go:build !linux

// Manners of systems on which there is nothing to be had but threads for Go code.

package system

import (
	"errors"
	"fmt"
)

func realTime(_ int, p policy, priority int) error {
	if priority == 0 {
		return nil
	}
	return fmt.Errorf("system: %v with priority %d: %w", p, priority, errors.ErrUnsupported)
}

func allRealTime(priority int) error { return realTime(0, rr, priority) }

func (Manners) lock() string { return "memory not locked: " + errors.ErrUnsupported.Error() }
