// What the Linux kernel knows of its wall clock.

package system

import "golang.org/x/sys/unix"

// kernel asks the kernel for the state of its clock discipline; where it may not, the clock counts as not synchronised.
func kernel() (discipline, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return discipline{}, err
	}
	return fromTimex(state, int64(t.Status), int64(t.Offset), int64(t.Maxerror)), nil
}

// fromTimex reads the answer of adjtimex. The offset is in ns if the status says so, else in us; the maximum error is in us. The
// kernel's offset is what it will still slew the wall clock by, and so above zero where that is behind.
func fromTimex(state int, status, offset, maxError int64) discipline {
	if status&unix.STA_NANO == 0 {
		offset *= 1000
	}
	d := discipline{synced: state != unix.TIME_ERROR && status&unix.STA_UNSYNC == 0, offset: -offset, bound: max(maxError*1000, 1)}
	switch state {
	case unix.TIME_INS:
		d.leap = 1
	case unix.TIME_DEL:
		d.leap = -1
	}
	return d
}

// asleep is for how long the machine has been suspended since it came up, ns, and by some microseconds more than that.
func asleep() int64 {
	var boot, mono unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return 0
	}
	return max(boot.Nano()-mono.Nano(), 0)
}
