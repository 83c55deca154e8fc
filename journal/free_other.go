// How much room is left: systems that are not asked.

//go:build !darwin && !linux && !windows

package journal

import (
	"errors"
	"fmt"
)

// Free returns how many bytes may still be written below dir. Here nobody knows: the error is errors.ErrUnsupported.
func Free(dir string) (int64, error) {
	return 0, fmt.Errorf("journal: free room in %q: %w", dir, errors.ErrUnsupported)
}
