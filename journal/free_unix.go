// How much room is left: systems that have statfs.

//go:build darwin || linux

package journal

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Free returns how many bytes may still be written below dir, by a process without privileges. Its error is errors.ErrUnsupported on a
// system that is not asked.
func Free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("journal: free room in %q: %w", dir, err)
	}
	return int64(min(s.Bavail, 1<<40)) * int64(s.Bsize), nil
}
