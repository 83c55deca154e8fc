// How much room is left: Windows.

package journal

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// Available returns how many bytes may still be written below dir by this user. Its error is errors.ErrUnsupported on a system that is not
// asked.
func Available(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	var free uint64
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	}
	if err != nil {
		return 0, fmt.Errorf("journal: room in %q: %w", dir, err)
	}
	return int64(min(free, 1<<62)), nil
}
