//go:build !linux

// Systems without the clock of Linux.

package linux

// Monotonic is now on the clock of the edges that a Linux kernel stamps; here it is 0.
func Monotonic() int64 { return 0 }
