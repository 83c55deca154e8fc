// What the Linux kernel knows of its wall clock.

package system

import "golang.org/x/sys/unix"

// kernel asks the kernel for the state of its clock discipline; where it may not, the clock counts as not synchronised.
func kernel() discipline {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return discipline{}
	}
	return fromTimex(state, int64(t.Status), int64(t.Offset), int64(t.Maxerror))
}

// fromTimex reads the answer of adjtimex. The offset is in ns if the status says so, else in us; the maximum error is in us.
func fromTimex(state int, status, offset, maxError int64) discipline {
	if status&unix.STA_NANO == 0 {
		offset *= 1000
	}
	synced := state != unix.TIME_ERROR && status&unix.STA_UNSYNC == 0
	return discipline{synced: synced, offset: offset, bound: max(maxError*1000, 1)}
}
