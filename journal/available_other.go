// How much room is left: systems that are not asked.

//go:build !darwin && !linux && !windows

package journal

import (
	"errors"
	"fmt"
)

// Available returns how many bytes may still be written below dir. Here nobody knows: the error is errors.ErrUnsupported.
func Available(dir string) (int64, error) {
	return 0, fmt.Errorf("journal: room in %q: %w", dir, errors.ErrUnsupported)
}
