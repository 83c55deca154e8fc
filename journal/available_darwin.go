// How much room is left: macOS.

package journal

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Available returns how many bytes may still be written below dir by a process without privileges. Its error is
// errors.ErrUnsupported on a system that is not asked.
func Available(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("journal: room in %q: %w", dir, err)
	}
	return int64(min(s.Bavail, 1<<40)) * int64(s.Bsize), nil
}
