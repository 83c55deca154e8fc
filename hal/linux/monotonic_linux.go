// The monotonic clock of Linux, which stamps the edges of its lines.

package linux

import "golang.org/x/sys/unix"

// Monotonic is now on CLOCK_MONOTONIC, ns: the clock of the edges that the kernel stamps. It stands still while the board is
// suspended. On other systems than Linux it is 0.
func Monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0 // every Linux has it
	}
	return t.Nano()
}
